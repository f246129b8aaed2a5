"""Sections of many cells: windows are found, weighed and joined; the cells give the scale."""

import os
from pathlib import Path

import numpy as np
import pytest

from xrlab import ReciprocalGrid, Section, interpret
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.spectra import correlations_of, image_of, random_waves, vector_of
from xrlab.interpretation.cells import Cells, slope_of_level
from xrlab.interpretation.find_cells import find_cells
from xrlab.interpretation.sections import (
    Joining,
    copies,
    join,
    read_windows,
    shares,
)
from xrlab.measurement.instrument import preset
from xrlab.networks.folding import fold_clean
from xrlab.training.join_windows import joining_from
from xrlab.trials.sections import calibration_section, measured_section, section_score

JOINING = Joining(between=0.5, factor=1.0, scale_floor=0.1, scale_factor=1.0)


def crystal(seed):
    """A clean image and its vector: ln S is a random cosine series."""
    waves = random_waves(np.random.default_rng(seed), 3, 1.0, 1.0)
    c = correlations_of(np.exp(waves))
    return image_of(c), vector_of(c)


def test_every_cell_counts_once():
    """The shares of any windows add up to a quarter of the number of cells they cover."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = sorted({tuple(c) for c in rng.integers(-3, 4, (rng.integers(1, 15), 2)).tolist()})
        cells = {(h + a, k + b) for h, k in corners for a in (0, 1) for b in (0, 1)}
        assert shares(corners).sum() == pytest.approx(len(cells) / 4)


def test_averaged_windows_are_copies():
    """A window and its mates turned half round and mirrored are copies; others are not."""
    rng = np.random.default_rng(1)
    one, two = (crystal(seed)[0] * np.exp(rng.normal(0, 0.3)) for seed in (1, 2))
    noisy = [rng.poisson(100 * image).astype(float) for image in (one, one[::-1, ::-1], two)]
    noisy.append(noisy[2].T[::-1])
    np.testing.assert_array_equal(copies(np.array(noisy)), [2, 2, 2, 2])
    slope = np.linspace(0.5, 1.5, 64)[:, None]
    np.testing.assert_array_equal(copies(np.array([one * slope, one, two])), 1)


def test_the_slope_of_level_against_amplitude():
    """Level = slope x amplitude + a quadratic background, some cells far off: within 3 errors."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        q = np.stack(np.meshgrid(np.arange(6), np.arange(6)), -1).reshape(-1, 2) - 2.5
        amplitude = rng.lognormal(0, 0.7, len(q))
        level = 1.7 * amplitude + 1 + 0.1 * q[:, 0] + 0.02 * (q**2).sum(1)
        level += rng.normal(0, 0.05, len(q))
        level[:2] += 3
        noise = np.tile([1e-6, 0.05**2, 0.0], (len(q), 1))
        slope, error = slope_of_level(q, np.column_stack([amplitude, level, noise]))
        assert error < 0.1
        assert abs(slope - 1.7) < 3 * error


@pytest.mark.parametrize("shrunk", [0.5, 0.8, 1.0])
def test_cells_give_the_scale_of_the_pattern(shrunk):
    """S - 1 shrunk by a factor comes back in full: an unknown background hides it in one window."""
    clean, _ = crystal(5)
    section = measured_section(clean, preset("laboratory"), np.random.default_rng(2), molecule=True)
    cell = fold_clean(clean[None])[0].astype(float)
    cell /= cell.mean()
    scale, error = Cells(section, section.corners()).scale(1 + shrunk * (cell - 1))
    assert scale * shrunk == pytest.approx(1, abs=0.1)
    assert error < 0.1


def test_joining_moves_along_the_scale():
    """An exact scale is taken over; the errors across it fall with the windows alone."""
    mean = np.array([0.4, -0.2, 0.0])
    covariance = np.diag([0.02, 0.01, 0.01]) ** 2 + 0.2**2 * np.outer(mean, mean)
    exact = Joining(between=0.5, factor=1.0, scale_floor=1e-6, scale_factor=1.0)
    vector, joint = join(mean, covariance, 4, 1.1, 0.0, exact)
    along = mean / (mean @ mean)
    assert along @ vector == pytest.approx(1.1, abs=1e-4)
    assert joint[2, 2] == pytest.approx(0.01**2 * (0.5 + 0.5 / 4), rel=1e-6)
    assert along @ joint @ along < 1e-6
    alone, same = join(mean, covariance, 1, np.nan, np.nan, exact)
    np.testing.assert_allclose(alone, mean)
    np.testing.assert_allclose(same, covariance)


def test_a_scale_that_contradicts_the_windows_moves_them_little():
    """Ten errors away it is no longer taken at its word."""
    mean = np.array([0.4, -0.2, 0.1])
    covariance = 1e-4 * np.eye(3) + 0.05**2 * np.outer(mean, mean)
    vector, _ = join(mean, covariance, 9, 3.0, 0.01, JOINING)
    assert np.abs(vector / mean - 1).max() < 0.1


@pytest.fixture(scope="module")
def known():
    """Six sections of the making of the calibration, and what is read in them."""
    made = [calibration_section(4, index) for index in range(5)]
    return made, [read_windows(section.section) for section in made]


