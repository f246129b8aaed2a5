"""Train the network for measured images; the command that made its shipped weights.

``python -m xrlab.training.train_measured --help`` tells how to run it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.inference.metrics import r2_score
from xrlab.networks.backend import import_keras
from xrlab.networks.folding import SPAN
from xrlab.networks.measured import EXCHANGED, answer_all, calibrated, with_mask
from xrlab.networks.measured_cnn import answering, measured_cnn
from xrlab.networks.shipped import WEIGHTS, Model
from xrlab.training.calibration import calibration
from xrlab.training.card import save_network, write_card
from xrlab.training.checkpoints import Checkpoint
from xrlab.training.conditions import SHIPPED, Conditions
from xrlab.training.joint_loss import log_density, losses, mean_squared_error
from xrlab.training.measured_images import MeasuredSet, clean_images, measured_set, smooth_factor
from xrlab.training.packed import round_to_half
from xrlab.trials.crystals import (
    KEPT_OUT,
    TESTS,
    JointReader,
    KnownTrial,
    calibration_crystals,
    crystal_trial,
    joint_score,
)
from xrlab.trials.trial import Trial, score, trials

if TYPE_CHECKING:
    import keras

# From a network to its scores on images of another making.
Validation = Callable[["keras.Model"], dict[str, float]]

BATCH = 128

# Steps until the averages of the optimiser are those of the gradients.
WARM_UP = 100

# Images of a round.
ROUND = 16_384

# Images of the stopping and the calibration, and those of each test that the card reports. Nothing
# that is kept out takes part in the former.
VALIDATION: dict[str, Any] = {"n_samples": 400, "seed": 77}
CALIBRATION: dict[str, Any] = {"n_samples": 1000, "seed": 31}
PRESETS = ["laboratory", "synchrotron", "bad day"]
GRAINY: dict[str, Any] = {"n_samples": 250, "seed": 31, "names": PRESETS}
TEST = {"n_samples": 100, "seed": 4711}


def batches(made: MeasuredSet, seed: int) -> keras.utils.PyDataset:
    """Shuffled batches; by chance an image is turned half round, or its h and k are exchanged.

    Half of the images come with the share of their background, exact or within a range, a third
    with their form factor, which is exact up to a few per cent.
    """
    keras = import_keras()
    rng = np.random.default_rng(seed)
    size = len(made.images)
    order = rng.permutation(size)
    turned, exchanged, with_factor = rng.random((3, size)) < [[0.5], [0.5], [0.33]]
    shares = known_shares(made.shares, rng)

    class Batches(keras.utils.PyDataset):  # type: ignore[name-defined]
        def __len__(self) -> int:
            return size // BATCH

        def __getitem__(self, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
            chosen = order[index * BATCH : (index + 1) * BATCH]
            x, cell, vector = made.images[chosen], made.cells[chosen], made.vectors[chosen]
            factor = made.form_factors[chosen] * with_factor[chosen, None, None]
            for n in np.flatnonzero(with_factor[chosen]):
                draw = np.random.default_rng([seed, index, int(n)])
                wrong = smooth_factor(draw, degree=2, spread=draw.uniform(0, 0.08))
                factor[n] = np.minimum(factor[n] * wrong, 6e4)
            turn, exchange = turned[chosen], exchanged[chosen]
            for array in (x, factor):
                array[turn] = array[turn][:, ::-1, ::-1]
                array[exchange] = array[exchange].swapaxes(1, 2)
            cell[exchange] = cell[exchange].swapaxes(1, 2)
            vector[exchange] = vector[exchange][:, EXCHANGED]
            inputs = {"pixels": with_mask(x, factor), "background": shares[chosen]}
            return inputs, {"cell": cell, "answer": vector}

    return Batches()


def known_shares(shares: Reals, rng: np.random.Generator) -> Singles:
    """Draw what is known of the share of the background: nothing, a range, or the very value.

    Returns
    -------
    float32 array, shape (n, 3)
        1 and the lowest and highest possible share, or 0, 0 and 1 if nothing is known.
    """
    width = np.exp(rng.uniform(np.log(0.02), np.log(0.6), len(shares)))
    width[rng.random(len(shares)) < 0.4] = 0
    low = np.clip(shares - width * rng.random(len(shares)), 0, 1)
    high = np.clip(low + width, shares, 1)
    known = np.stack([np.ones_like(low), low, high], axis=-1)
    unknown = np.array([0, 0, 1])
    return np.where(rng.random((len(shares), 1)) < 0.5, known, unknown).astype(np.float32)


def warm_start(model: keras.Model, path: Path) -> None:
    """Take over the weights of a network of the same form, or the convolutions of an earlier one.

    Channels that the other network lacks, such as what is known, start without influence.
    """
    keras = import_keras()

    def cores(network: Any) -> list[Any]:
        kinds = (keras.layers.Conv2D, keras.layers.BatchNormalization)
        return [layer for layer in network.layers if isinstance(layer, kinds)]

    other = keras.saving.load_model(path, compile=False)
    if [w.shape for w in other.weights] == [w.shape for w in model.weights]:
        model.set_weights(other.get_weights())
        return
    for layer, from_layer in zip(cores(model), cores(other), strict=True):
        weights = []
        for new, old in zip(layer.get_weights(), from_layer.get_weights(), strict=True):
            array = np.zeros_like(new)
            array[tuple(slice(length) for length in old.shape)] = old
            weights.append(array)
        layer.set_weights(weights)


def train(
    lattices: tuple[Reals, Reals],
    conditions: Conditions = SHIPPED,
    *,
    rounds: int,
    seed: int,
    out: Path,
    start: Path | None = None,
    learning_rate: float = 2e-3,
    checkpoint: Path | None = None,
    size: int = ROUND,
    passes: int = 2,
    validation: Validation | None = None,
) -> keras.Model:
    """Train on new ensembles and new measurements in every round.

    The rate rises over `WARM_UP` steps and falls to 0 along a cosine. The next round is drawn
    while this one is learned.

    Parameters
    ----------
    lattices
        From `clean_images`: what the grainy third of the images is measured from.
    conditions : Conditions
        Of the measurements, and the kinds of crystal.
    rounds : int
    seed : int
    out : Path
        Where the weights are written after every round, ending in ``.weights.h5``; those of the
        lowest validation score so far in a file with ``.best`` before that ending.
    start : Path, optional
        Weights to begin with, in a file ending in ``.weights.h5`` or ``.keras``, see `warm_start`.
    learning_rate : float
        Highest rate of the optimiser (AdamW).
    checkpoint : Path, optional
        File of the state after every round, from which a training that was killed goes on.
    size, passes : int
        Images of a round, and how often it is shown.
    validation : callable, optional
        From a network to its scores on images of another making, by name; the first decides which
        weights are best.
    """
    keras = import_keras()
    training: dict[str, Any] = {"images": size, "passes": passes, "rounds": rounds, "seed": seed}
    training |= {"rate": learning_rate}
    if conditions is not SHIPPED:
        training["conditions"] = conditions.digest
    kept = Checkpoint(checkpoint, training)
    keras.utils.set_random_seed(seed)
    model = measured_cnn()
    if start is not None and start.suffix == ".keras":
        warm_start(model, start)
    elif start is not None:
        model.load_weights(start)
    steps = rounds * passes * (size // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - WARM_UP, 1), warmup_target=learning_rate, warmup_steps=WARM_UP
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=1.0)
    model.compile(
        optimizer,
        loss=losses(),
        loss_weights={"cell": 0.3, "answer": 1.0},
        metrics={"answer": mean_squared_error},
    )
    model.optimizer.build(model.trainable_variables)
    kept.restore(model)
    done = len(kept.history.loss)
    best = out.with_name(out.name.replace(".weights.h5", ".best.weights.h5"))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:

        def draw(number: int) -> Future[MeasuredSet] | None:
            if number >= rounds:
                return None
            return pool.submit(measured_set, size, 1000 * seed + number, lattices, conditions)

        coming = draw(done)
        for number in range(done, rounds):
            assert coming is not None
            made, coming = coming.result(), draw(number + 1)
            for turn in range(passes):
                shown = batches(made, 10_000 * seed + passes * number + turn)
                log = model.fit(shown, verbose=0).history
                _report(f"round {number + 1} of {rounds}, pass {turn + 1}", log)
            kept.history.loss.append(log["loss"][-1])
            model.save_weights(out)
            if validation is not None:
                scores = validation(model)
                _report("    validation", {name: [value] for name, value in scores.items()})
                kept.history.validation_loss.append(next(iter(scores.values())))
                if kept.history.best_epoch == number + 1:
                    model.save_weights(best)
            kept.save(model)
    return model


def _report(what: str, log: dict[str, list[float]]) -> None:
    numbers = ", ".join(f"{name} {value[-1]:.4f}" for name, value in log.items())
    print(f"{what}: {numbers}", file=sys.stderr, flush=True)


def calibrate(
    graph: Model, crystals: KnownTrial, grainy: Iterable[Trial] = (), seed: int = 31
) -> dict[str, Any]:
    """Calibrate on crystals, read without and with what is known of them, and grainy lattices."""
    rng = np.random.default_rng(seed)
    factor = np.where(rng.random((len(crystals.images), 1, 1)) < 0.5, crystals.form_factors, np.nan)
    known = known_shares(crystals.shares, rng).astype(float)
    shares = np.where(known[:, :1] == 1, known[:, 1:], np.nan)
    seen = [
        (*answer_all(graph, crystals.images)[:2], crystals.encodings),
        (*answer_all(graph, crystals.images, shares, factor)[:2], crystals.encodings),
    ]
    for trial in grainy:
        seen.append((*answer_all(graph, trial.images)[:2], trial.encodings))
    kinds = np.repeat([0, 0] + [1] * (len(seen) - 2), [len(part[0]) for part in seen])
    mean, scale, true = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    return calibration(mean, scale, true, kinds)


def reader(graph: Model, factors: dict[str, Any]) -> JointReader:
    """Return what reads images with a graph of `answering` and its calibration."""

    def read(images: Reals, background: Any = None) -> tuple[Floats, Floats, float]:
        shares = None if background is None else np.tile(background, (len(images), 1))
        mean, scale, _ = answer_all(graph, images, shares)
        return np.clip(mean, -1, 1), *calibrated(scale, factors)

    return read


def finish(weights: Path, out: Path, **facts: Any) -> dict[str, Any]:
    """Calibrate a trained network, test it, and save it with its card.

    Parameters
    ----------
    weights : Path
    out : Path
        Folder of ``measured.keras`` and ``measured.json``.
    **facts
        What else the card shall say.
    """
    model = measured_cnn()
    model.load_weights(weights)
    round_to_half(model)
    save_network(out, "measured", model)
    graph = answering(model)
    factors = calibrate(graph, calibration_crystals(**CALIBRATION), trials(**GRAINY))
    read = reader(graph, factors)
    crystals = (crystal_trial(name, **TEST) for name in TESTS)
    grainy = list(trials(TEST["n_samples"], TEST["seed"]))
    joint = {trial.name: asdict(joint_score(trial, read)) for trial in chain(crystals, grainy)}
    return write_card(
        out,
        "measured",
        model,
        SPAN,
        **facts,
        calibrated_on={"crystals": CALIBRATION, "grainy": GRAINY},
        calibration=factors,
        kept_out=KEPT_OUT,
        tested_on={"images": TEST["n_samples"], "seed": TEST["seed"]},
        test={trial.name: plain_score(trial, read) for trial in grainy},
        joint=joint,
    )


def plain_score(trial: Trial, read: JointReader) -> dict[str, Any]:
    """Score means and standard errors beside Delta-PDF, as `xrlab.trials.trial` does."""

    def marginal(images: Reals) -> tuple[Floats, Floats]:
        mean, covariance, _ = read(images)
        return mean, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))

    made = score(trial, marginal)
    return {
        "r2": made.r2,
        "mse": made.mse,
        "delta_pdf_r2": made.rival_r2,
        "delta_pdf_mse": made.rival_mse,
        "delta_pdf": made.rival,
        "inpainted_mse": made.inpainted_mse,
        "coverage90": made.coverage.round(4).tolist(),
    }


@lru_cache(maxsize=2)
def _graph(model: keras.Model) -> keras.Model:
    """Return the graph of a network, which follows its weights: a new one each time takes 20 MB."""
    return answering(model)


def validate(model: keras.Model, trial: Trial) -> dict[str, float]:
    """Score a network's answers without knowledge: mean negative log-likelihood, R^2, coverage."""
    graph = _graph(model)
    mean, scale, _ = answer_all(graph, trial.images)
    deviation = mean - trial.encodings
    held = np.abs(deviation) < 1.86 * np.sqrt(np.diagonal(scale, axis1=1, axis2=2))
    return {
        "score": float(-log_density(deviation, scale).mean()),
        "r2": r2_score(trial.encodings, mean),
        "coverage90": float(held.mean()),
    }


