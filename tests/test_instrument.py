"""Effects of a measurement against closed forms, brute-force sums and counting statistics."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.measurement.effects import (
    background,
    bad_pixels,
    beam_stop,
    blur,
    bragg_peaks,
    counting,
    envelope,
    gaps,
    saturation,
)
from xrlab.measurement.instrument import PRESETS, Instrument, Range, preset, stream

SMALL = ReciprocalGrid(h=(-0.3, 1.1), k=(0.25, 1.8), shape=(7, 9))
GRIDS = [
    STANDARD_GRID,
    SMALL,
    ReciprocalGrid(h=(-1.2, 1.3), k=(3, 5), shape=(41, 30)),
    ReciprocalGrid(shape=(128, 128)),
]
# A bad day has all of them.
EFFECTS = list(dict.fromkeys(effect for _, effect, _ in PRESETS["bad day"].effects))
SPOILING = [name for name in PRESETS if name != "clean"]

pixels = arrays(
    np.float64, SMALL.shape, elements=st.floats(0, 1e4, allow_subnormal=False) | st.just(np.nan)
)
seeds = st.integers(0, 2**40)


def zeros(grid=STANDARD_GRID):
    return np.zeros(grid.shape)


def ones(grid=STANDARD_GRID):
    return np.ones(grid.shape)


def points(grid):
    """Row, column, h and k of every pixel, without NumPy's broadcasting."""
    return [
        (row, column, float(h), float(k))
        for row, h in enumerate(grid.h_values)
        for column, k in enumerate(grid.k_values)
    ]


def integrated(image, grid, h, k):
    """Intensity within half a cell of (h, k): sum over pixels times their area."""
    near = np.ix_(np.abs(grid.h_values - h) < 0.5, np.abs(grid.k_values - k) < 0.5)
    return image[near].sum() * np.ptp(grid.h_values[:2]) * np.ptp(grid.k_values[:2])


# Envelope


@pytest.mark.parametrize("grid", [SMALL, ReciprocalGrid(h=(-2, 1), k=(5, 7), shape=(6, 5))])
def test_envelope_is_the_sum_over_all_pairs_of_atoms(grid):
    """|dF|^2 is a double sum of cosines, times the fall-off; its mean over the grid is 1."""
    rng = np.random.default_rng(5)  # the documented draws
    weights, (x, y) = rng.standard_normal(4), rng.uniform(-0.35, 0.35, (2, 4))
    expected = zeros(grid)
    for row, column, h, k in points(grid):
        for n in range(4):
            for m in range(4):
                phase = 2 * math.pi * (h * (x[n] - x[m]) + k * (y[n] - y[m]))
                expected[row, column] += weights[n] * weights[m] * math.cos(phase)
        expected[row, column] *= math.exp(-(h**2 + k**2) / (2 * 2.5**2))
    found = envelope(ones(grid), grid, 5, size=0.7, falloff=2.5, atoms=4)
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-9, atol=1e-12)


def test_envelope_of_one_place_is_the_falloff():
    """Atoms at the same place leave a Gaussian of |q|, even so far out that it underflows."""
    for start in (0, 300):
        grid = ReciprocalGrid(h=(start, start + 2), k=(start, start + 2), shape=(5, 5))
        found = envelope(ones(grid), grid, size=1e-12, falloff=4)
        h, k = np.meshgrid(grid.h_values, grid.k_values, indexing="ij")
        expected = (h[0, 0] ** 2 + k[0, 0] ** 2 - h**2 - k**2) / 32
        np.testing.assert_allclose(np.log(found / found[0, 0]), expected, rtol=1e-6, atol=1e-9)


def test_envelope_does_not_depend_on_the_resolution():
    """Twice as many points: the same function, but for the mean that it is divided by."""
    coarse, fine = (ReciprocalGrid(shape=(n, n)) for n in (33, 65))
    ratio = envelope(ones(fine), fine, 3)[::2, ::2] / envelope(ones(coarse), coarse, 3)
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)
    assert ratio[0, 0] == pytest.approx(1, abs=0.05)


