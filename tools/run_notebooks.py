"""Run every notebook headless and write the results, with an index page, into build/.

One notebook that fails does not stop the others: the page and the last lines of the output name
the cell that failed, and the exit code is 1. The page is rewritten after every notebook, so a run
that is killed leaves a page of what was finished; the same command then starts again.
"""

from __future__ import annotations

import argparse
import ast
import html
import json
import math
import os
import re
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import mistune
import nbformat
import papermill
import plotly.io
import psutil
from formulas import with_mathml
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from plotly.offline import get_plotlyjs

from xrlab.course.glossary import cheat_sheet_markdown, glossary_markdown
from xrlab.datasets.lock import InUseError, alone
from xrlab.drawing.plots import WIDEST, html_figure
from xrlab.io.files import write

ROOT = Path(__file__).parent.parent
PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
THUMBNAIL = 340  # pixels wide

# No page asks another computer for anything; cells folded in the notebook are folded on its page.
FOLDING = """{%- extends 'lab/index.html.j2' -%}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% set folded = '<details><summary>Folded: open to see</summary>' %}
{% block input %}
{% if cell.metadata.get('jupyter', {}).get('source_hidden') %}
{{ folded }}{{ super() }}</details>
{% else %}{{ super() }}{% endif %}
{% endblock input %}
{% block outputs %}
{% if cell.metadata.get('jupyter', {}).get('outputs_hidden') or cell.metadata.get('collapsed') %}
{{ folded }}{{ super() }}</details>
{% else %}{{ super() }}{% endif %}
{% endblock outputs %}
"""
# nbconvert's colours are too pale on its grey, and its links look like the text around them.
HEAD = """<script src="plotly.min.js"></script>
<style>
 .jp-Cell .jp-InputArea-editor, .jp-Cell .jp-InputArea-editor .highlight { background: #fff }
 .jp-RenderedHTMLCommon a:link { text-decoration: underline }
 nav { padding: .6rem 1rem; font: 16px/1.5 system-ui, sans-serif }
 nav a:link { text-decoration: underline }
 .formula { overflow-x: auto; margin: 1em 0 }
 .jp-Notebook pre, .jp-Notebook code { word-break: normal; overflow-wrap: anywhere }
 .jp-RenderedHTML pre span { color: inherit !important }
 @media (max-width: 900px) { .jp-Notebook pre { font-size: 11px; white-space: pre-wrap } }
</style></head>"""
BACK = '<nav><a href="index.html">← All notebooks</a></nav>'
STILL = '<div class="xrlab-still'  # of widgets that need Python
LIVE = """<p><i>A widget is here, as it looks at first: open the notebook to use it. The
<a href="https://xrlab.github.io/xrlab/playground/">playground</a> needs no installation.</i></p>"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>xrlab: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
        color: #1b2a33; background: #fff }}
 th, td {{ text-align: left; padding: .6rem .8rem; border-bottom: 1px solid #ccd;
          vertical-align: top }}
 code {{ overflow-wrap: anywhere }}
 @media (max-width: 600px) {{ thead {{ display: none }} tr, td {{ display: block }}
  td {{ border: 0; padding: .2rem 0 }} tr {{ border-bottom: 1px solid #ccd; padding: .6rem 0 }} }}
 .failed {{ color: #9b1c00; font-weight: bold; white-space: pre-wrap }}
</style></head><body>
{nav}
<main>
{body}
</main></body></html>
"""
INDEX = """<script src="plotly.min.js"></script>
<h1>xrlab: the executed notebooks</h1>
<p>{summary}</p>
<table><thead><tr><th>notebook</th><th>what it shows</th><th>run time</th>
<th>peak memory</th></tr></thead><tbody>
{rows}
</tbody></table>
<p>Memory is the largest resident memory of the kernel and its worker processes together, sampled
twenty times a second. Terms and symbols: <a href="glossary.html">glossary</a>,
<a href="cheat_sheet.html">cheat sheet</a>.</p>"""


@dataclass
class Run:
    """Result of one notebook."""

    name: str
    title: str
    seconds: float
    peak_mb: float
    processor_seconds: float = 0.0
    error: str = ""
    thumbnail: str = ""  # as HTML


