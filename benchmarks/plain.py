"""The rivals: the same computations written plainly in NumPy and Python.

Swaps and growth draw the same random numbers in the same order as xrlab's compiled kernels, so they
must give the same lattices: tests/test_kernels.py compares them.
"""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.kernels import NO_SPECTRUM
from xrlab.crystal.samplers import GAIN, growth_odds

Matrix = NDArray[np.float64]
Sites = NDArray[np.int8]
Seed = int | np.random.Generator


# Spectra


def spectrum(rho: Matrix, size: int, fixed_mean: bool = False, tolerance: float = 1e-10) -> Matrix:
    """Spectrum 1 / sum of cosines that has the correlations rho, by damped Newton steps.

    Minimises the convex function sum w rho lambda - <ln 1/S> of the multipliers lambda, the mean
    taken over all points of the grid; with a fixed mean over all but the first, where S = 0.
    """
    n = len(rho)
    weight = np.full(n * n, 2.0)
    weight[0] = 1.0
    i, j = np.divmod(np.arange(n * n), n)
    minus = i[:, None] - i, j[:, None] - j  # places of the second moments, modulo the size
    plus = i[:, None] + i, j[:, None] + j

    def inverse(multipliers: Matrix) -> Matrix:
        total = 2 * np.fft.fft2(multipliers, (size, size)).real - multipliers[0, 0]
        if fixed_mean:
            total[0, 0] = 1.0  # its logarithm does not count
        return total

    def cost(multipliers: Matrix) -> float:
        total = inverse(multipliers)
        if total.min() <= 0:
            return np.inf
        return weight @ (rho * multipliers).ravel() - np.log(total).mean()

    multipliers = np.eye(1, n * n).reshape(n, n)
    while True:
        s = 1 / inverse(multipliers)
        if fixed_mean:
            s[0, 0] = 0.0
        missed = (rho - np.fft.ifft2(s).real[:n, :n]).ravel()
        if np.abs(missed).max() < tolerance:
            return s
        second = np.fft.ifft2(s * s).real
        hessian = np.outer(weight, weight) * (second[minus] + second[plus]) / 2
        step = -np.linalg.solve(hessian, weight * missed).reshape(n, n)
        slope, length = step.ravel() @ (weight * missed), 1.0
        # Close to the answer rounding hides the gain: any step that costs no more is right there.
        while cost(multipliers + length * step) > cost(multipliers) + length * slope / 10 + 1e-12:
            length /= 2
        multipliers = multipliers + length * step


def inverse_spectrum(lam: Matrix, turn: NDArray[np.complex128], fixed_mean: bool) -> Matrix:
    """lambda_00 + 2 sum lambda_ij cos 2 pi (h i + k j) on the whole grid."""
    n = round(np.sqrt(len(lam)))
    waves = _waves(turn, range(n))
    factors = 2 * lam.reshape(n, n)
    factors[0, 0] = lam[0]
    inverse = (waves.T @ (factors @ waves)).real
    if fixed_mean:
        inverse[0, 0] = NO_SPECTRUM
    return inverse


def moments(inverse: Matrix, n: int, turn: NDArray[np.complex128]) -> tuple[Matrix, Matrix]:
    """Cosine moments of S for 0 <= i, j < n, and of S^2 for 0 <= i <= 2n - 2, 1 - n <= j <= 2n - 2.

    The second has its j = 0 at column n - 1.
    """
    spectrum = 1 / inverse
    near, far = _waves(turn, range(n)), _waves(turn, range(1 - n, 2 * n - 1))
    first = (near @ spectrum @ near.T).real / spectrum.size
    second = (far[n - 1 :] @ spectrum**2 @ far.T).real / spectrum.size
    return first, second


def _waves(turn: NDArray[np.complex128], distances: range) -> NDArray[np.complex128]:
    """Return exp 2 pi i h d at every h of the grid, one row for each distance d."""
    return turn[np.outer(distances, np.arange(len(turn))) % len(turn)]


# Lattices


