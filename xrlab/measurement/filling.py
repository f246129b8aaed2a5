"""Filters that know reciprocal space: Bragg peaks, gaps, symmetry, and factors that depend on q.

The same form as in `xrlab.measurement.filters`. Those that need to know where the image was taken
have the parameters `h` and `k`, the first and last value in r.l.u. along the rows and along the
columns, (0, 2) as on the standard grid. A filter called fill_... turns NaN into numbers and changes
no measured pixel; what it has no guess for stays NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xrlab.crystal.arrays import Image
from xrlab.crystal.grid import ReciprocalGrid, as_image
from xrlab.measurement.filters import equivalents, require

Ends = tuple[float, float]


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
    grid = grid_of("fill_periodic", image, h, k)
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


def grid_of(name: str, image: Image, h: Ends, k: Ends) -> ReciprocalGrid:
    """Return the grid of an image between its ends in r.l.u., given to the filter of this name."""
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


def fill_unmeasured(image: ArrayLike) -> Image:
    """Put a guess wherever nothing was measured: the mean of the measured pixels.

    A network needs a number in every pixel, and the mean is the one that says least. A lattice of
    two kinds of site gives an image that inversion leaves as it is, so a pixel whose opposite on
    the image (the point reached by turning it half round) was measured takes that value instead.
    This holds when the centre of the image is a Bragg position, as on the standard grid.

    >>> fill_unmeasured([[np.nan, 1.0], [3.0, 5.0]])
    array([[5., 1.],
           [3., 5.]])
    """
    return filled(as_image(image))


def filled(images: Image) -> Image:
    """Fill valid images as `fill_unmeasured` does; shape (..., rows, columns)."""
    opposite = images[..., ::-1, ::-1]
    mean = np.nanmean(images, axis=(-2, -1), keepdims=True)
    return np.where(np.isnan(images), np.where(np.isnan(opposite), mean, opposite), images)
