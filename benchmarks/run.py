"""Time xrlab beside rivals that do the same work in the same run; write RESULTS.md.

Run by ``make bench``. Every result is compared with the rival's before it is timed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
from collections.abc import Iterable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

# NumPy and TensorFlow read these when they are loaded. One thread: a row means one core.
os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    TF_NUM_INTRAOP_THREADS="1",
    TF_NUM_INTEROP_THREADS="1",
)

import accuracy
import curves
import psutil
import speed
from measure import Curve, Finding, Row, duration, seconds

RESULTS = Path(__file__).parent / "RESULTS.md"
PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "onnxruntime",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "plotly",
)

Result = TypeVar("Result", Row, Finding, Curve)


def run(*parts: Iterable[Result]) -> list[Result]:
    """Collect the results one after the other, and print each as soon as it is known."""
    results = []
    for result in itertools.chain(*parts):
        print(result, flush=True)
        results.append(result)
    return results


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


def report(
    rows: list[Row], findings: list[Finding], growth: list[Curve], load: float, took: float
) -> str:
    """Write the tables and how they were made."""
    verdicts = {each.what: each.met for each in (*rows, *findings) if each.met is not None}
    missed = [what for what, met in verdicts.items() if not met]
    summary = f"Of {len(verdicts)} bars, {len(verdicts) - len(missed)} are met"
    summary += f"; missed: {'; '.join(missed)}." if missed else "."
    lines = "\n".join
    return f"""# Benchmarks

Written by `make bench` on {date.today()}, in {duration(took)}. {machine()}. Load of the machine
before the run: {load:.1f}.

{summary}

## Speed

Medians of repeated runs; data sets are made once. Every rival does the same work in the same run,
written plainly ([plain.py](plain.py)), and what it computes was compared with xrlab's; "times" is
the rival's time over xrlab's. One thread, except where two cores are named. A swap is an attempted
one. Targets are random realisable encodings (`Encoding.random(span, rng, "realisable")`) unless
said otherwise.

| what | xrlab | rival | times | bar |
|---|---|---|---|---|
{lines(map(str, rows))}

## Requirements and measurements

Targets are random realisable encodings, seeds begin at 0, and a data set is that of
`xrlab.generate` with the default sampler, warm-started Monte Carlo, unless another is named. R² is
the mean over components, of the ΔPDF with known lots against the realised encodings.

| what | required | measured | |
|---|---|---|---|
{lines(map(str, findings))}

## Growth

Times against the size of the task; "plain" is the rival. The exponent p of
time ~ size^p is a least-squares fit to the logarithms. A dash: too slow to measure.

{(2 * chr(10)).join(map(str, growth))}
"""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="few repeats, print only: a test of the scripts"
    )
    quick = parser.parse_args().quick
    load, _, _ = psutil.getloadavg()
    repeats = 1 if quick else 9
    results = []

    def everything() -> None:
        results.append(
            run(
                speed.imports(repeats),
                speed.lattices(repeats, [4] if quick else [2, 3, 4]),
                speed.images(repeats),
                speed.samples(repeats),
                speed.data_sets(repeats, 80 if quick else 5000),
                speed.reading(repeats),
            )
        )
        results.append(
            run(
                accuracy.swaps(),
                accuracy.sampler(*(20, 64) if quick else (500, 256)),
                accuracy.delta_pdf(*(30, 1) if quick else (1000, 3)),
                accuracy.memory(200 if quick else 30_000),
                accuracy.training_memory(200 if quick else 10_000),
            )
        )
        results.append(run(curves.lattices(quick), curves.images(quick), curves.data_sets(quick)))

    took = seconds(everything)
    if not quick:
        RESULTS.write_text(report(*results, load, took), encoding="utf-8")
        print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
