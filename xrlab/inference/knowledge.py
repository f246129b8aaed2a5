"""What a user knows of an image, checked: the share of the background, and the form factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Reals
from xrlab.crystal.grid import unmasked


def known_background(background: ArrayLike | None, images: Reals) -> Floats | None:
    """Check the shares of the background and return them for every image, shape (n, 2)."""
    if background is None:
        return None
    shares = np.asarray(background, np.float64)
    if shares.shape not in ((2,), (len(images), 2)):
        raise ValueError(
            f"the background is its lowest and highest share, such as (0.1, 0.4); "
            f"this has shape {shares.shape}"
        )
    low, high = shares[..., 0], shares[..., 1]
    if not ((low >= 0) & (low <= high) & (high <= 1)).all():
        raise ValueError(
            f"the share of the background lies between 0 and 1, the lower number first; "
            f"got {shares.tolist()}"
        )
    return np.broadcast_to(shares, (len(images), 2))


def known_factor(form_factor: ArrayLike | None, images: Reals) -> Floats | None:
    """Check a squared form factor and return it for every image; its mean where it is unknown."""
    if form_factor is None:
        return None
    values = unmasked(form_factor).astype(np.float64)
    if values.shape not in (images.shape, images.shape[1:]):
        raise ValueError(
            f"the squared form factor has the shape of the image, {images.shape[1:]}; "
            f"this one has shape {values.shape}"
        )
    values = np.broadcast_to(values, images.shape)
    known = ~np.isnan(values)
    if not (np.where(known, values, 0) >= 0).all() or np.isinf(values).any():
        raise ValueError(
            f"a squared form factor is finite and never negative; this one runs from "
            f"{np.nanmin(values):g} to {np.nanmax(values):g}"
        )
    total = np.where(known, values, 0).sum(axis=(1, 2), keepdims=True)
    if not (total > 0).all():
        raise ValueError("the squared form factor is 0 or NaN everywhere: leave it out")
    return np.where(known, values, total / known.sum(axis=(1, 2), keepdims=True))
