"""From an image to its encoding, with an error, a lattice that has it, and the image it gives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import isqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab import measured as measured_kind
from xrlab.corrections import fill_unmeasured, normalise_mean
from xrlab.data import BRAGG_RADIUS
from xrlab.dataset import Setting
from xrlab.diffraction import STANDARD_GRID, ReciprocalGrid, as_image, diffraction_image
from xrlab.encoding import Encoding, component_names, vector_length
from xrlab.findings import IGNORANCE, NOT_EXPLAINED, PARTLY, Finding, against, examine
from xrlab.fit import PhysicalFit, physical_fit
from xrlab.lattice import Lattice, simulate
from xrlab.metrics import image_r2
from xrlab.models import load_model, model_card, run_model, shipped_models
from xrlab.samplers import cut_field

if TYPE_CHECKING:
    import keras
    import plotly.graph_objects as go

Kind = Literal["simulated", "measured"]

# A standard error above this is hardly better than no answer: correlations spread by 0.3.
VAGUE = 0.2

# The larger of the two standard settings: its 64 lots give an image with little grain.
RESIMULATION = Setting(size=96, lot_size=48, lots=64)

# A real crystal is large: so many lots that their grain does not hide what the fit misses.
CRYSTAL = Setting(size=640, lot_size=32, lots=400)


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
        from xrlab.plots import interpretation_figure

        return interpretation_figure(self)


def predict(
    images: ArrayLike, span: int = 4, kind: Kind = "simulated"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the encodings off a stack of images with a shipped network.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        On any scale, NaN where unmeasured, h and k from 0 to 2 r.l.u. with both ends.
    span : {2, 3, 4}
    kind : {"simulated", "measured"}
        "simulated" takes the network of that span for clean images, "measured" the one that knows
        form factors, backgrounds, Bragg peaks, gaps and noise (`xrlab.measured`); its window may be
        any one that begins at whole h and k.

    Returns
    -------
    mean, standard_error : float64 arrays, shape (n, span^2 - 1)
        For simulated images the error is the root mean square error of each value on images that
        the network never saw, so it holds for images like those of its training (50/25/8, without
        noise or mask). For measured ones the network gives it for each image; it holds for images
        that are E S + B as in `xrlab.instrument`, and cannot tell when one is not.

    Raises
    ------
    ValueError
        If the images or the arguments are not of that form.

    Examples
    --------
    >>> from xrlab import diffraction_image, simulate
    >>> lattice = simulate(Encoding.from_vector([0.5, 0.2, 0.1]))
    >>> mean, error = predict(diffraction_image(lattice)[None], span=2)
    >>> bool(abs(mean - lattice.realised.vector).max() < 0.15)
    True
    """
    stack = np.asarray(images)
    if stack.ndim != 3 or len(stack) == 0:
        raise ValueError(
            f"predict takes a stack of images of shape (n, 64, 64), n at least 1; "
            f"this has shape {stack.shape}. For one image, give image[None]"
        )
    _check_kind(kind)
    stack = np.stack([as_image(image, STANDARD_GRID.shape) for image in stack])
    if kind == "measured":
        reading = measured_kind.read(stack, span)
        return reading.mean, reading.standard_error
    return _read(np.stack([_prepare(image) for image in stack]), span)


def interpret(
    image: ArrayLike,
    span: int = 4,
    grid: ReciprocalGrid = STANDARD_GRID,
    kind: Kind = "simulated",
    *,
    seed: int = 0,
) -> Interpretation:
    """Read the encoding off one image and re-simulate it.

    Parameters
    ----------
    image : array, shape (64, 64)
        On any scale, NaN where unmeasured.
    span : {2, 3, 4}
    grid : ReciprocalGrid
        Where the image was taken. The shipped networks know the standard grid only.
    kind : {"simulated", "measured"}
        See `predict`.
    seed : int
        Of the lattice that is simulated from the answer.

    Raises
    ------
    ValueError
        If the image cannot be used, or its grid is not the one the networks were trained on.

    Examples
    --------
    >>> from xrlab import diffraction_image, simulate
    >>> image = diffraction_image(simulate(Encoding.from_vector([0.5, 0.2, 0.1])))
    >>> interpret(100 * image, span=2).warnings
    []
    """
    if grid != STANDARD_GRID:
        raise ValueError(
            f"the shipped networks read images on h and k from 0 to 2 r.l.u. at 64 x 64 points; "
            f"this grid is {grid}. Use delta_pdf, or resample the image"
        )
    _check_kind(kind)
    measured = as_image(image, grid.shape)
    if kind == "measured":
        return _interpret_measured(measured, span, grid, seed)
    corrected = _prepare(measured)
    (mean,), (error,) = _read(corrected[None], span)
    encoding = Encoding.from_vector(np.clip(mean, -1, 1))
    lattice = simulate(encoding, RESIMULATION.size, seed=seed)
    simulated = diffraction_image(lattice, grid, RESIMULATION.lot_size, RESIMULATION.lots, seed)
    warnings = _beyond(mean, error)
    unmeasured = np.isnan(measured).mean()
    if unmeasured > 0:
        warnings.insert(
            0,
            f"{unmeasured:.1%} of the image is unmeasured and was filled with guesses that the "
            f"standard errors do not count",
        )
    return Interpretation(
        encoding=encoding,
        standard_error=error,
        measured=measured,
        corrected=corrected,
        lattice=lattice,
        simulated=simulated,
        warnings=warnings,
        grid=grid,
        kind=kind,
        seed=seed,
        network_error=error,
    )


