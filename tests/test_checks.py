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
RATIO = RNG.gamma(4.5, 1 / 4.5, (100, 8, 8))
SEEN = np.array([0.3, -0.2, 0.05])
TAILS = 0.1 * RNG.standard_t(3, TRUE.shape)  # errors with more outliers than normal ones
NINE_OF_TEN = np.quantile(np.abs(TAILS), 0.9)
COVARIANCE = np.diag(np.full(15, 0.0024))  # in row 3 0.0081; the two go together
COVARIANCE[3, 3], COVARIANCE[0, 3], COVARIANCE[3, 0] = 0.0081, 0.004, 0.004
LOST = 102_100_002  # what the network earns more than today, dollars per year


def rms(values):
    """Root mean square of everything."""
    return np.sqrt(np.mean(np.square(values)))


def encoding(*vector):
    """Encoding of span 2."""
    return Encoding.from_vector(vector)


@dataclass(frozen=True)
class Exercise:
    """A check, what it gets besides the answer, the right answer, and mistakes with their hints.

    An exact answer is not to be rounded: a whole number, or an encoding.
    """

    check: Callable[..., str]
    given: tuple[Any, ...]
    right: Any
    mistakes: tuple[tuple[Any, str], ...]
    exact: bool = False

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
        checks.share_interval,
        (0.28, 0.1),
        [0.64 - 0.08225, 0.64 + 0.08225],
        (
            ([0.72225, 0.55775], "lower end comes first"),
            ([0.1155, 0.4445], "interval of the correlation"),
            ([0.59, 0.69], "one standard error each way"),
            ([0.4755, 0.8045], "its error is half"),
            ([0.1, 0.9], "Not yet: write"),
            (0.64, "two numbers"),
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
        exact=True,
    ),
    Exercise(
        checks.intensity_at_half,
        (encoding(0.3, -0.2, -0.06),),
        2.24,
        (
            (1.56, "negative i and j too"),
            (2.12, "two diagonals"),
            (1.24, "c(0, 0) = 1"),
            (0.24, "intensity at (0, ½)"),
            (0.96, "intensity at (0, 0)"),
            (3.0, "Not yet: at (½, 0)"),
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
        checks.effective_number,
        (RATIO,),
        1 / RATIO.var(),
        (
            (RATIO.var(), "variance of I/S"),
            (1 / RATIO.std(), "by the standard deviation"),
            (RATIO.std(), "1 over its square"),
            (8, "they overlap"),
            (2, "Not yet: the relative variance"),
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
        checks.enough_lots,
        (),
        39,
        (
            (80, "The grain is its root"),
            (8, "Both terms of the law count"),
            (9, "both terms of the law are equal"),
            (20, "More are needed"),
            (64, "Fewer would do"),
            (0, "1 or more"),
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
        checks.check_background,
        (SEEN, 0.4),
        SEEN * 1.4,
        (
            (SEEN, "the image with background"),
            (SEEN / 1.4, "weaker still"),
            (SEEN / 0.6, "of the mean *before*"),
            (SEEN - 0.4, "not to the correlations"),
            (0.5, "one number for each of the 3"),
            (SEEN * 3, "by which factor has the mean grown"),
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
        checks.number_of_parameters,
        (),
        26 * 16 + 14_401 * 3,
        (
            (25 * 16 + 14_400 * 3, "has a bias"),
            (26 * 16 + (3600 * 16 + 1) * 3, "max-pooling halves"),
            (26 * 16 + (1024 * 16 + 1) * 3, "64 → 60"),
            (26 * 16 + (961 * 16 + 1) * 3, "not 2"),
            (416, "dense layer is missing"),
            (43_203, "convolution is missing"),
            (416 + 901 * 3, "all 16 maps"),
            (1000, "Not yet: (weights of a filter"),
        ),
        exact=True,
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
        checks.widening,
        (TRUE, TRUE + TAILS, SAID),
        NINE_OF_TEN / 0.1645,
        (
            (NINE_OF_TEN / 0.1, "already has 1.645"),
            (0.1645 / NINE_OF_TEN, "one over the factor"),
            (0.9 / np.mean(np.abs(TAILS) < 0.1645), "does not grow in proportion"),
            (np.quantile(np.abs(TAILS), 0.95) / 0.1645, "quantile is that of 0.9"),
            (rms(TAILS) / 0.1, "root mean square 1"),
            (-1, "above 0"),
            (20, "the intervals hold 100.0%"),
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
        checks.best_r2,
        (IMAGE,),
        1 - np.mean(CHANGE**2) / 4 / IMAGE.var(),
        (
            (1 - np.mean(CHANGE**2) / IMAGE.var(), "half of the change"),
            (1 - np.mean(CHANGE**2) / 2 / IMAGE.var(), "*square* of a quarter"),
            (np.mean(CHANGE**2) / 4 / IMAGE.var(), "not explained"),
            (100 - 25 * np.mean(CHANGE**2) / IMAGE.var(), "1, not 100"),
            (1.5, "never above 1"),
            (0.01, "Not yet: take the mean"),
        ),
    ),
    Exercise(
        checks.check_seen,
        (VALUES, ERRORS),
        3,
        ((2, "the positive ones"), (4, "beyond one standard error"), (17, "Not yet: compare")),
    ),
    Exercise(
        checks.check_difference,
        (COVARIANCE,),
        0.05,
        (
            (0.0025, "Take the root"),
            (np.sqrt(0.0185), "error of the sum"),
            (np.sqrt(0.0105), "independent errors"),
            (np.sqrt(0.0065), "in the matrix twice"),
            (0.09 + np.sqrt(0.0024), "standard errors do not"),
            (-1, "not below 0"),
            (0.5, "Not yet: var(x − y)"),
        ),
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
        checks.check_tolerable,
        (),
        1000 * (1 - 0.9 ** (1 / 15)),
        (
            (1 - 0.9 ** (1 / 15), "that is a share"),
            (1000 * 0.9 ** (1 / 15), "so many must be right"),
            (100 / 15, "multiply probabilities"),
            (1000 * (1 - 0.9**15), "upside down"),
            (100, "0.21"),
            (-3, "from 0 to 1000"),
            (20, "73.9% of the answers"),
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
    Exercise(
        checks.check_bits,
        (),
        99,
        (
            (100, "Count it once"),
            (2500, "lattice of coin tosses"),
            (50, "first row"),
            (2401, "sites that follow"),
            (2**99, "2 to the power of 99"),
            (7, "Not yet: a site follows"),
        ),
        exact=True,
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
    if exercise.exact:
        pytest.skip("this answer is exact")
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
