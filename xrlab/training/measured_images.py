"""Training images of the network for measured images: many crystals, many instruments.

Two thirds are crystals without grain (`xrlab.crystal.spectra`), a third finite lattices. Each image
has its own ensemble or sampler, resolution, concentration and instrument; the ranges are wider than
those of any preset of `xrlab.measurement.instrument`, none of which takes part. Nor does anything
of `xrlab.trials`, where images of other making are kept for stopping, calibration and tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xrlab.crystal.arrays import Floats, Image, Reals, Singles
from xrlab.crystal.diffraction import diffraction_image, thermal_scattering
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.grid import BRAGG_RADIUS, STANDARD_GRID, ReciprocalGrid
from xrlab.crystal.lattice import realised_correlations, simulate
from xrlab.crystal.samplers import Sites, Start
from xrlab.crystal.spectra import random_crystal
from xrlab.datasets.parallel import in_parallel
from xrlab.measurement.effects import (
    background,
    bad_pixels,
    beam_stop,
    blur,
    bragg_peaks,
    counting,
    envelope,
    gaps,
    saturation,
)
from xrlab.measurement.instrument import Range
from xrlab.networks.folding import fold_clean
from xrlab.training.conditions import MOST_UNMEASURED, SHIPPED, Conditions

# The labels: the network reads c(i, j) up to this span whatever the span of the target was.
SPAN = 4

# Kinds of lattice and how often each is made.
KINDS = {"gaussian": 0.50, "monte carlo": 0.28, "study": 0.11, "growth": 0.11}


def random_lattice_image(
    rng: np.random.Generator,
) -> tuple[Singles, Floats]:
    """Make the clean image of a lattice of a random kind, and its realised vector of span 4.

    "gaussian", "monte carlo": realisable targets of spans 2 to 6, 48 to 128 sites along each axis
    (Monte Carlo up to 96), a third with a concentration other than 1/2. "study": any target of
    spans 2 to 4 and a cold start on 50 x 50 sites. "growth": c = r^i s^j. Lots have from 18 sites
    along a side to half the lattice's, and there are 6 to 80 of them, in a fifth of the images up
    to 400.
    """
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    concentration = rng.uniform(0.25, 0.75) if rng.random() < 0.33 else 0.5
    sampler = "gaussian"
    start: Start | None = None
    if kind == "study":
        target = Encoding.random(int(rng.integers(2, 5)), rng, "uniform")
        size, sampler, start, concentration = 50, "monte_carlo", "cold", 0.5
    elif kind == "growth":
        along_a, along_b = rng.uniform(-0.9, 0.9, 2)
        target = Encoding.product(along_a, along_b, SPAN)
        size, sampler, concentration = int(rng.integers(24, 65)) * 2, "growth", 0.5
    else:
        target = Encoding.random(int(rng.integers(2, 7)), rng, "realisable")
        if rng.random() < 0.5:
            target = Encoding.from_vector(target.vector * rng.uniform(0.1, 1))
        size = int(rng.integers(24, 65)) * 2
        if kind == "monte carlo":
            sampler, size = "monte_carlo", int(rng.choice([50, 50, 50, 64, 96]))
    try:
        lattice = simulate(target, size, sampler, rng, concentration=concentration, start=start)
    except ValueError:  # impossible at this concentration
        lattice = simulate(target, size, sampler, rng)
    sites = _rearranged(lattice.sites, rng)
    lot_size = int(rng.integers(18, size // 2 + 1))
    most = 400 if rng.random() < 0.2 else 80
    lots = round(float(np.exp(rng.uniform(np.log(6), np.log(most)))))
    image = diffraction_image(sites, STANDARD_GRID, lot_size, lots, rng)
    return image, realised_correlations(sites, SPAN).vector


def _rearranged(sites: Sites, rng: np.random.Generator) -> Sites:
    """Mirror a periodic lattice or shear it by whole sites, by chance: order in other directions.

    Targets say nothing of c(i, -j), and a sampler always adds the same to them. In a lattice moved
    onto itself in another way they are free.
    """
    if rng.random() < 0.5:
        sites = sites[:, ::-1]
    if rng.random() < 0.4:
        rows, columns = np.indices(sites.shape)
        steps = rng.choice([-2, -1, 1, 2], p=[0.1, 0.4, 0.4, 0.1])
        sites = sites[rows, (columns + steps * rows) % len(sites)]
    return sites.T if rng.random() < 0.5 else sites


def clean_images(
    n_samples: int, seed: int, *, n_jobs: int = -1, progress: bool = True
) -> tuple[Singles, Singles]:
    """Make `random_lattice_image` n times; sample i depends on (seed, i) alone.

    Returns
    -------
    images, vectors : float32 arrays, shapes (n, 64, 64) and (n, 15)
    """
    images = np.empty((n_samples, *STANDARD_GRID.shape), np.float32)
    vectors = np.empty((n_samples, vector_length(SPAN)), np.float32)

    def make(index: int) -> tuple[Singles, Floats]:
        return random_lattice_image(np.random.default_rng([seed, index]))

    title = "lattices" if progress else ""
    made = in_parallel(make, range(n_samples), n_jobs, title, batch_size=16)
    for i, (image, vector) in enumerate(made):
        images[i], vectors[i] = image, vector
    return images, vectors


@dataclass(frozen=True, eq=False)
class RandomMeasurement:
    """A measured image, and what its user may know of it.

    Parameters
    ----------
    image : float64 array, shape (64, 64)
        NaN where unmeasured.
    share : float
        Share of the mean intensity between the Bragg peaks that is background.
    form_factor : float64 array, shape (64, 64)
        The squared form-factor difference E(q), mean 1.
    """

    image: Image
    share: float
    form_factor: Image


def random_measurement(
    clean: Reals, rng: np.random.Generator, conditions: Conditions = SHIPPED
) -> RandomMeasurement:
    """Measure a clean image with a random instrument.

    The window is the standard one or, half the time, the same cells farther from the beam. At least
    30 % of the pixels stay measured. One image in 33 comes from a perfect instrument, one in eight
    has no background, one in five a background of 3 to 12 times the diffuse intensity. Where
    `conditions` are given, they hold instead.
    """
    image = np.asarray(clean, np.float64)
    grid = conditions.grid
    factor = np.ones(grid.shape)
    if not conditions.effects and conditions.mask is None and rng.random() < 0.03:
        return RandomMeasurement(image, 0.0, factor)

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    if conditions.corner is None and chance(0.5):
        h, k = rng.integers(-3, 4, 2).astype(float)
        grid = ReciprocalGrid((h, h + 2), (k, k + 2), STANDARD_GRID.shape)
    if chance(0.15):
        image = size_effect(image, grid, strength=rng.normal(0, 0.02))
    # The form factor: of a molecule, an unknown smooth function, both, or rarely none.
    given = conditions.effects.get("envelope", {})
    kind = 1.0 if given is None else rng.random()
    if kind < 0.65 or given:
        form = conditions.draw("envelope", rng, size=Range(0.05, 1.1), falloff=_log(0.8, 6))
        factor = envelope(factor, grid, rng, **form, atoms=int(rng.integers(2, 13)))
    if 0.55 < kind < 0.9:
        exact = given is not None and "values" in given
        degree, spread = int(rng.integers(1, 5)), rng.uniform(0, 0.08 if exact else 1)
        factor = factor * smooth_factor(rng, degree=degree, spread=spread)
    factor = factor / factor.mean()
    image = image * factor
    level = np.zeros(grid.shape)
    if conditions.happens("background", 0.88, rng):
        level = random_background(grid, rng, conditions)
        if "background" not in conditions.effects and chance(0.23):
            level *= _log(3, 25).draw(rng) * image.mean() / level.mean()
    between = grid.distance_to_bragg() >= BRAGG_RADIUS
    share = level[between].mean() / (level + image)[between].mean()
    image = image + level
    if conditions.happens("bragg", 0.65, rng):
        ranges = {
            "intensity": _log(0.03, 40),
            "spread": Range(0.3, 1.5),
            "width": _log(0.003, 0.04),
        }
        image = bragg_peaks(image, grid, rng, **conditions.draw("bragg", rng, **ranges))
    if conditions.happens("blur", 0.85, rng):
        width = Range(0.004, 0.1, log=not chance(0.4))
        image = blur(image, grid, rng, **conditions.draw("blur", rng, width=width))
    if conditions.happens("counting", 0.9, rng):
        exposure = _log(0.7, 30 if chance(0.35) else 1e5)
        image = counting(image, grid, rng, **conditions.draw("counting", rng, exposure=exposure))
    if chance(0.15):
        noise = _log(0.01, 0.3).draw(rng) * np.nanmean(image)
        image = np.maximum(image + noise * rng.standard_normal(image.shape), 0)
    if conditions.happens("saturation", 0.3, rng):
        ceiling = _log(15, 1e4)
        image = saturation(image, grid, rng, **conditions.draw("saturation", rng, ceiling=ceiling))
    if conditions.happens("bad pixels", 0.7, rng):
        few = _log(1e-4, 0.012)
        spoilt = conditions.draw("bad pixels", rng, hot=few, dead=few, brightness=_log(5, 80))
        image = bad_pixels(image, grid, rng, **spoilt)
    return RandomMeasurement(_masked(image, grid, rng, conditions), float(share), factor)


def _log(low: float, high: float) -> Range:
    return Range(low, high, log=True)


def random_background(
    grid: ReciprocalGrid, rng: np.random.Generator, conditions: Conditions = SHIPPED
) -> Image:
    """Draw a constant, air scattering, a ring, a smooth and a thermal part, some of them absent."""

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    ranges = {
        "constant": _log(0.003, 4),
        "air": _log(0.01, 6),
        "reach": Range(0.15, 1.5),
        "ring": Range(0, 3) if chance(0.3) else 0.0,
        "ring_radius": Range(0.3, 3),
        "ring_width": Range(0.04, 0.4),
    }
    parameters = conditions.draw("background", rng, **ranges)
    level = background(np.zeros(grid.shape), grid, rng, **parameters)
    if chance(0.4):
        level = level + _log(0.01, 2).draw(rng) * smooth_factor(rng, degree=2, spread=0.8)
    if chance(0.3):
        strength = _log(0.02, 2).draw(rng)
        level = level + strength * thermal_scattering(grid, width=_log(0.03, 0.2).draw(rng))
    return level


def size_effect(image: Image, grid: ReciprocalGrid, strength: float) -> Image:
    """Make maxima asymmetric in proportion to q: I + strength (h dI/dh + k dI/dk), blurred.

    The displacements of near neighbours give -sum beta(r) 2 pi (q r) sin 2 pi (q r) (Warren 1969,
    section 12.6); with beta = strength c(r) exp(-|r|^2 / 2) this is the derivative of a blurred S.
    """
    cells = ndimage.gaussian_filter(image[:-1, :-1], 63 / 4 / np.pi, mode="wrap")
    step = 2 / 63
    slopes = [(np.roll(cells, -1, n) - np.roll(cells, 1, n)) / (2 * step) for n in (0, 1)]
    along_h, along_k = (np.pad(slope, (0, 1), mode="wrap") for slope in slopes)
    change = grid.h_values[:, None] * along_h + grid.k_values * along_k
    return np.maximum(image + strength * change, 0)


def _masked(
    image: Image, grid: ReciprocalGrid, rng: np.random.Generator, conditions: Conditions
) -> Image:
    """Take away what shades, gaps and cut-out Bragg peaks leave unmeasured, or a given mask."""
    lost = image
    for axis, name in enumerate(("gaps in h", "gaps in k")):
        if conditions.happens(name, 0.35, rng):
            stripes = conditions.draw(name, rng, width=Range(0.03, 0.18), period=Range(0.7, 3))
            lost = gaps(lost, grid, rng, **stripes, axis=axis)
    if conditions.happens("beam stop", 0.5, rng):
        arm = Range(0.03, 0.15) if rng.random() < 0.4 else 0.0
        ranges = {"arm": arm, "angle": Range(0, 360), "radius": Range(0.02, 0.35)}
        lost = beam_stop(lost, grid, rng, **conditions.draw("beam stop", rng, **ranges))
    if conditions.mask is not None:
        return np.where(conditions.mask, np.nan, lost)
    if rng.random() < 0.5:
        lost = np.where(grid.distance_to_bragg() < rng.uniform(0.03, 0.16), np.nan, lost)
    if rng.random() < 0.15:
        (h, k), radius = rng.uniform(-0.2, 2.2, 2) + [grid.h[0], grid.k[0]], rng.uniform(0.05, 0.6)
        lost = beam_stop(lost, grid, rng, radius=radius, h=h, k=k)
    return lost if np.isnan(lost).mean() < MOST_UNMEASURED else image


def smooth_factor(rng: np.random.Generator, degree: int, spread: float) -> Image:
    """Draw a smooth positive function of the window with mean 1: exp of a polynomial.

    The coefficient of x^m y^n, x and y from -1 to 1 over the window, is normal with standard
    deviation spread / sqrt(m + n).
    """
    x = np.linspace(-1, 1, STANDARD_GRID.shape[0])
    y = np.linspace(-1, 1, STANDARD_GRID.shape[1])
    logarithm = np.zeros(STANDARD_GRID.shape)
    for m in range(degree + 1):
        for n in range(degree + 1 - m):
            if m or n:
                logarithm += rng.normal(0, spread / np.sqrt(m + n)) * np.outer(x**m, y**n)
    factor = np.exp(logarithm)
    return factor / factor.mean()


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """Measured images in half precision, with their labels.

    Parameters
    ----------
    images : float16 array, shape (n, 64, 64)
        NaN where unmeasured, scaled so that half precision holds them.
    shares : float32 array, shape (n,)
    form_factors : float16 array, shape (n, 64, 64)
        See `RandomMeasurement`.
    vectors : float32 array, shape (n, 15)
    cells : float32 array, shape (n, 32, 32)
        The clean image folded, sum 1: see `xrlab.networks.folding.fold_clean`.
    """

    images: NDArray[np.float16]
    shares: Singles
    form_factors: NDArray[np.float16]
    vectors: Singles
    cells: Singles


def measured_set(
    n_samples: int,
    seed: int,
    lattices: tuple[Reals, Reals],
    conditions: Conditions = SHIPPED,
    *,
    n_jobs: int = 1,
) -> MeasuredSet:
    """Draw new ensembles and measure them; every third image is that of a lattice instead.

    Sample i depends on (seed, i) alone.

    Parameters
    ----------
    lattices : (images, vectors)
        From `clean_images`. Each time one is taken it is measured anew.
    conditions : Conditions
        Of the measurements, and the kinds of crystal.
    """

    def make(i: int) -> tuple[Any, ...]:
        rng = np.random.default_rng([seed, i])
        if i % 3 or not len(lattices[0]):
            crystal = random_crystal(rng, conditions.crystals)
            clean, vector = crystal.image, crystal.vector
        else:
            n = int(rng.integers(len(lattices[0])))
            clean, vector = lattices[0][n].astype(np.float64), lattices[1][n]
        taken = random_measurement(clean, rng, conditions)
        image = np.minimum(taken.image / np.nanmean(np.minimum(taken.image, 20)), 6e4)
        cell = fold_clean(clean[None])[0]
        factor = taken.form_factor.astype(np.float16)
        return image.astype(np.float16), taken.share, factor, vector, cell

    made = in_parallel(make, range(n_samples), n_jobs, batch_size=256, prefer="processes")
    images, shares, factors, vectors, cells = zip(*made, strict=True)
    return MeasuredSet(
        np.array(images),
        np.array(shares, np.float32),
        np.array(factors),
        np.array(vectors, np.float32),
        np.array(cells, np.float32),
    )
