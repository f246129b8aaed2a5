"""Checks of the exercises: stub, typical mistakes, solution; never an exception."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xrlab import Encoding, simulate
from xrlab.course import checks
from xrlab.course.progress import EXERCISES, STATES

RNG = np.random.default_rng(0)
TRUE = RNG.uniform(-1, 1, (50, 15))
FOUND = TRUE + RNG.normal(0.02, 0.1, TRUE.shape)
OFF = FOUND - TRUE
SAID = np.full(TRUE.shape, 0.1)
IMAGE = RNG.uniform(1, 2, (8, 8))
CHANGE = IMAGE - IMAGE[::-1, ::-1]
ASKED = RNG.uniform(-1, 1, (2000, 3))
PLUS = abs(ASKED[:, 0] + ASKED[:, 1]) <= 1 + ASKED[:, 2]
MINUS = abs(ASKED[:, 0] - ASKED[:, 1]) <= 1 - ASKED[:, 2]
VALUES, ERRORS = np.array([0.5, -0.4, 0.3, 0.15, 0.02]), np.full(5, 0.1)
LOST = 102_100_002  # what the network earns more than today, dollars per year


def rms(values):
    """Root mean square of everything."""
    return np.sqrt(np.mean(np.square(values)))


def encoding(*vector):
    """Encoding of span 2."""
    return Encoding.from_vector(vector)


@dataclass(frozen=True)
class Exercise:
    """A check, what it gets besides the answer, the right answer, and mistakes with their hints."""

    check: Callable[..., str]
    given: tuple[Any, ...]
    right: Any
    mistakes: tuple[tuple[Any, str], ...]

    def reply(self, answer: Any) -> str:
        """Reply to an answer."""
        return self.check(answer, *self.given)


TABLE = [
    Exercise(
        checks.share_alike,
        (0.28,),
        0.64,
        (
            (0.28, "Close: that is the correlation"),
            (0.36, "share of the unlike"),
            (64, "a percentage"),
            (1.28, "twice the share"),
            (0.78, "by two pairs"),
            (-0.2, "from 0 to 1"),
            (0.9, "the correlation would be +0.80. It is +0.28"),
        ),
    ),
    Exercise(
        checks.brightest_at_half,
        (),
        encoding(0.6, -0.6, -0.36),
        (
            (encoding(-0.6, 0.6, -0.36), "axes are exchanged"),
            (encoding(0.6, -0.6, 0.36), "Now the diagonal"),
            (encoding(0.6, 0.6, 0.36), "(0, 0): all neighbours alike"),
            (encoding(-0.6, -0.6, 0.36), "(½, ½): all neighbours different"),
            (encoding(0.0, -0.02, 0.0), "only just"),
            (encoding(0.9, -0.9, -0.1), "no lattice can have these numbers: |c(0, 1) - c(1, 0)|"),
            ([0.6, -0.6, -0.4], "the answer is an Encoding"),
            (Encoding.random(3), "yours has span 3, with 8 values"),
            (encoding(0, 0, 0), "equally bright everywhere"),
        ),
    ),
    Exercise(
        checks.share_possible,
        (ASKED,),
        (PLUS & MINUS).mean(),
        (
            ((~(PLUS & MINUS)).mean(), "no lattice can have"),
            (PLUS.mean(), "one of the two"),
            ((PLUS | MINUS).mean(), "& instead of |"),
            ((PLUS & MINUS).sum(), "You may have counted"),
            (100 * (PLUS & MINUS).mean(), "a percentage"),
            (0.1, "Not yet: write both"),
            (PLUS & MINUS, "the answer is one number; it is an array of shape (2000,)"),
        ),
    ),
    Exercise(
        checks.large_enough_lattice,
        (),
        289,
        (
            (10, "does not even fit"),
            (200, "side by side"),
            (250, "Larger"),
            (289**2, "N is the side"),
            (418, "the variance v"),
            (433, "(4/9)"),
            (1000, "less is enough"),
        ),
    ),
    Exercise(
        checks.check_shrinkage,
        (),
        [0.980, 0.699],
        (
            ([0.980, 0.836], "√18 sites away"),
            ([1.02, 1.4], "below 1"),
            ([0.0, 0.0], "2/63 r.l.u. wide"),
            ([0.5], "two factors"),
            ([0.7, 0.98], "section on smoothing"),
        ),
    ),
    Exercise(
        checks.error_per_component,
        (TRUE, FOUND),
        np.sqrt((OFF**2).mean(axis=0)),
        (
            ((OFF**2).mean(axis=0), "Close: that is the mean square"),
            (np.sqrt((OFF**2).sum(axis=0)), "root of the sum"),
            (np.abs(OFF).mean(axis=0), "mean absolute error"),
            (-OFF.mean(axis=0), "that is the mean error"),
            (OFF.std(axis=0), "a standard deviation"),
            (np.sqrt((OFF**2).mean(axis=1)), "axis 1"),
            (rms(OFF), "one number for each of the 15"),
            (np.zeros(15), "Not yet: take mean"),
        ),
    ),
    Exercise(
        checks.coverage,
        (TRUE, FOUND, SAID),
        (np.abs(OFF) < 0.1645).mean(),
        (
            ((np.abs(OFF) > 0.1645).mean(), "share outside"),
            ((np.abs(OFF) < 0.1).mean(), "within one standard error"),
            ((OFF < 0.1645).mean(), "without its sign"),
            ((np.abs(OFF) < 0.1645).mean(axis=0), "one number for all"),
            ((np.abs(OFF) < 0.1645).sum(), "You may have counted"),
            (100 * (np.abs(OFF) < 0.1645).mean(), "a percentage"),
            (0.5, "Not yet: compare"),
        ),
    ),
    Exercise(
        checks.asymmetry,
        (IMAGE,),
        rms(CHANGE) / IMAGE.std(),
        (
            (rms(CHANGE), "divide by the standard deviation"),
            (rms(CHANGE) / IMAGE.mean(), "divide by the mean"),
            ((rms(CHANGE) / IMAGE.std()) ** 2, "Take the root"),
            (rms(IMAGE - IMAGE.T) / IMAGE.std(), "exchange the axes"),
            (rms(IMAGE - IMAGE[:, ::-1]) / IMAGE.std(), "a mirror image"),
            (-1.4, "never below 0"),
            (0.0, "Not yet: compare"),
            ([1, 2], "the answer is one number"),
        ),
    ),
    Exercise(
        checks.check_seen,
        (VALUES, ERRORS),
        3,
        ((2, "the positive ones"), (4, "beyond one standard error"), (17, "Not yet: compare")),
    ),
    Exercise(
        checks.check_break_even,
        (),
        LOST / 360_000_000,
        (
            (28.36, "a percentage"),
            (LOST / (30_000 * 10_080), "lose its margin"),
            (LOST / (30_000 * 1_920), "what the second measurement costs"),
            (0.1, "more than today"),
            (-3, "from 0 to 1"),
        ),
    ),
    Exercise(
        checks.check_pixels,
        (),
        30,
        (
            (29, "29 pixels make 28 steps"),
            (50, "resolves the whole image"),
            (10, "if there were no waves beyond the span"),
            (20, "with 19 steps, some wave"),
            (100, "fewer would do"),
            (29.5, "is whole"),
        ),
    ),
]

every_exercise = pytest.mark.parametrize("exercise", TABLE, ids=lambda e: e.check.__name__)


def test_the_table_has_every_exercise():
    """In the order of the course."""
    assert [exercise.check.__name__ for exercise in TABLE] == list(EXERCISES)


@every_exercise
def test_stub_mistakes_and_solution(exercise):
    """Dots are "not yet"; three mistakes and more have hints of their own; the answer is right."""
    for stub in (..., None):
        assert exercise.reply(stub).startswith("Not yet: put your answer")
    replies = []
    for answer, hint in exercise.mistakes:
        replies.append(exercise.reply(answer))
        assert hint in replies[-1]
        assert replies[-1].startswith(("Not yet: ", "Close: "))
    assert len(set(replies)) == len(replies) >= 3
    assert exercise.reply(exercise.right).startswith("Right")


@every_exercise
def test_who_is_right_learns_something_more(exercise):
    """The last reply has more to say than that it is right."""
    assert len(exercise.reply(exercise.right).split()) > 15


@every_exercise
@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("0.5", "it is a text"),
        (lambda: 0.5, "it is a function"),
        (0.5 + 0.1j, "it is a complex number"),
        (np.nan, "Not yet"),
        ([[1, 2], [3]], "Not yet"),
        (10**400, "Not yet"),
        ({}, "Not yet"),
    ],
)
def test_what_is_no_answer_at_all(exercise, answer, reply):
    """The words say what it is, or at least that it is not the answer."""
    said = exercise.reply(answer)
    assert reply in said
    assert said.startswith("Not yet")


@every_exercise
def test_right_answers_may_be_rounded_to_two_digits(exercise):
    """Two decimals or two significant digits, but not one."""
    if isinstance(exercise.right, Encoding):
        pytest.skip("an encoding is not rounded")
    right = np.asarray(exercise.right, dtype=float)
    for rounded in (np.round(right, 2), [float(f"{each:.2g}") for each in right.flat]):
        answer = np.reshape(rounded, right.shape)
        assert exercise.reply(answer if answer.ndim else float(answer)).startswith("Right")


@pytest.mark.parametrize(("answer", "c"), [(0.61, 0.225), (0.6125, 0.225), (0.5, 0.004)])
def test_shares_of_exercise_0_may_be_rounded(answer, c):
    """The share 0.6125 may be given as 0.61."""
    assert checks.share_alike(answer, c).startswith("Right")


def test_exercise_2_accepts_the_limit():
    """The share of ever more encodings is 1/3, of which the check itself speaks."""
    asked = np.random.default_rng(1).uniform(-1, 1, (100_000, 3))
    for answer in (1 / 3, 0.33):
        assert checks.share_possible(answer, asked).startswith("Right")


@every_exercise
def test_replies_are_not_in_the_words_of_python(exercise):
    """Nothing of what NumPy or float() say, and no name that the notebook does not have."""
    for answer in ({}, [], [[1]], (1, 2), object(), "x"):
        reply = exercise.reply(answer)
        assert not re.search(r"float\(|argument|ndarray|asked|inhomogeneous", reply), reply


class Broken:
    """An object with which nothing can be done; even the error cannot be written."""

    class Unspeakable(Exception):
        """An error without words."""

        def __str__(self):
            raise RuntimeError

    def _fail(self, *arguments, **named):
        raise self.Unspeakable

    __array__ = __bool__ = __eq__ = __float__ = __iter__ = __len__ = __str__ = _fail
    __hash__ = object.__hash__


ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([10**400, -(10**400), 1e308, 5e-324, ..., Broken(), Broken, object(), rms]),
        st.floats(),
        st.complex_numbers(),
        st.text(max_size=20),
        st.binary(max_size=20),
        st.dates(),
        arrays.arrays(
            st.one_of(arrays.scalar_dtypes(), st.just(np.dtype(object))),
            arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        ),
        st.builds(np.full, st.sampled_from([(15,), (50,), (50, 15)]), st.floats()),
        st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(Encoding.from_vector),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner), st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=5,
)


@every_exercise
@settings(max_examples=60)
@given(answer=ANYTHING)
def test_nothing_raises(exercise, answer):
    """Whatever a check is given, it answers with one short paragraph in one of three ways."""
    reply = exercise.reply(answer)
    assert reply.lower().startswith(STATES)
    assert len(reply) < 500


@every_exercise
def test_a_spoiled_notebook_is_no_reason_to_raise(exercise):
    """Too few arguments, too many, or of another kind: the data are overwritten, say."""
    for others in ((), (None,), (None,) * 3, (Broken(),) * len(exercise.given), (np.nan,) * 9):
        assert exercise.check(exercise.right, *others).lower().startswith(STATES)
    assert exercise.check().startswith("Not yet: put")
    assert exercise.check(exercise.right, nonsense=1).startswith("Not yet")


@pytest.mark.parametrize(("error", "reply"), [(0.3, "cautious"), (0.03, "promise too much")])
def test_exercise_6_tells_what_it_means(error, reply):
    """Too wide and too narrow error bars are named."""
    answer = (np.abs(OFF) < 1.645 * error).mean()
    assert reply in checks.coverage(answer, TRUE, FOUND, np.full(TRUE.shape, error))


def test_exercise_0_agrees_with_counting():
    """The share of alike pairs in a simulated lattice, counted one by one."""
    sites = simulate(encoding(0.5, 0.2, 0.1), seed=3).sites
    alike = np.mean(sites == np.roll(sites, -1, axis=1))
    correlation = np.mean(sites * np.roll(sites, -1, axis=1))
    assert checks.share_alike(alike, correlation).startswith("Right")


def test_exercise_3_agrees_with_the_exact_grain():
    """The smallest lattice that the law of the grain allows is right, one of 20 sites less not."""
    from xrlab.crystal.speckle import expected_grain

    least = next(n for n in range(25, 1000) if expected_grain(n, 25, 64) <= 1.1 / 8)
    assert checks.large_enough_lattice(least).startswith("Right")
    assert "Larger" in checks.large_enough_lattice(least - 20)
