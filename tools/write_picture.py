"""Draw the picture of the README: the interpretation of a simulated measurement.

``python tools/write_picture.py`` needs Chromium and playwright.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

import xrlab
from xrlab.measurement.instrument import preset

SEED = 3
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "interpretation.png"


def main() -> None:
    """Interpret a simulated measurement and take a picture of the figure."""
    pattern = xrlab.expected_image(xrlab.Encoding.from_vector([-0.3, 0.35, -0.3]))
    image = preset("laboratory").measure(pattern, seed=SEED).image
    page_text = xrlab.interpret(image).figure().to_html(include_plotlyjs=True)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        driver = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = driver.new_page(viewport={"width": 1000, "height": 400}, device_scale_factor=1.6)
        page.set_content(page_text)
        page.locator(".main-svg").first.wait_for()
        page.locator(".plot-container").screenshot(path=PICTURE)
        driver.close()


if __name__ == "__main__":
    main()
