"""A small variational auto-encoder: what can be learned from images alone, without an encoding.

An encoder squeezes an image into a few numbers, its latent values z, each with an uncertainty; a
decoder draws an image from them. Both learn together, from images only (Kingma & Welling,
arXiv:1312.6114). What it found is then set beside encodings by `read`, as are the rivals of the
same size, `principal_components`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import BATCH

if TYPE_CHECKING:
    import keras


# Speckles go down to nothing; below this part of the mean a logarithm would see little else.
FLOOR = 0.03


@dataclass(frozen=True)
class Autoencoder:
    """An encoder and a decoder that are trained together; made by `image_autoencoder`.

    Parameters
    ----------
    encoder : keras.Model
        From (samples, rows, columns, 1) to the mean and the logarithm of the variance of the
        latent values, each (samples, latent).
    decoder : keras.Model
        From (samples, latent) to ln S, (samples, rows, columns, 1).
    whole : keras.Model
        Encoder, a random draw, decoder: what is trained.
    speckles : float
        M L^2 / 2, the independent looks at the crystal that an image holds.
    """

    encoder: keras.Model
    decoder: keras.Model
    whole: keras.Model
    speckles: float

    def fit(
        self,
        images: ArrayLike,
        *,
        epochs: int = 30,
        batch_size: int = 50,
        learning_rate: float = 2e-3,
        seed: int = 0,
        progress: bool = False,
    ) -> list[float]:
        """Train with Adam, the rate falling to 0 along half a cosine.

        Parameters
        ----------
        images : array, shape (samples, rows, columns)
            On any scale, each value finite and 0 or more.
        epochs, batch_size : int
        learning_rate : float
            At the start.
        seed : int
            Order of the images and random draws.
        progress : bool
            Show a progress bar with the loss.

        Returns
        -------
        list of float
            The loss of each epoch in nats per image: minus the lower bound on how much more
            probable the image is than on a grey picture, if the weight of the KL term is 1.

        Raises
        ------
        ValueError
            If there is no epoch or no image per batch, or the images do not fit.
        """
        if epochs < 1 or batch_size < 1:
            raise ValueError(f"epochs and batch size are 1 or more; got {epochs} and {batch_size}")
        shown = self._checked(images)
        keras = import_keras()
        keras.utils.set_random_seed(seed)
        per_epoch = -(-len(shown) // batch_size)
        falling = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * per_epoch)
        self.whole.compile(keras.optimizers.Adam(falling), loss=_misfit(self.speckles))
        with (
            threadpool_limits(1, user_api="blas"),
            tqdm(total=epochs, desc="auto-encoder", unit=" epochs", disable=not progress) as bar,
        ):

            def show(epoch: int, logs: dict[str, float]) -> None:
                bar.set_postfix(loss=f"{logs['loss']:.1f}")
                bar.update()

            history = self.whole.fit(
                _shuffled(shown, batch_size, seed),
                steps_per_epoch=per_epoch,
                epochs=epochs,
                shuffle=False,
                callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=show)],
                verbose=0,
            )
        return [float(loss) for loss in history.history["loss"]]

    def latent(self, images: ArrayLike) -> tuple[Reals, Reals]:
        """Return mean and standard deviation of the latent values, each (samples, latent)."""
        mean, log_variance = _run(self.encoder, self._checked(images))
        return mean, np.exp(log_variance / 2)

    def draw(self, latent: ArrayLike) -> Reals:
        """Draw the images S, mean 1 for a perfect one, that belong to latent values.

        Parameters
        ----------
        latent : array, shape (samples, latent)

        Returns
        -------
        array, shape (samples, rows, columns)
        """
        values = np.asarray(latent, np.float32)
        n_latent = self.decoder.input_shape[-1]
        if values.ndim != 2 or values.shape[1] != n_latent:
            raise ValueError(
                f"latent values have shape (samples, {n_latent}); these have {values.shape}"
            )
        (log_s,) = _run(self.decoder, values)
        return np.exp(log_s[..., 0])

    def information(self, images: ArrayLike) -> Floats:
        """Information that each latent value carries about an image, mean over images, in nats.

        The Kullback-Leibler divergence of its distribution from the normal one that it would have
        if nothing were known: (sigma^2 + mu^2 - 1)/2 - ln sigma. A value near 0 is not in use.
        """
        mean, deviation = (each.astype(np.float64) for each in self.latent(images))
        return ((deviation**2 + mean**2 - 1) / 2 - np.log(deviation)).mean(axis=0)

    def _checked(self, images: ArrayLike) -> Singles:
        array = np.asarray(images, np.float32)
        shape = self.encoder.input_shape[1:3]
        if array.ndim != 3 or array.shape[1:] != shape or not len(array):
            raise ValueError(
                f"this auto-encoder takes images of shape (samples, {shape[0]}, {shape[1]}); "
                f"these have {array.shape}"
            )
        if not (np.isfinite(array).all() and array.min() >= 0 and array.any(axis=(1, 2)).all()):
            raise ValueError(
                "intensities are finite, 0 or more, and somewhere above 0 in every image; "
                "fill pixels that were not measured before, for instance "
                "with xrlab.measurement.filling"
            )
        return array[..., None]


def image_autoencoder(
    n_latent: int = 3,
    *,
    kl_weight: float = 1.0,
    lots: int = 8,
    lot_size: int = 25,
    shape: tuple[int, int] = (64, 64),
    seed: int = 0,
) -> Autoencoder:
    """Build a variational auto-encoder for speckled images.

    Both halves have two hidden dense layers, and work on ln x at half of the resolution. The loss
    has two parts. The misfit is the law of speckles, M (ln S + I/S) for each of L^2 / 2 independent
    pixels (`xrlab.inference.likelihood`), so it needs no width of the noise to be chosen. The KL
    term is the information in the latent values, times `kl_weight`: with 1 the sum is Kingma &
    Welling's bound, with more it is the beta-VAE (Higgins et al., ICLR 2017).

    Parameters
    ----------
    n_latent : int
        Latent values, 1 or more.
    kl_weight : float
        0 or more.
    lots, lot_size : int
        M and L of the images.
    shape : (int, int)
        Rows and columns, even numbers.
    seed : int
        Weights at the start, and random draws.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    if n_latent < 1 or lots < 1 or lot_size < 1:
        raise ValueError(
            f"latent values, lots and lot size are 1 or more; got {n_latent}, {lots}, {lot_size}"
        )
    if not (np.isfinite(kl_weight) and kl_weight >= 0):
        raise ValueError(f"the weight of the KL term is 0 or more; got {kl_weight}")
    if min(shape) < 2 or shape[0] % 2 or shape[1] % 2:
        raise ValueError(f"rows and columns are even numbers, 2 or more; got {shape}")
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    layers, ops = keras.layers, keras.ops
    half = shape[0] // 2, shape[1] // 2

    image = keras.Input((*shape, 1), name="image")
    x = ops.log(_relative(image) + FLOOR)
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    for units in (128, 64):
        x = layers.Dense(units, activation="relu")(x)
    spread = layers.Dense(n_latent, kernel_initializer="zeros", name="log_variance")(x)
    encoder = keras.Model(image, [layers.Dense(n_latent, name="centre")(x), spread], name="encoder")

    z = keras.Input((n_latent,), name="latent")
    y = z
    for units in (64, 128):
        y = layers.Dense(units, activation="relu")(y)
    y = layers.Dense(half[0] * half[1], kernel_initializer="zeros")(y)  # grey at the start
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.Reshape((*half, 1))(y))
    decoder = keras.Model(z, y, name="decoder")

    drawn = _sampling_layer(kl_weight, seed)(encoder(image))
    whole = keras.Model(image, decoder(drawn), name="autoencoder")
    return Autoencoder(encoder, decoder, whole, lots * lot_size**2 / 2)


