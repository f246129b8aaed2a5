"""Every test of an answer against a case that was made to pass it, and one made to fail it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from xrlab import Encoding, ReciprocalGrid
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.interpretation.findings import (
    LIMITS,
    PARTLY,
    STRUCTURE,
    UNMEASURED,
    Finding,
    counting_noise,
    examine,
    examine_clean,
    knowledge,
    precision,
    status_of,
    warnings_of,
)
from xrlab.interpretation.residual import missed_structure, predicted_detail, repeats

X, Y = np.meshgrid(STANDARD_GRID.h_values - 1, STANDARD_GRID.k_values - 1, indexing="ij")
NAMES = [
    "residual structure",
    "positivity",
    "size effect",
    "network and fit",
    "unmeasured",
    "outside the training",
    "alignment",
    "repetition",
    "Bragg positions",
    "intensity scale",
]
ERROR = np.array([0.03, 0.04, 0.05])
MEAN = np.array([0.3, 0.2, 0.1])
BOTH = np.array([0.05, 0.05, 0.13])  # combined errors of network and fit
PERIODIC = 2 + np.cos(2 * np.pi * X) * np.cos(2 * np.pi * Y) + np.cos(2 * np.pi * (X - Y))


def a_fit(image, **changes):
    """A fit of E = 50 and B = 10 that predicts this image perfectly, with other numbers changed."""
    everywhere = np.ones(image.shape)
    fit = PhysicalFit(
        encoding=Encoding.from_vector(MEAN),
        standard_error=np.array([0.04, 0.03, 0.12]),
        opposite=np.zeros((1, 1)),
        spectrum=np.ones((32, 32)),
        envelope=50 * everywhere,
        displaced=0 * everywhere,
        background=10 * everywhere,
        model=np.nan_to_num(image, nan=60.0),
        thermal=0.0,
        size_effect=0.0,
        unseen=image,
        smooth=np.full(image.shape, 100.0),
        weights={2: 1.0},
        coefficients=6,
        r2=0.9,
        cv_r2=0.8,
        skill=0.7,
    )
    return replace(fit, **changes)


def examined(image=10 + 50 * PERIODIC, mean=MEAN, turned=None, **changes):
    turned = np.tile(mean, (3, 1)) if turned is None else turned
    found = examine(image, STANDARD_GRID, a_fit(image, **changes), mean, ERROR, turned)
    return {finding.key: finding for finding in found}


def test_a_perfect_answer_passes_everything():
    """All tests in a fixed order, all passed; an image without noise has none to check."""
    found = examined()
    assert list(found) == NAMES
    assert all(finding.ok for finding in found.values())
    assert found["residual structure"].value == found["outside the training"].value == 0


def test_much_that_does_not_repeat_is_named():
    """Displaced neighbours, or axes that are wrong."""
    few, much = (examined(size_effect=x)["size effect"] for x in (0.05, 0.5))
    assert few.ok
    assert not much.ok
    assert "50% of the spread" in much.sentence
    assert "the axes are of another length" in much.sentence
    assert "axes" not in few.sentence


def test_repetition_after_the_fit_is_tested_where_structure_is_left():
    """A fit that predicts nothing of the detail leaves all of it; a perfect one leaves none."""
    image = 10 + 50 * PERIODIC
    left = examined(image, unseen=np.full((64, 64), image.mean()))
    repeating = {"periodic structure", "inversion symmetry", "periodicity"}
    assert set(left) - set(examined(image)) == repeating
    assert left["periodic structure"].value < 0.1


def test_without_a_fit_the_checks_of_the_image_remain():
    """They are the last ones, with the same numbers."""
    image = 10 + 50 * PERIODIC
    alone = examine(image, STANDARD_GRID, None, MEAN, ERROR, np.tile(MEAN, (3, 1)))
    assert alone == list(examined(image).values())[4:]


@pytest.mark.parametrize(
    ("name", "passes", "fails"),
    [
        (
            "network and fit",
            {"mean": MEAN + 0.99 * LIMITS["network and fit"] * BOTH},
            {"mean": MEAN + 1.01 * LIMITS["network and fit"] * BOTH},
        ),
        (
            "outside the training",
            {"turned": MEAN + np.tile(0.99 * LIMITS["outside the training"] * ERROR, (3, 1))},
            {"turned": MEAN - np.tile(1.01 * LIMITS["outside the training"] * ERROR, (3, 1))},
        ),
    ],
)
def test_limits_of_plain_numbers(name, passes, fails):
    """Just inside passes, just outside does not, and no other test notices."""
    assert examined(**passes)[name].ok
    found = examined(**fails)
    assert [n for n, finding in found.items() if not finding.ok] == [name]
    assert found[name].limit > 0


def test_network_and_fit_in_combined_errors():
    """Apart by 3, 2 and 1 combined errors (5, 5 and 13 hundredths): sqrt(14 / 3)."""
    away = MEAN + np.array([0.15, -0.10, 0.13])
    assert examined(mean=away)["network and fit"].value == pytest.approx(np.sqrt(14 / 3))


def test_what_turning_moves_in_the_networks_errors():
    """One of nine values moved by 3 of its errors: a root mean square of 1."""
    turned = np.tile(MEAN, (3, 1))
    turned[1, 2] += 3 * ERROR[2]
    assert examined(turned=turned)["outside the training"].value == pytest.approx(1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_missed_structure_is_the_missed_share_of_the_covariance(share):
    """A prediction with this share of the waves missing misses share^2, to 10 %."""
    waves = np.cos(2 * np.pi * X) * np.cos(2 * np.pi * Y)
    image = 40 + 20 * waves
    missed = missed_structure(image, image - 20 * share * waves, STANDARD_GRID)
    assert missed == pytest.approx(share**2, rel=0.1)
    finding = examined(image, unseen=image - 20 * share * waves)["residual structure"]
    assert finding.value == missed
    assert finding.ok == (share**2 < STRUCTURE)


def test_predicted_detail():
    """1 less the square of the missed part of the waves; noise alone has no detail."""
    waves, smooth = 20 * np.cos(2 * np.pi * X) * np.cos(2 * np.pi * Y), 40 + 10 * X
    for share in (0.0, 0.5, 1.0):
        value = predicted_detail(
            smooth + waves, smooth + (1 - share) * waves, smooth, STANDARD_GRID
        )
        assert value == pytest.approx(1 - share**2, abs=0.1)
    noise = np.random.default_rng(0).normal(0, 10, X.shape)
    assert predicted_detail(smooth + noise, smooth, smooth, STANDARD_GRID) == 0
    image = smooth + waves / 2 + noise
    assert predicted_detail(image, smooth + waves / 2, smooth, STANDARD_GRID) > 0.9
    assert predicted_detail(image, smooth, smooth, STANDARD_GRID) < 0.5


def test_noise_is_no_missed_structure():
    """Nor are hot pixels, or whatever is wrong at the Bragg positions."""
    rng = np.random.default_rng(0)
    clean = 40 + 20 * np.cos(2 * np.pi * X)
    noisy = clean + rng.normal(0, 10, X.shape)
    assert missed_structure(noisy, clean, STANDARD_GRID) < 0.03
    hot = noisy.copy()
    hot[rng.integers(64, size=8), rng.integers(64, size=8)] = 1e6
    hot[STANDARD_GRID.distance_to_bragg() < 0.1] += 5000
    assert missed_structure(hot, clean, STANDARD_GRID) < 0.05


@pytest.mark.parametrize(
    ("detail", "symmetry", "periodicity"),
    [
        (np.cos(2 * np.pi * X), 1, 1),
        (np.sin(2 * np.pi * X), -1, 1),
        (np.sin(2 * np.pi * (X + 2 * Y)), -1, 1),
        (np.cos(np.pi * X) * np.cos(np.pi * Y), 1, -1),
        (np.sin(np.pi * X) * np.cos(np.pi * Y), -1, -1),
        (np.cos(2 * np.pi * X) + np.sin(2 * np.pi * Y), 0, 1),
        (np.cos(2 * np.pi * X) + np.cos(np.pi * X), 1, 0.3),
    ],
    ids=["both", "odd", "odd, askew", "two cells", "odd, two cells", "half odd", "partly"],
)
def test_symmetry_and_periodicity_of_made_detail(detail, symmetry, periodicity):
    """Detail that is even or odd about the middle, and repeats after one cell or after two."""
    grid = STANDARD_GRID
    image = 10 + 50 * (3 + detail)
    fit = a_fit(image)
    found = repeats(image, fit, grid)
    assert found == pytest.approx((symmetry, periodicity), abs=0.3)
    noisy = image + np.random.default_rng(1).normal(0, 20, image.shape)
    assert repeats(noisy, fit, grid) == pytest.approx(found, abs=0.1)


def test_form_factor_and_background_are_taken_out_first():
    """Seen through a slope that makes one cell ten times darker, the pattern still repeats."""
    envelope, background = 50 * np.exp(-2 * (X + Y)), 10 + 5 * X
    image = envelope * PERIODIC + background
    fit = a_fit(image, envelope=envelope, background=background)
    assert min(repeats(image, fit, STANDARD_GRID)) > 0.9
    assert min(repeats(image, a_fit(image), STANDARD_GRID)) < 0.3


def test_cells_on_another_grid():
    """One cell is half of 65 rows and a quarter of 129 columns."""
    grid = ReciprocalGrid(h=(0, 2), k=(-2, 2), shape=(65, 129))
    h, k = np.meshgrid(grid.h_values, grid.k_values, indexing="ij")
    image = 10 + 50 * (2 + np.cos(2 * np.pi * h) * np.cos(4 * np.pi * k))
    # next pixels agree a little less than pixels one cell apart
    assert repeats(image, a_fit(image), grid) == pytest.approx((1, 1), abs=0.05)


@pytest.mark.parametrize(("share", "ok"), [(0.0, True), (0.001, True), (0.03, False)])
def test_pixels_darker_than_the_background(share, ok):
    """The share of measured pixels 5 standard deviations below is counted, holes or not."""
    rng = np.random.default_rng(0)
    image = np.clip(100 + 10 * rng.standard_normal((64, 64)), 71, None)
    dark = rng.permutation(4096)[: round(share * 4096)]
    image.ravel()[dark] = 20  # 7 below a background of 90
    changes = {"model": np.full((64, 64), 100.0), "background": np.full((64, 64), 90.0)}
    finding = examined(image, unseen=image, **changes)["positivity"]
    assert finding.value == pytest.approx(share, abs=1e-3)
    assert finding.ok == ok
    image[:, ::2] = np.nan
    half = examined(image, unseen=image, **changes)["positivity"]
    assert half.value == pytest.approx(np.mean(image[:, 1::2] < 71), abs=1e-12)


@pytest.mark.parametrize("rows", [0, 8, 32, 33])
def test_the_unmeasured_share(rows):
    """Exactly half passes, more does not."""
    image = 10 + 50 * PERIODIC
    image[:rows] = np.nan
    finding = examined(image)["unmeasured"]
    assert finding.value == rows / 64
    assert finding.ok == (rows / 64 <= UNMEASURED)


def test_tests_without_pixels_are_left_out():
    """One measured half has no turned partner; columns far apart no neighbours at all."""
    half = 10 + 50 * PERIODIC
    half[:33] = np.nan
    half[:, :33] = np.nan
    found = examined(half)
    without = ("alignment", "repetition", "Bragg positions")
    assert list(found) == [n for n in NAMES if n not in without]


def test_an_image_without_neighbours_is_not_explained():
    """Every third pixel along both axes: no structure can be seen, so none is explained."""
    image = np.full((64, 64), np.nan)
    image[::3, ::3] = (10 + 50 * PERIODIC)[::3, ::3]
    found = examined(image)
    assert next(iter(found)) == "periodic structure"
    assert found["residual structure"].value == 1
    assert not found["residual structure"].ok


def test_findings_are_plain_data():
    """to_dict survives JSON without NaN, also from NumPy's numbers."""
    image = 10 + 50 * PERIODIC
    image[:40] = np.nan
    found = examined(image).values()
    plain = json.loads(json.dumps([finding.to_dict() for finding in found], allow_nan=False))
    assert [p["key"] for p in plain] == [p["name"] for p in plain] == [f.key for f in found]
    numbers = Finding("a", np.float32(0.5), np.float64(1), "≤", "b").to_dict()
    assert json.loads(json.dumps(numbers))["ok"] is True
    assert all(f"{p['value']:.0%}" in p["sentence"] for p in plain if p["key"] == "unmeasured")


