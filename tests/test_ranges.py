"""Ranges of the sliders hold what they promise, set beside closed forms and other solvers."""

import numpy as np
import pytest
from scipy.optimize import linprog

from xrlab import Encoding
from xrlab.crystal.realisable import PUSH, ranges, three_site_slack
from xrlab.crystal.spectrum import field_correlation, lattice_correlation


def with_value(encoding, place, value):
    """Change one value of an encoding."""
    vector = encoding.vector.copy()
    vector[place] = value
    return Encoding.from_vector(vector)


@pytest.mark.parametrize("span", [2, 3, 4])
def test_sure_is_sure_and_open_is_not_closed(span):
    """Just inside a sure range there is a field; just outside an open one three sites object."""
    for seed in range(3):
        encoding = Encoding.random(span, seed, "realisable")
        found = ranges(encoding)
        assert (found.sure[:, 0] < encoding.vector).all()
        assert (found.sure[:, 1] > encoding.vector).all()
        assert (found.open[:, 0] <= found.sure[:, 0] + 1e-6).all()
        assert (found.open[:, 1] >= found.sure[:, 1] - 1e-6).all()
        for place in range(0, span**2 - 1, 2):
            for end, out in zip(found.sure[place], (-1, 1), strict=True):
                assert with_value(encoding, place, end - 0.01 * out).has_field(50)
            for end, out in zip(found.open[place], (-1, 1), strict=True):
                if abs(end) < 0.98:
                    outside = with_value(encoding, place, end + 0.01 * out)
                    assert three_site_slack([outside.vector], span)[0] < 0
                    assert outside.violations()


def test_sure_range_is_as_wide_as_it_can_be():
    """A linear program over all spectra of the same grid ends at most 1/PUSH farther."""
    encoding = Encoding.random(3, 5, "realisable")
    found = field_correlation(ranges(encoding).sure)
    rho = field_correlation(encoding.matrix).ravel()
    steps = np.arange(24) / 24
    waves = np.array(
        [
            np.cos(2 * np.pi * np.add.outer(steps * i, steps * j)).ravel()
            for i in range(3)
            for j in range(3)
        ]
    )
    for place in (1, 4, 8):
        held = [n for n in range(9) if n != place]
        for side, sign in enumerate((1, -1)):
            best = linprog(sign * waves[place], A_eq=waves[held], b_eq=rho[held])
            edge, reached = sign * best.fun, found[place - 1, side]
            assert -1e-4 < sign * (reached - edge) < 1 / PUSH


def test_no_order_leaves_all_free():
    """Without any order each correlation can be anything: to a field, up to 1/PUSH of 1."""
    found = ranges(Encoding.from_vector([0.0, 0.0, 0.0]))
    np.testing.assert_allclose(found.open, [[-1, 1]] * 3)
    assert (np.abs(found.sure) > lattice_correlation(1 - 1 / PUSH)).all()


def test_what_cannot_be_mended_by_one_slider_has_no_range():
    """Two impossible pairs of rows: no value of another slider helps."""
    impossible = Encoding.from_matrix([[1, 0.9, -0.9], [0.9, 0, 0], [-0.9, 0, 0]])
    found = ranges(impossible)
    assert np.isnan(found.sure).all()
    assert np.isnan(found.open[3]).all()


def test_one_slider_too_far_has_a_range_to_go_back_to():
    """Its own range does not depend on where it stands."""
    good = Encoding.from_vector([0.5, 0.5, 0.3])
    bad = with_value(good, 2, -0.9)
    np.testing.assert_allclose(ranges(bad).sure[2], ranges(good).sure[2], atol=1e-4)


def test_warm_start_changes_nothing():
    """From the ranges of another encoding, also an impossible one, the same ranges are found."""
    encoding = Encoding.random(4, 1, "realisable")
    cold = ranges(encoding)
    for other in (
        Encoding.random(4, 2, "realisable"),
        with_value(encoding, 0, 0.95),
        Encoding.random(3, 1, "realisable"),
    ):
        np.testing.assert_allclose(ranges(encoding, ranges(other)).sure, cold.sure, atol=1e-3)
