"""Diffuse scattering of a crystal: random ensembles whose correlations are known exactly.

A beam illuminates 10^12 unit cells and more, so the diffuse intensity of a crystal is the smooth
spectrum S(q) of the ensemble and has no speckle. Each function of `ENSEMBLES` draws one ensemble
of a kind and gives its correlations c(i, j) at all distances, from closed forms: nothing is
simulated and nothing is noisy. `random_crystal` makes the image and the label from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import fft

from xrlab.crystal.arrays import Floats
from xrlab.crystal.diffraction import correlation_image
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.spectrum import lattice_correlation

# Sites along each axis of the periodic lattice that stands for an endless one.
SIZE = 128

# Longest coherence of an image, in sites: the standard deviation in r.l.u. is then
# 1 / (2 pi 20) = 0.008, a quarter of the step between pixels, so no maximum falls between them.
COHERENCE = 20.0

# Span of the labels.
SPAN = 4


@dataclass(frozen=True, eq=False)
class Crystal:
    """The image of an ensemble, and what the image is to be read as.

    Parameters
    ----------
    kind : str
        One of `ENSEMBLES`.
    image : float64 array, shape (64, 64)
        On the standard grid in Laue units, seen at a finite resolution.
    vector : float64 array, shape (15,)
        c(i, j) of the ensemble for span 4, without the resolution.
    """

    kind: str
    image: Floats
    vector: Floats


def correlations_of(spectrum: Floats) -> Floats:
    """Correlations c(i, j) at all distances modulo N of a spectrum S >= 0, shape (N, N)."""
    c = fft.ifft2(spectrum).real
    return c / c[0, 0]


def spectrum_of(correlations: Floats) -> Floats:
    """Spectrum S at h, k = 0, 1/N, ... of the correlations at all distances modulo N."""
    return fft.fft2(correlations).real


def cut(correlations: Floats, concentration: float) -> Floats:
    """Correlations of the +-1 lattice that is a Gaussian field with these, cut at a threshold.

    See `xrlab.crystal.spectrum.lattice_correlation` for the formula and its sources.
    """
    return lattice_correlation(np.clip(correlations, -1, 1), concentration)


def _mirrored(correlations: Floats) -> Floats:
    """Values at (i, -j) in place of those at (i, j)."""
    return np.roll(correlations[:, ::-1], 1, axis=1)


def moved(correlations: Floats, rng: np.random.Generator) -> Floats:
    """Mirror, shear or exchange the axes of a periodic lattice by chance: c(i, -j) becomes free."""
    if rng.random() < 0.5:
        correlations = _mirrored(correlations)
    if rng.random() < 0.35:
        rows, columns = np.indices(correlations.shape)
        steps = rng.choice([-2, -1, 1, 2], p=[0.1, 0.4, 0.4, 0.1])
        correlations = correlations[rows, (columns + steps * rows) % len(correlations)]
    return correlations.T if rng.random() < 0.5 else correlations


def random_waves(
    rng: np.random.Generator, span: int, amplitude: float, decay: float, terms: int | None = None
) -> Floats:
    """Draw a random cosine series sum a_ij cos 2 pi (h i + k j) over a half-plane, shape (N, N).

    Some series are alike on both sides of the axes, or on both sides of the diagonal, as the
    couplings of most crystals are.

    Parameters
    ----------
    span : int
        Distances |i|, |j| < span.
    amplitude, decay : float
        a_ij is normal with standard deviation amplitude / r^decay, r = |(i, j)|.
    terms : int, optional
        Number of distances with a coefficient, chosen at random; all without it.
    """
    half = [(i, j) for i in range(span) for j in range(1 - span, span) if i > 0 or j > 0]
    if terms is not None:
        half = [half[n] for n in rng.choice(len(half), min(terms, len(half)), replace=False)]
    i, j = np.array(half).T
    coefficients = np.zeros((SIZE, SIZE))
    coefficients[i, j] = rng.normal(0, amplitude / 2, len(half)) / np.hypot(i, j) ** decay
    coefficients[-i, -j] = coefficients[i, j]
    if rng.random() < 0.35:
        coefficients = (coefficients + _mirrored(coefficients)) / 2**0.5
    if rng.random() < 0.25:
        coefficients = (coefficients + coefficients.T) / 2**0.5
    return spectrum_of(coefficients)


def log_series(rng: np.random.Generator) -> Floats:
    """Draw ln S as a random cosine series (Bloomfield, Biometrika 60, 217, 1973)."""
    span, strength = int(rng.integers(2, 7)), rng.uniform(0.2, 3)
    waves = random_waves(rng, span, strength, rng.uniform(0, 1.5))
    return correlations_of(np.exp(waves - waves.max()))


def mean_field(rng: np.random.Generator) -> Floats:
    """Draw S = 1 / (mu - J(q)) with random couplings, also frustrated ones.

    The spherical model, or the linear response of Krivoglaz, Clapp and Moss (Phys. Rev. 142, 418,
    1966); with couplings of nearest neighbours the form of Ornstein and Zernike.
    """
    terms = int(rng.integers(1, 9)) if rng.random() < 0.7 else None
    waves = random_waves(rng, int(rng.integers(2, 6)), 1.0, rng.uniform(0, 2), terms)
    waves /= np.abs(waves).max()
    return correlations_of(
        1 / (waves.max() - waves + np.exp(rng.uniform(np.log(0.002), np.log(1.5))))
    )


def moving_average(rng: np.random.Generator) -> Floats:
    """Draw S = |sum a_r exp 2 pi i q r|^2: clusters of 3 to 7 sites placed at random."""
    span, terms = int(rng.integers(2, 5)), int(rng.integers(3, 8))
    weights = np.zeros((SIZE, SIZE))
    sites = rng.choice(span * span, min(terms, span * span), replace=False)
    weights[sites // span, sites % span] = rng.normal(0, 1, len(sites))
    return correlations_of(np.abs(fft.fft2(weights)) ** 2)


def separable(rng: np.random.Generator) -> Floats:
    """Draw c(i, j) = f(i) g(j), the order along one axis often weak or absent: streaks."""
    chains = []
    for strength in rng.permutation([rng.uniform(0.3, 2), rng.choice([0, rng.uniform(0, 1)])]):
        order = np.arange(1, int(rng.integers(2, 8)))
        angle = 2 * np.pi * np.outer(np.arange(SIZE) / SIZE, order)
        logarithm = np.cos(angle) @ (rng.normal(0, strength, len(order)) / order**0.7)
        chain = fft.ifft(np.exp(logarithm)).real
        chains.append(chain / chain[0])
    return np.outer(*chains)


def growth(rng: np.random.Generator) -> Floats:
    """Draw c(i, j) = r^|i| s^|j|, a product of two Poisson kernels: a Pickard field."""
    steps = np.minimum(np.arange(SIZE), SIZE - np.arange(SIZE))
    r, s = rng.uniform(-0.93, 0.93, 2)
    return np.outer(r**steps, s**steps)


def constrained(rng: np.random.Generator) -> Floats:
    """One component of a field of two under a local constraint: pinch points, as in the ice rules.

    A field s of two components whose weighted divergence D(q) s is suppressed has the spectrum
    (1 + K |d_2|^2) / (1 + K |d_1|^2 + K |d_2|^2) of the first one (Henley, Annu. Rev. Condens.
    Matter Phys. 1, 179, 2010), here with D from random short differences, half of the time between
    nearest neighbours along **a** and **b**, as in the ice rules themselves.
    """
    q = np.arange(SIZE) / SIZE
    nearest = rng.random() < 0.5
    stencils = []
    for axis in range(2):
        i, j = (1 - axis, axis) if nearest else rng.integers(-2, 3, 2)
        if i == j == 0:
            i = 1
        wave = np.exp(2j * np.pi * (q[:, None] * i + q * j))
        stencils.append(np.abs(1 + rng.choice([-1, 1]) * wave) ** 2)
    stiff = np.exp(rng.uniform(np.log(0.3), np.log(100)))
    across, along = stiff * stencils[0], stiff * stencils[1]
    return correlations_of((1 + along) / (1 + along + across))


def domains(rng: np.random.Generator) -> Floats:
    """Draw a superstructure, c = cos 2 pi q r, that loses its phase at random walls.

    Walls across **a** and **b** at random places give exp(-|i|/u - |j|/v) (Wilson, Proc. R. Soc. A
    180, 277, 1942), walls in random directions exp(-|r|) (Debye).
    """
    steps = np.fft.fftfreq(SIZE, 1 / SIZE)
    u, v = np.exp(rng.uniform(np.log(0.7), np.log(15), 2))
    i, j = steps[:, None] / u, steps / v
    fall = np.exp(-np.hypot(i, j) if rng.random() < 0.4 else -np.abs(i) - np.abs(j))
    place = rng.choice([0, 1 / 4, 1 / 3, 1 / 2], 2) if rng.random() < 0.8 else rng.random(2) / 2
    phase = 2 * np.pi * (steps[:, None] * place[0] + steps * place[1])
    order = fall * np.cos(phase)
    order *= rng.uniform(0.4, 1)  # the rest of the sites are occupied at random
    order[0, 0] = 1
    return (order + np.roll(order[::-1, ::-1], 1, (0, 1))) / 2  # alike at r and -r on the border


def clusters(rng: np.random.Generator) -> Floats:
    """Draw sites of one kind that come together: maxima at the Bragg positions, where they hide.

    c is a sum of one to three exp(-r / x) (Debye, Anderson and Brumberger, J. Appl. Phys. 28, 679,
    1957), x from 0.5 to 20 sites and another one along **b**; of three, short and long ones
    together fall as a power of r does near a critical point. A part of the sites is random.
    """
    steps = np.fft.fftfreq(SIZE, 1 / SIZE)
    c = np.zeros((SIZE, SIZE))
    for part in rng.dirichlet(np.ones(int(rng.integers(1, 4)))):
        x = np.exp(rng.uniform(np.log(0.5), np.log(20)))
        ratio = np.exp(rng.normal(0, 0.4)) if rng.random() < 0.5 else 1.0
        c += part * np.exp(-np.hypot(steps[:, None] / x, steps / x / ratio))
    c *= rng.uniform(0.2, 1)
    c[0, 0] = 1
    return c


def maxima(rng: np.random.Generator) -> Floats:
    """Draw S with sharp maxima, some of them streaks, at random places on a random level."""
    q = np.arange(SIZE) / SIZE
    level = random_waves(rng, 3, rng.uniform(0, 0.7), 1)
    spectrum = np.exp(rng.uniform(np.log(0.03), np.log(2))) * np.exp(level - level.mean())
    for _ in range(int(rng.integers(1, 4))):
        place = rng.choice([0, 1 / 4, 1 / 3, 1 / 2], 2) if rng.random() < 0.5 else rng.random(2)
        width = np.exp(rng.uniform(np.log(0.015), np.log(0.2), 2))
        if rng.random() < 0.15:
            width[rng.integers(2)] = 10
        angle, strength = rng.uniform(0, np.pi), rng.exponential(1)
        for sign in (1, -1):
            h = (q[:, None] - sign * place[0] + 0.5) % 1 - 0.5
            k = (q - sign * place[1] + 0.5) % 1 - 0.5
            if width.max() < 1:
                h, k = (
                    h * np.cos(angle) + k * np.sin(angle),
                    k * np.cos(angle) - h * np.sin(angle),
                )
            distance = (h / width[0]) ** 2 + (k / width[1]) ** 2
            area = 1 / np.minimum(width, 0.5).prod() ** 0.6 / 10
            peak = np.exp(-distance / 2) if rng.random() < 0.5 else 1 / (1 + distance)
            spectrum = spectrum + strength * area * peak
    spectrum = (spectrum + np.roll(spectrum[::-1, ::-1], 1, (0, 1))) / 2
    return correlations_of(spectrum)


def disordered(rng: np.random.Generator) -> Floats:
    """No order at all: c = 0 and S = 1."""
    c = np.zeros((SIZE, SIZE))
    c[0, 0] = 1
    return c


# Each kind with its share of the images.
ENSEMBLES: dict[Callable[[np.random.Generator], Floats], float] = {
    log_series: 0.28,
    mean_field: 0.22,
    moving_average: 0.06,
    separable: 0.07,
    growth: 0.06,
    constrained: 0.06,
    domains: 0.07,
    maxima: 0.07,
    clusters: 0.09,
    disordered: 0.02,
}


def random_crystal(rng: np.random.Generator, weights: Mapping[str, float] | None = None) -> Crystal:
    """Draw an ensemble of a random kind and calculate its image, without any noise.

    Half of the ensembles are Gaussian fields cut at a random concentration from 0.2 to 0.8, a
    fifth has weak order, all may be mirrored and sheared. The resolution is a Gaussian of 4 to
    20 sites or a window of lots of 10 to 400 sites.

    Parameters
    ----------
    rng : numpy Generator
    weights : mapping, optional
        Weight of each kind, by the name of its function; those of `ENSEMBLES` if not given.
    """
    chosen = {each.__name__: share for each, share in ENSEMBLES.items()}
    if weights is not None:
        chosen = {name: weights.get(name, 0) for name in chosen}
    shares = np.fromiter(chosen.values(), float)
    ensemble = list(ENSEMBLES)[rng.choice(len(shares), p=shares / shares.sum())]
    c = ensemble(rng)
    if rng.random() < 0.5:
        c = cut(c, 0.5 if rng.random() < 0.6 else rng.uniform(0.2, 0.8))
    if rng.random() < 0.2:
        c = c * np.exp(rng.uniform(np.log(0.02), 0))
        c[0, 0] = 1
    c = moved(c, rng)
    lots = float(np.exp(rng.uniform(np.log(10), np.log(400)))) if rng.random() < 0.5 else np.inf
    coherence = COHERENCE if lots < np.inf else np.exp(rng.uniform(np.log(4), np.log(COHERENCE)))
    return Crystal(ensemble.__name__, image_of(c, coherence, lots), vector_of(c))


def vector_of(correlations: Floats) -> Floats:
    """Take the 15 values of span 4 from the correlations at all distances modulo N."""
    return correlations[:SPAN, :SPAN].ravel()[1:].copy()


def image_of(correlations: Floats, coherence: float = COHERENCE, lots: float = np.inf) -> Floats:
    """Image on the standard grid of correlations at all distances modulo N, in Laue units.

    Parameters
    ----------
    correlations : float64 array, shape (N, N)
    coherence : float
        c(i, j) is multiplied by exp(-(i^2 + j^2) / (2 coherence^2)): a Gaussian resolution of
        standard deviation 1 / (2 pi coherence) r.l.u.
    lots : float
        and by (1 - |i|/lots)(1 - |j|/lots), as a mean over windows of so many sites.
    """
    reach = len(correlations) // 2 - 1
    steps = np.arange(-reach, reach + 1)
    window = np.exp(-(steps**2) / (2 * coherence**2)) * np.maximum(1 - np.abs(steps) / lots, 0)
    near = correlations[np.ix_(steps, steps)] * np.outer(window, window)
    return np.maximum(correlation_image(near, STANDARD_GRID), 0)
