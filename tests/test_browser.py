"""The interpretation page in a real browser: notebook 8, served by Voila, from upload to answer."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tifffile

from xrlab.data import simulated_measurement

ROOT = Path(__file__).parent.parent
SHOTS = ROOT / "build" / "screenshots"

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright to drive a browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.notebook,
    pytest.mark.skipif(CHROMIUM is None, reason="no program named chromium on this computer"),
]

# Voila's template asks for icons from there, which the page does not need.
ELSEWHERE = re.compile(r"^https?://(?!127\.0\.0\.1)")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Serve notebook 8 by the command of `make page`; its address."""
    (command,) = re.findall(r"\$\(BIN\)/(voila .*)", (ROOT / "Makefile").read_text("utf-8"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("voila") / "log.txt"
    options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", *command.split(), *options],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    try:
        _wait_for(port, server, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def page(address):
    """Open the page; what the browser complains of is kept in `page.complaints`."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(90_000)
        page.route(ELSEWHERE, lambda route: route.fulfill(body=""))
        page.complaints = []
        page.on("console", lambda said: said.type == "error" and page.complaints.append(said.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address)
        page.get_by_role("button", name="interpret").wait_for()
        yield page
        browser.close()


def test_from_upload_to_answer(page, tmp_path):
    """A section as a TIFF, its h and k, a window by mouse, one button: verdict, report, files."""
    assert page.get_by_text("Exercise", exact=True).count() == 0  # the lesson stays away
    _shoot(page, "page_1_begin")
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
    _shoot(page, "page_2_window")

    page.get_by_role("button", name="interpret").click()
    page.get_by_text("Tests passed").wait_for()
    report = page.frame_locator("iframe[title=report]")
    report.get_by_text("along b, they").wait_for()
    assert report.locator("svg").count() >= 4
    assert report.locator("svg").first.bounding_box()["width"] > 100
    assert report.get_by_text("h 0 to 2, k 2 to 4").count() == 1
    page.locator("iframe").scroll_into_view_if_needed()
    _shoot(page, "page_3_answer", height=2600)
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


def _shoot(page, name, height=900):
    """Keep a picture of the page in build/screenshots."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": 1280, "height": height})
    page.wait_for_timeout(500)  # pictures are drawn
    page.screenshot(path=SHOTS / f"{name}.png")


def _wait_for(port, server, log, seconds=60):
    """Wait until the server answers anything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/", timeout=2)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"Voila did not start:\n{log.read_text()[-2000:]}")