def test_given_envelope_is_taken_as_it_is():
    """An array instead of chance."""
    values = np.random.default_rng(0).uniform(0, 3, SMALL.shape)
    np.testing.assert_array_equal(envelope(2 * ones(SMALL), SMALL, values=values), 2 * values)


# Background


@pytest.mark.parametrize("grid", GRIDS[:3])
def test_background_is_its_formula(grid):
    """Constant + air + ring, point by point."""
    found = background(
        zeros(grid), grid, constant=0.3, air=0.7, reach=0.4, ring=1.1, ring_radius=1.2
    )
    for row, column, h, k in points(grid):
        q = math.sqrt(h * h + k * k)
        expected = 0.3 + 0.7 * math.exp(-q / 0.4) + 1.1 * math.exp(-((q - 1.2) ** 2) / 0.02)
        assert found[row, column] == pytest.approx(expected, rel=1e-9)


@given(pixels, seeds)
@settings(max_examples=30)
def test_background_and_bragg_peaks_add_the_same_to_every_image(image, seed):
    """What they add does not depend on what is there."""
    for effect in (background, bragg_peaks):
        added = effect(zeros(SMALL), SMALL, seed)
        np.testing.assert_array_equal(effect(image, SMALL, seed), image + added)


# Bragg peaks


@pytest.mark.parametrize("grid", [*GRIDS[2:], ReciprocalGrid((-1.5, 1.5), (-1.5, 1.5), (50, 90))])
@pytest.mark.parametrize("width", [1e-6, 0.002, 0.03])
def test_bragg_peaks_have_their_integrated_intensity(grid, width):
    """All of it near each whole h and k inside, however narrow the peak; nothing in between."""
    image = bragg_peaks(zeros(grid), grid, intensity=2.5, spread=0, width=width)
    h, k = np.round(grid.h_values), np.round(grid.k_values)
    inside_h = [n for n in set(h) if grid.h[0] + 0.15 < n < grid.h[1] - 0.15]
    inside_k = [n for n in set(k) if grid.k[0] + 0.15 < n < grid.k[1] - 0.15]
    assert inside_h
    assert inside_k
    for place in ((n, m) for n in inside_h for m in inside_k):
        assert integrated(image, grid, *place) == pytest.approx(2.5, rel=1e-6)
    reach = 6 * width + np.ptp(grid.h_values[:2])
    away = (abs(grid.h_values - h)[:, None] > reach) | (abs(grid.k_values - k) > reach)
    assert away.any()
    assert image[away].max() < 1e-6


@pytest.mark.parametrize("n", [101, 201])
def test_bragg_peaks_have_their_width(n):
    """Second moment about the peak: width squared, and a twelfth of a step squared per pixel."""
    grid = ReciprocalGrid(h=(0.5, 1.5), k=(0.5, 1.5), shape=(n, n))
    image = bragg_peaks(zeros(grid), grid, spread=0, width=0.03)
    for profile in (image.sum(axis=0), image.sum(axis=1)):
        moment = (profile * (grid.h_values - 1) ** 2).sum() / profile.sum()
        assert moment == pytest.approx(0.03**2 + (1 / (n - 1)) ** 2 / 12, rel=1e-6)


@pytest.mark.parametrize("ends", [(0.02, 0.9), (-0.9, -0.02)])
def test_bragg_peaks_just_outside_reach_into_the_window(ends):
    """At any of its four edges; the outermost pixel begins 0.01 r.l.u. from the peak."""
    expected = 0.5 * math.erfc(0.01 / 0.02 / math.sqrt(2))
    for h, k, place in ((ends, (0.5, 1.5), (0, 1)), ((0.5, 1.5), ends, (1, 0))):
        grid = ReciprocalGrid(h, k, (45, 45))  # steps of 0.02 between the ends
        image = bragg_peaks(zeros(grid), grid, spread=0, width=0.02)
        assert integrated(image, grid, *place) == pytest.approx(expected, rel=1e-6)


