"""Trials on clean simulated images: `predict` beside Delta-PDF.

``python -m xrlab.trials.clean`` prints the table. No sampler seed of a trial takes part in any
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xrlab.crystal.setting import STANDARD, STUDY, Setting
from xrlab.datasets.dataset import DataSet, generate
from xrlab.drawing.tables import markdown_table
from xrlab.inference.baselines import delta_pdf_vectors
from xrlab.inference.metrics import mean_squared_error, r2_score
from xrlab.trials.command import images_and_seed
from xrlab.trials.trial import NINETY

# Span and setting of each trial: any target, as in the study, and realisable ones.
CASES: tuple[tuple[int, Setting], ...] = (
    *((span, STUDY) for span in (2, 3, 4)),
    *((span, STANDARD) for span in (3, 4)),
    (4, replace(STUDY, size=96, lot_size=48, lots=64)),
)

HEADS = ["span", "images", "targets", "R²", "MSE", "ΔPDF R²", "its MSE", "MSE ratio"]
HEADS += ["90 % intervals hold", "by component"]


def row(data: DataSet) -> tuple[object, ...]:
    """Compute the table's row of one data set."""
    from xrlab.networks.predict import predict

    setting, true = data.setting, data.encodings
    size = f"{setting.size}/{setting.lot_size}/{setting.lots}"
    mean, error = predict(data.images, data.span, "simulated", setting.lot_size)
    inversion = delta_pdf_vectors(data)
    mse, rival = mean_squared_error(true, mean), mean_squared_error(true, inversion)
    coverage = np.mean(np.abs(mean - true) < NINETY * error, axis=0)
    scores = f"{r2_score(true, mean):.4f}", f"{mse:.6f}"
    others = f"{r2_score(true, inversion):.4f}", f"{rival:.6f}", f"{mse / rival:.3f}"
    held = f"{coverage.mean():.1%}", f"{coverage.min():.1%} to {coverage.max():.1%}"
    return data.span, size, setting.targets, *scores, *others, *held


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    n_images, seed = images_and_seed("clean", __doc__, 1000, 40, arguments)
    print(markdown_table(HEADS, (row(generate(s, n_images, seed, how)) for s, how in CASES)))


if __name__ == "__main__":
    main()
