"""Measured crystals of known correlations, made otherwise than those of the training.

Three sets of different making are kept apart. Training: `xrlab.crystal.spectra` and the random
instruments of `xrlab.training.measured_images`. Calibration and stopping: `calibration_crystals`
here, fields of maximum entropy with given correlations, through the presets and wider ones. Test:
the kinds of `TESTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import chain
from math import isqrt
from typing import Any

import numpy as np
from scipy import fft, stats

from xrlab.crystal.arrays import Floats, Mask, Reals, Sites
from xrlab.crystal.diffraction import correlation_image, expected_image
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.grid import BRAGG_RADIUS, STANDARD_GRID, ReciprocalGrid
from xrlab.crystal.kernels import compiled
from xrlab.crystal.samplers import growth
from xrlab.crystal.spectrum import extend
from xrlab.datasets.parallel import in_parallel
from xrlab.drawing.tables import markdown_table
from xrlab.measurement.instrument import Instrument, Range, preset
from xrlab.trials.command import images_and_seed
from xrlab.trials.independent import thermal_lattice, unseen_measurement
from xrlab.trials.trial import SPAN, Trial, trials

# Kept out of training, stopping and calibration, decided before the first training: two kinds of
# lattice, an instrument and a nuisance.
KEPT_OUT = {
    "lattices": ("thermal", "dimers"),
    "instrument": "xrlab.trials.independent.unseen_measurement",
    "nuisance": "axes too long by 1 %",
}


CrystalMaker = Callable[[np.random.Generator], tuple[Floats, Floats]]
Measure = Callable[[Floats, np.random.Generator], Floats]


def maximum_entropy_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw correlations and continue them by the field of maximum entropy.

    Realisable targets of span 2 to 5, half of them weakened, concentrations of 0.25 to 0.75, seen
    through lots of 24 to 64 sites.
    """
    while True:
        encoding = Encoding.random(int(rng.integers(2, 6)), rng, "realisable")
        if rng.random() < 0.5:
            encoding = Encoding.from_vector(encoding.vector * rng.uniform(0.1, 1))
        concentration = 0.5 if rng.random() < 0.6 else rng.uniform(0.25, 0.75)
        lots = int(rng.integers(24, 65))
        try:
            image = expected_image(encoding, lot_size=lots, size=128, concentration=concentration)
            wide = extend(encoding.matrix, SPAN - 1, concentration, 128)
        except ValueError:  # impossible at this concentration
            continue
        if rng.random() < 0.5:  # the other diagonal
            image, wide = image[:, ::-1], wide[:, ::-1]
        return image.astype(np.float64), wide[SPAN - 1 :, SPAN - 1 :].ravel()[1:]


def _with_thermal(image: Floats, rng: np.random.Generator) -> Floats:
    """Measure with thermal diffuse scattering that is 60 % of the diffuse intensity."""
    q2 = STANDARD_GRID.h_values[:, None] ** 2 + STANDARD_GRID.k_values**2
    level = (0.3 + q2) / (STANDARD_GRID.distance_to_bragg() + 0.1)
    level *= 1.5 / level.mean()
    return preset("laboratory").measure(image + level, seed=rng).image


def wider(instrument: Instrument, blur: Range, level: Range) -> Instrument:
    """Return an instrument with another range of blur and of the constant background."""
    return changed(instrument, {"blur": {"width": blur}, "background": {"constant": level}})


def changed(instrument: Instrument, changes: dict[str, dict[str, Range]]) -> Instrument:
    """Return an instrument with other ranges of some parameters of some effects."""
    effects = tuple(
        (name, effect, {**given, **changes.get(name, {})})
        for name, effect, given in instrument.effects
    )
    return replace(instrument, effects=effects)


# What the calibration is measured by: the presets, and two of them with much blur or background.
INSTRUMENTS: dict[str, Instrument] = {
    **{name: preset(name) for name in ("laboratory", "synchrotron", "bad day")},
    "wide laboratory": wider(preset("laboratory"), Range(0.02, 0.1), Range(0.1, 10, log=True)),
    "wide synchrotron": wider(preset("synchrotron"), Range(0.005, 0.1), Range(0.01, 10, log=True)),
}


