"""Losses of the network for measured images: the cell, and the joint likelihood of its answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.arrays import Reals
from xrlab.networks.backend import import_keras
from xrlab.networks.folding import CELL
from xrlab.networks.measured_cnn import RANK

# Degrees of freedom of Student's t in the likelihood: outliers count for little.
FREEDOM = 8


def losses() -> dict[str, Any]:
    """Loss of each output.

    ``"cell"``: cross-entropy between the folded clean image and the network's, both as
    distributions over the cell. ``"answer"``: squared error of the correlations, those of small
    stated error weighing more (half-way between equal weights and the likelihood's: Seitzer et al.,
    On the Pitfalls of Heteroscedastic Uncertainty Estimation, 2022), and the negative logarithm of
    their joint likelihood, Student's t with `FREEDOM` degrees of freedom and the scale matrix
    D (1 + V V^T) D, the correlations held fixed.
    """
    ops = import_keras().ops

    def cell_loss(true: Any, logits: Any) -> Any:
        points = CELL * CELL
        chance = ops.log_softmax(ops.reshape(logits, (-1, points)))
        return -ops.sum(ops.reshape(true, (-1, points)) * chance, axis=-1)

    def answer_loss(true: Any, answer: Any) -> Any:
        n = true.shape[-1]
        deviation = answer[:, :n] - true
        log_error = answer[:, n : 2 * n]
        directions = ops.reshape(answer[:, 2 * n :], (-1, n, RANK))
        scaled = ops.stop_gradient(deviation) * ops.exp(-log_error)
        # The determinant and the inverse of 1 + V V^T from those of 1 + V^T V (Woodbury).
        across = ops.transpose(directions, (0, 2, 1))
        lower = ops.cholesky(ops.matmul(across, directions) + np.eye(RANK, dtype=np.float32))
        along = ops.matmul(across, ops.expand_dims(scaled, -1))
        along = ops.solve_triangular(lower, along, lower=True)
        distance = ops.sum(scaled**2, axis=-1) - ops.sum(along**2, axis=(1, 2))
        diagonal = ops.diagonal(lower, axis1=1, axis2=2)
        likelihood = ops.sum(log_error, axis=-1) + ops.sum(ops.log(diagonal), axis=-1)
        likelihood += (FREEDOM + n) / 2 * ops.log(1 + ops.maximum(distance, 0) / FREEDOM)
        weight = 2 + 0.4 * ops.stop_gradient(ops.exp(-log_error))
        return ops.mean(weight * deviation**2, axis=-1) + 0.1 * likelihood / n

    return {"cell": cell_loss, "answer": answer_loss}


def mean_squared_error(true: Any, answer: Any) -> Any:
    """Mean squared error of the correlations."""
    return import_keras().ops.mean((answer[:, : true.shape[-1]] - true) ** 2, axis=-1)


def log_density(deviation: Reals, scale: Reals) -> NDArray[Any]:
    """Logarithm of Student's t of `FREEDOM` degrees of freedom up to a constant, shape (n,)."""
    n = deviation.shape[-1]
    distance = (deviation * np.linalg.solve(scale, deviation[..., None])[..., 0]).sum(axis=-1)
    determinant = np.linalg.slogdet(scale)[1]
    return -determinant / 2 - (FREEDOM + n) / 2 * np.log1p(distance / FREEDOM)
