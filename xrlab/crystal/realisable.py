"""Which encodings a lattice of +1 and -1 can have: slack of the conditions, ranges and regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Mask
from xrlab.crystal.encoding import Encoding, three_site_conditions, vector_length
from xrlab.crystal.spectrum import field_correlation, lattice_correlation

# Correlations nearer together than this are the same: float32 labels are rounded by 6e-8, linear
# programs end within 1e-7.
SAME_POINT = 1e-6

# Weight of a correlation against the entropy that keeps away from its edge: the end of a sure range
# is at most 1/PUSH from the edge, as a correlation of the field. Stronger takes more steps.
PUSH = 30.0

# Newton steps without a warm start are some 20, rarely 100; where there is no range they never end.
MAX_STEPS = 200
DECREMENT = 1e-7

# Points along each axis of a reciprocal cell, at least, and for each site of the span.
GRID, GRID_PER_SITE = 24, 6


@dataclass(frozen=True, eq=False)
class Ranges:
    """Ranges of all correlations, in the order of the encoding's vector.

    Parameters
    ----------
    sure : float64 array, shape (span^2 - 1, 2)
        Lowest and highest value that a Gaussian field has; NaN where it has none.
    open : float64 array, shape (span^2 - 1, 2)
        Lowest and highest value that three sites do not exclude; NaN where they exclude all.
    multipliers : float64 array, shape (2 span^2 - 2, span^2)
        Where a search for the ranges of an encoding like this one begins best.
    """

    sure: Floats
    open: Floats
    multipliers: Floats


def ranges(encoding: Encoding, start: Ranges | None = None) -> Ranges:
    """Find how far each correlation can go while the others stay.

    The sure ranges are those of the correlations rho = sin(pi c / 2) of the field, each pushed
    up and down as far as a spectrum S >= 0 lets it: of +-PUSH rho_k + <ln S> the maximum under all
    other correlations, by Newton's method on the dual, for all k and both signs at once (a barrier
    method: Boyd & Vandenberghe, Convex Optimization, 2004, chapter 11).

    Parameters
    ----------
    encoding : Encoding
        Half of the sites are +1.
    start : Ranges, optional
        Those of an encoding like this one, from which fewer steps are left.

    Examples
    --------
    >>> ranges(Encoding.from_vector([0.6, 0.6, 0.4])).open[2]  # c(1, 1) >= c(0, 1) + c(1, 0) - 1
    array([0.2, 1. ])
    """
    sure, multipliers = _field_ranges(field_correlation(encoding.matrix).ravel(), start)
    return Ranges(lattice_correlation(sure), _three_site_ranges(encoding), multipliers)


def _three_site_ranges(encoding: Encoding) -> Floats:
    """Lowest and highest value of every c_k under A c <= 1 while the others stay."""
    conditions = _conditions(encoding.span)
    vector = encoding.vector
    left = 1 - (conditions @ vector)[:, None] + conditions * vector
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = left / conditions
    low = np.where(conditions < 0, edge, -1.0).max(axis=0)
    high = np.where(conditions > 0, edge, 1.0).min(axis=0)
    broken = ((conditions == 0) & (left < -1e-9)).any(axis=0) | (low > high + 1e-9)
    return np.where(broken, np.nan, [low, high]).T


def _field_ranges(rho: Floats, start: Ranges | None) -> tuple[Floats, Floats]:
    """Lowest and highest rho_k of a field while the others stay, and the multipliers."""
    waves, points = _waves(round(len(rho) ** 0.5))
    pushed = np.repeat(np.arange(1, len(rho)), 2)
    sign = np.tile([-1.0, 1.0], len(rho) - 1)
    everyone = np.arange(len(pushed))
    # <p S> for p = 1 + PUSH (1 -+ cos_k) > 0: where nothing is known.
    multipliers = np.zeros((len(pushed), len(rho)))
    multipliers[:, 0] = 1 + PUSH
    multipliers[everyone, pushed] = -sign * PUSH / 2
    if start is not None and start.multipliers.shape == multipliers.shape:
        multipliers = start.multipliers.copy()
    beginning = multipliers.copy()
    # All but the pushed correlation are held.
    held = np.tile(np.where(np.arange(len(rho)) == 0, 1.0, 2.0) * rho, (len(pushed), 1))
    held[everyone, pushed] = 0
    reached = np.full(len(pushed), np.nan)
    todo = everyone
    inverse = multipliers @ waves
    for _ in range(MAX_STEPS):
        k, row = pushed[todo], np.arange(len(todo))
        share = points / inverse[todo]
        gradient = held[todo] - share @ waves.T
        reached_now = -gradient[row, k] / 2
        gradient[row, k] = 0
        hessian = (waves * (share / inverse[todo])[:, None]) @ waves.T
        hessian[row, k] = 0
        hessian[row, :, k] = 0
        hessian[row, k, k] = 1
        hessian[:, np.arange(len(rho)), np.arange(len(rho))] *= 1 + 1e-12  # never singular
        direction = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
        decrement = -(gradient * direction).sum(axis=1)
        value = (held[todo] * multipliers[todo]).sum(axis=1) - np.log(inverse[todo]) @ points
        done = decrement < DECREMENT
        reached[todo[done]] = reached_now[done]
        # If a maximum exists, the value stays above -PUSH - <ln 1/S>; below that it is unbounded.
        go_on = ~done & (value > -PUSH - 50)
        todo, value, decrement = todo[go_on], value[go_on], decrement[go_on]
        if len(todo) == 0:
            break
        along = direction[go_on] @ waves
        length = 1 / np.maximum(1.0, (-along / inverse[todo]).max(axis=1) / 0.95)
        while True:
            trial = multipliers[todo] + length[:, None] * direction[go_on]
            positive = inverse[todo] + length[:, None] * along
            attempt = (held[todo] * trial).sum(axis=1) - np.log(positive) @ points
            short = attempt > value - 0.1 * length * decrement + 1e-12
            short &= length > 1e-8
            if not short.any():
                break
            length[short] /= 2
        multipliers[todo], inverse[todo] = trial, positive
    # Where there is no range, the search begins anew the next time.
    multipliers[np.isnan(reached)] = beginning[np.isnan(reached)]
    return np.clip(reached.reshape(-1, 2), -1, 1), multipliers


@lru_cache(maxsize=8)
def _waves(span: int) -> tuple[Floats, Floats]:
    """1, 2 cos 2 pi (h i + k j) over half a cell, shape (span^2, points), and weights of points."""
    size = max(GRID, GRID_PER_SITE * span)  # even
    h, k = np.arange(size) / size, np.arange(size // 2 + 1) / size
    weights = np.full((size, len(k)), 2 / size**2)  # S(q) = S(-q)
    weights[:, [0, -1]] /= 2
    phases = [np.add.outer(h * i, k * j).ravel() for i in range(span) for j in range(span)]
    waves = 2 * np.cos(2 * np.pi * np.array(phases))
    waves[0] = 1
    return waves, weights.ravel()


@lru_cache(maxsize=8)
def _conditions(span: int) -> Floats:
    return three_site_conditions(span)


def three_site_slack(vectors: ArrayLike, span: int) -> Floats:
    """Distance, 1 - A c, of every encoding from its nearest three-site condition.

    Parameters
    ----------
    vectors : array, shape (samples, span^2 - 1)

    Returns
    -------
    float64 array, shape (samples,)
        Below 0: no lattice of +1 and -1 has this encoding. 0: on the border of the possible. 1:
        all correlations are 0, as far from the border as can be.

    Examples
    --------
    >>> three_site_slack([[0.5, 0.5, 0.25], [0.9, 0.9, 0.0], [0, 0, 0]], span=2)
    array([ 0.25, -0.8 ,  1.  ])
    """
    return 1 - (as_vectors(vectors, span) @ three_site_conditions(span).T).max(axis=1)


def possible(vectors: ArrayLike, span: int) -> Mask:
    """Say which encodings meet every three-site condition.

    >>> possible([[0.5, 0.5, 0.25], [0.9, 0.9, 0.0]], span=2)
    array([ True, False])
    """
    return three_site_slack(vectors, span) >= -SAME_POINT


def possible_region(
    span: int, across: int, up: int, held: Mapping[int, tuple[float, float]] | None = None
) -> Floats:
    """Find which pairs of values two components can have under the three-site conditions.

    The conditions cut a convex body out of all encodings; this is its shadow on the plane of two
    components. No lattice lies outside; that one lies at every point inside is not promised.

    Parameters
    ----------
    span : int
    across, up : int
        Positions of the two components in the vector.
    held : mapping from position to (float, float), optional
        Lowest and highest value of other components; those not named are free.

    Returns
    -------
    float64 array, shape (corners, 2)
        The corners of a convex polygon, counter-clockwise; none if nothing is possible.

    Examples
    --------
    >>> possible_region(3, across=0, up=1) + 0.0  # c(0, 2) is not below 2 |c(0, 1)| - 1
    array([[ 1.,  1.],
           [-1.,  1.],
           [ 0., -1.]])
    """
    n_values = vector_length(span)
    if across == up or not {across, up, *(held or {})} <= set(range(n_values)):
        raise ValueError(
            f"choose two different components, numbers from 0 to {n_values - 1}; "
            f"got {across} and {up}"
        )
    bounds = tuple(sorted((held or {}).items()))
    return _region(span, across, up, bounds).copy()


@lru_cache(maxsize=512)
def _region(
    span: int, across: int, up: int, held: tuple[tuple[int, tuple[float, float]], ...]
) -> Floats:
    from scipy.optimize import linprog  # not needed for the ranges of every explorer: 20 MB

    conditions = three_site_conditions(span)
    limits = [(-1.0, 1.0)] * vector_length(span)
    for place, (low, high) in held:
        limits[place] = (max(low, -1.0), min(high, 1.0))
        if limits[place][0] > limits[place][1]:
            return np.empty((0, 2))

    def farthest(direction: Floats) -> Floats | None:
        """Return the point of the region farthest in a direction."""
        cost = np.zeros(len(limits))
        cost[[across, up]] = -direction
        answer = linprog(cost, conditions, np.ones(len(conditions)), bounds=limits)
        return answer.x[[across, up]] if answer.status == 0 else None

    corners: list[Floats] = []
    for direction in np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], float):
        point = farthest(direction)
        if point is None:
            return np.empty((0, 2))
        if not any(np.abs(point - other).max() < SAME_POINT for other in corners):
            corners.append(point)
    # Between two corners there may be another: look straight out of the edge that joins them.
    place = 0
    while 1 < len(corners) > place:
        start, end = corners[place], corners[(place + 1) % len(corners)]
        outwards = np.array([end[1] - start[1], start[0] - end[0]])
        point = farthest(outwards)
        if point is not None and outwards @ (point - start) > SAME_POINT:
            corners.insert(place + 1, point)
        else:
            place += 1
    region = np.round(corners, 9)
    before, after = np.roll(region, 1, axis=0) - region, np.roll(region, -1, axis=0) - region
    bend = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return region[np.abs(bend) > SAME_POINT] if len(region) > 2 else region


def inside(region: ArrayLike, points: ArrayLike) -> Mask:
    """Say which points, shape (points, 2), lie in a convex polygon or by rounding beside it.

    Its corners are given counter-clockwise, shape (corners, 2).

    >>> inside([[0, 0], [1, 0], [0, 1]], [[0.2, 0.2], [0.8, 0.8]])
    array([ True, False])
    """
    corners, places = np.asarray(region, float), np.asarray(points, float)
    if len(corners) < 3:
        return np.zeros(len(places), bool)
    edges = np.roll(corners, -1, axis=0) - corners
    from_corner = places[:, None] - corners
    left = edges[:, 0] * from_corner[..., 1] - edges[:, 1] * from_corner[..., 0]
    return (left >= -SAME_POINT * np.linalg.norm(edges, axis=1)).all(axis=1)


def as_vectors(vectors: ArrayLike, span: int) -> Floats:
    """Check that an array holds encodings of this span and return it as float64."""
    array = np.asarray(vectors, float)
    if array.ndim != 2 or array.shape[1] != vector_length(span):
        raise ValueError(
            f"encodings of span {span} are an array of shape (samples, {vector_length(span)}); "
            f"this one has shape {array.shape}"
        )
    return array
