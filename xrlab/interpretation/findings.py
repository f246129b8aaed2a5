"""Checks of whether an answer can be believed, each a number beside its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isqrt
from typing import Any, Literal

import numpy as np

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.encoding import component_names
from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.measurement.intensity_scale import counts_behind

Status = Literal["explained", "in part", "not explained", "not tested"]

# Checks that decide whether an encoding explains a measured image; both need the physical fit.
DECISIVE = ("periodic structure", "residual structure")

# First words of the warning when no encoding explains the image.
NOT_EXPLAINED = "not explained by this model"

# The limits below were chosen on simulated measurements and on images that no encoding explains
# (`xrlab.trials.strangers`, seeds 78, 79, 0 and 1); other seeds test them.
SKILL = 0.2  # 1: S predicts unseen blocks perfectly; 0: no better than without S
STRUCTURE, PARTLY = 0.19, 0.08  # share of the structure of the image that unseen blocks miss

DETAIL = 0.3  # correlation of the detail with that of another cell, or at -q

WHOLE = 0.5  # share of pixels that are whole numbers on another scale

UNMEASURED = 0.5
BELOW = 0.01
APART = 3.0
MOVED = 1.5

WRONG = 2.0

# On 300 crystals of `xrlab.trials.crystals.calibration_crystals`, seed 77: 0.3 % of the images are
# below it, 42 % of their square roots and 64 % of their logarithms.
EXPONENT = 0.8

# A standard error above this is hardly better than no answer: correlations spread by 0.3.
VAGUE = 0.2

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
            MOVED,
            "≤",
            f"The network's answer moves by {moved:.1f} of its standard errors when the image is "
            f"turned half round or its axes exchanged, which changes nothing in the crystal. On "
            f"images like those of its training it hardly moves.",
        ),
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
    symmetry, periodicity = repeats(image, fit, grid)
    below = _below_background(image, fit)
    apart = float(
        np.sqrt(np.mean((mean - fit.encoding.vector) ** 2 / (error**2 + fit.standard_error**2)))
    )
    return [
        Finding(
            "periodic structure",
            fit.skill,
            SKILL,
            "≥",
            f"A pattern that repeats from cell to cell predicts pixels that the fit has not seen "
            f"{fit.skill:.0%} better than a smooth image does; a crystal's pattern does so by "
            f"{SKILL:.0%} at least.",
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
            DETAIL,
            "≥",
            f"Detail at q and -q agrees to {symmetry:.0%} after form factor and background are "
            f"taken out; in a crystal of two kinds of site without displacements it is the same.",
        ),
        Finding(
            "periodicity",
            periodicity,
            DETAIL,
            "≥",
            f"Detail in neighbouring cells agrees to {periodicity:.0%} after form factor and "
            f"background are taken out; the model requires it to repeat.",
        ),
        Finding(
            "positivity",
            below,
            BELOW,
            "≤",
            f"{below:.1%} of the pixels are darker than the fitted background by more than 4 "
            f"standard deviations, where S would be negative.",
        ),
        Finding(
            "network and fit",
            apart,
            APART,
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


def precision(error: Floats) -> Finding:
    """Check that the stated standard errors, shape (span^2 - 1,), are small enough to be of use."""
    names = np.array(component_names(isqrt(error.size + 1)))[error > VAGUE]
    return Finding(
        "precision",
        float(error.max()),
        VAGUE,
        "≤",
        f"The standard error is above {VAGUE} for {', '.join(names)}: the image hardly determines "
        f"these values."
        if names.size
        else f"The largest standard error is {error.max():.2f}.",
    )


def counting_noise(image: Image, grid: ReciprocalGrid) -> Finding:
    """Check that noise grows with intensity as counts do; NaN if too few pixels were measured.

    The variance of the fourth differences along rows and columns, to which smooth scattering adds
    little, is grouped by intensity; the value is its exponent plus two standard errors. Counts have
    an exponent of 1, their square roots 0, their logarithms less.
    """
    pixels = np.where(grid.distance_to_bragg() >= BRAGG_RADIUS, image, np.nan)
    weights = np.array([1, -4, 6, -4, 1])
    differences, levels = [], []
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(pixels, 5, axis)
        differences.append((windows @ weights).ravel() ** 2 / (weights**2).sum())
        levels.append(windows.mean(axis=-1).ravel())
    square, level = np.concatenate(differences), np.concatenate(levels)
    used = level > 0
    square, level = square[used], level[used]
    value = np.nan
    if used.sum() >= 500 and np.ptp(level) > 0:
        groups = np.array_split(np.argsort(level), 12)
        x = np.log([level[group].mean() for group in groups])
        y = np.log([np.median(square[group]) + 1e-12 * level.mean() ** 2 for group in groups])
        slope, variance = np.polyfit(x, y, 1, cov=True)
        value = float(slope[0] + 2 * np.sqrt(variance[0, 0]))
    return Finding(
        "counting noise",
        value,
        EXPONENT,
        "≥",
        f"Noise grows as the intensity to the power {value:.1f} at most; that of counts has the "
        f"power 1."
        + (
            " These intensities look like logarithms or square roots of counts."
            if value < EXPONENT
            else ""
        ),
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
        WRONG,
        "≤",
        f"The given background or form factor moves the answer by {moved:.1f} of the standard "
        f"errors that hold without it" + (": it contradicts the image." if moved > WRONG else "."),
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

    Either of periodic and residual structure alone; symmetry and periodicity only where the
    residual has structure, because noise lowers them too.
    """
    decisive = list(DECISIVE)
    if _has_residual(findings):
        decisive += ["inversion symmetry", "periodicity"]
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


