"""Diffraction images against the brute-force double sum and the closed form."""

import numpy as np
import pytest

from xrlab import Encoding, ReciprocalGrid, diffraction_image, simulate

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
    [
        ReciprocalGrid(shape=(8, 8)),
        ReciprocalGrid(h=(-0.3, 1.1), k=(0.25, 0.8), shape=(5, 9)),
    ],
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lot_size": 51}, "does not fit a lattice of 50 x 50"),
        ({"lot_size": 0}, "from 1 to 50"),
        ({"lots": 0}, "at least 1 lot"),
    ],
)
def test_lots_that_do_not_fit_are_refused(clusters, arguments, message):
    """A lattice smaller than the lot, or no lot at all, is named."""
    with pytest.raises(ValueError, match=message):
        diffraction_image(clusters, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"h": (2, 0)}, "h runs from a smaller"),
        ({"k": (0, float("nan"))}, "k runs"),
        ({"shape": (1, 64)}, "at least 2 rows"),
    ],
)
def test_bad_grids_are_refused(arguments, message):
    """Ends in order, two points or more."""
    with pytest.raises(ValueError, match=message):
        ReciprocalGrid(**arguments)


def test_distance_to_bragg_is_zero_at_whole_indices():
    """On the standard grid the corners are Bragg positions and (1/2, 1/2) is farthest."""
    distance = ReciprocalGrid(shape=(5, 5)).distance_to_bragg()
    assert distance[0, 0] == distance[2, 2] == distance[4, 0] == 0
    assert distance[1, 1] == pytest.approx(np.sqrt(0.5))
