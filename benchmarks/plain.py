"""The rivals of run.py: the same computations written plainly in NumPy and Python.

They draw the same random numbers in the same order as xrlab, so they must give the same results.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def monte_carlo(
    target: NDArray[np.float64], size: int, cycles: int, seed: int, gain: float = 0.5
) -> NDArray[np.int8]:
    """Swap sites at kT = 1 with couplings that learn the target matrix of correlations.

    Parameters
    ----------
    target : array, shape (n, n)
    size, cycles, seed : int
    gain : float
        Change of a coupling per cycle and unit of missing correlation.

    Returns
    -------
    int8 array, shape (size, size)
    """
    rng = np.random.default_rng(seed)
    sites = rng.permutation(np.repeat(np.array([1, -1], np.int8), size * size // 2))
    x, y = np.divmod(np.arange(size * size), size)
    pairs = [(i, j) for i in range(len(target)) for j in range(len(target)) if i or j]
    ahead = np.stack([(x + i) % size * size + (y + j) % size for i, j in pairs], axis=1)
    behind = np.stack([(x - i) % size * size + (y - j) % size for i, j in pairs], axis=1)
    near = np.hstack([ahead, behind])
    plus, minus = np.flatnonzero(sites > 0).tolist(), np.flatnonzero(sites < 0).tolist()
    x, y = x.tolist(), y.tolist()
    coupling = np.zeros(len(pairs))
    wanted = np.array([target[pair] for pair in pairs])
    for _ in range(cycles):
        local = np.zeros(size * size)
        between = np.zeros((size, size))  # coupling of two sites that far apart, either way
        for n, (i, j) in enumerate(pairs):
            local += coupling[n] * (sites[ahead[:, n]] + sites[behind[:, n]])
            between[i, j] = between[-i, -j] = coupling[n]
        change = 2 * np.tile(coupling, 2)
        for _ in range(size * size):
            p, m = int(rng.random() * len(plus)), int(rng.random() * len(minus))
            a, b = plus[p], minus[m]
            cost = 2 * (local[a] - local[b]) + 4 * between[x[b] - x[a], y[b] - y[a]]
            if cost <= 0 or rng.random() < math.exp(-cost):
                sites[a], sites[b] = -1, 1
                plus[p], minus[m] = b, a
                local[near[a]] -= change
                local[near[b]] += change
        realised = (sites[:, None] * sites[ahead]).sum(axis=0) / size**2
        coupling += gain * (wanted - realised)
    return sites.reshape(size, size)


def image(sites: NDArray[np.int8], lot_size: int, lots: int, seed: int) -> NDArray[np.float64]:
    """Diffraction image, h and k from 0 to 2 r.l.u. at 64 x 64 points, one FFT per lot.

    A transform of length 63 has its points 1/63 r.l.u. apart; every second one is wanted, twice
    round.
    """
    mean = sites.mean()
    intensity = np.zeros((63, 63))
    for x, y in np.random.default_rng(seed).integers(len(sites), size=(lots, 2)):
        window = np.roll(sites, (-x, -y), axis=(0, 1))[:lot_size, :lot_size]
        intensity += np.abs(np.fft.fft2(window - mean, (63, 63))) ** 2
    wanted = 2 * np.arange(64) % 63
    return intensity[np.ix_(wanted, wanted)] / (lots * lot_size**2 * (1 - mean**2))


def delta_pdf(image: NDArray[np.floating], span: int, lot_size: int) -> NDArray[np.float64]:
    """Matrix of correlations as the Fourier sum of an image over its 2 x 2 cells."""
    q = 2 * np.arange(63) / 63
    matrix = np.empty((span, span))
    for i in range(span):
        for j in range(span):
            matrix[i, j] = (image[:-1, :-1] * np.cos(2 * np.pi * np.add.outer(i * q, j * q))).sum()
    reach = 1 - np.arange(span) / lot_size
    matrix /= matrix[0, 0] * np.outer(reach, reach)
    return np.clip(matrix, -1, 1)