def stored_lattices(n_samples: int, seed: int, path: Path | None) -> tuple[Reals, Reals]:
    """Read grainy lattices from a file, or make them and keep them there."""
    if path is not None and path.exists():
        with np.load(path) as file:
            return file["images"], file["vectors"]
    images, vectors = clean_images(n_samples, seed)
    images = images.astype(np.float16)
    if path is not None:
        np.savez(path, images=images, vectors=vectors)
    return images, vectors


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m xrlab.training.train_measured", description=__doc__
    )
    parser.add_argument("--lattices", type=int, default=70_000, help="default: 70000")
    parser.add_argument("--rounds", type=int, default=12, help="default: 12")
    parser.add_argument("--seed", type=int, default=2026, help="default: 2026")
    parser.add_argument("--start", type=Path, help="weights to begin with (.weights.h5 or .keras)")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate (default: 0.002)")
    parser.add_argument("--weights", type=Path, default=Path("measured.weights.h5"))
    parser.add_argument("--checkpoint", type=Path, help="state from which a killed run goes on")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder (default: the package)")
    parser.add_argument("--passes", type=int, default=2, help="how often a round is shown")
    parser.add_argument("--size", type=int, default=ROUND, help="images of a round")
    parser.add_argument("--lattice-file", type=Path, help="lattices made before, or to be kept")
    given = parser.parse_args(arguments)
    lattices = stored_lattices(given.lattices, given.seed, given.lattice_file)
    trial = calibration_crystals(**VALIDATION)
    train(
        lattices,
        rounds=given.rounds,
        seed=given.seed,
        out=given.weights,
        start=given.start,
        learning_rate=given.rate,
        checkpoint=given.checkpoint,
        size=given.size,
        passes=given.passes,
        validation=lambda model: validate(model, trial),
    )
    command = " ".join(sys.argv[1:] if arguments is None else arguments)
    finish(
        given.weights,
        given.out,
        command=f"python -m xrlab.training.train_measured {command}".strip(),
    )


if __name__ == "__main__":
    main()
