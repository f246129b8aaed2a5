"""Damage valid image files of every format at random, and see that the readers only ever refuse.

    python tools/fuzz_readers.py             five minutes
    python tools/fuzz_readers.py 0 20000     so many examples, or some more

Hypothesis looks for damage that reaches lines of the readers not yet reached. The first example
that crashes, hangs, raises anything but ValueError or OSError, opens or imports a file that has
nothing to do with reading, or computes for more than two seconds ends it with exit status 1, as
small as hypothesis can make it, and stays in the file fuzzed.bin. An example hangs when it has not
ended for ten minutes: on a busy machine, clocks say little.
"""

from __future__ import annotations

import bz2
import faulthandler
import gzip
import importlib
import io
import os
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random
from types import FrameType

import h5py
import numpy as np
import tifffile
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st
from PIL import Image

from xrlab.io.read import read_image_bytes

COUNTS = np.random.default_rng(0).poisson(40, (37, 29)).astype(np.uint16)
SQUARE = np.random.default_rng(0).poisson(40, (256, 256)).astype(np.int32)
ROWS, COLUMNS = np.linspace(0, 2, 37), np.linspace(0, 2, 29)
INDEXED = np.column_stack([np.arange(37), COUNTS])
POINTS = np.column_stack([np.repeat(ROWS, 29), np.tile(COLUMNS, 37), COUNTS.ravel()])
TABLE = b"\n" + "\n".join(";".join(map(str, row * 0.1)) for row in COUNTS).encode()
IMAGEJ = "ImageJ=1.53t\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
# Ends of names of files that are read in a process of its own.
APART = ("h5", "child", "edf", "cbf")
SLOW, HANGS = 2.0, 600  # seconds of computing, and by the clock
LAST = Path("fuzzed.bin")
READERS = str(Path(__file__).parents[1] / "xrlab" / "io")

