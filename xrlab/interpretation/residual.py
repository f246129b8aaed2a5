"""Numbers that compare an image with the physical fit: what is missed, what does not repeat."""

from __future__ import annotations

import numpy as np

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.inference.physical_fit import PhysicalFit


def predicted_detail(image: Image, unseen: Image, smooth: Image, grid: ReciprocalGrid) -> float:
    """Share of the detail of an image that the prediction of unseen pixels has, at most.

    Detail is what a smooth image without S misses in unseen pixels. The share is 1 less the
    covariance, of pixels two apart, of the residual over that of the detail, each moved by two of
    its standard errors so that noise does not lower the share. 0 where there is no detail beyond
    two standard errors.

    Parameters
    ----------
    image, unseen, smooth : arrays of the shape of the image
        Measured, and predicted by fits that did not see the pixel: with S, and without.
    """
    used = ~np.isnan(image) & ~np.isnan(unseen) & (grid.distance_to_bragg() >= BRAGG_RADIUS)
    if used.sum() < 100:
        return 0.0
    parts = []
    for prediction in (unseen, smooth):
        residual = np.where(used, image - prediction, np.nan)
        top = np.nanquantile(np.abs(residual), 0.98)
        residual = np.clip(residual, -top, top)
        parts.append((_covariance(residual), 2 * np.nanvar(residual) / np.sqrt(used.sum())))
    (missed, error), (detail, least) = parts
    if not (np.isfinite(missed) and detail > least):
        return 0.0
    return float(1 - max(missed - error, 0) / (detail + least))


def missed_structure(image: Image, unseen: Image, grid: ReciprocalGrid) -> float:
    """Share of an image's structure that the prediction of unseen pixels misses.

    Structure is the covariance of pixels two apart, to which counting noise adds nothing: that of
    the residual over that of the image, both cut at their 98th percentile, away from Bragg
    positions. 1 where no two such pixels were measured.
    """
    used = ~np.isnan(image) & ~np.isnan(unseen) & (grid.distance_to_bragg() >= BRAGG_RADIUS)
    residual = np.where(used, image - unseen, np.nan)
    top = np.nanquantile(np.abs(residual), 0.98)
    whole = np.where(used, np.clip(image, *np.quantile(image[used], [0.01, 0.99])), np.nan)
    there = _covariance(whole - np.nanmean(whole))
    if np.isnan(there):
        return 1.0
    return max(_covariance(np.clip(residual, -top, top)), 0.0) / max(there, 1e-12)


def _covariance(x: Image) -> float:
    pairs = [x[2:] * x[:-2], x[:, 2:] * x[:, :-2]]
    return _mean(np.concatenate([p.ravel() for p in pairs]))


def repeats(image: Image, fit: PhysicalFit, grid: ReciprocalGrid) -> tuple[float, float]:
    """Correlate (I - B) / E with itself turned half round, and shifted by one cell, without noise.

    Each covariance, moved up by two standard errors of that of noise, is divided by that of
    neighbouring pixels, to which counting noise adds nothing. NaN where no two such pixels were
    measured.
    """
    pattern = (image - fit.background) / fit.envelope
    used = grid.distance_to_bragg() >= BRAGG_RADIUS
    pattern[~used] = np.nan
    top = np.nanquantile(pattern, 0.98)
    pattern = np.clip(pattern, -top, top) - np.nanmean(np.clip(pattern, -top, top))
    beside = np.concatenate(
        [(pattern[1:] * pattern[:-1]).ravel(), (pattern[:, 1:] * pattern[:, :-1]).ravel()]
    )
    own = max(_mean(beside), 1e-12)
    step = [
        round((n - 1) / (q[1] - q[0])) for n, q in zip(grid.shape, (grid.h, grid.k), strict=True)
    ]
    cells = np.concatenate(
        [
            (pattern[step[0] :] * pattern[: -step[0]]).ravel(),
            (pattern[:, step[1] :] * pattern[:, : -step[1]]).ravel(),
        ]
    )
    turned = (pattern * pattern[::-1, ::-1]).ravel()
    number = np.isfinite(pattern).sum()
    error = 2 * _mean(pattern**2) * np.sqrt(2 / max(number, 1))  # each pair counts twice
    agreed = [(_mean(products) + error) / own for products in (turned, cells)]
    return float(np.clip(agreed[0], -1, 1)), float(np.clip(agreed[1], -1, 1))


def _mean(x: Floats) -> float:
    return float(np.nanmean(x)) if np.isfinite(x).any() else np.nan


def below_background(image: Image, fit: PhysicalFit) -> float:
    """Share of the pixels that are below the fitted background by 4 standard deviations."""
    noise = np.sqrt(np.abs(fit.model))
    z = (image - fit.model) / noise
    spread = 1.4826 * np.nanmedian(np.abs(z)) + 1e-12
    below = (image - fit.background) / noise < -4 * spread
    return float(below[~np.isnan(image)].mean())
