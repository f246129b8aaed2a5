"""Predictions and interpretations from shipped weights."""

import json

import numpy as np
import pytest

from xrlab import Encoding, ReciprocalGrid, diffraction_image, interpret, predict, simulate
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.samplers import cut_field
from xrlab.crystal.setting import STUDY
from xrlab.datasets.dataset import generate
from xrlab.inference.metrics import image_r2
from xrlab.interpretation.interpret import _lattice_with
from xrlab.measurement.effects import counting


def test_predictions_have_the_promised_shape_and_spread():
    """Means near the truth, and standard errors that hold: 68 % and 95 % of unseen images."""
    unseen = generate(3, 200, 321, STUDY, progress=False)
    mean, error = predict(unseen.images, span=3, kind="simulated")
    assert mean.shape == error.shape == (200, 8)
    assert mean.dtype == error.dtype == np.float64
    deviation = np.abs(mean - unseen.encodings) / error
    assert 0.60 < np.mean(deviation < 1) < 0.82
    assert 0.91 < np.mean(deviation < 2) < 0.99


def test_scale_and_type_do_not_matter(image):
    """Counts, floats of any size, integers: the same answer."""
    stack = np.stack([image, 1e6 * image, image / 1e6])
    mean, _ = predict(stack, span=2, kind="simulated")
    np.testing.assert_allclose(mean[1:], mean[:1].repeat(2, axis=0), atol=1e-4)
    integers = np.round(1e4 * image).astype(np.int32)
    np.testing.assert_allclose(
        predict(integers[None], span=2, kind="simulated")[0], mean[:1], atol=1e-2
    )


def test_small_holes_change_little(clusters, image):
    """An image with some unmeasured pixels is read nearly as the whole one."""
    holed = image.copy()
    holed[10:14, 20:30] = np.nan
    whole, part = predict(np.stack([image, holed]), span=2, kind="simulated")[0]
    np.testing.assert_allclose(part, whole, atol=0.03)


@pytest.mark.parametrize("kind", ["simulated", "measured"])
def test_bad_images_are_refused(bad_image, kind):
    """Whatever is no 64 x 64 image gets a plain error, from both functions."""
    message, image = bad_image
    with pytest.raises(ValueError, match=message):
        interpret(image, kind=kind)
    if image.ndim == 2 and image.size:
        with pytest.raises(ValueError, match=message):
            predict(image[None], kind=kind)


def test_what_is_no_stack_is_refused():
    """A single image, no image, a channel axis."""
    for shape in ((64, 64), (0, 64, 64), (1, 64, 64, 1), (0,)):
        with pytest.raises(ValueError, match=r"a stack .* n at least 1; .* give image\[None\]"):
            predict(np.ones(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"span": 0}, "span of an encoding"),
        ({"span": 7}, "spans 2 to 4, not 7; delta_pdf"),
        ({"kind": "drawn"}, "'measured' or 'simulated'"),
    ],
)
def test_bad_arguments_are_refused(image, arguments, message):
    """The error says what there is."""
    with pytest.raises(ValueError, match=message):
        interpret(image, **arguments)
    with pytest.raises(ValueError, match=message):
        predict(image[None], **arguments)


def test_another_grid_is_refused(image):
    """A window of 2 x 2 cells is needed, and of clean images that of the standard grid."""
    with pytest.raises(ValueError, match="holds no window"):
        interpret(image, grid=ReciprocalGrid(h=(0, 1)))
    with pytest.raises(ValueError, match="from 0 to 2"):
        interpret(image, grid=ReciprocalGrid(h=(0, 1)), kind="simulated")


def test_a_clean_image_is_interpreted_well():
    """Encoding within the errors, re-simulated image like the input, no warnings."""
    crystal = simulate(Encoding.from_vector([0.6, -0.4, -0.25]), 96, seed=5)
    image = diffraction_image(crystal, lot_size=48, lots=64, seed=5)
    result = interpret(1000 * image, span=2, kind="simulated")
    assert np.abs(result.encoding.vector - crystal.realised.vector).max() < 0.12
    assert np.all(result.standard_error > 0)
    assert result.warnings == []
    assert result.simulated.shape == image.shape
    # two lattices of one encoding have images that agree to about 0.75: chance sets the limit
    assert image_r2(image, result.simulated) > 0.6
    assert result.lattice.target == result.encoding


