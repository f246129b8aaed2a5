"""Figures of merit against their definitions."""

import numpy as np
import pytest

from xrlab.inference.metrics import image_r2, mean_absolute_error, mean_squared_error, r2_score

TRUE = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 8.0]])


def test_r2_is_the_mean_over_components():
    """By hand: first column 1 - 1/2, second 1 - 1/26."""
    estimate = TRUE + [[1, 0], [0, 1], [0, 0]]
    assert r2_score(TRUE, estimate) == pytest.approx((1 - 1 / 2 + 1 - 1 / 26) / 2)


def test_answering_the_mean_scores_zero():
    """R^2 = 0 is the mean's score; worse answers go below."""
    constant = np.broadcast_to(TRUE.mean(axis=0), TRUE.shape)
    assert r2_score(TRUE, constant) == pytest.approx(0)
    assert r2_score(TRUE, -TRUE) < 0


def test_mean_errors_by_hand():
    """(1 + 4) / 6 and (1 + 2) / 6."""
    estimate = TRUE + [[1, 0], [0, -2], [0, 0]]
    assert mean_squared_error(TRUE, estimate) == pytest.approx(5 / 6)
    assert mean_absolute_error(TRUE, estimate) == pytest.approx(3 / 6)


@pytest.mark.parametrize("figure", [r2_score, mean_squared_error, mean_absolute_error])
@pytest.mark.parametrize(
    ("true", "estimate", "message"),
    [
        ([0, 1], [0, 1, 2], "shape"),
        ([0, np.nan], [0, 1], "NaN"),
        ([], [], "empty"),
    ],
)
def test_bad_pairs_are_refused(figure, true, estimate, message):
    """Shapes agree, nothing is NaN, there is something to compare; R^2 needs a spread."""
    with pytest.raises(ValueError, match=message):
        figure(true, estimate)
    with pytest.raises(ValueError, match="differ"):
        r2_score([1, 1, 1], [1, 1, 2])


def test_image_r2_ignores_scale_and_unmeasured_pixels(image):
    """A scaled copy with holes is the same image."""
    holed = 5.0 * image
    holed[3:9, 7] = np.nan
    assert image_r2(holed, image) == pytest.approx(1)
    where = np.zeros(image.shape, bool)
    where[20:] = True
    spoiled = np.where(where, image, 1e6)
    assert image_r2(spoiled, image, where) == pytest.approx(1)


def test_image_r2_without_pixels_is_refused(image):
    """An empty mask, or another shape, is named."""
    with pytest.raises(ValueError, match="no pixel"):
        image_r2(image, image, np.zeros(image.shape, bool))
    with pytest.raises(ValueError, match="shapes"):
        image_r2(image, image[:5])
