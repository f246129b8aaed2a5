"""Train the correction of a Delta-PDF network and save it with its card.

``python -m xrlab.training.train_corrected --help`` describes the command that made the shipped
``cfs3-best`` and ``cfs4-best``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from xrlab.crystal.arrays import Floats, Singles
from xrlab.crystal.setting import Setting
from xrlab.datasets.dataset import CHUNK, DataSet, generate, make_lattice
from xrlab.datasets.parallel import in_parallel
from xrlab.inference.baselines import delta_pdf_vectors, evaluate, side_by_side
from xrlab.networks.backend import import_keras
from xrlab.networks.corrected_delta_pdf import UNIT, projection_net, symmetries
from xrlab.networks.shipped import WEIGHTS, run_model
from xrlab.training import card
from xrlab.training.packed import round_to_half

if TYPE_CHECKING:
    import keras


# First test sample of the data set, the same as for the small CNN; validation samples are the last
# ones before it. First training sample.
TEST_FROM = 10_000
TRAIN_FROM = 20_000
Drawn = tuple[Singles, Singles]


def fit_correction(
    model: keras.Model,
    parts: Sequence[Drawn],
    validations: Sequence[DataSet],
    *,
    epochs: int = 50,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: bool = False,
) -> tuple[list[float], list[list[float]]]:
    """Train the correction on kinds of lattices; keep the best epoch, or Delta-PDF if none is.

    AdamW on the mean squared error (Loshchilov & Hutter, arXiv:1711.05101), its rate falling to 0
    along half a cosine. The unit of the error is, for every kind, that of Delta-PDF: none is
    neglected because it is easy. In every epoch each lattice is shown under one draw of the lots
    and one of the eight symmetries.

    Parameters
    ----------
    model : keras.Model
        From `projection_net`; changed in place.
    parts : sequence of (coefficients, labels)
        For each kind, what the layer "coefficients" gives for images of each lattice, shape
        (lattices, draws, n), and the labels, shape (lattices, span^2 - 1): see `draw_lots`.
    validations : sequence of DataSet
        The best epoch has the least mean of these losses.
    epochs, batch_size, learning_rate, seed, progress
        As for `xrlab.training.fit.fit`.

    Returns
    -------
    (list of float, list of list of float)
        Training loss of each epoch; validation loss of each epoch for each kind. A loss is the
        MSE over that of Delta-PDF: with 1 nothing is won.
    """
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    coefficients, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    n_lattices, draws, _ = coefficients.shape
    correction = model.get_layer("correction")
    (inversion,) = model.get_layer("delta_pdf").get_weights()
    reach = math.isqrt(coefficients.shape[-1] // 2)  # (reach + 1)^2 - 1 + reach^2 values
    places, signs = symmetries((0, reach), (1, reach))
    label_places, label_signs = symmetries((0, math.isqrt(labels.shape[1])))

    def missing(x: Singles, y: Singles) -> Singles:
        return (y - np.clip(x @ inversion, -1, 1)) / UNIT

    units = [(missing(x[:, 0], y) ** 2).mean() for x, y in parts]
    weights = np.repeat(1 / np.array(units), [len(y) for _, y in parts])

    def epoch_data() -> Drawn:
        g = rng.integers(8, size=n_lattices)
        x = coefficients[np.arange(n_lattices), rng.integers(draws, size=n_lattices)]
        x = np.take_along_axis(x * signs[g], places[g], axis=1)
        y = np.take_along_axis(labels * label_signs[g], label_places[g], axis=1)
        return x[:, None], missing(x, y)[:, None]

    def errors() -> Floats:
        return np.array([_squared_errors(model, data).mean() for data in validations])

    x, _ = epoch_data()
    correction.layers[1].set_weights([x.mean(axis=(0, 1)), x.var(axis=(0, 1))])
    learned = keras.Model(correction.input, correction.layers[-2].output)  # in units of UNIT
    falling = keras.optimizers.schedules.CosineDecay(
        learning_rate, epochs * -(-n_lattices // batch_size)
    )
    learned.compile(keras.optimizers.AdamW(falling, weight_decay=1e-4), loss="mse")
    best, best_loss, start = correction.get_weights(), 1.0, errors()
    losses: list[float] = []
    validation_losses: list[list[float]] = []
    for _ in tqdm(range(epochs), desc="training", unit=" epochs", disable=not progress):
        x, y = epoch_data()
        history = learned.fit(x, y, batch_size=batch_size, sample_weight=weights, verbose=0).history
        losses.append(history["loss"][0])
        validation_losses.append((errors() / start).tolist())
        if np.mean(validation_losses[-1]) < best_loss:
            best, best_loss = correction.get_weights(), float(np.mean(validation_losses[-1]))
    correction.set_weights(best)
    return losses, validation_losses


def _squared_errors(model: keras.Model, data: DataSet) -> Floats:
    return (run_model(model, data.images) - data.encodings).astype(float) ** 2


def draw_lots(
    model: keras.Model, span: int, n_lattices: int, draws: int, seed: int, setting: Setting
) -> Drawn:
    """Simulate lattices and, of each, images with the lots at other places; see `fit_correction`.

    The lattices are those of the samples of the data set `seed` from `TRAIN_FROM` on. Images cost
    far less than lattices, and the error to be corrected comes from the places of the lots.

    Returns
    -------
    (array, array)
        Coefficients of the images, shape (lattices, draws, n), and labels.
    """
    keras = import_keras()
    project = keras.Model(model.input, model.get_layer("coefficients").output)

    def make(samples: range) -> Drawn:
        lattices = [make_lattice(span, seed, TRAIN_FROM + i, setting)[0] for i in samples]
        images = [
            setting.image(lattice, np.random.default_rng([seed, i, 1 + draw]))
            for i, lattice in zip(samples, lattices, strict=True)
            for draw in range(draws)
        ]
        return np.array(images), np.array([each.realised.vector for each in lattices], np.float32)

    chunks = [range(i, min(i + CHUNK, n_lattices)) for i in range(0, n_lattices, CHUNK)]
    coefficients, labels = [], []
    for images, vectors in in_parallel(make, chunks, title="lattices", unit=f" x {CHUNK}"):
        coefficients.append(run_model(project, images).reshape(len(vectors), draws, -1))
        labels.append(vectors)
    return np.concatenate(coefficients), np.concatenate(labels)


def train_and_save(
    span: int,
    out: Path = WEIGHTS,
    *,
    samples: Sequence[int] = (40_000, 20_000, 1000, 1000),
    draws: int = 4,
    width: int = 768,
    epochs: int = 60,
    seed: int = 2023,
    setting: str = "50/25/8",
) -> dict[str, Any]:
    """Simulate, train a `projection_net`, test it on unseen images, save it with its card.

    It learns from lattices of two kinds, those of the study and those of realisable targets with
    a warm start. What it would learn from one alone makes it worse than Delta-PDF on the other.
    Writes ``cfs<span>-best.keras`` and ``.json`` into the folder `out`; another setting than
    50/25/8 shows in the name: ``cfs4-best-96-48-64``.

    Parameters
    ----------
    span : int
    out : Path
    samples : (int, int, int, int)
        Lattices of the first and of the second kind for training, from sample 20,000 of the data
        set `seed` on; images of each kind for validation, the last ones before sample 10,000, and
        for the test, from there on, as for the small CNN.
    draws : int
        Images of each lattice in training.
    width : int
        Units of a hidden layer.
    epochs, seed : int
    setting : str
        Key of `xrlab.training.card.SETTINGS`.

    Returns
    -------
    dict
        The card, as `xrlab.training.train_clean.train_and_save` writes it, with the losses that
        `fit_correction` returns. ``test_realisable`` and ``test_realisable_delta_pdf`` are on
        images of the other kind.

    Raises
    ------
    ValueError
        If an argument is outside its range, or parts would share samples.
    """
    *train, held_out, tested = samples
    if min(*samples, draws, epochs) < 1 or max(held_out, tested) > TEST_FROM:
        raise ValueError(
            f"parts, draws and epochs are 1 or more, validation and test at most {TEST_FROM} "
            f"samples; got {samples}, {draws} and {epochs}"
        )
    study, compared = card.SETTINGS[setting], card.COMPARED
    kinds = [study, replace(study, targets="realisable", start=None)]
    validations = [generate(span, held_out, seed, k, first=TEST_FROM - held_out) for k in kinds]
    tests = [generate(span, tested, seed, kind, first=TEST_FROM) for kind in kinds]
    model = projection_net(span, kinds[0].lot_size, width=width)
    parts = [
        draw_lots(model, span, n_lattices, draws, seed, kind)
        for n_lattices, kind in zip(train, kinds, strict=True)
    ]
    start = time.perf_counter()
    losses, validation_losses = fit_correction(
        model, parts, validations, epochs=epochs, seed=seed, progress=True
    )
    seconds = time.perf_counter() - start
    round_to_half(model.get_layer("correction"))
    answers = [run_model(model, test.images) for test in tests]
    error = _squared_errors(model, validations[0])
    name = f"cfs{span}-best" + f"-{setting.replace('/', '-')}" * (setting != "50/25/8")
    card.save_network(out, name, model)
    return card.write_card(
        out,
        name,
        model,
        span,
        setting=asdict(kinds[0]),
        samples={"train": train, "validation": held_out, "test": tested},
        draws=draws,
        seed=seed,
        command=card.command_line(
            "train_corrected",
            span=span,
            samples=list(samples),
            draws=draws,
            width=width,
            epochs=epochs,
            seed=seed,
            setting=setting,
        ),
        epochs=epochs,
        best_epoch=int(np.argmin(np.mean(validation_losses, axis=1))) + 1,
        training_seconds=round(seconds),
        loss=np.round(losses, 5).tolist(),
        validation_loss=np.round(validation_losses, 5).tolist(),
        test=evaluate(tests[0].encodings, answers[0]),
        test_delta_pdf=evaluate(tests[0].encodings, delta_pdf_vectors(tests[0])),
        test_realisable=evaluate(tests[1].encodings, answers[1]),
        test_realisable_delta_pdf=evaluate(tests[1].encodings, delta_pdf_vectors(tests[1])),
        side_by_side=side_by_side(tests[0][:compared], answers[0][:compared], seed, TEST_FROM),
        standard_error=np.sqrt(error.mean(axis=0)).round(5).tolist(),
        label_spread=parts[0][1].astype(float).std(axis=0).round(5).tolist(),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    sizes = {"study": 40_000, "realisable": 20_000, "validation": 1000, "test": 1000}
    words = "Train a correction of Delta-PDF, test it, save the network with its card."
    parser = card.training_parser("train_corrected", words, 60, sizes)
    add = parser.add_argument
    add("--draws", type=int, default=4, help="images of each training lattice (default: 4)")
    add("--width", type=int, default=768, help="units of a hidden layer (default: 768)")
    made = train_and_save(**vars(parser.parse_args(arguments)))
    card.print_figures(made, [name for name in made if name.startswith("test")] + ["side_by_side"])


if __name__ == "__main__":
    main()
