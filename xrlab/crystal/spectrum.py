"""Gaussian fields with wanted correlations, the model behind the fast sampler.

A Gaussian field on a lattice, cut at a threshold, is a lattice of +1 and -1. The correlations rho
of the field and c of the lattice determine each other, and of all fields that have given
correlations rho the one of maximum entropy has the spectrum S(q) = 1 / sum lambda_k cos 2 pi q r_k
(Burg's theorem). Here rho and lambda are n x n matrices over the distances (i, j),
0 <= i, j < n, as in an encoding; nothing is asked of (i, -j), whose correlation follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, owens_t

from xrlab.crystal.arrays import Floats

# An endless lattice is taken for a periodic one, made larger until what is left of the order half
# way across is negligible. The largest grid takes 0.1 s.
NEGLIGIBLE = 1e-3
LARGEST_GRID = 512


class NotRealisableError(ValueError):
    """No field, or no lattice, has these correlations; `certificate` proves it.

    Parameters
    ----------
    message : str
    certificate : array, shape (n, n)
        Numbers p with p(q) = p_00 + 2 sum p_ij cos 2 pi (h i + k j) >= 0 everywhere. Every
        spectrum S >= 0 then has p_00 + 2 sum p_ij rho_ij = <p S> >= 0; these rho do not.
    """

    def __init__(self, message: str, certificate: Floats) -> None:
        super().__init__(message)
        self.certificate = certificate


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A maximum-entropy spectrum on an N x N grid of one reciprocal cell.

    Parameters
    ----------
    multipliers : array, shape (n, n)
        lambda_ij: 1 / S(h, k) = lambda_00 + 2 sum lambda_ij cos 2 pi (h i + k j).
    values : array, shape (N, N)
        S at h, k = 0, 1/N, ..., (N - 1)/N; its mean is 1.
    steps : int
        Newton steps that it took.
    """

    multipliers: Floats
    values: Floats
    steps: int

    @property
    def correlations(self) -> Floats:
        """Correlations rho of the field at all distances (i, j) modulo N, shape (N, N)."""
        rho = np.fft.fft2(self.values).real / self.values.size
        return np.clip(rho / rho[0, 0], -1, 1)

    def blurred(self, reach: float) -> Floats:
        """S with every rho(i, j) damped by exp(-(i^2 + j^2) / (2 reach^2)), shape (N, N)."""
        size = len(self.values)
        steps = np.minimum(np.arange(size), size - np.arange(size))
        damping = np.exp(-(steps**2) / (2 * reach**2))
        damped = np.fft.fft2(self.correlations * np.outer(damping, damping)).real
        return np.maximum(damped, 0)  # rounding


