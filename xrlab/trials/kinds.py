"""Kinds of image that a user may give: right ones, kept-out ones, and mistakes.

Every kind has the keys of the findings that name what is wrong with it. A warning with another key
is no help: it says that something is wrong, but not what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.crystal.kernels import compiled
from xrlab.crystal.lattice import simulate
from xrlab.crystal.spectra import image_of, vector_of
from xrlab.measurement.instrument import Range, preset
from xrlab.trials.crystals import (
    SAID,
    TESTS,
    CrystalMaker,
    Measure,
    changed,
    lattice_crystal,
    maximum_entropy_crystal,
    through,
    wider,
)
from xrlab.trials.independent import heat_bath, unseen_measurement
from xrlab.trials.strangers import UNEXPLAINED
from xrlab.trials.trial import SPAN

LABORATORY = preset("laboratory")

# Keys that say that an answer is not to be relied on, whatever the image is.
DOUBT = frozenset({"network and fit", "outside the training", "residual structure"})
# Keys that say that the pattern does not lie where the axes say.
AXES = frozenset(
    {
        "alignment",
        "repetition",
        "Bragg positions",
        "periodicity",
        "inversion symmetry",
        "periodic structure",
        "size effect",
    }
)


@dataclass(frozen=True)
class Kind:
    """How images of one kind are made, and what a warning must say of them.

    Parameters
    ----------
    crystal, measure : callable
        As in `xrlab.trials.crystals.TESTS`. The vector is NaN where no encoding is right.
    keys : set of str
        Keys of the findings that name what is wrong, or that the answer is in doubt.
    background : (low, high), optional
        What the user says of the background.
    """

    crystal: CrystalMaker
    measure: Measure
    keys: frozenset[str] = DOUBT
    background: tuple[float, float] | None = None


def weak_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Weaken the order of a `maximum_entropy_crystal` to 2 to 15 %."""
    image, vector = maximum_entropy_crystal(rng)
    part = float(np.exp(rng.uniform(np.log(0.02), np.log(0.15))))
    return 1 + part * (image - 1), part * vector


def disordered_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """No order at all."""
    return np.ones(STANDARD_GRID.shape), np.zeros(SPAN**2 - 1)


def superstructure_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Sharp maxima: c = p cos(2 pi q r) exp(-|r| / x), x = 8 to 30 sites, on a disordered part."""
    size = 128
    steps = np.fft.fftfreq(size, 1 / size)
    i, j = steps[:, None], steps
    h, k = [(1 / 2, 1 / 2), (1 / 2, 0), (0, 1 / 2), (1 / 3, 1 / 3), (1 / 4, 1 / 2)][rng.integers(5)]
    order = np.cos(2 * np.pi * h * i) * np.cos(2 * np.pi * k * j)
    c = rng.uniform(0.4, 1) * order * np.exp(-np.hypot(i, j) / rng.uniform(8, 30))
    c[0, 0] = 1
    return image_of(c), vector_of(c)


def ice_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Arrows along one axis of square ice, from flips of a height field."""
    size = 256
    height = np.indices((size, size)).sum(axis=0) % 2
    _flip_heights(height, 200, rng)
    arrows = np.roll(height, -1, 0) - height
    x, y = np.indices(arrows.shape)
    if rng.random() < 0.5:  # of the other making: which vertices the arrows enter
        arrows = arrows * (1 - 2 * ((x + y) % 2))
    return lattice_crystal(arrows.astype(np.int8))


@compiled
def _flip_heights(height, sweeps, rng):  # type: ignore[no-untyped-def]
    """Move heights that are above or below all four neighbours by 2, at random (Henley 1997)."""
    size = len(height)
    for _ in range(sweeps * size * size):
        x, y = int(rng.random() * size), int(rng.random() * size)
        here = height[x, y]
        up, down = height[x - 1, y] - here, height[(x + 1) % size, y] - here
        left, right = height[x, y - 1] - here, height[x, (y + 1) % size] - here
        if up == down and up == left and up == right:
            height[x, y] = here + 2 * up


def ising_crystal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Ising lattice with couplings of nearest and of second neighbours, which may be frustrated."""
    sites = rng.choice(np.array([-1, 1], np.int8), (512, 512))
    vectors = np.array([(1, 0), (0, 1), (1, 1), (1, -1)])
    first, second = rng.uniform(-0.35, 0.35), rng.uniform(-0.2, 0.1)
    heat_bath(sites, vectors, np.array([first, first, second, second]), 40, rng)
    return lattice_crystal(sites)


def grainy_crystal(size: int, lot_size: int, lots: int) -> CrystalMaker:
    """Return a maker of lattices that are as small as a simulated one."""

    def make(rng: np.random.Generator) -> tuple[Floats, Floats]:
        lattice = simulate(Encoding.random(SPAN, rng, "realisable"), size, "gaussian", rng)
        image = diffraction_image(lattice, lot_size=lot_size, lots=lots, seed=rng)
        return image.astype(np.float64), lattice.realised.vector

    return make


def stranger(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Take one of the images that no encoding explains, noise without a pattern left out."""
    names = [name for name in UNEXPLAINED if not name.startswith(("nothing but", "noise on"))]
    return UNEXPLAINED[names[rng.integers(len(names))]](rng), np.full(SPAN**2 - 1, np.nan)


def as_is(image: Image, rng: np.random.Generator) -> Image:
    """Change nothing."""
    return image


