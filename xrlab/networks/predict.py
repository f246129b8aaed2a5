"""Predict encodings from images with the shipped networks."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab.crystal.encoding import vector_length
from xrlab.crystal.grid import STANDARD_GRID, as_image
from xrlab.measurement.filling import fill_unmeasured
from xrlab.measurement.filters import normalise_mean
from xrlab.networks import measured as measured_kind
from xrlab.networks.backend import load_model, model_card, run_model, shipped_models

if TYPE_CHECKING:
    import keras


Kind = Literal["simulated", "measured"]


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
        form factors, backgrounds, Bragg peaks, gaps and noise (`xrlab.networks.measured`); its
        window may be any one that begins at whole h and k.

    Returns
    -------
    mean, standard_error : float64 arrays, shape (n, span^2 - 1)
        For simulated images the error is the root mean square error of each value on images that
        the network never saw, so it holds for images like those of its training (50/25/8, without
        noise or mask). For measured ones the network gives it for each image; it holds for images
        that are E S + B as in `xrlab.measurement.instrument`, and cannot tell when one is not.

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