# Where Python may open files while an image is read that is given as bytes.
ALLOWED = tuple(map(str, (sys.prefix, sys.base_prefix, os.devnull, "/proc", "/sys",
                          Path(__file__).parents[1] / "xrlab")))  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Small valid files, written by other libraries where one can; marked where none can."""
    eight, wide = COUNTS.astype(np.uint8), COUNTS.astype(np.float32)
    lzw = {"compression": "tiff_lzw"}
    made = {
        "npy": _written(np.save, COUNTS),
        "npz": _written(np.savez_compressed, image=COUNTS),
        "csv": _written(np.savetxt, COUNTS, fmt="%d", delimiter=","),
        "txt": _written(np.savetxt, COUNTS * 0.1),
        "png": _written(Image.fromarray(COUNTS).save, "PNG"),
        "pgm": _written(Image.fromarray(eight).save, "PPM"),
        "plain.pgm": b"P2\n# by hand\n29 37\n65535\n" + " ".join(map(str, COUNTS.ravel())).encode(),
        "tif": _written(tifffile.imwrite, COUNTS),
        "bigtiff.tif": _written(tifffile.imwrite, wide, bigtiff=True, byteorder=">"),
        "deflate.tif": _written(tifffile.imwrite, COUNTS, compression="zlib", tile=(16, 16)),
        "lzw.tif": _written(Image.fromarray(COUNTS).save, "TIFF", **lzw),
        "mccd": marccd(COUNTS),
        "edf": _by_fabio("edfimage.EdfImage", COUNTS),
        "cbf": _by_fabio("cbfimage.CbfImage", COUNTS.astype(np.int32)),
        "img": smv(COUNTS),
        "dtrek.img": _by_fabio("dtrekimage.DtrekImage", COUNTS),
    }
    for compression, version in product((None, "gzip"), ("earliest", "latest")):
        file = io.BytesIO()
        with h5py.File(file, "w", libver=version) as content:
            content.attrs["default"] = "entry/data"
            group = content.create_group("entry/data")
            group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["h", "k"]})
            v = group.create_dataset("counts", data=COUNTS, compression=compression)
            v.attrs.update({"_FillValue": np.uint16(7777), "long_name": np.bytes_("I")})
            group.update({"h": ROWS, "k": COLUMNS, "pixel_mask": COUNTS > 600})
        made[f"{compression}.{version}.h5"] = file.getvalue()
    return made


def variants() -> dict[str, bytes]:
    """Write more valid files: flags, tables of other programs, more detectors."""
    fabio_kinds = ("esperanto.Esperanto", "bruker100.Bruker100", "OXD.Oxd", "bruker.Bruker")
    edf, eight = _by_fabio("edfimage.EdfImage", COUNTS), Image.fromarray(COUNTS.astype(np.uint8))
    return {
        "marked.edf": b"{\nDim_1=29;Dim_2=37;DataType=UnsignedShort;Dummy=40;\n}\n"
        + COUNTS.tobytes(),
        "semicolons.csv": b"sep=;\n" + ";".join(["k"] * 29).encode() + TABLE.replace(b".", b","),
        "marked.npz": _written(np.savez, i=COUNTS, mask=COUNTS > 45, h=ROWS, k=COLUMNS, nodata=40),
        "points.txt": _written(np.savetxt, POINTS, fmt="%.6g", header="h k I"),
        "german.csv": TABLE.replace(b".", b",") + b"\n" + b";".join([b"1.234,5"] * 29),
        "pandas.csv": _written(np.savetxt, INDEXED, fmt="%d", delimiter=","),
        "utf16.txt": TABLE.replace(b";", b"\t").decode().encode("utf-16"),
        "calibrated.tif": _written(tifffile.imwrite, COUNTS, description=IMAGEJ),
        "packbits.tif": _written(eight.save, "TIFF", compression="packbits"),
        "pfm": b"Pf\n29 37\n-1.0\n" + COUNTS.astype("<f4").tobytes(),
        "gz.edf": gzip.compress(edf),
        "npy.bz2": bz2.compress(_written(np.save, COUNTS)),
        "fit2d.child": fit2d(COUNTS),
    } | {
        f"{kind}.child": _by_fabio(
            kind.replace(".", "image.") + "Image", COUNTS if "bruker." in kind else SQUARE
        )
        for kind in fabio_kinds
    }


def corpus() -> dict[str, bytes]:
    """Give the seeds, and the measured files of the folder XRLAB_LOCAL_DATA if there is one."""
    folder = os.environ.get("XRLAB_LOCAL_DATA")
    real = {
        path.name.replace(".nxs", ".nxs.h5"): path.read_bytes()
        for path in sorted(Path(folder).iterdir() if folder else ())
        if path.suffix in {".tif", ".pgm", ".nxs", ".img", ".npy"} and path.stat().st_size < 2**18
    }
    return seeds() | variants() | real


def marccd(pixels: np.ndarray, saturated: int = 65535) -> bytes:
    """Put a MarCCD header by hand into a TIFF of tifffile's: no library writes this format."""
    header = bytearray(3072)
    struct.pack_into("<I3s", header, 0, 2, b"MMX")  # header_type, header_name
    struct.pack_into("<3I12xI", header, 80, *pixels.shape[::-1], 2, saturated)
    tiff = _written(lambda f: tifffile.imwrite(f, pixels, metadata=None, byteorder="<"))
    with tifffile.TiffFile(io.BytesIO(tiff)) as file:
        tag = file.pages[0].tags["StripOffsets"]
    content = bytearray(tiff[: tag.value[0]].ljust(1024, b"\0") + header + tiff[tag.value[0] :])
    struct.pack_into("<I", content, tag.valueoffset, 4096)
    return bytes(content)


def smv(pixels: np.ndarray, **more: object) -> bytes:
    """Write SMV as ADSC detectors do, by hand: fabio only writes the d*TREK kind."""
    entries = {"HEADER_BYTES": "  512", "DIM": 2, "BYTE_ORDER": "little_endian",
               "TYPE": "unsigned_short", "SIZE1": pixels.shape[1], "SIZE2": pixels.shape[0],
               **more}  # fmt: skip
    text = "{\n" + "".join(f"{key}={value};\n" for key, value in entries.items()) + "}\n\f\n"
    return text.encode().ljust(512) + pixels.astype("<u2").tobytes()


