"""The rows: every step of the laboratory, and of reading an image, beside its rival."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plain
from measure import WORKERS, Row, check, compare, seconds, timed

import xrlab
from xrlab.course.explorer import State, compute
from xrlab.crystal.diffraction import correlation_image
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.samplers import CYCLES_PER_SITE, WARM_SAVES, default_cycles
from xrlab.crystal.setting import STUDY, Setting
from xrlab.crystal.spectrum import extend, field_correlation, maximum_entropy
from xrlab.datasets.dataset import make_sample
from xrlab.drawing.plots import images_figure
from xrlab.drawing.png import picture
from xrlab.networks.measured import EXCHANGED, with_mask
from xrlab.networks.shipped import load_network

Seed = int | np.random.Generator

SIZE, LOT_SIZE, LOTS = 50, 25, 8


def targets(span: int, number: int) -> list[xrlab.Encoding]:
    """Return realisable targets, the same ones for every row on this span."""
    rng = np.random.default_rng(span)
    return [xrlab.Encoding.random(span, rng, "realisable") for _ in range(number)]


def field(target: xrlab.Encoding) -> np.ndarray:
    """Return the correlations that a Gaussian field needs, 1 first."""
    rho = field_correlation(target.matrix)
    rho[0, 0] = 1.0
    return rho


def plain_warm(target: xrlab.Encoding, size: int = SIZE, seed: Seed = 0) -> np.ndarray:
    """Make a lattice by the rival of a warm-started Monte Carlo."""
    cycles = default_cycles(target.span, size)
    reach = cycles / CYCLES_PER_SITE
    return plain.monte_carlo(target.matrix, size, cycles // WARM_SAVES, seed, "warm", reach)


def plain_cold(target: xrlab.Encoding, size: int = SIZE, seed: Seed = 0) -> np.ndarray:
    """Make a lattice by the rival of a cold-started Monte Carlo."""
    return plain.monte_carlo(target.matrix, size, default_cycles(target.span, size), seed)


def plain_gaussian(target: xrlab.Encoding, size: int = SIZE, seed: Seed = 0) -> np.ndarray:
    """Make a lattice by the rival of the Gaussian sampler."""
    return plain.gaussian(target.matrix, size, seed)


def imports(repeats: int) -> Iterator[Row]:
    """Import of the package in a fresh interpreter."""

    def import_time(package: str) -> float:
        code = f"import time; t = time.perf_counter(); import {package}; "
        code += "print(time.perf_counter() - t)"
        runs = [subprocess.check_output([sys.executable, "-c", code]) for _ in range(repeats)]
        return statistics.median(map(float, runs))

    yield Row(
        "`import xrlab`, fresh interpreter",
        import_time("xrlab"),
        "`import numpy`",
        import_time("numpy"),
        at_most=0.5,
    )


def lattices(repeats: int, spans: Sequence[int]) -> Iterator[Row]:
    """One lattice, by every sampler; by cold Monte Carlo for several spans, 4 the last."""
    for span in spans:
        cycles = default_cycles(span, SIZE)
        yield compare(
            f"one 50 × 50 lattice, cold Monte Carlo, span {span}, {cycles} cycles",
            lambda target: xrlab.simulate(target, start="cold").sites,
            "the same swaps in plain NumPy and Python",
            plain_cold,
            targets(span, repeats),
            few=3,
            count=cycles * SIZE**2,
            unit="swaps",
            at_least=10e6 if span == 4 else None,
        )
    encodings = targets(4, repeats)
    # xrlab rounds its couplings (`xrlab.crystal.samplers.COUPLING_DIGITS`) and the rival does not,
    # so their lattices differ, and only the means agree: one lattice spreads by 0.06, a difference
    # of two means of 20 by 0.018.
    means = [
        np.mean([realised_correlations(make(seed), 4).vector for seed in range(20)], axis=0)
        for make in (
            lambda seed: xrlab.simulate(encodings[0], seed=seed).sites,
            lambda seed: plain_warm(encodings[0], seed=seed),
        )
    ]
    check(*means, tolerance=0.06)
    for rival_is, rival in (
        ("plain NumPy and Python", plain_warm),
        ("xrlab's cold start", partial(xrlab.simulate, start="cold")),
    ):
        yield compare(
            f"one 50 × 50 lattice, warm Monte Carlo, span 4, {cycles // WARM_SAVES} cycles, "
            "preparation included",
            xrlab.simulate,
            rival_is,
            rival,
            encodings,
            few=3 if rival is plain_warm else None,
            tolerance=None,
        )
    yield compare(
        "one 50 × 50 lattice, Gaussian sampler, span 4",
        lambda target: xrlab.simulate(target, sampler="gaussian").sites,
        "plain NumPy, which solves once and leaves the bias in",
        plain_gaussian,
        encodings,
        tolerance=None,
    )
    product = xrlab.Encoding.product(0.6, -0.4, 4)
    yield compare(
        "one 256 × 256 lattice, growth sampler, span 4",
        lambda seed: xrlab.simulate(product, 256, "growth", seed).sites,
        "plain Python",
        partial(plain.growth, product.matrix, 256),
        range(repeats),
    )
    for size in (50, 96):
        yield compare(
            f"the maximum-entropy spectrum of an encoding, span 4, {size} × {size} grid",
            lambda rho: maximum_entropy(rho, size, fixed_mean=True).values,  # noqa: B023
            "Newton steps in plain NumPy",
            partial(plain.spectrum, size=size, fixed_mean=True),
            [field(each) for each in encodings],
            tolerance=1e-4,
        )


def images(repeats: int) -> Iterator[Row]:
    """One image, of a lattice or of an encoding."""
    encodings = targets(4, 10 * repeats)
    for size, lot_size, lots in ((SIZE, LOT_SIZE, LOTS), (96, 48, 64)):
        sites = xrlab.simulate(encodings[0], size).sites
        yield compare(
            f"one image {size}/{lot_size}/{lots}",
            partial(xrlab.diffraction_image, sites, STANDARD_GRID, lot_size, lots),
            "one numpy.fft per lot, zero-padded to 63 × 63",
            partial(plain.image, sites, lot_size, lots),
            range(10 * repeats),
            tolerance=1e-3,
        )
    yield compare(
        "expected image of an encoding, span 4",
        xrlab.expected_image,
        "Newton steps and a sum over all distances in plain NumPy",
        lambda target: plain.expected_image(target.matrix, LOT_SIZE),
        encodings,
        few=repeats,
        tolerance=1e-3,
        at_most=10e-3,
    )
    yield compare(
        "the same once the spectrum is known, `correlation_image`",
        partial(correlation_image, lot_size=LOT_SIZE),
        "a sum over all distances in plain NumPy",
        partial(plain.distance_sum, lot_size=LOT_SIZE),
        [extend(each.matrix, LOT_SIZE - 1, size=SIZE) for each in encodings],
        few=repeats,
        tolerance=1e-6,
        at_most=3e-3,
    )


def plain_sample(setting: Setting, lattice: Callable[..., np.ndarray], index: int) -> np.ndarray:
    """Make the image of one sample of data set 0, span 4, by the rivals."""
    rng = np.random.default_rng([0, index])
    target = xrlab.Encoding.random(4, rng, setting.targets)
    sites = lattice(target, setting.size, rng)
    return plain.image(sites, setting.lot_size, setting.lots, rng)


def explored(target: xrlab.Encoding) -> np.ndarray:
    """Compute all that the explorer shows; return the image."""
    return compute(State(tuple(target.vector), "monte_carlo")).image


def samples(repeats: int) -> Iterator[Row]:
    """One lattice and its image."""
    yield compare(
        "one lattice and its image 50/25/8, cold Monte Carlo, span 4",
        lambda index: make_sample(4, 0, index, STUDY)[0],
        "plain NumPy and Python",
        partial(plain_sample, STUDY, plain_cold),
        range(repeats),
        few=3,
        tolerance=1e-3,
        at_most=0.1,
    )
    any_targets = [xrlab.Encoding.random(4, seed) for seed in range(repeats)]
    for name, encodings, plain_lattice in (
        ("any targets (hardly one is realisable: cold)", any_targets, plain_cold),
        ("realisable targets (warm)", targets(4, repeats), plain_warm),
    ):
        yield compare(
            f"explorer, span 4, Monte Carlo: sliders to arrays, `explorer.compute`, {name}",
            explored,
            "plain NumPy and Python",
            lambda target: plain.image(plain_lattice(target), LOT_SIZE, LOTS, 0),  # noqa: B023
            encodings,
            few=3,
            tolerance=None,  # the explorer's targets are hundredths
            at_most=0.1,
        )
    yield compare(
        "live explorer: an image as PNG, `plots.picture`",
        picture,
        "a plotly figure of it, as JSON",
        lambda image: images_figure({"image": image}).to_json(),
        [explored(encodings[0])] * 10 * repeats,
        few=repeats,
        tolerance=None,
    )


def data_sets(repeats: int, number: int) -> Iterator[Row]:
    """Whole data sets on two cores; `number` images, of the slowest a tenth."""
    gaussian, large = Setting(sampler="gaussian"), Setting(96, 48, 64, "gaussian")
    for what, setting, plain_lattice, bar in (
        ("warm Monte Carlo", Setting(), plain_warm, {"at_most": 45}),
        ("Gaussian", gaussian, plain_gaussian, {"at_most": 15}),
        ("cold Monte Carlo, any targets, as in the study", STUDY, plain_cold, {"at_most": 300}),
        ("Gaussian", large, plain_gaussian, {"at_least": 60}),
    ):
        made = number // 10 if setting in (STUDY, large) else number
        few = (1 if plain_lattice is plain_cold else 3) * repeats
        make = partial(xrlab.generate, 4, setting=setting, n_jobs=WORKERS, progress=False)
        first = make(2 * WORKERS).images[0]  # starts the workers
        times, results = timed(partial(plain_sample, setting, plain_lattice), range(few))
        if plain_lattice is plain_cold:  # the others are alike on average only, see above
            check(first, results[0], 1e-3)
        part = "" if made == number else f" ({made} made, × 10)"
        yield Row(
            f"{number} images {setting.numbers}, span 4, {what}, two cores{part}",
            seconds(lambda: make(made)) * number / made,  # noqa: B023
            f"plain NumPy and Python ({few} made, × {number / few / WORKERS:.3g})",
            sum(times) * number / few / WORKERS,
            count=number,
            unit="images",
            **bar,
        )


def reading(repeats: int) -> Iterator[Row]:
    """From one image to its encoding."""
    image = xrlab.diffraction_image(xrlab.simulate(targets(4, 1)[0]))
    model = xrlab.load_model("cfs4")
    stacks = [image[None, :, :, None]] * 10 * repeats
    for name, ours, same in (
        ("`xrlab.predict`", lambda stack: xrlab.predict(stack[..., 0], kind="simulated"), None),
        ("ONNX Runtime alone", load_network("cfs4").predict_on_batch, 1e-4),
    ):
        yield compare(
            f"one image through the CNN, {name}",
            ours,
            "`model.predict` of Keras",
            partial(model.predict, verbose=0),
            stacks,
            few=5 * repeats,
            tolerance=same,
            at_most=5e-3,
        )
    yield compare(
        'one image through the network for measured images, `predict(kind="measured")`',
        lambda image: xrlab.predict(image[None], 4, "measured")[0][0],
        "`model.predict` of Keras, of the image and of it with h and k exchanged",
        partial(asked_plainly, xrlab.load_model("measured")),
        [image] * 10 * repeats,
        few=5 * repeats,
        tolerance=1e-4,
        at_most=3e-3,
    )
    yield from networks(repeats)
    yield compare(
        "ΔPDF of one image, span 4, `delta_pdf`",
        lambda image: xrlab.delta_pdf(image, 4, lot_size=LOT_SIZE).matrix,
        "the Fourier sum, term by term in NumPy",
        partial(plain.delta_pdf, span=4, lot_size=LOT_SIZE),
        [image] * 10 * repeats,
        tolerance=1e-9,
    )


def asked_plainly(model: Any, image: np.ndarray) -> np.ndarray:
    """Return what `xrlab.predict` does, by Keras alone."""
    pixels = with_mask(image[None])
    nothing_known = np.array([[0, 0, 1]], np.float32)
    one, other = (
        model.predict({"pixels": each, "background": nothing_known}, verbose=0)["answer"][
            0, : len(EXCHANGED)
        ]
        for each in (pixels, pixels.swapaxes(1, 2))
    )
    return np.clip((one + other[EXCHANGED]) / 2, -1, 1)


def networks(repeats: int) -> Iterator[Row]:
    """Train and use the small CNN, in a process with two threads."""
    number = 320 if repeats == 1 else 2560
    script = Path(__file__).parent / "networks.py"
    threads = {name: str(WORKERS) for name in os.environ if name.endswith("_THREADS")}
    line = subprocess.check_output(
        [sys.executable, script, str(number), "--repeats", str(min(repeats, 3))],
        env=os.environ | threads,
    )
    found = json.loads(line)
    yield Row(
        f"training the small CNN, an epoch of {number} images, `xrlab.training.fit.fit`, two cores",
        found["fit"],
        "a bare TensorFlow loop over the same layers, without symmetries",
        found["bare"],
        at_most=1.15 * found["bare"],
    )
    yield Row(
        "images through the small CNN in batches, `run_model`, two cores, each",
        found["image"],
        "forward and backward in training",
        found["bare"] / number,
        count=1,
        unit="images",
        at_least=800,
    )
