"""Readers of image files, one for each format; `xrlab.io.read` chooses among them by content.

Each takes the content of a file and a choice of frame and gives the pixels as they are stored. The
content is never trusted: sizes come from the header and are checked against `MAX_PIXELS` and the
length of the file before any pixel is decoded, no Python object is ever loaded, and no name in a
file is followed to another file. A reader fails with an exception, whatever it is given.
"""

from __future__ import annotations

import io
import math
import os
import re
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Twice the largest X-ray pixel detectors (EIGER 16M). As float64 256 MiB.
MAX_PIXELS = 2**25

# Longer tables of text are no images but mistakes, and slow.
MAX_TEXT = 2**25

# More frames, members or blocks than this are not counted to the end.
MAX_PARTS = 1000

_CHOICE = re.compile(r"(?P<name>.*?)(?:\[(?P<index>[\d\s,:]+)\])?", re.DOTALL)

Index = tuple[int | slice, ...]

# One thread at a time may turn the standard error away.
_STDERR = threading.Lock()


@dataclass(frozen=True, eq=False)
class Stored:
    """Pixels as a file stores them, and what it says about them.

    Parameters
    ----------
    pixels : array of any type, any number of axes
    saturation : float, optional
        Pixels from this value on are saturated.
    mask : bool array, optional
        True where the file says that a pixel is not to be used.
    axes : pair of (label, values) for rows and columns, optional
        Coordinates, in the units of the file.
    """

    pixels: NDArray[Any]
    saturation: float | None = None
    mask: NDArray[np.bool_] | None = None
    axes: tuple[tuple[str, NDArray[np.float64]], ...] | None = None


def split_choice(dataset: str | int | None) -> tuple[str | None, Index]:
    """Split a choice such as ``"entry/data[3]"`` into the name and the place in the array.

    >>> split_choice("entry/data[3]"), split_choice(2), split_choice("[:, 5]")[1][1]
    (('entry/data', (3,)), (None, (2,)), 5)
    """
    if dataset is None:
        return None, ()
    if isinstance(dataset, int):
        return None, (dataset,)
    parts = _CHOICE.fullmatch(dataset)
    if parts is None or parts["index"] is None:
        return dataset, ()
    index = [part.strip() for part in parts["index"].split(",")]
    if not all(part == ":" or part.isdecimal() for part in index):
        raise ValueError(f"a place in a stack is written as [3] or [:, 3]; got {dataset!r}")
    return parts["name"] or None, tuple(slice(None) if p == ":" else int(p) for p in index)


def check_frame(shape: Sequence[int], index: Index = (), what: str = "it") -> Index:
    """Check that a stored array gives one image of bearable size, before it is read.

    Axes of length 1 are left out where there are more than two.

    Returns
    -------
    tuple
        The index of the image in the array.

    Raises
    ------
    ValueError
        If a frame must be chosen first, does not exist, or is too large.
    """
    shape = tuple(int(n) for n in shape)
    if not index and len(shape) > 2:
        index = tuple(0 if n == 1 else slice(None) for n in shape)
        if sum(n != 1 for n in shape) < 2:  # 1 x 1 x n: a row
            index = (0,) * (len(shape) - 2)
    if len(index) > len(shape) or any(
        not isinstance(i, slice) and i >= n for i, n in zip(index, shape, strict=False)
    ):
        raise ValueError(f"{what} has shape {shape}: there is no frame {_written(index)} in it")
    padded = index + (slice(None),) * (len(shape) - len(index))
    left = [n for i, n in zip(padded, shape, strict=True) if isinstance(i, slice)]
    if len(left) > 2:
        choice = "[" + ", ".join("0" for _ in left[2:]) + "]"
        raise ValueError(
            f"{what} holds {math.prod(left[:-2])} frames, an array of shape {shape}, and one 2-D "
            f"image of real numbers is needed: choose one, such as dataset={choice!r} for the first"
        )
    if not math.prod(left):
        raise ValueError(f"{what} has shape {shape}: there are no pixels")
    if math.prod(left) > MAX_PIXELS:
        raise ValueError(
            f"{what} has {' x '.join(map(str, left))} pixels; more than {MAX_PIXELS:,} are not "
            f"read: cut or bin it first"
        )
    return index


