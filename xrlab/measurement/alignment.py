"""Whether the pattern of an image lies where its axes say."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from xrlab.crystal.arrays import Floats, Image, Mask
from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.measurement.inversion import without_pattern

# Largest displacement that is looked for, in pixels, and the side of the window around a peak.
REACH = 6

# Fewest pixels that a covariance is taken from.
LEAST = 100

# A pattern repeats if its agreement after one cell is this part of that after one pixel.
REPEATS = 0.4

# Sharp maxima that are lower, in units of the median intensity, may be diffuse.
LOWEST = 5.0

# So may those that are alike at q and -q once the form factor is taken out, since S is: Bragg peaks
# differ by this part of the intensity or more.
UNLIKE = 0.3

# Part of the bright pixels that are cut off.
BRIGHTEST = 0.985

# Degree of the polynomial that stands for the smooth part of an image. What it leaves of crystals
# without any order, through the presets of a laboratory and a synchrotron, is smaller than this
# part of the mean intensity in 99 of 100 images.
SMOOTH, FAINT = 5, 0.2


def detail(image: Image, grid: ReciprocalGrid) -> Image:
    """Take its `smooth_part` from an image; NaN near Bragg positions and where unmeasured.

    Brought to the same local variance everywhere, over about a third of a cell; what is fainter
    than `FAINT` remains so.
    """
    used = np.isfinite(image) & (grid.distance_to_bragg() >= BRAGG_RADIUS)
    result = np.full(image.shape, np.nan)
    if used.sum() < 100:
        return result
    values = np.minimum(image, np.quantile(image[used], BRIGHTEST))
    residual = (values - smooth_part(values, used, grid))[used]
    square = np.zeros(image.shape)
    square[used] = residual**2
    width = [10 * n / 64 for n in image.shape]
    near = ndimage.gaussian_filter(used.astype(float), width)
    variance = ndimage.gaussian_filter(square, width) / np.maximum(near, 1e-3)
    faint = FAINT * np.abs(values[used]).mean()
    floor = 0.05 * np.mean(residual**2) + faint**2 + 1e-30
    result[used] = residual / np.sqrt(variance[used] + floor)
    return result


def smooth_part(image: Image, used: Mask, grid: ReciprocalGrid) -> Image:
    """Polynomial of degree `SMOOTH` that fits an image best where `used` is True.

    Cosines that repeat from cell to cell are fitted with it, so that it takes nothing of them.
    """
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    degrees = range(SMOOTH + 1)
    powers = [x**m * y**n for m in degrees for n in degrees if m + n <= SMOOTH]
    h, k = np.meshgrid(grid.h_values, grid.k_values, indexing="ij")
    waves = [np.cos(2 * np.pi * (h * i + k * j)) for i, j in ((0, 1), (1, 0), (1, 1), (1, -1))]
    terms = np.stack(powers + waves, axis=-1)
    answer = np.linalg.lstsq(terms[used], image[used], rcond=None)[0]
    smooth: Image = terms[..., : len(powers)] @ answer[: len(powers)]
    return smooth


def half_turn(image: Image, grid: ReciprocalGrid) -> tuple[float, float]:
    """Where the pattern agrees best with itself turned half round, since S(q) = S(-q).

    Returns
    -------
    displacement : float
        Of the centre of the pattern from that of the window, in pixels.
    significance : float
        By how many standard errors of a covariance of noise the agreement is better there than
        with the centre where the axes have it, times the agreement there, at most 1 (neighbouring
        pixels: 1): noise, and smooth parts that are not symmetric at all, count little. NaN if too
        few pixels were measured.
    """
    pattern = detail(image, grid)
    agreement, number = _agreement(pattern, pattern[::-1, ::-1])
    steps = np.arange(-REACH, REACH + 1)
    near = np.ix_(steps, steps)
    if number[near].min() < LEAST:
        return np.nan, np.nan
    agreement = agreement[near]
    best = np.unravel_index(np.argmax(agreement), agreement.shape)
    gain = agreement[best] - agreement[REACH, REACH]
    own, error = _own(pattern)
    symmetric = np.clip(agreement[best] / max(own, 10 * error), 0, 1)
    return float(np.hypot(*(steps[list(best)])) / 2), float(gain / error * symmetric)


def repetition(image: Image, grid: ReciprocalGrid) -> float:
    """How far the pattern is from repeating after one cell, in standard errors.

    Its agreement with itself one cell farther, along the axis where that is less, should be
    `REPEATS` times that with itself one pixel farther, or more; the value is what is missing, in
    standard errors of a covariance of noise. NaN if too few pixels were measured.
    """
    pattern = detail(image, grid)
    agreement, number = _agreement(pattern, pattern)
    own, error = _own(pattern)
    missing = []
    for axis, q in enumerate((grid.h_values, grid.k_values)):
        cell = (len(q) - 1) / (q[-1] - q[0])
        lags = [(round(cell - 0.25), 0), (round(cell + 0.25), 0)]
        places = tuple(np.transpose(lags)[::-1] if axis else np.transpose(lags))
        if cell > len(q) - 1 or number[places].min() < LEAST:
            return np.nan
        missing.append(REPEATS * own - agreement[places].mean())
    return float(max(missing) / error)


def _agreement(a: Image, b: Image) -> tuple[Floats, Floats]:
    """Mean product of a at every place and b moved by every lag, and the number of products."""
    shape = tuple(2 * n for n in a.shape)

    def correlation(x: Floats, y: Floats) -> Floats:
        return fft.irfft2(np.conj(fft.rfft2(x, shape)) * fft.rfft2(y, shape), shape)

    seen = [np.isfinite(x) for x in (a, b)]
    number = np.round(correlation(*(s.astype(float) for s in seen)))
    total = correlation(*(np.where(s, x, 0.0) for s, x in zip(seen, (a, b), strict=True)))
    return total / np.maximum(number, 1), number


def _own(pattern: Image) -> tuple[float, float]:
    """Mean product of neighbouring pixels, and the standard error of such a mean in noise of 1."""
    beside = np.concatenate(
        [(pattern[1:] * pattern[:-1]).ravel(), (pattern[:, 1:] * pattern[:, :-1]).ravel()]
    )
    beside, number = beside[np.isfinite(beside)], np.isfinite(pattern).sum()
    if not beside.size:
        return 0.0, np.inf
    return float(beside.mean()), float(1 / np.sqrt(number / 2))


def stray_peaks(image: Image, grid: ReciprocalGrid) -> float:
    """Height of the sharpest maximum that repeats from cell to cell over that of the Bragg peaks.

    Of the copies of a place in all cells the median counts, which hot pixels do not move. Maxima
    that may be diffuse, being low or alike at q and -q, give 0. NaN if most Bragg positions are
    unmeasured or most pixels hold nothing.
    """
    seen = np.isfinite(image)
    middle = float(np.median(image[seen]))
    if middle <= 0:
        return np.nan
    filled = np.where(seen, image, middle)
    excess = ndimage.uniform_filter(filled, 3) - ndimage.median_filter(filled, 9)
    excess = ndimage.maximum_filter(np.where(seen, excess, -np.inf), 3)
    excess[~np.isfinite(excess) | ~seen] = np.nan
    axes = []
    for q, n in zip((grid.h_values, grid.k_values), grid.shape, strict=True):
        cell = (n - 1) / (q[-1] - q[0])
        first = (np.ceil(q[0] - 1e-9) - q[0]) * cell
        places = first + np.arange(round(cell)) + cell * np.arange(-1, n // cell + 1)[:, None]
        away = np.minimum(np.arange(round(cell)), cell - np.arange(round(cell)))
        axes.append((np.round(places).astype(int), away))
    (rows, far_h), (columns, far_k) = axes
    inside = [(p >= 0) & (p < n) for p, n in zip((rows, columns), grid.shape, strict=True)]
    stack = excess[np.clip(rows, 0, grid.shape[0] - 1)][
        :, :, np.clip(columns, 0, grid.shape[1] - 1)
    ]
    stack = np.where(inside[0][:, :, None, None] & inside[1], stack, np.nan)
    stack = stack.transpose(0, 2, 1, 3).reshape(-1, len(far_h), len(far_k))
    number = np.isfinite(stack).sum(axis=0)
    ordered = np.sort(stack, axis=0)  # NaN last
    lower = np.take_along_axis(ordered, np.maximum(number - 1, 0)[None] // 2, axis=0)[0]
    folded = np.where(number > 1, lower, np.nan)
    distance = np.hypot(far_h[:, None], far_k)
    at = folded[distance <= 1.5]
    elsewhere = np.where(distance > REACH, folded, np.nan)
    if np.isfinite(at).mean() < 0.5 or not np.isfinite(elsewhere).any():
        return np.nan
    row, column = np.unravel_index(np.nanargmax(elsewhere), elsewhere.shape)
    stray = float(elsewhere[row, column])
    if stray < LOWEST * middle:
        return 0.0
    copies = np.zeros(grid.shape, bool)
    copies[np.ix_(rows[inside[0][:, row], row], columns[inside[1][:, column], column])] = True
    if _unlike(np.where(grid.distance_to_bragg() < BRAGG_RADIUS, np.nan, image), copies) < UNLIKE:
        return 0.0
    return stray / (max(float(np.nanmax(at)), 0.0) + middle)


def _unlike(image: Image, at: Mask) -> float:
    """How much maxima differ from those at -q, form factor taken out, as a part of the intensity.

    Root mean square over the pixels `at` which they lie; the fit leaves their surroundings aside.
    0 where none of them was measured at q and -q.
    """
    left, intensity = (
        ndimage.uniform_filter(np.nan_to_num(x), 3)
        for x in without_pattern(image, ~ndimage.maximum_filter(at, REACH + 1))
    )
    highest = [ndimage.maximum_filter(x, 3)[at] for x in (np.abs(left), intensity)]
    ratio = highest[0][highest[1] > 0] / highest[1][highest[1] > 0]
    return float(np.sqrt(np.mean(ratio**2))) if ratio.size else 0.0
