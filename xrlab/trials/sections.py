"""Sections of many reciprocal cells of known correlations: the proof of joining windows.

Two sets of different making. Calibration: `xrlab.trials.crystals.maximum_entropy_crystal` through
its `INSTRUMENTS`, from which the numbers of the joining come. Test: the lattices of `TESTS`, seen
through the form factor of a molecule of real atoms, which take part in nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from xrlab.crystal.arrays import Floats
from xrlab.crystal.grid import ReciprocalGrid
from xrlab.interpretation.sections import Joined, read_windows
from xrlab.io.section import Section
from xrlab.measurement.instrument import Instrument, preset
from xrlab.trials.crystals import (
    INSTRUMENTS,
    CrystalMaker,
    dimer_crystal,
    domain_crystal,
    maximum_entropy_crystal,
    thermal_crystal,
)
from xrlab.trials.independent import random_molecule

# Cells along each axis, and steps between the pixels of two cells on the standard grid.
CELLS, STEPS = 6, 63


@dataclass(frozen=True, eq=False)
class KnownSection:
    """A measured section and the correlations of its crystal.

    Parameters
    ----------
    kind : str
    section : Section
    vector : float64 array, shape (15,)
    """

    kind: str
    section: Section
    vector: Floats


def measured_section(
    clean: Floats, instrument: Instrument, rng: np.random.Generator, *, molecule: bool = False
) -> Section:
    """Measure the 6 x 6 cells of a clean image, of which the pattern of 2 x 2 is given.

    Half of the sections have the origin in their middle, the others begin at any whole h and k
    from -3 to 1.

    Parameters
    ----------
    clean : float64 array, shape (64, 64)
        On the standard grid; it is continued from cell to cell.
    instrument : Instrument
    rng : Generator
    molecule : bool
        Whether E is that of a random molecule of real atoms, not that of the instrument.
    """
    h, k = (-CELLS // 2,) * 2 if rng.random() < 0.5 else rng.integers(-3, 2, 2)
    size = STEPS * CELLS // 2 + 1
    grid = ReciprocalGrid((h, h + CELLS), (k, k + CELLS), (size, size))
    here = np.arange(size) % STEPS
    image = clean[np.ix_(here, here)]
    if molecule:
        image = image * random_molecule(rng).on(grid, unit_mean=True)
        instrument = instrument.without("envelope")
    taken = instrument.measure(image, grid, rng).image
    return Section(taken, grid.h_values, grid.k_values)


def calibration_section(seed: int, index: int) -> KnownSection:
    """Make a section of the calibration; it depends on (seed, index) alone."""
    rng = np.random.default_rng([seed, index])
    clean, vector = maximum_entropy_crystal(rng)
    name = list(INSTRUMENTS)[index % len(INSTRUMENTS)]
    return KnownSection(name, measured_section(clean, INSTRUMENTS[name], rng), vector)


# The lattices and instruments of the test.
LATTICES: dict[str, CrystalMaker] = {
    "anti-phase domains": domain_crystal,
    "dimers": dimer_crystal,
    "thermal": thermal_crystal,
}
PRESETS = ("laboratory", "synchrotron", "bad day")


def test_section(seed: int, index: int) -> KnownSection:
    """Make a section of the test; it depends on (seed, index) alone."""
    rng = np.random.default_rng([seed, index, 1])
    lattice = list(LATTICES)[index % len(LATTICES)]
    instrument = PRESETS[index // len(LATTICES) % len(PRESETS)]
    clean, vector = LATTICES[lattice](rng)
    section = measured_section(clean, preset(instrument), rng, molecule=True)
    return KnownSection(f"{lattice}, {instrument}", section, vector)


@dataclass(frozen=True)
class SectionScore:
    """How well the joined answers to some sections hold, beside those of single windows.

    Parameters
    ----------
    sections : int
    any_window, clearest_window, joined : float
        Root mean square error of the correlations: of every window, of that with the greatest
        contrast in its section, of the joined answer.
    coverage50, coverage90 : float
        Part of the true values within the marginal intervals of the joined answer.
    ellipsoid90 : float
        Part of the true vectors within its ellipsoid of 90 %.
    apart : float
        Median of `xrlab.interpretation.sections.Joined.apart`.
    """

    sections: int
    any_window: float
    clearest_window: float
    joined: float
    coverage50: float
    coverage90: float
    ellipsoid90: float
    apart: float


def section_score(joined: Sequence[Joined], true: Floats) -> SectionScore:
    """Score the joined answers to sections whose true vectors, shape (n, 15), are known."""
    deviation = np.array([answer.vector for answer in joined]) - true
    covariance = np.array([answer.joint for answer in joined])
    freedom, n = joined[0].freedom, true.shape[1]
    scale = covariance * (1 - 2 / freedom)
    ratio = np.abs(deviation) / np.sqrt(np.diagonal(scale, axis1=1, axis2=2))
    distance = (deviation * np.linalg.solve(scale, deviation[..., None])[..., 0]).sum(axis=-1)
    windows = [((a.mean - v) ** 2).mean(axis=1) for a, v in zip(joined, true, strict=True)]
    clearest = [
        error[answer.contrast.argmax()] for error, answer in zip(windows, joined, strict=True)
    ]
    return SectionScore(
        sections=len(joined),
        any_window=float(np.sqrt(np.concatenate(windows).mean())),
        clearest_window=float(np.sqrt(np.mean(clearest))),
        joined=float(np.sqrt((deviation**2).mean())),
        coverage50=float((ratio < stats.t.ppf(0.75, freedom)).mean()),
        coverage90=float((ratio < stats.t.ppf(0.95, freedom)).mean()),
        ellipsoid90=float((distance / n < stats.f.ppf(0.9, n, freedom)).mean()),
        apart=float(np.median([answer.apart for answer in joined])),
    )


def table(scores: dict[str, SectionScore]) -> str:
    """Write scores as a Markdown table."""
    lines = [
        "| sections | number | one window, any | the clearest | joined | joined over clearest | "
        "50 % | 90 % | 90 % ellipsoid | apart |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {s.sections} | {s.any_window:.3f} | {s.clearest_window:.3f} | {s.joined:.3f} "
        f"| {s.joined / s.clearest_window:.2f} | {s.coverage50:.1%} | {s.coverage90:.1%} | "
        f"{s.ellipsoid90:.1%} | {s.apart:.2f} |"
        for name, s in scores.items()
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of the shipped network for the sections of the test."""
    parser = argparse.ArgumentParser(prog="python -m xrlab.trials.sections", description=__doc__)
    parser.add_argument("--sections", type=int, default=90, help="default: 90")
    parser.add_argument("--seed", type=int, default=5, help="default: 5")
    chosen = parser.parse_args(arguments)
    made = [test_section(chosen.seed, index) for index in range(chosen.sections)]
    made += [calibration_section(chosen.seed, index) for index in range(chosen.sections // 3)]
    answers = [read_windows(known.section) for known in made]
    groups: dict[str, list[int]] = {}
    for index, known in enumerate(made):
        parts = known.kind.split(", ")
        names = [*parts, "all of the test"] if len(parts) > 1 else ["maximum entropy"]
        for name in names:
            groups.setdefault(name, []).append(index)
    true = np.array([known.vector for known in made])
    print(
        table(
            {
                name: section_score([answers[n] for n in group], true[group])
                for name, group in groups.items()
            }
        )
    )


if __name__ == "__main__":
    main()
