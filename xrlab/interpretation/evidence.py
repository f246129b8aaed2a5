"""What speaks for an answer and against it, as numbers: residual, cuts and rival methods.

`xrlab.interpretation.evidence_figure.evidence_figure` and `xrlab.interpretation.report` draw and
write what is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter

from xrlab.crystal.encoding import component_names
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.interpretation.result import counts
from xrlab.measurement.filling import fill_unmeasured

if TYPE_CHECKING:
    from xrlab.interpretation.result import Interpretation


# Pixels that a cut is wide, an odd number: three make the grain of single pixels 1.7 times less.
CUT_WIDTH = 3

# Median of the square of a normal variable with variance 1.
MEDIAN_CHI2 = 0.4549


@dataclass(frozen=True)
class Component:
    """One correlation as every method reads it; None where a method gives nothing.

    Parameters
    ----------
    name : str
        ``"c(i, j)"``.
    value, error : float
        The network's answer and its standard error, made wider where the image is not explained, or
        in part only.
    own_error : float
        The network's own, before that.
    fit_value, fit_error : float or None
        Those of the physical fit.
    delta_pdf : float or None
        By Fourier inversion, see `inverted`. It comes without an error.
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

        (The wider error holds this very difference, so by that they would always agree.) Both read
        the same image, so their errors are not independent: two that agree are apart by less than
        chance alone would put them.
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
    measured, error, simulated : float arrays, shape (n,)
        In units of the mean of the measured image; NaN where unmeasured or near a Bragg peak.
    fitted : float array, shape (n,), or None
        E S + B of the physical fit, without the grain that every single lattice has.
    """

    along: str
    across: str
    at: float
    q: NDArray[np.float64]
    measured: NDArray[np.float64]
    error: NDArray[np.float64]
    simulated: NDArray[np.float64]
    fitted: NDArray[np.float64] | None


def components(result: Interpretation) -> list[Component]:
    """Set network, fit and Delta-PDF side by side, one `Component` for each correlation."""
    vector, fit, inversion = result.encoding.vector, result.fit, inverted(result)
    nothing = [None] * vector.size
    return [
        Component(*each)
        for each in zip(
            component_names(result.encoding.span),
            vector.tolist(),
            result.standard_error.tolist(),
            result.network_error.tolist(),
            fit.encoding.vector.tolist() if fit else nothing,
            fit.standard_error.tolist() if fit else nothing,
            inversion if inversion else nothing,
            strict=True,
        )
    ]


def inverted(result: Interpretation) -> list[float] | None:
    """Read the correlations by Fourier inversion alone: the Delta-PDF.

    Of a measured image, after the fitted background is taken off, the fitted form factor divided
    out and the surroundings of the Bragg positions filled from opposite pixels; of a simulated one,
    as it is. None where too little was measured.
    """
    image, span, grid = result.measured, result.encoding.span, result.grid
    try:
        if result.kind == "simulated":
            return list(delta_pdf(image, span, grid).vector.tolist())
        if result.fit:
            image = np.maximum(image - result.fit.background, 0) / result.fit.envelope
        image = fill_unmeasured(np.where(counts(result), image, np.nan))
        return list(delta_pdf(image, span, grid).vector.tolist())
    except ValueError:
        return None


def simulated_image(result: Interpretation) -> NDArray[np.float64]:
    """Return the re-simulated image in the units of the measured one.

    That of a measured image is E S + B and in its units already; one in Laue units is brought to
    the same mean, over the pixels that count.
    """
    simulated = result.simulated.astype(np.float64)
    if result.fit:
        return simulated
    where = counts(result)
    return simulated * (result.measured[where].mean() / simulated[where].mean())


def residual(result: Interpretation) -> NDArray[np.float64]:
    """Measured minus simulated, in units of the measured mean; NaN where nothing is compared."""
    where = counts(result)
    difference = result.measured - simulated_image(result)
    return np.where(where, difference, np.nan) / result.measured[where].mean()


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


def cuts(result: Interpretation) -> tuple[Cut, Cut]:
    """Cut along h and along k through the strongest diffuse scattering, Bragg peaks left out.

    The errors are those of counting with the image's own `scatter`.
    """
    where = counts(result)
    scale = result.measured[where].mean()
    images = {"measured": result.measured, "simulated": simulated_image(result)}
    if result.fit:
        images["fitted"] = result.fit.model
    images = {name: np.where(where, image, np.nan) / scale for name, image in images.items()}
    smooth = uniform_filter(np.nan_to_num(images.get("fitted", images["simulated"])), CUT_WIDTH)
    row, column = np.unravel_index(np.argmax(smooth), smooth.shape)
    phi = scatter(images["measured"])
    h, k = result.grid.h_values, result.grid.k_values

    def cut(along: str, at: int, turn: bool) -> Cut:
        q, p = (h, k) if turn else (k, h)
        strip = slice(max(at - CUT_WIDTH // 2, 0), at + CUT_WIDTH // 2 + 1)
        strips = {name: (each.T if turn else each)[strip] for name, each in images.items()}
        means = {name: _mean(each) for name, each in strips.items()}
        number = np.maximum(np.isfinite(strips["measured"]).sum(axis=0), 1)
        return Cut(
            along=along,
            across="k" if turn else "h",
            at=float(p[at]),
            q=q,
            measured=means["measured"],
            error=np.sqrt(phi * means["measured"] / number),
            simulated=means["simulated"],
            fitted=means.get("fitted"),
        )

    return cut("h", int(column), turn=True), cut("k", int(row), turn=False)


def _mean(strip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the measured pixels of every column; NaN where there is none."""
    seen = np.isfinite(strip)
    number = seen.sum(axis=0)
    total = np.where(seen, strip, 0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
