"""Occlusion against an answer whose weights are known."""

import numpy as np
import pytest

from xrlab import ReciprocalGrid, delta_pdf
from xrlab.course.figures.training import maps_figure, mosaic
from xrlab.course.occlusion import occlusion


def test_weights_of_a_linear_answer_come_back():
    """The factor of each block is the sum of its weights, where they are equal in it."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 4))
    images = rng.uniform(size=(5, 8, 8))

    def answer(stack):
        return (stack * np.kron(weights, np.ones((2, 2)))).mean(axis=(1, 2))

    np.testing.assert_allclose(occlusion(answer, images, 2), 4 * weights / 64, atol=1e-12)


def test_delta_pdf_weights_pixels_by_a_cosine(image):
    """c(0, 1) is the mean of the image times cos 2 pi k."""

    def answer(stack):
        return np.array([delta_pdf(each, 2, lot_size=25).vector[0] for each in stack])

    grid = ReciprocalGrid()
    wave = np.cos(2 * np.pi * grid.k_values).reshape(16, 4).mean(axis=1)
    found = occlusion(answer, np.stack([image, image.T]))
    assert np.corrcoef(found.mean(axis=0), wave)[0, 1] > 0.9


def test_blocks_fill_the_image():
    """Blocks of 3 pixels do not."""
    with pytest.raises(ValueError, match="blocks of 3 pixels do not fill 8 x 8"):
        occlusion(lambda stack: stack[:, 0, 0], np.ones((2, 8, 8)), 3)


def test_figure_shows_the_maps():
    """Each with its own scale, or all with one; tiles of a mosaic stand in reading order."""
    maps = {"a": np.eye(2), "b": -3 * np.eye(2)}
    own, shared = maps_figure(maps, "t").data, maps_figure(maps, "t", shared=True).data
    assert [trace.zmax for trace in own] == [1, 3]
    assert [trace.zmax for trace in shared] == [3, 3]
    tiles = np.arange(3.0)[:, None, None] * np.ones((3, 1, 1))
    np.testing.assert_array_equal(mosaic(tiles, 2), [[0, 0, 1], [0, 0, 0], [2, 0, 0]])
