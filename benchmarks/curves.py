"""The growth curves: time against the size of the lattice, the span, the pixels, the images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial

import plain
from measure import WORKERS, Curve, median_time, seconds
from speed import (
    LOT_SIZE,
    LOTS,
    SIZE,
    field,
    plain_cold,
    plain_gaussian,
    plain_sample,
    plain_warm,
    targets,
)

import xrlab
from xrlab.crystal.samplers import WARM_SAVES, default_cycles
from xrlab.crystal.setting import Setting
from xrlab.crystal.spectrum import maximum_entropy

# What makes something for an encoding on N x N sites, N given.
LATTICES: dict[str, Callable[[xrlab.Encoding, int], object]] = {
    "cold Monte Carlo": partial(xrlab.simulate, start="cold"),
    "plain cold": plain_cold,
    "warm Monte Carlo": xrlab.simulate,
    "plain warm": plain_warm,
    "Gaussian": partial(xrlab.simulate, sampler="gaussian"),
    "plain Gaussian": plain_gaussian,
    "of which spectrum": lambda target, size: maximum_entropy(field(target), size, fixed_mean=True),
    "plain spectrum": lambda target, size: plain.spectrum(field(target), size, fixed_mean=True),
    "growth": partial(xrlab.simulate, sampler="growth"),
    "plain growth": lambda target, size: plain.growth(target.matrix, size, 0),
}

# The rivals of Monte Carlo, half a million swaps in a second, are waited for up to so many.
PATIENCE = 5e6


def lattice_time(way: str, span: int, size: int) -> float | None:
    """Median time of a few encodings; None where it would take too long."""
    number = 5
    if way in ("plain cold", "plain warm"):
        cycles = default_cycles(span, size) // (WARM_SAVES if way == "plain warm" else 1)
        if cycles * size**2 > PATIENCE:
            return None
        number = 1
    wanted = targets(span, number)
    if way.endswith("growth"):
        wanted = [xrlab.Encoding.product(0.6, -0.4, span)] * number
    return median_time(partial(LATTICES[way], size=size), wanted)


def lattices(quick: bool) -> Iterator[Curve]:
    """Time of one lattice by every sampler."""
    sizes, spans = ([16, 24], [2, 3]) if quick else ([25, 50, 96, 150, 256], [2, 3, 4, 6, 8])
    side = 20 if quick else SIZE
    yield Curve.measure(
        "One lattice against its sites along each axis, span 4",
        "N",
        sizes,
        {way: partial(lattice_time, way, 4) for way in LATTICES},
        "Cycles of a cold start: 300 up to N = 64, 500 above.",
    )
    yield Curve.measure(
        f"One {side} × {side} lattice against the span",
        "span",
        spans,
        {way: partial(lattice_time, way, size=side) for way in LATTICES},
        "Cycles of a cold start: 200 for span 2, 300 above.",
    )


def images(quick: bool) -> Iterator[Curve]:
    """Time of one image, of a lattice or of an encoding."""
    target = targets(4, 1)[0]
    sites = xrlab.simulate(target, 2 * LOT_SIZE).sites
    repeats = range(2 if quick else 9)

    def grid(pixels: int) -> xrlab.ReciprocalGrid:
        return xrlab.ReciprocalGrid(shape=(pixels, pixels))

    def image(lots: int, pixels: int) -> float:
        make = partial(xrlab.diffraction_image, sites, grid(pixels), LOT_SIZE, lots)
        return median_time(make, repeats)

    def plain_image(lots: int, pixels: int) -> float:
        make = partial(plain.image, sites, LOT_SIZE, lots, pixels=pixels)
        return median_time(lambda seed: make(seed=seed), repeats)

    yield Curve.measure(
        "One image 50/25/8 against the pixels along each axis",
        "pixels",
        [32, 64] if quick else [32, 64, 128, 256],
        {
            "image of a lattice": partial(image, LOTS),
            "plain image": partial(plain_image, LOTS),
            "expected image": lambda pixels: median_time(
                lambda _: xrlab.expected_image(target, grid(pixels)), repeats
            ),
            "plain expected": lambda pixels: seconds(
                lambda: plain.expected_image(target.matrix, LOT_SIZE, pixels)
            ),
        },
    )
    yield Curve.measure(
        "One image of 64 × 64 pixels against the lots of 25 × 25 sites",
        "lots",
        [1, 8] if quick else [1, 8, 64, 512],
        {
            "image of a lattice": partial(image, pixels=64),
            "plain image": partial(plain_image, pixels=64),
        },
    )


def data_sets(quick: bool) -> Iterator[Curve]:
    """Time of a data set in memory and on disk."""
    gaussian = Setting(sampler="gaussian")
    options = {"n_jobs": WORKERS, "progress": False}

    def in_memory(setting: Setting, number: int) -> float:
        return seconds(lambda: xrlab.generate(4, number, 0, setting, **options))

    def on_disk(number: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/set.zarr"
            return seconds(lambda: xrlab.generate_to(path, 4, number, 0, gaussian, **options))

    def rival(number: int) -> float:
        count = max(1, number // 50)
        sample = partial(plain_sample, gaussian, plain_gaussian)
        return sum(seconds(partial(sample, index)) for index in range(count)) * number / count / 2

    yield Curve.measure(
        "A data set 50/25/8, span 4, against its images, two cores",
        "images",
        [16, 64] if quick else [250, 500, 1000, 2000, 4000],
        {
            "warm Monte Carlo": partial(in_memory, Setting()),
            "Gaussian": partial(in_memory, gaussian),
            "Gaussian, to disk": on_disk,
            "plain Gaussian": rival,
        },
        "Of the rival's images one in 50 is made, on one core, and the time scaled.",
    )
