"""The grid of reciprocal space on which an image is sampled, and arrays on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab.crystal.arrays import Floats

# Radius round the Bragg peaks that image comparisons leave out, in r.l.u.
BRAGG_RADIUS = 0.13


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
    def h_values(self) -> Floats:
        """Value of h in every row, r.l.u."""
        return np.linspace(*self.h, self.shape[0])

    @property
    def k_values(self) -> Floats:
        """Value of k in every column, r.l.u."""
        return np.linspace(*self.k, self.shape[1])

    def distance_to_bragg(self) -> Floats:
        """Distance of every point from the nearest Bragg peak (whole h and k), in r.l.u."""
        dh = self.h_values - np.round(self.h_values)
        dk = self.k_values - np.round(self.k_values)
        return np.hypot(dh[:, None], dk[None, :])


class OnGrid(Protocol):
    """Something that has a value at every point of a grid, such as a form factor."""

    def on(self, grid: ReciprocalGrid) -> Floats:
        """Return its values, shape ``grid.shape``."""
        ...


def unmasked(values: Any) -> NDArray[Any]:
    """Array with NaN where NumPy's mask is; `np.asarray` gives what lies under it.

    >>> unmasked(np.ma.masked_array([1, 9], [False, True]))
    array([ 1., nan])
    """
    if isinstance(values, list | tuple) and any(isinstance(v, np.ma.MaskedArray) for v in values):
        values = np.ma.stack(values)
    if np.ma.is_masked(values):
        return np.ma.filled(values.astype(np.float64), np.nan)
    return np.asarray(values)


def real_image(image: ArrayLike) -> Floats:
    """Check that an array is 2-D and of real numbers; return it as float64, NaN where masked."""
    array = unmasked(image)
    if array.dtype.kind not in "uif":
        raise ValueError(f"an image holds real numbers; this one holds {array.dtype}")
    if array.ndim != 2 or min(array.shape) < 2:
        raise ValueError(
            f"an image is a 2-D array of at least 2 x 2 pixels; this one has shape {array.shape}"
        )
    return array.astype(np.float64)


def as_image(image: ArrayLike, shape: tuple[int, int] | None = None) -> Floats:
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
    array = real_image(image)
    if shape is not None and array.shape != tuple(shape):
        raise ValueError(
            f"this image has shape {array.shape}, and {tuple(shape)} is needed: "
            f"cut or resample it, or give the grid that it was taken on"
        )
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


def trapezoid_weights(grid: ReciprocalGrid) -> Floats:
    """Weight of every pixel in a sum over the window, shape ``grid.shape``.

    Along an axis of whole cells the first and the last point are one and count half each, which
    makes the sum exact; along any other axis all points count alike.
    """
    sides = []
    for (first, last), n in zip((grid.h, grid.k), grid.shape, strict=True):
        side = np.ones(n)
        if abs(last - first - round(last - first)) < 1e-9:
            side[[0, -1]] = 0.5
        sides.append(side)
    return np.outer(*sides)


STANDARD_GRID = ReciprocalGrid()
