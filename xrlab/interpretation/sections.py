"""Many windows of one section, read and joined: S is the same in all of them, E is not.

One window leaves the common scale of the correlations open: where the form factor E is flat, it
cannot be told how much of the smooth intensity is background. Over many cells E varies, and with
it the amplitude A of the pattern; the level of every cell is A / sigma + B, with sigma the spread
of S and B a background that varies slowly. So the slope of level against amplitude gives sigma,
and with it the scale. What the network reads wrong in the shape of S is nearly the same in all
windows: the covariance of the joined answer falls with their number only down to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xrlab.crystal.arrays import Floats, Mask
from xrlab.interpretation.cells import Cells, Corner, cut
from xrlab.interpretation.findings import Finding
from xrlab.io.section import Section
from xrlab.networks import measured
from xrlab.networks.folding import CELL, SPAN

# Pixels of a cell, at least.
LEAST_PIXELS = 16

# Windows whose contrast (amplitude of the pattern over the level) is below this part of the
# greatest have so much background that the network was not trained for them.
CONTRAST = 0.6

# Two windows are copies, as after averaging over symmetry, if they differ by less than this part
# of their spread once smoothed over 5 x 5 pixels.
COPY = 0.1

# Relative error of the scale of the windows above which the cells are not asked for it.
VAGUE = 0.5


@dataclass(frozen=True, eq=False)
class Joined:
    """The joint posterior of the windows of a section, a Student's t as in `measured.Reading`.

    Parameters
    ----------
    corners : list of (int, int)
        First h and k of every window that was read.
    mean, covariance : float64 arrays, shapes (n, c) and (n, c, c)
        The answers of the windows.
    contrast : float64 array, shape (n,)
        Amplitude of the pattern over the level in each.
    used : bool array, shape (n,)
    windows : float
        Number of windows that the used ones count for: cells and copies count once.
    pooled, pooled_covariance : float64 arrays, shapes (c,) and (c, c)
        Mean of the used windows, and the mean of their covariances.
    scale, scale_error : float
        By what the mean is to be multiplied according to the levels of the cells, and the standard
        error of that; NaN if the cells do not tell.
    vector, joint : float64 arrays, shapes (c,) and (c, c)
        The joined answer and its covariance.
    freedom : float
    apart : float
        Root mean square deviation of the used windows from the joined answer, in units of their own
        errors.
    """

    corners: list[Corner]
    mean: Floats
    covariance: Floats
    contrast: Floats
    used: Mask
    windows: float
    pooled: Floats
    pooled_covariance: Floats
    scale: float
    scale_error: float
    vector: Floats
    joint: Floats
    freedom: float
    apart: float

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of every window as plain Python values, ready for JSON."""
        scale, error = (None if np.isnan(x) else x for x in (self.scale, self.scale_error))
        return {
            "corners": [list(corner) for corner in self.corners],
            "used": self.used.tolist(),
            "contrast": self.contrast.tolist(),
            "encoding": self.mean.tolist(),
            "standard_error": np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)).tolist(),
            "scale_by_levels": scale,
            "scale_error": error,
            "windows": self.windows,
            "apart": self.apart,
        }


@dataclass(frozen=True)
class Joining:
    """What the joining needs to know of the network, from sections of known correlations.

    `xrlab.training.join_windows` finds these numbers and writes them into the card.

    Parameters
    ----------
    between : float
        Correlation between the errors of two windows of a section, their scale left out.
    factor : float
        By which the covariance is multiplied so that 90 % intervals hold.
    scale_floor, scale_factor : float
        The error of the scale by the cells is sqrt(floor^2 + (factor x stated)^2).
    apart : float
        `Joined.apart` that 1 % of the sections exceed.
    """

    between: float = 0.6
    factor: float = 1.5
    scale_floor: float = 0.1
    scale_factor: float = 3.0
    apart: float = 2.5


def joining_of(network: measured.MeasuredNetwork | None) -> Joining:
    """Return the numbers of a network, the shipped one if None; cautious ones if it has none."""
    card = (network or measured.measured_network()).card
    return Joining(**card.get("sections", {}))


