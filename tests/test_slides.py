"""Slides of an executed notebook: what is on them, the notes, and the page in a browser."""

import re

import browser
import nbformat
import pytest
import write_slides
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from write_slides import deck, main, shortened
from write_slides import write_slides as write

from tests.series import every_notebook

TEXT = """\
# 3. Waves

**What is a wave?**

**Objectives.** After this you can

- draw one. It is easy.

**Time.** 5 minutes.

## Sums of waves

A wave repeats. It does so forever, as [all](../docs/glossary.md#h) know.

$$E = m$$"""
PREDICT = 'widgets.Predict("Which?", ["one", "two"], answer="two", because="it is so")'
LONG = "\n".join(["x = 1"] * 15 + ["print(x)"])


# Lines that a row of so many letters needs, and a sentence longer than that, on a slide.
LINES = """letters => {
  const pre = [...document.querySelectorAll(".slides .jp-RenderedText pre")].at(-1);
  const slide = pre.closest("section");
  go([...slides].indexOf(slide) + 1);
  show();
  const lines = text => {
    pre.textContent = "1";
    const one = pre.clientHeight;
    pre.textContent = text;
    return Math.round(pre.clientHeight / one);
  };
  return [lines("0".repeat(letters)), lines("a word ".repeat(Math.ceil(letters / 5)).trim())];
}"""


# Part of a slide that overflows, and the size of its content, after it was given a tall text.
FITTED = """lines => {
  const slide = slides[number() - 1];
  [...slide.querySelectorAll("pre")].at(-1).textContent = "line\\n".repeat(lines);
  dispatchEvent(new Event("resize"));
  const size = slide.getBoundingClientRect().width / slide.offsetWidth;
  return [slide.scrollHeight > slide.clientHeight, size];
}"""


@pytest.fixture
def executed():
    """Notebook with every kind of cell, as `make run` leaves it."""

    def code(source, printed="", **metadata):
        outputs = [new_output("stream", text=printed)] if printed else []
        return new_code_cell(source, outputs=outputs, metadata=metadata)

    view = new_output(
        "display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": ""}}
    )
    return new_notebook(
        cells=[
            new_markdown_cell(TEXT),
            code('profile = "fast"', "x", tags=["injected-parameters"]),
            code("import numpy", tags=[]),
            code("def wave():\n    pass", tags=["slide"]),
            new_markdown_cell("**Predict.** Guess. Then look."),
            new_code_cell(PREDICT, outputs=[view]),
            code("print(1)", "1"),
            code(LONG, "2"),
            new_markdown_cell("**Observe.** It is so. And more.\n\n**Explain.** Thus."),
            new_markdown_cell("## Exercise\n\nCount. All.\n\n<details>One\n\ntwo</details>"),
            code("my_count = ...", tags=["exercise"]),
            code("print(check(my_count))", "Not yet", tags=["check"]),
        ]
    )


def kinds(notebook):
    """Kind and source of each cell of a deck."""
    return [(cell.metadata.slideshow.slide_type, cell.source) for cell in notebook.cells]


def test_slides_and_their_notes(executed):
    """Headings begin slides, cells with outputs too; first sentences stay, the rest are notes."""
    found = kinds(deck(executed))
    where = '<p class="where">{}</p>'.format
    assert found[:3] == [
        ("slide", "# 3. Waves"),
        ("-", "**What is a wave?**"),
        ("subslide", where("3. Waves")),
    ]
    sums = found.index(("slide", "## Sums of waves"))
    assert found[sums - 1][0] == "notes"
    assert "**Time.** 5 minutes." in found[sums - 1][1]
    assert found[sums + 1 : sums + 3] == [("-", "A wave repeats."), ("-", "$$E = m$$")]
    assert "It does so forever" in found[sums + 3][1]
    shown = [source for kind, source in found if kind != "notes"]
    assert "- draw one." in shown
    observed = found.index(("-", "**Observe.** It is so."))
    assert found[observed - 1] == ("-", LONG)
    assert "Count. All." in shown
    assert "<details>One\n\ntwo</details>" in shown
    assert [
        each for each in shown if "profile" in each or "import" in each or "check(" in each
    ] == []
    assert found[found.index(("-", PREDICT)) - 2][1] == "**Predict.** Guess."
    assert found[found.index(("-", "print(1)")) - 1] == ("subslide", where("Sums of waves"))


