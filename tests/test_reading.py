"""Reading images of every format that other libraries wrote, and refusing what is damaged."""

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from random import Random

import fabio
import fuzz_readers as fuzz
import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from tests import image_files
from tests.image_files import assert_reads, npy, tiff, with_tags
from xrlab import read_image
from xrlab.io.choice import MAX_PIXELS
from xrlab.io.read import MAX_BYTES, read_image_bytes
from xrlab.io.stored import zeros_beyond_chance

SEEDS = fuzz.seeds()
COUNTS = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
FLAGGED = np.array([[5, -1, 7], [8, 9, -2]], np.int32)


def edf(path, values):
    fabio.edfimage.EdfImage(data=values).write(str(path))


def tiled(path, values):
    differences = values.dtype.kind != "f"
    tifffile.imwrite(path, values, tile=(16, 16), compression="zlib", predictor=differences)


def pillow(path, values):
    Image.fromarray(values).save(path)


def hdf5(path, values):
    with h5py.File(path, "w") as file:
        file["entry/counts"] = values


@pytest.mark.parametrize("name", SEEDS)
def test_files_of_other_libraries_are_read(tmp_path, name):
    """Rows, columns and values are those that were written, as float64.

    Under a wrong or a dangerous name the same image comes out, and the name opens nothing.
    """
    (tmp_path / "image_0001.dat").write_bytes(SEEDS[name])
    image = read_image(tmp_path / "image_0001.dat")
    assert image.dtype == np.float64
    expected = fuzz.COUNTS * (0.1 if name == "txt" else 1)
    np.testing.assert_allclose(image, expected, rtol=1e-12)
    names = (f"a.{name}", "../../etc/passwd", "a\0b\n<b>.h5::/x", "picture.jpg")
    for called in names[:2] if name.endswith("h5") else names:
        np.testing.assert_array_equal(read_image_bytes(SEEDS[name], called), image)


@pytest.mark.parametrize("name", ["mccd", "img"])
def test_files_written_by_hand_are_read_by_fabio_too(tmp_path, name):
    """No library writes MarCCD or SMV of ADSC; ours agree with how fabio reads them."""
    path = tmp_path / f"a.{name}"
    path.write_bytes(SEEDS[name])
    with fabio.open(path) as image:
        np.testing.assert_array_equal(image.data, read_image(path))
    if name == "mccd":
        with path.open("rb") as file:
            image._readheader(file)  # what read() then replaces by the header of the TIFF
        header = image.header
        assert [header[key] for key in ("nfast", "nslow", "depth")] == [29, 37, 2]
        assert header["saturated_value"] == 65535


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i4", "f4", "f8", ">u2", ">f4"])
@pytest.mark.parametrize("write", [np.save, tifffile.imwrite, tiled, edf])
def test_every_type_of_number_is_read(tmp_path, write, dtype):
    """Either byte order, signed or not, whole or real."""
    if write is edf and ">" in dtype:
        pytest.skip("fabio writes EDF in the byte order of the machine")
    values = (np.arange(12).reshape(3, 4) * 7 + 1).astype(dtype)
    path = tmp_path / "a.npy"
    write(path, values)
    np.testing.assert_array_equal(read_image(path), values)


def test_16_bit_pgm_is_read():
    """Netpbm's big-endian 16-bit grey map, by hand from its specification, with a comment."""
    content = b"P5 # a section\n4 3\n#!\n11000\n" + COUNTS.astype(">u2").tobytes()
    np.testing.assert_array_equal(read_image_bytes(content), COUNTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# made by hand\n1 2 # two\n3\t4\n\n", [[1, 2], [3, 4]]),
        ("\ufeff1,,3\r\n,5,6\r\n", [[1, np.nan, 3], [np.nan, 5, 6]]),
        ("1,nan\ninf,4\n", [[1, np.nan], [np.nan, 4]]),
    ],
)
def test_tables_of_text_are_read(text, expected):
    """Comments, empty fields, a mark of the byte order, and what is no number."""
    np.testing.assert_array_equal(read_image_bytes(text.encode(), "a.csv"), expected)


