"""Which pixels an answer depends on: occlusion (Zeiler and Fergus 2014), as a linear response."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xrlab.crystal.arrays import Floats, Reals


def occlusion(read: Callable[[Reals], Reals], images: Reals, block: int = 4) -> Floats:
    """Measure how strongly each block of pixels enters an answer.

    A block is covered with the mean of its image. Over the images, the change of the answer is
    proportional to the contrast of the block, its mean less the mean of the image, if the answer
    is linear in the pixels; the factor of proportionality is fitted by least squares.

    Parameters
    ----------
    read : callable
        From images, shape (n, rows, columns), to one number each, shape (n,).
    images : array, shape (images, rows, columns)
        Two or more, of crystals that differ.
    block : int
        Side of a block in pixels; it divides rows and columns.

    Returns
    -------
    float64 array, shape (rows / block, columns / block)
        For an answer (1/N) sum w I over N pixels, w / N times the pixels of a block.

    Examples
    --------
    >>> images = np.random.default_rng(0).uniform(size=(3, 4, 4))
    >>> occlusion(lambda x: x[:, 0, 0], images, block=2).round(9)[1]
    array([0., 0.])
    """
    n, rows, columns = images.shape
    if rows % block or columns % block:
        raise ValueError(f"blocks of {block} pixels do not fill {rows} x {columns} pixels")
    mean = images.mean(axis=(1, 2))
    places = [
        (slice(i, i + block), slice(j, j + block))
        for i in range(0, rows, block)
        for j in range(0, columns, block)
    ]
    covered = np.repeat(images[None], len(places), axis=0)
    for each, (i, j) in zip(covered, places, strict=True):
        each[:, i, j] = mean[:, None, None]
    answers = np.asarray(read(covered.reshape(-1, rows, columns))).reshape(len(places), n)
    change = np.asarray(read(images)) - answers
    contrast = np.array([images[:, i, j].mean(axis=(1, 2)) - mean for i, j in places])
    weights = (change * contrast).sum(axis=1) / (contrast**2).sum(axis=1)
    return np.asarray(weights, np.float64).reshape(rows // block, columns // block)
