"""Windows of a section against images that were computed directly, closed forms and chance."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrlab import Encoding, ReciprocalGrid, Section, diffraction_image, expected_image, simulate
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.io.section import read_section
from xrlab.widgets.section import WindowPicker, pick, place_to_corner, whole_section

ENCODING = Encoding.from_vector([0.5, 0.3, 0.2])


def plane(h, k):
    """Intensity that is linear in h and k, so that both ways to resample are exact."""
    return 10 + 3 * h[:, None] - 2 * k[None, :]


def section(rows=201, columns=301, h=(-2.0, 3.0), k=(-3.0, 3.0)):
    return Section.from_range(plane(np.linspace(*h, rows), np.linspace(*k, columns)), h=h, k=k)


def test_a_fine_image_resampled_is_the_one_computed_there():
    """A simulated speckle pattern on 631 x 631 pixels, to the standard window."""
    lattice = simulate(ENCODING, seed=1)
    fine = ReciprocalGrid((-0.5, 2.5), (-0.5, 2.5), (946, 946))  # ten to a pixel
    window = Section(
        diffraction_image(lattice, fine, seed=1), fine.h_values, fine.k_values
    ).window()
    direct = diffraction_image(lattice, seed=1)
    assert window.grid == STANDARD_GRID
    # A mean over a pixel damps speckles: cos 2 pi n h by sinc(n 2/63), n up to 24 for these lots.
    assert np.sqrt(np.mean((window.image - direct) ** 2)) < 0.2 * direct.std()
    assert np.corrcoef(window.image.ravel(), direct.ravel())[0, 1] > 0.98
    smooth = expected_image(ENCODING, fine)
    window = Section(smooth, fine.h_values, fine.k_values).window()
    np.testing.assert_allclose(window.image, expected_image(ENCODING), rtol=0.06)


def test_area_average_agrees_with_its_closed_form():
    """The mean of cos 2 pi n h over a pixel of width d is cos times sin(pi n d) / (pi n d)."""
    h = np.linspace(-1, 3, 8001)
    image = np.repeat(1 + np.cos(2 * np.pi * 5 * h)[:, None], 40, axis=1)
    window = Section.from_range(image, (-1, 3), (-1, 3)).window()
    width = 2 / 63
    expected = 1 + np.cos(2 * np.pi * 5 * STANDARD_GRID.h_values) * np.sinc(5 * width)
    np.testing.assert_allclose(window.image[:, 5], expected, atol=1e-4)


@given(st.integers(30, 400), st.integers(30, 400), st.floats(-1.9, 0.9), st.floats(-2.9, 0.9))
def test_a_plane_stays_a_plane(rows, columns, h, k):
    """On finer and coarser sections, anywhere inside."""
    window = section(rows, columns).window((h, h + 2), (k, k + 2), (20, 30))
    np.testing.assert_allclose(window.image, plane(window.h, window.k), atol=0.05)
    assert window.image.shape == (20, 30)


def test_uneven_and_falling_axes_are_placed_right():
    """Pixels of a warped axis, and a first row at the largest h."""
    h, k = 3 * np.linspace(0, 1, 500) ** 1.3 - 0.5, np.linspace(2.5, -0.5, 400)
    window = Section(plane(h, k), h, k).window()
    np.testing.assert_allclose(window.image, plane(window.h, window.k), atol=0.01)
    with pytest.raises(ValueError, match="h is not evenly spaced"):
        _ = Section(plane(h, k), h, k).grid


def test_same_pixels_come_back():
    """A window on the grid of the section is the section, pixel by pixel."""
    image = np.random.default_rng(0).random((64, 64))
    window = Section.from_range(image, (0, 2), (0, 2)).window()
    np.testing.assert_allclose(window.image, image, atol=1e-12)
    np.testing.assert_allclose(window.weight, 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 50), (131, 97), (400, 380)])
def test_counting_error_is_that_of_many_measurements(shape):
    """The spread over 120 repeated countings, for interpolated and for averaged pixels."""
    rng = np.random.default_rng(1)
    mean = 20.0
    counts = rng.poisson(mean, (120, *shape)).astype(float)
    windows = [Section.from_range(c, (0, 2), (0, 2)).window(shape=(8, 9)) for c in counts]
    spread = np.std([w.image for w in windows], axis=0)
    error = np.mean([w.counting_error for w in windows], axis=0)
    assert np.mean(spread**2) == pytest.approx(np.mean(error**2), rel=0.08)
    # averaged twice is as well known as the parts say
    twice = windows[0].window((0.5, 1.5), (0.5, 1.5), (2, 2))
    assert (twice.weight > windows[0].weight.min()).all()


def test_unmeasured_pixels_count_for_nothing():
    """A gap leaves the mean of the rest; a pixel with less than half measured is NaN."""
    whole = section()
    image = whole.image.copy()
    image[:, 170:171] = np.nan
    image[100:140, 160:260] = np.nan
    window = Section(image, whole.h, whole.k).window((0, 2), (0, 2), (32, 32))
    expected = whole.window((0, 2), (0, 2), (32, 32))
    measured = ~np.isnan(window.image)
    np.testing.assert_allclose(window.image[measured], expected.image[measured], atol=0.1)
    inside = (window.h[:, None] > 0.55) & (window.h[:, None] < 1.4) & (window.k > 0.3)
    assert not measured[inside & (window.k < 2.1)].any()
    assert measured[:7].all()
    assert (window.weight[~measured] == 0).all()
    assert np.isnan(window.counting_error[~measured]).all()


def test_a_window_of_nothing_is_refused():
    """All NaN is an error where the window is cut, not later."""
    image = section().image.copy()
    image[50:, 100:] = np.nan
    with pytest.raises(ValueError, match="nothing was measured in the window, h from 0 to 2"):
        Section.from_range(image, (-2, 3), (-3, 3)).window()


@pytest.mark.parametrize("angle", [60, 90, 105, 120])
@pytest.mark.parametrize("turn", [0, 25])
def test_oblique_axes_are_straightened(angle, turn):
    """A smooth function of h and k, drawn along axes at an angle, is found at its h and k."""

    def pattern(h, k):
        return 5 + np.cos(2 * np.pi * h) + np.cos(2 * np.pi * k) + np.sin(2 * np.pi * (h + k))

    turned, oblique = np.deg2rad([turn, turn + angle])
    matrix = np.array([[np.cos(turned), np.cos(oblique)], [np.sin(turned), np.sin(oblique)]])
    pixels = np.stack(np.meshgrid(np.arange(480), np.arange(500), indexing="ij"), axis=-1)
    h, k = np.moveaxis((pixels - [240.0, 250.0]) @ np.linalg.inv(matrix * 60).T, -1, 0)
    straight = Section.from_calibration(pattern(h, k), (240, 250), 60, matrix)
    window = straight.window((-1, 1), (-1, 1))
    expected = pattern(window.h[:, None], window.k[None, :])
    np.testing.assert_allclose(window.image, expected, atol=0.05)


def test_calibration_places_rows_and_columns():
    """Without a matrix nothing is resampled; different scales, a row number that falls with h."""
    image = np.arange(12.0).reshape(3, 4)
    placed = Section.from_calibration(image, (1, 0), (2, 4))
    np.testing.assert_allclose(placed.h, [-0.5, 0, 0.5])
    np.testing.assert_allclose(placed.k, [0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(placed.image, image)
    falling = Section.from_calibration(image, (1, 0), (2, 4), [[-1, 0], [0, 1]])
    np.testing.assert_array_equal(falling.image, image[::-1])
    swapped = Section.from_calibration(image, (1, 0), 1, [[0, 1], [1, 0]])
    np.testing.assert_allclose(swapped.image, image.T)
    np.testing.assert_allclose(swapped.k, [-1, 0, 1])


def calibrated(*arguments):
    return Section.from_calibration(np.ones((5, 5)), *arguments)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (Section, (np.ones(5), range(5), range(5)), "2-D array"),
        (
            Section,
            (np.ones((3, 4)), range(4), range(4)),
            "h needs one .* of the 3 rows",
        ),
        (Section, (np.ones((3, 4)), range(3), [0, 1, 1, 2]), "k needs one .* of the 4 columns"),
        (Section, (np.ones((3, 4)), [0, 1, np.nan], range(4)), "h needs"),
        (calibrated, ((1, 1), 0), "above 0; got.*and 0"),
        (calibrated, ((1, 1), np.nan), "above 0"),
        (calibrated, ((1, 1), 2, [[1, 1], [1, 1]]), "two different directions"),
        (calibrated, ((1, 1), 2, [1, 0]), "two different directions"),
        (section().window, ((2, 4), (0, 2)), "h from 2 to 4, reaches out .*, h from -2 to 3"),
        (section().window, ((0, 2), (-4, -2)), "k from -4 to -2, reaches out .*, k from -3 to 3"),
        (section().window, ((9, 11), (0, 2)), "reaches out"),
        (section().window, ((2, 0), (0, 2)), "from a smaller to a larger"),
        (section().window, ((np.nan, 2), (0, 2)), "from a smaller to a larger"),
    ],
)
def test_what_is_no_section_or_window_is_refused(make, arguments, message):
    """Axes that do not fit, impossible calibrations, and windows outside."""
    with pytest.raises(ValueError, match=message):
        make(*arguments)


def test_friedel_mates_fill_each_other():
    """What is in a gap on one side is measured on the other, and both together are better known."""
    rng = np.random.default_rng(2)
    h = k = np.linspace(-2.5, 2.5, 501)
    intensity = 50 + 30 * np.cos(2 * np.pi * (h[:, None] + 2 * k))
    counts = rng.poisson(intensity).astype(float)
    counts[300:320, 300:400] = np.nan
    measured = Section(counts, h, k)
    alone, both = measured.window(), measured.symmetric_window()
    expected = Section(intensity, h, k).window()
    assert np.isnan(alone.image).any()
    assert not np.isnan(both.image).any()
    errors = [np.nanstd(each.image - expected.image) for each in (alone, both)]
    assert errors[1] == pytest.approx(errors[0] / np.sqrt(2), rel=0.05)
    seen = alone.weight > 0
    assert np.median(both.weight[seen] / alone.weight[seen]) == pytest.approx(2, rel=0.02)


def test_corners_are_the_windows_that_can_be_cut():
    """Each of them can, their neighbours outside cannot; unmeasured ones are left out."""
    whole = section(201, 301)
    corners = whole.corners()
    assert corners[0] == (-2, -3)
    assert len(corners) == 4 * 5
    image = whole.image.copy()
    image[100:] = np.nan  # h above 0.5
    assert Section(image, whole.h, whole.k).corners(measured=0.9) == [(-2, k) for k in range(-3, 2)]


def mdhisto(path, turned=False):
    """Mantid's MDHisto as its SaveMD writes it: axes as edges of bins, the fastest named first."""
    edges = np.linspace(-3, 3, 122), np.linspace(-2.5, 2.5, 101)  # of H, of K
    h, k = ((each[1:] + each[:-1]) / 2 for each in edges)
    signal = plane(h, k)
    signal[3, 5] = np.nan
    labels = ("[H,0,0]", "[0,K,0]")
    mask = np.zeros(signal.shape, np.int8)
    mask[10, 20] = 1
    slow, fast = (0, 1) if turned else (1, 0)
    with h5py.File(path, "w") as file:
        data = file.create_group("MDHistoWorkspace/data")
        for name, values in (("signal", signal), ("mask", mask), ("errors_squared", signal)):
            data[name] = values if turned else values.T
        data["signal"].attrs["axes"] = "D1:D0"
        for name, axis in (("D0", fast), ("D1", slow)):
            data[name] = edges[axis]
            data[name].attrs["long_name"], data[name].attrs["units"] = labels[axis], "r.l.u."
    return h, k, signal


