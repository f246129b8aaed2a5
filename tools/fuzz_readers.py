"""Damage valid image files of every format at random, and see that the readers only ever refuse.

    python tools/fuzz_readers.py 20000

reads that many damaged files in a process beside, and prints the examples that crashed or raised
anything but ValueError or OSError, the longest times and the most memory. Exit status 1 if any. A
second number is that of the first example. An example hangs when it has computed for a minute, or
waited for half an hour: on a busy machine, clocks say little.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import fabio
import h5py
import numpy as np
import psutil
import tifffile
from PIL import Image

COUNTS = np.random.default_rng(0).poisson(40, (37, 29)).astype(np.uint16)
SLOW = 2.0  # seconds of computing
HANGS, WAITS = 60.0, 1800.0  # seconds of computing, and by the clock


def seeds() -> dict[str, bytes]:
    """Small valid files, written by other libraries where one can; marked where none can."""
    made = {
        "npy": _written(lambda f: np.save(f, COUNTS)),
        "npz": _written(lambda f: np.savez_compressed(f, image=COUNTS)),
        "csv": _written(lambda f: np.savetxt(f, COUNTS, fmt="%d", delimiter=",")),
        "txt": _written(lambda f: np.savetxt(f, COUNTS * 0.1)),
        "png": _written(lambda f: Image.fromarray(COUNTS).save(f, "PNG")),
        "pgm": _written(lambda f: Image.fromarray(COUNTS.astype(np.uint8)).save(f, "PPM")),
        "plain.pgm": b"P2\n# by hand\n29 37\n65535\n" + " ".join(map(str, COUNTS.ravel())).encode(),
        "tif": _written(lambda f: tifffile.imwrite(f, COUNTS)),
        "bigtiff.tif": _written(
            lambda f: tifffile.imwrite(f, COUNTS.astype(np.float32), bigtiff=True, byteorder=">")
        ),
        "deflate.tif": _written(
            lambda f: tifffile.imwrite(f, COUNTS, compression="zlib", tile=(16, 16))
        ),
        "lzw.tif": _written(
            lambda f: Image.fromarray(COUNTS).save(f, "TIFF", compression="tiff_lzw")
        ),
        "mccd": marccd(COUNTS),
        "edf": _by_fabio(fabio.edfimage.EdfImage, COUNTS, "a.edf"),
        "cbf": _by_fabio(fabio.cbfimage.CbfImage, COUNTS.astype(np.int32), "a.cbf"),
        "img": smv(COUNTS),
        "dtrek.img": _by_fabio(fabio.dtrekimage.DtrekImage, COUNTS, "b.img"),
    }
    for compression in (None, "gzip"):
        for version in ("earliest", "latest"):
            file = io.BytesIO()
            with h5py.File(file, "w", libver=version) as content:
                group = content.create_group("entry/data")
                content.attrs["default"], content["entry"].attrs["default"] = "entry", "data"
                group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["h", "k"]})
                group.create_dataset("counts", data=COUNTS, compression=compression)
                group["h"], group["k"] = np.linspace(0, 2, 37), np.linspace(0, 2, 29)
            made[f"{compression}.{version}.h5"] = file.getvalue()
    return made


def marccd(pixels: np.ndarray, saturated: int = 65535) -> bytes:
    """Put a MarCCD header by hand into a TIFF of tifffile's: no library writes this format."""
    header = bytearray(3072)
    header[0:4] = (2).to_bytes(4, "little")  # header_type
    header[4:7] = b"MMX"
    for place, value in ((80, pixels.shape[1]), (84, pixels.shape[0]), (88, 2), (104, saturated)):
        header[place : place + 4] = value.to_bytes(4, "little")
    tiff = _written(lambda f: tifffile.imwrite(f, pixels, metadata=None, byteorder="<"))
    with tifffile.TiffFile(io.BytesIO(tiff)) as file:
        tag = file.pages[0].tags["StripOffsets"]
        start, place = tag.value[0], tag.valueoffset
    content = bytearray(tiff[:start].ljust(1024, b"\0") + header + tiff[start:])
    content[place : place + 4] = (4096).to_bytes(4, "little")
    return bytes(content)


def smv(pixels: np.ndarray, **more: object) -> bytes:
    """Write SMV as ADSC detectors do, by hand: fabio only writes the d*TREK kind."""
    entries = {
        "HEADER_BYTES": "  512",
        "DIM": 2,
        "BYTE_ORDER": "little_endian",
        "TYPE": "unsigned_short",
        "SIZE1": pixels.shape[1],
        "SIZE2": pixels.shape[0],
        **more,
    }
    text = "{\n" + "".join(f"{key}={value};\n" for key, value in entries.items()) + "}\n\f\n"
    return text.encode().ljust(512) + pixels.astype("<u2").tobytes()


