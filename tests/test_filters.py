"""Filters against closed forms, other libraries and brute force; what all of them must keep to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import transform

from xrlab.crystal.diffraction import correlation_image
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.form_factor import Cell, FormFactor, dichlorodinitrobenzene
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.io.read import read_image
from xrlab.measurement import cleaning, filling, filters, resample
from xrlab.measurement.pipeline import FILTERS, RECOMMENDED
from xrlab.trials import correction_bias
from xrlab.trials.trial import trials

STANDARD = correction_bias.standard_corrections()
FILLERS = ("fill_unmeasured", "fill_biharmonic", "fill_symmetric", "fill_periodic")
# Those that may declare pixels unmeasured.
PUNCHERS = ("punch_bragg", "punch_and_fill", "mask_range")
# Filters that do not keep to scale, by their formula.
OF_SCALE = ("compress_peaks", "match_log_moments")

every_filter = pytest.mark.parametrize("name", STANDARD)


@pytest.fixture(scope="module")
def holed(image):
    """A simulated image with stripes, a beam stop and one lone pixel unmeasured; no zeros."""
    holed = correction_bias.cut_gaps(image + 0.05)
    holed[30, 47] = np.nan
    return holed


@pytest.fixture(scope="module")
def pattern():
    """The exact image of an encoding: a finite cosine series, 0 or more everywhere."""
    encoding = Encoding.product(0.3, -0.4, 4)
    reach = np.arange(-3, 4)
    image = correlation_image(np.outer(0.3 ** abs(reach), (-0.4) ** abs(reach)))
    assert image.min() > 0
    return encoding, image


@pytest.fixture(scope="module")
def clean():
    """Twenty clean images of setting 96/48/64 with their encodings."""
    return correction_bias.bias_images(20, 2024, ())


# What every filter keeps to


@every_filter
def test_form_of_a_correction(name, holed):
    """The result is float64, 0 or more, finite, NaN where it was; the input stays as it was."""
    before = holed.copy()
    result = STANDARD[name](holed)
    np.testing.assert_array_equal(holed, before)
    assert result.dtype == np.float64
    assert result.shape == holed.shape
    assert not np.isinf(result).any()
    assert np.nanmin(result) >= 0
    if name in FILLERS:
        measured = ~np.isnan(holed)
        np.testing.assert_array_equal(result[measured], holed[measured])
        assert np.isnan(result).sum() < np.isnan(holed).sum()
    elif name in PUNCHERS:
        assert np.isnan(result[np.isnan(holed)]).all()
    else:
        np.testing.assert_array_equal(np.isnan(result), np.isnan(holed))


@every_filter
def test_bad_images_are_refused(name, bad_image):
    """Whatever is no image gets a plain error ("wrong shape" here is a constant image)."""
    message, array = bad_image
    with pytest.raises(ValueError, match="no pattern" if message == "shape" else message):
        STANDARD[name](array)


@pytest.mark.parametrize("name", [name for name in STANDARD if name not in OF_SCALE])
def test_scale_of_the_image_does_not_matter(name, holed):
    """Counts or Laue units: read as an encoding, or up to a factor, the result is the same."""
    small, large = STANDARD[name](holed), STANDARD[name](1000 * holed)
    np.testing.assert_allclose(
        large / np.nanmean(large), small / np.nanmean(small), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("name", [n for n, each in FILTERS.items() if each.harmless])
def test_harmless_filters_are_harmless(name, clean):
    """On 20 clean images 96/48/64 a harmless filter changes no c(i, j) by more than 0.01."""
    table = correction_bias.bias_table({name: STANDARD[name]}, images=clean)
    assert table[name].harmless, table[name]


def test_harmful_filters_do_harm(clean):
    """The claim means something: each filter that does not make it breaks it on some image."""
    names = [n for n, each in FILTERS.items() if not each.harmless and n in STANDARD]
    names.remove("divide_polarisation")  # harmful only for cells smaller than its default
    table = correction_bias.bias_table({n: STANDARD[n] for n in names}, images=clean)
    assert [row.name for row in table.rows if row.harmless] == []


@pytest.mark.parametrize(
    ("function", "parameters", "message"),
    [
        (filters.normalise_percentile, {"percentile": 0}, "from 1 to 100; got 0"),
        (filters.rescale, {"low": 2, "high": 1}, "lower to a higher value; got 2 and 1"),
        (filters.compress_peaks, {"threshold": 0, "gamma": 1}, "threshold.*above 0; got 0"),
        (filters.compress_peaks, {"threshold": np.nan, "gamma": 1}, "threshold.*got nan"),
        (filters.compress_peaks, {"threshold": 1, "gamma": -2}, "gamma.*above 0; got -2"),
        (filters.match_log_moments, {"mean": np.nan, "factor": 1}, "takes a number as mean"),
        (filters.match_log_moments, {"mean": 0, "factor": 0}, "one above 0 as factor"),
        (filters.match_log_moments, {"mean": 0, "factor": np.inf}, "one above 0 as factor"),
        (filters.compress_log, {"scale": 0}, "scale of compress_log.*got 0"),
        (filters.compress_power, {"power": np.nan}, "power of compress_power.*got nan"),
        (filters.smooth_gaussian, {"sigma": -1}, "sigma of smooth_gaussian.*got -1"),
        (filters.smooth_median, {"size": 4}, "size of smooth_median is odd.*got 4"),
        (filters.smooth_median, {"size": 3.5}, "whole number.*got 3.5"),
        (filters.smooth_bilateral, {"contrast": "a"}, "contrast of smooth_bilateral.*got 'a'"),
        (filters.smooth_nonlocal, {"patch": 2}, "patch of smooth_nonlocal"),
        (filters.smooth_total_variation, {"weight": True}, "weight.*got True"),
        (filters.sharpen_richardson_lucy, {"iterations": 0}, "iterations.*got 0"),
        (resample.average_down, {"rows": 65}, "from 1 to these; got .65, 64."),
        (cleaning.mask_range, {"lowest": 3, "highest": 2}, "got 3 and 2"),
        (cleaning.mask_range, {"lowest": 1e6}, "no pixel of this image lies between"),
        (cleaning.subtract_rolling_ball, {"radius": 0}, "radius.*got 0"),
        (cleaning.white_tophat, {"radius": 101}, "radius of white_tophat.*got 101"),
        (cleaning.remove_outliers, {"threshold": 0}, "threshold.*got 0"),
        (cleaning.remove_hot_pixels, {"contrast": 0.5}, "contrast.*got 0.5"),
        (cleaning.remove_hot_pixels, {"group": "3"}, "one of 1, 2, 2mm.*got '3'"),
        (cleaning.punch_bragg, {"radius": 0.8}, "radius of punch_bragg.*got 0.8"),
        (cleaning.punch_bragg, {"radius": 0.7, "h": (0, 0.1), "k": (0, 0.1)}, "leaves no measured"),
        (cleaning.punch_bragg, {"h": 3}, "two numbers each.*got 3"),
        (cleaning.punch_and_fill, {"ring": 0}, "ring.*got 0"),
        (filling.fill_biharmonic, {"largest": 0}, "largest.*got 0"),
        (filling.fill_periodic, {"k": (2, 0)}, "k runs from a smaller to a larger"),
        (filling.symmetrise, {"group": 2}, "one of 1, 2, 2mm.*got 2"),
        (cleaning.divide_form_factor, {"form_factor": np.ones((3, 3))}, r"64 x 64.*shape \(3, 3\)"),
        (cleaning.divide_form_factor, {"form_factor": np.zeros((64, 64))}, "lowest value of 0"),
        (cleaning.divide_polarisation, {"a": 1.0, "wavelength": 5}, "nothing is seen beyond"),
    ],
)
def test_bad_parameters_are_refused(function, parameters, message, image):
    """The error names the parameter and the value."""
    with pytest.raises(ValueError, match=message):
        function(image, **parameters)


# Scales


@given(arrays(np.float64, (4, 5), elements=st.floats(0, 1e4)), st.floats(0.2, 3))
@settings(max_examples=30)
def test_compression_keeps_the_order(image, power):
    """Brighter pixels stay brighter; the power is undone by its inverse."""
    if image.max() < 1e-3 + image.min():
        return
    order = np.argsort(image, axis=None)
    for pressed in (filters.compress_log(image), filters.compress_power(image, power)):
        assert (np.diff(pressed.ravel()[order]) >= 0).all()
    back = filters.compress_power(image, power) ** (1 / power) * image.mean()
    np.testing.assert_allclose(back, image, rtol=1e-9, atol=1e-12)


def test_percentile_and_ends_are_as_asked(holed):
    """The wanted percentile becomes 1, the extremes become the wanted ones."""
    assert np.nanpercentile(filters.normalise_percentile(holed, 90), 90) == pytest.approx(1)
    stretched = filters.rescale(holed, 2, 5)
    assert (np.nanmin(stretched), np.nanmax(stretched)) == (2, 5)
    with pytest.raises(ValueError, match="percentile 50 of this image is 0"):
        filters.normalise_percentile([[0, 0], [0, 7]], 50)


# Smoothing


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_gaussian_shrinks_correlations_by_its_law(sigma, pattern):
    """c(i, j) becomes c(i, j) exp(-2 pi^2 s^2 (i^2 + j^2)): the law in the docstring."""
    encoding, _ = pattern
    wide = ReciprocalGrid((-2, 4), (-2, 4), (190, 190))  # the same step, edges far away
    reach = np.arange(-3, 4)
    series = np.outer(0.3 ** abs(reach), (-0.4) ** abs(reach))
    middle = filters.smooth_gaussian(correlation_image(series, wide), sigma)[63:127, 63:127]
    i, j = np.indices((4, 4))
    law = np.exp(-2 * np.pi**2 * (sigma * 2 / 63) ** 2 * (i**2 + j**2))
    np.testing.assert_allclose(delta_pdf(middle).matrix, encoding.matrix * law, atol=2e-5)


def test_gaussian_is_a_weighted_mean_of_what_was_measured(holed):
    """Each pixel against the sum written out; SciPy's own where there is no gap and no edge."""
    smooth = filters.smooth_gaussian(holed, 1.2)
    for row, column in ((0, 40), (29, 46), (15, 20)):
        d2 = np.add.outer((np.arange(64) - row) ** 2, (np.arange(64) - column) ** 2)
        weight = np.where(np.isnan(holed), 0, np.exp(-d2 / (2 * 1.2**2)))
        assert smooth[row, column] == pytest.approx(np.nansum(weight * holed) / weight.sum(), 1e-3)


