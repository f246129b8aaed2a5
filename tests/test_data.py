"""Fetching real data with and without a network, and what they are like."""

import numpy as np
import pytest

from xrlab.io import fetch as data
from xrlab.io.fetch import DataUnavailableError, fetch, measured_or_simulated


def test_measured_boxes_are_as_described(real):
    """Both boxes: 64 x 64 counts with the brightest pixels at whole h and k."""
    for name in ("box1", "box2"):
        image = real(name)
        assert image.shape == (64, 64)
        rows, columns = np.nonzero(image > np.percentile(image, 99.5))
        nearest = [np.abs(n[:, None] - [0, 31.5, 63]).min(axis=1) for n in (rows, columns)]
        assert np.max(nearest) < 4


def test_big_endian_section_is_read(real):
    """The undecanedioic-acid section: 193 x 173 pixels, NaN where unmeasured."""
    image = real("undecanedioic_acid")
    assert image.shape == (193, 173)
    assert 0 < np.mean(np.isnan(image)) < 0.5


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
    local = no_network.parent / "local"
    local.mkdir()
    (local / "dcdnb_hk0_box1_64x64.tif").write_bytes(b"not the image")
    monkeypatch.setenv(data.LOCAL_DATA, str(local))
    with pytest.raises(DataUnavailableError):
        fetch("box1")


def test_the_local_folder_fills_the_cache(no_network, local_data, monkeypatch):
    """With a folder of copies no network is needed, and the cache keeps the file."""
    monkeypatch.setenv(data.LOCAL_DATA, str(local_data))
    path = fetch("box1")
    assert path.parent == no_network
    monkeypatch.delenv(data.LOCAL_DATA)
    assert fetch("box1") == path


@pytest.mark.parametrize("name", ["box3", "", "../box1"])
def test_unknown_data_are_refused(name):
    """The error lists what there is."""
    with pytest.raises(ValueError, match="box1, box2"):
        fetch(name)
