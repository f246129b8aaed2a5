"""Files of detectors: odd headers, flags, pedestals, checksums, and the formats of fabio."""

import bz2
import gzip
import struct

import fabio
import numpy as np
import pytest

from tests.image_files import GAPS, HOLE, SMV, A, assert_reads, assert_refused, smv
from xrlab.io.read import read_image_bytes


@pytest.mark.parametrize(
    "text",
    [
        "{HEADER_BYTES=512;SIZE1=24;SIZE2=32;TYPE=unsigned_short;BYTE_ORDER=little_endian;}\n",
        "{\nSIZE2=32;\nSIZE1=24;\nDIM=2;\nBYTE_ORDER=little_endian;\nHEADER_BYTES=512;\n}\n\f\n",
        "{\r\nDIM=2;\r\nHEADER_BYTES= 00512 ;\r\nSIZE1 = 24.0;\r\nSIZE2 = 32;\r\n}\r\n",
        "{ \n  header_bytes=512;\n  size1=24;\n  size2=32;\n  type=unsigned_short;\n}\n",
        "\n{\nHEADER_BYTES=512;\nSIZE1=24;\nSIZE2=32;\nData_type=unsigned short int;\n}\n",
        SMV.format('"24"', '"32"', ""),
        SMV.format(24, 32, "COMMENT=a } b;\nSIZE1=99;\n"),
        "{\nHEADER_BYTES=512;\nCOMMENT=a } b;\nSIZE1=24;\nSIZE2=32;\n}",
    ],
    ids=["one line", "order", "line ends", "lower case", "d*TREK", "quotes", "twice", "brace"],
)
def test_smv_with_odd_headers(text):
    """White space, order, case, quotes, line ends, and keys that come twice."""
    assert_reads(smv(text))


def test_smv_of_other_types():
    """Big-endian, signed long; a header of two blocks."""
    text = "{\nHEADER_BYTES=1024;\nSIZE1=24;\nSIZE2=32;\nTYPE=signed_long;\n"
    text += "BYTE_ORDER=big_endian;\n}\n"
    assert_reads(smv(text, A, ">i4", 1024))


def test_the_pedestal_is_taken_away():
    """Counts begin at it; 0 below is unmeasured, and saturation is that of the stored numbers."""
    text = SMV.format(24, 32, "IMAGE_PEDESTAL=40;\nCCD_IMAGE_SATURATION=300;\n")
    values = np.where(HOLE, 0, A + 40)
    expected = np.where(HOLE | (A >= 260), np.nan, A)
    assert_reads(smv(text, values), expected)
    text = SMV.format(24, 32, "OVERLOAD_CUTOFF=200;\n")
    assert_reads(smv(text), np.where(A >= 200, np.nan, A))


def test_the_highest_bit_may_be_a_factor():
    """d*TREK's files of R-AXIS detectors: 32768 + n stands for n times the ratio."""
    text = SMV.format(24, 32, "RAXIS_COMPRESSION_RATIO=8;\n")
    content = smv(text, np.where(HOLE, 32768 + 5000, A))
    assert_reads(content, np.where(HOLE, 40000, A))


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("Dummy = -10 ;\nDDummy = 0.5 ;\n", (-10, -10.4)),
        ("Dummy = 7777 ;\n", (7777,)),
        ("dummy = -1e10 ;\n", (-1e10,)),
    ],
)
def test_dummy_of_edf_is_unmeasured(words, flags):
    """A value and how far from it, in real numbers."""
    values = A.astype("f4")
    values[HOLE] = np.resize(np.array(flags, "f4"), HOLE.sum())
    text = "{\nDim_1 = 24 ;\nDim_2 = 32 ;\nDataType = FloatValue ;\nByteOrder = LowByteFirst ;\n"
    content = (text + words).encode().ljust(1022) + b"}\n" + values.astype("<f4").tobytes()
    assert_reads(content, GAPS)


def by_fabio(kind, tmp_path, values=None):
    """Bytes that fabio writes."""
    path, image = tmp_path / "a", kind(data=A.astype("i4") if values is None else values)
    if hasattr(image, "byteorder"):
        image.byteorder = "little"
    image.write(str(path))
    return path.read_bytes()


def test_a_wrong_checksum_is_refused_unless_one_insists(tmp_path):
    """The error says how."""
    content = bytearray(by_fabio(fabio.cbfimage.CbfImage, tmp_path))
    place = content.index(b"\x0c\x1a\x04\xd5") + 4 + 30
    content[place] = (content[place] + 1) % 100
    assert_refused(bytes(content), r"checksum.*insist=True, --insist")
    image = read_image_bytes(bytes(content), insist=True)
    assert image.shape == A.shape
    assert (image != A).any()


def raxis(values, ratio=8.0, record=48):
    """An R-AXIS file by the layout in fabio's table of its header."""
    head = bytearray(1400)
    head[:7] = b"R-AXIS4"
    at = {"X Pixels": 768, "Y Pixels": 772, "Record Length": 784, "Photomultiplier Ratio": 800}
    struct.pack_into(">ll", head, at["X Pixels"], *values.shape[::-1])
    struct.pack_into(">l", head, at["Record Length"], record)
    struct.pack_into(">f", head, at["Photomultiplier Ratio"], ratio)
    return bytes(head).ljust(1400 + -1400 % record) + values.astype(">u2").tobytes()


@pytest.mark.parametrize("kind", ["esperanto", "bruker", "bruker100", "OXD", "mar345"])
def test_formats_of_fabio_are_read(kind, tmp_path):
    """As fabio reads what fabio writes, and as it was written."""
    module = getattr(fabio, f"{kind}image")
    name = {"OXD": "Oxd"}.get(kind, kind.capitalize()) + "Image"
    values = np.kron(A, np.ones((8, 8), int)).astype("i4")[:192, :192]
    if kind == "bruker":  # fabio writes this one in single bytes
        values //= 2
    if kind == "esperanto":
        values = np.pad(values, ((0, 64), (0, 64)), mode="reflect")
    if kind == "mar345":
        values = np.resize(values, (1200, 1200)).astype("u4")
    content = by_fabio(getattr(module, name), tmp_path, values)
    assert_reads(content, values)
    assert_reads(gzip.compress(content), values)
    refused = 0
    for part in (0.3, 0.6, 0.99):
        try:
            image = read_image_bytes(content[: int(part * len(content))])
        except ValueError:
            refused += 1
        else:  # the end of the file was not that of the pixels
            np.testing.assert_array_equal(image, values)
    assert refused >= 2


def test_raxis_is_read(tmp_path):
    """Its highest bit is a factor; a file that lacks its end is refused and not shifted."""
    values = np.where(HOLE, 32768 + 5000, A)
    assert_reads(raxis(values), np.where(HOLE, 40000, A))
    for lost in (1, 40, 500, 1400):
        assert_refused(raxis(values)[:-lost], "cannot be read")


@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2")])
def test_compressed_files(pack, name, tmp_path):
    """Of any format inside; damaged, cut off, and bombs are refused."""
    content = by_fabio(fabio.edfimage.EdfImage, tmp_path)
    packed = pack(content)
    assert_reads(packed)
    assert_reads(pack(packed))
    assert_refused(packed[:-9], f"compressed by {name} and damaged or cut off")
    assert_refused(pack(bytes(2**25)), "unpacks to more than")