def principal_components(train: ArrayLike, others: ArrayLike, n: int) -> tuple[Reals, ...]:
    """Project images on the n directions in which the training images vary most.

    Parameters
    ----------
    train, others : arrays, shape (samples, rows, columns)
        Images, or logarithms of them.
    n : int
        1 up to the number of training images.

    Returns
    -------
    two arrays, shape (samples, n)
        Of the training images and of the others.
    """
    first, second = map(np.asarray, (train, others))
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(f"images have one shape; got {first.shape[1:]} and {second.shape[1:]}")
    if not 1 <= n <= len(first):
        raise ValueError(f"{len(first)} images have 1 to {len(first)} components; got {n}")
    mean = first.mean(axis=0, dtype=np.float64)

    def centred(images: Reals) -> Reals:
        kind = np.result_type(images, np.float32)
        return np.subtract(images, mean, dtype=kind, casting="same_kind").reshape(len(images), -1)

    rows = centred(first)
    # Eigenvectors of the small matrix of all inner products: there are fewer images than pixels.
    products = (rows @ rows.T).astype(np.float64)
    last = (len(rows) - n, len(rows) - 1)
    values, vectors = scipy.linalg.eigh(products, subset_by_index=last, overwrite_a=True)
    directions = rows.T @ (vectors / np.sqrt(values))[:, ::-1].astype(rows.dtype)
    return rows @ directions, centred(second) @ directions


