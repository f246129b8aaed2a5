"""What the live explorer computes: from the state of its controls to pictures and words."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from xrlab.course.study import PUBLISHED
from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.grid import STANDARD_GRID, trapezoid_weights
from xrlab.crystal.lattice import Lattice, simulate
from xrlab.crystal.patterns import PATTERNS, pattern, respan, weaken
from xrlab.crystal.realisable import Ranges
from xrlab.crystal.samplers import SAMPLERS
from xrlab.crystal.setting import Setting
from xrlab.crystal.speckle import ensemble_image

LOT_SIZE = 25
SPANS = (2, 3, 4, 5, 6)
SIZES = (30, 40, 50, 64, 96, 128)
LOTS = tuple(2**n for n in range(9))

# Encodings that the study of 2023 published, by their names in the list of patterns.
OF_2023 = {f"{each} encoding of 2023": matrix for each, matrix in PUBLISHED["encodings"].items()}
PRESETS = (*PATTERNS, *OF_2023)

# Distances, in sites along each axis, up to which the ΔPDF of the image is drawn.
REACH = 6

# A correlation this near the end of its range is called at its edge.
NEAR_EDGE = 0.03


@dataclass(frozen=True)
class State:
    """Where the controls stand: all that decides what is shown.

    Parameters
    ----------
    vector : tuple of float
        The target correlations, hundredths from -1 to 1.
    sampler : {"gaussian", "monte_carlo", "growth"}
    size : int
        Sites along each side of the lattice, one of `SIZES`.
    lots : int
        Number of lots, one of `LOTS`.
    seed : int
        From 0 to 999999.

    Raises
    ------
    ValueError
        If one of them is none of these.
    """

    vector: tuple[float, ...]
    sampler: str = "gaussian"
    size: int = 50
    lots: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        rounded = tuple(round(float(value), 2) for value in self.encoding.vector)
        object.__setattr__(self, "vector", rounded)
        for name, value, known in (
            ("span", self.encoding.span, SPANS),
            ("sampler", self.sampler, tuple(SAMPLERS)),
            ("lattice size", self.size, SIZES),
            ("number of lots", self.lots, LOTS),
        ):
            if value not in known:
                raise ValueError(f"the {name} is one of {', '.join(map(str, known))}; got {value}")
        if not 0 <= self.seed <= 999_999:
            raise ValueError(f"the seed is a whole number from 0 to 999999; got {self.seed}")

    @property
    def encoding(self) -> Encoding:
        """The target correlations."""
        return Encoding.from_vector(self.vector)


def preset(name: str, span: int) -> Encoding:
    """Return one of `PRESETS`: a named pattern, or a published encoding cut down or continued.

    >>> preset("first encoding of 2023", span=2)
    Encoding.from_vector([0.116, 0.112, 0.045])
    """
    if name in OF_2023:
        return respan(Encoding.from_matrix(OF_2023[name]), span)
    return pattern(name, span)


def start_state(span: int = 2, name: str = "clusters") -> State:
    """Return the state in which a preset is shown first."""
    return State(tuple(preset(name, span).vector))


@dataclass(frozen=True, eq=False)
class Exploration:
    """What the explorer shows for one state of its controls.

    Parameters
    ----------
    state : State
    target : Encoding
        What is asked for; with the sampler "growth", the product of its nearest correlations.
    drawn : Encoding
        What the lattice and the expected image are made for: the target, or what is left of it.
    part : float
        Part of the target's order that is left, 1 as a rule. Below it no Gaussian field has the
        target, and the field's correlations are multiplied by this part, the largest that works.
    lattice : Lattice
    image, expected : float32 array, float64 array
        The simulated image and the one without chance, on the standard grid.
    delta_pdf : float64 array, shape (2 REACH + 1, 2 REACH + 1)
        c(i, j) of the image at [REACH + i, REACH + j], by Fourier inversion.
    """

    state: State
    target: Encoding
    drawn: Encoding
    part: float
    lattice: Lattice
    image: Singles
    expected: Floats
    delta_pdf: Floats


def compute(state: State) -> Exploration:
    """Make the lattice and its images; slider ranges are in `xrlab.crystal.realisable`."""
    target = state.encoding
    if state.sampler == "growth":
        target = Encoding.product(target.matrix[1, 0], target.matrix[0, 1], target.span)
    drawn, part = (target, 1.0) if state.sampler == "growth" else weaken(target, state.size)
    asked = drawn if state.sampler == "gaussian" else target  # Monte Carlo finds a compromise
    lattice = simulate(asked, state.size, state.sampler, state.seed)
    image = diffraction_image(lattice, lot_size=LOT_SIZE, lots=state.lots, seed=state.seed)
    expected = ensemble_image(drawn, Setting(state.size, LOT_SIZE, state.lots, state.sampler))
    return Exploration(state, target, drawn, part, lattice, image, expected, image_pdf(image))


def image_pdf(image: Reals, reach: int = REACH) -> Floats:
    """Invert an image on the standard grid: c(i, j) at [reach + i, reach + j], lots taken out.

    The Fourier integral over whole cells, see `inversion.delta_pdf`.
    """
    steps = np.arange(-reach, reach + 1)
    along_h = np.exp(2j * np.pi * np.outer(steps, STANDARD_GRID.h_values))
    along_k = np.exp(2j * np.pi * np.outer(STANDARD_GRID.k_values, steps))
    weighted = image * trapezoid_weights(STANDARD_GRID)
    window = 1 - np.abs(steps) / LOT_SIZE
    sums = (along_h @ weighted @ along_k).real
    return np.asarray(sums / sums[reach, reach] / np.outer(window, window))


@dataclass(frozen=True)
class Feed:
    """One correlation's share in the intensity at a point.

    Parameters
    ----------
    name : str
    correlation : float
        c(i, j) of the image.
    wave : float
        cos 2 pi (h i + k j), from -1 to 1.
    share : float
        2 w c cos, in Laue units: the pair (i, j) and the pair (-i, -j).
    """

    name: str
    correlation: float
    wave: float
    share: float


def feeds(result: Exploration, h: float, k: float) -> tuple[list[Feed], float, float]:
    """Split the intensity at a point into what each correlation of the image gives.

    I(h, k) = 1 + sum of 2 w(i, j) c(i, j) cos 2 pi (h i + k j) over half of all distances, w the
    window of the lots.

    Returns
    -------
    list of Feed
        Distances within the span, those of c(i, -j) among them; the largest share first.
    float
        What all farther distances and chance together give.
    float
        The intensity at the nearest pixel, in Laue units; the sum of all shares and 1.
    """
    rows, columns = STANDARD_GRID.shape
    row = round(h / STANDARD_GRID.h[1] * (rows - 1))
    column = round(k / STANDARD_GRID.k[1] * (columns - 1))
    h, k = STANDARD_GRID.h_values[row], STANDARD_GRID.k_values[column]
    mean = np.average(result.image, weights=trapezoid_weights(STANDARD_GRID))
    intensity = float(result.image[row, column] / mean)
    shares = []
    span = min(result.target.span, REACH + 1)
    for i in range(span):
        for j in range(1 - span if i else 1, span):
            c = float(result.delta_pdf[REACH + i, REACH + j])
            wave = float(np.cos(2 * np.pi * (h * i + k * j)))
            window = (1 - i / LOT_SIZE) * (1 - abs(j) / LOT_SIZE)
            shares.append(Feed(f"c({i}, {j})".replace("-", "−"), c, wave, 2 * window * c * wave))
    shares.sort(key=lambda feed: -abs(feed.share))
    return shares, intensity - 1 - sum(feed.share for feed in shares), intensity


def verdict(result: Exploration, ranges: Ranges, moved: int | None = None) -> str:
    """Say in words whether the lattice does what was asked, and what an edge means.

    Parameters
    ----------
    result : Exploration
    ranges : Ranges
        Those of its target.
    moved : int, optional
        Place in the vector of the slider that was moved last.
    """
    names = component_names(result.target.span)
    realised = result.lattice.realised.vector
    missed = np.abs(realised - result.target.vector)
    worst = int(missed.argmax())
    if result.part < 1:
        return _beyond(result, ranges, names, moved)
    if missed[worst] < 0.1:
        text = f"The lattice does what was asked; {names[worst]} is off most, {missed[worst]:.2f}."
    else:
        text = f"This lattice misses what was asked: {names[worst]} is {missed[worst]:.2f} off."
    if result.state.sampler == "growth":
        text += " Growth makes products only: all others follow from c(0, 1) and c(1, 0)."
    if moved is not None:
        value, (low, high) = result.target.vector[moved], ranges.sure[moved]
        if min(value - low, high - value) < NEAR_EDGE:
            text += (
                f" {names[moved]} is at its edge: with the others where they are, a lattice is "
                f"sure to have it from {_minus(low)} to {_minus(high)}. There only a few waves "
                f"are left, the intensity gathers in points or lines, and elsewhere it goes to 0."
            )
    return text


def _beyond(result: Exploration, ranges: Ranges, names: Sequence[str], moved: int | None) -> str:
    """Say what is wrong with a target that no field has, and what is shown instead."""
    violations = result.target.violations()
    if violations:
        text = f"No lattice can have this: {violations[0]}."
    else:
        text = "No Gaussian field has this, and whether any lattice has is not known."
    if moved is not None and np.isfinite(ranges.sure[moved]).all():
        low, high = ranges.sure[moved]
        text += (
            f" {names[moved]} = {_minus(result.target.vector[moved])} is past its edge: with the "
            f"others where they are it can go from {_minus(low)} to {_minus(high)}."
        )
    left = f"the order asked for, weakened to {result.part:.0%}"
    if result.state.sampler == "monte_carlo":
        return f"{text} The lattice is Monte Carlo's compromise; the expected image shows {left}."
    return f"{text} All panels show {left}."


def _minus(value: float) -> str:
    """Write two digits, with a true minus."""
    return f"{value:.2f}".replace("-", "−")


VERSION = 1

# Sampler and lots share a byte, sizes and the seed (up to 999999) four.
_HEAD = struct.Struct(">BI")
_CHECK = struct.Struct(">H")


def to_code(state: State) -> str:
    """Write a state as text.

    >>> to_code(State((0.6, 0.6, 0.36)))
    'XR1-CMBA-AAAA-HQ6C-I6KS'
    """
    known = tuple(SAMPLERS)
    head = _HEAD.pack(
        known.index(state.sampler) * 16 + LOTS.index(state.lots),
        SIZES.index(state.size) << 24 | state.seed,
    )
    values = struct.pack(f"{len(state.vector)}b", *(round(100 * v) for v in state.vector))
    body = head + values
    text = base64.b32encode(body + _checksum(body)).decode().rstrip("=")
    return "-".join([f"XR{VERSION}", *re.findall("..?.?.?", text)])


def from_code(text: str) -> State:
    """Read a state from text; spaces, line breaks and small letters do not matter.

    Raises
    ------
    ValueError
        If it is no such text, was made by a newer version, or something in it was changed or lost.
    """
    plain = re.sub(r"[\s\-–—.]", "", text).upper()
    if not (begin := re.match(r"XR(\d)", plain)):
        raise ValueError(f"a code begins with XR{VERSION}; this text begins with {text[:12]!r}")
    if int(begin[1]) != VERSION:
        raise ValueError(
            f"this code has version {begin[1]}, this xrlab reads version {VERSION}: "
            f"bring both to the same version of xrlab"
        )
    letters = plain[3:]
    if strange := re.search("[^A-Z2-7]", letters):
        raise ValueError(
            f"a code has letters and the digits 2 to 7 only; this one has {strange[0]!r}: "
            f"copy it again"
        )
    broken = ValueError(
        "something in this code was changed or lost on the way: copy all of it again, from XR1 on"
    )
    try:
        read = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except binascii.Error:
        raise broken from None
    body, check = read[: -_CHECK.size], read[-_CHECK.size :]
    n_values = len(body) - _HEAD.size
    if n_values < 3 or _checksum(body) != check or isqrt(n_values + 1) ** 2 != n_values + 1:
        raise broken
    first, second = _HEAD.unpack_from(body)
    sampler, lots = divmod(first, 16)
    try:
        return State(
            tuple(value / 100 for value in struct.unpack(f"{n_values}b", body[_HEAD.size :])),
            tuple(SAMPLERS)[sampler],
            SIZES[second >> 24],
            LOTS[lots],
            second & 0xFFFFFF,
        )
    except (IndexError, ValueError) as error:
        raise ValueError(f"this code asks for what the explorer has not got ({error})") from None


def _checksum(body: bytes) -> bytes:
    return _CHECK.pack(zlib.crc32(body) & 0xFFFF)
