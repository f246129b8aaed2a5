"""Train a model on simulated images; the command that made the shipped weights.

``python -m xrlab.training --help`` tells how to run it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.baselines import delta_pdf_vectors, evaluate, side_by_side
from xrlab.batches import make_batches
from xrlab.checkpoints import Checkpoint, History
from xrlab.dataset import STUDY, DataSet, Setting, Simulated, generate, join
from xrlab.encoding import component_names, vector_length
from xrlab.files import replacing, write
from xrlab.models import ARCHITECTURES, BATCH, WEIGHTS, import_keras, run_model
from xrlab.refit import refit_last_layer

if TYPE_CHECKING:
    import keras

# The two standard settings of the study's kind of targets, by their three numbers.
SETTINGS = {"50/25/8": STUDY, "96/48/64": replace(STUDY, size=96, lot_size=48, lots=64)}

# Test images on which maximum likelihood, the slowest method, is shown beside the others.
COMPARED = 200


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
        the problem, its label changed accordingly: see `xrlab.batches.Symmetries`.
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
                    validation_data=make_batches(validation, BATCH),
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


def train_and_save(
    span: int,
    out: Path,
    *,
    sizes: tuple[int, int, int] = (5000, 5000, 1000),
    epochs: int = 100,
    seed: int = 2023,
    setting: Setting = STUDY,
    architecture: str = "small",
    incremental: Sequence[int] = (),
    fresh: bool = False,
    checkpoint: Path | None = None,
    card_only: bool = False,
) -> dict[str, Any]:
    """Simulate, train a network of the study, test it on unseen images, save it.

    Writes ``cfs<span>.keras`` and, its card, ``cfs<span>.json`` into the folder `out`. The last
    layer is refitted in the end, without dropout (`xrlab.refit`). Names of other runs than the
    shipped ones say what they are: ``cfs4-large-96-48-64``.

    Parameters
    ----------
    span : int
    out : Path
    sizes : (int, int, int)
        Images for training, validation and test: samples of the data set `seed`, in this order.
    epochs, seed, checkpoint
        As for `fit`.
    setting : Setting
    architecture : {"small", "medium", "large"}
    incremental : sequence of int
        Sizes of parts to train on one after the other, together all training images.
    fresh : bool
        Simulate other training images in every epoch, those of the data set ``seed + 1``.
    card_only : bool
        Leave the weights away.

    Returns
    -------
    dict
        The card: how the model was made and its figures beside those of `delta_pdf` on the same
        test images. ``standard_error`` is the root mean square error of each component on the
        validation images, ``label_spread`` the standard deviation of the training labels,
        ``side_by_side`` the figures of all methods on the first test images.

    Raises
    ------
    ValueError
        If an argument is outside its range or does not fit the others.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"no architecture {architecture!r}; there is {', '.join(ARCHITECTURES)}")
    if incremental and (fresh or sum(incremental) != sizes[0]):
        raise ValueError(
            f"the parts of an incremental training, {', '.join(map(str, incremental))}, are "
            f"together the {sizes[0]} training images, and not simulated anew"
        )
    build = partial(ARCHITECTURES[architecture], vector_length(span), setting.grid.shape)
    train, validation, test = generate(span, sum(sizes), seed, setting).split(*sizes)
    shown: DataSet | Simulated | Sequence[DataSet] = train
    if fresh:
        shown = Simulated(span, sizes[0], seed + 1, setting)
    elif incremental:
        shown = train.split(*incremental)
    import_keras().utils.set_random_seed(seed)
    model = build()
    history = fit(
        model,
        shown,
        validation,
        epochs=epochs,
        seed=seed,
        checkpoint=checkpoint,
        progress=True,
    )
    refitted = refit_last_layer(model, train, validation, seed=seed)
    error = run_model(model, validation.images) - validation.encodings
    answers = run_model(model, test.images)
    name = f"cfs{span}"
    name += "" if architecture == "small" else f"-{architecture}"
    name += "-incremental" if incremental else ""
    name += "-fresh" if fresh else ""
    name += "" if _three(setting) == _three(STUDY) else f"-{_three(setting).replace('/', '-')}"
    card = {
        "name": name,
        "architecture": model.name,
        "parameters": model.count_params(),
        "components": component_names(span),
        "setting": asdict(setting),
        "samples": dict(zip(("train", "validation", "test"), sizes, strict=True)),
        "incremental": list(incremental),
        "fresh": fresh,
        "seed": seed,
        "command": _command(
            span, sizes, epochs, seed, setting, architecture, incremental, fresh, card_only
        ),
        "versions": {name: version(name) for name in ("xrlab", "keras", "numpy", "numba")},
        "backend": import_keras().backend.backend(),
        "epochs": epochs,
        "stages": history.stages,
        "best_epoch": history.best_epoch,
        "training_seconds": round(history.seconds),
        "loss": [round(loss, 6) for loss in history.loss],
        "validation_loss": [round(loss, 6) for loss in history.validation_loss],
        "validation_loss_refitted": round(refitted, 6),
        "test": evaluate(test.encodings, answers),
        "test_delta_pdf": evaluate(test.encodings, delta_pdf_vectors(test)),
        "side_by_side": side_by_side(test[:COMPARED], answers[:COMPARED], seed, sum(sizes[:2])),
        "standard_error": np.sqrt((error.astype(float) ** 2).mean(axis=0)).round(5).tolist(),
        "label_spread": train.encodings.astype(float).std(axis=0).round(5).tolist(),
    }
    out.mkdir(parents=True, exist_ok=True)
    if not card_only:
        shipped = build()  # without the optimiser's state
        shipped.set_weights(model.get_weights())
        with replacing(out / f"{name}.keras") as part:
            shipped.save(part)
    write(out / f"{name}.json", json.dumps(card, indent=1) + "\n")
    return card


