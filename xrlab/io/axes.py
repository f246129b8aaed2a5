"""What the axes of a file are: names and units as programs write them, and which are h, k, l."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Axes = Sequence[tuple[str, NDArray[np.float64]]]

# Reciprocal lattice units, without spaces. Mantid gives the length of the unit instead: "in 1.22
# A^-1". Case tells 2 pi/a, of the lattice, from 2 pi/A, of the angstrom.
RLU = re.compile(
    r"(?i:r\.?l\.?u\.?|(reciprocal|recip\.?)lattice?\.?units?|hkl"
    r"|in[\d.]+(a|å|ang|angstrom)\^?[-⁻][1¹])|2\*?(pi|π)/[abc]|[abc]\*"
)

# Other units of axes, and what to do with them.
_LENGTH = r"(a|å|angstroms?|ångströms?|nm|nanomet\w+)"
HINTS = {
    rf"(1?/|inv(erse)?_?|per_?){_LENGTH}|{_LENGTH}(\^|\*\*)?[({{]*[-⁻][1¹][)}}]*":
        "divide Q by the length of a* (2 pi / a if Q holds 2 pi, else 1 / a)",
    r"px|pixels?|bins?|index|indices|channels?|counts?|points?":
        "count the pixels from one Bragg position to the next",
    r".*": "if they are r.l.u. give these values, if they are not, convert them",
}  # fmt: skip

# How the axes of an image or a volume are called where nothing else says which they are.
NAMES = ("{}", "{}_axis", "Q{}")

_BRACKETED = re.compile(r"[\[({]?([-+\d.*/hkl]+(?:[,\s]+[-+\d.*/hkl]+){2})[\])}]?")
_PACKED = re.compile(r"[\[({]?([0hkl]{3})[\])}]?")
_NAMED = re.compile(
    r"(?:q[_ ]?|miller[_ ]?(?:index[_ ]?)?|index[_ ]?)?([hkl])(?:[_ -]?(?:axis|index|values?))?"
)
_UNIT = re.compile(
    r"(.*?\S)\s*[(\[/|,][(\[\s]*([^()\[\]]*[^()\[\]\s\d][^()\[\]]*)\s*[)\]]?", re.DOTALL
)


def miller(label: str) -> str | None:
    """Letter of the Miller index that a label names first, None if it names none.

    >>> [miller(label) for label in ("[0,K,0]", "Qh", "l_axis", "[H,-H,0]", "00L", "HK0", "theta")]
    ['k', 'h', 'l', 'h', 'l', None, None]
    """
    label = label.replace("$", "").strip().lower()
    named = _NAMED.fullmatch(label)
    if named:
        return named[1]
    if packed := _PACKED.fullmatch(label):
        letters = {*packed[1]} - {"0"}
        return letters.pop() if len(letters) == 1 else None
    inside = _BRACKETED.fullmatch(label)
    return next((letter for letter in inside[1] if letter in "hkl"), None) if inside else None


def split_unit(label: str) -> tuple[str, str]:
    """Split a label into name and unit.

    >>> split_unit("h (r.l.u.)"), split_unit("[H,0,0]"), split_unit("[H,0,0] (in 1.22 A^-1)")
    (('h', 'r.l.u.'), ('[H,0,0]', ''), ('[H,0,0]', 'in 1.22 A^-1'))
    """
    parts = _UNIT.fullmatch(label.strip())
    if parts is None or miller(label):
        return label.strip(), ""
    return parts[1].strip(), parts[2].strip()


def is_rlu(label: str) -> bool | None:
    """Whether a labelled axis is in reciprocal lattice units; None if its label does not say.

    >>> is_rlu("[H,0,0] (in 1.22 A^-1)"), is_rlu("K"), is_rlu("h (1/angstrom)"), is_rlu("x")
    (True, True, False, None)
    """
    name, unit = split_unit(label)
    unit = re.sub(r"\s", "", unit)
    if unit.lower() in ("", "dimensionless", "1", "none", "unitless"):
        return True if miller(name) else None
    return RLU.fullmatch(unit) is not None


def usual_names(size: Callable[[str], int | None], dimensions: int) -> list[str]:
    """Names of the axes, in the order h, k, l, among arrays of these sizes.

    >>> usual_names({"image": 12, "h_axis": 3, "k_axis": 4, "l_axis": 1}.get, 2)
    ['h_axis', 'k_axis']
    """
    for name, letters in product(NAMES, ("hkl", "HKL")):
        own = [axis for n in letters if (size(axis := name.format(n)) or 0) > 1]
        if len(own) == dimensions:
            return own
    return []


def middles(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Values at so many pixels, where a file may have those at their edges."""
    return (values[1:] + values[:-1]) / 2 if len(values) == size + 1 else values


def question(axes: Axes) -> str:
    """Ask for the h and k of an image whose axes are not known to be in r.l.u."""
    said, hints = [], set()
    for label, values in axes:
        said.append(f"{label!r} from {values[0]:.4g} to {values[-1]:.4g}")
        unit = re.sub(r"\s", "", split_unit(label)[1]).lower()
        hints.add(next(hint for units, hint in HINTS.items() if re.fullmatch(units, unit)))
    return (
        f"its axes are {' and '.join(said)}, not known as h and k in reciprocal lattice units. "
        f"Which h and k have the first and last row and column? Give h=(first, last) and "
        f"k=(first, last), --h FIRST LAST --k FIRST LAST on the command line: "
        f"{'; '.join(sorted(hints))}"
    )