def test_median_agrees_with_scipy_and_with_nanmedian(image, holed):
    """Without gaps it is SciPy's median filter; with gaps the median of the measured pixels."""
    np.testing.assert_array_equal(
        filters.smooth_median(image, 5), ndimage.median_filter(image.astype(float), 5)
    )
    smooth = filters.smooth_median(holed, 3)
    for row, column in ((29, 46), (31, 48), (20, 33)):
        window = holed[row - 1 : row + 2, column - 1 : column + 2]
        assert smooth[row, column] == np.nanmedian(window)


def test_noise_of_a_known_level_is_found_and_taken_away(pattern):
    """The noise estimate holds to 5 %; each smoothing filter takes most of it away."""
    _, image = pattern
    noise = np.random.default_rng(3).normal(0, 0.1, image.shape)
    assert filters.noise_level(image + noise) == pytest.approx(0.1, rel=0.05)
    noisy = np.clip(image + noise, 0, None)
    for name in ("smooth_gaussian", "smooth_nonlocal", "smooth_total_variation"):
        error = STANDARD[name](noisy) - image
        assert error[2:-2, 2:-2].std() < 0.07, name


def test_bilateral_keeps_an_edge_that_a_gaussian_blurs():
    """Across a step of many standard deviations nothing is mixed."""
    step = np.where(np.arange(40) < 20, 1.0, 5.0) * np.ones((40, 1))
    step[3, 3] = 1.1
    assert np.abs(filters.smooth_bilateral(step, 2, 0.1) - step)[10:].max() < 0.01
    assert np.abs(filters.smooth_gaussian(step, 2) - step)[10:].max() > 1


