"""Lattices against brute force, exact enumeration and each other."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xrlab import Encoding, simulate
from xrlab.crystal.kernels import swap_cycles
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.samplers import default_cycles


@given(arrays(np.int8, (9, 9), elements=st.sampled_from([-1, 1])), st.integers(2, 4))
def test_realised_correlations_equal_the_sum_over_all_pairs(sites, span):
    """Every c(i, j) is the plain average over the lattice, wrapped round."""
    if abs(sites.sum()) == sites.size:
        sites[0, 0] *= -1
    mean = sites.mean()
    for i in range(span):
        for j in range(span):
            pairs = [
                float(sites[x, y]) * sites[(x + i) % 9, (y + j) % 9]
                for x in range(9)
                for y in range(9)
            ]
            expected = (np.mean(pairs) - mean**2) / (1 - mean**2)
            assert realised_correlations(sites, span).matrix[i, j] == pytest.approx(expected)


def test_monte_carlo_samples_the_boltzmann_distribution():
    """At fixed couplings, mean correlations are those of all 12,870 states of a 4 x 4 lattice."""
    coupling = np.array([[0.0, 0.15], [-0.1, 0.2]])
    states = np.full((12870, 16), -1.0)
    for state, places in zip(states, combinations(range(16), 8), strict=True):
        state[list(places)] = 1
    states = states.reshape(-1, 4, 4)
    pairs = {(i, j): (i, j) for i in (0, 1) for j in (0, 1) if i or j}
    means = np.stack(
        [(states * np.roll(states, (-i, -j), (1, 2))).mean(axis=(1, 2)) for i, j in pairs], axis=1
    )
    weight = np.exp(16 * means @ [coupling[pair] for pair in pairs])
    exact = weight @ means / weight.sum()

    rng = np.random.default_rng(7)
    sites = rng.permutation(np.repeat([-1, 1], 8)).astype(np.int8).reshape(4, 4)
    target = np.eye(2)
    samples = []
    for _ in range(40_000):
        swap_cycles(sites, coupling, target, 2, 0.0, rng)
        samples.append(realised_correlations(sites, 2).vector)
    # Neighbouring samples are alike: errors from 100 blocks.
    blocks = np.array(samples).reshape(100, 400, 3).mean(axis=1)
    error = blocks.std(axis=0, ddof=1) / 10
    assert np.all(np.abs(blocks.mean(axis=0) - exact) < 4.5 * error)
    assert error.max() < 0.01


@pytest.mark.parametrize(("span", "size"), [(2, 50), (3, 50), (4, 50), (4, 96), (5, 20)])
def test_monte_carlo_reaches_a_target_that_exists(span, size):
    """The correlations of one lattice are found again by others, on average over forty of them."""
    pattern = simulate(Encoding.from_vector([0.4, -0.3, -0.1]), 96, seed=3)
    target = realised_correlations(pattern.sites, span).vector
    encoding = Encoding.from_vector(target)
    found = np.array([simulate(encoding, size, seed=seed).realised.vector for seed in range(40)])
    standard_error = found.std(axis=0) / np.sqrt(40)
    assert standard_error.max() < 0.025
    assert (np.abs(found.mean(axis=0) - target) < 0.005 + 3 * standard_error).all()
    # One lattice of N x N sites scatters by a few times the 1/N of independent sites.
    assert (found - target).std() < 3 / size


@settings(max_examples=20)
@given(st.floats(0.05, 0.95), st.integers(4, 30), st.integers(0, 2**32))
def test_concentration_is_kept(concentration, size, seed):
    """Swaps change neither the number of +1 sites nor what a site can be."""
    encoding = Encoding.from_vector([0.2, 0.0, -0.1])
    if round(concentration * size**2) in (0, size**2):
        return
    lattice = simulate(encoding, size, seed=seed, concentration=concentration, cycles=3)
    assert np.count_nonzero(lattice.sites == 1) == round(concentration * size**2)
    assert set(np.unique(lattice.sites)) == {-1, 1}
    assert lattice.sites.dtype == np.int8


def test_same_seed_same_lattice():
    """A seed decides everything; another seed gives another lattice."""
    target = Encoding.random(3, 1)
    first, again, other = (simulate(target, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.sites, again.sites)
    assert (first.sites != other.sites).any()
    from_generator = simulate(target, seed=np.random.default_rng(5))
    np.testing.assert_array_equal(first.sites, from_generator.sites)


def test_published_cycles_are_the_default():
    """200 cycles for span 2, 300 for spans 3 and 4 at 50 x 50, 500 at 96 x 96."""
    assert [default_cycles(span, 50) for span in (2, 3, 4)] == [200, 300, 300]
    assert [default_cycles(span, 96) for span in (2, 3, 4)] == [500, 500, 500]


def test_realised_encoding_spreads_as_published():
    """Uniform targets give realised values with the study's standard deviations."""
    published = {2: 0.47, 3: 0.37, 4: 0.30}
    for span, spread in published.items():
        rng = np.random.default_rng(span)
        realised = [simulate(Encoding.random(span, rng), seed=rng).realised for _ in range(150)]
        assert np.std([e.vector for e in realised], axis=0).mean() == pytest.approx(
            spread, abs=0.03
        )


WEAK = Encoding.from_vector([0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (simulate, (WEAK, 3), "too small for span 2"),
        (simulate, (WEAK, 0), "too small"),
        (partial(simulate, concentration=0.01), (WEAK,), "0.05 to 0.95"),
        (partial(simulate, concentration=np.nan), (WEAK,), "0.05 to 0.95"),
        (partial(simulate, cycles=0), (WEAK,), "at least 1 cycle"),
        (simulate, (WEAK, 50, "magic"), "monte_carlo"),
        (simulate, ([0.1, 0.1, 0.1],), "needs an Encoding, not list"),
        (realised_correlations, (np.ones((4, 4)), 2), "both of them"),
        (realised_correlations, (np.arange(16).reshape(4, 4), 2), r"\+1 and -1"),
        (realised_correlations, (np.ones((2, 3)), 2), "square"),
        (realised_correlations, (np.full((4, 4), np.nan), 2), r"\+1 and -1"),
        (realised_correlations, (np.indices((4, 4)).sum(0) % 2 * 2 - 1, 5), "4 x 4 .* of span 5"),
    ],
)
def test_bad_arguments_are_refused(function, arguments, message):
    """The error says what was given and what would do; no lattice is wrapped round in silence."""
    with pytest.raises(ValueError, match=message):
        function(*arguments)
