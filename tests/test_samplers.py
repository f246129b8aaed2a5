"""Three samplers: against exact enumeration, their targets, and each other."""

import hashlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from xrlab import Encoding, diffraction_image, simulate
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.samplers import WARM_SAVES, default_cycles, growth_odds
from xrlab.crystal.spectrum import NotRealisableError, field_correlation, maximum_entropy


def test_gaussian_lattices_meet_their_targets():
    """At 256 x 256 over 60 random encodings: mean absolute error below 0.01, no common bias."""
    rng = np.random.default_rng(6)
    errors = []
    for _ in range(60):
        target = Encoding.random(4, rng, "realisable")
        errors.append(simulate(target, 256, "gaussian", rng).realised.vector - target.vector)
    errors = np.array(errors)
    assert np.abs(errors).mean() < 0.01
    standard_error = errors.std(axis=0) / np.sqrt(len(errors))
    assert np.abs(errors.mean(axis=0) / standard_error).max() < 3.5  # the largest of fifteen


@pytest.mark.parametrize("span", [2, 4])
def test_gaussian_lattices_have_no_bias(span):
    """At 50 x 50, where fixed concentration and phases alone would shift them by 5 errors."""
    rng = np.random.default_rng(8)
    targets = [Encoding.random(span, rng, "realisable") for _ in range(800)]
    errors = np.array(
        [simulate(t, 50, "gaussian", rng).realised.vector - t.vector for t in targets]
    )
    in_errors = errors.mean(axis=0) / errors.std(axis=0) * np.sqrt(len(errors))
    assert np.abs(in_errors).max() < 3.5


@pytest.mark.parametrize("sampler", ["gaussian", "monte_carlo"])
@pytest.mark.parametrize("concentration", [0.05, 0.3, 0.95])
def test_any_concentration(sampler, concentration):
    """Order that this concentration allows comes out, with exactly that many +1 sites."""
    target = Encoding.from_vector([0.4, 0.2, 0.15])
    found = []
    for seed in range(20):
        lattice = simulate(target, 64, sampler, seed, concentration=concentration)
        assert np.count_nonzero(lattice.sites > 0) == round(concentration * 64**2)
        found.append(lattice.realised.vector)
    error = np.std(found, axis=0) / np.sqrt(20)
    assert (np.abs(np.mean(found, axis=0) - target.vector) < 4 * error + 0.01).all()


@pytest.mark.parametrize("concentration", [0.5, 0.3, 0.9])
@pytest.mark.parametrize(("r", "s"), [(0.6, 0.6), (0.5, -0.1), (-0.1, -0.05), (0.0, 0.8)])
def test_growth_has_the_stated_correlations_exactly(r, s, concentration):
    """Summed over all 4096 states of 3 x 4 sites, every pair has r^|i| s^|j|, either diagonal."""
    block = growth_odds(r, s, concentration)
    after_a, after_b = block.sum(axis=(0, 2)), block.sum(axis=(0, 1))
    states = np.array(list(product((0, 1), repeat=12))).reshape(-1, 3, 4)
    odds = np.ones(len(states))
    for x in range(3):
        for y in range(4):
            here = states[:, x, y]
            if x and y:
                table = block[states[:, x - 1, y - 1], states[:, x - 1, y], states[:, x, y - 1]]
            elif x:
                table = after_a[states[:, x - 1, y]]
            elif y:
                table = after_b[states[:, x, y - 1]]
            else:
                table = np.tile([1 - concentration, concentration], (len(states), 1))
            odds *= np.take_along_axis(table / table.sum(axis=1, keepdims=True), here[:, None], 1)[
                :, 0
            ]
    assert odds.sum() == pytest.approx(1, abs=1e-12)
    mean = 2 * concentration - 1
    u = (2 * states - 1 - mean) / np.sqrt(1 - mean**2)
    np.testing.assert_allclose(np.tensordot(odds, u, 1), 0, atol=1e-12)
    for x, y in np.ndindex(3, 4):
        found = np.tensordot(odds, u * u[:, x : x + 1, y : y + 1], 1)
        i, j = np.abs(np.arange(3) - x), np.abs(np.arange(4) - y)
        np.testing.assert_allclose(found, np.outer(r**i, s**j), atol=1e-12)


