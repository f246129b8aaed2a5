"""Train the network for measured images; the command that made its shipped weights.

``python -m xrlab.training.train_measured --help`` tells how to run it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.encoding import component_names, vector_length
from xrlab.io.files import write
from xrlab.measurement.instrument import PRESETS
from xrlab.networks.backend import WEIGHTS, import_keras
from xrlab.networks.measured import (
    CELL,
    EXCHANGED,
    SPAN,
    ask,
    calibrated,
    fold_clean,
    measured_cnn,
    with_mask,
)
from xrlab.training.checkpoints import Checkpoint
from xrlab.training.measured_images import clean_images, measured_images
from xrlab.training.packed import round_to_half, save_packed
from xrlab.trials.trial import NINETY, score, trials

if TYPE_CHECKING:
    import keras


BATCH = 128

# Trials by the presets that the standard errors are calibrated on, and all those that the card
# tells of: nothing that is kept out takes part in the calibration.
CALIBRATION = {"images": 800, "seed": 31}

TEST = {"images": 500, "seed": 4711}

# Groups of errors of a component, from the least to the greatest, that have factors of their own.
GROUPS = 6


def losses() -> dict[str, Any]:
    """Loss of each output.

    ``"cell"``: cross-entropy between the folded clean image and the network's, both as
    distributions over the cell. ``"answer"``: squared error of the correlations, and the negative
    logarithm of the likelihood of their Gaussian errors, the correlations held fixed.
    """
    ops = import_keras().ops

    def cell_loss(true: Any, logits: Any) -> Any:
        points = CELL * CELL
        chance = ops.log_softmax(ops.reshape(logits, (-1, points)))
        return -ops.sum(ops.reshape(true, (-1, points)) * chance, axis=-1)

    def answer_loss(true: Any, answer: Any) -> Any:
        n = true.shape[-1]
        mean, log_error = answer[:, :n], answer[:, n:]
        deviation = ops.square(mean - true)
        scaled = ops.stop_gradient(deviation) * ops.exp(-2 * log_error)
        likelihood = log_error + ops.minimum(scaled, 50) / 2
        return ops.mean(10 * deviation + 0.1 * likelihood, axis=-1)

    return {"cell": cell_loss, "answer": answer_loss}


def _mse(true: Any, answer: Any) -> Any:
    return import_keras().ops.mean((answer[:, : true.shape[-1]] - true) ** 2, axis=-1)


def batches(
    images: NDArray[np.float16],
    cells: NDArray[np.float32],
    vectors: NDArray[np.float32],
    seed: int,
) -> keras.utils.PyDataset:
    """Shuffled batches, each image turned half round, or its h and k exchanged, by chance."""
    keras = import_keras()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    turned, exchanged = rng.random((2, len(images))) < 0.5

    class Batches(keras.utils.PyDataset):  # type: ignore[name-defined]
        def __len__(self) -> int:
            return len(order) // BATCH

        def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, Any]]:
            chosen = order[index * BATCH : (index + 1) * BATCH]
            x, cell, vector = images[chosen], cells[chosen], vectors[chosen]
            turn, exchange = turned[chosen], exchanged[chosen]
            x[turn] = x[turn][:, ::-1, ::-1]
            x[exchange] = x[exchange].swapaxes(1, 2)
            cell[exchange] = cell[exchange].swapaxes(1, 2)
            vector[exchange] = vector[exchange][:, EXCHANGED]
            return with_mask(x), {"cell": cell, "answer": vector}

    return Batches()


def train(
    clean: NDArray[np.floating],
    vectors: NDArray[np.float32],
    *,
    rounds: int,
    seed: int,
    out: Path,
    start: Path | None = None,
    learning_rate: float = 2e-3,
    checkpoint: Path | None = None,
) -> keras.Model:
    """Train on all clean images, measured anew in every round and shown twice in it.

    Every measurement is one that no earlier round had. The rate rises over half a round and falls
    to 0 along a cosine.

    Parameters
    ----------
    clean, vectors
        From `clean_images`.
    rounds : int
    seed : int
    out : Path
        Where the weights are written after every round, ending in ``.weights.h5``.
    start : Path, optional
        Weights to begin with, in a file ending in ``.weights.h5`` or ``.keras``.
    learning_rate : float
        Highest rate of the optimiser (AdamW).
    checkpoint : Path, optional
        File of the state after every round, from which a training that was killed goes on.
    """
    keras = import_keras()
    training = {"images": len(clean), "rounds": rounds, "seed": seed, "rate": learning_rate}
    kept = Checkpoint(checkpoint, training)
    keras.utils.set_random_seed(seed)
    model = measured_cnn()
    if start is not None:
        model.load_weights(start)
    cells = fold_clean(clean)
    steps = 2 * rounds * (len(clean) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=learning_rate, warmup_steps=len(clean) // BATCH
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=1.0)
    model.compile(
        optimizer,
        loss=losses(),
        loss_weights={"cell": 0.3, "answer": 1.0},
        metrics={"answer": _mse},
    )
    model.optimizer.build(model.trainable_variables)
    kept.restore(model)
    for number in range(len(kept.history.loss), rounds):
        images = measured_images(clean, seed + 1 + number)
        for half in (0, 1):
            shown = batches(images, cells, vectors, 10_000 * seed + 2 * number + half)
            log = model.fit(shown, verbose=0).history
            print(
                f"round {number + 1} of {rounds}, pass {half + 1}: "
                + ", ".join(f"{name} {value[-1]:.4f}" for name, value in log.items()),
                file=sys.stderr,
                flush=True,
            )
        kept.history.loss.append(log["loss"][-1])
        kept.save(model)
        model.save_weights(out)
    return model


def calibration(
    mean: NDArray[np.floating], log_error: NDArray[np.floating], true: NDArray[np.floating]
) -> dict[str, list[list[float]]]:
    """Find the factors of the standard errors that make 90 % intervals hold 90 %.

    Each component has one for each group of its errors, from the least to the greatest, because a
    network may be too careful on good images and not careful enough on bad ones: see
    `xrlab.networks.measured.calibrated`.

    Parameters
    ----------
    mean, log_error, true : arrays, shape (n, 15)
    """
    ratio = np.abs(mean - true) / np.exp(log_error) / NINETY
    log_errors, factors = [], []
    for each, size in zip(ratio.T, log_error.T, strict=True):
        groups = np.array_split(np.argsort(size), GROUPS)
        log_errors.append([round(float(np.median(size[group])), 4) for group in groups])
        factors.append([round(float(np.quantile(each[group], 0.9)), 4) for group in groups])
    return {"log_error": log_errors, "factor": factors}


def finish(weights: Path, out: Path, **card: Any) -> dict[str, Any]:
    """Calibrate the errors of a trained network, test it, and save it with its card.

    Calibrated on trials of one seed by the presets, tested on all trials of another seed: neither
    their lattices nor their instruments are those of the training.

    Parameters
    ----------
    weights : Path
    out : Path
        Folder of ``measured.keras`` and ``measured.json``.
    **card
        What else the card shall say.
    """
    model = measured_cnn()
    model.load_weights(weights)
    out.mkdir(parents=True, exist_ok=True)
    round_to_half(model)
    save_packed(model, out / "measured.keras")

    def answers(images: NDArray[np.floating]) -> tuple[NDArray[Any], NDArray[Any]]:
        answer, _ = ask(model, with_mask(images))
        return answer[:, : vector_length(SPAN)], answer[:, vector_length(SPAN) :]

    seen = [
        (*answers(trial.images), trial.encodings)
        for trial in trials(CALIBRATION["images"], CALIBRATION["seed"], list(PRESETS))
    ]
    factors = calibration(*(np.concatenate(parts) for parts in zip(*seen, strict=True)))

    def read_with(answer: tuple[NDArray[Any], NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        return answer[0], calibrated(answer[1], factors)

    scores = {}
    for trial in trials(TEST["images"], TEST["seed"]):
        made = score(trial, lambda x: read_with(answers(x)))
        scores[trial.name] = {
            "r2": made.r2,
            "mse": made.mse,
            "delta_pdf_r2": made.rival_r2,
            "delta_pdf_mse": made.rival_mse,
            "delta_pdf": made.rival,
            "inpainted_mse": made.inpainted_mse,
            "coverage90": made.coverage.round(4).tolist(),
        }
    full = {
        "name": "measured",
        "architecture": model.name,
        "parameters": model.count_params(),
        "components": component_names(SPAN),
        **card,
        "versions": {name: version(name) for name in ("xrlab", "keras", "numpy", "numba")},
        "backend": import_keras().backend.backend(),
        "calibrated_on": CALIBRATION,
        "tested_on": TEST,
        "calibration": factors,
        "test": scores,
    }
    write(out / "measured.json", json.dumps(full, indent=1) + "\n")
    return full


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
    given = parser.parse_args(arguments)
    clean, vectors = clean_images(given.lattices, given.seed)
    train(
        clean,
        vectors,
        rounds=given.rounds,
        seed=given.seed,
        out=given.weights,
        start=given.start,
        learning_rate=given.rate,
        checkpoint=given.checkpoint,
    )
    command = " ".join(sys.argv[1:] if arguments is None else arguments)
    finish(
        given.weights,
        given.out,
        command=f"python -m xrlab.training.train_measured {command}".strip(),
    )


if __name__ == "__main__":
    main()
