"""Delta-PDF with a learned correction, as a Keras network.

``python -m xrlab.training.train_corrected --help`` describes the command that made the shipped
``cfs3-best`` and ``cfs4-best``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.encoding import vector_length
from xrlab.crystal.grid import STANDARD_GRID, trapezoid_weights
from xrlab.networks.backend import import_keras

if TYPE_CHECKING:
    import keras


# Correlations of up to so many sites along a and b are looked at. Validation MSE of span 4 in
# units of 0.001, 2000 lattices, one symmetry at a time, epoch 40: 1.713 with 8, 1.757 with 20, at
# the end of their trainings, and 1.711 with 12, in the middle of a longer one.
REACH = 12

# The grid and the network see 63 different points along an axis: beyond, distances fold over.
LARGEST_REACH = 31

# Error of Delta-PDF on the 50/25/8 images: the unit of the correction while it is learned.
UNIT = 0.04


def projection_net(
    span: int,
    lot_size: int = 25,
    *,
    reach: int = REACH,
    width: int = 512,
    depth: int = 2,
    dropout: float = 0.1,
) -> keras.Model:
    """Build Delta-PDF as a network, with a correction that starts at 0.

    Over whole cells an image is the cosine series of `xrlab.delta_pdf`, so two fixed matrix
    products give its coefficients w(i, j) c(i, j) without loss. Those up to the span are
    Delta-PDF's answer. The correction f is a network of dense layers (GELU: Hendrycks & Gimpel,
    arXiv:1606.08415) on all coefficients x up to the reach: the lots show some pairs of the
    lattice more often than others, which the far ones and c(i, -j) betray. It is made exactly
    symmetric, (1/8) sum over g of g^-1 f(g x), under the eight operations g that exchange h with
    k and turn round every second layer of sites.

    Parameters
    ----------
    span : int
        2 or more.
    lot_size : int
        L of the lots that the images are taken with.
    reach : int
        Farthest distance along **a** and **b**: from ``span - 1`` to 31.
    width, depth : int
        Units of a hidden layer, number of hidden layers.
    dropout : float
        Share of these units that is left out in training, at random, after each layer.

    Returns
    -------
    keras.Model
        From (samples, 64, 64, 1), images on any scale over the standard grid, h and k from 0 to
        2 r.l.u., to (samples, span^2 - 1) values from -1 to 1. The layer "coefficients" gives x:
        those of cos 2 pi h i cos 2 pi k j, i, j >= 0, without the constant term, which is 1, and
        then those of sin 2 pi h i sin 2 pi k j, i, j >= 1. The layer "correction" is f.

    Raises
    ------
    ValueError
        If span, lot size, reach or layers are out of range.

    Examples
    --------
    >>> projection_net(span=2).output_shape
    (None, 3)
    """
    n_values = vector_length(span)
    if lot_size < span:
        raise ValueError(f"a lot of {lot_size} sites is too small for correlations of span {span}")
    if not span - 1 <= reach <= LARGEST_REACH:
        raise ValueError(
            f"the reach for span {span} is from {span - 1} to {LARGEST_REACH}; got {reach}"
        )
    if width < 1 or depth < 1:
        raise ValueError(f"width and depth are 1 or more; got {width} and {depth}")
    keras = import_keras()
    layers, ops = keras.layers, keras.ops
    side = reach + 1
    waves = _fixed(2 * reach + 1, "waves")  # one layer for both axes: the grid is square
    image = keras.Input((*STANDARD_GRID.shape, 1), name="image")
    x = layers.Permute((2, 1))(waves(layers.Reshape(STANDARD_GRID.shape)(image)))
    x = layers.Permute((2, 1))(waves(x))
    x = x / x[:, :1, :1]
    even, odd = layers.Flatten()(x[:, :side, :side]), layers.Flatten()(x[:, side:, side:])
    x = layers.Concatenate(name="coefficients")([even[:, 1:], odd])
    correct = _correction(x.shape[-1], n_values, width, depth, dropout)
    places, signs = symmetries((0, reach), (1, reach))
    turned = [
        ops.take(layers.Rescaling(s.tolist())(x), p.tolist(), axis=-1)
        for p, s in zip(places, signs, strict=True)
    ]
    corrections = correct(layers.Reshape((8, x.shape[-1]))(layers.Concatenate()(turned)))
    places, signs = symmetries((0, span - 1))
    back = [
        layers.Rescaling((s / 8).tolist())(ops.take(corrections[:, n], p.tolist(), axis=-1))
        for n, (p, s) in enumerate(zip(places, signs, strict=True))
    ]
    inversion = _fixed(n_values, "delta_pdf")
    inverted = ops.clip(inversion(x), -1, 1)
    output = ops.clip(layers.Add(name="encoding")([inverted, *back]), -1, 1)
    model = keras.Model(image, output, name="projection_net")
    phase = 2 * np.pi * np.outer(STANDARD_GRID.h_values, np.arange(side))
    whole_cells = trapezoid_weights(STANDARD_GRID)[:, 1:2] / (STANDARD_GRID.shape[0] - 1)
    waves.set_weights([whole_cells * np.hstack([np.cos(phase), np.sin(phase[:, 1:])])])
    inversion.set_weights([_inversion(span, reach, lot_size)])
    return model


def _fixed(units: int, name: str) -> Any:
    return import_keras().layers.Dense(units, use_bias=False, trainable=False, name=name)


def _correction(
    n_inputs: int, n_outputs: int, width: int, depth: int, dropout: float
) -> keras.Model:
    keras = import_keras()
    layers = keras.layers
    inputs = keras.Input((None, n_inputs))
    # With the mean and variance of the training coefficients. Keras' own Normalization and GELU
    # cannot be exported to ONNX: it has no Erfc, and their constants become inputs.
    x = layers.BatchNormalization(center=False, scale=False, epsilon=1e-12, trainable=False)(inputs)
    for _ in range(depth):
        x = layers.Dense(width)(x)
        x = 0.5 * x * (1 + keras.ops.erf(x / 2**0.5))  # GELU
        x = layers.Dropout(dropout)(x)
    x = layers.Dense(n_outputs, kernel_initializer="zeros")(x)
    return keras.Model(inputs, layers.Rescaling(UNIT)(x), name="correction")


def _distances(*blocks: tuple[int, int]) -> NDArray[np.int64]:
    """Distances (i, j), shape (n, 2), with i and j from a first to a last one; (0, 0) left out."""
    pairs = [np.indices((last + 1 - first,) * 2).reshape(2, -1).T + first for first, last in blocks]
    return np.concatenate(pairs)[1:]


def symmetries(*blocks: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places and signs, shape (8, n) each: g x is (signs x)[places], its inverse signs (x[places]).

    Turning round every second layer gives a coefficient the sign (-1)^i or (-1)^j, exchanging h
    with k exchanges i with j. ``blocks`` are those of `_distances`.
    """
    sizes = [(last + 1 - first) for first, last in blocks]
    starts = np.cumsum([0, *[n * n for n in sizes]])
    exchanged = [
        start + np.arange(n * n).reshape(n, n).T.ravel()
        for start, n in zip(starts, sizes, strict=False)
    ]
    i, j = _distances(*blocks).T
    places = [np.arange(len(i)), np.concatenate(exchanged)[1:] - 1] * 4
    signs = [(-1.0) ** (i * (n // 2 % 2) + j * (n // 4)) for n in range(8)]
    return np.array(places), np.array(signs, np.float32)


def _inversion(span: int, reach: int, lot_size: int) -> NDArray[np.float64]:
    """Matrix from the coefficients to c(i, j) = (even - odd)/w, w = (1 - i/L)(1 - j/L)."""
    i, j = _distances((0, span - 1)).T
    at_i, at_j = _distances((0, reach), (1, reach)).T
    part = np.where(np.arange(len(at_i)) < (reach + 1) ** 2 - 1, 1.0, -1.0)
    window = (1 - i / lot_size) * (1 - j / lot_size)
    same = (at_i[:, None] == i) & (at_j[:, None] == j)
    return same * part[:, None] / window
