"""Shared by all tests: one sample of everything, and real data without a network."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

# No example fails because the machine is busy.
settings.register_profile("xrlab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("xrlab")

# The matrices are small: several threads of linear algebra would only get into each other's way.
threadpool_limits(1, user_api="blas")

# Beside the checkout there may be a folder with copies of the measured images.
BESIDE = Path(__file__).parents[2] / "shared" / "data"
if BESIDE.is_dir() and not os.environ.get("XRLAB_LOCAL_DATA"):
    os.environ["XRLAB_LOCAL_DATA"] = str(BESIDE)

# Every way in which an image can be no image: the words that the error must hold, the image.
BAD_IMAGES = {
    "wrong shape": ("shape", np.ones((5, 7))),
    "one dimension": ("2-D", np.arange(64.0)),
    "no pixels": ("2-D", np.ones((0, 0))),
    "all NaN": ("NaN", np.full((64, 64), np.nan)),
    "negative": ("negative", np.linspace(-1, 1, 64 * 64).reshape(64, 64)),
    "constant": ("no pattern", np.full((64, 64), 7)),
    "infinite": ("infinite", np.where(np.eye(64) > 0, np.inf, 1.0)),
    "text": ("real numbers", np.full((64, 64), "a")),
    "complex": ("real numbers", np.ones((64, 64), complex)),
    "objects": ("real numbers", np.full((64, 64), None)),
    "true and false": ("real numbers", np.eye(64) > 0),
}


@pytest.fixture(params=BAD_IMAGES)
def bad_image(request):
    """Words that the error must hold, and an array that is no usable 64 x 64 image."""
    return BAD_IMAGES[request.param]


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A finished data set, made by one worker without interruption. Not to be changed."""
    from tests.test_store import make

    path = tmp_path_factory.mktemp("store") / "whole.zarr"
    make(path)
    return path


@pytest.fixture(scope="session")
def clusters():
    """A lattice of clusters."""
    from xrlab import Encoding, simulate

    return simulate(Encoding.from_vector([0.5, 0.4, 0.2]), seed=1)


@pytest.fixture(scope="session")
def image(clusters):
    """Diffraction image of the clusters."""
    from xrlab import diffraction_image

    return diffraction_image(clusters, seed=1)


@pytest.fixture(scope="session")
def by_node():
    """A function: what a script of these tests, run by Node, computes from what it is given."""
    if shutil.which("node") is None:
        pytest.skip("the modules of the browser are run by Node, which is not installed")

    def compute(script, given):
        command, options = ["node", Path(__file__).with_name(script)], {"check": True, "text": True}
        done = subprocess.run(command, input=json.dumps(given), stdout=subprocess.PIPE, **options)
        return json.loads(done.stdout)

    return compute


@pytest.fixture
def local_data():
    """The folder of measured images beside the checkout; the test is skipped without one."""
    if not BESIDE.is_dir():
        pytest.skip("no folder of measured images beside the checkout")
    return BESIDE


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty cache, no local folder, and a network that refuses; the path of the cache."""
    from xrlab.io import fetch

    refuse = Mock(side_effect=ConnectionError("no network"))
    monkeypatch.setenv("XRLAB_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv(fetch.LOCAL_DATA, raising=False)
    monkeypatch.setattr(fetch.pooch.HTTPDownloader, "__call__", refuse)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def real():
    """Measured images by name; the test is skipped where they cannot be had."""
    from xrlab import fetch, read_image
    from xrlab.io.fetch import DataUnavailableError

    def read(name):
        try:
            return read_image(fetch(name))
        except DataUnavailableError as error:
            pytest.skip(str(error))

    return read


@pytest.fixture(scope="module")
def driver():
    """One Chromium for all tests of a file."""
    import browser

    with browser.chromium() as started:
        yield started
