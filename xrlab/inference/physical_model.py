"""The model of the physical fit, I = E S + B, and the steps to its best coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from xrlab.crystal.arrays import Floats, Image, Integers, Mask
from xrlab.crystal.diffraction import thermal_scattering
from xrlab.crystal.grid import ReciprocalGrid

# Longest distance along each axis in the cosine series of ln S, and points of the cell that S is
# given at: those of `xrlab.networks.measured`.
REACH = 10
CELL = 32

# Prior standard deviations of the coefficients. Of ln S at the distance r,
# SPREAD / (1 + (r / 2.5)^2); of ln E and ln B at the power x^m y^n, divided by sqrt(m + n).
SPREAD = 0.8
ENVELOPE, BACKGROUND = 2.0, 0.3

# What is known holds within this: a form factor but for ln E, a level of the background but for
# ln B. Parts of a form factor smaller than the last number, its mean being 1, count as that.
KNOWN, NODE = 0.1, 1e-3

# Thermal diffuse scattering, its pole rounded off at ROUND: prior mean and standard deviation of
# ln(s / (1 - s)), s its share of the background. Size effect: neighbours that are displaced, and
# the prior standard deviation of their beta.
ROUND = 0.1
THERMAL = (-6.0, 3.0)
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
SHIFT = 0.005

# Residuals have the weights of Student's t with so many degrees of freedom, which makes those of
# hot pixels and of the tails of Bragg peaks small. The relative error tau of the model is never
# taken below TAU: sharp maxima, which no series of this reach meets exactly, would look like
# outliers.
FREEDOM = 50
TAU = 0.2
EASING = tuple(0.7**step for step in range(12))
LOGARITHM = 0.5

# Parts of the cross-validation and the jackknife.
FOLDS = 8
STEPS = 25
LARGEST = 12.0
LEAST = 1e-3  # of the model, the median of the image being 1
TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Known:
    """What the user knows of an image.

    Parameters
    ----------
    log_factor : array, shape of the image, or None
        ln E but for a constant.
    log_level : float or None
        Mean of ln B.
    spread : float
        Standard deviation of ln B; nearly free if not given.
    """

    log_factor: Floats | None = None
    log_level: float | None = None
    spread: float = 2.0


@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients of ln E, ln S and ln B at the best fit, their precision, and phi and tau."""

    theta: Floats
    precision: Floats
    noise: tuple[float, float]

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of the coefficients."""
        return np.linalg.inv(self.precision).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Terms:
    """What the coefficients multiply at some pixels.

    The model is E (S + Z) + (1 - s) B + s B0 T.

    Parameters
    ----------
    envelope, series, ground : arrays, shape (pixels, coefficients)
        Times their coefficients they are ln E, ln S but for a constant, and ln B.
    displaced : array, shape (pixels, neighbours)
        Times its coefficients it is the size effect Z.
    thermal : array, shape (pixels, 1)
        T; s is its share of the background, and B0 the level of B, exp(first coefficient). With no
        column, as `displaced` too may have none, there is no such part.
    log_factor : array, shape (pixels,)
        Added to ln E.
    log_level : float
        Added to ln B.
    """

    envelope: Floats
    series: Floats
    ground: Floats
    displaced: Floats
    thermal: Floats
    log_factor: Floats
    log_level: float

    def at(self, used: Mask) -> Terms:
        """Return the same at the used pixels."""
        names = [field.name for field in fields(self) if field.name != "log_level"]
        return replace(self, **{name: getattr(self, name)[used.ravel()] for name in names})

    @cached_property
    def ends(self) -> Integers:
        """Where the coefficients of each part but the last end."""
        sizes = [x.shape[1] for x in (self.envelope, self.series, self.ground, self.displaced)]
        return np.cumsum(sizes)

    def parts(self, theta: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """E, E S, E Z, (1 - s) B and s B0 T, but for the constant of ln S."""
        envelope, series, ground, displaced, share = np.split(theta, self.ends)
        share = expit(share + THERMAL[0])
        log = self.envelope @ envelope + self.log_factor
        factor = _exp(log)
        return (
            factor,
            _exp(log + self.series @ series),
            factor * (self.displaced @ displaced),
            (1 - share.sum()) * _exp(self.ground @ ground + self.log_level),
            self.thermal @ share * _exp(ground[0] + self.log_level),
        )

    def model(self, theta: Floats) -> Floats:
        """E (S + Z) + (1 - s) B + s B0 T."""
        return np.sum(self.parts(theta)[1:], axis=0)

    def weighed(self, theta: Floats, weight: Callable[[Floats], Floats]) -> tuple[Floats, ...]:
        """Model, the weights that a function gives it, and its derivatives times their roots.

        Shapes (pixels,), (pixels,) and (pixels, coefficients).
        """
        factor, pattern, displaced, ground, thermal = self.parts(theta)
        model = pattern + displaced + ground + thermal
        weights = weight(model)
        root = np.sqrt(weights)
        factor, pattern, displaced, ground, thermal = (
            (root * x)[:, None] for x in (factor, pattern, displaced, ground, thermal)
        )
        share = expit(theta[self.ends[-1] :] + THERMAL[0])
        slopes = np.hstack(
            [
                self.envelope * (pattern + displaced),
                self.series * pattern,
                self.ground * ground,
                self.displaced * factor,
                thermal * (1 - share) - ground * share,
            ]
        )
        slopes[:, self.ends[1]] += thermal[:, 0]  # the level of B is that of T too
        return model, weights, slopes


class Problem:
    """The model at the used pixels of one image, for one degree of the envelope.

    Without `series` it is E + B: no pattern, size effect or thermal scattering.
    """

    def __init__(
        self,
        grid: ReciprocalGrid,
        used: Mask,
        limit: Mask,
        degree: int,
        series: bool = True,
        known: Known | None = None,
    ) -> None:
        known = known or Known()
        h, k = (q.ravel() for q in np.meshgrid(grid.h_values, grid.k_values, indexing="ij"))
        x = 2 * (h - grid.h[0]) / (grid.h[1] - grid.h[0]) - 1
        y = 2 * (k - grid.k[0]) / (grid.k[1] - grid.k[0]) - 1
        powers, ground = powers_of(degree), powers_of(1)
        i, j = _half_plane() if series else np.zeros((2, 0), np.intp)
        displaced = _size_effect(h, k)
        thermal = thermal_scattering(grid, ROUND).reshape(-1, 1)
        if not series:
            displaced, thermal = displaced[:, :0], thermal[:, :0]
        factor = np.zeros(grid.shape) if known.log_factor is None else known.log_factor
        self.everywhere = Terms(
            _polynomials(x, y, powers),
            2 * np.cos(2 * np.pi * (np.outer(h, i) + np.outer(k, j))),
            _polynomials(x, y, ground),
            displaced,
            thermal,
            factor.ravel(),
            known.log_level or 0.0,
        )
        self.here = self.everywhere.at(used)
        self.limit, self.level_known = limit, known.log_level is not None
        self.n_envelope = len(powers)
        self.series = slice(len(powers), len(powers) + len(i))
        free = ENVELOPE if known.log_factor is None else KNOWN
        of_envelope = free / np.sqrt(np.maximum(powers.sum(1), 1))
        of_ground = BACKGROUND / np.sqrt(np.maximum(ground.sum(1), 1))
        of_envelope[0], of_ground[0] = 3.0, known.spread  # levels: nearly free
        of_series = SPREAD / (1 + (i**2 + j**2) / 6.25)
        of_displaced = np.full(displaced.shape[1], SHIFT)
        of_thermal = np.full(thermal.shape[1], THERMAL[1])
        spread = [of_envelope, of_series, of_ground, of_displaced, of_thermal]
        self.precision = 1 / np.concatenate(spread) ** 2

    def first(self, values: Floats) -> Floats:
        """Begin with the polynomial and series that fit the logarithms, on little background.

        That problem has one answer, and in logarithms no outlier is far away.
        """
        ground = 0.5 * max(float(np.quantile(values, 0.02)), 0.02)
        log = np.log(np.maximum(values - ground, 0) + ground) - self.here.log_factor
        design = np.hstack([self.here.envelope, self.here.series])
        theta, n = np.zeros(len(self.precision)), design.shape[1]
        if not self.level_known:
            theta[n] = np.log(ground)
        weight = np.where(self.limit, 0.0, 1.0)
        for _ in range(4):
            weighted = design * weight[:, None]
            normal = weighted.T @ design + np.diag(0.3 * self.precision[:n])
            theta[:n] = cho_solve(cho_factor(normal), weighted.T @ log)
            residual = log - design @ theta[:n]
            width = max(1.4826 * float(np.median(np.abs(residual))), LOGARITHM)
            weight = 1 / (1 + (residual / width) ** 2 / FREEDOM)
            weight[self.limit & (residual > 0)] = 0
        return theta

    def extended(self, theta: Floats) -> Floats:
        """Coefficients of a fit of lower degree as coefficients of this one."""
        lower = self.n_envelope - (len(self.precision) - len(theta))
        added = np.zeros(self.n_envelope - lower)
        return np.concatenate([theta[:lower], added, theta[lower:]])

    def solve(self, values: Floats, start: Floats) -> Solution:
        """Levenberg-Marquardt steps, the weights of the pixels made anew at each."""
        theta, damping = start, 1e-3
        for step in range(STEPS):
            residual = values - self.here.model(theta)
            noise = _noise(residual[~self.limit], (values - residual)[~self.limit], step)
            weight, _, normal, gradient = self.equations(values, theta, noise)
            cost = weight @ residual**2 + self.precision @ theta**2
            for _ in range(12):
                damped = normal + damping * np.diag(np.diag(normal))
                trial = theta + cho_solve(cho_factor(damped), gradient)
                left = values - self.here.model(trial)
                new = weight @ left**2 + self.precision @ trial**2
                if new <= cost:
                    break
                damping *= 8
            else:  # no step helps
                break
            theta, damping = trial, max(damping / 8, 1e-7)
            if cost - new < 1e-4 * max(float(cost), 1.0) and step > len(EASING):
                break
        return Solution(theta, self.equations(values, theta, noise)[2], noise)

    def equations(
        self, values: Floats, theta: Floats, noise: tuple[float, float]
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the normal equations of a step of Gauss and Newton.

        Returns
        -------
        weight : array, shape (pixels,)
        slopes : array, shape (pixels, coefficients)
            Derivatives of the model, each row times the square root of its weight.
        normal, gradient : arrays, shapes (coefficients, coefficients) and (coefficients,)
        """
        model, weight, slopes = self.here.weighed(
            theta, lambda model: self._weights(values - model, model, noise)
        )
        pull = np.sqrt(weight) * (values - model)
        normal = slopes.T @ slopes + np.diag(self.precision)
        return weight, slopes, normal, slopes.T @ pull - self.precision * theta

    def unseen(
        self, values: Floats, solution: Solution, block: Integers
    ) -> tuple[Floats, list[Floats]]:
        """Residual of every pixel when its block was left out, and the coefficients of those fits.

        One step of Gauss and Newton from the best fit to all pixels, halved until it helps.
        """
        weight, slopes, normal, gradient = self.equations(values, solution.theta, solution.noise)
        difference = values - self.here.model(solution.theta)
        pull = np.sqrt(weight) * difference
        residual, fits = np.empty_like(values), []
        for fold in range(FOLDS):
            hidden = block % FOLDS == fold
            kept = weight * ~hidden
            part = slopes[hidden]
            rest = cho_factor(normal - part.T @ part)
            step = cho_solve(rest, gradient - part.T @ pull[hidden])
            cost = kept @ difference**2 + self.precision @ solution.theta**2
            for _ in range(6):
                theta = solution.theta + step
                left = values - self.here.model(theta)
                if kept @ left**2 + self.precision @ theta**2 <= cost:
                    break
                step = step / 2
            residual[hidden] = left[hidden]
            fits.append(theta)
        return residual, fits

    def _weights(self, residual: Floats, mean: Floats, noise: tuple[float, float]) -> Floats:
        """Weights of Student's t; 0 near Bragg positions where a pixel is above the model.

        Where only counting makes errors, the steps they lead to are those of the likelihood of
        counts, of any gain (quasi-likelihood: Wedderburn, Biometrika 61, 439, 1974).
        """
        phi, tau = noise
        mean = np.maximum(mean, LEAST)
        variance = phi * mean + (tau * mean) ** 2
        weight = (FREEDOM + 1) / (FREEDOM + residual**2 / variance) / variance
        return np.where(self.limit & (residual > 0), 0.0, weight)

    def cell(self, theta: Floats) -> Image:
        """S of one cell, mean 1, from the coefficients."""
        log = 2 * _cell_cosines()[1] @ theta[self.series]
        spectrum = np.exp(log - log.max())
        return (spectrum / spectrum.mean()).reshape(CELL, CELL)

    def correlations(self, theta: Floats, span: int) -> Floats:
        """c(i, j), then c(i, -j), from the coefficients."""
        return self.cell(theta).ravel() / CELL**2 @ _waves(span)

    def variances(self, solution: Solution, span: int) -> Floats:
        """Variances of the correlations by their first derivatives."""
        waves, spectrum = _waves(span), self.cell(solution.theta).ravel() / CELL**2
        series = spectrum[:, None] * _cell_cosines()[1]
        slopes = 2 * (waves - spectrum @ waves).T @ series
        part = self.series
        return (slopes @ solution.covariance[part, part] * slopes).sum(axis=1)

    def parts(self, solution: Solution) -> Floats:
        """E (for S of mean 1), E Z, background and thermal part everywhere, and the model.

        Shape (5, pixels).
        """
        factor, pattern, displaced, ground, thermal = self.everywhere.parts(solution.theta)
        log_mean = _log_mean(2 * _cell_cosines()[1] @ solution.theta[self.series])
        ground = ground + thermal
        model = pattern + displaced + ground
        return np.stack([factor * np.exp(log_mean), displaced, ground, thermal, model])


