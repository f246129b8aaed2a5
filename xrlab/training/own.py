"""Train the network for measured images on for one's own instrument.

``python -m xrlab.training.own my_instrument.yaml --out my_network`` reads the ranges of the
instrument (`xrlab.training.conditions.read_conditions`), trains the shipped network on with images
drawn in them, calibrates its errors and writes ``my_network/my_instrument.onnx``, the same for
Keras, and its card. A training that was interrupted goes on when the command is given again.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xrlab.crystal.arrays import Floats
from xrlab.drawing.tables import markdown_table
from xrlab.measurement.instrument import Instrument, preset
from xrlab.networks.backend import load_model
from xrlab.networks.folding import SPAN
from xrlab.networks.measured import measured_network
from xrlab.networks.measured_cnn import answering, measured_cnn
from xrlab.networks.shipped import weights_path
from xrlab.training.card import save_network, write_card
from xrlab.training.conditions import EFFECTS, SHADES, Conditions, read_conditions
from xrlab.training.export import export
from xrlab.training.packed import round_to_half
from xrlab.training.train_measured import BATCH, calibrate, reader, train, validate
from xrlab.trials.crystals import (
    INSTRUMENTS,
    KnownTrial,
    calibration_crystals,
    dimer_crystal,
    joint_score,
    log_scores,
    thermal_crystal,
)

# Seeds of the images for stopping, calibration and test. Test images are of the same making as the
# two others, and of the kinds of lattice that are kept out of training and calibration.
SEEDS = (77, 31, 4711)

# Networks that are tested: what training brings is seen beside the shipped one with errors that
# were calibrated on the same images.
SHIPPED, ANEW, OWN = "shipped", "shipped, calibrated anew", "own"

# Images for stopping, calibration and test, at least.
LEAST = 6

Made = Callable[..., KnownTrial]


def instruments(conditions: Conditions) -> tuple[Instrument, ...]:
    """Return the instruments of the calibration with the given ranges in place of their own."""
    usual = {name: given for name, _, given in preset("bad day").effects}
    made = []
    for instrument in INSTRUMENTS.values():
        own: dict[str, Any] = {name: given for name, _, given in instrument.effects}
        if conditions.mask is not None:
            own = {name: given for name, given in own.items() if name not in SHADES}
        for name, given in conditions.effects.items():
            own[name] = {**own.get(name, usual[name]), **given} if given is not None else None
        chosen = [(name, EFFECTS[name], own[name]) for name in EFFECTS if own.get(name) is not None]
        made.append(Instrument(tuple(chosen)))
    return tuple(made)


def kept_out_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw a crystal of a kind that takes no part in training, stopping and calibration."""
    return thermal_crystal(rng) if rng.random() < 0.5 else dimer_crystal(rng)


