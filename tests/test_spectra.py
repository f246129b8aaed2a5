"""Exact spectra of crystals against closed forms, sums over all pairs and simulated lattices."""

import numpy as np
import pytest

from xrlab import Encoding, expected_image, simulate
from xrlab.crystal import spectra
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.spectrum import maximum_entropy


@pytest.mark.parametrize("ensemble", list(spectra.ENSEMBLES), ids=lambda e: e.__name__)
def test_every_ensemble_is_a_spectrum(ensemble):
    """S >= 0, c(0, 0) = 1, c alike at r and -r, and negligible order half way across."""
    for seed in range(5):
        c = ensemble(np.random.default_rng(seed))
        assert c[0, 0] == pytest.approx(1)
        np.testing.assert_allclose(c, np.roll(c[::-1, ::-1], 1, (0, 1)), atol=1e-12)
        assert np.fft.fft2(c).real.min() > -1e-9
        assert np.abs(c[64]).max() < 0.05


def test_growth_is_a_product_of_poisson_kernels():
    """S = P_r(h) P_s(k), with P_r = (1 - r^2) / (1 - 2 r cos 2 pi h + r^2)."""
    c = spectra.growth(np.random.default_rng(1))
    q = np.cos(2 * np.pi * np.arange(128) / 128)
    r, s = c[1, 0], c[0, 1]
    kernels = [(1 - x**2) / (1 - 2 * x * q + x**2) for x in (r, s)]
    np.testing.assert_allclose(spectra.spectrum_of(c), np.outer(*kernels), rtol=2e-3, atol=2e-3)


def test_image_agrees_with_expected_image():
    """The same maximum-entropy field by another way: both calculate the lots window exactly."""
    encoding = Encoding.from_vector([0.2, -0.1, 0.3])
    rho = np.sin(np.pi / 2 * encoding.matrix)
    spectrum = maximum_entropy(rho, 128).values
    c = spectra.cut(spectra.correlations_of(spectrum), 0.5)
    np.testing.assert_allclose(c[:2, :2], encoding.matrix, atol=1e-6)
    image = spectra.image_of(c, coherence=1e6, lots=40)
    np.testing.assert_allclose(image, expected_image(encoding, lot_size=40, size=128), atol=1e-4)


def test_image_is_the_sum_over_all_distances():
    """Brute force at one pixel, with a Gaussian resolution."""
    c = spectra.mean_field(np.random.default_rng(4))
    image = spectra.image_of(c, coherence=5)
    h, k = STANDARD_GRID.h_values[7], STANDARD_GRID.k_values[40]
    total = sum(
        c[i, j] * np.exp(-(i**2 + j**2) / 50) * np.cos(2 * np.pi * (h * i + k * j))
        for i in range(-40, 41)
        for j in range(-40, 41)
    )
    assert image[7, 40] == pytest.approx(total, abs=1e-4)


def test_cut_fields_have_the_correlations_of_simulated_ones():
    """At a concentration of 0.3, against thresholded random fields."""
    rng = np.random.default_rng(3)
    rho = spectra.log_series(np.random.default_rng(8))
    c = spectra.cut(rho, 0.3)
    amplitude = np.sqrt(np.maximum(spectra.spectrum_of(rho), 0))
    found = []
    for _ in range(30):
        field = np.fft.ifft2(amplitude * np.fft.fft2(rng.standard_normal((128, 128)))).real
        sites = np.where(field > np.quantile(field, 0.7), 1, -1)
        found.append(realised_correlations(sites, 4).vector)
    np.testing.assert_allclose(np.mean(found, axis=0), spectra.vector_of(c), atol=0.03)


def test_domains_without_rest_are_grown_lattices():
    """Grown walls in a chequered pattern: c = (-1)^(i + j) r^i s^j, one of the closed forms."""
    lattice = simulate(Encoding.product(0.8, 0.6, 4), 256, "growth", seed=2)
    x, y = np.indices((256, 256))
    found = realised_correlations(lattice.sites * (-1) ** (x + y), 4).matrix
    i, j = np.indices((4, 4))
    np.testing.assert_allclose(found, (-0.8) ** i * (-0.6) ** j, atol=0.06)


def test_moved_correlations_are_those_of_the_moved_lattice():
    """Each value is found again at another distance; the spectrum keeps its values."""
    c = spectra.maxima(np.random.default_rng(0))
    for seed in range(8):
        moved = spectra.moved(c, np.random.default_rng(seed))
        np.testing.assert_allclose(np.sort(moved, axis=None), np.sort(c, axis=None))
        assert np.fft.fft2(moved).real.min() > -1e-9


def test_random_crystals_are_images_with_labels():
    """Mean 1 over whole cells, never negative, and the label is that of the ensemble."""
    kinds = set()
    for seed in range(60):
        crystal = spectra.random_crystal(np.random.default_rng(seed))
        kinds.add(crystal.kind)
        assert crystal.image.min() >= 0
        assert crystal.image[:-1, :-1].mean() == pytest.approx(1, abs=1e-3)
        assert np.abs(crystal.vector).max() <= 1
    assert len(kinds) > 5
