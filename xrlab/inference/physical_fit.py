"""The physical fit of a measured image: I = E S + B, without any training.

The image of a molecular crystal with two kinds of site is its own pattern S, seen through a smooth
form factor E and on a background B. S repeats from cell to cell and is alike at q and -q; E and B
do neither, and that tells them apart. Here ln S is a cosine series over a half-plane (Bloomfield's
exponential spectrum, Biometrika 60, 217, 1973: positive whatever the coefficients, with maxima that
a cut-off cosine series of S itself cannot have), ln E and ln B are polynomials, and all
coefficients are found together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits

from xrlab.crystal.arrays import Floats, Image, Integers, Mask
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, as_image

# Longest distance along each axis in the cosine series of ln S, and points of the cell that S is
# given at: those of `xrlab.networks.measured`.
REACH = 10
CELL = 32

# Degrees of the polynomial ln E that are tried: 6, 10 and 15 coefficients.
DEGREES = (2, 3, 4)

# What is thought of the coefficients beforehand: standard deviations. Of ln S at the distance r,
# SPREAD / (1 + (r / 2.5)^2); of ln E and ln B at the power x^m y^n, divided by sqrt(m + n).
SPREAD = 0.8
ENVELOPE, BACKGROUND = 2.0, 0.3

# Residuals are weighed as those of Student's t with so many degrees of freedom: hot pixels and
# tails of Bragg peaks count for little. The relative error tau of the model is never taken below
# TAU: sharp maxima, which no series of this reach meets exactly, would look like outliers.
FREEDOM = 50
TAU = 0.2
EASING = tuple(0.7**step for step in range(12))
LOGARITHM = 0.5

# Blocks of pixels of the cross-validation and the jackknife, in pixels along a side, and its parts.
BLOCK, FOLDS = 6, 8
STEPS, STEPS_AGAIN = 25, 4
LARGEST = 12.0
TINY = 1e-30

# Standard errors are multiplied by this: found on 60 simulated measurements
# (`xrlab.trials.strangers`, seed 78), where 90 % intervals then held 88 %. Maxima sharper than the
# series can follow are the reason that curvature and jackknife alone are too small.
CALIBRATION = 3.0


@dataclass(frozen=True, eq=False)
class PhysicalFit:
    """What the fit of one image says.

    Parameters
    ----------
    encoding : Encoding
        c(i, j) of the fitted S.
    standard_error : float array, shape (span^2 - 1,)
        From the curvature at the best fit, from what changes when blocks of pixels are left out
        (jackknife) and from the spread between the degrees of the envelope; times `CALIBRATION`.
    opposite : float array, shape (span - 1, span - 1)
        c(i, -j), i and j from 1: with the encoding, the half-plane.
    spectrum : float array, shape (32, 32)
        S of one reciprocal cell at h, k = (m + 1/2) / 32, mean 1.
    envelope, background, model : float arrays, the shape of the image
        E, B and E S + B in the units of the image.
    unseen : float array, the shape of the image
        E S + B predicted for every pixel by a fit that did not see its block; NaN where unmeasured.
    weights : dict
        Share of every degree of ln E in the answer.
    coefficients : int
        Of the envelope with the highest degree.
    r2, cv_r2 : float
        1 - residual / variance over the pixels away from the Bragg positions, fitted and unseen.
    skill : float
        1 - (unseen residual) / (that of a smooth image without S), squares cut at their 98th
        percentile: how much better S predicts what the fit has not seen. Below 0 it is no help.
    """

    encoding: Encoding
    standard_error: Floats
    opposite: Floats
    spectrum: Image
    envelope: Image
    background: Image
    model: Image
    unseen: Image
    weights: dict[int, float]
    coefficients: int
    r2: float
    cv_r2: float
    skill: float

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers (no images) as plain Python values, ready for JSON."""
        return {
            "encoding": self.encoding.vector.tolist(),
            "standard_error": self.standard_error.tolist(),
            "opposite": self.opposite.tolist(),
            "weights": {str(degree): share for degree, share in self.weights.items()},
            "r2": self.r2,
            "cv_r2": self.cv_r2,
            "skill": self.skill,
        }


