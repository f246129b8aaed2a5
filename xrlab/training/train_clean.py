"""Train a network on simulated images; the command that made ``cfs2``, ``cfs3`` and ``cfs4``.

``python -m xrlab.training.train_clean --help`` tells how to run it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from xrlab.crystal.encoding import component_names, vector_length
from xrlab.crystal.setting import STUDY, Setting
from xrlab.datasets.dataset import DataSet, Simulated, generate
from xrlab.inference.baselines import delta_pdf_vectors, evaluate, side_by_side
from xrlab.io.files import replacing, write
from xrlab.networks.backend import WEIGHTS, import_keras, run_model
from xrlab.networks.cnn import ARCHITECTURES
from xrlab.training.fit import fit
from xrlab.training.last_layer import refit_last_layer

# The two standard settings of the study's kind of targets, by their three numbers.
SETTINGS = {"50/25/8": STUDY, "96/48/64": replace(STUDY, size=96, lot_size=48, lots=64)}

# Test images on which maximum likelihood, the slowest method, is shown beside the others.
COMPARED = 200


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
    layer is refitted in the end, without dropout (`xrlab.training.last_layer`). Names of other runs
    than the shipped ones say what they are: ``cfs4-large-96-48-64``.

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
    words = [
        "python -m xrlab.training.train_clean",
        f"--span {span}",
        "--samples",
        *map(str, sizes),
    ]
    words += [f"--architecture {architecture}"] if architecture != "small" else []
    words += ["--incremental", *map(str, incremental)] if incremental else []
    words += ["--fresh"] if fresh else []
    words += [f"--setting {_three(setting)}"] if _three(setting) != _three(STUDY) else []
    words += ["--card-only"] if card_only else []
    return " ".join([*words, f"--epochs {epochs}", f"--seed {seed}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m xrlab.training.train_clean",
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
