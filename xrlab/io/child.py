"""Read HDF5, and what fabio reads, in a process of its own.

Damaged files can crash these libraries, or keep them busy for ever, and a compressed block may
unpack to any size. So a child process reads, whose time, memory and open files are limited where
the system can do so, and whose end is an error message here. The child runs isolated: nothing in
the folder of the data, or in one that the environment names, is imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import pkgutil
import signal
import subprocess
import sys
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

import numpy as np

from xrlab.io.choice import check_frame, first_frame
from xrlab.io.stored import Stored

# CPU seconds until the child knows what to read, and then to read it; bytes that HDF5 unpacks in
# a second at least; bytes of addresses without the image; seconds by the clock, for slow disks.
LOOKING, READING, UNPACKED, ADDRESSES, WAITING = 0.6, 0.8, 2e7, 7 * 10**8, 120
# More than this takes minutes to unpack.
MAX_UNPACKED = 2**34

# First bytes of the formats that fabio reads in the child, and its class.
FABIO = {
    b"###CBF": "cbfimage.CbfImage",
    b"{": "edfimage.EdfImage",
    b"ESPERANTO FORMAT": "esperantoimage.EsperantoImage",
    b"FORMAT :        86": "brukerimage.BrukerImage",
    b"FORMAT :86": "brukerimage.BrukerImage",
    b"FORMAT :100": "bruker100image.Bruker100Image",
    b"OD SAPPHIRE": "OXDimage.OxdImage",
    b"\xd2\x04\0\0": "mar345image.Mar345Image",
    b"\0\0\x04\xd2": "mar345image.Mar345Image",
    b"R-AXIS": "raxisimage.RaxisImage",
    b"RAXIS": "raxisimage.RaxisImage",
    b"\\$FFF_START": "fit2dimage.Fit2dImage",
}

# What the child runs: the package is put in place by its path, so that no folder is searched for
# it. Folders where its libraries were installed come last, after those of Python itself.
_BEGIN = """
import importlib.util, json, sys
package, folders, arguments = json.loads(sys.argv[1])
sys.path += folders
spec = importlib.util.spec_from_file_location(
    "xrlab", package + "/__init__.py", submodule_search_locations=[package])
