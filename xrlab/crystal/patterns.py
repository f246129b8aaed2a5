"""Patterns to start from: encodings of stripes, checkerboards, clusters and rings."""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.special import j0

from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import REALISABLE_GRID, Encoding, vector_length
from xrlab.crystal.spectrum import extend, field_correlation, lattice_correlation

# c(0, 1) and c(1, 0) of a few patterns, equal in size; all others follow from these two.
NEAREST = {
    "random": (0.0, 0.0),
    "clusters": (0.4, 0.4),
    "stripes": (0.4, -0.4),
    "checkerboard": (-0.4, -0.4),
}

# Intensity on a ring of this radius round every Bragg position, this wide (r.l.u.). With smaller
# spans maximum entropy chooses a c(i, -j) that differs from c(i, j), and spots replace the ring.
RING, RING_WIDTH, RING_SPAN = 0.3, 0.05, 4

# What ``xrlab.interpret(xrlab.read_image(xrlab.fetch("box1")), kind="measured").encoding`` reads
# off the two measured boxes.
BOXES = {
    "box 1, read by xrlab": (
        (0.13, 0.01, 0.01),
        (0.12, 0.03, 0.01, 0.01),
        (0.02, 0.02, 0.01, 0.01),
        (0.01, 0.01, 0.01, 0.00),
    ),
    "box 2, read by xrlab": (
        (0.17, 0.07, 0.05),
        (0.13, 0.06, 0.05, 0.04),
        (0.08, 0.08, 0.07, 0.04),
        (0.06, 0.05, 0.04, 0.02),
    ),
}

PATTERNS = (*NEAREST, "ring", *BOXES)


def pattern(name: str, span: int) -> Encoding:
    """Return a named pattern.

    "random", "clusters", "stripes" and "checkerboard" are fields of maximum entropy with given
    c(0, 1) and c(1, 0). They are mirror symmetric, c(i, -j) = c(i, j), at every span. "ring" is a
    Gaussian field whose spectrum is a ring round every Bragg position, rho(i, j) =
    J0(2 pi R d) exp(-2 (pi w d)^2) at the distance d; below span `RING_SPAN` these are too few
    correlations to close the ring, and spots remain. The boxes are what xrlab reads off two
    measured images of dichlorodinitrobenzene; beyond span 4 they are continued by the field of
    maximum entropy.

    >>> pattern("stripes", span=2)
    Encoding.from_vector([0.4, -0.4, -0.317])
    """
    vector_length(span)
    if name in NEAREST:
        signs = np.outer(*(np.sign(c) ** np.arange(span) for c in NEAREST[name][::-1]))
        matrix = signs * _near_field(abs(NEAREST[name][0]), span)
    elif name == "ring":
        distance = np.hypot(*np.indices((span, span)))
        damping = np.exp(-2 * (np.pi * RING_WIDTH * distance) ** 2)
        matrix = lattice_correlation(j0(2 * np.pi * RING * distance) * damping)
    elif name in BOXES:
        matrix = respan(Encoding.from_vector(np.concatenate(BOXES[name])), span).matrix
    else:
        raise ValueError(f"there is no pattern {name!r}; there is {', '.join(PATTERNS)}")
    return Encoding(matrix)


def _near_field(nearest: float, span: int) -> Floats:
    """Correlations of the Gaussian field of maximum entropy with c(0, 1) = c(1, 0) given.

    Its spectrum is 1 / (1 - x (cos 2 pi h + cos 2 pi k) / 2), with x from 0 to 1.
    """
    from scipy.optimize import brentq  # imported here: it takes a second

    if nearest == 0:
        return np.eye(1, span**2).reshape(span, span)
    wave = np.cos(2 * np.pi * np.arange(REALISABLE_GRID) / REALISABLE_GRID)

    def field(x: float) -> Floats:
        rho = fft.ifft2(1 / (1 - x * (wave[:, None] + wave) / 2)).real
        return np.asarray(rho / rho[0, 0])

    goal = float(field_correlation(nearest))
    x = brentq(lambda x: field(x)[0, 1] - goal, 0, 1 - 1e-9)
    return lattice_correlation(np.clip(field(x)[:span, :span], -1, 1))


def respan(encoding: Encoding, span: int) -> Encoding:
    """Cut an encoding down, or continue it by the field of maximum entropy.

    >>> respan(Encoding.product(0.5, 0, span=3), 2)
    Encoding.from_vector([0, 0.5, 0])
    """
    vector_length(span)
    if span > encoding.span:
        return Encoding(extend(encoding.matrix, span - 1)[span - 1 :, span - 1 :])
    return Encoding(encoding.matrix[:span, :span])


def weaken(encoding: Encoding, size: int) -> tuple[Encoding, float]:
    """Scale all field correlations by the largest common factor for which a Gaussian field exists.

    Returns
    -------
    Encoding
        The same one where a Gaussian field on a lattice of this size has it.
    float
        What is left, from 0 to 1.
    """
    if encoding.has_field(size):
        return encoding, 1.0
    low, high = 0.0, 1.0
    for _ in range(7):
        middle = (low + high) / 2
        exists = _weaker(encoding, middle).has_field(size)
        low, high = (middle, high) if exists else (low, middle)
    return _weaker(encoding, low), low


def nearest(encoding: Encoding, size: int) -> Encoding:
    """Find the nearest encoding that a field has and that sliders can show: in hundredths."""
    near = encoding.nearest_realisable()
    parts = np.linspace(1, 0, 51)  # rounding can cross the border
    rounded = (Encoding(np.round(_weaker(near, part).matrix, 2)) for part in parts)
    return next(encoding for encoding in rounded if encoding.has_field(size))


def _weaker(encoding: Encoding, part: float) -> Encoding:
    """Multiply the correlations of the field by a part."""
    rho = part * field_correlation(encoding.matrix)
    rho[0, 0] = 1.0
    return Encoding(lattice_correlation(rho))
