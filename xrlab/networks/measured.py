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
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.encoding import vector_length
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.networks.backend import BATCH, import_keras, load_model, model_card

if TYPE_CHECKING:
    import keras


# Points along each axis of the folded cell, at q = (m + 1/2) / CELL: turning the cell half round
# is then a flip.
CELL = 32

# Span of the answer. Encodings of smaller spans are part of it.
SPAN = 4

# Where each of the 15 correlations is found when h and k, and so i and j, are exchanged.
EXCHANGED = np.arange(SPAN**2).reshape(SPAN, SPAN).T.ravel()[1:] - 1

# Added to relative intensities before their logarithm: a pixel without counts is not infinitely
# dark.
FLOOR = 0.1

# Least and greatest standard error that the network can give: those of perfect images are above the
# first, and the second is wider than any distribution of correlations.
ERRORS = (0.002, 1.0)


@dataclass(frozen=True, eq=False)
class Reading:
    """What the network says of a stack of images.

    Parameters
    ----------
    mean, standard_error : float64 arrays, shape (n, span^2 - 1)
    cells : float64 array, shape (n, 32, 32)
        The spectrum S of one reciprocal cell at q = (m + 1/2) / 32, mean 1: the image without form
        factor, background, noise and gaps.
    """

    mean: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    cells: NDArray[np.float64]


def read(images: NDArray[np.floating], span: int = SPAN) -> Reading:
    """Read measured images with the shipped network.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        On any scale, NaN where unmeasured, on the standard grid or one whole cells away.
    span : {2, 3, 4}

    Raises
    ------
    ValueError
        If the network does not reach that far.
    """
    if vector_length(span) > vector_length(SPAN):
        raise ValueError(
            f"the network for measured images reads spans 2 to {SPAN}, not {span}; delta_pdf works "
            f"for every span"
        )
    model, calibration = _shipped()
    answer, logits = ask(model, with_mask(images))
    spectrum = np.exp(logits - logits.max(axis=(1, 2), keepdims=True))
    wanted = np.arange(SPAN**2).reshape(SPAN, SPAN)[:span, :span].ravel()[1:] - 1
    n = vector_length(SPAN)
    return Reading(
        mean=np.clip(answer[:, :n], -1, 1)[:, wanted],
        standard_error=calibrated(answer[:, n:], calibration)[:, wanted],
        cells=spectrum / spectrum.mean(axis=(1, 2), keepdims=True),
    )


