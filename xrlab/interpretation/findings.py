"""Checks of whether an answer can be believed, each a number beside its limit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.encoding import component_names
from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.interpretation.residual import (
    below_background,
    missed_structure,
    predicted_detail,
    repeats,
)
from xrlab.measurement.alignment import half_turn, repetition, stray_peaks
from xrlab.measurement.intensity_scale import counts_behind, noise_exponent

Status = Literal["explained", "in part", "not explained", "not tested"]

# Checks that decide whether an encoding explains a measured image; both need the physical fit.
DECISIVE = ("periodic structure", "residual structure")

# First words of the warning when no encoding explains the image.
NOT_EXPLAINED = "not explained by this model"

# Limits of the checks, written by `python -m xrlab.trials.thresholds`: it measures simulated
# crystals of the second set (`xrlab.trials.crystals.calibration_crystals`), on which all checks
# together then give 5 % false alarms.
LIMITS_FILE = Path(__file__).with_name("limits.json")
LIMITS: dict[str, float] = json.loads(LIMITS_FILE.read_text("utf-8"))["limits"]

# Up to the first an image is explained by the model, above the second it is not.
PARTLY, STRUCTURE = LIMITS["residual structure"], LIMITS["residual structure, not explained"]

# Where less of the structure is missed than this part, E S + B explains the image, be S constant or
# not, and nothing is left that could fail to repeat.
TESTED = 0.1

WHOLE = 0.5  # share of pixels that are whole numbers on another scale

# Height of the sharpest maximum elsewhere over that of the Bragg peaks. Those of superstructures
# are mostly lower; a much higher one is a Bragg peak in the wrong place, or the peaks were removed.
STRAY = 3.0

UNMEASURED = 0.5

# Standard error where nothing is explained: the spread of correlations among crystals.
IGNORANCE = 0.3


@dataclass(frozen=True)
class Finding:
    """Result of one check of an image or an answer.

    Parameters
    ----------
    key : str
        Which check, such as ``"residual structure"``.
    value, limit : float
    direction : {"≥", "≤"}
        A value passes that is on this side of the limit, or equal to it.
    sentence : str
        What the number is, and what follows from it.
    """

    key: str
    value: float
    limit: float
    direction: Literal["≥", "≤"]
    sentence: str

    @property
    def ok(self) -> bool:
        """Whether the value passes."""
        above = self.value >= self.limit
        return bool(above if self.direction == "≥" else self.value <= self.limit)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        numbers = {"value": float(self.value), "limit": float(self.limit)}
        return asdict(self) | numbers | {"name": self.key, "ok": self.ok}


def examine(
    image: Image,
    grid: ReciprocalGrid,
    fit: PhysicalFit | None,
    mean: Floats,
    error: Floats,
    turned: Floats,
) -> list[Finding]:
    """Check a measured image and the answers to it; without a fit, all that needs none.

    Parameters
    ----------
    image : float64 array
        NaN where unmeasured.
    grid : ReciprocalGrid
    fit : PhysicalFit or None
    mean, error : float64 arrays, shape (n,)
        The network's answer.
    turned : float64 array, shape (3, n)
        Its answers to the same image turned half round, with h and k exchanged, and both, put back
        into the order of `mean`.

    Returns
    -------
    list of Finding
        One for each check; those for which too few pixels were measured are left out.
    """
    moved = float(np.sqrt(np.mean((turned - mean) ** 2 / error**2)))
    unmeasured = float(np.isnan(image).mean())
    findings = [
        Finding(
            "unmeasured",
            unmeasured,
            UNMEASURED,
            "≤",
            f"{unmeasured:.0%} of the image is unmeasured; the network was trained with 70 % at "
            f"most, and rarely with more than {UNMEASURED:.0%}.",
        ),
        Finding(
            "outside the training",
            moved,
            LIMITS["outside the training"],
            "≤",
            f"The network's answer moves by {moved:.1f} of its standard errors when the image is "
            f"turned half round or its axes exchanged, which changes nothing in the crystal. On "
            f"images like those of its training it hardly moves.",
        ),
        alignment(image, grid),
        repeated(image, grid),
        bragg_positions(image, grid),
        counting_noise(image, grid),
        scale(image),
    ]
    if fit:
        findings = examine_fit(image, grid, fit, mean, error) + findings
    return [finding for finding in findings if np.isfinite(finding.value)]


def examine_fit(
    image: Image, grid: ReciprocalGrid, fit: PhysicalFit, mean: Floats, error: Floats
) -> list[Finding]:
    """Do the part of `examine` that needs the physical fit."""
    missed = missed_structure(image, fit.unseen, grid)
    predicted = symmetry = periodicity = np.nan
    if missed > TESTED:
        predicted = predicted_detail(image, fit.unseen, fit.smooth, grid)
        symmetry, periodicity = repeats(image, fit, grid)
    below = below_background(image, fit)
    apart = float(
        np.sqrt(np.mean((mean - fit.encoding.vector) ** 2 / (error**2 + fit.standard_error**2)))
    )
    return [
        Finding(
            "periodic structure",
            predicted,
            LIMITS["periodic structure"],
            "≥",
            f"A pattern that repeats from cell to cell predicts {max(predicted, 0):.0%} of the "
            f"detail in pixels that the fit has not seen; a crystal's pattern predicts "
            f"{LIMITS['periodic structure']:.0%} at least.",
        ),
        Finding(
            "residual structure",
            missed,
            STRUCTURE,
            "≤",
            f"Of the structure in unseen pixels {missed:.0%} is not explained by E S + B. Below "
            f"{PARTLY:.0%} the model holds; above {STRUCTURE:.0%} it does not; between them part "
            f"of the image has another cause, and the errors are made wider.",
        ),
        Finding(
            "inversion symmetry",
            symmetry,
            LIMITS["inversion symmetry"],
            "≥",
            f"Detail at q and -q agrees to {symmetry:.0%} at most after form factor and background "
            f"are taken out; in a crystal of two kinds of site without displacements it is the "
            f"same.",
        ),
        Finding(
            "periodicity",
            periodicity,
            LIMITS["periodicity"],
            "≥",
            f"Detail in neighbouring cells agrees to {periodicity:.0%} at most after form factor "
            f"and background are taken out; the model requires it to repeat.",
        ),
        Finding(
            "positivity",
            below,
            LIMITS["positivity"],
            "≤",
            f"{below:.1%} of the pixels are darker than the fitted background by more than 4 "
            f"standard deviations, where S would be negative.",
        ),
        Finding(
            "size effect",
            fit.size_effect,
            LIMITS["size effect"],
            "≤",
            f"What is not alike from cell to cell, as by displaced neighbours, has "
            f"{fit.size_effect:.0%} of the spread of the pattern in the physical fit"
            + (
                ": more than in simulated crystals without displacements. Or the axes are of "
                "another length, or this is no pattern of a crystal."
                if fit.size_effect > LIMITS["size effect"]
                else "."
            ),
        ),
        Finding(
            "network and fit",
            apart,
            LIMITS["network and fit"],
            "≤",
            f"The network and the physical fit differ by {apart:.1f} combined standard errors "
            f"(root mean square over the correlations).",
        ),
    ]


def scale(image: Image) -> Finding:
    """Check that an image holds intensities, not the logarithm or the square root of counts."""
    name, share = counts_behind(image)
    return Finding(
        "intensity scale",
        share,
        WHOLE,
        "≤",
        f"{share:.0%} of the pixels are whole numbers once the {name} is undone: the image was "
        f"exported on that scale. Give the counts themselves."
        if share > WHOLE
        else "No logarithm or root of whole numbers.",
    )


def precision(error: Floats, fit: PhysicalFit | None = None) -> Finding:
    """Check that the stated standard errors, shape (span^2 - 1,), are small enough to be of use.

    If they are not, a fit says what hides the pattern.
    """
    names = np.array(component_names(isqrt(error.size + 1)))[error > IGNORANCE]
    if not names.size:
        sentence = f"The largest standard error is {error.max():.2f}."
    else:
        sentence = (
            f"The standard error is above {IGNORANCE} for {', '.join(names)}: the image hardly "
            f"determines these values."
        )
        if fit:
            sentence += f" {_hidden(fit)}"
    return Finding("precision", float(error.max()), IGNORANCE, "≤", sentence)


def _hidden(fit: PhysicalFit) -> str:
    """How much of an image is background or thermal scattering, or lies under Bragg peaks."""
    background = np.mean(fit.background) / np.mean(fit.model) - fit.thermal
    q = (np.arange(len(fit.spectrum)) + 0.5) / len(fit.spectrum)
    near = np.hypot(*np.meshgrid(np.minimum(q, 1 - q), np.minimum(q, 1 - q))) < BRAGG_RADIUS
    return (
        f"By the physical fit {background:.0%} of the intensity is background, of whose level one "
        f"image tells little, {fit.thermal:.0%} is thermal scattering, and "
        f"{fit.spectrum[near].sum() / fit.spectrum.sum():.0%} of the pattern lies within "
        f"{BRAGG_RADIUS} r.l.u. of the Bragg positions, where a peak may be on top."
    )


def counting_noise(image: Image, grid: ReciprocalGrid) -> Finding:
    """Check that noise grows with intensity as counts do: see `noise_exponent`."""
    value = noise_exponent(image, grid)
    return Finding(
        "counting noise",
        value,
        LIMITS["counting noise"],
        "≥",
        f"Noise grows as the intensity to the power {value:.1f} at most; that of counts has the "
        f"power 1."
        + (
            " These intensities look like logarithms or square roots of counts."
            if value < LIMITS["counting noise"]
            else ""
        ),
    )


def alignment(image: Image, grid: ReciprocalGrid) -> Finding:
    """Check that the pattern is alike at q and -q about the centre that the axes give."""
    displacement, value = half_turn(image, grid)
    return Finding(
        "alignment",
        value,
        LIMITS["alignment"],
        "≤",
        f"The pattern agrees with itself turned half round better, by {value:.1f} standard errors, "
        f"if its centre is moved by {displacement:.1f} pixels: the axes are shifted, turned or of "
        f"another length."
        if value > LIMITS["alignment"]
        else "The pattern is alike at q and -q about the centre that the axes give.",
    )


def repeated(image: Image, grid: ReciprocalGrid) -> Finding:
    """Check that the detail of an image repeats from cell to cell: see `repetition`."""
    value = repetition(image, grid)
    return Finding(
        "repetition",
        value,
        LIMITS["repetition"],
        "≤",
        f"The detail of the image lacks {value:.1f} standard errors of what would repeat after "
        f"one cell: the axes are others, or most of the image is no pattern of this kind."
        if value > LIMITS["repetition"]
        else "The detail of the image repeats from cell to cell.",
    )


def bragg_positions(image: Image, grid: ReciprocalGrid) -> Finding:
    """Check that the sharp maxima that repeat lie at whole h and k."""
    value = stray_peaks(image, grid)
    return Finding(
        "Bragg positions",
        value,
        STRAY,
        "≤",
        f"A sharp maximum that repeats from cell to cell lies away from whole h and k and is "
        f"{value:.1f} times as high as those there: the window begins elsewhere, or Bragg peaks "
        f"were removed and a superstructure was not."
        if value > STRAY
        else "No sharp maximum away from whole h and k is much higher than those there.",
    )


def knowledge(alone: Floats, error: Floats, mean: Floats) -> Finding:
    """Check that what is known of background and form factor agrees with the image.

    Parameters
    ----------
    alone, error : float64 arrays, shape (n,)
        The network's answer without that knowledge.
    mean : float64 array, shape (n,)
        The answer with it.
    """
    moved = float(np.sqrt(np.mean((mean - alone) ** 2 / error**2)))
    return Finding(
        "knowledge",
        moved,
        LIMITS["knowledge"],
        "≤",
        f"The given background or form factor moves the answer by {moved:.1f} of the standard "
        f"errors that hold without it"
        + (": it contradicts the image." if moved > LIMITS["knowledge"] else "."),
    )


def examine_clean(image: Image, mean: Floats, error: Floats) -> list[Finding]:
    """Check a simulated image and the answer of its network, shape (span^2 - 1,)."""
    unmeasured = float(np.isnan(image).mean())
    names = np.array(component_names(isqrt(mean.size + 1)))[np.abs(mean) > 1 + 2 * error]
    return [
        Finding(
            "unmeasured",
            unmeasured,
            0.0,
            "≤",
            f"{unmeasured:.1%} of the image is unmeasured and was filled with estimates; the "
            f"standard errors do not include their errors."
            if unmeasured
            else "Every pixel was measured.",
        ),
        Finding(
            "range",
            float((np.abs(mean) - 2 * error).max()),
            1.0,
            "≤",
            f"The estimate of {', '.join(names)} was beyond -1 or 1, where no correlation can lie, "
            f"and was set to that limit: the image is unlike those of the training."
            if names.size
            else "Within twice their errors, all values lie between -1 and 1.",
        ),
    ]


def reasons(findings: Sequence[Finding]) -> list[Finding]:
    """Pick the findings by which no encoding explains the image; none if one may.

    Whether the pattern repeats is tested only where the residual has structure (`TESTED`).
    """
    decisive = (*DECISIVE, "inversion symmetry", "periodicity")
    return [finding for finding in findings if not finding.ok and finding.key in decisive]


def status_of(findings: Sequence[Finding]) -> Status:
    """Conclude from all findings whether an encoding explains the image."""
    if reasons(findings):
        return "not explained"
    return "in part" if _has_residual(findings) else "explained"


def warnings_of(findings: Sequence[Finding]) -> list[str]:
    """Write one sentence for each failed check; what limits the status of the image comes first."""
    decisive = reasons(findings)
    sentences = [f.sentence for f in findings if not f.ok and f not in decisive]
    if decisive:
        return [" ".join([f"{NOT_EXPLAINED}:", *(f.sentence for f in decisive)]), *sentences]
    partly = [
        f"explained in part only: {f.sentence}"
        for f in findings
        if f.key == "residual structure" and f.value > PARTLY
    ]
    return partly + sentences


def _has_residual(findings: Sequence[Finding]) -> bool:
    return any(f.key == "residual structure" and f.value > PARTLY for f in findings)
