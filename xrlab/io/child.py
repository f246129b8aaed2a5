"""Read HDF5, and what fabio reads, in a process of its own.

Damaged files can crash these libraries, or keep them busy for ever, and a compressed block may
unpack to any size. So a child process reads, whose time, memory and open files are limited where
the system can do so, and whose end is an error message here. The child runs isolated: nothing in
the folder of the data, or in one that the environment names, is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xrlab.io.choice import check_frame, first_frame

if TYPE_CHECKING:
    from xrlab.io.stored import Stored

# CPU seconds until the child knows what to read, and then to read it; bytes that HDF5 unpacks in
# a second at least; bytes of addresses without the image; seconds by the clock, for slow disks.
LOOKING, READING, UNPACKED, ADDRESSES, WAITING = 0.6, 0.8, 2e7, 7 * 10**8, 120
# More than this takes minutes to unpack.
MAX_UNPACKED = 2**34

# First bytes of the formats that fabio reads in the child, and its class.
FABIO = {
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
    """Read one image of a file, of HDF5 or by a class of fabio.

    Parameters
    ----------
    source : bytes or path
    dataset : str or int, optional
        Path in the file, with the place in a stack or the plane of a volume if needed:
        ``"entry/data[3]"``, ``"entry/data[l=0.5]"``.
    reader : str
        Name of the class of fabio, with its module; none for HDF5.
    """
    from xrlab.io.stored import Stored

    with tempfile.TemporaryDirectory(prefix="xrlab-") as folder:
        path = Path(folder) / "content" if isinstance(source, bytes) else source
        if isinstance(source, bytes):
            path.write_bytes(source)
        answer = Path(folder) / "answer.npz"
        arguments = [os.path.abspath(path), str(answer), dataset, reader]
        package = str(Path(__file__).resolve().parents[1])
        options = json.dumps([package, _folders(path.resolve().parent), arguments])
        try:
            child = subprocess.run(
                [sys.executable, "-I", "-X", "utf8", "-c", _BEGIN, options],
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=WAITING,
            )
        except subprocess.TimeoutExpired as error:
            raise ValueError(
                f"reading it did not end within {WAITING} seconds by the clock: is the disk slow? "
                f"Copy it to this computer"
            ) from error
        said = [json.loads(line) for line in child.stdout.decode("utf-8").splitlines()]
        if said and "refused" in said[-1]:
            raise ValueError(said[-1]["refused"])
        if child.returncode != 0:
            raise ValueError(_end(child.returncode, said[-1] if said else {}, child.stderr))
        with np.load(answer, allow_pickle=False) as arrays:
            header = json.loads(str(arrays["header"]))
            axes = tuple((str(arrays[f"label{n}"]), arrays[f"axis{n}"]) for n in (0, 1)
                         if f"axis{n}" in arrays)  # fmt: skip
            doubt = str(arrays["doubt"]) if "doubt" in arrays else None
            return Stored(arrays["pixels"], header, arrays.get("mask"), axes or None, doubt)


def _folders(beside: Path) -> list[str]:
    """Folders of the libraries that the child needs, never the one of the data."""
    places: dict[str, None] = {}
    for name in ("numpy", "lazy_loader", "h5py", "hdf5plugin", "fabio"):
        spec = importlib.util.find_spec(name)
        if spec and spec.origin and (place := Path(spec.origin).resolve().parents[1]) != beside:
            places[str(place)] = None
    return list(places)


def _end(status: int, stage: dict[str, Any], stderr: bytes) -> str:
    """Say why the child ended without an answer."""
    import signal

    if not stage:
        raise RuntimeError(f"the process that reads did not begin: {stderr.decode()[-2000:]}")
    if status in (-getattr(signal, "SIGPROF", 0), -getattr(signal, "SIGXCPU", 0)):
        return (
            f"{stage['doing']} took more than the {stage['seconds']:.1f} seconds of computing that "
            f"its size allows: the file is damaged, or needs to be stored in other blocks "
            f"(h5repack), or say what to read with dataset=..."
        )
    return f"the library crashed while {stage['doing']} (status {status}): the file is damaged"


def main(path: str, answer: str, dataset: str | int | None, reader: str) -> None:
    """Be the child: read, write the arrays to a file, and say what is wrong to standard output."""
    _rehearse(reader)
    with open(answer, "wb") as target, open(path, "rb") as source:
        size = os.fstat(source.fileno()).st_size
        _limit("looking through it", LOOKING, ADDRESSES + (3 * size if reader else 0), files=0)
        try:
            arrays = (_by_fabio if reader else _hdf5)(source, dataset, reader)
        except MemoryError:
            _say(refused="it needs more memory than an image of its size does: it is damaged")
            return
        except Exception as error:  # libraries fail in many ways on a damaged file
            known = isinstance(error, ValueError)
            _say(refused=str(error) if known else f"{type(error).__name__}: {error}")
            return
        for n, (label, values) in enumerate(arrays.pop("axes", ())):
            arrays |= {f"label{n}": label, f"axis{n}": values}
        np.savez(target, **{**arrays, "header": json.dumps(arrays["header"])})
    _say(done=True)


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


def _hdf5(source: Any, dataset: str | int | None, _: str) -> dict[str, Any]:
    import h5py

    from xrlab.io.hdf5 import read_arrays

    def plan(unpacked: int, held: int) -> None:
        if unpacked > MAX_UNPACKED:
            raise ValueError(
                f"{unpacked / 2**30:.0f} GiB would have to be unpacked for this plane: take one "
                f"along another axis, or store the file in other blocks (h5repack)"
            )
        _limit("reading", READING + unpacked / UNPACKED, ADDRESSES + 3 * held)

    with h5py.File(source, "r") as file:
        return read_arrays(file, dataset, plan)


class _WholeFile(io.BytesIO):
    """A file in memory that ends in an error and not in a shorter answer."""

    name, to_the_end = "content", False

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.to_the_end |= size is None or size < 0
        if size is not None and len(content) < size:
            raise ValueError("the file is cut off: some of its pixels are missing")
        return content


def _by_fabio(source: Any, dataset: str | int | None, reader: str) -> dict[str, Any]:
    module, name = reader.split(".")
    kind, content = getattr(importlib.import_module(f"fabio.{module}"), name), source.read()
    file = _WholeFile(content)
    image = kind().read(file)
    first_frame(dataset, image.nframes)
    check_frame(np.shape(image.data))
    # A decoder that goes beyond the end of what it was given makes an image of what is there.
    if file.to_the_end:
        longer = kind().read(_WholeFile(content + b"\xff" * 2**16))
        if not np.array_equal(longer.data, image.data):
            raise ValueError("the file is cut off: some of its pixels are missing")
    header = {k: v if isinstance(v, (int, float)) else str(v) for k, v in image.header.items()}
    arrays = {"pixels": image.data, "header": header}
    if name == "RaxisImage":  # its pixels are the end of the file
        before, record = len(content) - 2 * image.data.size, image.header["Record Length"]
        if before < 1400 or (record > 0 and before % record):
            arrays["doubt"] = "it is not as long as its header says: is the file cut off?"
    return arrays


def _say(**words: Any) -> None:
    sys.stdout.buffer.write(json.dumps(words).encode() + b"\n")
    sys.stdout.buffer.flush()


def _limit(doing: str, seconds: float, memory: int, files: int | None = None) -> None:
    """Let the process die when it has used the CPU for long, takes much memory or opens a file."""
    _say(doing=doing, seconds=seconds)
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource
        import signal

        signal.setitimer(signal.ITIMER_PROF, seconds)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
