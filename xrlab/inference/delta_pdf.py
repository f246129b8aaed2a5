"""From an image to correlations by physics alone, with no training: the baselines."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, as_image, trapezoid_weights


def delta_pdf(
    image: ArrayLike,
    span: int = 4,
    grid: ReciprocalGrid = STANDARD_GRID,
    lot_size: int | None = None,
) -> Encoding:
    """Read the correlations off an image by Fourier inversion: the Delta-PDF.

    The diffuse intensity of a lattice is the cosine series I(h, k) = A (1 + 2 sum w(i, j) c(i, j)
    cos 2 pi (h i + k j)) over half of all distances (i, j), with the lots window
    w(i, j) = (1 - |i|/L)(1 - |j|/L). Its coefficients up to the span, those of c(i, -j) among
    them, are fitted by least squares to the measured pixels. Over whole cells this is the Fourier
    integral (Weber & Simonov, Z. Kristallogr. 227, 238, 2012, doi:10.1524/zkri.2012.1504).
    Dividing by the constant term A makes the scale of the image irrelevant, dividing by w takes
    the lots out.

    Parameters
    ----------
    image : array, shape ``grid.shape``
        Intensities on any scale, NaN where unmeasured. A smooth background, Bragg peaks or a form
        factor must be taken out before: this inversion models none of them.
    span : int
        2 or more.
    grid : ReciprocalGrid
        Where the image was taken.
    lot_size : int, optional
        L, when it is known; without it w = 1 and far correlations come out slightly too small.

    Returns
    -------
    Encoding
        Values beyond -1 or 1, which noise can give, are set to -1 or 1.

    Raises
    ------
    ValueError
        If the image is unusable, or has too few measured pixels for this span.

    Examples
    --------
    >>> from xrlab import diffraction_image, simulate
    >>> lattice = simulate(Encoding.from_vector([0.5, -0.3, 0.0]))
    >>> found = delta_pdf(diffraction_image(lattice), span=2, lot_size=25)
    >>> bool(abs(found.vector - lattice.realised.vector).max() < 0.1)
    True
    """
    n_values = vector_length(span)
    pixels = as_image(image, grid.shape).ravel()
    if lot_size is not None and lot_size < span:
        raise ValueError(f"a lot of {lot_size} sites is too small for correlations of span {span}")
    basis, weights = _cosine_basis(span, grid)
    weights = np.where(np.isnan(pixels), 0.0, weights)
    weighted = basis * weights[:, None]
    coefficients, _, rank, _ = np.linalg.lstsq(
        weighted.T @ basis, weighted.T @ np.nan_to_num(pixels), rcond=1e-10
    )
    if rank < basis.shape[1]:
        raise ValueError(
            f"{np.count_nonzero(weights)} measured pixels do not determine the correlations of "
            f"span {span}: take a smaller span, or a window of one whole reciprocal cell or more"
        )
    window = 1.0 if lot_size is None else _window(span, lot_size)
    vector = coefficients[1 : 1 + n_values] / coefficients[0] / window
    return Encoding.from_vector(np.clip(vector, -1, 1))


def delta_pdf_error(
    image: ArrayLike,
    encoding: Encoding,
    grid: ReciprocalGrid = STANDARD_GRID,
    lot_size: int = 25,
    lots: int = 8,
) -> Floats:
    """Estimate the standard error of `delta_pdf` for an image without noise of its own.

    It comes from the speckle of the lots: intensities scatter by I / sqrt(M), alike at q and -q and
    independently at distances of 1/L, as amplitudes are nearly normal. To first order,
    w c = <I cos> / <I> then has the variance 2 <I^2 (cos - w c)^2> / (<I>^2 M L^2), with means over
    whole reciprocal cells. ``python -m xrlab.trials.clean`` shows how often 90 % intervals hold.

    Parameters
    ----------
    image : array, shape ``grid.shape``
        Intensities on any scale over whole cells, NaN where unmeasured.
    encoding : Encoding
        Its correlations.
    grid : ReciprocalGrid
    lot_size, lots : int
        L and M.

    Returns
    -------
    array, shape (span^2 - 1,)

    Examples
    --------
    For a random crystal and c = 0, about 1 / (L sqrt(M)):

    >>> rng = np.random.default_rng(0)
    >>> image = rng.gamma(8, 1 / 8, STANDARD_GRID.shape)
    >>> error = delta_pdf_error(image, Encoding.from_vector([0, 0, 0])) * 25 * 8**0.5
    >>> bool(np.all(abs(error - 1.1) < 0.1))
    True
    """
    basis, weights = _cosine_basis(encoding.span, grid)
    pixels = as_image(image, grid.shape).ravel()
    weights = np.where(np.isnan(pixels), 0.0, weights)
    pixels = np.nan_to_num(pixels)
    relative = pixels / np.average(pixels, weights=weights)
    window = _window(encoding.span, lot_size)
    cosines = basis[:, 1 : 1 + window.size] / 2
    scatter = (relative[:, None] * (cosines - window * encoding.vector)) ** 2
    variance = 2 * np.average(scatter, axis=0, weights=weights) / (lots * lot_size**2)
    return np.sqrt(variance) / window


def _window(span: int, lot_size: int) -> Floats:
    """Return (1 - i/L)(1 - j/L) for the distances of an encoding, as a vector."""
    along = 1 - np.arange(span) / lot_size
    return np.outer(along, along).ravel()[1:]


@lru_cache(maxsize=8)
def _cosine_basis(span: int, grid: ReciprocalGrid) -> tuple[Floats, Floats]:
    """Columns 1, 2 cos 2 pi (h i + k j) for i, j >= 0 and then for (i, -j); trapezoid weights."""
    pairs = [(i, j) for i in range(span) for j in range(span) if i or j]
    pairs += [(i, -j) for i, j in pairs if i and j]
    phase = np.stack(
        [np.add.outer(grid.h_values * i, grid.k_values * j).ravel() for i, j in pairs], axis=1
    )
    basis = np.hstack([np.ones((len(phase), 1)), 2 * np.cos(2 * np.pi * phase)])
    return basis, trapezoid_weights(grid).ravel()
