"""Twins of the compiled inner loops in NumPy and plain Python, for where there is no numba.

Each has the arguments, results and random numbers of the function of that name, with an underscore,
in `xrlab.samplers` or `xrlab.spectrum`, which says what it does. Additions are done in the same
order where a rounding error could count.
"""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sites = NDArray[np.int8]
Waves = NDArray[np.complex128]


def grow(block: Floats, uniform: Floats) -> Sites:
    """Sites of a lattice from a uniform random number for each and the odds of 2 x 2 blocks."""
    size = len(uniform)
    after_a, after_b = block.sum(axis=0).sum(axis=1).tolist(), block.sum(axis=(0, 1)).tolist()
    one, odds = block.sum(axis=(0, 1, 2)).tolist(), block.tolist()
    chance, sites = uniform.tolist(), [[0] * size for _ in range(size)]
    for x, row in enumerate(sites):
        above = sites[x - 1]
        for y in range(size):
            if x and y:
                minus, plus = odds[above[y - 1]][above[y]][row[y - 1]]
            elif x:
                minus, plus = after_a[above[y]]
            else:
                minus, plus = after_b[row[y - 1]] if y else one
            row[y] = int(chance[x][y] * (minus + plus) < plus)
    return 2 * np.array(sites, np.int8) - 1


def swap_cycles(
    sites: Sites,
    coupling: Floats,
    target: Floats,
    cycles: int,
    gain: float,
    rng: np.random.Generator,
) -> None:
    """Run Monte Carlo cycles; `sites` and `coupling` change in place."""
    size, span = len(sites), len(target)
    square_mean = sites.mean() ** 2
    pairs = [(i, j) for i in range(span) for j in range(span) if i or j]
    near = _neighbours(size, pairs).tolist()
    x, y = (each.ravel().tolist() for each in np.indices((size, size)))
    plus, minus = (np.flatnonzero(each).tolist() for each in (sites > 0, sites < 0))
    n_plus, n_minus, random = len(plus), len(minus), rng.random
    for _ in range(cycles):
        local = np.zeros((size, size))
        between = np.zeros((size, size))  # coupling of two sites that far apart, either way
        for i, j in pairs:
            ahead, behind = (np.roll(sites, (d * i, d * j), (0, 1)) for d in (-1, 1))
            local += coupling[i, j] * (ahead + behind)
            between[i, j] = between[-i, -j] = coupling[i, j]
        field, bond = local.ravel().tolist(), between.tolist()
        change = [2.0 * coupling[pair].item() for pair in pairs for _ in range(2)]
        for _ in range(size * size):
            p, m = int(random() * n_plus), int(random() * n_minus)
            a, b = plus[p], minus[m]
            cost = 2 * (field[a] - field[b])
            cost += 4 * bond[x[b] - x[a]][y[b] - y[a]]
            if cost <= 0 or random() < exp(-cost):
                plus[p], minus[m] = b, a
                for n, step in zip(near[a], change, strict=True):
                    field[n] -= step
                for n, step in zip(near[b], change, strict=True):
                    field[n] += step
        sites[:] = -1
        sites.flat[plus] = 1
        realised = (pair_means(sites, span) - square_mean) / (1 - square_mean)
        coupling += gain * (target - realised)


def pair_means(sites: Sites, span: int) -> Floats:
    """Mean of s(x, y) s(x+i, y+j) over the lattice, for 0 <= i, j < span."""
    means = np.empty((span, span))
    for i, j in np.ndindex(span, span):
        means[i, j] = (sites * np.roll(sites, (-i, -j), (0, 1))).sum() / sites.size
    return means


def inverse_spectrum(lam: Floats, turn: Waves, fixed_mean: bool) -> Floats:
    """lambda_00 + 2 sum lambda_ij cos 2 pi (h i + k j) on the whole grid."""
    from xrlab.spectrum import NO_SPECTRUM  # which imports this module

    n = round(np.sqrt(len(lam)))
    waves = _waves(turn, range(n))
    factors = 2 * lam.reshape(n, n)
    factors[0, 0] = lam[0]
    inverse = (waves.T @ (factors @ waves)).real
    if fixed_mean:
        inverse[0, 0] = NO_SPECTRUM
    return inverse


def moments(inverse: Floats, n: int, turn: Waves) -> tuple[Floats, Floats]:
    """Cosine moments of S for 0 <= i, j < n, and of S^2 for 0 <= i <= 2n - 2, 1 - n <= j <= 2n - 2.

    The second has its j = 0 at column n - 1.
    """
    spectrum = 1 / inverse
    near, far = _waves(turn, range(n)), _waves(turn, range(1 - n, 2 * n - 1))
    first = (near @ spectrum @ near.T).real / spectrum.size
    second = (far[n - 1 :] @ spectrum**2 @ far.T).real / spectrum.size
    return first, second


def _neighbours(size: int, pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Places of the two neighbours (i, j) and (-i, -j) of every site, pair by pair."""
    place = np.arange(size * size).reshape(size, size)
    shifted = [np.roll(place, (d * i, d * j), (0, 1)) for i, j in pairs for d in (-1, 1)]
    return np.stack([each.ravel() for each in shifted], axis=1)


def _waves(turn: Waves, distances: range) -> Waves:
    """Return exp 2 pi i h d at every h of the grid, one row for each distance d."""
    return turn[np.outer(distances, np.arange(len(turn))) % len(turn)]
