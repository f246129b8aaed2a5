"""The last layer of a network in closed form: ridge regression on what the layers before it see."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xrlab.crystal.arrays import Singles
from xrlab.datasets.dataset import DataSet, Simulated
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import BATCH, run_model
from xrlab.training.batches import make_batches

if TYPE_CHECKING:
    import keras


# Of the conjugate gradients: they end when the error of the equations is this small, relative to
# the right-hand side, or after so many steps. Validation losses of the small CNN, 3000 images of
# span 4: 0.001041 after 30 steps, 0.001011 after 60, 0.001009 after 120 and after 250.
TOLERANCE = 1e-4
MAX_STEPS = 80


def refit_last_layer(
    model: keras.Model,
    train: DataSet | Simulated,
    validation: DataSet,
    *,
    penalties: Sequence[float] = (0.1, 0.3, 1.0, 3.0),
    passes: int = 4,
    seed: int = 0,
    symmetries: bool = True,
) -> float:
    """Give the last, linear layer its best weights for what the layers before it have learned.

    Adam finds the direction of the 12,544 weights of the small CNN quickly and their last digits
    very slowly. For given inputs the best ones are known exactly: those of ridge regression, the
    sum of squared errors plus a penalty times the sum of squared weights (Hoerl & Kennard,
    Technometrics 12, 55, 1970), the penalty chosen on the validation images.

    It also mends what dropout before this layer does: a sum of which half is left out by chance is
    noisy, so training makes it too small (card ``cfs4-large``: validation loss 0.0039 and 0.0019).

    Parameters
    ----------
    model : keras.Model
        Changed in place. Its last layer is dense and linear.
    train : DataSet or Simulated
    validation : DataSet
    penalties : sequence of float
        To choose from, in units of the mean variance of the layer's inputs.
    passes : int
        Times that the training images are shown, each time under other symmetries.
    seed, symmetries
        As for `fit`.

    Returns
    -------
    float
        The validation loss afterwards.

    Notes
    -----
    The normal equations are solved for all penalties at once by conjugate gradients. Their matrix
    of n_inputs^2 values is never formed: the inputs wait in a temporary file, at half precision,
    and are read once for every step: 1 GB for 10,000 images, 4 passes and the small CNN.
    """
    keras = import_keras()
    last = model.layers[-1]
    features = keras.Model(model.input, last.input)
    n_inputs, n_outputs = last.kernel.shape
    cross, total = np.zeros((n_inputs, n_outputs)), np.zeros(n_inputs)
    labels, squares, n = np.zeros(n_outputs), 0.0, 0
    batches = make_batches(train, BATCH, seed, symmetries=symmetries, epochs=range(passes))
    origin = run_model(features, batches[0][0][..., 0]).mean(axis=0)  # near the mean: fewer digits
    with tempfile.TemporaryFile() as file:
        for batches.epoch in range(passes):
            for index in range(len(batches)):
                images, targets = batches[index]
                inputs = (run_model(features, images[..., 0]) - origin).astype(np.float16)
                file.write(inputs.data)
                inputs = inputs.astype(np.float32)
                cross += inputs.T @ targets
                total += inputs.sum(axis=0)
                squares += float((inputs**2).sum())
                labels += targets.sum(axis=0)
                n += len(inputs)
        batches.close()
        mean, label = total / n, labels / n
        variance = (squares / n - (mean**2).sum()) / n_inputs

        def covariance(vectors: Singles) -> Singles:
            product = np.zeros_like(vectors)
            block = np.empty((2 * BATCH, n_inputs), np.float16)  # products of fewer are slow
            file.seek(0)
            while size := file.readinto(block.data):
                rows = block[: size // block[0].nbytes].astype(np.float32)
                product += rows.T @ (rows @ vectors)
            middle = mean.astype(np.float32)
            return product / np.float32(n) - middle[:, None] * (middle @ vectors)

        right = (cross / n - np.outer(mean, label)).astype(np.float32)
        kernels = ridge_solutions(covariance, right, [each * variance for each in penalties])
    errors = np.zeros(len(penalties))
    for start in range(0, len(validation), BATCH):
        part = validation[start : start + BATCH]
        seen = run_model(features, part.images) - (origin + mean).astype(np.float32)
        estimates = seen @ kernels + label
        errors += ((estimates - part.encodings) ** 2).sum(axis=(1, 2))
    best = int(errors.argmin())
    last.set_weights([kernels[best], label - (origin + mean) @ kernels[best]])
    return float(errors[best] / validation.encodings.size)


def ridge_solutions(
    matrix: Callable[[Singles], Singles], right: Singles, penalties: Sequence[float]
) -> Singles:
    """Solve (A + penalty) x = b for several penalties at once by conjugate gradients.

    All of them share the directions of the search, so that each step multiplies with A once
    (Jegerlehner, arXiv:hep-lat/9612014, equations 2.41 to 2.44).

    Parameters
    ----------
    matrix : function
        Multiplies columns with A, symmetric and positive.
    right : array, shape (n, columns)
        Every column is a b of its own.
    penalties : sequence of float
        Above 0.

    Returns
    -------
    array, shape (penalties, n, columns)

    Examples
    --------
    >>> ridge_solutions(lambda x: 2 * x, np.ones((3, 1), "f4"), [1, 2])[..., 0]
    array([[0.33333334, 0.33333334, 0.33333334],
           [0.25      , 0.25      , 0.25      ]], dtype=float32)
    """
    least = min(penalties)
    shifts = np.array(penalties, np.float32)[:, None, None] - np.float32(least)
    solutions = np.zeros((len(penalties), *right.shape), np.float32)
    directions = np.repeat(right[None], len(penalties), axis=0)
    direction, residual = right.copy(), right.copy()
    # Residuals of the other systems are this one's times a factor.
    factor = former = np.ones((len(penalties), 1, right.shape[1]))
    length, turn = np.ones(right.shape[1]), np.zeros(right.shape[1])
    size = start = (residual**2).sum(axis=0)
    for _ in range(MAX_STEPS):
        if (size <= TOLERANCE**2 * start).all():
            break
        image = matrix(direction) + np.float32(least) * direction
        new_length = size / np.maximum((direction * image).sum(axis=0), 1e-30)
        change = new_length * turn * (former - factor)
        change += former * length * (1 + new_length * shifts)
        new_factor = factor * former * length / np.maximum(change, 1e-30)
        solutions += (new_length * new_factor / np.maximum(factor, 1e-30)).astype("f4") * directions
        residual -= new_length.astype("f4") * image
        new_size = (residual**2).sum(axis=0)
        turn = new_size / np.maximum(size, 1e-30)
        ratio = new_factor / np.maximum(factor, 1e-30)
        directions = (turn * ratio**2).astype("f4") * directions + new_factor.astype(
            "f4"
        ) * residual
        direction = residual + turn.astype("f4") * direction
        former, factor, length, size = factor, new_factor, new_length, new_size
    return solutions