def train_own(
    file: Path,
    out: Path,
    *,
    rounds: int = 24,
    size: int = 4096,
    learning_rate: float = 5e-4,
    seed: int = 1,
    images: Sequence[int] = (400, 1000, 200),
    command: str = "",
) -> dict[str, Any]:
    """Train, calibrate, test and write one's own network; return its card.

    Parameters
    ----------
    file : Path
        See `read_conditions`.
    out : Path
        Folder of the network, and of the checkpoint until it is done.
    rounds, size : int
        Rounds of the training, and new images in each.
    learning_rate : float
        Highest rate of the optimiser.
    seed : int
    images : (int, int, int)
        Images on which the best round is chosen, the errors are calibrated, and both networks
        are tested (of each of three kinds).
    command : str
        For the card.

    Raises
    ------
    ValueError
        If the file, the numbers or the checkpoint cannot be used.
    """
    if rounds < 1 or size < BATCH or min(images) < LEAST:
        raise ValueError(
            f"a training has 1 round or more of {BATCH} images or more, and {LEAST} images or more "
            f"for stopping, calibration and test; got {rounds}, {size}, {list(images)}"
        )
    conditions = read_conditions(file)
    shipped = load_model("measured")
    out.mkdir(parents=True, exist_ok=True)
    own_images: Made = partial(
        calibration_crystals,
        instruments=instruments(conditions),
        grid=conditions.grid,
        mask=conditions.mask,
        n_jobs=-1,
    )
    stopping = own_images(images[0], SEEDS[0])
    weights, checkpoint = out / f"{file.stem}.weights.h5", out / f"{file.stem}.checkpoint.npz"
    best = weights.with_name(f"{file.stem}.best.weights.h5")
    train(
        (np.empty(0), np.empty(0)),  # crystals have no grain: no finite lattices
        conditions,
        rounds=rounds,
        size=size,
        passes=1,
        seed=seed,
        learning_rate=learning_rate,
        start=weights_path("measured", ".keras"),
        out=weights,
        checkpoint=checkpoint,
        validation=lambda model: validate(model, stopping),
    )
    model = measured_cnn()
    model.load_weights(best)
    scores = {name: validate(x, stopping) for name, x in ((SHIPPED, shipped), (OWN, model))}
    if scores[OWN]["score"] > scores[SHIPPED]["score"]:
        model = shipped  # no round was better: only the errors are calibrated anew
    round_to_half(model)
    graph = answering(model)
    known = own_images(images[1], SEEDS[1])
    factors = calibrate(graph, known)
    old = measured_network()
    readers = {
        SHIPPED: reader(old.graph, old.card["calibration"]),
        ANEW: reader(old.graph, calibrate(old.graph, known)),
        OWN: reader(graph, factors),
    }
    tests = {
        "own ranges": own_images(images[2], SEEDS[2]),
        "own ranges, kinds of lattice kept out": own_images(
            images[2], SEEDS[2], crystal=kept_out_crystal
        ),
        "shipped ranges": calibration_crystals(images[2], SEEDS[2], n_jobs=-1),
    }
    joint = {
        name: {whose: asdict(joint_score(trial, read)) for whose, read in readers.items()}
        for name, trial in tests.items()
    }
    rival = max((SHIPPED, ANEW), key=lambda name: joint["own ranges"][name]["log_score"])
    score, other = (log_scores(tests["own ranges"], readers[name]) for name in (OWN, rival))
    gain = float((score - other).mean()), float((score - other).std() / np.sqrt(len(score)))
    save_network(out, file.stem, model)
    export(model, out / f"{file.stem}.onnx")
    card = write_card(
        out,
        file.stem,
        model,
        SPAN,
        command=command,
        conditions=conditions.text,
        conditions_sha256=conditions.digest,
        seed=seed,
        images_seen=rounds * size,
        started_from={"name": "measured", "revision": old.card["revision"]},
        trained=model is not shipped,
        stopping={"images": images[0], "seed": SEEDS[0], **scores},
        calibrated_on={"images": images[1], "seed": SEEDS[1]},
        calibration=factors,
        tested_on={"images": images[2], "seed": SEEDS[2]},
        joint=joint,
        gain={"over": rival, "log_score": gain[0], "standard_error": gain[1]},
        verdict=verdict(rival, *gain),
        sha256=hashlib.sha256((out / f"{file.stem}.onnx").read_bytes()).hexdigest(),
    )
    for path in (weights, best, checkpoint):
        path.unlink()
    return card


def verdict(rival: str, gain: float, error: float) -> str:
    """Say in one sentence whether one's own network is better where it is to be used.

    Better is a log score that is higher than that of its best rival by two standard errors.
    """
    result = "better" if gain > 2 * error else "NOT better"
    return (
        f"{result} than the network {rival!r} on your test images: "
        f"the log score is {gain:+.2f} ± {error:.2f}"
    )


def table(card: dict[str, Any]) -> str:
    """Write the test of a card as a Markdown table."""
    columns = {
        "R²": ("r2", ".3f"),
        "rms error": ("rms_error", ".3f"),
        "50 %": ("coverage50", ".0%"),
        "90 %": ("coverage90", ".0%"),
        "90 % ellipsoid": ("ellipsoid90", ".0%"),
        "log score": ("log_score", ".2f"),
    }
    rows = [
        [test, whose, *(format(scores[key], form) for key, form in columns.values())]
        for test, both in card["joint"].items()
        for whose, scores in both.items()
    ]
    return markdown_table(["test images", "network", *columns], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns 0, or 1 if the network is no better, 2 if the input is refused, 130 if interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m xrlab.training.own", description=__doc__)
    parser.add_argument("file", type=Path, help="YAML file of the instrument's ranges")
    parser.add_argument("--out", type=Path, required=True, help="folder of the network")
    parser.add_argument("--rounds", type=int, default=24, help="of the training (default: 24)")
    parser.add_argument("--size", type=int, default=4096, help="images a round (default: 4096)")
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate (default: 0.0005)")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument(
        "--images",
        type=int,
        nargs=3,
        default=(400, 1000, 200),
        metavar=("STOP", "CALIBRATE", "TEST"),
        help="images that choose the best round, calibrate, and test (default: 400 1000 200)",
    )
    given = parser.parse_args(arguments)
    words = shlex.join(sys.argv[1:] if arguments is None else arguments)
    try:
        card = train_own(
            given.file,
            given.out,
            rounds=given.rounds,
            size=given.size,
            learning_rate=given.rate,
            seed=given.seed,
            images=given.images,
            command=f"python -m xrlab.training.own {words}",
        )
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on after the last round", file=sys.stderr)
        return 130
    print(f"{table(card)}\n\n{given.out / given.file.stem}.onnx is {card['verdict']}")
    return int(card["verdict"].startswith("NOT"))


if __name__ == "__main__":
    sys.exit(main())