def ask(
    model: keras.Model, pixels: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ask a network of images and of the same with h and k exchanged; return the means.

    An exchange changes a crystal's name for its axes, not what is known of it. The mean of the two
    answers has a tenth less squared error than one of them.

    Parameters
    ----------
    model : keras.Model
        From `measured_cnn`.
    pixels : float32 array, shape (n, 64, 64, 2)
        From `with_mask`.

    Returns
    -------
    answer : float64 array, shape (n, 30)
    logits : float64 array, shape (n, 32, 32)
        See `measured_cnn`.
    """
    size = min(BATCH // 2, 1 << (len(pixels) - 1).bit_length())  # few sizes: each is traced anew
    answers, cells = [], []
    for start in range(0, len(pixels), size):
        batch = pixels[start : start + size]
        filled = np.pad(batch, ((0, size - len(batch)), (0, 0), (0, 0), (0, 0)), mode="edge")
        out = model.predict_on_batch(np.concatenate([filled, filled.swapaxes(1, 2)]))
        answer, cell = (np.asarray(out[name], np.float64) for name in ("answer", "cell"))
        exchanged = answer[size:, np.concatenate([EXCHANGED, len(EXCHANGED) + EXCHANGED])]
        answers.append((answer[:size] + exchanged)[: len(batch)] / 2)
        cells.append((cell[:size] + cell[size:].swapaxes(1, 2))[: len(batch)] / 2)
    return np.concatenate(answers), np.concatenate(cells)


@cache
def _shipped() -> tuple[keras.Model, dict[str, Any]]:
    return load_model("measured"), model_card("measured")["calibration"]


def calibrated(log_error: NDArray[np.floating], calibration: dict[str, Any]) -> NDArray[np.float64]:
    """Return standard errors from their logarithms as the network gives them.

    Parameters
    ----------
    log_error : array, shape (n, 15)
    calibration : dict
        From `xrlab.training.train_measured.calibration`: ``"log_error"`` and ``"factor"``, for each
        component some values of its log_error and by what factor an error is then multiplied;
        interpolated between them.
    """
    factor = [
        np.interp(each, at, factors)
        for each, at, factors in zip(
            log_error.T, calibration["log_error"], calibration["factor"], strict=True
        )
    ]
    return np.exp(np.asarray(log_error, np.float64)) * np.transpose(factor)


def with_mask(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Stack images, NaN where unmeasured, with their masks: shape (n, 64, 64, 2).

    Their scale, of no meaning to the network, becomes one that half precision would hold.
    """
    measured = ~np.isnan(images)
    values = np.where(measured, images, 0).astype(np.float64)
    scale = values.sum(axis=(1, 2), keepdims=True) / measured.sum(axis=(1, 2), keepdims=True)
    return np.stack([values / scale, measured], axis=-1).astype(np.float32)


def measured_cnn(filters: tuple[int, int, int, int] = (24, 48, 80, 96)) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    filters : tuple of int
        Of the convolutions on grids of 32, 16, 8 and 4 points.

    Returns
    -------
    keras.Model
        From (samples, 64, 64, 2), intensities on any scale with 0 where unmeasured, and 1 where
        measured or 0 where not, to

        - ``"cell"``: (samples, 32, 32), the logarithm of S up to a constant,
        - ``"answer"``: (samples, 30), the 15 correlations of span 4 and the logarithms of their
          standard errors.
    """
    keras = import_keras()
    layers, ops = keras.layers, keras.ops
    fine, middle, coarse, coarsest = filters

    def wrapped(x: Any) -> Any:
        x = ops.concatenate([x[:, -1:], x, x[:, :1]], axis=1)
        return ops.concatenate([x[:, :, -1:], x, x[:, :, :1]], axis=2)

    def convolve(x: Any, n: int, stride: int = 1) -> Any:
        x = layers.Conv2D(n, 4 if stride == 2 else 3, strides=stride, use_bias=False)(wrapped(x))
        return layers.BatchNormalization(momentum=0.98)(x)

    def block(x: Any) -> Any:
        y = ops.relu(convolve(x, x.shape[-1]))
        return ops.relu(x + convolve(y, x.shape[-1]))

    def up(x: Any, beside: Any) -> Any:
        x = layers.Conv2D(beside.shape[-1], 1)(x)
        return block(ops.relu(layers.UpSampling2D(2)(x) + beside))

    image = keras.Input((*STANDARD_GRID.shape, 2), name="image", dtype="float32")
    folded = _folded(image)
    x32 = ops.relu(convolve(folded, fine))
    x16 = block(ops.relu(convolve(x32, middle, stride=2)))
    x8 = block(block(ops.relu(convolve(x16, coarse, stride=2))))
    x4 = block(ops.relu(convolve(x8, coarsest, stride=2)))
    x8 = up(x4, x8)
    x16 = up(x8, x16)
    # Four logits for each of the 16 x 16 points, one for each quarter of it.
    logits = layers.Conv2D(4, 1, dtype="float32")(x16)
    logits = ops.reshape(logits, (-1, CELL // 2, CELL // 2, 2, 2))
    logits = ops.reshape(ops.transpose(logits, (0, 1, 3, 2, 4)), (-1, CELL, CELL))
    logits = (logits + ops.flip(logits, (1, 2))) / 2
    pooled = ops.concatenate(
        [ops.mean(x, (1, 2)) for x in (x4, x8, x16)] + [ops.max(x, (1, 2)) for x in (x4, x8, x16)],
        axis=-1,
    )
    pooled = ops.cast(pooled, "float32")

    spectrum = ops.softmax(ops.reshape(logits, (-1, CELL * CELL)))
    seen = ops.matmul(spectrum, cosines())
    # Small lots make distant correlations look weaker: c (1 - i/L)(1 - j/L). 1/L, at most 0.06:
    inverse_lot = 0.06 * layers.Dense(1, activation="sigmoid", dtype="float32")(pooled)
    i, j = np.divmod(np.arange(1, SPAN**2, dtype=np.float32), SPAN)
    mean = seen / ((1 - inverse_lot * i) * (1 - inverse_lot * j))

    hidden = layers.Dense(96, activation="relu", dtype="float32")(
        ops.concatenate([pooled, ops.stop_gradient(mean)], axis=-1)
    )
    low, high = (float(np.log(error)) for error in ERRORS)
    log_error = low + (high - low) * layers.Dense(
        vector_length(SPAN), activation="sigmoid", dtype="float32"
    )(hidden)
    answer = ops.concatenate([mean, log_error], axis=-1)
    return keras.Model(
        image,
        {
            "cell": layers.Identity(name="cell", dtype="float32")(logits),
            "answer": layers.Identity(name="answer", dtype="float32")(answer),
        },
        name="measured_cnn",
    )


def _folded(image: Any) -> Any:
    """Channels of one cell: per cell ln of the mean, mean of the ln, and the measured part.

    The scale is taken out first by the square of the mean square root, which hot pixels and Bragg
    peaks hardly move.
    """
    ops = import_keras().ops
    value, mask = image[..., :1], image[..., 1:]
    total = ops.sum(mask, (1, 2, 3), keepdims=True) + 1e-6
    scale = ops.sum(ops.sqrt(value) * mask, (1, 2, 3), keepdims=True) / total
    value = value / (scale**2 + 1e-30) * mask
    stack = ops.concatenate([value, ops.log(FLOOR + value) * mask, mask], axis=-1)
    rows, columns = fold_matrix(STANDARD_GRID.h_values), fold_matrix(STANDARD_GRID.k_values)
    stack = ops.einsum("mh,bhkc->bmkc", rows, stack)
    stack = ops.einsum("nk,bmkc->bmnc", columns, stack)
    part = stack[..., 2:]
    weight = part + 1e-3
    stack = ops.concatenate(
        [
            ops.log(FLOOR + stack[..., :1] / weight) * part,
            stack[..., 1:2] / weight * part,
            part,
        ],
        axis=-1,
    )
    stack = ops.reshape(stack, (-1, 2, CELL, 2, CELL, 3))
    stack = ops.reshape(ops.transpose(stack, (0, 2, 4, 1, 3, 5)), (-1, CELL, CELL, 12))
    places = ops.zeros_like(stack[..., :4]) + _places()
    return ops.concatenate([stack, ops.flip(stack, (1, 2)), places], axis=-1)


def fold_matrix(q: NDArray[np.floating]) -> NDArray[np.float32]:
    """Matrix that interpolates values at the points q linearly at those of the two cells.

    Parameters
    ----------
    q : array, shape (n,)
        Points along the axis, r.l.u., evenly spaced over two cells from a whole number on.

    Returns
    -------
    float32 array, shape (64, n)

    Examples
    --------
    >>> q = np.linspace(0, 2, 64)
    >>> bool(np.allclose(fold_matrix(q) @ q, (np.arange(64) + 0.5) / 32))
    True
    """
    points = q[0] + (np.arange(2 * CELL) + 0.5) / CELL
    return np.stack([np.interp(points, q, unit) for unit in np.eye(len(q))], axis=1).astype("f4")


def cosines() -> NDArray[np.float32]:
    """Cos 2 pi (h i + k j) at the points of the cell, shape (1024, 15)."""
    q = (np.arange(CELL) + 0.5) / CELL
    i, j = np.divmod(np.arange(1, SPAN**2), SPAN)
    phase = q[:, None, None] * i + q[:, None] * j
    return np.cos(2 * np.pi * phase).reshape(CELL**2, -1).astype(np.float32)


def fold_clean(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Fold clean images, shape (n, 64, 64), to their mean cell, (n, 32, 32), of sum 1."""
    rows, columns = fold_matrix(STANDARD_GRID.h_values), fold_matrix(STANDARD_GRID.k_values)
    cells = (rows @ images.astype(np.float32) @ columns.T).reshape(-1, 2, CELL, 2, CELL)
    cell = cells.sum(axis=(1, 3))
    return cell / cell.sum(axis=(1, 2), keepdims=True)


def unfold(cell: NDArray[np.floating], q: NDArray[np.floating]) -> NDArray[np.float64]:
    """Repeat a cell, shape (32, 32), at the points q of both axes: the image that it stands for."""
    points = (np.arange(CELL) + 0.5) / CELL
    along = np.stack([np.interp(q, points, unit, period=1) for unit in np.eye(CELL)], axis=1)
    return along @ cell @ along.T


def _places() -> NDArray[np.float32]:
    """Where in the cell a point is, as convolutions that wrap round cannot tell: (32, 32, 4)."""
    q = (np.arange(CELL) + 0.5) / CELL
    along = np.stack([2 * q - 1, np.cos(2 * np.pi * q)], axis=-1)
    shape = (CELL, CELL, 2)
    rows = np.broadcast_to(along[:, None], shape)
    columns = np.broadcast_to(along[None], shape)
    return np.concatenate([rows, columns], axis=-1).astype(np.float32)
