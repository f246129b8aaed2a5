"""Filters that know reciprocal space: Bragg peaks, gaps, symmetry, and factors that depend on q.

The same form as in `xrlab.filters`. Those that need to know where the image was taken have the
parameters `h` and `k`, the first and last value in r.l.u. along the rows and along the columns,
(0, 2) as on the standard grid. A filter called fill_... turns NaN into numbers and changes no
measured pixel; what it has no guess for stays NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xrlab.diffraction import ReciprocalGrid, as_image
from xrlab.filters import Image, equivalents, require

Ends = tuple[float, float]


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
    distance = _grid("punch_bragg", image, h, k).distance_to_bragg()
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
    grid = _grid("punch_and_fill", image, h, k)
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


def fill_biharmonic(image: ArrayLike, largest: int = 400) -> Image:
    """Fill gaps of up to `largest` pixels with the smoothest surface: the biharmonic equation.

    Laplacian of the Laplacian = 0 inside the gap (Damelin & Hoang, Int. J. Math. Math. Sci. 2018,
    3950312); done by scikit-image. Larger gaps stay NaN, where a surface would be pure invention.
    Values are kept between the lowest and the highest one within three pixels of the gap.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    largest : int
        1 to 10 000; pixels that touch by a corner are of one gap. Time grows faster than it.

    Examples
    --------
    >>> plane = np.add.outer(np.arange(9.0), np.arange(9.0))
    >>> holed = plane.copy()
    >>> holed[3:5, 4:6] = np.nan
    >>> bool(np.allclose(fill_biharmonic(holed), plane))
    True
    """
    from skimage.restoration import inpaint_biharmonic

    image = as_image(image)
    require("fill_biharmonic", 1, 10_000, whole=True, largest=largest)
    unmeasured = np.isnan(image)
    gaps, _ = ndimage.label(unmeasured, np.ones((3, 3)))
    filled = image.copy()
    for n, place in enumerate(ndimage.find_objects(gaps), start=1):
        rows, columns = (slice(max(s.start - 3, 0), s.stop + 3) for s in place)
        part, gap = image[rows, columns], gaps[rows, columns] == n
        near = part[ndimage.binary_dilation(gap, np.ones((3, 3)), iterations=3) & ~np.isnan(part)]
        if gap.sum() > largest or near.size == 0:
            continue
        # Other gaps in this part are solved along with this one and then forgotten.
        surface = inpaint_biharmonic(np.nan_to_num(part), np.isnan(part))
        filled[rows, columns][gap] = np.clip(surface[gap], near.min(), near.max())
    return filled


def fill_symmetric(image: ArrayLike, group: str = "2") -> Image:
    """Fill gaps with the mean of the measured pixels that symmetry makes equal.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    group : {"2", "2mm", "4", "4mm"}
        Plane group about the centre of the image: half a turn (Friedel's law, if the centre is a
        Bragg position), with mirrors, a quarter turn, both.

    Examples
    --------
    >>> fill_symmetric([[np.nan, 1.0], [3.0, 5.0]])
    array([[5., 1.],
           [3., 5.]])
    """
    image = as_image(image)
    return np.where(np.isnan(image), _mean_of(equivalents(image, group)), image)


def fill_periodic(image: ArrayLike, h: Ends = (0.0, 2.0), k: Ends = (0.0, 2.0)) -> Image:
    """Fill gaps with the mean of the points that are equal in the other reciprocal cells.

    The diffuse scattering of point-like scatterers repeats, I(q + G) = I(q) for whole G, and
    I(-q) = I(q) (Warren, X-ray Diffraction, 1969, section 12.3), so a point is seen in several
    cells. Between pixels the values are interpolated linearly. With a form factor this holds only
    after `divide_form_factor`. Bragg positions are equal to one another and cannot be filled so.

    Parameters
    ----------
    image : array
        NaN where unmeasured.
    h, k : (float, float)
        Ends of the image, r.l.u.; less than two cells have few equal points.
    """
    image = as_image(image)
    grid = _grid("fill_periodic", image, h, k)
    measured = ~np.isnan(image)
    gap = np.argwhere(~measured)
    values, weights = np.where(measured, image, 0.0), measured.astype(np.float64)
    step = np.array([grid.h_values[1] - grid.h_values[0], grid.k_values[1] - grid.k_values[0]])
    first = np.array([h[0], k[0]])
    q = first + gap * step
    total, weight = np.zeros(len(gap)), np.zeros(len(gap))
    for sign in (1, -1):
        ends = [np.ceil(min(e) - max(sign * f for f in e)) for e in (h, k)]
        last = [np.floor(max(e) - min(sign * f for f in e)) for e in (h, k)]
        for m in np.arange(ends[0], last[0] + 1):
            for n in np.arange(ends[1], last[1] + 1):
                place = ((sign * q + (m, n) - first) / step).T
                total += ndimage.map_coordinates(values, place, order=1, mode="grid-constant")
                weight += ndimage.map_coordinates(weights, place, order=1, mode="grid-constant")
    filled = image.copy()
    known = weight > 0.25  # of a pixel's worth of measurements
    filled[tuple(gap[known].T)] = total[known] / weight[known]
    return filled


def symmetrise(image: ArrayLike, group: str = "2") -> Image:
    """Average over the pixels that symmetry makes equal, of those that were measured.

    Pixels that were not measured stay so; see `fill_symmetric`. A group that the crystal does not
    have destroys its pattern. The groups are those of `fill_symmetric`.

    >>> symmetrise([[1.0, 2.0], [4.0, np.nan]], "2mm").round(2)
    array([[2.33, 2.33],
           [2.33,  nan]])
    """
    image = as_image(image)
    return np.where(np.isnan(image), np.nan, _mean_of(equivalents(image, group)))


def divide_form_factor(image: ArrayLike, form_factor: ArrayLike, floor: float = 0.05) -> Image:
    """Divide by the squared form factor E of a known molecule: I = E S becomes S.

    Parameters
    ----------
    image : array
        NaN where unmeasured; a background must have been subtracted before.
    form_factor : array, shape of the image
        E, 0 or more, such as ``FormFactor.on(grid)`` of `xrlab.form_factor` (there the source).
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
    factor = np.asarray(form_factor, np.float64)
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
    grid = _grid("divide_polarisation", image, h, k)
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


def _grid(name: str, image: Image, h: Ends, k: Ends) -> ReciprocalGrid:
    try:
        ends = tuple(map(float, h)), tuple(map(float, k))
        (h0, h1), (k0, k1) = ends
    except (TypeError, ValueError):
        raise ValueError(
            f"h and k of {name} are two numbers each, the first and the last in r.l.u.; "
            f"got {h!r} and {k!r}"
        ) from None
    return ReciprocalGrid((h0, h1), (k0, k1), (image.shape[0], image.shape[1]))


def _mean_of(stack: Image) -> Image:
    """Mean over the first axis of what is not NaN, and NaN where there is nothing."""
    count = np.count_nonzero(~np.isnan(stack), axis=0)
    total = np.nansum(stack, axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
