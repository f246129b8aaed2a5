"""Tests of tools/run_notebooks.py, the headless run of the notebook series."""

import io
import json
import re
from contextlib import redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import nbformat
import plotly.graph_objects as go
import pytest
import run_notebooks
from bs4 import BeautifulSoup
from formulas import with_mathml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.series import cells, every_notebook, write_notebook
from xrlab.drawing.plots import describe

# NumPy arrays, which plotly stores packed, and another figure before them.
FIGURE = """\
import numpy as np
import plotly.graph_objects as go
go.Figure(go.Pie(values=[1, 2]), {"title": "shares"}).show()
titles = {"title": "two panels", "xaxis": {"title": "k"}, "yaxis": {"title": "h"}}
figure = go.Figure(go.Heatmap(z=np.arange(4).reshape(2, 2), colorscale="Viridis"), titles)
figure.add_scatter(x=np.arange(3), y=np.arange(3.0), xaxis="x2", yaxis="y2")
figure"""
WIDGET = "import ipywidgets\nipywidgets.IntSlider()"
H = {"title": {"text": "h (r.l.u.)"}}
TITLED = {"title": {"text": "Grain"}, "xaxis": H, "yaxis": H}


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


def run(notebooks: Path, out: Path, *options: str) -> Outcome:
    """Run the command; the plotly renderer that it sets is set back."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setenv("PLOTLY_RENDERER", "")
        code = run_notebooks.main(["--notebooks", str(notebooks), "--out", str(out), *options])
    return Outcome(code, printed.getvalue(), out)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Three notebooks that fail, each in its way, and then a good one."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_notebook(folder / "00_broken.ipynb", "Broken", "one = 1", "one / 0", "print('never')")
    write_notebook(folder / "01_killed.ipynb", "Killed", "import os\nos._exit(1)", "print('never')")
    (folder / "02_unreadable.ipynb").write_text("{", encoding="utf-8")
    write_notebook(folder / "03_good.ipynb", "Good & <fine>", "print(profile)", FIGURE, WIDGET)
    write_notebook(folder / "draft.ipynb", "Has no number, so is not of the series")
    out = tmp_path_factory.mktemp("run") / "build"
    return run(folder, out, "--profile", "full", "--cell-timeout", "600")


@pytest.mark.notebook
def test_exit_code_tells_of_a_failure(series: Outcome) -> None:
    """One failing notebook makes the whole run fail."""
    assert series.exit_code == 1


@pytest.mark.notebook
@pytest.mark.parametrize(
    "message",
    [
        "cell 4 of 5 (one / 0): ZeroDivisionError: division by zero",
        "cell 3 of 4 (import os): the kernel died at about",
        "ran out of memory: close other programs",
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
    """A plotly figure of the notebook is on the index page, small and without buttons."""
    (small,) = BeautifulSoup(series.index, "html.parser").select("td [role=img]")
    assert small["aria-label"] == "a figure from Good & <fine>"
    assert "two panels" in str(small)
    assert '"staticPlot": true' in str(small)


def test_thumbnail_is_that_of_the_tagged_cell() -> None:
    """Or else the first figure."""
    cells = []
    for name, tags in (("one", []), ("two", ["thumbnail"]), ("three", [])):
        figure = {"data": [], "layout": {"title": {"text": name}}}
        shown = new_output("display_data", {run_notebooks.PLOTLY: figure})
        cells.append(new_code_cell("figure", outputs=[shown], metadata={"tags": tags}))
    notebook = new_notebook(cells=deepcopy(cells))
    assert run_notebooks.as_html(notebook).layout.title.text == "two"
    assert run_notebooks.as_html(new_notebook(cells=cells[::2])).layout.title.text == "one"


@pytest.mark.notebook
def test_pages_lead_back_to_the_index(series: Outcome) -> None:
    """From a notebook's page and the glossary; each file to download has its name in the link."""
    for name in ("03_good", "glossary", "cheat_sheet"):
        page = BeautifulSoup((series.out / f"{name}.html").read_text(encoding="utf-8"), "lxml")
        assert page.select_one("nav a")["href"] == "index.html", name
    assert "Download 03_good.ipynb</a>" in series.index


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
def test_slow_cell_is_stopped(tmp_path: Path) -> None:
    """A cell that takes longer than the limit is stopped and named."""
    write_notebook(tmp_path / "00_slow.ipynb", "Slow", "import time\ntime.sleep(600)")
    slow = run(tmp_path, tmp_path / "build", "--cell-timeout", "5")
    assert slow.exit_code == 1
    message = "cell 3 of 3 (import time): took longer than 5 s"
    assert message in slow.printed
    assert message in slow.index


