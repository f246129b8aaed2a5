"""Friendly checks of the exercises: each returns a sentence and never raises."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xrlab.encoding import Encoding
from xrlab.progress import record_in_notebook


def _friendly(check: Callable[..., str]) -> Callable[..., str]:
    """Turn every failure of a check into a sentence."""

    @wraps(check)
    def answer(*arguments: Any) -> str:
        if arguments[0] is None or arguments[0] is ...:
            return "Not yet: put your answer in place of the dots and run the cell again."
        try:
            reply = check(*arguments)
        except Exception as error:
            reply = f"Not yet: your answer could not be used ({error})."
        record_in_notebook(check.__name__, reply)
        return reply

    return answer


@_friendly
def share_alike(answer: float, correlation: float) -> str:
    """Check exercise 0: the share of alike pairs that a correlation stands for."""
    c = float(correlation)
    expected = (1 + c) / 2
    value = float(answer)
    if np.isclose(value, expected, atol=2e-3):
        return (
            f"Right: {expected:.1%} alike, {1 - expected:.1%} unlike, and the difference is the "
            f"correlation. Notice how little it takes: in a crystal without order it is 50 %, and "
            f"these few per cent make the whole broad pattern."
        )
    if np.isclose(value, c, atol=2e-3):
        return (
            "Close: that is the correlation, alike minus unlike. And alike plus unlike is all, 1. "
            "Two equations, two unknowns."
        )
    if np.isclose(value, 1 - expected, atol=2e-3):
        return "Close: that is the share of the unlike. The others are asked for."
    if np.isclose(value, 100 * expected, atol=0.2):
        return "Close: that is a percentage. A share is a number from 0 to 1."
    if not 0 <= value <= 1:
        return "Not yet: a share is a number from 0 to 1."
    return (
        f"Not yet: with {value:.2f} alike and {1 - value:.2f} unlike, the correlation would be "
        f"{2 * value - 1:+.2f}. It is {c:+.2f}."
    )


@_friendly
def brightest_at_half(answer: Encoding) -> str:
    """Check exercise 1: an encoding of span 2 with its maximum at (1/2, 0)."""
    if not isinstance(answer, Encoding):
        return "Not yet: the answer is an Encoding, made with Encoding.from_vector([...])."
    if answer.span != 2:
        return f"Not yet: take an encoding of span 2 (three values); yours has {answer.span}."
    c01, c10, c11 = answer.vector
    # S(h, k) at the four special points, c(1, -1) = c(1, 1) by symmetry of the sketch
    signs = {"(0, 0)": (1, 1), "(½, 0)": (-1, 1), "(0, ½)": (1, -1), "(½, ½)": (-1, -1)}
    intensity = {
        place: 1 + 2 * (b * c01 + a * c10) + 4 * a * b * c11 for place, (a, b) in signs.items()
    }
    brightest = max(intensity, key=lambda place: intensity[place])
    if brightest == "(½, 0)" and intensity[brightest] > 1.2 * sorted(intensity.values())[-2]:
        return (
            "Right. Neighbours along a differ, so the period along a doubles and the maximum moves "
            "to h = ½; neighbours along b are alike, so it stays at k = 0. Notice the sign of "
            "c(1, 1): a step along both axes meets one change, so it is negative."
        )
    if brightest == "(½, 0)":
        return "Close: (½, 0) is the brightest point, but only just. Make the order stronger."
    if brightest == "(0, ½)":
        return "Close: yours is brightest at (0, ½), so the two axes are exchanged. Which is i?"
    return f"Not yet: yours is brightest at {brightest}. Which neighbours should differ?"


@_friendly
def error_per_component(answer: ArrayLike, true: ArrayLike, found: ArrayLike) -> str:
    """Check exercise 5: the root mean square error of each component."""
    expected = np.sqrt(np.mean((np.asarray(true) - np.asarray(found)) ** 2, axis=0))
    values = np.asarray(answer, dtype=float)
    if values.shape != expected.shape:
        return (
            f"Not yet: one number for each of the {expected.size} components is wanted, an array "
            f"of shape {expected.shape}; yours has shape {values.shape}. Over which axis do you "
            f"take the mean?"
        )
    if np.allclose(values, expected, rtol=1e-3):
        return (
            "Right. Notice that the farthest correlation is not the easiest: the fewer pairs of "
            "sites a lot holds at a distance, the noisier its correlation."
        )
    if np.allclose(values, expected**2, rtol=1e-3):
        return "Close: that is the mean square. Its root has the unit of a correlation."
    return "Not yet: take found - true, square it, average over the samples, take the root."


@_friendly
def asymmetry(answer: float, image: ArrayLike) -> str:
    """Check exercise 7: relative root mean square change of an image under inversion."""
    array = np.asarray(image, dtype=float)
    change = array - array[::-1, ::-1]
    expected = float(np.sqrt(np.mean(change**2)) / array.std())
    value = float(answer)
    if np.isclose(value, expected, rtol=1e-3):
        return (
            f"Right: {value:.2f}. Short-range order alone would give 0, and 1.41 would mean "
            f"that the two halves have nothing in common: no encoding makes this image."
        )
    if np.isclose(value, np.sqrt(np.mean(change**2)), rtol=1e-3):
        return "Close: divide by the standard deviation of the image, so that its scale drops out."
    return "Not yet: compare the image with image[::-1, ::-1], the image turned by half round."


@_friendly
def share_possible(answer: float, asked: ArrayLike) -> str:
    """Check exercise 2: the share of encodings of span 2 that meet the three-site conditions."""
    x, y, z = np.asarray(asked, dtype=float).T
    plus, minus = abs(x + y) <= 1 + z, abs(x - y) <= 1 - z
    expected = float((plus & minus).mean())
    value = float(answer)
    if np.isclose(value, expected, rtol=1e-3):
        return (
            f"Right: {value:.3f}, and with ever more of them it would be 1/3. The conditions cut "
            f"the four corners off the cube; what stays is a tetrahedron of volume 8/3 in 8."
        )
    if np.isclose(value, 1 - expected, rtol=1e-3):
        return "Close: that is the share of those that no lattice can have."
    if np.isclose(value, plus.mean(), rtol=1e-3) or np.isclose(value, minus.mean(), rtol=1e-3):
        return (
            "Close: that is the share that meets one of the two conditions. Ask for both, with &."
        )
    if np.isclose(value, (plus | minus).mean(), rtol=1e-3):
        return "Close: you ask for one or the other. Both must hold: & instead of |."
    if value > 1:
        return (
            "Not yet: a share is a number from 0 to 1. The mean of an array of True and False is."
        )
    return "Not yet: write both conditions for x, y, z = asked.T, join them with &, take the mean."


@_friendly
def large_enough_lattice(answer: float, lots: int = 64, lot_size: int = 25) -> str:
    """Check exercise 3: smallest N whose grain exceeds that of independent lots by 10 percent."""
    value = float(answer)
    if value < lot_size:
        return f"Not yet: a lot of {lot_size} × {lot_size} sites does not even fit there."
    overlap = (2 / 3 * lot_size / value) ** 2
    excess = np.sqrt(1 + (lots - 1) * overlap) - 1
    best = 2 / 3 * lot_size * np.sqrt((lots - 1) / (1.1**2 - 1))
    if abs(value - best) <= 10:
        return (
            f"Right: {value:.0f} sites, {value**2 / (lots * lot_size**2):.1f} times as many as all "
            f"lots together hold. Lots at random places overlap even where they need not."
        )
    if abs(value - lot_size * np.sqrt(lots)) < 1:
        return (
            f"Close: {value:.0f} × {value:.0f} sites are just enough to lay all lots side by side. "
            f"At random places they overlap, and the grain is still {excess:.0%} above 1/√M."
        )
    if value < best:
        return f"Not yet: with N = {value:.0f} the grain is {excess:.0%} above 1/√M. Larger."
    return f"Not yet: N = {value:.0f} would do ({excess:.0%} above 1/√M), but less is enough."


@_friendly
def coverage(answer: float, true: ArrayLike, mean: ArrayLike, error: ArrayLike) -> str:
    """Check exercise 6: the part of the true values within the 90 % intervals."""
    off = np.abs(np.asarray(mean) - np.asarray(true)) / np.asarray(error)
    expected = float(np.mean(off < 1.645))
    values = np.asarray(answer, dtype=float)
    if values.size > 1:
        return (
            f"Not yet: one number for all values together is wanted; yours has shape "
            f"{values.shape}. Take the mean over both axes."
        )
    value = float(values.reshape(()))
    if np.isclose(value, expected, atol=1e-3):
        verdict = (
            "the error bars are cautious"
            if expected > 0.92
            else "the error bars promise too much"
            if expected < 0.88
            else "the promise of 90 % is kept, to within what so few images can tell"
        )
        return f"Right: {value:.1%} lie inside, so {verdict}."
    if np.isclose(value, 1 - expected, atol=1e-3):
        return "Close: that is the share outside."
    if np.isclose(value, np.mean(off < 1), atol=1e-3):
        return "Close: that is within one standard error. A 90 % interval reaches 1.645 of them."
    if not 0 <= value <= 1:
        return (
            "Not yet: a share is a number from 0 to 1. The mean of an array of True and False is."
        )
    return "Not yet: compare np.abs(mean - true) with 1.645 * error, and take the mean."
