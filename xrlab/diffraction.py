"""Diffraction images of lattices: diffuse intensity in Laue monotonic units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab.lattice import Lattice, as_sites


@dataclass(frozen=True)
class ReciprocalGrid:
    """The points of reciprocal space at which an image is taken.

    Parameters
    ----------
    h, k : (float, float)
        First and last value along **a*** and **b*** in reciprocal lattice units (r.l.u.), both
        included. Image rows run along h, columns along k.
    shape : (int, int)
        Number of rows and columns, 2 or more each.

    Examples
    --------
    >>> ReciprocalGrid().k_values[:3] * 63
    array([0., 2., 4.])
    """

    h: tuple[float, float] = (0.0, 2.0)
    k: tuple[float, float] = (0.0, 2.0)
    shape: tuple[int, int] = (64, 64)

    def __post_init__(self) -> None:
        for name, (first, last) in (("h", self.h), ("k", self.k)):
            if not (np.isfinite([first, last]).all() and first < last):
                raise ValueError(
                    f"{name} runs from a smaller to a larger number; got {first} to {last}"
                )
        if min(self.shape) < 2:
            raise ValueError(
                f"a grid has at least 2 rows and 2 columns; got a shape of {self.shape}"
            )

    @property
    def h_values(self) -> NDArray[np.float64]:
        """Value of h in every row, r.l.u."""
        return np.linspace(*self.h, self.shape[0])

    @property
    def k_values(self) -> NDArray[np.float64]:
        """Value of k in every column, r.l.u."""
        return np.linspace(*self.k, self.shape[1])

    def distance_to_bragg(self) -> NDArray[np.float64]:
        """Distance of every point from the nearest Bragg peak (whole h and k), in r.l.u."""
        dh = self.h_values - np.round(self.h_values)
        dk = self.k_values - np.round(self.k_values)
        return np.hypot(dh[:, None], dk[None, :])


STANDARD_GRID = ReciprocalGrid()


def diffraction_image(
    lattice: Lattice | ArrayLike,
    grid: ReciprocalGrid = STANDARD_GRID,
    lot_size: int = 25,
    lots: int = 8,
    seed: int | np.random.Generator = 0,
) -> NDArray[np.float32]:
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
    return intensity / np.float32(lots * lot_size**2 * (1 - mean**2))


def _phases(q: NDArray[np.float64], length: int) -> NDArray[np.complex64]:
    """Phase factors exp 2 pi i q x, shape (points of q, length)."""
    return np.exp(2j * np.pi * np.outer(q, np.arange(length))).astype(np.complex64)


def as_image(image: ArrayLike, shape: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """Check that an array can be a measured or simulated image and return it as float64.

    Parameters
    ----------
    image : array of real numbers, 2-D
        Intensities on any scale, NaN where unmeasured.
    shape : (int, int), optional
        The shape it must have.

    Raises
    ------
    ValueError
        If it is not a 2-D array of real numbers, has another shape, holds negative or infinite
        intensities, or has no two different values to learn anything from.

    Examples
    --------
    >>> as_image([[1, 2], [3, -4]])
    Traceback (most recent call last):
    ...
    ValueError: an intensity cannot be negative; the lowest is -4, at (1, 1). ...
    """
    array = np.asarray(image)
    if array.dtype.kind not in "uif":
        raise ValueError(f"an image holds real numbers; this one holds {array.dtype}")
    if array.ndim != 2 or min(array.shape) < 2:
        raise ValueError(
            f"an image is a 2-D array of at least 2 x 2 pixels; this one has shape {array.shape}"
        )
    if shape is not None and array.shape != tuple(shape):
        raise ValueError(
            f"this image has shape {array.shape}, and {tuple(shape)} is needed: "
            f"cut or resample it, or give the grid that it was taken on"
        )
    array = array.astype(np.float64)
    measured = array[~np.isnan(array)]
    if measured.size == 0:
        raise ValueError("every pixel of this image is NaN: nothing was measured")
    if np.isinf(measured).any():
        raise ValueError("this image holds infinite values; set pixels that failed to NaN")
    if measured.min() < 0:
        place = tuple(int(n) for n in np.argwhere(array == measured.min())[0])
        raise ValueError(
            f"an intensity cannot be negative; the lowest is {measured.min():g}, at {place}. "
            f"Set pixels that were not measured to NaN"
        )
    if measured.min() == measured.max():
        raise ValueError(
            f"every measured pixel of this image is {measured[0]:g}: there is no pattern to read"
        )
    return array