@dataclass(frozen=True, eq=False)
class KnownTrial(Trial):
    """A trial with what a user may know of each image.

    Parameters
    ----------
    shares : float array, shape (n,)
        Share of the mean intensity between the Bragg peaks that is background.
    form_factors : float array, shape (n, 64, 64)
    """

    shares: Reals
    form_factors: Reals


def calibration_crystals(
    n_samples: int,
    seed: int,
    *,
    crystal: CrystalMaker = maximum_entropy_crystal,
    instruments: Sequence[Instrument] = tuple(INSTRUMENTS.values()),
    grid: ReciprocalGrid = STANDARD_GRID,
    mask: Mask | None = None,
    n_jobs: int = 1,
) -> KnownTrial:
    """Measure crystals without grain whose correlations are drawn, not their spectrum.

    Sample i, which depends on (seed, i) alone, goes through the instruments in turn. Where `mask`
    is true, nothing is measured.
    """
    between = grid.distance_to_bragg() >= BRAGG_RADIUS

    def make(index: int) -> tuple[Floats, Floats, float, Any]:
        rng = np.random.default_rng([seed, index])
        clean, vector = crystal(rng)
        taken = instruments[index % len(instruments)].measure(clean, grid, seed=rng)
        share, factor = 0.0, np.ones(grid.shape)
        if "background" in taken.stages:
            level = taken.added("background")[between].mean()
            share = level / (level + taken.before("background")[between].mean())
        if "envelope" in taken.stages:
            factor = np.nan_to_num(taken.factor("envelope"))
        image = taken.image if mask is None else np.where(mask, np.nan, taken.image)
        return image, vector, share, factor

    made = in_parallel(make, range(n_samples), n_jobs)
    images, vectors, shares, factors = (np.array(parts) for parts in zip(*made, strict=True))
    return KnownTrial("calibration", images, vectors, shares, factors)


# Sites along each axis of the large lattices that stand for a crystal, and the coherence that their
# correlations are seen with, in sites: what is left of the grain is then below 2 %.
LARGE, COHERENCE = 768, 8.0


def lattice_crystal(sites: Sites) -> tuple[Floats, Floats]:
    """Image of a large periodic lattice at a resolution so low that little grain is left.

    c(i, j), from all pairs of sites, is multiplied by exp(-(i^2 + j^2) / (2 COHERENCE^2)).

    Returns
    -------
    image, vector : float64 arrays, shapes (64, 64) and (15,)
    """
    field = sites - sites.mean(dtype=float)
    c = fft.irfft2(np.abs(fft.rfft2(field)) ** 2, s=field.shape)
    c /= c[0, 0]
    steps = np.arange(-32, 33)
    damping = np.exp(-(steps**2) / (2 * COHERENCE**2))
    image = correlation_image(c[np.ix_(steps, steps)] * np.outer(damping, damping))
    return np.maximum(image, 0), c[:SPAN, :SPAN].ravel()[1:]


def thermal_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Simulate an Ising lattice with random couplings near equilibrium: kept out."""
    return lattice_crystal(thermal_lattice(rng, 512, sweeps=40))


def dimer_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Pairs of neighbours along one axis, dropped at random where they fit: kept out.

    Dimers of +1 fall on a lattice of -1 (random sequential adsorption) until a part of the sites,
    0.2 to 0.75, is covered; an image has one direction, or both with any ratio.
    """
    size = LARGE
    sites = np.full((size, size), -1, np.int8)
    along = rng.uniform() if rng.random() < 0.5 else float(rng.integers(2))
    goal = rng.uniform(0.2, 0.75)
    _drop_dimers(sites, along, round(goal * size * size / 2), rng)
    return lattice_crystal(sites)


@compiled
def _drop_dimers(sites, along, number, rng):  # type: ignore[no-untyped-def]
    size, dropped = len(sites), 0
    for _ in range(40 * size * size):
        x, y = int(rng.random() * size), int(rng.random() * size)
        other_x, other_y = x, y
        if rng.random() < along:
            other_x = (x + 1) % size
        else:
            other_y = (y + 1) % size
        if sites[x, y] < 0 and sites[other_x, other_y] < 0:
            sites[x, y] = sites[other_x, other_y] = 1
            dropped += 1
            if dropped == number:
                return