@pytest.mark.parametrize(
    ("value", "at_least", "at_most"), [(0.1, False, True), (0.2, True, True), (0.3, True, False)]
)
def test_the_direction_decides_on_which_side_of_the_limit_a_value_passes(value, at_least, at_most):
    """The limit itself passes in both directions."""
    assert Finding("a", value, 0.2, "≥", "").ok == at_least
    assert Finding("a", value, 0.2, "≤", "").ok == at_most


SKILLED = Finding("periodic structure", 0.7, 0.2, "≥", "A.")
FLAT = Finding("periodic structure", 0.1, 0.2, "≥", "A.")
CLEAN, PART, MISSED = (
    Finding("residual structure", value, STRUCTURE, "≤", "B.")
    for value in (PARTLY / 2, (PARTLY + STRUCTURE) / 2, 2 * STRUCTURE)
)
ODD = Finding("inversion symmetry", 0.1, 0.3, "≥", "C.")
DARK = Finding("positivity", 0.2, 0.01, "≤", "D.")


@pytest.mark.parametrize(
    ("findings", "status", "warnings"),
    [
        ([], "explained", []),
        ([SKILLED, CLEAN], "explained", []),
        ([SKILLED, CLEAN, DARK], "explained", ["D."]),
        ([SKILLED, CLEAN, ODD], "not explained", ["not explained by this model: C."]),
        ([SKILLED, PART, DARK], "in part", ["explained in part only: B.", "D."]),
        ([DARK, FLAT, CLEAN], "not explained", ["not explained by this model: A.", "D."]),
        ([FLAT, MISSED, ODD], "not explained", ["not explained by this model: A. B. C."]),
        ([SKILLED, PART, ODD, DARK], "not explained", ["not explained by this model: C.", "D."]),
    ],
)
def test_status_and_warnings_follow_from_the_findings(findings, status, warnings):
    """Each decisive check refuses alone; part of the residual makes the answer partial."""
    assert status_of(findings) == status
    assert warnings_of(findings) == warnings