def test_total_variation_comes_closer_to_flat(holed):
    """The sum of all steps falls as the weight grows."""
    sums = [
        np.nansum(abs(np.diff(filters.smooth_total_variation(holed, w), axis=0)))
        for w in (0.01, 0.1, 1)
    ]
    assert np.nansum(abs(np.diff(holed, axis=0))) > sums[0] > sums[1] > sums[2]


def test_flat_noise_free_part_passes_non_local_means():
    """Where the noise is 0 the image stays as it is."""
    ramp = np.add.outer(np.arange(20.0), np.zeros(20))
    np.testing.assert_allclose(filters.smooth_nonlocal(ramp), ramp)


def test_richardson_lucy_undoes_a_blur(pattern):
    """The correlations that a blur weakened come back: four fifths of the loss."""
    encoding, image = pattern
    blurred = ndimage.gaussian_filter(image, 2, mode="reflect")
    sharp = filters.sharpen_richardson_lucy(blurred, 2, 100)
    lost, left = (np.abs(x - image)[6:-6, 6:-6].mean() for x in (blurred, sharp))
    assert left < 0.2 * lost
    assert np.abs(delta_pdf(blurred).vector - encoding.vector).max() > 0.02


# Area averages


@pytest.mark.parametrize(("shape", "factor"), [((64, 64), (2, 3)), ((10, 20), (4, 1))])
def test_area_average_agrees_with_scikit_image(shape, factor):
    """For whole factors the means are skimage's local means, the errors sqrt(counts) / pixels."""
    counts = np.random.default_rng(1).poisson(5, np.multiply(shape, factor))
    mean, error = resample.area_average(counts, shape)
    expected = transform.downscale_local_mean(counts.astype(float), factor)
    np.testing.assert_allclose(mean, expected)
    np.testing.assert_allclose(error, np.sqrt(expected / np.prod(factor)))


