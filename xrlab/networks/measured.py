"""The network for measured images: image and mask in, correlations with true errors out.

It is built round what is known exactly. The diffuse scattering of a crystal of two kinds of site
repeats from cell to cell and is alike at q and -q; the form factor, the background and the faults
of the detector do neither. So the image is first *folded*: its 2 x 2 reciprocal cells become
channels of one cell of 32 x 32 points, beside the same cells turned half round. A small U-Net with
circular padding cleans them into the spectrum S of one cell, positive and alike at q and -q, and
the correlations are its cosine transform, c = <S cos 2 pi (h i + k j)> / <S>, as in the Delta-PDF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.encoding import vector_length
from xrlab.networks.folding import SPAN
from xrlab.networks.knowledge import known_background, known_factor
from xrlab.networks.shipped import BATCH, Model, load_network, model_card

# Where each of the 15 correlations is found when h and k, and so i and j, are exchanged.
EXCHANGED = np.arange(SPAN**2).reshape(SPAN, SPAN).T.ravel()[1:] - 1

# Outputs of the graph.
NAMES = ("mean", "scale", "cell")


@dataclass(frozen=True, eq=False)
class Reading:
    """The network's joint posterior of the correlations of a stack of images.

    A multivariate Student's t distribution. Its marginals have `standard_error`, the square roots
    of the diagonal of `covariance`.

    Parameters
    ----------
    mean : float64 array, shape (n, span^2 - 1)
    covariance : float64 array, shape (n, span^2 - 1, span^2 - 1)
    freedom : float
        Degrees of freedom, above 2.
    cells : float64 array, shape (n, 32, 32)
        The spectrum S of one reciprocal cell at q = (m + 1/2) / 32, mean 1: the image without form
        factor, background, noise and gaps.
    """

    mean: Floats
    covariance: Floats
    freedom: float
    cells: Floats

    @property
    def standard_error(self) -> Floats:
        """Standard deviation of each correlation, shape (n, span^2 - 1)."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def read(
    images: Reals,
    span: int = SPAN,
    background: ArrayLike | None = None,
    form_factor: ArrayLike | None = None,
) -> Reading:
    """Read measured images with the shipped network.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        On any scale, NaN where unmeasured, on the standard grid or one whole cells away.
    span : {2, 3, 4}
    background : (low, high) or array of shape (n, 2), optional
        Lowest and highest possible share of the mean intensity between the Bragg peaks that is
        background; (0, 0) if it was subtracted. Unknown if not given.
    form_factor : array, shape (64, 64) or (n, 64, 64), optional
        |Delta F|^2 on the grid of the image, on any scale, NaN where unknown.

    Raises
    ------
    ValueError
        If the network does not reach that far, or what is known of the image is impossible.
    """
    if vector_length(span) > vector_length(SPAN):
        raise ValueError(
            f"the network for measured images reads spans 2 to {SPAN}, not {span}; delta_pdf works "
            f"for every span"
        )
    mean, scale, cells = answer_all(
        load_network("measured"),
        images,
        known_background(background, images),
        known_factor(form_factor, images),
    )
    covariance, freedom = calibrated(scale, model_card("measured")["calibration"])
    part = np.arange(SPAN**2).reshape(SPAN, SPAN)[:span, :span].ravel()[1:] - 1
    return Reading(
        mean=np.clip(mean, -1, 1)[:, part],
        covariance=covariance[:, part][:, :, part],
        freedom=freedom,
        cells=cells,
    )


def answer_all(
    graph: Model,
    images: Reals,
    background: Reals | None = None,
    form_factor: Reals | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Run the graph of `xrlab.networks.measured_cnn.answering`, a few sizes of batch at most.

    Parameters
    ----------
    graph : Model
        As a shipped network or a Keras model.
    images : array, shape (n, 64, 64)
        NaN where unmeasured.
    background : array, shape (n, 2), optional
    form_factor : array, shape (n, 64, 64), optional
        NaN where unknown.

    Returns
    -------
    mean, scale, cell : float64 arrays, shapes (n, 15), (n, 15, 15), (n, 32, 32)
    """
    inputs = {
        "image": images / np.nanmean(images, axis=(1, 2), keepdims=True, dtype=np.float64),
        "background": np.full((len(images), 2), np.nan) if background is None else background,
        "form_factor": np.full(images.shape, np.nan) if form_factor is None else form_factor,
    }
    size = min(BATCH // 2, 1 << (len(images) - 1).bit_length())  # few sizes: each is traced anew
    answers = []
    for start in range(0, len(images), size):
        batch = {name: x[start : start + size] for name, x in inputs.items()}
        n = len(batch["image"])
        fill = {
            name: np.pad(x, [(0, size - n), *[(0, 0)] * (x.ndim - 1)], mode="edge").astype("f4")
            for name, x in batch.items()
        }
        out = graph.predict_on_batch(fill)
        answers.append([np.asarray(out[name], np.float64)[:n] for name in NAMES])
    mean, scale, cell = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    return mean, scale, cell


def calibrated(scale: Reals, calibration: dict[str, Any]) -> tuple[Floats, float]:
    """Return covariances from scale matrices as the network gives them, and degrees of freedom.

    Parameters
    ----------
    scale : array, shape (n, 15, 15)
    calibration : dict
        From `xrlab.training.calibration.calibration`: ``"freedom"``; ``"component"``, the factor
        of the error of each correlation; ``"size"``, ``"factor"`` and ``"independent"``: the factor
        of all errors of an image, and the part that their correlations lose, both interpolated to
        its mean logarithmic error (`sizes`).
    """
    component = np.asarray(calibration["component"], np.float64)
    size = sizes(scale)
    factor, part = (
        np.interp(size, calibration["size"], calibration[name])[:, None, None]
        for name in ("factor", "independent")
    )
    freedom = float(calibration["freedom"])
    wide = factor[..., 0] * component * np.sqrt(freedom / (freedom - 2))
    wider = scale * wide[:, :, None] * wide[:, None, :]
    return wider * (1 - part * (1 - np.eye(len(component)))), freedom


def sizes(scale: Reals) -> Floats:
    """Mean over the correlations of the logarithm of the error that scale matrices state: (n,)."""
    return np.log(np.diagonal(scale, axis1=1, axis2=2)).mean(axis=-1) / 2


def with_mask(images: Reals, form_factors: Reals | None = None) -> Singles:
    """Stack images, NaN where unmeasured, with their masks and form factors: (n, 64, 64, 3).

    Their scale, of no meaning to the network, becomes one that half precision would hold; that of
    the form factors a mean of 1. Without form factors, or where one is 0, it is unknown.
    """
    measured = ~np.isnan(images)
    values = np.where(measured, images, 0).astype(np.float64)
    scale = values.sum(axis=(1, 2), keepdims=True) / measured.sum(axis=(1, 2), keepdims=True)
    factors = np.zeros(values.shape)
    if form_factors is not None:
        mean = form_factors.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        factors = form_factors / np.where(mean > 0, mean, 1)
    return np.stack([values / scale, measured, factors], axis=-1).astype(np.float32)
