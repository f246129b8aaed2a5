"""Measured crystals for calibration and tests, and the scores of joint posteriors."""

import numpy as np
import pytest
from scipy.stats import multivariate_t

from xrlab.crystal.grid import STANDARD_GRID
from xrlab.measurement.effects import background
from xrlab.trials.crystals import (
    INSTRUMENTS,
    _drop_dimers,
    calibration_crystals,
    crystal_trial,
    domain_crystal,
    joint_score,
    lattice_crystal,
    log_scores,
    maximum_entropy_crystal,
)
from xrlab.trials.trial import Trial


def test_a_large_lattice_has_little_grain():
    """The image of random sites is 1 everywhere to about 2 %, its correlations 0."""
    sites = np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (768, 768))
    image, vector = lattice_crystal(sites)
    assert image.std() < 0.03
    assert image.mean() == pytest.approx(1, abs=0.01)
    assert np.abs(vector).max() < 0.006


def test_labels_are_those_of_the_image():
    """The cosine transform of an image without instrument gives the damped label."""
    for crystal in (domain_crystal, maximum_entropy_crystal):
        image, vector = crystal(np.random.default_rng(3))
        cells = image[:-1, :-1]  # 63 x 63 points, two cells
        q = STANDARD_GRID.h_values[:-1]
        i, j = np.indices((4, 4))
        waves = np.cos(2 * np.pi * (i[..., None, None] * q[:, None] + j[..., None, None] * q))
        c = (waves * cells).mean(axis=(2, 3)).ravel()[1:]
        assert np.corrcoef(c, vector)[0, 1] > 0.98
        assert np.abs(c).max() <= np.abs(vector).max() + 0.05


def test_dimers_cover_what_is_asked_in_pairs():
    """Dimers along b alone: an even number of sites in every row, the number asked for."""
    sites = np.full((40, 40), -1, np.int8)
    _drop_dimers(sites, 0.0, 300, np.random.default_rng(0))
    assert (sites > 0).sum() == 600
    assert ((sites > 0).sum(axis=1) % 2 == 0).all()


def test_calibration_knows_its_backgrounds():
    """The share is that of the background where it can be counted: no envelope, no order."""
    trial = calibration_crystals(10, 5)
    again = calibration_crystals(5, 5)
    np.testing.assert_array_equal(trial.images[:5], again.images)
    assert ((trial.shares > 0) & (trial.shares < 1)).all()
    assert trial.form_factors.shape == trial.images.shape
    assert len(INSTRUMENTS) == 5
    level = background(np.zeros((64, 64)), constant=1.0, air=0.0)
    assert level.mean() == 1


def test_unknown_tests_are_refused():
    """The error names those that there are."""
    with pytest.raises(ValueError, match="no test 'sunshine'; take one of no instrument"):
        crystal_trial("sunshine", 2, 0)


def test_scores_of_a_true_posterior_are_nominal():
    """Deviations drawn from the stated Student distribution: all coverages and ratios fit."""
    rng = np.random.default_rng(0)
    n, freedom = 4000, 6.0
    factor = rng.normal(0, 0.05, (n, 15, 15))
    scale = factor @ factor.swapaxes(1, 2) + 0.01 * np.eye(15)
    normal = (np.linalg.cholesky(scale) @ rng.standard_normal((n, 15, 1)))[..., 0]
    deviation = normal / np.sqrt(rng.chisquare(freedom, (n, 1)) / freedom)
    trial = Trial("true", np.zeros((n, 2, 2)), deviation)

    def read(images):
        return np.zeros((n, 15)), scale * freedom / (freedom - 2), freedom

    score = joint_score(trial, read)
    exact = multivariate_t.logpdf(deviation[7], None, scale[7], df=freedom)
    assert log_scores(trial, read)[7] == pytest.approx(exact / 15)
    assert score.coverage50 == pytest.approx(0.5, abs=0.02)
    assert score.coverage90 == pytest.approx(0.9, abs=0.015)
    assert score.coverage99 == pytest.approx(0.99, abs=0.005)
    assert score.ellipsoid90 == pytest.approx(0.9, abs=0.02)
    assert score.spectrum_ratio == pytest.approx(1, abs=0.06)
    narrow = joint_score(trial, lambda images: (np.zeros((n, 15)), scale / 4, freedom))
    assert narrow.log_score < score.log_score
    assert narrow.coverage90 < 0.75
