"""Tests of tools/run_small.py, the series on one processor with 2 GB."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

from tests.series import ROOT, write_notebook

SCRIPT = ROOT / "tools" / "run_small.py"
pytestmark = pytest.mark.notebook

QUICK = """\
import os, psutil
bound = hasattr(psutil.Process(), "cpu_affinity")
print(len(psutil.Process().cpu_affinity()) if bound else 1, os.environ["LOKY_MAX_CPU_COUNT"])"""
# 2.5 GB, in pieces: it must be ended on the way.
GREEDY = """\
import time
pieces = []
for _ in range(25):
    pieces.append(b"1" * 100_000_000)
    time.sleep(0.1)"""


def run_series(folder: Path, **notebooks: str) -> tuple[int, str, Path]:
    """Run notebooks of one cell each; the exit code, what was printed, where the results are."""
    for name, source in notebooks.items():
        write_notebook(folder / f"{name}.ipynb", name, source)
    command = [sys.executable, str(SCRIPT), "--notebooks", str(folder), "--out", f"{folder}/out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode, done.stdout, folder / "out"


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A notebook that takes more than there is, and one after it that looks at its machine."""
    folder = tmp_path_factory.mktemp("small")
    before = getattr(psutil.Process(), "cpu_affinity", list)()
    outcome = run_series(folder, **{"00_greedy": GREEDY, "01_quick": QUICK})
    assert getattr(psutil.Process(), "cpu_affinity", list)() == before
    return outcome


def test_too_much_memory_is_ended_and_said(series):
    """A kernel that wants 2.5 GB does not get them: it is ended, and the message has both sizes."""
    code, printed, out = series
    assert code == 1
    said = re.search(r"00_greedy: FAILED in .*: it took (\d+) MB where there are 2048", printed)
    assert said is not None, printed
    assert 2048 < int(said[1]) < 2500
    assert f"it took {said[1]} MB where there are 2048" in (out / "small.md").read_text("utf-8")


def test_the_series_goes_on_on_one_processor(series):
    """The next notebook runs, sees one processor, and has the settings of binder/start."""
    _, printed, out = series
    assert "01_quick: passed" in printed
    quick = nbformat.read(out / "01_quick.ipynb", as_version=4)
    assert quick.cells[-1].outputs[0].text.split() == ["1", "1"]


def test_table_has_time_and_memory(series):
    """What was measured is in a table to read and in a file for programs."""
    _, _, out = series
    greedy, quick = json.loads((out / "small.json").read_text("utf-8"))
    assert (greedy["name"], quick["name"]) == ("00_greedy", "01_quick")
    assert 0 < quick["processor_seconds"] < quick["seconds"] + 1
    assert 20 < quick["peak_mb"] < 500 < greedy["peak_mb"]
    assert quick["error"] == ""
    assert re.search(r"\| 01_quick \| \d+ \| \d+ \| \d+ \|  \|", (out / "small.md").read_text())


def test_nothing_to_run_is_a_failure(tmp_path):
    """An empty folder gives exit code 1 and no table."""
    code, _, out = run_series(tmp_path)
    assert code == 1
    assert not (out / "small.md").exists()
