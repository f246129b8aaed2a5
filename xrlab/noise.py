"""How much of an image is chance: the law of its grain, and what the law means for R^2.

An image is the mean of M speckle patterns, one for each lot. In every pixel a speckle pattern is
the expected intensity S times an exponential random number (Goodman, Speckle Phenomena in Optics,
2007, chapter 3), so independent lots leave a relative variance of 1/M. Lots of one lattice
overlap, and what two of them share does not average out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.dataset import Setting
from xrlab.diffraction import correlation_image, diffraction_image, expected_image
from xrlab.encoding import Encoding, vector_length
from xrlab.inversion import delta_pdf
from xrlab.lattice import Lattice, simulate
from xrlab.likelihood import cramer_rao, lots_floor, maximum_likelihood
from xrlab.metrics import image_r2, mean_absolute_error, mean_squared_error, r2_score
from xrlab.spectrum import NotRealisableError

Floats = NDArray[np.float64]
T = TypeVar("T")

STANDARD = Setting()  # 50/25/8


# The law of the grain


def shared(size: int, lot_size: int) -> float:
    """Relative covariance of two lots at random places of one lattice.

    Windows shifted by (x, y) share amplitude in proportion to their overlap, so intensities have
    the covariance S^2 (1 - |x|/L)^2 (1 - |y|/L)^2; this is its mean over all shifts modulo N, close
    to (4/9) (L/N)^2.

    Raises
    ------
    ValueError
        If a lot does not fit the lattice.

    Examples
    --------
    >>> round(shared(50, 25), 3)
    0.111
    """
    if not 1 <= lot_size <= size:
        raise ValueError(
            f"a lot has from 1 site along each side to as many as the lattice, {size}; "
            f"got {lot_size}"
        )
    overlap = 1 - np.abs(np.arange(1 - lot_size, lot_size)) / lot_size
    return float(((overlap**2).sum() / size) ** 2)


def expected_grain(size: int, lot_size: int, lots: int) -> float:
    """Relative standard deviation of a pixel: sqrt(1/M + (1 - 1/M) shared).

    Examples
    --------
    >>> round(expected_grain(50, 25, 8), 2), round(expected_grain(96, 48, 64), 2)
    (0.47, 0.35)
    """
    if lots < 1:
        raise ValueError(f"an image needs at least 1 lot; got {lots}")
    return float(np.sqrt(1 / lots + (1 - 1 / lots) * shared(size, lot_size)))


def pixel_variance(setting: Setting = STANDARD) -> Floats:
    """Relative variance of every pixel, shape ``setting.grid.shape``.

    `expected_grain` squared, and up to twice that where q and -q are the same point or closer than
    1/L: around whole and half h and k the amplitude is a real number, whose square scatters twice
    as much.
    """
    size, lot_size, lots = setting.size, setting.lot_size, setting.lots
    shift = np.arange(1 - lot_size, lot_size)
    own, common = [], []
    for q in (setting.grid.h_values, setting.grid.k_values):
        # |sum of exp(4 pi i q x) over the sites that two lots share|^2
        waves = np.exp(4j * np.pi * np.outer(q, np.arange(lot_size)))
        sums = np.abs(np.cumsum(waves, axis=1)[:, lot_size - 1 - np.abs(shift)]) ** 2 / lot_size**2
        own.append(sums[:, lot_size - 1])
        common.append(sums.sum(axis=1) / size)
    together = shared(size, lot_size) + np.outer(*common)
    return (1 + np.outer(*own)) / lots + (1 - 1 / lots) * together


def ensemble_image(encoding: Encoding, setting: Setting = STANDARD) -> Floats:
    """Noise-free image: `expected_image`, or for the sampler "growth" its own exact one.

    Grown lattices have c(i, j) = r^|i| s^|j| at every distance, and nothing across their edges,
    which takes a part |i|/N of all pairs i apart.
    """
    if setting.sampler != "growth":
        try:
            image = expected_image(encoding, setting.grid, setting.lot_size, size=setting.size)
        except NotRealisableError:
            encoding = encoding.nearest_realisable()
            image = expected_image(encoding, setting.grid, setting.lot_size, size=setting.size)
        return image.astype(np.float64)
    steps = np.abs(np.arange(1 - setting.lot_size, setting.lot_size))
    inside = 1 - steps / setting.size
    along_a, along_b = encoding.matrix[1, 0], encoding.matrix[0, 1]
    correlations = np.outer(along_a**steps * inside, along_b**steps * inside)
    return correlation_image(correlations, setting.grid, setting.lot_size)


def grain(image: ArrayLike, expected: ArrayLike) -> float:
    """Root mean square of the relative difference between an image and the expected one."""
    return float(np.sqrt(np.mean((np.asarray(image) / np.asarray(expected) - 1) ** 2)))


def grain_sweep(
    encoding: Encoding, settings: Sequence[Setting], copies: int = 6, seed: int = 0
) -> Floats:
    """Measure the grain under several settings, each as root mean square over a few lattices."""
    measured = []
    for setting in settings:
        with threadpool_limits(1):
            expected = ensemble_image(encoding, setting)
            grains = [
                grain(_realise(encoding, setting, np.random.default_rng([seed, m]))[1], expected)
                for m in range(copies)
            ]
        measured.append(float(rms(grains)))
    return np.array(measured)


def lit_sites(size: int, lot_size: int, lots: int, seed: int) -> NDArray[np.intp]:
    """Count the lots that light each site, for the same seed as in `diffraction_image`."""
    corners = np.random.default_rng(seed).integers(size, size=(lots, 2, 1))
    count = np.zeros((size, size), np.intp)
    for rows, columns in (corners + np.arange(lot_size)) % size:
        count[np.ix_(rows, columns)] += 1
    return count


# What the law means for R^2


def predicted_r2(expected: ArrayLike, variance: ArrayLike, copies: float = 1) -> float:
    """R^2 of the mean of some realisations against another one, from the law of the grain.

    With the signal, the variance of the expected image over its pixels, and the noise, the mean of
    S^2 times the relative variance, it is 1 - (1 + 1/copies) noise / (signal + noise).

    Parameters
    ----------
    expected, variance : arrays of one shape
        S, and `pixel_variance`.
    copies : float
        Realisations in the mean; ``numpy.inf`` for the expected image itself.
    """
    mean = np.asarray(expected, np.float64)
    noise = float(np.mean(mean**2 * np.asarray(variance)))
    return 1 - (1 + 1 / copies) * noise / (float(mean.var()) + noise)


@dataclass(frozen=True, eq=False)
class Realisations:
    """Several realisations of each of several encodings.

    Parameters
    ----------
    targets : array, shape (encodings, span^2 - 1)
    labels : array, shape (encodings, copies, span^2 - 1)
        Realised encodings.
    images : float32 array, shape (encodings, copies, rows, columns)
    setting : Setting
    """

    targets: Floats
    labels: Floats
    images: NDArray[np.float32]
    setting: Setting


def realisations(
    span: int,
    n: int,
    copies: int = 2,
    seed: int = 0,
    setting: Setting = STANDARD,
    *,
    relabel: bool = False,
    n_jobs: int = -1,
    progress: bool = True,
) -> Realisations:
    """Simulate random encodings several times each, every time with another seed.

    Parameters
    ----------
    span, n, copies : int
        Copies are made of each of n encodings.
    seed : int
        Copy m of encoding i depends on (seed, i, m) alone.
    setting : Setting
        Its sampler "growth" takes encodings r^i s^j with r and s drawn from (-0.7, 0.7).
    relabel : bool
        Simulate the copies after the first from the realised encoding of the first, as the study
        of 2023 did, instead of from the same target.
    n_jobs : int
        Threads; -1 for one per core.
    progress : bool
        Show a progress bar.
    """
    vector_length(span)

    def make(i: int) -> tuple[Floats, Floats, NDArray[np.float32]]:
        target = _draw(span, np.random.default_rng([seed, i]), setting)
        wanted, labels, images = target, [], []
        for m in range(copies):
            lattice, image = _realise(wanted, setting, np.random.default_rng([seed, i, m]))
            labels.append(lattice.realised.vector)
            images.append(image)
            if relabel and m == 0:
                wanted = lattice.realised
        return target.vector, np.array(labels), np.array(images)

    made = _each(make, n, f"{setting}", n_jobs, progress)
    targets, labels, images = (np.array(part) for part in zip(*made, strict=True))
    return Realisations(targets, labels, images, setting)


def agreement(pairs: Realisations) -> dict[str, dict[str, float]]:
    """R^2, MSE and MAE of the second realisations against the first: correlations and images.

    The R^2 of correlations is the mean over the components, that of images the mean over the pairs
    of images.
    """
    found = {}
    for name, values in (("correlations", pairs.labels), ("images", pairs.images)):
        first, second = values[:, 0], values[:, 1]
        r2 = (
            r2_score(first, second)
            if name == "correlations"
            else float(np.mean([image_r2(*pair) for pair in zip(first, second, strict=True)]))
        )
        found[name] = {
            "R²": r2,
            "MSE": mean_squared_error(first, second),
            "MAE": mean_absolute_error(first, second),
        }
    return found


@dataclass(frozen=True, eq=False)
class ImageScores:
    """R^2 of one image of each encoding as guessed in three ways, and as the law predicts it.

    Parameters
    ----------
    another, mean, expected : arrays, shape (encodings,)
        The guess is another realisation, the mean of all others, `ensemble_image`.
    law_another, law_mean, law_expected : arrays, shape (encodings,)
        What `predicted_r2` says of each.
    """

    another: Floats
    mean: Floats
    expected: Floats
    law_another: Floats
    law_mean: Floats
    law_expected: Floats


def image_scores(several: Realisations) -> ImageScores:
    """Compare measured R^2 between images with what the law of the grain predicts."""
    variance = pixel_variance(several.setting)
    rows = []
    for target, images in zip(several.targets, several.images, strict=True):
        expected = ensemble_image(Encoding.from_vector(target), several.setting)
        others = len(images) - 1
        rows.append(
            (
                np.mean([image_r2(images[m], images[m - 1]) for m in range(len(images))]),
                np.mean(
                    [
                        image_r2(image, (images.sum(axis=0) - image) / others)
                        for image in images.astype(np.float64)
                    ]
                ),
                np.mean([image_r2(image, expected) for image in images]),
                predicted_r2(expected, variance),
                predicted_r2(expected, variance, others),
                predicted_r2(expected, variance, np.inf),
            )
        )
    return ImageScores(*np.array(rows).T)


# What anyone can read off an image


@dataclass(frozen=True, eq=False)
class Readings:
    """Images, the two truths behind them, two readings of each image, and the limits.

    All but the images have shape (samples, span^2 - 1).

    Parameters
    ----------
    images : float32 array, shape (samples, rows, columns)
    ensemble : array
        Correlations of the ensemble: the targets.
    labels : array
        Correlations of each lattice: the realised encodings.
    delta_pdf, likelihood : arrays
        What the Fourier inversion and `maximum_likelihood` say.
    bound : array
        Standard errors of `cramer_rao`: the limit for reading the ensemble off independent lots.
    floor : array
        Standard errors of `lots_floor`: what the choice of lots leaves open about the label.
    """

    images: NDArray[np.float32]
    ensemble: Floats
    labels: Floats
    delta_pdf: Floats
    likelihood: Floats
    bound: Floats
    floor: Floats


def readings(
    span: int,
    n: int,
    seed: int = 0,
    setting: Setting = STANDARD,
    *,
    encoding: Encoding | None = None,
    n_jobs: int = -1,
    progress: bool = True,
) -> Readings:
    """Simulate encodings, read their images, and compute the limits.

    Parameters
    ----------
    span, n : int
        n random encodings of this span, or n lattices of one.
    seed : int
        Sample i depends on (seed, i) alone.
    setting : Setting
        Its sampler is not "growth".
    encoding : Encoding, optional
        The one of all lattices.
    n_jobs, progress
        As for `realisations`.
    """
    if encoding is not None and encoding.span != span:
        raise ValueError(f"the encoding has span {encoding.span}, and {span} was asked for")
    grid, lot_size, lots = setting.grid, setting.lot_size, setting.lots

    def make(i: int) -> tuple[NDArray[np.floating], ...]:
        rng = np.random.default_rng([seed, i])
        target = encoding or _draw(span, rng, setting)
        lattice, image = _realise(target, setting, rng)
        return (
            image,
            target.vector,
            lattice.realised.vector,
            delta_pdf(image, span, grid, lot_size).vector,
            maximum_likelihood(image, span, grid, lot_size, lots).encoding.vector,
            np.sqrt(np.diag(cramer_rao(target, grid, lot_size, lots))),
            lots_floor(lattice, lot_size, lots),
        )

    made = _each(make, n, f"{setting}", n_jobs, progress)
    return Readings(*(np.array(part) for part in zip(*made, strict=True)))


def rms(values: ArrayLike) -> Floats:
    """Root mean square over the samples, axis 0."""
    return np.sqrt(np.mean(np.square(values), axis=0))


def _draw(span: int, rng: np.random.Generator, setting: Setting) -> Encoding:
    if setting.sampler == "growth":
        along_a, along_b = rng.uniform(-0.7, 0.7, 2)
        return Encoding.product(along_a, along_b, span)
    return Encoding.random(span, rng, setting.targets)


def _realise(
    target: Encoding, setting: Setting, rng: np.random.Generator
) -> tuple[Lattice, NDArray[np.float32]]:
    try:
        lattice = simulate(target, setting.size, setting.sampler, rng, start=setting.start)
    except NotRealisableError:
        nearest = target.nearest_realisable()
        lattice = simulate(nearest, setting.size, setting.sampler, rng, start=setting.start)
    return lattice, diffraction_image(lattice, setting.grid, setting.lot_size, setting.lots, rng)


def _each(make: Callable[[int], T], n: int, name: str, n_jobs: int, progress: bool) -> list[T]:
    """Return make(0), ..., make(n - 1), on several threads."""
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    with threadpool_limits(1):
        made = parallel(delayed(make)(i) for i in range(n))
        return list(tqdm(made, total=n, desc=name, disable=not progress))
