"""Memory of making a data set on disk, ``python benchmarks/memory.py 100000``, or of training.

Prints one line of JSON. A process of its own, so that it holds nothing but what the work needs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable

import psutil
from measure import WORKERS

from xrlab import generate, generate_to, small_cnn
from xrlab.crystal.setting import Setting

INTERVAL = 0.05  # seconds between two looks at the memory


def watch(work: Callable[[], None]) -> dict[str, float]:
    """Do a work; return seconds, and memory in MB.

    Memory is the resident set of the process, in which the workers are threads, before the
    work, after a tenth of the time, at the end, and at its highest.
    """
    process, finished = psutil.Process(), threading.Event()
    resident = [process.memory_info().rss]

    def look() -> None:
        while not finished.wait(INTERVAL):
            resident.append(process.memory_info().rss)

    observer = threading.Thread(target=look)
    start = time.perf_counter()
    observer.start()
    try:
        work()
    finally:
        seconds = time.perf_counter() - start
        finished.set()
        observer.join()
    looks = {"start": 0, "tenth": len(resident) // 10, "end": -1}
    megabytes = {name: resident[place] / 1e6 for name, place in looks.items()}
    return {"seconds": seconds, "highest": max(resident) / 1e6} | megabytes


def make_set(samples: int, setting: Setting) -> None:
    """Make a data set of span 4 in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        generate_to(f"{folder}/set.zarr", 4, samples, 0, setting, n_jobs=WORKERS, progress=False)


def train(samples: int, setting: Setting) -> None:
    """Train the small CNN for two epochs and refit its last layer, on images made here."""
    # Only tests need JAX. Where it is, TensorFlow loads it, 110 MB that nothing uses.
    sys.modules["jax"] = None  # type: ignore[assignment]
    from xrlab.training.fit import fit
    from xrlab.training.last_layer import refit_last_layer

    data = generate(4, samples + samples // 2, 0, setting, n_jobs=WORKERS, progress=False)
    images, validation = data.split(samples, samples // 2)
    model = small_cnn(15)
    fit(model, images, validation, epochs=2)
    refit_last_layer(model, images, validation)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("samples", type=int)
    parser.add_argument("--sampler", default="gaussian")
    parser.add_argument("--train", action="store_true", help="train on images instead")
    arguments = parser.parse_args()
    work = train if arguments.train else make_set
    found = watch(lambda: work(arguments.samples, Setting(sampler=arguments.sampler)))
    print(json.dumps({"samples": arguments.samples} | found))
