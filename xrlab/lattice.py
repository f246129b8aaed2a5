"""Disordered lattices with wanted correlations, and the correlations that a lattice has.

A lattice is a periodic N x N array of sites s = +1 or -1. Axis 0 runs along **a** (index i),
axis 1 along **b** (index j).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from xrlab.encoding import Encoding, vector_length

# Change of a coupling J per cycle and unit of missing correlation. The study of 2023 used 1/2:
# larger values overshoot, smaller ones need more cycles.
GAIN = 0.5


@dataclass(frozen=True, eq=False)
class Lattice:
    """A simulated lattice, and what was asked of it.

    Parameters
    ----------
    sites : int8 array, shape (N, N)
        +1 or -1 at every site, periodic.
    target : Encoding
        The correlations asked for.
    realised : Encoding
        The correlations that this finite lattice has, of the target's span.
    """

    sites: NDArray[np.int8]
    target: Encoding
    realised: Encoding = field(init=False)

    def __post_init__(self) -> None:
        realised = realised_correlations(self.sites, self.target.span)
        object.__setattr__(self, "realised", realised)

    @property
    def size(self) -> int:
        """Number of sites along each axis, N."""
        return len(self.sites)

    @property
    def concentration(self) -> float:
        """Fraction of sites that are +1."""
        return float(np.mean(self.sites > 0))


def simulate(
    encoding: Encoding,
    size: int = 50,
    sampler: str = "monte_carlo",
    seed: int | np.random.Generator = 0,
    *,
    concentration: float = 0.5,
    cycles: int | None = None,
) -> Lattice:
    """Make a lattice whose correlations come as near to the encoding as they can.

    Parameters
    ----------
    encoding : Encoding
        The target. Not every target is possible; see ``Lattice.realised`` for what came out.
    size : int
        Sites along each axis, at least twice the span.
    sampler : {"monte_carlo"}
        How the lattice is made.
    seed : int or numpy Generator
        The same seed gives the same lattice.
    concentration : float
        Fraction of +1 sites, 0.05 to 0.95; kept exactly (to the nearest whole site).
    cycles : int, optional
        Monte Carlo cycles of one attempted swap per site; see `default_cycles`.

    Returns
    -------
    Lattice
        With ``.sites``, ``.target`` and ``.realised``.

    Raises
    ------
    ValueError
        If an argument is outside its range or the sampler is unknown.

    Examples
    --------
    >>> clusters = simulate(Encoding.from_vector([0.6, 0.6, 0.36]), seed=1)
    >>> bool(abs(clusters.realised.vector - [0.6, 0.6, 0.36]).max() < 0.05)
    True
    """
    if not isinstance(encoding, Encoding):
        raise ValueError(f"simulate needs an Encoding, not {type(encoding).__name__}")
    if size < 2 * encoding.span:
        raise ValueError(
            f"a lattice of {size} x {size} sites is too small for span {encoding.span}: "
            f"correlations would wrap round; take a size of {2 * encoding.span} or more"
        )
    if not 0.05 <= concentration <= 0.95:
        raise ValueError(f"the concentration is a number from 0.05 to 0.95; got {concentration:g}")
    if cycles is not None and cycles < 1:
        raise ValueError(f"a simulation needs at least 1 cycle; got {cycles}")
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}; there is {', '.join(SAMPLERS)}")
    rng = np.random.default_rng(seed)
    sites = SAMPLERS[sampler](encoding, size, rng, concentration, cycles)
    return Lattice(sites, target=encoding)


def default_cycles(span: int, size: int) -> int:
    """Monte Carlo cycles after which the realised correlations no longer change on average.

    200 for span 2, 300 for larger spans, 500 for lattices larger than 64 x 64.

    >>> default_cycles(2, 50), default_cycles(4, 50), default_cycles(4, 96)
    (200, 300, 500)
    """
    vector_length(span)
    if size > 64:
        return 500
    return 200 if span == 2 else 300


def realised_correlations(sites: ArrayLike, span: int) -> Encoding:
    """Return the correlations of a finite periodic lattice, over all its sites.

    Parameters
    ----------
    sites : array of +1 and -1, shape (N, N)
    span : int
        2 or more.

    Raises
    ------
    ValueError
        If the sites are not a square array of +1 and -1 with both kinds present.

    Examples
    --------
    >>> checkerboard = np.indices((8, 8)).sum(axis=0) % 2 * 2 - 1
    >>> realised_correlations(checkerboard, span=2)
    Encoding.from_vector([-1, -1, 1])
    """
    vector_length(span)
    array = as_sites(sites)
    mean = array.mean()
    return Encoding((_pair_means(array, span) - mean**2) / (1 - mean**2))


def as_sites(sites: ArrayLike) -> NDArray[np.int8]:
    """Check that an array is a lattice of +1 and -1 and return it as int8."""
    array = np.asarray(sites)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"a lattice is a square array of sites; this one has shape {array.shape}")
    if not np.array_equal(np.unique(array), [-1, 1]):
        raise ValueError(
            "a lattice holds +1 and -1, both of them; "
            f"this one holds {np.unique(array)[:5].tolist()}"
        )
    return np.ascontiguousarray(array, dtype=np.int8)


def _monte_carlo(
    encoding: Encoding,
    size: int,
    rng: np.random.Generator,
    concentration: float,
    cycles: int | None,
) -> NDArray[np.int8]:
    """Metropolis swaps at kT = 1 with couplings that learn the target (Welberry's method).

    E = -sum over pairs of J_ij s s', where J_ij couples a site to those at (i, j) and (-i, -j).
    All J start at 0; after each cycle J_ij grows by `GAIN` times the correlation still missing.
    """
    flat = np.full(size * size, -1, np.int8)
    flat[: round(concentration * flat.size)] = 1
    sites = rng.permutation(flat).reshape(size, size)
    coupling = np.zeros_like(encoding.matrix)
    cycles = cycles or default_cycles(encoding.span, size)
    _swap_cycles(sites, coupling, encoding.matrix, cycles, GAIN, rng)
    return sites


Sampler = Callable[[Encoding, int, np.random.Generator, float, "int | None"], NDArray[np.int8]]
SAMPLERS: dict[str, Sampler] = {"monte_carlo": _monte_carlo}


@njit(cache=True, nogil=True)
def _swap_cycles(sites, coupling, target, cycles, gain, rng):  # type: ignore[no-untyped-def]
    """Run Monte Carlo cycles; `sites` and `coupling` change in place."""
    size, span = len(sites), len(target)
    square_mean = sites.mean() ** 2
    plus = np.argwhere(sites > 0)  # places (x, y) of the +1 sites, in any order
    minus = np.argwhere(sites < 0)
    for _ in range(cycles):
        local = _local_field(sites, coupling)
        for _ in range(size * size):
            p, m = int(rng.random() * len(plus)), int(rng.random() * len(minus))
            ax, ay, bx, by = plus[p, 0], plus[p, 1], minus[m, 0], minus[m, 1]
            # Each local field counts the pair itself, whose energy does not change.
            cost = 2 * (local[ax, ay] - local[bx, by])
            cost += 4 * _pair_coupling(coupling, bx - ax, by - ay, size)
            if cost <= 0 or rng.random() < np.exp(-cost):
                sites[ax, ay], sites[bx, by] = -1, 1
                plus[p, 0], plus[p, 1], minus[m, 0], minus[m, 1] = bx, by, ax, ay
                _add_to_field(local, coupling, ax, ay, -2.0)
                _add_to_field(local, coupling, bx, by, 2.0)
        realised = (_pair_means(sites, span) - square_mean) / (1 - square_mean)
        coupling += gain * (target - realised)


@njit(cache=True, nogil=True)
def _wrapped(sites, margin):  # type: ignore[no-untyped-def]
    """Copy the lattice with `margin` sites of its periodic surroundings on every side."""
    size = len(sites)
    wide = np.empty((size + 2 * margin, size + 2 * margin), np.int32)
    for x in range(len(wide)):
        row, wide_row = sites[(x - margin) % size], wide[x]
        wide_row[margin : margin + size] = row
        wide_row[:margin] = row[size - margin :]
        wide_row[margin + size :] = row[:margin]
    return wide


@njit(cache=True, nogil=True)
def _pair_means(sites, span):  # type: ignore[no-untyped-def]
    """Mean of s(x, y) s(x+i, y+j) over the lattice, for 0 <= i, j < span."""
    size = len(sites)
    wide = _wrapped(sites, span)
    means = np.empty((span, span))
    for i in range(span):
        for j in range(span):
            total = np.int64(0)
            for x in range(size):
                row = wide[x + span, span : span + size]
                other = wide[x + span + i, span + j : span + j + size]
                part = np.int32(0)
                for y in range(size):
                    part += row[y] * other[y]
                total += part
            means[i, j] = total / size**2
    return means


@njit(cache=True, nogil=True)
def _local_field(sites, coupling):  # type: ignore[no-untyped-def]
    """Sum of J_ij (s(x+i, y+j) + s(x-i, y-j)) at every site, c(0, 0) left out."""
    size, span = len(sites), len(coupling)
    wide = _wrapped(sites, span)
    local = np.zeros((size, size))
    for x in range(size):
        row = local[x]
        for i in range(span):
            for j in range(span):
                if i or j:
                    ahead = wide[x + span + i, span + j : span + j + size]
                    behind = wide[x + span - i, span - j : span - j + size]
                    for y in range(size):
                        row[y] += coupling[i, j] * (ahead[y] + behind[y])
    return local


@njit(cache=True, nogil=True)
def _add_to_field(local, coupling, x, y, change):  # type: ignore[no-untyped-def]
    """Add what a change of the spin at (x, y) does to the fields of its neighbours."""
    size, span = len(local), len(coupling)
    for i in range(span):
        up = x + i if x + i < size else x + i - size
        down = x - i if x >= i else x - i + size
        for j in range(span):
            if i or j:
                right = y + j if y + j < size else y + j - size
                left = y - j if y >= j else y - j + size
                local[up, right] += change * coupling[i, j]
                local[down, left] += change * coupling[i, j]


@njit(cache=True, nogil=True)
def _pair_coupling(coupling, i, j, size):  # type: ignore[no-untyped-def]
    """J between two sites (i, j) apart, 0 where they are not coupled."""
    span = len(coupling)
    for sign in (1, -1):
        across, along = sign * i, sign * j
        across += size if across < 0 else 0
        along += size if along < 0 else 0
        if across < span and along < span:
            return coupling[across, along]
    return 0.0
