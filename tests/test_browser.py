"""Widgets in JupyterLab and the page of Voila in a real browser: the picture follows the hand."""

from pathlib import Path

import browser
import numpy as np
import pytest
import tifffile

from xrlab.io.fetch import simulated_measurement

pytestmark = browser.NEEDED

WINDOW = """\
import numpy as np
from xrlab.io.section import Section
from xrlab.widgets.section import WindowPicker
wave = np.cos(2 * np.pi * np.linspace(-2, 2, 129))
peaks = np.add.outer(wave, wave) + 3 + np.linspace(0, 1, 129)
WindowPicker(Section.from_range(peaks, h=(-2, 2), k=(-2, 2)))"""

# The notebook: its widget, a slider, and the place of a picture that follows it.
WIDGETS = {
    "03_noise": ("from xrlab.widgets.noise import ChanceExplorer\nChanceExplorer()", "seed", 1),
    "04_corrections": (
        "from xrlab.widgets.corrections import PipelineBuilder\nPipelineBuilder()",
        "crystal",
        0,
    ),
    "06_degradation": (
        "from xrlab.widgets.holdout import BadDayExplorer\nBadDayExplorer()",
        "t (bad day)",
        1,
    ),
}


# JupyterLab


@pytest.fixture(scope="module")
def lab(driver):
    """One notebook with the widgets, in JupyterLab: the page, and a cell for each."""
    page = browser.open_page(driver, height=1200)
    cells = browser.open_in_lab(page, *(source for source, *_ in WIDGETS.values()), WINDOW)
    yield page, dict(zip([*WIDGETS, "07_window"], cells, strict=True))
    page.close()


@pytest.mark.parametrize("name", WIDGETS)
def test_picture_follows_mouse_and_keyboard(lab, name):
    """A slider dragged, and moved by an arrow key, changes the picture; nothing complains."""
    page, cells = lab
    _, label, place = WIDGETS[name]
    output = browser.run(cells[name])
    slider = browser.slider(output, label)
    picture = output.locator("img, canvas").nth(place)
    with browser.changes(picture):
        browser.drag(slider, 0.6)
    with browser.changes(picture):
        slider.press("ArrowRight")
    browser.shoot(page, f"lab_{name}")
    assert page.complaints == []


def test_figure_shows_its_points_from_the_start(lab):
    """Truth and two readings of the 15 correlations, without a slider being touched."""
    page, cells = lab
    figure = browser.run(cells["06_degradation"]).locator(".js-plotly-plot")
    drawn = "figure => figure.data?.length == 3 && figure.data.every(trace => trace.x.length == 15)"
    for _ in range(1200):  # asked anew each time: the figure of an earlier run may still go
        if figure.count() == 1 and figure.evaluate(drawn):
            return
        page.wait_for_timeout(100)
    pytest.fail("the figure does not show three readings of 15 correlations")


def test_window_follows_mouse_and_keyboard(lab):
    """A click into the section, and an arrow key in a field, move the window that is shown."""
    page, cells = lab
    output = browser.run(cells["07_window"])
    section, window = output.get_by_alt_text("The section"), output.locator(".widget-image")
    with browser.changes(window):
        section.click(position={"x": 10, "y": 10})
    output.get_by_text("h from 0 to 2, k from -2 to 0").wait_for()
    with browser.changes(window):
        output.get_by_label("first k", exact=True).press("ArrowUp")
    output.get_by_text("h from 0 to 2, k from -1 to 1").wait_for()
    browser.shoot(page, "lab_07_window")
    assert page.complaints == []


# The page of Voila


@pytest.fixture(scope="module")
def page(driver):
    """Open the interpretation page; what the browser complains of is in `page.complaints`."""
    page = browser.open_page(driver, browser.interpretation_page().address)
    page.get_by_role("button", name="interpret").wait_for()
    yield page
    page.close()


def test_from_upload_to_answer(page, tmp_path):
    """A section as a TIFF, its h and k, a window by mouse, one button: verdict, report, files."""
    assert page.get_by_text("Exercise", exact=True).count() == 0  # the lesson stays away
    browser.shoot(page, "page_1_begin")
    cell = simulated_measurement(1)[:63, :63]
    section = np.pad(np.tile(cell, (2, 2)), ((0, 1), (0, 1)), "wrap")
    tifffile.imwrite(tmp_path / "section.tif", section.astype("f4"))
    file = {
        "name": "my <b>section.tif",
        "mimeType": "image/tiff",
        "buffer": (tmp_path / "section.tif").read_bytes(),
    }
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_text("127 × 127 pixels").wait_for()
    assert page.get_by_text("my <b>section.tif").count() == 1  # its name is text
    for label, value in (("h first", 0), ("h last", 4), ("k first", 0), ("k last", 4)):
        field = page.get_by_label(label, exact=True)
        field.fill(str(value))
        field.press("Tab")
    page.get_by_role("button", name="use these h and k").click()
    picture = page.get_by_alt_text("The section")
    picture.wait_for()
    frame = picture.bounding_box()
    picture.click(position={"x": 0.52 * frame["width"], "y": 0.97 * frame["height"]})
    page.get_by_text("h from 0 to 2, k from 2 to 4").wait_for()
    browser.shoot(page, "page_2_window")

    page.get_by_role("button", name="interpret").click()
    page.get_by_text("Tests passed").wait_for()
    report = page.frame_locator("iframe[title=report]")
    report.get_by_text("along b, they").wait_for()
    assert report.locator("svg").count() >= 4
    assert report.locator("svg").first.bounding_box()["width"] > 100
    assert report.get_by_text("h 0 to 2, k 2 to 4").count() == 1
    page.locator("iframe").scroll_into_view_if_needed()
    browser.shoot(page, "page_3_answer", height=2600)
    for name, begin in (("html", "<!DOCTYPE html>"), ("json", "{"), ("csv", "component,value")):
        with page.expect_download() as download:
            page.locator(f'a[download="interpretation.{name}"]').click()
        assert download.value.suggested_filename == f"interpretation.{name}"
        assert Path(download.value.path()).read_text("utf-8").startswith(begin)
    assert page.complaints == []


def test_a_file_that_is_no_image_is_refused_in_words(page, tmp_path):
    """The page says what is wrong, drops the old image, and goes on working."""
    (tmp_path / "photo.tif").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    page.locator("input[type=file]").set_input_files(tmp_path / "photo.tif")
    page.get_by_text("it is a JPEG picture").wait_for()
    assert page.locator("iframe").count() == 0
    page.get_by_role("button", name="back to the example").click()
    page.get_by_text("The whole image is the window").wait_for()
    assert page.complaints == []
