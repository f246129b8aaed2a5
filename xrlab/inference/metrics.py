"""How good an answer is: the same few figures for encodings and for images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats


def r2_score(true: ArrayLike, estimate: ArrayLike) -> float:
    """Coefficient of determination R^2, the mean over components.

    For each column, R^2 = 1 - sum (true - estimate)^2 / sum (true - mean(true))^2: 1 is perfect,
    0 is no better than always answering the mean, and it has no lower limit.

    Parameters
    ----------
    true, estimate : arrays, shape (samples, components) or (samples,)

    Raises
    ------
    ValueError
        If the shapes differ, a value is NaN, or the true values of a component are all the same.

    Examples
    --------
    >>> r2_score([0, 1, 2], [0, 1, 2])
    1.0
    """
    truth, estimated = _pair(true, estimate)
    spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    if not np.all(spread > 0):
        raise ValueError("R^2 needs true values that differ from sample to sample")
    return float(np.mean(1 - ((truth - estimated) ** 2).sum(axis=0) / spread))


def mean_squared_error(true: ArrayLike, estimate: ArrayLike) -> float:
    """Mean of (true - estimate)^2 over everything."""
    truth, estimated = _pair(true, estimate)
    return float(np.mean((truth - estimated) ** 2))


def mean_absolute_error(true: ArrayLike, estimate: ArrayLike) -> float:
    """Mean of |true - estimate| over everything."""
    truth, estimated = _pair(true, estimate)
    return float(np.mean(np.abs(truth - estimated)))


def image_r2(measured: ArrayLike, simulated: ArrayLike, where: ArrayLike | None = None) -> float:
    """R^2 of a simulated image against a measured one, each first scaled to a mean of 1.

    Parameters
    ----------
    measured, simulated : arrays of one shape
        NaN where unmeasured: those pixels are left out.
    where : bool array, optional
        Pixels that count, for instance those away from the Bragg peaks.

    Examples
    --------
    >>> image = np.arange(16.0).reshape(4, 4)
    >>> image_r2(image, 3 * image)
    1.0
    """
    first, second = np.asarray(measured, np.float64), np.asarray(simulated, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"the images have shapes {first.shape} and {second.shape}")
    counts = np.isfinite(first) & np.isfinite(second)
    if where is not None:
        counts &= np.asarray(where, bool)
    if not counts.any():
        raise ValueError("no pixel is measured in both images and wanted")
    first, second = first[counts], second[counts]
    return r2_score(first / first.mean(), second / second.mean())


def _pair(true: ArrayLike, estimate: ArrayLike) -> tuple[Floats, Floats]:
    truth, estimated = np.asarray(true, np.float64), np.asarray(estimate, np.float64)
    if truth.shape != estimated.shape:
        raise ValueError(f"true values have shape {truth.shape}, estimates {estimated.shape}")
    if truth.size == 0:
        raise ValueError("there is nothing to compare: both arrays are empty")
    if np.isnan(truth).any() or np.isnan(estimated).any():
        raise ValueError("true values and estimates must not hold NaN")
    return truth, estimated