def test_bragg_intensities_are_log_normal():
    """Mean and deviation of the logarithm, within five standard errors over 400 seeds."""
    grid = ReciprocalGrid(h=(0.5, 1.5), k=(0.5, 1.5), shape=(8, 8))
    log = np.log(
        [
            integrated(bragg_peaks(zeros(grid), grid, seed, intensity=7, spread=0.8), grid, 1, 1)
            for seed in range(400)
        ]
    )
    assert log.mean() == pytest.approx(math.log(7), abs=5 * 0.8 / 20)
    assert log.std() == pytest.approx(0.8, abs=5 * 0.8 / math.sqrt(800))


def test_bragg_peaks_obey_friedels_law_and_nothing_else():
    """(h, k) and (-h, -k) are equally strong, all other pairs differ."""
    grid = ReciprocalGrid(h=(-2.5, 2.5), k=(-1.5, 1.5), shape=(80, 50))
    image = bragg_peaks(zeros(grid), grid, 4)
    strength = {
        (h, k): round(integrated(image, grid, h, k), 9) for h in range(-2, 3) for k in (-1, 0, 1)
    }
    for (h, k), value in strength.items():
        assert value == strength[-h, -k]
    assert len(set(strength.values())) == 8  # 15 places, 7 pairs and the origin


# Blur


