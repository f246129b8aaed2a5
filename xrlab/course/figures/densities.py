"""Looking at data before a network sees it: densities, and the laws to set beside them.

Plain numbers; `xrlab.course.figures.eda` draws them. A *law* is what chance alone would give, so
that a figure shows at once what is special about the data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from xrlab.crystal.arrays import Floats
from xrlab.crystal.realisable import as_vectors

# Steps of r^2 per unit for the law of the norm: the error of the density is far below a line's
# width, and the Fourier transform takes 3 ms.
NORM_STEPS = 4096


def pair_density(across: ArrayLike, up: ArrayLike, bins: int = 32, smooth: float = 0.0) -> Floats:
    """Density of pairs of correlations, in units of that of values spread evenly from -1 to 1.

    Parameters
    ----------
    across, up : arrays, shape (samples,)
    bins : int
        Squares along each axis, from -1 to 1.
    smooth : float
        Standard deviation, in bins, of a Gaussian that the density is smoothed with.

    Returns
    -------
    float64 array, shape (bins, bins)
        Rows go up, columns across; its mean is 1.

    Examples
    --------
    >>> pair_density([-0.5, 0.5, 0.6], [-0.5, 0.5, 0.5], bins=2).round(2)
    array([[1.33, 0.  ],
           [0.  , 2.67]])
    """
    limits = [(-1, 1), (-1, 1)]
    count, _, _ = np.histogram2d(np.asarray(up), np.asarray(across), bins, limits)
    if smooth:
        count = gaussian_filter(count, smooth, mode="reflect")
    return count / max(count.mean(), 1e-300)


def pair_mosaic(
    lower: ArrayLike, upper: ArrayLike, span: int, bins: int = 12, smooth: float = 0.0
) -> Floats:
    """Lay the densities of all pairs of components out in one array of tiles.

    Parameters
    ----------
    lower, upper : arrays, shape (samples, span^2 - 1)
        Encodings for the tiles below the diagonal, and above it.
    span, bins, smooth : int, int, float
        See `pair_density`.

    Returns
    -------
    float64 array, shape (n (bins + 1) - 1, n (bins + 1) - 1), n = span^2 - 1
        Tile (i, j) has component j across and component i up. NaN on the diagonal and on the lines
        between tiles. Row 0 of the array is the *bottom* of the tiles in the last row.
    """
    below, above = as_vectors(lower, span), as_vectors(upper, span)
    n, step = below.shape[1], bins + 1
    mosaic = np.full((n * step - 1, n * step - 1), np.nan)
    for i in range(n):
        for j in range(n):
            if i != j:
                vectors = below if i > j else above
                tile = pair_density(vectors[:, j], vectors[:, i], bins, smooth)
                row = (n - 1 - i) * step
                mosaic[row : row + bins, j * step : j * step + bins] = tile
    return mosaic


def cube_norm_density(radius: ArrayLike, n_values: int) -> Floats:
    """Density of the distance from the origin of points spread evenly over the cube (-1, 1)^n.

    The square of one uniform value has the density 1 / (2 sqrt t), 0 < t < 1; that of the sum of n
    squares is its n-fold convolution, done here by Fourier transform. The mean square is n / 3.

    Parameters
    ----------
    radius : array
    n_values : int
        n, 1 or more.

    Examples
    --------
    A shell of radius r <= 1 in three dimensions has the area 4 pi r^2, of a cube of volume 8:

    >>> cube_norm_density([0.5], 3).round(3), round(np.pi * 0.5**2 / 2, 3)
    (array([0.393]), 0.393)
    """
    r = np.asarray(radius, float)
    share = np.diff(np.sqrt(np.linspace(0, 1, NORM_STEPS + 1)))
    length = 1 << int(n_values * NORM_STEPS).bit_length()
    sums = np.fft.irfft(np.fft.rfft(share, length) ** n_values, length)[: n_values * NORM_STEPS]
    squares = (np.arange(len(sums)) + n_values / 2) / NORM_STEPS
    return 2 * r * np.interp(r**2, squares, sums * NORM_STEPS, left=0, right=0)
