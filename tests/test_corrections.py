"""Corrections against the published result, their formulas, and bad input."""

import inspect

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xrlab.measurement import cleaning, filling, filters
from xrlab.measurement.filling import fill_unmeasured
from xrlab.measurement.filters import compress_peaks, match_log_moments, normalise_mean
from xrlab.measurement.pipeline import FILTERS, RECOMMENDED, REFERENCE_PIPELINE, Pipeline

images = arrays(np.float64, (5, 6), elements=st.floats(0.01, 1e4)).filter(
    lambda image: image.min() < image.max()
)
HOLED = np.array([[1.0, np.nan], [3.0, 8.0]])


def test_reference_correction_of_box_1(real):
    """The three steps give the author's own corrected file to 1e-12."""
    corrected = REFERENCE_PIPELINE(real("box1"))
    assert np.abs(corrected - real("box1_corrected")).max() <= 1e-12


@given(images)
def test_mean_becomes_one(image):
    """And ratios of pixels stay."""
    normal = normalise_mean(image)
    assert normal.mean() == pytest.approx(1)
    np.testing.assert_allclose(normal * image.mean(), image)


@given(images, st.floats(0.1, 100), st.floats(0.1, 100))
def test_compression_keeps_the_order_and_what_is_below(image, threshold, gamma):
    """Below the threshold nothing changes; above, the formula holds and the order stays."""
    pressed = compress_peaks(image, threshold, gamma)
    below = image <= threshold
    np.testing.assert_array_equal(pressed[below], image[below])
    x = image[~below]
    expected = threshold + np.log(1 + (x - threshold) / (gamma * threshold))
    np.testing.assert_allclose(pressed[~below], expected, rtol=1e-12)
    assert np.all(np.diff(pressed.ravel()[np.argsort(image, axis=None)]) >= 0)


@given(images, st.floats(-5, 5), st.floats(0.2, 2))
def test_log_moments_are_as_asked(image, mean, factor):
    """The mean of the logarithm is u and its spread has grown m^2 times."""
    log = np.log(match_log_moments(image, mean, factor))
    assert log.mean() == pytest.approx(mean, abs=1e-9)
    assert log.std() == pytest.approx(np.log(image).std() * factor**2, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "correct",
    [
        normalise_mean,
        lambda x: compress_peaks(x, 2.0, 1.0),
        lambda x: match_log_moments(x, 0.0, 1.5),
        REFERENCE_PIPELINE,
    ],
)
def test_unmeasured_pixels_stay_unmeasured_and_count_for_nothing(correct):
    """NaN in, NaN out; the other pixels become what they would be on their own."""
    np.testing.assert_array_equal(np.isnan(correct(HOLED)), np.isnan(HOLED))
    alone = np.array([[1.0, 1.0, 3.0, 3.0, 8.0, 8.0]] * 2)  # the same values without the hole
    np.testing.assert_allclose(correct(HOLED)[1], correct(alone)[0, [2, 4]])


def test_fill_takes_the_opposite_pixel_or_the_mean():
    """A hole takes the value that inversion puts there, else the mean."""
    image = np.array([[np.nan, 2.0, np.nan], [4.0, 5.0, 6.0], [np.nan, 8.0, 9.0]])
    filled = fill_unmeasured(image)
    assert filled[0, 0] == 9
    assert filled[0, 2] == filled[2, 0] == pytest.approx(np.mean([2, 4, 5, 6, 8, 9]))
    measured = ~np.isnan(image)
    np.testing.assert_array_equal(filled[measured], image[measured])


def test_log_of_zero_is_refused():
    """A pixel without logarithm is counted and named."""
    with pytest.raises(ValueError, match="2 pixels are 0"):
        match_log_moments([[0.0, 1.0], [2.0, 0.0]], 0.0, 1.0)


def test_pipeline_keeps_every_stage():
    """Stages are named and follow from one another; the text says it all."""
    pipeline = Pipeline(((normalise_mean, {}), (compress_peaks, {"threshold": 1, "gamma": 2})))
    stages = pipeline.stages(HOLED)
    assert list(stages) == ["measured", "normalise_mean", "compress_peaks"]
    np.testing.assert_array_equal(stages["normalise_mean"], normalise_mean(HOLED))
    np.testing.assert_array_equal(stages["compress_peaks"], pipeline(HOLED))
    assert str(pipeline) == "normalise_mean() -> compress_peaks(threshold=1, gamma=2)"


# Pipelines as text


@pytest.mark.parametrize("name", RECOMMENDED)
def test_recommended_pipelines_survive_text(name, tmp_path):
    """Text and file give the same pipeline back, and the text is plain YAML."""
    pipeline = RECOMMENDED[name]
    assert Pipeline.from_yaml(pipeline.to_yaml()) == pipeline
    pipeline.save(tmp_path / "mine.yaml")
    assert Pipeline.from_yaml(tmp_path / "mine.yaml") == pipeline
    assert Pipeline.from_yaml(str(tmp_path / "mine.yaml")) == pipeline
    assert len(yaml.safe_load(pipeline.to_yaml())) == len(pipeline.steps)


