"""Maximum likelihood and its limits against simulation, finite differences and closed forms."""

import numpy as np
import pytest

from xrlab import Encoding, ReciprocalGrid, delta_pdf, diffraction_image, expected_image, simulate
from xrlab.crystal.grid import trapezoid_weights
from xrlab.crystal.speckle import lots_floor
from xrlab.inference.likelihood import cramer_rao, maximum_likelihood

CLUSTERS = Encoding.from_vector([0.3, -0.2, 0.1])


def one_cell(lot_size):
    """Every independent pixel of a lot once: h, k = 0, 1/L, ..., (L - 1)/L."""
    end = 1 - 1 / lot_size
    return ReciprocalGrid((0, end), (0, end), (lot_size, lot_size))


def speckle_image(mean, lots, rng, counts=None):
    """Mean over lots of |Fourier transform of a real Gaussian field|^2 with this spectrum."""
    size = len(mean)
    noise = np.fft.fft2(rng.standard_normal((lots, size, size)))
    image = mean * (np.abs(noise) ** 2).mean(axis=0) / size**2
    return image if counts is None else rng.poisson(image * counts) / counts


@pytest.mark.parametrize("counts", [None, 5.0])
def test_spread_of_maximum_likelihood_meets_the_bound(counts):
    """Over 400 images the standard deviations are the Cramer-Rao bound's within 10 percent."""
    rng = np.random.default_rng(1)
    lot_size, lots, grid = 25, 8, one_cell(25)
    mean = expected_image(CLUSTERS, grid, lot_size).astype(float)
    bound = np.sqrt(np.diag(cramer_rao(CLUSTERS, grid, lot_size, lots, counts=counts)))
    found, inverted = [], []
    for _ in range(400):
        image = speckle_image(mean, lots, rng, counts)
        estimate = maximum_likelihood(7 * image, 2, grid, lot_size, lots, counts=counts)
        found.append(estimate.encoding.vector)
        inverted.append(delta_pdf(image, 2, grid, lot_size).vector)
    spread = np.std(found, axis=0)
    assert spread / bound == pytest.approx(np.ones(3), abs=0.1)
    # no bias beyond 4 standard errors, and the inversion without likelihood does no better
    assert np.abs(np.mean(found, axis=0) - CLUSTERS.vector).max() < 4 * bound.max() / 20
    assert (np.std(inverted, axis=0) > 0.97 * spread).all()
    assert estimate.standard_error == pytest.approx(bound, rel=0.15)


@pytest.mark.parametrize("span", [2, 3])
@pytest.mark.parametrize("scale_known", [True, False])
def test_bound_equals_that_of_finite_differences(span, scale_known):
    """Information from differences of expected images, summed over independent pixels by hand."""
    encoding = Encoding.from_vector(0.6 * Encoding.random(span, 3, "realisable").vector)
    lot_size, lots, counts = 12, 8, 3.0
    grid = one_cell(lot_size)
    mean = expected_image(encoding, grid, lot_size).astype(float)
    slopes = []
    for n in range(len(encoding.vector)):
        step = np.zeros(len(encoding.vector))
        step[n] = 1e-3
        up, down = (
            expected_image(Encoding.from_vector(encoding.vector + sign * step), grid, lot_size)
            for sign in (1, -1)
        )
        slopes.append((up.astype(float) - down) / 2e-3)
    if not scale_known:
        slopes.append(mean)
    # half of the pixels are independent, and each of a pair q, -q has photons of its own
    photons = np.full(mean.shape, 2 * counts)
    photons[::6, ::6] = counts  # q = -q at 0 and 1/2
    variance = mean**2 / lots + mean / photons
    slopes = np.reshape(slopes, (len(slopes), -1))
    information = (slopes / variance.ravel()) @ slopes.T / 2
    n = len(encoding.vector)
    expected = np.linalg.inv(information)[:n, :n]
    found = cramer_rao(encoding, grid, lot_size, lots, scale_known=scale_known, counts=counts)
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=0.01)


def test_bound_of_a_random_crystal_is_the_closed_form():
    """F_kl = 2 M N integral cos cos / S^2 is M N for S = 1: variance 1 / (M L^2 w^2)."""
    lot_size = 24
    random = Encoding.product(0, 0, 4)
    bound = cramer_rao(random, one_cell(lot_size), lot_size, lots=10, scale_known=True)
    reach = np.arange(4)
    window = np.outer(1 - reach / lot_size, 1 - reach / lot_size).ravel()[1:]
    np.testing.assert_allclose(np.diag(bound), 1 / (10 * 24**2 * window**2), rtol=1e-6)
    off_diagonal = bound - np.diag(np.diag(bound))
    assert np.abs(off_diagonal).max() < 1e-9


