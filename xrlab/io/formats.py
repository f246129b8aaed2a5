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
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from xrlab.io import choice
from xrlab.io.axes import middles, usual_names
from xrlab.io.choice import MAX_PARTS, MAX_PIXELS, MAX_UNPACKED, Index, check_frame, first_frame
from xrlab.io.stored import Stored, pairs

# One thread at a time may turn the standard error away.
_STDERR = threading.Lock()

# Tags of TIFF: what display programs do with the pixels, and what GDAL says of the numbers.
POLARITY, ORIENTATION, GDAL_METADATA, GDAL_NODATA = 262, 274, 42112, 42113
# Pages of TIFF that are smaller copies, and masks, by the bits of NewSubfileType.
REDUCED, MASK = 1, 4
# Compressions of TIFF that change intensities.
LOSSY = {"OJPEG", "JPEG", "JPEG_LOSSY", "ALT_JPEG", "JETRAW", "LERC", "WEBP", "JPEGXR_NDPI"}

# Types of numbers as the headers of SMV name them, in lower case, without "_" and "int".
_SMV_TYPES = {"unsigned short": "u2", "unsigned long": "u4", "unsigned": "u4",
              "unsigned char": "u1", "signed short": "i2", "short": "i2", "signed long": "i4",
              "signed": "i4", "long": "i4", "": "i4", "signed char": "i1", "float": "f4",
              "float ieee": "f4"}  # fmt: skip