class Watch(threading.Thread):
    """Sample memory and processor time of all child processes while a notebook runs.

    Where they and this process together take more than the limit, the largest child is killed.
    """

    def __init__(self, limit_mb: float) -> None:
        super().__init__(daemon=True)
        self.limit_mb, self.peak_mb, self.verdict = limit_mb, 0.0, ""
        self._processor: dict[int, float] = {}
        self._done = threading.Event()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self.join()

    @property
    def processor_seconds(self) -> float:
        """Processor time of all children so far."""
        return sum(self._processor.values())

    def run(self) -> None:
        """Sample twenty times a second until the notebook ends."""
        me = psutil.Process()
        while not self._done.wait(0.05):
            sizes: dict[psutil.Process, float] = {}
            for child in me.children(recursive=True):
                with suppress(psutil.Error):  # it ended meanwhile
                    sizes[child] = child.memory_info().rss / 2**20
                    self._processor[child.pid] = sum(child.cpu_times()[:2])
            kernels = sum(sizes.values())
            self.peak_mb = max(self.peak_mb, kernels)
            total = kernels + me.memory_info().rss / 2**20
            if sizes and total > self.limit_mb:
                self.verdict = f"it took {total:.0f} MB where there are {self.limit_mb:.0f}"
                with suppress(psutil.Error):  # it ended by itself
                    max(sizes, key=lambda child: sizes[child]).kill()


def run_notebook(
    source: Path, out: Path, profile: str, cell_timeout: int, limit_mb: float = math.inf
) -> Run:
    """Execute one notebook into the folder `out`, as .ipynb and as a page."""
    target = out / source.name
    for suffix in (".ipynb", ".html"):  # of an earlier run
        target.with_suffix(suffix).unlink(missing_ok=True)
    print(f"{source.stem} ...", flush=True)
    start = time.perf_counter()
    title, error = source.stem, ""
    with Watch(limit_mb) as watch:
        try:
            notebook = nbformat.read(source, as_version=4)
            title = first_heading(notebook) or title
            papermill.execute_notebook(
                source,
                target,
                parameters={"profile": profile},
                cwd=source.parent,
                execution_timeout=cell_timeout,
                store_widget_state=False,
                progress_bar=False,
            )
        except PapermillExecutionError as failure:
            error = f"{failed_cell(notebook, target)}: {failure.ename}: {failure.evalue}"
        except DeadKernelError:
            died = (
                f"the kernel died at about {watch.peak_mb:.0f} MB, as a rule because the system "
                f"ran out of memory: close other programs"
            )
            error = f"{failed_cell(notebook, target)}: {watch.verdict or died}"
        except CellTimeoutError:
            error = f"{failed_cell(notebook, target)}: took longer than {cell_timeout} s"
        except Exception as failure:
            error = f"the notebook: {type(failure).__name__}: {failure}"
    seconds, shown = time.perf_counter() - start, ""
    try:
        if target.exists():
            executed = nbformat.read(target, as_version=4)
            error = error or "; ".join(faults(executed))
            if figure := write_page(executed, out / source.stem):
                shown = thumbnail(figure, f"a figure from {title}")
    except Exception as failure:
        error = error or f"its page: {type(failure).__name__}: {failure}"
    run = Run(source.stem, title, seconds, watch.peak_mb, watch.processor_seconds, error, shown)
    verdict = f"FAILED in {error}" if error else "passed"
    print(f"{run.name}: {verdict} ({run.seconds:.0f} s, {run.peak_mb:.0f} MB)", flush=True)
    return run


def first_heading(notebook: nbformat.NotebookNode) -> str:
    """Text of the first line that starts with "# "."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search("^# (.*)", text, re.MULTILINE)
    return heading[1] if heading else ""


def failed_cell(notebook: nbformat.NotebookNode, executed: Path) -> str:
    """Say which cell of a notebook, counted from 1, stopped its execution, with its first line."""
    # papermill puts cells of its own between those of the notebook, so positions shift: ids stay.
    try:
        cells = nbformat.read(executed, as_version=4).cells
    except Exception:  # it was not written, or not to its end
        return "a cell"
    started = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    broken = [
        cell for cell in started if any(o.output_type == "error" for o in cell.get("outputs", []))
    ]
    if not started:
        return "its start"
    cell = (broken or started)[-1]
    ids = [each.get("id") for each in notebook.cells]
    place = f"cell {ids.index(cell.id) + 1} of {len(ids)}" if cell.id in ids else "a cell"
    first_line = cell.source.strip().split("\n")[0]
    return f"{place} ({first_line})"


def progress_bar(output: nbformat.NotebookNode) -> bool:
    """Return whether an output is a progress bar of tqdm, useless once the cell has run."""
    data = output.get("data", {})
    return WIDGET in data and "%|" in data.get("text/plain", "")


def unnamed(layout: dict) -> list[str]:
    """Parts of a figure without a title: "title", or "x", "y" if no axis of that direction has one.

    >>> unnamed({"title": {"text": "Grain"}, "xaxis": {"title": {"text": "N"}}, "yaxis": {}})
    ['y']
    """
    missing = []
    panels = [each for each in layout.get("annotations", []) if each.get("text")]
    if not layout.get("title", {}).get("text") and not panels:
        missing.append("title")
    for direction in "xy":
        axes = [axis for name, axis in layout.items() if re.fullmatch(f"{direction}axis\\d*", name)]
        if axes and not any(axis.get("title", {}).get("text") for axis in axes):
            missing.append(direction)
    return missing


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Describe faulty outputs: figures without titles or too wide, pictures without a text."""
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            page = "".join(data.get("text/html", ""))
            if re.search(r"<(?:img|svg)(?![^>]*(?:alt|aria-label)=\"[^\"]+\")[^>]*>", page):
                found.append(f"cell {number}: a picture without a text alternative")
            layout = data.get(PLOTLY, {}).get("layout", {"title": {"text": "none"}})
            if missing := unnamed(layout):
                found.append(f"cell {number}: a figure without a title of: {', '.join(missing)}")
            if layout.get("width", 0) > WIDEST:
                found.append(f"cell {number}: a figure wider than {WIDEST} pixels, so it is cut")
    return found


