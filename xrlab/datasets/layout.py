"""How a data set lies on disk: which of its files are whole, and who may write to them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from xrlab.crystal.arrays import Singles
from xrlab.crystal.encoding import vector_length
from xrlab.datasets.lock import LOCK, InUseError, alone
from xrlab.io.files import cannot_write

# In the order in which they are written: where the encodings are, the rest is.
ARRAYS = ("images", "targets", "encodings")

# The mark of a data set among Zarr groups; its value is the number of the format.
MARK, FORMAT = "xrlab_data_set", 1

# By the point symmetry of a diffuse image, half its values recur. Zstandard finds them if bytes are
# not shuffled: standard images shrink to 66 % (81 to 83 % with bytes or bits shuffled; other sizes
# of block, or Zstandard without Blosc, also do less). 230 MB/s written, 1400 read, per core: next
# to nothing beside the simulation, which makes 0.5 MB/s.
COMPRESSION = (
    BloscCodec(typesize=4, cname="zstd", clevel=3, shuffle="noshuffle", blocksize=2**17),
    Crc32cCodec(),
)

# What to do while another run makes the same set.
ADVICE = "wait until it ends, then the same call goes on; or give another path"


@contextmanager
def at_work(path: Path, stored: dict[str, Any] | None) -> Iterator[None]:
    """Work alone on the data set that was found, and say how to go on if a file is not written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with alone(path, ADVICE):
            if attributes_of(path) != stored:
                raise InUseError(f"another run has just changed {path}: {ADVICE}")
            yield
    except (InUseError, TimeoutError, BrokenPipeError):
        raise
    except OSError as error:
        then = ". What is finished stays: put that right, and the same call goes on from there"
        raise cannot_write(error, path, then) from error


def attributes_of(path: Path) -> dict[str, Any] | None:
    """Attributes of the data set at a path; None where there is nothing."""
    if not path.exists():
        return None
    if path.is_dir() and all(f.suffix == ".partial" or f.name == LOCK for f in path.iterdir()):
        return None  # killed before anything was written
    try:
        attributes = json.loads((path / "zarr.json").read_text("utf-8"))["attributes"]
        newer = attributes[MARK] > FORMAT
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} holds something else than a data set, or its zarr.json is damaged, and "
            f"nothing is overwritten: give another path, or remove it first"
        ) from error
    if newer:
        raise ValueError(f"the data set {path} was made by a newer xrlab: update this one")
    return dict(attributes)


def from_plain(kind: Any, value: Any) -> Any:
    """Undo `asdict` and JSON. A field that an older version did not store has its default."""
    if isinstance(value, list | tuple):
        return tuple(from_plain(None, each) for each in value)
    kind = next((each for each in (kind, *get_args(kind)) if is_dataclass(each)), None)
    if kind is None or not isinstance(value, dict):
        return value
    unknown = value.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(
            f"this data set was made by a newer xrlab: {', '.join(sorted(unknown))} of its "
            f"{kind.__name__} is not known here. Update this one"
        )
    hints = get_type_hints(kind)
    return kind(**{name: from_plain(hints[name], each) for name, each in value.items()})


def read(path: Path, name: str, samples: range) -> Singles:
    """Read a part of an array; ValueError if a sample of it is missing or damaged."""
    try:
        array = zarr.open_array(path / name, mode="r")
        values = np.asarray(array[samples.start : samples.stop : samples.step], np.float32)
        never_written = np.isnan(values).all(axis=tuple(range(1, values.ndim)))
        if len(values) < len(samples) or never_written.any():
            raise ValueError("missing")
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(
            f"samples {samples.start} to {samples.stop - 1} of {path} are not all there and "
            f"intact. Call generate_to as when it was made: it makes anew what is missing"
        ) from error
    return values


def is_whole(path: Path, samples: range, names: Sequence[str]) -> bool:
    """Whether all these samples can be read from each of these arrays."""
    try:
        for name in names:
            read(path, name, samples)
    except ValueError:
        return False
    return True


def prepare(path: Path, attributes: dict[str, Any], shape: tuple[int, int], *, new: bool) -> None:
    """Create group and arrays, or bring those that are there to the length asked for."""
    if new:
        group = zarr.create_group(path, attributes=attributes, zarr_format=3)
    else:
        group = zarr.open_group(path, mode="r+")
        group.attrs.put(attributes)
    n_samples, vector = attributes["n_samples"], (vector_length(attributes["span"]),)
    for name, inner in zip(ARRAYS, (shape, vector, vector), strict=True):
        if name in group:
            zarr.open_array(path / name, mode="r+").resize((n_samples, *inner))
        else:
            group.create_array(
                name,
                shape=(n_samples, *inner),
                chunks=(attributes["chunk"], *inner),
                dtype="float32",
                compressors=COMPRESSION,
                fill_value=np.nan,  # what is read where nothing was written
                chunk_key_encoding={"name": "default", "separator": "."},  # no folder per chunk
            )
    for file in path.rglob("zarr.json"):  # no sample tells what these hold
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())


def mend(path: Path, stored: dict[str, Any], shape: tuple[int, int]) -> None:
    """Describe anew the arrays whose description is damaged: their chunks are as good as before."""
    damaged = []
    for name in ARRAYS:
        try:
            zarr.open_array(path / name, mode="r")
        except Exception:  # it fails in many ways
            damaged.append(path / name / "zarr.json")
    if damaged:
        with at_work(path, stored):
            for file in damaged:
                file.unlink(missing_ok=True)
            prepare(path, stored, shape, new=False)
