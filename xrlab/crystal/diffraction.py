"""Diffraction images of lattices: diffuse intensity in Laue monotonic units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab.crystal.arrays import Floats, Singles
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.grid import STANDARD_GRID, OnGrid, ReciprocalGrid, unmasked
from xrlab.crystal.lattice import Lattice, as_sites
from xrlab.crystal.spectrum import extend


def diffraction_image(
    lattice: Lattice | ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    lot_size: int = 25,
    lots: int = 8,
    seed: int | np.random.Generator = 0,
    form_factor: ArrayLike | OnGrid | None = None,
) -> Singles:
    """Diffuse intensity of a lattice, as a measurement over a few small coherent regions sees it.

    The intensity is the mean over `lots` windows of L x L sites, at random places of the periodic
    lattice, of |F(h, k)|^2 / (L^2 (1 - m^2)), where F(h, k) = sum (s(x, y) - m)
    exp 2 pi i (h x + k y) over the window and m is the mean of the whole lattice. Taking m away
    removes the Bragg peaks; the division makes the mean over whole cells 1, as in Laue monotonic
    units (Warren, X-ray Diffraction, 1969, section 12.3). The lots multiply each correlation
    c(i, j) by (1 - |i|/L)(1 - |j|/L).

    Parameters
    ----------
    lattice : Lattice or array of +1 and -1, shape (N, N)
    grid : ReciprocalGrid
        Where; as a rule h and k from 0 to 2 r.l.u. at 64 x 64 points, ends included.
    lot_size : int
        L, sites along each side of a window; at most N.
    lots : int
        Number of windows. More of them give a less grainy image.
    seed : int or numpy Generator
        Places of the windows.
    form_factor : array of shape ``grid.shape``, or an object with a method ``on(grid)``, optional
        |Delta F|^2 of the two kinds of site (`xrlab.crystal.form_factor.FormFactor`), which the
        image is multiplied by; without it sites scatter alike everywhere, as points.

    Returns
    -------
    float32 array, shape ``grid.shape``

    Raises
    ------
    ValueError
        If the lattice is smaller than a lot, or an argument is outside its range.

    Examples
    --------
    >>> from xrlab import Encoding, simulate
    >>> image = diffraction_image(simulate(Encoding.from_vector([0.5, 0, 0])))
    >>> image.shape, bool(abs(image[:-1, :-1].mean() - 1) < 0.02)
    ((64, 64), True)
    """
    sites = as_sites(lattice.sites if isinstance(lattice, Lattice) else lattice)
    if not 1 <= lot_size <= len(sites):
        raise ValueError(
            f"a lot of {lot_size} x {lot_size} sites does not fit a lattice of "
            f"{len(sites)} x {len(sites)}; take a lot size from 1 to {len(sites)}"
        )
    if lots < 1:
        raise ValueError(f"an image needs at least 1 lot; got {lots}")
    mean = sites.mean()
    corners = np.random.default_rng(seed).integers(len(sites), size=(lots, 2, 1))
    rows, columns = ((corners + np.arange(lot_size)) % len(sites)).swapaxes(0, 1)
    windows = (sites[rows[:, :, None], columns[:, None, :]] - mean).astype(np.float32)
    intensity = np.zeros(grid.shape, np.float32)
    to_h = _phases(grid.h_values, lot_size)
    to_k = _phases(grid.k_values, lot_size).T
    for window in windows:
        amplitude = to_h @ window @ to_k
        intensity += amplitude.real**2 + amplitude.imag**2
    intensity /= np.float32(lots * lot_size**2 * (1 - mean**2))
    return _with_form_factor(intensity, form_factor, grid)


def expected_image(
    encoding: Encoding,
    grid: ReciprocalGrid = STANDARD_GRID,
    lot_size: int = 25,
    *,
    concentration: float = 0.5,
    size: int | None = None,
    form_factor: ArrayLike | OnGrid | None = None,
) -> Singles:
    """Image that lattices with these correlations have on average, without noise.

    The correlations are continued to all distances by the field of maximum entropy
    (`spectrum.extend`), so this is the mean over all lattices of the Gaussian sampler; Monte
    Carlo's have the same near correlations and, where order is strong, weaker far ones. See
    `correlation_image` for the sum.

    Parameters
    ----------
    encoding : Encoding
    grid, lot_size, form_factor
        As for `diffraction_image`.
    concentration : float
        Fraction of +1 sites.
    size : int, optional
        Sites along each axis of the periodic lattice; twice the lot's if not given, as in both
        standard settings. With a large one the lattice is practically endless.

    Returns
    -------
    float32 array, shape ``grid.shape``
        In Laue monotonic units.

    Raises
    ------
    NotRealisableError
        If no Gaussian field has these correlations: then take ``encoding.nearest_realisable()``.
    ValueError
        If an argument is outside its range.

    Examples
    --------
    >>> from xrlab import Encoding
    >>> image = expected_image(Encoding.from_vector([0.5, 0, 0]))
    >>> image.shape, bool(image[:, 0].std() < 0.1 < image[0].std())  # order along b only
    ((64, 64), True)
    """
    if lot_size < 1 or (size is not None and lot_size > size):
        raise ValueError(
            f"a lot has from 1 site along each side to as many as the lattice; got {lot_size}"
        )
    size = size or max(2 * lot_size, 2 * encoding.span)
    correlations = extend(encoding.matrix, lot_size - 1, concentration, size)
    image = correlation_image(correlations, grid, lot_size)
    return _with_form_factor(image.astype(np.float32), form_factor, grid)


def correlation_image(
    correlations: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID, lot_size: int | None = None
) -> Floats:
    """Sum up the image of given correlations.

    I(h, k) = sum over all (i, j) of w(i, j) c(i, j) cos 2 pi (h i + k j), with the lots window
    w(i, j) = (1 - |i|/L)(1 - |j|/L), 0 beyond the lot (Warren 1969, section 12.3).

    Parameters
    ----------
    correlations : array, shape (2 reach + 1, 2 reach + 1)
        c(i, j) at [reach + i, reach + j]; c(-i, -j) = c(i, j).
    grid : ReciprocalGrid
    lot_size : int, optional
        L; without it w = 1.

    Returns
    -------
    float64 array, shape ``grid.shape``
    """
    c = np.asarray(correlations, np.float64)
    reach = len(c) // 2
    if c.shape != (2 * reach + 1, 2 * reach + 1):
        raise ValueError(
            f"correlations from -reach to reach along both axes fill a square with an odd side; "
            f"this one has shape {c.shape}"
        )
    distance = np.arange(-reach, reach + 1)
    if lot_size is not None:
        window = np.maximum(1 - np.abs(distance) / lot_size, 0)
        c = c * np.outer(window, window)
    along_h = np.exp(2j * np.pi * np.outer(grid.h_values, distance))
    along_k = np.exp(2j * np.pi * np.outer(grid.k_values, distance))
    # Matrix products of real numbers: the real part is all that is wanted.
    part = along_h @ c
    return part.real @ along_k.real.T - part.imag @ along_k.imag.T


def thermal_scattering(grid: ReciprocalGrid, width: float) -> Floats:
    """Thermal diffuse scattering, mean 1: q^2 / (d^2 + width^2), d the distance to a Bragg peak.

    One-phonon scattering by acoustic waves (Warren, X-ray Diffraction, 1969, chapter 11), the pole
    rounded off at `width` r.l.u.
    """
    q2 = grid.h_values[:, None] ** 2 + grid.k_values**2
    level = q2 / (grid.distance_to_bragg() ** 2 + width**2)
    return level / level.mean()


def _with_form_factor(
    image: Singles, form_factor: ArrayLike | OnGrid | None, grid: ReciprocalGrid
) -> Singles:
    if form_factor is None:
        return image
    on = getattr(form_factor, "on", None)
    values = unmasked(form_factor if on is None else on(grid)).astype(np.float32)
    if values.shape != image.shape or not (values >= 0).all():
        raise ValueError(
            f"a squared form factor has a value from 0 up at every point of the grid, shape "
            f"{image.shape}; this one has shape {values.shape} and a lowest value of "
            f"{values.min():g}"
        )
    return image * values


def _phases(q: Floats, length: int) -> NDArray[np.complex64]:
    """Phase factors exp 2 pi i q x, shape (points of q, length)."""
    return np.exp(2j * np.pi * np.outer(q, np.arange(length))).astype(np.complex64)
