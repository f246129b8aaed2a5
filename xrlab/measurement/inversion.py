"""What the inversion symmetry of the pattern, S(q) = S(-q), says of an image without knowing S."""

from __future__ import annotations

import numpy as np

from xrlab.crystal.arrays import Floats, Image, Integers, Mask

# Degrees of the polynomials in h and k that stand for the form factor and for what it leaves of the
# background.
FORM_FACTOR, BACKGROUND = 6, 7

# Residuals beyond this multiple of the usual one count less in the fit.
FAR = 3.0

# Fewer pixels say nothing.
LEAST = 100


def without_pattern(image: Image, fitted: Mask | None = None) -> tuple[Image, Image]:
    """Take the pattern from an image by comparing it with itself turned half round.

    I = E S + B with S(q) = S(-q) gives E(-q) I(q) - E(q) I(-q) = E(-q) B(q) - E(q) B(-q), which is
    smooth and odd. E and the right side are polynomials, fitted by least squares.

    Parameters
    ----------
    image : array, 2-D
        About the centre of the pattern; NaN where unmeasured.
    fitted : bool array, optional
        Pixels that the fit may use, the same as those of the image turned; all if not given.

    Returns
    -------
    left : float64 array
        Left minus right side over sqrt(E(q)^2 + E(-q)^2), in units of the mean intensity; NaN where
        either pixel was not measured, and everywhere if fewer than `LEAST` were.
    intensity : float64 array
        Mean of both intensities that the variance of `left` grows with, as that of counts does.

    Examples
    --------
    >>> q = np.linspace(-1, 1, 64)
    >>> pattern = np.exp(np.cos(8 * q[:, None] + 9 * q))
    >>> left, _ = without_pattern((2 + q) * pattern + 1 + q)
    >>> bool(np.abs(left).max() < 1e-6)
    True
    """
    used = np.isfinite(image) & np.isfinite(image[::-1, ::-1])
    chosen = used if fitted is None else used & fitted & fitted[::-1, ::-1]
    left, intensity = np.full((2, *image.shape), np.nan)
    if chosen.sum() < LEAST or not (mean := np.abs(image[chosen]).mean()):
        return left, intensity
    here, there = (x[used] / mean for x in (image, image[::-1, ::-1]))
    degree, powers = _polynomials(image.shape, BACKGROUND)
    powers = powers[used]
    even = np.where(degree % 2, -1, 1)
    envelope = (degree > 0) & (degree <= FORM_FACTOR)
    columns = powers * (here[:, None] - even * there[:, None])
    columns = np.hstack([columns[:, envelope], powers[:, degree % 2 == 1]])
    weight = chosen[used] / np.sqrt(np.maximum(here + there, 1e-3))
    robust = weight
    for _ in range(4):
        weighted = columns * robust[:, None]
        normal = weighted.T @ weighted
        normal[np.diag_indices_from(normal)] += 1e-8 * np.trace(normal) / len(normal)
        answer = np.linalg.solve(normal, weighted.T @ (robust * (there - here)))
        odd = here - there + columns @ answer
        usual = 1.4826 * np.median(np.abs(odd * weight)[weight > 0]) + 1e-300
        robust = weight / np.sqrt(1 + (odd * weight / usual / FAR) ** 2)
    factor = 1 + powers[:, envelope] @ answer[: envelope.sum()]
    other = 1 + (powers * even)[:, envelope] @ answer[: envelope.sum()]
    norm = factor**2 + other**2 + 1e-9
    left[used] = odd / np.sqrt(norm)
    intensity[used] = (factor**2 * here + other**2 * there) / norm
    return left, intensity


def _polynomials(shape: tuple[int, ...], degree: int) -> tuple[Integers, Floats]:
    """Products of Legendre polynomials up to a degree: their degrees and their values."""
    x, y = (np.polynomial.legendre.legvander(np.linspace(-1, 1, n), degree) for n in shape)
    m, n = np.transpose([(a, b) for a in range(degree + 1) for b in range(degree + 1 - a)])
    return m + n, x[:, None, m] * y[None, :, n]
