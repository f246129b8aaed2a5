"""The CFS-n encoding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xrlab import Encoding
from xrlab.encoding import component_names, vector_length

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


@pytest.mark.parametrize("length", [0, 1, 2, 4, 7, 9, 14, 16])
def test_wrong_length_is_refused(length):
    """A length that is not n^2 - 1 with n >= 2 is named."""
    with pytest.raises(ValueError, match=rf"n\^2 - 1 values.*\({length},\)"):
        Encoding.from_vector(np.zeros(length))


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([0.1, np.nan, 0.2], r"c\(1, 0\) is nan"),
        ([0.1, 0.2, 1.5], r"c\(1, 1\) is 1.5"),
        ([-1.01, 0.2, 0.3], r"c\(0, 1\) is -1.01"),
        ([0.1, np.inf, 0.3], r"c\(1, 0\) is inf"),
        (["a", "b", "c"], "real numbers"),
        ([0.1j, 0, 0], "real numbers"),
        ([[0.1], [0.2, 0.3]], "real numbers"),
        (None, "real numbers"),
        ([[0.1, 0.2, 0.3]], r"shape \(1, 3\)"),
    ],
)
def test_bad_vector_is_refused(vector, message):
    """The error names the value that is wrong."""
    with pytest.raises(ValueError, match=message):
        Encoding.from_vector(vector)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.9, 0], [0, 0]], r"c\(0, 0\).*0.9"),
        ([[1, 0, 0], [0, 0, 0]], r"shape \(2, 3\)"),
        ([[1]], r"at least 2 x 2"),
        ([1, 0], "square"),
    ],
)
def test_bad_matrix_is_refused(matrix, message):
    """A matrix that is not square, too small, or without c(0, 0) = 1 is refused."""
    with pytest.raises(ValueError, match=message):
        Encoding.from_matrix(matrix)


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


@pytest.mark.parametrize("span", [0, 1, -2, 2.0, "2", None, True])
def test_bad_span_is_refused(span):
    """A span is a whole number from 2 up."""
    with pytest.raises(ValueError, match="span of an encoding"):
        vector_length(span)
