"""The convolutional networks of the 2023 study: small, medium and large."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xrlab.networks.backend import import_keras

if TYPE_CHECKING:
    import keras


# Validation loss on span 3 after 12 epochs: 0.0030 with a scale of 1 (Adam's best rate is 0.0003
# then) and 0.0016 with 0.1, both with sqrt(x) as input; 0.0015 with 0.03 and x itself.
DENSE_INPUT_SCALE = 0.03


def small_cnn(n_outputs: int, shape: tuple[int, int] = (64, 64)) -> keras.Model:
    """Build the small network of the 2023 study.

    Two 3 x 3 convolutions (32 and 64 filters, ReLU), each with batch normalisation and 2 x 2
    max-pooling, dropout of 0.2 and 0.5, and one linear dense layer. Two steps without parameters
    help it learn. Before the first layer the image x becomes x / <x>, so that its scale is
    irrelevant. Before the dense layer its inputs, 12,544 of them, become small: Adam moves every
    weight by about the same amount at a time, and so many of them moving together would overshoot
    at any rate that suits the convolutions. For the same reason the dense layer starts at 0.

    Parameters
    ----------
    n_outputs : int
        Values of the encoding: 3, 8, 15 for spans 2, 3, 4.
    shape : (int, int)
        Rows and columns of the images, 10 or more each.

    Returns
    -------
    keras.Model
        From (samples, rows, columns, 1), intensities from 0 up, to (samples, n_outputs). It has
        207,375 parameters for 15 outputs at 64 x 64.

    Raises
    ------
    ValueError
        If there is no output, or the images are too small for two poolings.
    """
    _check_sizes(n_outputs, shape, 10, "small")
    keras = import_keras()
    layers = keras.layers
    image, x = _relative_input(shape)
    for layer in (
        layers.Conv2D(32, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(2),
        layers.Dropout(0.2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Rescaling(DENSE_INPUT_SCALE),
        layers.Dense(n_outputs, kernel_initializer="zeros", name="encoding"),
    ):
        x = layer(x)
    return keras.Model(image, x, name="small_cnn")


def medium_cnn(n_outputs: int, shape: tuple[int, int] = (64, 64)) -> keras.Model:
    """Build the medium network of the 2023 study: one residual stage and a hidden dense layer.

    Convolution of 32 filters, one of 64 with stride 2, max-pooling, dropout of 0.2, a residual
    stage from 64 to 128 filters (see `large_cnn`), dense layers of 128 and n_outputs. Every
    convolution is 3 x 3 with padding and bias. The image enters as x / <x>, as in `small_cnn`.

    Parameters
    ----------
    n_outputs : int
        Values of the encoding: 3, 8, 15 for spans 2, 3, 4.
    shape : (int, int)
        Rows and columns of the images, 8 or more each.

    Returns
    -------
    keras.Model
        As `small_cnn`. It has 1,255,759 parameters for 15 outputs at 64 x 64.

    Raises
    ------
    ValueError
        If there is no output, or the images are too small to be halved three times.
    """
    _check_sizes(n_outputs, shape, 8, "medium")
    keras = import_keras()
    image, x = _relative_input(shape)
    x = _two_convolutions(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Dropout(0.2)(x)
    x = _residual_stage(x, 64, 128, dropout=0.25)
    return keras.Model(image, _dense_head(x, n_outputs), name="medium_cnn")


def large_cnn(n_outputs: int, shape: tuple[int, int] = (64, 64)) -> keras.Model:
    """Build the large network of the 2023 study: three residual stages.

    Convolution of 32 filters, one of 64 with stride 2, dropout of 0.25, then stages from 64 to
    128, 256 to 256 and 512 to 512 filters, dense layers of 128 and n_outputs. A stage is a
    convolution, max-pooling, dropout and a second convolution, added to a convolution of stride 2
    of what entered it (He et al., arXiv:1512.03385), ReLU and dropout. Every convolution is 3 x 3
    with padding and bias and is followed by batch normalisation, save those that skip.

    Parameters
    ----------
    n_outputs : int
        Values of the encoding: 3, 8, 15 for spans 2, 3, 4.
    shape : (int, int)
        Rows and columns of the images, 16 or more each.

    Returns
    -------
    keras.Model
        As `small_cnn`. It has 7,162,447 parameters for 15 outputs at 64 x 64.

    Raises
    ------
    ValueError
        If there is no output, or the images are too small to be halved four times.
    """
    _check_sizes(n_outputs, shape, 16, "large")
    keras = import_keras()
    image, x = _relative_input(shape)
    x = _two_convolutions(x)
    x = keras.layers.Dropout(0.25)(x)
    x = _residual_stage(x, 64, 128, dropout=0.25)
    x = _residual_stage(x, 256, 256, dropout=0.25)
    x = _residual_stage(x, 512, 512, dropout=0.5)
    return keras.Model(image, _dense_head(x, n_outputs), name="large_cnn")


def _check_sizes(n_outputs: int, shape: tuple[int, int], least: int, name: str) -> None:
    if n_outputs < 1:
        raise ValueError(f"a model needs at least 1 output; got {n_outputs}")
    if min(shape) < least:
        raise ValueError(
            f"the {name} CNN needs images of {least} x {least} pixels or more; got {shape}"
        )


def _relative_input(shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return the image and x / <x>, of which the scale is irrelevant."""
    keras = import_keras()
    image = keras.Input((*shape, 1), name="image")
    return image, image / keras.ops.mean(image, axis=(1, 2, 3), keepdims=True)


def _convolution(x: Any, filters: int, strides: int = 1, activation: str | None = None) -> Any:
    return import_keras().layers.Conv2D(
        filters, 3, strides, padding="same", activation=activation, kernel_initializer="he_normal"
    )(x)


def _two_convolutions(x: Any) -> Any:
    """First stage of the medium and the large network; it halves the image."""
    layers = import_keras().layers
    x = layers.BatchNormalization()(_convolution(x, 32, activation="relu"))
    return layers.BatchNormalization()(_convolution(x, 64, strides=2, activation="relu"))


def _residual_stage(x: Any, first: int, second: int, dropout: float) -> Any:
    layers = import_keras().layers
    skipped = _convolution(x, second, strides=2)
    x = layers.BatchNormalization()(_convolution(x, first, activation="relu"))
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Dropout(0.25)(x)
    x = layers.BatchNormalization()(_convolution(x, second))
    x = layers.ReLU()(layers.Add()([x, skipped]))
    return layers.Dropout(dropout)(x)


def _dense_head(x: Any, n_outputs: int) -> Any:
    layers = import_keras().layers
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(x)
    return layers.Dense(n_outputs, kernel_initializer="he_normal", name="encoding")(x)


# What the command line and the cards call the networks of the study.
ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "small": small_cnn,
    "medium": medium_cnn,
    "large": large_cnn,
}
