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
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from xrlab.io.choice import (
    MAX_PARTS,
    MAX_PIXELS,
    Index,
    ask_which,
    check_frame,
    first_frame,
    split_choice,
)
from xrlab.io.stored import Stored, pairs

# One thread at a time may turn the standard error away.
_STDERR = threading.Lock()

# Tags of TIFF: what display programs do with the pixels, and what GDAL says of the numbers.
POLARITY, ORIENTATION, GDAL_METADATA, GDAL_NODATA = 262, 274, 42112, 42113

# Compressions of TIFF that change intensities.
LOSSY = {"OJPEG", "JPEG", "JPEG_LOSSY", "ALT_JPEG", "JETRAW", "LERC", "WEBP", "JPEGXR_NDPI"}


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
        masked = name is None and members.keys() == {"data", "mask"}  # of a masked array
        if masked or (name is None and len(members) == 1):
            name = next(iter(sorted(members)))
        if name not in members:
            shapes = {}
            for each, info in members.items():
                with archive.open(info) as member:
                    shapes[each] = _npy_header(member)[0]
            raise ValueError(ask_which(shapes, name))
        arrays = []
        for each in (name, "mask") if masked else (name,):
            with archive.open(members[each]) as member:
                what = f"the array {each!r}"
                arrays.append(_npy(member, index, members[each].file_size, what))
    return Stored(arrays[0], mask=arrays[1] != 0 if masked else None)


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
    start, size, doubt = header.end(), rows * columns, None
    dtype = np.dtype(np.uint8 if highest < 256 else ">u2")
    if header[1] == b"5":
        needed = size * dtype.itemsize
        if content[start - 1 : start + 1] == b"\r\n" and len(content) - start != needed:
            start += 1  # a line that ends with two signs
        pixels = plain_block(content, start, dtype, (rows, columns))
        if rest := content[start + needed :].strip(b"\0\n\r "):
            doubt = f"{len(rest):,} bytes follow the pixels: were line ends changed in a transfer?"
    else:
        text = re.sub(rb"#[^\n\r]*", b"", content[start:])
        pixels = np.fromstring(text, np.int64, size, sep=" ")
        if pixels.size < size:
            raise ValueError(f"the PGM is cut off after {pixels.size:,} of {size:,} pixels")
        pixels = pixels.astype(dtype) if 0 <= pixels.min() <= pixels.max() < 2**16 else pixels
        pixels = pixels.reshape(rows, columns)
    if pixels.max() > highest:
        doubt = f"it holds {pixels.max()}, more than the largest value of its header, {highest}"
    return Stored(pixels, doubt=doubt)


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

    Pixels are as they are stored, in the order of the file: orientation and polarity are for
    display. The calibration of ImageJ, GDAL's scale and flag, a description with the words of a
    detector, and the saturation value of MarCCD's own header are used.
    """
    from tifffile import COMPRESSION as C
    from tifffile import TiffFile

    with TiffFile(io.BytesIO(content)) as file:
        pages = _count(file.pages)
        frame = first_frame(dataset, pages)
        imagej = (file.imagej_metadata or {}) if file.is_imagej else {}
        if pages == 1 and imagej.get("images", 1) != 1:
            raise ValueError(f"it is an ImageJ stack of {imagej['images']} frames; save one alone")
        page: Any = file.pages[frame]
        if page.dtype is None:
            raise ValueError("its kind of pixels is unknown")
        if page.compression.name in LOSSY:
            raise ValueError(f"its compression, {page.compression.name}, changes intensities")
        shape = tuple(n for n in page.shape if n != 1) if len(page.shape) > 2 else page.shape
        colour = len(shape) == 3 and shape[-1] in (3, 4)
        check_frame(shape[:2] if colour else shape)
        step = math.prod(page.chunks) * page.dtype.itemsize
        if step > 8 * MAX_PIXELS or len(page.dataoffsets) > 10**5:
            raise ValueError(f"its tiles, {page.chunks} pixels each, are too large or too many")
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > len(content) or not all(page.databytecounts):
            raise ValueError("the file is cut off: some of its pixels are missing")
        if page.compression == C.NONE:
            if sum(page.databytecounts) < math.prod(page.shape) * page.bitspersample // 8:
                raise ValueError("the file is cut off: some of its pixels are missing")
        elif page.compression in (C.ADOBE_DEFLATE, C.DEFLATE):
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                _check_deflated(content[offset : offset + count], step)
        own = {C.NONE: (1,), C.ADOBE_DEFLATE: (1, 2), C.DEFLATE: (1, 2)}
        if page.predictor in own.get(page.compression, ()) and page.bitspersample % 8 == 0:
            pixels = page.asarray()
        else:
            pixels = _tiff_by_pillow(content, frame, page)
        if page.photometric.name == "PALETTE":
            pixels, colour = np.moveaxis(page.colormap, 0, -1)[pixels], True
            shape = pixels.shape
        header = _tiff_header(page, imagej)
    if colour:
        pixels = _grey(pixels.reshape(shape))
    header["saturated_value"] = _marccd_saturation(content)
    return Stored(pixels.reshape(shape[:2]), header)


def _tiff_header(page: Any, imagej: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what the tags of a TIFF say of its numbers."""
    header: dict[str, Any] = pairs(page.description)
    if "c0" in imagej and "c1" in imagej:
        if imagej.get("cf", 0) != 0:
            raise ValueError(
                f"ImageJ calibrated it by a curve (function {imagej['cf']}): save it in calibrated "
                f"units, as 32-bit"
            )
        header |= {"add_offset": imagej["c0"], "scale_factor": imagej["c1"]}
    text = {n: str(page.tags[n].value) for n in (GDAL_METADATA, GDAL_NODATA) if n in page.tags}
    header["gdal_nodata"] = text.get(GDAL_NODATA, "")
    for role, value in re.findall(r'role="(scale|offset)">([^<]+)<', text.get(GDAL_METADATA, "")):
        header["scale_factor" if role == "scale" else "add_offset"] = value
    return header


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

    plain = bytearray(content)  # Pillow would turn some pixels, and invert them
    for code in (ORIENTATION, *((POLARITY,) if page.photometric.name == "MINISWHITE" else ())):
        if code in page.tags:
            place, order = page.tags[code].valueoffset, page.parent.byteorder
            plain[place : place + 2] = (1).to_bytes(2, "little" if order == "<" else "big")
    with _silent_stderr(), Image.open(io.BytesIO(plain), formats=["TIFF"]) as picture:
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
