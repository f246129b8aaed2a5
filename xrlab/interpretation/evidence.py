"""Evidence for and against an answer, as numbers: residual, cuts and rival methods.

`xrlab.interpretation.evidence_figure.evidence_figure` and `xrlab.interpretation.report` draw and
write what is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import uniform_filter

from xrlab.crystal.arrays import Floats, Mask
from xrlab.crystal.encoding import component_names
from xrlab.crystal.grid import BRAGG_RADIUS
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.measurement.filling import filled

if TYPE_CHECKING:
    from xrlab.interpretation.result import Interpretation


# Pixels that a cut is wide, an odd number: three make the grain of single pixels 1.7 times less.
CUT_WIDTH = 3

# Median of the square of a normal variable with variance 1.
MEDIAN_CHI2 = 0.4549


@dataclass(frozen=True)
class Comparison:
    """One correlation as every method estimates it; None where a method gives nothing.

    Parameters
    ----------
    name : str
        ``"c(i, j)"``.
    value, error : float
        The network's estimate and its standard error, made wider where the image is not explained,
        or in part only.
    own_error : float
        The network's own, before that.
    fit_value, fit_error : float or None
        Those of the physical fit.
    delta_pdf : float or None
        By Fourier inversion, see `Evidence.delta_pdf`. It comes without an error.
    """

    name: str
    value: float
    error: float
    own_error: float
    fit_value: float | None
    fit_error: float | None
    delta_pdf: float | None

    @property
    def fit_apart(self) -> float | None:
        """Network minus fit, in units of the combined standard error of both, the network's own.

        (The widened error already contains this difference, so dividing by it would always give
        agreement.) Both use the same image, so their errors are not independent: two that agree
        are apart by less than chance alone would put them.
        """
        if self.fit_value is None or self.fit_error is None:
            return None
        return (self.value - self.fit_value) / float(np.hypot(self.own_error, self.fit_error))

    @property
    def delta_pdf_apart(self) -> float | None:
        """Network minus Delta-PDF, in units of the network's own standard error."""
        if self.delta_pdf is None:
            return None
        return (self.value - self.delta_pdf) / self.own_error