def _exp(log: Floats) -> Floats:
    return np.exp(np.minimum(log, LARGEST))


def _size_effect(h: Floats, k: Floats) -> Floats:
    """Terms of S for displacements of `NEIGHBOURS`, shape (pixels, neighbours).

    Those at r and -r add -2 beta 2 pi (q r) sin 2 pi (q r), which makes maxima asymmetric in
    proportion to q (Warren, X-ray Diffraction, 1969, section 12.6).
    """
    phase = 2 * np.pi * np.stack([h, k], axis=1) @ np.transpose(NEIGHBOURS)
    return -2 * phase * np.sin(phase)


def _noise(residual: Floats, mean: Floats, step: int) -> tuple[float, float]:
    """Find phi and tau of the variance phi I + (tau I)^2 from the residuals, robustly.

    tau begins at 1 and falls: at first any pixel may be far off, and none is an outlier.
    """
    from scipy.optimize import nnls  # imported here: the answer without a fit needs none of it

    groups = np.array_split(np.argsort(mean), 12)
    level = np.array([np.median(mean[g]) for g in groups])
    spread = np.array([(1.4826 * np.median(np.abs(residual[g]))) ** 2 for g in groups]) + 1e-8
    (phi, tau2), _ = nnls(np.stack([level, level**2], axis=1) / spread[:, None], np.ones(12))
    easing = EASING[step] if step < len(EASING) else 0.0
    return max(float(phi), 1e-6), max(float(np.sqrt(tau2)), easing, TAU)


def _log_mean(log: Floats) -> float:
    return float(np.log(np.exp(log - log.max()).mean()) + log.max()) if log.size else 0.0


def powers_of(degree: int) -> Integers:
    """Return the powers (m, n) of x^m y^n in a polynomial of this degree."""
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


@cache
def _waves(span: int) -> Floats:
    """Cosines of c(i, j) and then of c(i, -j) at the points of the cell, shape (1024, n)."""
    h, k = _cell_cosines()[0]
    i, j = np.divmod(np.arange(1, span**2), span)
    both = (i > 0) & (j > 0)
    i, j = np.concatenate([i, i[both]]), np.concatenate([j, -j[both]])
    return np.cos(2 * np.pi * (np.outer(h, i) + np.outer(k, j)))
