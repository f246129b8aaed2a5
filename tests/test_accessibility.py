"""What keyboard and screen reader find on the served pages: axe-core, names, tab after tab."""

import json

import browser
import numpy as np
import pytest
import run_notebooks
import tifffile
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from plotly.offline import get_plotlyjs

from xrlab.drawing import plots
from xrlab.io.fetch import simulated_measurement

axe_core = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="no axe-core: pip install xrlab[test]"
)
pytestmark = browser.NEEDED

CHANCE = "from xrlab.widgets.noise import ChanceExplorer\nChanceExplorer()"
PREDICT = """\
from xrlab.widgets import Predict
Predict("Which way?", ["up", "down"], answer="up", because="it cannot be otherwise here")"""
PLAY = """\
from xrlab.widgets import play
display(play.LatticePainter(), play.MonteCarloLive(), play.GuessingGame())"""
FIGURE = """\
import plotly.graph_objects as go
go.Figure(go.Scatter(y=[1, 2]), {"title": "a curve"})"""
REPORT = """\
from ipywidgets import HTML
from xrlab.course.own_image import embedded
from xrlab.interpretation.report import STYLE
HTML(embedded(f"<style>{STYLE}</style>A report."))"""
EXPLORER = "from xrlab.widgets.explorer import Explorer\nExplorer()"


def findings(page):
    """Serious and critical findings of axe-core, each with the elements that it speaks of."""
    report = axe_core.Axe().run(page).response
    assert len(report["passes"]) > 10  # it looked at something
    return {
        each["id"]: [node["html"][:200] for node in each["nodes"]]
        for each in report["violations"]
        if each["impact"] in ("serious", "critical")
    }


# Name of what has the focus: of a link to a file, the file's.
NAME = """() => {
  const it = document.activeElement;
  const words = it.getAttribute("aria-label") || it.getAttribute("download")
    || (it.labels && it.labels[0]?.textContent) || it.textContent;
  return words.trim();
}"""