def _interpret_measured(
    image: NDArray[np.float64], span: int, grid: ReciprocalGrid, seed: int
) -> Interpretation:
    """Ask network and fit, test what they say, and simulate the crystal of the fit."""
    views = np.stack([image, image[::-1, ::-1], image.T, image.T[::-1, ::-1]])
    reading = measured_kind.read(views, span)
    exchanged = np.arange(span**2).reshape(span, span).T.ravel()[1:] - 1
    mean, own_error = reading.mean[0], reading.standard_error[0]
    turned = np.stack([reading.mean[1], *reading.mean[2:, exchanged]])
    fit = physical_fit(image, span, grid)
    findings = examine(image, grid, fit, mean, own_error, turned)
    reasons = against(findings)
    others = [finding for finding in findings if not finding.ok and finding not in reasons]
    warnings = [finding.sentence for finding in others]
    residual = next(f for f in findings if f.name == "residual structure")
    error = own_error
    if reasons:
        error = np.maximum(error, IGNORANCE)
        warnings.insert(0, " ".join([f"{NOT_EXPLAINED}:", *(f.sentence for f in reasons)]))
    elif residual.value > PARTLY:
        error = np.hypot(error, mean - fit.encoding.vector)
        warnings.insert(0, f"explained in part only: {residual.sentence}")
    if error.max() > VAGUE:
        names = np.array(component_names(span))[error > VAGUE]
        warnings.append(
            f"this image says little of {', '.join(names)}: the standard error is above {VAGUE}"
        )
    lattice = _lattice_with(fit, np.random.default_rng(seed))
    pattern = diffraction_image(lattice, grid, CRYSTAL.lot_size, CRYSTAL.lots, seed)
    return Interpretation(
        encoding=Encoding.from_vector(np.clip(mean, -1, 1)),
        standard_error=error,
        measured=image,
        corrected=measured_kind.unfold(reading.cells[0], grid.h_values),
        lattice=lattice,
        simulated=(fit.envelope * pattern + fit.background).astype(np.float32),
        warnings=[*warnings, *_beyond(mean, error)],
        grid=grid,
        kind="measured",
        seed=seed,
        network_error=own_error,
        fit=fit,
        findings=tuple(findings),
    )


def _lattice_with(fit: PhysicalFit, rng: np.random.Generator) -> Lattice:
    """Make a lattice with the spectrum of a fit: a Gaussian field cut at its middle.

    All correlations up to 15 sites are those of the fitted S, as far as such a field can have them.
    """
    reach, size = len(fit.spectrum) // 2, CRYSTAL.size
    steps = np.arange(1 - reach, reach)
    q = (np.arange(len(fit.spectrum)) + 0.5) / len(fit.spectrum)
    waves = np.exp(2j * np.pi * np.outer(steps, q))
    c = (waves @ (fit.spectrum / fit.spectrum.sum()) @ waves.T).real
    rho = np.zeros((size, size))
    rho[np.ix_(steps % size, steps % size)] = np.sin(np.pi / 2 * np.clip(c, -1, 1))
    spectrum = np.maximum(np.fft.fft2(rho).real, 0)
    spectrum[0, 0] = 0  # the concentration is fixed
    return Lattice(cut_field(spectrum, rng), target=fit.encoding)


@cache
def _model(span: int) -> tuple[keras.Model, dict[str, Any]]:
    vector_length(span)
    name = f"cfs{span}"
    if name not in shipped_models():
        raise ValueError(
            f"no network for span {span} comes with xrlab; there is {', '.join(shipped_models())}. "
            f"delta_pdf works for every span"
        )
    return load_model(name), model_card(name)


def _check_kind(kind: str) -> None:
    if kind not in ("simulated", "measured"):
        raise ValueError(f"the kind of an image is 'simulated' or 'measured'; got {kind!r}")


def _prepare(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring a clean image to what its network was trained on: gaps filled, mean 1."""
    return normalise_mean(fill_unmeasured(image))


def _read(
    inputs: NDArray[np.float64], span: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard error for a stack of prepared clean images."""
    model, card = _model(span)
    mean = run_model(model, inputs).astype(np.float64)
    return mean, np.tile(np.asarray(card["standard_error"]), (len(inputs), 1))


def _beyond(mean: NDArray[np.float64], error: NDArray[np.float64]) -> list[str]:
    """Warn of correlations that came out where none can be."""
    beyond = np.abs(mean) > 1 + 2 * error
    if not beyond.any():
        return []
    names = np.array(component_names(isqrt(mean.size + 1)))[beyond]
    return [
        f"{', '.join(names)} came out beyond -1 or 1, where no correlation can be, "
        f"and was set back: the image is unlike any of the training"
    ]
