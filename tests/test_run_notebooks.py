"""Tests of tools/run_notebooks.py, the headless run of the notebook series."""

import importlib.util
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

SCRIPT = Path(__file__).parent.parent / "tools" / "run_notebooks.py"
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}

# NumPy arrays, which plotly stores packed, and a figure before them that no thumbnail can show.
FIGURE = """\
import numpy as np
import plotly.graph_objects as go
go.Figure(go.Pie(values=[1, 2])).show()
figure = go.Figure(go.Heatmap(z=np.arange(4).reshape(2, 2), colorscale="Viridis"))
figure.add_scatter(x=np.arange(3), y=np.arange(3.0), xaxis="x2", yaxis="y2")
figure"""
WIDGET = "import ipywidgets\nipywidgets.IntSlider()"


class Outcome(NamedTuple):
    """What one run of the command left behind."""

    exit_code: int
    printed: str
    out: Path

    @property
    def index(self) -> str:
        """Text of the index page."""
        return (self.out / "index.html").read_text(encoding="utf-8")

    def notebook(self, name: str) -> nbformat.NotebookNode:
        """Read an executed notebook."""
        return nbformat.read(self.out / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Load the script as a module."""
    spec = importlib.util.spec_from_file_location("run_notebooks", SCRIPT)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_notebook(path: Path, title: str, *sources: str) -> None:
    """Write a notebook of a title, the parameters cell and these code cells."""
    parameters = new_code_cell('profile = "fast"', metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell(f"# {title}"), parameters, *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)


def run(script: ModuleType, notebooks: Path, out: Path, *options: str) -> Outcome:
    """Run the command; the plotly renderer that it sets is set back."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setenv("PLOTLY_RENDERER", "")
        code = script.main(["--notebooks", str(notebooks), "--out", str(out), *options])
    return Outcome(code, printed.getvalue(), out)


@pytest.fixture(scope="module")
def series(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Three notebooks that fail, each in its way, and then a good one."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_notebook(folder / "00_broken.ipynb", "Broken", "one = 1", "one / 0", "print('never')")
    write_notebook(folder / "01_killed.ipynb", "Killed", "import os\nos._exit(1)", "print('never')")
    (folder / "02_unreadable.ipynb").write_text("{", encoding="utf-8")
    write_notebook(folder / "03_good.ipynb", "Good & <fine>", "print(profile)", FIGURE, WIDGET)
    write_notebook(folder / "draft.ipynb", "Has no number, so is not of the series")
    out = tmp_path_factory.mktemp("run") / "build"
    return run(script, folder, out, "--profile", "full", "--cell-timeout", "60")


@pytest.mark.notebook
def test_exit_code_tells_of_a_failure(series: Outcome) -> None:
    """One failing notebook makes the whole run fail."""
    assert series.exit_code == 1


@pytest.mark.notebook
@pytest.mark.parametrize(
    "message",
    [
        "cell 4 of 5 (one / 0): ZeroDivisionError: division by zero",
        "cell 3 of 4 (import os): the kernel died",
        "02_unreadable",
    ],
)
def test_failing_cell_is_named(series: Outcome, message: str) -> None:
    """The output and the index page name the cell that failed, counted from 1, and the error."""
    assert message in series.printed
    assert message in series.index


@pytest.mark.notebook
def test_good_notebook_runs_after_failures(series: Outcome) -> None:
    """A failure stops neither the notebooks after it nor their pages."""
    assert "03_good: passed" in series.printed
    assert series.notebook("03_good").cells[3].outputs[0].text == "full\n"
    assert "3 failed" in series.index
    assert "Good &amp; &lt;fine&gt;" in series.index


@pytest.mark.notebook
def test_summary_lists_every_notebook(series: Outcome) -> None:
    """summary.json holds name, error, time and memory of every numbered notebook."""
    runs = json.loads((series.out / "summary.json").read_text(encoding="utf-8"))
    assert [run["name"] for run in runs] == ["00_broken", "01_killed", "02_unreadable", "03_good"]
    assert [bool(run["error"]) for run in runs] == [True, True, True, False]
    assert runs[-1]["seconds"] > 0
    assert runs[-1]["peak_mb"] > 20


@pytest.mark.notebook
def test_thumbnail_is_drawn(series: Outcome) -> None:
    """The first plotly figure of a notebook becomes a picture on the index page."""
    with Image.open(series.out / "03_good.png") as thumbnail:
        assert thumbnail.format == "PNG"
        assert len(thumbnail.getcolors()) > 4
    assert '<img src="03_good.png"' in series.index
    assert "00_broken.png" not in series.index


@pytest.mark.notebook
def test_results_stay_small(series: Outcome) -> None:
    """Plotly.js is stored once beside the pages; no notebook stores it or the widgets' state."""
    page = series.out / "03_good.html"
    assert '<script src="plotly.min.js">' in page.read_text(encoding="utf-8")
    assert page.stat().st_size < 1_000_000
    assert (series.out / "plotly.min.js").stat().st_size > 1_000_000
    assert (series.out / "03_good.ipynb").stat().st_size < 50_000
    assert "widgets" not in series.notebook("03_good").metadata


@pytest.mark.notebook
def test_slow_cell_is_stopped(script: ModuleType, tmp_path: Path) -> None:
    """A cell that takes longer than the limit is stopped and named."""
    write_notebook(tmp_path / "00_slow.ipynb", "Slow", "import time\ntime.sleep(600)")
    slow = run(script, tmp_path, tmp_path / "build", "--cell-timeout", "2")
    assert slow.exit_code == 1
    message = "cell 3 of 3 (import time): took longer than 2 s"
    assert message in slow.printed
    assert message in slow.index


def test_empty_folder_is_an_error(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without notebooks is an error that names the folder, not an empty success."""
    assert script.main(["--notebooks", str(tmp_path), "--out", str(tmp_path / "build")]) == 1
    assert str(tmp_path) in capsys.readouterr().err
