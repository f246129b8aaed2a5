"""The result of an interpretation: encoding, errors, structure, simulated image and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xrlab.crystal.arrays import Floats, Image, Singles
from xrlab.crystal.encoding import Encoding, component_names, values_text
from xrlab.crystal.grid import ReciprocalGrid
from xrlab.crystal.lattice import Lattice
from xrlab.inference.metrics import image_r2
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.interpretation.evidence import Evidence
from xrlab.interpretation.findings import DECISIVE, Finding, Status, status_of, warnings_of
from xrlab.networks.predict import Kind

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from xrlab.interpretation.sections import Joined


@dataclass(frozen=True, eq=False)
class Interpretation:
    """The answer to one image: correlations with errors, a structure, checks and evidence.

    Parameters
    ----------
    encoding : Encoding
        The network's estimate of the correlations.
    covariance : float array, shape (span^2 - 1, span^2 - 1)
        Of ``encoding.vector``: what is well known, such as ratios, and what is not, such as the
        common scale where the background is unknown. Made wider along the difference of network and
        fit in an image that is explained in part only, and to errors of at least 0.3 where it is
        not explained.
    measured : float array
        The given image, NaN where unmeasured.
    corrected : float array
        The crystal's own pattern S, mean 1. For kind "simulated" the image with its gaps filled,
        which is the network's input; for "measured" the network's estimate, without form factor,
        background, Bragg peaks and noise.
    lattice : Lattice or None
        For kind "simulated" with the encoding as its target; for "measured" with the spectrum S of
        the fit, distant correlations and those along (i, -j) included. None after
        ``interpret(fit=False)``.
    simulated : float32 array or None
        The diffraction image of that lattice on the same grid: for kind "simulated" in Laue
        monotonic units, for "measured" E S + B in the units of the image. None without a lattice.
    grid : ReciprocalGrid
    kind : {"measured", "simulated"}
    seed : int
        Of the lattice.
    network_error : float array, shape (span^2 - 1,)
        The network's own standard error, before anything made it wider.
    fit : PhysicalFit, optional
        For kind "measured": a second answer, without any training. None after
        ``interpret(fit=False)``.
    findings : tuple of Finding
        Every check, passed or not; `status` and `warnings` follow from them.
    freedom : float
        Degrees of freedom of the distribution of the correlations, a multivariate Student's t;
        infinite for a normal one.
    windows : Joined, optional
        Of a section: the answers of all windows, of which `encoding` and `covariance` are the
        joined one. Everything else is that of the clearest window.
    """

    encoding: Encoding
    covariance: Floats
    measured: Image
    corrected: Image
    lattice: Lattice | None
    simulated: Singles | None
    grid: ReciprocalGrid
    kind: Kind
    seed: int
    network_error: Floats
    fit: PhysicalFit | None = None
    findings: tuple[Finding, ...] = ()
    freedom: float = np.inf
    windows: Joined | None = None

    @property
    def status(self) -> Status:
        """Whether an encoding explains the image: "explained", "in part" or "not explained".

        "not tested" for a measured image without the physical fit, on which that test rests.
        """
        decided = any(finding.key in DECISIVE for finding in self.findings)
        tested = decided or self.fit is not None or self.kind != "measured"
        return status_of(self.findings) if tested else "not tested"

    @property
    def warnings(self) -> list[str]:
        """One sentence for each failed check, first the one that limits `status`; often empty."""
        return warnings_of(self.findings)

    @property
    def explained(self) -> bool:
        """Whether some encoding explains the image, or part of it; True if that was not tested."""
        return self.status != "not explained"

    @property
    def image_r2(self) -> float | None:
        """R^2 of `simulated` against `measured`, each scaled to mean 1, away from Bragg peaks.

        None without a simulated image.
        """
        if self.simulated is None:
            return None
        return image_r2(self.measured, self.simulated, self.evidence.counts)

    @property
    def standard_error(self) -> Floats:
        """Standard deviation of each value of ``encoding.vector``, shape (span^2 - 1,)."""
        return np.sqrt(np.diagonal(self.covariance))

    def sample(self, n: int, seed: int | np.random.Generator = 0) -> Floats:
        """Draw vectors from the joint distribution of mean ``encoding.vector`` and `covariance`.

        The standard deviation of a function of the draws is the error of that function: of S at a
        point, a difference, a ratio.

        Parameters
        ----------
        n : int
        seed : int or Generator

        Returns
        -------
        float64 array, shape (n, span^2 - 1)
            Not cut at -1 and 1.
        """
        rng = np.random.default_rng(seed)
        normal = rng.multivariate_normal(np.zeros(len(self.covariance)), self.covariance, n)
        if self.freedom < np.inf:
            spread = rng.chisquare(self.freedom, (n, 1)) / (self.freedom - 2)
            normal /= np.sqrt(spread)
        return self.encoding.vector + normal

    @cached_property
    def evidence(self) -> Evidence:
        """Residual, cuts and rival methods: see `Evidence`."""
        return Evidence(self)

    def to_dict(self) -> dict[str, Any]:
        """Return numbers and words (no images) as plain Python values, ready for JSON."""
        return {
            "span": self.encoding.span,
            "components": component_names(self.encoding.span),
            "encoding": self.encoding.vector.tolist(),
            "standard_error": self.standard_error.tolist(),
            "realised": self.lattice.realised.vector.tolist() if self.lattice else None,
            "status": self.status,
            "explained": self.explained,
            "warnings": self.warnings,
            "kind": self.kind,
            "grid": {"h": self.grid.h, "k": self.grid.k, "shape": self.grid.shape},
            "seed": self.seed,
            "image_r2": self.image_r2,
            "network_error": self.network_error.tolist(),
            "covariance": self.covariance.tolist(),
            "freedom": self.freedom if self.freedom < np.inf else None,
            "delta_pdf": self.evidence.delta_pdf,
            "fit": self.fit.to_dict() if self.fit else None,
            "findings": [finding.to_dict() for finding in self.findings],
            "windows": self.windows.to_dict() if self.windows else None,
        }

    def figure(self) -> go.Figure:
        """Draw measured | structure | simulated | encoding side by side.

        Where there is a physical fit, measured and simulated are both E S + B in the units of the
        measurement, on one colour scale that leaves the Bragg peaks out; otherwise both are the
        crystal's own pattern S. Without a lattice, measured | corrected | encoding.
        """
        from xrlab.drawing.plots import add_encoding, add_image, add_lattice, describe, panels

        values = values_text(self.encoding, self.standard_error)
        if self.lattice is None or self.simulated is None:
            figure = panels("measured", "measured, corrected", "encoding")
            add_image(figure, self.measured, self.grid, column=1)
            figure.data[0].zmax = float(np.percentile(self.measured[self.evidence.counts], 99))
            add_image(figure, self.corrected, self.grid, column=2)
            add_encoding(figure, self.encoding, self.standard_error, column=3)
            return describe(
                figure,
                f"Left, the image; then the crystal's own pattern, without form factor, "
                f"background and noise; right, the encoding: {values}.",
            )
        shown = self.measured if self.fit else self.corrected
        own = self.kind == "measured" and not self.fit
        title = "measured, corrected" if own else "measured"
        figure = panels(title, "structure", "simulated", "encoding")
        add_image(figure, shown, self.grid, column=1)
        add_lattice(figure, self.lattice, column=2)
        add_image(figure, self.simulated, self.grid, column=3)
        add_encoding(figure, self.encoding, self.standard_error, column=4)
        if self.fit:
            top = float(np.percentile(shown[self.evidence.counts], 99))
            for panel in (figure.data[0], figure.data[2]):
                panel.zmax = top
        return describe(
            figure,
            f"Left, the image, {title}; then a structure with the estimated correlations, its "
            f"simulated image, and the encoding: {values}.",
        )
