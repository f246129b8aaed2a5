"""Pixels as a file stores them, and the rules for what was not measured, for all formats alike."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.arrays import Image, Mask

Axes = tuple[tuple[str, NDArray[np.float64]], ...]
Unmeasured = Literal["auto"] | None | float | Iterable[float]

# Words of headers and attributes, in lower case, by what they say of the stored numbers: from
# which value on a pixel is saturated; the largest and the smallest valid value; values that flag an
# unmeasured pixel, and how far from them a pixel may be; how to make intensities of the numbers,
# scale * (number - pedestal) + offset.
WORDS = {
    "saturation": "ccd_image_saturation saturated_value saturation_value count_cutoff overload "
    "countrate_correction_count_cutoff _array_intensities.overload detector_saturation saturation "
    "overload_cutoff",
    "highest": "valid_max",
    "lowest": "valid_min underload_value _array_intensities.underload",
    "flags": "_fillvalue fill_value missing_value nodata gdal_nodata no_data nodata_value dummy "
    "dummy_value _array_intensities.undefined_value undefined_value invalid_value mask_value",
    "tolerance": "ddummy delta_dummy",
    "scale": "scale_factor scaling_factor _array_intensities.scaling",
    "offset": "add_offset _array_intensities.offset datavalueoffset",
    "pedestal": "image_pedestal adc_pedestal pedestal",
}
_ROLES = {word: role for role, words in WORDS.items() for word in words.split()}
# Pixels beyond a limit of these kinds were not measured.
_LIMITS = {"saturation": np.greater_equal, "highest": np.greater, "lowest": np.less}

# Flags of detectors, as they look where whole numbers were widened or became real numbers: the
# largest numbers of 16, 31 and 32 bits, also as rounded to single precision, and with what numpy
# fills masked whole numbers.
WIDENED_TOPS = (2**16 - 1, 999_999, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**32)
# Flags in images of real numbers, where they are the smallest or the largest value: of geography
# and climate (NetCDF's default and the CF conventions), smallest whole numbers, largest real ones.
SENTINELS = (-999, -9999, -99999, -32768, -(2**31), 9.969209968386869e36, 1e20, 1e30,
             -1e20, -1e30)  # fmt: skip
DETECTOR_FLAGS = (-1, -2)

# Where a file says what its numbers are, and that they are no intensities.
SCALES = ["units", "long_name", "vunit", "_array_intensities.linearity"]
NO_INTENSITY = re.compile(r"(?i)(log(10|2|e|1p|arithm\w*)?|ln|sqrt|square[ _-]root)(?![a-z])|db$")

# Chance that an image has a region of genuine zeros as large as one taken for unmeasured.
FALSE_ALARM = 1e-6

# The smallest number of zeros in a square or in a line that is taken for unmeasured.
FEWEST_ZEROS = 25

# The number of connected shapes of n pixels grows as 4.06^n (Jensen, J. Stat. Phys. 102, 2001).
SITE_ANIMALS = 4.0626

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_PAIR = re.compile(r"(?:^|[#;\"'])[#\s]*([A-Za-z_][\w.]*)[ \t:=]+([-+.]?\d[\w.+-]*)", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Stored:
    """Pixels as a file stores them, and what it says about them.

    Parameters
    ----------
    pixels : array of any type, any number of axes
    header : mapping, optional
        Header or attributes; the words in `WORDS` are used, whatever their case.
    mask : bool array, optional
        True where the file says that a pixel is not to be used.
    axes : pair of (label, values) for rows and columns, optional
        Coordinates; the label includes the unit in brackets unless it is r.l.u.
    doubt : str, optional
        Why the pixels may be wrong: the image is refused unless the user insists.
    """

    pixels: NDArray[Any]
    header: Mapping[str, Any] | None = None
    mask: Mask | None = None
    axes: Axes | None = None
    doubt: str | None = None

    def image(self, unmeasured: Unmeasured = "auto", insist: bool = False) -> Image:
        """Convert to intensities as float64, NaN where unmeasured; see `xrlab.read_image`.

        Raises
        ------
        ValueError
            If it is not one 2-D image of real numbers, or may be wrong and nobody insists.
        """
        header, doubt = self.header or {}, self.doubt
        for scale in map(header.get, SCALES):
            if isinstance(scale, str) and NO_INTENSITY.match(scale.strip()):
                doubt = f"its numbers are {scale[:40]!r}, and no intensities: save these instead"
        if doubt and not insist:
            raise ValueError(f"{doubt}. To read it nevertheless: insist=True, --insist")
        pixels, kind = self.pixels, self.pixels.dtype.kind
        if pixels.ndim != 2 or kind not in "uif" or min(pixels.shape) < 2:
            raise ValueError(
                f"it holds {pixels.ndim}-D data of type {pixels.dtype} and shape {pixels.shape}; "
                f"one 2-D image of real numbers is needed, of at least 2 x 2 pixels"
            )
        said = meanings(header)
        scale, offset = scaling(said)
        image = np.array(pixels, np.float64, order="C")
        lost = ~np.isfinite(image)
        if unmeasured == "auto":
            packed = "scale" in said or "offset" in said
            lost |= _flagged(image, pixels.dtype, said, packed)
            if self.mask is not None and self.mask.shape == image.shape:
                lost |= self.mask
            image[lost] = np.nan
            if kind != "i" or not packed:
                lost |= zeros_beyond_chance(image)
        elif unmeasured is not None:
            lost |= np.isin(image, np.atleast_1d(np.asarray(unmeasured, np.float64)))
        if scale != 1 or offset != 0:
            image = image * scale + offset
            if unmeasured == "auto":
                lost |= zeros_beyond_chance(np.where(lost, np.nan, image))
        image[lost] = np.nan
        return image


def meanings(header: Mapping[str, Any]) -> dict[str, list[float]]:
    """Numbers of a header by what they mean, the keys of `WORDS`.

    >>> meanings({"Dummy": "-10", "DDummy": "0.1", "Title": "3", "text": "# Count_cutoff 99"})
    {'flags': [-10.0], 'tolerance': [0.1], 'saturation': [99.0]}
    """
    said: dict[str, list[float]] = {}
    texts = [text for text in header.values() if isinstance(text, str) and re.search("[#\n]", text)]
    for word, value in chain(header.items(), *(pairs(text).items() for text in texts)):
        word = word.strip().lower()
        if isinstance(value, str):
            numbers = [float(n) for n in _NUMBER.findall(value)[:2]]
        else:
            values = np.ravel(np.asarray(value))[:2]
            numbers = [float(n) for n in values] if values.dtype.kind in "buif" else []
        if word == "valid_range" and len(numbers) == 2:
            said["lowest"], said["highest"] = numbers[:1], numbers[1:]
        elif numbers and word in _ROLES and not (word == "dummy" and numbers[0] == 0):
            several = _ROLES[word] == "flags" and not isinstance(value, str)
            said.setdefault(_ROLES[word], []).extend(numbers if several else numbers[:1])
    return said


def scaling(said: Mapping[str, list[float]]) -> tuple[float, float]:
    """Scale and offset that make intensities, or values of an axis, of stored numbers."""
    said = {"scale": [1.0], "offset": [0.0], "pedestal": [0.0], **said}
    return said["scale"][0], said["offset"][0] - said["scale"][0] * said["pedestal"][0]


def pairs(text: str) -> dict[str, str]:
    """Words and numbers of a text with one pair a line, as detectors write them.

    >>> pairs("# Count_cutoff 1048500 counts")
    {'Count_cutoff': '1048500'}
    """
    return dict(_PAIR.findall(text))


def _flagged(
    image: Image, dtype: np.dtype[Any], said: Mapping[str, list[float]], packed: bool
) -> Mask:
    """Pixels that the header, or a value that is a flag, says were not measured."""
    lost = np.zeros(image.shape, bool)
    near = said.get("tolerance", [0.0])[0]
    for flag in said.get("flags", ()):  # it may have more digits than the pixels
        rounded = float(np.asarray(flag).astype(dtype)) if dtype.kind == "f" else flag
        lost |= (np.abs(image - flag) <= near) | (image == rounded)
    for role, beyond in _LIMITS.items():
        for limit in said.get(role, ()):
            lost |= beyond(image, limit) & (role != "saturation" or limit > 0)
    finite = image[np.isfinite(image) & ~lost]
    if not finite.size:
        return lost
    low, high = float(finite.min()), float(finite.max())

    def several(value: float) -> bool:
        return int(np.count_nonzero(image == value)) > 1

    if dtype.kind in "ui":
        top = float(np.iinfo(dtype).max)
        if dtype.itemsize >= 4:
            lost |= image >= top - 1
        elif several(top):
            lost |= image >= top - (dtype == np.uint16 and several(top - 1))
        if not packed:
            lost |= image < 0
    wide = dtype.itemsize >= 4 and not packed and high in WIDENED_TOPS
    if wide and (high > 2**20 or several(high)):
        lost |= image >= high - (high > 2**31)
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        lost |= np.abs(image) >= min(largest, float(np.finfo(np.float32).max))
        for flag in {low, high} & {float(np.asarray(n).astype(dtype)) for n in SENTINELS}:
            if several(flag):
                lost |= image == flag
        # Counts that became real numbers keep the flags of their detector.
        negative = finite[finite < 0]
        if not packed and negative.size > 1 and np.isin(negative, DETECTOR_FLAGS).all():
            lost |= image < 0
    return lost


def zeros_beyond_chance(image: Image) -> Mask:
    """Find the zeros that were not measured: those in regions too large for chance.

    p is the probability of a genuine zero where the image is faintest: the 95th percentile, over
    the pixels that are not 0, of the fraction of zeros in their block of 7 x 7 pixels, without the
    regions found. N independent pixels give n zeros in a given shape with probability p^n at each
    place, so squares and lines of n = ln(1e-6 / N) / ln p zeros (25 at least) are not by chance.
    Where genuine zeros are rare, regions of any shape are taken too: there are about 4.06^n
    connected shapes of n pixels, so that n = ln(1e-6 / N) / ln(4.06 p) zeros joined by their edges
    are not by chance.

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
    from scipy import ndimage  # not where files are read in a process of its own

    zero = image == 0
    if zero.all() or not zero.any():
        return zero

    def per_block(part: Mask) -> NDArray[np.intp]:
        padded = np.pad(part, [(0, -n % 7) for n in part.shape])
        return padded.reshape(len(padded) // 7, 7, -1, 7).sum(axis=(1, 3))

    regions, others = np.zeros_like(zero), per_block(~zero)
    chance = math.log(FALSE_ALARM / zero.size)
    for _ in range(2):  # the second time, borders of the regions do not count as faint parts
        faint = per_block(zero & ~regions)
        fractions = faint / np.maximum(faint + others, 1)
        faintest = np.quantile(fractions, 0.95, weights=others, method="inverted_cdf")
        p = float(np.clip(faintest, 1e-3, 0.9999))
        n = max(FEWEST_ZEROS, math.ceil(chance / math.log(p)))
        side, regions = math.ceil(math.sqrt(n)), np.zeros_like(zero)
        for shape in ((side, side), (1, n), (n, 1)):
            if shape[0] <= zero.shape[0] and shape[1] <= zero.shape[1]:
                opened = ndimage.grey_opening(zero.view(np.uint8), shape, mode="constant", cval=0)
                regions |= opened.view(bool)
        if not regions.any():
            break
    if SITE_ANIMALS * p < 0.9:
        labels, _ = ndimage.label(zero)
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        regions |= (sizes >= chance / math.log(SITE_ANIMALS * p))[labels]
    return regions
