"""The physical fit of a measured image: I = E S + B, without any training.

The image of a molecular crystal with two kinds of site is its own pattern S, seen through a smooth
form factor E and on a background B. S repeats from cell to cell and is alike at q and -q; E and B
do neither, and that tells them apart. Here ln S is a cosine series over a half-plane (Bloomfield's
exponential spectrum, Biometrika 60, 217, 1973: positive whatever the coefficients, with maxima that
a cut-off cosine series of S itself cannot have), ln E and ln B are polynomials, and all
coefficients are found together. Two terms have priors that keep them small unless the image asks
for them: thermal diffuse scattering, a part of B, and a size effect, by which S is not quite
periodic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from xrlab.crystal.arrays import Floats, Image, Integers, Mask
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.grid import BRAGG_RADIUS, STANDARD_GRID, ReciprocalGrid, as_image
from xrlab.inference.knowledge import known_background, known_factor
from xrlab.inference.physical_model import (
    FOLDS,
    KNOWN,
    NODE,
    REACH,
    TINY,
    Known,
    Problem,
    Solution,
    powers_of,
)

# Degrees of the polynomial ln E that are tried: 6, 10 and 15 coefficients.
DEGREES = (2, 3, 4)

# Side of the blocks of the cross-validation and the jackknife, in pixels.
BLOCK = 6

# The standard error is sqrt((CALIBRATION x that of curvature, jackknife and degrees)^2
# + (SCALE x c)^2): maxima sharper than the series can follow make the first too small, and the
# level of the background, which one window hardly determines, the common scale of all c. Chosen so
# that 90 % intervals hold 90 % on 50 crystals of `xrlab.trials.crystals.calibration_crystals`, seed
# 31; on its tests they are then a little too wide.
SCALE = 0.2
CALIBRATION = 4.9


@dataclass(frozen=True, eq=False)
class PhysicalFit:
    """What the fit of one image says.

    Parameters
    ----------
    encoding : Encoding
        c(i, j) of the fitted S.
    standard_error : float array, shape (span^2 - 1,)
        From the curvature at the best fit, from what changes when blocks of pixels are left out
        (jackknife) and from the spread between the degrees of the envelope, made wider as measured
        on images of known correlations: see `CALIBRATION`.
    opposite : float array, shape (span - 1, span - 1)
        c(i, -j), i and j from 1: with the encoding, the half-plane.
    spectrum : float array, shape (32, 32)
        S of one reciprocal cell at h, k = (m + 1/2) / 32, mean 1.
    envelope, displaced, background, model : float arrays, the shape of the image
        E, what the size effect adds, B, and E S + B with what it adds, in the units of the image.
    thermal : float
        Share of the fitted intensity between the Bragg positions that is thermal diffuse
        scattering.
    size_effect : float
        Spread of what displaced neighbours add there, over that of E S.
    unseen : float array, the shape of the image
        E S + B predicted for every pixel by a fit that did not see its block; NaN where unmeasured.
    smooth : float array, the shape of the image
        The same prediction by a smooth image, without S.
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
    displaced: Image
    background: Image
    model: Image
    thermal: float
    size_effect: float
    unseen: Image
    smooth: Image
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
            "thermal": self.thermal,
            "size_effect": self.size_effect,
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
    background: ArrayLike | None = None,
    form_factor: ArrayLike | None = None,
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
    background : (low, high), optional
        Share of the mean intensity between the Bragg peaks that is background: see `xrlab.predict`.
    form_factor : array, shape ``grid.shape``, optional
        |Delta F|^2 on any scale, NaN where unknown.

    Raises
    ------
    ValueError
        If the image is unusable, too little of it is left, or what is known is impossible.

    Examples
    --------
    >>> from xrlab import diffraction_image, simulate
    >>> lattice = simulate(Encoding.from_vector([0.5, 0.2, 0.1]), 96, "gaussian")
    >>> h = STANDARD_GRID.h_values[:, None]
    >>> image = 100 * np.exp(-0.5 * h) * diffraction_image(lattice, lot_size=48, lots=64) + 20
    >>> fit = physical_fit(image, span=2)
    >>> bool(np.abs(fit.encoding.vector - lattice.realised.vector).max() < 0.2)
    True
    """
    pixels = as_image(image, grid.shape)
    return fit_pixels(
        pixels,
        span,
        grid,
        bragg_radius=bragg_radius,
        degrees=degrees,
        background=background,
        form_factor=form_factor,
    )


def fit_pixels(
    pixels: Image,
    span: int,
    grid: ReciprocalGrid,
    *,
    bragg_radius: float = 0.13,
    degrees: tuple[int, ...] = DEGREES,
    background: ArrayLike | None = None,
    form_factor: ArrayLike | None = None,
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
    shares = known_background(background, pixels[None])
    factors = known_factor(form_factor, pixels[None])
    level = float(values[~limit].mean()) / scale
    known = _known(None if shares is None else shares[0] * level, factors)
    with threadpool_limits(1, user_api="blas"):
        return _fit(values / scale, scale, used, limit, span, grid, degrees, known)


def _known(levels: Floats | None, factors: Floats | None) -> Known:
    """Write the lowest and highest level of the background, and the form factor, as a prior.

    The levels are the ends of an interval of 90 % of ln B.
    """
    log_factor = None
    if factors is not None:
        log_factor = np.log(np.maximum(factors[0] / factors[0].mean(), NODE))
    if levels is None:
        return Known(log_factor)
    high = max(levels[1], NODE)
    low = max(levels[0], high / 10) if levels[1] > NODE else high
    return Known(log_factor, np.log(low * high) / 2, max(np.log(high / low) / 3.29, KNOWN))


def _fit(
    values: Floats,
    scale: float,
    used: Mask,
    limit: Mask,
    span: int,
    grid: ReciprocalGrid,
    degrees: tuple[int, ...],
    known: Known,
) -> PhysicalFit:
    block = _blocks(grid.shape)[used]
    problems = [Problem(grid, used, limit, degree, known=known) for degree in degrees]
    solutions: list[Solution] = []
    for problem in problems:
        start = problem.extended(solutions[-1].theta) if solutions else problem.first(values)
        solutions.append(problem.solve(values, start))
    residuals, answers, variances = [], [], []
    for problem, best in zip(problems, solutions, strict=True):
        residual, without = problem.unseen(values, best, block)
        residuals.append(residual)
        left = np.array([problem.correlations(each, span) for each in without])
        answers.append(problem.correlations(best.theta, span))
        variance = problem.variances(best, span)
        variances.append(variance + (FOLDS - 1) / FOLDS * ((left - left.mean(0)) ** 2).sum(0))
    errors = np.array(residuals)[:, ~limit] ** 2
    weights = _weights(errors, block[~limit])
    mean = weights @ np.array(answers)
    variance = weights @ (np.array(variances) + (np.array(answers) - mean) ** 2)
    parts = np.array([p.parts(best) for p, best in zip(problems, solutions, strict=True)])
    mixed = np.tensordot(weights, scale * parts, axes=1)
    envelope, displaced, background, thermal, model = mixed.reshape(-1, *grid.shape)
    cells = [p.cell(best.theta) for p, best in zip(problems, solutions, strict=True)]
    between = grid.distance_to_bragg() >= BRAGG_RADIUS
    pattern = model - background - displaced
    unseen = np.full(grid.shape, np.nan)
    unseen[used] = scale * (values - weights @ np.array(residuals))
    without_series = np.full(grid.shape, np.nan)
    smooth = Problem(grid, used, limit, max(degrees), series=False, known=known)
    plain, _ = smooth.unseen(values, smooth.solve(values, smooth.first(values)), block)
    without_series[used] = scale * (values - plain)

    outside = values[~limit]
    total = np.sum((outside - outside.mean()) ** 2)
    residual = (values - model[used] / scale)[~limit]
    unseen_error = errors[weights.argmax()]
    n = vector_length(span)
    return PhysicalFit(
        encoding=Encoding.from_vector(np.clip(mean[:n], -1, 1)),
        standard_error=np.hypot(CALIBRATION * np.sqrt(variance[:n]), SCALE * mean[:n]),
        opposite=mean[n:].reshape(span - 1, span - 1),
        spectrum=np.tensordot(weights, np.array(cells), axes=1),
        envelope=envelope,
        displaced=displaced,
        background=background,
        model=model,
        thermal=float(thermal[between].sum() / model[between].sum()),
        size_effect=float(displaced[between].std() / (pattern[between].std() + TINY)),
        unseen=unseen,
        smooth=without_series,
        weights={d: float(w) for d, w in zip(degrees, weights, strict=True)},
        coefficients=len(powers_of(max(degrees))),
        r2=float(1 - np.sum(residual**2) / (total + TINY)),
        cv_r2=float(1 - unseen_error.sum() / (total + TINY)),
        skill=float(1 - _cut_mean(unseen_error) / (_cut_mean(plain[~limit] ** 2) + TINY)),
    )


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


@cache
def _blocks(shape: tuple[int, int]) -> Integers:
    """Give every pixel the number of its block, in an order without pattern."""
    rows, columns = (np.arange(n) // BLOCK for n in shape)
    number = rows[:, None] * (columns[-1] + 1) + columns
    return np.random.default_rng(0).permutation(number.max() + 1)[number]