def test_grown_lattices_have_the_stated_correlations():
    """The code grows what the probabilities say: within 4 standard errors over 100 lattices."""
    r, s, size = 0.5, -0.3, 80
    target = Encoding.product(r, s, 4)
    found = []
    for seed in range(100):
        u = simulate(target, size, "growth", seed).sites.astype(float)
        found.append(
            [
                [(u[: size - i, : size - j] * u[i:, j:]).mean() for j in range(4)]
                + [(u[: size - i, j:] * u[i:, : size - j]).mean() for j in range(1, 4)]
                for i in range(4)
            ]
        )
    powers = np.outer(r ** np.arange(4), s ** np.array([0, 1, 2, 3, 1, 2, 3]))
    error = np.std(found, axis=0) / 10
    assert (np.abs(np.mean(found, axis=0) - powers) <= 4 * error + 1e-12).all()


def statistics(target, seed, start, cycles=None):
    """Realised less target, and what can be seen of lattice and image."""
    rng = np.random.default_rng([seed, start == "warm"])
    lattice = simulate(target, seed=rng, start=start, cycles=cycles)
    sites = lattice.sites.astype(float)
    image = diffraction_image(lattice, seed=rng)
    return [
        *(lattice.realised.vector - target.vector),
        image.max(),
        image.var(),
        np.log(image + 1e-3).mean(),
        *((sites * np.roll(sites, shift, (0, 1))).mean() for shift in ((1, -1), (5, 0), (5, 5))),
        (sites * np.roll(sites, 1, 0) * np.roll(sites, 1, 1) * np.roll(sites, 1, (0, 1))).mean(),
    ]


@pytest.mark.parametrize("span", [2, 4])
def test_warm_and_cold_starts_cannot_be_told_apart(span):
    """Two samples of 150, an eighth of the swaps in one: Kolmogorov-Smirnov on every statistic."""
    assert WARM_SAVES >= 8
    rng = np.random.default_rng(span)
    targets = [Encoding.random(span, rng, "realisable") for _ in range(150)]

    def sample(start, cycles=None):
        return np.array([statistics(t, n, start, cycles) for n, t in enumerate(targets)])

    def least_p(first, second):
        p_values = [ks_2samp(a, b).pvalue for a, b in zip(first.T, second.T, strict=True)]
        return min(p_values) * len(p_values)  # Bonferroni

    cold = sample("cold")
    assert least_p(sample("warm"), cold) > 0.01
    # the test has teeth: a cold start that stops early is told apart
    assert least_p(sample("cold", 4), cold) < 0.01


def test_cold_start_is_that_of_the_shipped_weights():
    """Sites for a seed, as the training data of the shipped networks had them."""
    sites = simulate(Encoding.random(3, 5), 20, seed=7, start="cold").sites
    assert hashlib.sha256(sites.tobytes()).hexdigest()[:16] == "0de3952897329c82"


def test_warm_start_falls_back_where_there_is_no_field():
    """An impossible target is simulated from a cold start, as well as it goes."""
    impossible = Encoding.from_vector([-0.9, -0.9, -0.9])
    warm, cold = (simulate(impossible, seed=1, start=start) for start in ("warm", "cold"))
    np.testing.assert_array_equal(warm.sites, cold.sites)
    with pytest.raises(NotRealisableError):
        simulate(impossible, sampler="gaussian")


@settings(max_examples=20)
@given(st.sampled_from(["gaussian", "growth", "monte_carlo"]), st.integers(0, 2**32))
def test_same_seed_same_lattice(sampler, seed):
    """A seed decides everything, for every sampler."""
    target = Encoding.product(0.3, -0.2, 3)
    first, again = (simulate(target, 20, sampler, seed) for _ in range(2))
    np.testing.assert_array_equal(first.sites, again.sites)
    assert first.realised == realised_correlations(first.sites, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": "growth"}, r"c\(1, 1\) is 0.5 instead of 0.09"),
        ({"sampler": "gaussian", "cycles": 3}, "cycles go with sampler 'monte_carlo'"),
        ({"sampler": "growth", "start": "cold"}, "start go with sampler 'monte_carlo'"),
        ({"start": "tepid"}, "'warm' or 'cold'; got 'tepid'"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused(arguments, message):
    """The error says which and why; growth has no order too negative for the concentration."""
    with pytest.raises(ValueError, match=message):
        simulate(Encoding.from_vector([0.3, 0.3, 0.5]), **arguments)
    for c, concentration in (((-0.9, 0.1), 0.2), ((-0.2, -0.2), 0.85)):
        with pytest.raises(ValueError, match="concentration"):
            simulate(Encoding.product(*c, 2), sampler="growth", concentration=concentration)


def test_steps_of_newton():
    """Ten to twenty for encodings as they come."""
    steps = [
        maximum_entropy(field_correlation(Encoding.random(4, n, "realisable").matrix), 50).steps
        for n in range(200)
    ]
    assert np.median(steps) <= 15
    assert np.percentile(steps, 95) <= 20
    assert default_cycles(4, 50) == 300