def test_wide_errors_are_named():
    """Only those above the limit, in the words of the table."""
    assert precision(np.array([0.1, 0.3, 0.05])).ok
    finding = precision(np.array([0.1, 0.4, 0.35]))
    assert not finding.ok
    assert finding.value == 0.4
    assert "c(1, 0), c(1, 1)" in finding.sentence
    assert "c(0, 1)" not in finding.sentence
    fit = a_fit(np.full((64, 64), 60.0), thermal=0.1)
    sentence = precision(np.array([0.1, 0.4, 0.35]), fit).sentence
    assert "7% of the intensity is background," in sentence
    assert "10% is thermal scattering" in sentence
    assert f"{round(100 * np.pi * 0.13**2)}% of the pattern lies within 0.13 r.l.u." in sentence


def test_checks_of_a_clean_image():
    """Gaps, and values that no correlation can have."""
    image, error = np.ones((64, 64)), np.full(3, 0.1)
    assert all(f.ok for f in examine_clean(image, np.array([1.1, -1.2, 0]), error))
    image[:8] = np.nan
    gaps, beyond = examine_clean(image, np.array([1.1, -1.21, 0]), error)
    assert not gaps.ok
    assert gaps.value == 1 / 8
    assert "12.5%" in gaps.sentence
    assert not beyond.ok
    assert "estimate of c(1, 0) was" in beyond.sentence


def test_logarithms_of_counts_are_noticed():
    """Counts have the exponent 1; their square roots 0 and their logarithms -1, an error added."""
    level = np.exp(np.linspace(3, 6, 64))[:, None] * np.ones(64)
    counts = np.random.default_rng(0).poisson(level).astype(float)
    assert counting_noise(counts, STANDARD_GRID).value == pytest.approx(1.15, abs=0.25)
    for mistake in (np.sqrt, np.log):
        finding = counting_noise(mistake(counts), STANDARD_GRID)
        assert not finding.ok
        assert "logarithms or square roots" in finding.sentence
    few = np.full((64, 64), np.nan)
    few[:5] = 1.0
    assert np.isnan(counting_noise(few, STANDARD_GRID).value)


def test_knowledge_that_moves_the_answer_too_far_is_noticed():
    """Within the errors that hold without it knowledge passes."""
    alone, error = np.zeros(3), np.full(3, 0.1)
    assert knowledge(alone, error, np.full(3, 0.1)).ok
    finding = knowledge(alone, error, np.full(3, 0.5))
    assert finding.value == pytest.approx(5)
    assert "contradicts the image" in finding.sentence
