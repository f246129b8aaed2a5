"""Train a model on simulated images."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.datasets.dataset import DataSet, Simulated, join
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import PIECE
from xrlab.training.batches import make_batches
from xrlab.training.checkpoints import Checkpoint, History

if TYPE_CHECKING:
    import keras


def fit(
    model: keras.Model,
    train: DataSet | Simulated | Sequence[DataSet],
    validation: DataSet,
    *,
    epochs: int = 100,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
    symmetries: bool = True,
    checkpoint: str | Path | None = None,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Train with Adam on the mean squared error and keep the best epoch by validation loss.

    The learning rate falls to 0 along half a cosine, so that the last epochs settle.

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    train : DataSet, Simulated, or sequence of DataSet
        `Simulated` images are new in every epoch, made while the epoch before is trained on. A
        sequence is trained on incrementally, see `fit_incremental`.
    validation : DataSet
        It must share no sample with `train`; `DataSet.split` makes sure.
    epochs, batch_size : int
        As in the 2023 study.
    learning_rate : float
        At the start.
    seed : int
        Order of the samples, symmetries, and dropout.
    symmetries : bool
        Show each training image, in every epoch, under random ones of the exact symmetries of
        the problem, its label changed accordingly: see `xrlab.training.batches.Symmetries`.
    checkpoint : path, optional
        File to which the whole state is written after every epoch. If it is there already, the
        training goes on from it; if that one was at its end, nothing is left to train.
    progress : bool
        Show a progress bar with the two losses.
    callbacks : sequence of keras.callbacks.Callback, optional
        Called after every batch and epoch. One that sets ``model.stop_training`` ends the training;
        the best epoch so far is kept, and an epoch that was cut short counts as one.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If there is not at least one epoch, data set and image per batch; if the images, less than
        a whole cell or too coarse, cannot be moved by half a cell (then set `symmetries` to
        False); if the checkpoint is damaged or of another training.
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch size are 1 or more; got {epochs} and {batch_size}")
    parts = [train] if isinstance(train, DataSet | Simulated) else list(train)
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    state = Checkpoint(
        checkpoint,
        {
            "model": [model.name, model.count_params()],
            "data": [_fingerprint(part) for part in parts],
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
            "symmetries": symmetries,
        },
    )
    history = state.history
    bar = tqdm(
        total=epochs * len(parts),
        initial=len(history.loss),
        desc="training",
        unit=" epochs",
        disable=not progress,
    )
    with threadpool_limits(1, user_api="blas"), bar:  # NumPy's threads would stand in Keras' way
        for stage in range(len(history.stages) - 1, max(1, len(parts))):
            begin = stage * epochs
            if len(history.stages) == stage:
                history.stages.append(begin)
            data = parts[0] if len(parts) == 1 else join(cast(list[DataSet], parts[: stage + 1]))
            batches = make_batches(
                data,
                batch_size,
                seed,
                symmetries=symmetries,
                epochs=range(len(history.loss), begin + epochs),
            )
            falling = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(batches))
            model.compile(optimizer=keras.optimizers.Adam(falling), loss="mse")
            model.optimizer.build(model.trainable_variables)
            state.restore(model)
            if len(history.loss) == begin + epochs:  # a checkpoint between two stages
                model.set_weights(state.best)
                continue
            try:
                model.fit(
                    batches,
                    validation_data=make_batches(validation, PIECE),
                    initial_epoch=len(history.loss) - begin,
                    epochs=epochs,
                    callbacks=[_recorder(state, batches, begin, bar), *callbacks],
                    shuffle=False,  # the batches are, and in a way that can be repeated
                    verbose=0,
                )
            finally:
                batches.close()
            model.set_weights(state.best)
            if model.stop_training:
                break
    return history


def fit_incremental(
    model: keras.Model, parts: Sequence[DataSet], validation: DataSet, **options: Any
) -> History:
    """Train on a first data set, then on it and a second one together, and so on.

    Each stage is a `fit` that begins with the weights of the one before and at the full learning
    rate (a warm restart: Loshchilov & Hutter, arXiv:1608.03983). As all that was seen is shown
    again with what is new, nothing is forgotten.

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    parts : sequence of DataSet
        Of one span and setting, without a sample in common.
    validation : DataSet
    **options
        Those of `fit`; `epochs` are those of each stage.

    Returns
    -------
    History
        Of all stages; ``stages`` says where each began.

    Raises
    ------
    ValueError
        As `fit`, or if spans or settings differ.
    """
    return fit(model, parts, validation, **options)


def _fingerprint(data: DataSet | Simulated) -> str:
    """Tell data sets apart: by what makes simulated ones, by the labels of the others."""
    if isinstance(data, Simulated):
        return repr(data)
    return f"{len(data)} images of {data.setting}, {zlib.crc32(data.encodings.tobytes()):08x}"


def _recorder(
    state: Checkpoint, batches: keras.utils.PyDataset, begin: int, bar: tqdm
) -> keras.callbacks.Callback:
    """Show each epoch its batches, write its losses down, keep the best weights, save."""
    keras, history = import_keras(), state.history
    before, start = history.seconds, time.perf_counter()

    class Recorder(keras.callbacks.Callback):  # type: ignore[name-defined]
        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            batches.epoch = begin + epoch

        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            history.loss.append(float(logs["loss"]))
            history.validation_loss.append(float(logs["val_loss"]))
            history.seconds = before + time.perf_counter() - start
            if history.best_epoch == len(history.loss):
                state.best = self.model.get_weights()
            state.save(self.model)
            bar.set_postfix(logs)
            bar.update()

    return Recorder()
