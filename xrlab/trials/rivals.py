"""The rivals of the network for measured images: Delta-PDF after cleaning the image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xrlab.crystal.encoding import Encoding
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, as_image
from xrlab.crystal.setting import SPAN
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.measurement.filling import fill_unmeasured
from xrlab.measurement.pipeline import RECOMMENDED

# r.l.u. around every whole h and k that the rival leaves out, and the size in pixels and the number
# of robust standard deviations of its moving window.
BRAGG_RADIUS = 0.1
WINDOW, OUTLIER = 5, 5.0


def cleaned_delta_pdf(
    image: ArrayLike, span: int = SPAN, grid: ReciprocalGrid = STANDARD_GRID
) -> Encoding:
    """Delta-PDF of a measured image after the usual cleaning.

    Pixels far from the median of a 5 x 5 window (5 times 1.4826 times the median absolute
    deviation, as KAREN: Weng et al., J. Appl. Cryst. 53, 159, 2020) and the surroundings of the
    Bragg positions are left out, and what is missing is filled from the opposite pixel.
    """
    pixels = as_image(image, grid.shape)
    filled = np.where(np.isnan(pixels), np.nanmedian(pixels), pixels)
    median = ndimage.median_filter(filled, WINDOW)
    deviation = np.abs(filled - median)
    spread = 1.4826 * ndimage.median_filter(deviation, WINDOW)
    outlier = deviation > OUTLIER * spread + 1e-12
    cut = np.where(outlier | (grid.distance_to_bragg() < BRAGG_RADIUS), np.nan, pixels)
    return delta_pdf(fill_unmeasured(cut), span, grid)


def cut_delta_pdf(
    image: ArrayLike, span: int = SPAN, grid: ReciprocalGrid = STANDARD_GRID
) -> Encoding:
    """Delta-PDF with the surroundings of the Bragg positions cut out: the lighter cleaning.

    What is missing is filled from the opposite pixel. Where there are no outliers this is better
    than `cleaned_delta_pdf`, whose filter takes sharp diffuse maxima for outliers.
    """
    cut = np.where(grid.distance_to_bragg() < BRAGG_RADIUS, np.nan, as_image(image, grid.shape))
    return delta_pdf(fill_unmeasured(cut), span, grid)


def inpainted_delta_pdf(
    image: ArrayLike, span: int = SPAN, grid: ReciprocalGrid = STANDARD_GRID
) -> Encoding:
    """Delta-PDF with unmeasured pixels filled from the opposite one, and nothing else done."""
    return delta_pdf(fill_unmeasured(as_image(image, grid.shape)), span, grid)


def recommended_delta_pdf(
    image: ArrayLike, span: int = SPAN, grid: ReciprocalGrid = STANDARD_GRID, *, pipeline: str
) -> Encoding:
    """Delta-PDF after a pipeline of `RECOMMENDED`, tuned on such images."""
    return delta_pdf(RECOMMENDED[pipeline](as_image(image, grid.shape)), span, grid)


RIVALS: dict[str, Callable[..., Encoding]] = {
    "in-painted": inpainted_delta_pdf,
    "Bragg peaks cut": cut_delta_pdf,
    "cleaned": cleaned_delta_pdf,
    **{
        f'recommended "{name}"': partial(recommended_delta_pdf, pipeline=name)
        for name in ("box", "section", "noisy")
    },
}
