"""Write slides of the executed notebooks: one page each, which needs no network.

The slides have the headings, questions, figures, lists, tables and the first sentence of every
paragraph; the whole text is in the notes of the speaker. Code is shown where it is short, or where
its cell is tagged "slide". ``python tools/write_slides.py build`` after `make run` writes
build/editions/slides; the notebook beside each page has the metadata "slideshow" of nbconvert, for
``jupyter nbconvert --to slides`` with reveal.js.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import nbformat
from binder_links import on_github
from nbconvert import SlidesExporter
from nbformat.v4 import new_markdown_cell
from plotly.offline import get_plotlyjs
from run_notebooks import as_html, first_heading

ROOT = Path(__file__).parent.parent
SHORT = 14  # lines of code that are shown with what they print
BLANK = re.compile(r"\n[ \t]*\n")
END = re.compile(r"[.?!](?:\*\*|\))?(?=\s)")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|et al|vs|cf|Fig|approx|[A-Z])|\.\.)\.$")
# Words of the notebook, not of the talk.
ASIDE = re.compile(r"^\*\*(?:Prerequisites|Time)\.\*\*|^\*\*Check\.\*\*|^## Next")
NEW = re.compile(r"^\*\*(?:Predict|Explain|By hand|Objectives)\b")
OBSERVED = "**Observe.**"  # stays with what is observed

DECK = (
    """{%- extends 'reveal/index.html.j2' -%}
{%- block html_head_js -%}<script src="plotly.min.js"></script>{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_css -%}<style>"""
    + """
 html, body { margin: 0; height: 100%; overflow: hidden }
 .slides > section > section { display: none; box-sizing: border-box; height: 100vh; overflow: auto;
   padding: 2.5rem 5vw 4rem; font-size: 26px; transform-origin: 0 0 }
 .slides > section > section.present { display: block }
 .slides .jp-RenderedHTMLCommon { font-size: 26px; line-height: 1.45; max-width: 72rem }
 .slides .jp-Cell .jp-InputArea-editor, .slides .highlight { background: #fff; font-size: 17px }
 .slides .jp-RenderedText pre { font-size: 16px !important; word-break: normal;
   overflow-wrap: anywhere }
 .slides .xrlab-still { font-size: 16px; line-height: 1.3 }
 .slides .jp-Cell { padding: 0 }
 .slides h1 { font-size: 2.2em } .slides h2 { font-size: 1.6em }
 .slides p.where { color: #55646c; font-size: .8em; margin: 0 }
 .slides a:link { text-decoration: underline }
 aside.notes { display: none; border-top: 2px solid #1b5e7a; margin-top: 1rem; color: #444 }
 .speaking aside.notes { display: block }
 .slides aside.notes .jp-RenderedHTMLCommon { font-size: 16px }
 nav.deck { position: fixed; right: 1rem; bottom: .6rem; font: 16px system-ui, sans-serif;
   color: #333; background: #fff; padding: .2rem .4rem }
 nav.deck button { font: inherit; min-width: 2rem; min-height: 2rem }
 @media print {
   html, body { overflow: visible; height: auto } nav.deck { display: none }
   .slides > section > section { display: block; width: auto !important; height: auto !important;
    transform: none !important; break-after: page }
 }
</style>{%- endblock -%}
{%- block footer_js -%}
<nav class="deck" aria-label="Slides">
<button id="back" aria-label="back">←</button> <output id="place" aria-live="polite"></output>
<button id="on" aria-label="on">→</button>
<button id="speaker" aria-pressed="false" title="or press n">notes</button></nav>
<script>
const slides = [...document.querySelectorAll(".slides > section > section")];
const number = () => Math.min(Math.max(parseInt(location.hash.slice(1)) || 1, 1), slides.length);
function show() {
  slides.forEach((slide, n) => slide.classList.toggle("present", n === number() - 1));
  document.getElementById("place").value = number() + " / " + slides.length;
  dispatchEvent(new Event("resize"));  // figures take their width anew
}
// What does not fit into the window becomes smaller, to 0.6 of its size; only more is scrolled.
function fit() {
  const slide = slides[number() - 1];
  const speaking = document.body.classList.contains("speaking");
  document.body.classList.remove("speaking");
  for (let size = 1; size > 0.59; size -= 0.05) {
    slide.style = `transform: scale(${size}); width: ${100 / size}vw; height: ${100 / size}vh`;
    if (slide.scrollHeight <= slide.clientHeight) break;
  }
  document.body.classList.toggle("speaking", speaking);
}
const go = (n) => { location.hash = Math.min(Math.max(n, 1), slides.length); };
function notes() {
  const on = document.body.classList.toggle("speaking");
  document.getElementById("speaker").setAttribute("aria-pressed", on);
}
const keys = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1,
  Home: -Infinity, End: Infinity };
addEventListener("keydown", (event) => {
  if (event.target.closest("button, summary, input, .js-plotly-plot")) return;
  if (event.key === "n") notes();
  else if (event.key in keys) { event.preventDefault(); go(number() + keys[event.key]); }
});
document.getElementById("back").onclick = () => go(number() - 1);
document.getElementById("on").onclick = () => go(number() + 1);
document.getElementById("speaker").onclick = notes;
addEventListener("hashchange", show);
addEventListener("resize", fit);
show();
</script>
{%- endblock -%}"""
)


def lead(paragraph: str) -> str:
    """Return the first sentence of a paragraph, with its formatting whole.

    >>> lead("Order, e.g. **here. And** there (or so. Or so), is seen. More follows.")
    'Order, e.g. **here. And** there (or so. Or so), is seen.'
    """
    for end in END.finditer(paragraph):
        sentence = paragraph[: end.end()]
        whole = all(sentence.count(mark) % 2 == 0 for mark in ("**", "`", "$")) and all(
            sentence.count(a) == sentence.count(b) for a, b in ("()", "[]")
        )
        if whole and not ABBREVIATION.search(sentence) and re.search(r"\w\w", sentence):
            begun = re.fullmatch(r"\*\*[\w ]+[.?]\*\*", sentence)  # only "**Observe.**"
            if not begun:
                return sentence
    return paragraph


def shortened(block: str) -> str:
    """Shorten one block of Markdown: paragraphs and entries of a list to their first sentence."""
    if block.startswith(("#", "|", "$$", "```", "<", "    ")):
        return block
    if re.match(r"(?:-|\d+\.) ", block):
        entries = re.split(r"\n(?=(?:-|\d+\.) )", block)
        marks = [re.match(r"(?:-|\d+\.) ", each)[0] for each in entries]  # type: ignore[index]
        return "\n".join(m + lead(e[len(m) :]) for m, e in zip(marks, entries, strict=True))
    return lead(block)


def blocks(text: str) -> list[str]:
    r"""Split Markdown at its blank lines, except within folded text and code.

    >>> blocks("One.\n\n<details>Two.\n\nThree.</details>\n\n- four")
    ['One.', '<details>Two.\n\nThree.</details>', '- four']
    """
    found: list[str] = []
    for part in BLANK.split(text.strip()):
        last = found[-1] if found else ""
        if last.count("<details") > last.count("</details>") or last.count("```") % 2:
            found[-1] += "\n\n" + part
        else:
            found.append(part)
    return found


def code_kind(cell: nbformat.NotebookNode) -> str:
    """Return the kind of slide of a code cell, "" if it has none; hide its code if it is long."""
    tags = set(cell.metadata.get("tags", []))
    outputs = cell.get("outputs", [])
    chosen = tags & {"exercise", "slide"}
    if tags & {"check", "parameters", "injected-parameters"} or not (outputs or chosen):
        return ""
    printed = all(each.output_type == "stream" for each in outputs)
    if not (chosen or (printed and len(cell.source.splitlines()) <= SHORT)):
        cell.metadata["transient"] = {"remove_source": True}
    return "-" if "exercise" in tags or "Predict(" in cell.source else "subslide"


def _of_kind(cell: nbformat.NotebookNode, kind: str) -> nbformat.NotebookNode:
    """Write the kind of slide into the metadata of a cell."""
    cell.metadata["slideshow"] = {"slide_type": kind}
    return cell


def deck(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an executed notebook as slides, with the metadata "slideshow" of nbconvert.

    A heading of the second level begins a slide; "Predict", "Explain" and every cell with an output
    begin one below it. What is left out of a text follows as a note.
    """
    cells: list[nbformat.NotebookNode] = []
    section = ""

    def add(cell: nbformat.NotebookNode, kind: str) -> None:
        if kind == "subslide" and section:
            cells.append(_of_kind(new_markdown_cell(f'<p class="where">{section}</p>'), kind))
            kind = "-"
        cells.append(_of_kind(cell, kind))

    for cell in notebook.cells:
        if cell.cell_type == "code":
            if kind := code_kind(cell):
                add(cell, kind)
            continue
        said: list[str] = []  # the whole text of the slide, and whether it is more than is shown
        more, after_code = False, bool(cells) and cells[-1].cell_type == "code"
        for block in blocks(cell.source):
            heading = re.match(r"##? (?:<a [^>]*></a>)?(.+)", block)
            begins = NEW.match(block) or (after_code and not block.startswith(OBSERVED))
            kind = "slide" if heading else "subslide" if begins else "-"
            section = heading[1] if heading else section
            if kind != "-" and more:
                add(new_markdown_cell("\n\n".join(said)), "notes")
            if kind != "-":
                said, more = [], False
            shown = block if "xercise" in section else shortened(block)
            shown = "" if ASIDE.match(block) else shown
            said.append(block)
            more = more or shown != block
            if shown:
                add(new_markdown_cell(shown), kind)
                after_code = False
        if more:
            add(new_markdown_cell("\n\n".join(said)), "notes")
    made = nbformat.v4.new_notebook(cells=cells, metadata=dict(notebook.metadata))
    made.metadata.pop("papermill", None)
    return made


def write_slides(executed: Path, out: Path) -> None:
    """Write the slides of one executed notebook, as a page and as a notebook."""
    notebook = nbformat.read(executed, as_version=4)
    title = first_heading(notebook)
    as_html(notebook)
    slides = deck(notebook)
    for cell in slides.cells:
        if cell.cell_type == "markdown":
            cell.source = on_github(cell.source)
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(slides, out / executed.name)
    exporter = SlidesExporter(
        exclude_input_prompt=True, exclude_output_prompt=True, raw_template=DECK
    )
    page, _ = exporter.from_notebook_node(slides, {"metadata": {"name": title}})
    page = re.sub(r'<link [^>]*"https?:[^>]*>', "", page)  # the styles of reveal.js
    page = re.sub(r'href="(\d\d_\w+)\.ipynb', r'href="\1.html', page)
    (out / f"{executed.stem}.html").write_text(page, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write the slides of all notebooks that `make run` executed; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=Path, default=ROOT / "build")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "editions" / "slides")
    chosen = parser.parse_args(arguments)
    executed = sorted(chosen.build.glob("[0-9][0-9]_*.ipynb"))
    if not executed:
        print(f"no slides: there are no executed notebooks in {chosen.build}: make run")
        return 1
    for path in executed:
        write_slides(path, chosen.out)
    (chosen.out / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    print(f"slides of {len(executed)} notebooks: {chosen.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