@pytest.mark.parametrize(
    "grid",
    [
        ReciprocalGrid(shape=(81, 81)),
        ReciprocalGrid(shape=(161, 161)),
        ReciprocalGrid(h=(-1, 1), k=(0, 3), shape=(61, 161)),
    ],
)
def test_blur_turns_a_point_into_a_gaussian(grid):
    """Of the stated width in r.l.u. and the same total, whatever the resolution."""
    row, column = (n // 2 for n in grid.shape)
    point = zeros(grid)
    point[row, column] = 5
    found = blur(point, grid, width=0.08)
    assert found.sum() == pytest.approx(5, rel=1e-9)
    h, k = grid.h_values - grid.h_values[row], grid.k_values - grid.k_values[column]
    area = (h[1] - h[0]) * (k[1] - k[0])
    gaussian = np.exp(-(h[:, None] ** 2 + k**2) / (2 * 0.08**2)) / (2 * np.pi * 0.08**2)
    np.testing.assert_allclose(found, 5 * area * gaussian, rtol=1e-4, atol=1e-9)


def test_blur_is_the_weighted_mean_of_the_measured_neighbours():
    """Brute force over all pairs of pixels, with holes and edges."""
    image = np.random.default_rng(2).exponential(size=SMALL.shape)
    image[2, 3:6] = image[0, 0] = np.nan
    found = blur(image, SMALL, width=0.25)
    for row, column, h, k in points(SMALL):
        total = weight = 0.0
        for i, j, h2, k2 in points(SMALL):
            if not math.isnan(image[i, j]):
                gaussian = math.exp(-((h - h2) ** 2 + (k - k2) ** 2) / (2 * 0.25**2))
                total, weight = total + gaussian * image[i, j], weight + gaussian
        expected = math.nan if math.isnan(image[row, column]) else total / weight
        assert found[row, column] == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_blur_far_below_a_pixel_changes_nothing():
    """A point spread narrower than the steps, with a hole in the image."""
    image = np.random.default_rng(2).exponential(size=SMALL.shape)
    image[3, 3] = np.nan
    np.testing.assert_array_equal(blur(image, SMALL, width=1e-3), image)


# Counting


def test_counting_is_poisson():
    """Mean I and variance I / exposure in every pixel, and whole counts, over 3000 seeds."""
    image = np.linspace(0.1, 6, SMALL.shape[0] * SMALL.shape[1]).reshape(SMALL.shape)
    exposure, n = 4.0, 3000
    counts = exposure * np.array([counting(image, SMALL, i, exposure=exposure) for i in range(n)])
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    mean = exposure * image
    assert np.abs((counts.mean(axis=0) - mean) / np.sqrt(mean / n)).max() < 5
    # The fourth central moment of a Poisson variable is m + 3 m^2.
    error_of_variance = np.sqrt((mean + 2 * mean**2) / n)
    assert np.abs((counts.var(axis=0) - mean) / error_of_variance).max() < 5


def test_long_exposures_converge_to_the_image():
    """Relative noise is 1 / sqrt(counts)."""
    image = np.random.default_rng(0).uniform(1, 3, SMALL.shape)
    assert np.abs(counting(image, SMALL, exposure=1e9) / image - 1).max() < 5 / math.sqrt(1e9)


# Saturation and bad pixels


@given(pixels, st.floats(0.01, 1e5))
@settings(max_examples=50)
def test_saturation_cuts_what_is_above(image, ceiling):
    """Below the ceiling nothing changes."""
    found = saturation(image, SMALL, ceiling=ceiling)
    expected = [[ceiling if x > ceiling else x for x in row] for row in image]
    np.testing.assert_array_equal(found, expected)


def test_bad_pixels_are_as_many_and_as_bright_as_stated():
    """Binomial numbers and an exponential excess, within five standard errors; the rest stays."""
    grid = ReciprocalGrid(shape=(300, 300))
    found = bad_pixels(2 * ones(grid), grid, 7, hot=0.05, dead=0.02, brightness=30)
    for chance, share in ((0.05, np.mean(found > 2)), (0.02, np.mean(found == 0))):
        assert share == pytest.approx(chance, abs=5 * math.sqrt(chance) / 300)
    assert np.mean(found == 2) == pytest.approx(0.93, abs=0.01)
    excess = found[found > 2] - 2
    error = 30 / math.sqrt(excess.size)
    assert excess.mean() == pytest.approx(30, abs=5 * error)
    assert excess.std() == pytest.approx(30, abs=5 * error * math.sqrt(2))


def test_every_pixel_can_be_dead_or_hot():
    """Chances of 1 and 0 are met exactly, and holes stay holes."""
    image = 3 * ones(SMALL)
    image[1, 1] = np.nan
    measured = ~np.isnan(image)
    assert (bad_pixels(image, SMALL, hot=0, dead=1)[measured] == 0).all()
    assert (bad_pixels(image, SMALL, hot=1, dead=0)[measured] > 3).all()
    np.testing.assert_array_equal(bad_pixels(image, SMALL, hot=0, dead=0), image)
    assert math.isnan(bad_pixels(image, SMALL, hot=0, dead=1)[1, 1])


# Masks


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("angle", [0, 30, 135, 270])
def test_beam_stop_shades_its_disc_and_arm(grid, angle):
    """Pixels are lost where their centre is in the disc or in the strip on one side of it."""
    image = np.random.default_rng(0).exponential(size=grid.shape)
    h0, k0 = np.mean(grid.h) + 0.013, np.mean(grid.k) - 0.021
    found = beam_stop(image, grid, radius=0.37, h=h0, k=k0, arm=0.15, angle=angle)
    direction = complex(math.cos(math.radians(angle)), math.sin(math.radians(angle)))
    for row, column, h, k in points(grid):
        place = complex(h - h0, k - k0)
        turned = place / direction  # the arm now runs along the real axis
        lost = abs(place) < 0.37 or (turned.real > 0 and abs(turned.imag) < 0.075)
        assert math.isnan(found[row, column]) == lost
        assert lost or found[row, column] == image[row, column]


def test_beam_stop_of_no_size_shades_nothing():
    """Radius 0 and arm 0, though pixels lie exactly on the centre and on the axis."""
    np.testing.assert_array_equal(beam_stop(ones(), radius=0, arm=0), ones())
    assert np.isnan(beam_stop(ones())).sum() == 11  # quarter disc of 0.1 r.l.u. about the origin


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("axis", [0, 1])
def test_gaps_blank_stripes(grid, axis):
    """Whole rows or columns, where offset + n period <= h < offset + n period + width."""
    image = np.random.default_rng(0).exponential(size=grid.shape)
    found = gaps(image, grid, width=0.31, period=0.87, offset=0.123, axis=axis)
    for row, column, h, k in points(grid):
        q = (h, k)[axis]
        lost = any(0.123 + 0.87 * n <= q < 0.123 + 0.87 * n + 0.31 for n in range(-5, 10))
        assert math.isnan(found[row, column]) == lost
        assert lost or found[row, column] == image[row, column]


def test_gaps_begin_anywhere():
    """Without an offset every row is lost as often as the stripes cover it."""
    lost = np.mean(
        [np.isnan(gaps(ones(SMALL), SMALL, n, width=0.2, period=0.8)[:, 0]) for n in range(2000)], 0
    )
    assert np.abs(lost - 0.25).max() < 5 * math.sqrt(0.25 * 0.75 / 2000)


# All effects


@pytest.mark.parametrize("effect", EFFECTS)
@given(image=pixels, seed=seeds)
@settings(max_examples=25)
def test_every_effect_gives_an_image_and_keeps_holes(effect, image, seed):
    """No negative values, NaN stays NaN, the input is untouched, the seed says everything."""
    before = image.copy()
    found = effect(image, SMALL, seed)
    assert found.shape == SMALL.shape
    assert found.dtype == np.float64
    assert not (found < 0).any()
    assert np.isnan(found[np.isnan(image)]).all()
    if effect not in (beam_stop, gaps):
        np.testing.assert_array_equal(np.isnan(found), np.isnan(image))
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(effect(image, SMALL, np.random.default_rng(seed)), found)


@pytest.mark.parametrize("effect", [envelope, bragg_peaks, counting, bad_pixels, gaps])
def test_effects_of_chance_differ_from_seed_to_seed(effect):
    """Two seeds, two images."""
    parameters = {"hot": 0.3} if effect is bad_pixels else {}
    one, other = (effect(ones(), seed=seed, **parameters) for seed in (1, 2))
    assert not np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("effect", [envelope, blur, beam_stop, gaps])
@given(image=pixels, seed=seeds, scale=st.floats(1e-3, 1e3))
@settings(max_examples=25)
def test_linear_effects_do_not_mind_the_scale(effect, image, seed, scale):
    """Twice the light, twice the image."""
    one, other = effect(scale * image, SMALL, seed), scale * effect(image, SMALL, seed)
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-200)  # near 1e-308 digits get lost


