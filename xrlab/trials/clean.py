"""Trials on clean simulated images: `predict` beside Delta-PDF.

``python -m xrlab.trials.clean`` prints the table. No sampler seed of a trial takes part in any
training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xrlab.crystal.setting import STANDARD, STUDY, Setting
from xrlab.datasets.dataset import DataSet, generate
from xrlab.inference.baselines import delta_pdf_vectors
from xrlab.inference.metrics import mean_squared_error, r2_score
from xrlab.trials.trial import NINETY

# Span and setting of each trial: any target, as in the study, and realisable ones.
CASES: tuple[tuple[int, Setting], ...] = (
    *((span, STUDY) for span in (2, 3, 4)),
    *((span, STANDARD) for span in (3, 4)),
    (4, replace(STUDY, size=96, lot_size=48, lots=64)),
)

HEAD = (
    "| span | images | targets | R² | MSE | ΔPDF R² | its MSE | MSE ratio | 90 % intervals hold | "
    "by component |\n|---|---|---|---|---|---|---|---|---|---|"
)


def row(data: DataSet) -> str:
    """Write the table's row of one data set."""
    from xrlab.networks.predict import predict

    setting, true = data.setting, data.encodings
    size = f"{setting.size}/{setting.lot_size}/{setting.lots}"
    mean, error = predict(data.images, data.span, "simulated", setting.lot_size)
    inversion = delta_pdf_vectors(data)
    mse, rival = mean_squared_error(true, mean), mean_squared_error(true, inversion)
    coverage = np.mean(np.abs(mean - true) < NINETY * error, axis=0)
    return (
        f"| {data.span} | {size} | {setting.targets} | {r2_score(true, mean):.4f} | {mse:.6f} | "
        f"{r2_score(true, inversion):.4f} | {rival:.6f} | {mse / rival:.3f} | "
        f"{coverage.mean():.1%} | {coverage.min():.1%} to {coverage.max():.1%} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m xrlab.trials.clean", description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="per trial; default: 1000")
    parser.add_argument("--seed", type=int, default=40, help="default: 40")
    chosen = parser.parse_args(arguments)
    print(HEAD)
    for span, setting in CASES:
        print(row(generate(span, chosen.images, chosen.seed, setting)), flush=True)


if __name__ == "__main__":
    main()
