"""Batches for training: shuffled, under the exact symmetries, simulated anew where asked."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from xrlab.crystal.arrays import Reals, Singles
from xrlab.crystal.grid import ReciprocalGrid
from xrlab.datasets.dataset import DataSet, Simulated
from xrlab.networks.backend import import_keras

if TYPE_CHECKING:
    import keras


def make_batches(
    data: DataSet | Simulated,
    batch_size: int,
    seed: int | None = None,
    *,
    symmetries: bool = False,
    epochs: range = range(1),
) -> keras.utils.PyDataset:
    """Cut data into batches for Keras: images of shape (samples, rows, columns, 1) and labels.

    What a batch holds depends on the arguments, the epoch and its place alone, so that an
    interrupted training sees the same again. Images are simulated in a thread of their own while
    those of the epoch before are in use.

    Parameters
    ----------
    data : DataSet or Simulated
    batch_size : int
    seed : int, optional
        Of the order and the symmetries; without it samples come in their order.
    symmetries : bool
        Show every image under random ones of the `Symmetries`.
    epochs : range
        Numbers of the epochs to come. The attribute ``epoch`` says which one is shown; whoever
        trains sets it, as Keras' own ``on_epoch_end`` is called once too often.

    Raises
    ------
    ValueError
        If the images have no such symmetries.
    """
    keras = import_keras()
    setting = data.setting
    turn = Symmetries(data.span, setting.grid, setting.lot_size) if symmetries else None
    n_samples = len(data)

    class Batches(keras.utils.PyDataset):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.epoch = epochs.start
            self.ready: int | None = None
            self.lock = Lock()
            self.background = ThreadPoolExecutor(1)
            self.coming: Future[DataSet] | None = None

        def __len__(self) -> int:
            return -(-n_samples // batch_size)

        def __getitem__(self, index: int) -> tuple[Singles, Singles]:
            with self.lock:  # Keras asks from several threads
                if self.ready != self.epoch:
                    self._prepare()
            chosen = self.order[index * batch_size : (index + 1) * batch_size]
            images, labels = self.data.images[chosen], self.data.encodings[chosen]
            if turn is not None:
                turn(images, labels, np.random.default_rng([seed or 0, self.epoch, index]))
            return images[..., None], labels

        def _prepare(self) -> None:
            if isinstance(data, DataSet):
                self.data = data
            else:
                self.data = self.coming.result() if self.coming else data.epoch(self.epoch)
                if self.epoch + 1 in epochs:
                    self.coming = self.background.submit(data.epoch, self.epoch + 1)
            self.order = np.arange(n_samples)
            if seed is not None:
                np.random.default_rng([seed, self.epoch]).shuffle(self.order)
            self.ready = self.epoch

        def close(self) -> None:
            self.background.shutdown(cancel_futures=True)

    return Batches()


class Symmetries:
    """What can be done to an image without a new simulation, as its encoding is known exactly.

    Turning round every second layer of sites moves the image by half a cell along h or k and
    gives c(i, j) the sign (-1)^i or (-1)^j. On a grid that is alike in both, exchanging h with k
    exchanges i with j. On a grid with a point of inversion, one with whole numbers or their halves
    in its middle, inversion leaves the encoding as it is (Friedel, Compt. Rend. 157, 1533, 1913):
    it leaves a clean image as it is, too, and matters where pixels have noise of their own.

    Parameters
    ----------
    span : int
    grid : ReciprocalGrid
    lot_size : int

    Raises
    ------
    ValueError
        If images of less than a whole cell, or too coarse, cannot be moved by half a cell.
    """

    def __init__(self, span: int, grid: ReciprocalGrid, lot_size: int) -> None:
        i, j = np.divmod(np.arange(1, span**2), span)
        self.signs = (-1.0) ** i, (-1.0) ** j
        self.exchanged = span * j + i - 1  # where c(j, i) stands in the vector
        self.shift_h = half_cell_shift(grid.h_values, lot_size)
        self.shift_k = half_cell_shift(grid.k_values, lot_size).T
        self.square = np.array_equal(grid.h_values, grid.k_values)
        self.inversion = all(abs(sum(q) - round(sum(q))) < 1e-9 for q in (grid.h, grid.k))

    def __call__(self, images: Singles, labels: Singles, rng: np.random.Generator) -> None:
        """Change each image, shape (samples, rows, columns), and its label in place at random."""
        along_a, along_b, exchange, invert = rng.random((4, len(images))) < 0.5
        images[along_a] = self.shift_h @ images[along_a]
        labels[along_a] *= self.signs[0]
        images[along_b] = images[along_b] @ self.shift_k
        labels[along_b] *= self.signs[1]
        if self.square:
            images[exchange] = images[exchange].swapaxes(1, 2)
            labels[exchange] = labels[exchange][:, self.exchanged]
        if self.inversion:
            images[invert] = images[invert, ::-1, ::-1]
        np.maximum(images, 0, out=images)  # rounding can give -1e-6


def half_cell_shift(q: Reals, lot_size: int) -> Singles:
    """Return the matrix that moves an image axis by half a reciprocal cell, exactly.

    An image is a cosine series with terms up to lot_size - 1, so its values at the points q, if
    they determine the terms, determine it everywhere.

    Parameters
    ----------
    q : array, shape (n,)
        Points along the axis, r.l.u., of one whole cell or more.
    lot_size : int
        Sites along a side of the lots.

    Returns
    -------
    float32 array, shape (n, n)

    Raises
    ------
    ValueError
        If the points are too few or do not fill a cell.

    Examples
    --------
    >>> q = np.linspace(0, 2, 64)
    >>> wave = 1 + np.cos(2 * np.pi * q)
    >>> np.allclose(half_cell_shift(q, lot_size=25) @ wave, 2 - wave, atol=1e-5)
    True
    """
    distance = np.arange(1 - lot_size, lot_size)
    waves = np.exp(2j * np.pi * np.outer(q, distance))
    if np.linalg.cond(waves) > 100:
        raise ValueError(
            f"{len(q)} points from {q[0]:g} to {q[-1]:g} r.l.u. do not determine the image of "
            f"lots of {lot_size} sites: take {2 * lot_size} points or more, over whole cells"
        )
    return ((waves * (-1.0) ** distance) @ np.linalg.pinv(waves)).real.astype(np.float32)