@pytest.mark.parametrize("effect", EFFECTS)
def test_bad_images_are_refused(effect, bad_image):
    """Whatever is no image gets a plain error; flat and empty ones are no error here."""
    message, image = bad_image
    if message in ("NaN", "no pattern"):
        assert effect(image).shape == image.shape
    else:
        with pytest.raises(ValueError, match=message):
            effect(image)
    with pytest.raises(ValueError, match=r"shape \(64, 64\), and \(7, 9\) is needed"):
        effect(ones(), SMALL)


@pytest.mark.parametrize(
    ("effect", "parameters", "message"),
    [
        (envelope, {"size": 0}, "size of envelope must be above 0; got 0"),
        (envelope, {"falloff": np.nan}, "falloff of envelope must be above 0; got nan"),
        (envelope, {"atoms": 0}, "atoms of envelope must be 1 or more; got 0"),
        (envelope, {"values": -ones()}, "negative"),
        (envelope, {"values": ones(SMALL)}, "shape"),
        (background, {"constant": -0.1}, "constant of background must be 0 or more; got -0.1"),
        (background, {"air": np.inf}, "air of background must be 0 or more; got inf"),
        (background, {"ring": np.nan}, "ring of background"),
        (background, {"reach": 0}, "reach of background must be above 0; got 0"),
        (background, {"ring_width": 0}, "ring_width of background must be above 0; got 0"),
        (background, {"ring_radius": -1}, "ring_radius of background must be above 0; got -1"),
        (bragg_peaks, {"intensity": -1}, "intensity of bragg_peaks must be 0 or more; got -1"),
        (bragg_peaks, {"spread": np.nan}, "spread of bragg_peaks must be 0 or more; got nan"),
        (bragg_peaks, {"width": 0}, "width of bragg_peaks must be above 0 and at most 0.2; got 0"),
        (bragg_peaks, {"width": 0.21}, "at most 0.2; got 0.21"),
        (blur, {"width": 0}, "width of blur must be above 0; got 0"),
        (blur, {"width": np.nan}, "width of blur must be above 0; got nan"),
        (counting, {"exposure": -5}, "exposure of counting .* got -5"),
        (counting, {"exposure": 2e9}, "at most 1e9; got 2000000000"),
        (saturation, {"ceiling": 0}, "ceiling of saturation must be above 0; got 0"),
        (bad_pixels, {"hot": 1.5}, "hot of bad_pixels must be from 0 to 1; got 1.5"),
        (bad_pixels, {"dead": -0.1}, "dead of bad_pixels must be from 0 to 1; got -0.1"),
        (bad_pixels, {"hot": 0.6, "dead": 0.5}, r"hot \+ dead of bad_pixels .* got 1.1"),
        (bad_pixels, {"brightness": -1}, "brightness of bad_pixels must be 0 or more; got -1"),
        (beam_stop, {"radius": -0.1}, "radius of beam_stop must be 0 or more; got -0.1"),
        (beam_stop, {"arm": np.inf}, "arm of beam_stop must be 0 or more; got inf"),
        (beam_stop, {"h": np.nan}, "h of beam_stop must be a finite number; got nan"),
        (beam_stop, {"k": np.inf}, "k of beam_stop must be a finite number; got inf"),
        (beam_stop, {"angle": np.nan}, "angle of beam_stop must be a finite number; got nan"),
        (gaps, {"width": 0}, "width of gaps must be above 0; got 0"),
        (gaps, {"period": np.nan}, "period of gaps must be above 0; got nan"),
        (gaps, {"width": 1, "period": 1}, "width below their period; got 1 and 1"),
        (gaps, {"axis": 2}, "axis of gaps must be 0 or 1; got 2"),
        (gaps, {"offset": np.nan}, "offset of gaps must be a finite number; got nan"),
    ],
)
def test_parameters_out_of_range_are_refused(effect, parameters, message):
    """The error names the parameter, what it must be, and what it was."""
    with pytest.raises(ValueError, match=message):
        effect(ones(), **parameters)
    with pytest.raises(ValueError, match="up to 9e9 Laue units, not 1e\\+10"):
        counting(1e10 * ones())