def damaged(content: bytes, rng: Random) -> bytes:
    """Change some bytes, mostly near the beginning, cut the end off, or repeat a part."""
    changed = bytearray(content)
    for _ in range(rng.choice([0, 1, 1, 2, 4, 16])):
        place = rng.randrange(len(changed) if rng.random() < 0.4 else min(len(changed), 600))
        changed[place] = rng.choice([0, 255, 48 + rng.randrange(10), rng.randrange(256)])
    what = rng.random()
    if what < 0.2:
        return bytes(changed[: rng.randrange(len(changed))])
    if what < 0.35:
        first, last = sorted(rng.randrange(len(changed) + 1) for _ in range(2))
        place = rng.randrange(len(changed))
        return bytes(changed[:place] + changed[first:last] + changed[place:])
    if what < 0.45:  # a larger number in the header
        place = rng.randrange(min(len(changed), 600))
        return bytes(changed[:place] + rng.choice([b"9", b"99999", b"\xff\xff\xff\xff"])
                     + changed[place:])  # fmt: skip
    return bytes(changed)


def example(number: int, files: dict[str, bytes]) -> tuple[str, bytes]:
    """Give the damaged file of a number; one in twenty is HDF5, which takes longest."""
    rng = Random(number)
    hdf5 = [name for name in files if name.endswith("h5")]
    others = [name for name in files if not name.endswith("h5")]
    name = rng.choice(hdf5 if number % 20 == 0 else others)
    return name, damaged(files[name], rng)


def _written(write: object) -> bytes:
    file = io.BytesIO()
    write(file)  # type: ignore[operator]
    return file.getvalue()


def _by_fabio(kind: type, pixels: np.ndarray, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        kind(data=pixels).write(str(path))
        return path.read_bytes()


def _work(numbers: range, answers: Connection) -> None:
    from xrlab.io.read import read_image_bytes

    files = seeds()
    for number in numbers:
        name, content = example(number, files)
        answers.send((number, "began", name, 0.0, 0.0, 0.0))
        begun, used = time.perf_counter(), sum(os.times()[:4])
        try:
            read_image_bytes(content, name)
            result = "read"
        except (ValueError, OSError):
            result = "refused"
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - begun
        peak = max(resource.getrusage(who).ru_maxrss
                   for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
        answers.send((number, result, name, seconds, sum(os.times()[:4]) - used, peak / 1024))


def _hangs(worker: psutil.Process, begun: float, used: float) -> bool:
    return time.monotonic() - begun > WAITS or _computed(worker) - used > HANGS


def _computed(worker: psutil.Process) -> float:
    """Seconds that a process and those that it has started have computed."""
    try:
        every = [worker, *worker.children(recursive=True)]
        return sum(sum(each.cpu_times()[:4]) for each in every)
    except psutil.Error:  # one of them ended meanwhile
        return 0.0


def main(count: int, first: int = 0) -> int:
    """Read so many damaged files and report."""
    results: Counter[str] = Counter()
    longest, most, peak, failures, following = (0.0, -1, ""), 0.0, 0.0, [], first
    context = multiprocessing.get_context("spawn")
    while following < first + count:
        here, there = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(range(following, first + count), there))
        worker.start()
        there.close()
        watched = psutil.Process(worker.pid)
        number, name, result = following, "", "began"
        try:
            while True:
                begun, before = time.monotonic(), None
                while not here.poll(5):
                    before = _computed(watched) if before is None else before
                    if _hangs(watched, begun, before):
                        worker.kill()
                        raise EOFError
                number, result, name, seconds, used, memory = here.recv()
                if result != "began":
                    results[result if result in ("read", "refused") else "failed"] += 1
                    longest, peak = max(longest, (seconds, number, name)), max(peak, memory)
                    most = max(most, used)
                    if result not in ("read", "refused") or used > SLOW:
                        failures.append(f"{number} ({name}): {result} after {used:.1f} s")
        except EOFError:
            worker.join()
        if result == "began":
            failures.append(f"{number} ({name}): crashed or hung, exit {worker.exitcode}")
        following = number + 1
    print(f"{dict(results)} of {count}; most memory {peak:.0f} MB")
    print(f"longest {longest[0]:.2f} s (example {longest[1]}, {longest[2]}), CPU {most:.2f} s")
    print("\n".join(failures) or "no failures")
    return bool(failures)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:] or ["1000"])))