@dataclass(frozen=True, eq=False)
class Cut:
    """Intensity along one axis, mean over a strip a few pixels wide.

    Parameters
    ----------
    along, across : {"h", "k"}
        The axis of the cut and the other one.
    at : float
        Where on the other axis, r.l.u.
    q : float array, shape (n,)
        Points along the axis, r.l.u.
    measured, error : float arrays, shape (n,)
        In units of the mean of the measured image; NaN where unmeasured or near a Bragg peak.
    simulated : float array, shape (n,), or None
        Likewise, if the image was simulated anew.
    fitted : float array, shape (n,), or None
        E S + B of the physical fit, without the grain that every single lattice has.
    """

    along: str
    across: str
    at: float
    q: Floats
    measured: Floats
    error: Floats
    simulated: Floats | None
    fitted: Floats | None


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence for and against an interpretation, each part computed when it is first used.

    Parameters
    ----------
    result : Interpretation
    """

    result: Interpretation

    @cached_property
    def counts(self) -> Mask:
        """Pixels on which images are compared: measured, outside the discs of Bragg peaks.

        Raises
        ------
        ValueError
            If there is none.
        """
        outside = self.result.grid.distance_to_bragg() >= BRAGG_RADIUS
        where: Mask = outside & np.isfinite(self.result.measured)
        if not where.any():
            raise ValueError(
                f"every measured pixel is nearer than {BRAGG_RADIUS} r.l.u. to a Bragg position: "
                f"there is no diffuse scattering to compare"
            )
        return where

    @cached_property
    def simulated(self) -> Floats | None:
        """The re-simulated image in the units of the measured one; None without one.

        That of a measured image is E S + B and in its units already; one in Laue units is brought
        to the same mean, over the pixels that count.
        """
        if self.result.simulated is None:
            return None
        simulated = self.result.simulated.astype(np.float64)
        if self.result.fit:
            return simulated
        where = self.counts
        return simulated * (self.result.measured[where].mean() / simulated[where].mean())

    @cached_property
    def residual(self) -> Floats | None:
        """Measured minus simulated, in units of the measured mean; NaN where `counts` is False.

        None without a simulated image.
        """
        if self.simulated is None:
            return None
        difference = self.result.measured - self.simulated
        mean = self.result.measured[self.counts].mean()
        return np.where(self.counts, difference, np.nan) / mean

    @cached_property
    def delta_pdf(self) -> list[float] | None:
        """The correlations by Fourier inversion alone: the Delta-PDF.

        Of a measured image, after the fitted background is taken off, the fitted form factor
        divided out and the surroundings of the Bragg positions filled from opposite pixels; of a
        simulated one, as it is. None where too little was measured.
        """
        result, image = self.result, self.result.measured
        try:
            if result.kind == "measured":
                if result.fit:
                    image = np.maximum(image - result.fit.background, 0) / result.fit.envelope
                image = filled(np.where(self.counts, image, np.nan))
            return list(delta_pdf(image, result.encoding.span, result.grid).vector.tolist())
        except ValueError:
            return None

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Network, fit and Delta-PDF side by side, one `Comparison` for each correlation."""
        result, fit = self.result, self.result.fit
        vector = result.encoding.vector
        nothing = [None] * vector.size
        return [
            Comparison(*row)
            for row in zip(
                component_names(result.encoding.span),
                vector.tolist(),
                result.standard_error.tolist(),
                result.network_error.tolist(),
                fit.encoding.vector.tolist() if fit else nothing,
                fit.standard_error.tolist() if fit else nothing,
                self.delta_pdf or nothing,
                strict=True,
            )
        ]

    @cached_property
    def cuts(self) -> tuple[Cut, Cut]:
        """Cuts along h and along k through the strongest diffuse scattering, Bragg peaks left out.

        The errors are those of counting with the image's own `scatter`.
        """
        result, where = self.result, self.counts
        images: dict[str, Floats] = {"measured": result.measured}
        if self.simulated is not None:
            images["simulated"] = self.simulated
        if result.fit:
            images["fitted"] = result.fit.model
        scale = result.measured[where].mean()
        images = {name: np.where(where, image, np.nan) / scale for name, image in images.items()}
        last = list(images.values())[-1]  # the one with the least noise
        smooth = uniform_filter(np.nan_to_num(last), CUT_WIDTH)
        row, column = np.unravel_index(np.argmax(smooth), smooth.shape)
        phi = scatter(images["measured"])
        h, k = result.grid.h_values, result.grid.k_values
        turned = {name: image.T for name, image in images.items()}
        return (
            _cut("h", "k", h, float(k[column]), turned, int(column), phi),
            _cut("k", "h", k, float(h[row]), images, int(row), phi),
        )


def scatter(image: ArrayLike) -> float:
    """Estimate phi, the variance of a pixel divided by its intensity: 1 for counted photons.

    From the image alone: the second difference d = a - 2 b + c of three neighbours has the variance
    phi (a + 4 b + c) where the intensity itself is straight; the median over the image leaves
    aside where it is not. Scatter that neighbours share, as from a blurring detector, goes unseen.

    Parameters
    ----------
    image : array, 2-D
        NaN where unmeasured.

    Examples
    --------
    >>> counted = np.random.default_rng(1).poisson(50, (64, 64))
    >>> bool(abs(scatter(counted) - 1) < 0.1)
    True
    """
    ratios = []
    for pixels in (np.asarray(image, np.float64), np.asarray(image, np.float64).T):
        a, b, c = pixels[:-2], pixels[1:-1], pixels[2:]
        total = a + 4 * b + c
        seen = np.isfinite(total) & (total > 0)
        ratios.append((a - 2 * b + c)[seen] ** 2 / total[seen])
    together = np.concatenate(ratios)
    return float(np.median(together)) / MEDIAN_CHI2 if together.size else float("nan")


def _cut(
    along: str,
    across: str,
    q: Floats,
    at: float,
    images: dict[str, Floats],
    row: int,
    phi: float,
) -> Cut:
    """Mean over a strip of rows of images whose columns lie at q."""
    strip = slice(max(row - CUT_WIDTH // 2, 0), row + CUT_WIDTH // 2 + 1)
    means = {name: _mean(image[strip]) for name, image in images.items()}
    number = np.maximum(np.isfinite(images["measured"][strip]).sum(axis=0), 1)
    error = np.sqrt(phi * means["measured"] / number)
    return Cut(
        along, across, at, q, means["measured"], error, means.get("simulated"), means.get("fitted")
    )


def _mean(strip: Floats) -> Floats:
    """Mean of the measured pixels of every column; NaN where there is none."""
    seen = np.isfinite(strip)
    number = seen.sum(axis=0)
    total = np.where(seen, strip, 0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
