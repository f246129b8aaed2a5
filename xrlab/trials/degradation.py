"""How methods degrade as an instrument grows worse: each effect alone and all together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.datasets.dataset import DataSet
from xrlab.inference.baselines import vectors
from xrlab.inference.metrics import mean_squared_error, r2_score
from xrlab.measurement.effects import Effect, Seed
from xrlab.measurement.instrument import PRESETS, Instrument, stream
from xrlab.networks.predict import predict, prepared
from xrlab.networks.shipped import load_network, run_model
from xrlab.trials.rivals import cut_delta_pdf, recommended_delta_pdf
from xrlab.trials.trial import NAMES, NINETY, Score, score, trials

# From a clean image to a bad day

# Parameters of the "bad day" that grow with t from 0, and those that fall from a harmless value.
_GROWING = {
    "bragg": ("intensity",),
    "background": ("constant", "air", "ring"),
    "blur": ("width",),
    "bad pixels": ("hot", "dead"),
    "gaps in h": ("width",),
    "gaps in k": ("width",),
    "beam stop": ("radius", "arm"),
}

_FALLING = {"counting": {"exposure": 1e6}, "saturation": {"ceiling": 1e5}}

# Reads a stack of images, shape (n, 64, 64), NaN where unmeasured: vectors of span 4.
Method = Callable[[Floats], Floats]

# The trials of error bars that the notebook shows.
TRIALS = tuple(name for name in NAMES if name != "clean")


def degradation_instrument(t: float) -> Instrument:
    """Return an instrument between "clean" (t = 0) and "bad day" (t = 1).

    With one seed it is the same bad day at every t, only milder: the form factor is E^t, levels,
    widths and chances are t times those of the bad day, exposure and ceiling fall to them
    geometrically.

    Raises
    ------
    ValueError
        If t is not between 0 and 1.
    """
    if not 0 <= t <= 1:
        raise ValueError(f"t runs from 0 (clean) to 1 (bad day); got {t}")
    if t == 0:
        return PRESETS["clean"]
    return Instrument(
        tuple(
            (name, _milder(name, effect, t), given)
            for name, effect, given in PRESETS["bad day"].effects
        )
    )


def degradation(
    image: ArrayLike, t: float, seed: int = 0, grid: ReciprocalGrid = STANDARD_GRID
) -> Image:
    """Spoil a clean image: nothing at t = 0, the preset "bad day" at t = 1.

    Parameters
    ----------
    image : array, shape ``grid.shape``
        Clean, in Laue units.
    t : float
        0 to 1.
    seed : int
        Of the bad day.
    grid : ReciprocalGrid

    Returns
    -------
    float64 array, NaN where unmeasured
    """
    return degradation_instrument(t).measure(image, grid, seed).image


def _milder(name: str, effect: Effect, t: float) -> Effect:
    def milder(image: ArrayLike, grid: ReciprocalGrid, seed: Seed, **drawn: Any) -> ArrayLike:
        if name == "envelope":
            factor = np.asarray(effect(np.ones(grid.shape), grid, seed, **drawn)) ** t
            return np.asarray(image) * (factor / factor.mean())
        drawn |= {key: t * drawn[key] for key in _GROWING.get(name, ())}
        for key, harmless in _FALLING.get(name, {}).items():
            drawn[key] = harmless * (drawn[key] / harmless) ** t
        return effect(image, grid, seed, **drawn)

    return milder


def _network(images: Floats) -> Floats:
    return predict(images, 4, "measured")[0]


def _clean_network(images: Floats) -> Floats:
    return np.clip(run_model(load_network("cfs4"), prepared(images)), -1, 1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Curve:
    """How well methods read images that are spoiled in several ways.

    Parameters
    ----------
    places : sequence
        What was done to the images: values of t, or names of effects.
    r2, rms : mapping from a method to an array, shape (places,)
        R^2 of the encodings, mean over the components; root mean square error.
    coverage : array, shape (places,)
        Part of the true values in the 90 % intervals of the network for measured images.
    """

    places: Sequence[Any]
    r2: dict[str, Floats]
    rms: dict[str, Floats]
    coverage: Floats


METHODS: Mapping[str, Method] = {
    "network for measured images": _network,
    "network for clean images": _clean_network,
    "ΔPDF, Bragg peaks cut": partial(vectors, cut_delta_pdf),
    "ΔPDF after cleaning": partial(vectors, partial(recommended_delta_pdf, pipeline="box")),
}


def degradation_curve(
    data: DataSet,
    ts: Sequence[float] = (0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
    seed: int = 0,
    methods: Mapping[str, Method] = METHODS,
    *,
    progress: bool = True,
) -> Curve:
    """Read images of a data set of span 4 while they get worse.

    Image i has one bad day, which depends on (seed, i), for all t.
    """
    return _curve(data, {t: degradation_instrument(t) for t in ts}, seed, methods, progress)


def effect_by_effect(
    data: DataSet, seed: int = 0, methods: Mapping[str, Method] = METHODS, *, progress: bool = True
) -> Curve:
    """Read images of a data set of span 4 that suffer from one effect of the bad day each."""
    bad_day = PRESETS["bad day"]
    alone = {"none": Instrument()} | {
        name: Instrument(((name, effect, given),)) for name, effect, given in bad_day.effects
    }
    return _curve(data, alone | {"all at once": bad_day}, seed, methods, progress)


def _curve(
    data: DataSet,
    instruments: Mapping[Any, Instrument],
    seed: int,
    methods: Mapping[str, Method],
    progress: bool,
) -> Curve:
    if data.span != 4:
        raise ValueError(f"the network for measured images reads span 4; the data have {data.span}")
    true = data.encodings.astype(np.float64)
    answers: dict[str, list[Floats]] = {name: [] for name in methods}
    coverage = []
    for instrument in tqdm(instruments.values(), "spoiling", disable=not progress):
        grid, days = data.setting.grid, (_bad_day(seed, i) for i in range(len(data)))
        taken = map(instrument.measure, data.images, repeat(grid), days)
        images = np.array([measurement.image for measurement in taken])
        for name, read in methods.items():
            answers[name].append(read(images))
        mean, error = predict(images, 4, "measured")
        coverage.append(float(np.mean(np.abs(mean - true) < NINETY * error)))
    mse = partial(mean_squared_error, true)
    return Curve(
        list(instruments),
        {name: np.array([r2_score(true, x) for x in each]) for name, each in answers.items()},
        {name: np.sqrt([mse(x) for x in each]) for name, each in answers.items()},
        np.array(coverage),
    )


def trial_scores(
    n_samples: int, seed: int, names: Sequence[str] = TRIALS, *, progress: bool = True
) -> dict[str, Score]:
    """Score the network for measured images on trials of `xrlab.trials.trial`, by name."""
    scores = {}
    with threadpool_limits(1, user_api="blas"):
        made = trials(n_samples, seed, names)
        for trial in tqdm(made, "trials", len(names), disable=not progress):
            scores[trial.name] = score(trial, lambda images: predict(images, 4, "measured"))
    return scores


def _bad_day(seed: int, index: int) -> int:
    return int(stream(seed, f"image {index}").integers(2**62))
