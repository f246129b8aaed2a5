"""How often an answer is confidently wrong, over right images, kept-out ones and mistakes.

``python -m xrlab.trials.confident --images 20`` prints a table over the kinds of
`xrlab.trials.kinds`. An answer is confidently wrong if some value is off by more than three stated
errors and no check warns whose key names what is wrong with images of this kind, or says that the
answer is in doubt. Without ``--full`` only the checks that need no fit are made.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from xrlab.crystal.arrays import Floats, Image
from xrlab.datasets.parallel import in_parallel
from xrlab.drawing.tables import markdown_table
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.interpretation.conclusion import Answer
from xrlab.interpretation.findings import Finding, status_of
from xrlab.networks.measured import read
from xrlab.trials.kinds import DOUBT, KINDS, Kind
from xrlab.trials.trial import NINETY
from xrlab.trials.verdicts import concluded, fitted, read_all

# Stated errors by which a wrong value is off.
SURE = 3.0

# Key of the note that errors are large. It repeats what the errors say: nothing is wrong with them.
SAYS_SO = "precision"


@dataclass(frozen=True)
class Verdicts:
    """What the answers to images of one kind are worth; NaN where it does not apply.

    Parameters
    ----------
    images : int
    r2 : float
        Of the correlations; NaN where all true values are alike or there are none.
    coverage90 : float
        Part of the values within their marginal intervals of 90 %.
    wrong : float
        Share of images with a value off by more than three stated errors.
    confidently_wrong : float
        Share of those without a warning that names what is wrong. Images that no encoding explains
        are wrong whatever is answered.
    warned : float
        Share of the right answers that some check warns of; NaN for kinds of mistake, which every
        warning is right about. That stated errors are large (`SAYS_SO`) is no warning.
    refused : float
        Share called "not explained".
    keys : dict
        Share of the images that each check warns of.
    fit_r2, fit_coverage90 : float
        As `r2` and `coverage90`, of the physical fit.
    """

    images: int
    r2: float
    coverage90: float
    wrong: float
    confidently_wrong: float
    warned: float
    refused: float
    keys: dict[str, float]
    fit_r2: float = np.nan
    fit_coverage90: float = np.nan


def make(name: str, n_images: int, seed: int, *, n_jobs: int = 1) -> tuple[Image, Floats]:
    """Make images of a kind and their correlations; image i depends on (seed, i) alone."""
    if name not in KINDS:
        raise ValueError(f"there is no kind {name!r}; take one of {', '.join(KINDS)}")
    kind, number = KINDS[name], list(KINDS).index(name)

    def one(index: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng([seed, number, index])
        clean, vector = kind.crystal(rng)
        return kind.measure(clean, rng), vector

    images, vectors = zip(*in_parallel(one, range(n_images), n_jobs), strict=True)
    return np.array(images), np.array(vectors)


def verdicts(
    kind: Kind,
    vectors: Floats,
    answers: Sequence[Answer],
    conclusions: Sequence[tuple[Floats, Sequence[Finding]]],
    freedom: float,
    fits: Sequence[PhysicalFit | None] = (),
) -> Verdicts:
    """Compare answers, their errors and their warnings with the true correlations, shape (n, 15).

    Parameters
    ----------
    conclusions : sequence of (covariance, findings)
    freedom : float
        Degrees of freedom of the marginal distributions, Student's t.
    fits : sequence of PhysicalFit, optional
    """
    mean = np.array([answer.mean for answer in answers])
    error = np.array([np.sqrt(np.diagonal(covariance)) for covariance, _ in conclusions])
    apart = np.abs(vectors - mean) / error
    known = np.isfinite(vectors).all(axis=1)
    wrong = (apart > SURE).any(axis=1) | ~known
    failed = [{f.key for f in findings if not f.ok} for _, findings in conclusions]
    named = np.array([bool(keys & kind.keys) for keys in failed])
    status = [status_of(findings) for _, findings in conclusions]
    warned = np.array([bool(keys - {SAYS_SO}) for keys in failed])
    warned |= np.array(status) == "in part"
    sound = ~wrong & (kind.keys == DOUBT)
    inside = apart < stats.t.ppf(0.95, freedom) * np.sqrt(1 - 2 / freedom)
    variance = ((vectors - vectors.mean(axis=0)) ** 2).sum()
    varies = known.all() and variance > 0
    fit_r2, fit_coverage = np.nan, np.nan
    good = [(fit, vector) for fit, vector in zip(fits, vectors, strict=False) if fit]
    if known.all() and good:
        off = np.array([vector - fit.encoding.vector for fit, vector in good])
        stated = np.array([fit.standard_error for fit, _ in good])
        fit_coverage = float((np.abs(off) < NINETY * stated).mean())
        fit_r2 = float(1 - (off**2).mean() / (variance / vectors.size)) if varies else np.nan
    keys = sorted(set().union(*failed))
    return Verdicts(
        images=len(vectors),
        r2=float(1 - ((vectors - mean) ** 2).sum() / variance) if varies else np.nan,
        coverage90=float(inside.mean()) if known.all() else np.nan,
        wrong=float(wrong.mean()),
        confidently_wrong=float((wrong & ~named).mean()),
        warned=float(warned[sound].mean()) if sound.any() else np.nan,
        refused=float(np.mean([s == "not explained" for s in status])),
        keys={key: float(np.mean([key in f for f in failed])) for key in keys},
        fit_r2=fit_r2,
        fit_coverage90=fit_coverage,
    )


def table(results: dict[str, Verdicts]) -> str:
    """Write the verdicts as a Markdown table, their mean at its end."""
    heads = ["images", "R²", "90 % intervals", "fit: R²", "90 % intervals", "off by 3 errors"]
    heads += ["confidently wrong", "right but warned of", "not explained", "warnings"]

    def share(x: float) -> str:
        return "–" if np.isnan(x) else f"{x:.0%}"

    def r2(x: float) -> str:
        return "–" if np.isnan(x) else f"{x:.2f}"

    rows = []
    for name, v in results.items():
        keys = ", ".join(f"{key} {part:.0%}" for key, part in v.keys.items())
        both = [r2(v.r2), share(v.coverage90), r2(v.fit_r2), share(v.fit_coverage90)]
        numbers = (v.wrong, v.confidently_wrong, v.warned, v.refused)
        rows.append([name, *both, *map(share, numbers), keys])
    total = summary(results)
    shares = [f"{total[key]:.1%}" for key in ("wrong", "confidently_wrong", "warned", "refused")]
    rows.append([f"**all {total['images']}**", *[""] * 4, *shares, ""])
    return markdown_table(heads, rows)


def summary(results: dict[str, Verdicts]) -> dict[str, float]:
    """Shares over all kinds; "refused" over those with an encoding."""
    weight = np.array([v.images for v in results.values()])

    def mean(values: list[float], weights: Floats) -> float:
        return float(np.average(values, weights=weights)) if weights.sum() else np.nan

    sound = weight * np.array([not np.isnan(v.warned) and 1 - v.wrong for v in results.values()])
    known = weight * np.array([not np.isnan(v.coverage90) for v in results.values()])
    return {
        "images": int(weight.sum()),
        "wrong": mean([v.wrong for v in results.values()], weight),
        "confidently_wrong": mean([v.confidently_wrong for v in results.values()], weight),
        "warned": mean(list(np.nan_to_num([v.warned for v in results.values()])), sound),
        "refused": mean([v.refused for v in results.values()], known),
    }


def run(
    n_images: int, seed: int, names: Sequence[str], *, full: bool = False, n_jobs: int = 1
) -> dict[str, Verdicts]:
    """Make, read and check images of some kinds."""
    results = {}
    for name in names:
        kind = KINDS[name]
        images, vectors = make(name, n_images, seed, n_jobs=n_jobs)
        said = None if kind.background is None else np.tile(kind.background, (n_images, 1))
        answers = read_all(images, said)
        fits = fitted(images, kind.background, n_jobs=n_jobs) if full else [None] * n_images
        conclusions = [
            concluded(image, answer, fit)
            for image, answer, fit in zip(images, answers, fits, strict=True)
        ]
        freedom = read(images[:1]).freedom
        results[name] = verdicts(kind, vectors, answers, conclusions, freedom, fits)
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table over all kinds."""
    parser = argparse.ArgumentParser(prog="python -m xrlab.trials.confident", description=__doc__)
    parser.add_argument("--images", type=int, default=20, help="of each kind; default: 20")
    parser.add_argument("--seed", type=int, default=4713, help="default: 4713")
    parser.add_argument("--full", action="store_true", help="make the checks of the fit as well")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="file for the verdicts, JSON")
    chosen = parser.parse_args(arguments)
    results = run(chosen.images, chosen.seed, chosen.kinds, full=chosen.full, n_jobs=chosen.jobs)
    text = table(results)
    print(text)
    if chosen.out:
        command = f"python -m xrlab.trials.confident --images {chosen.images} --seed {chosen.seed}"
        result = {
            "command": command + " --full" * chosen.full,
            "summary": summary(results),
            "kinds": {name: asdict(v) for name, v in results.items()},
        }
        plain = json.dumps(result, indent=1, ensure_ascii=False).replace("NaN", "null")
        chosen.out.write_text(plain + "\n", "utf-8")


def read_results(file: Path) -> dict[str, Verdicts]:
    """Read the verdicts that ``--out`` has written."""
    kinds: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))["kinds"]
    return {
        name: Verdicts(**(given | {key: np.nan for key, x in given.items() if x is None}))
        for name, given in kinds.items()
    }


if __name__ == "__main__":
    main()
