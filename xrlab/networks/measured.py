"""The network for measured images: image and mask in, correlations with true errors out.

It is built round what is known exactly. The diffuse scattering of a crystal of two kinds of site
repeats from cell to cell and is alike at q and -q; the form factor, the background and the faults
of the detector do neither. So the image is first *folded*: its 2 x 2 reciprocal cells become
channels of one cell of 32 x 32 points, beside the same cells turned half round. A small U-Net with
circular padding cleans them into the spectrum S of one cell, positive and alike at q and -q, and
the correlations are its cosine transform, c = <S cos 2 pi (h i + k j)> / <S>, as in the Delta-PDF.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.encoding import vector_length
from xrlab.inference.knowledge import known_background, known_factor
from xrlab.networks.folding import SPAN
from xrlab.networks.shipped import BATCH, Model, load_network, model_card, read_network

# Where each of the 15 correlations is found when h and k, and so i and j, are exchanged.
EXCHANGED = np.arange(SPAN**2).reshape(SPAN, SPAN).T.ravel()[1:] - 1

# Inputs and outputs of the graph, and what a card must tell of its errors.
INPUTS = {"image", "background", "form_factor"}
NAMES = ("mean", "scale", "cell")
CALIBRATION = {"freedom", "component", "size", "factor", "independent"}


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


@dataclass(frozen=True, eq=False)
class MeasuredNetwork:
    """A network for measured images and its card.

    Parameters
    ----------
    graph : Model
        As `xrlab.networks.measured_cnn.answering` makes it.
    card : dict
        With ``"calibration"`` as `calibrated` takes it.
    """

    graph: Model
    card: dict[str, Any]


def measured_network(path: str | Path | None = None) -> MeasuredNetwork:
    """Load the shipped network for measured images, or one's own.

    Parameters
    ----------
    path : str or Path, optional
        An ONNX file that ``python -m xrlab.training.own`` made, beside its card, or the folder in
        which it is the only one.

    Raises
    ------
    ValueError
        If the files are damaged, do not belong together, or hold another kind of network.
    FileNotFoundError
        If there are none.
    """
    if path is None:
        return MeasuredNetwork(load_network("measured"), model_card("measured"))
    weights = Path(path)
    if weights.is_dir():
        within = sorted(weights.glob("*.onnx"))
        if len(within) != 1:
            names = ", ".join(file.name for file in within) or "none"
            raise FileNotFoundError(f"{weights} holds one network, NAME.onnx; there is {names}")
        weights = within[0]
    weights = weights.with_suffix(".onnx")
    try:
        content = weights.read_bytes()
        card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"the card of {weights} is damaged ({error}); train anew") from error
    if not isinstance(card, dict) or not set(card.get("calibration", ())) >= CALIBRATION:
        raise ValueError(
            f"{weights.with_suffix('.json')} has no calibration: it is not the card of a network "
            f"for measured images that this version of xrlab can read; train anew"
        )
    if card.get("sha256", digest := hashlib.sha256(content).hexdigest()) != digest:
        raise ValueError(
            f"{weights.name} is not the network that its card describes: one of the two files is "
            f"damaged, or a training was interrupted when it wrote them; run it again"
        )
    graph = read_network(weights)
    if set(graph.inputs) != INPUTS or not set(NAMES) <= set(graph.outputs):
        raise ValueError(
            f"{weights.name} is no network for measured images: it takes {', '.join(graph.inputs)} "
            f"and gives {', '.join(graph.outputs)}, not {', '.join(NAMES)}"
        )
    return MeasuredNetwork(graph, card)


def read(
    images: Reals,
    span: int = SPAN,
    background: ArrayLike | None = None,
    form_factor: ArrayLike | None = None,
    network: MeasuredNetwork | None = None,
) -> Reading:
    """Read measured images.

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
    network : MeasuredNetwork, optional
        The shipped one if not given.

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
    network = network or measured_network()
    mean, scale, cells = answer_all(
        network.graph,
        images,
        known_background(background, images),
        known_factor(form_factor, images),
    )
    covariance, freedom = calibrated(scale, network.card["calibration"])
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
