"""The CFS-n encoding."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xrlab import Encoding, simulate
from xrlab.crystal.encoding import component_names, vector_length
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.spectrum import NotRealisableError, maximum_entropy

vectors = st.integers(2, 8).flatmap(
    lambda span: arrays(np.float64, span**2 - 1, elements=st.floats(-1, 1))
)


@given(vectors)
def test_vector_and_matrix_hold_the_same_values(vector):
    """Vector to matrix and back loses nothing, for any span."""
    encoding = Encoding.from_vector(vector)
    assert encoding.span**2 == len(vector) + 1
    np.testing.assert_array_equal(encoding.vector, vector)
    assert Encoding.from_matrix(encoding.matrix) == encoding
    assert hash(Encoding.from_matrix(encoding.matrix)) == hash(encoding)


def test_vector_reads_the_matrix_row_by_row():
    """c(i, j) stands at place i * span + j - 1 of the vector."""
    encoding = Encoding.from_vector([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert encoding.matrix[0, 2] == 0.2
    assert encoding.matrix[1, 0] == 0.3
    assert component_names(3)[2] == "c(1, 0)"


def test_rounding_errors_beyond_one_are_forgiven():
    """1 + 1e-12 is 1."""
    assert Encoding.from_vector([1 + 1e-12, -1 - 1e-12, 0]).vector.tolist() == [1, -1, 0]


def test_encoding_cannot_change():
    """Neither the encoding nor the array it was made from can change the other."""
    source = np.array([0.1, 0.2, 0.3])
    encoding = Encoding.from_vector(source)
    source[:] = 0
    assert encoding.vector.tolist() == [0.1, 0.2, 0.3]
    with pytest.raises(ValueError, match="read-only"):
        encoding.matrix[0, 1] = 0.5


def test_random_encodings_fill_the_interval():
    """Random values are uniform in (-1, 1): mean 0, variance 1/3, within 5 standard errors."""
    values = np.array([Encoding.random(4, seed).vector for seed in range(400)])
    assert abs(values.mean()) < 5 * np.sqrt(1 / 3 / values.size)
    assert abs(values.var() - 1 / 3) < 5 * np.sqrt(4 / 45 / values.size)
    assert Encoding.random(3, 5) == Encoding.random(3, 5)


@settings(max_examples=150)
@given(arrays(np.int8, (8, 8), elements=st.sampled_from([-1, 1])), st.integers(2, 4))
def test_no_lattice_violates_a_condition(sites, span):
    """Whatever the sites, what they realise is possible: the conditions are necessary."""
    if abs(sites.sum()) == sites.size:
        sites[0, 0] *= -1
    realised = realised_correlations(sites, span)
    assert realised.violations(concentration=np.mean(sites > 0)) == []


def test_violations_are_named_with_their_numbers():
    """Three sites cannot all be unlike; a triple of any span is found; positivity is told."""
    first, second = Encoding.from_vector([-0.9, -0.9, -0.9]).violations()
    assert first == "|c(0, 1) + c(1, 0)| = 1.8 must not exceed 1 + c(1, 1) = 0.1"
    assert second.startswith("the mean of a positive function times the intensity: 1 + 0.4")
    matrix = np.zeros((3, 3))
    matrix[0] = 1, 0.9, -0.5
    assert "|c(0, 1) + c(0, 1)| = 1.8 must not exceed 1 + c(0, 2) = 0.5" in (
        Encoding(matrix).violations()
    )
    few = Encoding.from_vector([-0.5, 0, 0])
    assert few.violations() == []
    assert "must not be below 2 |m| - 1 = 0.6" in few.violations(concentration=0.1)[0]


def test_only_positivity_can_tell():
    """Correlations that no three sites forbid, and no spectrum has."""
    matrix = np.ones((4, 4)) * 0
    matrix[0] = 1, 0.6, 0.2, -0.4
    encoding = Encoding(matrix)
    # a spectrum 1 + 2 sum c_j cos 2 pi k j is a Toeplitz matrix's: its lowest eigenvalue decides
    toeplitz = matrix[0][np.abs(np.subtract.outer(np.arange(4), np.arange(4)))]
    violations = encoding.violations()
    assert (np.linalg.eigvalsh(toeplitz)[0] < 0) == any("positive" in each for each in violations)


@settings(max_examples=40)
@given(st.integers(2, 5), st.integers(0, 2**32))
def test_nearest_realisable_is_realisable(span, seed):
    """It has no violations, is its own nearest, and is not farther than the target shrunk."""
    target = Encoding.random(span, seed)
    nearest = target.nearest_realisable()
    assert nearest.violations() == []
    again = nearest.nearest_realisable()
    np.testing.assert_allclose(again.vector, nearest.vector, atol=1e-9)
    for size in (50, 51, 96):
        assert simulate(nearest, size, "gaussian").size == size
    rho, found = (np.sin(np.pi / 2 * each.matrix) for each in (target, nearest))
    for share in np.linspace(1, 0, 11):
        shrunk = share * rho
        shrunk[0, 0] = 1
        try:
            maximum_entropy(shrunk, 64)
        except NotRealisableError:
            continue
        assert np.sum((found - rho) ** 2) <= np.sum((shrunk - rho) ** 2) + 0.01 * span**2
        break


def test_realisable_encodings_spread_as_published():
    """Standard deviations 0.47, 0.37, 0.30, alike in every component, and nothing impossible."""
    for span, published in {2: 0.47, 3: 0.37, 4: 0.30}.items():
        drawn = [Encoding.random(span, seed, "realisable") for seed in range(1500)]
        spread = np.std([each.vector for each in drawn], axis=0)
        assert spread.mean() == pytest.approx(published, abs=0.02)
        assert np.abs(spread / spread.mean() - 1).max() < 0.2
        assert all(each.violations() == [] for each in drawn[:50])


@pytest.mark.parametrize(
    ("function", "argument", "message"),
    [
        *(
            (Encoding.from_vector, np.zeros(n), rf"n\^2 - 1 values.*\({n},\)")
            for n in (0, 1, 2, 4, 7, 9, 14, 16)
        ),
        (Encoding.from_vector, [0.1, np.nan, 0.2], r"c\(1, 0\) is nan"),
        (Encoding.from_vector, [0.1, 0.2, 1.5], r"c\(1, 1\) is 1.5"),
        (Encoding.from_vector, [-1.01, 0.2, 0.3], r"c\(0, 1\) is -1.01"),
        (Encoding.from_vector, [0.1, np.inf, 0.3], r"c\(1, 0\) is inf"),
        *(
            (Encoding.from_vector, values, "real numbers")
            for values in (["a", "b", "c"], [0.1j, 0, 0], [[0.1], [0.2, 0.3]], None)
        ),
        (Encoding.from_vector, [[0.1, 0.2, 0.3]], r"shape \(1, 3\)"),
        (Encoding.from_matrix, [[0.9, 0], [0, 0]], r"c\(0, 0\).*0.9"),
        (Encoding.from_matrix, [[1, 0, 0], [0, 0, 0]], r"shape \(2, 3\)"),
        (Encoding.from_matrix, [[1]], "at least 2 x 2"),
        (Encoding.from_matrix, [1, 0], "square"),
        *((vector_length, span, "span of an") for span in (0, 1, -2, 2.0, "2", None, True)),
        *(
            (Encoding.product(0.1, 0.1, 2).violations, p, "concentration lies between")
            for p in (0, 1, -0.1, np.nan)
        ),
        (partial(Encoding.random, 2, 0), "normal", "'uniform' or 'realisable'; got 'normal'"),
        (partial(Encoding.product, 1.2, 0), 2, "from -1 to 1"),
    ],
)
def test_bad_arguments_are_refused(function, argument, message):
    """The error names the value that is wrong."""
    with pytest.raises(ValueError, match=message):
        function(argument)
