"""Tests of the last notebook's experiments: what more pixels bring, order that no image shows."""

import numpy as np
import pytest

from xrlab import ReciprocalGrid, diffraction_image
from xrlab.course.checks import check_pixels
from xrlab.course.next_steps import (
    pixels_figure,
    resolutions,
    three_dot_lattice,
    three_site_mean,
    traversal_figure,
)
from xrlab.crystal.lattice import realised_correlations


def one_cell(pixels):
    """Return the grid of one cell."""
    return ReciprocalGrid((0, 1), (0, 1), (pixels, pixels))


def test_more_pixels_bring_nothing_and_too_few_cost():
    """From the number of the exercise on the error stays; one pixel fewer, and it does not."""
    found = resolutions(3, {n: one_cell(n) for n in (13, 14, 15, 40)}, 12, lot_size=11, lots=4)
    enough = 10 + 2 + 2  # farthest wave, wanted ones, the first beyond, and the other end
    assert found[15].rms == pytest.approx(found[40].rms, abs=1e-6)
    assert found[enough].rms == pytest.approx(found[40].rms, abs=1e-6)
    assert abs(found[enough - 1].rms - found[40].rms) > 1e-5
    assert found[40].made > 0 < found[40].read
    assert check_pixels(enough, 3, 11).startswith("Right")


def test_one_cell_more_needs_an_even_number():
    """With an odd number of pixels on two cells, both cells are seen at the same points."""
    grids = {n: ReciprocalGrid(shape=(n, n)) for n in (16, 17, 40)}
    found = resolutions(3, grids, 12, lot_size=11, lots=4)
    assert found[16].rms == pytest.approx(found[40].rms, abs=1e-6)
    assert found[17].rms > 1.2 * found[40].rms


def test_more_lots_do_help():
    """Ten times as many lots, smaller errors."""
    few, many = (
        resolutions(2, {"usual": one_cell(16)}, 20, lot_size=10, lots=lots)["usual"]
        for lots in (2, 20)
    )
    assert many.rms < few.rms
    assert many.r2 > few.r2


def test_one_image_has_no_r2():
    """The number of images is named."""
    with pytest.raises(ValueError, match="2 images or more; got 1"):
        resolutions(2, {}, 1)


def test_order_in_triples_does_not_show():
    """Every triple is fixed, no pair is, and the image is that of coin tosses."""
    sites = three_dot_lattice(200, seed=1)
    assert three_site_mean(sites) == 1
    assert set(np.unique(sites)) == {-1, 1}
    assert abs(realised_correlations(sites, 4).vector).max() < 0.04
    coins = np.random.default_rng(1).choice([-1, 1], (200, 200))
    assert abs(three_site_mean(coins)) < 0.03
    spread = [diffraction_image(each, lots=64).std() for each in (sites, coins)]
    assert spread[0] == pytest.approx(spread[1], rel=0.15)
    with pytest.raises(ValueError, match="2 x 2"):
        three_dot_lattice(1)


def test_figures_show_their_numbers():
    """One picture for each place; errors as they are."""
    figure = pixels_figure([16, 32], {"span 4": [0.2, 0.1]})
    assert list(figure.data[0].y) == [0.2, 0.1]
    wave = 1 + 0.8 * np.cos(2 * np.pi * np.linspace(0, 2, 64))  # c(0, 1) = 0.4
    image = np.tile(wave, (64, 1))
    figure = traversal_figure([[image, image.T]], [-1, 1], span=2)
    titles = [each.text for each in figure.layout.annotations]
    assert titles == [
        "z<sub>1</sub> = −1.0<br>0.4, 0.0, 0.0",
        "z<sub>1</sub> = +1.0<br>0.0, 0.4, 0.0",
    ]
    assert len(figure.data) == 2
