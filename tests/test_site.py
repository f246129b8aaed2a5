"""The playground computes what the package computes; the page itself is tested in a browser."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import write_site

from xrlab.crystal.diffraction import correlation_image, diffraction_image
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.kernels import swap_cycles
from xrlab.crystal.lattice import realised_correlations
from xrlab.inference.delta_pdf import delta_pdf, delta_pdf_error
from xrlab.interpretation.findings import LIMITS, STRAY
from xrlab.io.fetch import DataUnavailableError, fetch
from xrlab.io.read import read_image
from xrlab.measurement.alignment import half_turn, repetition, stray_peaks
from xrlab.networks.measured import calibrated
from xrlab.trials.trial import trials

ROOT = Path(__file__).parent.parent
LOT, LOTS, SIZE, CHAINS, CYCLES = 25, 8, 50, 6, 60
COUPLING = np.array([[0, 0.3], [-0.2, 0.15]])
CALIBRATION = json.loads((ROOT / "xrlab/weights/measured.json").read_text("utf-8"))["calibration"]

pytestmark = pytest.mark.skipif(write_site.node() is not None, reason=str(write_site.node()))


@pytest.fixture(scope="module")
def scales():
    """Scale matrices of two sizes, as the network gives them."""
    wide = np.random.default_rng(0).normal(0, 1, (2, 15, 20))
    return wide @ wide.transpose(0, 2, 1) * np.array([1e-4, 4e-3])[:, None, None]


@pytest.fixture(scope="module")
def pictures():
    """Twenty simulated measurements, half of them with a fault of alignment, and both boxes."""
    names = ("clean", "laboratory", "synchrotron", "bad day")
    images = np.concatenate([trial.images for trial in trials(5, 2718, names)]).astype(float)
    for image in images[1::4]:  # other axes than stated
        image[:] = np.roll(image, (4, 3), (0, 1))
    for image in images[3::4]:  # a superstructure
        image[15::16, 15::16] += 200 * np.nanmedian(image)
    images[2, 20:24] = np.nan
    boxes = []
    for name in ("box1", "box2"):
        with contextlib.suppress(DataUnavailableError):
            boxes.append(read_image(fetch(name)))
    return [*images, *boxes]


@pytest.fixture(scope="module")
def page(clusters, scales, pictures, by_node):
    """Answers of the page's modules."""
    corners = np.random.default_rng(0).integers(SIZE, size=(LOTS, 2, 1))[..., 0]
    given = {
        "grid": {"h": STANDARD_GRID.h, "k": STANDARD_GRID.k, "shape": STANDARD_GRID.shape},
        "lot": LOT,
        "corners": corners.tolist(),
        "sites": clusters.sites.ravel().tolist(),
        "size": SIZE,
        "coupling": COUPLING.ravel().tolist(),
        "seeds": list(range(CHAINS)),
        "cycles": CYCLES,
        "rules": write_site.alignment_rules(),
        "pictures": [np.where(np.isnan(x), None, x).ravel().tolist() for x in pictures],
        "scales": scales.reshape(len(scales), -1).tolist(),
        "calibration": CALIBRATION,
    }
    return by_node("site_numbers.mjs", given)


def test_lattice(page, clusters):
    """Realised correlations are the same; sites survive packing; sites all alike have no image."""
    realised = realised_correlations(clusters.sites, 4).matrix.ravel()
    assert np.allclose(page["realised"], realised, atol=1e-12)
    assert page["back"] == clusters.sites.ravel().tolist()
    assert page["alike"] is None


def test_images(page, clusters):
    """Of the package's own lots, and of all lots: the sum of all correlations of the lattice."""
    assert np.allclose(page["image"], diffraction_image(clusters).ravel(), atol=1e-5)
    mean = clusters.sites.mean()
    c = np.fft.ifft2(np.abs(np.fft.fft2(clusters.sites - mean)) ** 2).real
    near = np.arange(1 - LOT, LOT) % SIZE
    whole = correlation_image(c[np.ix_(near, near)] / c[0, 0], lot_size=LOT)
    assert np.allclose(page["whole"], whole.ravel(), atol=1e-9)


def test_delta_pdf(page, clusters):
    """With and without gaps, and its error."""
    image = diffraction_image(clusters).astype(float)
    encoding = delta_pdf(image, 4, lot_size=LOT)
    assert np.allclose(page["vector"], encoding.vector, atol=1e-6)
    assert np.allclose(page["error"], delta_pdf_error(image, encoding, lot_size=LOT), atol=1e-6)
    image.flat[::7] = np.nan
    assert np.allclose(page["holed"], delta_pdf(image, 4, lot_size=LOT).vector, atol=1e-6)


def test_monte_carlo(page):
    """On average the correlations of the package's own swaps; fields stay those of the sites."""
    ours = []
    for seed in range(100, 100 + CHAINS):
        rng = np.random.default_rng(seed)
        sites = rng.permutation(np.repeat(np.array([1, -1], np.int8), SIZE**2 // 2))
        sites = sites.reshape(SIZE, SIZE)
        swap_cycles(sites, COUPLING.copy(), np.zeros((2, 2)), CYCLES, 0.0, rng)
        ours.append(realised_correlations(sites, 2).vector)
    theirs = np.array([chain["correlations"][1:] for chain in page["chains"]])
    spread = np.sqrt((np.var(ours, axis=0) + np.var(theirs, axis=0)) / (CHAINS - 1))
    apart = np.abs(np.mean(ours, axis=0) - theirs.mean(axis=0))
    assert (apart < 5 * spread + 0.005).all()
    assert np.abs(theirs.mean(axis=0)).max() > 0.2  # far from a random lattice
    assert max(chain["off"] for chain in page["chains"]) < 1e-9


def test_alignment(page, pictures):
    """The checks of alignment, of which some fail here, give the package's numbers."""
    numbers = []
    for image, there in zip(pictures, page["aligned"], strict=True):
        here = (
            *half_turn(image, STANDARD_GRID),
            repetition(image, STANDARD_GRID),
            stray_peaks(image, STANDARD_GRID),
        )
        theirs = [there[name] for name in ("displacement", "alignment", "repetition", "peaks")]
        theirs = [np.nan if value is None else value for value in theirs]
        assert np.allclose(theirs, here, rtol=1e-6, atol=1e-6, equal_nan=True)
        numbers.append(here)
    _, turned, repeated, peaks = np.transpose(numbers)
    limits = LIMITS["alignment"], LIMITS["repetition"], STRAY
    for values, limit in zip((turned, repeated, peaks), limits, strict=True):
        assert np.nanmin(values) < limit
    assert np.nanmax(turned) > limits[0]
    assert np.nanmax(peaks) > limits[2]


def test_calibration(page, scales):
    """Covariances are those of the package."""
    covariance, _ = calibrated(scales, CALIBRATION)
    assert np.allclose(np.reshape(page["calibrated"], covariance.shape), covariance, rtol=1e-9)


def test_game(page):
    """A level shows all images before one comes again; points fall with the error."""
    assert page["rounds"] == [0, 1, 2, 3]
    best, good, worst = page["points"]
    assert best == 100 > good > worst == 0
