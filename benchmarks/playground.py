"""How fast the playground is in Chromium, from a server on this computer, and what it sends.

``python benchmarks/playground.py`` builds the page, opens it a few times in a fresh browser, then
draws and measures the time from each movement of the hand to the network's answer. On a computer
that has other work to do the processor time of the browser says more than the clock.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import write_site  # noqa: E402

from tests import browser  # noqa: E402

VISITS, MOVES = 5, 100
MARK = "name => performance.getEntriesByName(name)[0].startTime"


def sent(folder: Path) -> int:
    """Bytes of all files, packed by gzip where they are not yet."""
    files = [path for path in folder.iterdir() if path.suffix != ".txt"]
    return sum(
        path.stat().st_size if path.suffix == ".gz" else len(gzip.compress(path.read_bytes(), 9))
        for path in files
    )


def spent() -> dict[int, float]:
    """Processor time of each process of the browser so far, in ms."""
    times = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            taken = process.cpu_times()
            times[process.pid] = 1000 * (taken.user + taken.system)
    return times


def since(before: dict[int, float]) -> float:
    """Processor time since then, in ms."""
    return sum(time - before.get(pid, 0) for pid, time in spent().items())


def visit(driver: object, address: str) -> tuple[float, float, list[float], float, float]:
    """Time to the first picture and the first answer, and of each movement, in ms.

    The last two are processor time: until the first answer, and for each movement.
    """
    begin = spent()
    context = driver.new_context(viewport={"width": 1280, "height": 900})  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(f"{address}#draw")
    page.locator(".draw[data-read]").wait_for()
    first = page.evaluate(MARK, "first picture"), page.evaluate(MARK, "first answer")
    loading = since(begin)
    page.get_by_text("It also works without a network now").wait_for()
    edges = page.locator(".draw canvas").first.bounding_box()
    took = []
    page.mouse.move(edges["x"] + 30, edges["y"] + 30)
    page.mouse.down()
    begin = spent()
    for n in range(MOVES // VISITS):
        before = int(page.locator(".draw").get_attribute("data-read"))
        page.mouse.move(edges["x"] + 30 + 15 * (n % 20), edges["y"] + 60 + 15 * (n % 7))
        page.wait_for_function(
            "n => Number(document.querySelector('.draw').dataset.read) > n", arg=before
        )
        took.append(float(page.locator(".draw").get_attribute("data-took")))
    drawing = since(begin) / len(took)
    page.mouse.up()
    context.close()
    return *first, took, loading, drawing


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = write_site.build(Path(place) / "page")
        with browser.chromium() as driver, browser.files_served(folder) as address:
            visits = [visit(driver, address) for _ in range(VISITS)]
        size = sent(folder)
    pictures, answers = (np.array([each[n] for each in visits]) for n in (0, 1))
    moves = np.concatenate([each[2] for each in visits])
    print("| what | time or size |\n|---|---|")
    print(f"| first picture, median of {VISITS} visits | {np.median(pictures) / 1000:.2f} s |")
    print(f"| first answer, median of {VISITS} visits | {np.median(answers) / 1000:.2f} s |")
    print(f"| from the hand to the answer, median of {len(moves)} | {np.median(moves):.0f} ms |")
    print(f"| the same, 95th percentile | {np.percentile(moves, 95):.0f} ms |")
    loading, drawing = (np.median([each[n] for each in visits]) for n in (3, 4))
    print(f"| processor time until the first answer | {loading / 1000:.2f} s |")
    print(f"| processor time for each movement, all processes | {drawing:.0f} ms |")
    print(f"| all files, packed | {size / 1e6:.2f} MB |")
    print(f"\nload of the computer at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
