"""Reading files that other libraries wrote, and fetching real data with and without a network."""

import shutil

import fabio
import numpy as np
import pytest
from PIL import Image

from xrlab import data
from xrlab.data import DataUnavailableError, fetch, measured_or_simulated, read_image

COUNTS = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000


def write_npy(path, values):
    np.save(path, values)


def write_pillow(path, values):
    Image.fromarray(values).save(path)


def write_edf(path, values):
    fabio.edfimage.EdfImage(data=values).write(str(path))


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.npy", write_npy), ("a.tif", write_pillow), ("a.tiff", write_pillow), ("a.edf", write_edf)],
)
def test_files_of_other_libraries_are_read(tmp_path, name, write):
    """Rows, columns and values are those that were written, as float64."""
    write(tmp_path / name, COUNTS)
    image = read_image(tmp_path / name)
    assert image.dtype == np.float64
    np.testing.assert_array_equal(image, COUNTS)


def test_16_bit_pgm_is_read(tmp_path):
    """Netpbm's big-endian 16-bit grey map, written by hand from its specification."""
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5\n4 3\n65535\n" + COUNTS.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(path), COUNTS)


def test_ending_does_not_decide(tmp_path):
    """A TIFF under another name is still a TIFF."""
    write_pillow(tmp_path / "a.tif", COUNTS)
    shutil.move(tmp_path / "a.tif", tmp_path / "image_0001.dat")
    np.testing.assert_array_equal(read_image(tmp_path / "image_0001.dat"), COUNTS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.tif", b"", "empty"),
        ("empty.npy", b"", "empty"),
        ("notes.tif", b"Dear diary, today I measured a crystal.\n" * 40, "cannot be read"),
        ("notes.npy", b"Dear diary, today I measured a crystal.\n" * 40, "cannot be read"),
        ("cut.pgm", b"P5\n400 300\n65535\n\x00\x01", "cannot be read"),
    ],
)
def test_files_that_are_no_image_are_refused(tmp_path, name, content, message):
    """Empty, text under an image's name, cut off: a ValueError that names the file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}.*{message}"):
        read_image(tmp_path / name)


def test_a_cut_tiff_is_refused(tmp_path):
    """A TIFF whose end is missing does not come out as half an image."""
    write_pillow(tmp_path / "whole.tif", np.tile(COUNTS, (30, 30)))
    content = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.tif.*cannot be read"):
        read_image(tmp_path / "cut.tif")


def test_pickles_are_never_loaded(tmp_path):
    """An .npy with Python objects could run code; it is refused."""
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects\.npy cannot be read"):
        read_image(path)


@pytest.mark.parametrize("values", [np.zeros((2, 3, 4)), np.zeros(5), np.zeros((2, 2), complex)])
def test_arrays_that_are_no_image_are_refused(tmp_path, values):
    """Three dimensions, one dimension, complex numbers."""
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ValueError, match="one 2-D image of real numbers is needed"):
        read_image(tmp_path / "a.npy")


def test_missing_file_is_named(tmp_path):
    """A path with a typing error."""
    with pytest.raises(FileNotFoundError, match="box7"):
        read_image(tmp_path / "box7.tif")


def test_measured_boxes_are_as_described(real):
    """Both boxes: 64 x 64 counts with the brightest pixels at whole h and k."""
    for name in ("box1", "box2"):
        image = real(name)
        assert image.shape == (64, 64)
        rows, columns = np.nonzero(image > np.percentile(image, 99.5))
        nearest = [np.abs(n[:, None] - [0, 31.5, 63]).min(axis=1) for n in (rows, columns)]
        assert np.max(nearest) < 4


def test_big_endian_section_is_read(real):
    """The undecanedioic-acid section: 193 x 173 pixels, zeros where unmeasured."""
    image = real("undecanedioic_acid")
    assert image.shape == (193, 173)
    assert 0 < np.mean(image == 0) < 0.5


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty cache, no local folder, and a network that refuses."""

    def refuse(*arguments, **options):
        raise ConnectionError("no network")

    monkeypatch.setenv("XRLAB_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv(data.LOCAL_DATA, raising=False)
    monkeypatch.setattr(data.pooch.HTTPDownloader, "__call__", refuse)
    return tmp_path


def test_without_network_the_error_says_what_to_do(no_network):
    """The file to provide and the variable that names its folder."""
    with pytest.raises(DataUnavailableError, match=r"dcdnb_hk0_box1_64x64\.tif.*XRLAB_LOCAL_DATA"):
        fetch("box1")


def test_without_network_a_stand_in_says_that_it_is_one(no_network):
    """The simulated measurement looks like one and is labelled."""
    image, source = measured_or_simulated("box1")
    assert "NOT measured" in source
    assert image.shape == (64, 64)
    assert image.min() >= 0
    # not symmetric, as a real measurement is not
    assert np.abs(image - image[::-1, ::-1]).mean() > 0.1 * image.std()
    np.testing.assert_array_equal(image, measured_or_simulated("box1")[0])


def test_a_damaged_local_copy_is_not_used(no_network, monkeypatch):
    """A file with the right name and the wrong content fails its checksum."""
    local = no_network / "local"
    local.mkdir()
    (local / "dcdnb_hk0_box1_64x64.tif").write_bytes(b"not the image")
    monkeypatch.setenv(data.LOCAL_DATA, str(local))
    with pytest.raises(DataUnavailableError):
        fetch("box1")


def test_the_local_folder_fills_the_cache(no_network, local_data, monkeypatch):
    """With a folder of copies no network is needed, and the cache keeps the file."""
    monkeypatch.setenv(data.LOCAL_DATA, str(local_data))
    path = fetch("box1")
    assert path.parent == no_network / "cache"
    monkeypatch.delenv(data.LOCAL_DATA)
    assert fetch("box1") == path


@pytest.mark.parametrize("name", ["box3", "", "../box1"])
def test_unknown_data_are_refused(name):
    """The error lists what there is."""
    with pytest.raises(ValueError, match="box1, box2"):
        fetch(name)
