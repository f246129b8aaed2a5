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
import sys
from pathlib import Path
from typing import Any

import psutil
import run_notebooks

ROOT = Path(__file__).parent.parent
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


def verdict(run: dict[str, Any]) -> str:
    """Return in words which limits a notebook exceeds, if any."""
    if run["error"]:
        return f"**FAILED**: {run['error']}"
    slow, large = run["seconds"] > SECONDS_BAR, run["peak_mb"] > MEMORY_BAR
    return "; ".join(slow * [f"over {SECONDS_BAR} s"] + large * [f"over {MEMORY_BAR} MB"])


def binder_settings() -> dict[str, str]:
    """Return the environment variables that binder/start exports."""
    script = (ROOT / "binder" / "start").read_text(encoding="utf-8")
    return dict(re.findall(r"^export (\w+)=(\S+)", script, re.MULTILINE))


def bind() -> str:
    """Bind this process and its future children to one processor; describe the result."""
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):  # macOS
        return "Threads limited to one; this system cannot bind processes to a processor."
    last = process.cpu_affinity()[-1]
    process.cpu_affinity([last])
    return f"Bound to processor {last} of this computer; threads limited to one."


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 1 if a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--notebooks", default=str(ROOT / "notebooks"))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "small")
    parser.add_argument("--memory", default="2048", metavar="MB")
    parser.add_argument("--cell-timeout", default="300", help="seconds per cell")
    chosen = parser.parse_args(arguments)
    summary = chosen.out / "summary.json"
    summary.unlink(missing_ok=True)  # of an earlier run
    os.environ.update(binder_settings())
    where = bind()
    options = ["--notebooks", chosen.notebooks, "--out", str(chosen.out)]
    options += ["--memory", chosen.memory, "--cell-timeout", chosen.cell_timeout]
    code = run_notebooks.main(options)
    if not summary.exists():  # the reason is printed already
        return code
    runs = json.loads(summary.read_text(encoding="utf-8"))
    row = "| {name} | {seconds:.0f} | {processor_seconds:.0f} | {peak_mb:.0f} | {verdict} |"
    rows = [row.format(**run, verdict=verdict(run)) for run in runs]
    table = TABLE.format(limit=chosen.memory, where=where, rows="\n".join(rows))
    (chosen.out / "small.md").write_text(table, encoding="utf-8")
    (chosen.out / "small.json").write_bytes(summary.read_bytes())
    print(f"\n{table}\ntable: {chosen.out / 'small.md'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
