"""Train a model on simulated images; the command that made the shipped weights.

``python -m xrlab.training --help`` tells how to run it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.dataset import STUDY, DataSet, Setting, generate
from xrlab.encoding import Encoding, component_names, vector_length
from xrlab.inversion import delta_pdf
from xrlab.metrics import mean_absolute_error, mean_squared_error, r2_score
from xrlab.models import BATCH, WEIGHTS, import_keras, run_model, small_cnn

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class History:
    """What happened during a training: mean squared errors per epoch.

    Parameters
    ----------
    loss : list of float
        On the training images, with dropout at work, so usually above `validation_loss`.
    validation_loss : list of float
    seconds : float
        How long it took.
    """

    loss: list[float]
    validation_loss: list[float]
    seconds: float

    @property
    def best_epoch(self) -> int:
        """Epoch, counted from 1, of the lowest validation loss: its weights are kept."""
        return int(np.argmin(self.validation_loss)) + 1


def fit(
    model: keras.Model,
    train: DataSet,
    validation: DataSet,
    *,
    epochs: int = 100,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
    symmetries: bool = True,
    progress: bool = False,
) -> History:
    """Train with Adam on the mean squared error and keep the best epoch by validation loss.

    The learning rate falls to 0 along half a cosine, so that the last epochs settle.

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    train, validation : DataSet
        They must share no sample; `DataSet.split` makes sure.
    epochs, batch_size
        As in the 2023 study.
    learning_rate : float
        At the start.
    seed : int
        Order of the samples, symmetries, and dropout.
    symmetries : bool
        Show each training image, in every epoch, under a random one of the exact symmetries of
        the problem, its label changed accordingly: moved by half a cell along h or k and, on a
        grid that is alike in both, with h and k exchanged.
    progress : bool
        Show a progress bar with the two losses.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If there is not at least one epoch and one image per batch, or the images, less than a
        whole cell or too coarse, cannot be moved by half a cell (then set `symmetries` to False).
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch size are 1 or more; got {epochs} and {batch_size}")
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    batches = _batches(train, batch_size, seed, symmetries)
    falling = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(batches))
    model.compile(optimizer=keras.optimizers.Adam(falling), loss="mse")
    keep_best = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
    bar = tqdm(total=epochs, desc="training", unit=" epochs", disable=not progress)
    show = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (bar.set_postfix(logs), bar.update()),
        on_train_end=lambda logs: bar.close(),
    )
    start = time.perf_counter()
    with threadpool_limits(1, user_api="blas"):  # NumPy's threads would stand in Keras' way
        log = model.fit(
            batches,
            validation_data=(validation.images[..., None], validation.encodings),
            validation_batch_size=BATCH,
            epochs=epochs,
            callbacks=[keep_best, show],
            verbose=0,
        ).history
    return History(log["loss"], log["val_loss"], time.perf_counter() - start)


def _batches(data: DataSet, batch_size: int, seed: int, symmetries: bool) -> keras.utils.PyDataset:
    """Shuffled batches, each image under a random one of the symmetries if these are wanted.

    Exchanging h with k exchanges i with j. Turning round every second layer of sites moves the
    image by half a cell and gives c(i, j) the sign (-1)^i or (-1)^j.
    """
    keras = import_keras()
    span = Encoding.from_vector(data.encodings[0]).span
    i, j = np.divmod(np.arange(1, span**2), span)
    exchanged = span * j + i - 1  # where c(j, i) stands in the vector
    grid, lot_size = data.setting.grid, data.setting.lot_size
    if symmetries:
        shift_h = half_cell_shift(grid.h_values, lot_size)
        shift_k = half_cell_shift(grid.k_values, lot_size).T
    square = np.array_equal(grid.h_values, grid.k_values)

    class Batches(keras.utils.PyDataset):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rng = np.random.default_rng(seed)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(data) // batch_size)

        def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            chosen = self.order[index * batch_size : (index + 1) * batch_size]
            images, labels = data.images[chosen], data.encodings[chosen]
            if not symmetries:
                return images[..., None], labels
            along_a, along_b, exchange = self.turns[:, chosen]
            images[along_a] = shift_h @ images[along_a]
            labels[along_a] *= (-1.0) ** i
            images[along_b] = images[along_b] @ shift_k
            labels[along_b] *= (-1.0) ** j
            if square:
                images[exchange] = images[exchange].swapaxes(1, 2)
                labels[exchange] = labels[exchange][:, exchanged]
            return np.maximum(images, 0)[..., None], labels  # rounding can give -1e-6

        def on_epoch_end(self) -> None:
            self.order = self.rng.permutation(len(data))
            self.turns = self.rng.random((3, len(data))) < 0.5

    return Batches()


