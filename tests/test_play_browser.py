"""The widgets that compute in the browser: painted, run and played in JupyterLab and Voila."""

import re

import browser
import numpy as np
import pytest

from xrlab.crystal.lattice import realised_correlations
from xrlab.widgets import play

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect
pytestmark = browser.NEEDED

PAINT = "from xrlab.widgets import play\nboard = play.LatticePainter()\nboard"
SITES = "board.packed"
MONTE_CARLO = "from xrlab.widgets import play\nplay.MonteCarloLive()"
GAME = "from xrlab.widgets import play\nplay.GuessingGame()"


def numbers(place, column):
    """Numbers in a column of the table of correlations."""
    texts = place.locator(f"td.{column}").all_inner_texts()
    return [float(text.split(" ±")[0].replace("−", "-")) for text in texts]


def test_paint(driver):
    """Mouse and keyboard paint; the pictures follow; Python has the sites and the same numbers."""
    page = browser.open_page(driver, width=1280, height=1300)
    paint, look = browser.open_in_lab(page, PAINT, SITES)
    page.complaints.clear()  # of extensions of JupyterLab
    place = browser.run(paint)
    place.locator("[data-drawn]").wait_for()
    lattice, image, pdf = place.locator("canvas").all()
    edges = lattice.bounding_box()
    before = [browser.pixels(each) for each in (image, pdf)]
    with browser.changes(lattice):
        page.mouse.move(edges["x"] + 10, edges["y"] + edges["height"] / 2)
        page.mouse.down()
        page.mouse.move(edges["x"] + edges["width"] - 10, edges["y"] + 40, steps=8)
        page.mouse.up()
    place.get_by_label("erase").check()
    place.get_by_label("7", exact=True).check()
    lattice.focus()
    with browser.changes(image):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
    assert [browser.pixels(each) for each in (image, pdf)] != before
    packed = browser.run(look).inner_text().strip().strip("'")
    realised = realised_correlations(play.unpack(packed), 2).vector
    assert numbers(place, "realised") == pytest.approx(realised.round(2), abs=0.011)
    assert not np.array_equal(play.unpack(packed), play.LatticePainter().sites)
    place.get_by_role("button", name="Clear").click()
    place.get_by_text("All sites are alike").wait_for()
    place.get_by_role("button", name="Undo").click()
    expect(place.locator("td.realised").first).not_to_have_text("–")
    browser.shoot(page, "play_1_paint")
    assert page.complaints == []
    page.close()


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_monte_carlo(driver, motion):
    """Correlations come to their targets; couplings can be set; without motion in one step."""
    page = browser.open_page(driver, width=1280, height=1300)
    page.emulate_media(reduced_motion=motion)
    browser.open_in_voila(page, MONTE_CARLO)
    place = page.locator("[data-drawn]")
    place.wait_for()
    place.get_by_label("fast", exact=True).check()
    place.get_by_role("button", name="Run").click()
    page.get_by_text(re.compile(r"[2-9]\d cycles")).wait_for()
    if motion == "no-preference":
        place.get_by_role("button", name="Pause").click()
    assert numbers(place, "realised") == pytest.approx(numbers(place, "target"), abs=0.1)
    browser.shoot(page, f"play_2_monte_carlo_{motion}")
    place.get_by_label("couplings", exact=True).check()
    slider = place.get_by_role("slider", name="coupling J(0, 1)")
    assert float(slider.input_value()) > 0.2  # what was learned
    slider.fill("0")
    place.get_by_label("swap by swap").check()
    place.get_by_role("button", name="One step").click()
    page.get_by_text(re.compile("with probability .*(accepted|refused)")).wait_for()
    assert page.complaints == []
    page.close()


def test_game(driver):
    """A guess, the truth, the network from Python, a score; then another level; narrow, too."""
    page = browser.open_page(driver, width=1280, height=1300)
    browser.open_in_voila(page, GAME)
    place = page.locator("[data-dealt='1']")
    place.wait_for()
    place.get_by_role("slider", name="c(1, 0)").press("ArrowRight")
    place.get_by_role("button", name="Check my guess").click()
    page.locator(".verdict", has_text="of 100 points").wait_for()
    item = play.GuessingGame().item
    some = [0, 3, 4]  # of span 2 in span 4
    for column, key in (("realised", "truth"), ("network", "mean")):
        exact = np.array(item[key])[some]
        assert numbers(page, column) == pytest.approx(exact, abs=0.006)
    with browser.changes(page.locator(".guess canvas")):
        page.get_by_label("bad day", exact=True).check()
    page.get_by_role("button", name="Check my guess").click()
    page.locator(".board tr", has_text="bad day").wait_for()
    browser.shoot(page, "play_3_game")
    page.set_viewport_size({"width": 480, "height": 2200})
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    browser.shoot(page, "play_4_game_narrow")
    assert page.complaints == []
    page.close()


def test_page_without_python(driver, tmp_path):
    """What an exported page holds works from the file alone."""
    data, _ = play.LatticePainter("stripes")._repr_mimebundle_()
    page_file = tmp_path / "page.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8>{data['text/html']}", "utf-8")
    page = browser.open_page(driver, page_file.as_uri(), width=480, height=1600)
    page.locator("[data-drawn]").wait_for()
    with browser.changes(page.locator("canvas").nth(1)):
        page.get_by_role("button", name="Random").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    assert page.complaints == []
    page.close()
