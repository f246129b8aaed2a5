"""The CFS-n encoding: a short matrix of correlations that describes a disordered crystal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats
from xrlab.crystal.spectrum import (
    NotRealisableError,
    field_correlation,
    lattice_correlation,
    lowest_value,
    maximum_entropy,
)

Distribution = Literal["uniform", "realisable"]

# A correlation computed in floating point may pass +1 or -1 by a rounding error, never by more.
ROUNDING = 1e-9

# Points along each axis of a reciprocal cell at which spectra are looked at.
REALISABLE_GRID = 64

# Cost of missing a correlation where not all can be met, see `spectrum.maximum_entropy`. It is
# doubled until lattices of an even and of an odd size have the rest: waves of period 2 fit only
# the even ones.
SOFTNESS = 0.003
SMALLEST_LATTICES = (50, 51)


@dataclass(frozen=True, eq=False)
class Encoding:
    """Correlations c(i, j) between sites i apart along **a** and j apart along **b**.

    The matrix holds the Warren-Cowley short-range-order parameters
    c(i, j) = (<s(x, y) s(x+i, y+j)> - <s>^2) / (1 - <s>^2) of a lattice of sites s = +1 or -1
    (Cowley, Phys. Rev. 77, 669, 1950). The first value c(0, 0) is always 1. The n x n matrix is
    called CFS-n, "correlation function span n"; its vector is the matrix row by row without
    c(0, 0), so 3, 8, 15 values for n = 2, 3, 4.

    Parameters
    ----------
    matrix : array, shape (n, n) with n >= 2
        Values from -1 to 1; kept as a read-only float64 copy.

    Raises
    ------
    ValueError
        If the matrix is not square, is smaller than 2 x 2, has a value that is not a number or
        lies beyond -1 or 1, or does not begin with c(0, 0) = 1.

    Examples
    --------
    >>> encoding = Encoding.from_vector([0.5, 0.5, 0.25])
    >>> encoding.span
    2
    >>> encoding.matrix
    array([[1.  , 0.5 ],
           [0.5 , 0.25]])
    """

    matrix: Floats

    def __post_init__(self) -> None:
        matrix = _real_array(self.matrix, "an encoding matrix")
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
            raise ValueError(
                f"an encoding matrix is square, at least 2 x 2; this one has shape {matrix.shape}"
            )
        _check_values(matrix)
        if abs(matrix[0, 0] - 1) > ROUNDING:
            raise ValueError(
                f"c(0, 0) is the correlation of a site with itself and must be 1; "
                f"it is {matrix[0, 0]:g}"
            )
        matrix = np.clip(matrix, -1, 1)
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def from_matrix(cls, matrix: ArrayLike) -> Encoding:
        """Make an encoding from its n x n matrix, c(0, 0) = 1 included."""
        return cls(np.asarray(matrix))

    @classmethod
    def from_vector(cls, vector: ArrayLike) -> Encoding:
        """Make an encoding from its n^2 - 1 values, the matrix row by row without c(0, 0).

        Raises
        ------
        ValueError
            If the length is not 3, 8, 15, 24, ... or a value is not a number from -1 to 1.
        """
        values = _real_array(vector, "an encoding vector")
        span = isqrt(values.size + 1)
        if values.ndim != 1 or span < 2 or span**2 != values.size + 1:
            raise ValueError(
                f"an encoding vector has n^2 - 1 values: 3, 8, 15, 24, ... for spans "
                f"n = 2, 3, 4, 5, ...; this one has shape {values.shape}"
            )
        return cls(np.concatenate([[1.0], values]).reshape(span, span))

    @classmethod
    def product(cls, r: float, s: float, span: int) -> Encoding:
        """Make c(i, j) = r^i s^j: two independent Markov chains, along **a** and along **b**.

        >>> Encoding.product(0.5, -0.5, span=2)
        Encoding.from_vector([-0.5, 0.5, -0.25])
        """
        vector_length(span)
        reach = np.arange(span)
        return cls(np.outer(float(r) ** reach, float(s) ** reach))

    @classmethod
    def random(
        cls, span: int, seed: int | np.random.Generator = 0, distribution: Distribution = "uniform"
    ) -> Encoding:
        """Draw a random encoding.

        Parameters
        ----------
        span : int
            2 or more.
        seed : int or numpy Generator
        distribution : {"uniform", "realisable"}
            "uniform": every value from (-1, 1), as the study of 2023 did for its targets. Most of
            them, from span 3 on, no lattice can have: a simulation comes as near as it can, and
            the realised encoding is the one to use.
            "realisable": correlations c = (2/pi) asin(rho) of a thresholded Gaussian field whose
            spectrum has ln S(h, k) = 2 sum g_ij cos 2 pi (h i + k j) + constant, each g_ij normal
            with mean 0 and standard deviation 3.15 / n^1.4. Every one can be had, and the values
            spread as the study's realised ones: standard deviation 0.47, 0.37, 0.30 for spans
            2, 3, 4.

        Raises
        ------
        ValueError
            If the span is no whole number from 2 up, or the distribution is unknown.
        """
        n_values = vector_length(span)
        rng = np.random.default_rng(seed)
        if distribution == "uniform":
            return cls.from_vector(rng.uniform(-1, 1, n_values))
        if distribution != "realisable":
            raise ValueError(
                f"random encodings are 'uniform' or 'realisable'; got {distribution!r}"
            )
        size = REALISABLE_GRID * -(-span // 8)
        waves = np.zeros((size, size))
        waves[:span, :span].flat[:] = rng.normal(0, 3.15 / span**1.4, (span, span)).flat
        waves[0, 0] = 0
        log_s = 2 * np.fft.fft2(waves).real
        rho = np.fft.fft2(np.exp(log_s - log_s.max())).real
        return cls(lattice_correlation(np.clip(rho / rho[0, 0], -1, 1)[:span, :span]))

    def violations(self, concentration: float = 0.5) -> list[str]:
        """Name every necessary condition that these correlations break, with its numbers.

        No lattice of +1 and -1 has an encoding with violations. Tested are, with
        g = m^2 + (1 - m^2) c the mean of s s' and m = 2 concentration - 1 that of s:

        - three sites: |g(a) + g(b)| <= 1 + g(a + b) and |g(a) - g(b)| <= 1 - g(a + b), and
          2 |m| <= 1 + g(a);
        - positive intensity: some spectrum S >= 0 has these correlations. If there is none, a
          sum of them that must be 0 or more is returned with its negative value.

        An empty list is not yet a promise: the conditions are necessary, and no short list of
        sufficient ones is known.

        Examples
        --------
        >>> Encoding.from_vector([-0.9, -0.9, -0.9]).violations()
        ['|c(0, 1) + c(1, 0)| = 1.8 must not exceed 1 + c(1, 1) = 0.1', ...]
        >>> Encoding.product(0.6, -0.6, span=4).violations()
        []
        """
        mean = 2 * concentration - 1
        if not 0 < concentration < 1:
            raise ValueError(f"a concentration lies between 0 and 1; got {concentration:g}")
        name = "c" if mean == 0 else "g"
        pair = mean**2 + (1 - mean**2) * self.matrix
        broken = [
            f"{name}({i}, {j}) = {pair[i, j]:.3g} must not be below 2 |m| - 1 = "
            f"{2 * abs(mean) - 1:.3g}"
            for i, j in np.argwhere(pair < 2 * abs(mean) - 1 - ROUNDING)
        ]
        for (i, j), (x, y) in _three_sites(self.span):
            first, second, both = pair[i, j], pair[x, y], pair[i + x, j + y]
            for sign, word in ((1, "+"), (-1, "-")):
                left, right = abs(first + sign * second), 1 + sign * both
                if left > right + ROUNDING:
                    broken.append(
                        f"|{name}({i}, {j}) {word} {name}({x}, {y})| = {left:.3g} must not "
                        f"exceed 1 {word} {name}({i + x}, {j + y}) = {right:.3g}"
                    )
        try:
            maximum_entropy(self.matrix, REALISABLE_GRID)
        except NotRealisableError as error:
            proof = error.certificate
            total = (proof * self.matrix).sum() * 2 - proof[0, 0]
            if total < min(0.0, lowest_value(proof)) - ROUNDING:
                broken.append(
                    f"the mean of a positive function times the intensity: {_words(proof)} "
                    f"= {total:.3g} must not be negative"
                )
        return broken

    def nearest_realisable(self) -> Encoding:
        """Return this encoding if a thresholded Gaussian field has it, else the nearest one.

        It is one for lattices of 50 x 50 sites and larger, half of them +1. "Nearest" is measured
        between the field's correlations, rho = sin(pi c / 2), as the sum of
        squares, with a small reward for entropy that keeps away from the border, where a lattice
        would be a perfect crystal. ``simulate(..., sampler="gaussian")`` makes it. Other samplers
        may come nearer: the fields are many patterns, not all.

        Examples
        --------
        >>> Encoding.from_vector([0.5, 0.5, 0.25]).nearest_realisable()
        Encoding.from_vector([0.5, 0.5, 0.25])
        """
        rho = field_correlation(self.matrix)
        nearest, softness = self, SOFTNESS
        while not nearest.has_field():
            spectrum = maximum_entropy(rho, REALISABLE_GRID, softness=softness)
            nearest = Encoding(lattice_correlation(spectrum.correlations[: self.span, : self.span]))
            softness *= 2
        return nearest

    def has_field(self, *sizes: int) -> bool:
        """Say whether Gaussian fields on lattices of all these sizes have these correlations."""
        rho = field_correlation(self.matrix)
        rho[0, 0] = 1.0
        try:
            for size in sizes or (REALISABLE_GRID, *SMALLEST_LATTICES):
                maximum_entropy(rho, size)
        except NotRealisableError:
            return False
        return True

    @property
    def span(self) -> int:
        """Side n of the matrix; correlations reach n - 1 sites far."""
        return len(self.matrix)

    @property
    def vector(self) -> Floats:
        """The n^2 - 1 values, the matrix row by row without c(0, 0)."""
        return self.matrix.ravel()[1:]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Encoding):
            return NotImplemented
        return np.array_equal(self.matrix, other.matrix)

    def __hash__(self) -> int:
        return hash((self.span, self.matrix.tobytes()))

    def __repr__(self) -> str:
        values = ", ".join(f"{value:.3g}" for value in self.vector)
        return f"Encoding.from_vector([{values}])"


def vector_length(span: int) -> int:
    """Count the values in the vector of an encoding of this span: n^2 - 1.

    >>> [vector_length(span) for span in (2, 3, 4)]
    [3, 8, 15]
    """
    if isinstance(span, bool) or not isinstance(span, (int, np.integer)) or span < 2:
        raise ValueError(f"the span of an encoding is a whole number, 2 or more; got {span!r}")
    return int(span) ** 2 - 1


def component_names(span: int) -> list[str]:
    """Names of the vector's values, in order.

    >>> component_names(2)
    ['c(0, 1)', 'c(1, 0)', 'c(1, 1)']
    """
    vector_length(span)
    return [f"c({i}, {j})" for i in range(span) for j in range(span) if i or j]


def values_text(encoding: Encoding, standard_error: ArrayLike | None = None) -> str:
    """Write out an encoding, for those who cannot see its matrix."""
    errors = [""] * len(encoding.vector)
    if standard_error is not None:
        errors = [f" ± {error:.2f}" for error in np.asarray(standard_error)]
    return ", ".join(
        f"{name} = {value:.2f}{error}"
        for name, value, error in zip(
            component_names(encoding.span), encoding.vector, errors, strict=True
        )
    )


def _words(proof: Floats) -> str:
    """Write the sum p_00 + 2 sum p_ij c(i, j)."""
    terms = [
        f"{2 * value:+.3g} c({i}, {j})"
        for (i, j), value in np.ndenumerate(proof)
        if (i or j) and abs(value) >= 5e-4
    ]
    return " ".join(["1", *terms]).replace("+", "+ ").replace("-", "- ")


def _real_array(values: ArrayLike, what: str) -> Floats:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"values of type {array.dtype}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} holds real numbers only ({error})") from None
    return array.astype(np.float64)


def _check_values(matrix: Floats) -> None:
    # "not (... <= ...)" is also true for NaN
    for i, j in np.argwhere(~(np.abs(matrix) <= 1 + ROUNDING)):
        raise ValueError(
            f"c({i}, {j}) is {matrix[i, j]:g}; every correlation is a number from -1 to 1"
        )


def three_site_conditions(span: int) -> Floats:
    """Write the three-site conditions as A c <= 1, c the vector of an encoding.

    Any three sites of +1 and -1 hold an even number of unlike pairs, so the correlations
    x = c(a), y = c(b), z = c(a + b) of their pairs obey |x + y| <= 1 + z and |x - y| <= 1 - z: the
    point (x, y, z) lies in a tetrahedron, a third of the cube. For every a and b within the span
    this gives four rows.

    Parameters
    ----------
    span : int

    Returns
    -------
    float64 array, shape (conditions, span^2 - 1)

    Examples
    --------
    >>> three_site_conditions(2)  # columns c(0, 1), c(1, 0), c(1, 1)
    array([[ 1.,  1., -1.],
           [ 1., -1.,  1.],
           [-1.,  1.,  1.],
           [-1., -1., -1.]])
    """
    n_values = vector_length(span)
    rows = []
    for (i, j), (x, y) in _three_sites(span):
        places = [a * span + b - 1 for a, b in ((i, j), (x, y), (i + x, j + y))]
        for signs in ((1, 1, -1), (1, -1, 1), (-1, 1, 1), (-1, -1, -1)):
            row = np.zeros(n_values)
            np.add.at(row, places, signs)
            rows.append(row)
    return np.array(rows)


def _three_sites(span: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the pairs of distances a, b whose sum lies within the span too, each pair once."""
    places = [divmod(n, span) for n in range(1, span**2)]
    for n, a in enumerate(places):
        for b in places[n:]:
            if max(a[0] + b[0], a[1] + b[1]) < span:
                yield a, b