def test_result_is_plain_data(image):
    """to_dict survives JSON."""
    result = interpret(image, span=3, kind="simulated")
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["encoding"] == result.encoding.vector.tolist()
    assert plain["components"][0] == "c(0, 1)"
    assert plain["span"] == 3


def test_same_seed_same_resimulation(image):
    """The lattice of an interpretation can be made again."""
    first, again = (
        interpret(image, span=2, kind="simulated", seed=4),
        interpret(image, span=2, kind="simulated", seed=4),
    )
    np.testing.assert_array_equal(first.simulated, again.simulated)


@pytest.fixture(scope="module", params=["box1", "box2"])
def box(real, request):
    """A measured image and its interpretation."""
    image = real(request.param)
    return image, interpret(image)


def test_measured_boxes_have_errors_and_a_cleaned_pattern(box):
    """Errors neither tiny nor hopeless; the pattern repeats from cell to cell."""
    _, result = box
    assert 0.002 < result.standard_error.min() <= result.standard_error.max() < 0.3
    assert result.corrected.min() > 0
    np.testing.assert_allclose(result.corrected, result.corrected[::-1, ::-1], rtol=1e-3)
    np.testing.assert_allclose(result.corrected[0], result.corrected[-1], rtol=1e-3)


def test_the_quick_answer_is_that_of_the_network(box):
    """Same values and cleaned pattern; no fit, nothing simulated, and the status says so."""
    image, full = box
    quick = interpret(image, fit=False)
    np.testing.assert_array_equal(quick.encoding.vector, full.encoding.vector)
    np.testing.assert_array_equal(quick.network_error, full.network_error)
    np.testing.assert_array_equal(quick.corrected, full.corrected)
    assert quick.fit is quick.lattice is quick.simulated is quick.image_r2 is None
    assert quick.status == "not tested"
    assert {f.key for f in quick.findings} < {f.key for f in full.findings}
    json.dumps(quick.to_dict(), allow_nan=False)
    assert len(quick.figure().data) == 3
    assert quick.evidence.residual is None


def test_a_quick_answer_to_a_clean_image_has_no_lattice(image):
    """The values are those of the full answer."""
    quick, full = (interpret(image, span=2, kind="simulated", fit=fit) for fit in (False, True))
    np.testing.assert_array_equal(quick.encoding.vector, full.encoding.vector)
    assert quick.lattice is quick.simulated is None
    assert quick.status == full.status


def test_an_image_that_says_little_is_warned_of(clusters):
    """Two photons in every hundred pixels, most of the image missing: wide errors, and said so."""
    image = counting(diffraction_image(clusters, seed=1), exposure=0.02, seed=1)
    image[:44] = np.nan
    warnings = interpret(image).warnings
    assert any("of the image is unmeasured" in warning for warning in warnings)


def test_unmeasured_pixels_are_warned_of(image):
    """The fraction is named."""
    holed = image.copy()
    holed[:8] = np.nan
    assert any(
        "12.5%" in warning for warning in interpret(holed, span=2, kind="simulated").warnings
    )


def test_an_image_without_order_reads_as_none():
    """A random lattice is read as zero correlations."""
    rng = np.random.default_rng(2)
    sites = rng.permutation(np.repeat([-1, 1], 1250)).reshape(50, 50)
    mean, error = predict(diffraction_image(sites)[None], span=2, kind="simulated")
    assert np.all(np.abs(mean) < 5 * error)


def test_measured_boxes_are_explained_by_few_numbers(box, request):
    """R^2 of the images of this study's crystals, from 15 coefficients of E, 3 of B and S."""
    image, result = box
    assert result.explained
    assert result.image_r2 >= (0.88 if "box1" in request.node.name else 0.90)
    away = STANDARD_GRID.distance_to_bragg() >= 0.13
    x, y = image[away] / image[away].mean(), result.simulated[away] / result.simulated[away].mean()
    r2 = 1 - ((x - y) ** 2).sum() / ((x - x.mean()) ** 2).sum()
    assert result.image_r2 == pytest.approx(r2, abs=0.01)
    assert result.fit.cv_r2 >= 0.6
    assert result.fit.cv_r2 < result.fit.r2 <= 1
    assert result.fit.coefficients <= 15
    smooth = np.polynomial.polynomial.polyvander2d(*_unit_square(), (4, 4)).reshape(64 * 64, -1)
    off = np.log(result.fit.envelope).ravel()
    missed = off - smooth @ np.linalg.lstsq(smooth, off, rcond=None)[0]
    assert np.abs(missed).max() < 0.1  # a mean of polynomials of degree 4 at most


