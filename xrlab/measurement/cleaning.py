"""Filters that find what does not belong to the diffuse scattering: backgrounds and bad pixels.

The same form as in `xrlab.measurement.filters`: image to image, lengths in pixels, NaN where
unmeasured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Image, Mask
from xrlab.crystal.grid import as_image, unmasked
from xrlab.measurement.filling import Ends, grid_of
from xrlab.measurement.filters import MAD, bridged, equivalents, moving_median, require, require_odd


def mask_range(image: ArrayLike, lowest: float = 0.0, highest: float = np.inf) -> Image:
    """Declare pixels below `lowest` or above `highest` unmeasured: they become NaN.

    For files that write 0 where nothing was measured, and for saturated pixels: an image of 16
    bits ends at 65535. A pixel of 0 counts is a measurement; the file's author knows which it is.

    >>> mask_range([[0.0, 3.0], [9.0, 4.0]], lowest=1, highest=8)
    array([[nan,  3.],
           [nan,  4.]])
    """
    image = as_image(image)
    if not 0 <= lowest < highest:
        raise ValueError(
            f"mask_range keeps values from a number of 0 or more to a higher one; got {lowest} "
            f"and {highest}"
        )
    kept = (image >= lowest) & (image <= highest)
    if not kept.any():
        raise ValueError(f"no pixel of this image lies between {lowest:g} and {highest:g}")
    return np.where(kept, image, np.nan)


def subtract_rolling_ball(image: ArrayLike, radius: int = 12, height: float = 1.0) -> Image:
    """Subtract what a ball reaches that rolls below the image: the background.

    The background is the grey opening by an ellipsoid (Sternberg, Computer 16(1), 22, 1983), done
    by scikit-image. It lies nowhere above the image, so nothing becomes negative; it also takes
    away every maximum broader than the ball, which diffuse scattering may well be.

    Parameters
    ----------
    image : array
        NaN where unmeasured; gaps are bridged by the nearest pixel meanwhile.
    radius : int
        Pixels, 1 to 100.
    height : float
        Other half axis of the ellipsoid, in units of the mean intensity, 0.01 to 1000.
    """
    from skimage.restoration import ellipsoid_kernel, rolling_ball

    image = as_image(image)
    require("subtract_rolling_ball", 1, 100, whole=True, radius=radius)
    require("subtract_rolling_ball", 0.01, 1000, height=height)
    ball = ellipsoid_kernel((2 * radius + 1, 2 * radius + 1), 2 * height)
    return bridged(image, lambda x: x - rolling_ball(x, kernel=ball), clip=False)


def white_tophat(image: ArrayLike, radius: int = 8) -> Image:
    """Subtract the opening by a disc: keep bright details that are narrower than it.

    x - opening(x) (Meyer, J. Histochem. Cytochem. 27, 128, 1979; Serra, Image Analysis and
    Mathematical Morphology, 1982), done by scikit-image. The opening lies nowhere above the image.
    Broad maxima go with the background.

    Parameters
    ----------
    image : array
        NaN where unmeasured; gaps are bridged by the nearest pixel meanwhile.
    radius : int
        Of the disc, pixels, 1 to 100.
    """
    from skimage import morphology

    image = as_image(image)
    require("white_tophat", 1, 100, whole=True, radius=radius)
    return bridged(image, lambda x: morphology.white_tophat(x, morphology.disk(radius)), clip=False)


def remove_outliers(image: ArrayLike, size: int = 5, threshold: float = 5.0) -> Image:
    """Replace pixels far from the median of a moving window by that median, as KAREN does.

    x is an outlier if |x - m| > threshold 1.4826 MAD, with m the median of the window and MAD the
    moving median of |x - m|; 1.4826 MAD is the standard deviation of normal noise (Weng et al.,
    J. Appl. Cryst. 53, 159, 2020). It takes sharp diffuse maxima for outliers too.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    size : int
        Of the window, pixels, odd, 3 to 31.
    threshold : float
        In robust standard deviations, 1 to 1000.

    Examples
    --------
    >>> noisy = 10 + np.random.default_rng(0).normal(size=(9, 9))
    >>> noisy[4, 4] = 100
    >>> bool(remove_outliers(noisy)[4, 4] < 12)
    True
    """
    image = as_image(image)
    median, far = _far_from_median("remove_outliers", image, size, threshold)
    return np.where(far, median, image)


def remove_hot_pixels(
    image: ArrayLike, size: int = 5, threshold: float = 5.0, contrast: float = 3.0, group: str = "2"
) -> Image:
    """Replace single hot and dead pixels by the median of a window, and spare sharp maxima.

    A pixel is hot (dead) if it is an outlier by the rule of `remove_outliers` and lies more than
    `contrast` times as far above (below) the median of its window as each of the pixels it should
    be like: its eight neighbours and those that symmetry makes equal. A maximum of the diffuse
    scattering may be one pixel wide, but then it has an equal on the other side (Friedel's law);
    a fault of the detector has none. Two hot pixels side by side shield each other.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    size, threshold
        As for `remove_outliers`.
    contrast : float
        1 to 1000.
    group : {"1", "2", "2mm", "4", "4mm"}
        Plane group about the centre of the image, "1" for none; see
        `xrlab.measurement.filters.GROUPS`.

    Examples
    --------
    >>> noisy = 10 + np.random.default_rng(0).normal(size=(9, 9))
    >>> noisy[2, 4], noisy[7, 7] = 100, 0
    >>> remove_hot_pixels(noisy)[[2, 7], [4, 7]].round()
    array([10., 10.])
    """
    image = as_image(image)
    require("remove_hot_pixels", 1, 1000, contrast=contrast)
    median, far = _far_from_median("remove_hot_pixels", image, size, threshold)
    around = np.ones((3, 3), bool)
    around[1, 1] = False
    excess = image - median
    framed = np.pad(excess, 1, constant_values=np.nan)
    like = np.lib.stride_tricks.sliding_window_view(framed, (3, 3))[..., around]
    like = np.concatenate([np.moveaxis(like, -1, 0), equivalents(excess, group)[1:]])
    known = ~np.isnan(like).all(axis=0)
    hot = excess > contrast * np.fmax(np.fmax.reduce(like), 0)
    dead = -excess > contrast * np.fmax(np.fmax.reduce(-like), 0)
    return np.where(far & known & (hot | dead), median, image)


def _far_from_median(name: str, image: Image, size: int, threshold: float) -> tuple[Image, Mask]:
    """Return the moving median, and which measured pixels are outliers by it."""
    require_odd(name, size)
    require(name, 1, 1000, threshold=threshold)
    median = moving_median(image, size)
    deviation = np.abs(image - median)
    spread = MAD * moving_median(deviation, size)
    return median, deviation > threshold * spread + 1e-9 * np.nanmean(image)


def punch_bragg(
    image: ArrayLike, radius: float = 0.1, h: Ends = (0.0, 2.0), k: Ends = (0.0, 2.0)
) -> Image:
    """Cut a disc of `radius` r.l.u., 0 to 0.7, out around every whole h and k: NaN.

    The first half of "punch and fill" (Kobas, Weber & Steurer, Phys. Rev. B 71, 224205, 2005). What
    reads only measured pixels, such as `xrlab.delta_pdf`, needs no second half.

    >>> punched = punch_bragg(np.arange(25.0).reshape(5, 5))  # h and k = 0, 0.5, 1, 1.5, 2
    >>> int(np.isnan(punched).sum())
    9
    """
    image = as_image(image)
    distance = grid_of("punch_bragg", image, h, k).distance_to_bragg()
    require("punch_bragg", 0, 0.7, radius=radius)
    punched = np.where(distance < radius, np.nan, image)
    if np.isnan(punched).all():
        raise ValueError(f"a radius of {radius:g} r.l.u. leaves no measured pixel of this image")
    return punched


def punch_and_fill(
    image: ArrayLike,
    radius: float = 0.1,
    ring: float = 0.06,
    h: Ends = (0.0, 2.0),
    k: Ends = (0.0, 2.0),
) -> Image:
    """Replace the disc around each whole h and k by the median of a ring around it.

    Punch and fill (Kobas, Weber & Steurer, Phys. Rev. B 71, 224205, 2005) with the plainest fill.
    Pixels that were unmeasured stay so, and a peak without any measured pixel on its ring becomes
    unmeasured. Diffuse maxima at the Bragg positions are cut down with the peaks.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    radius, ring : float
        Of the disc, and width of the ring outside it, r.l.u.; 0 to 0.5 and 0.001 to 0.5.
    h, k : (float, float)
        Ends of the image, r.l.u.
    """
    image = as_image(image)
    grid = grid_of("punch_and_fill", image, h, k)
    require("punch_and_fill", 0, 0.5, radius=radius)
    require("punch_and_fill", 1e-3, 0.5, ring=ring)
    distance = grid.distance_to_bragg()
    filled = image.copy()
    nearest = np.add.outer(np.round(grid.h_values) * 10_000, np.round(grid.k_values))
    for peak in np.unique(nearest):
        disc = (nearest == peak) & (distance < radius)
        around = image[(nearest == peak) & ~disc & (distance < radius + ring)]
        around = around[~np.isnan(around)]
        filled[disc] = np.median(around) if around.size else np.nan
    filled[np.isnan(image)] = np.nan
    return filled


def divide_form_factor(image: ArrayLike, form_factor: ArrayLike, floor: float = 0.05) -> Image:
    """Divide by the squared form factor E of a known molecule: I = E S becomes S.

    Parameters
    ----------
    image : array
        NaN where unmeasured; a background must have been subtracted before.
    form_factor : array, shape of the image
        E, 0 or more, such as ``FormFactor.on(grid)`` of `xrlab.crystal.form_factor` (there the
        source).
    floor : float
        Pixels where E is below this part of its mean become NaN, since noise divided by next to
        nothing is no measurement; 1e-9 to 1.

    Examples
    --------
    >>> divide_form_factor([[1.0, 3.0], [2.0, 1.0]], [[1.0, 2.0], [2.0, 0.0]])
    array([[1. , 1.5],
           [1. , nan]])
    """
    image = as_image(image)
    require("divide_form_factor", 1e-9, 1, floor=floor)
    factor = unmasked(form_factor).astype(np.float64)
    if factor.shape != image.shape or not (factor >= 0).all() or not factor.any():
        raise ValueError(
            f"a squared form factor is 0 or more, and somewhere above, in each of the "
            f"{image.shape[0]} x {image.shape[1]} pixels; this one has shape {factor.shape}"
            + (f" and a lowest value of {factor.min():g}" if factor.size else "")
        )
    known = factor >= floor * factor.mean()
    return np.divide(image, factor, out=np.full(image.shape, np.nan), where=known)


def divide_polarisation(
    image: ArrayLike,
    wavelength: float = 0.71,
    a: float = 10.0,
    b: float = 10.0,
    h: Ends = (0.0, 2.0),
    k: Ends = (0.0, 2.0),
) -> Image:
    """Divide by the polarisation factor of an unpolarised beam, P = (1 + cos^2 2 theta) / 2.

    sin theta = wavelength |q| / 2 with |q|^2 = (h/a)^2 + (k/b)^2, axes at right angles (Warren,
    X-ray Diffraction, 1969, chapter 1). For a laboratory tube without monochromator; the
    section must hold the origin of reciprocal space.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    wavelength, a, b : float
        Å, 0.01 to 10 and 1 to 1000; the default is Mo K-alpha and a cell of 10 Å.
    h, k : (float, float)
        Ends of the image, r.l.u.

    Raises
    ------
    ValueError
        Also if the image reaches beyond |q| = 2 / wavelength, where nothing can be measured.
    """
    image = as_image(image)
    grid = grid_of("divide_polarisation", image, h, k)
    require("divide_polarisation", 0.01, 10, wavelength=wavelength)
    require("divide_polarisation", 1, 1000, a=a, b=b)
    squared = np.add.outer((grid.h_values / a) ** 2, (grid.k_values / b) ** 2)
    sin2 = squared * (wavelength / 2) ** 2
    if sin2.max() > 1:
        raise ValueError(
            f"at {wavelength:g} Å nothing is seen beyond |q| = {2 / wavelength:.3g} per Å, and "
            f"this image reaches {np.sqrt(squared.max()):.3g}: are wavelength, a and b in Å?"
        )
    return image / ((1 + (1 - 2 * sin2) ** 2) / 2)
