"""What a measurement does to an image, effect by effect: form factor, background, noise, gaps.

Each effect is a function ``(image, grid, rng, **strength) -> image``; NaN marks unmeasured pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from xrlab.crystal.arrays import Image
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, as_image, unmasked

Seed = int | np.random.Generator
Effect = Callable[..., ArrayLike]

_WANTED: dict[str, Callable[[float], bool]] = {
    "above 0": lambda x: 0 < x < np.inf,
    "0 or more": lambda x: 0 <= x < np.inf,
    "1 or more": lambda x: 1 <= x < np.inf,
    "from 0 to 1": lambda x: 0 <= x <= 1,
    "0 or 1": lambda x: x in (0, 1),
    "above 0 and at most 0.2": lambda x: 0 < x <= 0.2,
    "above 0 and at most 1e9": lambda x: 0 < x <= 1e9,
    "a finite number": lambda x: -np.inf < x < np.inf,
}


def envelope(
    image: ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    seed: Seed = 0,
    *,
    size: float = 0.4,
    falloff: float = 3.0,
    atoms: int = 6,
    values: ArrayLike | None = None,
) -> Image:
    """Multiply by E(q), the squared difference of the form factors of two random molecules.

    E ~ |sum_n w_n exp 2 pi i (h x_n + k y_n)|^2 exp(-|q|^2 / (2 falloff^2)), scaled to a mean of 1
    over the grid. This is |dF|^2 of two molecules that differ in a few atoms (Welberry, Diffuse
    X-ray Scattering and Models of Disorder, 2004), with one fall-off for thermal motion and atomic
    form factors together. It is never negative, and as a rule 0 only at isolated points.

    Parameters
    ----------
    size : float
        Places x_n, y_n are uniform in a square of this side, in cells, above 0. E has no detail
        finer than 1 / size r.l.u.
    falloff : float
        r.l.u., above 0.
    atoms : int
        Number of terms, 1 or more; their weights w_n are standard normal (drawn first, then x, y).
    values : array, shape ``grid.shape``, optional
        E itself, taken as it is instead of a random one.

    Examples
    --------
    >>> e = envelope(np.ones((64, 64)), seed=1)
    >>> round(float(e.mean()), 6), bool(e.min() >= 0), bool(e.std() > 0.1)
    (1.0, True, True)
    """
    image = checked_image(image, grid)
    if values is not None:
        return image * checked_image(values, grid)
    _require("envelope", "above 0", size=size, falloff=falloff)
    _require("envelope", "1 or more", atoms=atoms)
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(atoms)
    waves = [
        # The largest fall-off is 1, so that a window far from the origin keeps its digits.
        np.exp(2j * np.pi * np.outer(q, x) - ((q**2 - (q**2).min()) / (2 * falloff) ** 2)[:, None])
        for q, x in zip(_axes(grid), rng.uniform(-size / 2, size / 2, (2, atoms)), strict=True)
    ]
    amplitude = (waves[0] * weights) @ waves[1].T
    factor = amplitude.real**2 + amplitude.imag**2
    return image * (factor / factor.mean())


def background(
    image: ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    seed: Seed = 0,
    *,
    constant: float = 0.2,
    air: float = 0.5,
    reach: float = 0.5,
    ring: float = 0.0,
    ring_radius: float = 1.5,
    ring_width: float = 0.1,
) -> Image:
    """Add B(q): a constant, air scattering around the beam, and a powder or amorphous ring.

    B = constant + air exp(-|q| / reach) + ring exp(-(|q| - ring_radius)^2 / (2 ring_width^2)).
    An empirical form. The levels `constant`, `air` and `ring` are in Laue units, 0 or more (1: as
    strong as the mean diffuse scattering); the lengths in r.l.u., above 0.

    >>> float(background(np.zeros((64, 64)), constant=0.2, air=0.5)[0, 0])  # at the origin
    0.7
    """
    image = checked_image(image, grid)
    _require("background", "0 or more", constant=constant, air=air, ring=ring)
    _require("background", "above 0", reach=reach, ring_radius=ring_radius, ring_width=ring_width)
    q = _distance(grid, 0, 0)
    level = constant + air * np.exp(-q / reach)
    if ring:
        level += ring * np.exp(-(((q - ring_radius) / ring_width) ** 2) / 2)
    return image + level


def bragg_peaks(
    image: ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    seed: Seed = 0,
    *,
    intensity: float = 1.0,
    spread: float = 1.0,
    width: float = 0.01,
) -> Image:
    """Add sharp peaks of random strength at all whole h and k.

    Each is a round Gaussian, averaged over the area of every pixel (not sampled at its centre):
    the sum over its pixels times the area of a pixel is its integrated intensity, however narrow
    it is. Intensities are log-normal, those of (h, k) and (-h, -k) equal (Friedel's law).

    Parameters
    ----------
    intensity : float
        Median of the integrated intensities, 0 or more, in Laue units x r.l.u.^2. At 1 a peak holds
        as much as the diffuse scattering of one reciprocal cell.
    spread : float
        Standard deviation of the logarithm of the integrated intensity, 0 or more.
    width : float
        Standard deviation of the Gaussian, above 0 and at most 0.2 r.l.u.

    Examples
    --------
    >>> peaks = bragg_peaks(np.zeros((64, 64)), intensity=3, spread=0)
    >>> round(float(peaks[20:44, 20:44].sum() * (2 / 63) ** 2), 6)  # around (1, 1)
    3.0
    """
    image = checked_image(image, grid)
    _require("bragg_peaks", "0 or more", intensity=intensity, spread=spread)
    _require("bragg_peaks", "above 0 and at most 0.2", width=width)
    # One order more on each side reaches into the window too.
    h, k = (np.arange(np.floor(q[0]) - 1, np.ceil(q[-1]) + 2).astype(int) for q in _axes(grid))
    rows, columns = abs(h).max(), abs(k).max()
    # Strengths for h >= 0; a peak on the other side takes that of its opposite.
    half = np.random.default_rng(seed).lognormal(0, spread, (rows + 1, 2 * columns + 1))
    side = np.where((h[:, None] < 0) | ((h[:, None] == 0) & (k < 0)), -1, 1)
    strength = intensity * half[side * h[:, None], side * k + columns]
    profiles = []
    for q, places in zip(_axes(grid), (h, k), strict=True):
        step = q[1] - q[0]
        edges = np.append(q - step / 2, q[-1] + step / 2)
        profiles.append(np.diff(ndtr((edges[:, None] - places) / width), axis=0) / step)
    return image + profiles[0] @ strength @ profiles[1].T


def blur(
    image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID, seed: Seed = 0, *, width: float = 0.02
) -> Image:
    """Smear by the point spread: a round Gaussian of standard deviation `width` r.l.u., above 0.

    Each pixel becomes the Gaussian mean of the measured pixels around it. Pixels that are NaN or
    beyond the edge count for nothing; away from them the total intensity is conserved. The Gaussian
    is sampled at the pixels: widths far below one step change nothing.

    >>> point = np.zeros((64, 64))
    >>> point[32, 32] = 1
    >>> round(float(blur(point, width=0.1).sum()), 6)
    1.0
    """
    image = checked_image(image, grid)
    _require("blur", "above 0", width=width)
    kernels = []
    for q in _axes(grid):
        # Cut at 9 widths: numbers as small as what follows slow the products down tenfold.
        exponent = np.minimum(((q[:, None] - q) / width) ** 2 / 2, 40)
        kernels.append(np.where(exponent < 40, np.exp(-exponent), 0.0))
    measured = ~np.isnan(image)
    smeared = kernels[0] @ np.where(measured, image, 0.0) @ kernels[1]
    weight = kernels[0] @ measured.astype(np.float64) @ kernels[1]
    return np.divide(smeared, weight, out=np.full(image.shape, np.nan), where=measured)


def counting(
    image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID, seed: Seed = 0, *, exposure: float = 100
) -> Image:
    """Count photons: Poisson(exposure x image) / exposure, so that the scale stays.

    The variance of a pixel of intensity I is I / exposure. Multiply by the exposure for counts.
    `exposure` is the mean count of a pixel of intensity 1, above 0 and at most 1e9.

    >>> counting([[1, 2], [3, 4]], ReciprocalGrid(shape=(2, 2)), seed=1, exposure=100)
    array([[1.  , 1.92],
           [3.19, 4.03]])
    """
    image = checked_image(image, grid)
    _require("counting", "above 0 and at most 1e9", exposure=exposure)
    if (brightest := np.fmax.reduce(image, axis=None)) > 9e9:
        raise ValueError(f"counting takes up to 9e9 Laue units, not {brightest:g}; scale the image")
    unmeasured = np.isnan(image)
    counts = np.random.default_rng(seed).poisson(np.where(unmeasured, 0.0, image * exposure))
    return np.where(unmeasured, np.nan, counts / exposure)


def saturation(
    image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID, seed: Seed = 0, *, ceiling: float = 1e3
) -> Image:
    """Cut everything above the ceiling, a number of Laue units above 0, down to it.

    >>> saturation([[1, 7], [3, np.nan]], ReciprocalGrid(shape=(2, 2)), ceiling=3)
    array([[ 1.,  3.],
           [ 3., nan]])
    """
    image = checked_image(image, grid)
    _require("saturation", "above 0", ceiling=ceiling)
    return np.minimum(image, ceiling)


def bad_pixels(
    image: ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    seed: Seed = 0,
    *,
    hot: float = 0.001,
    dead: float = 0.001,
    brightness: float = 50.0,
) -> Image:
    """Spoil single pixels: dead ones read 0, hot ones too much, and no mask marks them.

    Parameters
    ----------
    hot, dead : float
        Chance that a pixel is hot or dead, 0 to 1 each and together.
    brightness : float
        Mean of the exponential distribution of what hot pixels add, 0 or more Laue units.

    Examples
    --------
    >>> spoiled = bad_pixels(np.ones((64, 64)), hot=0.1, dead=0.2)
    >>> round(float((spoiled > 1).mean()), 1), round(float((spoiled == 0).mean()), 1)
    (0.1, 0.2)
    """
    image = checked_image(image, grid)
    _require("bad_pixels", "from 0 to 1", hot=hot, dead=dead, **{"hot + dead": hot + dead})
    _require("bad_pixels", "0 or more", brightness=brightness)
    rng = np.random.default_rng(seed)
    fate = rng.random(image.shape)
    image[fate < hot] += rng.exponential(brightness, np.count_nonzero(fate < hot))
    image[(fate >= 1 - dead) & ~np.isnan(image)] = 0
    return image


def beam_stop(
    image: ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    seed: Seed = 0,
    *,
    radius: float = 0.1,
    h: float = 0.0,
    k: float = 0.0,
    arm: float = 0.0,
    angle: float = 0.0,
) -> Image:
    """Shade a disc, and the arm that holds it: pixels with their centre inside become NaN.

    Parameters
    ----------
    radius : float
        r.l.u., 0 or more.
    h, k : float
        Centre, r.l.u.
    arm : float
        Full width of the arm, r.l.u.; 0 for none. It runs from the centre out of the image.
    angle : float
        Direction of the arm in degrees, from h (0) towards k (90).

    Examples
    --------
    >>> shaded = beam_stop(np.ones((3, 3)), ReciprocalGrid(shape=(3, 3)), radius=1.1)
    >>> np.isnan(shaded).astype(int)
    array([[1, 1, 0],
           [1, 0, 0],
           [0, 0, 0]])
    """
    image = checked_image(image, grid)
    _require("beam_stop", "0 or more", radius=radius, arm=arm)
    _require("beam_stop", "a finite number", h=h, k=k, angle=angle)
    image[_distance(grid, h, k) < radius] = np.nan
    if arm:
        dh, dk = grid.h_values[:, None] - h, grid.k_values - k
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        image[(dh * cos + dk * sin > 0) & (abs(dk * cos - dh * sin) < arm / 2)] = np.nan
    return image


def gaps(
    image: ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    seed: Seed = 0,
    *,
    width: float = 0.05,
    period: float = 1.5,
    axis: int = 0,
    offset: float | None = None,
) -> Image:
    """Blank the stripes between the modules of a detector: pixels centred inside become NaN.

    Parameters
    ----------
    width, period : float
        Of a stripe, and from one to the next, r.l.u., above 0; the width below the period.
    axis : int
        0 blanks rows (ranges of h), 1 columns (ranges of k).
    offset : float, optional
        Where a stripe begins, r.l.u.; random if not given.

    Examples
    --------
    >>> gapped = gaps(np.ones((5, 5)), ReciprocalGrid(shape=(5, 5)), width=0.2, offset=0.4)
    >>> np.isnan(gapped[:, 0])  # h = 0, 0.5, 1, 1.5, 2; stripes from 0.4 to 0.6 and 1.9 to 2.1
    array([False,  True, False, False,  True])
    """
    image = checked_image(image, grid)
    _require("gaps", "above 0", width=width, period=period)
    _require("gaps", "0 or 1", axis=axis)
    if width >= period:
        raise ValueError(f"gaps need a width below their period; got {width} and {period}")
    if offset is None:
        offset = float(np.random.default_rng(seed).uniform(0, period))
    _require("gaps", "a finite number", offset=offset)
    lost = (_axes(grid)[axis] - offset) % period < width
    image[lost if axis == 0 else (slice(None), lost)] = np.nan
    return image


def checked_image(image: ArrayLike, grid: ReciprocalGrid) -> Image:
    """Return a float64 copy of an image that fits the grid; flat and empty (all NaN) ones pass."""
    array = unmasked(image)
    if array.dtype.kind in "uif" and array.shape == tuple(grid.shape):
        array = array.astype(np.float64)
        lowest, highest = np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)
        if not lowest < 0 and highest != np.inf:
            return array
    return as_image(array, grid.shape)  # says what is wrong


def _require(effect: str, wanted: str, **values: float) -> None:
    """Refuse parameters of an effect that are not what is wanted."""
    for name, value in values.items():
        if not _WANTED[wanted](value):
            raise ValueError(f"{name} of {effect} must be {wanted}; got {value}")


def _axes(grid: ReciprocalGrid) -> tuple[Image, Image]:
    """Values of h in the rows and of k in the columns, r.l.u."""
    return grid.h_values, grid.k_values


def _distance(grid: ReciprocalGrid, h: float, k: float) -> Image:
    """Distance of every pixel from (h, k), r.l.u."""
    return np.hypot(grid.h_values[:, None] - h, grid.k_values - k)