def missed_structure(image: Image, unseen: Image, grid: ReciprocalGrid) -> float:
    """Share of an image's structure that the prediction of unseen pixels misses.

    Structure is the covariance of pixels two apart, to which counting noise adds nothing: that of
    the residual over that of the image, both cut at their 98th percentile, away from Bragg
    positions. 1 where no two such pixels were measured.
    """
    used = ~np.isnan(image) & ~np.isnan(unseen) & (grid.distance_to_bragg() >= BRAGG_RADIUS)
    residual = np.where(used, image - unseen, np.nan)
    top = np.nanquantile(np.abs(residual), 0.98)
    whole = np.where(used, np.clip(image, *np.quantile(image[used], [0.01, 0.99])), np.nan)
    there = _covariance(whole - np.nanmean(whole))
    if np.isnan(there):
        return 1.0
    return max(_covariance(np.clip(residual, -top, top)), 0.0) / max(there, 1e-12)


def _covariance(x: Image) -> float:
    pairs = [x[2:] * x[:-2], x[:, 2:] * x[:, :-2]]
    return _mean(np.concatenate([p.ravel() for p in pairs]))


def repeats(image: Image, fit: PhysicalFit, grid: ReciprocalGrid) -> tuple[float, float]:
    """Correlate (I - B) / E with itself turned half round, and shifted by one cell, without noise.

    Each covariance is divided by that of neighbouring pixels, to which counting noise adds
    nothing. NaN where no two such pixels were measured.
    """
    pattern = (image - fit.background) / fit.envelope
    used = grid.distance_to_bragg() >= BRAGG_RADIUS
    pattern[~used] = np.nan
    top = np.nanquantile(pattern, 0.98)
    pattern = np.clip(pattern, -top, top) - np.nanmean(np.clip(pattern, -top, top))
    beside = np.concatenate(
        [(pattern[1:] * pattern[:-1]).ravel(), (pattern[:, 1:] * pattern[:, :-1]).ravel()]
    )
    own = max(_mean(beside), 1e-12)
    step = [
        round((n - 1) / (q[1] - q[0])) for n, q in zip(grid.shape, (grid.h, grid.k), strict=True)
    ]
    cells = np.concatenate(
        [
            (pattern[step[0] :] * pattern[: -step[0]]).ravel(),
            (pattern[:, step[1] :] * pattern[:, : -step[1]]).ravel(),
        ]
    )
    turned = _mean(pattern * pattern[::-1, ::-1])
    return float(np.clip(turned / own, -1, 1)), float(np.clip(_mean(cells) / own, -1, 1))


def _mean(x: Floats) -> float:
    return float(np.nanmean(x)) if np.isfinite(x).any() else np.nan


def _below_background(image: Image, fit: PhysicalFit) -> float:
    noise = np.sqrt(np.abs(fit.model))
    z = (image - fit.model) / noise
    spread = 1.4826 * np.nanmedian(np.abs(z)) + 1e-12
    below = (image - fit.background) / noise < -4 * spread
    return float(below[~np.isnan(image)].mean())
