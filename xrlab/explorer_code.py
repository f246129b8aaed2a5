"""A short text that carries the state of the explorer to a colleague.

``XR1`` and, in groups of four, the letters A to Z and digits 2 to 7 (base 32: no letter that looks
like a digit, no matter whether capital or small). They hold bytes: sampler, number of lots, lattice
size, seed, every correlation in hundredths, and a checksum.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from math import isqrt

from xrlab.explorer import LOTS, SIZES, State
from xrlab.samplers import SAMPLERS

VERSION = 1

# Sampler and lots share a byte, sizes and the seed (up to 999999) four.
_HEAD = struct.Struct(">BI")
_CHECK = struct.Struct(">H")


def to_code(state: State) -> str:
    """Write a state as text.

    >>> to_code(State((0.6, 0.6, 0.36)))
    'XR1-CMBA-AAAA-HQ6C-I6KS'
    """
    known = tuple(SAMPLERS)
    head = _HEAD.pack(
        known.index(state.sampler) * 16 + LOTS.index(state.lots),
        SIZES.index(state.size) << 24 | state.seed,
    )
    values = struct.pack(f"{len(state.vector)}b", *(round(100 * v) for v in state.vector))
    body = head + values
    text = base64.b32encode(body + _checksum(body)).decode().rstrip("=")
    return "-".join([f"XR{VERSION}", *re.findall("..?.?.?", text)])


def from_code(text: str) -> State:
    """Read a state from text; spaces, line breaks and small letters do not matter.

    Raises
    ------
    ValueError
        If it is no such text, was made by a newer version, or something in it was changed or lost.
    """
    plain = re.sub(r"[\s\-–—.]", "", text).upper()
    if not (begin := re.match(r"XR(\d)", plain)):
        raise ValueError(f"a code begins with XR{VERSION}; this text begins with {text[:12]!r}")
    if int(begin[1]) != VERSION:
        raise ValueError(
            f"this code has version {begin[1]}, this xrlab reads version {VERSION}: "
            f"bring both to the same version of xrlab"
        )
    letters = plain[3:]
    if strange := re.search("[^A-Z2-7]", letters):
        raise ValueError(
            f"a code has letters and the digits 2 to 7 only; this one has {strange[0]!r}: "
            f"copy it again"
        )
    broken = ValueError(
        "something in this code was changed or lost on the way: copy all of it again, from XR1 on"
    )
    try:
        read = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except binascii.Error:
        raise broken from None
    body, check = read[: -_CHECK.size], read[-_CHECK.size :]
    n_values = len(body) - _HEAD.size
    if n_values < 3 or _checksum(body) != check or isqrt(n_values + 1) ** 2 != n_values + 1:
        raise broken
    first, second = _HEAD.unpack_from(body)
    sampler, lots = divmod(first, 16)
    try:
        return State(
            tuple(value / 100 for value in struct.unpack(f"{n_values}b", body[_HEAD.size :])),
            tuple(SAMPLERS)[sampler],
            SIZES[second >> 24],
            LOTS[lots],
            second & 0xFFFFFF,
        )
    except (IndexError, ValueError) as error:
        raise ValueError(f"this code asks for what the explorer has not got ({error})") from None


def _checksum(body: bytes) -> bytes:
    return _CHECK.pack(zlib.crc32(body) & 0xFFFF)
