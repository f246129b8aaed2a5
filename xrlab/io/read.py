"""Read measured images from files of many kinds, and find the pixels that were not measured."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xrlab.io.detectors import read_cbf, read_edf, read_smv
from xrlab.io.formats import Stored, read_npy, read_npz, read_pgm, read_png, read_text, read_tiff
from xrlab.io.hdf5 import read_hdf5

Image = NDArray[np.float64]

Unmeasured = Literal["auto"] | None | float | Iterable[float]

Reader = Callable[[bytes, str | int | None], Stored]

# Longer files are refused unless they are HDF5, of which only the needed part is read.
MAX_BYTES = 2**29

# First bytes of a file, and what reads it. SMV stands before EDF, which begins alike.
FORMATS: tuple[tuple[bytes, Reader], ...] = (
    (b"\x89HDF\r\n\x1a\n", read_hdf5),
    (b"\x89PNG\r\n\x1a\n", read_png),
    (b"\x93NUMPY", read_npy),
    (b"PK\x03\x04", read_npz),
    (b"II*\0", read_tiff),
    (b"MM\0*", read_tiff),
    (b"II+\0", read_tiff),
    (b"MM\0+", read_tiff),
    (b"P2", read_pgm),
    (b"P5", read_pgm),
    (b"###CBF", read_cbf),
    (b"{\nHEADER_BYTES", read_smv),
    (b"{\r\nHEADER_BYTES", read_smv),
    (b"{", read_edf),
    (b"\n{", read_edf),
    (b"\r\n{", read_edf),
)

# Files that come up and are not read: what they are, and what to do.
OTHERS = {
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
    b"BZh": "is compressed by bzip2: unpack it first",
    b"\xff\xd8\xff": "is a JPEG picture, which changes intensities: take what it was made from",
    b"GIF8": "is a GIF picture: take what it was made from",
    b"P6": "is a colour picture (PPM): save the intensities as grey",
    **{
        bytes([0x80, protocol]): "is a Python pickle, which could run code when loaded: save it as "
        ".npy"
        for protocol in (2, 3, 4, 5)
    },
}

# Chance that an image has a region of genuine zeros as large as one taken for unmeasured.
FALSE_ALARM = 1e-6

# The smallest number of zeros in a square or in a line that is taken for unmeasured.
FEWEST_ZEROS = 25

# The number of connected shapes of n pixels grows as 4.06^n (Jensen, J. Stat. Phys. 102, 2001).
SITE_ANIMALS = 4.0626


def read_image(
    path: str | os.PathLike[str],
    *,
    dataset: str | int | None = None,
    unmeasured: Unmeasured = "auto",
) -> Image:
    """Read one image from a file, whatever its name says that it is.

    TIFF, NPY, NPZ, CSV and other tables of text, PGM, PNG, EDF, CBF, MarCCD, SMV of ADSC and
    d*TREK (``.img``), HDF5, NeXus, and Mantid's MDHisto are known by their first bytes.

    Parameters
    ----------
    path : path
    dataset : str or int, optional
        Which data set of a file that holds several, by name, and which frame of a stack, by number
        from 0: ``"entry/data"``, ``3``, ``"entry/data[3]"``, ``"entry/data[:, :, 7]"``.
    unmeasured : "auto", None, a number or several
        What is NaN in the image. None: only what is not finite in the file. Numbers: these values
        too. "auto", by default:

        =============================================  ==================================
        what                                           in which images
        =============================================  ==================================
        NaN and infinite values                        of real numbers
        negative values, flags of a detector           of whole numbers
        values from that of saturation on              whose header says which
        pixels that a mask marks                       HDF5 with ``pixel_mask`` or ``mask``
        the largest value of the type, if two or more  of whole numbers of 8 or 16 bits
        the largest value of the type, or one below    of whole numbers of 32 or 64 bits
        zeros in a region too large for chance         all
        =============================================  ==================================

        A region is too large for chance when the faintest parts of the image would give one like
        it less than once in a million images; see `zeros_beyond_chance`. So the zero counts of a
        weak image stay.

    Returns
    -------
    float64 array, shape (rows, columns)
        NaN where unmeasured.

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
    >>> with TemporaryDirectory() as folder:
    ...     np.savetxt(f"{folder}/image.txt", [[1, 2], [np.nan, 4]])
    ...     read_image(f"{folder}/image.txt")
    array([[ 1.,  2.],
           [nan,  4.]])
    """
    return read_stored(path, dataset=dataset, unmeasured=unmeasured)[0]


def read_image_bytes(
    content: bytes,
    name: str = "the file",
    *,
    dataset: str | int | None = None,
    unmeasured: Unmeasured = "auto",
) -> Image:
    r"""Read an image that was uploaded; its name is used in messages and for nothing else.

    Arguments and errors are those of `read_image`.

    >>> read_image_bytes(b"1, 2\n3, 4", "image.csv")
    array([[1., 2.],
           [3., 4.]])
    """
    return read_stored(bytes(content), name, dataset=dataset, unmeasured=unmeasured)[0]


def read_stored(
    source: str | os.PathLike[str] | bytes,
    name: str | None = None,
    *,
    dataset: str | int | None = None,
    unmeasured: Unmeasured = "auto",
) -> tuple[Image, tuple[tuple[str, NDArray[np.float64]], ...] | None]:
    """Read an image together with the labels and values of its axes, where the file has them."""
    content: bytes | Path = source if isinstance(source, bytes) else Path(source)
    said = _printable(name or (content.name if isinstance(content, Path) else "the file"))
    if isinstance(content, Path) and not content.is_file():
        raise FileNotFoundError(f"there is no file {content}")
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size == 0:
        raise ValueError(f"{said} is empty (0 bytes): was it copied to the end?")
    try:
        with _quiet():
            stored = _read(content, size, dataset)
            image = _marked_image(stored, unmeasured)
    except Exception as error:  # readers fail in many ways on a damaged file
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        reason = _printable(reason, 2000)
        raise ValueError(f"{said} cannot be read as an image: {reason}") from error
    return image, stored.axes


def zeros_beyond_chance(image: Image) -> NDArray[np.bool_]:
    """Find the zeros that were not measured: those in regions too large for chance.

    p is the probability of a genuine zero where the image is faintest: the 95th percentile, over
    the pixels that are not 0, of the fraction of zeros in their block of 7 x 7 pixels, without the
    regions found. N independent
    pixels give n zeros in a given shape with probability p^n at each place, so squares and lines
    of n = ln(1e-6 / N) / ln p zeros (25 at least) are not by chance. Where genuine zeros are rare,
    regions of any shape are taken too: there are about 4.06^n connected shapes of n pixels, so that
    n = ln(1e-6 / N) / ln(4.06 p) zeros joined by their edges are not by chance.

    Parameters
    ----------
    image : array, shape (rows, columns)
        NaN counts as measured and not 0.

    Returns
    -------
    bool array

    Examples
    --------
    >>> image = np.full((20, 20), 7.0)
    >>> image[5, 5] = image[10:, :10] = 0
    >>> int(zeros_beyond_chance(image).sum())
    100
    """
    zero = image == 0
    if zero.all() or not zero.any():
        return zero
    found = np.zeros_like(zero)
    for _ in range(2):  # the second time, borders of the regions do not count as faint parts
        genuine, others = _block_counts(zero & ~found), _block_counts(~zero)
        faint = np.quantile(
            genuine / np.maximum(genuine + others, 1),
            0.95,
            weights=others,
            method="inverted_cdf",
        )
        chance = float(np.clip(faint, 1e-3, 0.9999))
        needed = math.ceil(math.log(FALSE_ALARM / zero.size) / math.log(chance))
        found = _opened(zero, max(FEWEST_ZEROS, needed))
        if not found.any():
            break
    if SITE_ANIMALS * chance < 0.9:
        regions, _ = ndimage.label(zero)
        sizes = np.bincount(regions.ravel())
        rare = math.log(FALSE_ALARM / zero.size) / math.log(SITE_ANIMALS * chance)
        sizes[0] = 0
        found |= (sizes >= rare)[regions]
    return found


def _block_counts(part: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count true pixels in blocks of 7 x 7, those at the far borders smaller."""
    rows, columns = (np.arange(0, n, 7) for n in part.shape)
    strips = np.add.reduceat(part.view(np.uint8), rows, axis=0, dtype=np.uint8)  # 49 at most
    return np.add.reduceat(strips, columns, axis=1, dtype=np.intp)