def tab_to(page, name, most=60):
    """Press Tab until the focus is on something of that name, and can be seen there."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(NAME) == name:
            assert page.evaluate("getComputedStyle(document.activeElement).visibility") == "visible"
            return
    pytest.fail(f"{name!r} is not reached by {most} times Tab")


def ready(page, words):
    """Wait until a text is there, and the names are given."""
    page.get_by_text(words).first.wait_for()
    page.wait_for_timeout(500)


def test_axe_finds_what_is_wrong(driver):
    """The test can fail: a picture without words, and grey on grey."""
    page = browser.open_page(driver)
    page.set_content(
        "<html lang=en><title>t</title><main><h1>t</h1><p style='color: #aaa'>pale</p>"
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><button></button>" + "<p>a</p>" * 9
    )
    assert {"color-contrast", "image-alt", "button-name"} <= set(findings(page))
    page.close()


def test_explorer_and_prediction(driver):
    """Served by Voila: nothing serious; each control has its own name."""
    page = browser.open_page(driver)
    browser.open_in_voila(page, PREDICT, EXPLORER)
    page.get_by_role("slider", name="c(0, 1)", exact=True).wait_for()
    page.get_by_role("radiogroup", name="Which way?").wait_for()
    assert findings(page) == {}
    names = [
        each.get_attribute("aria-label") or each.get_attribute("aria-labelledby")
        for each in page.get_by_role("slider").all()
    ]
    assert len(set(names)) == len(names) >= 3
    browser.shoot(page, "voila_explorer", height=1400)
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_widgets_of_the_browser(driver, theme):
    """Painting, Monte Carlo and the game, one below the other: nothing serious in either theme."""
    page = browser.open_page(driver)
    browser.open_in_voila(page, PLAY)
    page.locator("[data-dealt='1']").wait_for()
    page.locator("[data-drawn]").nth(1).wait_for()
    if theme == "dark":
        page.evaluate("document.body.dataset.jpThemeLight = 'false'")
        page.evaluate("document.body.style.background = '#111'")
    page.get_by_role("button", name="Check my guess").click()
    page.locator(".verdict", has_text="of 100 points").wait_for()
    assert findings(page) == {}
    browser.shoot(page, f"play_5_{theme}", height=2300)
    page.close()


# Of the first title, and of what is behind it: the sum of red, green and blue.
SHADES = """() => ["text.gtitle", ".main-svg", ".bglayer .bg"].map(each => {
  const style = getComputedStyle(document.querySelector(".js-plotly-plot " + each));
  const colour = each === ".main-svg" ? style.backgroundColor : style.fill;
  const [red, green, blue, opacity = 1] = colour.match(/[0-9.]+/g).map(Number);
  return opacity === 0 ? null : red + green + blue;
})"""


def test_figures_follow_a_dark_page(driver):
    """Dark words on white paper become pale words on the page, wherever a widget is shown too."""
    page = browser.open_page(driver)
    browser.open_in_voila(page, PREDICT, FIGURE)
    page.locator("text.gtitle").first.wait_for()
    page.get_by_role("radiogroup", name="Which way?").wait_for()
    title, paper, panel = page.evaluate(SHADES)
    assert title < 300
    assert paper == 765
    assert panel > 600
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")  # as JupyterLab's dark theme does
    title, paper, panel = page.evaluate(SHADES)
    assert title > 600
    assert paper is None
    assert panel < 200
    page.close()


# Of each figure: its width on the page, and that of the place it has.
WIDTHS = """() => [...document.querySelectorAll(".jp-RenderedPlotly")].map(figure => [
  figure.querySelector(".svg-container").getBoundingClientRect().width,
  figure.closest(".jp-OutputArea-child").clientWidth - 64,
])"""


def test_wide_figures_fit_a_narrow_window(driver):
    """Scaled as a whole; narrow ones keep their size, and the pointer hits what it points at."""
    page = browser.open_page(driver, width=1024, height=768)
    heat = "go.Figure(go.Heatmap(z=[[*range(100)]]), {'title': 'a', 'width': WIDTH, 'height': 300})"
    code = "import plotly.graph_objects as go\n" + heat
    sources = [code.replace("WIDTH", str(width)) for width in (840, 420)]
    browser.run_in_lab(page, PREDICT, *sources)
    page.locator(".jp-RenderedPlotly .main-svg").nth(3).wait_for()
    (wide, place), (narrow, _) = page.evaluate(WIDTHS)
    assert place < 700
    assert wide == pytest.approx(place, abs=2)
    assert narrow == pytest.approx(420, abs=2)
    area = page.locator(".jp-RenderedPlotly .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.move(box["x"] + 0.745 * box["width"], box["y"] + 20, steps=3)
    page.locator(".hoverlayer", has_text="x: 74").first.wait_for()
    page.close()


def test_report_follows_the_theme_of_jupyterlab(driver):
    """Not that of the system; on its own, in a page without a theme, it follows the system."""
    page = browser.open_page(driver)
    browser.open_in_voila(page, REPORT)
    paper = """theme => new Promise(done => {
      document.body.dataset.jpThemeLight = theme;
      const frame = document.querySelector("iframe[title=report]");
      frame.addEventListener("load", () => setTimeout(() =>
        done(getComputedStyle(frame.contentDocument.body).backgroundColor)));
      frame.srcdoc += " ";
    })"""
    dark, light = "rgb(20, 24, 30)", "rgb(255, 255, 255)"
    page.locator("iframe[title=report]").wait_for()
    for system in ("light", "dark"):
        page.emulate_media(color_scheme=system)
        assert page.evaluate(paper, "false") == dark
        assert page.evaluate(paper, "true") == light
        assert page.evaluate(paper, "") == (dark if system == "dark" else light)
    page.close()


def test_sliders_and_pictures_have_the_names_that_stand_beside_them(driver):
    """In the widget of notebook 3, where ipywidgets gives none."""
    page = browser.open_page(driver)
    browser.open_in_voila(page, CHANCE)
    for name in ("N (sites)", "L (sites)", "M (lots)", "seed"):
        slider = page.get_by_role("slider", name=name, exact=True)
        slider.wait_for()
        assert slider.get_attribute("aria-description")
    assert page.get_by_role("textbox", name="seed", exact=True).count() == 1
    picture = page.get_by_role("img", name="expected image", exact=True)
    assert picture.count() == 1
    said = picture.evaluate("e => document.getElementById(e.getAttribute('aria-describedby'))"
                            ".textContent")  # fmt: skip
    assert "no chance left" in said
    assert findings(page) == {}
    page.close()


def test_page_by_keyboard_alone(driver, tmp_path):
    """From a file to the report with Tab, Enter, arrows and letters; nothing serious at its end."""
    page = browser.open_page(driver, browser.interpretation_page().address)
    ready(page, "The whole image is the window")
    assert findings(page) == {}
    cell = simulated_measurement(1)[:63, :63]
    section = np.pad(np.tile(cell, (2, 2)), ((0, 1), (0, 1)), "wrap")
    tifffile.imwrite(tmp_path / "section.tif", section.astype("f4"))
    # The dialogue of the operating system is no part of the page: a file is put in its place.
    tab_to(page, "the file of your image")
    page.locator("input[type=file]").set_input_files(tmp_path / "section.tif")
    page.get_by_text("127 × 127 pixels").wait_for()
    for label, value in (("h first", "0"), ("h last", "4"), ("k first", "0"), ("k last", "4")):
        tab_to(page, label)
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.type(value)
    tab_to(page, "use these h and k")
    page.keyboard.press("Enter")
    page.get_by_alt_text("The section").wait_for()
    tab_to(page, "first k")
    page.keyboard.press("ArrowUp")
    page.get_by_text("k from 1 to 3").wait_for()
    assert findings(page) == {}
    tab_to(page, "corrections")
    tab_to(page, "interpret")
    page.keyboard.press("Enter")
    page.get_by_text("Tests passed").wait_for()
    tab_to(page, "interpretation.html")
    report = page.frame_locator("iframe[title=report]")
    report.get_by_text("along b, they").wait_for()
    assert findings(page) == {}
    page.close()


# As Keras prints the layers of a network.
SUMMARY = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:normal">'
    f'│ <span style="color: #00d7ff">conv2d</span> {"─" * 90} │</pre>'
)

# Code or words that are cut off: wider than their place, which does not scroll.
CUT = """() => [...document.querySelectorAll(".jp-InputArea-editor, .jp-RenderedMarkdown, p, td")]
  .filter(each => each.scrollWidth > each.clientWidth + 2 && each.clientWidth > 2)
  .map(each => each.innerText.slice(0, 40))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of a run of one notebook, with all kinds of cells."""
    folder = tmp_path_factory.mktemp("pages")
    image = np.random.default_rng(0).random((64, 64))
    figure = plots.describe(plots.images_figure({"a": image}), "Nothing but noise.")
    output = new_output("display_data", {run_notebooks.PLOTLY: json.loads(figure.to_json())})
    question = new_code_cell(
        'Predict("Which?", ["one", "two"], answer="two", because="of symmetry")',
        metadata={"jupyter": {"source_hidden": True}},
        outputs=[new_output("display_data", {run_notebooks.WIDGET: {}})],
    )
    cells = [
        new_markdown_cell(
            "# 1. Pages\n\nAn image has [h and k](../docs/glossary.md#hk), as we know.\n\n"
            f"$${' + '.join(['c(i, j)'] * 20)}$$\n\n`xrlab.{'name.' * 12}name`"
        ),
        new_code_cell("for n in range(3):  # a comment\n    print('a', n)", outputs=[output]),
        new_code_cell(
            "x = " + " + ".join(["abs(x)"] * 14), outputs=[new_output("stream", text="9 " * 99)]
        ),
        new_code_cell("summary()", outputs=[new_output("display_data", {"text/html": SUMMARY})]),
        question,
    ]
    figure = run_notebooks.write_page(new_notebook(cells=cells), folder / "01_pages")
    shown = run_notebooks.thumbnail(figure, "a figure")
    run = run_notebooks.Run("01_pages", "1. Pages", 1.0, 100.0, thumbnail=shown)
    run_notebooks.write_index([run], folder, "fast")
    (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    return folder


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["index", "01_pages", "glossary", "cheat_sheet", "references"])
def test_exported_pages(driver, pages, name, width):
    """On a screen and on a phone: nothing serious, and nothing cut off."""
    page = browser.open_page(driver, (pages / f"{name}.html").as_uri(), width=width)
    if name == "01_pages":
        page.locator(".main-svg").first.wait_for()
        assert page.get_by_role("figure", name="Figure", exact=True).count() == 1
    assert findings(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []
    page.close()
