"""Change the number of pixels of an image by averaging over areas."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Image
from xrlab.crystal.grid import as_image


def average_down(image: ArrayLike, rows: int = 64, columns: int = 64) -> Image:
    """Average the areas of pixels down to fewer ones; `area_average` without the errors.

    >>> average_down([[1.0, 3.0, 5.0, 7.0], [1.0, 3.0, np.nan, 7.0]], 1, 2)
    array([[2.        , 6.33333333]])
    """
    return area_average(image, (rows, columns))[0]


def area_average(
    image: ArrayLike, shape: tuple[int, int] = (64, 64), variance: ArrayLike | None = None
) -> tuple[Image, Image]:
    """Average the area of old pixels that falls into each new one, with standard errors.

    The mean is sum w x / sum w and its variance sum w^2 v / (sum w)^2 over the measured pixels,
    where w is the part of an old pixel's area inside the new one. Old pixels that two new ones
    share make their errors correlated; these correlations are not returned.

    Parameters
    ----------
    image : array, shape (rows, columns)
        Counts of photons, unless the variance is given; NaN where unmeasured.
    shape : (int, int)
        From 1 to the old number of rows and of columns.
    variance : array, shape of the image, optional
        v, 0 or more; by Poisson's law the counts themselves if not given.

    Returns
    -------
    mean, standard_error : float64 arrays, shape ``shape``
        NaN where no part of a new pixel was measured.

    Raises
    ------
    ValueError
        If the image is unusable, would become larger, or the variance does not fit.

    Examples
    --------
    >>> mean, error = area_average([[4.0, 12.0], [8.0, 8.0]], (1, 2))
    >>> mean, error
    (array([[ 6., 10.]]), array([[1.73205081, 2.23606798]]))
    """
    image = as_image(image)
    if len(shape) != 2 or not all(
        isinstance(n, int | np.integer) and 1 <= n <= most
        for n, most in zip(shape, image.shape, strict=True)
    ):
        raise ValueError(
            f"an area average of {image.shape[0]} x {image.shape[1]} pixels takes whole numbers "
            f"of rows and columns from 1 to these; got {tuple(shape)}"
        )
    variance = image if variance is None else np.asarray(variance, np.float64)
    measured = ~np.isnan(image)
    if variance.shape != image.shape or not (variance[measured] >= 0).all():
        raise ValueError(
            f"a variance is 0 or more in each of the {image.shape} pixels; this one has shape "
            f"{variance.shape} and a lowest value of {np.nanmin(variance):g}"
        )
    along, across = (
        overlaps(np.arange(old + 1), np.linspace(0, old, new + 1))
        for old, new in zip(image.shape, tuple(shape), strict=True)
    )
    mean, variance, _ = weighted_mean(image, variance, along, across)
    return mean, np.sqrt(variance)


def weighted_mean(
    image: Image, variance: Image, along: Image, across: Image
) -> tuple[Image, Image, Image]:
    """Average the measured pixels by their shares in new rows and columns.

    Parameters
    ----------
    image, variance : arrays, shape (rows, columns)
        NaN in the image where unmeasured.
    along, across : arrays, shape (new rows, rows) and (new columns, columns)

    Returns
    -------
    mean, variance, share : arrays, shape (new rows, new columns)
        The share is the sum of the weights that were measured; NaN where nothing was.
    """
    measured = ~np.isnan(image)
    share = along @ measured.astype(np.float64) @ across.T
    share[share < 1e-9] = np.nan
    mean = along @ np.where(measured, image, 0) @ across.T / share
    spread = along**2 @ np.where(measured, variance, 0) @ (across**2).T
    return mean, spread / share**2, share


def overlaps(old: ArrayLike, new: ArrayLike) -> Image:
    """Length of each of the old pixels inside each of the new ones, given by their edges.

    >>> overlaps([0, 1, 2, 3], [0, 1.5, 3])
    array([[1. , 0.5, 0. ],
           [0. , 0.5, 1. ]])
    """
    old, new = np.asarray(old, np.float64), np.asarray(new, np.float64)
    inside = np.minimum(new[1:, None], old[1:]) - np.maximum(new[:-1, None], old[:-1])
    return np.maximum(inside, 0.0)
