"""Sets of simulated images with their encodings, for training and testing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise

import numpy as np

from xrlab.crystal.arrays import Singles
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.lattice import Lattice
from xrlab.crystal.setting import Setting
from xrlab.datasets.parallel import in_parallel

# Samples handed to a worker at once: about a second of work, so that the progress bar moves and
# the cost of handing over is small.
CHUNK = 32


@dataclass(frozen=True, eq=False)
class DataSet:
    """Images and the encodings that belong to them.

    Parameters
    ----------
    images : float32 array, shape (samples, rows, columns)
        In Laue monotonic units.
    encodings : float32 array, shape (samples, span^2 - 1)
        The realised encodings: the labels.
    targets : float32 array, shape (samples, span^2 - 1)
        The target encodings.
    setting : Setting
        How they were made.
    """

    images: Singles
    encodings: Singles
    targets: Singles
    setting: Setting

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, samples: slice) -> DataSet:
        return DataSet(
            self.images[samples], self.encodings[samples], self.targets[samples], self.setting
        )

    def split(self, *sizes: int) -> tuple[DataSet, ...]:
        """Cut into parts that share no sample, in order: training, validation, test.

        Raises
        ------
        ValueError
            If the parts together are larger than the set, or one is empty.
        """
        return tuple(self[start:end] for start, end in part_ends(len(self), sizes))

    @property
    def span(self) -> int:
        """Side of the encodings."""
        return math.isqrt(self.encodings.shape[1] + 1)


def part_ends(n_samples: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """First sample of each part, and the one after its last; ValueError if they do not fit."""
    if min(sizes, default=0) < 1 or sum(sizes) > n_samples:
        raise ValueError(
            f"cannot cut {n_samples} samples into parts of {', '.join(map(str, sizes))}"
        )
    return list(pairwise(accumulate(sizes, initial=0)))


def join(parts: Sequence[DataSet]) -> DataSet:
    """Put data sets of one span and setting one after the other.

    Raises
    ------
    ValueError
        If there is none, or spans or settings differ.
    """
    if not parts:
        raise ValueError("there is no data set to join")
    if len({(part.span, part.setting) for part in parts}) > 1:
        kinds = ", ".join(f"span {part.span} of {part.setting}" for part in parts)
        raise ValueError(f"only data sets of one span and setting can be joined; got {kinds}")
    if len(parts) == 1:
        return parts[0]
    return DataSet(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.encodings for part in parts]),
        np.concatenate([part.targets for part in parts]),
        parts[0].setting,
    )


@dataclass(frozen=True)
class Simulated:
    """Images simulated while they are needed, so that no two epochs of a training see the same.

    Parameters
    ----------
    span, n_samples, seed, setting, n_jobs
        As for `generate`. Epoch e has the samples from e x n_samples on of the data set `seed`.
    """

    span: int
    n_samples: int
    seed: int = 0
    setting: Setting = Setting()
    n_jobs: int = -1

    def __len__(self) -> int:
        return self.n_samples

    def epoch(self, number: int) -> DataSet:
        """Simulate the images of an epoch, counted from 0."""
        return generate(
            self.span,
            self.n_samples,
            self.seed,
            self.setting,
            first=number * self.n_samples,
            n_jobs=self.n_jobs,
            progress=False,
        )


def make_lattice(
    span: int, seed: int, index: int, setting: Setting = Setting()
) -> tuple[Lattice, np.random.Generator]:
    """Simulate the lattice of sample `index`; the generator returned then draws the lots."""
    rng = np.random.default_rng([seed, index])
    return setting.simulate(draw_target(span, rng, setting), rng), rng


def draw_target(
    span: int, rng: np.random.Generator, setting: Setting, largest: float = 0.9
) -> Encoding:
    """Draw the target of a sample; of growth r and s of r^i s^j up to the largest, either sign."""
    if setting.sampler == "growth":
        along_a, along_b = rng.uniform(-largest, largest, 2)
        return Encoding.product(along_a, along_b, span)
    return Encoding.random(span, rng, setting.targets)


def make_sample(
    span: int, seed: int, index: int, setting: Setting = Setting()
) -> tuple[Singles, Encoding, Encoding]:
    """Simulate sample `index` of the data set `seed`: image, realised encoding, target.

    The result depends on the arguments alone, never on what other samples are made.
    """
    lattice, rng = make_lattice(span, seed, index, setting)
    return setting.image(lattice, rng), lattice.realised, lattice.target


def generate(
    span: int,
    n_samples: int,
    seed: int = 0,
    setting: Setting = Setting(),
    *,
    first: int = 0,
    n_jobs: int = -1,
    progress: bool = True,
) -> DataSet:
    """Simulate a data set on several cores.

    Parameters
    ----------
    span : int
        2 or more.
    n_samples : int
        Number of images. The first n of a longer set are those of the shorter one.
    seed : int
        0 or more. Sample i depends on (seed, i) alone, so the number of workers does not matter.
    setting : Setting
    first : int
        Index of the first sample.
    n_jobs : int
        Workers, threads unless `joblib.parallel_config` says otherwise; -1 for one per core.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Examples
    --------
    >>> small = generate(span=2, n_samples=3, n_jobs=1, progress=False)
    >>> small.images.shape, small.encodings.shape
    ((3, 64, 64), (3, 3))
    """
    n_values = vector_length(span)
    if n_samples < 1:
        raise ValueError(f"a data set has at least 1 sample; got {n_samples}")
    if seed < 0:
        raise ValueError(f"the seed of a data set is a whole number from 0 up; got {seed}")
    if first < 0:
        raise ValueError(f"samples are counted from 0; the first cannot be {first}")
    images = np.empty((n_samples, *setting.grid.shape), np.float32)
    encodings = np.empty((n_samples, n_values), np.float32)
    targets = np.empty((n_samples, n_values), np.float32)
    title = f"span {span}" if progress else ""
    make = partial(make_sample, span, seed, setting=setting)
    indices = range(first, first + n_samples)
    for i, (image, realised, target) in enumerate(
        in_parallel(make, indices, n_jobs, title, batch_size=CHUNK)
    ):
        images[i], encodings[i], targets[i] = image, realised.vector, target.vector
    return DataSet(images, encodings, targets, setting)
