"""Readers of detector files: EDF, SMV of ADSC and d*TREK, and CBF of PILATUS.

They keep to the rules of `xrlab.io.formats`. Those of other detectors are read by fabio, in a
process of its own; see `xrlab.io.child`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping

import numpy as np

from xrlab.io.choice import MAX_PARTS, check_frame, first_frame
from xrlab.io.formats import plain_block
from xrlab.io.stored import Stored, pairs


def read_braces(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read EDF or SMV, whose headers are both in braces."""
    start = content.find(b"{")
    header = _key_values(content[start + 1 : content.find(b"}", start, start + 2**20)])
    if "header_bytes" in header:
        first_frame(dataset, 1)
        return _smv(content, header)
    return _edf(content, dataset)


def _edf(content: bytes, dataset: str | int | None) -> Stored:
    """Read the European Synchrotron's data format, without compression.

    The header is read here and not by fabio, which would follow a file name in it, and fill up
    with zeros what is cut off.
    """
    from fabio.edfimage import DATA_TYPES

    frames = []
    for header, start in _edf_blocks(content):
        if "dim_1" not in header:
            continue
        for key in ("edf_binaryfilename", "compression"):
            if header.get(key, "none").lower() not in ("none", ""):
                raise ValueError(
                    f"its pixels are elsewhere or compressed ({key}: {header[key][:60]!r}), which "
                    f"is not read; save it as a plain EDF"
                )
        frames.append((header, start))
    if not frames:
        raise ValueError("its EDF header says no size of the image (Dim_1, Dim_2)")
    header, start = frames[first_frame(dataset, len(frames))]
    shape = [int(header[key]) for key in ("dim_3", "dim_2", "dim_1") if key in header]
    check_frame(shape)
    kind = header.get("datatype", "UnsignedShort")
    if kind not in DATA_TYPES:
        raise ValueError(f"its DataType {kind!r} is unknown")
    order = ">" if header.get("byteorder", "").lower().startswith("high") else "<"
    dtype = np.dtype(DATA_TYPES[kind]).newbyteorder(order)
    return Stored(plain_block(content, start, dtype, shape), header)


def _edf_blocks(content: bytes) -> Iterator[tuple[dict[str, str], int]]:
    """Headers of the frames, and where their pixels begin."""
    place = 0
    for _ in range(MAX_PARTS):
        opened = content.find(b"{", place, place + 1024)
        if opened < 0 or content[place:opened].strip(b"\r\n \0"):
            return
        closed = re.compile(rb"\}\r?\n").search(content, opened, opened + 2**20)
        if closed is None:
            raise ValueError("its header has no end: is the file cut off?")
        header = _key_values(content[opened + 1 : closed.start()])
        yield header, closed.end()
        size = header.get("edf_binarysize", header.get("size", ""))
        if not size.isdecimal():
            return
        place = closed.end() + int(size)


def _key_values(header: bytes) -> dict[str, str]:
    """Read ``key = value;`` pairs, keys in lower case."""
    pairs = (part.partition("=") for part in header.decode("latin-1").split(";"))
    return {key.strip().lower(): value.strip() for key, equal, value in pairs if equal}


# Types of numbers as the headers of SMV name them, in lower case, without "_" and "int".
_SMV_TYPES = {
    "unsigned short": "u2",
    "unsigned long": "u4",
    "unsigned": "u4",
    "unsigned char": "u1",
    "signed short": "i2",
    "short": "i2",
    "signed long": "i4",
    "signed": "i4",
    "long": "i4",
    "": "i4",
    "signed char": "i1",
    "float": "f4",
    "float ieee": "f4",
}


def _smv(content: bytes, header: Mapping[str, str]) -> Stored:
    """Read the SMV format of ADSC and d*TREK detectors (.img)."""
    try:
        start, rows, columns = (int(float(header[n])) for n in ("header_bytes", "size2", "size1"))
    except (KeyError, ValueError) as error:
        raise ValueError(f"its SMV header lacks HEADER_BYTES, SIZE1 or SIZE2 ({error})") from error
    check_frame((rows, columns))
    said = header.get("data_type", header.get("type", "unsigned_short")).lower()
    kind = " ".join(word for word in re.split(r"[\s_]+", said) if word != "int")
    if kind not in _SMV_TYPES or header.get("compression", "none").lower() != "none":
        raise ValueError(f"its pixels of type {said!r}, or their compression, are not read")
    order = ">" if header.get("byte_order", "").lower().startswith("big") else "<"
    pixels = plain_block(content, start, order + _SMV_TYPES[kind], (rows, columns))
    ratio = int(float(header.get("raxis_compression_ratio", 1)))
    if ratio > 1 and pixels.dtype.kind == "u":  # the highest bit means that many times the rest
        top = np.iinfo(pixels.dtype).max // 2 + 1
        pixels = np.where(pixels >= top, (pixels % top).astype(np.uint32) * ratio, pixels)
    return Stored(pixels, header)


_CBF_DATA = b"\x0c\x1a\x04\xd5"


def read_cbf(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read the crystallographic binary format, byte-offset compressed, as PILATUS writes it."""
    from fabio.cbfimage import DATA_TYPES
    from fabio.compression import decByteOffset

    first_frame(dataset, 1)
    start = content.find(_CBF_DATA, 0, 2**20)
    if start < 0:
        raise ValueError("no pixels follow the header: is the file cut off?")
    header = content[:start].decode("latin-1")
    found = dict(re.findall(r'(X-Binary-[\w-]+|Content-MD5|conversions)\s*[:=]\s*"?([^"\r\n]+)',
                            header))  # fmt: skip
    try:
        rows, columns, size = (
            int(found[f"X-Binary-{key}"])
            for key in ("Size-Second-Dimension", "Size-Fastest-Dimension", "Size")
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"its header does not say the size of the image ({error})") from error
    check_frame((rows, columns))
    if "byte_offset" not in found.get("conversions", "").lower():
        raise ValueError(f"its compression {found.get('conversions')!r} is not read")
    kind = found.get("X-Binary-Element-Type", "signed 32-bit integer")
    if kind not in DATA_TYPES:
        raise ValueError(f"its kind of pixels, {kind!r}, is unknown")
    packed = content[start + len(_CBF_DATA) :][:size]
    if len(packed) < size or size < rows * columns:
        raise ValueError(
            f"{rows} x {columns} pixels in {size:,} bytes are announced and {len(packed):,} bytes "
            f"follow: is the file cut off?"
        )
    doubt, announced = None, found.get("Content-MD5")
    digest = hashlib.md5(packed, usedforsecurity=False).digest()
    if announced and base64.b64encode(digest).decode() != announced.strip():
        doubt = "its pixels do not fit their checksum: the file is damaged"
    # Zeros at the end keep the decoder within its bytes, whatever the last code says.
    pixels = np.asarray(decByteOffset(packed + bytes(16), size=rows * columns, dtype="int64"))
    if pixels.size != rows * columns:
        raise ValueError(f"it unpacks to {pixels.size:,} of {rows * columns:,} pixels")
    pixels = pixels.reshape(rows, columns).astype(DATA_TYPES[kind])
    return Stored(pixels, pairs(header), doubt=doubt)
