"""Common part of the checks of exercises: every answer, however wrong, gets one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xrlab.course.progress import record_in_notebook
from xrlab.crystal.arrays import Floats

NO_SHARE = "Not yet: a share is a number from 0 to 1."
PERCENTAGE = "Close: that is a percentage. A share is a number from 0 to 1."
COUNTED = NO_SHARE + " You may have counted: the mean of an array of True and False is a share."


def friendly(check: Callable[..., str]) -> Callable[..., str]:
    """Turn every failure of a check into a sentence, whatever the answer is."""

    @wraps(check)
    def answer(given: Any = ..., *others: Any, **named: Any) -> str:
        if given is None or given is ...:
            return "Not yet: put your answer in place of the dots and run the cell again."
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                _refuse_other_kinds(given)
                reply = check(given, *others, **named)
        except Exception as error:
            reply = f"Not yet: your answer could not be used ({_words(error)})."
        record_in_notebook(check.__name__, reply)
        return reply

    return answer


def _refuse_other_kinds(answer: Any) -> None:
    """Raise ValueError for answers that NumPy would accept, or refuse in unhelpful words."""
    if isinstance(answer, str | bytes):
        raise ValueError("it is a text; write a number or a formula, without quotation marks")
    if callable(answer):
        raise ValueError("it is a function; call it, with its arguments in parentheses")
    if isinstance(answer, complex | np.complexfloating):
        raise ValueError("it is a complex number; the answer is a real one")


def _words(error: Exception) -> str:
    """Message of an error on one line; its type where writing it fails."""
    try:
        return shorten(str(error), 200, placeholder=" ...") or type(error).__name__
    except Exception:
        return type(error).__name__


def numbers(answer: ArrayLike) -> Floats:
    """Return an answer as an array of real numbers, or raise ValueError."""
    try:
        values = np.asarray(answer, dtype=float)
    except (TypeError, ValueError, OverflowError):
        kind = type(answer).__name__
        raise ValueError(f"it is of the kind {kind}, not a number or an array of them") from None
    if np.isnan(values).any():
        raise ValueError(
            "it holds NaN, not a number: was 0 divided by 0, or a root of less than 0?"
        )
    return values


def number(answer: ArrayLike) -> float:
    """Return an answer as one real number, or raise ValueError."""
    values = numbers(answer)
    if values.size != 1:
        raise ValueError(f"the answer is one number; it is an array of shape {values.shape}")
    return float(values.reshape(()))


def same(answer: ArrayLike, expected: ArrayLike) -> bool:
    """Return whether an answer is the expected one, exact or rounded to two digits or more.

    >>> same(0.61, 0.6125), same(0.043, 0.04312), same(0.62, 0.6125)
    (True, True, False)
    """
    values, goal = np.broadcast_arrays(numbers(answer), np.asarray(expected, dtype=float))
    near = np.isclose(values, goal, rtol=1e-3, atol=0)
    for digits in (2, 3):
        significant = np.array([float(f"{each:.{digits}g}") for each in goal.flat])
        for rounded in (significant.reshape(goal.shape), np.round(goal, digits)):
            near = near | np.isclose(values, rounded, rtol=1e-9, atol=1e-12)
    return bool(near.all())


def matching(answer: ArrayLike, replies: Mapping[str, ArrayLike], within: float = 0.0) -> str:
    """Return the first reply whose number the answer is, or nearly is; "" if there is none.

    >>> matching(0.39, {"Right.": 0.61, "Close: that is the share of the others.": 0.39})
    'Close: that is the share of the others.'
    """
    for reply, expected in replies.items():
        if same(answer, expected) or np.allclose(answer, expected, rtol=within, atol=0):
            return reply
    return ""


def nearest(answer: float, *expected: float) -> float:
    """Return the number that is nearest to an answer."""
    return min(expected, key=lambda each: abs(each - answer))


def points(reply: str) -> float:
    """Print a reply of a check and return its points, as nbgrader counts them.

    >>> points("Right: one half.")
    Right: one half.
    1.0
    >>> points("Close: that is a percentage."), points("Not yet: look again.")
    Close: that is a percentage.
    Not yet: look again.
    (0.5, 0.0)
    """
    print(reply)
    return {"Right": 1.0, "Close": 0.5}.get(reply[:5], 0.0)
