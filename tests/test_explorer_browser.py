"""The explorer in a real browser: mouse, keyboard, click and code; JupyterLab and Voila."""

import re

import browser
import pytest

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect
pytestmark = browser.NEEDED

CELL = "from xrlab.widgets.explorer import Explorer\nExplorer(span=3, pattern='ring')"


@pytest.fixture(scope="module")
def page(driver):
    """Return a page of JupyterLab with the explorer on it."""
    page = browser.open_page(driver, width=1280, height=1400)
    (cell,) = browser.open_in_lab(page, CELL)
    page.complaints.clear()  # of extensions of JupyterLab
    browser.run(cell)
    page.locator("[data-drawn]").wait_for()
    return page


def picture(page, title):
    """Return a canvas by its caption."""
    return page.locator("figure", has_text=title).locator("canvas")


def slider(page, name):
    """Return a slider by the name that a screen reader says."""
    return page.get_by_role("slider", name=name, exact=True)


def test_keyboard_moves_a_slider(page):
    """Tab leads to it, an arrow moves it, and all pictures and words follow."""
    pictures = ("realised", "lattice", "simulated", "expected", "ΔPDF")
    before = [browser.pixels(picture(page, title)) for title in pictures]
    slider(page, "c(0, 1)").focus()
    page.keyboard.press("Tab")
    one = slider(page, "c(0, 2)")
    assert one.evaluate("element => element === document.activeElement")
    start = float(one.input_value())
    with browser.changes(picture(page, "ΔPDF")):
        for _ in range(5):
            page.keyboard.press("ArrowRight")
    assert float(one.input_value()) == pytest.approx(start + 0.05)
    for title, old in zip(pictures, before, strict=True):
        assert browser.pixels(picture(page, title)) != old
    assert "can go from" in one.get_attribute("aria-valuetext")
    browser.shoot(page, "explorer_1_keyboard")


def test_mouse_moves_a_slider_over_its_edge(page):
    """At the end of its way it says that this is past its edge; the button leads back."""
    one = slider(page, "c(1, 0)")
    frame = one.bounding_box()
    with browser.changes(picture(page, "lattice")):
        page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
        page.mouse.down()
        page.mouse.move(frame["x"] + frame["width"] - 4, frame["y"] + frame["height"] / 2, steps=5)
        page.mouse.up()
    page.get_by_role("status").get_by_text("past its edge").wait_for()
    browser.shoot(page, "explorer_2_edge")
    page.get_by_role("button", name="nearest possible").click()
    page.get_by_text("does what was asked").wait_for()


def test_click_tells_what_feeds_a_point(page):
    """A click into the image fills the fields and the table."""
    canvas = picture(page, "simulated")
    frame = canvas.bounding_box()
    canvas.click(position={"x": 0.25 * frame["width"], "y": 0.5 * frame["height"]})
    page.get_by_text(re.compile(r"h = (1\.0|0\.9)\d, k = (0\.5|0\.4)\d")).wait_for()
    h = page.get_by_role("spinbutton", name="h (r.l.u.)")
    assert float(h.input_value()) == pytest.approx(1, abs=0.02)
    assert page.get_by_role("columnheader", name="share").count() == 1
    browser.shoot(page, "explorer_3_click")


def test_code_comes_and_goes(page):
    """Reset, then the code of before: the picture of before."""
    field = page.get_by_role("textbox", name="code")
    old = field.input_value()
    with browser.changes(picture(page, "lattice")):
        slider(page, "c(0, 1)").press("ArrowLeft")
    expect(field).not_to_have_value(old)  # pictures come first, the code after them
    code, before = field.input_value(), browser.pixels(picture(page, "lattice"))
    assert code.startswith("XR1-")
    with browser.changes(picture(page, "lattice")):
        page.get_by_role("button", name="reset").click()
    expect(field).not_to_have_value(code)  # the answer has come
    with browser.changes(picture(page, "lattice")):
        field.fill(code.lower())
        field.press("Enter")
    assert browser.pixels(picture(page, "lattice")) == before
    expect(field).to_have_value(code)
    field.fill("nonsense")
    field.press("Enter")
    page.get_by_text("That code cannot be read").wait_for()
    assert page.complaints == []


def test_page_of_voila(driver):
    """The same in a page without code, also narrow: nothing is cut off."""
    page = browser.open_page(driver, width=480, height=1600)
    browser.open_in_voila(page, CELL)
    page.locator("[data-drawn]").wait_for()
    with browser.changes(picture(page, "simulated")):
        slider(page, "c(0, 1)").press("ArrowLeft")
    browser.shoot(page, "explorer_4_voila")
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    assert page.complaints == []