@pytest.mark.parametrize("turned", [False, True])
def test_mantid_sections_come_with_their_axes(tmp_path, turned):
    """Middles of the bins, the mask, and rows along h whichever way they are stored."""
    h, k, signal = mdhisto(tmp_path / "a.nxs", turned)
    read = read_section(tmp_path / "a.nxs")
    np.testing.assert_allclose(read.h, h)
    np.testing.assert_allclose(read.k, k)
    assert read.labels == ("[H,0,0]", "[0,K,0]")
    missing = np.isnan(read.image)
    assert set(map(tuple, np.argwhere(missing))) == {(3, 5), (10, 20)}
    np.testing.assert_array_equal(read.image[~missing], signal[~missing])
    assert read.window().grid == STANDARD_GRID


def test_files_without_axes_need_them_said(tmp_path):
    """The error says how."""
    np.save(tmp_path / "a.npy", section().image)
    with pytest.raises(ValueError, match=r"give h="):
        read_section(tmp_path / "a.npy")
    read = read_section(tmp_path / "a.npy", h=(-2, 3), k=(-3, 3))
    np.testing.assert_array_equal(read.h, section().h)


# The widget


def test_places_become_corners():
    """Nearest whole h and k, kept inside; the box is where the window is."""
    whole = section()
    assert place_to_corner(whole, [0.5, 0.4]) == (0, 0)
    assert place_to_corner(whole, [1.0, 0.0]) == (-2, 1)
    chosen = pick(whole, (-1, 0))
    np.testing.assert_allclose(chosen.box, [0.5, 0.2, 2 / 6, 2 / 5])
    np.testing.assert_allclose(chosen.window.image, whole.window((-1, 1), (0, 2)).image)
    assert chosen.measured == 1
    assert whole_section(whole).shape == (267, 320)


