"""Filters that change every pixel: scaling, compression, smoothing, sharpening, area averages.

Each is a function from image to image: float64, 0 or more, NaN where unmeasured before and after,
and unmeasured pixels count for nothing. Lengths are in **pixels** unless a docstring says r.l.u.
What a filter does to the correlations is measured by `xrlab.trials.correction_bias`. Filters that
find faults are in `xrlab.measurement.cleaning`, those that know reciprocal space in
`xrlab.measurement.filling`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xrlab.crystal.arrays import Image
from xrlab.crystal.grid import as_image

# Sum of the squares of the weights of Immerkaer's noise filter, and the ratio of the standard
# deviation of a normal distribution to its median absolute deviation.
_LAPLACE_NORM, MAD = 6.0, 1.4826

# Operations of the plane groups about the centre of the image.
_TURN = (lambda x: x, lambda x: x[::-1, ::-1])
_MIRROR = (lambda x: x[::-1], lambda x: x[:, ::-1])
_QUARTER = (lambda x: np.rot90(x), lambda x: np.rot90(x, 3))
_DIAGONAL = (lambda x: x.T, lambda x: x[::-1, ::-1].T)
GROUPS: dict[str, tuple[Callable[[Image], Image], ...]] = {
    "1": _TURN[:1],
    "2": _TURN,
    "2mm": _TURN + _MIRROR,
    "4": _TURN + _QUARTER,
    "4mm": _TURN + _MIRROR + _QUARTER + _DIAGONAL,
}


def normalise_percentile(image: ArrayLike, percentile: float = 99.0) -> Image:
    """Divide by a percentile of the measured pixels, from 1 to 100: x / P.

    Unlike the mean it hardly feels a few Bragg peaks.

    >>> normalise_percentile([[1.0, 3.0], [2.0, 4.0]], 100)
    array([[0.25, 0.75],
           [0.5 , 1.  ]])
    """
    image = as_image(image)
    require("normalise_percentile", 1, 100, percentile=percentile)
    level = np.nanpercentile(image, percentile)
    if level == 0:
        raise ValueError(
            f"percentile {percentile:g} of this image is 0 and cannot divide it: take a higher one"
        )
    return image / level


def rescale(image: ArrayLike, low: float = 0.0, high: float = 1.0) -> Image:
    """Stretch so that the darkest measured pixel becomes `low` and the brightest `high`.

    x becomes low + (high - low) (x - min) / (max - min), with 0 <= low < high <= 1e9. It moves the
    zero of the scale, as subtracting a background does: correlations come out stronger.

    >>> rescale([[1.0, 3.0], [2.0, np.nan]])
    array([[0. , 1. ],
           [0.5, nan]])
    """
    image = as_image(image)
    require("rescale", 0, 1e9, low=low, high=high)
    if not low < high:
        raise ValueError(f"rescale goes from a lower to a higher value; got {low} and {high}")
    darkest, brightest = np.nanmin(image), np.nanmax(image)
    return low + (high - low) * (image - darkest) / (brightest - darkest)


def compress_log(image: ArrayLike, scale: float = 1.0) -> Image:
    """Take ln(1 + x / (scale <x>)): linear for weak pixels, logarithmic for strong ones.

    The logarithm with 1 added is defined for 0 counts (Gonzalez & Woods, Digital Image Processing,
    2018, section 3.2). `scale` is in units of the mean, 1e-6 to 1e6; large ones change little.

    >>> compress_log([[1.0, 3.0], [2.0, 2.0]]).round(2)
    array([[0.41, 0.92],
           [0.69, 0.69]])
    """
    image = as_image(image)
    require("compress_log", 1e-6, 1e6, scale=scale)
    return np.log1p(image / (scale * np.nanmean(image)))


def compress_power(image: ArrayLike, power: float = 0.5) -> Image:
    """Raise x / <x> to a power, 0.01 to 10; 1/2 makes the noise of counts alike everywhere.

    The square root stabilises the variance of counts at 1/4 (Anscombe, Biometrika 35, 246, 1948).

    >>> compress_power([[1.0, 9.0], [1.0, 5.0]]).round(2)
    array([[0.5 , 1.5 ],
           [0.5 , 1.12]])
    """
    image = as_image(image)
    require("compress_power", 0.01, 10, power=power)
    return (image / np.nanmean(image)) ** power


def smooth_gaussian(image: ArrayLike, sigma: float = 1.0) -> Image:
    """Take the Gaussian mean of the measured pixels around each, by normalised convolution.

    G * (m x) / G * m with the mask m (Knutsson & Westin, Proc. CVPR, 515, 1993); what is beyond the
    edge counts for nothing. Each c(i, j) shrinks by exp(-2 pi^2 s^2 (i^2 + j^2)), where s is the
    standard deviation in r.l.u.: the image is the Fourier series of the c(i, j).

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    sigma : float
        Standard deviation in pixels, 0.1 to 50.

    Examples
    --------
    >>> smooth_gaussian([[0.0, 1.0], [np.nan, 1.0]], sigma=50).round(2)  # nearly the plain mean
    array([[0.67, 0.67],
           [ nan, 0.67]])
    """
    image = as_image(image)
    require("smooth_gaussian", 0.1, 50, sigma=sigma)
    measured = ~np.isnan(image)

    def blurred(values: Image) -> Image:
        return ndimage.gaussian_filter(values, sigma, mode="constant")

    # A wide Gaussian reaches NaN's neighbours with weights that are tiny, but never 0 at the pixel.
    weight = blurred(measured.astype(np.float64))
    smooth = blurred(np.where(measured, image, 0.0)) / np.where(measured, weight, 1.0)
    return np.where(measured, np.clip(smooth, np.nanmin(image), np.nanmax(image)), np.nan)


def smooth_median(image: ArrayLike, size: int = 3) -> Image:
    """Take the median of the measured pixels in a square window of `size` pixels, odd, 3 to 31.

    J. W. Tukey, Exploratory Data Analysis, 1977. Edges stay sharp, single bright pixels vanish; and
    so do maxima narrower than half the window.

    >>> smooth_median([[1.0, 1.0, 1.0], [1.0, 90.0, np.nan], [1.0, 2.0, 2.0]])
    array([[ 1.,  1.,  1.],
           [ 1.,  1., nan],
           [ 1.,  2.,  2.]])
    """
    image = as_image(image)
    require_odd("smooth_median", size)
    return np.where(np.isnan(image), np.nan, moving_median(image, size))


def smooth_bilateral(image: ArrayLike, sigma: float = 1.0, contrast: float = 0.5) -> Image:
    """Take the Gaussian mean over neighbours, weighted by how alike they are.

    The weight is exp(-d^2 / 2 sigma^2) exp(-(x - x')^2 / 2 (contrast <x>)^2) (Tomasi & Manduchi,
    Proc. ICCV, 839, 1998); done by scikit-image.

    Parameters
    ----------
    image : array
        NaN where unmeasured; gaps are bridged by the nearest pixel meanwhile.
    sigma : float
        Standard deviation in space, pixels, 0.1 to 10.
    contrast : float
        Standard deviation in intensity, in units of the mean, 0.001 to 100.
    """
    from skimage.restoration import denoise_bilateral

    image = as_image(image)
    require("smooth_bilateral", 0.1, 10, sigma=sigma)
    require("smooth_bilateral", 1e-3, 100, contrast=contrast)
    return bridged(
        image,
        lambda x: denoise_bilateral(
            x, sigma_color=contrast, sigma_spatial=sigma, mode="symmetric", bins=10_000
        ),
    )


def smooth_nonlocal(
    image: ArrayLike, strength: float = 0.8, patch: int = 3, distance: int = 5
) -> Image:
    """Take the mean over pixels whose surroundings look alike: non-local means.

    Weights exp(-max(|P - P'|^2 - 2 s^2, 0) / (strength s)^2) of patches P (Buades, Coll & Morel,
    Proc. CVPR 2, 60, 2005); done by scikit-image. The noise s is that of Immerkaer (Comput. Vis.
    Image Underst. 64, 300, 1996), with the median absolute deviation.

    Parameters
    ----------
    image : array
        NaN where unmeasured; gaps are bridged by the nearest pixel meanwhile.
    strength : float
        0.01 to 10.
    patch, distance : int
        Side of a patch, odd, 3 to 31, and how far away to look; pixels, 1 to 30.
    """
    from skimage.restoration import denoise_nl_means

    image = as_image(image)
    require("smooth_nonlocal", 0.01, 10, strength=strength)
    require("smooth_nonlocal", 1, 30, whole=True, distance=distance)
    require_odd("smooth_nonlocal", patch, "patch")

    def work(x: Image) -> Image:
        noise = noise_level(x)
        if noise == 0:
            return x
        return denoise_nl_means(x, patch, distance, strength * noise, sigma=noise)

    return bridged(image, work)


def smooth_total_variation(image: ArrayLike, weight: float = 0.1) -> Image:
    """Find the image u of least sum |grad u| + sum (u - x)^2 / (2 weight <x>).

    Rudin, Osher & Fatemi, Physica D 60, 259, 1992, by Chambolle's algorithm (J. Math. Imaging Vis.
    20, 89, 2004); done by scikit-image. Flat areas with sharp edges come out.

    Parameters
    ----------
    image : array
        NaN where unmeasured; gaps are bridged by the nearest pixel meanwhile.
    weight : float
        In units of the mean, 0.001 to 100.
    """
    from skimage.restoration import denoise_tv_chambolle

    image = as_image(image)
    require("smooth_total_variation", 1e-3, 100, weight=weight)
    return bridged(image, lambda x: denoise_tv_chambolle(x, weight, eps=1e-5))


def sharpen_richardson_lucy(image: ArrayLike, sigma: float = 1.0, iterations: int = 10) -> Image:
    """Undo a Gaussian blur: the Richardson-Lucy reconstruction.

    u becomes u (G * (x / G * u)), the way to the most likely image behind Poisson counts
    (Richardson, J. Opt. Soc. Am. 62, 55, 1972; Lucy, Astron. J. 79, 745, 1974); done by
    scikit-image. Noise grows with every iteration: stop early.

    Parameters
    ----------
    image : array
        NaN where unmeasured; gaps are bridged by the nearest pixel meanwhile.
    sigma : float
        Standard deviation of the blur, pixels, 0.3 to 10.
    iterations : int
        1 to 1000.
    """
    from skimage.restoration import richardson_lucy

    image = as_image(image)
    require("sharpen_richardson_lucy", 0.3, 10, sigma=sigma)
    require("sharpen_richardson_lucy", 1, 1000, whole=True, iterations=iterations)
    reach = int(np.ceil(4 * sigma))
    across = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    spread = np.outer(across, across) / across.sum() ** 2

    def work(x: Image) -> Image:
        framed = np.pad(x, reach, mode="symmetric")  # scikit-image takes the outside for dark
        sharp = richardson_lucy(framed, spread, iterations, clip=False, filter_epsilon=1e-9)
        return sharp[reach:-reach, reach:-reach]

    return bridged(image, work, clip=False)


def moving_median(values: Image, size: int) -> Image:
    """Median of the numbers in a square window around each pixel; NaN where there are none.

    The image is continued by its mirror image (its last row twice), so that a window at the edge
    is as full as elsewhere.
    """
    half = size // 2
    framed = np.pad(values, half, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(framed, (size, size))
    ordered = np.sort(windows.reshape(*values.shape, -1), axis=-1)  # NaN comes last
    count = np.count_nonzero(~np.isnan(ordered), axis=-1)[..., None]
    middle = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, size**2 - 1)
    lower, upper = (np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in middle)
    return np.where(count[..., 0] > 0, (lower + upper) / 2, np.nan)


def equivalents(image: Image, group: str) -> Image:
    """Return the image under every operation of a group, shape (operations, rows, columns)."""
    if group not in GROUPS:
        raise ValueError(f"a plane group is one of {', '.join(GROUPS)}; got {group!r}")
    if group.startswith("4") and image.shape[0] != image.shape[1]:
        raise ValueError(f"group {group} needs a square image; this one has shape {image.shape}")
    return np.stack([operation(image) for operation in GROUPS[group]])


def noise_level(image: Image) -> float:
    """Return the standard deviation of white noise on a smooth image, by Immerkaer's filter."""
    second = np.array([1.0, -2.0, 1.0])
    detail = ndimage.convolve(image, np.outer(second, second), mode="mirror")
    return float(MAD * np.median(np.abs(detail)) / _LAPLACE_NORM)


def bridged(image: Image, work: Callable[[Image], Image], *, clip: bool = True) -> Image:
    """Apply a function that takes no NaN to an image of mean 1 with its gaps bridged.

    Unmeasured pixels take the value of the nearest measured one meanwhile and are NaN again in the
    end; no result is below 0 nor, with `clip`, outside the range of the input.
    """
    unmeasured, mean = np.isnan(image), np.nanmean(image)
    whole = image / mean
    if unmeasured.any():
        nearest = ndimage.distance_transform_edt(
            unmeasured, return_distances=False, return_indices=True
        )
        whole = whole[tuple(nearest)]
    low, high = (whole.min(), whole.max()) if clip else (0.0, np.inf)
    changed = np.clip(np.asarray(work(whole), np.float64), low, high) * mean
    return np.where(unmeasured, np.nan, changed)


def require(name: str, low: float, high: float, /, *, whole: bool = False, **values: float) -> None:
    """Refuse parameters of a filter that are not numbers from `low` to `high`."""
    for parameter, value in values.items():
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (number and low <= value <= high and (not whole or value == int(value))):
            kind = "whole number" if whole else "number"
            raise ValueError(
                f"{parameter} of {name} is a {kind} from {low:g} to {high:g}; got {value!r}"
            )


def require_odd(name: str, value: int, parameter: str = "size") -> None:
    """Refuse windows that have no middle pixel or are not 3 to 31 pixels wide."""
    require(name, 3, 31, whole=True, **{parameter: value})
    if value % 2 == 0:
        raise ValueError(
            f"{parameter} of {name} is odd, so that a window has a middle pixel; got {value}"
        )


def normalise_mean(image: ArrayLike) -> Image:
    """Divide by the mean of the measured pixels: x / <x>.

    >>> normalise_mean([[1.0, 3.0], [2.0, 2.0]])
    array([[0.5, 1.5],
           [1. , 1. ]])
    """
    image = as_image(image)
    return image / np.nanmean(image)


def compress_peaks(image: ArrayLike, threshold: float, gamma: float) -> Image:
    """Press what is left of Bragg peaks down towards the diffuse scattering.

    Values x above the threshold t become t + ln(1 + (x - t) / (gamma t)); others stay.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    threshold : float
        t > 0, on the scale of the image.
    gamma : float
        > 0; the larger, the flatter the peaks.

    Examples
    --------
    >>> compress_peaks([[1.0, 3.0], [2.0, 2.0]], threshold=2.0, gamma=0.5).round(3)
    array([[1.   , 2.693],
           [2.   , 2.   ]])
    """
    image = as_image(image)
    for name, value in (("threshold", threshold), ("gamma", gamma)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"the {name} of compress_peaks is a number above 0; got {value}")
    excess = np.maximum(image - threshold, 0)
    return np.minimum(image, threshold) + np.log1p(excess / (gamma * threshold))


def match_log_moments(image: ArrayLike, mean: float, factor: float) -> Image:
    """Give the logarithm of the image a wanted mean u and widen its spread m^2 times.

    x becomes exp(u + (ln x - <ln x>) m^2), the mean taken over the measured pixels.

    Parameters
    ----------
    image : array
        Positive, NaN where unmeasured.
    mean : float
        u, the mean of ln x afterwards.
    factor : float
        m > 0.

    Raises
    ------
    ValueError
        If a pixel is 0: its logarithm does not exist.

    Examples
    --------
    >>> match_log_moments([[1.0, 4.0]] * 2, mean=0.0, factor=1.0)
    array([[0.5, 2. ],
           [0.5, 2. ]])
    """
    image = as_image(image)
    if not np.isfinite(mean) or not (np.isfinite(factor) and factor > 0):
        raise ValueError(
            f"match_log_moments takes a number as mean and one above 0 as factor; "
            f"got {mean} and {factor}"
        )
    if np.nanmin(image) <= 0:
        raise ValueError(
            f"{np.count_nonzero(image == 0)} pixels are 0 and have no logarithm; "
            f"set them to NaN if they were not measured"
        )
    log = np.log(image)
    return np.exp(mean + (log - np.nanmean(log)) * factor**2)