def _opened(zero: NDArray[np.bool_], needed: int) -> NDArray[np.bool_]:
    """Zeros in an all-zero square or line of so many pixels."""
    found = np.zeros_like(zero)
    side = math.ceil(math.sqrt(needed))
    for rows, columns in ((side, side), (1, needed), (needed, 1)):
        if rows <= zero.shape[0] and columns <= zero.shape[1]:
            found |= ndimage.grey_opening(
                zero.view(np.uint8), (rows, columns), mode="constant", cval=0
            ).view(bool)
    return found


def _read(content: bytes | Path, size: int, dataset: str | int | None) -> Stored:
    first = content[:16] if isinstance(content, bytes) else _first_bytes(content)
    for begin, what in OTHERS.items():
        if first.startswith(begin):
            raise ValueError(f"it {what}")
    reader = next((reader for begin, reader in FORMATS if first.startswith(begin)), read_text)
    if reader is read_hdf5:
        return read_hdf5(content, dataset)
    if size > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, and more than {MAX_BYTES:,} are not read")
    return reader(content if isinstance(content, bytes) else content.read_bytes(), dataset)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _marked_image(stored: Stored, unmeasured: Unmeasured) -> Image:
    """Float64 copy of the stored pixels with NaN where they were not measured."""
    pixels = stored.pixels
    if pixels.ndim != 2 or pixels.dtype.kind not in "uif" or min(pixels.shape) < 2:
        raise ValueError(
            f"it holds {pixels.ndim}-D data of type {pixels.dtype} and shape {pixels.shape}; "
            f"one 2-D image of real numbers is needed, of at least 2 x 2 pixels"
        )
    image = np.array(pixels, np.float64, order="C")
    if pixels.dtype.kind == "f":
        image[np.isinf(image)] = np.nan
    if unmeasured is None:
        return image
    if unmeasured != "auto":
        image[np.isin(image, np.atleast_1d(np.asarray(unmeasured, np.float64)))] = np.nan
        return image
    if pixels.dtype.kind in "ui":
        top = float(np.iinfo(pixels.dtype).max)
        highest = image >= (top if pixels.dtype.itemsize < 4 else top - 1)
        if pixels.dtype.itemsize >= 4 or np.count_nonzero(highest) > 1:
            image[highest] = np.nan
        image[image < 0] = np.nan
    if stored.saturation is not None:
        image[image >= stored.saturation] = np.nan
    if stored.mask is not None and stored.mask.shape == image.shape:
        image[stored.mask] = np.nan
    image[zeros_beyond_chance(image)] = np.nan
    return image


def _printable(text: str, length: int = 120) -> str:
    """Shorten a text that came from outside, and drop what does not print."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= length else text[: length - 3] + "..."


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' complaints about a file out of sight: the error says what is wrong."""
    loggers = [logging.getLogger(name) for name in ("fabio", "tifffile", "PIL")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