def read_windows(
    section: Section,
    span: int = SPAN,
    background: ArrayLike | None = None,
    form_factor: Section | None = None,
    joining: Joining | None = None,
    network: measured.MeasuredNetwork | None = None,
) -> Joined:
    """Read every whole window of 2 x 2 cells of which half was measured, and join them.

    Parameters
    ----------
    section : Section
        16 pixels a cell or more.
    span : {2, 3, 4}
    background : (low, high), optional
        Of every window, as for `measured.read`.
    form_factor : Section, optional
        |Delta F|^2 on the same h and k.
    joining : Joining, optional
        That of the network if not given.
    network : MeasuredNetwork, optional
        The shipped one if not given.

    Raises
    ------
    ValueError
        If no window can be cut or a cell has too few pixels.
    """
    corners = whole_windows(section)
    images = np.stack([cut(section, corner) for corner in corners])
    factors = None
    if form_factor is not None:
        factors = np.stack([cut(form_factor, corner) for corner in corners])
    reading = measured.read(images, span, background, factors, network)
    cells = Cells(section, corners)
    contrast = cells.contrast(_common_pattern(reading.cells))
    used = contrast >= CONTRAST * _second_greatest(contrast)
    chosen = [corner for corner, use in zip(corners, used, strict=True) if use]
    weights = shares(chosen) / copies(images[used])
    mean = weights @ reading.mean[used] / weights.sum()
    covariance = np.einsum("w,wab->ab", weights, reading.covariance[used]) / weights.sum()
    scale, error = np.nan, np.nan
    if background is None and len(corners) > 1:
        cell = np.tensordot(weights, reading.cells[used], axes=1)
        cell /= cell.mean()
        scale, error = cells.scale(cell)
    joining = joining or joining_of(network)
    vector, joint = join(mean, covariance, float(weights.sum()), scale, error, joining)
    deviation = reading.mean[used] - vector
    inverse = np.linalg.inv(reading.covariance[used])
    distance = np.einsum("wa,wab,wb->w", deviation, inverse, deviation) / len(vector)
    return Joined(
        corners=corners,
        mean=reading.mean,
        covariance=reading.covariance,
        contrast=contrast,
        used=used,
        windows=float(weights.sum()),
        pooled=mean,
        pooled_covariance=covariance,
        scale=scale,
        scale_error=error,
        vector=vector,
        joint=joint,
        freedom=reading.freedom,
        apart=float(np.sqrt(weights @ distance / weights.sum())),
    )


def agreement(windows: Joined, network: measured.MeasuredNetwork | None = None) -> Finding:
    """Check that the windows of a section agree with the joined answer within their errors."""
    limit = joining_of(network).apart
    return Finding(
        "windows",
        windows.apart,
        limit,
        "≤",
        f"{windows.used.sum()} of {len(windows.corners)} windows have enough contrast to be read; "
        f"they differ from the joined answer by {windows.apart:.1f} of their own standard errors "
        f"(root mean square); in sections of one crystal by {limit:.1f} at most.",
    )


def join(
    mean: Floats,
    covariance: Floats,
    windows: float,
    scale: float,
    scale_error: float,
    joining: Joining,
) -> tuple[Floats, Floats]:
    """Join the mean of so many windows with the scale that the levels of the cells give.

    The error of the shape falls with the number of windows n as rho + (1 - rho) / n; that of the
    scale, common to all windows, does not, but the cells measure it anew: the scale is one linear
    observation of the vector (Kalman, J. Basic Eng. 82, 35, 1960). Where it contradicts the windows
    by more than two of their combined errors, its error is made wider until it does not. Where the
    windows leave the vector itself open by more than `VAGUE` of its length, no pattern is known
    well enough for the cells to tell its scale.

    Returns
    -------
    vector, covariance
    """
    length = float(mean @ mean)
    if length < 1e-12:
        return np.clip(mean, -1, 1), covariance * joining.factor
    along = mean / length  # along @ vector is its scale relative to the mean
    own = float(along @ covariance @ along)
    shape = joining.between + (1 - joining.between) / max(windows, 1.0)
    before = shape * covariance + (1 - shape) * own * np.outer(mean, mean)
    before = joining.factor * before
    if not np.isfinite(scale) or own > VAGUE**2:
        return np.clip(mean, -1, 1), before
    variance = joining.scale_floor**2 + (joining.scale_factor * scale_error) ** 2
    prior = float(along @ before @ along)
    contradiction = (scale - 1) ** 2 / 4 - prior
    variance = max(variance, contradiction)
    gain = before @ along / (prior + variance)
    vector = mean + gain * (scale - 1)
    after = before - np.outer(gain, gain) * (prior + variance)
    return np.clip(vector, -1, 1), (after + after.T) / 2


