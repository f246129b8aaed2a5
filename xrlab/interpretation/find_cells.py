"""Find the origin and the size of a reciprocal cell in an image that comes without axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, signal

from xrlab.crystal.arrays import Floats, Mask
from xrlab.crystal.grid import unmasked
from xrlab.io.section import Section

# Fewest pixels of a cell that can be read, and fewest cells along each axis that are needed.
LEAST_PIXELS, LEAST_CELLS = 16, 3

# Least amount by which the image agrees better with itself whole cells on than otherwise, and least
# correlation of the image with itself turned half round.
LEAST_PERIOD, LEAST_SYMMETRY = 0.15, 0.5

# A shorter period is preferred if it scores this part of the best: odd multiples score as well.
SHORTER = 0.5

# Part of the image that must overlap with the turned one.
OVERLAP = 0.3


def find_cells(image: ArrayLike) -> Section:
    """Place an image by its own pattern: diffuse scattering repeats from cell to cell.

    The size of the cell along each axis is the shift at which the image agrees best with itself;
    the origin is the point about which it is equal to itself turned half round, as |F|^2 is by
    Friedel's law in a plane l = 0. Rows run along h, columns along k, at right angles to each
    other. A pattern that nearly repeats after half a cell, or hardly after one, may be placed with
    half or twice the cell: compare the axes with the Bragg peaks.

    Parameters
    ----------
    image : array, shape (rows, columns)
        3 x 3 cells or more with the origin among them, NaN where unmeasured.

    Returns
    -------
    Section

    Raises
    ------
    ValueError
        If the image does not repeat, or is not symmetric about a point: give the origin and the
        pixels of a cell to `Section.from_calibration` then.

    Examples
    --------
    >>> h, k = np.meshgrid(np.arange(150.0) - 70, np.arange(140.0) - 75, indexing="ij")
    >>> pattern = 2 + np.cos(2 * np.pi * h / 25) + np.cos(2 * np.pi * (h + k) / 25)
    >>> section = find_cells(pattern * np.exp(-(h**2 + k**2) / 5000))
    >>> [round(end, 2) for end in (*section.grid.h, *section.grid.k)]
    [-2.8, 3.16, -3.0, 2.56]
    """
    pixels = unmasked(image).astype(np.float64)
    least = LEAST_PIXELS * LEAST_CELLS
    if pixels.ndim != 2 or min(pixels.shape) < least:
        raise ValueError(
            f"cells are found in an image of {least} x {least} pixels or more; this has shape "
            f"{pixels.shape}"
        )
    measured = np.isfinite(pixels)
    if measured.sum() < least:
        raise ValueError(f"only {measured.sum()} pixels of this image were measured")
    root = np.sqrt(np.maximum(np.where(measured, pixels, 0.0), 0))
    weight = ndimage.gaussian_filter(measured.astype(float), least / 3) + 1e-9
    level = ndimage.gaussian_filter(root, least / 3) / weight
    detail = np.where(measured, np.clip(root / (level + 1e-9 * root.max()) - 1, -2, 2), 0.0)
    shifted, _ = _correlation(detail, measured, turned=False)
    middle = pixels.shape[0] - 1, pixels.shape[1] - 1
    sizes = (_period(shifted[middle[0] :, middle[1]]), _period(shifted[middle[0], middle[1] :]))
    deviation = np.where(measured, root - root[measured].mean(), 0.0)
    turned, overlap = _correlation(deviation, measured, turned=True)
    turned[overlap < OVERLAP * measured.sum()] = -1
    best = np.unravel_index(np.argmax(turned), turned.shape)
    if turned[best] < LEAST_SYMMETRY:
        raise ValueError(
            f"turned half round about any point this image agrees with itself to "
            f"{turned[best]:.2f} at most, {LEAST_SYMMETRY} is needed: give the pixel of the "
            f"origin and the pixels of a cell to Section.from_calibration"
        )
    centre = _top(turned[:, best[1]], best[0]) / 2, _top(turned[best[0]], best[1]) / 2
    return Section.from_calibration(pixels, centre, sizes)


def _correlation(x: Floats, measured: Mask, *, turned: bool) -> tuple[Floats, Floats]:
    """Correlate an image, 0 where unmeasured, with itself shifted, or turned and shifted.

    Returns
    -------
    correlation, overlap : arrays, shape (2 rows - 1, 2 columns - 1)
        The second one in pixels.
    """
    seen = measured.astype(float)
    other, other_seen = (x[::-1, ::-1], seen[::-1, ::-1]) if turned else (x, seen)

    def correlate(a: Floats, b: Floats) -> Floats:
        return np.asarray(signal.correlate(a, b, method="fft"))

    square = np.maximum(correlate(x**2, other_seen) * correlate(seen, other**2), 0)
    overlap = correlate(seen, other_seen)
    return correlate(x, other) / np.sqrt(square + 1e-6 * (x**2).sum() ** 2), overlap


def _period(line: Floats) -> float:
    """Find the shift at whose multiples a correlation is greatest, against all shifts between."""
    lags = np.arange(len(line))

    def score(period: float, most: int) -> float:
        number = max(min(most, int(0.7 * len(line) / period)), 1)
        whole = np.interp(np.arange(1, number + 1) * period, lags, line).mean()
        between = line[round(period / 4) : round((number + 0.25) * period)].mean()
        return float(whole - between)

    longest = len(line) / LEAST_CELLS
    coarse = np.arange(LEAST_PIXELS, longest, 0.1)
    scores = [score(period, 3) for period in coarse]
    if max(scores) < LEAST_PERIOD:
        raise ValueError(
            "this image does not repeat along one of its axes: give the pixel of the origin and "
            "the pixels of a cell to Section.from_calibration"
        )
    maxima, _ = signal.find_peaks([-1, *scores, -1], height=SHORTER * max(scores))
    first = coarse[maxima[0] - 1]
    fine = np.arange(0.97 * first, 1.03 * first, 0.01)
    return float(fine[int(np.argmax([score(period, len(line)) for period in fine]))])


def _top(line: Floats, place: int | np.intp) -> float:
    """Place of a maximum between pixels, by a parabola through three of them."""
    if not 0 < place < len(line) - 1:
        return float(place)
    left, middle, right = line[place - 1 : place + 2]
    bend = left - 2 * middle + right
    return float(place + (0.5 * (left - right) / bend if bend < 0 else 0.0))