steps = st.sampled_from(
    [
        name
        for name, each in FILTERS.items()
        if inspect.Parameter.empty not in each.parameters.values()
    ]
).flatmap(
    lambda name: st.tuples(
        st.just(FILTERS[name].function),
        st.fixed_dictionaries(
            {},
            optional={
                key: st.sampled_from(["1", "2", "4", "4mm"])
                if isinstance(default, str)
                else st.tuples(st.floats(-9, 9), st.integers(1, 9))
                if isinstance(default, tuple)
                else st.floats(allow_nan=False) | st.integers(-(10**9), 10**9)
                for key, default in FILTERS[name].parameters.items()
            },
        ),
    )
)


@given(st.lists(steps, max_size=5))
def test_every_pipeline_of_filters_survives_text(chosen):
    """Whatever the steps and their numbers: small, large, infinite, pairs, groups named "2"."""
    pipeline = Pipeline(tuple(chosen))
    assert Pipeline.from_yaml(pipeline.to_yaml()) == pipeline


def test_text_as_people_write_it():
    """Names alone, an empty value, 1e-3, a group without quotes and a pair of ends."""
    pipeline = Pipeline.from_yaml(
        """
        # my own
        - normalise_mean
        - smooth_gaussian:
        - mask_range: {lowest: 1e-3, highest: .inf}
        - symmetrise: {group: 2}
        - punch_bragg:
            radius: 0.1
            h: [0, 4]
        """
    )
    assert pipeline == Pipeline(
        (
            (normalise_mean, {}),
            (filters.smooth_gaussian, {}),
            (FILTERS["mask_range"].function, {"lowest": 0.001, "highest": np.inf}),
            (filling.symmetrise, {"group": "2"}),
            (cleaning.punch_bragg, {"radius": 0.1, "h": (0, 4)}),
        )
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- smooth_medium", "no filter 'smooth_medium'; did you mean smooth_median.*rescale"),
        ("- print: {x: 1}", "no filter 'print'.*There are normalise_mean"),
        ("- 7", "step 1 is one name.*got 7"),
        ("- {rescale: {}, smooth_median: {}}", "step 1 is one name"),
        ("- smooth_median: {width: 3}", "smooth_median has no parameter 'width'; it has size"),
        ("- normalise_mean: {x: 3}", "it has no parameter"),
        ("- normalise_mean\n- smooth_median: 3", r"parameters of smooth_median \(step 2\).*got 3"),
        ("- compress_peaks: {gamma: 1}", "needs its parameter 'threshold'"),
        ("- smooth_median: {size: large}", "size of smooth_median is a number.*got 'large'"),
        ("- smooth_median: {size: {a: 1}}", "size of smooth_median is a number"),
        ("- smooth_median: {size: true}", "size of smooth_median is a number.*got True"),
        ("smooth_median: {size: 3}", "written as a list.*holds dict"),
        ("", "written as a list.*holds NoneType"),
        ("- [", "no YAML"),
        ("- !!python/object/apply:os.system ['true']", "no YAML.*python/object/apply"),
    ],
)
def test_bad_text_is_refused(text, message):
    """The error says what is wrong and what there is; nothing of the text is run."""
    with pytest.raises(ValueError, match=f"(?s){message}"):
        Pipeline.from_yaml(text)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ((np.sqrt, {}), "the step sqrt is not among the filters"),
        ((cleaning.divide_form_factor, {"form_factor": np.ones((3, 3))}), "type ndarray.*as text"),
    ],
)
def test_what_text_cannot_hold_is_refused(step, message):
    """Your own functions and arrays."""
    with pytest.raises(ValueError, match=message):
        Pipeline((step,)).to_yaml()


def test_repeated_steps_have_names_of_their_own():
    """No stage is lost when a filter is used twice; an error names the step."""
    twice = Pipeline(((normalise_mean, {}), (normalise_mean, {}), (filters.smooth_median, {})))
    assert list(twice.stages(HOLED)) == [
        "measured",
        "normalise_mean",
        "normalise_mean 2",
        "smooth_median",
    ]
    assert str(twice) == "normalise_mean() -> normalise_mean() -> smooth_median()"
    bad = Pipeline(((normalise_mean, {}), (filters.smooth_median, {"size": 4})))
    with pytest.raises(ValueError, match="step 2, smooth_median: size of smooth_median is odd"):
        bad(HOLED)


def test_no_step_is_no_change():
    """The empty pipeline returns the image and is written as an empty list."""
    np.testing.assert_array_equal(Pipeline()(HOLED), HOLED)
    assert Pipeline.from_yaml(Pipeline().to_yaml()) == Pipeline()


def test_every_correction_is_registered():
    """No public function of image to image is left out, and each has one kind."""
    helpers = {"area_average", "moving_median", "noise_level", "bridged", "equivalents"}
    helpers |= {"grid_of", "filled"}
    public = {
        name
        for module in (filters, cleaning, filling)
        for name, each in vars(module).items()
        if inspect.isfunction(each) and each.__module__ == module.__name__ and name[0] != "_"
    }
    assert public - helpers - {"require", "require_odd"} <= FILTERS.keys()
    for name, each in FILTERS.items():
        assert each.name == name
        assert next(iter(inspect.signature(each.function).parameters)) == "image"
