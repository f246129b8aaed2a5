"""What the answers of a network are shown beside: inversion, maximum likelihood, the limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.speckle import lots_floor
from xrlab.datasets.dataset import DataSet, make_lattice
from xrlab.datasets.parallel import in_parallel
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.inference.likelihood import maximum_likelihood
from xrlab.inference.metrics import mean_absolute_error, mean_squared_error, r2_score


def evaluate(true: Reals, estimate: Reals) -> dict[str, float]:
    """R^2 (mean over components), MSE and MAE of encodings, shape (samples, components)."""
    return {
        "r2": r2_score(true, estimate),
        "mse": mean_squared_error(true, estimate),
        "mae": mean_absolute_error(true, estimate),
    }


def vectors(read: Callable[[Floats], Encoding], images: Reals, n_jobs: int = -1) -> Floats:
    """Read every image on several cores and return the vectors, shape (samples, components)."""
    return np.array([encoding.vector for encoding in in_parallel(read, images, n_jobs)])


def delta_pdf_vectors(data: DataSet) -> Floats:
    """Vectors of the baseline, `delta_pdf` with the known lots, for every image of a data set."""
    grid, lot_size = data.setting.grid, data.setting.lot_size
    read = partial(delta_pdf, span=data.span, grid=grid, lot_size=lot_size)
    return vectors(read, data.images, n_jobs=1)


def maximum_likelihood_vectors(data: DataSet, n_jobs: int = -1) -> Floats:
    """Vectors of `maximum_likelihood` with the known lots; NaN where it finds no answer."""
    setting = data.setting

    def read(image: Singles) -> Floats:
        try:
            estimate = maximum_likelihood(
                image, data.span, setting.grid, setting.lot_size, setting.lots
            )
        except (ValueError, np.linalg.LinAlgError):
            return np.full(data.encodings.shape[1], np.nan)
        return estimate.encoding.vector

    return np.array(list(in_parallel(read, data.images, n_jobs)))


def lots_floors(span: int, seed: int, samples: range, data: DataSet, n_jobs: int = -1) -> Floats:
    """Return the standard errors that the choice of lots leaves: `lots_floor` of every sample.

    Parameters
    ----------
    span, seed
        Of the data set.
    samples : range
        Their indices in it.
    data : DataSet
        These samples.
    n_jobs : int
        Workers.
    """
    setting = data.setting

    def floor(index: int) -> Floats:
        lattice, _ = make_lattice(span, seed, index, setting)
        return lots_floor(lattice, setting.lot_size, setting.lots)

    return np.array(list(in_parallel(floor, samples, n_jobs)))


def side_by_side(data: DataSet, answers: Reals, seed: int, first: int) -> dict[str, Any]:
    """Figures of a model, the baselines and the limit on the same images.

    Parameters
    ----------
    data : DataSet
        Test images.
    answers : array, shape (samples, components)
        Those of the model.
    seed, first : int
        The images are the samples from `first` on of the data set `seed`.

    Returns
    -------
    dict
        ``images`` counts those for which maximum likelihood has an answer; all figures are on
        these. ``lots_floor`` has what the best unbiased answer could reach.
    """
    likeliest = maximum_likelihood_vectors(data)
    known = np.isfinite(likeliest).all(axis=1)
    true = data.encodings[known].astype(float)
    floors = lots_floors(data.span, seed, range(first, first + len(data)), data)[known] ** 2
    return {
        "images": int(known.sum()),
        "without_likelihood": int((~known).sum()),
        "model": evaluate(true, answers[known]),
        "delta_pdf": evaluate(true, delta_pdf_vectors(data)[known]),
        "maximum_likelihood": evaluate(true, likeliest[known]),
        "lots_floor": {
            "r2": float(1 - (floors.mean(axis=0) / true.var(axis=0)).mean()),
            "mse": float(floors.mean()),
        },
    }
