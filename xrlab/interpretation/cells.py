"""The scale of the correlations from the cells of a section: levels against amplitudes.

The form factor E varies from cell to cell, and with it the amplitude A of the pattern; the level of
every cell is A / sigma + B, with sigma the spread of S and B a background that varies slowly. The
slope of level against amplitude gives sigma.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.grid import BRAGG_RADIUS, ReciprocalGrid
from xrlab.io.section import Section
from xrlab.networks.folding import CELL, unfold

Corner = tuple[int, int]

# Pixels along each side of the cells that levels are fitted in.
SIDE = 32

# Widths of the blur that are tried, r.l.u.
BLURS = (0.0, 0.015, 0.03, 0.05, 0.075, 0.1)

# Pixels of a cell and cells of a section that a fit of levels needs.
LEAST_MEASURED, LEAST_CELLS = 250, 12

# Fall-off, r.l.u., of the background that surrounds the beam.
REACHES = (0.4, 1.0)


def cut(section: Section, corner: Corner, cells: int = 2, side: int = 64) -> Image:
    """Cut a window and resample it, by default to the grid of the network."""
    (h, k), size = corner, (side, side)
    return np.maximum(section.window((h, h + cells), (k, k + cells), size).image, 0)


class Cells:
    """Amplitude and level of the pattern in every whole cell of the windows of a section."""

    def __init__(self, section: Section, corners: list[Corner]) -> None:
        self.corners = corners
        places = sorted({(h + a, k + b) for h, k in corners for a in (0, 1) for b in (0, 1)})
        grid = ReciprocalGrid((0, 1), (0, 1), (SIDE, SIDE))
        outside = grid.distance_to_bragg() >= BRAGG_RADIUS
        self.q = grid.h_values
        x, y = np.meshgrid(*[2 * self.q - 1] * 2, indexing="ij")
        self.smooth = np.stack([x**0, x, y, x**2 - 1 / 3, x * y, y**2 - 1 / 3], axis=-1)
        self.places, self.images, self.seen = [], [], []
        for place in places:
            try:
                image = cut(section, place, 1, SIDE)
            except ValueError:  # nothing was measured
                continue
            seen = outside & np.isfinite(image)
            if seen.sum() >= LEAST_MEASURED:
                self.places.append(place)
                self.images.append(image)
                self.seen.append(seen)

    def fit(self, pattern: Floats) -> tuple[Floats, float]:
        """Fit (a plane) x pattern + (a quadratic) to every cell, outliers weighted down.

        Returns
        -------
        array, shape (n, 5)
            Amplitude, level, their variances and their covariance.
        float
            Minus the logarithm of the likelihood, up to a constant.
        """
        repeated = unfold(pattern, self.q)
        rows, cost = [], 0.0
        for image, seen in zip(self.images, self.seen, strict=True):
            smooth, y = self.smooth[seen], image[seen]
            columns = np.hstack([smooth[:, :3] * repeated[seen][:, None], smooth])
            weight = np.ones(len(y))
            for _ in range(4):
                weighted = columns * weight[:, None]
                inverse = np.linalg.inv(weighted.T @ weighted + 1e-9 * np.eye(9))
                answer = inverse @ (weighted.T @ (y * weight))
                residual = y - columns @ answer
                spread = 1.4826 * float(np.median(np.abs(residual))) + 1e-9 * (1 + y.max())
                weight = 1 / np.sqrt(1 + (residual / spread / 2) ** 2)
            inverse = inverse * spread**2
            rows.append([answer[0], answer[3], inverse[0, 0], inverse[3, 3], inverse[0, 3]])
            cost += len(y) * np.log(spread)
        return np.array(rows).reshape(-1, 5), cost

    def contrast(self, pattern: Floats) -> Floats:
        """Amplitude of a pattern over the level in every window, the mean of its cells."""
        if not self.places:
            return np.ones(len(self.corners))
        fits = dict(zip(self.places, self.fit(pattern)[0], strict=True))
        contrast = []
        for h, k in self.corners:
            inside = [(h + a, k + b) for a in (0, 1) for b in (0, 1) if (h + a, k + b) in fits]
            total = np.sum([fits[cell][:2] for cell in inside], axis=0) if inside else [0.0, 1.0]
            contrast.append(total[0] / max(total[1], 1e-12))
        return np.array(contrast)

    def scale(self, cell: Floats) -> tuple[float, float]:
        """Factor of S - 1 of this cell by the slope of level against amplitude, and its error.

        The blur of the detector, which the network takes out, is put back first: of `BLURS` the
        one that fits the cells best.
        """
        spread = float(cell.std())
        if len(self.places) < LEAST_CELLS or spread < 1e-6:
            return np.nan, np.nan
        pattern = (cell - 1) / spread
        fits, _ = min(
            (
                self.fit(ndimage.gaussian_filter(pattern, blur * CELL, mode="wrap"))
                for blur in BLURS
            ),
            key=lambda made: made[1],
        )
        slope, error = slope_of_level(np.array(self.places) + 0.5, fits)
        if slope <= 0:
            return np.nan, np.nan
        return 1 / (slope * spread), error / slope / (slope * spread)


def slope_of_level(q: Floats, fits: Floats) -> tuple[float, float]:
    """Regress the level on the amplitude and a background that varies slowly, robustly.

    Level = slope x amplitude + quadratic(q) + two terms exp(-|q| / reach), with weak priors;
    residuals as Student's t with 4 degrees of freedom, errors of both variables taken into account.

    Parameters
    ----------
    q : array, shape (n, 2)
        Middles of the cells, r.l.u.
    fits : array, shape (n, 5)
        From `Cells.fit`.

    Returns
    -------
    slope, standard error
    """
    amplitude, level, of_amplitude, of_level, of_both = fits.T
    unit = float(np.median(level)) or 1.0
    amplitude, level = amplitude / unit, level / unit
    of_amplitude, of_level, of_both = (v / unit**2 for v in (of_amplitude, of_level, of_both))
    x, y = ((q - q.mean(axis=0)) / np.maximum(np.ptp(q, axis=0) / 2, 1)).T
    distance = np.hypot(*q.T)
    columns: list[Any] = [amplitude, x**0, x, y, x**2, x * y, y**2]
    columns += [np.exp((0.5 - distance) / reach) for reach in REACHES]
    design = np.stack(columns, axis=1)
    prior = np.diag(1 / np.array([1e3, 10, 1, 1, 0.5, 0.5, 0.5, 2, 2]) ** 2)
    slope = max(float(np.polyfit(amplitude, level, 1)[0]), 0.3)
    excess, weight = 0.01, np.ones(len(q))
    for _ in range(15):
        noise = np.maximum(of_level + slope**2 * of_amplitude - 2 * slope * of_both, 0)
        precision = weight / (noise + excess)
        inverse = np.linalg.inv(design.T @ (design * precision[:, None]) + prior)
        answer = inverse @ (design.T @ (precision * level))
        residual = level - design @ answer
        slope = max(float(answer[0]), 0.05)
        weight = 5 / (4 + residual**2 / (noise + excess))
        left = (weight * residual**2).sum() / max(len(q) - 7, 3)
        excess = max(float(left - np.average(noise, weights=weight)), 1e-6)
    return float(answer[0]), float(np.sqrt(inverse[0, 0]))
