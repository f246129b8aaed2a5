"""Make the book, a site, of the notebooks that `make run` executed.

Jupyter Book 1 is Sphinx with MyST-NB and this theme; its last version does not go with the
packages of the lock, so they are used without it. Jupyter Book 2 needs Node.js, and a network for
its theme.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from binder_links import BRANCH, REPOSITORY, START, badges, workshop
from plotly.offline import get_plotlyjs
from run_notebooks import show_outputs

ROOT = Path(__file__).parent.parent
BLOB = f"https://github.com/{REPOSITORY}/blob/{BRANCH}"
ANCHOR = re.compile(r'^(#+ )<a id="([^"]+)"></a>', re.MULTILINE)
FIRST = (
    "playground",
    "installation",
    "python",
    "command_line",
    "results",
    "instructor",
    "glossary",
    "references",
)

INDEX = """\
{pitch}

{badges}

Every notebook was executed before it was published here; [the last run](runs.md) lists its time and
memory. The rocket above a notebook opens it on Binder.

```{{toctree}}
:caption: The course
:maxdepth: 1
:hidden:
{notebooks}
```

```{{toctree}}
:caption: Beside it
:maxdepth: 1
:hidden:
{pages}
runs
```
"""
RUNS = """\
# The last run

Every notebook is executed in a new kernel. The time includes the start of the kernel; the memory is
the largest sum over the kernel and its workers.

| notebook | {systems} |
|---|{rule}|
{rows}

For a class there is a [link for workshops]({workshop}): the current notebooks in a fixed
environment.
"""


@dataclass
class Executed:
    """A folder that `make run` wrote."""

    folder: Path

    def runs(self) -> dict[str, dict]:
        """Entries of summary.json by the name of the notebook."""
        text = (self.folder / "summary.json").read_text(encoding="utf-8")
        return {run["name"]: run for run in json.loads(text)}


def book_notebook(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an executed notebook as the book shows it.

    Figures become HTML, predictions a question with a folded answer, other widgets their still
    picture. The cell that papermill put in is left out; what is folded in the notebook is folded
    in the book.
    """
    shown = []
    for index, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            continue
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        if cell.cell_type == "markdown":
            cell.source = book_links(cell.source, ROOT / "notebooks" / "any.ipynb")
        else:
            show_outputs(cell, index)
        hidden = ["remove-input"] if "transient" in cell.metadata else folded * ["hide-input"]
        cell.metadata = nbformat.from_dict({"tags": [*tags, *hidden]})
        shown.append(cell)
    notebook.cells = shown
    notebook.metadata.pop("papermill", None)
    return notebook


def book_links(text: str, place: Path) -> str:
    """Return Markdown with links that hold in the book; `place` is the file that it comes from.

    Files that the book has not got are shown on GitHub, and an anchor gets the name of its page:
    MyST wants labels that occur once in a book.
    """

    def moved(link: re.Match) -> str:
        name, anchor = link.groups()
        target = (place.parent / name).resolve() if name else place
        if target in pages() and anchor in anchors(target):
            return f"]({name}#{target.stem}-{anchor})"
        if not target.is_file() or target in pages() or target.parent == ROOT / "notebooks":
            return link[0]
        return link[0].replace(name, f"{BLOB}/{target.relative_to(ROOT).as_posix()}")

    return re.sub(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", moved, text)


@cache
def anchors(page: Path) -> list[str]:
    """Return the anchors, <a id=...>, that a page of docs/ has in its headings."""
    return [anchor for _, anchor in ANCHOR.findall(page.read_text(encoding="utf-8"))]


def book_page(page: Path) -> str:
    """Return the text of a page of docs/ as MyST writes it."""
    text = book_links(page.read_text(encoding="utf-8"), page)
    return ANCHOR.sub(rf"({page.stem}-\2)=\n\1", text)


def pages() -> list[Path]:
    """Return the pages of docs/, the most important ones first."""
    found = {path.stem: path for path in sorted((ROOT / "docs").glob("*.md"))}
    return [found.pop(name) for name in FIRST] + list(found.values())


def pitch() -> str:
    """Return the README down to its first section."""
    return (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0].strip()


def runs_page(builds: list[Executed]) -> str:
    """Return the page with time and memory, a column for each folder of executed notebooks."""
    runs = [build.runs() for build in builds]

    def cell(run: dict | None) -> str:
        if run is None:
            return ""
        took = f"{run['seconds']:.0f} s, {run['peak_mb']:.0f} MB"
        return f"{took}, **failed**" if run["error"] else took

    rows = [
        " | ".join(
            [f"| [{run['title']}](notebooks/{name}.ipynb)", *(cell(r.get(name)) for r in runs), ""]
        )
        for name, run in runs[0].items()
    ]
    return RUNS.format(
        systems=" | ".join(build.folder.resolve().name for build in builds),
        rule="|".join(["---"] * len(builds)),
        rows="\n".join(rows),
        workshop=workshop(START),
    )


def write_source(builds: list[Executed], source: Path) -> list[str]:
    """Write what Sphinx reads; return the names of the notebooks."""
    shutil.rmtree(source, ignore_errors=True)
    for folder in ("notebooks", "docs", "_static"):
        (source / folder).mkdir(parents=True)
    names = []
    for path in sorted(builds[0].folder.glob("[0-9][0-9]_*.ipynb")):
        notebook = book_notebook(nbformat.read(path, as_version=4))
        nbformat.write(notebook, source / "notebooks" / path.name)
        names.append(path.stem)
    for path in pages():
        (source / "docs" / path.name).write_text(book_page(path), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "book" / "conf.py", source)
    shutil.copy(ROOT / "docs" / "book" / "book.css", source / "_static")
    shutil.copy(ROOT / "xrlab" / "widgets" / "figures.css", source / "_static")
    shutil.copy(ROOT / "docs" / "interpretation.png", source / "docs")
    (source / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    (source / "runs.md").write_text(runs_page(builds), encoding="utf-8")
    index = INDEX.format(
        pitch=pitch(),
        badges=badges(),
        notebooks="\n".join(f"notebooks/{name}" for name in names),
        pages="\n".join(f"docs/{path.stem}" for path in pages()),
    )
    (source / "index.md").write_text(index, encoding="utf-8")
    return names


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code, Sphinx's."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "builds",
        nargs="*",
        type=Path,
        default=[ROOT / "build"],
        help="what `make run` wrote; the first is shown, all are in the table of times",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "book")
    chosen = parser.parse_args(arguments)
    builds = [Executed(folder) for folder in chosen.builds]
    missing = [str(b.folder) for b in builds if not (b.folder / "summary.json").exists()]
    if missing:
        print(f"no executed notebooks in {', '.join(missing)}: make run", file=sys.stderr)
        return 1
    try:
        from sphinx.cmd.build import main as sphinx
    except ImportError:
        print("the book needs Sphinx: pip install 'xrlab[book]'", file=sys.stderr)
        return 1
    source = chosen.out.with_name(chosen.out.name + "_source")
    write_source(builds, source)
    shutil.rmtree(chosen.out, ignore_errors=True)
    place = {"repository_url": f"https://github.com/{REPOSITORY}", "repository_branch": BRANCH}
    options = [f"-Dhtml_theme_options.{name}={value}" for name, value in place.items()]
    code = sphinx(["-q", "-W", "--keep-going", *options, str(source), str(chosen.out)])
    print(f"book: {chosen.out / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
