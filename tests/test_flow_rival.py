"""The comparison with a normalizing flow, without the flow: its units, calibration and scores."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from flow_rival import (
    FREEDOMS,
    Flow,
    Heads,
    Scaled,
    Summary,
    joined,
    paired,
    scaled,
    spread,
    student,
    vectors_of,
    whitened,
)
from scipy import stats

from xrlab.networks.measured import EXCHANGED


def summary(n: int, spread: float = 1.0, seed: int = 0) -> Summary:
    """Correlations drawn from a normal distribution `spread` times as wide as is stated."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, 15, 15)) / 40 + np.eye(15) * rng.uniform(0.02, 0.2, (n, 1, 1))
    mean = rng.uniform(-0.5, 0.5, (n, 15))
    covariance = root @ root.swapaxes(1, 2)
    z = spread * rng.normal(size=(n, 15))
    vectors = mean + np.einsum("nab,nb->na", np.linalg.cholesky(covariance), z)
    size = np.log(np.diagonal(covariance, axis1=1, axis2=2)).mean(axis=1) / 2
    return Summary(vectors, mean, covariance, size, rng.random((n, 2, 192)), np.zeros((n, 4)))


def normal(z, _):
    return stats.norm.logpdf(z).sum(axis=1)


def test_density_of_the_correlations_follows_from_that_of_z():
    """A standard normal density of z / 2 is that of the stated mean and 4 times the covariance."""
    read = summary(6)
    wide = Scaled(normal, np.array([-9.0, 9.0]), np.array([2.0, 2.0]))
    expected = [
        stats.multivariate_normal.logpdf(c, mean, 4 * covariance) / 15
        for c, mean, covariance in zip(read.vectors, read.mean, read.covariance, strict=True)
    ]
    np.testing.assert_allclose(wide.log_scores(read), expected, rtol=1e-9)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_student_is_that_of_scipy(freedom):
    z = np.random.default_rng(1).normal(size=(5, 15))
    shape = np.eye(15) * (1 - 2 / freedom)
    expected = stats.multivariate_t.logpdf(z, np.zeros(15), shape, df=freedom)
    np.testing.assert_allclose(student(z, freedom), expected, rtol=1e-9)


def test_samples_of_z_become_correlations_by_the_inverse_of_whitened():
    read = summary(4)
    np.testing.assert_allclose(vectors_of(whitened(read)[0][:, None], read)[:, 0], read.vectors)


def test_calibration_recovers_the_width_of_the_errors():
    """Errors 1.5 times as wide as stated in one half of the images, right in the other."""
    wide, right = summary(600, 1.5), summary(600, seed=1)
    wide.size[:] += 10
    made = scaled(normal, joined([wide, right]))
    np.testing.assert_allclose(made.factors(wide), 1.5, rtol=0.06)
    np.testing.assert_allclose(made.factors(right), 1.0, rtol=0.06)


def test_true_intervals_hold_as_often_as_they_say():
    rng = np.random.default_rng(2)
    held = spread(rng.normal(size=(300, 1000, 15)), rng.normal(size=(300, 15)))
    assert held["rms_error"] == pytest.approx(1.0, rel=0.05)
    for level, part in ((50, 0.5), (90, 0.9), (99, 0.99)):
        assert held[f"coverage{level}"] == pytest.approx(part, abs=0.03)


def test_standard_error_is_that_of_the_difference_of_pairs():
    """What two scores of the same image have in common does not count."""
    common = np.random.default_rng(3).normal(size=50)
    better, error = paired(common + [0.1, 0.3] * 25, common)
    assert better == pytest.approx(0.2)
    assert error == pytest.approx(stats.sem([0.1, 0.3] * 25))


def test_exchanged_summary_has_the_same_score():
    """Labels, means and covariances exchanged alike: the same density."""
    read = summary(5)
    other = read.exchanged()
    np.testing.assert_array_equal(other.vectors, read.vectors[:, EXCHANGED])
    unit = Scaled(normal, np.array([-9.0, 9.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(unit.log_scores(other), unit.log_scores(read))


def test_missing_bayesflow_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bayesflow", None)
    with pytest.raises(SystemExit, match="pip install bayesflow"):
        Flow("normal", 0)


@pytest.mark.parametrize("mean", [True, False])
def test_heads_are_a_student_of_the_mean_and_scale_that_they_give(mean):
    """Their density is that of scipy, and their samples have its mean and covariance."""
    read = summary(3)
    heads = Heads(read, seed=0, mean=mean)
    z, _ = whitened(read)
    np.testing.assert_allclose(heads.density(z, read), student(z, heads.freedom), rtol=1e-5)
    last = next(layer for layer in heads.model.layers if layer.weights and layer.units == 135)
    bias = np.random.default_rng(4).normal(0, 0.2, 135)
    last.bias.assign(bias)
    bias[:15] *= mean
    factor = np.diag(np.exp(bias[15:30]))
    factor[np.tril_indices(15, -1)] = bias[30:]
    covariance = np.linalg.inv(factor.T @ factor)
    shape = covariance * (1 - 2 / heads.freedom)
    expected = stats.multivariate_t.logpdf(z, bias[:15], shape, df=heads.freedom)
    np.testing.assert_allclose(heads.density(z, read), expected, rtol=1e-4)
    drawn = heads.sample(read, 40_000, seed=5)[0]
    np.testing.assert_allclose(drawn.mean(axis=0), bias[:15], atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.12 * covariance.max())


def test_density_of_the_flow_is_one_in_all():
    """Samples of Student's t, weighted with the flow's density over theirs: mean weight 1."""
    pytest.importorskip("bayesflow", reason="an optional rival: pip install bayesflow")
    read = summary(512, spread=0.8)
    flow = Flow("student_t", seed=0)
    flow.fit(read, read, epochs=2)
    u = stats.multivariate_t.rvs(np.zeros(15), np.eye(15) * 0.75, df=5, size=8000, random_state=6)
    same = joined([Summary(**{name: x[:1] for name, x in vars(read).items()})] * len(u))
    weight = np.exp(
        flow.density(u, same) - stats.multivariate_t.logpdf(u, None, 0.75 * np.eye(15), 5)
    )
    assert weight.mean() == pytest.approx(1, abs=4 * stats.sem(weight))
    assert stats.sem(weight) < 0.1
    drawn = flow.sample(read, 500, seed=7)
    assert drawn.shape == (512, 500, 15)
