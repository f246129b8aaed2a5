"""Build the network for measured images, and the graph from an image to its posterior, in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xrlab.crystal.encoding import vector_length
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.networks.backend import import_keras
from xrlab.networks.folding import CELL, SPAN, cosines, fold_matrix, places
from xrlab.networks.measured import EXCHANGED

if TYPE_CHECKING:
    import keras

# Added to relative intensities before their logarithm: a pixel without counts is not infinitely
# dark.
FLOOR = 0.1

# Directions of the scale matrix beside its diagonal.
RANK = 7

# Keeps quotients finite.
TINY = 1e-30

# Least and greatest standard error that the network can give: those of perfect images are above the
# first, and the second is wider than any distribution of correlations.
ERRORS = (0.002, 1.0)


def measured_cnn(filters: tuple[int, int, int, int] = (24, 48, 80, 96)) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    filters : tuple of int
        Of the convolutions on grids of 32, 16, 8 and 4 points.

    Returns
    -------
    keras.Model
        From ``"pixels"``, (samples, 64, 64, 3), intensities on any scale with 0 where unmeasured, 1
        where measured or 0 where not, and the squared form factor with mean 1, 0 everywhere if it
        is unknown; and from ``"background"``, (samples, 3): 1 if its share is known, and the lowest
        and highest possible share, or 0, 0 and 1. To

        - ``"cell"``: (samples, 32, 32), the logarithm of S up to a constant,
        - ``"answer"``: (samples, 135), the 15 correlations of span 4 and what `covariance` makes
          their scale matrix from.
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

    pixels = keras.Input((*STANDARD_GRID.shape, 3), name="pixels", dtype="float32")
    background = keras.Input((3,), name="background", dtype="float32")
    folded = _folded(pixels, background)
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
    known = ops.mean(pixels[..., 2:], (1, 2))
    context = ops.concatenate([pooled, background, known, ops.stop_gradient(seen)], axis=-1)
    hidden = layers.Dense(192, activation="relu", dtype="float32")(context)
    answer = _answer(hidden, seen)
    return keras.Model(
        {"pixels": pixels, "background": background},
        {
            "cell": layers.Identity(name="cell", dtype="float32")(logits),
            "answer": layers.Identity(name="answer", dtype="float32")(answer),
        },
        name="measured_cnn",
    )


def _answer(hidden: Any, seen: Any) -> Any:
    """Build the last layers, from 192 activations and the correlations of S to the answer."""
    keras = import_keras()
    layers, ops = keras.layers, keras.ops
    # The resolution makes distant correlations look weaker: c (1 - i/L)(1 - j/L), 1/L at most 0.1,
    # or c exp(-g (i^2 + j^2)), g at most 0.04. The scale of all of them, which an unknown flat
    # background hides, is free by a factor of e.
    i, j = np.divmod(np.arange(1, SPAN**2, dtype=np.float32), SPAN)
    free = layers.Dense(3, kernel_initializer="zeros", dtype="float32", name="resolution")(hidden)
    lots, gauss = 0.1 * ops.sigmoid(free[:, :1] - 2), 0.04 * ops.sigmoid(free[:, 1:2] - 3)
    scale = ops.exp(ops.tanh(free[:, 2:]) + gauss * (i**2 + j**2))
    mean = seen * scale / ((1 - lots * i) * (1 - lots * j))

    n = vector_length(SPAN)
    low, high = (float(np.log(error)) for error in ERRORS)
    log_error = low + (high - low) * layers.Dense(n, activation="sigmoid", dtype="float32")(hidden)
    # One direction of the scale matrix is that of the correlations themselves: their scale.
    loose = ops.exp(layers.Dense(1, dtype="float32", name="scale_error")(hidden) - 3)
    along = ops.expand_dims(ops.stop_gradient(mean) * loose / ops.exp(log_error), -1)
    others = layers.Dense(
        n * (RANK - 1),
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name="directions",
    )(hidden)
    directions = ops.concatenate([along, ops.reshape(others, (-1, n, RANK - 1))], axis=-1)
    return ops.concatenate([mean, log_error, ops.reshape(directions, (-1, n * RANK))], axis=-1)


def last_layers() -> keras.Model:
    """Build the last layers alone, for both answers that `answering` joins.

    Returns
    -------
    keras.Model
        From ``"hidden"``, (samples, 2, 192), and ``"seen"``, (samples, 2, 15), of the image and of
        that with h and k exchanged, to ``"mean"`` and ``"scale"`` as `answering` gives them.
    """
    keras = import_keras()
    n = vector_length(SPAN)
    one_hidden, one_seen = keras.Input((192,)), keras.Input((n,))
    one = keras.Model([one_hidden, one_seen], _answer(one_hidden, one_seen), name="last_layers")
    hidden, seen = keras.Input((2, 192), name="hidden"), keras.Input((2, n), name="seen")
    answers = [one([hidden[:, side], seen[:, side]]) for side in (0, 1)]
    mean, scale = _joined(*answers)
    return keras.Model({"hidden": hidden, "seen": seen}, {"mean": mean, "scale": scale})


def _joined(one: Any, other: Any) -> tuple[Any, Any]:
    """Mean of the answers to an image and to that with h and k exchanged, and its scale matrix."""
    ops, n = import_keras().ops, vector_length(SPAN)
    order = np.concatenate([EXCHANGED, n + EXCHANGED])
    directions = 2 * n + (EXCHANGED[:, None] * RANK + np.arange(RANK)).ravel()
    turned = ops.take(other, np.concatenate([order, directions]), axis=-1)
    apart = ops.expand_dims(one[:, :n] - turned[:, :n], -1) / 2
    scale = (_scale_matrix(one, ops) + _scale_matrix(turned, ops)) / 2
    mean = (one[:, :n] + turned[:, :n]) / 2
    return mean, scale + ops.matmul(apart, ops.transpose(apart, (0, 2, 1)))


def _folded(pixels: Any, background: Any) -> Any:
    """Channels of one cell: per cell ln of the mean, mean of the ln, and the measured part.

    The scale is taken out first by the square of the mean square root, which hot pixels and Bragg
    peaks hardly move. Behind them, with what is known, ln of the form factor.
    """
    ops = import_keras().ops
    value, mask, factor = pixels[..., :1], pixels[..., 1:2], pixels[..., 2:]
    total = ops.sum(mask, (1, 2, 3), keepdims=True) + 1e-6
    scale = ops.sum(ops.sqrt(value) * mask, (1, 2, 3), keepdims=True) / total
    value = value / (scale**2 + 1e-30) * mask
    stack = ops.concatenate([value, ops.log(FLOOR + value) * mask, mask, factor], axis=-1)
    rows, columns = fold_matrix(STANDARD_GRID.h_values), fold_matrix(STANDARD_GRID.k_values)
    stack = ops.einsum("mh,bhkc->bmkc", rows, stack)
    stack = ops.einsum("nk,bmkc->bmnc", columns, stack)
    part = stack[..., 2:3]
    weight = part + 1e-3
    measured = ops.concatenate(
        [
            ops.log(FLOOR + stack[..., :1] / weight) * part,
            stack[..., 1:2] / weight * part,
            part,
        ],
        axis=-1,
    )
    known = ops.mean(factor, (1, 2, 3), keepdims=True)  # 1, or 0 if it is unknown
    factor = ops.log(FLOOR + stack[..., 3:]) * known

    def cells(x: Any, n: int) -> Any:
        x = ops.reshape(x, (-1, 2, CELL, 2, CELL, n))
        return ops.reshape(ops.transpose(x, (0, 2, 4, 1, 3, 5)), (-1, CELL, CELL, 4 * n))

    measured, factor = cells(measured, 3), cells(factor, 1)
    place = ops.zeros_like(measured[..., :4]) + places()
    facts = ops.concatenate([ops.reshape(background, (-1, 1, 1, 3)), known], axis=-1)
    facts = ops.zeros_like(measured[..., :4]) + facts
    return ops.concatenate(
        [measured, ops.flip(measured, (1, 2)), place, factor, ops.flip(factor, (1, 2)), facts],
        axis=-1,
    )


def answering(core: keras.Model) -> keras.Model:
    """Join all steps from an image to its posterior in one graph, for use and for export.

    Preparation of the pixels, the network's answers to the image and to the same with h and k
    exchanged, their mean and its scale matrix. An exchange of h and k changes the names of the axes
    of a crystal, nothing else; the mean has a tenth less squared error than one answer.

    Parameters
    ----------
    core : keras.Model
        From `measured_cnn`.

    Returns
    -------
    keras.Model
        From ``"image"``, (samples, 64, 64), NaN where unmeasured, ``"background"``, (samples, 2),
        the lowest and highest share or NaN, and ``"form_factor"``, (samples, 64, 64) or NaN; to
        ``"mean"``, (samples, 15), ``"scale"``, (samples, 15, 15), and ``"cell"``, (samples, 32, 32)
        with mean 1.
    """
    keras = import_keras()
    ops = keras.ops
    image = keras.Input(STANDARD_GRID.shape, name="image", dtype="float32")
    shares = keras.Input((2,), name="background", dtype="float32")
    factor = keras.Input(STANDARD_GRID.shape, name="form_factor", dtype="float32")

    def known(x: Any) -> tuple[Any, Any]:
        missing = ops.isnan(x)
        return ops.where(missing, 0.0, x), 1 - ops.cast(missing, "float32")

    def mean_one(x: Any, weight: Any) -> Any:
        return (
            x * ops.sum(weight, (1, 2), keepdims=True) / (ops.sum(x, (1, 2), keepdims=True) + TINY)
        )

    value, mask = known(image)
    form, form_known = known(factor)
    pixels = ops.stack([mean_one(value, mask), mask, mean_one(form, form_known)], axis=-1)
    share, share_known = known(shares)
    flag = ops.min(share_known, axis=-1, keepdims=True)
    share = share * flag + (1 - flag) * np.array([[0, 1]], np.float32)
    facts = ops.concatenate([flag, share], axis=-1)
    one = core({"pixels": pixels, "background": facts})
    other = core({"pixels": ops.transpose(pixels, (0, 2, 1, 3)), "background": facts})
    mean, scale = _joined(one["answer"], other["answer"])
    cell = ops.exp((one["cell"] + ops.transpose(other["cell"], (0, 2, 1))) / 2)
    return keras.Model(
        {"image": image, "background": shares, "form_factor": factor},
        {
            "mean": mean,
            "scale": scale,
            "cell": cell / ops.mean(cell, (1, 2), keepdims=True),
        },
        name="measured",
    )


def _scale_matrix(answer: Any, ops: Any) -> Any:
    """D (1 + V V^T) D from what follows the correlations in an answer: ln D and V."""
    n = vector_length(SPAN)
    error = ops.expand_dims(ops.exp(answer[:, n : 2 * n]), -1)
    wide = ops.reshape(answer[:, 2 * n :], (-1, n, RANK)) * error
    return ops.matmul(wide, ops.transpose(wide, (0, 2, 1))) + error**2 * np.eye(n, dtype=np.float32)
