"""Predict encodings from images with the shipped networks."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import vector_length
from xrlab.crystal.grid import STANDARD_GRID, as_image
from xrlab.crystal.setting import STUDY
from xrlab.measurement.filling import filled
from xrlab.networks import measured as measured_kind
from xrlab.networks.backend import load_model, model_card, run_model, shipped_models

if TYPE_CHECKING:
    import keras


Kind = Literal["measured", "simulated"]


def predict(
    images: ArrayLike, span: int = 4, kind: Kind = "measured", lot_size: int | None = None
) -> tuple[Floats, Floats]:
    """Estimate the encodings of a stack of images with a shipped network.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        On any scale, NaN where unmeasured, h and k from 0 to 2 r.l.u. with both ends.
    span : {2, 3, 4}
    kind : {"measured", "simulated"}
        "measured": with form factor, background, Bragg peaks, gaps and noise, read by
        `xrlab.networks.measured`; the window may begin at any whole h and k. "simulated": clean
        images, read by the network of that span.
    lot_size : int, optional
        Of simulated images: sites along each side of a coherent part. None stands for 25, that of
        the images on which the networks were trained.

    Returns
    -------
    mean, standard_error : float64 arrays, shape (n, span^2 - 1)
        For measured images the network estimates the error of each image; it holds for images that
        are E S + B as in `xrlab.measurement.instrument`, and gives no sign when one is not. For
        simulated ones it is the root mean square error of each value on a test set, valid for
        images like those of the training (50/25/8, without noise or mask).

    Raises
    ------
    ValueError
        If the images or the arguments are not of that form, or no shipped network fits them.

    Examples
    --------
    >>> from xrlab import Encoding, diffraction_image, simulate
    >>> lattice = simulate(Encoding.from_vector([0.5, 0.2, 0.1]))
    >>> mean, error = predict(diffraction_image(lattice)[None], span=2, kind="simulated")
    >>> bool(abs(mean - lattice.realised.vector).max() < 0.15)
    True
    """
    stack = np.asarray(images)
    if stack.ndim != 3 or len(stack) == 0:
        raise ValueError(
            f"predict takes a stack of images of shape (n, 64, 64), n at least 1; "
            f"this has shape {stack.shape}. For one image, give image[None]"
        )
    check_kind(kind, lot_size)
    stack = np.stack([as_image(image, STANDARD_GRID.shape) for image in stack])
    if kind == "measured":
        reading = measured_kind.read(stack, span)
        return reading.mean, reading.standard_error
    return read_simulated(prepared(stack), span)


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


def check_kind(kind: str, lot_size: int | None = None) -> None:
    """Raise ValueError unless a network reads images of this kind with lots of this size."""
    if kind not in ("measured", "simulated"):
        raise ValueError(f"the kind of an image is 'measured' or 'simulated'; got {kind!r}")
    if lot_size is not None and kind == "measured":
        raise ValueError(f"lot_size is for kind='simulated'; leave lot_size={lot_size} out")
    if lot_size not in (None, STUDY.lot_size):
        raise ValueError(
            f"the networks for simulated images read lots of {STUDY.lot_size} sites; got "
            f"lot_size={lot_size}. delta_pdf takes any"
        )


def prepared(images: Floats) -> Floats:
    """Fill the gaps of clean images, shape (n, 64, 64), and divide each by its mean."""
    whole = filled(images)
    return whole / whole.mean(axis=(1, 2), keepdims=True)


def read_simulated(inputs: Floats, span: int) -> tuple[Floats, Floats]:
    """Return mean and standard error for a stack of `prepared` clean images."""
    model, card = _model(span)
    mean = run_model(model, inputs).astype(np.float64)
    return mean, np.tile(np.asarray(card["standard_error"]), (len(inputs), 1))
