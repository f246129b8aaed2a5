"""Train a network on simulated images; the command that made ``cfs2``, ``cfs3`` and ``cfs4``.

``python -m xrlab.training.train_clean --help`` tells how to run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xrlab.crystal.encoding import vector_length
from xrlab.crystal.setting import STUDY, Setting
from xrlab.datasets.dataset import DataSet, Simulated, generate
from xrlab.inference.baselines import delta_pdf_vectors, evaluate, side_by_side
from xrlab.networks.backend import import_keras
from xrlab.networks.cnn import ARCHITECTURES
from xrlab.networks.shipped import run_model
from xrlab.training import card
from xrlab.training.fit import fit
from xrlab.training.last_layer import refit_last_layer


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
        model, shown, validation, epochs=epochs, seed=seed, checkpoint=checkpoint, progress=True
    )
    refitted = refit_last_layer(model, train, validation, seed=seed)
    error = run_model(model, validation.images) - validation.encodings
    answers, compared = run_model(model, test.images), card.COMPARED
    name = f"cfs{span}"
    name += "" if architecture == "small" else f"-{architecture}"
    name += "-incremental" if incremental else ""
    name += "-fresh" if fresh else ""
    other = setting.numbers if setting.numbers != STUDY.numbers else None
    name += f"-{other.replace('/', '-')}" if other else ""
    if not card_only:
        shipped = build()  # without the optimiser's state
        shipped.set_weights(model.get_weights())
        card.save_network(out, name, shipped)
    return card.write_card(
        out,
        name,
        model,
        span,
        setting=asdict(setting),
        samples=dict(zip(("train", "validation", "test"), sizes, strict=True)),
        incremental=list(incremental),
        fresh=fresh,
        seed=seed,
        command=card.command_line(
            "train_clean",
            span=span,
            samples=sizes,
            architecture=architecture if architecture != "small" else None,
            incremental=list(incremental) or None,
            fresh=fresh,
            setting=other,
            card_only=card_only,
            epochs=epochs,
            seed=seed,
        ),
        epochs=epochs,
        stages=history.stages,
        best_epoch=history.best_epoch,
        training_seconds=round(history.seconds),
        loss=[round(loss, 6) for loss in history.loss],
        validation_loss=[round(loss, 6) for loss in history.validation_loss],
        validation_loss_refitted=round(refitted, 6),
        test=evaluate(test.encodings, answers),
        test_delta_pdf=evaluate(test.encodings, delta_pdf_vectors(test)),
        side_by_side=side_by_side(test[:compared], answers[:compared], seed, sum(sizes[:2])),
        standard_error=np.sqrt((error.astype(float) ** 2).mean(axis=0)).round(5).tolist(),
        label_spread=train.encodings.astype(float).std(axis=0).round(5).tolist(),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parts = {"train": 5000, "validation": 5000, "test": 1000}
    words = "Simulate images, train a CNN on them, test it, save it with its card."
    parser = card.training_parser("train_clean", words, 100, parts)
    add = parser.add_argument
    add("--architecture", choices=list(ARCHITECTURES), default="small", help="default: small")
    words = "train first on N images, then on N more with them, ...: TRAIN together"
    add("--incremental", type=int, nargs="+", default=(), metavar="N", help=words)
    add("--fresh", action="store_true", help="simulate other training images in every epoch")
    add("--checkpoint", type=Path, help="file to go on from if the run is killed")
    add("--card-only", action="store_true", help="write the card, not the weights")
    chosen = vars(parser.parse_args(arguments))
    setting, sizes = card.SETTINGS[chosen.pop("setting")], tuple(chosen.pop("samples"))
    made = train_and_save(**chosen, sizes=sizes, setting=setting)
    card.print_figures(made, ("best_epoch", "test", "test_delta_pdf", "side_by_side"))


if __name__ == "__main__":
    main()