def _unit_square():
    return (q.ravel() for q in np.meshgrid(*[np.linspace(-1, 1, 64)] * 2, indexing="ij"))


def test_network_and_fit_agree_on_the_boxes(box):
    """Two answers made in different ways: 13 of 15 within twice the error of their difference.

    The network's own error, before the difference itself made it wider.
    """
    _, result = box
    apart = np.abs(result.encoding.vector - result.fit.encoding.vector)
    both = np.hypot(result.network_error, result.fit.standard_error)
    assert (apart < 2 * both).sum() >= 13
    first_neighbours = result.standard_error[[0, 3]]
    assert (first_neighbours <= 0.2).all()
    assert (result.standard_error >= result.network_error).all()


def test_the_lattice_of_a_measured_image_has_the_fitted_order(box):
    """Correlations of its 640 x 640 sites as the fit found them, (i, -j) and far ones included."""
    _, result = box
    sites = result.lattice.sites
    assert sites.sum() == 0
    np.testing.assert_allclose(
        result.lattice.realised.vector, result.fit.encoding.vector, atol=0.02
    )
    mirrored = realised_correlations(sites[:, ::-1], 4).matrix[1:, 1:]
    np.testing.assert_allclose(mirrored, result.fit.opposite, atol=0.01)
    far = np.fft.fft2(result.fit.spectrum) / 32**2  # points at (m + 1/2) / 32: a phase is left
    far = (far * np.exp(-1j * np.pi * np.add.outer(np.arange(32), np.arange(32)) / 32)).real
    for i, j in ((6, 0), (0, 8), (7, 5)):
        pair = np.mean(sites * np.roll(sites, (-i, -j), (0, 1)), dtype=float)
        assert pair == pytest.approx(far[i, j], abs=0.01)


def test_another_seed_is_another_lattice_of_the_same_order(box):
    """The same seed makes the lattice again, site by site."""
    _, result = box
    again = _lattice_with(result.fit, np.random.default_rng(result.seed))
    other = _lattice_with(result.fit, np.random.default_rng(result.seed + 1))
    np.testing.assert_array_equal(again.sites, result.lattice.sites)
    assert 0.3 < np.mean(other.sites == result.lattice.sites) < 0.7
    np.testing.assert_allclose(other.realised.vector, result.lattice.realised.vector, atol=0.02)


def test_the_simulated_image_is_in_the_units_of_the_measured_one(real):
    """A thousand times the counts: the same answer, and a simulated image a thousand times as high.

    The lattice and its lots have the same seed, so nothing else changes.
    """
    image = real("box2")
    small, large = (interpret(f * image, seed=3) for f in (1.0, 1000.0))
    np.testing.assert_allclose(large.encoding.vector, small.encoding.vector, atol=1e-3)
    np.testing.assert_allclose(large.standard_error, small.standard_error, atol=1e-3)
    away = STANDARD_GRID.distance_to_bragg() >= 0.13
    assert small.simulated[away].mean() == pytest.approx(image[away].mean(), rel=0.05)
    np.testing.assert_allclose(large.simulated, 1000 * small.simulated, rtol=0.02)
    assert large.warnings == small.warnings
    assert large.seed == 3


def test_a_measured_result_is_plain_data(box):
    """Fit and findings survive JSON, without NaN; what failed is among the warnings."""
    _, result = box
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["fit"]["cv_r2"] == result.fit.cv_r2
    assert [f["key"] for f in plain["findings"]] == [f.key for f in result.findings]
    assert plain["status"] == result.status
    text = " ".join(result.warnings)
    assert all(f.sentence in text for f in result.findings if not f.ok)


def test_a_crystal_without_order_is_answered_with_zeros():
    """E + B of a random lattice: S = 1 explains it, and zeros lie within the errors."""
    rng = np.random.default_rng(3)
    x, y = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64), indexing="ij")
    envelope = 100 * np.exp(-0.5 * x + 0.3 * y - 0.4 * x**2)
    sites = rng.permutation(np.repeat([-1, 1], 96 * 48)).reshape(96, 96)
    pattern = diffraction_image(sites, lot_size=48, lots=64, seed=4)
    result = interpret(rng.poisson(envelope * pattern + 30 + 9 * y).astype(float))
    assert np.abs(result.encoding.vector).max() < 0.1
    assert np.all(np.abs(result.encoding.vector) < 3 * result.network_error)
    assert np.all(np.abs(result.fit.encoding.vector) < 2 * result.fit.standard_error)
    assert result.status == "explained"
    assert (result.standard_error < 0.1).all()