# Instruments


def test_clean_instrument_changes_nothing(image):
    """Every bit of the image stays, holes too, in an array of its own."""
    image = image.copy()
    image[3, 4] = np.nan
    measurement = preset("clean").measure(image, seed=9)
    np.testing.assert_array_equal(measurement.image, image)
    assert not np.shares_memory(measurement.image, image)
    assert measurement.parameters == {}
    assert str(preset("clean")) == "clean"


@pytest.mark.parametrize("name", PRESETS)
def test_measuring_equals_the_effects_by_hand(name, image):
    """Each effect gets the image of the one before, its own stream, and what its ranges give."""
    measurement = preset(name).measure(image, seed=11)
    expected = image
    for effect_name, effect, given_parameters in preset(name).effects:
        rng = stream(11, effect_name)
        parameters = {
            key: value.draw(rng) if isinstance(value, Range) else value
            for key, value in given_parameters.items()
        }
        expected = effect(expected, STANDARD_GRID, rng, **parameters)
        np.testing.assert_array_equal(measurement.stages[effect_name], expected)
        assert measurement.parameters[effect_name] == parameters
    np.testing.assert_array_equal(measurement.image, expected)
    np.testing.assert_array_equal(measurement.mask, ~np.isnan(expected))


@pytest.mark.parametrize("name", SPOILING)
def test_seed_decides_everything(name, image):
    """Equal for equal seeds; a Generator is a new seed each time and can be repeated."""
    instrument = preset(name)
    one, again, other = (instrument.measure(image, seed=seed).image for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other, equal_nan=True)
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    first, second = (instrument.measure(image, seed=rng).image for _ in range(2))
    assert not np.array_equal(first, second, equal_nan=True)
    np.testing.assert_array_equal(instrument.measure(image, seed=twin).image, first)
    np.testing.assert_array_equal(instrument.measure(image, seed=twin).image, second)


