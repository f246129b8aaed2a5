"""How often an answer is wrong: from R^2 and error bars to the shares that an account needs.

An answer is called wrong if any of its correlations is off by more than a tolerance, which the user
of the answer must choose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf


def standard_error_from_r2(r2: ArrayLike, spread: ArrayLike) -> NDArray[np.float64]:
    """Root mean square error of values that spread with this standard deviation.

    From the definition of R^2: sigma = spread x sqrt(1 - R^2).

    >>> standard_error_from_r2([0.98, 0.5], 0.3).round(3)
    array([0.042, 0.212])
    """
    r2, spread = np.asarray(r2, float), np.asarray(spread, float)
    if not (r2 <= 1).all() or not (spread > 0).all():
        raise ValueError(f"R^2 is at most 1 and a spread above 0; got {r2} and {spread}")
    return np.asarray(spread * np.sqrt(1 - r2))


def error_probability(standard_error: ArrayLike, tolerance: float) -> float:
    """Probability that an answer has at least one component off by more than the tolerance.

    For independent normal errors of mean 0: 1 - product of erf(tolerance / (sqrt(2) sigma)). Errors
    of components that go together make it smaller.

    Parameters
    ----------
    standard_error : float or array, shape (components,)
        sigma of each, above 0.
    tolerance : float
        In units of a correlation, above 0.

    Examples
    --------
    >>> round(error_probability(1.0, 1.645), 2)
    0.1
    >>> round(error_probability([1.0] * 15, 1.645), 2)
    0.79
    """
    sigma = np.asarray(standard_error, float)
    if not (sigma > 0).all() or not tolerance > 0 or sigma.size == 0:
        raise ValueError(
            f"standard errors and a tolerance are above 0; got {sigma} and {tolerance}"
        )
    return float(1 - np.prod(erf(tolerance / (np.sqrt(2) * sigma))))


def share_wrong(true: ArrayLike, answers: ArrayLike, tolerance: float) -> float:
    """Share of answers, shape (samples, components), that have a component off by more.

    >>> share_wrong([[0, 0], [0, 0]], [[0.01, 0.2], [0.02, 0]], tolerance=0.1)
    0.5
    """
    truth, found = _answers(true, answers)
    return float(np.mean((np.abs(truth - found) > tolerance).any(axis=1)))


def screen(
    true: ArrayLike,
    answers: ArrayLike,
    standard_error: ArrayLike,
    tolerance: float,
    threshold: float,
) -> dict[str, float]:
    """Let the error bars decide which answers to deliver, and count how well they do.

    An answer is held back where `error_probability` of its own standard errors is above the
    threshold.

    Parameters
    ----------
    true, answers, standard_error : arrays, shape (samples, components)
    tolerance : float
        In units of a correlation; an answer is wrong if any component is off by more.
    threshold : float
        0 to 1. At 1 every answer is delivered.

    Returns
    -------
    dict
        ``"error_rate"``, ``"noticed"`` and ``"false_alarm"`` of a `business.Plan`; a share of
        nothing is 0.

    Examples
    --------
    >>> screen([[0], [0], [0]], [[0.3], [0.3], [0.0]], [[0.5], [0.05], [0.05]], 0.1, 0.5)
    {'error_rate': 0.66..., 'noticed': 0.5, 'false_alarm': 0.0}
    """
    errors = np.asarray(standard_error, float)
    truth, found = _answers(true, answers)
    if errors.shape != truth.shape or not 0 <= threshold <= 1:
        raise ValueError(
            f"every value has a standard error, and a threshold lies from 0 to 1; got shapes "
            f"{errors.shape} and {truth.shape}, threshold {threshold}"
        )
    wrong = (np.abs(truth - found) > tolerance).any(axis=1)
    held = np.array([error_probability(each, tolerance) > threshold for each in errors])
    return {
        "error_rate": float(wrong.mean()),
        "noticed": float(held[wrong].mean()) if wrong.any() else 0.0,
        "false_alarm": float(held[~wrong].mean()) if (~wrong).any() else 0.0,
    }


def _answers(
    true: ArrayLike, answers: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    truth, found = np.asarray(true, float), np.asarray(answers, float)
    if truth.shape != found.shape or truth.ndim != 2 or not len(truth):
        raise ValueError(
            f"truth and answers have one shape (samples, components); got {truth.shape} and "
            f"{found.shape}"
        )
    return truth, found