def refit_last_layer(
    model: keras.Model,
    train: DataSet,
    validation: DataSet,
    *,
    penalties: Sequence[float] = (0.1, 0.3, 1.0, 3.0),
    passes: int = 4,
    seed: int = 0,
    symmetries: bool = True,
) -> float:
    """Give the last, linear layer its best weights for what the layers before it have learned.

    Adam finds the direction of the 12,544 weights of the small CNN quickly and their last digits
    very slowly. For given inputs the best ones are known exactly: those of ridge regression, the
    sum of squared errors plus a penalty times the sum of squared weights (Hoerl & Kennard,
    Technometrics 12, 55, 1970), the penalty chosen on the validation images.

    Parameters
    ----------
    model : keras.Model
        Changed in place. Its last layer is dense and linear.
    train, validation : DataSet
    penalties : sequence of float
        To choose from, in units of the mean variance of the layer's inputs.
    passes : int
        Times that the training images are shown, each time under other symmetries.
    seed, symmetries
        As for `fit`.

    Returns
    -------
    float
        The validation loss afterwards.

    Notes
    -----
    Takes matrices of n_inputs^2 values: 2 GB and two minutes for the small CNN at 64 x 64 pixels.
    """
    keras = import_keras()
    last = model.layers[-1]
    features = keras.Model(model.input, last.input)
    origin = run_model(features, train.images[:BATCH]).mean(axis=0)  # near the mean: fewer digits
    n_inputs, n_outputs = last.kernel.shape
    gram = np.zeros((n_inputs, n_inputs), np.float32)
    cross, total = np.zeros((n_inputs, n_outputs)), np.zeros(n_inputs)
    labels, n = np.zeros(n_outputs), 0
    batches = _batches(train, 8 * BATCH, seed, symmetries)
    for _ in range(passes):
        for index in range(len(batches)):
            images, wanted = batches[index]
            inputs = run_model(features, images[..., 0]) - origin
            gram += inputs.T @ inputs
            cross += inputs.T @ wanted
            total += inputs.sum(axis=0)
            labels += wanted.sum(axis=0)
            n += len(inputs)
        batches.on_epoch_end()
    mean, label = total / n, labels / n
    gram /= n
    gram -= np.outer(mean, mean).astype(np.float32)
    cross = cross / n - np.outer(mean, label)
    diagonal = np.diag(gram).copy()
    seen = run_model(features, validation.images) - origin - mean
    best = np.inf
    for penalty in penalties:
        np.fill_diagonal(gram, diagonal + penalty * diagonal.mean())
        weights = linalg.solve(gram, cross.astype(np.float32), assume_a="pos")
        loss = mean_squared_error(validation.encodings, seen @ weights + label)
        if loss < best:
            best, kernel = loss, weights
    last.set_weights([kernel, label - (origin + mean) @ kernel])
    return best


def half_cell_shift(q: NDArray[np.floating], lot_size: int) -> NDArray[np.float32]:
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


def evaluate(true: NDArray[np.floating], estimate: NDArray[np.floating]) -> dict[str, float]:
    """R^2 (mean over components), MSE and MAE of encodings, shape (samples, components)."""
    return {
        "r2": r2_score(true, estimate),
        "mse": mean_squared_error(true, estimate),
        "mae": mean_absolute_error(true, estimate),
    }


