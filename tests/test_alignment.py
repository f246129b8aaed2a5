"""Whether a pattern lies where the axes say: made images, moved by known amounts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xrlab import ReciprocalGrid
from xrlab.crystal.grid import BRAGG_RADIUS, STANDARD_GRID
from xrlab.interpretation.findings import LIMITS, bragg_positions
from xrlab.measurement.alignment import (
    BRIGHTEST,
    FAINT,
    SMOOTH,
    detail,
    half_turn,
    repetition,
    smooth_part,
    stray_peaks,
)
from xrlab.measurement.instrument import preset
from xrlab.trials.crystals import calibration_crystals

H, K = np.meshgrid(STANDARD_GRID.h_values, STANDARD_GRID.k_values, indexing="ij")
STEP = 2 / 63


def measured(h=H, k=K, seed=0, bragg=500.0, at=0.0, different=1.5):
    """A pattern on a slope with sharp peaks at whole h and k (or moved), counted."""
    pattern = sum(
        np.exp(
            -(np.hypot((h - s * 0.3 + 0.5) % 1 - 0.5, (k - s * 0.4 + 0.5) % 1 - 0.5) ** 2) / 0.01
        )
        for s in (1, -1)
    )
    distance = np.hypot((h - at + 0.5) % 1 - 0.5, (k + 0.5) % 1 - 0.5)
    logarithm = np.random.default_rng(1).normal(0, different, (9, 9))
    strength = np.exp(logarithm[np.round(h - at).astype(int) % 9, np.round(k).astype(int) % 9])
    peaks = bragg * strength * np.exp(-((distance / 0.02) ** 2))
    return np.random.default_rng(seed).poisson(50 * (8 * pattern * np.exp(-0.3 * h) + 1 + peaks))


@pytest.mark.parametrize("pixels", [0, 1, 2])
def test_a_shift_is_seen_and_measured(pixels):
    """By half a turn, to half a pixel; without a shift nothing is gained."""
    image = measured(H + pixels * STEP).astype(float)
    displacement, significance = half_turn(image, STANDARD_GRID)
    assert displacement == pytest.approx(pixels, abs=0.5)
    assert (significance > 5) == (pixels > 0)


def test_turned_and_longer_axes_are_seen():
    """Two degrees about the origin, and 3 %: the centre of the window moves."""
    angle = np.radians(2)
    turned = measured(H * np.cos(angle) - K * np.sin(angle), H * np.sin(angle) + K * np.cos(angle))
    longer = measured(1.03 * H, 1.03 * K)
    for image in (turned, longer):
        assert half_turn(image.astype(float), STANDARD_GRID)[1] > 5


def test_a_pattern_that_repeats_after_one_cell_does_so():
    """Not one that takes half as many pixels again, or twice; of noise nothing is missing."""
    values = [
        repetition(measured(f * H, f * K).astype(float), STANDARD_GRID) for f in (1, 0.7, 0.5)
    ]
    assert values[0] < 0
    assert min(values[1:]) > LIMITS["repetition"]
    noise = np.random.default_rng(0).poisson(50, H.shape).astype(float)
    assert repetition(noise, STANDARD_GRID) < LIMITS["repetition"]


@given(
    arrays(float, (SMOOTH + 1, SMOOTH + 1), elements=st.floats(-1, 1)),
    arrays(float, 4, elements=st.floats(-1, 1)),
    st.integers(0, 1000),
)
def test_the_smooth_part_takes_polynomials_and_leaves_what_repeats(weights, waves, seed):
    """Whatever else the image holds, and however much of it is unmeasured."""
    x = np.linspace(-1, 1, len(H))
    degree = np.add.outer(np.arange(SMOOTH + 1), np.arange(SMOOTH + 1))
    polynomial = np.polynomial.legendre.leggrid2d(x, x, np.where(degree <= SMOOTH, weights, 0))
    phases = 2 * np.pi * np.stack([H, K, H + K, H - K])
    rng = np.random.default_rng(seed)
    image, used = rng.normal(size=H.shape), rng.random(H.shape) < 0.7
    added = image + polynomial + np.tensordot(waves, np.cos(phases), 1)
    taken = smooth_part(added, used, STANDARD_GRID) - smooth_part(image, used, STANDARD_GRID)
    np.testing.assert_allclose(taken, polynomial, atol=1e-9)


def test_what_is_left_of_a_crystal_without_order_is_faint():
    """Its part of the mean intensity, without noise: what neighbouring pixels share."""
    presets = [preset("laboratory"), preset("synchrotron")]
    flat = np.ones(H.shape), np.zeros(15)
    taken = calibration_crystals(100, 8102, crystal=lambda _: flat, instruments=presets)
    parts = []
    for image in taken.images:
        used = np.isfinite(image) & (STANDARD_GRID.distance_to_bragg() >= BRAGG_RADIUS)
        values = np.minimum(image, np.quantile(image[used], BRIGHTEST))
        left = np.where(used, values - smooth_part(values, used, STANDARD_GRID), np.nan)
        beside = np.append(left[1:] * left[:-1], left[:, 1:] * left[:, :-1])
        parts.append(np.sqrt(max(np.nanmean(beside), 0)) / values[used].mean())
    assert np.mean(np.array(parts) < FAINT) >= 0.97


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_form_factor_alone_says_nothing_of_the_axes(seed, level):
    """That of a molecule, |sum f exp(2 pi i q r)|^2, varies within the window and repeats nowhere.

    A crystal without order, S = 1, has correlations of zero whatever its axes are.
    """
    rng = np.random.default_rng(seed)
    place, weight = rng.uniform(-0.3, 0.3, (6, 2)), rng.normal(0, 1, 6)
    waves = np.exp(2j * np.pi * np.tensordot(place, np.stack([H, K]), 1))
    factor = np.abs(np.tensordot(weight, waves, 1)) ** 2
    image = rng.poisson(500 * (factor / factor.mean() + level)).astype(float)
    assert repetition(image, STANDARD_GRID) < LIMITS["repetition"]
    assert half_turn(image, STANDARD_GRID)[1] < LIMITS["alignment"]


def test_noise_has_no_centre():
    """Without a pattern nothing is significant, and too few pixels give NaN."""
    noise = np.random.default_rng(0).poisson(50, H.shape).astype(float)
    assert half_turn(noise, STANDARD_GRID)[1] < 2
    few = np.full(H.shape, np.nan)
    few[:3] = 1.0
    assert np.isnan(half_turn(few, STANDARD_GRID)).all()
    assert np.isnan(detail(few * np.nan, STANDARD_GRID)).all()


@pytest.mark.parametrize(
    ("grid", "at", "stray"),
    [
        (STANDARD_GRID, 0.0, False),
        (STANDARD_GRID, 0.5, True),
        (STANDARD_GRID, 0.3, True),
        (ReciprocalGrid((-1, 1), (3, 5), (64, 64)), 0.0, False),
        (ReciprocalGrid((0.5, 2.5), (0, 2), (64, 64)), 0.0, False),
        (ReciprocalGrid((0.5, 2.5), (0, 2), (64, 64)), 0.5, True),
    ],
)
def test_peaks_away_from_whole_h_and_k(grid, at, stray):
    """Sharp peaks that repeat, wherever the window begins; single hot pixels do not count."""
    h, k = np.meshgrid(grid.h_values, grid.k_values, indexing="ij")
    image = measured(h, k, at=at).astype(float)
    image[10, 20] = image[40, 50] = 1e6
    value = stray_peaks(image, grid)
    assert (value > 5) == stray
    assert stray or value < 1


@pytest.mark.parametrize(("superstructure", "ok"), [(250.0, True), (10000.0, False)])
def test_a_superstructure_is_no_displacement(superstructure, ok):
    """Its maxima, as sharp as the Bragg peaks, pass while they are lower than these."""
    image = (measured() + measured(bragg=superstructure, at=0.5)).astype(float)
    finding = bragg_positions(image, STANDARD_GRID)
    assert finding.value > 0
    assert finding.ok == ok


@pytest.mark.parametrize(("different", "ok"), [(0.0, True), (1.5, False)])
def test_maxima_of_one_pattern_are_alike(different, ok):
    """Without Bragg peaks sharp maxima elsewhere pass if they are alike in all cells."""
    image = measured(bragg=150.0, at=0.5, different=different).astype(float)
    assert bragg_positions(image, STANDARD_GRID).ok == ok


def test_cut_bragg_peaks_say_nothing():
    """Where the whole h and k are unmeasured, peaks elsewhere may be a superstructure."""
    image = np.where(STANDARD_GRID.distance_to_bragg() < 0.1, np.nan, measured(at=0.5))
    assert np.isnan(stray_peaks(image, STANDARD_GRID))