def phases(size: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Fourier coefficients of modulus 1 of a real field of white noise."""
    noise = np.fft.fft2(rng.standard_normal((size, size)))
    return noise / np.abs(noise)


def cut(s: Matrix, phase: NDArray[np.complex128]) -> Sites:
    """Make the higher half of a field with this spectrum +1, the rest -1."""
    field = np.fft.ifft2(np.sqrt(s) * phase).real.ravel()
    sites = np.full(field.size, -1, np.int8)
    sites[np.argsort(field)[field.size - round(field.size / 2) :]] = 1
    return sites.reshape(s.shape)


def gaussian(target: Matrix, size: int, seed: Seed) -> Sites:
    """Lattice of the Gaussian sampler, for a target matrix of correlations."""
    s = spectrum(np.sin(np.pi / 2 * target), size, fixed_mean=True)
    return cut(s, phases(size, np.random.default_rng(seed)))


def growth(target: Matrix, size: int, seed: Seed) -> Sites:
    """Lattice of the growth sampler, one site after the other."""
    odds = growth_odds(target[1, 0], target[0, 1], 0.5)
    return grow(odds, np.random.default_rng(seed).random((size, size)))


def monte_carlo(
    target: Matrix, size: int, cycles: int, seed: Seed, start: str = "cold", reach: float = 0.0
) -> Sites:
    """Swap sites at kT = 1 with couplings that learn the target matrix of correlations.

    Parameters
    ----------
    target : array, shape (n, n)
    size, cycles : int
    seed : int or numpy Generator
    start : {"cold", "warm"}
        From a random lattice without couplings, or from a Gaussian field with its own.
    reach : float
        Sites over which the order of a warm start extends.

    Returns
    -------
    int8 array, shape (size, size)
    """
    rng = np.random.default_rng(seed)
    coupling = np.zeros_like(target)
    if start == "warm":
        s = spectrum(np.sin(np.pi / 2 * target), size, fixed_mean=True)
        phase = phases(size, rng)
        coupling = pseudo_likelihood(cut(s, phase), len(target))
        sites = cut(blurred(s, reach), phase)
    else:
        n_plus = round(size * size / 2)
        sites = np.array([1] * n_plus + [-1] * (size * size - n_plus), np.int8)
        sites = rng.permutation(sites)
    sites = sites.reshape(size, size)
    swap_cycles(sites, coupling, target, cycles, GAIN, rng)
    return sites


def blurred(s: Matrix, reach: float) -> Matrix:
    """Spectrum with correlations damped by exp(-(i^2 + j^2) / (2 reach^2))."""
    steps = np.minimum(np.arange(len(s)), len(s) - np.arange(len(s)))
    damping = np.exp(-(steps**2) / (2 * reach**2))
    rho = np.fft.ifft2(s).real
    return np.maximum(np.fft.fft2(rho * np.outer(damping, damping)).real, 0)


def pseudo_likelihood(sites: Sites, span: int) -> Matrix:
    """Couplings under which every site is likeliest, given its neighbours."""
    terms = np.ones((span * span, sites.size))
    for n in range(1, span * span):
        i, j = divmod(n, span)
        pair = np.roll(sites, (-i, -j), (0, 1)) + np.roll(sites, (i, j), (0, 1))
        terms[n] = pair.ravel()
    coupling, ridge = np.zeros(span * span), 1e-3
    for _ in range(6):
        mean = np.tanh(coupling @ terms)
        gradient = terms @ (sites.ravel() - mean) / sites.size - ridge * coupling
        hessian = (terms * (1 - mean**2)) @ terms.T / sites.size + ridge * np.eye(span * span)
        coupling += np.linalg.solve(hessian, gradient)
    coupling[0] = 0
    return coupling.reshape(span, span)


def grow(block: Matrix, uniform: Matrix) -> Sites:
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
    coupling: Matrix,
    target: Matrix,
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


def pair_means(sites: Sites, span: int) -> Matrix:
    """Mean of s(x, y) s(x+i, y+j) over the lattice, for 0 <= i, j < span."""
    means = np.empty((span, span))
    for i, j in np.ndindex(span, span):
        means[i, j] = (sites * np.roll(sites, (-i, -j), (0, 1))).sum() / sites.size
    return means


def _neighbours(size: int, pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Places of the two neighbours (i, j) and (-i, -j) of every site, pair by pair."""
    place = np.arange(size * size).reshape(size, size)
    shifted = [np.roll(place, (d * i, d * j), (0, 1)) for i, j in pairs for d in (-1, 1)]
    return np.stack([each.ravel() for each in shifted], axis=1)


# Images


def image(
    sites: Sites, lot_size: int, lots: int, seed: Seed, pixels: int = 64
) -> NDArray[np.float64]:
    """Diffraction image, h and k from 0 to 2 r.l.u., one FFT per lot.

    A transform of length 63 has its points 1/63 r.l.u. apart; every second one is wanted, twice
    round. (In general: one less than the pixels along each axis.)
    """
    points = pixels - 1
    mean = sites.mean()
    intensity = np.zeros((points, points))
    for x, y in np.random.default_rng(seed).integers(len(sites), size=(lots, 2)):
        window = np.roll(sites, (-x, -y), axis=(0, 1))[:lot_size, :lot_size]
        intensity += np.abs(np.fft.fft2(window - mean, (points, points))) ** 2
    wanted = 2 * np.arange(pixels) % points
    return intensity[np.ix_(wanted, wanted)] / (lots * lot_size**2 * (1 - mean**2))


def expected_image(target: Matrix, lot_size: int, pixels: int = 64) -> NDArray[np.float64]:
    """Mean image of all lattices with an encoding."""
    size = 2 * lot_size
    rho = np.fft.ifft2(spectrum(np.sin(np.pi / 2 * target), size)).real
    places = np.arange(1 - lot_size, lot_size) % size
    rho = np.clip(rho / rho[0, 0], -1, 1)[np.ix_(places, places)]
    return distance_sum(2 / np.pi * np.arcsin(rho), lot_size, pixels)


def distance_sum(c: Matrix, lot_size: int, pixels: int = 64) -> NDArray[np.float64]:
    """Sum up the image of correlations, c(0, 0) in the middle, over all distances in a lot."""
    h, k = 4 * np.pi / (pixels - 1) * np.mgrid[:pixels, :pixels]
    intensity = np.zeros((pixels, pixels))
    for (row, column), value in np.ndenumerate(c):
        i, j = row - len(c) // 2, column - len(c) // 2
        window = (1 - abs(i) / lot_size) * (1 - abs(j) / lot_size)
        intensity += window * value * np.cos(i * h + j * k)
    return intensity


def delta_pdf(image: NDArray[np.floating], span: int, lot_size: int) -> Matrix:
    """Matrix of correlations as the Fourier sum of an image over its 2 x 2 cells."""
    q = 2 * np.arange(63) / 63
    matrix = np.empty((span, span))
    for i in range(span):
        for j in range(span):
            matrix[i, j] = (image[:-1, :-1] * np.cos(2 * np.pi * np.add.outer(i * q, j * q))).sum()
    reach = 1 - np.arange(span) / lot_size
    matrix /= matrix[0, 0] * np.outer(reach, reach)
    return np.clip(matrix, -1, 1)