def as_html(notebook: nbformat.NotebookNode) -> plotly.graph_objects.Figure | None:
    """Turn formulas, figures and widgets of an executed notebook into HTML, in place.

    Return the figure of the cell that is tagged as thumbnail, or the first one, if there is one.
    """
    figures = {}
    notebook.cells = without_defaults(notebook.cells)
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
        elif drawn := show_outputs(cell, index):
            figures["thumbnail" not in cell.metadata.get("tags", []), index] = drawn[-1]
    return figures[min(figures)] if figures else None


def show_outputs(cell: nbformat.NotebookNode, place: int) -> list[plotly.graph_objects.Figure]:
    """Turn figures and widgets among the outputs of a cell into HTML; return the figures."""
    figures = []
    cell.outputs = [each for each in cell.get("outputs", []) if not progress_bar(each)]
    for n, output in enumerate(cell.outputs):
        data = output.get("data", {})
        if data.pop(WIDGET, None) is not None:
            data["text/html"] = question(cell) or with_note(data.get("text/html", ""))
        if PLOTLY in data:
            figures.append(plotly.io.from_json(json.dumps(data.pop(PLOTLY)), skip_invalid=True))
            data["text/html"] = html_figure(figures[-1], f"figure-{place}-{n}")
    return figures


def write_page(notebook: nbformat.NotebookNode, stem: Path) -> plotly.graph_objects.Figure | None:
    """Write an executed notebook as stem.html; return the figure that stands for it, if any."""
    figure = as_html(notebook)
    exporter = HTMLExporter(
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        raw_template=FOLDING,
    )
    title = first_heading(notebook) or stem.name
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    body = body.replace("</head>", HEAD, 1)
    # Keras's summary: what scrolls must be reached by keyboard.
    body = body.replace('<pre style="white-space:pre;', '<pre tabindex="0" style="white-space:pre;')
    body = re.sub("(<body[^>]*>)", rf"\1\n{BACK}", body, count=1)
    # Links between the notebooks, and to the glossary, lead to the pages beside this one.
    beside = r'href="(?:\.\./docs/(glossary|cheat_sheet|references)\.md|(\d\d_\w+)\.ipynb)'
    body = re.sub(beside, r'href="\1\2.html', body)
    stem.with_suffix(".html").write_text(body, encoding="utf-8")
    return figure


