"""TIFF as programs write it: orientation, polarity, calibration, flags, depths, palettes."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.image_files import GAPS, HOLE, A, assert_reads, assert_refused, tiff, with_tags


def pillow(image, compression=None, **tags):
    """Written by Pillow, with tags by number."""
    file = io.BytesIO()
    tags = {int(name[1:]): value for name, value in tags.items()}
    Image.fromarray(image).save(file, "TIFF", compression=compression, tiffinfo=tags)
    return file.getvalue()


@pytest.mark.parametrize("orientation", [2, 3, 5, 8])
@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate", "tiff_lzw", "packbits"])
def test_orientation_leaves_pixels_where_they_are(orientation, compression):
    """Rows of the file are rows of the image, as for other programs that compute."""
    content = pillow((A // 2).astype("u1"), compression, t274=orientation)
    assert_reads(content, A // 2)


@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate", "tiff_lzw", "packbits"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_polarity_leaves_values_as_they_are(compression, dtype):
    """Whether 0 is shown white or black, it is 0."""
    content = pillow((A // 2).astype(dtype), compression)
    assert_reads(with_tags(content, PhotometricInterpretation=0), A // 2)


@pytest.mark.parametrize("order", ["<", ">"])
def test_imagej_calibration_is_applied(order):
    """Whatever its slope; a curve is refused with what to do."""
    said = "ImageJ=1.53t\nc0=-100.0\nc1=0.5\ncf={}\nvunit=counts\n"
    image = (A * 2 + 200).astype("u2")
    assert_reads(tiff(image, description=said.format(0), byteorder=order))
    for curve in (said.format(4), "ImageJ=1.53t\ncf=4\nvunit=OD\n"):
        curved = tiff(image, description=curve)
        assert_refused(curved, r"calibrated it by a curve \(function 4\): save it")


def test_gdal_says_flag_scale_and_offset():
    """Its tags 42113 and 42112."""
    xml = (
        '<GDALMetadata><Item name="SCALE" sample="0" role="scale">0.5</Item>'
        '<Item name="OFFSET" sample="0" role="offset">100</Item></GDALMetadata>'
    )
    values = np.where(HOLE, 777, 2 * A - 200).astype("i4")
    tags = [(42112, 2, 0, xml, True), (42113, 2, 0, "777", True)]
    assert_reads(tiff(values, extratags=tags), GAPS)


def test_the_description_of_a_pilatus_says_its_cut_off():
    """As its TIFF and its CBF do."""
    said = "# Pixel_size 172e-6 m x 172e-6 m\n# Exposure_time 10.0 s\n# Count_cutoff 200 counts\n"
    assert_reads(tiff(A.astype("i4"), description=said), np.where(A >= 200, np.nan, A))


@pytest.mark.parametrize(
    ("flag", "dtype"), [(-1, "f4"), (-2, "f4"), (2**32 - 1, "f4"), (65535, "u4"), (65535, "f4"),
                        (-9999, "f4"), (3.4028234663852886e38, "f4"), (2**31 - 1, "f8")]
)  # fmt: skip
def test_flags_in_wider_numbers(flag, dtype):
    """Largest and negative flags that stayed when another program converted the image."""
    assert_reads(tiff(np.where(HOLE, flag, A).astype(dtype)), GAPS)


def test_genuine_values_are_no_flags():
    """Negative intensities of a background subtracted, a single largest value, a palette of -1."""
    subtracted = (A - 200.5).astype("f4")
    subtracted[0, :3] = -1
    assert_reads(tiff(subtracted), subtracted)
    single = A.astype("i4")
    single[4, 4] = 65535
    assert_reads(tiff(single), single)


def test_two_kinds_of_flag_of_16_bits():
    """EIGER marks gaps by 65535 and dead pixels by 65534."""
    values = np.where(HOLE, 65535, A).astype("u2")
    values[20, :4] = 65534
    assert_reads(tiff(values), np.where(values > 65533, np.nan, A))


def test_palettes_are_looked_up():
    """A grey one gives grey; a coloured one is refused."""
    numbers = (A % 200).astype("u1")
    grey = np.tile(np.linspace(0, 60000, 256).astype("u2")[::-1], (3, 1))
    content = tiff(numbers, photometric="palette", colormap=grey)
    assert_reads(content, grey[0][numbers])
    grey[1] = 0
    assert_refused(tiff(numbers, photometric="palette", colormap=grey), "colour picture")


def test_lossy_compression_is_refused():
    """JPEG inside TIFF changes intensities."""
    assert_refused(pillow((A // 2).astype("u1"), "jpeg"), "JPEG, changes intensities")


@pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
def test_lzw_of_several_types_is_read(dtype):
    """By Pillow, and compared with what was written."""
    content = pillow(A.astype(dtype if dtype != "i2" else "i4"), "tiff_lzw", t274=6)
    assert_reads(content)
