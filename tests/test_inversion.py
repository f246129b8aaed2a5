"""The Delta-PDF against images whose correlations are known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrlab import Encoding, ReciprocalGrid, delta_pdf, diffraction_image, simulate
from xrlab.crystal.setting import Setting
from xrlab.datasets.dataset import generate
from xrlab.inference.baselines import delta_pdf_vectors
from xrlab.inference.delta_pdf import delta_pdf_error
from xrlab.inference.metrics import r2_score

CELLS = st.sampled_from(
    [
        ReciprocalGrid(),
        ReciprocalGrid(shape=(33, 40)),
        ReciprocalGrid(h=(-1, 1), k=(0, 3), shape=(50, 60)),
    ]
)


def cosine_series(encoding, opposite, grid, lot_size=None):
    """1 + 2 sum w c cos 2 pi q r for the encoding and its c(i, -j)."""
    image = np.ones(grid.shape)
    for i in range(encoding.span):
        for j in range(encoding.span):
            window = 1 if lot_size is None else (1 - i / lot_size) * (1 - j / lot_size)
            for sign, matrix in ((1, encoding.matrix), (-1, opposite)):
                if (i or j) and (sign > 0 or (i and j)):
                    phase = np.add.outer(grid.h_values * i, sign * grid.k_values * j)
                    image += 2 * window * matrix[i, j] * np.cos(2 * np.pi * phase)
    return image


@settings(max_examples=25)
@given(st.integers(2, 5), st.integers(0, 10**6), CELLS, st.sampled_from([None, 25]))
def test_known_series_is_inverted_exactly(span, seed, grid, lot_size):
    """On whole cells, any span, window and scale, the values come back to 1e-10."""
    rng = np.random.default_rng(seed)
    weight = 0.4 / span**2  # keeps the intensity positive
    encoding = Encoding.from_vector(rng.uniform(-weight, weight, span**2 - 1))
    opposite = rng.uniform(-weight, weight, (span, span))
    image = rng.uniform(0.1, 1e4) * cosine_series(encoding, opposite, grid, lot_size)
    found = delta_pdf(image, span, grid, lot_size)
    np.testing.assert_allclose(found.vector, encoding.vector, atol=1e-10)


def test_known_series_is_inverted_through_a_mask():
    """Least squares does not mind missing pixels, also on a window of less than whole cells."""
    rng = np.random.default_rng(0)
    grid = ReciprocalGrid(h=(0.1, 1.4), k=(0, 1.7), shape=(40, 50))
    encoding = Encoding.from_vector(rng.uniform(-0.04, 0.04, 8))
    image = cosine_series(encoding, np.zeros((3, 3)), grid)
    image[rng.random(grid.shape) < 0.5] = np.nan
    np.testing.assert_allclose(delta_pdf(image, 3, grid).vector, encoding.vector, atol=1e-10)


def test_simulated_images_are_read_well():
    """R^2 over random span-3 lattices at 50/25/8 is near the 0.99 that the lots allow."""
    true, found = [], []
    for seed in range(60):
        lattice = simulate(Encoding.random(3, seed), seed=seed)
        image = diffraction_image(lattice, seed=seed)
        true.append(lattice.realised.vector)
        found.append(delta_pdf(image, span=3, lot_size=25).vector)
    assert r2_score(true, found) > 0.98


def test_span_smaller_than_the_order_still_works(image, clusters):
    """Over whole cells the cosines are orthogonal: a smaller span reads the same values."""
    small, large = (delta_pdf(image, span, lot_size=25).matrix for span in (2, 4))
    np.testing.assert_allclose(small, large[:2, :2], atol=1e-6)


def test_bad_images_are_refused(bad_image):
    """Whatever is no image gets a plain error."""
    message, image = bad_image
    with pytest.raises(ValueError, match=message):
        delta_pdf(image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"span": span}, "span of an encoding") for span in (0, 1, -1, 2.5)),
        ({"span": 4, "lot_size": 3}, "too small"),
    ],
)
def test_bad_arguments_are_refused(image, options, message):
    """Span 0 and friends; a lot of 3 sites holds no correlation over 3; too few pixels."""
    with pytest.raises(ValueError, match=message):
        delta_pdf(image, **options)
    masked = np.full(image.shape, np.nan)
    masked[3, 4:12] = image[3, 4:12]
    with pytest.raises(ValueError, match="8 measured pixels do not determine"):
        delta_pdf(masked, span=4)


@pytest.mark.parametrize(
    ("span", "setting", "least"),
    [
        (2, Setting(), 0.998),
        (3, Setting(), 0.990),
        (4, Setting(), 0.979),
        (4, Setting(size=96, lot_size=48, lots=64, sampler="gaussian"), 0.999),
    ],
)
def test_clean_images_need_no_network(span, setting, least):
    """R^2 of the plain inversion over 200 random realisable encodings."""
    data = generate(span, 200, 11, setting, progress=False)
    assert r2_score(data.encodings, delta_pdf_vectors(data)) >= least


@pytest.mark.parametrize(("lot_size", "lots"), [(25, 8), (20, 64)])
def test_error_of_a_random_crystal(lot_size, lots):
    """Lots of independent sites have M (L - i)(L - j) pairs, each product of variance 1."""
    rng = np.random.default_rng(lots)
    images = [
        diffraction_image(rng.choice([-1, 1], (100, 100)), lot_size=lot_size, lots=lots, seed=rng)
        for _ in range(10)
    ]
    none = Encoding.from_vector(np.zeros(8))
    errors = [delta_pdf_error(image, none, lot_size=lot_size, lots=lots) for image in images]
    pairs = np.outer(lot_size - np.arange(3), lot_size - np.arange(3)).ravel()[1:]
    assert np.mean(errors, axis=0) == pytest.approx(1 / np.sqrt(lots * pairs), rel=0.2)


def test_error_does_not_depend_on_the_scale():
    """An unmeasured pixel is left out."""
    image = np.random.default_rng(0).gamma(8, 1 / 8, (64, 64))
    encoding = Encoding.from_vector([0.5, 0.2, 0.1])
    error = delta_pdf_error(image, encoding)
    assert delta_pdf_error(1e5 * image, encoding) == pytest.approx(error)
    image[10, 20] = np.nan
    assert delta_pdf_error(image, encoding) == pytest.approx(error, rel=0.01)
