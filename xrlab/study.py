"""The validation table of the study of 2023, its figures beside ours.

Ours come from the cards of trained networks, written by ``python -m xrlab.training``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrlab.checkpoints import History
from xrlab.models import WEIGHTS


@dataclass(frozen=True)
class StudyRow:
    """A network that the study reports.

    Parameters
    ----------
    card : str
        Name of our card for the same network, trained in the same way.
    network : str
    span, images : int
        Side of the encoding, and how many images it was trained on.
    published : float
        R^2 that the study reports.
    leak : bool
        Whether most of the published test images had been trained on.
    """

    card: str
    network: str
    span: int
    images: int
    published: float
    leak: bool = False


ROWS = (
    StudyRow("cfs2", "small", 2, 5_000, 0.997),
    StudyRow("cfs3", "small", 3, 5_000, 0.986),
    StudyRow("cfs4", "small", 4, 5_000, 0.974),
    StudyRow("cfs4-incremental", "small, incremental", 4, 10_000, 0.997, leak=True),
    StudyRow("cfs4-large", "large", 4, 10_000, 0.997, leak=True),
)

COLUMNS = (
    "network",
    "span",
    "training images",
    "published R²",
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
    """Write the table in Markdown: all rows of the study, a row with no card says so.

    The columns with a star are on the first test images of each card, on which maximum likelihood,
    the slowest method, was asked too; the others are on all test images.
    """
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in ROWS:
        published = f"{row.published:.3f}" + (" †" if row.leak else "")
        cells = [row.network, str(row.span), f"{row.images:,}", published]
        lines.append("| " + " | ".join(cells + _figures(read_card(row.card, folder))) + " |")
    return "\n".join(lines)


def _figures(card: dict[str, Any] | None) -> list[str]:
    """Our part of a row."""
    if card is None:
        return [MISSING] + ["–"] * (len(COLUMNS) - 5)
    test, fourier, beside = card["test"], card["test_delta_pdf"], card.get("side_by_side", {})
    starred = [
        f"{beside[name]['r2']:.4f}" if name in beside else "–"
        for name in ("model", "delta_pdf", "maximum_likelihood", "lots_floor")
    ]
    return [f"{test['r2']:.4f}", f"{test['mse']:.5f}", f"{fourier['r2']:.4f}", *starred]