def delta_pdf_vectors(data: DataSet) -> NDArray[np.float64]:
    """Vectors of the baseline, `delta_pdf` with the known lots, for every image of a data set."""
    span = Encoding.from_vector(data.encodings[0]).span
    grid, lot_size = data.setting.grid, data.setting.lot_size
    return np.array([delta_pdf(image, span, grid, lot_size).vector for image in data.images])


def train_and_save(
    span: int,
    out: Path,
    *,
    sizes: tuple[int, int, int] = (5000, 5000, 1000),
    epochs: int = 100,
    seed: int = 2023,
    setting: Setting = STUDY,
) -> dict[str, Any]:
    """Simulate, train the small CNN and refit its last layer, test it on unseen images, save it.

    Writes ``cfs<span>.keras`` and, its card, ``cfs<span>.json`` into the folder `out`.

    Returns
    -------
    dict
        The card: how the model was made and its figures beside those of `delta_pdf` on the same
        test images. ``standard_error`` is the root mean square error of each component on the
        validation images, ``label_spread`` the standard deviation of the training labels.
    """
    train, validation, test = generate(span, sum(sizes), seed, setting).split(*sizes)
    import_keras().utils.set_random_seed(seed)
    model = small_cnn(vector_length(span), setting.grid.shape)
    history = fit(model, train, validation, epochs=epochs, seed=seed, progress=True)
    refitted = refit_last_layer(model, train, validation, seed=seed)
    error = run_model(model, validation.images) - validation.encodings
    card = {
        "name": f"cfs{span}",
        "architecture": model.name,
        "parameters": model.count_params(),
        "components": component_names(span),
        "setting": asdict(setting),
        "samples": dict(zip(("train", "validation", "test"), sizes, strict=True)),
        "seed": seed,
        "command": _command(span, sizes, epochs, seed),
        "versions": {name: version(name) for name in ("xrlab", "keras", "numpy", "numba")},
        "backend": import_keras().backend.backend(),
        "epochs": epochs,
        "best_epoch": history.best_epoch,
        "training_seconds": round(history.seconds),
        "loss": [round(loss, 6) for loss in history.loss],
        "validation_loss": [round(loss, 6) for loss in history.validation_loss],
        "validation_loss_refitted": round(refitted, 6),
        "test": evaluate(test.encodings, run_model(model, test.images)),
        "test_delta_pdf": evaluate(test.encodings, delta_pdf_vectors(test)),
        "standard_error": np.sqrt((error.astype(float) ** 2).mean(axis=0)).round(5).tolist(),
        "label_spread": train.encodings.astype(float).std(axis=0).round(5).tolist(),
    }
    out.mkdir(parents=True, exist_ok=True)
    shipped = small_cnn(vector_length(span), setting.grid.shape)  # without the optimiser's state
    shipped.set_weights(model.get_weights())
    shipped.save(out / f"cfs{span}.keras")
    (out / f"cfs{span}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def _command(span: int, sizes: Sequence[int], epochs: int, seed: int) -> str:
    samples = " ".join(map(str, sizes))
    return (
        f"python -m xrlab.training --span {span} --samples {samples} "
        f"--epochs {epochs} --seed {seed}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m xrlab.training",
        description="Simulate images, train the small CNN on them, test it, save it with its card.",
    )
    parser.add_argument("--span", type=int, required=True, help="side of the encoding: 2, 3, 4")
    parser.add_argument(
        "--samples",
        type=int,
        nargs=3,
        default=(5000, 5000, 1000),
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="number of images in each part (default: 5000 5000 1000)",
    )
    parser.add_argument("--epochs", type=int, default=100, help="default: 100")
    parser.add_argument("--seed", type=int, default=2023, help="default: 2023")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder (default: the package)")
    chosen = parser.parse_args(arguments)
    card = train_and_save(
        chosen.span,
        chosen.out,
        sizes=tuple(chosen.samples),
        epochs=chosen.epochs,
        seed=chosen.seed,
    )
    json.dump({key: card[key] for key in ("best_epoch", "test", "test_delta_pdf")}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
