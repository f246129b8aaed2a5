"""How far each correlation of an encoding can go while the others stay: the range of a slider.

Two answers bracket the truth. Inside its *sure* range a thresholded Gaussian field has the
encoding, so a lattice has it. Beyond its *open* range three sites would contradict each other, so
no lattice of +1 and -1 has it. Between the two nothing is promised and nothing is excluded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xrlab.eda import three_site_conditions
from xrlab.encoding import Encoding
from xrlab.spectrum import field_correlation, lattice_correlation

Floats = NDArray[np.float64]

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
        # Of a maximum the value is -PUSH - <ln 1/S> or more; below it falls for ever.
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
