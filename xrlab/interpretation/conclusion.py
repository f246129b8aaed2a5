"""What follows for a measured image from the network, the fit and the checks: errors, findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.grid import ReciprocalGrid
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.interpretation.findings import (
    IGNORANCE,
    Finding,
    examine,
    knowledge,
    precision,
    status_of,
)


@dataclass(frozen=True, eq=False)
class Answer:
    """The network's answer to one image.

    Parameters
    ----------
    mean : float64 array, shape (n,)
    covariance : float64 array, shape (n, n)
    turned : float64 array, shape (3, n)
        Its answers to the same image turned half round, with h and k exchanged, and both, put back
        into the order of `mean`.
    alone : (mean, error), optional
        Its answer without the user's knowledge, where there is some; float64 arrays, shape (n,).
    """

    mean: Floats
    covariance: Floats
    turned: Floats
    alone: tuple[Floats, Floats] | None = None


def conclude(
    image: Image, grid: ReciprocalGrid, answer: Answer, fit: PhysicalFit | None
) -> tuple[Floats, list[Finding]]:
    """Check an answer, and widen its errors as far as other answers disagree with it.

    The difference d of another answer (that of the fit, those to the image turned, that without the
    user's knowledge) adds w d d^T to the covariance; w, min(1, (value / limit)^4) of the check that
    compares the two, is small where they agree as usual. w is 1 for the fit where the image is
    explained in part only. Where it is not explained, all errors become `IGNORANCE` at least.

    Returns
    -------
    covariance : float64 array, shape (n, n)
    findings : list of Finding
    """
    error = np.sqrt(np.diagonal(answer.covariance))
    findings = examine(image, grid, fit, answer.mean, error, answer.turned)
    if answer.alone is not None:
        findings.append(knowledge(*answer.alone, answer.mean))
    covariance = widened(answer.mean, answer.covariance, fit, findings)
    moved = answer.turned - answer.mean
    covariance = covariance + _weight("outside the training", findings) * moved.T @ moved / 3
    if answer.alone is not None:
        moved = answer.mean - answer.alone[0]
        covariance = covariance + _weight("knowledge", findings) * np.outer(moved, moved)
    findings.append(precision(np.sqrt(np.diagonal(covariance)), fit))
    return covariance, findings


def widened(
    mean: Floats, covariance: Floats, fit: PhysicalFit | None, findings: Sequence[Finding]
) -> Floats:
    """Make a covariance wider as far as the fit disagrees or the image is not explained."""
    status = status_of(findings)
    if status == "not explained":
        return covariance + np.diag(np.maximum(IGNORANCE**2 - np.diagonal(covariance), 0))
    if fit is None:
        return covariance
    apart = mean - fit.encoding.vector
    weight = 1.0 if status == "in part" else _weight("network and fit", findings)
    return covariance + weight * np.outer(apart, apart)


def _weight(key: str, findings: Sequence[Finding]) -> float:
    """How far the check of this key disagrees, from 0 to 1."""
    values = [(f.value / f.limit) ** 4 for f in findings if f.key == key]
    return min([1.0, *values]) if values else 0.0