def test_empty_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without notebooks is an error that names the folder, not an empty success."""
    assert run_notebooks.main(["--notebooks", str(tmp_path), "--out", str(tmp_path / "build")]) == 1
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"text/html": "<svg aria-label='' >"}, ["cell 2: a picture without a text alternative"]),
        ({"text/html": '<img alt="a lattice">'}, []),
        ({"PLOTLY": TITLED}, []),
        (
            {"PLOTLY": {"annotations": [{"text": "lattice"}], "xaxis": H, "yaxis2": {}}},
            ["without a title of: y"],
        ),
        ({"PLOTLY": {"xaxis": {}, "yaxis": H}}, ["without a title of: title, x"]),
        ({"PLOTLY": TITLED | {"width": 840}}, []),
        ({"PLOTLY": TITLED | {"width": 960}}, ["wider than 840 pixels, so it is cut"]),
    ],
)
def test_faulty_outputs_are_found(output: dict, expected: list[str]) -> None:
    """Figures have a title or panels with one, names on axes of both directions, room at 1280."""
    if "PLOTLY" in output:
        output = {run_notebooks.PLOTLY: {"data": [], "layout": output["PLOTLY"]}}
        expected = [f"cell 2: a figure {parts}" for parts in expected]
    shown = new_code_cell("figure", outputs=[new_output("display_data", output)])
    assert run_notebooks.faults(new_notebook(cells=[new_markdown_cell("# 1"), shown])) == expected


# The pages

PREDICT = """\
Predict(
    "Is 1 < 2?",
    ["yes", "no <never>"],
    answer="yes",
    because="It is the smaller one, as everybody can see at once.",
)"""
FOLDED = {"jupyter": {"source_hidden": True}}


def page(folder: Path, *cells: nbformat.NotebookNode) -> str:
    """Write the page of a notebook of these cells; return its text."""
    run_notebooks.write_page(new_notebook(cells=list(cells)), folder / "page")
    return (folder / "page.html").read_text(encoding="utf-8")


def unfolded(text: str) -> str:
    """Return what a reader of a page sees before anything is opened."""
    return re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)


def test_answers_of_predictions_are_folded(tmp_path: Path) -> None:
    """The page asks the question and offers the choice; the answer waits behind a click."""
    shown = new_output("display_data", {run_notebooks.WIDGET: {"model_id": "1"}})
    text = page(tmp_path, new_code_cell(PREDICT, outputs=[shown], metadata=FOLDED))
    assert "Predict(" not in text  # the code tells the answer
    seen = unfolded(text)
    assert "Is 1 &lt; 2?" in seen
    assert "<li>no &lt;never&gt;</li>" in seen
    assert "the smaller one" not in seen
    assert "<b>yes.</b> It is the smaller one" in text


def test_folded_cells_are_folded(tmp_path: Path) -> None:
    """Hidden code and hidden outputs stand behind a click, everything else is open."""
    out = new_output("stream", text="an output")
    cells = [
        new_code_cell("hidden_code = 1", outputs=[out], metadata=FOLDED),
        new_code_cell("open_code = 1", outputs=[new_output("stream", text="hidden output")],
                      metadata={"jupyter": {"outputs_hidden": True}}),
        new_markdown_cell("<details><summary>A solution</summary>\n\n`x = 42`\n</details>"),
    ]  # fmt: skip
    text = page(tmp_path, *cells)
    seen = unfolded(text)
    for words in ("hidden_code", "hidden output", "x = 42"):
        assert words in text
        assert words not in seen
    for words in ("open_code", "an output"):
        assert words in seen


def test_a_widget_leaves_its_still_and_a_progress_bar_nothing(tmp_path: Path) -> None:
    """A page shows a widget at rest and says so; a bar of tqdm is of no use when all is done."""

    def shown(text: str, still: str = "") -> str:
        data = {run_notebooks.WIDGET: {"model_id": "1"}, "text/plain": text, "text/html": still}
        out = new_output("display_data", data=data)
        return page(tmp_path, new_code_cell("x", outputs=[out]))

    assert "A widget is here" in shown("IntSlider(value=0)")
    at_rest = shown("ChanceExplorer()", '<div class="xrlab-still mathjax_ignore">M = 3</div>')
    assert "M = 3" in at_rest
    assert "A widget is here" in at_rest
    assert "A widget is here" not in shown("Painter()", "<script>compute()</script>")  # a live one
    assert "A widget is here" not in shown("training:   0%|          | 0/8 [00:00<?, ? epochs/s]")


def test_figures_have_a_text_alternative(tmp_path: Path) -> None:
    """What `describe` was told, or else the titles; each figure has a name."""
    told = describe(go.Figure(go.Scatter(y=[1, 2])), 'It "rises" < 3.')
    titles = go.Figure(go.Scatter(y=[2, 1]), {"title": {"text": "Grain"}})
    outputs = [
        new_output("display_data", {run_notebooks.PLOTLY: json.loads(each.to_json())})
        for each in (told, titles)
    ]
    text = page(tmp_path, new_code_cell("figure", outputs=outputs))
    soup = BeautifulSoup(text, "html.parser")
    images = soup.select("[role=figure]")
    assert [each["aria-label"] for each in images] == ["Figure", "Grain"]
    said = [soup.find(id=each["aria-describedby"]).text for each in images]
    assert said == ['It "rises" < 3.', "Grain."]


def test_links_lead_to_pages(tmp_path: Path) -> None:
    """Between the pages, and to the glossary beside them; no other link changes."""
    links = (
        "[a](../docs/glossary.md#hk) [b](03_simulation_noise.ipynb) [c](../docs/instructor.md) "
        "[d](../docs/cheat_sheet.md)"
    )
    text = page(tmp_path, new_markdown_cell(links))
    assert re.findall(r'href="([^"#]+#?\w*)">[abcd]</a>', text) == [
        "glossary.html#hk", "03_simulation_noise.html", "../docs/instructor.md", "cheat_sheet.html",
    ]  # fmt: skip


@pytest.mark.notebook
def test_glossary_stands_beside_the_pages(series: Outcome) -> None:
    """The run writes it, with its anchors."""
    assert 'id="correlation"' in (series.out / "glossary.html").read_text(encoding="utf-8")
    assert "glossary.html#" in (series.out / "cheat_sheet.html").read_text(encoding="utf-8")


def test_pages_need_no_network(tmp_path: Path) -> None:
    """Formulas are MathML, and nothing is loaded from elsewhere."""
    text = page(
        tmp_path,
        new_markdown_cell("# 1. Waves\n\n$$I = \\frac{|F|^2}{L^2}$$\n\nand it costs \\$2."),
        new_code_cell("x"),
    )
    soup = BeautifulSoup(text, "html.parser")
    assert soup.title.text == "1. Waves"
    assert [each.name for each in soup.select_one("math mfrac").children] == ["mrow", "msup"]
    assert "\\frac" not in text
    assert "costs $2" in text
    sources = [each["src"] for each in soup.select("[src]")]
    assert sources == ["plotly.min.js"]
    assert not re.findall(r"https?://[\w.-]+/[^'\"]*\.m?js", text)


@every_notebook
def test_every_formula_can_be_drawn(path: Path) -> None:
    """No LaTeX is left over: all formulas are displayed ones, with commands that are known."""
    for cell in cells(path, "markdown"):
        left = re.sub(r"`[^`]*`", "", with_mathml(cell.source))
        assert "$" not in left.replace("\\$", "")
        assert "\\frac" not in left
        # JupyterLab takes what is between two dollars for a formula, escaped or not.
        assert [each for each in re.split(r"\n\n|\|", left) if each.count("$") > 1] == []


def test_parameters_stand_once(tmp_path: Path) -> None:
    """Those that papermill put in, not the defaults above them, which were not used."""
    default = new_code_cell('profile = "fast"', metadata={"tags": ["parameters"]})
    injected = new_code_cell('profile = "full"', metadata={"tags": ["injected-parameters"]})
    both = BeautifulSoup(page(tmp_path, default, injected), "html.parser").select(".highlight")
    assert [each.text.strip() for each in both] == ['profile = "full"']
    alone = BeautifulSoup(page(tmp_path, default), "html.parser").select(".highlight")
    assert [each.text.strip() for each in alone] == ['profile = "fast"']
