"""Read HDF5, NeXus and Mantid's MDHisto in a process of its own.

Damaged files can crash the HDF5 library, or keep it busy for ever, and a compressed block may
unpack to any size. So a child process reads, whose time, memory and open files are limited where
the system can do so, and whose end is an error message here. It opens one file: what links to
other files is refused.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xrlab.io.formats import MAX_PIXELS, Stored, ask_which, check_frame, split_choice

# What the child may use: CPU seconds until it knows what to read, then for reading and more for
# every million bytes of the file; bytes of address space; seconds by the clock, for slow disks.
LOOKING, READING, READING_MILLION, ADDRESSES, WAITING = 0.5, 1.5, 0.5, 10**9, 120

# More objects than this are not looked through without being told where to look.
MAX_OBJECTS = 2000

DONE, REFUSED, UNKNOWN_FILTER = 0, 3, 4

Axes = tuple[tuple[str, NDArray[np.float64]], ...]


def read_hdf5(source: bytes | Path, dataset: str | int | None = None) -> Stored:
    """Read one image of an HDF5 file.

    Parameters
    ----------
    source : bytes or path
    dataset : str or int, optional
        Path in the file, with the place in a stack if needed: ``"entry/data[3]"``.
    """
    with tempfile.TemporaryDirectory(prefix="xrlab-") as folder:
        path = source
        if isinstance(source, bytes):
            path = Path(folder) / "content.h5"
            path.write_bytes(source)
        answer = Path(folder) / "answer.npz"
        place = os.pathsep.join(
            filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])
        )
        for plugin in ("", "hdf5plugin"):
            try:
                child = subprocess.run(
                    [sys.executable, "-m", __name__, path, answer, json.dumps(dataset), plugin],
                    env={**os.environ, "PYTHONPATH": place, "OPENBLAS_NUM_THREADS": "1"},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=WAITING,
                )
            except subprocess.TimeoutExpired as error:
                raise ValueError("HDF5 found no end of reading it: the file is damaged") from error
            if child.returncode != UNKNOWN_FILTER:
                break
        if child.returncode == REFUSED:
            raise ValueError(child.stdout.decode("utf-8", "replace").strip())
        if child.returncode == UNKNOWN_FILTER:
            raise ValueError("its compression is unknown: save it with gzip, or without")
        if child.returncode != DONE:
            raise ValueError(
                "the file is damaged, or unpacks to more than the memory that it may take "
                f"(HDF5 gave up, status {child.returncode})"
            )
        with np.load(answer, allow_pickle=False) as found:
            axes = None
            if "rows" in found:
                axes = tuple(
                    (str(found[f"{side}_label"]), found[side]) for side in ("rows", "columns")
                )
            limit = float(found["saturation"]) if "saturation" in found else None
            return Stored(found["pixels"], limit, found.get("mask"), axes)


def main(path: str, answer: str, choice: str, plugin: str) -> int:
    """Be the child: read, write the arrays to a file, and say what is wrong to standard output.

    The plugin with the compressions of EIGER files takes long to load: it is tried second.
    """
    import h5py  # type: ignore[import-untyped]

    dataset = json.loads(choice)
    if plugin:
        importlib.import_module(plugin)
    with open(answer, "wb") as target:
        source = open(path, "rb")  # noqa: SIM115  # for the whole life of the child
        _limit(LOOKING, ADDRESSES)
        try:
            with h5py.File(source, "r") as file:
                arrays = _read(file, dataset, os.fstat(source.fileno()).st_size)
        except NotImplementedError:
            return UNKNOWN_FILTER
        except Exception as error:  # the library fails in many ways on a damaged file
            print(error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")
            return REFUSED
        np.savez(target, **arrays)
    return DONE


def _limit(seconds: float, memory: int | None = None) -> None:
    """Let the child die when it has used the CPU for long, takes much memory or opens a file."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource
        import signal

        signal.setitimer(signal.ITIMER_PROF, seconds)
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _read(file: Any, dataset: str | int | None, size: int) -> dict[str, Any]:
    name, index = split_choice(dataset)
    found = _named(file, name) if name else _default(file)
    _refuse_elsewhere(found, file)
    if found.dtype.kind not in "buif":
        raise ValueError(f"{found.name} holds {found.dtype}, and an image holds real numbers")
    index = check_frame(found.shape, index, found.name)
    if found.chunks and math.prod(found.chunks) * found.dtype.itemsize > 8 * MAX_PIXELS:
        raise ValueError(f"{found.name} is stored in blocks of {found.chunks}: too large to read")
    if found.size and not found.id.get_storage_size():
        raise ValueError(f"{found.name} was never written: there are no pixels in the file")
    _refuse_unknown_filters(found)
    _limit(READING + READING_MILLION * size / 1e6)
    arrays = {"pixels": np.squeeze(found[index]) if found.ndim > 2 else found[index]}
    shape = arrays["pixels"].shape
    mask = _mask(found, shape, index)
    if mask is not None:
        arrays["mask"] = mask
    saturation = found.parent.get("saturation_value")
    if saturation is not None and saturation.size == 1:
        arrays["saturation"] = np.float64(saturation[()])
    for side, (label, values) in zip(
        ("rows", "columns"), _axes(found, index, shape) or (), strict=False
    ):
        arrays |= {side: values, f"{side}_label": label}
    return arrays


