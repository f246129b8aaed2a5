"""Inner loops, compiled by numba and kept in its cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

# Newton's steps double the digits at the end; far fewer than these are ever used.
MAX_STEPS = 200

# 1/S where S is to be 0; its logarithm stays finite.
NO_SPECTRUM = 1e300


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile the decorated function at its first call, or load it from numba's cache."""
    try:
        return njit(cache=True, nogil=True)(kernel)
    except RuntimeError:  # no folder for the cache can be written: compiled in every process
        return njit(nogil=True)(kernel)


@compiled
def grow(block, uniform):  # type: ignore[no-untyped-def]
    """Sites of a lattice from a uniform random number for each and the odds of 2 x 2 blocks."""
    size = len(uniform)
    one = block.sum(axis=0).sum(axis=0).sum(axis=0)  # of D alone
    after_a = block.sum(axis=0).sum(axis=1)  # of (B, D)
    after_b = block.sum(axis=0).sum(axis=0)  # of (C, D)
    sites = np.zeros((size, size), np.int8)
    for x in range(size):
        for y in range(size):
            if x and y:
                odds = block[sites[x - 1, y - 1], sites[x - 1, y], sites[x, y - 1]]
            elif x:
                odds = after_a[sites[x - 1, y]]
            elif y:
                odds = after_b[sites[x, y - 1]]
            else:
                odds = one
            sites[x, y] = uniform[x, y] * (odds[0] + odds[1]) < odds[1]
    return 2 * sites - 1


@compiled
def pseudo_likelihood(sites, span):  # type: ignore[no-untyped-def]
    """Couplings J_ij, and a field that is not returned, under which the sites are likeliest.

    Each site given its neighbours has <s> = tanh(field + sum J_ij (s(x+i, y+j) + s(x-i, y-j))):
    a logistic regression, solved by Newton's method.
    """
    size, n_terms = len(sites), span * span
    wide = _wrapped(sites, span)
    terms = np.empty((n_terms, size * size))
    terms[0] = 1.0  # in place of c(0, 0): the field
    for k in range(1, n_terms):
        i, j = k // span, k % span
        for x in range(size):
            ahead = wide[x + span + i, span + j : span + j + size]
            behind = wide[x + span - i, span - j : span - j + size]
            terms[k, x * size : (x + 1) * size] = ahead + behind
    spins = sites.copy().reshape(size * size).astype(np.float64)
    coupling = np.zeros(n_terms)
    ridge = 1e-3  # keeps couplings finite where the sites leave no doubt
    for _ in range(6):
        mean = np.tanh(coupling @ terms)
        gradient = terms @ (spins - mean) / size**2 - ridge * coupling
        hessian = (terms * (1 - mean**2)) @ terms.T / size**2 + ridge * np.eye(n_terms)
        coupling += np.linalg.solve(hessian, gradient)
    coupling[0] = 0.0
    return coupling.reshape(span, span)


@compiled
def swap_cycles(sites, coupling, target, cycles, gain, rng):  # type: ignore[no-untyped-def]
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
        realised = (pair_means(sites, span) - square_mean) / (1 - square_mean)
        coupling += gain * (target - realised)


@compiled
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


@compiled
def pair_means(sites, span):  # type: ignore[no-untyped-def]
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


@compiled
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


@compiled
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


@compiled
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


