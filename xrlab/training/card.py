"""The card of a network: how it was made and how well it does, as JSON beside the weights."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrlab.crystal.encoding import component_names
from xrlab.crystal.setting import STUDY
from xrlab.io.files import write
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import WEIGHTS
from xrlab.training.packed import save_packed

if TYPE_CHECKING:
    import keras

# The two standard settings of the study's kind of targets, by their three numbers.
SETTINGS = {"50/25/8": STUDY, "96/48/64": replace(STUDY, size=96, lot_size=48, lots=64)}

# Test images on which maximum likelihood, the slowest method, is shown beside the others.
COMPARED = 200


def write_card(
    folder: Path, name: str, model: keras.Model, span: int, **facts: Any
) -> dict[str, Any]:
    """Write what is to be known of a network into a folder; return it.

    To the facts are added its name, architecture and size, the versions of the packages and the
    revision of the code.
    """
    card = {
        "name": name,
        "architecture": model.name,
        "parameters": model.count_params(),
        "components": component_names(span),
        **facts,
        "versions": {each: version(each) for each in ("xrlab", "keras", "numpy", "numba")},
        "revision": revision(),
        "backend": import_keras().backend.backend(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{name}.json", json.dumps(card, indent=1) + "\n")
    return card


def save_network(folder: Path, name: str, model: keras.Model) -> None:
    """Write a network into a folder; an older one stays until the new one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    save_packed(model, folder / f"{name}.keras")


def revision() -> str | None:
    """Git's name of the code's revision, with "-dirty" if it was changed since; None elsewhere."""
    git = ["git", "-C", str(Path(__file__).parent)]
    describe = ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    options: dict[str, Any] = {"check": True, "capture_output": True, "text": True}
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", __file__], **options)
        return subprocess.run([*git, *describe], **options).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or not a checkout of xrlab
        return None


def command_line(module: str, **options: Any) -> str:
    """Write the command that repeats a training; options that are None or False are left out.

    >>> command_line("train_clean", span=2, samples=(40, 10), fresh=False, card_only=True)
    'python -m xrlab.training.train_clean --span 2 --samples 40 10 --card-only'
    """
    words = [f"python -m xrlab.training.{module}"]
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}")
        values = value if isinstance(value, list | tuple) else () if value is True else (value,)
        words += map(str, values)
    return " ".join(words)


def training_parser(
    module: str, description: str, epochs: int, samples: dict[str, int]
) -> argparse.ArgumentParser:
    """Make the command line that all trainings share; `samples` are the default sizes by name."""
    parser = argparse.ArgumentParser(
        prog=f"python -m xrlab.training.{module}", description=description
    )
    add = parser.add_argument
    add("--span", type=int, required=True, help="side of the encoding: 2, 3, 4")
    sizes = tuple(samples.values())
    words = f"number of images in each part (default: {' '.join(map(str, sizes))})"
    part_names = tuple(name.upper() for name in samples)
    add("--samples", type=int, nargs=len(sizes), default=sizes, metavar=part_names, help=words)
    add(
        "--setting",
        choices=list(SETTINGS),
        default="50/25/8",
        help="sites of the lattice and of a lot along each axis, and lots (default: 50/25/8)",
    )
    add("--epochs", type=int, default=epochs, help=f"default: {epochs}")
    add("--seed", type=int, default=2023, help="default: 2023")
    add("--out", type=Path, default=WEIGHTS, help="folder (default: the package)")
    return parser


def print_figures(card: dict[str, Any], names: Iterable[str]) -> None:
    """Print some entries of a card as one line of JSON."""
    print(json.dumps({name: card[name] for name in names}))
