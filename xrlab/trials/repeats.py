"""Repeated simulations of one encoding: how far images and their readings scatter by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.lattice import Lattice
from xrlab.crystal.setting import STANDARD, Setting
from xrlab.crystal.speckle import ensemble_image, grain, lots_floor, pixel_variance, predicted_r2
from xrlab.crystal.spectrum import NotRealisableError
from xrlab.datasets.dataset import draw_target
from xrlab.datasets.parallel import in_parallel
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.inference.likelihood import cramer_rao, maximum_likelihood
from xrlab.inference.metrics import image_r2, mean_absolute_error, mean_squared_error, r2_score

# Largest r and s of the targets r^i s^j of the sampler "growth".
LARGEST = 0.7


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
    images: Singles
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

    def make(i: int) -> tuple[Floats, Floats, Singles]:
        target = draw_target(span, np.random.default_rng([seed, i]), setting, LARGEST)
        target_of_copy, labels, images = target, [], []
        for m in range(copies):
            lattice, image = _realise(target_of_copy, setting, np.random.default_rng([seed, i, m]))
            labels.append(lattice.realised.vector)
            images.append(image)
            if relabel and m == 0:
                target_of_copy = lattice.realised
        return target.vector, np.array(labels), np.array(images)

    made = in_parallel(make, range(n), n_jobs, f"{setting}" if progress else "")
    targets, labels, images = (np.array(part) for part in zip(*made, strict=True))
    return Realisations(targets, labels, images, setting)


def agreement(pairs: Realisations) -> dict[str, dict[str, float]]:
    """R^2, MSE and MAE of the second realisations against the first: correlations and images.

    The R^2 of correlations is the mean over the components, that of images the mean over the pairs
    of images.
    """
    r2 = {
        "correlations": r2_score(pairs.labels[:, 0], pairs.labels[:, 1]),
        "images": float(np.mean([image_r2(*several[:2]) for several in pairs.images])),
    }
    errors = {"MSE": mean_squared_error, "MAE": mean_absolute_error}
    return {
        name: {"R²": r2[name]} | {key: f(x[:, 0], x[:, 1]) for key, f in errors.items()}
        for name, x in (("correlations", pairs.labels), ("images", pairs.images))
    }


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
        total, doubles = images.sum(axis=0), images.astype(np.float64)
        rows.append(
            (
                np.mean([image_r2(images[m], images[m - 1]) for m in range(len(images))]),
                np.mean([image_r2(image, (total - image) / others) for image in doubles]),
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

    images: Singles
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

    def make(i: int) -> tuple[Reals, ...]:
        rng = np.random.default_rng([seed, i])
        target = encoding or draw_target(span, rng, setting, LARGEST)
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

    made = in_parallel(make, range(n), n_jobs, f"{setting}" if progress else "")
    return Readings(*(np.array(part) for part in zip(*made, strict=True)))


def rms(values: ArrayLike) -> Floats:
    """Root mean square over the samples, axis 0."""
    return np.sqrt(np.mean(np.square(values), axis=0))


def _realise(
    target: Encoding, setting: Setting, rng: np.random.Generator
) -> tuple[Lattice, Singles]:
    try:
        lattice = setting.simulate(target, rng)
    except NotRealisableError:
        lattice = setting.simulate(target.nearest_realisable(), rng)
    return lattice, setting.image(lattice, rng)


# Intensities


def repeated_images(
    encoding: Encoding, n_images: int, setting: Setting = STANDARD, seed: int = 0
) -> Singles:
    """Simulate many images of one encoding, each of a lattice of its own.

    Parameters
    ----------
    encoding : Encoding
    n_images : int
    setting : Setting
        Size, lots, sampler and grid; its way to draw targets is not used.
    seed : int

    Returns
    -------
    float32 array, shape (n_images, rows, columns)
        Image i depends on (seed, i) and the setting alone.

    Examples
    --------
    >>> repeated_images(Encoding.from_vector([0.5, 0, 0]), 3).shape
    (3, 64, 64)
    """
    images = np.empty((n_images, *setting.grid.shape), np.float32)
    # One image is too small a piece of linear algebra to share among threads: ten times slower.
    with threadpool_limits(1):
        for i in range(n_images):
            rng = np.random.default_rng([seed, i])
            images[i] = setting.image(setting.simulate(encoding, rng), rng)
    return images
