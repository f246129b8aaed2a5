"""The compiled kernels against the same computations in plain NumPy and Python."""

import numpy as np
import plain
import pytest

from xrlab import Encoding
from xrlab.crystal import kernels, samplers


def test_swaps_and_growth_agree_site_by_site():
    """The same seed gives the same lattice and the same couplings, bit by bit."""
    rng = np.random.default_rng(0)
    for span, concentration in ((2, 0.5), (3, 0.5), (4, 0.3)):
        target = Encoding.random(span, rng, "realisable")
        coupling = rng.normal(0, 0.2, (span, span))
        start = np.where(rng.permutation(400).reshape(20, 20) < concentration * 400, 1, -1)
        results = []
        for swap in (kernels.swap_cycles, plain.swap_cycles):
            sites, learnt = start.astype(np.int8), coupling.copy()
            swap(sites, learnt, target.matrix, 6, 0.5, np.random.default_rng(1))
            results.append((sites, learnt))
        np.testing.assert_array_equal(results[0][0], results[1][0])
        np.testing.assert_array_equal(results[0][1], results[1][1])
    block, uniform = samplers.growth_odds(0.4, -0.3, 0.6), rng.random((30, 30))
    grown = plain.grow(block, uniform)
    np.testing.assert_array_equal(grown, kernels.grow(block, uniform))
    np.testing.assert_array_equal(
        plain.pair_means(grown, 4), kernels.pair_means(grown.astype(np.int8), 4)
    )


@pytest.mark.parametrize("fixed_mean", [False, True])
@pytest.mark.parametrize(("size", "n"), [(9, 2), (50, 4)])
def test_spectral_sums_agree(size, n, fixed_mean):
    """Sums over waves differ by rounding only."""
    rng, turn = np.random.default_rng(size), kernels.unit_waves(size)
    lam = np.append(1.0, rng.uniform(-1, 1, n * n - 1) / n**2 / 2)
    inverse = kernels.inverse_spectrum(lam, turn, fixed_mean)
    np.testing.assert_allclose(plain.inverse_spectrum(lam, turn, fixed_mean), inverse, rtol=1e-12)
    for ours, theirs in zip(
        plain.moments(inverse, n, turn), kernels.moments(inverse, n, turn), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