def read_npy(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read NumPy's .npy, never a pickle."""
    _, index = split_choice(dataset)
    file = io.BytesIO(content)
    return Stored(_npy(file, index, len(content), "the array", content))


def read_npz(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read one array of NumPy's .npz, compressed or not."""
    name, index = split_choice(dataset)
    if content.count(b"PK\x01\x02") > MAX_PARTS:
        raise ValueError(f"it is an archive of more than {MAX_PARTS} files")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
        if not members:
            raise ValueError("it is a ZIP archive without NumPy arrays in it")
        if name is None and len(members) == 1:
            name = next(iter(members))
        if name not in members:
            shapes = {}
            for each, info in members.items():
                with archive.open(info) as member:
                    shapes[each] = _npy_header(member)[0]
            raise ValueError(ask_which(shapes, name))
        with archive.open(members[name]) as member:
            return Stored(_npy(member, index, members[name].file_size, f"the array {name!r}"))


def ask_which(shapes: Mapping[str, Sequence[int]], asked: str | None = None) -> str:
    """Say which data sets there are, and how to choose."""
    listed = "; ".join(f"{name!r} of shape {tuple(shape)}" for name, shape in shapes.items())
    if asked is None:
        return f"it holds {len(shapes)} data sets, choose one with dataset=...: {listed}"
    return f"there is no data set {asked!r} in it; there is {listed or 'none'}"


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version} of NumPy's format is not for images")


def _npy(
    file: Any, index: Index, length: int, what: str, content: bytes | None = None
) -> NDArray[Any]:
    """Read an array from an open file, or without a copy from its whole content."""
    shape, fortran, dtype = _npy_header(file)
    if dtype.hasobject:
        raise ValueError(f"{what} holds Python objects, which could run code when loaded")
    needed = math.prod(shape) * dtype.itemsize
    index = check_frame(shape, index, what)
    if math.prod(shape) > 4 * MAX_PIXELS:
        raise ValueError(f"{what} has shape {shape}, too much to read: save one frame alone")
    if needed > length:
        raise ValueError(f"{what} of shape {shape} needs {needed:,} bytes and has {length:,}")
    values = memoryview(content)[file.tell() :][:needed] if content else file.read(needed)
    if len(values) < needed:
        raise ValueError(f"{what} is cut off after {len(values):,} of {needed:,} bytes")
    array = np.frombuffer(values, dtype).reshape(shape, order="F" if fortran else "C")
    return array[index]


def read_text(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read a table of numbers: commas, semicolons, tabs or spaces between them.

    Lines from ``#`` on and one line of column titles are left out, an empty field is NaN. With
    semicolons between them, numbers may be written with a decimal comma.
    """
    if len(content) > MAX_TEXT:
        raise ValueError(f"a table of {len(content):,} bytes is too long; save it as .npy or TIFF")
    if b"\0" in content[:4096]:
        raise ValueError(f"it begins with {content[:8]!r}, like no format that xrlab reads")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is neither text nor a format that xrlab reads") from error
    lines = [line for raw in text.splitlines() if (line := raw.partition("#")[0].strip(" \r"))]
    if not lines:
        raise ValueError("it is text without any number")
    delimiter = next((mark for mark in (";", ",", "\t\t") if mark in lines[-1]), None)
    delimiter = delimiter and delimiter[0]
    if delimiter == ";":
        lines = [line.replace(",", ".") for line in lines]
    if re.search(r"[A-Za-z]", re.sub(r"(?i)nan|inf(inity)?|\de[+-]?\d", "", lines[0])):
        lines = lines[1:]  # titles
    if delimiter and any(delimiter * 2 in f"{delimiter}{line}{delimiter}" for line in lines):
        hole = re.compile(f"(?<![^{delimiter}])(?={delimiter}|$)")
        lines = [hole.sub("nan", line) for line in lines]
    try:
        return Stored(np.loadtxt(lines, delimiter=delimiter, ndmin=2))
    except ValueError as error:
        raise ValueError(f"it is text, but not a table of numbers ({error})") from error


_PNM = re.compile(rb"P([25])((?:\s+|#[^\n\r]*[\n\r])+)(\d{1,9})\s+(?:#[^\n\r]*[\n\r]\s*)*"
                  rb"(\d{1,9})\s+(?:#[^\n\r]*[\n\r]\s*)*(\d{1,5})\s")  # fmt: skip


def read_pgm(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read Netpbm's grey map, plain (P2) or binary (P5), of 8 or 16 bits (netpbm.sourceforge.net).

    Values are taken as they are, not stretched to the maximum in the header.
    """
    first_frame(dataset, 1)
    header = _PNM.match(content[:10_000])
    if header is None:
        raise ValueError("the header of the PGM is damaged, or it is not a grey map")
    columns, rows, highest = (int(header[n]) for n in (3, 4, 5))
    if not 0 < highest < 2**16:
        raise ValueError(f"the largest value of a PGM is from 1 to 65535; this one says {highest}")
    check_frame((rows, columns))
    dtype = np.dtype(np.uint8 if highest < 256 else ">u2")
    if header[1] == b"5":
        return Stored(plain_block(content, header.end(), dtype, (rows, columns)))
    numbers = re.sub(rb"#[^\n\r]*", b"", content[header.end() :][: 8 * rows * columns])
    pixels = np.array(numbers.split(maxsplit=rows * columns)[: rows * columns], dtype=dtype)
    if pixels.size < rows * columns:
        raise ValueError(f"the PGM is cut off after {pixels.size:,} of {rows * columns:,} pixels")
    return Stored(pixels.reshape(rows, columns))


def read_png(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read a grey PNG of up to 16 bits, or one whose red, green and blue are the same."""
    from PIL import Image

    first_frame(dataset, 1)
    columns, rows = (int.from_bytes(content[n : n + 4], "big") for n in (16, 20))
    check_frame((rows, columns))
    depth, kind = content[24], content[25]
    if depth == 16 and kind != 0:
        raise ValueError("it is a colour picture of 16 bits; save the intensities as grey")
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        if getattr(picture, "n_frames", 1) != 1:
            raise ValueError(f"it is an animation of {picture.n_frames} frames")  # type: ignore[attr-defined]
        if picture.mode.startswith(("L", "I", "1")) and picture.mode != "LA":
            return Stored(np.asarray(picture.convert("L") if picture.mode == "1" else picture))
        channels = np.asarray(picture.convert("RGBA"))
    return Stored(_grey(channels))


def _grey(channels: NDArray[Any]) -> NDArray[Any]:
    """Take one of three equal colours."""
    red, others = channels[..., 0], channels[..., 1:3]
    if (others != red[..., None]).any():
        raise ValueError(
            "it is a colour picture, and a colour is no intensity; save the intensities as grey"
        )
    if channels.shape[-1] == 4 and (channels[..., 3] != channels[..., 3].max()).any():
        raise ValueError("parts of the picture are transparent; save the intensities as grey")
    return red


def read_tiff(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read TIFF by tifffile, compressed kinds that it cannot decode by Pillow; also MarCCD.

    A MarCCD file is a TIFF with a header of its own, of which the saturation value is used.
    """
    from tifffile import COMPRESSION, TiffFile

    with TiffFile(io.BytesIO(content)) as file:
        pages = _count(file.pages)
        frame = first_frame(dataset, pages)
        stack = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
        if pages == 1 and stack != 1:
            raise ValueError(f"it is an ImageJ stack of {stack} frames; save one alone")
        page: Any = file.pages[frame]
        if page.dtype is None:
            raise ValueError("its kind of pixels is unknown")
        shape = tuple(n for n in page.shape if n != 1) if len(page.shape) > 2 else page.shape
        colour = len(shape) == 3 and shape[-1] in (3, 4)
        check_frame(shape[:2] if colour else shape)
        step = math.prod(page.chunks) * page.dtype.itemsize
        if step > 8 * MAX_PIXELS or len(page.dataoffsets) > 10**5:
            raise ValueError(f"its tiles, {page.chunks} pixels each, are too large or too many")
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > len(content) or not all(page.databytecounts):
            raise ValueError("the file is cut off: some of its pixels are missing")
        if page.compression == COMPRESSION.NONE:
            if sum(page.databytecounts) < math.prod(page.shape) * page.bitspersample // 8:
                raise ValueError("the file is cut off: some of its pixels are missing")
            pixels = page.asarray()
        elif page.compression in (
            COMPRESSION.ADOBE_DEFLATE,
            COMPRESSION.DEFLATE,
        ) and page.predictor in (1, 2):
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                _check_deflated(content[offset : offset + count], step)
            pixels = page.asarray()
        else:
            pixels = _tiff_by_pillow(content, frame, page)
    if colour:
        pixels = _grey(pixels.reshape(shape))
    return Stored(pixels.reshape(shape[:2]), saturation=_marccd_saturation(content))


def _count(pages: Any) -> int:
    for n in range(1, MAX_PARTS):
        try:
            pages[n]
        except IndexError:
            return n
    return MAX_PARTS


def _check_deflated(data: bytes, expected: int) -> None:
    """Refuse a block that would unpack to more than it should."""
    unpacked = zlib.decompressobj().decompress(data, expected + 1)
    if len(unpacked) > expected:
        raise ValueError("a compressed block unpacks to more than its part of the image")


def _tiff_by_pillow(content: bytes, frame: int, page: Any) -> NDArray[Any]:
    from PIL import Image

    with _silent_stderr(), Image.open(io.BytesIO(content), formats=["TIFF"]) as picture:
        picture.seek(frame)
        pixels = np.asarray(picture)
    if pixels.dtype.itemsize != page.dtype.itemsize or pixels.shape[:2] != page.shape[:2]:
        raise ValueError(
            f"its compression {page.compression.name} of {page.dtype} pixels is not read; save it "
            f"without compression"
        )
    return pixels.view(page.dtype.newbyteorder("="))


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep off the messages that libtiff writes past Python."""
    with _STDERR:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def _marccd_saturation(content: bytes) -> float | None:
    """Saturation value of a MarCCD file, which has a header of 3072 bytes within its TIFF."""
    header = content[1024:4096]
    if len(header) < 3072 or header[4:7] != b"MMX":
        return None
    from fabio.marccdimage import HEADER_FORMAT, HEADER_NAMES, interpret_header

    return interpret_header(header, HEADER_FORMAT, HEADER_NAMES)["saturated_value"] or None


def plain_block(content: bytes, start: int, dtype: DTypeLike, shape: Sequence[int]) -> NDArray[Any]:
    """Pixels that lie uncompressed from a place in the file on."""
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    if needed > len(content) - start:
        raise ValueError(
            f"{' x '.join(map(str, shape))} pixels need {needed:,} bytes and "
            f"{max(len(content) - start, 0):,} follow the header: is the file cut off?"
        )
    return np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape)


def first_frame(dataset: str | int | None, frames: int) -> int:
    """Position of the chosen frame among several; there is no need to choose from one."""
    _, index = split_choice(dataset)
    if not index and frames == 1:
        return 0
    number = f"{frames} or more" if frames == MAX_PARTS else frames
    if not index:
        raise ValueError(f"it holds {number} frames; choose one with dataset=0, dataset=1, ...")
    if len(index) > 1 or not isinstance(index[0], int) or not 0 <= index[0] < frames:
        raise ValueError(f"there is no frame {_written(index)} in it; it holds {number}")
    return index[0]


def _written(index: Index) -> str:
    return "[" + ", ".join(":" if isinstance(i, slice) else str(i) for i in index) + "]"