def read_npy(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read NumPy's .npy, never a pickle."""
    return Stored(_npy(content, choice.split_choice(dataset)[1], "the array"))


def read_npz(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read one array of NumPy's .npz, with its mask and the arrays h and k if they are there."""
    name, index = choice.split_choice(dataset)
    if content.count(b"PK\x01\x02") > MAX_PARTS:
        raise ValueError(f"it is an archive of more than {MAX_PARTS} files")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        members = {info.filename.removesuffix(".npy"): info for info in files}
        if not members:
            raise ValueError("it is a ZIP archive without NumPy arrays in it")
        shapes, single = {}, []
        for member, info in members.items():
            with archive.open(info) as file:
                shapes[member], _, dtype = _npy_header(file)
            single += [member] * (shapes[member] == () and not dtype.hasobject)
        images = choice.images_among(shapes) or list(members)
        name = images[0] if name is None and len(images) == 1 else name
        if name not in members:
            listed = {n: shapes[n] for n in (members if name else images)}
            raise ValueError(choice.ask_which(listed, name))

        def read(member: str, index: Index = ()) -> NDArray[Any]:
            what = f"the array {member!r}"
            if members[member].file_size > MAX_UNPACKED:
                raise ValueError(f"{what} unpacks to more than {MAX_UNPACKED:,} bytes")
            return _npy(archive.read(members[member]), index, what)

        pixels, masks = read(name, index), choice.masks_of((name,))
        beside = [(read(n), bad) for n, bad in masks.items() if n in members and n != name]
        lost = choice.left_out(beside, pixels.shape)
        header = {member: read(member) for member in single}
        names = usual_names({n: math.prod(s) for n, s in shapes.items() if n != name}.get, 2)
        axes = [np.ravel(read(axis)).astype(float) for axis in names]
        axes = [middles(values, n) for values, n in zip(axes, pixels.shape, strict=False)]
        known = pixels.shape == tuple(map(len, axes))
        both = tuple(zip(names, axes, strict=False)) if known else None
        return Stored(pixels, header, lost, both)


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    first = np.lib.format.read_magic(file) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    return read(file)


def _npy(content: bytes, index: Index, what: str) -> NDArray[Any]:
    file = io.BytesIO(content)
    shape, fortran, dtype = _npy_header(file)
    if dtype.hasobject:
        raise ValueError(f"{what} holds Python objects, which could run code when loaded")
    index = check_frame(shape, index, what)
    array = plain_block(content, file.tell(), dtype, shape, "F" if fortran else "C")
    return array[index]


_PNM = re.compile(rb"P([25])" + rb"(?:\s|#[^\n\r]*[\n\r])+(\d{1,9})" * 3 + rb"\s")


def read_pgm(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read Netpbm's grey map, plain (P2) or binary (P5), of 8 or 16 bits (netpbm.sourceforge.net).

    By hand, since Pillow stretches values to the largest one in the header.
    """
    first_frame(dataset, 1)
    header = _PNM.match(content[:10_000])
    if header is None:
        raise ValueError("the header of the PGM is damaged, or it is not a grey map")
    columns, rows, highest = map(int, header.groups()[1:])
    if not 0 < highest < 2**16:
        raise ValueError(f"the largest value of a PGM is from 1 to 65535; this one says {highest}")
    check_frame((rows, columns))
    start, dtype, doubt = header.end(), np.dtype(np.uint8 if highest < 256 else ">u2"), None
    if header[1] == b"5":
        needed = rows * columns * dtype.itemsize
        if content[start - 1 : start + 1] == b"\r\n" and len(content) - start != needed:
            start += 1  # a line that ends with two signs
        pixels = plain_block(content, start, dtype, (rows, columns))
        rest, what = _rest(content, start + needed), "bytes"
    else:
        numbers = np.fromstring(re.sub(rb"#[^\n\r]*", b"", content[start:]), np.int64, sep=" ")
        rest, what = numbers.size - rows * columns, "numbers"
        if rest < 0:
            raise ValueError(f"the PGM is cut off: {-rest:,} of its pixels are missing")
        if numbers.min() < 0:
            raise ValueError(f"a PGM holds no negative numbers; this one holds {numbers.min()}")
        pixels = numbers[: rows * columns].reshape(rows, columns)
        pixels = pixels.astype(dtype) if pixels.max() < 2**16 else pixels
    if rest:
        doubt = f"{rest:,} {what} follow the pixels: were line ends changed in a transfer?"
    if pixels.max() > highest:
        doubt = f"it holds {pixels.max()}, more than the largest value of its header, {highest}"
    return Stored(pixels, doubt=doubt)


def read_picture(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read grey PNG of up to 16 bits, or one of three equal colours, and PFM, by Pillow."""
    from PIL import Image

    first_frame(dataset, 1)
    with Image.open(io.BytesIO(content), formats=["PNG", "PPM"]) as picture:
        check_frame(picture.size[::-1])
        if picture.format == "PNG" and content[24] == 16 and content[25] != 0:
            raise ValueError("it is a colour picture of 16 bits; save the intensities as grey")
        if getattr(picture, "n_frames", 1) != 1:
            raise ValueError(f"it is an animation of {picture.n_frames} frames")  # type: ignore[attr-defined]
        if picture.mode.startswith(("L", "I", "1", "F")) and picture.mode != "LA":
            pixels = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
            flag = picture.info.get("transparency")  # as GDAL writes it
            return Stored(pixels, {"nodata": flag} if isinstance(flag, int) else None)
        return Stored(_grey(np.asarray(picture.convert("RGBA"))))


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


def read_smv(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read the SMV format of ADSC and d*TREK detectors (.img).

    By hand, since fabio takes every type but those of d*TREK for 16 bits without sign.
    """
    text = content[: 2**14].decode("latin-1").partition("{")[2]
    entries = re.findall(r"(?m)([A-Za-z]\w*)[ \t]*=[ \t]*\"?([^;\"\r\n]*)", text)
    header: dict[str, str] = {"size3": "1"}
    header |= {key.lower(): value.strip() for key, value in reversed(entries)}
    sizes = ("header_bytes", "size2", "size1", "size3")
    try:
        start, rows, columns, frames = (int(float(header[name])) for name in sizes)
    except (KeyError, ValueError) as error:
        raise ValueError(f"its SMV header lacks HEADER_BYTES, SIZE1 or SIZE2 ({error})") from error
    frame = first_frame(dataset, frames)
    check_frame((rows, columns))
    said = header.get("data_type", header.get("type", "unsigned_short")).lower()
    kind = " ".join(word for word in re.split(r"[\s_]+", said) if word != "int")
    if kind not in _SMV_TYPES or header.get("compression", "none").lower() != "none":
        raise ValueError(f"its pixels of type {said!r}, or their compression, are not read")
    order = ">" if header.get("byte_order", "").lower().startswith("big") else "<"
    dtype = np.dtype(order + _SMV_TYPES[kind])
    needed = rows * columns * dtype.itemsize
    pixels = plain_block(content, start + frame * needed, dtype, (rows, columns))
    rest = _rest(content, start + frames * needed)
    ratio = int(float(header.get("raxis_compression_ratio", 1)))
    if ratio > 1 and pixels.dtype.kind == "u":  # the highest bit means that many times the rest
        top = np.iinfo(pixels.dtype).max // 2 + 1
        pixels = np.where(pixels >= top, (pixels % top).astype(np.uint32) * ratio, pixels)
    doubt = f"{rest:,} bytes follow the pixels: is its HEADER_BYTES right?" if rest else None
    return Stored(pixels, header, doubt=doubt)


def read_tiff(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read TIFF by tifffile, compressed kinds that it cannot decode by Pillow; also MarCCD.

    Pixels are as they are stored, in the order of the file: orientation and polarity are for
    display. The calibration of ImageJ, GDAL's scale and flag, pages that are masks, a description
    with the words of a detector, and the saturation value of MarCCD's own header are used.
    """
    from tifffile import TiffFile

    with TiffFile(io.BytesIO(content)) as file:
        pages: Any = file.pages
        kinds = [int(page.subfiletype) for page in islice(pages, MAX_PARTS)]
        frames = [n for n, kind in enumerate(kinds) if not kind & (REDUCED | MASK)] or [0]
        frame = frames[first_frame(dataset, len(frames))]
        imagej = (file.imagej_metadata or {}) if file.is_imagej else {}
        if len(kinds) == 1 and imagej.get("images", 1) != 1:
            raise ValueError(f"it is an ImageJ stack of {imagej['images']} frames; save one alone")
        pixels = _tiff_page(content, pages[frame], frame)
        masks = [n for n, kind in enumerate(kinds) if kind & (REDUCED | MASK) == MASK]
        mask = None
        if len(masks) == len(frames):
            number = masks[frames.index(frame)]
            mask = _tiff_page(content, pages[number], number) == 0
        header = _tiff_header(pages[frame], imagej)
    if content[1028:1031] == b"MMX":  # MarCCD has a header of 3072 bytes of its own
        header["saturated_value"] = int.from_bytes(content[1128:1132], "little")
    return Stored(pixels, header, mask)


def _tiff_page(content: bytes, page: Any, number: int) -> NDArray[Any]:
    """Decode the pixels of one page, after a look at all sizes in it."""
    from tifffile import COMPRESSION as C

    if page.dtype is None:
        raise ValueError("its kind of pixels is unknown")
    if page.compression.name in LOSSY:
        raise ValueError(f"its compression, {page.compression.name}, changes intensities")
    shape = page.shape
    planes = len(shape) == 3 and page.planarconfig == 2 and shape[0] in (3, 4)
    colour = planes or (len(shape) == 3 and shape[-1] in (3, 4))
    check_frame((shape[1:] if planes else shape[:2]) if colour else shape)
    step = math.prod(page.chunks) * page.dtype.itemsize
    if step > 8 * MAX_PIXELS or len(page.dataoffsets) > 10**5:
        raise ValueError(f"its tiles, {page.chunks} pixels each, are too large or too many")
    blocks = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    plain = math.prod(page.shape) * page.bitspersample // 8 if page.compression == C.NONE else 1
    if not blocks or max(map(sum, blocks)) > len(content) or not all(page.databytecounts) or (
        sum(page.databytecounts) < plain
    ):  # fmt: skip
        raise ValueError("the file is cut off: some of its pixels are missing")
    zipped, whole = page.compression in (C.ADOBE_DEFLATE, C.DEFLATE), page.bitspersample % 8 == 0
    if zipped:
        for offset, count in blocks:
            unpacked = zlib.decompressobj().decompress(content[offset : offset + count], step + 1)
            if len(unpacked) > step:
                raise ValueError("a compressed block unpacks to more than its part of the image")
    rows = len(shape) == 2 and not page.is_tiled
    if page.compression == C.NONE and rows and not whole and page.bitspersample < 16:
        packed = b"".join(content[offset : offset + count] for offset, count in blocks)
        pixels = _unpack_bits(packed, page.bitspersample, page.fillorder == 2, *shape[:2])
    elif whole and (zipped or page.compression == C.NONE) and page.predictor <= 1 + zipped:
        pixels = page.asarray().reshape(shape)
    else:
        pixels = _tiff_by_pillow(content, number, page).reshape(shape)
    if page.photometric.name == "PALETTE":
        pixels, colour = np.moveaxis(page.colormap, 0, -1)[pixels], True
    return _grey(np.moveaxis(pixels, 0, -1) if planes else pixels) if colour else pixels


def _unpack_bits(packed: bytes, bits: int, low: bool, rows: int, columns: int) -> NDArray[Any]:
    """Whole numbers of fewer bits than 16; every row begins with a byte."""
    width = math.ceil(columns * bits / 8)
    lines = plain_block(packed, 0, np.uint8, (rows, width))
    single = np.unpackbits(lines, axis=1, bitorder="little" if low else "big")[:, : columns * bits]
    pixels = np.zeros((rows, columns), np.uint16)
    for n in range(bits):
        pixels = pixels * 2 + single[:, n::bits]
    return pixels


def _tiff_header(page: Any, imagej: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what the tags of a TIFF say of its numbers."""
    header: dict[str, Any] = pairs(page.description)
    if imagej.get("cf", 0) != 0:
        curve = f"it by a curve (function {imagej['cf']})"
        raise ValueError(f"ImageJ calibrated {curve}: save it in calibrated units, as 32-bit")
    if "c0" in imagej and "c1" in imagej:
        header |= {"add_offset": imagej["c0"], "scale_factor": imagej["c1"]}
    header["units"] = str(imagej.get("vunit", ""))
    metadata, nodata = (str(page.tags.valueof(n, "")) for n in (GDAL_METADATA, GDAL_NODATA))
    header["gdal_nodata"] = nodata
    for role, value in re.findall(r'role="(scale|offset)">([^<]+)<', metadata):
        header["scale_factor" if role == "scale" else "add_offset"] = value
    return header


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
        kind = f"{page.compression.name} of {page.dtype} pixels"
        raise ValueError(f"its compression {kind} is not read; save it without compression")
    return pixels.view(page.dtype.newbyteorder("="))


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep off the messages that libtiff writes past Python."""
    with _STDERR, open(os.devnull, "wb") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _rest(content: bytes, end: int) -> int:
    """Count the bytes after the pixels, without empty ones at the end."""
    return len(content[end:].strip(b"\0\n\r "))


def plain_block(
    content: bytes, start: int, dtype: DTypeLike, shape: Sequence[int], order: Any = "C"
) -> NDArray[Any]:
    """Pixels that lie uncompressed from a place in the file on."""
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    if needed > len(content) - start:
        there = f"{max(len(content) - start, 0):,} follow the header: is the file cut off?"
        raise ValueError(f"{' x '.join(map(str, shape))} pixels need {needed:,} bytes and {there}")
    return np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape, order=order)
