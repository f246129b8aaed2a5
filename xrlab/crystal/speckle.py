"""Speckle: how the finite number of lots makes a simulated image grainy.

The intensity of one lot at one q is exponentially distributed about its mean (Goodman, Speckle
Phenomena in Optics, 2007, chapter 3); the mean of M lots has a relative spread of 1 / sqrt(M).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft
from scipy.special import polygamma

from xrlab.crystal.arrays import Floats, Integers, Reals
from xrlab.crystal.diffraction import correlation_image, expected_image
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.lattice import Lattice
from xrlab.crystal.setting import STANDARD, Setting
from xrlab.crystal.spectrum import NotRealisableError


def effective_lots(size: int, lot_size: int, lots: int) -> float:
    """Count the independent lots that would be as noisy as these overlapping ones.

    Their number is 1 / `expected_grain` squared, as independent lots have a grain of 1 / sqrt(M).

    Parameters
    ----------
    size, lot_size, lots : int
        N, L and M; N is 2 L or more, so that no window meets another one twice.

    Examples
    --------
    >>> round(effective_lots(size=50, lot_size=25, lots=8), 1)
    4.5
    >>> round(effective_lots(size=96, lot_size=48, lots=64), 1)
    8.0
    """
    if not (1 <= lot_size <= size / 2 and lots >= 1):
        raise ValueError(
            f"lots are at most half as wide as the lattice, and at least 1; "
            f"got {lots} of {lot_size} x {lot_size} sites in {size} x {size}"
        )
    return expected_grain(size, lot_size, lots) ** -2


def speckle_density(intensity: ArrayLike, lots: float, expected: ArrayLike = 1.0) -> Floats:
    """Compute the density of intensities that M independent lots show round their expectation S.

    The amplitude of one large lot is a sum of many contributions, so its real and imaginary part
    are normal, and its intensity has the exponential law exp(-I / S) / S; the mean of M has
    Gamma(M, S / M) (Goodman, Speckle Phenomena in Optics, 2007, chapter 3).

    Parameters
    ----------
    intensity : array
        Above 0.
    lots : float
        M, see `effective_lots`.
    expected : float or array
        S; of many values, such as the pixels of an expected image, the mean law is returned.

    Returns
    -------
    float64 array, the shape of `intensity`

    Examples
    --------
    >>> speckle_density([1.0, 2.0], lots=1).round(4)  # exp(-1), exp(-2)
    array([0.3679, 0.1353])
    """
    from scipy.stats import gamma  # imported here: it takes half a second

    values, mean = np.asarray(intensity, float), np.ravel(np.asarray(expected, float))
    return gamma.pdf(values[..., None], lots, scale=mean / lots).mean(axis=-1)


def speckle_contrast(lots: float) -> float:
    """Compute the contrast that M independent lots give by chance, where S is the same everywhere.

    The standard deviation of ln I (see `log_contrast`) of the image of a random crystal: the square
    root of the trigamma function at M.

    >>> round(speckle_contrast(1), 4), round(np.pi / 6**0.5, 4)
    (1.2825, 1.2825)
    """
    return float(np.sqrt(polygamma(1, lots)))


def per_decade(intensities: ArrayLike, edges: ArrayLike) -> Floats:
    """Share of the pixels per factor of ten in intensity.

    Parameters
    ----------
    intensities : array
        Any shape; NaN where unmeasured.
    edges : array, shape (bins + 1,)
        Ends of the bins, rising, above 0.

    Returns
    -------
    float64 array, shape (bins,)

    Examples
    --------
    >>> per_decade([0.5, 2.0, 3.0, np.nan], edges=[0.1, 1, 10]).round(2)
    array([0.33, 0.67])
    """
    values = np.ravel(np.asarray(intensities))
    ends = np.asarray(edges, float)
    count, _ = np.histogram(values[np.isfinite(values)], ends)
    return count / max(np.isfinite(values).sum(), 1) / np.diff(np.log10(ends))


def log_contrast(images: ArrayLike) -> Reals:
    """Compute the standard deviation of ln I over the pixels, for each image.

    It does not change when an image is multiplied by a number, and it is what the last step of the
    reference correction sets.

    Parameters
    ----------
    images : array, shape (..., rows, columns)
        Pixels of 0 or NaN are left out.

    Examples
    --------
    >>> log_contrast([[1.0, 1.0], [np.e**2, np.e**2]]).round(6)
    np.float64(1.0)
    """
    array = np.asarray(images)
    array = array.astype(np.result_type(array, np.float32), copy=False)
    log = np.log(array, where=array > 0, out=np.full_like(array, np.nan))
    return np.nanstd(log, axis=(-2, -1))


def lots_floor(lattice: Lattice, lot_size: int = 25, lots: int = 8) -> Floats:
    """Compute the standard error of a perfect inversion that only the draw of the lots causes.

    An image shows the pairs inside its lots, the label counts all pairs of the lattice. For lots
    at independent random places, the Delta-PDF c' of their noiseless image has the realised c as
    its mean and, to first order in the error, the variance over all places of one window's mean of
    u u' - c u^2, u = s - <s>, divided by the number of lots.

    Parameters
    ----------
    lattice : Lattice
    lot_size, lots : int

    Returns
    -------
    array, shape (span^2 - 1,)
        Standard error of each value.

    Raises
    ------
    ValueError
        If a lot does not fit the lattice or is smaller than the span.
    """
    size, span = lattice.size, lattice.target.span
    if not span <= lot_size <= size or lots < 1:
        raise ValueError(
            f"lots have from {span} (the span) to {size} sites along each side, and there is at "
            f"least one; got {lots} of {lot_size}"
        )
    u = lattice.sites - lattice.sites.mean()
    variance = u.var()

    def window_means(values: Floats, rows: int, columns: int) -> Floats:
        box = np.zeros((size, size))
        box[:rows, :columns] = 1 / (rows * columns)
        # Correlation, not convolution: the window begins at its place.
        spectrum = fft.rfft2(values) * fft.rfft2(box).conj()
        return fft.irfft2(spectrum, s=(size, size)) / variance

    errors = []
    own = window_means(u * u, lot_size, lot_size)
    for n in range(1, span**2):
        i, j = divmod(n, span)
        pairs = window_means(u * np.roll(u, (-i, -j), (0, 1)), lot_size - i, lot_size - j)
        errors.append(np.std(pairs - lattice.realised.matrix[i, j] * own))
    return np.array(errors) / np.sqrt(lots)


# The law of the grain


def shared(size: int, lot_size: int) -> float:
    """Relative covariance of two lots at random places of one lattice.

    Windows shifted by (x, y) share amplitude in proportion to their overlap, so intensities have
    the covariance S^2 (1 - |x|/L)^2 (1 - |y|/L)^2; this is its mean over all shifts modulo N, close
    to (4/9) (L/N)^2.

    Raises
    ------
    ValueError
        If a lot does not fit the lattice.

    Examples
    --------
    >>> round(shared(50, 25), 3)
    0.111
    """
    if not 1 <= lot_size <= size:
        raise ValueError(
            f"a lot has from 1 site along each side to as many as the lattice, {size}; "
            f"got {lot_size}"
        )
    overlap = 1 - np.abs(np.arange(1 - lot_size, lot_size)) / lot_size
    return float(((overlap**2).sum() / size) ** 2)


def expected_grain(size: int, lot_size: int, lots: int) -> float:
    """Relative standard deviation of a pixel: sqrt(1/M + (1 - 1/M) shared).

    Examples
    --------
    >>> round(expected_grain(50, 25, 8), 2), round(expected_grain(96, 48, 64), 2)
    (0.47, 0.35)
    """
    if lots < 1:
        raise ValueError(f"an image needs at least 1 lot; got {lots}")
    return float(np.sqrt(1 / lots + (1 - 1 / lots) * shared(size, lot_size)))


def pixel_variance(setting: Setting = STANDARD) -> Floats:
    """Relative variance of every pixel, shape ``setting.grid.shape``.

    `expected_grain` squared, and up to twice that where q and -q are the same point or closer than
    1/L: around whole and half h and k the amplitude is a real number, whose square scatters twice
    as much.
    """
    size, lot_size, lots = setting.size, setting.lot_size, setting.lots
    shift = np.arange(1 - lot_size, lot_size)
    own, common = [], []
    for q in (setting.grid.h_values, setting.grid.k_values):
        # |sum of exp(4 pi i q x) over the sites that two lots share|^2
        waves = np.exp(4j * np.pi * np.outer(q, np.arange(lot_size)))
        sums = np.abs(np.cumsum(waves, axis=1)[:, lot_size - 1 - np.abs(shift)]) ** 2 / lot_size**2
        own.append(sums[:, lot_size - 1])
        common.append(sums.sum(axis=1) / size)
    together = shared(size, lot_size) + np.outer(*common)
    return (1 + np.outer(*own)) / lots + (1 - 1 / lots) * together


def ensemble_image(encoding: Encoding, setting: Setting = STANDARD) -> Floats:
    """Noise-free image: `expected_image`, or for the sampler "growth" its own exact one.

    Grown lattices have c(i, j) = r^|i| s^|j| at every distance, and nothing across their edges,
    which takes a part |i|/N of all pairs i apart.
    """
    if setting.sampler != "growth":
        try:
            image = expected_image(encoding, setting.grid, setting.lot_size, size=setting.size)
        except NotRealisableError:
            encoding = encoding.nearest_realisable()
            image = expected_image(encoding, setting.grid, setting.lot_size, size=setting.size)
        return image.astype(np.float64)
    steps = np.abs(np.arange(1 - setting.lot_size, setting.lot_size))
    inside = 1 - steps / setting.size
    along_a, along_b = encoding.matrix[1, 0], encoding.matrix[0, 1]
    correlations = np.outer(along_a**steps * inside, along_b**steps * inside)
    return correlation_image(correlations, setting.grid, setting.lot_size)


def grain(image: ArrayLike, expected: ArrayLike) -> float:
    """Root mean square of the relative difference between an image and the expected one."""
    return float(np.sqrt(np.mean((np.asarray(image) / np.asarray(expected) - 1) ** 2)))


def lit_sites(size: int, lot_size: int, lots: int, seed: int) -> Integers:
    """Count the lots that light each site, for the same seed as in `diffraction_image`."""
    corners = np.random.default_rng(seed).integers(size, size=(lots, 2, 1))
    count = np.zeros((size, size), np.intp)
    for rows, columns in (corners + np.arange(lot_size)) % size:
        count[np.ix_(rows, columns)] += 1
    return count


# What the law means for R^2


def predicted_r2(expected: ArrayLike, variance: ArrayLike, copies: float = 1) -> float:
    """R^2 of the mean of some realisations against another one, from the law of the grain.

    With the signal, the variance of the expected image over its pixels, and the noise, the mean of
    S^2 times the relative variance, it is 1 - (1 + 1/copies) noise / (signal + noise).

    Parameters
    ----------
    expected, variance : arrays of one shape
        S, and `pixel_variance`.
    copies : float
        Realisations in the mean; ``numpy.inf`` for the expected image itself.
    """
    mean = np.asarray(expected, np.float64)
    noise = float(np.mean(mean**2 * np.asarray(variance)))
    return 1 - (1 + 1 / copies) * noise / (float(mean.var()) + noise)