@pytest.mark.parametrize("name", SPOILING)
def test_ranges_hold_and_are_used(name):
    """Drawn values lie in their ranges and differ between seeds."""
    measurements = [preset(name).measure(ones(SMALL), SMALL, seed) for seed in range(30)]
    for effect, _, parameters in preset(name).effects:
        for key, value in parameters.items():
            drawn = np.array([m.parameters[effect][key] for m in measurements])
            if isinstance(value, Range):
                assert value.low <= drawn.min() < drawn.max() <= value.high
            else:
                assert (drawn == value).all()


@pytest.mark.parametrize("log", [False, True])
def test_range_is_uniform(log):
    """Half the values lie below the middle, arithmetic or geometric."""
    rng = np.random.default_rng(0)
    drawn = np.array([Range(1, 100, log=log).draw(rng) for _ in range(2000)])
    middle = 10 if log else 50.5
    assert np.mean(drawn < middle) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(2000))
    assert 1 <= drawn.min() < 1.5 + (not log)
    assert 90 < drawn.max() <= 100


def test_adding_removing_and_moving_effects_leaves_the_others_chance(image):
    """The same peaks and the same stripes, with the rest or without, in any order."""
    whole = preset("synchrotron")
    peaks = whole.measure(image, seed=3).added("bragg")
    few = Instrument(tuple(e for e in reversed(whole.effects) if e[0] in ("bragg", "gaps in h")))
    measurement = few.measure(image, seed=3)
    seen = measurement.mask
    np.testing.assert_allclose(measurement.added("bragg")[seen], peaks[seen], rtol=1e-9, atol=1e-9)
    stripes = np.isnan(measurement.stages["gaps in h"])
    np.testing.assert_array_equal(
        stripes,
        np.isnan(
            whole.without("gaps in k", "bad pixels").measure(image, seed=3).before("beam stop")
        ),
    )


def test_streams_differ_by_name_and_seed():
    """Each effect and each measurement has random numbers of its own."""
    values = {stream(seed, name).random() for seed in range(5) for name in ("a", "b", "ab", "ba")}
    assert len(values) == 20


def test_order_of_effects_matters():
    """Blurring before counting leaves noise sharp; after it, smooth. Both are done as asked."""
    steps = (("blur", blur, {"width": 0.1}), ("counting", counting, {"exposure": 10}))
    sharp = Instrument(steps).measure(ones(), seed=1).image
    smooth = Instrument(steps[::-1]).measure(ones(), seed=1).image
    assert sharp.std() == pytest.approx(math.sqrt(1 / 10), rel=0.1)
    assert smooth.std() < 0.3 * sharp.std()


def test_measurement_tells_what_each_effect_did(image):
    """Factors and sums give back E and B; before counting is the expected image."""
    values = np.random.default_rng(0).uniform(0.5, 2, image.shape)
    instrument = Instrument(
        (
            ("envelope", envelope, {"values": values}),
            ("background", background, {"constant": 0.3, "air": 0}),
            ("counting", counting, {}),
        )
    )
    measurement = instrument.measure(image)
    np.testing.assert_allclose(measurement.factor("envelope"), values, rtol=1e-12)
    np.testing.assert_allclose(measurement.added("background"), 0.3, rtol=1e-9)
    expected = measurement.before("counting")
    np.testing.assert_array_equal(expected, image * values + 0.3)
    np.testing.assert_array_equal(measurement.before("envelope"), image)
    assert list(measurement.stages) == ["clean", "envelope", "background", "counting"]
    dark = instrument.measure(zeros()).factor("envelope")
    assert np.isnan(dark).all()  # 0 / 0
    for ask in (measurement.before, measurement.added, measurement.factor):
        for name in ("clean", "fog"):
            with pytest.raises(ValueError, match=f"{name}.*no part.*'envelope', 'background'"):
                ask(name)


