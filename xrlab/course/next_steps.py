"""Experiments and figures of the last notebook: more pixels, more orders, images blind to order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from xrlab.course.figures.corrections import gallery_figure
from xrlab.crystal.arrays import Floats, Sites
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.grid import ReciprocalGrid
from xrlab.crystal.setting import Setting
from xrlab.datasets.dataset import make_lattice
from xrlab.drawing.plots import BELOW, add_curve
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.inference.metrics import mean_squared_error, r2_score


@dataclass(frozen=True)
class Reading:
    """How well Delta-PDF reads images of one kind.

    Parameters
    ----------
    r2, rms : float
        R^2 of the realised correlations, and their root mean square error.
    made, read : float
        Time to compute one image of a lattice, and to invert it, in ms.
    """

    r2: float
    rms: float
    made: float
    read: float


def resolutions(
    span: int,
    grids: Mapping[str, ReciprocalGrid],
    n_images: int = 60,
    *,
    lot_size: int = 25,
    lots: int = 8,
    seed: int = 0,
) -> dict[str, Reading]:
    """Look at the same lattices and the same lots on several grids, and invert the images.

    Lattices of 50 x 50 sites or, if the lot is larger, twice the lot, from the Gaussian sampler.

    Parameters
    ----------
    span : int
    grids : mapping from a name to a `ReciprocalGrid`
    n_images : int
        2 or more for each grid.
    lot_size, lots : int
        L and M.
    seed : int

    Raises
    ------
    ValueError
        If there are too few images for an R^2, or too few pixels for the span.
    """
    if n_images < 2:
        raise ValueError(f"R^2 needs 2 images or more; got {n_images}")
    setting = Setting(max(50, 2 * lot_size), lot_size, lots, "gaussian")
    lattices = [make_lattice(span, seed, n, setting)[0] for n in range(n_images)]
    true = np.array([lattice.realised.vector for lattice in lattices])
    readings = {}
    for name, grid in grids.items():
        start = time.perf_counter()
        images = [diffraction_image(s, grid, lot_size, lots, n) for n, s in enumerate(lattices)]
        made = time.perf_counter()
        estimates = np.array([delta_pdf(image, span, grid, lot_size).vector for image in images])
        read = time.perf_counter()
        readings[name] = Reading(
            r2_score(true, estimates),
            mean_squared_error(true, estimates) ** 0.5,
            1e3 * (made - start) / n_images,
            1e3 * (read - made) / n_images,
        )
    return readings


def three_dot_lattice(size: int = 50, seed: int = 0) -> Sites:
    """Make a lattice with perfect order of three sites at a time, and no pair correlation at all.

    Each site is the product of its two earlier neighbours, s(x, y) = s(x-1, y) s(x, y-1); only
    first row and column are left to chance (Ledrappier, C. R. Acad. Sci. Paris A287, 561, 1978).

    Returns
    -------
    int8 array of +1 and -1, shape (size, size)

    Examples
    --------
    >>> sites = three_dot_lattice(6)
    >>> bool((sites[1:, 1:] == sites[:-1, 1:] * sites[1:, :-1]).all())
    True
    """
    if size < 2:
        raise ValueError(f"a lattice needs 2 x 2 sites or more; got {size}")
    sites = np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (size, size))
    for x in range(1, size):
        for y in range(1, size):
            sites[x, y] = sites[x - 1, y] * sites[x, y - 1]
    return sites


def three_site_mean(sites: ArrayLike) -> float:
    """Return the mean of s(x, y) s(x-1, y) s(x, y-1) over all inner sites: 0 if left to chance."""
    s = np.asarray(sites, np.int64)
    return float((s[1:, 1:] * s[:-1, 1:] * s[1:, :-1]).mean())


def pixels_figure(pixels: Sequence[int], errors: Mapping[str, Sequence[float]]) -> go.Figure:
    """Draw the error of Delta-PDF against the number of pixels along each side."""
    figure = go.Figure()
    for n, (name, each) in enumerate(errors.items()):
        add_curve(figure, list(pixels), list(each), n, name=name)
    figure.update_xaxes(
        title="pixels along each side", type="log", tickvals=list(pixels), tickangle=0
    )
    ticks = [0.01, 0.02, 0.03, 0.05, 0.1, 0.2]
    figure.update_yaxes(title="root mean square error of c(i, j)", type="log", tickvals=ticks)
    return figure.update_layout(
        title="More pixels help, up to a point", legend=BELOW, width=720, height=400
    )


def traversal_figure(rows: Sequence[ArrayLike], places: Sequence[float], span: int) -> go.Figure:
    """Draw a gallery: one latent value changes along each row, the others stay at 0.

    Parameters
    ----------
    rows : for each latent value, an array of shape (places, rows, columns)
    places : values of the one that changes
    span : int
        Below each title stands what `delta_pdf` reads off the picture.
    """
    gallery: list[dict[str, Floats]] = []
    for n, images in enumerate(rows, start=1):
        gallery.append({})
        for place, image in zip(places, np.asarray(images, np.float64), strict=True):
            encoding = delta_pdf(image, span, ReciprocalGrid(shape=(len(image), len(image[0]))))
            words = ", ".join(f"{round(c, 1) + 0.0:.1f}" for c in encoding.vector)
            title = f"z<sub>{n}</sub> = {place:+.1f}<br>{words}".replace("-", "−")
            gallery[-1][title] = image
    return gallery_figure(*gallery).update_layout(margin_t=85)
