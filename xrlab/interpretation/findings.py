"""Tests of whether an answer can be believed, each a number beside its limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.inference.physical_fit import PhysicalFit

Image = NDArray[np.float64]

# How an image begins that no answer is given for.
NOT_EXPLAINED = "not explained by this model"

# The limits below were chosen on simulated measurements and on images that are none
# (`xrlab.trials.strangers`, seeds 78, 79, 0 and 1); other seeds test them.
SKILL = 0.2  # 1: S predicts unseen blocks perfectly; 0: no better than without S

STRUCTURE, PARTLY = 0.19, 0.08  # share of the structure of the image that unseen blocks miss

UNMEASURED = 0.5

BELOW = 0.01

APART = 3.0

MOVED = 1.5

# Standard error where nothing is explained: the spread of correlations among crystals.
IGNORANCE = 0.3


@dataclass(frozen=True)
class Finding:
    """One test of an image or an answer.

    Parameters
    ----------
    name : str
    value, limit : float
        The number that was found, and the one that it must not be beyond.
    ok : bool
    sentence : str
        What the number is, and what follows from it.
    """

    name: str
    value: float
    limit: float
    ok: bool
    sentence: str

    def to_dict(self) -> dict[str, float | str | bool]:
        """Return plain Python values, ready for JSON."""
        return {
            "name": self.name,
            "value": float(self.value),
            "limit": float(self.limit),
            "ok": bool(self.ok),
            "sentence": self.sentence,
        }


def examine(
    image: Image,
    grid: ReciprocalGrid,
    fit: PhysicalFit,
    mean: NDArray[np.float64],
    error: NDArray[np.float64],
    turned: NDArray[np.float64],
) -> list[Finding]:
    """Test a measured image and the two answers that were read off it.

    Parameters
    ----------
    image : float64 array
        NaN where unmeasured.
    grid : ReciprocalGrid
    fit : PhysicalFit
    mean, error : float64 arrays, shape (n,)
        The network's answer.
    turned : float64 array, shape (3, n)
        Its answers to the same image turned half round, with h and k exchanged, and both, put back
        into the order of `mean`.

    Returns
    -------
    list of Finding
        In which `against` finds what makes an image one that is not explained.
    """
    missed = missed_structure(image, fit.unseen, grid)
    symmetry, periodicity = repeats(image, fit, grid)
    unmeasured = float(np.isnan(image).mean())
    below = _below_background(image, fit)
    apart = float(
        np.sqrt(np.mean((mean - fit.encoding.vector) ** 2 / (error**2 + fit.standard_error**2)))
    )
    moved = float(np.sqrt(np.mean((turned - mean) ** 2 / error**2)))
    found = [
        Finding(
            "periodic structure",
            fit.skill,
            SKILL,
            fit.skill >= SKILL,
            f"A pattern that repeats from cell to cell predicts pixels that the fit has not seen "
            f"{fit.skill:.0%} better than a smooth image does; a crystal's pattern does so by "
            f"{SKILL:.0%} at least.",
        ),
        Finding(
            "residual structure",
            missed,
            STRUCTURE,
            missed <= STRUCTURE,
            f"Of the structure in unseen pixels {missed:.0%} is not explained by E S + B. Below "
            f"{PARTLY:.0%} the model holds; above {STRUCTURE:.0%} it does not; between them part "
            f"of the image has another cause, and the errors are made wider.",
        ),
        Finding(
            "inversion symmetry",
            symmetry,
            0.3,
            symmetry >= 0.3,
            f"Detail at q and -q agrees to {symmetry:.0%} after form factor and background are "
            f"taken out; in a crystal of two kinds of site without displacements it is the same.",
        ),
        Finding(
            "periodicity",
            periodicity,
            0.3,
            periodicity >= 0.3,
            f"Detail in neighbouring cells agrees to {periodicity:.0%} after form factor and "
            f"background are taken out; the model wants it to repeat.",
        ),
        Finding(
            "positivity",
            below,
            BELOW,
            below <= BELOW,
            f"{below:.1%} of the pixels are darker than the fitted background by more than 4 "
            f"standard deviations, where S would be negative.",
        ),
        Finding(
            "unmeasured",
            unmeasured,
            UNMEASURED,
            unmeasured <= UNMEASURED,
            f"{unmeasured:.0%} of the image is unmeasured; the network was trained with 70 % at "
            f"most, and rarely with more than {UNMEASURED:.0%}.",
        ),
        Finding(
            "network and fit",
            apart,
            APART,
            apart <= APART,
            f"The network and the physical fit differ by {apart:.1f} combined standard errors "
            f"(root mean square over the correlations).",
        ),
        Finding(
            "outside the training",
            moved,
            MOVED,
            moved <= MOVED,
            f"The network's answer moves by {moved:.1f} of its standard errors when the image is "
            f"turned half round or its axes exchanged, which changes nothing in the crystal. On "
            f"images like those of its training it hardly moves.",
        ),
    ]
    return [finding for finding in found if np.isfinite(finding.value)]  # others: no such pixels


def against(findings: list[Finding]) -> list[Finding]:
    """Pick the findings by which no encoding explains the image; none if one may.

    Either of the first two alone; symmetry and periodicity only where the residual has structure,
    because noise, too, makes them look bad.
    """
    failed = [finding for finding in findings if not finding.ok]
    decisive = ["periodic structure", "residual structure"]
    if any(f.name == "residual structure" and f.value > PARTLY for f in findings):
        decisive += ["inversion symmetry", "periodicity"]
    return [finding for finding in failed if finding.name in decisive]


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
    """Correlation of (I - B) / E with itself turned half round, and one cell on; noise is kept out.

    Each covariance is divided by that of pixels next to each other, to which counting noise adds
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


def _mean(x: NDArray[np.float64]) -> float:
    return float(np.nanmean(x)) if np.isfinite(x).any() else np.nan


def _below_background(image: Image, fit: PhysicalFit) -> float:
    noise = np.sqrt(np.abs(fit.model))
    z = (image - fit.model) / noise
    spread = 1.4826 * np.nanmedian(np.abs(z)) + 1e-12
    below = (image - fit.background) / noise < -4 * spread
    return float(below[~np.isnan(image)].mean())
