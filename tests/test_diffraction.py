"""Diffraction images against the brute-force double sum and the closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrlab import (
    Encoding,
    FormFactor,
    ReciprocalGrid,
    delta_pdf,
    diffraction_image,
    expected_image,
    simulate,
)
from xrlab.crystal.diffraction import correlation_image
from xrlab.crystal.form_factor import Cell, dichlorodinitrobenzene
from xrlab.crystal.spectrum import NotRealisableError

CHECKERBOARD = np.indices((16, 16)).sum(axis=0) % 2 * 2 - 1


def double_sum(window, mean, grid):
    """Intensity per site of one window, summed over all pairs of its sites."""
    size = len(window)
    x, y = (n.ravel() for n in np.indices(window.shape))
    s = window.ravel() - mean
    dx, dy = x[:, None] - x, y[:, None] - y
    weight = np.outer(s, s)
    return np.array(
        [
            [(weight * np.cos(2 * np.pi * (h * dx + k * dy))).sum() for k in grid.k_values]
            for h in grid.h_values
        ]
    ) / (size**2 * (1 - mean**2))


@pytest.mark.parametrize("concentration", [0.5, 0.3])
@pytest.mark.parametrize(
    "grid",
    [ReciprocalGrid(shape=(8, 8)), ReciprocalGrid(h=(-0.3, 1.1), k=(0.25, 0.8), shape=(5, 9))],
)
def test_image_equals_the_sum_over_all_pairs(concentration, grid):
    """Any grid, any concentration: |F|^2 is the double sum over pairs in each lot."""
    lattice = simulate(Encoding.from_vector([0.3, -0.2, 0.1]), 12, concentration=concentration)
    corners = np.random.default_rng(3).integers(12, size=(4, 2))  # the documented draw of places
    mean = lattice.sites.mean()
    expected = np.mean(
        [
            double_sum(np.roll(lattice.sites, -corner, (0, 1))[:6, :6], mean, grid)
            for corner in corners
        ],
        axis=0,
    )
    image = diffraction_image(lattice, grid, lot_size=6, lots=4, seed=3)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, rtol=2e-4, atol=1e-5)


def test_many_lots_converge_to_the_windowed_cosine_series(clusters):
    """The mean over lots is sum w(r) c(r) cos 2 pi q r with w = (1 - |i|/L)(1 - |j|/L)."""
    lot, lots, repeats = 10, 200, 40
    sites = clusters.sites - clusters.sites.mean()
    correlation = np.fft.ifft2(np.abs(np.fft.fft2(sites)) ** 2).real / sites.size
    grid = ReciprocalGrid(shape=(12, 12))
    expected = np.zeros(grid.shape)
    for i in range(1 - lot, lot):
        for j in range(1 - lot, lot):
            phase = 2 * np.pi * np.add.outer(grid.h_values * i, grid.k_values * j)
            window = (1 - abs(i) / lot) * (1 - abs(j) / lot)
            expected += window * correlation[i, j] * np.cos(phase)
    images = np.array(
        [diffraction_image(clusters, grid, lot, lots, seed=n) for n in range(repeats)], np.float64
    )
    deviation = (images.mean(axis=0) - expected) / (images.std(axis=0, ddof=1) / repeats**0.5)
    assert np.abs(deviation).max() < 5
    assert np.mean(np.abs(deviation) < 2) > 0.85


def test_image_has_the_symmetries_of_its_lattice_type(image):
    """Turning by half round about (1, 1) changes nothing; neither does moving by one cell."""
    np.testing.assert_allclose(image, image[::-1, ::-1], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(image[0], image[-1], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(image[:, 0], image[:, -1], rtol=1e-3, atol=1e-3)


def test_mean_over_whole_cells_is_one(clusters):
    """Laue monotonic units: without order the intensity would be 1 everywhere."""
    image = diffraction_image(clusters)
    assert image[:-1, :-1].mean() == pytest.approx(1, abs=1e-4)


def test_checkerboard_scatters_at_half_indices():
    """Perfect alternation puts all intensity at (1/2, 1/2), L^2 of it."""
    grid = ReciprocalGrid(shape=(5, 5))  # steps of 1/2
    image = diffraction_image(CHECKERBOARD, grid, lot_size=8)
    assert image[1, 1] == pytest.approx(64)
    assert image[0, 0] == pytest.approx(0, abs=1e-5)
    assert image[0, 1] == pytest.approx(0, abs=1e-5)


def test_rows_run_along_h():
    """Order along a (axis 0) shows along the rows."""
    layers = np.where(np.arange(16) % 2, 1, -1)[:, None] * np.ones((1, 16))
    image = diffraction_image(layers, ReciprocalGrid(shape=(5, 5)), lot_size=8)
    assert image[1, 0] == pytest.approx(64)
    assert image[0, 1] == pytest.approx(0, abs=1e-5)


def test_distance_to_bragg_is_zero_at_whole_indices():
    """On the standard grid the corners are Bragg positions and (1/2, 1/2) is farthest."""
    distance = ReciprocalGrid(shape=(5, 5)).distance_to_bragg()
    assert distance[0, 0] == distance[2, 2] == distance[4, 0] == 0
    assert distance[1, 1] == pytest.approx(np.sqrt(0.5))


def windowed_chain(r, q, lot_size):
    """Sum over |n| < L of (1 - |n|/L) r^|n| exp 2 pi i q n, in closed form."""
    z = r * np.exp(2j * np.pi * q)
    power = z * (lot_size - 1) - lot_size * z**2 + z ** (lot_size + 1)
    return 1 + 2 * (power / (lot_size * (1 - z) ** 2)).real


@settings(max_examples=30)
@given(st.floats(-0.95, 0.95), st.floats(-0.95, 0.95), st.integers(1, 40))
def test_image_of_two_markov_chains_is_the_closed_form(r, s, lot_size):
    """With c = r^|i| s^|j|, the image is a product of two windowed Poisson kernels, to 1e-10."""
    grid = ReciprocalGrid((-0.3, 2.2), (0.1, 3), (40, 31))
    reach = np.abs(np.arange(-45, 46))
    found = correlation_image(np.outer(float(r) ** reach, float(s) ** reach), grid, lot_size)
    along_h, along_k = (
        windowed_chain(c, q, lot_size) for c, q in ((r, grid.h_values), (s, grid.k_values))
    )
    expected = np.outer(along_h, along_k)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_expected_image_of_a_chain_of_spins_is_the_closed_form():
    """Order along b alone: c(0, j) = (2/pi) asin(rho^|j|), c(i, j) = 0, summed by hand."""
    rho = 0.7
    c = 2 / np.pi * np.arcsin(rho)
    found = expected_image(Encoding.from_vector([c, 0, 0]), lot_size=25, size=200)
    j = np.arange(-24, 25)
    series = (1 - np.abs(j) / 25) * 2 / np.pi * np.arcsin(rho ** np.abs(j))
    k = ReciprocalGrid().k_values
    expected = (series * np.cos(2 * np.pi * np.outer(k, j))).sum(axis=1)
    np.testing.assert_allclose(found, np.tile(expected, (64, 1)), atol=1e-5)


def test_expected_image_is_the_mean_of_simulated_ones():
    """Of 400, within noise, but for q = 0, where a fixed concentration scatters nothing."""
    encoding, grid = Encoding.from_vector([0.3, -0.2, 0.1]), ReciprocalGrid(shape=(20, 20))
    images = [
        diffraction_image(simulate(encoding, sampler="gaussian", seed=n), grid, seed=n)
        for n in range(400)
    ]
    error = np.std(images, axis=0) / 20
    deviation = (np.mean(images, axis=0) - expected_image(encoding, grid)) / error
    away = grid.distance_to_bragg() > 0.05
    assert np.abs(deviation[away]).mean() < 1.1  # sqrt(2/pi) = 0.8 for pure chance
    assert np.abs(deviation[away]).max() < 5


def test_images_of_the_growth_sampler_average_to_the_closed_form():
    """Lots of a large lattice, mean over 300 images, against the product of Poisson kernels."""
    r, s = 0.5, -0.4
    encoding = Encoding.product(r, s, 2)
    grid = ReciprocalGrid(shape=(20, 20))
    images = [
        diffraction_image(simulate(encoding, 100, "growth", n), grid, lot_size=20, seed=n)
        for n in range(300)
    ]
    q = grid.h_values
    expected = np.outer(windowed_chain(r, q, 20), windowed_chain(s, q, 20))
    error = np.std(images, axis=0) / np.sqrt(len(images))
    deviation = (np.mean(images, axis=0) - expected) / error
    assert np.abs(deviation).mean() < 1.1
    assert np.abs(np.mean(images, axis=0) / expected - 1).mean() < 0.05


@pytest.mark.parametrize("shape", [(128, 128), (256, 256), (48, 80)])
@pytest.mark.parametrize("window", [((0, 2), (0, 2)), ((-1, 1), (2, 4)), ((3, 4), (0.5, 1.5))])
def test_any_resolution_and_window(shape, window):
    """Span 8 at any number of pixels in any window of whole cells: the inversion reads it back."""
    grid = ReciprocalGrid(*window, shape)
    lattice = simulate(Encoding.product(0.4, -0.3, 8), 64, "gaussian", seed=1)
    image = diffraction_image(lattice, grid, lot_size=64, lots=1)
    assert image.shape == shape
    # one lot as large as the lattice: only pairs across its edge are missing
    found = delta_pdf(image, 8, grid, lot_size=64)
    assert np.abs(found.vector - lattice.realised.vector).max() < 0.06
    smooth = delta_pdf(expected_image(lattice.target, grid, lot_size=64), 8, grid, lot_size=64)
    np.testing.assert_allclose(smooth.vector, lattice.target.vector, atol=2e-3)


def test_form_factor_multiplies_the_image(clusters):
    """An array, or anything that gives one on a grid, the expected image alike."""
    factor = np.linspace(0, 2, 64 * 64).reshape(64, 64)

    class Smooth:
        def on(self, grid):
            assert grid == ReciprocalGrid()
            return factor

    plain = diffraction_image(clusters, seed=3)
    for given_as in (factor, Smooth()):
        drawn = diffraction_image(clusters, seed=3, form_factor=given_as)
        np.testing.assert_allclose(drawn, plain * factor, rtol=1e-5)
        assert drawn.dtype == np.float32
    encoding = Encoding.from_vector([0.3, -0.2, 0.1])
    np.testing.assert_allclose(
        expected_image(encoding, form_factor=factor), expected_image(encoding) * factor, rtol=1e-5
    )


def test_form_factor_of_a_molecule_is_taken(clusters):
    """Two orientations of a molecule in a cell, as `FormFactor`."""
    ring = dichlorodinitrobenzene()
    factor = FormFactor(ring, ring.rotated(180), Cell(8, 8))
    image = diffraction_image(clusters, form_factor=factor)
    np.testing.assert_allclose(image, diffraction_image(clusters) * factor.on(), rtol=1e-4)


def test_expected_image_of_an_impossible_encoding_is_refused():
    """With the proof; the nearest realisable one has an image."""
    impossible = Encoding.from_vector([-0.9, -0.9, -0.9])
    with pytest.raises(NotRealisableError, match="no spectrum"):
        expected_image(impossible)
    assert expected_image(impossible.nearest_realisable()).min() >= 0


NOTHING = Encoding.from_vector([0.1, 0, 0])
LATTICE = simulate(NOTHING, 50, "gaussian")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (diffraction_image, {"lattice": LATTICE, "lot_size": 51}, "fit a lattice of 50 x 50"),
        (diffraction_image, {"lattice": LATTICE, "lot_size": 0}, "from 1 to 50"),
        (diffraction_image, {"lattice": LATTICE, "lots": 0}, "at least 1 lot"),
        *(
            (diffraction_image, {"lattice": LATTICE, "form_factor": factor}, "squared form factor")
            for factor in (np.ones((3, 3)), -np.ones((64, 64)), np.full((64, 64), np.nan))
        ),
        (expected_image, {"encoding": NOTHING, "lot_size": 0}, "0"),
        (expected_image, {"encoding": NOTHING, "lot_size": 30, "size": 20}, "30"),
        (correlation_image, {"correlations": np.ones((4, 4))}, "odd side"),
        (correlation_image, {"correlations": np.ones((3, 5))}, "odd side"),
        (ReciprocalGrid, {"h": (2, 0)}, "h runs from a smaller"),
        (ReciprocalGrid, {"k": (0, np.nan)}, "k runs"),
        (ReciprocalGrid, {"shape": (1, 64)}, "at least 2 rows"),
    ],
)
def test_bad_arguments_are_refused(function, arguments, message):
    """Lots that do not fit, bad form factors, correlations without a middle, ends out of order."""
    with pytest.raises(ValueError, match=message):
        function(**arguments)