@pytest.mark.parametrize(
    ("rows", "message"), [(0, "every pixel of this image is NaN"), (6, "a fit needs 400")]
)
def test_images_with_nothing_left_are_refused(image, rows, message):
    """All NaN, or all but a strip: an error before any answer."""
    holed = np.where(np.arange(64)[:, None] < rows, image, np.nan)
    with pytest.raises(ValueError, match=message):
        interpret(holed)


@pytest.mark.parametrize("size", [256, 255])
def test_a_cut_field_has_the_arcsine_of_its_correlations(size):
    """Half the sites +1, and c = (2 / pi) arcsin rho at every distance, other along (i, -j).

    rho(i, j) = 0.7^|i| 0.5^|j - i|, of which the spectrum is the Fourier transform (Van Vleck and
    Middleton, Proc. IEEE 54, 2, 1966).
    """
    place = (np.arange(size) + size // 2) % size - size // 2
    i, j = np.meshgrid(place, place, indexing="ij")
    rho = 0.7 ** np.abs(i) * 0.5 ** np.abs((j - i + size // 2) % size - size // 2)
    spectrum = np.maximum(np.fft.fft2(rho).real, 0)
    sites = cut_field(spectrum, np.random.default_rng(1))
    assert sites.dtype == np.int8
    assert np.count_nonzero(sites > 0) == round(0.5 * size**2)
    for di, dj in ((1, 1), (0, 1), (1, 0), (1, -1), (2, 1), (2, -1), (3, 3)):
        pair = np.mean(sites * np.roll(sites, (-di, -dj), (0, 1)), dtype=float)
        assert pair == pytest.approx(2 / np.pi * np.arcsin(rho[di, dj]), abs=0.02)
    again = cut_field(spectrum, np.random.default_rng(1))
    np.testing.assert_array_equal(sites, again)
    np.testing.assert_array_equal(cut_field(9 * spectrum, np.random.default_rng(1)), sites)


def test_a_flat_spectrum_makes_no_order():
    """Equal amplitudes at all q: neighbours agree by chance only, within 4 standard errors."""
    sites = cut_field(np.ones((200, 200)), np.random.default_rng(2))
    for step in ((0, 1), (1, 0), (1, 1), (3, -2)):
        assert abs(np.mean(sites * np.roll(sites, step, (0, 1)), dtype=float)) < 4 / 200


def test_draws_have_the_mean_and_the_covariance(box):
    """Many draws of a heavy-tailed joint distribution; a function of them has its own error."""
    _, result = box
    draws = result.sample(200_000, seed=1)
    np.testing.assert_array_equal(draws[:5], result.sample(200_000, seed=1)[:5])
    error = result.standard_error
    np.testing.assert_allclose(error**2, np.diagonal(result.covariance))
    np.testing.assert_allclose((draws.mean(axis=0) - result.encoding.vector) / error, 0, atol=0.02)
    np.testing.assert_allclose(draws.std(axis=0), error, rtol=0.05)
    weights = np.linspace(-1, 1, len(error))
    stated = np.sqrt(weights @ result.covariance @ weights)
    assert (draws @ weights).std() == pytest.approx(stated, rel=0.05)


def test_knowledge_is_used_and_compared_with_the_image(real):
    """How far it moves the answer, in the errors without it, is a finding."""
    image = real("box1")
    plain = interpret(image)
    assert "knowledge" not in [finding.key for finding in plain.findings]
    right, wrong = (interpret(image, background=(b, b)) for b in (0.3, 0.97))
    assert not np.allclose(right.encoding.vector, plain.encoding.vector)
    for result in (right, wrong):
        (finding,) = (f for f in result.findings if f.key == "knowledge")
        moved = (result.encoding.vector - plain.encoding.vector) / plain.network_error
        assert finding.value == pytest.approx(np.sqrt(np.mean(moved**2)), rel=1e-3)
    with pytest.raises(ValueError, match="background is for kind='measured'"):
        interpret(image, kind="simulated", background=(0, 0))
