"""The best that anyone could do: maximum likelihood, its bound, and the floor that lots set.

The model is the thresholded Gaussian field of maximum entropy (`xrlab.crystal.spectrum`): n^2 - 1
correlations decide its whole image. What a measurement adds is chance. A pixel of an image made
of M lots scatters around the expected intensity S as S Gamma(M, 1/M), a mean of M exponential
speckles (Goodman, Speckle Phenomena in Optics, 2007, chapter 2), and counting adds Poisson noise;
the likelihood of such pixels is Whittle's (Ark. Mat. 2, 423, 1953).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from xrlab.crystal.arrays import Floats, Mask
from xrlab.crystal.diffraction import correlation_image
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, as_image
from xrlab.crystal.spectrum import (
    field_correlation,
    lattice_correlation,
    lowest_value,
    maximum_entropy,
)
from xrlab.inference.delta_pdf import delta_pdf

# The search starts at the Delta-PDF, moved this much (see `maximum_entropy`) into the realisable.
SOFTNESS = 0.01
MAX_STEPS = 100


@dataclass(frozen=True, eq=False)
class Estimate:
    """Correlations with their uncertainty.

    Parameters
    ----------
    encoding : Encoding
    covariance : array, shape (span^2 - 1, span^2 - 1)
        Of the values of ``encoding.vector``.
    """

    encoding: Encoding
    covariance: Floats

    @property
    def standard_error(self) -> Floats:
        """Of each value of the vector."""
        return np.sqrt(np.diag(self.covariance))


def maximum_likelihood(
    image: ArrayLike,
    span: int = 4,
    grid: ReciprocalGrid = STANDARD_GRID,
    lot_size: int = 25,
    lots: int = 8,
    *,
    counts: float | None = None,
) -> Estimate:
    """Find the encoding under which an image is likeliest, whatever its scale.

    Fisher scoring on the multipliers lambda of the field and the logarithm of the scale,
    from the Delta-PDF on.

    Parameters
    ----------
    image : array, shape ``grid.shape``
        Diffuse intensity on any scale, NaN where unmeasured, without background or form factor.
    span : int
        2 or more.
    grid : ReciprocalGrid
    lot_size, lots : int
        L and M of the measurement. The lattice is taken to be periodic with 2 L sites.
    counts : float, optional
        Photons counted in a pixel of mean intensity; without it counting noise is neglected.

    Returns
    -------
    Estimate
        With the covariance of `cramer_rao` at the answer.

    Raises
    ------
    ValueError
        If the image is unusable, or an argument is outside its range.

    Examples
    --------
    >>> from xrlab import diffraction_image, simulate
    >>> lattice = simulate(Encoding.from_vector([0.5, -0.3, -0.1]), sampler="gaussian")
    >>> found = maximum_likelihood(diffraction_image(lattice), span=2)
    >>> bool(abs(found.encoding.vector - lattice.realised.vector).max() < 0.1)
    True
    """
    pixels = as_image(image, grid.shape)
    model = _Model(span, grid, lot_size, lots, counts)
    first = delta_pdf(pixels, span, grid, lot_size)
    rho = field_correlation(first.matrix)
    multipliers = maximum_entropy(rho, model.size, softness=SOFTNESS).multipliers
    multipliers = multipliers / multipliers[0, 0]
    pixels = pixels / np.nanmean(pixels)
    model.use(~np.isnan(pixels))
    pixels = np.nan_to_num(pixels)
    scale = 0.0
    mean, slopes = model.image(multipliers)
    value = model.log_likelihood(pixels, mean)
    for _ in range(MAX_STEPS):
        derivatives = np.concatenate([mean[None], slopes])
        share = model.weights / model.variance(mean)
        gradient = (derivatives * share * (pixels - mean)).sum(axis=(1, 2))
        information = np.einsum("kxy,lxy->kl", derivatives * share, derivatives, optimize=True)
        step = np.linalg.lstsq(information, gradient, rcond=1e-12)[0]
        length = 1.0
        while length > 1e-6:
            trial = multipliers.copy()
            trial.flat[1:] += length * step[1:]
            if lowest_value(trial, model.size) > 0:
                new_scale = scale + length * step[0]
                new_mean, new_slopes = model.image(trial, new_scale)
                new_value = model.log_likelihood(pixels, new_mean)
                if new_value >= value:
                    break
            length /= 2
        else:
            break
        gain = new_value - value
        multipliers, scale, mean, slopes, value = trial, new_scale, new_mean, new_slopes, new_value
        if gain < 1e-7 * model.weights.sum():
            break
    encoding = model.encoding(multipliers)
    return Estimate(encoding, model.covariance(multipliers, scale_known=False))


def cramer_rao(
    encoding: Encoding,
    grid: ReciprocalGrid = STANDARD_GRID,
    lot_size: int = 25,
    lots: int = 8,
    *,
    scale_known: bool = False,
    counts: float | None = None,
    measured: ArrayLike | None = None,
) -> Floats:
    """Bound on the covariance of any unbiased estimate of the encoding from one image.

    The inverse of Fisher's information F_kl = sum over independent pixels of dS/dc_k dS/dc_l / V
    with the variance V = S^2 / M + S / counts. Lots of L x L sites have L^2 / 2 independent
    pixels in a cell, so without counting F_kl = (M L^2 / 2) integral dlnS/dc_k dlnS/dc_l d^2q
    (Rao, Bull. Calcutta Math. Soc. 37, 81, 1945; the variance is exact for a mean of M
    exponential speckles, counted or not).

    Parameters
    ----------
    encoding : Encoding
        The true one, of a Gaussian field.
    grid, lot_size, lots, counts
        As for `maximum_likelihood`. Pixels at q, -q and in other cells show the same speckle, but
        each counts its own photons. Lots are taken to be independent: those of a lattice with
        fewer sites than all lots together overlap, and tell less.
    scale_known : bool
        Whether the image is on an absolute scale, in Laue units.
    measured : bool array, shape ``grid.shape``, optional
        False where a mask hides the image.

    Returns
    -------
    array, shape (span^2 - 1, span^2 - 1)

    Raises
    ------
    NotRealisableError
        If no Gaussian field has the encoding.
    ValueError
        If an argument is outside its range.

    Examples
    --------
    For a random crystal, each c has a variance of 1 / (M L^2), less the window's loss:

    >>> bound = cramer_rao(Encoding.from_vector([0, 0, 0]), lot_size=25, lots=8, scale_known=True)
    >>> (np.diag(bound) * 8 * 25**2 * (1 - 1 / 25) ** np.array([2, 2, 4])).round(1)
    array([1., 1., 1.])
    """
    model = _Model(encoding.span, grid, lot_size, lots, counts)
    spectrum = maximum_entropy(field_correlation(encoding.matrix), model.size)
    mask = np.ones(grid.shape, bool) if measured is None else np.asarray(measured, bool)
    if mask.shape != grid.shape:
        raise ValueError(f"the mask has shape {mask.shape}, the grid {grid.shape}")
    model.use(mask)
    multipliers = spectrum.multipliers / spectrum.multipliers[0, 0]
    return model.covariance(multipliers, scale_known)


class _Model:
    """Expected image of a field with multipliers lambda, lambda_00 = 1, and what it tells of c."""

    def __init__(
        self, span: int, grid: ReciprocalGrid, lot_size: int, lots: int, counts: float | None
    ) -> None:
        vector_length(span)
        if lot_size < span:
            raise ValueError(
                f"a lot of {lot_size} sites is too small for correlations of span {span}"
            )
        if lots < 1:
            raise ValueError(f"an image needs at least 1 lot; got {lots}")
        if counts is not None and not counts > 0:
            raise ValueError(f"counts in a pixel are a number above 0; got {counts}")
        self.span, self.grid, self.lot_size, self.lots = span, grid, lot_size, lots
        self.size = max(2 * lot_size, 2 * span)
        self.counts = counts
        # Speckles are as large as 1/L, and q, -q and all q + whole numbers show the same one.
        # Each of these independent pixels has a number; that of q = -q is real and tells half.
        h = np.rint(grid.h_values * lot_size).astype(int)[:, None]
        k = np.rint(grid.k_values * lot_size).astype(int)[None, :]
        here = h % lot_size * lot_size + k % lot_size
        there = -h % lot_size * lot_size + -k % lot_size
        self.speckle = np.minimum(here, there)
        self.worth = np.where(here == there, 0.5, 1.0)

    def use(self, measured: Mask) -> None:
        """Say which pixels are measured: they share what their independent pixel tells."""
        seen = np.bincount(self.speckle.ravel(), weights=measured.ravel())[self.speckle]
        self.weights = np.where(measured, self.worth / np.maximum(seen, 1), 0.0)
        self.photons = np.inf if self.counts is None else self.counts * np.maximum(seen, 1)

    def variance(self, mean: Floats) -> Floats:
        """Of an independent pixel."""
        return mean**2 / self.lots + mean / self.photons

    def log_likelihood(self, pixels: Floats, mean: Floats) -> float:
        """Gamma law, or with counts the negative binomial."""
        used = self.weights > 0
        if (mean[used] <= 0).any():
            return -np.inf
        mean = np.where(used, mean, 1.0)
        if self.counts is None:
            terms = -self.lots * (np.log(mean) + pixels / mean)
        else:
            photons = self.photons * pixels
            terms = photons * np.log(mean)
            terms -= (photons + self.lots) * np.log(self.lots + self.photons * mean)
        return float((self.weights * terms).sum())

    def field(self, multipliers: Floats) -> tuple[Floats, Floats]:
        """Correlations c at all distances modulo the size, and their slopes in each lambda."""
        n, size = self.span, self.size
        coefficients = np.zeros((size, size))
        coefficients[:n, :n] = multipliers
        waves = np.zeros((n * n - 1, size, size))
        waves[np.arange(n * n - 1), *np.divmod(np.arange(1, n * n), n)] = 1.0
        s = 1 / (2 * fft.fft2(coefficients).real - multipliers[0, 0])
        rho = fft.ifft2(s).real
        slopes = -fft.ifft2(s**2 * (2 * fft.fft2(waves).real)).real
        total = rho[0, 0]
        rho = rho / total
        slopes = (slopes - rho * slopes[:, :1, :1]) / total
        steepness = 2 / np.pi / np.sqrt(np.maximum(1 - rho**2, 1e-12))
        return lattice_correlation(np.clip(rho, -1, 1)), slopes * steepness

    def image(self, multipliers: Floats, log_scale: float = 0.0) -> tuple[Floats, Floats]:
        """Return the expected image and its slopes in each lambda."""
        c, slopes = self.field(multipliers)
        places = np.arange(1 - self.lot_size, self.lot_size) % self.size
        drawn = [
            correlation_image(each[np.ix_(places, places)], self.grid, self.lot_size)
            for each in (c, *slopes)
        ]
        scaled = np.exp(log_scale) * np.array(drawn)
        return scaled[0], scaled[1:]

    def encoding(self, multipliers: Floats) -> Encoding:
        """Near correlations of the field."""
        return Encoding(self.field(multipliers)[0][: self.span, : self.span])

    def covariance(self, multipliers: Floats, scale_known: bool) -> Floats:
        """Inverse of Fisher's information on the encoding."""
        mean, slopes = self.image(multipliers)
        _, near = self.field(multipliers)
        near = near[:, : self.span, : self.span].reshape(len(slopes), -1)[:, 1:]  # dc / dlambda
        in_c = np.tensordot(np.linalg.inv(near), slopes, axes=1)
        derivatives = in_c if scale_known else np.concatenate([in_c, mean[None]])
        share = self.weights / self.variance(mean)
        information = np.einsum("kxy,lxy->kl", derivatives * share, derivatives, optimize=True)
        return np.linalg.inv(information)[: len(in_c), : len(in_c)]
