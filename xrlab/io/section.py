"""Sections through reciprocal space: an image with its h and k, from which windows are cut.

A measured section is rarely the standard grid: it is larger, finer, and its axes may be oblique.
`Section.window` cuts out the wanted cells and resamples them: by averaging areas where the section
is finer than the window, so that no noise is folded in, and by linear interpolation where it is
coarser. Lengths are in reciprocal lattice units (r.l.u.).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xrlab.crystal.arrays import Image
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, real_image
from xrlab.io.axes import is_rlu, miller, question, split_unit
from xrlab.io.choice import MAX_PIXELS
from xrlab.io.read import read_stored
from xrlab.io.stored import Axes
from xrlab.measurement.resample import overlaps, weighted_mean

Range = tuple[float, float]

# A pixel of a window is NaN when less than this part of it was measured.
LEAST_MEASURED = 0.5


@dataclass(frozen=True, eq=False)
class Section:
    """An image on known values of h (rows) and k (columns).

    Parameters
    ----------
    image : array, shape (rows, columns)
        Intensities on any scale, NaN where unmeasured.
    h, k : array, shape (rows,) and (columns,)
        Value at the middle of every row and column, r.l.u., rising or falling, evenly spaced or
        not. Falling ones are turned round, with the image.
    weight : array, shape (rows, columns), optional
        Number of measured pixels that each is the mean of; 1 where not given, 0 where NaN.
    labels : (str, str)
        What the axes are: ``("h", "k")``, or as a file says, ``("[H,0,0]", "[0,K,0]")``.

    Raises
    ------
    ValueError
        If the axes do not fit the image, or do not rise or fall throughout.

    Examples
    --------
    >>> section = Section.from_range(np.ones((201, 401)), h=(-1, 1), k=(-2, 2))
    >>> section.window(h=(-1, 1), k=(0, 2)).image.shape
    (64, 64)
    """

    image: Image
    h: Image
    k: Image
    weight: Image = None  # type: ignore[assignment]  # an array once it is made
    labels: tuple[str, str] = ("h", "k")

    def __post_init__(self) -> None:
        image = real_image(self.image)
        measured = ~np.isnan(image)
        weight = np.ones(image.shape) if self.weight is None else np.array(self.weight, float)
        if weight.shape != image.shape or not (weight[measured] > 0).all():
            raise ValueError(
                f"weight counts the pixels behind each pixel: an array of shape {image.shape}, "
                f"above 0 where something was measured"
            )
        weight[~measured] = 0
        for axis, name in enumerate("hk"):
            values = np.asarray(getattr(self, name), np.float64)
            fits = values.shape == (image.shape[axis],)
            if fits and values[0] > values[-1]:
                values, image, weight = values[::-1], np.flip(image, axis), np.flip(weight, axis)
            if not (fits and all(0 < step < np.inf for step in np.diff(values))):
                raise ValueError(
                    f"{name} needs one value for each of the {image.shape[axis]} "
                    f"{('rows', 'columns')[axis]}, rising or falling throughout; it has shape "
                    f"{values.shape}"
                )
            object.__setattr__(self, name, values)
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "weight", weight)

    @classmethod
    def from_range(cls, image: ArrayLike, h: Range, k: Range) -> Section:
        """Place an image of evenly spaced pixels by the h of its first and last row, and the k.

        The values are those of the middles of the pixels; a row number can be falling with h.
        """
        image = real_image(image)
        rows, columns = image.shape
        return cls(image, np.linspace(*h, rows), np.linspace(*k, columns))

    @classmethod
    def from_calibration(
        cls,
        image: ArrayLike,
        centre_pixel: tuple[float, float],
        pixels_per_rlu: float | tuple[float, float],
        matrix: ArrayLike | None = None,
    ) -> Section:
        """Place an image by the pixel of the origin and the directions of the axes.

        The point (h, k) is at the pixel centre_pixel + M (h p_h, k p_k), in (row, column).

        Parameters
        ----------
        image : array, shape (rows, columns)
        centre_pixel : (float, float)
            Row and column of h = k = 0, counted from 0 at the middle of the first pixel; may be
            outside the image.
        pixels_per_rlu : float or (float, float)
            p_h and p_k, pixels from one Bragg position to the next along each axis, above 0.
        matrix : array, shape (2, 2), optional
            M; its columns are the directions of **a*** and **b*** as (rows, columns), each brought
            to length 1 here. Without it rows run along h and columns along k. An image with oblique
            or turned axes is resampled by linear interpolation to straight ones, as fine as it was;
            NaN spreads to the pixels whose neighbours are mostly NaN.

        Examples
        --------
        >>> hexagonal = [[1, np.cos(np.pi / 3)], [0, np.sin(np.pi / 3)]]
        >>> Section.from_calibration(np.ones((90, 90)), (45, 45), 20, hexagonal).grid.h
        (-3.5, 3.45)
        """
        image = real_image(image)
        scale = np.broadcast_to(np.asarray(pixels_per_rlu, float), 2)
        directions = np.eye(2) if matrix is None else np.asarray(matrix, float)
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError(
                f"a calibration needs a 2-D image and pixels per r.l.u. above 0; got an image of "
                f"shape {image.shape} and {pixels_per_rlu}"
            )
        lengths = np.linalg.norm(directions, axis=0) if directions.shape == (2, 2) else np.zeros(2)
        if not (lengths > 0).all() or abs(np.linalg.det(directions / lengths)) < 0.05:
            raise ValueError(
                f"the columns of matrix are two different directions, as a 2 x 2 array; got "
                f"{directions.tolist()}"
            )
        to_pixels = directions / lengths * scale
        centre = np.asarray(centre_pixel, float)
        if not (to_pixels[0, 1] or to_pixels[1, 0]):
            h, k = (
                (np.arange(n) - c) / p
                for n, c, p in zip(image.shape, centre, to_pixels.diagonal(), strict=True)
            )
            return cls(image, h, k)
        corners = np.array(list(np.ndindex(2, 2))).T * (np.array([image.shape]).T - 1)
        places = np.linalg.solve(to_pixels, corners - centre[:, None]) * scale[:, None]
        first, last = np.ceil(places.min(axis=1)), np.floor(places.max(axis=1))
        shape = tuple(map(int, last - first + 1))
        if math.prod(shape) > MAX_PIXELS:
            raise ValueError(
                f"with straight axes this image would have {shape[0]} x {shape[1]} pixels, more "
                f"than {MAX_PIXELS:,}: cut it first"
            )
        step, measured = to_pixels / scale, ~np.isnan(image)
        share, total = (
            ndimage.affine_transform(part, step, step @ first + centre, shape, order=1)
            for part in (measured.astype(float), np.where(measured, image, 0))
        )
        # A rim of rounding errors would else be cut off.
        share[share < LEAST_MEASURED] = np.nan
        h, k = ((np.arange(n) + n_0) / s for n, n_0, s in zip(shape, first, scale, strict=True))
        return cls(total / share, h, k)

    @property
    def grid(self) -> ReciprocalGrid:
        """The grid of the pixels, for functions that take one.

        Raises
        ------
        ValueError
            If h or k is not evenly spaced.
        """
        for name, values in (("h", self.h), ("k", self.k)):
            step = (values[-1] - values[0]) / (len(values) - 1)
            if np.abs(np.diff(values) - step).max() > 1e-3 * step:
                raise ValueError(f"{name} is not evenly spaced: cut a window, which is")
        h, k = ((float(v[0]), float(v[-1])) for v in (self.h, self.k))
        return ReciprocalGrid(h, k, (len(self.h), len(self.k)))

    @property
    def counting_error(self) -> Image:
        """Standard error sqrt(I / weight) of every pixel, if the stored pixels were counts.

        Take the image on the scale of the counts; NaN where unmeasured.
        """
        weight = np.where(np.isnan(self.image), np.nan, self.weight)
        return np.sqrt(np.maximum(self.image, 0) / weight)

    def window(
        self,
        h: Range = STANDARD_GRID.h,
        k: Range = STANDARD_GRID.k,
        shape: tuple[int, int] = STANDARD_GRID.shape,
    ) -> Section:
        """Cut a window and resample it; its ends are the middles of its first and last pixels.

        Along each axis, where the section is finer than the window, a pixel is the mean over its
        area, and where it is coarser, linear between the two nearest. What is NaN counts for
        nothing, and a pixel of which less than half was measured is NaN.

        Parameters
        ----------
        h, k : (float, float)
            First and last value, r.l.u.
        shape : (int, int)
            Pixels along h and k.

        Returns
        -------
        Section
            Its weight is the effective number of pixels behind each of its own, (sum w)^2 / sum w^2
            over their shares w (Kish, Survey Sampling, 1965): Poisson counts of mean I average to a
            variance of I / weight.

        Raises
        ------
        ValueError
            If the window reaches out of the section by more than half a pixel, or nothing in it was
            measured.
        """
        wanted = ReciprocalGrid(h, k, shape)
        shares = []
        for name, have, want in (("h", self.h, wanted.h_values), ("k", self.k, wanted.k_values)):
            edges, slack = _edges(have), (want[1] - want[0]) / 2 + 1e-9
            if want[0] < edges[0] - slack or want[-1] > edges[-1] + slack:
                raise ValueError(
                    f"the window, {name} from {want[0]:g} to {want[-1]:g}, reaches out of the "
                    f"section, {name} from {have[0]:.4g} to {have[-1]:.4g}: choose one inside it"
                )
            shares.append(_shares(have, edges, want))
        # Only the part under the window, which may be small.
        (rows, along_h), (columns, along_k) = shares
        image, weight = self.image[rows, columns], self.weight[rows, columns]
        with np.errstate(divide="ignore"):
            mean, variance, share = weighted_mean(image, 1 / weight, along_h, along_k)
        mean[share < LEAST_MEASURED] = np.nan
        if np.isnan(mean).all():
            raise ValueError(
                f"nothing was measured in the window, h from {h[0]:g} to {h[1]:g}, k from "
                f"{k[0]:g} to {k[1]:g}: choose another"
            )
        return Section(mean, wanted.h_values, wanted.k_values, 1 / variance, self.labels)

    def symmetric_window(
        self,
        h: Range = STANDARD_GRID.h,
        k: Range = STANDARD_GRID.k,
        shape: tuple[int, int] = STANDARD_GRID.shape,
    ) -> Section:
        """Cut a window and the one at (-h, -k), and average them by their weights.

        The two are equal by Friedel's law in a section through the origin (l = 0) when absorption
        and anomalous scattering are weak, and in every layer of a crystal with a two-fold axis
        along the normal. Where one was not measured, the other stands alone.

        Raises
        ------
        ValueError
            If one of the two reaches out of the section; take `window` then.
        """
        here = self.window(h, k, shape)
        there = self.window((-h[1], -h[0]), (-k[1], -k[0]), shape)
        weights = np.stack([here.weight, there.weight[::-1, ::-1]])
        images = np.nan_to_num(np.stack([here.image, there.image[::-1, ::-1]]))
        total = weights.sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = (weights * images).sum(axis=0) / total
        return Section(mean, here.h, here.k, total, self.labels)

    def corners(self, cells: int = 2, measured: float = 0.5) -> list[tuple[int, int]]:
        """List the windows that can be cut: their first h and k, whole numbers.

        Whole numbers are Bragg positions, so such a window is equal to itself turned half round,
        for a lattice of two kinds of site.

        Parameters
        ----------
        cells : int
            Side of the window in reciprocal cells.
        measured : float
            Least part of the window that was measured, from 0 to 1.

        Examples
        --------
        >>> Section.from_range(np.ones((31, 21)), h=(-1, 2), k=(0, 2)).corners()
        [(-1, 0), (0, 0)]
        """
        spans = []
        for values in (self.h, self.k):
            edges = _edges(values)
            first = range(math.ceil(edges[0] - 1e-9), math.floor(edges[-1] - cells + 1e-9) + 1)
            ends = [np.searchsorted(values, (n - 1e-9, n + cells + 1e-9)) for n in first]
            spans.append(list(zip(first, ends, strict=True)))
        return [
            (h, k)
            for (h, rows), (k, columns) in product(*spans)
            if (part := self.image[slice(*rows), slice(*columns)]).size
            and np.mean(~np.isnan(part)) >= measured
        ]


def read_section(
    path: str | os.PathLike[str] | bytes,
    *,
    h: Range | None = None,
    k: Range | None = None,
    **options: Any,
) -> Section:
    """Read a section from a file, with the h and k that the file says or you do.

    Parameters
    ----------
    path : path, or bytes of an uploaded file
    h, k : (float, float), optional
        Values at the first and last row and column, r.l.u., for files without such axes.
    options
        `dataset`, `unmeasured` and `insist`, as for `xrlab.read_image`.

    Raises
    ------
    ValueError
        If the file has no axes in r.l.u. and none are given; and as `xrlab.read_image` does.
    """
    section = on_axes(*read_stored(path, **options), h, k)
    if section is None:
        raise ValueError("this file does not say its h and k: give h=(first, last) and k=(...)")
    return section


def on_axes(
    image: Image, axes: Axes | None, h: Range | None = None, k: Range | None = None
) -> Section | None:
    """Place an image on the given h and k, or else on the axes from `read_stored`; None without.

    An image whose columns run along H and whose rows run along K is turned: rows run along h.

    Raises
    ------
    ValueError
        If the axes are not in r.l.u. or do not say; it asks for h and k.
    """
    if h is not None and k is not None:
        return Section.from_range(image, h, k)
    if axes is None:
        return None
    if not all(is_rlu(label) for label, _ in axes):
        raise ValueError(question(axes))
    (row_label, rows), (column_label, columns) = ((split_unit(n)[0], v) for n, v in axes)
    if (miller(column_label) or "z") < (miller(row_label) or "z"):
        return Section(image.T, columns, rows, labels=(column_label, row_label))
    return Section(image, rows, columns, labels=(row_label, column_label))


def _edges(values: Image) -> Image:
    """Borders of pixels around their middles."""
    inner = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - inner[0]], inner, [2 * values[-1] - inner[-1]]])


def _shares(have: Image, edges: Image, want: Image) -> tuple[slice, Image]:
    """Find which pixels of an axis are needed, and their shares in those wanted.

    Returns
    -------
    slice, array of shape (wanted, needed)
        Rows sum to 1.
    """
    step = want[1] - want[0]
    borders = _edges(want)
    first = max(int(np.searchsorted(edges, borders[0])) - 2, 0)
    last = min(int(np.searchsorted(edges, borders[-1])) + 1, len(have))
    needed = slice(first, last)
    have, edges = have[needed], edges[first : last + 1]
    if len(have) and np.median(np.diff(edges)) < step:
        shares = overlaps(edges, borders)
    else:
        shares = np.stack([np.interp(want, have, unit) for unit in np.eye(len(have))], axis=1)
    return needed, shares / shares.sum(axis=1, keepdims=True)
