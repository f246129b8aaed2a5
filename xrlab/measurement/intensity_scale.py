"""Whether an image holds intensities, or the logarithm or the square root of counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xrlab.crystal.arrays import Floats, Image

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
