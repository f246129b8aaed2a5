"""A class at once: kernels with the explorer open, their memory, and how fast a slider answers.

``python benchmarks/classroom.py --kernels 30`` writes benchmarks/CLASSROOM.md. Linux only: what
processes share is told by /proc. A kernel is what JupyterLab starts for a notebook; moving a slider
is what its front end makes the kernel do, without the way there and back over the network.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import psutil
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

RESULTS = Path(__file__).parent / "CLASSROOM.md"

# What a hub gives each student: one core. More threads would only get into each other's way.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "NUMBA", "MKL")}

OPEN = """
from xrlab import Encoding
from xrlab.widgets.explorer import Explorer
explorer = Explorer()
"""
MOVE = "explorer.take(Encoding.from_vector([0.5, {value}, 0.1]))"
MOVES = 8  # of each slider that is moved

# The bar, and the longest answer that feels immediate.
AT_MOST_MB = 250
WANTED_SECONDS = 0.3


@dataclass(frozen=True)
class Kernel:
    """A running kernel and the connection to it."""

    pid: int
    client: BlockingKernelClient

    def run(self, code: str) -> float:
        """Run code; return the seconds until the kernel has answered."""
        begin = time.perf_counter()
        reply = self.client.execute(code, reply=True, timeout=600, store_history=False)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"the kernel could not run {code!r}: {reply['content']['evalue']}")
        return time.perf_counter() - begin


@contextmanager
def kernels(count: int) -> Iterator[list[Kernel]]:
    """Start kernels with the explorer open in each, and end them afterwards."""
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            manager, client = start_new_kernel(300, env=os.environ | ONE_THREAD)
            stack.callback(manager.shutdown_kernel, now=True)
            stack.callback(client.stop_channels)
            kernel = Kernel(manager.provisioner.pid, client)
            kernel.run(OPEN)
            kernel.run(MOVE.format(value=0.2))
            started.append(kernel)
        yield started


def moves(movers: Sequence[Kernel], count: int = MOVES) -> list[float]:
    """Move a slider in all these kernels at once, time after time; seconds of every answer.

    As in a browser, each has one move on its way and sends the next when it is answered.
    """

    def move(kernel: Kernel) -> list[float]:
        return [kernel.run(MOVE.format(value=0.1 + 0.05 * n)) for n in range(count)]

    with ThreadPoolExecutor(len(movers)) as pool:
        return [seconds for each in pool.map(move, movers) for seconds in each]


def memory(pid: int) -> psutil.pfullmem:
    """Memory of a process in bytes: rss, all of it; pss, what it shares in parts; uss, its own."""
    return psutil.Process(pid).memory_full_info()


def server_memory(seconds: float = 60) -> psutil.pfullmem:
    """Memory of a Jupyter server that waits, as a hub starts one for each student."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += ["--ip=127.0.0.1", f"--notebook-dir={folder}"]
        place = {"JUPYTER_RUNTIME_DIR": folder}
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            command, env=os.environ | place, stdout=quiet, stderr=quiet
        ) as server:
            end = time.monotonic() + seconds
            while not list(Path(folder).glob("jpserver-*.json")) and time.monotonic() < end:
                time.sleep(0.2)  # the file is written when it serves
            try:
                return memory(server.pid)
            finally:
                server.terminate()


def hub(
    students: int, kernel_mb: float, server_mb: float, cpu_seconds: float, moving: float = 0.2
) -> tuple[float, float]:
    """Memory in GB and cores that a hub needs.

    Parameters
    ----------
    students : int
    kernel_mb, server_mb : float
        Resident memory of a kernel and of a student's server.
    cpu_seconds : float
        That one move of a slider takes on a core of its own.
    moving : float
        Share of the students who move a slider at the same moment.

    Returns
    -------
    memory : float
        Students x (kernel + server), a quarter more for what notebooks hold, 4 GB for the system.
    cores : float
        So many that the slider answers in `WANTED_SECONDS`.
    """
    memory = 1.25 * students * (kernel_mb + server_mb) / 1000 + 4
    return memory, students * moving * cpu_seconds / WANTED_SECONDS


def report(
    memories: Sequence[psutil.pfullmem],
    server: psutil.pfullmem,
    latencies: dict[int, list[float]],
    load: float,
    free_gb: float,
) -> str:
    """Write the tables."""
    fields = ("rss", "pss", "uss")
    rss, pss, own = (np.array([getattr(m, name) for m in memories]) / 1e6 for name in fields)
    verdict = "met" if rss.max() <= AT_MOST_MB else "**missed**"
    bar = f"(bar: {AT_MOST_MB} MB, {verdict})"
    alone = np.median(latencies[1])
    needed_gb, cores = hub(200, rss.max(), server.rss / 1e6, alone)
    rows = "\n".join(
        f"| {k} | {1000 * np.median(times):.0f} ms | "
        f"{1000 * np.percentile(times, 95, method='inverted_cdf'):.0f} ms | {len(times)} |"
        for k, times in latencies.items()
    )
    return f"""# A class at once

Written by `python benchmarks/classroom.py --kernels {len(memories)}` on {date.today()}:
{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. Load of the machine
before the run: {load:.1f}.

## Memory

{len(memories)} kernels, each with the explorer open and its slider moved, then idle.

| of one kernel | median | highest |
|---|---|---|
| resident (RSS) | {np.median(rss):.0f} MB | {rss.max():.0f} MB {bar} |
| its part of what is shared (PSS) | {np.median(pss):.0f} MB | {pss.max():.0f} MB |
| shared with nobody | {np.median(own):.0f} MB | {own.max():.0f} MB |

All of them together: {pss.sum() / 1000:.1f} GB. A Jupyter server without any kernel, one for each
student: {server.rss / 1e6:.0f} MB resident, {server.uss / 1e6:.0f} MB its own. Free on the machine
while all ran: {free_gb:.1f} GB.

## Time of an answer

From the message to the kernel until its answer: a lattice of 50 × 50 sites, its image, three
pictures. Those who move send the next move when the last is answered.

| sliders moving at once | median | 95 % within | answers |
|---|---|---|---|
{rows}

## A hub for 200

With these figures (`hub` in the script): memory {needed_gb:.0f} GB; {math.ceil(cores)} cores for
20 % of the students to move a slider at the same moment and each to be answered in
{WANTED_SECONDS:g} s.
"""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kernels", type=int, default=30, help="default: 30")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    if chosen.kernels < 1:
        raise SystemExit(f"a class is 1 kernel or more; got {chosen.kernels}")
    if not Path("/proc/self/smaps_rollup").exists():
        raise SystemExit("what processes share is told by /proc on Linux only")
    load, _, _ = psutil.getloadavg()
    with kernels(chosen.kernels) as running:
        moving = sorted({1, 2, 5, 10, chosen.kernels // 2, chosen.kernels} - {0})
        latencies = {k: moves(running[:k]) for k in moving if k <= chosen.kernels}
        memories = [memory(kernel.pid) for kernel in running]
        free_gb = psutil.virtual_memory().available / 1e9
    text = report(memories, server_memory(), latencies, load, free_gb)
    chosen.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
