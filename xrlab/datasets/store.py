"""Data sets larger than the memory: made on disk by many workers, resumed after any interruption.

A data set is a Zarr group of three arrays, cut along the samples into chunks. One chunk is one
unit of work: a worker simulates its samples, then writes images, targets and, last, encodings.
Zarr writes a chunk under another name and renames it when it is complete, and every chunk ends in
a checksum, so the files themselves tell what is done and no log is kept beside them.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import timeit
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from xrlab.crystal.encoding import vector_length
from xrlab.crystal.setting import Setting
from xrlab.datasets import layout
from xrlab.datasets.dataset import DataSet, make_sample, part_ends
from xrlab.datasets.parallel import in_parallel

# Samples in a chunk: 2 MB of standard images and 4 seconds of work, which is all that a worker
# loses when it is killed.
CHUNK = 128

# Seconds without a finished chunk after which a Dask cluster is given up. Joblib 1.6 does not hear
# of a task that Dask gives up because worker after worker died of it, and would wait without end.
PATIENCE = 3600
STANDARD_SETTING = Setting()


class NotEnoughSpaceError(OSError):
    """The disk cannot hold the data set."""


@dataclass(frozen=True)
class Estimate:
    """What it takes to make `n_samples`: bytes on disk at most, seconds with so many workers."""

    n_samples: int
    n_bytes: int
    seconds: float
    workers: int

    def __str__(self) -> str:
        return (
            f"{self.n_samples} images to make: about {tqdm.format_interval(self.seconds)} with "
            f"{self.workers} worker{'s' * (self.workers > 1)}, at most {_size(self.n_bytes)}"
        )


@dataclass(frozen=True, eq=False)
class StoredDataSet:
    """A data set on disk, or a part of one: a slice is read when it is needed.

    Parameters
    ----------
    path : Path
    span, seed : int
    setting : Setting
        How the samples were made.
    first, end : int
        Which samples of the stored set belong to this part, `end` not included.
    """

    path: Path
    span: int
    seed: int
    setting: Setting
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    def __getitem__(self, samples: slice) -> DataSet:
        """Read samples into memory.

        Raises
        ------
        ValueError
            If one of them is missing or damaged.
        """
        part = range(self.first, self.end)[samples]
        upward = part if part.step > 0 else part[::-1]
        images, targets, encodings = (
            layout.read(self.path, name, upward) for name in layout.ARRAYS
        )
        return DataSet(images, encodings, targets, self.setting)[:: 1 if part.step > 0 else -1]

    def split(self, *sizes: int) -> tuple[StoredDataSet, ...]:
        """Cut into parts that share no sample, in order, without reading any.

        Raises
        ------
        ValueError
            If the parts together are larger than the set, or one is empty.
        """
        parts, first = part_ends(len(self), sizes), self.first
        return tuple(replace(self, first=first + a, end=first + b) for a, b in parts)


def generate_to(
    path: str | os.PathLike[str],
    span: int,
    n_samples: int,
    seed: int = 0,
    setting: Setting = STANDARD_SETTING,
    *,
    n_jobs: int = -1,
    progress: bool = True,
    chunk: int = CHUNK,
) -> StoredDataSet:
    """Simulate a data set on disk, or go on where an earlier call was interrupted.

    The samples are those of `xrlab.generate`. However often the work is killed, and whatever the
    number of workers, the files come out the same, byte for byte. A set that is there grows when
    more samples are asked for.

    Within ``with joblib.parallel_config(backend="dask")`` and with a `distributed.Client` open, the
    workers are those of its cluster, and the path is one that they all see. What a worker leaves
    undone when it dies, another one does.

    Parameters
    ----------
    path : path
        Of a folder, which by custom ends in ``.zarr``.
    span : int
        2 or more.
    n_samples : int
        Number of images.
    seed : int
        0 or more. Sample i depends on (seed, i) alone.
    setting : Setting
    n_jobs : int
        Workers, threads unless `joblib.parallel_config` says otherwise; -1 for one per core.
    progress : bool
        Show an estimate of time and size, then a progress bar in which the samples of an earlier
        call count as done.
    chunk : int
        Samples per chunk.

    Returns
    -------
    StoredDataSet

    Raises
    ------
    ValueError
        If an argument is outside its range, or the path holds something else: no data set, or one
        with another span, seed, setting or chunk, or with more samples. Nothing is changed then.
    NotEnoughSpaceError
        If the disk would not hold it. Nothing is changed then.
    InUseError
        If another run is making the same set. Nothing is changed then.
    OSError
        If a file cannot be written: what is finished stays, and the same call goes on from it.
    TimeoutError
        If a Dask cluster has finished nothing for an hour.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "small.zarr"
    >>> stored = generate_to(path, span=2, n_samples=3, n_jobs=1, progress=False)
    >>> len(stored), stored[1:].images.shape
    (3, (2, 64, 64))
    """
    vector_length(span)
    for name, value, least in (("n_samples", n_samples, 1), ("seed", seed, 0), ("chunk", chunk, 1)):
        if value < least:
            raise ValueError(f"{name} is a whole number from {least} up; got {value}")
    path = Path(path).absolute()
    attributes = {
        layout.MARK: layout.FORMAT,
        "span": span,
        "seed": seed,
        "n_samples": n_samples,
        "chunk": chunk,
        "setting": asdict(setting),
        "versions": {name: version(name) for name in ("xrlab", "numpy", "numba")},
    }
    stored = layout.attributes_of(path)
    if stored:
        _refuse_differences(path, stored, attributes)
        attributes["versions"] = stored["versions"]
        layout.mend(path, stored, setting.grid.shape)
    # A loss of power can leave an empty file that is there by name: so all are read.
    chunks = _chunks(n_samples, chunk)
    whole = [bool(stored) and layout.is_whole(path, each, layout.ARRAYS) for each in chunks]
    missing = [each for each, there in zip(chunks, whole, strict=True) if not there]
    if missing:
        if stored and any(whole):
            _refuse_other_code(path, stored, setting, chunks[whole.index(True)].start)
        done = n_samples - sum(map(len, missing))
        cost = estimate(span, n_samples - done, setting, n_jobs=n_jobs, chunk=chunk)
        _refuse_full_disk(path, cost)
        with layout.at_work(path, stored):
            layout.prepare(path, attributes, setting.grid.shape, new=not stored)
            if progress:
                tqdm.write(str(cost))
            with tqdm(
                total=n_samples,
                initial=done,
                desc=f"span {span}",
                unit=" images",
                disable=not progress,
            ) as bar:
                made = written = 0
                for n_images, n_bytes in _make(path, missing, span, seed, setting, n_jobs):
                    made, written = made + n_images, written + n_bytes
                    in_all = f"{_size(written / made * n_samples)} in all"
                    bar.set_postfix_str(in_all, refresh=False)
                    bar.update(n_images)
    left_over = list(path.rglob("*.partial"))  # of writes that were killed
    if left_over:
        with layout.at_work(path, layout.attributes_of(path)):
            for file in left_over:
                file.unlink(missing_ok=True)
    return open_data_set(path)


def open_data_set(path: str | os.PathLike[str], *, allow_unfinished: bool = False) -> StoredDataSet:
    """Open a data set on disk without reading its images.

    Parameters
    ----------
    path : path
        As given to `generate_to`.
    allow_unfinished : bool
        Open an unfinished set too: the samples before the first that is missing.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If what is there is no data set, or an unfinished one.
    """
    path = Path(path).absolute()
    stored = layout.attributes_of(path)
    if not stored:
        raise FileNotFoundError(f"there is no data set at {path}; generate_to makes one")
    span, seed, end, chunk = (stored[name] for name in ("span", "seed", "n_samples", "chunk"))
    data = StoredDataSet(path, span, seed, layout.from_plain(Setting, stored["setting"]), 0, end)
    if layout.is_whole(path, range(end), ["encodings"]):
        return data
    missing = [
        part for part in _chunks(end, chunk) if not layout.is_whole(path, part, ["encodings"])
    ]
    if not allow_unfinished:
        raise ValueError(
            f"{path} is unfinished: {end - sum(map(len, missing))} of {end} samples are there. "
            f"Finish it with generate_to({str(path)!r}, span={span}, n_samples={end}, "
            f"seed={seed}, setting={data.setting!r}, chunk={chunk}), or take "
            f"the first {missing[0].start} samples with allow_unfinished=True"
        )
    return replace(data, end=missing[0].start)


def estimate(
    span: int,
    n_samples: int,
    setting: Setting = STANDARD_SETTING,
    *,
    n_jobs: int = -1,
    chunk: int = CHUNK,
) -> Estimate:
    """Estimate size and time of a data set, from a few samples made here and now.

    Parameters
    ----------
    span, n_samples, setting, n_jobs, chunk
        As for `generate_to`.

    Examples
    --------
    >>> print(estimate(span=2, n_samples=100_000, n_jobs=2))
    100000 images to make: about ... with 2 workers, at most 1.65GB
    """
    index = itertools.count()
    with threadpool_limits(1):
        _compiling, *seconds = timeit.repeat(
            lambda: make_sample(span, 0, next(index), setting), number=1, repeat=6
        )
    workers = effective_n_jobs(n_jobs)
    values = int(np.prod(setting.grid.shape)) + 2 * vector_length(span)
    size = 4 * values * chunk + len(layout.ARRAYS) * 4096  # files fill whole blocks of the disk
    n_bytes = size * len(_chunks(n_samples, chunk))
    return Estimate(n_samples, n_bytes, n_samples * float(np.mean(seconds)) / workers, workers)


def _size(n_bytes: float) -> str:
    return str(tqdm.format_sizeof(n_bytes, "B"))


def _chunks(n_samples: int, chunk: int) -> list[range]:
    return [range(i, min(i + chunk, n_samples)) for i in range(0, n_samples, chunk)]


# The work


def _make(
    path: Path, chunks: list[range], span: int, seed: int, setting: Setting, n_jobs: int
) -> Iterator[tuple[int, int]]:
    """Make chunks, in any order: the number of samples in each, and of bytes."""
    backend, _ = get_active_backend()
    make = partial(_make_chunk, path, span, seed, setting)
    timeout = PATIENCE if "Dask" in type(backend).__name__ else None
    options: dict[str, Any] = {"batch_size": 1, "pre_dispatch": "2 * n_jobs", "timeout": timeout}
    options["return_as"] = "generator_unordered"
    try:
        yield from in_parallel(make, chunks, n_jobs, **options)
    except multiprocessing.TimeoutError as error:
        raise TimeoutError(
            f"no chunk was finished for {PATIENCE} s: are the workers alive, and have they "
            f"memory enough? Call generate_to again to go on"
        ) from error


def _make_chunk(
    path: Path, span: int, seed: int, setting: Setting, chunk: range
) -> tuple[int, int]:
    threadpool_limits(1)  # for good: in a worker of a cluster, other threads may be at work
    samples = [make_sample(span, seed, index, setting) for index in chunk]
    images, realised, targets = zip(*samples, strict=True)
    vectors = [[encoding.vector for encoding in each] for each in (targets, realised)]
    n_bytes = 0
    for name, values in zip(layout.ARRAYS, (images, *vectors), strict=True):
        array = zarr.open_array(path / name, mode="r+")
        array[chunk.start : chunk.stop] = np.asarray(values, np.float32)
        place = (chunk.start // array.chunks[0], *[0] * (array.ndim - 1))
        n_bytes += (path / name / array.metadata.encode_chunk_key(place)).stat().st_size
    return len(chunk), n_bytes


# Refusals


def _refuse_differences(path: Path, stored: dict[str, Any], asked: dict[str, Any]) -> None:
    was, now = (
        {name: each[name] for name in ("span", "seed", "chunk")}
        | vars(layout.from_plain(Setting, each["setting"]))
        for each in (stored, asked)
    )
    differences = [f"{name} {was[name]}, not {now[name]}" for name in was if was[name] != now[name]]
    if stored["n_samples"] > asked["n_samples"]:
        differences.append(f"{stored['n_samples']} samples, not {asked['n_samples']}")
    if differences:
        raise ValueError(
            f"{path} holds a data set of {'; '.join(differences)}. Ask for the same, or more "
            f"samples, to go on with it, or give another path"
        )


def _refuse_other_code(path: Path, stored: dict[str, Any], setting: Setting, index: int) -> None:
    """Make a stored sample again, as changed code may make another one."""
    image, realised, target = make_sample(stored["span"], stored["seed"], index, setting)
    again: list[NDArray[Any]] = [image, target.vector, realised.vector]
    for name, values in zip(layout.ARRAYS, again, strict=True):
        if not np.allclose(layout.read(path, name, range(index, index + 1)), values, 1e-4, 1e-4):
            begun = ", ".join(f"{name} {number}" for name, number in stored["versions"].items())
            raise ValueError(
                f"{path} was begun with {begun}, and sample {index} comes out otherwise now. "
                f"Go on with those versions, or give another path"
            )


def _refuse_full_disk(path: Path, cost: Estimate) -> None:
    folder = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    if cost.n_bytes > free:
        raise NotEnoughSpaceError(
            f"{cost.n_samples} samples need up to {_size(cost.n_bytes)} at {path}, and "
            f"{_size(free)} is free. Make room, ask for fewer samples or give another path"
        )
