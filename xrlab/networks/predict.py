"""Predict encodings from images with the shipped networks."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.grid import STANDARD_GRID, as_image, unmasked
from xrlab.crystal.realisable import three_site_slack
from xrlab.crystal.setting import SETTING, STUDY
from xrlab.inference.delta_pdf import delta_pdf, delta_pdf_error
from xrlab.measurement.filling import filled
from xrlab.networks import measured as measured_kind
from xrlab.networks.shipped import load_network, run_model

Kind = Literal["measured", "simulated"]

# Networks for clean images with lots of 25 sites: the corrected Delta-PDF and the small CNN. The
# latter was trained on the study's targets, most of which no lattice can have; the lattices made
# for these lie near the border of the three-site conditions. So it counts near the border only
# (slack below `BORDER`), and the less, the farther the two answers are apart (root mean square, in
# units of `APART`). The numbers were chosen for span 4 on 1500 images of each kind of target, seed
# 101, with 1500 of the study's targets, seed 102, in view; for span 3 with 1000 images of each
# kind, seeds 101 and 103.
NETWORKS = {3: ("cfs3-best", "cfs3"), 4: ("cfs4-best", "cfs4")}
CNN_WEIGHT = {3: 0.2, 4: 0.4}
BORDER, APART = 0.2, 0.03

# Lots of the standard settings, by their size.
LOTS = {setting.lot_size: setting.lots for setting in (STUDY, SETTING)}


def predict(
    images: ArrayLike,
    span: int = 4,
    kind: Kind = "measured",
    lot_size: int | None = None,
    background: ArrayLike | None = None,
    form_factor: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Estimate the encodings of a stack of images with a shipped network.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        On any scale, NaN where unmeasured, h and k from 0 to 2 r.l.u. with both ends.
    span : int
        2, 3 or 4; of simulated images 2 or more.
    kind : {"measured", "simulated"}
        "measured": with form factor, background, Bragg peaks, gaps and noise, read by
        `xrlab.networks.measured`; the window may begin at any whole h and k. "simulated": clean
        images. Networks estimate spans 3 and 4 for lots of 25 sites, on which they were trained,
        `delta_pdf` everything else: ``python -m xrlab.trials.clean`` compares the two.
    lot_size : int, optional
        Of simulated images: sites along each side of a coherent part; None stands for 25.
    background : (low, high) or array of shape (n, 2), optional
        Of measured images: lowest and highest possible share of the mean intensity between the
        Bragg peaks that is background; (0, 0) if it was subtracted. Unknown if not given.
    form_factor : array, shape (64, 64) or (n, 64, 64), optional
        Of measured images: the known |Delta F|^2 at the pixels, on any scale.

    Returns
    -------
    mean, standard_error : float64 arrays, shape (n, span^2 - 1)
        For measured images the network estimates the error of each image; it holds for images that
        are E S + B as in `xrlab.measurement.instrument`, and gives no sign when one is not. For
        simulated ones it is `delta_pdf_error` with 8 lots, or 64 for lots of 48 sites, as in the
        standard settings; noise and masks are not included.

    Raises
    ------
    ValueError
        If the images or the arguments are not of that form, or no network estimates that span.

    Examples
    --------
    >>> from xrlab import Encoding, diffraction_image, simulate
    >>> lattice = simulate(Encoding.from_vector([0.5, 0.2, 0.1]))
    >>> mean, error = predict(diffraction_image(lattice)[None], span=2, kind="simulated")
    >>> bool(abs(mean - lattice.realised.vector).max() < 0.15)
    True
    """
    stack = unmasked(images)
    if stack.ndim != 3 or len(stack) == 0:
        raise ValueError(
            f"predict takes a stack of images of shape (n, 64, 64), n at least 1; "
            f"this has shape {stack.shape}. For one image, give image[None]"
        )
    check_kind(kind, lot_size)
    check_knowledge(kind, background, form_factor)
    stack = np.stack([as_image(image, STANDARD_GRID.shape) for image in stack])
    if kind == "measured":
        reading = measured_kind.read(stack, span, background, form_factor)
        return reading.mean, reading.standard_error
    return read_simulated(prepared(stack), span, STUDY.lot_size if lot_size is None else lot_size)


def check_kind(kind: str, lot_size: int | None = None) -> None:
    """Raise ValueError unless a network reads images of this kind with lots of this size."""
    if kind not in ("measured", "simulated"):
        raise ValueError(f"the kind of an image is 'measured' or 'simulated'; got {kind!r}")
    if lot_size is not None and kind == "measured":
        raise ValueError(f"lot_size is for kind='simulated'; leave lot_size={lot_size} out")


def check_knowledge(kind: str, background: ArrayLike | None, form_factor: ArrayLike | None) -> None:
    """Raise ValueError if background or form factor are given for clean simulated images."""
    for name, value in (("background", background), ("form_factor", form_factor)):
        if value is not None and kind == "simulated":
            raise ValueError(f"{name} is for kind='measured'; clean images have none, leave it out")


def prepared(images: Floats) -> Floats:
    """Fill the gaps of clean images, shape (n, 64, 64), and divide each by its mean."""
    whole = filled(images)
    return whole / whole.mean(axis=(1, 2), keepdims=True)


def read_simulated(
    inputs: Floats, span: int, lot_size: int = STUDY.lot_size
) -> tuple[Floats, Floats]:
    """Return mean and standard error for a stack of `prepared` clean images."""
    if lot_size == STUDY.lot_size and span in NETWORKS:
        corrected, cnn = (
            run_model(load_network(name), inputs).astype(np.float64) for name in NETWORKS[span]
        )
        apart = ((cnn - corrected) ** 2).mean(axis=1) / APART**2
        near = three_site_slack(corrected, span) < BORDER
        weight = CNN_WEIGHT[span] * near / (1 + apart)
        mean = corrected + weight[:, None] * (cnn - corrected)
    else:
        mean = np.array([delta_pdf(image, span, lot_size=lot_size).vector for image in inputs])
    lots = LOTS.get(lot_size, STUDY.lots)
    error = [
        delta_pdf_error(
            image, Encoding.from_vector(np.clip(c, -1, 1)), STANDARD_GRID, lot_size, lots
        )
        for image, c in zip(inputs, mean, strict=True)
    ]
    return mean, np.array(error)