def test_grey_in_three_colours_is_read_and_colour_is_refused(tmp_path):
    """Red = green = blue is an intensity; anything else is none."""
    grey = np.stack([COUNTS // 100] * 3, axis=-1).astype(np.uint8)
    for name in ("a.png", "a.tif"):
        pillow(tmp_path / name, grey)
        np.testing.assert_array_equal(read_image(tmp_path / name), grey[..., 0])
        pillow(tmp_path / name, grey + np.array([0, 1, 0], np.uint8))
        with pytest.raises(ValueError, match="colour picture"):
            read_image(tmp_path / name)


# Unmeasured pixels


def test_flags_of_detectors_become_nan():
    """Negative whole numbers, and the largest of 32 bits or the last but one."""
    marked = np.where(FLAGGED < 0, np.nan, FLAGGED)
    assert_reads(npy(FLAGGED), marked)
    assert_reads(npy(FLAGGED.view(np.uint32)), marked)
    subtracted = np.append(FLAGGED, [[-3, 4, 2]], axis=0).astype(float)  # of its background
    assert_reads(npy(subtracted), subtracted)


def test_what_is_unmeasured_can_be_said():
    """None leaves the values, numbers are taken as given."""
    assert_reads(npy(FLAGGED), FLAGGED, unmeasured=None)
    assert_reads(npy(FLAGGED), [[np.nan, np.nan, 7], [8, 9, -2]], unmeasured=[5, -1])
    assert_reads(npy(FLAGGED), np.where(FLAGGED == 7, np.nan, FLAGGED), unmeasured=7)


def test_saturated_pixels_become_nan():
    """Two pixels at the top of 16 bits are saturated, a single one may be a count."""
    pixels = np.full((4, 4), 100, np.uint16)
    pixels[0, 0] = 65535
    assert read_image_bytes(fuzz.smv(pixels))[0, 0] == 65535
    pixels[1, 1] = 65535
    np.testing.assert_array_equal(np.isnan(read_image_bytes(fuzz.smv(pixels))), pixels == 65535)


def test_saturation_of_the_header_is_used(tmp_path):
    """SMV, MarCCD and PILATUS say from where on a pixel is saturated."""
    pixels = np.array([[1, 2], [300, 400]], np.uint16)
    expected = [[1, 2], [np.nan, np.nan]]
    limited = fuzz.smv(pixels, CCD_IMAGE_SATURATION=300)
    np.testing.assert_array_equal(read_image_bytes(limited), expected)
    np.testing.assert_array_equal(read_image_bytes(fuzz.marccd(pixels, 300)), expected)
    image = fabio.cbfimage.CbfImage(
        data=pixels.astype(np.int32),
        header={"_array_data.header_contents": "# Count_cutoff 300 counts"},
    )
    image.write(str(tmp_path / "a.cbf"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.cbf"), expected)


def test_zeros_of_the_measured_section_are_unmeasured(real):
    """Wedges and the bar of the beam stop: all zeros but single ones, in a strong pattern."""
    from xrlab import fetch

    raw = read_image(fetch("undecanedioic_acid"), unmeasured=None)
    image = real("undecanedioic_acid")
    regions, _ = ndimage.label(raw == 0)
    sizes = np.bincount(regions.ravel())
    large = (sizes > 5)[regions] & (raw == 0)
    np.testing.assert_array_equal(np.isnan(image), large)
    assert 0.1 < large.mean() < 0.2


@pytest.mark.parametrize("mean", [0.02, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("shape", [(64, 64), (600, 500)])
def test_zero_counts_stay(mean, shape):
    """No genuine zero is lost, however weak the image."""
    counts = np.random.default_rng(3).poisson(mean, shape).astype(float)
    assert (counts == 0).any()
    assert not zeros_beyond_chance(counts).any()


def test_zero_counts_stay_where_the_intensity_falls_off():
    """A bright centre does not make the zeros of the faint rim suspicious."""
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    counts = np.random.default_rng(4).poisson(50 * np.exp(-4 * np.hypot(x, y)) + 0.1)
    assert np.mean(counts == 0) > 0.05
    assert not zeros_beyond_chance(counts.astype(float)).any()


@pytest.mark.parametrize("mean", [1.0, 4.0, 1000.0])
def test_gaps_among_counts_are_found(mean):
    """A wedge, a corner and a gap between modules, among counts with zeros of their own."""
    y, x = np.mgrid[:300, :300]
    gaps = (np.abs(y - 150) < (x - 150) / 3) | ((y < 60) & (x < 40)) | (np.abs(y - 250) < 2)
    counts = np.random.default_rng(5).poisson(mean, gaps.shape).astype(float)
    found = zeros_beyond_chance(np.where(gaps, 0, counts))
    assert (found & gaps).sum() > 0.97 * gaps.sum()
    assert (found & ~gaps).sum() < 0.01 * (~gaps).sum()


# HDF5


@pytest.mark.parametrize("dtype", ["i2", "f8", ">u2"])
def test_types_of_hdf5(tmp_path, dtype):
    """As above, in a process of its own."""
    hdf5(tmp_path / "a.h5", COUNTS.astype(dtype))
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5"), COUNTS)


def test_compressions_of_detectors_are_known(tmp_path):
    """Bitshuffle with LZ4, as EIGER detectors write, by the plugin that comes with fabio."""
    hdf5plugin = pytest.importorskip("hdf5plugin")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("entry/data", data=COUNTS, chunks=(3, 4), **hdf5plugin.Bitshuffle())
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5"), COUNTS)


def test_ambiguous_hdf5_lists_what_there_is(tmp_path):
    """Paths, shapes and how to choose; then the chosen one is read."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one/image"], file["two/image"], file["name"] = COUNTS, COUNTS.T, "text"
    with pytest.raises(ValueError, match=r"dataset=.*'/one/image' of shape \(3, 4\).*'/two/image'"):
        read_image(tmp_path / "a.h5")
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5", dataset="two/image"), COUNTS.T)
    with pytest.raises(ValueError, match=r"no data set 'three' in it; there is '/one/image'"):
        read_image(tmp_path / "a.h5", dataset="three")


def test_stacks_ask_for_a_frame(tmp_path):
    """In every format that can hold several; an axis of length 1 is no stack."""
    stack = np.stack([COUNTS, COUNTS + 1])
    np.save(tmp_path / "a.npy", stack)
    np.savez(tmp_path / "a.npz", stack=stack)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata=None)
    hdf5(tmp_path / "a.h5", stack)
    frames = fabio.edfimage.EdfImage(data=stack[0])
    frames.append_frame(data=stack[1])
    frames.write(str(tmp_path / "a.edf"))
    for name, choice in (
        ("a.npy", 1),
        ("a.npz", "stack[1]"),
        ("a.tif", 1),
        ("a.h5", "entry/counts[1]"),
        ("a.edf", 1),
    ):
        with pytest.raises(ValueError, match=r"2 frames.*dataset="):
            read_image(tmp_path / name)
        np.testing.assert_array_equal(read_image(tmp_path / name, dataset=choice), COUNTS + 1)
        with pytest.raises(ValueError, match=r"no frame \[2"):
            read_image(tmp_path / name, dataset=2)
    hdf5(tmp_path / "a.h5", stack[:1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5"), COUNTS)
    hdf5(tmp_path / "a.h5", np.moveaxis(stack, 0, 2))
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.h5", dataset="entry/counts[:, :, 1]"), COUNTS + 1
    )


def test_npz_of_several_arrays_asks_which(tmp_path):
    """Names and shapes."""
    np.savez(tmp_path / "a.npz", image=COUNTS, other=COUNTS[:2], axis=np.arange(4))
    with pytest.raises(ValueError, match=r"'image' of shape \(3, 4\); 'other' of shape \(2, 4\)"):
        read_image(tmp_path / "a.npz")
    np.testing.assert_array_equal(read_image(tmp_path / "a.npz", dataset="image"), COUNTS)


def test_other_files_are_never_followed(tmp_path):
    """Links, virtual and external data of HDF5, and the file name in an EDF."""
    hdf5(tmp_path / "secret.h5", COUNTS)
    (tmp_path / "secret.raw").write_bytes(COUNTS.tobytes())
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["data"] = h5py.ExternalLink("secret.h5", "entry/counts")
    layout = h5py.VirtualLayout((3, 4), "u2")
    layout[:] = h5py.VirtualSource("secret.h5", "entry/counts", (3, 4))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("data", (3, 4), "u2", external=[("secret.raw", 0, 24)])
    for name in ("link", "virtual", "external"):
        with pytest.raises(ValueError, match=r"not followed|no data set"):
            read_image(tmp_path / f"{name}.h5", dataset="data")
    header = (
        "{\nDim_1=4;Dim_2=3;DataType=UnsignedShort;ByteOrder=LowByteFirst;\n"
        "EDF_BinaryFileName=secret.raw;\n}\n"
    )
    (tmp_path / "a.edf").write_text(header)
    with fabio.open(tmp_path / "a.edf") as followed:
        np.testing.assert_array_equal(followed.data, COUNTS)
    with pytest.raises(ValueError, match="elsewhere"):
        read_image(tmp_path / "a.edf")


# Files that are no image


@pytest.mark.parametrize("name", SEEDS)
def test_cut_files_are_refused(name):
    """Wherever the end is missing, an image never comes out short or filled up."""
    content, image = SEEDS[name], read_image_bytes(SEEDS[name])
    cuts = [1, 3, 8, 20, 64, 300, *(len(content) * np.array([0.3, 0.6, 0.9])).astype(int)]
    if name.endswith("h5"):
        cuts = cuts[::3]  # a process each
    for cut in (cut for cut in cuts if cut < len(content)):
        if name in ("csv", "txt", "plain.pgm"):  # whole lines of a table are a table
            try:
                part = read_image_bytes(content[:cut])
            except ValueError:
                continue
            assert name != "plain.pgm"
            np.testing.assert_allclose(part[:-1], image[: len(part) - 1, : part.shape[1]])
        else:
            with pytest.raises(ValueError, match="the file"):
                read_image_bytes(content[:cut])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"Dear diary, today I measured a crystal.\n" * 40, "not a table of numbers"),
        (b"\x1f\x8b\x08\x00" + bytes(100), "gzip"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "JPEG"),
        (b"\x80\x02]" + bytes(100), "pickle"),
        (b"\x80\x05\x95" + bytes(100), "pickle"),
        (b"P6\n2 2\n255\n" + bytes(12), "colour"),
        (bytes(1000), "like no format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "damaged|pixels"),
        (b"\x89HDF\r\n\x1a\n" + bytes(1000), "cannot be read"),
        (b"PK\x03\x04" + bytes(100), "cannot be read"),
        (b"1 2 3", "at least 2 x 2"),
        (b"1 2 3\n4 5\n", "not a table of numbers"),
        (b"\xc3\x28\xff" * 50, "neither text"),
    ],
)
def test_files_that_are_no_image_are_refused(tmp_path, content, message):
    """Whatever the ending says, with the file's name."""
    for name in ("a.tif", "a.npy", "a.h5"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"(?s)^{name}.*({message})"):
            read_image(tmp_path / name)


def test_missing_file_is_named(tmp_path):
    """A path with a typing error."""
    with pytest.raises(FileNotFoundError, match="box7"):
        read_image(tmp_path / "box7.tif")


def test_pickles_are_never_loaded(tmp_path):
    """Python objects in NPY and NPZ could run code."""
    objects = np.array([[{"a": 1}, None]] * 2, dtype=object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", objects)
    for name in ("objects.npy", "objects.npz"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read.*Python objects"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("values", [np.zeros((2, 3, 4)), np.zeros(5), np.zeros((2, 2), complex)])
def test_arrays_that_are_no_image_are_refused(tmp_path, values):
    """Three dimensions, one dimension, complex numbers."""
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ValueError, match="one 2-D image of real numbers is needed"):
        read_image(tmp_path / "a.npy")


def test_names_in_messages_are_tamed():
    """A name of any length with characters that do not print."""
    with pytest.raises(ValueError, match="is empty") as caught:
        read_image_bytes(b"", "a\x1b[31m\n" + "b" * 5000)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


SIDE = 20_000


def huge_tiff(**options):
    """A TIFF whose header says 20 000 x 20 000, made from a small one."""
    small = tiff(np.zeros((16, 16), np.uint16), **options)
    return with_tags(small, ImageWidth=SIDE, ImageLength=SIDE)


def npy_header(kind, side):
    file = io.BytesIO()
    said = {"descr": kind, "fortran_order": False, "shape": (side, side)}
    np.lib.format.write_array_header_1_0(file, said)
    return file.getvalue()


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def huge_png():
    chunk = b"IHDR" + struct.pack(">IIBBBBB", SIDE, SIDE, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + struct.pack(">I", zlib.crc32(chunk)) + bytes(100)


def huge_hdf5(shape=(SIDE, SIDE), **options):
    def write(file):
        file.create_dataset("data", shape, "u2", **options)
        if "chunks" in options:
            file["data"][0, 0] = 1

    return image_files.hdf5(write)


def deflated_zeros(times):
    """So many times 16 MB of zeros; after a full flush the same bytes mean the same again."""
    packer = zlib.compressobj()
    begin = packer.compress(b"\0") + packer.flush(zlib.Z_FULL_FLUSH)
    part = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + part * times


def bomb_hdf5():
    """A compressed block that unpacks to 2 GB instead of 512 bytes."""

    def write(file):
        data = file.create_dataset("data", (16, 16), "u2", chunks=(16, 16), compression=9)
        data.id.write_direct_chunk((0, 0), deflated_zeros(128))

    return image_files.hdf5(write)


def huge_cbf():
    header = SEEDS["cbf"].replace(b"Dimension: 29", b"Dimension: 20000")
    return header.replace(b"Dimension: 37", b"Dimension: 20000")


def bomb_tiff():
    """A strip of a TIFF that unpacks to 1 GB instead of 512 bytes."""
    packed, small = deflated_zeros(64), tiff(np.zeros((16, 16), np.uint16), compression="zlib")
    return with_tags(small, StripOffsets=[len(small)], StripByteCounts=[len(packed)]) + packed


HUGE = {
    "huge.npy": lambda: npy_header("<f8", SIDE) + bytes(1000),
    "huge.npz": lambda: zipped("huge.npy", npy_header("<f8", SIDE) + bytes(1000)),
    # 0.1 MB that unpack to 76 MB
    "bomb.npz": lambda: zipped("bomb.npy", npy_header("|u1", 8700) + bytes(8700**2)),
    "huge.png": huge_png,
    "huge.tif": huge_tiff,
    "huge_tiled.tif": lambda: huge_tiff(tile=(16, 16), compression="zlib"),
    "bomb.tif": bomb_tiff,
    "huge.mccd": lambda: huge_tiff() + bytes(4096),
    "huge.pgm": lambda: b"P5\n20000 20000\n65535\n" + bytes(1000),
    "huge_plain.pgm": lambda: b"P2\n20000 20000\n65535\n1 2 3",
    "huge.edf": lambda: b"{\nDim_1 = 20000;\nDim_2 = 20000;\nDataType = DoubleValue;\n}\n\0\0",
    "huge.cbf": huge_cbf,
    "huge.img": lambda: fuzz.smv(COUNTS, SIZE1=SIDE, SIZE2=SIDE),
    "huge.h5": huge_hdf5,
    "unwritten.h5": lambda: huge_hdf5((5000, 5000)),
    "huge_block.h5": lambda: huge_hdf5(
        (10, 10), chunks=(SIDE, SIDE), compression=9, maxshape=(None, None)
    ),
    "bomb.h5": bomb_hdf5,
}

MEASURE = """
import json, resource, sys
import numpy, scipy.ndimage, h5py, tifffile, fabio, PIL.Image
from xrlab.io.read import read_image
for name in sys.argv[1:]:
    try:
        read_image(name)
        said = "read"
    except ValueError as error:
        said = str(error)
    own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    kilobytes = max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps([said, kilobytes / 1024]), flush=True)
"""


def test_huge_headers_and_bombs_are_not_unpacked(tmp_path):
    """20 000 x 20 000 in the header, or blocks that unpack to gigabytes: 1 GB at most."""
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not say how much memory was used")
    for name, make in HUGE.items():
        (tmp_path / name).write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *HUGE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    for name, line in zip(HUGE, done.stdout.splitlines(), strict=True):
        said, megabytes = json.loads(line)
        assert said.startswith(f"{name} cannot be read"), (name, said)
        assert megabytes < 1000, (name, megabytes)


def test_long_files_are_not_even_read(tmp_path):
    """A file of zeros without end under the first bytes of a TIFF."""
    with (tmp_path / "long.tif").open("wb") as file:
        file.write(b"II*\0")
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match="536,870,913 bytes"):
        read_image(tmp_path / "long.tif")


def test_the_largest_image_is_still_read():
    """The limit is where it says it is."""
    rows = MAX_PIXELS // 2**13
    header = f"P5\n{2**13} {rows + 1}\n255\n".encode()
    with pytest.raises(ValueError, match=f"{rows + 1} x {2**13} pixels"):
        read_image_bytes(header)
    with pytest.raises(ValueError, match="cut off"):
        read_image_bytes(header.replace(str(rows + 1).encode(), str(rows).encode()))


@settings(max_examples=200)
@given(st.sampled_from(sorted(set(SEEDS) - {n for n in SEEDS if n.endswith("h5")})), st.integers())
def test_damaged_files_never_do_harm(name, seed):
    """An image or a ValueError; HDF5 below."""
    try:
        image = read_image_bytes(fuzz.damaged(SEEDS[name], Random(seed)), name)
    except ValueError as error:
        assert name in str(error)  # noqa: PT017
    else:
        assert image.ndim == 2
        assert image.dtype == np.float64


@pytest.mark.parametrize("seed", range(8))
def test_damaged_hdf5_never_does_harm(seed):
    """The same in a process of its own."""
    names = [name for name in SEEDS if name.endswith("h5")]
    try:
        read_image_bytes(fuzz.damaged(SEEDS[names[seed % 4]], Random(seed)), "a.h5")
    except ValueError as error:
        assert "a.h5" in str(error)  # noqa: PT017


def test_nothing_is_printed(capfd):
    """Libraries complain about damaged files in their own ways; the error says it."""
    for name in ("lzw.tif", "tif", "edf", "cbf", "dtrek.img", "mccd"):
        for seed in range(40):
            try:
                read_image_bytes(fuzz.damaged(SEEDS[name], Random(seed)))
            except ValueError:
                continue
    assert capfd.readouterr() == ("", "")