def mistaken(change: Callable[[Image, np.random.Generator], Image]) -> Measure:
    """Return a measurement in a laboratory, or half the time at a synchrotron, changed after it."""

    def measure(image: Image, rng: np.random.Generator) -> Image:
        instrument = LABORATORY if rng.random() < 0.5 else preset("synchrotron")
        return change(instrument.measure(image, seed=rng).image, rng)

    return measure


def logarithm(image: Image, rng: np.random.Generator) -> Image:
    """ln(1 + x), x with a mean of 30 to 3000: intensities, no whole numbers."""
    level = np.exp(rng.uniform(np.log(30), np.log(3000)))
    return np.log1p(level * image / np.nanmean(image))


def square_root(image: Image, rng: np.random.Generator) -> Image:
    """Square root of intensities."""
    return np.sqrt(image)


def moved(image: Image, rows: Floats, columns: Floats) -> Image:
    """Interpolate an image at other places, in pixels; NaN beyond it and next to NaN."""
    return ndimage.map_coordinates(image, [rows, columns], order=1, cval=np.nan)


def _places() -> tuple[Floats, Floats]:
    rows, columns = np.indices(STANDARD_GRID.shape).astype(float)
    return rows, columns


def rotated(degrees: float) -> Callable[[Image, np.random.Generator], Image]:
    """Return a rotation about the origin, of either sense."""

    def change(image: Image, rng: np.random.Generator) -> Image:
        angle = np.radians(degrees) * rng.choice([-1, 1])
        rows, columns = _places()
        cos, sin = np.cos(angle), np.sin(angle)
        return moved(image, rows * cos - columns * sin, rows * sin + columns * cos)

    return change


def shifted(pixels: float) -> Callable[[Image, np.random.Generator], Image]:
    """Return a shift in a random direction."""

    def change(image: Image, rng: np.random.Generator) -> Image:
        angle = rng.uniform(0, 2 * np.pi)
        rows, columns = _places()
        return moved(image, rows + pixels * np.cos(angle), columns + pixels * np.sin(angle))

    return change


def stretched(factor: float) -> Callable[[Image, np.random.Generator], Image]:
    """Return a scaling of both axes, so that maxima lie too far out, or half the time too near."""

    def change(image: Image, rng: np.random.Generator) -> Image:
        by = factor if rng.random() < 0.5 else 1 / factor
        rows, columns = _places()
        return moved(image, rows * by, columns * by)

    return change


def half_a_cell_off(image: Image, rng: np.random.Generator) -> Image:
    """Measure a window from 1/2 to 5/2 along one axis or both."""
    h, k = [(0.5, 0.5), (0.5, 0.0), (0.0, 0.5)][rng.integers(3)]
    rows, columns = _places()
    cell = (len(image) - 1) / 2
    places = [rows + h * cell, columns + k * cell]
    clean = ndimage.map_coordinates(image[:-1, :-1], places, order=1, mode="grid-wrap")
    grid = ReciprocalGrid((h, h + 2), (k, k + 2), STANDARD_GRID.shape)
    return LABORATORY.measure(clean, grid, rng).image


def another_number_of_cells(image: Image, rng: np.random.Generator) -> Image:
    """Take one cell along each axis, or one and a half, for two."""
    rows, columns = _places()
    part = rng.choice([0.5, 0.75])
    return moved(image, rows * part, columns * part)


_FEW = changed(LABORATORY, {"counting": {"exposure": Range(0.7, 5, log=True)}})

SCALE = frozenset({"intensity scale", "counting noise"})
STRANGE = AXES | {"residual structure"}
WRONG_KNOWLEDGE = frozenset({"knowledge"})


KINDS: dict[str, Kind] = {
    **{
        name: Kind(*made, AXES if name.startswith("axes") else DOUBT, SAID.get(name))
        for name, made in TESTS.items()
    },
    "weak order": Kind(weak_crystal, through(LABORATORY)),
    "no order": Kind(disordered_crystal, through(LABORATORY)),
    "superstructure": Kind(superstructure_crystal, through(LABORATORY)),
    "ice rules": Kind(ice_crystal, unseen_measurement),
    "frustrated Ising": Kind(ising_crystal, unseen_measurement),
    "few counts": Kind(maximum_entropy_crystal, through(_FEW)),
    "grain of 64 lots": Kind(grainy_crystal(96, 48, 64), through(LABORATORY)),
    "grain of 150 lots": Kind(grainy_crystal(256, 48, 150), unseen_measurement),
    "logarithm": Kind(maximum_entropy_crystal, mistaken(logarithm), SCALE),
    "square root": Kind(maximum_entropy_crystal, mistaken(square_root), SCALE),
    "rotated by 2 degrees": Kind(maximum_entropy_crystal, mistaken(rotated(2)), AXES),
    "shifted by 2 pixels": Kind(maximum_entropy_crystal, mistaken(shifted(2)), AXES),
    "axes 3 % long": Kind(maximum_entropy_crystal, mistaken(stretched(1.03)), AXES),
    "half a cell off": Kind(maximum_entropy_crystal, half_a_cell_off, AXES),
    "another number of cells": Kind(
        maximum_entropy_crystal, mistaken(another_number_of_cells), AXES
    ),
    "background wrongly said to be none": Kind(
        maximum_entropy_crystal,
        through(wider(LABORATORY, Range(0.01, 0.03), Range(0.5, 2))),
        WRONG_KNOWLEDGE,
        (0.0, 0.0),
    ),
    "background wrongly said to be large": Kind(
        maximum_entropy_crystal,
        through(LABORATORY.without("background")),
        WRONG_KNOWLEDGE,
        (0.6, 0.8),
    ),
    "no diffuse scattering of two kinds of site": Kind(stranger, as_is, STRANGE),
}
