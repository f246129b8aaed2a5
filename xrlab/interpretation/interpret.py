"""From an image to its encoding with errors, a lattice that has it, and the image of that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Image
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, as_image
from xrlab.crystal.lattice import Lattice, simulate
from xrlab.crystal.samplers import cut_field
from xrlab.crystal.setting import Setting
from xrlab.inference.knowledge import known_factor
from xrlab.inference.physical_fit import PhysicalFit, fit_pixels
from xrlab.interpretation.cells import cut
from xrlab.interpretation.conclusion import Answer, conclude, widened
from xrlab.interpretation.findings import examine_clean, precision
from xrlab.interpretation.result import Interpretation
from xrlab.interpretation.sections import agreement, read_windows
from xrlab.io.section import Section
from xrlab.networks import measured as measured_kind
from xrlab.networks.folding import unfold
from xrlab.networks.measured import MeasuredNetwork, measured_network
from xrlab.networks.predict import Kind, check_kind, check_knowledge, prepared, read_simulated

# The larger of the two standard settings: its 64 lots give an image with little grain.
RESIMULATION = Setting(size=96, lot_size=48, lots=64)

# A real crystal is large: so many lots that their grain does not hide what the fit misses.
CRYSTAL = Setting(size=640, lot_size=32, lots=400)


def interpret(
    image: ArrayLike | Section,
    span: int = 4,
    grid: ReciprocalGrid = STANDARD_GRID,
    kind: Kind = "measured",
    *,
    background: ArrayLike | None = None,
    form_factor: ArrayLike | None = None,
    fit: bool = True,
    model: str | Path | None = None,
    seed: int = 0,
) -> Interpretation:
    """Estimate the encoding of one image and simulate the image anew from the answer.

    Parameters
    ----------
    image : array, shape ``grid.shape``, or Section
        On any scale, NaN where unmeasured. Of a section of many reciprocal cells every window of
        2 x 2 cells is read, and the answers are joined: see `xrlab.interpretation.sections`. The
        pictures, the fit and the checks are those of its clearest window.
    span : {2, 3, 4}
    grid : ReciprocalGrid
        Where the image was taken. A measured image may have any grid of 16 pixels a cell or more
        that holds the cells from one whole h and k to the next but one, a simulated one only the
        standard grid.
    kind : {"measured", "simulated"}
        See `predict`.
    background : (low, high), optional
        Of a measured image: lowest and highest possible share of the mean intensity between the
        Bragg peaks that is background; (0, 0) if it was subtracted. Unknown if not given: then the
        common scale of the correlations is hardly known where the form factor is flat. Of a
        section of many windows only (0, 0), since the share differs from window to window.
    form_factor : array, shape of the image, optional
        Of a measured image: the known |Delta F|^2 at its pixels, on any scale, NaN where unknown.
        Background and form factor enter the network; the fit does not use them.
    fit : bool
        False gives the network's joint answer and the checks of the image alone, in a fraction of
        the time: no physical fit, no lattice and no re-simulated image. Whether an encoding
        explains the image at all is then not tested, and `Interpretation.status` says so.
    model : str or Path, optional
        A network for measured images of one's own, its ONNX file or folder; see
        `xrlab.training.own`. The shipped one if not given. The limits of the checks stay those of
        the shipped network.
    seed : int
        Of the lattice that is simulated from the answer.

    Raises
    ------
    ValueError
        If the image or the model cannot be used, or its grid is not the one the networks were
        trained on.

    Examples
    --------
    >>> from xrlab import diffraction_image, simulate
    >>> image = diffraction_image(simulate(Encoding.from_vector([0.5, 0.2, 0.1])))
    >>> interpret(100 * image, span=2, kind="simulated").warnings
    []
    """
    check_kind(kind)
    check_knowledge(kind, background, form_factor)
    if model is not None and kind != "measured":
        raise ValueError(f"model is for kind='measured'; leave model={str(model)!r} out")
    network = None if model is None else measured_network(model)
    if isinstance(image, Section):
        if kind != "measured":
            raise ValueError("a section is read with kind='measured'; cut one window of it")
        return _interpret_section(image, span, background, form_factor, fit, seed, network)
    if kind != "measured" and grid != STANDARD_GRID:
        raise ValueError(
            f"the networks for simulated images read h and k from 0 to 2 r.l.u. at 64 x 64 points; "
            f"this grid is {grid}. Use delta_pdf, or resample the image"
        )
    pixels = as_image(image, grid.shape)
    if kind == "measured" and grid.shape == STANDARD_GRID.shape and _two_cells(grid):
        answer = _answer(pixels, span, grid, background, form_factor, fit, network)
        return _resimulated(answer, seed)
    if kind == "measured":
        section = Section(pixels, grid.h_values, grid.k_values)
        return _interpret_section(section, span, background, form_factor, fit, seed, network)
    return _interpret_simulated(pixels, span, grid, seed, resimulate=fit)


def _interpret_simulated(
    image: Image, span: int, grid: ReciprocalGrid, seed: int, *, resimulate: bool
) -> Interpretation:
    """Apply the network for clean images, and simulate a crystal with its answer."""
    corrected = prepared(image[None])
    (mean,), (error,) = read_simulated(corrected, span)
    encoding = Encoding.from_vector(np.clip(mean, -1, 1))
    lattice = simulate(encoding, RESIMULATION.size, seed=seed) if resimulate else None
    lots = RESIMULATION.lot_size, RESIMULATION.lots
    return Interpretation(
        encoding=encoding,
        covariance=np.diag(error**2),
        measured=image,
        corrected=corrected[0],
        lattice=lattice,
        simulated=None if lattice is None else diffraction_image(lattice, grid, *lots, seed),
        grid=grid,
        kind="simulated",
        seed=seed,
        network_error=error,
        findings=tuple(examine_clean(image, mean, error)),
    )


def _answer(
    image: Image,
    span: int,
    grid: ReciprocalGrid,
    background: ArrayLike | None,
    form_factor: ArrayLike | None,
    with_fit: bool,
    network: MeasuredNetwork | None,
) -> Interpretation:
    """Apply network and fit to a measured image and check their answers."""

    def views(x: Image) -> Image:
        return np.stack([x, x[::-1, ::-1], x.T, x.T[::-1, ::-1]])

    known = known_factor(form_factor, image[None])
    factor = None if known is None else views(known[0])
    reading = measured_kind.read(views(image), span, background, factor, network)
    exchanged = np.arange(span**2).reshape(span, span).T.ravel()[1:] - 1
    mean, error = reading.mean[0], reading.standard_error[0]
    turned = np.stack([reading.mean[1], *reading.mean[2:, exchanged]])
    fit = None
    if with_fit:
        own = None if known is None else known[0]
        fit = fit_pixels(image, span, grid, background=background, form_factor=own)
    alone = None
    if background is not None or known is not None:
        plain = measured_kind.read(image[None], span, network=network)
        alone = plain.mean[0], plain.standard_error[0]
    answer = Answer(mean, reading.covariance[0], turned, alone)
    covariance, findings = conclude(image, grid, answer, fit)
    return Interpretation(
        encoding=Encoding.from_vector(mean),
        covariance=covariance,
        measured=image,
        corrected=unfold(reading.cells[0], grid.h_values),
        lattice=None,
        simulated=None,
        grid=grid,
        kind="measured",
        seed=0,
        network_error=error,
        fit=fit,
        findings=tuple(findings),
        freedom=reading.freedom,
    )


def _two_cells(grid: ReciprocalGrid) -> bool:
    """Whether a grid holds 2 x 2 cells, ends included, from whole numbers on."""
    return all(end - start == 2 and start % 1 == 0 for start, end in (grid.h, grid.k))


def _interpret_section(
    section: Section,
    span: int,
    background: ArrayLike | None,
    form_factor: ArrayLike | None,
    with_fit: bool,
    seed: int,
    network: MeasuredNetwork | None,
) -> Interpretation:
    """Join the windows of a section; fit, checks and pictures are those of the clearest one."""
    known = None
    if form_factor is not None:
        values = np.asarray(form_factor, np.float64)
        if values.shape != section.image.shape:
            raise ValueError(
                f"the squared form factor has the shape of the section, {section.image.shape}; "
                f"this one has shape {values.shape}"
            )
        known = Section(values, section.h, section.k)
    windows = read_windows(section, span, background, known, network=network)
    if background is not None and len(windows.corners) > 1 and np.any(np.asarray(background)):
        raise ValueError(
            f"the share of the background differs from window to window of a section: give "
            f"background=(0, 0) if it was subtracted, or leave it out; got {background}"
        )
    h, k = corner = windows.corners[int(windows.contrast.argmax())]
    grid = ReciprocalGrid((h, h + 2), (k, k + 2), STANDARD_GRID.shape)
    factor = None if known is None else cut(known, corner)
    answer = _answer(cut(section, corner), span, grid, background, factor, with_fit, network)
    if len(windows.corners) > 1:
        covariance = widened(windows.vector, windows.joint, answer.fit, answer.findings)
        checks = [finding for finding in answer.findings if finding.key != "precision"]
        error = np.sqrt(np.diagonal(covariance))
        checks += [agreement(windows, network), precision(error, answer.fit)]
        answer = replace(
            answer,
            encoding=Encoding.from_vector(windows.vector),
            covariance=covariance,
            network_error=np.sqrt(np.diagonal(windows.joint)),
            findings=tuple(checks),
            windows=windows,
        )
    return _resimulated(answer, seed)


def _resimulated(answer: Interpretation, seed: int) -> Interpretation:
    """Simulate the crystal of the fit and its image, if there is a fit.

    The lattice has no displacements: what they add to the image is that of the fit.
    """
    if answer.fit is None:
        return replace(answer, seed=seed)
    lattice = _lattice_with(answer.fit, np.random.default_rng(seed))
    pattern = diffraction_image(lattice, answer.grid, CRYSTAL.lot_size, CRYSTAL.lots, seed)
    fit = answer.fit
    image = np.maximum(fit.envelope * pattern + fit.displaced + fit.background, 0)
    return replace(answer, lattice=lattice, simulated=image.astype(np.float32), seed=seed)


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
