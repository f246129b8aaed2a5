"""Time the live explorer in Chromium, served by JupyterLab: from a key press to the drawn pictures.

    python benchmarks/explorer.py [--span 4] [--moves 60]

A page cannot see a screen, so "drawn" is the first animation frame after the canvases were filled.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import psutil
from measure import Finding

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import browser

# Notes the time of every drawing, in ms.
WATCH = """() => {
  window.drawn = [];
  const row = document.querySelector("[data-drawn]");
  new MutationObserver(() => requestAnimationFrame(() => window.drawn.push(performance.now())))
    .observe(row, { attributeFilter: ["data-drawn"] });
}"""

# One step of a slider, as a key does it; the time until all pictures are drawn.
MOVE = """([name, step]) => new Promise((resolve) => {
  const slider = document.querySelector(`input[aria-label="${name}"]`);
  window.drawn = [];
  const start = performance.now();
  slider.value = Number(slider.value) + step;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  const wait = () => window.drawn.length
    ? resolve(window.drawn[0] - start) : requestAnimationFrame(wait);
  wait();
})"""

# Thirty steps, one every `pause` ms; the time from the last of them to the last drawing.
DRAG = """([name, step, count, pause]) => new Promise((resolve) => {
  const slider = document.querySelector(`input[aria-label="${name}"]`);
  window.drawn = [];
  let left = count, last;
  const timer = setInterval(() => {
    slider.value = Number(slider.value) + step;
    last = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    if (--left === 0) {
      clearInterval(timer);
      setTimeout(() => resolve([window.drawn.at(-1) - last, window.drawn.length]), 1500);
    }
  }, pause);
})"""

# From the click on "run" to the first picture.
FIRST = """() => new Promise((resolve) => {
  const wait = () => document.querySelector("[data-drawn]")
    ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(wait);
  wait();
})"""


def measure(span: int, moves: int) -> list[Finding]:
    """Open the explorer, move its sliders, and set the times beside the bars."""
    with browser.chromium() as driver:
        page = browser.open_page(driver, width=1400, height=1400)
        first, second = browser.open_in_lab(
            page,
            "from xrlab.widgets.explorer import Explorer\nprint('ready')",
            f"explorer = Explorer(span={span}, pattern='ring')\nexplorer",
        )
        browser.run(first)
        second.locator(".cm-content").click()
        start = page.evaluate("performance.now()")
        page.keyboard.press("Control+Enter")
        shown = (page.evaluate(FIRST) - start) / 1000
        page.evaluate(WATCH)
        page.wait_for_timeout(1000)
        names = [f"c({i}, {j})" for i in range(span) for j in range(span) if i or j]
        times = []
        for n in range(moves):
            step = 0.01 if n // len(names) % 2 == 0 else -0.01
            times.append(page.evaluate(MOVE, [names[n % len(names)], step]))
            page.wait_for_timeout(60)
        ends, pictures = np.transpose(
            [page.evaluate(DRAG, ["c(0, 1)", 0.01 * s, 30, 33]) for s in (-1, 1, -1, 1, -1)]
        )
    median, slow = np.percentile(times, [50, 95])
    return [
        Finding("slider to all pictures, median", "≤ 60 ms", f"{median:.0f} ms", median <= 60),
        Finding("the same, 95th percentile", "≤ 120 ms", f"{slow:.0f} ms", slow <= 120),
        Finding(
            f"30 moves in a row, {np.mean(pictures):.0f} of them drawn: from the last to its "
            f"pictures, worst of {len(ends)}",
            "≤ 120 ms",
            f"{max(ends):.0f} ms",
            max(ends) <= 120,
        ),
        Finding("cell run to first picture", "≤ 3 s", f"{shown:.1f} s", shown <= 3),
    ]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--span", type=int, default=4)
    parser.add_argument("--moves", type=int, default=90)
    chosen = parser.parse_args()
    load = psutil.getloadavg()[0]
    findings = measure(chosen.span, chosen.moves)
    print(f"explorer of span {chosen.span}; load of the machine before the run: {load:.1f}\n")
    print("| what | asked | measured | |\n|---|---|---|---|")
    print(*findings, sep="\n")


if __name__ == "__main__":
    main()
