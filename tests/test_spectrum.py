"""Maximum-entropy spectra against closed forms, proofs and an independent integral."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from xrlab import Encoding
from xrlab.crystal.spectrum import (
    NotRealisableError,
    extend,
    field_correlation,
    lattice_correlation,
    lowest_value,
    maximum_entropy,
    phase_shift,
)


@settings(max_examples=40)
@given(st.integers(2, 8), st.integers(0, 2**32))
def test_correlations_are_met(span, seed):
    """Every wanted rho, to 1e-8, in at most 40 steps, with a positive spectrum of mean 1."""
    rho = field_correlation(Encoding.random(span, seed, "realisable").matrix)
    spectrum = maximum_entropy(rho, 64)
    np.testing.assert_allclose(spectrum.correlations[:span, :span], rho, atol=1e-8)
    assert spectrum.values.min() > 0
    assert spectrum.values.mean() == pytest.approx(1)
    assert spectrum.steps <= 40


def test_a_fixed_mean_leaves_nothing_at_the_origin():
    """S(0, 0) = 0, every wanted rho met, from an answer without that condition too."""
    rho = field_correlation(Encoding.random(3, 1, "realisable").matrix)
    start = maximum_entropy(rho, 48)
    for options in ({}, {"start": start}):
        spectrum = maximum_entropy(rho, 48, fixed_mean=True, **options)
        assert spectrum.values[0, 0] < 1e-200
        np.testing.assert_allclose(spectrum.correlations[:3, :3], rho, atol=1e-8)


@pytest.mark.parametrize("concentration", [0.5, 0.3])
def test_cut_waves_of_random_phase_have_the_shift(concentration):
    """Fields of 24 x 24 sites: within four standard errors and a third, the terms left out."""
    rng = np.random.default_rng(4)
    rho = [[1, -0.6, 0.4], [0.7, -0.45, 0.3], [0.5, -0.35, 0.25]]
    spectrum = maximum_entropy(rho, 24, fixed_mean=True)
    gaussian = lattice_correlation(spectrum.correlations[:3, :3], concentration)
    found = []
    for _ in range(30):
        waves = np.fft.fft2(rng.standard_normal((200, 24, 24)))
        fields = np.fft.ifft2(waves / np.abs(waves) * np.sqrt(spectrum.values)).real
        s = np.where(fields > np.quantile(fields, 1 - concentration), 1.0, -1.0)
        pairs = [[(s * np.roll(s, (-i, -j), (1, 2))).mean() for j in range(3)] for i in range(3)]
        found.append((np.array(pairs) - s.mean() ** 2) / (1 - s.mean() ** 2) - gaussian)
    error = np.std(found, axis=0) / np.sqrt(30)
    shift = phase_shift(spectrum, 3, concentration)
    assert (np.abs(np.mean(found, axis=0) - shift) <= 4 * error + np.abs(shift) / 3 + 1e-9).all()
    assert np.abs(shift).max() > 12 * error.max()  # the test has teeth


@pytest.mark.parametrize("rho", [-0.9, 0.3, 0.8])
def test_a_chain_has_the_spectrum_of_a_markov_process(rho):
    """S(k) = (1 - rho^2) / (1 + rho^2 - 2 rho cos 2 pi k), at every h."""
    k = np.arange(256) / 256
    expected = (1 - rho**2) / (1 + rho**2 - 2 * rho * np.cos(2 * np.pi * k))
    found = maximum_entropy([[1, rho], [0, 0]], 256).values
    np.testing.assert_allclose(found, np.tile(expected, (256, 1)), rtol=1e-6)


def test_no_other_spectrum_has_more_entropy():
    """Changes of S that keep the wanted correlations lower the mean of ln S."""
    rng = np.random.default_rng(0)
    rho = field_correlation(Encoding.random(3, 1, "realisable").matrix)
    best = maximum_entropy(rho, 32).values
    for _ in range(50):
        change = np.fft.fft2(rng.standard_normal((32, 32)) * 1e-2).real
        moments = np.fft.ifft2(change)
        for i in range(3):
            for j in range(3):
                moments[i, j] = moments[-i, -j] = 0
        change = np.fft.fft2(moments).real
        change *= rng.random() * 0.9 / np.abs(change / best).max()
        np.testing.assert_allclose(np.fft.ifft2(change).real[:3, :3], 0, atol=1e-12)
        assert np.log(best + change).mean() < np.log(best).mean()


@settings(max_examples=40)
@given(st.integers(2, 4), st.integers(0, 2**32))
def test_what_cannot_be_had_is_refused_with_a_proof(span, seed):
    """A function that is positive everywhere, with which these correlations have a negative sum."""
    rho = field_correlation(Encoding.random(span, seed).matrix)
    try:
        spectrum = maximum_entropy(rho, 64)
    except NotRealisableError as error:
        proof = error.certificate
        total = 2 * (proof * rho).sum() - proof[0, 0]
        assert lowest_value(proof, 64) > 0
        assert total <= 0
    else:
        np.testing.assert_allclose(spectrum.correlations[:span, :span], rho, atol=1e-7)


def test_softness_always_finds_an_answer():
    """What is missed is softness times lambda, and a softer answer misses more."""
    rho = np.array([[1, 0.95, -0.9], [-0.95, 0.9, 0.9], [0.9, -0.9, 0.9]])
    missed = []
    for softness in (0.01, 0.1, 1):
        spectrum = maximum_entropy(rho, 48, softness=softness)
        off = spectrum.correlations[:3, :3] - rho
        expected = softness * spectrum.multipliers
        np.testing.assert_allclose(off.ravel()[1:], expected.ravel()[1:], atol=1e-7)
        missed.append((off**2).sum())
    assert missed == sorted(missed)


@pytest.mark.parametrize("concentration", [0.05, 0.2, 0.5, 0.9])
def test_cut_fields_have_the_correlation_of_the_normal_integral(concentration):
    """Of two normal variables above a threshold, by SciPy's bivariate distribution function."""
    mean = 2 * concentration - 1
    threshold = norm.ppf(1 - concentration)
    for rho in (-0.8, -0.3, 0.0, 0.4, 0.95):
        both_below = multivariate_normal.cdf([threshold] * 2, cov=[[1, rho], [rho, 1]])
        pair = 1 - 4 * (1 - concentration - both_below)  # <s s'>: below and above, twice
        expected = (pair - mean**2) / (1 - mean**2)
        assert lattice_correlation(rho, concentration) == pytest.approx(expected, abs=2e-5)


