"""The result of an interpretation: encoding, errors, structure, simulated image and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.crystal.lattice import Lattice
from xrlab.drawing.plots import add_encoding, add_image, add_lattice, describe, panels, values_text
from xrlab.inference.metrics import image_r2
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.interpretation.findings import NOT_EXPLAINED, Finding
from xrlab.networks.predict import Kind

if TYPE_CHECKING:
    import plotly.graph_objects as go


def counts(result: Interpretation) -> NDArray[np.bool_]:
    """Find the pixels on which images are compared: measured, outside the discs of Bragg peaks.

    Raises
    ------
    ValueError
        If there is none.
    """
    where = (result.grid.distance_to_bragg() >= BRAGG_RADIUS) & np.isfinite(result.measured)
    if not where.any():
        raise ValueError(
            f"every measured pixel is nearer than {BRAGG_RADIUS} r.l.u. to a Bragg position: "
            f"there is no diffuse scattering to compare"
        )
    return where


@dataclass(frozen=True, eq=False)
class Interpretation:
    """What an image says of the crystal.

    Parameters
    ----------
    encoding : Encoding
        The correlations read off the image: the network's.
    standard_error : float array, shape (span^2 - 1,)
        Of each value of ``encoding.vector``. Made wider where network and fit differ in an image
        that is explained in part only, and at least 0.3 where it is not explained.
    measured : float array
        The image as it came, NaN where unmeasured.
    corrected : float array
        The image as a clean measurement of the crystal's own pattern would show it, mean 1. For
        kind "simulated" the image with its gaps filled, which is what the network was shown; for
        "measured" the network's own: without form factor, background, Bragg peaks and noise.
    lattice : Lattice
        For kind "simulated" with the encoding as its target; for "measured" with the spectrum S of
        the fit, distant correlations and those along (i, -j) included.
    simulated : float32 array
        The diffraction image of that lattice on the same grid: for kind "simulated" in Laue
        monotonic units, for "measured" E S + B in the units of the image.
    warnings : list of str
        What to keep in mind before believing the answer; empty when nothing speaks against it.
    grid : ReciprocalGrid
    kind : {"simulated", "measured"}
    seed : int
        Of the lattice.
    network_error : float array, shape (span^2 - 1,)
        The network's own standard error, before anything made it wider.
    fit : PhysicalFit, optional
        For kind "measured": a second answer, without any training.
    findings : tuple of Finding
        For kind "measured": every test, passed or not. `warnings` has those that were not.
    """

    encoding: Encoding
    standard_error: NDArray[np.float64]
    measured: NDArray[np.float64]
    corrected: NDArray[np.float64]
    lattice: Lattice
    simulated: NDArray[np.float32]
    warnings: list[str]
    grid: ReciprocalGrid
    kind: Kind
    seed: int
    network_error: NDArray[np.float64]
    fit: PhysicalFit | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def explained(self) -> bool:
        """Whether some encoding explains the image. If not, the first warning says so."""
        return not (self.warnings and self.warnings[0].startswith(NOT_EXPLAINED))

    @property
    def image_r2(self) -> float:
        """R^2 of `simulated` against `measured`, each scaled to mean 1, away from Bragg peaks."""
        away = self.grid.distance_to_bragg() >= BRAGG_RADIUS
        return image_r2(self.measured, self.simulated, away)

    def to_dict(self) -> dict[str, Any]:
        """Return numbers and words (no images) as plain Python values, ready for JSON."""
        return {
            "span": self.encoding.span,
            "components": component_names(self.encoding.span),
            "encoding": self.encoding.vector.tolist(),
            "standard_error": self.standard_error.tolist(),
            "realised": self.lattice.realised.vector.tolist(),
            "explained": self.explained,
            "warnings": list(self.warnings),
            "kind": self.kind,
            "grid": {"h": self.grid.h, "k": self.grid.k, "shape": self.grid.shape},
            "seed": self.seed,
            "image_r2": self.image_r2,
            "network_error": self.network_error.tolist(),
            "fit": self.fit.to_dict() if self.fit else None,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def figure(self) -> go.Figure:
        """Draw the four panels: measured | structure | simulated | encoding."""
        return interpretation_figure(self)


def interpretation_figure(interpretation: Interpretation) -> go.Figure:
    """Draw measured | structure | simulated | encoding side by side.

    Where there is a physical fit, measured and simulated are both E S + B in the units of the
    measurement, on one colour scale that leaves the Bragg peaks out; otherwise both are the
    crystal's own pattern S.
    """
    shown = interpretation.measured if interpretation.fit else interpretation.corrected
    own = interpretation.kind == "measured" and not interpretation.fit
    title = "measured, corrected" if own else "measured"
    figure = panels(title, "structure", "simulated", "encoding")
    add_image(figure, shown, interpretation.grid, column=1)
    add_lattice(figure, interpretation.lattice, column=2)
    add_image(figure, interpretation.simulated, interpretation.grid, column=3)
    add_encoding(figure, interpretation.encoding, interpretation.standard_error, column=4)
    if interpretation.fit:
        top = float(np.percentile(shown[counts(interpretation)], 99))
        for panel in (figure.data[0], figure.data[2]):
            panel.zmax = top
    values = values_text(interpretation.encoding, interpretation.standard_error)
    return describe(
        figure,
        f"Left, the image, {title}; then a structure made after the answer, its simulated image, "
        f"and the encoding: {values}.",
    )