@compiled
def newton(rho, start, size, fixed_mean, softness, tolerance):  # type: ignore[no-untyped-def]
    """Minimise the dual; return multipliers, spectrum, steps, and whether there is a solution.

    Without a solution the multipliers are the proof: 1/S > 0, and yet <rho, 1/S> <= 0.
    """
    n = len(rho)
    n_terms = n * n
    weight = np.full(n_terms, 2.0)  # distances (i, j) and (-i, -j)
    weight[0] = 1.0
    target = rho.copy().reshape(n_terms)
    soft = np.full(n_terms, softness)
    soft[0] = 0.0
    turn = unit_waves(size)
    lam = start.copy().reshape(n_terms)
    inverse = inverse_spectrum(lam, turn, fixed_mean)
    value = (weight * target * lam).sum() + 0.5 * (weight * soft * lam**2).sum()
    value -= np.log(inverse).mean()
    last = np.inf
    hessian = np.empty((n_terms, n_terms))
    for step in range(MAX_STEPS):
        first, second = moments(inverse, n, turn)
        gradient = np.empty(n_terms)
        worst = 0.0
        for k in range(n_terms):
            missed = target[k] + soft[k] * lam[k] - first[k // n, k % n]
            gradient[k] = weight[k] * missed
            worst = max(worst, abs(missed))
        stalled = worst < 1e-7 and worst > last / 2  # nothing left but rounding
        if worst < tolerance or stalled:
            return lam.reshape(n, n), 1 / inverse, step, True
        last = worst
        for k in range(n_terms):
            for m in range(k + 1):
                i, j, x, y = k // n, k % n, m // n, m % n
                ahead = second[i - x, j - y + n - 1] if i >= x else second[x - i, y - j + n - 1]
                both = second[i + x, j + y + n - 1]
                hessian[k, m] = hessian[m, k] = 0.5 * weight[k] * weight[m] * (ahead + both)
            hessian[k, k] += weight[k] * soft[k]
        for k in range(n_terms):  # so that rounding never makes it singular
            hessian[k, k] *= 1 + 1e-12
        direction = -np.linalg.solve(hessian, gradient)
        slope = (gradient * direction).sum()
        length = 1.0
        while True:
            trial = lam + length * direction
            inverse = inverse_spectrum(trial, turn, fixed_mean)
            if inverse.min() > 0:
                product = (weight * target * trial).sum()
                attempt = product + 0.5 * (weight * soft * trial**2).sum()
                attempt -= np.log(inverse).mean()
                if softness == 0 and product <= 0:
                    return trial.reshape(n, n), inverse, step, False
                if attempt <= value + 0.1 * length * slope + 1e-12 or length < 1e-9:
                    break
            length /= 2
        lam, value = trial, attempt
    return lam.reshape(n, n), 1 / inverse, MAX_STEPS, False


@compiled
def unit_waves(size):  # type: ignore[no-untyped-def]
    """Waves of the grid: exp 2 pi i h at h = 0, 1/N, ..., (N - 1)/N."""
    return np.exp(2j * np.pi * np.arange(size) / size)


@compiled
def inverse_spectrum(lam, turn, fixed_mean):  # type: ignore[no-untyped-def]
    """lambda_00 + 2 sum lambda_ij cos 2 pi (h i + k j) on the whole grid."""
    size, n = len(turn), round(np.sqrt(len(lam)))
    along_k = np.zeros((n, size), np.complex128)
    for i in range(n):
        for j in range(n):
            factor = lam[i * n + j] * (1.0 if i == 0 and j == 0 else 2.0)
            for k in range(size):
                along_k[i, k] += factor * turn[(j * k) % size]
    inverse = np.zeros((size, size))
    for h in range(size // 2 + 1):
        for i in range(n):
            phase = turn[(i * h) % size]
            for k in range(size):
                inverse[h, k] += (phase * along_k[i, k]).real
    for h in range(size // 2 + 1, size):  # S(-q) = S(q)
        for k in range(size):
            inverse[h, k] = inverse[size - h, (size - k) % size]
    if fixed_mean:
        inverse[0, 0] = NO_SPECTRUM
    return inverse


@compiled
def moments(inverse, n, turn):  # type: ignore[no-untyped-def]
    """Cosine moments of S for 0 <= i, j < n, and of S^2 for 0 <= i <= 2n - 2, 1 - n <= j <= 2n - 2.

    The second has its j = 0 at column n - 1.
    """
    size = len(inverse)
    first = np.zeros((n, n))
    second = np.zeros((2 * n - 1, 3 * n - 2))
    row = np.empty(size)
    for h in range(size // 2 + 1):
        share = (1.0 if h == 0 or 2 * h == size else 2.0) / size**2
        for k in range(size):
            row[k] = 1 / inverse[h, k]
        for j in range(n):
            total = 0j
            for k in range(size):
                total += row[k] * turn[(j * k) % size]
            for i in range(n):
                first[i, j] += share * (total * turn[(i * h) % size]).real
        for k in range(size):
            row[k] *= row[k]
        for j in range(1 - n, 2 * n - 1):
            total = 0j
            for k in range(size):
                total += row[k] * turn[(j * k) % size]
            for i in range(2 * n - 1):
                second[i, j + n - 1] += share * (total * turn[(i * h) % size]).real
    return first, second
