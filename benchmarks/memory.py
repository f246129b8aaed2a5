"""Memory while a data set is made on disk: ``python benchmarks/memory.py 100000``.

Prints one line of JSON. A process of its own, so that it holds nothing but what the work needs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time

import psutil
from measure import WORKERS

from xrlab import generate_to
from xrlab.dataset import Setting

INTERVAL = 0.05  # seconds between two looks at the memory


def watch(samples: int, setting: Setting) -> dict[str, float]:
    """Make a data set of span 4 in a temporary folder; return seconds, and memory in MB.

    Memory is the resident set of the process, in which the workers are threads, before the first
    image, after a tenth of the time, at the end, and at its highest.
    """
    process, finished = psutil.Process(), threading.Event()
    resident = [process.memory_info().rss]

    def look() -> None:
        while not finished.wait(INTERVAL):
            resident.append(process.memory_info().rss)

    observer = threading.Thread(target=look)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        observer.start()
        generate_to(f"{folder}/set.zarr", 4, samples, 0, setting, n_jobs=WORKERS, progress=False)
        seconds = time.perf_counter() - start
        finished.set()
        observer.join()
    looks = {"start": 0, "tenth": len(resident) // 10, "end": -1}
    megabytes = {name: resident[place] / 1e6 for name, place in looks.items()}
    return {"samples": samples, "seconds": seconds, "highest": max(resident) / 1e6} | megabytes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("samples", type=int)
    parser.add_argument("--sampler", default="gaussian")
    arguments = parser.parse_args()
    print(json.dumps(watch(arguments.samples, Setting(sampler=arguments.sampler))))
