"""Read measured images from files of many kinds, known by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import os
import warnings
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from xrlab.crystal.arrays import Image
from xrlab.io.child import FABIO, read_apart
from xrlab.io.choice import MAX_UNPACKED
from xrlab.io.formats import read_npy, read_npz, read_pgm, read_picture, read_smv, read_tiff
from xrlab.io.stored import Axes, Stored, Unmeasured
from xrlab.io.tables import read_text

Reader = Callable[[bytes, str | int | None], Stored]

# Longer files are refused unless they are HDF5, of which only the needed part is read.
MAX_BYTES = 2**29

# Compressed files may unpack to this many times their size at most.
MAX_RATIO = 1000

# First bytes of a file after white space, and what reads it.
FORMATS: dict[bytes, Reader] = {
    b"\x89PNG\r\n\x1a\n": read_picture,
    b"Pf": read_picture,
    b"\x93NUMPY": read_npy,
    b"PK\x03\x04": read_npz,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), read_tiff),
    **dict.fromkeys((b"P2", b"P5"), read_pgm),
    **{begin: partial(read_apart, reader=name) for begin, name in FABIO.items()},
}

# HDF5 may begin with a block of the user's, as in files of MATLAB.
HDF5, HDF5_PLACES = b"\x89HDF\r\n\x1a\n", (0, 512, 1024, 2048, 4096)

PACKED: dict[bytes, tuple[str, Callable[..., BinaryIO]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),  # type: ignore[dict-item]
    b"BZh": ("bzip2", bz2.open),  # type: ignore[dict-item]
}

# Libraries complain about damaged files; the error says what is wrong.
for library in ("tifffile", "PIL"):
    logging.getLogger(library).addHandler(logging.NullHandler())

# Files that come up and are not read: what they are, and what to do.
OTHERS = {
    b"\xff\xd8\xff": "is a JPEG picture, which changes intensities: take what it was made from",
    b"GIF8": "is a GIF picture: take what it was made from",
    b"P6": "is a colour picture (PPM): save the intensities as grey",
    b"P7": "is a PAM picture: save it as PGM or TIFF",
    b"MATLAB 5.0": "is a MATLAB file of version 5: save it with -v7.3",
    b"CDF": "is a NetCDF file of version 3: save it as NetCDF 4 (nccopy -k nc4)",
    b"SIMPLE  =": "is a FITS file: save it as TIFF or HDF5",
    b"M\0\0\0A\0\0\0S\0\0\0K": "is a mask of Fit2D, and no image",
    **dict.fromkeys(
        (bytes([0x80, protocol]) for protocol in (2, 3, 4, 5)),
        "is a Python pickle, which could run code when loaded: save it as .npy",
    ),
}


def read_image(
    path: str | os.PathLike[str],
    *,
    dataset: str | int | None = None,
    unmeasured: Unmeasured = "auto",
    insist: bool = False,
) -> Image:
    """Read one image from a file, whatever its name says that it is.

    TIFF, NPY, NPZ, CSV and other tables of text, PGM, PNG, EDF, CBF, MarCCD, SMV of ADSC and
    d*TREK (``.img``), Esperanto, Bruker, Oxford Diffraction, mar345, R-AXIS, Fit2D, HDF5, NeXus,
    Mantid's MDHisto, Yell, meerkat, nebula3d and MATLAB 7.3, also in gzip and bzip2.

    Parameters
    ----------
    path : path
    dataset : str or int, optional
        Which data set of a file that holds several, by name, and which frame of a stack, by number
        from 0: ``"entry/data"``, ``3``, ``"entry/data[3]"``, ``"entry/data[:, :, 7]"``. Of a volume
        with known axes also which plane: ``"l=0.5"``, ``"entry/data[l=0.5]"``.
    unmeasured : "auto", None, a number or several
        What is NaN in the image. None: only what is not finite in the file. Numbers: these values
        too. "auto", by default:

        =============================================  ==================================
        what                                           in which images
        =============================================  ==================================
        NaN and infinite values                        of real numbers
        what the file says: flags, valid range,        all formats; the words are in
        saturation, masks                              `xrlab.io.stored.WORDS`
        negative values, flags of a detector           of whole numbers, unless packed
        -1 and -2, if nothing else is negative         of real numbers
        the largest value of the type, if two or more  of whole numbers of 8 or 16 bits
        the largest value of the type, or one below    of whole numbers of 32 or 64 bits
        the same of a smaller type, if the largest     of larger types, and real numbers
        values of `xrlab.io.stored.SENTINELS`          of real numbers, if the outermost
        zeros in a region too large for chance         all
        =============================================  ==================================

        A region is too large for chance when the faintest parts of the image would give one like
        it less than once in a million images; see `zeros_beyond_chance`. So the zero counts of a
        weak image stay.

    insist : bool
        Read an image that may be wrong, such as one whose checksum is.

    Returns
    -------
    float64 array, shape (rows, columns)
        Intensities: scale factors and offsets are applied. NaN where unmeasured.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as one 2-D image of real numbers of at most `MAX_PIXELS` pixels, or
        holds several and none was chosen; the message lists them.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     np.savetxt(f"{folder}/image.txt", [[1, 2], [np.nan, 4]])
    ...     read_image(f"{folder}/image.txt")
    array([[ 1.,  2.],
           [nan,  4.]])
    """
    return read_stored(path, dataset=dataset, unmeasured=unmeasured, insist=insist)[0]


def read_image_bytes(content: bytes, name: str = "the file", **options: Any) -> Image:
    r"""Read an image that was uploaded; its name is used in messages and for nothing else.

    Options and errors are those of `read_image`.

    >>> read_image_bytes(b"1, 2\n3, 4", "image.csv")
    array([[1., 2.],
           [3., 4.]])
    """
    return read_stored(bytes(content), name, **options)[0]


def read_stored(
    source: str | os.PathLike[str] | bytes,
    name: str | None = None,
    *,
    dataset: str | int | None = None,
    unmeasured: Unmeasured = "auto",
    insist: bool = False,
) -> tuple[Image, Axes | None]:
    """Read an image together with the labels and values of its axes, where the file has them."""
    content: bytes | Path = source if isinstance(source, bytes) else Path(source)
    if isinstance(content, Path) and not content.is_file():
        raise FileNotFoundError(
            f"there is no file {content}" + ": it is a folder" * content.is_dir()
        )
    before = _stamp(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            stored = _read(content, dataset)
            image = stored.image(unmeasured, insist)
        if _stamp(content) != before:
            raise ValueError
    except Exception as error:  # readers fail in many ways on a damaged file
        reason = f"it is damaged ({type(error).__name__}: {error})"
        reason = str(error) if isinstance(error, ValueError) else reason
        if _stamp(content) != before:
            reason = "it changed while it was read: wait until it is written, and read it again"
        name = _printable(name or str(getattr(content, "name", "the file")))
        reason = _printable(reason, 2000)
        raise ValueError(f"{name} cannot be read as an image: {reason}") from error
    return image, stored.axes


def _read(content: bytes | Path, dataset: str | int | None) -> Stored:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        first, size = file.read(4104), file.seek(0, os.SEEK_END)
    if not first:
        raise ValueError("it is empty (0 bytes): was it copied to the end?")
    if any(first.startswith(HDF5, place) for place in HDF5_PLACES):
        return read_apart(content, dataset)
    if other := _known(first, OTHERS):
        raise ValueError(f"it {other}")
    if size > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, and more than {MAX_BYTES:,} are not read")
    content = content if isinstance(content, bytes) else content.read_bytes()
    if packed := _known(first, PACKED):
        return _read(_unpacked(content, *packed), dataset)
    start = first.lstrip() if b"{" in first[:16] else first
    if start.startswith(b"{") and b"HEADER_BYTES" in first.upper():
        return read_smv(content, dataset)
    return (_known(start, FORMATS) or read_text)(content, dataset)


def _known(first: bytes, table: Mapping[bytes, Any]) -> Any:
    """Give what a table says of a file by its first bytes."""
    return next((value for begin, value in table.items() if first.startswith(begin)), None)


def _unpacked(content: bytes, packer: str, opener: Callable[..., BinaryIO]) -> bytes:
    most = min(MAX_UNPACKED, max(2**24, MAX_RATIO * len(content)))
    try:
        with opener(io.BytesIO(content)) as file:
            unpacked = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"it is compressed by {packer} and damaged or cut off ({error})"
        ) from error
    if len(unpacked) > most:
        raise ValueError(f"it unpacks to more than {most:,} bytes: unpack it first, by {packer}")
    return unpacked


def _stamp(content: bytes | Path) -> tuple[int, int] | None:
    """Size and time of a file, to see that it is not being written."""
    if isinstance(content, bytes):
        return None
    now = content.stat()
    return now.st_size, now.st_mtime_ns


def _printable(text: str, length: int = 120) -> str:
    """Shorten a text that came from outside, and drop what does not print."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= length else text[: length - 3] + "..."