def without_defaults(cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Leave out the parameters that papermill's cell, put in below them, replaces."""
    tags = [cell.metadata.get("tags", []) for cell in cells]
    replaced = any("injected-parameters" in each for each in tags)
    return [c for c, t in zip(cells, tags, strict=True) if not (replaced and "parameters" in t)]


def with_note(shown: str | list[str]) -> str:
    """Say that a widget is here, below what a page shows of it.

    What computes in the browser is a widget on a page as well, and needs no words.
    """
    text = "".join(shown)
    return text if text and STILL not in text else text + LIVE


def question(cell: nbformat.NotebookNode) -> str:
    """Write the question of a cell with a forced prediction, its answer folded; "" for others."""
    called = re.match(r"(\w+\.)?Predict\(", cell.source)
    call = ast.parse(cell.source).body[0].value if called else None
    if not isinstance(call, ast.Call):
        return ""
    asked, options = (ast.literal_eval(each) for each in call.args)
    given = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    cell.metadata["transient"] = {"remove_source": True}  # the source holds the answer
    choices = "".join(f"<li>{html.escape(each)}</li>" for each in options)
    return (
        f"<p><b>{html.escape(asked)}</b></p><ul>{choices}</ul>"
        f"<details><summary>The answer: choose first, then look</summary>"
        f"<b>{html.escape(given['answer'])}.</b> {html.escape(given['because'])}</details>"
    )


def thumbnail(figure: plotly.graph_objects.Figure, alternative: str) -> str:
    """Write a figure as HTML, without its buttons and small."""
    width = figure.layout.width or WIDEST
    sized = plotly.graph_objects.Figure(figure).update_layout(width=width)
    drawn = sized.to_html(full_html=False, include_plotlyjs=False, config={"staticPlot": True})
    small = f"zoom: {THUMBNAIL / width:.3f}"
    return f'<div role="img" aria-label="{html.escape(alternative)}" style="{small}">{drawn}</div>'


def as_page(markdown: str) -> str:
    """Turn a page of the documentation into HTML, its links to those beside this one."""
    return re.sub(r'href="(\w+)\.md', r'href="\1.html', str(mistune.html(markdown)))


def write_index(runs: list[Run], out: Path, profile: str, left: int = 0) -> None:
    """Write index.html with the glossary beside it, and summary.json.

    `left` notebooks have not been run yet.
    """
    rows = []
    for run in runs:
        shown = run.thumbnail
        if run.error:
            shown += f'<p class="failed">Failed in {html.escape(run.error)}</p>'
        rows.append(
            f'<tr><td><a href="{run.name}.html">{html.escape(run.title)}</a><br>'
            f'<a href="{run.name}.ipynb" download>Download {run.name}.ipynb</a></td>'
            f"<td>{shown}</td><td>{run.seconds:.0f} s</td><td>{run.peak_mb:.0f} MB</td></tr>"
        )
    failed = sum(bool(run.error) for run in runs)
    summary = (
        f"{len(runs)} notebook{'' if len(runs) == 1 else 's'}, profile “{profile}”, "
        f"{sum(run.seconds for run in runs):.0f} s in all; {failed or 'none'} failed."
    )
    if left:
        summary += f" <b>Unfinished: {left} more to run.</b>"
    references = (ROOT / "docs" / "references.md").read_text(encoding="utf-8")
    pages = {
        "index": ("the executed notebooks", INDEX.format(summary=summary, rows="\n".join(rows))),
        "glossary": ("glossary", as_page(glossary_markdown())),
        "cheat_sheet": ("cheat sheet", as_page(cheat_sheet_markdown())),
        "references": ("references", as_page(references)),
    }
    for name, (title, body) in pages.items():
        page = PAGE.format(title=title, body=body, nav="" if name == "index" else BACK)
        write(out / f"{name}.html", page)
    facts = [{k: v for k, v in vars(run).items() if k != "thumbnail"} for run in runs]
    write(out / "summary.json", json.dumps(facts, indent=1) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", choices=("fast", "full"), default="fast")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    parser.add_argument("--cell-timeout", type=int, default=None, help="seconds per cell")
    parser.add_argument("--memory", type=float, default=math.inf, metavar="MB", help="limit")
    chosen = parser.parse_args(arguments)
    timeout = chosen.cell_timeout or (120 if chosen.profile == "fast" else 7200)
    sources = sorted(chosen.notebooks.glob("[0-9][0-9]_*.ipynb"))
    if not sources:
        print(f"there are no notebooks in {chosen.notebooks}", file=sys.stderr)
        return 1
    os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"  # not 5 MB of plotly.js in every notebook
    runs: list[Run] = []
    try:
        chosen.out.mkdir(parents=True, exist_ok=True)
        with alone(chosen.out, "wait until it ends, or give another folder with --out"):
            write(chosen.out / "plotly.min.js", get_plotlyjs())
            for source in sources:
                write_index(runs, chosen.out, chosen.profile, len(sources) - len(runs))
                runs.append(
                    run_notebook(source, chosen.out, chosen.profile, timeout, chosen.memory)
                )
            write_index(runs, chosen.out, chosen.profile)
    except InUseError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"the results cannot be written to {chosen.out}: {error}. Remove the cause, then run "
            f"the same command again",
            file=sys.stderr,
        )
        return 1
    print(f"results: {chosen.out / 'index.html'}")
    return 1 if any(run.error for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