def _three(setting: Setting) -> str:
    return f"{setting.size}/{setting.lot_size}/{setting.lots}"


def _command(
    span: int,
    sizes: Sequence[int],
    epochs: int,
    seed: int,
    setting: Setting,
    architecture: str,
    incremental: Sequence[int],
    fresh: bool,
    card_only: bool,
) -> str:
    words = ["python -m xrlab.training", f"--span {span}", "--samples", *map(str, sizes)]
    words += [f"--architecture {architecture}"] if architecture != "small" else []
    words += ["--incremental", *map(str, incremental)] if incremental else []
    words += ["--fresh"] if fresh else []
    words += [f"--setting {_three(setting)}"] if _three(setting) != _three(STUDY) else []
    words += ["--card-only"] if card_only else []
    return " ".join([*words, f"--epochs {epochs}", f"--seed {seed}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m xrlab.training",
        description="Simulate images, train a CNN on them, test it, save it with its card.",
    )
    add = parser.add_argument
    add("--span", type=int, required=True, help="side of the encoding: 2, 3, 4")
    add(
        "--samples",
        type=int,
        nargs=3,
        default=(5000, 5000, 1000),
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="number of images in each part (default: 5000 5000 1000)",
    )
    add("--architecture", choices=list(ARCHITECTURES), default="small", help="default: small")
    add(
        "--incremental",
        type=int,
        nargs="+",
        default=(),
        metavar="N",
        help="train first on N images, then on N more with them, ...: TRAIN together",
    )
    add("--fresh", action="store_true", help="simulate other training images in every epoch")
    add(
        "--setting",
        choices=list(SETTINGS),
        default=_three(STUDY),
        help="sites of the lattice and of a lot along each axis, and lots (default: 50/25/8)",
    )
    add("--epochs", type=int, default=100, help="default: 100; of each stage")
    add("--seed", type=int, default=2023, help="default: 2023")
    add("--checkpoint", type=Path, help="file to go on from if the run is killed")
    add("--out", type=Path, default=WEIGHTS, help="folder (default: the package)")
    add("--card-only", action="store_true", help="write the card, not the weights")
    chosen = parser.parse_args(arguments)
    card = train_and_save(
        chosen.span,
        chosen.out,
        sizes=tuple(chosen.samples),
        epochs=chosen.epochs,
        seed=chosen.seed,
        setting=SETTINGS[chosen.setting],
        architecture=chosen.architecture,
        incremental=chosen.incremental,
        fresh=chosen.fresh,
        checkpoint=chosen.checkpoint,
        card_only=chosen.card_only,
    )
    shown = ("best_epoch", "test", "test_delta_pdf", "side_by_side")
    json.dump({key: card[key] for key in shown}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