sys.modules["xrlab"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["xrlab"])
from xrlab.io.child import main
main(*arguments)
"""


def read_apart(source: bytes | Path, dataset: str | int | None = None, reader: str = "") -> Stored:
    """Read one image of a file: of HDF5, or by a class of fabio, named with its module."""
    path, content = ("", source) if isinstance(source, bytes) else (os.path.abspath(source), b"")
    package = str(Path(__file__).resolve().parents[1])
    options = json.dumps([package, _folders(path), [path, dataset, reader]])
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", "-c", _BEGIN, options],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"},
            input=content,
            capture_output=True,
            timeout=WAITING,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"reading took more than {WAITING} seconds: is the disk slow? Copy it to this computer"
        ) from error
    stages = [json.loads(line) for line in child.stderr.splitlines() if line.startswith(b'{"')]
    if not stages:
        raise RuntimeError(f"the process that reads did not begin: {child.stderr[-2000:]!r}")
    stage = stages[-1]
    if "refused" in stage:
        raise ValueError(stage["refused"])
    if child.returncode in [-n for n in signal.Signals if n.name in ("SIGPROF", "SIGXCPU")]:
        raise ValueError(
            f"{stage['doing']} took more than the {stage['seconds']:.1f} seconds of computing that "
            f"its size allows: the file is damaged, or needs to be stored in other blocks "
            f"(h5repack), or say what to read with dataset=..."
        )
    if child.returncode != 0:
        crash = f"the library crashed while {stage['doing']} (status {child.returncode})"
        raise ValueError(f"{crash}: the file is damaged")
    with np.load(io.BytesIO(child.stdout), allow_pickle=False) as arrays:
        words = json.loads(str(arrays["words"]))
        axes = tuple((label, arrays[f"axis{n}"]) for n, label in enumerate(words.pop("labels")))
        return Stored(arrays["pixels"], mask=arrays.get("mask"), axes=axes or None, **words)


def _folders(path: str) -> list[str]:
    """Folders of the libraries that the child needs, never the one of the data."""
    beside = Path(path).resolve().parent if path else None
    specs = map(importlib.util.find_spec, ("numpy", "lazy_loader", "h5py", "hdf5plugin", "fabio"))
    places = [Path(s.origin).resolve().parents[1] for s in specs if s and s.origin]
    return [str(place) for place in dict.fromkeys(places) if place != beside]


def main(path: str, dataset: str | int | None, reader: str) -> None:
    """Be the child: read, write the arrays to standard output, and words to standard error."""
    _rehearse(reader)
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print
    source = Path(path).open("rb") if path else io.BytesIO(sys.stdin.buffer.read())  # noqa: SIM115
    size = 0 if path and not reader else source.seek(0, os.SEEK_END)
    _limit("looking through it", LOOKING, ADDRESSES + 4 * size, files=0)
    try:
        arrays = (_by_fabio if reader else _hdf5)(source, dataset, reader, size)
    except MemoryError:
        _say(refused="it needs more memory than an image of its size does: it is damaged")
    except Exception as error:  # libraries fail in many ways on a damaged file
        known = isinstance(error, ValueError)
        _say(refused=str(error) if known else f"{type(error).__name__}: {error}")
    else:
        axes = arrays.pop("axes", ())
        words = {key: arrays.pop(key, None) for key in ("header", "doubt")}
        words["labels"] = [label for label, _ in axes]
        arrays |= {f"axis{n}": values for n, (_, values) in enumerate(axes)}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        np.savez(answer, words=json.dumps(words), **arrays)
        answer.close()


def _rehearse(reader: str) -> None:
    """Load all that reading loads, codecs and the plugin of compressions too, before the limits."""
    import encodings.ascii
    import encodings.latin_1  # noqa: F401

    np.savez(io.BytesIO(), a=np.zeros(1))
    if reader:
        importlib.import_module(f"fabio.{reader.split('.')[0]}")
        for decoder in pkgutil.iter_modules(importlib.import_module("fabio.ext").__path__):
            with contextlib.suppress(ImportError):
                importlib.import_module(f"fabio.ext.{decoder.name}")
        return
    import h5py  # type: ignore[import-untyped]

    from xrlab.io.hdf5 import read_arrays

    with contextlib.suppress(ImportError):
        importlib.import_module("hdf5plugin")
    with h5py.File(io.BytesIO(), "w") as file:
        file.create_dataset("a", data=np.eye(2), compression="gzip").attrs["units"] = np.bytes_("a")
        file["b"] = h5py.SoftLink("/a")
        read_arrays(file, "b", lambda unpacked, held: None)


def _hdf5(source: Any, dataset: str | int | None, _: str, size: int) -> dict[str, Any]:
    import h5py

    from xrlab.io.hdf5 import read_arrays

    def plan(unpacked: int, held: int) -> None:
        if unpacked > MAX_UNPACKED:
            raise ValueError(
                f"{unpacked / 2**30:.0f} GiB would have to be unpacked for this plane: take one "
                f"along another axis, or store the file in other blocks (h5repack)"
            )
        _limit("reading", READING + unpacked / UNPACKED, ADDRESSES + size + 3 * held)

    with h5py.File(source, "r") as file:
        return read_arrays(file, dataset, plan)


class _Content(io.BytesIO):
    """A file in memory, with what fabio asks of one."""

    name, lock = "content", contextlib.nullcontext()


def _by_fabio(source: Any, dataset: str | int | None, reader: str, size: int) -> dict[str, Any]:
    module, name = reader.split(".")
    kind = getattr(importlib.import_module(f"fabio.{module}"), name)
    source.seek(0)
    content = source.read()
    if name == "EdfImage":  # fabio needs a byte order, which is that of Intel where there is none
        _, _, rest = content.partition(b"{")
        order = b"" if b"byteorder" in rest[: 2**14].lower() else b"\nByteOrder = LowByteFirst ;\n"
        content = b"{" + order + rest
    errors = BufferingHandler(1000)
    errors.setLevel(logging.ERROR)
    logging.getLogger("fabio").addHandler(errors)

    def decoded(content: bytes) -> Any:
        image = kind().read(_Content(content))
        frame = first_frame(dataset, image.nframes)
        return image.getframe(frame) if image.nframes > 1 else image

    image = decoded(content)
    messages = [record.getMessage()[:200] for record in errors.buffer]
    doubts = [message[:1].lower() + message[1:] for message in messages]
    loops = image.header.pop("loop_", [])  # of CIF: titles and rows
    header: dict[str, Any] = {}
    for key, value in (pair for _, rows in loops for row in rows[:1] for pair in row.items()):
        header[key.decode("latin-1")] = value.decode("latin-1")
    for key, value in image.header.items():
        header[key] = value if isinstance(value, (int, float)) else str(value)
    if elsewhere := header.get("EDF_BinaryFileName"):
        raise ValueError(f"its pixels are elsewhere, in {elsewhere[:60]!r}, which is not read")
    pixels = image.data
    check_frame(np.shape(pixels))
    # A decoder that goes beyond the end of what it was given makes an image of what is there. (Of
    # Fit2D the arrays have their own length, and the pixels of R-AXIS are the end of the file.)
    if name not in ("Fit2dImage", "RaxisImage") and not np.array_equal(
        decoded(content + b"\xff" * 2**16).data, pixels
    ):
        raise ValueError("the file is cut off: some of its pixels are missing")
    if name == "RaxisImage":
        before, record = size - 2 * pixels.size, header["Record Length"]
        if before < 1400 or (record > 0 and before % record):
            doubts.append("it is not as long as its header says: is the file cut off?")
    return {"pixels": pixels, "header": header, "doubt": "; ".join(doubts)}


def _say(**words: Any) -> None:
    sys.stderr.buffer.write(json.dumps(words).encode() + b"\n")
    sys.stderr.buffer.flush()


def _limit(doing: str, seconds: float, memory: int, files: int | None = None) -> None:
    """Let the process die when it has used the CPU for long, takes much memory or opens a file."""
    _say(doing=doing, seconds=seconds)
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        signal.setitimer(signal.ITIMER_PROF, seconds)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