def whole_windows(section: Section) -> list[Corner]:
    """Return the corners of the windows that can be read.

    Raises
    ------
    ValueError
        If there is none, or a cell has fewer than 16 pixels.
    """
    for name, values in (("h", section.h), ("k", section.k)):
        pixels = (len(values) - 1) / (values[-1] - values[0])
        if pixels < LEAST_PIXELS - 1e-6:
            raise ValueError(
                f"a reciprocal cell of this section has {pixels:.3g} pixels along {name}; "
                f"{LEAST_PIXELS} are needed"
            )
    corners = section.corners()
    if not corners:
        raise ValueError(
            f"this section, h from {section.h[0]:.3g} to {section.h[-1]:.3g} and k from "
            f"{section.k[0]:.3g} to {section.k[-1]:.3g}, holds no window of 2 x 2 reciprocal "
            f"cells from whole numbers on of which half was measured"
        )
    return corners


def shares(corners: list[Corner]) -> Floats:
    """Weights of windows so that each cell counts once: the sum is the number of cells over 4.

    >>> shares([(0, 0), (2, 0)]), shares([(0, 0), (1, 0)])
    (array([1., 1.]), array([0.75, 0.75]))
    """
    number: dict[Corner, int] = {}
    four = [[(h + a, k + b) for a in (0, 1) for b in (0, 1)] for h, k in corners]
    for cell in (cell for cells in four for cell in cells):
        number[cell] = number.get(cell, 0) + 1
    return np.array([np.mean([1 / number[cell] for cell in cells]) for cells in four])


def copies(images: Floats) -> Floats:
    """Count for every window those that are its copy after a turn or a mirror, itself included."""
    seen = np.isfinite(images)
    weight = ndimage.uniform_filter(seen.astype(float), (0, 5, 5)) + 1e-9
    smooth = ndimage.uniform_filter(np.where(seen, images, 0.0), (0, 5, 5)) / weight
    smooth[~seen] = np.nan
    level = np.nanmean(smooth, axis=(1, 2), keepdims=True)
    smooth = smooth / np.where(level > 0, level, 1)
    spread = np.nanstd(smooth, axis=(1, 2))
    turned = [smooth, smooth.swapaxes(1, 2)]
    turned += [x[:, ::-1] for x in turned]
    turned += [x[:, :, ::-1] for x in turned]
    number = np.ones(len(images))
    for i in range(len(images)):
        for other in range(i):
            apart = [np.nanmean((smooth[i] - view[other]) ** 2) for view in turned]
            if min(apart) < (COPY * min(spread[i], spread[other])) ** 2:
                number[[i, other]] += 1
    return number


def _second_greatest(values: Floats) -> float:
    return float(np.sort(values)[-2:][0])


def _common_pattern(cells: Floats) -> Floats:
    """First principal component of the cells' S - 1, mean square 1: what windows have in common."""
    deviations = (cells - 1).reshape(len(cells), -1)
    left, _, right = np.linalg.svd(deviations, full_matrices=False)
    pattern = right[0] * np.sign(left[:, 0].sum() or 1.0)
    return (pattern / pattern.std()).reshape(CELL, CELL)