def physical_fit(
    image: ArrayLike,
    span: int = 4,
    grid: ReciprocalGrid = STANDARD_GRID,
    *,
    bragg_radius: float = 0.13,
    degrees: tuple[int, ...] = DEGREES,
) -> PhysicalFit:
    """Fit correlations, form factor and background to a measured image, all together.

    Gauss-Newton steps to the maximum of the posterior, residuals weighed as Student's t with the
    variance phi I + (tau I)^2, phi and tau found from the residuals. The degrees of the envelope
    share the answer: a degree whose error on unseen blocks of pixels is z standard errors above
    that of the best has the weight exp(-z^2 / 2).

    Parameters
    ----------
    image : array, shape ``grid.shape``
        On any scale, NaN where unmeasured.
    span : int
        2 to 11.
    grid : ReciprocalGrid
        Two cells or more along each axis tell E from S.
    bragg_radius : float
        Nearer than this to a Bragg position, r.l.u., a pixel is only an upper limit for E S + B: a
        Bragg peak may be on top.
    degrees : tuple of int

    Raises
    ------
    ValueError
        If the image is unusable or too little of it is left.

    Examples
    --------
    >>> from xrlab import diffraction_image, simulate
    >>> lattice = simulate(Encoding.from_vector([0.5, 0.2, 0.1]), 96, "gaussian")
    >>> h = STANDARD_GRID.h_values[:, None]
    >>> image = 100 * np.exp(-0.5 * h) * diffraction_image(lattice, lot_size=48, lots=64) + 20
    >>> found = physical_fit(image, span=2)
    >>> bool(np.abs(found.encoding.vector - lattice.realised.vector).max() < 0.2)
    True
    """
    pixels = as_image(image, grid.shape)
    return fit_pixels(pixels, span, grid, bragg_radius=bragg_radius, degrees=degrees)


def fit_pixels(
    pixels: Image,
    span: int,
    grid: ReciprocalGrid,
    *,
    bragg_radius: float = 0.13,
    degrees: tuple[int, ...] = DEGREES,
) -> PhysicalFit:
    """Do what `physical_fit` does to an image that was checked with `as_image` before."""
    if not 2 <= span <= REACH + 1:
        raise ValueError(f"the physical fit reads spans 2 to {REACH + 1}; got {span}")
    used = ~np.isnan(pixels)
    limit = (grid.distance_to_bragg() < bragg_radius)[used]
    if (~limit).sum() < 400:
        raise ValueError(
            f"only {(~limit).sum()} pixels are measured away from the Bragg positions; "
            f"a fit needs 400"
        )
    values = pixels[used]
    scale = float(np.median(values[~limit])) or float(values[~limit].mean())
    if scale == 0:
        raise ValueError("all pixels away from the Bragg positions are 0: there is nothing to fit")
    with threadpool_limits(1, user_api="blas"):
        return _fit(values / scale, scale, used, limit, span, grid, degrees)


