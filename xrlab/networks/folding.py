"""Fold an image of 2 x 2 reciprocal cells into one cell of 32 x 32 points, and back."""

from __future__ import annotations

import numpy as np

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.grid import STANDARD_GRID

# Points along each axis of the folded cell, at q = (m + 1/2) / CELL: turning the cell half round
# is then a flip.
CELL = 32

# Span of the answer. Encodings of smaller spans are part of it.
SPAN = 4


def fold_matrix(q: Reals) -> Singles:
    """Matrix that interpolates values at the points q linearly at those of the two cells.

    Parameters
    ----------
    q : array, shape (n,)
        Points along the axis, r.l.u., evenly spaced over two cells from a whole number on.

    Returns
    -------
    float32 array, shape (64, n)

    Examples
    --------
    >>> q = np.linspace(0, 2, 64)
    >>> bool(np.allclose(fold_matrix(q) @ q, (np.arange(64) + 0.5) / 32))
    True
    """
    points = q[0] + (np.arange(2 * CELL) + 0.5) / CELL
    return np.stack([np.interp(points, q, unit) for unit in np.eye(len(q))], axis=1).astype("f4")


def cosines() -> Singles:
    """Cos 2 pi (h i + k j) at the points of the cell, shape (1024, 15)."""
    q = (np.arange(CELL) + 0.5) / CELL
    i, j = np.divmod(np.arange(1, SPAN**2), SPAN)
    phase = q[:, None, None] * i + q[:, None] * j
    return np.cos(2 * np.pi * phase).reshape(CELL**2, -1).astype(np.float32)


def fold_clean(images: Reals) -> Singles:
    """Fold clean images, shape (n, 64, 64), to their mean cell, (n, 32, 32), of sum 1."""
    rows, columns = fold_matrix(STANDARD_GRID.h_values), fold_matrix(STANDARD_GRID.k_values)
    cells = (rows @ images.astype(np.float32) @ columns.T).reshape(-1, 2, CELL, 2, CELL)
    cell = cells.sum(axis=(1, 3))
    return cell / cell.sum(axis=(1, 2), keepdims=True)


def unfold(cell: Reals, q: Reals) -> Floats:
    """Repeat a cell, shape (32, 32), at the points q of both axes: the image that it stands for."""
    points = (np.arange(CELL) + 0.5) / CELL
    along = np.stack([np.interp(q, points, unit, period=1) for unit in np.eye(CELL)], axis=1)
    return along @ cell @ along.T


def places() -> Singles:
    """Where in the cell a point is, as convolutions that wrap round cannot tell: (32, 32, 4)."""
    q = (np.arange(CELL) + 0.5) / CELL
    along = np.stack([2 * q - 1, np.cos(2 * np.pi * q)], axis=-1)
    shape = (CELL, CELL, 2)
    rows = np.broadcast_to(along[:, None], shape)
    columns = np.broadcast_to(along[None], shape)
    return np.concatenate([rows, columns], axis=-1).astype(np.float32)
