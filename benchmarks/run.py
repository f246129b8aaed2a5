"""Time xrlab beside rivals that do the same work in the same run; write RESULTS.md.

Run by ``make bench``. Before it is timed, what xrlab computes is compared with the rival's.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# NumPy and TensorFlow read these when they are loaded. One thread: a row means one core.
os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    TF_NUM_INTRAOP_THREADS="1",
    TF_NUM_INTEROP_THREADS="1",
)

import numpy as np
import plain

import xrlab
from xrlab.plots import images_figure, picture
from xrlab.samplers import default_cycles
from xrlab.widgets import explore

RESULTS = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("numpy", "scipy", "numba", "keras", "tensorflow", "tensorflow-cpu", "plotly")
SIZE, LOT_SIZE, LOTS = 50, 25, 8


@dataclass
class Row:
    """One comparison; times in seconds."""

    what: str
    ours: float
    rival_is: str
    rival: float
    bar: float | None = None
    swaps: int | None = None

    def __str__(self) -> str:
        bar = "–"
        if self.bar:
            bar = f"≤ {duration(self.bar)}: {'met' if self.ours <= self.bar else '**missed**'}"
        ours, rival = (
            duration(seconds)
            + (f" ({self.swaps / seconds / 1e6:.2g} million swaps/s)" if self.swaps else "")
            for seconds in (self.ours, self.rival)
        )
        times = f"{self.rival / self.ours:.3g}"
        return f"| {self.what} | {ours} | {self.rival_is}: {rival} | {times} | {bar} |"


def duration(seconds: float) -> str:
    """Write a time with three digits and a unit that fits."""
    for unit, size in (("min", 60), ("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def median_time(function: Callable[[Any], object], arguments: Iterable[Any]) -> float:
    """Return the median time of a function over its arguments, in seconds."""
    times = []
    for argument in arguments:
        start = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def check(ours: np.ndarray, rival: np.ndarray, tolerance: float = 0.0) -> None:
    """Stop if the rival computes something else: then the comparison means nothing."""
    difference = float(np.abs(np.asarray(ours, float) - rival).max())
    if difference > tolerance:
        raise SystemExit(f"xrlab and its rival differ by {difference:g}, not by {tolerance:g}")


def random_targets(span: int, number: int) -> list[xrlab.Encoding]:
    """Return the targets that every row on this span uses."""
    return [xrlab.Encoding.random(span, seed) for seed in range(number)]


def plain_lattice(target: xrlab.Encoding, cycles: int) -> np.ndarray:
    """Make a lattice by the rival."""
    return plain.monte_carlo(target.matrix, SIZE, cycles, seed=0)


def plain_image(target: xrlab.Encoding) -> np.ndarray:
    """Make a lattice and its image by the rival."""
    sites = plain_lattice(target, default_cycles(target.span, SIZE))
    return plain.image(sites, LOT_SIZE, LOTS, seed=0)


def lattices(repeats: int) -> Iterator[Row]:
    """One lattice by Monte Carlo, and the image of a lattice."""
    for span in (2, 3, 4):
        targets = random_targets(span, repeats)
        cycles = default_cycles(span, SIZE)
        check(xrlab.simulate(targets[0]).sites, plain_lattice(targets[0], cycles))
        yield Row(
            f"one 50 × 50 lattice, span {span}, {cycles} cycles",
            median_time(xrlab.simulate, targets),
            "the same swaps in plain NumPy and Python",
            median_time(partial(plain_lattice, cycles=cycles), targets[:3]),
            swaps=cycles * SIZE**2,
        )
    for size, lot_size, lots in ((SIZE, LOT_SIZE, LOTS), (96, 48, 64)):
        sites = xrlab.simulate(targets[0], size).sites

        def ours(seed: int) -> np.ndarray:
            return xrlab.diffraction_image(sites, lot_size=lot_size, lots=lots, seed=seed)  # noqa: B023

        def rival(seed: int) -> np.ndarray:
            return plain.image(sites, lot_size, lots, seed)  # noqa: B023

        check(ours(0), rival(0), 1e-3)
        yield Row(
            f"one image {size}/{lot_size}/{lots}",
            median_time(ours, range(10 * repeats)),
            "one numpy.fft per lot, zero-padded to 63 × 63",
            median_time(rival, range(10 * repeats)),
        )


def simulations(repeats: int, samples: int) -> Iterator[Row]:
    """Lattice and image together: one, in the explorer, and a whole data set."""
    targets = random_targets(4, repeats)
    check(explore(targets[0]).image, plain_image(targets[0]), 1e-3)
    rival = median_time(plain_image, targets[:3])
    yield Row(
        "one 50 × 50 lattice and its image 50/25/8, span 4 (published: about 1 s)",
        median_time(lambda target: xrlab.diffraction_image(xrlab.simulate(target)), targets),
        "plain NumPy and Python",
        rival,
        bar=0.1,
    )
    total = 5000
    data_set = partial(xrlab.generate, 4, n_jobs=2, progress=False)
    data_set(64)  # starts the workers, which takes some seconds once
    yield Row(
        f"{total} such images on two cores ({samples} made, × {total / samples:g})",
        median_time(data_set, [samples]) * total / samples,
        f"plain NumPy and Python (one made, × {total} / 2 cores)",
        rival * total / 2,
        bar=300,
    )
    yield Row(
        "live explorer, span 4: sliders to new arrays, `widgets.explore`",
        median_time(explore, targets),
        "plain NumPy and Python",
        rival,
        bar=0.1,
    )
    image = explore(targets[0]).image
    yield Row(
        "live explorer: an image as PNG, `plots.picture`",
        median_time(picture, [image] * 10 * repeats),
        "a plotly figure of it, as JSON",
        median_time(lambda each: images_figure({"image": each}).to_json(), [image] * repeats),
    )


def reading(repeats: int) -> Iterator[Row]:
    """From one image to its encoding."""
    image = xrlab.diffraction_image(xrlab.simulate(xrlab.Encoding.random(4)))
    model, stack = xrlab.load_model("cfs4"), image[None, :, :, None]
    keras_predict = partial(model.predict, verbose=0)
    check(model.predict_on_batch(stack), keras_predict(stack), 1e-4)
    xrlab.predict(image[None])  # loads the model
    slow = median_time(keras_predict, [stack] * 5 * repeats)
    yield Row(
        "one image through the CNN, warm, `xrlab.predict`",
        median_time(xrlab.predict, [image[None]] * 10 * repeats),
        "`model.predict` of Keras",
        slow,
        bar=5e-3,
    )
    yield Row(
        "one image through the CNN, warm, `model.predict_on_batch` alone",
        median_time(model.predict_on_batch, [stack] * 10 * repeats),
        "`model.predict` of Keras",
        slow,
        bar=5e-3,
    )
    ours = partial(xrlab.delta_pdf, span=4, lot_size=LOT_SIZE)
    rival = partial(plain.delta_pdf, span=4, lot_size=LOT_SIZE)
    check(ours(image).matrix, rival(image), 1e-9)
    yield Row(
        "ΔPDF of one image, span 4, `delta_pdf`",
        median_time(ours, [image] * 10 * repeats),
        "the Fourier sum, term by term in NumPy",
        median_time(rival, [image] * 10 * repeats),
    )


def imports(repeats: int) -> Iterator[Row]:
    """Import of the package in a fresh interpreter."""

    def seconds(package: str) -> float:
        code = f"import time; t = time.perf_counter(); import {package}; "
        code += "print(time.perf_counter() - t)"
        runs = [subprocess.check_output([sys.executable, "-c", code]) for _ in range(repeats)]
        return statistics.median(map(float, runs))

    yield Row(
        "`import xrlab`, fresh interpreter",
        seconds("xrlab"),
        "`import numpy`",
        seconds("numpy"),
        bar=0.5,
    )


def machine() -> str:
    """Describe the computer and the versions."""
    cpu = platform.processor() or platform.machine()
    if (listing := Path("/proc/cpuinfo")).exists():
        lines = listing.read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(": ")[1] for line in lines if line.startswith("model name")), cpu)
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # TensorFlow goes by two names
            continue
    return (
        f"{cpu}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def report(rows: list[Row]) -> str:
    """Write the table and how it was made."""
    table = "\n".join(map(str, rows))
    return f"""# Benchmarks

Written by `make bench` on {date.today()}. {machine()}.

Medians of repeated runs. Every rival does the same work in the same run, and what it computes was
compared with xrlab's; "times" is the rival's time over xrlab's. One thread, except where two cores
are named. A swap is an attempted one.

| what | xrlab | rival | times | bar |
|---|---|---|---|---|
{table}
"""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="few repeats, print only: to see that it works"
    )
    quick = parser.parse_args().quick
    repeats = 1 if quick else 9
    rows = []
    for part in (
        imports(repeats),
        lattices(repeats),
        simulations(repeats, samples=64 if quick else 500),
        reading(repeats),
    ):
        for row in part:
            print(row, flush=True)
            rows.append(row)
    if not quick:
        RESULTS.write_text(report(rows), encoding="utf-8")
        print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
