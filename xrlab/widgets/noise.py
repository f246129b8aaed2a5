"""A widget for chance: lattice size, lot size, number of lots and seed against one image."""

from __future__ import annotations

from dataclasses import dataclass

import ipywidgets as ipw
import numpy as np
from threadpoolctl import threadpool_limits

from xrlab.crystal import speckle
from xrlab.crystal.arrays import Floats, Integers, Singles
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.lattice import Lattice, simulate
from xrlab.crystal.patterns import NEAREST
from xrlab.crystal.setting import Setting
from xrlab.drawing.png import INTENSITY, SITES, picture
from xrlab.inference.metrics import image_r2
from xrlab.widgets.panel import Panel, captioned_pictures, choice, slider

START = {"pattern": "clusters", "size": 50, "lot_size": 25, "lots": 8, "seed": 0}
LOTS = tuple(2**n for n in range(9))

# Side of a picture: four fit in a row beside the file list of JupyterLab at 1280 pixels.
PIXELS = 180

# Sites that no lot lights are drawn this much paler.
PALE = 0.3


@dataclass(frozen=True, eq=False)
class Chance:
    """One image, another one, the expected one, and how far apart they are.

    Parameters
    ----------
    lattice : Lattice
    lit : int array, shape (N, N)
        How many lots light each site.
    image, another : float32 arrays
        Images of this lattice and of one with another seed.
    expected : array
        The noise-free image.
    grain, law : float
        Relative root mean square difference from the expected image, measured and by the law.
    r2_another, law_another, r2_expected, law_expected : float
        R^2 of the other and of the expected image against this one, measured and by the law.
    """

    lattice: Lattice
    lit: Integers
    image: Singles
    another: Singles
    expected: Floats
    grain: float
    law: float
    r2_another: float
    law_another: float
    r2_expected: float
    law_expected: float


def compute(
    pattern: str = "clusters", size: int = 50, lot_size: int = 25, lots: int = 8, seed: int = 0
) -> Chance:
    """Grow two lattices of a pattern and compare their images with the expected one.

    The sampler is "growth", whose expected image is known exactly.

    Raises
    ------
    ValueError
        If the lot does not fit the lattice, or there is no such pattern.
    """
    if pattern not in NEAREST:
        raise ValueError(f"there is no pattern {pattern!r}; there is {', '.join(NEAREST)}")
    if lot_size > size:
        raise ValueError(
            f"a lot of {lot_size} × {lot_size} sites does not fit a lattice of {size} × {size}: "
            f"make L smaller or N larger"
        )
    along_b, along_a = NEAREST[pattern]
    encoding = Encoding.product(along_a, along_b, span=2)
    setting = Setting(size, lot_size, lots, "growth")
    lattice, other = (
        simulate(encoding, size, "growth", np.random.default_rng([seed, n])) for n in (0, 1)
    )
    image = diffraction_image(lattice, setting.grid, lot_size, lots, seed)
    another = diffraction_image(other, setting.grid, lot_size, lots, seed + 1_000_003)
    expected, variance = speckle.ensemble_image(encoding, setting), speckle.pixel_variance(setting)
    return Chance(
        lattice,
        speckle.lit_sites(size, lot_size, lots, seed),
        image,
        another,
        expected,
        speckle.grain(image, expected),
        speckle.expected_grain(size, lot_size, lots),
        image_r2(image, another),
        speckle.predicted_r2(expected, variance),
        image_r2(image, expected),
        speckle.predicted_r2(expected, variance, np.inf),
    )


class ChanceExplorer(Panel):
    """Sliders for N, L, M and the seed; lattice and images follow, with their grain and R²."""

    def __init__(self) -> None:
        self.result: Chance | None = None
        controls = {
            "pattern": choice("pattern", "a named pattern", list(NEAREST)),
            "size": slider("N (sites)", "side of the lattice", 10, 150),
            "lot_size": slider("L (sites)", "side of a lot", 4, 60),
            "lots": choice("M (lots)", "number of lots", LOTS, ipw.SelectionSlider),
            "seed": slider("seed", "another seed, another crystal of the same kind", 0, 99),
        }
        self._follow(controls, START)
        self._pictures, pictures = captioned_pictures(
            {
                "lattice": "dark is +1; pale where no lot lies<br>b to the right, a upwards",
                "image": "h and k from 0 to 2 r.l.u.<br>k to the right, h upwards",
                "image, another seed": "another lattice, other places of<br>the lots; colours as "
                "beside",
                "expected image": "no chance left<br>colours as beside",
            },
            width=PIXELS,
        )
        super().__init__([*controls.values(), self.reset], pictures, self.status)
        self.refresh()

    def refresh(self) -> Chance:
        """Compute what the sliders ask for and show it."""
        chosen = {name: control.value for name, control in self.controls.items()}
        with threadpool_limits(1):  # the products are small: threads only get into each other's way
            self.result = result = compute(**chosen)
        limits = (0.0, float(np.percentile(result.image, 99)))
        shown = result.lattice.sites * np.where(result.lit, 1.0, PALE)
        drawn = (
            picture(shown, SITES, (-1, 1), pixels=PIXELS),
            *(
                picture(image, INTENSITY, limits, pixels=PIXELS)
                for image in (result.image, result.another, result.expected)
            ),
        )
        for image, png in zip(self._pictures.values(), drawn, strict=True):
            image.value = png
        unlit = np.mean(result.lit == 0)
        if chosen["pattern"] == "random":
            r2 = "<b>R²:</b> a random crystal has no signal to compare."
        else:
            r2 = (
                f"<b>R²</b> of the other seed's image against this one: {result.r2_another:.2f} "
                f"(law: {result.law_another:.2f}); of the expected image: "
                f"{result.r2_expected:.2f} (law: {result.law_expected:.2f})."
            )
        self._say(
            f"<b>Grain:</b> {result.grain:.2f} (law: {result.law:.2f}; 1/√M = "
            f"{1 / np.sqrt(chosen['lots']):.2f}). {r2} No lot lights {unlit:.0%} of the sites."
        )
        return result
