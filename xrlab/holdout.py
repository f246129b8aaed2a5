"""Two hold-out tests: one image read with several spans, and an image that gets worse and worse.

Nothing here trains. `decoded_comparisons` repeats a test of the study of 2023: what networks of
spans 2, 3 and 4 read off one image is simulated again and set beside the image. `degradation` and
`degradation_curve` turn a clean image into that of a bad day and ask who can still read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.dataset import STUDY, DataSet, Setting
from xrlab.diffraction import STANDARD_GRID, ReciprocalGrid, as_image, diffraction_image
from xrlab.encoding import Encoding, vector_length
from xrlab.instrument import PRESETS, Effect, Image, Instrument, Seed, stream
from xrlab.interpret import predict
from xrlab.lattice import simulate
from xrlab.metrics import image_r2, mean_squared_error, r2_score
from xrlab.trial import NINETY, Score, cut_delta_pdf, recommended_delta_pdf, score, trials

Floats = NDArray[np.float64]

SPANS = (2, 3, 4)

# How the row with the true encoding is called, beside "span 2", "span 3", ...
TRUTH = "true encoding"

# Published for one image, spans 2, 3, 4, against the image itself (the study of 2023).
PUBLISHED_R2 = (-0.034, 0.113, 0.675)
PUBLISHED_MSE = (0.309, 0.265, 0.097)

# Further realisations of the true encoding, of which the mean stands for the expected image.
COPIES = 4


# One image, several spans


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images, the encodings read off them, and the images that these give.

    Parameters
    ----------
    names : tuple of str
        Where the encodings come from: "span 2", "span 3", ... and last "true encoding", the
        ceiling: what a method that makes no mistake would reach.
    images : float32 array, shape (n, 64, 64)
    encodings : tuple of arrays, shape (n, span^2 - 1) each
        By name.
    simulated : float32 array, shape (n, names, 64, 64)
        Images of new lattices with these encodings.
    expected : float32 array, shape (n, 64, 64)
        Mean of several realisations of the true encoding: the image almost without chance.
    r2, mse : arrays, shape (n, names)
        Of the simulated image against the image.
    r2_expected, mse_expected : arrays, shape (n, names)
        Of the simulated image against the expected one.
    """

    names: tuple[str, ...]
    images: NDArray[np.float32]
    encodings: tuple[Floats, ...]
    simulated: NDArray[np.float32]
    expected: NDArray[np.float32]
    r2: Floats
    mse: Floats
    r2_expected: Floats
    mse_expected: Floats

    @property
    def mse_ratio(self) -> Floats:
        """Mean squared error of the simulated image in units of the ceiling's, shape (n, names).

        1 is as near as another lattice with the true encoding.
        """
        return self.mse / self.mse[:, -1:]


def decoded_comparison(
    image: ArrayLike,
    encoding: Encoding,
    spans: Sequence[int] = SPANS,
    setting: Setting = STUDY,
    seed: int = 0,
) -> Decoded:
    """Read one clean image with the networks of several spans and simulate every answer.

    See `decoded_comparisons`.
    """
    pixels = as_image(image, setting.grid.shape)
    vector = encoding.vector
    return decoded_comparisons(pixels[None], vector[None], spans, setting, seed, progress=False)