@given(
    arrays(np.float64, (7, 5), elements=st.floats(0, 100)),
    arrays(np.bool_, (7, 5)),
    st.integers(1, 7),
    st.integers(1, 5),
)
@settings(max_examples=40)
def test_area_average_conserves_what_was_measured(image, missing, rows, columns):
    """Total = sum of mean times measured area, whatever the shapes and gaps; errors likewise."""
    image = np.where(missing, np.nan, image)
    if np.isnan(image).all() or np.nanmin(image) == np.nanmax(image):
        return
    mean, error = resample.area_average(image, (rows, columns))
    fine = np.repeat(np.repeat(image, rows, 0), columns, 1)  # each new pixel is 7 x 5 of these
    area = (~np.isnan(fine)).reshape(rows, 7, columns, 5).sum((1, 3)) / (rows * columns)
    assert np.nansum(mean * area) == pytest.approx(np.nansum(image), abs=1e-9)
    np.testing.assert_array_equal(np.isnan(mean), area == 0)
    np.testing.assert_array_equal(np.isnan(error), area == 0)


def test_area_average_errors_are_those_of_many_counts():
    """The spread of the means of 2000 Poisson images is the standard error; shared pixels too."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 60, (9, 7))
    truth[2:4, 3] = np.nan
    stack = np.where(np.isnan(truth), np.nan, rng.poisson(np.nan_to_num(truth), (2000, 9, 7)))
    means = np.array([resample.area_average(each, (4, 3))[0] for each in stack])
    _, error = resample.area_average(truth, (4, 3))
    np.testing.assert_allclose(means.std(axis=0), error, rtol=0.06)


def test_area_average_of_the_same_shape_changes_nothing(holed):
    """A given variance is taken instead of the counts; bad ones are refused."""
    mean, error = resample.area_average(holed, holed.shape, np.full(holed.shape, 4.0))
    np.testing.assert_allclose(mean, holed)
    assert np.nanmin(error) == np.nanmax(error) == 2
    with pytest.raises(ValueError, match=r"variance is 0 or more.*lowest value of -1"):
        resample.area_average(holed, (8, 8), np.full(holed.shape, -1.0))


# Backgrounds and bad pixels


def test_backgrounds_take_a_plane_and_leave_a_peak():
    """A narrow peak on a slope: both backgrounds keep the peak and most of the slope goes."""
    h, k = np.indices((60, 60)).astype(float)
    slope = 10 + 0.1 * h
    peak = 30 * np.exp(-((h - 30) ** 2 + (k - 25) ** 2) / 2)
    for take in (cleaning.subtract_rolling_ball, cleaning.white_tophat):
        left = take(slope + peak)
        assert left[30, 25] == pytest.approx(30, abs=2)
        assert np.median(left) < 0.1 * np.median(slope)
        assert (left <= slope + peak + 1e-9).all()


def test_outliers_against_the_rule_written_out():
    """Pixel by pixel, x is replaced where |x - median| > t 1.4826 MAD."""
    rng = np.random.default_rng(5)
    image = rng.gamma(4, 1, (20, 20))
    image[4, 5], image[10, 12] = 90, 0
    result = cleaning.remove_outliers(image, 5, 4)
    framed = np.pad(image, 2, mode="symmetric")
    median = np.array(
        [[np.median(framed[r : r + 5, c : c + 5]) for c in range(20)] for r in range(20)]
    )
    off = np.pad(np.abs(image - median), 2, mode="symmetric")
    mad = np.array([[np.median(off[r : r + 5, c : c + 5]) for c in range(20)] for r in range(20)])
    outlier = np.abs(image - median) > 4 * 1.4826 * mad
    assert outlier[4, 5]
    np.testing.assert_allclose(result, np.where(outlier, median, image))


def test_hot_and_dead_pixels_go_and_sharp_maxima_stay():
    """All of 20 strong faults are found; a pair of one-pixel maxima on opposite sides stays."""
    rng = np.random.default_rng(8)
    clean = rng.gamma(50, 0.02, (64, 64))
    clean[10, 20] = clean[53, 43] = 30  # one pixel wide, and its equal half a turn away
    spoiled = clean.copy()
    places = np.stack([np.arange(3, 63, 3), rng.permutation(np.arange(3, 63, 3))])
    spoiled[tuple(places[:, :10])] = 40
    spoiled[tuple(places[:, 10:])] = 0
    cured = cleaning.remove_hot_pixels(spoiled, contrast=2)
    changed = cured != spoiled
    assert changed[tuple(places)].all()
    assert changed.sum() == 20
    assert np.abs(cured - clean)[tuple(places)].max() < 1
    alone = cleaning.remove_hot_pixels(clean, contrast=2, group="1")
    assert alone[10, 20] < 2  # without symmetry it goes


def test_mask_hides_what_is_out_of_range():
    """Zero for unmeasured and saturated values: as in the file of undecanedioic acid."""
    masked = cleaning.mask_range([[0, 5], [65535, 7]], lowest=1, highest=65534)
    np.testing.assert_array_equal(masked, [[np.nan, 5], [np.nan, 7]])


# Bragg peaks, gaps and symmetry


def test_punch_takes_exactly_the_discs(image):
    """The pixels nearer than the radius to a whole h and k, on any part of reciprocal space."""
    punched = cleaning.punch_bragg(image, 0.15)
    np.testing.assert_array_equal(np.isnan(punched), STANDARD_GRID.distance_to_bragg() < 0.15)
    elsewhere = cleaning.punch_bragg(image, 0.15, h=(0.3, 0.7))
    assert not np.isnan(elsewhere).any()


def test_punch_and_fill_cuts_peaks_down_to_their_ring():
    """On a flat floor with peaks, the floor comes out; a ring without pixels leaves a gap."""
    rng = np.random.default_rng(1)
    floor = 5 + rng.normal(0, 0.01, (64, 64))
    peaks = 100 * (STANDARD_GRID.distance_to_bragg() < 0.08)
    filled = cleaning.punch_and_fill(floor + peaks)
    assert np.abs(filled - 5).max() < 0.06
    isolated = np.where(STANDARD_GRID.distance_to_bragg() < 0.2, np.nan, floor)
    isolated[0, 0] = 50  # all around it unmeasured
    assert np.isnan(cleaning.punch_and_fill(isolated)[0, 0])


def test_biharmonic_fills_only_small_gaps(holed):
    """A lone pixel and gaps up to the limit are filled, the larger stay; values within range."""
    filled = filling.fill_biharmonic(holed, largest=60)
    assert np.isfinite(filled[30, 47])
    assert np.isnan(filled[18, :10]).all()
    near = holed[27:34, 44:51]
    assert np.nanmin(near) <= filled[30, 47] <= np.nanmax(near)


@pytest.mark.parametrize("fill", [filling.fill_symmetric, filling.fill_periodic])
def test_symmetry_and_periodicity_bring_back_what_was_cut(fill, pattern):
    """The exact image has both, so what is filled is what was there."""
    encoding, image = pattern
    cut = correction_bias.cut_gaps(image)
    filled = fill(cut)
    assert np.abs(filled - image)[~np.isnan(filled)].max() < (
        1e-9 if fill is filling.fill_symmetric else 0.02  # linear interpolation
    )
    assert np.isnan(filled).sum() < 0.1 * np.isnan(cut).sum()
    np.testing.assert_allclose(delta_pdf(filled).vector, encoding.vector, atol=1e-3)


def test_periodicity_holds_off_the_standard_window(pattern):
    """A window from h = -0.7 to 1.9 is filled as well, rows and columns of other steps."""
    grid = ReciprocalGrid((-0.7, 1.9), (0.2, 2.6), (90, 70))
    reach = np.arange(-3, 4)
    image = correlation_image(np.outer(0.3 ** abs(reach), (-0.4) ** abs(reach)), grid)
    cut = image.copy()
    cut[20:30], cut[:, 40:44] = np.nan, np.nan
    filled = filling.fill_periodic(cut, grid.h, grid.k)
    assert np.nanmax(np.abs(filled - image)) < 0.02 * image.max()  # linear interpolation
    assert np.isfinite(filled[25]).mean() > 0.9


@pytest.mark.parametrize("group", ["1", "2", "2mm", "4", "4mm"])
@given(arrays(np.float64, (6, 6), elements=st.floats(0, 9)))
@settings(max_examples=20)
def test_symmetrised_image_has_the_symmetry(group, image):
    """Averaging over a group gives what every operation of it leaves alone, mean included."""
    if image.min() == image.max():
        return
    if group[0] == "4":
        with pytest.raises(ValueError, match=rf"group {group} needs a square image.*\(3, 6\)"):
            filling.symmetrise(image[:3] + np.arange(6.0), group)
    average = filling.symmetrise(image, group)
    for each in filters.equivalents(average, group):
        np.testing.assert_allclose(each, average, atol=1e-12)
    assert average.mean() == pytest.approx(image.mean())
    assert len(filters.GROUPS[group]) == {"1": 1, "2": 2, "2mm": 4, "4": 4, "4mm": 8}[group]


def test_round_trip_through_gaps(clean):
    """Cut and filled by symmetry, then by periodicity: no c(i, j) changes by more than 0.01."""
    table = correction_bias.bias_table(correction_bias.round_trips(), images=clean)
    assert table["gaps: fill_symmetric, fill_periodic"].harmless
    assert not table["gaps: left open"].harmless


# Division


def test_form_factor_is_divided_out(image):
    """E S divided by E is S wherever E is not too small; nothing else is claimed to be known."""
    molecule = dichlorodinitrobenzene()
    cell = Cell(10, 12, 8)
    factor = FormFactor(molecule, molecule.rotated(180), cell).on(STANDARD_GRID)
    divided = cleaning.divide_form_factor(image * factor, factor, floor=0.1)
    known = ~np.isnan(divided)
    np.testing.assert_allclose(divided[known], image[known], rtol=1e-9)
    np.testing.assert_array_equal(known, factor >= 0.1 * factor.mean())


def test_polarisation_at_known_angles():
    """At 2 theta = 90 degrees half is lost, at 0 nothing: sin 45 = wavelength |q| / 2."""
    edge = np.sqrt(2)  # |q| = sqrt 2 / wavelength at h = 1 with a cell of a = wavelength / sqrt 2
    image = np.array([[2.0, 3.0], [2.0, 3.0]])
    corrected = cleaning.divide_polarisation(image, 1.0 * edge, 1.0, 1e3, h=(0, 1), k=(0, 0.001))
    np.testing.assert_allclose(corrected, [[2, 3], [4, 6]], rtol=1e-6)


# The bias table


def test_bias_of_known_changes():
    """Adding a constant b weakens all correlations by 1 / (1 + b): the table says so."""
    table = correction_bias.bias_table(
        {"plus one": lambda x: x + 1, "refuses": _refuse}, 6, 7, ["laboratory"]
    )
    plus = table["plus one"]
    assert plus.gain == pytest.approx(0.5, abs=1e-6)
    assert plus.rms > 0.01
    assert not plus.harmless
    assert np.isnan(table["refuses"].r2["laboratory"])
    assert table["refuses"].refused == {"clean": "not this one", "laboratory": "not this one"}
    text = table.markdown()
    assert text.count("\n") == 4
    assert "refused" in text
    assert len({len(line) for line in str(table).split("\n")}) == 1  # columns
    with pytest.raises(ValueError, match="it has plus one, refuses"):
        table["minus"]
    with pytest.raises(ValueError, match="2 images or more; got 1"):
        correction_bias.bias_table({}, 1)


def _refuse(image):
    raise ValueError("not this one")


@pytest.mark.parametrize(
    ("name", "kind", "before", "after"),
    [
        ("box", "laboratory", 0, 0.85),
        ("section", "synchrotron", 0, 0.87),
        ("noisy", "bad day", 0.3, 0.6),
    ],
)
def test_recommended_pipelines_keep_their_figures(name, kind, before, after):
    """On 20 images each brings most of the promised R^2, from next to nothing without it."""
    (images,) = trials(20, 99, [kind])
    table = correction_bias.bias_table({name: RECOMMENDED[name]}, images=[images])
    assert table.before[kind] < before
    assert table[name].r2[kind] > after


def test_recommended_pipelines_for_images_without_bragg_peaks_are_harmless(clean):
    """These two have no excuse."""
    table = correction_bias.bias_table(RECOMMENDED, images=clean)
    assert table["simulated"].harmless
    assert table["section without Bragg peaks"].harmless


def test_whole_detector_image_is_corrected(local_data):
    """The measured section, 193 x 173 pixels, passes its pipeline; gaps are filled, not added."""
    section = read_image(local_data / "h_0.66_l_16bit_box1.pgm")
    result = RECOMMENDED["section without Bragg peaks"](section)
    assert np.isnan(result).sum() < np.count_nonzero(np.isnan(section) | (section == 0))
