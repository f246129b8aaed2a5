"""Tests of tools/write_book.py: the site of the executed notebooks."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import plotly.graph_objects as go
import pytest
import write_book
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import xrlab
from tests.series import KERNEL, NOTEBOOKS, ROOT

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
# Sphinx warns its extensions of its next version.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


def executed() -> nbformat.NotebookNode:
    """A notebook as papermill leaves it: a cell of its own, a figure, a widget, a folded cell."""
    figure = json.loads(go.Figure(go.Scatter(y=[1, 2])).to_json())
    cells = [
        new_markdown_cell("# 0. Start & go"),
        new_code_cell('profile = "fast"', metadata={"tags": ["parameters"], "papermill": {}}),
        new_code_cell('profile = "full"', metadata={"tags": ["injected-parameters"]}),
        new_code_cell("draw()", outputs=[new_output("display_data", {PLOTLY: figure})]),
        new_code_cell(
            'Predict("How many?", ["one", "two"], answer="two", because="of symmetry")',
            metadata={"jupyter": {"source_hidden": True}},
            outputs=[new_output("display_data", {WIDGET: {}, "text/plain": "P()"})],
        ),
        new_code_cell(
            "explore()",
            metadata={"jupyter": {"source_hidden": True}},
            outputs=[
                new_output("display_data", {WIDGET: {}, "text/plain": "go:  0%|    | 0/8 [00:00]"}),
                new_output("display_data", {WIDGET: {}, "text/plain": "E()"}),
            ],
        ),
    ]
    return new_notebook(cells=cells, metadata={"papermill": {}, "kernelspec": KERNEL})


def write_summary(folder: Path, *, failed: bool = False) -> None:
    """Write what the run says of every notebook."""
    runs = [
        {"name": path.stem, "title": path.stem, "seconds": 12.4, "peak_mb": 345.6, "error": ""}
        for path in NOTEBOOKS
    ]
    runs[-1]["error"] = failed * "cell 3 of 4"
    folder.mkdir(exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(runs))


@pytest.fixture(scope="module")
def builds(tmp_path_factory) -> list[Path]:
    """Two folders of runs; the first has the notebooks, one of them with results."""
    folder = tmp_path_factory.mktemp("book")
    linux, windows = folder / "linux", folder / "windows"
    write_summary(linux)
    write_summary(windows, failed=True)
    for path in NOTEBOOKS:
        shutil.copy(path, linux)
    nbformat.write(executed(), linux / NOTEBOOKS[0].name)
    return [linux, windows]


@pytest.fixture(scope="module")
def book(builds) -> Path:
    """The book of these runs. Sphinx takes every warning, so every broken link, as an error."""
    pytest.importorskip("sphinx_book_theme", reason="sphinx-book-theme is not installed")
    pytest.importorskip("myst_nb", reason="myst-nb is not installed")
    out = builds[0].parent / "site"
    assert write_book.main([*map(str, builds), "--out", str(out)]) == 0
    return out


def test_notebook_is_prepared():
    """Figures become HTML, widgets a note or a question; folded stays so; papermill is gone."""
    parameters, figure, question, widget = write_book.book_notebook(executed()).cells[1:]
    assert parameters.metadata == {"tags": ["parameters"]}
    assert "Plotly.newPlot" in figure.outputs[0].data["text/html"]
    assert PLOTLY not in figure.outputs[0].data
    assert question.metadata["tags"] == ["remove-input"]  # it tells the answer
    before, answer = question.outputs[0].data["text/html"].split("<details>")
    assert "How many?" in before
    assert "of symmetry" not in before
    assert "of symmetry" in answer
    assert widget.metadata["tags"] == ["hide-input"]
    (only,) = widget.outputs  # the progress bar is gone
    assert "A widget is here" in only.data["text/html"]
    assert WIDGET not in only.data


def test_anchors_are_labels(monkeypatch, tmp_path):
    """An anchor in a heading becomes a label with the name of its page, and links follow it."""
    (tmp_path / "docs").mkdir()
    for name in (*write_book.FIRST, "api"):
        (tmp_path / "docs" / f"{name}.md").write_text('# Page\n\n### <a id="site"></a>site\n')
    page = tmp_path / "docs" / "glossary.md"
    page.write_text(page.read_text() + "see [a](#site), [b](api.md#site) or [c](#elsewhere)")
    monkeypatch.setattr(write_book, "ROOT", tmp_path)
    assert write_book.book_page(page) == (
        "# Page\n\n(glossary-site)=\n### site\n"
        "see [a](#glossary-site), [b](api.md#api-site) or [c](#elsewhere)"
    )


def test_links_out_of_the_book():
    """Files that the book has not got are shown on GitHub; its own pages, and the web, stay."""
    kept = "[a](../notebooks/02_eda.ipynb) [b](glossary.md) [c](https://x.org/y) [d](missing.md)"
    assert write_book.book_links(kept, ROOT / "docs" / "instructor.md") == kept
    moved = write_book.book_links(
        "[e](../benchmarks/RESULTS.md#f)", ROOT / "docs" / "instructor.md"
    )
    address = f"https://github.com/{write_book.REPOSITORY}/blob/main/benchmarks/RESULTS.md#f"
    assert moved == f"[e]({address})"


def test_table_has_a_column_for_each_system(builds):
    """Time and memory of every notebook stand side by side, and a failure is seen."""
    page = write_book.runs_page([write_book.Executed(folder) for folder in builds])
    assert "| notebook | linux | windows |\n|---|---|---|\n" in page
    assert page.count("](notebooks/") == len(NOTEBOOKS)
    assert page.count("12 s, 346 MB") == 2 * len(NOTEBOOKS)
    assert page.count("failed") == 1


def test_without_a_run_there_is_no_book(tmp_path, capsys):
    """The message names the folder and the command that fills it."""
    assert write_book.main([str(tmp_path / "nothing"), "--out", str(tmp_path / "book")]) == 1
    told = capsys.readouterr().err
    assert "nothing" in told
    assert "make run" in told
    assert not (tmp_path / "book").exists()


@pytest.mark.notebook
def test_book_has_every_notebook_and_page(book):
    """The sidebar leads to all of them."""
    index = (book / "index.html").read_text("utf-8")
    for name in [*(f"notebooks/{path.stem}" for path in NOTEBOOKS), "docs/glossary", "runs"]:
        assert f'href="{name}.html"' in index
        assert (book / f"{name}.html").is_file()


@pytest.mark.notebook
def test_page_has_its_figure_and_binder(book):
    """The figure is drawn by the plotly in the site; the rocket opens this notebook on Binder."""
    page = (book / "notebooks" / f"{NOTEBOOKS[0].stem}.html").read_text("utf-8")
    assert page.index("plotly.min.js") < page.index("Plotly.newPlot")
    assert (book / "_static" / "plotly.min.js").stat().st_size > 10**6
    assert "profile = &quot;full&quot;" not in re.sub("<[^>]*>", "", page)
    (binder,) = set(re.findall(r'https://mybinder\.org/v2/[^"]*', page))
    assert binder.endswith(f"/main?urlpath=lab/tree/notebooks/{NOTEBOOKS[0].name}")


@pytest.mark.notebook
def test_formulas_need_no_network(book):
    """They are MathML, not LaTeX that a script from elsewhere would draw."""
    page = (book / "notebooks" / f"{NOTEBOOKS[1].stem}.html").read_text("utf-8")
    assert page.count("<mfrac>") == 1
    assert "\\frac" not in page
    assert not re.findall(r"<script[^>]*mathjax", page, re.IGNORECASE)


@pytest.mark.notebook
def test_public_interface_is_documented(book):
    """The page of the public interface has an entry for every name, and methods below classes."""
    page = (book / "docs" / "api.html").read_text("utf-8")
    entries = set(re.findall(r'<dt class="sig[^>]* id="xrlab\.([\w.]+)"', page))
    assert {*xrlab.__all__, "Encoding.violations", "Interpretation.figure"} <= entries
    assert "Values from -1 to 1" in page  # of a parameter
    assert "Type<" not in page  # which a colon in the docstring of a property would give
    assert "|c(0, 1) + c(1, 0)| = 1.8" in re.sub("<[^>]*>", "", page)  # of an example


@pytest.mark.notebook
def test_links_to_terms_arrive(book):
    """A link to a term of the glossary leads to a place that is there."""
    sheet = (book / "docs" / "cheat_sheet.html").read_text("utf-8")
    terms = set(re.findall(r'href="glossary\.html#(glossary-[\w-]+)"', sheet))
    assert len(terms) > 10
    ids = set(re.findall(r'id="([^"]+)"', (book / "docs" / "glossary.html").read_text("utf-8")))
    assert terms <= ids
