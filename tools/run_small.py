"""Run the notebook series as Binder would: on one processor, within 2 GB of memory.

The processes are bound to one processor where the system supports it (Linux, Windows), with the
settings of binder/start. A hard limit on the memory of a process tree needs control groups and the
permission to create them, and an address-space limit (ulimit -v) stops TensorFlow long before the
memory is used. So the memory is sampled twenty times a second, and a kernel above the limit is
killed, as on Binder; the table reports it, and the series continues with the next notebook.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
MB = 2**20
SECONDS_BAR, MEMORY_BAR = 150, 1200  # for each notebook; MB
TABLE = """\
# The series on one processor with {limit} MB

{where}

| notebook | time (s) | processor time (s) | peak memory (MB) | |
|---|---|---|---|---|
{rows}

Memory is the largest resident memory of the kernel and its workers together. The process that runs
the series counts against the limit, too: on Binder the Jupyter server takes its place.
"""


@dataclass
class Small:
    """One notebook on a small machine."""

    name: str
    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_mb: float = 0.0
    error: str = ""

    def verdict(self) -> str:
        """Return in words which limits it exceeds, if any."""
        if self.error:
            return f"**FAILED**: {self.error}"
        slow, large = self.seconds > SECONDS_BAR, self.peak_mb > MEMORY_BAR
        return "; ".join(slow * [f"over {SECONDS_BAR} s"] + large * [f"over {MEMORY_BAR} MB"])


@dataclass
class Guard:
    """Sample the memory of the children of a process; kill the largest above the limit."""

    parent: psutil.Process
    limit_mb: float
    current: Small | None = None
    _processor: dict[int, float] = field(default_factory=dict)

    def begin(self, name: str) -> Small:
        """Start recording another notebook."""
        self._processor.clear()
        self.current = Small(name)
        return self.current

    def look(self) -> None:
        """Sample once."""
        sizes: dict[psutil.Process, float] = {}
        try:
            total = self.parent.memory_info().rss / MB
            for child in self.parent.children(recursive=True):
                sizes[child] = child.memory_info().rss / MB
                self._processor[child.pid] = sum(child.cpu_times()[:2])
        except psutil.Error:  # one of them ended meanwhile: the next sample is soon
            return
        run, kernels = self.current, sum(sizes.values())
        if run is None or not sizes:
            return
        run.peak_mb = max(run.peak_mb, kernels)
        run.processor_seconds = sum(self._processor.values())
        if total + kernels > self.limit_mb:
            run.error = f"it took {total + kernels:.0f} MB where there are {self.limit_mb:.0f}"
            print(f"{run.name}: {run.error}; its kernel is ended", flush=True)
            with suppress(psutil.Error):  # it ended by itself
                max(sizes, key=lambda child: sizes[child]).kill()


def binder_settings() -> dict[str, str]:
    """Return the environment variables that binder/start exports."""
    script = (ROOT / "binder" / "start").read_text(encoding="utf-8")
    return dict(re.findall(r"^export (\w+)=(\S+)", script, re.MULTILINE))


def bind(process: psutil.Process) -> str:
    """Bind a process and its future children to one processor; describe the result."""
    if not hasattr(process, "cpu_affinity"):  # macOS
        return "Threads limited to one; this system cannot bind processes to a processor."
    last = process.cpu_affinity()[-1]
    process.cpu_affinity([last])
    return f"Bound to processor {last} of this computer; threads limited to one."


def run(command: list[str], limit_mb: float) -> tuple[list[Small], str]:
    """Run tools/run_notebooks.py under the memory limit and print its output as it comes.

    Returns
    -------
    runs : list of Small
        One for each notebook that was started; their `seconds` are not known here.
    where : str
        Description of the machine.
    """
    series = subprocess.Popen(
        command, env=os.environ | binder_settings(), stdout=subprocess.PIPE, text=True
    )
    parent = psutil.Process(series.pid)
    guard, done, runs = Guard(parent, limit_mb), threading.Event(), []
    where = bind(parent)

    def watch() -> None:
        while not done.wait(0.05):
            guard.look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        for line in series.stdout or ():
            print(line, end="", flush=True)
            if begun := re.fullmatch(r"(\S+) \.\.\.\n", line):
                runs.append(guard.begin(begun[1]))
    finally:
        done.set()
        watcher.join()
        series.terminate()
        series.wait()
    return runs, where


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 1 if a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "small")
    parser.add_argument("--memory", type=float, default=2048, metavar="MB")
    parser.add_argument("--cell-timeout", type=int, default=300, help="seconds per cell")
    chosen = parser.parse_args(arguments)
    script = str(ROOT / "tools" / "run_notebooks.py")
    folders = ["--notebooks", str(chosen.notebooks), "--out", str(chosen.out)]
    summary = chosen.out / "summary.json"
    summary.unlink(missing_ok=True)  # of an earlier run
    command = [sys.executable, script, *folders, "--cell-timeout", str(chosen.cell_timeout)]
    runs, where = run(command, chosen.memory)
    if not summary.exists():  # the reason is printed already
        return 1
    for small, entry in zip(runs, json.loads(summary.read_text(encoding="utf-8")), strict=True):
        small.seconds = entry["seconds"]
        small.error = small.error or entry["error"]
    rows = [
        f"| {each.name} | {each.seconds:.0f} | {each.processor_seconds:.0f} | {each.peak_mb:.0f} "
        f"| {each.verdict()} |"
        for each in runs
    ]
    table = TABLE.format(limit=f"{chosen.memory:.0f}", where=where, rows="\n".join(rows))
    (chosen.out / "small.md").write_text(table, encoding="utf-8")
    (chosen.out / "small.json").write_text(
        json.dumps([asdict(each) for each in runs], indent=1) + "\n", encoding="utf-8"
    )
    print(f"\n{table}\ntable: {chosen.out / 'small.md'}")
    return 1 if any(each.error for each in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
