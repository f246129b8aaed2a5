"""Find the numbers that join the windows of a section, and write them into the network's card.

``python -m xrlab.training.join_windows`` reads 150 sections of known correlations of the making of
the calibration (`xrlab.trials.sections.calibration_section`), and takes some minutes. Run it after
every training of the network for measured images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from scipy import stats

from xrlab.crystal.arrays import Floats
from xrlab.interpretation.sections import VAGUE, Joined, Joining, join, read_windows
from xrlab.io.files import write
from xrlab.networks.shipped import WEIGHTS
from xrlab.trials.sections import calibration_section


def joining_from(answers: Sequence[Joined], true: Floats) -> Joining:
    """Estimate the numbers of the joining from sections whose vectors, shape (n, 15), are known."""
    one, together, windows = [], [], []
    errors, stated = [], []
    for answer, vector in zip(answers, true, strict=True):
        mean = answer.pooled
        length = max(float(mean @ mean), 1e-12)
        along = mean / length
        best = float(along @ vector)
        if answer.windows > 1.5:
            own = answer.mean[answer.used]
            factors = (own @ vector) / np.maximum((own**2).sum(axis=1), 1e-12)
            inverse = np.linalg.inv(answer.pooled_covariance)
            shape = own * factors[:, None] - vector
            one.append(float(np.einsum("wa,ab,wb->w", shape, inverse, shape).mean()))
            shape = mean * best - vector
            together.append(float(shape @ inverse @ shape))
            windows.append(answer.windows)
        if np.isfinite(answer.scale) and along @ answer.pooled_covariance @ along < VAGUE**2:
            errors.append(abs(answer.scale - best))
            stated.append(answer.scale_error)
    first, n = np.array(one), np.array(windows)
    usual = first < np.quantile(first, 0.9)
    expected = first * (1 - 1 / n)
    between = ((np.array(together) - first / n)[usual].sum()) / expected[usual].sum()
    error, claim = np.array(errors), np.array(stated)
    sure = claim < np.median(claim)
    joining = Joining(
        between=round(float(np.clip(between, 0, 1)), 3),
        factor=1.0,
        scale_floor=round(float(np.quantile(error[sure], 0.68)), 4),
        scale_factor=round(float(np.quantile(error[~sure] / claim[~sure], 0.68)), 3),
    )
    tries = [replace(joining, factor=float(factor)) for factor in np.geomspace(0.2, 10, 80)]
    joining = min(tries, key=lambda tried: abs(coverage(answers, true, tried) - 0.9))
    apart = [_apart(answer, joining) for answer in answers]
    return replace(
        joining, factor=round(joining.factor, 3), apart=round(float(np.quantile(apart, 0.99)), 2)
    )


def joined_with(answer: Joined, joining: Joining) -> tuple[Floats, Floats]:
    """Join the windows of an answer anew, with other numbers."""
    return join(
        answer.pooled,
        answer.pooled_covariance,
        answer.windows,
        answer.scale,
        answer.scale_error,
        joining,
    )


def coverage(answers: Sequence[Joined], true: Floats, joining: Joining) -> float:
    """Part of the true values within the 90 % intervals of the joined answers."""
    inside = []
    for answer, vector in zip(answers, true, strict=True):
        mean, covariance = joined_with(answer, joining)
        limit = stats.t.ppf(0.95, answer.freedom) * np.sqrt(1 - 2 / answer.freedom)
        inside.append(np.abs(mean - vector) < limit * np.sqrt(np.diag(covariance)))
    return float(np.mean(inside))


def _apart(answer: Joined, joining: Joining) -> float:
    deviation = answer.mean[answer.used] - joined_with(answer, joining)[0]
    inverse = np.linalg.inv(answer.covariance[answer.used])
    distance = np.einsum("wa,wab,wb->w", deviation, inverse, deviation)
    return float(np.sqrt(distance.mean() / deviation.shape[1]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m xrlab.training.join_windows", description=__doc__
    )
    parser.add_argument("--sections", type=int, default=150, help="default: 150")
    parser.add_argument("--seed", type=int, default=91, help="default: 91")
    parser.add_argument("--card", type=Path, default=WEIGHTS / "measured.json")
    given = parser.parse_args(arguments)
    made = [calibration_section(given.seed, index) for index in range(given.sections)]
    answers = [read_windows(known.section) for known in made]
    joining = joining_from(answers, np.array([known.vector for known in made]))
    card = json.loads(given.card.read_text("utf-8"))
    card["sections"] = asdict(joining)
    write(given.card, json.dumps(card, indent=1) + "\n")
    print(json.dumps(card["sections"], indent=1))


if __name__ == "__main__":
    main()