def decoded_comparisons(
    images: ArrayLike,
    encodings: ArrayLike,
    spans: Sequence[int] = SPANS,
    setting: Setting = STUDY,
    seed: int = 0,
    *,
    n_jobs: int = -1,
    progress: bool = True,
) -> Decoded:
    """Read many clean images with the networks of several spans and simulate every answer.

    Parameters
    ----------
    images : array, shape (n, 64, 64)
        Clean and whole.
    encodings : array, shape (n, components)
        The realised encodings of their lattices: the truth.
    spans : sequence of int
    setting : Setting
        How the images were made; the answers are simulated in the same way.
    seed : int
        Lattice m of image i depends on (seed, i, m) alone.
    n_jobs : int
        Threads; -1 for one per core.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If there is no network for a span, or images and encodings do not belong together.

    Examples
    --------
    >>> from xrlab import generate
    >>> data = generate(span=4, n_samples=2, setting=STUDY, n_jobs=1, progress=False)
    >>> decoded = decoded_comparisons(data.images, data.encodings, progress=False)
    >>> decoded.names, decoded.r2.shape
    (('span 2', 'span 3', 'span 4', 'true encoding'), (2, 4))
    """
    stack, truth = np.asarray(images, np.float32), np.asarray(encodings, np.float64)
    if len(stack) != len(truth):
        raise ValueError(f"there are {len(stack)} images and {len(truth)} encodings")
    answers = [np.clip(predict(stack, span)[0], -1, 1) for span in spans]
    answers.append(truth)

    def simulated(i: int, vector: Floats, m: int) -> NDArray[np.float32]:
        rng = np.random.default_rng([seed, i, m])
        encoding = Encoding.from_vector(vector)
        lattice = simulate(encoding, setting.size, setting.sampler, rng, start=setting.start)
        return diffraction_image(lattice, setting.grid, setting.lot_size, setting.lots, rng)

    def again(i: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        own = [simulated(i, vectors[i], m) for m, vectors in enumerate(answers)]
        others = [simulated(i, truth[i], len(answers) + m) for m in range(COPIES)]
        return np.array(own), np.mean(others, axis=0)

    with threadpool_limits(1):
        parallel = Parallel(n_jobs, prefer="threads", return_as="generator")
        made = parallel(delayed(again)(i) for i in range(len(stack)))
        bar = tqdm(made, "simulating", len(stack), unit=" images", disable=not progress)
        resimulated, expected = (np.array(part) for part in zip(*bar, strict=True))
    scores = np.array(
        [
            [
                [
                    (image_r2(image, each), _image_mse(image, each)),
                    (image_r2(mean, each), _image_mse(mean, each)),
                ]
                for each in several
            ]
            for image, mean, several in zip(stack, expected, resimulated, strict=True)
        ]
    )
    return Decoded(
        names=(*(f"span {span}" for span in spans), TRUTH),
        images=stack,
        encodings=tuple(answers),
        simulated=resimulated,
        expected=expected,
        r2=scores[:, :, 0, 0],
        mse=scores[:, :, 0, 1],
        r2_expected=scores[:, :, 1, 0],
        mse_expected=scores[:, :, 1, 1],
    )


def _image_mse(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Mean squared difference of two images, each of mean 1, as in `image_r2`."""
    return mean_squared_error(first / first.mean(), second / second.mean())


def common_part(vectors: ArrayLike, span: int) -> Floats:
    """Cut encodings, shape (n, components), down to those of a smaller span.

    >>> common_part(np.arange(1, 16)[None], 2)
    array([[1., 4., 5.]])
    """
    array = np.asarray(vectors, np.float64)
    large = Encoding.from_vector(np.zeros(array.shape[1])).span
    if vector_length(span) > array.shape[1]:
        raise ValueError(f"encodings of span {large} hold none of span {span}")
    wanted = np.arange(large**2).reshape(large, large)[:span, :span].ravel()[1:] - 1
    return array[:, wanted]


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


# Reads a stack of images, shape (n, 64, 64), NaN where unmeasured: vectors of span 4.
Method = Callable[[Floats], Floats]


def _network(images: Floats) -> Floats:
    return predict(images, 4, "measured")[0]


def _clean_network(images: Floats) -> Floats:
    return np.clip(predict(images, 4)[0], -1, 1)


def _by_inversion(read: Callable[[Image], Encoding], images: Floats) -> Floats:
    with threadpool_limits(1):
        found = Parallel(-1, prefer="threads")(delayed(read)(each) for each in images)
    return np.array([each.vector for each in found])


METHODS: Mapping[str, Method] = {
    "network for measured images": _network,
    "network for clean images": _clean_network,
    "ΔPDF, Bragg peaks cut": partial(_by_inversion, cut_delta_pdf),
    "ΔPDF after cleaning": partial(_by_inversion, partial(recommended_delta_pdf, pipeline="box")),
}


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
    data: DataSet,
    seed: int = 0,
    methods: Mapping[str, Method] = METHODS,
    *,
    progress: bool = True,
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
    r2: dict[str, list[float]] = {name: [] for name in methods}
    rms: dict[str, list[float]] = {name: [] for name in methods}
    coverage = []
    for instrument in tqdm(instruments.values(), "spoiling", disable=not progress):
        images = np.array(
            [
                instrument.measure(image, data.setting.grid, _bad_day(seed, i)).image
                for i, image in enumerate(data.images)
            ]
        )
        for name, read in methods.items():
            answer = read(images)
            r2[name].append(r2_score(true, answer))
            rms[name].append(mean_squared_error(true, answer) ** 0.5)
        mean, error = predict(images, 4, "measured")
        coverage.append(float(np.mean(np.abs(mean - true) < NINETY * error)))
    return Curve(
        list(instruments),
        {name: np.array(values) for name, values in r2.items()},
        {name: np.array(values) for name, values in rms.items()},
        np.array(coverage),
    )


# The trials of error bars that the notebook shows.
TRIALS = (
    "laboratory",
    "synchrotron",
    "bad day",
    "unseen instrument",
    "unseen lattices",
    "unseen both",
)


def trial_scores(
    n_samples: int, seed: int, names: Sequence[str] = TRIALS, *, progress: bool = True
) -> dict[str, Score]:
    """Score the network for measured images on trials of `xrlab.trial`, by name."""
    scores = {}
    with threadpool_limits(1, user_api="blas"):
        made = trials(n_samples, seed, names)
        for trial in tqdm(made, "trials", len(names), disable=not progress):
            scores[trial.name] = score(trial, lambda images: predict(images, 4, "measured"))
    return scores


def _bad_day(seed: int, index: int) -> int:
    return int(stream(seed, f"image {index}").integers(2**62))
