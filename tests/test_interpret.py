"""Predictions and interpretations from shipped weights."""

import json

import numpy as np
import pytest

from xrlab import Encoding, ReciprocalGrid, diffraction_image, interpret, predict, simulate
from xrlab.dataset import STUDY, generate
from xrlab.instrument import counting
from xrlab.metrics import image_r2


def test_predictions_have_the_promised_shape_and_spread():
    """Means near the truth, and standard errors that hold: 68 % and 95 % of unseen images."""
    unseen = generate(3, 200, 321, STUDY, progress=False)
    mean, error = predict(unseen.images, span=3)
    assert mean.shape == error.shape == (200, 8)
    assert mean.dtype == error.dtype == np.float64
    deviation = np.abs(mean - unseen.encodings) / error
    assert 0.60 < np.mean(deviation < 1) < 0.82
    assert 0.91 < np.mean(deviation < 2) < 0.99


def test_scale_and_type_do_not_matter(image):
    """Counts, floats of any size, integers: the same answer."""
    stack = np.stack([image, 1e6 * image, image / 1e6])
    mean, _ = predict(stack, span=2)
    np.testing.assert_allclose(mean[1:], mean[:1].repeat(2, axis=0), atol=1e-4)
    integers = np.round(1e4 * image).astype(np.int32)
    np.testing.assert_allclose(predict(integers[None], span=2)[0], mean[:1], atol=1e-2)


def test_small_holes_change_little(clusters, image):
    """An image with some unmeasured pixels is read nearly as the whole one."""
    holed = image.copy()
    holed[10:14, 20:30] = np.nan
    whole, part = predict(np.stack([image, holed]), span=2)[0]
    np.testing.assert_allclose(part, whole, atol=0.03)


@pytest.mark.parametrize("kind", ["simulated", "measured"])
def test_bad_images_are_refused(bad_image, kind):
    """Whatever is no 64 x 64 image gets a plain error, from both functions."""
    message, image = bad_image
    with pytest.raises(ValueError, match=message):
        interpret(image, kind=kind)
    if image.ndim == 2 and image.size:
        with pytest.raises(ValueError, match=message):
            predict(image[None], kind=kind)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.ones((64, 64)), r"image\[None\]"),
        (np.ones((0, 64, 64)), "at least 1"),
        (np.ones((1, 64, 64, 1)), "stack"),
        ([], "stack"),
    ],
)
def test_what_is_no_stack_is_refused(images, message):
    """A single image, no image, a channel axis."""
    with pytest.raises(ValueError, match=message):
        predict(images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"span": 0}, "span of an encoding"),
        ({"span": 7}, "no network for span 7.*delta_pdf"),
        ({"kind": "drawn"}, "'simulated' or 'measured'"),
    ],
)
def test_bad_arguments_are_refused(image, arguments, message):
    """The error says what there is."""
    with pytest.raises(ValueError, match=message):
        interpret(image, **arguments)
    with pytest.raises(ValueError, match=message):
        predict(image[None], **arguments)


def test_another_grid_is_refused(image):
    """The networks know one window of reciprocal space."""
    with pytest.raises(ValueError, match="from 0 to 2"):
        interpret(image, grid=ReciprocalGrid(h=(0, 1)))


def test_a_clean_image_is_interpreted_well():
    """Encoding within the errors, re-simulated image like the input, no warnings."""
    crystal = simulate(Encoding.from_vector([0.6, -0.4, -0.25]), 96, seed=5)
    image = diffraction_image(crystal, lot_size=48, lots=64, seed=5)
    result = interpret(1000 * image, span=2)
    assert np.abs(result.encoding.vector - crystal.realised.vector).max() < 0.12
    assert np.all(result.standard_error > 0)
    assert result.warnings == []
    assert result.simulated.shape == image.shape
    # two lattices of one encoding have images that agree to about 0.75: chance sets the limit
    assert image_r2(image, result.simulated) > 0.6
    assert result.lattice.target == result.encoding


def test_result_is_plain_data(image):
    """to_dict survives JSON."""
    result = interpret(image, span=3)
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["encoding"] == result.encoding.vector.tolist()
    assert plain["components"][0] == "c(0, 1)"
    assert plain["span"] == 3


def test_same_seed_same_resimulation(image):
    """The lattice of an interpretation can be made again."""
    first, again = interpret(image, span=2, seed=4), interpret(image, span=2, seed=4)
    np.testing.assert_array_equal(first.simulated, again.simulated)


@pytest.mark.parametrize("name", ["box1", "box2"])
def test_measured_boxes_have_errors_and_a_cleaned_pattern(real, name):
    """Errors neither tiny nor hopeless; the pattern repeats from cell to cell."""
    result = interpret(real(name), kind="measured")
    assert 0.01 < result.standard_error.min() <= result.standard_error.max() < 0.3
    assert result.corrected.min() > 0
    np.testing.assert_allclose(result.corrected, result.corrected[::-1, ::-1], rtol=1e-3)
    np.testing.assert_allclose(result.corrected[0], result.corrected[-1], rtol=1e-3)


def test_an_image_that_says_little_is_warned_of(clusters):
    """Two photons in every hundred pixels, most of the image missing: wide errors, and said so."""
    image = counting(diffraction_image(clusters, seed=1), exposure=0.02, seed=1)
    image[:44] = np.nan
    warnings = interpret(image, kind="measured").warnings
    assert any("of the image is unmeasured" in warning for warning in warnings)


def test_unmeasured_pixels_are_warned_of(image):
    """The fraction is named."""
    holed = image.copy()
    holed[:8] = np.nan
    assert any("12.5%" in warning for warning in interpret(holed, span=2).warnings)


def test_an_image_without_order_reads_as_none():
    """A random lattice is read as zero correlations."""
    rng = np.random.default_rng(2)
    sites = rng.permutation(np.repeat([-1, 1], 1250)).reshape(50, 50)
    mean, error = predict(diffraction_image(sites)[None], span=2)
    assert np.all(np.abs(mean) < 5 * error)
