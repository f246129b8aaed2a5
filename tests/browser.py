"""Serve notebooks by JupyterLab or Voila and look at them in a real Chromium.

Plain functions, so that benchmarks use them as well as tests:

    with browser.chromium() as driver:
        page = browser.open_page(driver)
        (output,) = browser.run_in_lab(page, "from xrlab.widgets.noise import *; ChanceExplorer()")
        with browser.changes(output.locator("img").first):
            browser.slider(output, "seed").press("ArrowRight")
        browser.shoot(page, "chance")

Each server starts once and ends with Python. A test module begins with
``pytestmark = browser.NEEDED``, which skips it where there is no Chromium.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.series import KERNEL, ROOT

SHOTS = ROOT / "build" / "screenshots"

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
HERE = CHROMIUM and find_spec("playwright")
NEEDED = [
    pytest.mark.notebook,
    pytest.mark.skipif(not HERE, reason="no program named chromium here, or no playwright"),
]

# Templates ask for icons and fonts from there, which the pages do not need.
ELSEWHERE = re.compile(r"^https?://(?!127\.0\.0\.1)")

# Voila's template writes it where it cannot fetch MathJax.
FOREIGN = re.compile(r"MathJax is not defined")

# No question about news, no welcome page.
QUIET = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}

# The pixels of an img or canvas, however they came there.
PIXELS = """async (element) => {
  if (element.tagName === "IMG") await element.decode().catch(() => null);
  const copy = document.createElement("canvas");
  copy.width = element.naturalWidth || element.width;
  copy.height = element.naturalHeight || element.height;
  copy.getContext("2d").drawImage(element, 0, 0);
  return copy.toDataURL();
}"""

_numbers = count(1)


@dataclass(frozen=True)
class Server:
    """A running server: its address, which ends in a slash, and the folder that it serves."""

    address: str
    folder: Path


@cache
def jupyter() -> Server:
    """Serve an empty folder by JupyterLab, which also has Voila, below voila/render/."""
    folder = _folder()
    settings = folder.parent / "settings"
    for name, values in QUIET.items():
        file = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    return serve(
        ["jupyterlab", "--allow-root", "--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1"],
        folder,
        ready="api/status",
        JUPYTERLAB_SETTINGS_DIR=str(settings),
        JUPYTERLAB_WORKSPACES_DIR=str(folder.parent / "workspaces"),
    )


@cache
def interpretation_page() -> Server:
    """Serve notebook 8 by the command of `make page`."""
    (command,) = re.findall(r"\$\(BIN\)/(voila .*)", (ROOT / "Makefile").read_text("utf-8"))
    return serve([*command.split(), "--Voila.ip=127.0.0.1"], ROOT, ready="voila/static/")


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def open_page(driver: Any, address: str = "", width: int = 1280, height: int = 900) -> Any:
    """Open a page; what the browser complains of is kept in ``page.complaints``."""
    page = driver.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(120_000)
    page.route(ELSEWHERE, lambda route: route.fulfill(body=""))
    page.complaints = []

    def note(text: str) -> None:
        if not FOREIGN.search(text):
            page.complaints.append(text)

    page.on("console", lambda said: said.type == "error" and note(said.text))
    page.on("pageerror", lambda error: note(f"{error}\n{error.stack}"))
    if address:
        page.goto(address)
    return page


def write_notebook(*sources: str) -> str:
    """Put a notebook of these code cells before the server of `jupyter`; return its name."""
    cells = [new_code_cell(source) for source in sources]
    name = f"notebook_{next(_numbers)}.ipynb"
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, jupyter().folder / name)
    return name


def open_in_lab(page: Any, *sources: str) -> list[Any]:
    """Open a notebook of these cells in JupyterLab, its kernel ready; return the cells."""
    page.goto(f"{jupyter().address}lab/tree/{write_notebook(*sources)}?reset")
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    return [cells.nth(n) for n in range(len(sources))]


def run(cell: Any) -> Any:
    """Run a cell of JupyterLab; return the place of its outputs, when there is one."""
    for _ in range(20):
        cell.locator(".cm-content").click()
        cell.locator(".cm-content").press("Control+Enter")
        cell.page.wait_for_timeout(500)
        if cell.locator(".jp-InputPrompt").inner_text() != "[ ]:":  # the page was listening
            break
    cell.locator(".jp-OutputArea-output").first.wait_for()
    fault = cell.locator('[data-mime-type="application/vnd.jupyter.error"]')
    if fault.count():
        pytest.fail(f"the cell ended in an error:\n{fault.first.inner_text()[-2000:]}")
    return cell.locator(".jp-Cell-outputArea")


def run_in_lab(page: Any, *sources: str) -> list[Any]:
    """Open a notebook of these cells in JupyterLab and run them; return their outputs."""
    return [run(cell) for cell in open_in_lab(page, *sources)]


def open_in_voila(page: Any, *sources: str) -> None:
    """Open a notebook of these cells as a page of Voila."""
    page.goto(f"{jupyter().address}voila/render/{write_notebook(*sources)}")


def pixels(picture: Any) -> str:
    """Return what an img or canvas shows, as the address of a PNG."""
    return str(picture.evaluate(PIXELS))


@contextmanager
def changes(picture: Any, seconds: float = 120) -> Iterator[None]:
    """Do something after which an img or canvas must show something else."""
    picture.wait_for()
    before = pixels(picture)
    yield
    end = time.monotonic() + seconds
    while pixels(picture) == before:
        if time.monotonic() > end:
            pytest.fail(f"the picture did not change within {seconds} s")
        picture.page.wait_for_timeout(50)


def slider(place: Any, name: str) -> Any:
    """Find the slider with a label: one of ipywidgets, or one that the browser draws itself."""
    ours = place.get_by_role("slider", name=name, exact=True)
    theirs = place.locator(".widget-slider").filter(has_text=name).get_by_role("slider")
    return ours.or_(theirs).first


def drag(slider: Any, part: float) -> None:
    """Drag a slider to a part, from 0 to 1, of its way, by mouse."""
    slider.scroll_into_view_if_needed()
    handle = way = slider.bounding_box()
    if slider.evaluate("element => element.tagName") != "INPUT":  # the handle of ipywidgets
        way = slider.locator("xpath=ancestor::*[contains(@class, 'noUi-base')]").bounding_box()
    mouse, middle = slider.page.mouse, handle["y"] + handle["height"] / 2
    mouse.move(handle["x"] + handle["width"] / 2, middle)
    mouse.down()
    mouse.move(way["x"] + part * way["width"], middle, steps=3)
    mouse.up()


def shoot(page: Any, name: str, height: int | None = None) -> Path:
    """Keep a picture of the page in build/screenshots."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    if height is not None:
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.wait_for_timeout(300)  # pictures are drawn
    page.screenshot(path=SHOTS / f"{name}.png")
    return SHOTS / f"{name}.png"


def _folder() -> Path:
    """Make an empty folder that goes when Python ends."""
    place = tempfile.mkdtemp(prefix="xrlab_browser_")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    folder = Path(place) / "notebooks"
    folder.mkdir()
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server does, and give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def serve(command: list[str], folder: Path, ready: str, **environment: str) -> Server:
    """Start ``python -m command`` on a free port, and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = _folder() / "log.txt"
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "TF_NUM_INTRAOP")}
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, "--no-browser", f"--port={port}"],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | threads | environment,
        )
    atexit.register(_stop, server)
    address = f"http://127.0.0.1:{port}/"
    end = time.monotonic() + 600
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address + ready, timeout=5)
        except urllib.error.HTTPError:
            return Server(address, folder)
        except OSError:
            time.sleep(0.2)
        else:
            return Server(address, folder)
    pytest.fail(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
