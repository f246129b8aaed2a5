"""The bound for measured images."""

import numpy as np
import pytest

from xrlab import predict
from xrlab.inference.metrics import r2_score
from xrlab.measurement.effects import background, blur, bragg_peaks, counting, envelope
from xrlab.measurement.instrument import Instrument
from xrlab.trials import photon_limit
from xrlab.trials.photon_limit import LAWS, Law, limits, posterior_covariance
from xrlab.trials.trial import trials

RNG = np.random.default_rng(4)
H = np.linspace(0, 2, 64)
WAVES = np.array([np.cos(2 * np.pi * n * H)[:, None] * np.ones(64) for n in (1, 2, 3)])
SPECTRUM = Law(np.ones((64, 64)), 0.2 * WAVES, np.zeros((64, 64)))
CAMERA = Instrument(
    (
        ("envelope", envelope, {"size": 0.3, "falloff": 3}),
        ("bragg", bragg_peaks, {"intensity": 0.5, "width": 0.02}),
        ("background", background, {"constant": 0.5}),
        ("blur", blur, {"width": 0.03}),
        ("counting", counting, {"exposure": 3}),
    )
)


def drawn(n):
    """Coefficients of variance 1 and images of the law."""
    coefficients = RNG.normal(size=(n, 3)).clip(-1.5, 1.5)
    return coefficients, SPECTRUM.mean + np.einsum("nc,chk->nhk", coefficients, SPECTRUM.components)


def test_one_flat_component_counts_photons():
    """A flat S, 1 +- s, and nothing else: the variance over s^2 is 1 / (1 + s^2 x photons)."""
    spread, exposure = 0.3, 50
    flat = Law(np.ones((64, 64)), spread * np.ones((1, 64, 64)), np.zeros((64, 64)))
    plain = Instrument(
        (
            ("envelope", envelope, {"values": np.ones((64, 64))}),
            ("blur", blur, {"width": 1e-3}),
            ("counting", counting, {"exposure": exposure}),
        )
    )
    image = np.ones((64, 64))
    image[:10] = np.nan  # unmeasured
    found = posterior_covariance(plain.measure(image, seed=1), flat)
    assert found == pytest.approx(1 / (1 + spread**2 * exposure * 54 * 64), rel=1e-6)


def test_the_linear_estimator_reaches_the_bound():
    """Weighted least squares with the true E and A, on 300 simulated measurements."""
    coefficients, images = drawn(300)
    measured = [CAMERA.measure(image, seed=n) for n, image in enumerate(images)]
    errors, bounds = [], []
    for true, m in zip(coefficients, measured, strict=True):
        factor = m.factor("envelope")
        fields = [blur(factor * (wave + 1), width=0.03) for wave in SPECTRUM.components]
        fields = np.reshape(fields - blur(factor, width=0.03), (3, -1))  # blur takes no image < 0
        known = factor * SPECTRUM.mean + m.added("bragg") + m.added("background")
        variance = m.before("counting").ravel() / 3
        residual = (m.image - blur(known, width=0.03)).ravel()
        precision = (fields / variance) @ fields.T + np.eye(3)
        errors.append(np.linalg.solve(precision, (fields / variance) @ residual) - true)
        bounds.append(np.diag(posterior_covariance(m, SPECTRUM)))
    assert np.mean(np.square(errors), axis=0) == pytest.approx(np.mean(bounds, axis=0), rel=0.3)


def test_who_knows_less_reads_no_better():
    """The bound grows with every law that takes the place of knowledge, in every direction."""
    measurement = CAMERA.measure(drawn(1)[1][0], seed=3)
    factor = Law(np.ones((64, 64)), 0.3 * WAVES[:2].swapaxes(1, 2), np.zeros((64, 64)))
    added = Law(np.ones((64, 64)), np.concatenate([0.3 * WAVES[:1], np.ones((1, 64, 64))]), 0)
    known = posterior_covariance(measurement, SPECTRUM)
    for laws in ((factor, None), (None, added), (factor, added)):
        less = posterior_covariance(measurement, SPECTRUM, *laws)
        assert np.linalg.eigvalsh(less - known).min() > -1e-12
        assert np.trace(less) > np.trace(known)


def test_law_keeps_mean_and_variance_of_its_images():
    images = RNG.normal(2, 1, (200, 8, 8)) * np.linspace(1, 3, 8)
    law = Law.of(images, 20)
    assert law.mean == pytest.approx(images.mean(axis=0))
    assert (law.components**2).sum(axis=0) + law.left == pytest.approx(images.var(axis=0))


def test_limits_of_a_preset(monkeypatch):
    """More knowledge, a higher limit; the network's figure is that of the trial of this name."""
    monkeypatch.setattr(photon_limit, "DRAWS", 300)
    monkeypatch.setattr(photon_limit, "COMPONENTS", {"S": 100, "E": 30, "A": 40})
    found = limits("bad day", 12, seed=6)
    assert 0.5 < found[LAWS] < found["E and A known"] < 1
    (trial,) = trials(12, 6, ["bad day"])
    answers, _ = predict(trial.images, 4, "measured")
    assert found["network"] == pytest.approx(r2_score(trial.encodings, answers))


def test_limit_of_crystals_is_above_that_of_a_shorter_exposure(monkeypatch):
    """The bound for images without grain falls with the counted photons."""
    monkeypatch.setattr(photon_limit, "DRAWS", 150)
    monkeypatch.setattr(photon_limit, "COMPONENTS", {"S": 60, "E": 30, "A": 40})
    bright = limits("synchrotron", 6, 7, photon_limit.crystals)
    dark = limits("bad day", 6, 7, photon_limit.crystals)
    assert dark[LAWS] < bright[LAWS] < 1
    assert dark["E and A known"] < bright["E and A known"] < 1


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="good day"):
        limits("good day", 1)
