"""Build the playground: one static page that draws, guesses and reads in the browser.

``python tools/write_site.py`` writes build/site, a folder that any web server shows. What page and
package share is exported from the package first, so that no rule is written twice: ``shared.json``
(grid, names, colours, limits, the calibration of the network, patterns as lattices) and
``rounds.json`` (images of the guessing game with their true correlations). Then Node installs what
site/package-lock.json pins and bundles the page.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import xrlab
from xrlab.crystal.grid import BRAGG_RADIUS
from xrlab.drawing.png import UNMEASURED
from xrlab.interpretation import cells, findings, sections
from xrlab.io import choice, section, stored
from xrlab.measurement import alignment, intensity_scale, inversion
from xrlab.networks.folding import CELL
from xrlab.widgets import play

ROOT = Path(__file__).parent.parent
SITE = ROOT / "site"
DATA = ROOT / "build" / "site-data"
OUT = ROOT / "build" / "site"
WEIGHTS = ROOT / "xrlab" / "weights"
MODEL = WEIGHTS / "measured.onnx"

# Oldest Node that its packages and the modules in xrlab/widgets run on.
NODE = (20, 19)

# Images of each level of the guessing game.
ROUNDS, SEED = 12, 18

# Of images in the game: largest number stored, with 0 for unmeasured.
TOP = 65535


def shared() -> dict[str, Any]:
    """Collect constants, names and tables of the package."""
    return {
        **play.shared(),
        "version": xrlab.__version__,
        "cell": CELL,
        "bragg_radius": BRAGG_RADIUS,
        "unmeasured": UNMEASURED,
        "calibration": json.loads((WEIGHTS / "measured.json").read_text("utf-8"))["calibration"],
        "limits": findings.LIMITS
        | {
            "unmeasured": findings.UNMEASURED,
            "intensity scale": findings.WHOLE,
            "Bragg positions": findings.STRAY,
            "precision": findings.IGNORANCE,
        },
        "alignment": alignment_rules(),
        "sections": {
            "joining": asdict(sections.joining_of(None)),
            "leastPixels": sections.LEAST_PIXELS,
            "contrast": sections.CONTRAST,
            "copy": sections.COPY,
            "vague": sections.VAGUE,
            "side": cells.SIDE,
            "blurs": cells.BLURS,
            "leastMeasured": cells.LEAST_MEASURED,
            "leastCells": cells.LEAST_CELLS,
            "reaches": cells.REACHES,
        },
        "intensity_scale": {
            "least_pixels": intensity_scale.LEAST_PIXELS,
            "digits": intensity_scale.DIGITS,
            "noNoise": intensity_scale.NO_NOISE,
            "scatter": intensity_scale.SCATTER,
        },
        "least_measured": section.LEAST_MEASURED,
        "max_pixels": choice.MAX_PIXELS,
        "stored": {
            "words": stored.WORDS,
            "tops": stored.WIDENED_TOPS,
            "sentinels": stored.SENTINELS,
            "detector_flags": stored.DETECTOR_FLAGS,
            "false_alarm": stored.FALSE_ALARM,
            "fewest_zeros": stored.FEWEST_ZEROS,
            "site_animals": stored.SITE_ANIMALS,
        },
    }


def alignment_rules() -> dict[str, float]:
    """Collect the constants of the checks of alignment, as site/alignment.js takes them."""
    return {
        "radius": BRAGG_RADIUS,
        "reach": alignment.REACH,
        "least": alignment.LEAST,
        "repeats": alignment.REPEATS,
        "lowest": alignment.LOWEST,
        "unlike": alignment.UNLIKE,
        "formFactor": inversion.FORM_FACTOR,
        "background": inversion.BACKGROUND,
        "far": inversion.FAR,
        "fewest": inversion.LEAST,
        "brightest": alignment.BRIGHTEST,
        "smooth": alignment.SMOOTH,
        "faint": alignment.FAINT,
    }


def rounds() -> dict[str, Any]:
    """Simulate the images of the guessing game, of crystals that no training has seen."""
    made: dict[str, Any] = {}
    for level in play.LEVELS:
        dealt = [play.deal(level, index, SEED) for index in range(ROUNDS)]
        made[level] = [
            {"truth": np.round(vector, 4).tolist(), "image": _packed(image)}
            for image, vector in dealt
        ]
    return made


def _packed(image: np.ndarray) -> dict[str, Any]:
    """Whole numbers from 1 on as base64, low bytes after the high ones; 0 where unmeasured."""
    scale = TOP / 2 / np.nanquantile(image, 0.998)
    values = np.clip(np.round(np.nan_to_num(image) * scale) + 1, 1, TOP).astype("<u2")
    values[np.isnan(image)] = 0
    planes = values.view(np.uint8).reshape(-1, 2).T[::-1]
    return {"scale": float(scale), "data": base64.b64encode(planes.tobytes()).decode()}


def export(folder: Path = DATA) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("shared", shared()), ("rounds", rounds())):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def node() -> str | None:
    """Say why the page cannot be built here; None if it can."""
    program = shutil.which("node")
    needed = "the playground is built with Node {}.{} or newer and npm".format(*NODE)
    if program is None or shutil.which("npm") is None:
        return f"{needed}: install them"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    number = version.stdout.strip().lstrip("v")
    if tuple(map(int, number.split(".")[:2])) < NODE:
        return f"{needed}; this is Node {number}"
    return None


def install() -> None:
    """Fetch the pinned packages, unless they are there; none of their scripts is run."""
    lock = SITE / "package-lock.json"
    done = SITE / "node_modules" / ".installed"
    if not done.exists() or done.read_bytes() != lock.read_bytes():
        npm = [shutil.which("npm") or "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=SITE, check=True)
        done.write_bytes(lock.read_bytes())


def build(out: Path = OUT) -> Path:
    """Export, install and bundle; return the folder of the page.

    Raises
    ------
    RuntimeError
        If Node, its packages or the network are not to be had here.
    """
    if reason := node():
        raise RuntimeError(reason)
    if not MODEL.is_file():
        raise RuntimeError(f"{MODEL} is missing: it comes with xrlab")
    try:
        install()
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"npm cannot install the packages of the playground: {error}") from error
    export()
    bundle = ["node", "build.mjs", str(DATA), str(MODEL), str(out)]
    subprocess.run(bundle, cwd=SITE, check=True)
    return out


def main() -> None:
    """Build the page, or say why not."""
    try:
        build()
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