def test_knowing_more_never_hurts():
    """A known scale, more lots, more counts and fewer masked pixels all lower the bound."""

    def variances(**arguments):
        return np.diag(cramer_rao(CLUSTERS, **({"counts": 2.0} | arguments)))

    usual = variances()
    mask = np.random.default_rng(0).random((64, 64)) < 0.02
    assert (variances(scale_known=True) <= usual * (1 + 1e-9)).all()
    assert (variances(lots=16) < usual).all()
    assert (variances(counts=20.0) < usual).all()
    assert (variances(measured=mask) > 1.5 * usual).all()
    assert variances(counts=1e9) == pytest.approx(np.diag(cramer_rao(CLUSTERS)), rel=1e-6)


def test_hiding_one_half_loses_no_speckle():
    """S(-q) = S(q): the other half of a cell shows the same speckles, if photons are plenty."""
    grid = one_cell(25)
    upper = np.arange(25)[:, None] + np.zeros(25) <= 12  # one of each pair q, -q, but for h = 0
    whole, half = (np.diag(cramer_rao(CLUSTERS, grid, measured=mask)) for mask in (None, upper))
    np.testing.assert_allclose(half, whole, rtol=1e-6)


def test_lots_floor_is_the_error_of_the_inversion():
    """For one lattice and 400 choices of lots, Delta-PDF misses the label as the formula says."""
    lattice = simulate(Encoding.from_vector([0.4, 0.2, 0.1]), seed=2)
    floor = lots_floor(lattice, lot_size=20, lots=8)
    errors = [
        delta_pdf(diffraction_image(lattice, lot_size=20, lots=8, seed=seed), 2, lot_size=20).vector
        - lattice.realised.vector
        for seed in range(400)
    ]
    rms = np.sqrt(np.mean(np.square(errors), axis=0))
    np.testing.assert_allclose(rms, floor, rtol=0.15)
    assert np.abs(np.mean(errors, axis=0)).max() < 0.2 * floor.max()


def test_a_lot_as_large_as_the_lattice_leaves_no_chance():
    """One lot that holds every site of every row: only the pairs across its edge are missing."""
    lattice = simulate(CLUSTERS, seed=0)
    assert (lots_floor(lattice, 25, 8) > lots_floor(lattice, 25, 64)).all()
    assert (lots_floor(lattice, 50, 8) < 0.3 * lots_floor(lattice, 25, 8)).all()


def test_masked_image_is_read_as_well_as_its_bound_allows():
    """With a beam stop and a gap, estimates stay within 4 of their own standard errors."""
    truth = Encoding.from_vector([0.4, 0.1, 0.1])
    for seed in range(5):
        lattice = simulate(truth, 96, "gaussian", seed)
        image = diffraction_image(lattice, lot_size=48, lots=64, seed=seed).astype(float)
        image[:6, :6] = np.nan
        image[:, 30:34] = np.nan
        found = maximum_likelihood(image, 2, lot_size=48, lots=4)
        # 64 overlapping lots of a lattice with four times their sites are worth 4 apart
        difference = found.encoding.vector - lattice.realised.vector
        assert (np.abs(difference) < 4 * found.standard_error).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lots": 0}, "at least 1 lot"),
        ({"lot_size": 1}, "too small"),
        ({"counts": 0}, "above 0"),
        ({"counts": float("nan")}, "above 0"),
        ({"measured": np.ones((3, 3))}, r"\(3, 3\)"),
    ],
)
def test_bad_arguments_are_refused(arguments, message, clusters):
    """The error says what was given and what would do."""
    with pytest.raises(ValueError, match=message):
        cramer_rao(CLUSTERS, **arguments)
    with pytest.raises(ValueError, match="60"):
        lots_floor(clusters, lot_size=60)


def test_bad_images_are_refused(bad_image):
    """The same words as everywhere."""
    words, image = bad_image
    with pytest.raises(ValueError, match=words):
        maximum_likelihood(image)


def test_weights_of_open_and_closed_windows():
    """Half weight at the ends of whole cells only."""
    np.testing.assert_array_equal(
        trapezoid_weights(ReciprocalGrid((0, 1), (0, 0.5), (3, 2))),
        [[0.5, 0.5], [1, 1], [0.5, 0.5]],
    )