def damaged(content: bytes, rng: Random) -> bytes:
    """Change some bytes, mostly near the beginning, cut the end off, or repeat a part."""
    changed = bytearray(content)
    for _ in range(rng.choice([0, 1, 1, 2, 4, 16])):
        place = rng.randrange(len(changed) if rng.random() < 0.4 else min(len(changed), 600))
        changed[place] = rng.choice([0, 255, 48 + rng.randrange(10), rng.randrange(256)])
    what, place = rng.random(), rng.randrange(len(changed))
    if what < 0.2:
        del changed[place:]
    elif what < 0.35:
        first, last = sorted(rng.randrange(len(changed) + 1) for _ in range(2))
        changed[place:place] = changed[first:last]
    elif what < 0.45:  # a larger number in the header
        place = min(place, rng.randrange(600))
        changed[place:place] = rng.choice([b"9", b"99999", b"\xff\xff\xff\xff"])
    return bytes(changed)


def fit2d(pixels: np.ndarray) -> bytes:
    """Write Fit2D's own format by hand, by the offsets in fabio's reader: blocks of 512 bytes."""
    values = pixels.astype("<f4").tobytes()
    blocks = -(-len(values) // 512)
    sizes = f"{pixels.shape[1]:08x}{pixels.shape[0]:08x}"
    head = f"\\data_array:{blocks:08x}ar{'0' * 16}{sizes}".encode().ljust(512)
    return b"\\$FFF_START:00000000i00000000".ljust(512) + head + values.ljust(512 * blocks, b"\0")


def _written(write: Callable[..., object], *arrays: object, **options: object) -> bytes:
    """Bytes that a function writes into a file, which it takes first."""
    file = io.BytesIO()
    write(file, *arrays, **options)
    return file.getvalue()


def _by_fabio(kind: str, pixels: np.ndarray) -> bytes:
    module, name = kind.split(".")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        getattr(importlib.import_module(f"fabio.{module}"), name)(data=pixels).write(str(path))
        return path.read_bytes()


class Trial:
    """Read damaged files one after the other, and see that nothing happens that must not."""

    def __init__(self) -> None:
        self.results, self.longest = Counter[str](), (0.0, "")
        self.foreign, self.lines, self.reached = set[str](), set[str](), set[str]()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.abspath(arguments[0])
            self.foreign |= set() if path.startswith(ALLOWED) else {path}

    def _trace(self, frame: FrameType, event: str, argument: object) -> object:
        if not frame.f_code.co_filename.startswith(READERS):
            return None
        self.lines.add(f"{frame.f_code.co_filename} {frame.f_lineno}")
        return self._trace

    def read(self, name: str, content: bytes) -> int:
        """Count the lines that a file reaches, which is read or refused, soon and by itself."""
        LAST.write_bytes(content)
        faulthandler.dump_traceback_later(HANGS, exit=True)
        self.foreign.clear()
        self.lines.clear()
        begun, result = sum(os.times()[:4]), "read"
        sys.settrace(self._trace)
        try:
            read_image_bytes(content, name)
        except (ValueError, OSError):
            result = "refused"
        finally:
            sys.settrace(None)
        used = sum(os.times()[:4]) - begun
        assert not self.foreign, f"{name}: opened {self.foreign}"
        assert used <= SLOW, f"{name}: {result} after {used:.1f} s"
        self.results[result] += 1
        self.longest = max(self.longest, (used, name))
        self.reached |= self.lines
        return len(self.lines)


def main(seconds: float = 300, count: float = 0) -> None:
    """Let hypothesis look for damage that reaches more lines of the readers, format by format."""
    files, trial, end = corpus(), Trial(), time.monotonic() + seconds
    # A process of its own takes longest: one example in twenty.
    names = [name for name in files for _ in range(1 if name.endswith(APART) else 9)]

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(names), st.randoms())
    def read_damaged(name: str, rng: Random) -> None:
        target(float(trial.read(name, damaged(files[name], rng))), label=name)

    while time.monotonic() < end or trial.results.total() < count:
        read_damaged()
    LAST.unlink()
    most = max(resource.getrusage(who).ru_maxrss
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    print(f"{dict(trial.results)}; {len(trial.reached)} lines of the readers reached")
    print(f"most memory {most / 1024:.0f} MB; longest computing {trial.longest}")


if __name__ == "__main__":
    faulthandler.enable()
    main(*map(float, sys.argv[1:]))