def _refuse_elsewhere(found: Any, file: Any) -> None:
    """Refuse data that lie in another file."""
    if found.is_virtual or found.external or found.file.filename != file.filename:
        raise ValueError(f"{found.name} lies in another file, which is not followed: open that one")


def _refuse_unknown_filters(found: Any) -> None:
    import h5py

    properties = found.id.get_create_plist()
    for n in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(n)
        if not h5py.h5z.filter_avail(number):
            raise NotImplementedError(name)


def _named(file: Any, name: str) -> Any:
    import h5py

    try:
        found = file[name]
    except (KeyError, OSError):
        found = None
    if isinstance(found, h5py.Group):
        signal = _signal(found)
        found = signal if signal is not None else found
    if not isinstance(found, h5py.Dataset):
        raise ValueError(ask_which({each.name: each.shape for each in _images(file)}, name))
    return found


def _default(file: Any) -> Any:
    """Find the data set that the file says is the one to show, or the only one."""
    group = file
    for _ in range(5):
        signal = _signal(group)
        if signal is not None:
            return signal
        step = _text(group.attrs.get("default"))
        if not step or step not in group:
            break
        group = group[step]
    images = list(_images(file))
    marked = [each for each in images if _marked(each)]
    candidates = marked or images
    if not candidates:
        raise ValueError("there is no array of numbers with two axes in it")
    if len(candidates) > 1:
        raise ValueError(ask_which({each.name: each.shape for each in candidates}))
    return candidates[0]


def _images(file: Any) -> Iterator[Any]:
    """All arrays of real numbers with two axes or more, in the file itself."""
    import h5py

    found, seen = [], 0

    def look(name: str, node: Any) -> bool | None:
        nonlocal seen
        seen += 1
        if (
            isinstance(node, h5py.Dataset)
            and node.dtype.kind in "uif"
            and sum(n > 1 for n in node.shape or ()) > 1
        ):
            found.append(node)
        return True if seen > MAX_OBJECTS else None

    if file.visititems(look):
        raise ValueError(f"it holds more than {MAX_OBJECTS} things: say which with dataset=...")
    plain = [n for n in found if n.name.rsplit("/")[-1] not in ("pixel_mask", "mask", "errors")]
    return iter(plain or found)


def _signal(group: Any) -> Any:
    """Give the signal of an NXdata group or of Mantid's MDHisto, None for other groups."""
    import h5py

    if "MDHistoWorkspace/data/signal" in group:
        return group["MDHistoWorkspace/data/signal"]
    name = _text(group.attrs.get("signal"))
    found = group.get(name) if name and name in group else None
    return found if isinstance(found, h5py.Dataset) else None


def _marked(node: Any) -> bool:
    """Say whether a data set is the signal of its group, in the new or the old way of NeXus."""
    name = node.name.rsplit("/")[-1]
    return _text(node.parent.attrs.get("signal")) == name or _text(node.attrs.get("signal")) == "1"


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _mask(found: Any, shape: tuple[int, ...], index: Any) -> NDArray[np.bool_] | None:
    """Read the mask beside the data, or the pixel_mask of the detector in the same entry."""
    import h5py

    entry = found.file.get("/".join(found.name.split("/")[:2]))
    places = [(found.parent, "mask"), (found.parent, "pixel_mask")]
    for folder in ("instrument/detector", "instrument/detector/detectorSpecific"):
        if isinstance(entry, h5py.Group) and folder in entry:
            places.append((entry[folder], "pixel_mask"))
    for group, name in places:
        node = group.get(name) if isinstance(group, h5py.Group) else None
        if isinstance(node, h5py.Dataset) and node != found and node.dtype.kind in "buif":
            _refuse_elsewhere(node, found.file)
            if node.shape == found.shape:
                return np.squeeze(node[index]) != 0 if node.ndim > 2 else node[index] != 0
            if node.shape == shape:
                return node[()] != 0
    return None


def _axes(found: Any, index: Any, shape: tuple[int, ...]) -> Axes | None:
    """Coordinates of rows and columns: the axes of NXdata, or D0, D1, ... of MDHisto."""
    group, names = found.parent, found.parent.attrs.get("axes", found.attrs.get("axes"))
    if names is None:
        return None
    if isinstance(names, (str, bytes)):
        text = _text(names).strip("[]")
        names = [n for part in text.split(":") for n in part.split(",")]
    names = [_text(name).strip() for name in names]
    if len(names) != found.ndim:
        return None
    padded = tuple(index) + (slice(None),) * (found.ndim - len(index))
    kept = [
        name
        for name, place, n in zip(names, padded, found.shape, strict=True)
        if isinstance(place, slice) and (n != 1 or found.ndim == 2)
    ]
    axes = []
    for name, n in zip(kept, shape, strict=False):
        node = group.get(name)
        if node is None or node.ndim != 1 or len(node) not in (n, n + 1):
            return None
        _refuse_elsewhere(node, found.file)
        values = node[()].astype(np.float64)
        if len(values) == n + 1:  # edges of the bins
            values = (values[1:] + values[:-1]) / 2
        axes.append((_text(node.attrs.get("long_name")) or name, values))
    return tuple(axes) if len(axes) == 2 else None


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
