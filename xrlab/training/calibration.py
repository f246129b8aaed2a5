"""Factors that make the errors of the network for measured images true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xrlab.crystal.arrays import Reals
from xrlab.networks.measured import calibrated, sizes

# Groups of images, from the least to the greatest stated error, that have factors of their own.
GROUPS = 6

# What 90 % intervals are made to cover in the end: a little more, since images of another kind have
# more of the errors that are large.
COVERED = 0.92

# Degrees of freedom that the calibration may choose from. With fewer than 5, 90 % intervals are no
# longer 1.6 standard deviations on each side.
FREEDOMS = (5, 6, 8, 10, 15, 20, 30, 50, 100)

# What part of the correlations of the errors the calibration may take away.
PARTS = np.linspace(0, 0.6, 25).round(3)


def calibration(
    mean: Reals, scale: Reals, true: Reals, kinds: NDArray[np.int_] | None = None
) -> dict[str, Any]:
    """Fit what makes marginal intervals and joint ellipsoids hold as often as they say.

    In each group of images, from those of the least to those of the greatest stated errors, and for
    each correlation, a factor makes 90 % intervals cover 90 %, of each kind of image apart; then
    the degrees of freedom bring those of 50 % and 99 % nearest. The factor of a group is that of
    the kind that needs the greatest. At last the correlations of the errors are made weaker by a
    part that makes 90 % ellipsoids cover 90 % of each group, as far as weaker correlations can. All
    errors are then made wider until 90 % intervals cover `COVERED`. See
    `xrlab.networks.measured.calibrated`.

    Parameters
    ----------
    mean, true : arrays, shape (n, 15)
    scale : array, shape (n, 15, 15)
    kinds : int array, shape (n,), optional
        Such as crystals and grainy lattices; one kind if not given.
    """
    ratio = np.abs(mean - true) / np.sqrt(np.diagonal(scale, axis1=1, axis2=2))
    size = sizes(scale)
    groups = np.array_split(np.argsort(size), GROUPS)
    at = [float(np.median(size[group])) for group in groups]
    kinds = np.zeros(len(mean), int) if kinds is None else kinds
    own = np.zeros((kinds.max() + 1, GROUPS))
    for kind, part in np.ndindex(own.shape):
        chosen = groups[part][kinds[groups[part]] == kind]
        own[kind, part] = np.quantile(ratio[chosen], 0.9) if len(chosen) else 0
    for kind, factors in enumerate(own):
        ratio[kinds == kind] /= np.interp(size[kinds == kind], at, factors)[:, None]
    wide = own.max(axis=0)
    component = np.quantile(ratio, 0.9, axis=0)
    ratio = ratio / component
    wider = float(np.quantile(ratio, COVERED))
    ratio /= wider

    def missed(freedom: float) -> float:
        half, nearly = stats.t.ppf([0.75, 0.995], freedom) / stats.t.ppf(0.95, freedom)
        return abs((ratio < half).mean() - 0.5) + abs((ratio < nearly).mean() - 0.99)

    freedom = min(FREEDOMS, key=missed)
    ninety = stats.t.ppf(0.95, freedom)
    made = {
        "freedom": freedom,
        "component": [round(float(c), 4) for c in component],
        "size": [round(x, 4) for x in at],
        "factor": [round(float(f / ninety), 4) for f in wide],
    }

    def outside(part: float) -> NDArray[np.bool_]:
        given = {**made, "independent": [part] * GROUPS}
        covariance, _ = calibrated(scale, given)
        matrix = covariance * (1 - 2 / freedom)
        deviation = mean - true
        distance = (deviation * np.linalg.solve(matrix, deviation[..., None])[..., 0]).mean(axis=-1)
        return distance > stats.f.ppf(0.9, mean.shape[-1], freedom)

    missing = np.array([outside(part) for part in PARTS])
    shares = [missing[:, group].mean(axis=1) for group in groups]
    made["independent"] = [float(PARTS[np.argmin(np.abs(share - 0.1))]) for share in shares]
    made["factor"] = [round(float(f * wider / ninety), 4) for f in wide]
    return made