def test_picker_follows_clicks_and_fields():
    """Window, box, pictures and the announced line; an unmeasured window says so in words."""
    image = section().image.copy()
    image[81:, 160:] = np.nan  # h and k above 0
    picker = WindowPicker(Section.from_range(image, (-2, 3), (-3, 3)))
    begun = picker.result.corner
    shown = picker._window.value
    picker.picture.place = [0.02, 0.6]
    assert picker.result.corner == (1, -3)
    assert picker.result.corner != begun
    assert [field.value for field in picker.controls.values()] == [1, -3]
    assert picker._window.value != shown
    assert bytes(picker._window.value).startswith(b"\x89PNG")
    np.testing.assert_allclose(picker.picture.box, [0, 0.6, 2 / 6, 2 / 5])
    assert 'role="status"' in picker.status.value
    assert "h from 1 to 3, k from -3 to -1; 100% measured" in picker.status.value
    picker.controls["k"].value = 1
    assert picker.result is None
    assert "Not possible:</b> nothing was measured" in picker.status.value
    picker.controls["h"].value = -2
    assert picker.result.corner == (-2, 1)
    picker.controls["h"].value = 7  # beyond the last: the field itself stops there
    assert picker.controls["h"].value == 1
    picker.picture.place = [float("nan"), 0.0]
    assert picker.result is None
    picker.reset.click()
    assert picker.result.corner == begun


def test_picker_refuses_a_section_without_a_window():
    """At least the cells of one window."""
    with pytest.raises(ValueError, match="2 x 2 cells from whole h and k does not fit"):
        WindowPicker(Section.from_range(np.ones((9, 9)), (0.2, 1.8), (0, 2)))
