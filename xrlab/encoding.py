"""The CFS-n encoding: a short matrix of correlations that describes a disordered crystal."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A correlation computed in floating point may pass +1 or -1 by a rounding error, never by more.
ROUNDING = 1e-9


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

    matrix: NDArray[np.float64]

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
    def random(cls, span: int, seed: int | np.random.Generator = 0) -> Encoding:
        """Draw every value uniformly from (-1, 1), as the study of 2023 did for its targets.

        Most such targets of span 3 and more can be had by no lattice: a simulation comes as near
        as it can, and what came out, the realised encoding, is the one to use.
        """
        n_values = vector_length(span)
        return cls.from_vector(np.random.default_rng(seed).uniform(-1, 1, n_values))

    @property
    def span(self) -> int:
        """Side n of the matrix: correlations reach n - 1 sites far."""
        return len(self.matrix)

    @property
    def vector(self) -> NDArray[np.float64]:
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


def _real_array(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"values of type {array.dtype}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} holds real numbers only ({error})") from None
    return array.astype(np.float64)


def _check_values(matrix: NDArray[np.float64]) -> None:
    # "not (... <= ...)" is also true for NaN
    for i, j in np.argwhere(~(np.abs(matrix) <= 1 + ROUNDING)):
        raise ValueError(
            f"c({i}, {j}) is {matrix[i, j]:g}; every correlation is a number from -1 to 1"
        )
