"""The command lines of the trials: how many images, from which seed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def images_and_seed(
    name: str, description: str | None, images: int, seed: int, arguments: Sequence[str] | None
) -> tuple[int, int]:
    """Read ``--images`` and ``--seed`` of ``python -m xrlab.trials.NAME``, with these defaults."""
    parser = argparse.ArgumentParser(prog=f"python -m xrlab.trials.{name}", description=description)
    words = f"of each kind; default: {images}"
    parser.add_argument("--images", type=int, default=images, help=words)
    parser.add_argument("--seed", type=int, default=seed, help=f"default: {seed}")
    chosen = parser.parse_args(arguments)
    return chosen.images, chosen.seed