def read(known: ArrayLike, encodings: ArrayLike, unseen: ArrayLike, degree: int = 1) -> Floats:
    """Read encodings off latent values by least squares, with a constant.

    Parameters
    ----------
    known : array, shape (samples, latent)
        Latent values of images whose encodings are known.
    encodings : array, shape (samples, values)
    unseen : array, shape (others, latent)
        Latent values of images to read.
    degree : {1, 2}
        1 allows for a rotation and stretch of the latent space, 2 for a bend as well.

    Returns
    -------
    array, shape (others, values)

    Raises
    ------
    ValueError
        If the degree is another, or there are fewer known images than numbers to be fitted.
    """
    if degree not in (1, 2):
        raise ValueError(f"the degree is 1 or 2; got {degree}")
    first, second = (_powers(np.asarray(each, np.float64), degree) for each in (known, unseen))
    if len(first) < first.shape[1]:
        raise ValueError(
            f"{len(first)} images are too few to fit {first.shape[1]} numbers to each value"
        )
    coefficients = np.linalg.lstsq(first, np.asarray(encodings, np.float64), rcond=None)[0]
    return second @ coefficients


def speckle_deviance(images: ArrayLike, drawn: ArrayLike) -> Floats:
    """Tell how unlike speckles the ratio x of an image to its drawing is: mean of x - ln x - 1.

    It is 0 where they agree, and about 1/(2 M) for M lots and nothing but speckles (Whittle's
    deviance, half the usual one). A drawing that misses a feature has more.

    Parameters
    ----------
    images, drawn : arrays, shape (samples, rows, columns)
        Each image is first divided by its mean.

    Returns
    -------
    array, shape (samples,)
    """
    i, s = (np.asarray(each, np.float64) for each in (images, drawn))
    if i.ndim != 3 or i.shape != s.shape:
        raise ValueError(f"images and drawings have one shape; got {i.shape} and {s.shape}")
    ratio = i / i.mean(axis=(1, 2), keepdims=True) / s
    ratio = np.maximum(ratio, np.finfo(np.float64).tiny)
    return np.mean(ratio - np.log(ratio) - 1, axis=(1, 2))


def _powers(values: Floats, degree: int) -> Floats:
    """Columns 1, z_m and, for degree 2, z_m z_n."""
    columns = [np.ones((len(values), 1)), values]
    if degree == 2:
        m, n = np.triu_indices(values.shape[1])
        columns.append(values[:, m] * values[:, n])
    return np.hstack(columns)


def _shuffled(images: Singles, size: int, seed: int) -> Iterator[tuple[Singles, Singles]]:
    """Yield batches for ever, in a new order in every epoch; each batch is its own label.

    Keras copies arrays that it is given whole, images and labels apart.
    """
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(images), size):
            batch = images[order[start : start + size]]
            yield batch, batch


def _relative(image: Any) -> Any:
    return image / import_keras().ops.mean(image, axis=(1, 2, 3), keepdims=True)


def _misfit(speckles: float) -> Callable[[Any, Any], Any]:
    """Minus the logarithm of the likelihood, less that of a grey picture, S = 1."""
    ops = import_keras().ops

    def misfit(image: Any, log_s: Any) -> Any:
        each = log_s + _relative(image) * ops.exp(-log_s) - 1
        return speckles * ops.mean(each, axis=(1, 2, 3))

    return misfit


def _sampling_layer(kl_weight: float, seed: int) -> keras.layers.Layer:
    """Return a layer that draws z from its mean and variance, and adds the KL term to the loss."""
    keras = import_keras()
    ops = keras.ops

    class Sampling(keras.layers.Layer):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__(name="sampling")
            self.chance = keras.random.SeedGenerator(seed)

        def call(self, parts: tuple[Any, Any]) -> Any:
            mean, log_variance = parts
            surplus = ops.exp(log_variance) + ops.square(mean) - 1 - log_variance
            self.add_loss(kl_weight * ops.mean(ops.sum(surplus, axis=-1)) / 2)
            noise = keras.random.normal(ops.shape(mean), seed=self.chance)
            return mean + ops.exp(log_variance / 2) * noise

    return Sampling()


def _run(model: keras.Model, values: Singles) -> list[Reals]:
    """Return the outputs of a model, in batches of bounded memory."""
    parts = []
    for start in range(0, len(values), BATCH):
        answer = model.predict_on_batch(values[start : start + BATCH])
        parts.append(answer if isinstance(answer, list | tuple) else [answer])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