def test_plain_functions_are_effects():
    """A user's function is called with image, grid, random numbers and parameters."""
    calls = []

    def shift(image, grid, seed, *, by):
        calls.append((grid, by))
        image += by + seed.random()  # in place, on purpose
        return image

    instrument = Instrument((("shift", shift, {"by": 2}),))
    measurement = instrument.measure(ones(SMALL), SMALL, seed=8)
    assert calls == [(SMALL, 2)]
    np.testing.assert_array_equal(measurement.before("shift"), ones(SMALL))
    np.testing.assert_array_equal(measurement.image, 3 + stream(8, "shift").random())
    assert str(instrument) == "shift"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda image, grid, seed: image[1:], "'mine' of the instrument: .*shape"),
        (lambda image, grid, seed: image - 2, "'mine' of the instrument: .*negative"),
        (lambda image, grid, seed: image * np.inf, "'mine' of the instrument: .*infinite"),
        (lambda image, grid, seed: blur(image, grid, width=-1), "'mine' of .* blur .* got -1"),
    ],
)
def test_effects_that_fail_are_named(spoil, message):
    """An effect that returns no image, or raises, is named in the error."""
    with pytest.raises(ValueError, match=message):
        Instrument((("mine", spoil, {}),)).measure(ones())


def test_without_takes_effects_away():
    """The others stay in order; unknown names are refused; the original stays."""
    instrument = preset("laboratory").without("bragg", "counting")
    assert str(instrument) == "envelope -> background -> blur -> bad pixels -> beam stop"
    assert "counting" in str(preset("laboratory"))
    with pytest.raises(ValueError, match=r"cannot take away \['fog'\].*'envelope'"):
        instrument.without("fog")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *(
            (lambda ends=ends: Range(*ends), "a Range goes from")
            for ends in ((2, 1), (np.nan, 1), (0, np.inf), (0, 1, True))
        ),
        (lambda: Instrument((("a", blur, {}), ("a", blur, {}))), "different names"),
        (lambda: Instrument((("clean", blur, {}),)), "different names"),
        (lambda: preset("fog"), r"'fog'; take one of .*'clean', 'laboratory'"),
    ],
)
def test_what_is_no_instrument_is_refused(make, message):
    """Ranges rise, above 0 for a logarithm; names differ, as chance and stages go by them."""
    with pytest.raises(ValueError, match=message):
        make()


def test_measuring_refuses_bad_images_and_seeds(bad_image):
    """As the effects do, even with none."""
    message, image = bad_image
    if message not in ("NaN", "no pattern"):
        with pytest.raises(ValueError, match=message):
            preset("clean").measure(image)
    with pytest.raises(ValueError, match="non-negative"):
        preset("laboratory").measure(ones(), seed=-1)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", PRESETS)
def test_presets_work_on_any_grid_and_in_workers(name, grid):
    """They measure every window and survive the way to another process."""
    image = np.random.default_rng(1).exponential(size=grid.shape)
    image[0, -1] = np.nan
    found = preset(name).measure(image, grid, 4).image
    assert found.shape == grid.shape
    assert not (found < 0).any()
    assert math.isnan(found[0, -1])
    assert np.isfinite(found).mean() > 0.5
    sent = pickle.loads(pickle.dumps(preset(name)))
    np.testing.assert_array_equal(sent.measure(image, grid, 4).image, found)


def test_presets_go_from_good_to_bad(image):
    """The correlation with the clean image falls from clean to bad day, on average."""
    quality = []
    for name in ("clean", "synchrotron", "laboratory", "bad day"):
        # Without what only changes the contrast: noise, blur and spoiled pixels are compared.
        known = [effect[0] for effect in preset(name).effects]
        instrument = preset(name).without(*set(known) & {"envelope", "bragg", "background"})
        correlations = []
        for seed in range(10):
            found = instrument.measure(image, seed=seed)
            seen = found.mask & (np.abs(found.image - image) < 10)  # hot pixels apart
            correlations.append(np.corrcoef(image[seen], found.image[seen])[0, 1])
        quality.append(np.mean(correlations))
    assert quality[0] == pytest.approx(1)
    assert quality == sorted(quality, reverse=True)
