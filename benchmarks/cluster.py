"""One to N workers of a Dask cluster, ``python benchmarks/cluster.py --workers 2 4``.

Prints the table of docs/cluster.md: a data set of the Gaussian sampler, to disk, by workers that
are processes of one thread; on a single one, joblib works in this process. Times say something on a
quiet machine only; the processor time of an image tells on a busy one too what Dask costs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import date

import joblib
import psutil
from distributed import Client
from measure import duration, seconds

from xrlab.crystal.setting import Setting
from xrlab.datasets.store import CHUNK, generate_to

SETTING = Setting(sampler="gaussian")
SPAN = 4


def make(images: int, n_jobs: int = -1) -> float:
    """Make a data set in a temporary folder; return the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds(
            lambda: generate_to(
                f"{folder}/set.zarr", SPAN, images, 0, SETTING, n_jobs=n_jobs, progress=False
            )
        )


def on_dask(images: int, workers: int) -> tuple[float, float]:
    """Return time and processor time of a data set on so many processes, which are warm."""
    cluster = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with Client(**cluster, silence_logs=50) as client, joblib.parallel_config(backend="dask"):
        make(CHUNK * workers)  # loads and compiles
        before = sum(client.run(time.process_time).values())
        took = make(images)
        return took, sum(client.run(time.process_time).values()) - before


def alone(images: int) -> tuple[float, float]:
    """Return time and processor time of a data set by this process, one thread, without Dask."""
    before = time.process_time()
    return make(images, 1), time.process_time() - before


def row(workers: str, images: int, took: float, processor: float, efficiency: str) -> str:
    """Write a line of the table."""
    return (
        f"| {workers} | {duration(took)} | {images / took:.0f} images/s | {efficiency} | "
        f"{1000 * processor / images:.1f} ms |"
    )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[2], help="default: 2; one is always measured"
    )
    parser.add_argument("--images", type=int, default=4096, help="default: 4096")
    chosen = parser.parse_args()
    images = chosen.images
    if min(*chosen.workers, images) < 1:
        raise SystemExit("workers and images are 1 or more")
    load, _, _ = psutil.getloadavg()
    make(CHUNK, n_jobs=1)  # loads and compiles
    print(
        f"{images} images 50/25/8, span {SPAN}, Gaussian, to disk; {date.today()}, "
        f"{os.cpu_count()} cores, load of the machine before the run {load:.1f}\n"
    )
    print("| workers | time | rate | efficiency | processor time of an image |")
    print("|---|---|---|---|---|")
    one, processor = alone(images)
    print(row("1", images, one, processor, "–"), flush=True)
    for workers in sorted({*chosen.workers} - {1}):
        took, processor = on_dask(images, workers)
        share = f"{one / (workers * took):.0%}"
        print(row(str(workers), images, took, processor, share), flush=True)


if __name__ == "__main__":
    main()