def domain_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Anti-phase domains: order with c(1, 1), c(1, 0) or c(0, 1) = -1, and grown walls in it.

    A wall lies between 2 to 25 % of all neighbours along each axis.
    """
    x, y = np.indices((LARGE, LARGE))
    pattern = [(-1) ** (x + y), (-1) ** x, (-1) ** y][rng.integers(3)]
    along_a, along_b = 1 - 2 * rng.uniform(0.02, 0.25, 2)
    walls = growth(Encoding.product(along_a, along_b, 2), LARGE, rng)
    return lattice_crystal((pattern * walls).astype(np.int8))


def through(instrument: Instrument) -> Measure:
    """Return the measurement with an instrument."""
    return lambda image, rng: instrument.measure(image, seed=rng).image


def _unchanged(image: Floats, rng: np.random.Generator) -> Floats:
    return image


def _stretched(image: Floats, rng: np.random.Generator) -> Floats:
    """Measure with both axes taken 1 % too long, so that all maxima lie too far out."""
    measured = preset("laboratory").measure(image, seed=rng).image
    rows, columns = np.indices(image.shape)
    near = np.round(rows / 1.01).astype(int), np.round(columns / 1.01).astype(int)
    return measured[near]


_LABORATORY = preset("laboratory")

# Name of a test, how its crystals are made, and how they are measured.
TESTS: dict[str, tuple[CrystalMaker, Measure]] = {
    "no instrument": (maximum_entropy_crystal, _unchanged),
    "crystal, laboratory": (maximum_entropy_crystal, through(_LABORATORY)),
    "crystal, synchrotron": (maximum_entropy_crystal, through(preset("synchrotron"))),
    "crystal, bad day": (maximum_entropy_crystal, through(preset("bad day"))),
    "crystal, unseen instrument": (maximum_entropy_crystal, unseen_measurement),
    "anti-phase domains": (domain_crystal, unseen_measurement),
    "dimers": (dimer_crystal, unseen_measurement),
    "thermal": (thermal_crystal, unseen_measurement),
    "background 10 times": (
        maximum_entropy_crystal,
        through(wider(_LABORATORY, Range(0.01, 0.03), Range(10, 10))),
    ),
    "blur 0.1": (
        maximum_entropy_crystal,
        through(wider(_LABORATORY, Range(0.1, 0.1), Range(0.1, 0.5))),
    ),
    "thermal scattering": (maximum_entropy_crystal, _with_thermal),
    "axes 1 % long": (maximum_entropy_crystal, _stretched),
    "no background": (maximum_entropy_crystal, through(_LABORATORY.without("background"))),
}

# What the user says of the background in a test.
SAID = {"no background": (0.0, 0.0)}


def crystal_trial(name: str, n_samples: int, seed: int, *, n_jobs: int = 1) -> Trial:
    """Make the images of one of the `TESTS`; sample i depends on (seed, i) alone."""
    if name not in TESTS:
        raise ValueError(f"there is no test {name!r}; take one of {', '.join(TESTS)}")
    crystal, measure = TESTS[name]

    def make(index: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng([seed, list(TESTS).index(name), index])
        clean, vector = crystal(rng)
        return measure(clean, rng), vector

    images, vectors = zip(*in_parallel(make, range(n_samples), n_jobs), strict=True)
    return Trial(name, np.array(images), np.array(vectors))


@dataclass(frozen=True)
class JointScore:
    """How well a joint posterior holds on a trial.

    Parameters
    ----------
    r2 : float
        1 - squared error over variance, both summed over the correlations.
    rms_error : float
    coverage50, coverage90, coverage99 : float
        Part of the true values within their marginal intervals.
    ellipsoid90 : float
        Part of the true vectors within the ellipsoid of 90 %.
    spectrum_ratio : float
        Root mean square, over 6 x 6 points of the cell and all images, of the error of
        sum c(i, j) cos 2 pi (h i + k j) over the one that the covariance states.
    log_score : float
        Mean logarithm of the density of the true vector, in nats for a correlation.
    """

    r2: float
    rms_error: float
    coverage50: float
    coverage90: float
    coverage99: float
    ellipsoid90: float
    spectrum_ratio: float
    log_score: float


JointReader = Callable[..., tuple[Floats, Floats, float]]


def joint_score(trial: Trial, read: JointReader) -> JointScore:
    """Score means, covariances and degrees of freedom of Student's t on a trial.

    Parameters
    ----------
    trial : Trial
    read : callable
        Called with the images, and the keyword ``background`` if the user gives it in this trial.
    """
    said = {"background": SAID[trial.name]} if trial.name in SAID else {}
    mean, covariance, freedom = read(trial.images, **said)
    deviation = trial.encodings - mean
    n = deviation.shape[-1]
    scale = covariance * (1 - 2 / freedom)
    ratio = np.abs(deviation) / np.sqrt(np.diagonal(scale, axis1=1, axis2=2))
    distance = (deviation * np.linalg.solve(scale, deviation[..., None])[..., 0]).sum(axis=-1)
    spread = trial.encodings - trial.encodings.mean(axis=0)
    waves = _waves(isqrt(n + 1))
    stated = np.einsum("qa,nab,qb->nq", waves, covariance, waves)
    return JointScore(
        r2=float(1 - (deviation**2).sum() / max((spread**2).sum(), 1e-12)),
        rms_error=float(np.sqrt((deviation**2).mean())),
        **{
            f"coverage{level}": float((ratio < stats.t.ppf(0.5 + level / 200, freedom)).mean())
            for level in (50, 90, 99)
        },
        ellipsoid90=float((distance / n < stats.f.ppf(0.9, n, freedom)).mean()),
        spectrum_ratio=float(np.sqrt(((deviation @ waves.T) ** 2 / stated).mean())),
        log_score=float(_log_density(deviation, scale, freedom).mean() / n),
    )


def log_scores(trial: Trial, read: JointReader) -> Floats:
    """Logarithm of the density of each true vector, in nats for a correlation, shape (n,)."""
    mean, covariance, freedom = read(trial.images)
    deviation = trial.encodings - mean
    return _log_density(deviation, covariance * (1 - 2 / freedom), freedom) / mean.shape[-1]


def _log_density(deviation: Floats, scale: Floats, freedom: float) -> Floats:
    pairs = zip(deviation, scale, strict=True)
    return np.array([stats.multivariate_t.logpdf(d, None, s, df=freedom) for d, s in pairs])


def _waves(span: int) -> Floats:
    """Weights of the correlations in the sum at 6 x 6 points of the cell, shape (36, n)."""
    q = np.arange(6) / 6
    i, j = np.divmod(np.arange(1, span**2), span)
    phase = q[:, None, None] * i + q[:, None] * j
    return (2 * np.cos(2 * np.pi * phase)).reshape(36, -1)


def table(scores: dict[str, JointScore]) -> str:
    """Write scores as a Markdown table."""
    heads = ["images", "R²", "rms error", "50 %", "90 %", "99 %", "90 % ellipsoid"]
    heads += ["S(q): error over stated", "log score"]
    kinds = (".3f", ".3f", ".1%", ".1%", ".1%", ".1%", ".2f", ".2f")  # of the fields of a score
    rows = ([name, *map(format, astuple(score), kinds)] for name, score in scores.items())
    return markdown_table(heads, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of the shipped network, grainy images (`xrlab.trials.trial`) at its end."""
    from xrlab.networks.measured import read

    n_images, seed = images_and_seed("crystals", __doc__, 100, 4711, arguments)

    def reader(
        images: Reals, background: tuple[float, float] | None = None
    ) -> tuple[Floats, Floats, float]:
        reading = read(images, SPAN, background)
        return reading.mean, reading.covariance, reading.freedom

    made = chain((crystal_trial(name, n_images, seed) for name in TESTS), trials(n_images, seed))
    names = {trial.name: joint_score(trial, reader) for trial in made}
    print(table(names))


if __name__ == "__main__":
    main()
