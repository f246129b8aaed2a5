"""Whether an image holds intensities, or the logarithm or the square root of counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.measurement.inversion import without_pattern

# What viewers export instead of counts, and how the counts come back.
INVERSES: dict[str, Callable[[Floats], Floats]] = {
    "decimal logarithm": lambda y: 10.0**y,
    "natural logarithm": np.exp,
    "binary logarithm": np.exp2,
    "square root": np.square,
}

# Fewer pixels say nothing. Single precision keeps seven digits of the values on such a scale.
LEAST_PIXELS, DIGITS = 100, 2e-6


def counts_behind(image: Image) -> tuple[str, float]:
    """Find the scale whose inverse gives whole numbers, where the image itself holds none.

    Real numbers are within the tolerance of a whole number by chance in at most a tenth of the
    pixels: those above the count at which the tolerance reaches 0.05 are left out.

    Parameters
    ----------
    image : array of any shape
        NaN where unmeasured.

    Returns
    -------
    name : str
        One of `INVERSES`.
    share : float
        Part of the pixels that the inverse makes whole; 0 if the image holds whole numbers, NaN
        if fewer than `LEAST_PIXELS` are above 0.

    Examples
    --------
    >>> counts = np.arange(100.0, 400).reshape(15, 20)
    >>> counts_behind(np.log10(counts)), counts_behind(counts)[1]
    (('decimal logarithm', 1.0), 0.0)
    """
    values = image[np.isfinite(image) & (image > 0)]
    best = ("decimal logarithm", 0.0 if values.size >= LEAST_PIXELS else np.nan)
    if values.size < LEAST_PIXELS or np.mean(values == np.round(values)) > 0.5:
        return best
    for name, inverse in INVERSES.items():
        with np.errstate(over="ignore"):
            counts = inverse(values)
        counts = counts[(counts > 1.5) & (counts < 0.05 / DIGITS)]
        if counts.size >= 0.5 * values.size:
            whole = np.abs(counts - np.round(counts)) <= DIGITS * counts
            best = max(best, (name, float(whole.mean())), key=lambda each: each[1])
    return best


# Standard error of the logarithm of the median of n squared differences, times sqrt(n): 2.3 for
# independent normal ones, more since each occurs at q and -q and neighbours share pixels.
SCATTER = 4.0

# Noise that is smaller than this part of the intensity is the rounding of numbers.
NO_NOISE = 1e-5

SECOND = np.array([[1, -2, 1]])


def noise_exponent(image: Image, grid: ReciprocalGrid) -> float:
    """Power of the intensity that the noise grows with, at most; NaN where there is none.

    The variance of second differences of what is left `without_pattern`, along either axis, is
    grouped by intensity. Counts have an exponent of 1, their square roots 0, their logarithms less;
    where the variance is partly structure, 2 or more. The standard error is added: it is large
    where all intensities are alike. NaN also if too few pixels were measured.
    """
    pixels = np.where(grid.distance_to_bragg() >= BRAGG_RADIUS, image, np.nan)
    left, intensity = without_pattern(pixels)
    parts = [_differences(left, intensity, weights) for weights in (SECOND, SECOND.T)]
    square, level = (np.concatenate(x) for x in zip(*parts, strict=True))
    if square.size < 500 or np.median(square) < (NO_NOISE * level.mean()) ** 2:
        return np.nan
    groups = np.array_split(np.argsort(level), 12)
    x = np.log([np.median(level[group]) for group in groups])
    if np.ptp(x) == 0:
        return np.nan
    y = np.log([np.median(square[group]) + 1e-12 * level.mean() ** 2 for group in groups])
    return float(np.polyfit(x, y, 1)[0] + SCATTER / np.sqrt(square.size) / x.std())


def _differences(left: Image, intensity: Image, weights: Floats) -> tuple[Floats, Floats]:
    """Squares of weighted sums of neighbouring pixels, as noise variances, and mean intensities."""
    windows, level = (
        np.lib.stride_tricks.sliding_window_view(x, weights.shape) for x in (left, intensity)
    )
    square = np.einsum("xyij,ij->xy", windows, weights) ** 2 / (weights**2).sum()
    level = level.mean(axis=(-2, -1))
    used = level > 0
    return square[used], level[used]
