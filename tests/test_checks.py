"""Checks of the exercises: stub, typical mistakes, solution; never an exception."""

import numpy as np
import pytest

from xrlab import Encoding, checks, simulate

RNG = np.random.default_rng(0)
TRUE = RNG.uniform(-1, 1, (50, 15))
FOUND = TRUE + RNG.normal(0, 0.1, TRUE.shape)
ERROR = np.sqrt(((FOUND - TRUE) ** 2).mean(axis=0))
IMAGE = RNG.uniform(1, 2, (8, 8))
CHANGE = IMAGE - IMAGE[::-1, ::-1]


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (..., "Not yet: put your answer"),
        (None, "Not yet: put your answer"),
        ([0.6, -0.6, -0.4], "Not yet: the answer is an Encoding"),
        (Encoding.random(3), "span 2"),
        (Encoding.from_vector([0.6, 0.6, 0.36]), r"brightest at (0, 0)"),
        (Encoding.from_vector([-0.6, 0.6, -0.36]), "axes are exchanged"),
        (Encoding.from_vector([0.0, -0.02, 0.0]), "only just"),
        (Encoding.from_vector([0.6, -0.6, -0.36]), "Right."),
    ],
)
def test_exercise_1(answer, reply):
    """Each typical mistake gets its own hint."""
    assert reply in checks.brightest_at_half(answer)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (..., "Not yet: put your answer"),
        (ERROR, "Right."),
        (ERROR**2, "Close: that is the mean square"),
        (ERROR.mean(), "one number for each"),
        (np.abs(FOUND - TRUE).mean(axis=0), "Not yet: take found"),
        ("a lot", "could not be used"),
    ],
)
def test_exercise_5(answer, reply):
    """Each typical mistake gets its own hint."""
    assert reply in checks.error_per_component(answer, TRUE, FOUND)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (..., "Not yet: put your answer"),
        (np.sqrt((CHANGE**2).mean()) / IMAGE.std(), "Right"),
        (np.sqrt((CHANGE**2).mean()), "Close: divide"),
        (0.0, "Not yet: compare"),
        ([1, 2], "could not be used"),
    ],
)
def test_exercise_7(answer, reply):
    """Each typical mistake gets its own hint."""
    assert reply in checks.asymmetry(answer, IMAGE)


ASKED = RNG.uniform(-1, 1, (2000, 3))
PLUS = abs(ASKED[:, 0] + ASKED[:, 1]) <= 1 + ASKED[:, 2]
MINUS = abs(ASKED[:, 0] - ASKED[:, 1]) <= 1 - ASKED[:, 2]


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (..., "Not yet: put your answer"),
        ((PLUS & MINUS).mean(), "Right: 0.3"),
        ((~(PLUS & MINUS)).mean(), "no lattice can have"),
        (PLUS.mean(), "one of the two"),
        ((PLUS | MINUS).mean(), "& instead of |"),
        ((PLUS & MINUS).sum(), "from 0 to 1"),
        (0.1, "Not yet: write both"),
        (PLUS & MINUS, "could not be used"),
    ],
)
def test_exercise_2(answer, reply):
    """Each typical mistake gets its own hint."""
    assert reply in checks.share_possible(answer, ASKED)


SAID = np.full(TRUE.shape, 0.1)
OFF = np.abs(FOUND - TRUE) / SAID


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (..., "Not yet: put your answer"),
        ((OFF < 1.645).mean(), "Right: 9"),
        ((OFF > 1.645).mean(), "share outside"),
        ((OFF < 1).mean(), "within one standard error"),
        ((OFF < 1.645).mean(axis=0), "one number for all"),
        ((OFF < 1.645).sum(), "from 0 to 1"),
        (0.5, "Not yet: compare"),
        ("most", "could not be used"),
    ],
)
def test_exercise_6(answer, reply):
    """Each typical mistake gets its own hint."""
    assert reply in checks.coverage(answer, TRUE, FOUND, SAID)


@pytest.mark.parametrize(("error", "reply"), [(0.3, "cautious"), (0.03, "promise too much")])
def test_exercise_6_tells_what_it_means(error, reply):
    """Too wide and too narrow error bars are named."""
    said = np.full(TRUE.shape, error)
    answer = (np.abs(FOUND - TRUE) < 1.645 * said).mean()
    assert reply in checks.coverage(answer, TRUE, FOUND, said)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (..., "Not yet: put your answer"),
        (0.64, "Right: 64.0% alike"),
        (0.28, "Close: that is the correlation"),
        (0.36, "share of the unlike"),
        (64, "a percentage"),
        (-0.2, "from 0 to 1"),
        (0.9, "the correlation would be +0.80. It is +0.28"),
        ("many", "could not be used"),
    ],
)
def test_exercise_0(answer, reply):
    """Each typical mistake gets its own hint."""
    assert reply in checks.share_alike(answer, 0.28)


def test_exercise_0_agrees_with_counting():
    """The share of alike pairs in a simulated lattice, counted one by one."""
    sites = simulate(Encoding.from_vector([0.5, 0.2, 0.1]), seed=3).sites
    alike = np.mean(sites == np.roll(sites, -1, axis=1))
    correlation = np.mean(
        sites
        * np.roll(
            sites,
            -1,
            axis=1,
        )
    )
    assert checks.share_alike(alike, correlation).startswith("Right")