@given(st.floats(0.05, 0.95), st.floats(-0.999, 0.999))
def test_field_and_lattice_correlation_undo_each_other(concentration, rho):
    """There and back, at any concentration."""
    c = lattice_correlation(rho, concentration)
    again = lattice_correlation(field_correlation(c, concentration), concentration)
    assert again == pytest.approx(c, abs=1e-6)


def test_extension_of_an_endless_lattice():
    """(2/pi) asin(rho^|j|) along a chain, at every distance."""
    rho = 0.9
    found = extend([[1, 2 / np.pi * np.arcsin(rho)], [0, 0]], reach=30)
    j = np.abs(np.arange(-30, 31))
    np.testing.assert_allclose(found[30], 2 / np.pi * np.arcsin(rho**j), atol=2e-3)
    np.testing.assert_allclose(np.delete(found, 30, axis=0), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: field_correlation([-0.5], 0.1), r"lowest there is -0\.11"),
        *(
            (lambda rho=rho: maximum_entropy(rho, 32), "begins with 1")
            for rho in (np.ones((2, 3)), np.zeros((2, 2)), np.ones(4))
        ),
        (lambda: maximum_entropy(np.eye(4), 6), "take 7 or more"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    """Too much order for the concentration, no matrix of correlations, too small a grid."""
    with pytest.raises(ValueError, match=message):
        call()
