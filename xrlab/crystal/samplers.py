"""The three ways to make a disordered lattice, one signature each.

A sampler takes the target encoding, the number of sites along each axis, a random generator and
the concentration, and returns the sites. `monte_carlo` is the reference, `gaussian` the fast one,
`growth` the one whose correlations are known exactly at every distance.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import numpy as np
from scipy import fft

from xrlab.crystal.arrays import Floats, Sites, Waves
from xrlab.crystal.encoding import Encoding, component_names, vector_length
from xrlab.crystal.spectrum import Spectrum, field_correlation, maximum_entropy, phase_shift

Start = Literal["warm", "cold"]

# Change of a coupling J per cycle and unit of missing correlation. The study of 2023 used 1/2:
# larger values overshoot, smaller ones need more cycles.
GAIN = 0.5

# A warm start needs this many times fewer cycles than a cold one for lattices that a two-sample
# test cannot tell apart (tests/test_samplers.py).
WARM_SAVES = 8

# A cold run builds up order at about one site per this many cycles; a warm start is cut off at the
# same range.
CYCLES_PER_SITE = 16

# Decimals of the couplings of a warm start. Libraries of linear algebra differ by 1e-15, which can
# turn a swap that costs nothing into one that costs 1e-16 and draws a random number more: without
# rounding, the same seed would give another lattice on another machine.
COUPLING_DIGITS = 9


def default_cycles(span: int, size: int) -> int:
    """Monte Carlo cycles after which a cold start no longer changes its correlations on average.

    200 for span 2, 300 for larger spans, 500 for lattices larger than 64 x 64.

    >>> default_cycles(2, 50), default_cycles(4, 50), default_cycles(4, 96)
    (200, 300, 500)
    """
    vector_length(span)
    if size > 64:
        return 500
    return 200 if span == 2 else 300


def monte_carlo(
    encoding: Encoding,
    size: int,
    rng: np.random.Generator,
    concentration: float = 0.5,
    *,
    cycles: int | None = None,
    start: Start = "warm",
) -> Sites:
    """Metropolis swaps at kT = 1 with couplings that learn the target (Welberry's method).

    E = -sum over pairs of J_ij s s', where J_ij couples a site to those at (i, j) and (-i, -j).
    A cycle is one attempted swap of a +1 with a -1 per site; after it J_ij grows by `GAIN` times
    the correlation still missing.

    A cold start is a random lattice with all J = 0. A warm start is a thresholded Gaussian field
    (see `gaussian`), its order cut off where a cold run's would end, and the couplings that this
    field's neighbourhoods suggest: those of largest pseudo-likelihood (Besag, J. R. Stat. Soc. B
    36, 192, 1974). Where no such field exists the start is cold whatever was asked.
    """
    from xrlab.crystal.kernels import pseudo_likelihood, swap_cycles

    if start not in ("warm", "cold"):
        raise ValueError(f"a Monte Carlo run starts 'warm' or 'cold'; got {start!r}")
    cold_cycles = default_cycles(encoding.span, size)
    coupling = np.zeros_like(encoding.matrix)
    spectrum = None
    if start == "warm":
        with suppress(ValueError):  # no such field
            spectrum = _field_spectrum(encoding, size, concentration)
    if spectrum is None:
        flat = np.full(size * size, -1, np.int8)
        flat[: round(concentration * flat.size)] = 1
        sites = rng.permutation(flat).reshape(size, size)
        cycles = cycles or cold_cycles
    else:
        noise = _phases(size, rng)
        coupling = pseudo_likelihood(_cut(spectrum.values, noise, concentration), encoding.span)
        coupling = coupling.round(COUPLING_DIGITS)
        sites = _cut(spectrum.blurred(cold_cycles / CYCLES_PER_SITE), noise, concentration)
        cycles = cycles or cold_cycles // WARM_SAVES
    swap_cycles(sites, coupling, encoding.matrix, cycles, GAIN, rng)
    return sites


def gaussian(
    encoding: Encoding, size: int, rng: np.random.Generator, concentration: float = 0.5
) -> Sites:
    """Cut a Gaussian field with the maximum-entropy spectrum at a threshold: no equilibration.

    The field has correlations rho that the cut turns into the wanted c, rho = sin(pi c / 2) at
    concentration 1/2 (`spectrum.field_correlation`). Its Fourier amplitudes are sqrt(S) with random
    phases: with random amplitudes too, a lattice with a sharp maximum of S would miss its target
    several times further. The threshold is where the concentration comes out exactly. What that and
    the fixed amplitudes do to the correlations on average is corrected for (`_without_bias`).

    Raises
    ------
    NotRealisableError
        If no Gaussian field has these correlations.
    """
    spectrum = _field_spectrum(encoding, size, concentration)
    spectrum = _without_bias(spectrum, encoding, concentration)
    return _cut(spectrum.values, _phases(size, rng), concentration)


def growth(
    encoding: Encoding, size: int, rng: np.random.Generator, concentration: float = 0.5
) -> Sites:
    """Grow a lattice site by site so that c(i, j) = r^|i| s^|j| exactly: a Pickard field.

    The first row and column are Markov chains; every other site D is drawn given its neighbours
    A B / C D, with probabilities under which any three of the four are a Markov chain (Pickard,
    Adv. Appl. Probab. 12, 655, 1980). The lattice is not periodic, so pairs across its edges
    are uncorrelated, and its concentration holds on average only.

    Raises
    ------
    ValueError
        If the encoding is not of that form, r = c(1, 0) and s = c(0, 1), or a correlation is too
        negative for the concentration.
    """
    from xrlab.crystal.kernels import grow

    along_a, along_b = encoding.matrix[1, 0], encoding.matrix[0, 1]
    reach = np.arange(encoding.span)
    product = np.outer(along_a**reach, along_b**reach).ravel()[1:]
    wrong = np.abs(product - encoding.vector)
    if wrong.max() > 1e-9:
        name = component_names(encoding.span)[int(wrong.argmax())]
        raise ValueError(
            f"the growth sampler makes c(i, j) = c(1, 0)^i c(0, 1)^j only; {name} is "
            f"{encoding.vector[wrong.argmax()]:.3g} instead of {product[wrong.argmax()]:.3g}: "
            f"take Encoding.product, or another sampler"
        )
    odds = growth_odds(along_a, along_b, concentration)
    return grow(odds, rng.random((size, size))).astype(np.int8)


Sampler = Callable[..., Sites]
SAMPLERS: dict[str, Sampler] = {"monte_carlo": monte_carlo, "gaussian": gaussian, "growth": growth}


def _field_spectrum(encoding: Encoding, size: int, concentration: float) -> Spectrum:
    rho = field_correlation(encoding.matrix, concentration)
    rho[0, 0] = 1.0
    return maximum_entropy(rho, size)


def _without_bias(spectrum: Spectrum, encoding: Encoding, concentration: float) -> Spectrum:
    """Spectrum whose cut fields have the wanted correlations on average on a finite lattice.

    A fixed concentration takes S(0, 0) out of the field, random phases shift the correlations
    (`spectrum.phase_shift`). Where no spectrum makes up for both, it stays as it is.
    """
    with suppress(ValueError):
        corrected = encoding.matrix - phase_shift(spectrum, encoding.span, concentration)
        if np.abs(corrected).max() <= 1:
            rho = field_correlation(corrected, concentration)
            rho[0, 0] = 1.0
            size = len(spectrum.values)
            return maximum_entropy(rho, size, fixed_mean=True, tolerance=1e-6, start=spectrum)
    return spectrum


def cut_field(spectrum: Floats, rng: np.random.Generator) -> Sites:
    """Make the lattice of a Gaussian field with any spectrum, shape (N, N), cut at its middle."""
    return _cut(spectrum, _phases(len(spectrum), rng), 0.5)


def _phases(size: int, rng: np.random.Generator) -> Waves:
    """Fourier coefficients of modulus 1 and random phase of a real N x N field."""
    noise = fft.rfft2(rng.standard_normal((size, size)))
    return noise / np.abs(noise)


def _cut(spectrum: Floats, phases: Waves, concentration: float) -> Sites:
    """Lattice that is +1 where the field of this spectrum is highest."""
    field = fft.irfft2(np.sqrt(spectrum[:, : phases.shape[1]]) * phases, s=spectrum.shape).ravel()
    n_minus = field.size - round(concentration * field.size)
    sites = np.full(field.size, -1, np.int8)
    sites[np.argpartition(field, n_minus)[n_minus:]] = 1
    return sites.reshape(spectrum.shape)


def growth_odds(r: float, s: float, concentration: float) -> Floats:
    """Joint probabilities, shape (2, 2, 2, 2), of four sites A B / C D, each -1 or +1.

    Any three of the four are a Markov chain along the two bonds between them, with correlation r
    along a (A to C, B to D) and s along b. That fixes every moment up to <ABCD>, of which the
    middle allowed value is taken.
    """
    mean = 2 * concentration - 1
    lowest = -(1 - abs(mean)) / (1 + abs(mean))
    if min(r, s) < lowest - 1e-12:
        raise ValueError(
            f"a correlation of {min(r, s):.3g} is impossible at a concentration of "
            f"{concentration:g}: the lowest there is {lowest:.3g}"
        )
    pair_a, pair_b, pair_diagonal = (mean**2 + (1 - mean**2) * c for c in (r, s, r * s))
    corner = sum(  # <xyz> for a corner y and its two neighbours x and z
        odds * y * (mean + r * (y - mean)) * (mean + s * (y - mean))
        for y, odds in ((1, concentration), (-1, 1 - concentration))
    )
    a, b, c, d = np.indices((2, 2, 2, 2)) * 2 - 1
    block = 1 + mean * (a + b + c + d) + pair_b * (a * b + c * d) + pair_a * (a * c + b * d)
    block += pair_diagonal * (a * d + b * c)
    block += corner * (a * b * c + a * b * d + a * c * d + b * c * d)
    even = a * b * c * d > 0
    lower, upper = -block[even].min(), block[~even].min()
    if lower > upper + 1e-12:
        raise ValueError(
            f"there is no field to grow with c(1, 0) = {r:.3g} and c(0, 1) = {s:.3g} at a "
            f"concentration of {concentration:g}; weaker correlations or a concentration nearer "
            f"1/2 are possible"
        )
    return np.maximum(block + a * b * c * d * (lower + upper) / 2, 0) / 16
