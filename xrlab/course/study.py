"""What the study of 2023 published, and its validation table with our figures beside it.

Published figures are in ``study.yaml`` beside this module, and nowhere else. Ours come from the
cards of trained networks, written by ``python -m xrlab.training.train_clean``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from xrlab.drawing.tables import markdown_table
from xrlab.networks.shipped import WEIGHTS
from xrlab.training.checkpoints import History


@dataclass(frozen=True)
class StudyRow:
    """A network that the study reports, or one of ours beside them.

    Parameters
    ----------
    card : str
        Name of our card for the network, trained in the same way as the study's.
    network : str
    span : int
        Side of the encoding.
    images : int, optional
        How many images it was trained on; without it, what the card says.
    published, mse : float, optional
        R^2 and mean squared error that the study reports.
    leak : bool
        Whether most of the published test images had been trained on.
    """

    card: str
    network: str
    span: int
    images: int | None = None
    published: float | None = None
    mse: float | None = None
    leak: bool = False


# By the names in study.yaml.
PUBLISHED: dict[str, Any] = yaml.safe_load(
    files("xrlab.course").joinpath("study.yaml").read_text(encoding="utf-8")
)

ROWS = (
    *(
        StudyRow(n["card"], n["network"], n["span"], n["images"], n["r2"], n["mse"], "leak" in n)
        for n in PUBLISHED["networks"]
    ),
    StudyRow("cfs3-best", "ΔPDF, corrected", 3),
    StudyRow("cfs4-best", "ΔPDF, corrected", 4),
)

COLUMNS = (
    "network",
    "span",
    "training images",
    "published R²",
    "published MSE",
    "our R²",
    "our MSE",
    "ΔPDF R²",
    "network R² *",
    "ΔPDF R² *",
    "maximum likelihood R² *",
    "limit R² *",
)

MISSING = "not trained here yet"


def read_card(name: str, folder: Path = WEIGHTS) -> dict[str, Any] | None:
    """Return a card, with or without weights beside it, or None if there is none of that name."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def card_history(name: str, folder: Path = WEIGHTS) -> History | None:
    """Return the learning curve on a card, or None if there is no card of that name."""
    card = read_card(name, folder)
    if card is None:
        return None
    stages = card.get("stages") or [0]
    return History(card["loss"], card["validation_loss"], card["training_seconds"], stages)


def study_table(folder: Path = WEIGHTS) -> str:
    """Write the table in Markdown: all rows of the study, then ours. A row with no card says so.

    The columns with a star are on the first test images of each card, on which maximum likelihood,
    the slowest method, was asked too; the others are on all test images.
    """
    rows = []
    for row in ROWS:
        published = f"{row.published:.3f}" if row.published is not None else "–"
        published += " †" if row.leak else ""
        card = read_card(row.card, folder)
        images = row.images or (card["draws"] * sum(card["samples"]["train"]) if card else 0)
        mse = f"{row.mse:.5f}" if row.mse is not None else "–"
        cells = [row.network, str(row.span), f"{images:,}" if images else "–", published, mse]
        rows.append(cells + _figures(card))
    return markdown_table(COLUMNS, rows)


def _figures(card: dict[str, Any] | None) -> list[str]:
    """Our part of a row."""
    if card is None:
        return [MISSING] + ["–"] * (len(COLUMNS) - 6)
    test, fourier, beside = card["test"], card["test_delta_pdf"], card.get("side_by_side", {})
    starred = [
        f"{beside[name]['r2']:.4f}" if name in beside else "–"
        for name in ("model", "delta_pdf", "maximum_likelihood", "lots_floor")
    ]
    return [f"{test['r2']:.4f}", f"{test['mse']:.5f}", f"{fourier['r2']:.4f}", *starred]