def maximum_entropy(
    rho: ArrayLike,
    size: int,
    *,
    fixed_mean: bool = False,
    softness: float = 0.0,
    tolerance: float = 1e-10,
    start: Spectrum | None = None,
) -> Spectrum:
    """Find the spectrum of maximum entropy that has given correlations.

    Maximises <ln S> under <S cos 2 pi (h i + k j)> = rho_ij, the mean taken over the `size` x
    `size` grid, by Newton's method on the convex dual, sum w rho lambda - <ln 1/S>
    (Burg 1975; Boyd & Vandenberghe, Convex Optimization, 2004, section 5.1.6 and chapter 9).

    Parameters
    ----------
    rho : array, shape (n, n)
        rho_00 = 1 first. Nothing is asked of rho(i, -j).
    size : int
        Grid points along each axis, 2 n - 1 or more. On the grid of size N the correlations hold
        exactly for the periodic lattice of N x N sites.
    fixed_mean : bool
        Whether S(0, 0) = 0, so that the field of every lattice has the same mean. A proof that
        there is none may then be negative at h = k = 0.
    softness : float
        With 0 the correlations are met or an error is raised. With a positive number e they may
        be missed by e lambda, at a cost of |missed|^2 / 2 e, so that there is always an answer.
    tolerance : float
        Largest error of a correlation.
    start : Spectrum, optional
        An answer to a question like this one, from which fewer steps are left.

    Returns
    -------
    Spectrum

    Raises
    ------
    NotRealisableError
        If no spectrum has these correlations, with the proof.
    ValueError
        If the matrix is no correlation matrix or the grid is too small.

    Examples
    --------
    >>> spectrum = maximum_entropy([[1, 0.5], [0, 0]], size=32)
    >>> spectrum.correlations[0, :4].round(3)  # falls as 0.5^j, the field of a Markov chain
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    # Imported here: numba takes 0.3 s and 70 MB, which an interpretation does not need.
    from xrlab.crystal.kernels import inverse_spectrum, newton, unit_waves

    matrix = np.ascontiguousarray(rho, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix[0, 0] != 1:
        raise ValueError("correlations of a field are a square matrix that begins with 1")
    if size < 2 * len(matrix) - 1:
        raise ValueError(
            f"a grid of {size} points is too small for {len(matrix)} x {len(matrix)} correlations: "
            f"take {2 * len(matrix) - 1} or more"
        )
    # A soft problem gets hard little by little: Newton's steps are long only near the answer.
    easing = [] if softness == 0 else np.geomspace(1, softness, 12)[:-1].tolist()
    multipliers, steps = np.zeros_like(matrix), 0
    multipliers[0, 0] = 1.0
    if start is not None:  # a little away from the border, where steps would be short
        trial = multipliers + 0.8 * (start.multipliers - multipliers)
        if inverse_spectrum(trial.ravel(), unit_waves(size), fixed_mean).min() > 0:
            multipliers = trial
    for soft in [*easing, softness]:
        multipliers, values, more, solved = newton(
            matrix, multipliers, size, fixed_mean, soft, tolerance
        )
        steps += more
    if not solved:
        proof = multipliers / multipliers[0, 0]
        shortfall = proof[0, 0] + 2 * ((proof * matrix).sum() - proof[0, 0])
        raise NotRealisableError(
            "no spectrum S >= 0 has these correlations: a sum of them that is never negative, "
            f"<p S> with p >= 0, would be {shortfall:.3g}",
            proof,
        )
    return Spectrum(multipliers, values, steps)


def extend(
    correlations: ArrayLike, reach: int, concentration: float = 0.5, size: int | None = None
) -> Floats:
    """Continue the correlations of a lattice to far distances, by the field of maximum entropy.

    Parameters
    ----------
    correlations : array, shape (n, n)
        c(i, j) for 0 <= i, j < n.
    reach : int
        The longest distance along each axis.
    concentration : float
    size : int, optional
        For a periodic lattice of so many sites along each axis; without it, for an endless one.

    Returns
    -------
    array, shape (2 reach + 1, 2 reach + 1)
        c(i, j) at [reach + i, reach + j].

    Raises
    ------
    NotRealisableError
        If no field has these correlations.

    Examples
    --------
    >>> extend([[1, 1 / 3], [0, 0]], reach=2)[2].round(3)  # (2/pi) asin(0.5^|j|)
    array([0.161, 0.333, 1.   , 0.333, 0.161])
    """
    rho = field_correlation(correlations, concentration)
    rho[0, 0] = 1.0
    grid = size or 32 << (max(2 * reach, 2 * len(rho), 32) // 32).bit_length() - 1
    spectrum = maximum_entropy(rho, grid)
    while size is None and grid < LARGEST_GRID:
        far = spectrum.correlations
        if np.abs(far[grid // 2]).max() + np.abs(far[:, grid // 2]).max() < NEGLIGIBLE:
            break
        grid *= 2  # a periodic lattice as large as this is not yet an endless one
        spectrum = maximum_entropy(rho, grid, start=spectrum)
    c = lattice_correlation(spectrum.correlations, concentration)
    places = np.arange(-reach, reach + 1) % grid
    return c[np.ix_(places, places)]


def field_correlation(c: ArrayLike, concentration: float = 0.5) -> Floats:
    """Correlation rho that a Gaussian field needs so that its cut-off lattice has correlation c.

    At concentration 1/2, rho = sin(pi c / 2) (Van Vleck & Middleton, Proc. IEEE 54, 2, 1966).
    Otherwise the inverse of `lattice_correlation`, from a table.

    Raises
    ------
    ValueError
        If a correlation is below what the concentration allows: with m = 2 concentration - 1,
        c >= -(1 - |m|) / (1 + |m|).

    Examples
    --------
    >>> field_correlation([1, 0.5, 0, -1]).round(3)
    array([ 1.   ,  0.707,  0.   , -1.   ])
    """
    target = np.asarray(c, np.float64)
    if concentration == 0.5:
        return np.sin(np.pi / 2 * target)
    angles, table = _threshold_table(concentration)
    if target.min() < table[0] - 1e-9:
        raise ValueError(
            f"a correlation of {target.min():.3g} is impossible at a concentration of "
            f"{concentration:g}: the lowest there is {table[0]:.3g}"
        )
    return np.sin(np.interp(target, table, angles))


def lattice_correlation(rho: ArrayLike, concentration: float = 0.5) -> Floats:
    """Correlation c of the lattice that is +1 where a Gaussian field passes its threshold.

    c = 1 - 2 T(t, tan(arccos(rho) / 2)) / (p (1 - p)) with Owen's function T (Ann. Math. Stat. 27,
    1075, 1956) for a threshold t passed with probability p, the concentration; at p = 1/2 this is
    (2/pi) asin(rho).

    Examples
    --------
    >>> lattice_correlation([1, 0.5, -0.5]).round(3)
    array([ 1.   ,  0.333, -0.333])
    >>> lattice_correlation([1, 0.5, -0.5], concentration=0.2).round(3)
    array([ 1.   ,  0.295, -0.197])
    """
    if concentration == 0.5:
        return 2 / np.pi * np.arcsin(np.asarray(rho, np.float64))
    if not 0 < concentration < 1:
        raise ValueError(f"a concentration lies between 0 and 1; got {concentration:g}")
    slope = np.tan(np.arccos(np.asarray(rho, np.float64)) / 2)
    apart = owens_t(ndtri(1 - concentration), slope)
    return 1 - 2 * apart / (concentration * (1 - concentration))


def phase_shift(spectrum: Spectrum, span: int, concentration: float = 0.5) -> Floats:
    """Lattice correlation that a field of random phases has beyond that of a Gaussian one.

    A sum of waves of fixed amplitudes is Gaussian but for its fourth cumulants,
    <x x x' x'> = -sum Q^2 (2 + cos 2 theta) and <x x x x'> = -3 sum Q^2 cos theta, where Q is
    S / sum S without q = 0 and theta = 2 pi (h i + k j). This is the first term of the Edgeworth
    series of the cut field (Kendall & Stuart, Advanced Theory of Statistics I, chapters 3 and 6),
    at thresholds that keep the concentration.

    Returns
    -------
    array, shape (span, span)
        What the cut adds to `lattice_correlation`.
    """
    share = spectrum.values.copy()
    share[0, 0] = 0
    share /= share.sum()
    near = np.arange(span)
    rho = np.fft.fft2(share).real[:span, :span]
    square = np.fft.fft2(share**2).real
    twice = square[np.ix_(2 * near, 2 * near)]
    rho[0, 0] = 0  # nothing to correct
    t = ndtri(1 - concentration)
    g, u = t / (1 + rho), 1 / (1 - rho**2)
    shift = -(2 * square[0, 0] + twice) * (g**2 + u * rho) / 4
    shift -= square[:span, :span] * (g**2 - u)
    shift -= square[0, 0] / 4 * (3 * (1 - t**2) * rho + 3 * t * g * rho**2 + (u - g**2) * rho**3)
    shift *= np.sqrt(u) * np.exp(-t * g) / (2 * np.pi * concentration * (1 - concentration))
    shift[0, 0] = 0
    return shift


def lowest_value(multipliers: Floats, points: int = 256) -> float:
    """Lowest value of p_00 + 2 sum p_ij cos 2 pi (h i + k j) on a fine grid of the cell."""
    wave = np.exp(2j * np.pi * np.outer(np.arange(points) / points, np.arange(len(multipliers))))
    return float((2 * (wave @ multipliers @ wave.T).real - multipliers[0, 0]).min())


@lru_cache(maxsize=32)
def _threshold_table(concentration: float, points: int = 20_001) -> tuple[Floats, Floats]:
    """Angles asin(rho) from -pi/2 to pi/2 and the lattice correlation at each."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, points)
    return angles, lattice_correlation(np.sin(angles), concentration)