def test_joined_answers_are_better_than_windows(known):
    """In five sections together, by any window and by the clearest."""
    made, answers = known
    score = section_score(answers, np.array([section.vector for section in made]))
    assert score.joined < score.clearest_window
    assert score.joined < score.any_window


def test_the_numbers_of_the_joining_come_from_known_sections(known):
    """Correlation between 0 and 1, errors above 0, and the joined errors follow the factor."""
    made, answers = known
    joining = joining_from(answers, np.array([section.vector for section in made]))
    assert 0 <= joining.between <= 1
    assert min(joining.factor, joining.scale_floor, joining.scale_factor, joining.apart) > 0


def test_a_section_is_interpreted_as_a_whole():
    """The values are the joined ones, pictures and checks those of the clearest window."""
    section = calibration_section(4, 0).section
    result = interpret(section, fit=False)
    windows = result.windows
    assert len(windows.corners) == 25
    np.testing.assert_array_equal(result.encoding.vector, windows.vector)
    np.testing.assert_array_equal(result.covariance, windows.joint)
    corner = windows.corners[int(windows.contrast.argmax())]
    assert (result.grid.h[0], result.grid.k[0]) == corner
    assert "windows" in {finding.key for finding in result.findings}
    assert result.to_dict()["windows"]["corners"][0] == list(windows.corners[0])


@pytest.mark.parametrize("pixels", [33, 63, 128, 200])
def test_any_number_of_pixels_a_cell(pixels):
    """2 x 2 cells on other grids are read as on 64 x 64 points, to a third of the error."""
    image = crystal(3)[0] * np.linspace(0.6, 1.4, 64)[:, None] + 0.3
    grid = ReciprocalGrid(shape=(pixels, pixels))
    rows = np.array([np.interp(grid.k_values, STANDARD_GRID.k_values, row) for row in image])
    finer = np.array([np.interp(grid.h_values, STANDARD_GRID.h_values, row) for row in rows.T]).T
    plain = interpret(image, fit=False)
    other = interpret(finer, grid=grid, fit=False)
    assert other.windows is None
    apart = np.abs(other.encoding.vector - plain.encoding.vector) / plain.standard_error
    assert np.sqrt((apart**2).mean()) < 1 / 3


@pytest.mark.parametrize(
    ("section", "arguments", "message"),
    [
        (Section.from_range(np.eye(60), (0, 4), (0, 4)), {}, "14.8 pixels along h; 16 are needed"),
        (Section.from_range(np.eye(60), (0, 1.5), (0, 2)), {}, "holds no window"),
        (Section.from_range(np.eye(90), (0, 3), (0, 2)), {"kind": "simulated"}, "cut one window"),
        (
            Section.from_range(np.eye(90) + 1, (0, 2), (0, 2)),
            {"form_factor": np.ones((3, 3))},
            "has the shape of the section",
        ),
    ],
)
def test_sections_that_cannot_be_read_are_refused(section, arguments, message):
    """The error names what is wrong and what is needed."""
    with pytest.raises(ValueError, match=message):
        interpret(section, **arguments)


def test_a_share_of_the_background_is_that_of_one_window():
    """In a section of many it differs from window to window, unless it is 0."""
    section = calibration_section(4, 1).section
    with pytest.raises(ValueError, match="differs from window to window"):
        interpret(section, background=(0.1, 0.4), fit=False)
    assert np.isnan(interpret(section, background=(0, 0), fit=False).windows.scale)


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_cells_and_origin_are_found(seed):
    """In a noisy section with gaps, to 1 % of a cell and a fifth of a pixel.

    The pattern of these crystals does not nearly repeat after half a cell.
    """
    rng = np.random.default_rng(seed)
    made = measured_section(crystal(seed)[0], preset("synchrotron"), rng, molecule=True)
    while made.h[0] != -3:  # the origin in the middle
        made = measured_section(crystal(seed)[0], preset("synchrotron"), rng, molecule=True)
    found = find_cells(made.image)
    np.testing.assert_allclose(found.h[[0, -1]], made.h[[0, -1]], atol=0.03)
    np.testing.assert_allclose(found.k[[0, -1]], made.k[[0, -1]], atol=0.03)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.random.default_rng(0).random((90, 90)), "does not repeat"),
        (np.ones((40, 90)), "48 x 48 pixels or more"),
        (np.full((90, 90), np.nan), "only 0 pixels"),
    ],
)
def test_images_without_cells_are_refused(image, message):
    """Noise, too few pixels, nothing measured."""
    with pytest.raises(ValueError, match=message):
        find_cells(image)


@pytest.mark.parametrize("given", [True, False])
def test_windows_of_a_plane_of_another_group_agree(given):
    """A calculated plane of 11 x 11 cells, gaps and rings: within the limit of one crystal."""
    path = Path(os.environ.get("XRLAB_LOCAL_DATA", ""), "dsfunet_demo_test1.npy")
    if not path.exists():
        pytest.skip("needs dsfunet_demo_test1.npy (DSFU-Net) in XRLAB_LOCAL_DATA")
    stored = np.load(path).astype(float)
    image = np.where(stored <= -1, np.nan, stored + 1)
    section = Section.from_calibration(image, (128, 128), 23.4) if given else find_cells(image)
    (finding,) = (f for f in interpret(section, fit=False).findings if f.key == "windows")
    assert finding.ok
