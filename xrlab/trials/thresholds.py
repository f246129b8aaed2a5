"""Choose the limits of all checks on simulated crystals of the second set.

``python -m xrlab.trials.thresholds`` reads, fits and checks crystals of `calibration_crystals`,
chooses limits that all checks together exceed in 5 % of them, and writes
``xrlab/interpretation/limits.json``. Every check exceeds its own limit in the same share of the
images. The last images measure how often that happens in others than those the limits come from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xrlab.crystal.arrays import Floats, Mask
from xrlab.interpretation import findings as checks
from xrlab.io.files import write
from xrlab.trials.crystals import calibration_crystals
from xrlab.trials.verdicts import concluded, fitted, read_all

ALARMS = 0.05

# Side of the limit on which a value passes. Checks whose limit has a meaning of its own (the
# unmeasured part, whole numbers after an inverse, maxima higher than the Bragg peaks, an error as
# large as ignorance) are not in it.
DIRECTIONS = {
    "periodic structure": "≥",
    "residual structure": "≤",
    "inversion symmetry": "≥",
    "periodicity": "≥",
    "positivity": "≤",
    "network and fit": "≤",
    "outside the training": "≤",
    "alignment": "≤",
    "repetition": "≤",
    "counting noise": "≥",
    "size effect": "≤",
}

# Above this multiple of its limit of 5 % the residual structure refuses an image: in a quarter as
# many images.
REFUSED = "residual structure, not explained"
FEWER = 4

# The pattern must predict some of the detail, or nothing speaks for a crystal.
SOME = 0.01

# Values in standard errors of noise: below this they may be noise, whatever their limit would be.
NOISE = 3.0
IN_ERRORS = ("alignment", "repetition")

# The user's knowledge, within this part of the true share.
KNOWN_WITHIN = 0.1

# False alarms of the check of that knowledge, which is made only where there is some.
KNOWLEDGE_ALARMS = 0.01


def joint_limits(
    values: Mapping[str, Floats], counted: Mask, alarms: float = ALARMS
) -> dict[str, float]:
    """Limits that all checks together exceed in a share of the images, every one equally often.

    Parameters
    ----------
    values : dict of float arrays, shape (n,)
        Of each check of `DIRECTIONS`; NaN where it does not apply or was not made.
    counted : bool array, shape (n,)
        Images on which all checks were made: the share is counted on them. Each limit comes from
        all images with a value.
    alarms : float

    Returns
    -------
    dict of float
    """
    signed = {key: v if DIRECTIONS[key] == "≤" else -v for key, v in values.items()}
    low, high = 0.0, alarms
    for _ in range(40):
        share = (low + high) / 2
        tops = {key: float(np.nanquantile(v, 1 - share)) for key, v in signed.items()}
        beyond = np.any([v > tops[key] for key, v in signed.items()], axis=0)[counted].mean()
        low, high = (share, high) if beyond <= alarms else (low, share)
    tops = {key: float(np.nanquantile(v, 1 - low)) for key, v in signed.items()}
    if "residual structure" in signed:
        tops[REFUSED] = float(np.nanquantile(signed["residual structure"], 1 - low / FEWER))
    return {
        key: round(top, 4) if DIRECTIONS.get(key, "≤") == "≤" else round(-top, 4)
        for key, top in tops.items()
    }


def measured(n_images: int, n_fits: int, seed: int, *, n_jobs: int = 1) -> dict[str, Floats]:
    """Values of all checks on crystals of the second set; NaN where one does not apply.

    Parameters
    ----------
    n_images, n_fits : int
        All images, and how many of the first get the checks of the fit.
    seed : int

    Returns
    -------
    dict of float arrays, shape (n_images,)
        ``"knowledge"`` is that of a background known within `KNOWN_WITHIN`.
    """
    trial = calibration_crystals(n_images, seed, n_jobs=n_jobs)
    made = fitted(trial.images[:n_fits], n_jobs=n_jobs)
    plain = read_all(trial.images)
    known = np.clip(trial.shares[:, None] * (1 + KNOWN_WITHIN * np.array([-1, 1])), 0, 1)
    with_knowledge = read_all(trial.images, known)
    rows = []
    for i, image in enumerate(trial.images):
        found = concluded(image, plain[i], made[i] if i < n_fits else None)[1]
        row = {f.key: f.value for f in found}
        alone = with_knowledge[i].alone
        if alone is not None:
            row["knowledge"] = checks.knowledge(*alone, with_knowledge[i].mean).value
        rows.append(row)
    keys = [*DIRECTIONS, "knowledge"]
    return {key: np.array([row.get(key, np.nan) for row in rows]) for key in keys}


def exceeded(values: Mapping[str, Floats], limits: Mapping[str, float]) -> dict[str, Mask]:
    """Which images each check warns of."""
    return {
        key: v < limits[key] if DIRECTIONS.get(key) == "≥" else v > limits[key]
        for key, v in values.items()
    }


def together(beyond: Mapping[str, Mask], counted: Mask) -> float:
    """Share of the counted images that any check warns of."""
    return round(float(np.any(list(beyond.values()), axis=0)[counted].mean()), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Choose the limits, write them, and print how often other images exceed them."""
    parser = argparse.ArgumentParser(prog="python -m xrlab.trials.thresholds", description=__doc__)
    parser.add_argument("--images", type=int, default=300, help="to choose on; default: 300")
    parser.add_argument(
        "--fits", type=int, default=100, help="of them with a fit; 0 keeps its limits"
    )
    parser.add_argument("--others", type=int, default=200, help="to measure on; default: 200")
    parser.add_argument("--other-fits", type=int, default=40, help="of them; default: 40")
    parser.add_argument("--seed", type=int, default=1991, help="default: 1991; others: the next")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, default=checks.LIMITS_FILE, help="default: that of the package"
    )
    chosen = parser.parse_args(arguments)

    def values(images: int, fits: int, seed: int) -> tuple[dict[str, Floats], Mask]:
        made = measured(images, fits, seed, n_jobs=chosen.jobs)
        return made, np.isfinite(made["residual structure"])

    made, counted = values(chosen.images, chosen.fits, chosen.seed)
    known = made.pop("knowledge")
    if not chosen.fits:
        counted[:] = True
    limits = joint_limits({key: v for key, v in made.items() if np.isfinite(v).any()}, counted)
    limits = {key: limits.get(key, limit) for key, limit in checks.LIMITS.items()}
    limits["periodic structure"] = max(limits["periodic structure"], SOME)
    limits.update({key: max(limits[key], NOISE) for key in IN_ERRORS})
    limits["knowledge"] = round(float(np.quantile(known, 1 - KNOWLEDGE_ALARMS)), 4)
    result: dict[str, Any] = {
        "command": f"python -m xrlab.trials.thresholds --images {chosen.images} "
        f"--fits {chosen.fits} --others {chosen.others} --other-fits {chosen.other_fits} "
        f"--seed {chosen.seed}",
        "limits": limits,
        "alarms": {
            "asked": ALARMS,
            "on the images chosen on": together(exceeded(made, limits), counted),
        },
    }
    if chosen.others:
        made, counted = values(chosen.others, chosen.other_fits, chosen.seed + 1)
        beyond = exceeded(made, limits)
        counted = counted if chosen.other_fits else np.ones(len(counted), bool)
        always = {key: b for key, b in beyond.items() if key != "knowledge"}
        result["alarms"]["on other images"] = together(always, counted)
        result["on other images"] = {
            key: round(float(b[np.isfinite(made[key])].mean()), 4)
            for key, b in beyond.items()
            if np.isfinite(made[key]).any()
        }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    write(chosen.out, text)
    print(text, end="")


if __name__ == "__main__":
    main()
