"""From an image to its encoding, with an error, a lattice that has it, and the image it gives."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, as_image
from xrlab.crystal.lattice import Lattice, simulate
from xrlab.crystal.samplers import cut_field
from xrlab.crystal.setting import Setting
from xrlab.inference.physical_fit import PhysicalFit, physical_fit
from xrlab.interpretation.findings import IGNORANCE, NOT_EXPLAINED, PARTLY, against, examine
from xrlab.interpretation.result import Interpretation
from xrlab.networks import measured as measured_kind
from xrlab.networks.predict import Kind, check_kind, prepared, read_simulated

# A standard error above this is hardly better than no answer: correlations spread by 0.3.
VAGUE = 0.2

# The larger of the two standard settings: its 64 lots give an image with little grain.
RESIMULATION = Setting(size=96, lot_size=48, lots=64)

# A real crystal is large: so many lots that their grain does not hide what the fit misses.
CRYSTAL = Setting(size=640, lot_size=32, lots=400)


def interpret(
    image: ArrayLike,
    span: int = 4,
    grid: ReciprocalGrid = STANDARD_GRID,
    kind: Kind = "measured",
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
    kind : {"measured", "simulated"}
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
    >>> interpret(100 * image, span=2, kind="simulated").warnings
    []
    """
    if grid != STANDARD_GRID:
        raise ValueError(
            f"the shipped networks read images on h and k from 0 to 2 r.l.u. at 64 x 64 points; "
            f"this grid is {grid}. Use delta_pdf, or resample the image"
        )
    check_kind(kind)
    measured = as_image(image, grid.shape)
    if kind == "measured":
        return _interpret_measured(measured, span, grid, seed)
    corrected = prepared(measured[None])
    (mean,), (error,) = read_simulated(corrected, span)
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
        corrected=corrected[0],
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