def _fit(
    values: Floats,
    scale: float,
    used: Mask,
    limit: Mask,
    span: int,
    grid: ReciprocalGrid,
    degrees: tuple[int, ...],
) -> PhysicalFit:
    block = _blocks(grid.shape)[used]
    problems = [_Problem(grid, used, limit, degree) for degree in degrees]
    found: list[_Found] = []
    for problem in problems:
        start = problem.extended(found[-1].theta) if found else problem.first(values)
        found.append(problem.solve(values, start))
    residuals, answers, variances = [], [], []
    for problem, best in zip(problems, found, strict=True):
        residual, without = problem.unseen(values, best, block)
        residuals.append(residual)
        answer, variance = problem.correlations(best, span)
        left = np.array([problem.correlations(each, span)[0] for each in without])
        answers.append(answer)
        variances.append(variance + (FOLDS - 1) / FOLDS * ((left - left.mean(0)) ** 2).sum(0))
    errors = np.array(residuals)[:, ~limit] ** 2
    weights = _weights(errors, block[~limit])
    mean = weights @ np.array(answers)
    variance = weights @ (np.array(variances) + (np.array(answers) - mean) ** 2)
    parts = [p.parts(best, grid) for p, best in zip(problems, found, strict=True)]
    envelope, background, model = np.tensordot(weights, scale * np.array(parts), axes=1)
    cells = [p.cell(best) for p, best in zip(problems, found, strict=True)]
    unseen = np.full(grid.shape, np.nan)
    unseen[used] = scale * (values - weights @ np.array(residuals))
    smooth = _Problem(grid, used, limit, max(degrees), series=False)
    plain, _ = smooth.unseen(values, smooth.solve(values, smooth.first(values)), block)

    outside = values[~limit]
    total = np.sum((outside - outside.mean()) ** 2)
    residual = (values - model[used] / scale)[~limit]
    unseen_error = errors[weights.argmax()]
    n = vector_length(span)
    return PhysicalFit(
        encoding=Encoding.from_vector(np.clip(mean[:n], -1, 1)),
        standard_error=CALIBRATION * np.sqrt(variance[:n]),
        opposite=mean[n:].reshape(span - 1, span - 1),
        spectrum=np.tensordot(weights, np.array(cells), axes=1),
        envelope=envelope,
        background=background,
        model=model,
        unseen=unseen,
        weights={d: float(w) for d, w in zip(degrees, weights, strict=True)},
        coefficients=len(_powers(max(degrees))),
        r2=float(1 - np.sum(residual**2) / (total + TINY)),
        cv_r2=float(1 - unseen_error.sum() / (total + TINY)),
        skill=float(1 - _cut_mean(unseen_error) / (_cut_mean(plain[~limit] ** 2) + TINY)),
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """Coefficients of ln E, ln S and ln B at the best fit, their covariance, and phi and tau."""

    theta: Floats
    covariance: Floats
    noise: tuple[float, float]


class _Problem:
    """The model at the used pixels of one image, for one degree of the envelope."""

    def __init__(
        self, grid: ReciprocalGrid, used: Mask, limit: Mask, degree: int, series: bool = True
    ) -> None:
        h, k = np.meshgrid(grid.h_values, grid.k_values, indexing="ij")
        x = 2 * (h - grid.h[0]) / (grid.h[1] - grid.h[0]) - 1
        y = 2 * (k - grid.k[0]) / (grid.k[1] - grid.k[0]) - 1
        powers, ground = _powers(degree), _powers(1)
        i, j = _half_plane() if series else np.zeros((2, 0), np.intp)
        self.everywhere = (
            _polynomials(x.ravel(), y.ravel(), powers),
            2 * np.cos(2 * np.pi * (np.outer(h.ravel(), i) + np.outer(k.ravel(), j))),
            _polynomials(x.ravel(), y.ravel(), ground),
        )
        self.limit = limit
        self.signal = np.hstack(self.everywhere[:2])[used.ravel()]
        self.ground = self.everywhere[2][used.ravel()]
        self.n_envelope, self.n_signal = len(powers), self.signal.shape[1]
        spread = np.concatenate(
            [
                ENVELOPE / np.sqrt(np.maximum(powers.sum(1), 1)),
                SPREAD / (1 + (i**2 + j**2) / 6.25),
                BACKGROUND / np.sqrt(np.maximum(ground.sum(1), 1)),
            ]
        )
        spread[0], spread[self.n_signal] = 3.0, 2.0  # levels: nearly free
        self.precision = 1 / spread**2

    def first(self, values: Floats) -> Floats:
        """Begin with the polynomial and series that fit the logarithms, on little background.

        That problem has one answer, and in logarithms no outlier is far away.
        """
        ground = 0.5 * max(float(np.quantile(values, 0.02)), 0.02)
        log = np.log(np.maximum(values - ground, 0) + ground)
        theta = np.zeros(len(self.precision))
        theta[self.n_signal] = np.log(ground)
        weight = np.where(self.limit, 0.0, 1.0)
        for _ in range(4):
            weighted = self.signal * weight[:, None]
            normal = weighted.T @ self.signal + np.diag(0.3 * self.precision[: self.n_signal])
            theta[: self.n_signal] = cho_solve(cho_factor(normal), weighted.T @ log)
            residual = log - self.signal @ theta[: self.n_signal]
            width = max(1.4826 * float(np.median(np.abs(residual))), LOGARITHM)
            weight = 1 / (1 + (residual / width) ** 2 / FREEDOM)
            weight[self.limit & (residual > 0)] = 0
        return theta

    def extended(self, theta: Floats) -> Floats:
        """Coefficients of a fit of lower degree as coefficients of this one."""
        lower = self.n_envelope - (len(self.precision) - len(theta))
        added = np.zeros(self.n_envelope - lower)
        return np.concatenate([theta[:lower], added, theta[lower:]])

    def signal_and_ground(self, theta: Floats) -> tuple[Floats, Floats]:
        """E S and B at the used pixels."""
        signal = np.exp(np.minimum(self.signal @ theta[: self.n_signal], LARGEST))
        return signal, np.exp(np.minimum(self.ground @ theta[self.n_signal :], LARGEST))

    def solve(
        self,
        values: Floats,
        start: Floats,
        noise: tuple[float, float] | None = None,
        keep: Mask | None = None,
    ) -> _Found:
        """Levenberg-Marquardt steps, the weights of the pixels made anew at each.

        With the noise given, from a fit of more pixels, a few steps over those to keep.
        """
        theta, damping = start, 1e-3
        signal, ground = self.signal_and_ground(theta)
        for step in range(STEPS if noise is None else STEPS_AGAIN):
            mean = signal + ground
            residual = values - mean
            phi, tau = noise or _noise(residual[~self.limit], mean[~self.limit], step)
            variance = phi * mean + (tau * mean) ** 2
            weight = (FREEDOM + 1) / (FREEDOM + residual**2 / variance) / variance
            weight[self.limit & (residual > 0)] = 0
            if keep is not None:
                weight[~keep] = 0
            slopes = np.hstack([self.signal * signal[:, None], self.ground * ground[:, None]])
            weighted = slopes * np.sqrt(weight)[:, None]
            normal = weighted.T @ weighted + np.diag(self.precision)
            gradient = slopes.T @ (weight * residual) - self.precision * theta
            cost = weight @ residual**2 + self.precision @ theta**2
            for _ in range(12):
                damped = normal + damping * np.diag(np.diag(normal))
                trial = theta + cho_solve(cho_factor(damped), gradient)
                signal, ground = self.signal_and_ground(trial)
                new = weight @ (values - signal - ground) ** 2 + self.precision @ trial**2
                if new <= cost:
                    break
                damping *= 8
            else:  # no step helps
                break
            theta, damping = trial, max(damping / 8, 1e-7)
            if cost - new < 1e-4 * max(float(cost), 1.0) and (noise or step > len(EASING)):
                break
        return _Found(theta, np.linalg.inv(normal).astype(np.float64), (phi, tau))

    def unseen(self, values: Floats, found: _Found, block: Integers) -> tuple[Floats, list[_Found]]:
        """Residual of every pixel when its block was left out, and those fits."""
        residual, fits = np.empty_like(values), []
        for fold in range(FOLDS):
            hidden = block % FOLDS == fold
            fits.append(self.solve(values, found.theta, found.noise, ~hidden))
            signal, ground = self.signal_and_ground(fits[-1].theta)
            residual[hidden] = (values - signal - ground)[hidden]
        return residual, fits

    def cell(self, found: _Found) -> Image:
        """S of one cell, mean 1."""
        log = 2 * _cell_cosines()[1] @ found.theta[self.n_envelope : self.n_signal]
        spectrum = np.exp(log - log.max())
        return (spectrum / spectrum.mean()).reshape(CELL, CELL)

    def correlations(self, found: _Found, span: int) -> tuple[Floats, Floats]:
        """c(i, j), then c(i, -j), and their variances by the first derivatives."""
        (h, k), series = _cell_cosines()
        spectrum = self.cell(found).ravel() / CELL**2
        i, j = np.divmod(np.arange(1, span**2), span)
        both = (i > 0) & (j > 0)
        i, j = np.concatenate([i, i[both]]), np.concatenate([j, -j[both]])
        wanted = np.cos(2 * np.pi * (np.outer(h, i) + np.outer(k, j)))
        c = spectrum @ wanted
        slopes = 2 * (wanted - c).T @ (spectrum[:, None] * series)
        part = slice(self.n_envelope, self.n_signal)
        return c, np.einsum("ck,kl,cl->c", slopes, found.covariance[part, part], slopes)

    def parts(self, found: _Found, grid: ReciprocalGrid) -> tuple[Image, Image, Image]:
        """E (for S of mean 1), B and E S + B everywhere on the grid."""
        envelope, series, ground = self.everywhere
        theta = found.theta
        log_mean = _log_mean(2 * _cell_cosines()[1] @ theta[self.n_envelope : self.n_signal])
        e = np.exp(np.minimum(envelope @ theta[: self.n_envelope] + log_mean, LARGEST))
        s = np.exp(series @ theta[self.n_envelope : self.n_signal] - log_mean)
        b = np.exp(np.minimum(ground @ theta[self.n_signal :], LARGEST))
        return e.reshape(grid.shape), b.reshape(grid.shape), (e * s + b).reshape(grid.shape)


def _noise(residual: Floats, mean: Floats, step: int) -> tuple[float, float]:
    """Find phi and tau of the variance phi I + (tau I)^2 from the residuals, robustly.

    tau begins at 1 and falls: at first any pixel may be far off, and none is an outlier.
    """
    groups = np.array_split(np.argsort(mean), 12)
    level = np.array([np.median(mean[g]) for g in groups])
    spread = np.array([(1.4826 * np.median(np.abs(residual[g]))) ** 2 for g in groups]) + 1e-8
    (phi, tau2), _ = nnls(np.stack([level, level**2], axis=1) / spread[:, None], np.ones(12))
    easing = EASING[step] if step < len(EASING) else 0.0
    return max(float(phi), 1e-6), max(float(np.sqrt(tau2)), easing, TAU)


def _weights(errors: Floats, block: Integers) -> Floats:
    """Share of each degree, from its squared errors on blocks that it did not see."""
    cut = np.minimum(errors, np.quantile(errors, 0.99, axis=1, keepdims=True))
    totals = np.array([np.bincount(block, each) for each in cut])
    worse = totals - totals[totals.sum(1).argmin()]
    z = worse.sum(1) / (np.sqrt(worse.shape[1]) * worse.std(1) + TINY)
    weights = np.exp(-(z**2) / 2)
    return weights / weights.sum()


def _cut_mean(squares: Floats) -> float:
    return float(np.minimum(squares, np.quantile(squares, 0.98)).mean())


def _log_mean(log: Floats) -> float:
    return float(np.log(np.exp(log - log.max()).mean()) + log.max()) if log.size else 0.0


@cache
def _blocks(shape: tuple[int, int]) -> Integers:
    """Give every pixel the number of its block, in an order without pattern."""
    rows, columns = (np.arange(n) // BLOCK for n in shape)
    number = rows[:, None] * (columns[-1] + 1) + columns
    return np.random.default_rng(0).permutation(number.max() + 1)[number]


def _powers(degree: int) -> Integers:
    return np.array([(m - n, n) for m in range(degree + 1) for n in range(m + 1)])


def _polynomials(x: Floats, y: Floats, powers: Integers) -> Floats:
    return np.stack([x**m * y**n for m, n in powers], axis=1)


@cache
def _half_plane() -> tuple[Integers, Integers]:
    """Distances (i, j) of the series, one of each pair r and -r."""
    steps = range(-REACH, REACH + 1)
    i, j = np.array([(i, j) for i in range(REACH + 1) for j in steps if i > 0 or j > 0]).T
    return i, j


@cache
def _cell_cosines() -> tuple[Floats, Floats]:
    """Points of the cell, shape (2, 1024), and the cosines of the series there."""
    q = (np.arange(CELL) + 0.5) / CELL
    h, k = (a.ravel() for a in np.meshgrid(q, q, indexing="ij"))
    i, j = _half_plane()
    return np.array([h, k]), np.cos(2 * np.pi * (np.outer(h, i) + np.outer(k, j)))