def test_long_code_is_hidden(executed):
    """What it prints is shown; short code, and code that is tagged, is shown itself."""
    hidden = {
        cell.source: cell.metadata.get("transient", {}).get("remove_source", False)
        for cell in deck(executed).cells
        if cell.cell_type == "code"
    }
    assert hidden.pop(LONG)
    del hidden[PREDICT]
    assert list(hidden) == ["def wave():\n    pass", "print(1)", "my_count = ..."]
    assert not any(hidden.values())


@every_notebook
def test_no_text_of_the_series_is_lost(path):
    """Every block of a notebook is on a slide or in the notes."""
    notebook = nbformat.read(path, as_version=4)
    text = re.sub(r"\s", "", "".join(cell.source for cell in deck(notebook).cells))
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for block in write_slides.blocks(cell.source):
                assert re.sub(r"\s", "", block) in text


@pytest.mark.parametrize(
    ("block", "short"),
    [
        ("It is 0.5. And c.", "It is 0.5."),
        ("By E. J. Chan, i.e. him. More.", "By E. J. Chan, i.e. him."),
        ("**Explain.** Long is narrow. So it is.", "**Explain.** Long is narrow."),
        ("Take $x. y$ here. Then.", "Take $x. y$ here."),
        ("No end", "No end"),
        ("1. One. Two.\n2. Three. Four.", "1. One.\n2. Three."),
        ("| a. B |\n|---|", "| a. B |\n|---|"),
    ],
)
def test_first_sentences(block, short):
    """Abbreviations, formulas and numbers end no sentence; tables stay."""
    assert shortened(block) == short


def test_page_asks_for_nothing_from_elsewhere(executed, tmp_path):
    """Scripts, styles and pictures are in the page or beside it; the answer is folded."""
    (tmp_path / "build").mkdir()
    nbformat.write(executed, tmp_path / "build" / "03_waves.ipynb")
    assert main([str(tmp_path / "build"), "--out", str(tmp_path / "slides")]) == 0
    page = (tmp_path / "slides" / "03_waves.html").read_text(encoding="utf-8")
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"([^\"]+)\"", page) == [
        "plotly.min.js"
    ]
    assert (tmp_path / "slides" / "plotly.min.js").is_file()
    assert "<details><summary>The answer" in page
    assert 'answer="two"' not in page
    assert "blob/main/docs/glossary.md#h" in page
    nbformat.validate(nbformat.read(tmp_path / "slides" / "03_waves.ipynb", as_version=4))


def test_without_executed_notebooks(tmp_path, capsys):
    """It says what to do."""
    assert main([str(tmp_path)]) == 1
    assert "make run" in capsys.readouterr().out


@pytest.mark.notebook
@pytest.mark.skipif(not browser.HERE, reason="no program named chromium here, or no playwright")
def test_keys_turn_the_slides(executed, tmp_path):
    """Arrow keys, Home and End, the buttons and the notes; the address keeps the place."""
    nbformat.write(executed, tmp_path / "03_waves.ipynb")
    write(tmp_path / "03_waves.ipynb", tmp_path)
    (tmp_path / "plotly.min.js").write_text("")
    with browser.chromium() as driver:
        page = browser.open_page(driver, (tmp_path / "03_waves.html").as_uri())
        title = page.get_by_role("heading", name="3. Waves")
        assert title.is_visible()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("location.hash === '#2'")
        assert not title.is_visible()
        notes = page.locator("section.present aside.notes")
        assert not notes.is_visible()
        page.keyboard.press("n")
        assert notes.is_visible()
        page.keyboard.press("n")
        page.keyboard.press("End")
        page.wait_for_function("number() === slides.length")
        page.get_by_role("button", name="back").click()
        page.wait_for_function("number() === slides.length - 1")
        page.keyboard.press("Home")
        lines = page.evaluate(LINES, 100)
        assert lines == [1, 2]  # a table of 100 letters keeps its rows, words are not cut
        assert page.evaluate(FITTED, 3) == [False, pytest.approx(1, abs=0.01)]
        overflows, size = page.evaluate(FITTED, 45)
        assert not overflows
        assert 0.59 < size < 1
        assert page.evaluate(FITTED, 500) == [True, pytest.approx(0.6, abs=0.01)]
        assert page.complaints == []
