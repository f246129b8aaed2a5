"""The network for measured images, what it learns from, and the trials that it must pass."""

import numpy as np
import pytest

from xrlab import Encoding, expected_image, predict
from xrlab.crystal.encoding import component_names
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.lattice import realised_correlations
from xrlab.networks.backend import import_keras, model_card
from xrlab.networks.measured import (
    ask,
    calibrated,
    cosines,
    fold_clean,
    fold_matrix,
    measured_cnn,
    read,
    unfold,
    with_mask,
)
from xrlab.training.measured_images import (
    _rearranged,
    clean_images,
    measured_images,
    random_measurement,
    smooth_factor,
)
from xrlab.training.packed import round_to_half, save_packed
from xrlab.training.train_measured import batches, calibration, train
from xrlab.trials.independent import _heat_bath, thermal_lattice, unseen_measurement
from xrlab.trials.rivals import cleaned_delta_pdf
from xrlab.trials.trial import score, trials


@pytest.fixture(scope="module")
def laboratory():
    """Sixty images through the laboratory preset."""
    return next(trials(60, 5, ["laboratory"]))


def test_folding_keeps_the_correlations():
    """The cosine transform of the folded cell is that of the image, slightly damped by the fold."""
    encoding = Encoding.random(4, 3, "realisable")
    cell = fold_clean(expected_image(encoding, lot_size=48)[None])[0]
    window = 1 - np.arange(4) / 48
    wanted = (encoding.matrix * np.outer(window, window)).ravel()[1:]
    np.testing.assert_allclose(cell.ravel() @ cosines(), wanted, atol=0.02)


def test_unfolding_is_the_way_back():
    """A cell repeated over the window and folded again is the cell."""
    q = (np.arange(32) + 0.5) / 32
    cell = 2 + np.cos(2 * np.pi * np.add.outer(q, 2 * q))
    image = unfold(cell, STANDARD_GRID.h_values)
    np.testing.assert_allclose(fold_clean(image[None])[0] * cell.sum(), cell, rtol=0.05)
    assert fold_matrix(STANDARD_GRID.h_values).sum(axis=1) == pytest.approx(1)


def test_the_network_is_small_and_its_cell_symmetric():
    """At most a million parameters; S is alike at q and -q whatever the image, even untrained."""
    model = measured_cnn()
    assert model.count_params() <= 1_000_000
    noise = np.random.default_rng(1).random((2, 64, 64))
    cell = np.asarray(model.predict_on_batch(with_mask(noise))["cell"])
    np.testing.assert_allclose(cell, cell[:, ::-1, ::-1], atol=1e-5)


def test_scale_and_company_do_not_matter(laboratory):
    """The answer to an image is the same in any unit and in any batch."""
    images = laboratory.images[:5]
    mean, error = predict(images, 4, "measured")
    alone = predict(1e5 * images[3:4], 4, "measured")
    np.testing.assert_allclose(alone[0][0], mean[3], atol=1e-4)
    np.testing.assert_allclose(alone[1][0], error[3], rtol=1e-3)


def test_small_spans_are_part_of_the_large_one(laboratory):
    """c(1, 1) is one number, whatever the span that is asked for."""
    four = read(laboratory.images[:2], 4)
    two = read(laboratory.images[:2], 2)
    np.testing.assert_allclose(two.mean, four.mean[:, [0, 3, 4]])
    np.testing.assert_allclose(two.standard_error, four.standard_error[:, [0, 3, 4]])
    with pytest.raises(ValueError, match="spans 2 to 4, not 5"):
        predict(laboratory.images[:2], 5, "measured")


def test_patterns_are_positive_and_of_mean_one(laboratory):
    """So every answer before the lots are taken out is that of a real spectrum."""
    reading = read(laboratory.images[:3])
    assert (reading.cells > 0).all()
    assert reading.cells.mean(axis=(1, 2)) == pytest.approx(1)
    assert (np.abs(reading.mean) <= 1).all()


@pytest.mark.parametrize(
    ("name", "least_r2", "times_better"),
    [
        ("laboratory", 0.96, 2),
        ("synchrotron", 0.96, 1.3),
        ("bad day", 0.89, 1.7),
        ("unseen instrument", 0.94, 2),
        ("unseen both", 0.92, 1.7),
    ],
)
def test_spoiled_images_are_read_better_than_by_fourier(name, least_r2, times_better, laboratory):
    """Than after any of six cleanings, with hindsight; on others' lattices and instruments too."""
    trial = laboratory if name == "laboratory" else next(trials(60, 5, [name]))
    found = score(trial, lambda images: predict(images, 4, "measured"))
    assert found.r2 > least_r2
    assert found.rival_mse > times_better * found.mse
    assert found.inpainted_mse >= found.rival_mse
    assert 0.8 < found.coverage.mean() < 0.98


def test_boxes_agree(real):
    """Two windows of one crystal: most values within twice the combined error, all in four."""
    mean, error = predict(np.stack([real("box1"), real("box2")]), 4, "measured")
    apart = np.abs(mean[0] - mean[1]) / np.hypot(*error)
    assert (apart < 2).sum() >= 11
    assert apart.max() < 4
    assert error.max() < 0.3


def test_card_names_calibration_and_parameters():
    """Factors for each component, near 1 if the network knows its own errors."""
    card = model_card("measured")
    factors = np.array(card["calibration"]["factor"])
    assert factors.shape == np.shape(card["calibration"]["log_error"]) == (15, 6)
    assert 0.4 < factors.min() <= factors.max() < 2.5
    assert card["parameters"] <= 1_000_000


def test_answers_follow_an_exchange_of_h_and_k(laboratory):
    """Exactly: a crystal whose axes are named the other way round has c(j, i) for c(i, j)."""
    pixels = with_mask(laboratory.images[:3])
    model = measured_cnn()
    answer, cell = ask(model, pixels)
    exchanged, exchanged_cell = ask(model, pixels.swapaxes(1, 2))
    np.testing.assert_allclose(exchanged_cell, cell.swapaxes(1, 2), atol=1e-5)
    names = component_names(4)
    for n, name in enumerate(names):
        other = names.index(f"c({name[5]}, {name[2]})")
        np.testing.assert_allclose(
            exchanged[:, [n, 15 + n]], answer[:, [other, 15 + other]], atol=1e-5
        )


def test_calibration_mends_errors_that_are_wrong_in_two_ways():
    """Too small for one component, and the more too large the smaller they are: both mended."""
    rng = np.random.default_rng(8)
    true = rng.uniform(-4, -1, (12_000, 15))
    deviation = rng.normal(0, np.exp(true)) * np.where(np.arange(15) == 3, 2.0, 1.0)
    log_error = true - 0.25 * (true + 1)
    found = calibration(deviation[:6000], log_error[:6000], np.zeros((6000, 15)))
    held = np.abs(deviation[6000:]) < 1.645 * calibrated(log_error[6000:], found)
    np.testing.assert_allclose(held.mean(axis=0), 0.9, atol=0.025)
    for small in (True, False):
        assert abs(held[(true[6000:] < -3) == small].mean() - 0.9) < 0.02  # small: 0.99 before


# What it learns from


def test_samples_depend_on_seed_and_index_alone():
    """Ten images made alone are the first ten of twelve; labels are correlations."""
    images, vectors = clean_images(10, 3, progress=False)
    more, _ = clean_images(12, 3, n_jobs=1, progress=False)
    np.testing.assert_array_equal(images, more[:10])
    assert (np.abs(vectors) <= 1).all()
    assert images.mean() == pytest.approx(1, abs=0.1)


def test_rearranging_moves_a_lattice_onto_itself():
    """Mirrors and shears permute the autocorrelation of a periodic lattice and change no site."""
    rng = np.random.default_rng(0)
    sites = rng.choice(np.array([-1, 1], np.int8), (12, 12))

    def autocorrelation(s):
        return np.sort(np.fft.ifft2(np.abs(np.fft.fft2(s)) ** 2).real, axis=None)

    seen = set()
    for _ in range(40):
        moved = _rearranged(sites, rng)
        np.testing.assert_allclose(autocorrelation(moved), autocorrelation(sites), atol=1e-8)
        seen.add(moved.tobytes())
    assert len(seen) > 10


def test_measurements_are_seeded_and_keep_enough():
    """Never negative, at least 30 % measured, the same again for the same seed, half precision."""
    clean, _ = clean_images(40, 4, progress=False)
    first = [random_measurement(image, np.random.default_rng(i)) for i, image in enumerate(clean)]
    again = random_measurement(clean[7], np.random.default_rng(7))
    np.testing.assert_array_equal(first[7], again)
    assert np.nanmin(first) >= 0
    assert (np.isnan(first).mean(axis=(1, 2)) < 0.7).all()
    packed = measured_images(clean, 1, n_jobs=1)
    assert np.isfinite(packed[~np.isnan(packed)]).all()


def test_smooth_factor_is_smooth_and_positive():
    """Mean 1; neighbours differ by little."""
    factor = smooth_factor(np.random.default_rng(2), degree=4, spread=1.0)
    assert factor.min() > 0
    assert factor.mean() == pytest.approx(1)
    assert np.abs(np.diff(np.log(factor), axis=0)).max() < 0.6


def test_exchanged_batches_have_exchanged_labels():
    """The vector of an exchanged image is that of the transposed encoding."""
    n = 128
    rng = np.random.default_rng(0)
    matrices = rng.random((n, 4, 4))
    images = np.broadcast_to(np.arange(64.0)[:, None], (n, 64, 64)).astype(np.float16)
    vectors = matrices.reshape(n, 16)[:, 1:].astype(np.float32)
    x, y = batches(images, np.ones((n, 32, 32), np.float32), vectors, seed=1)[0]
    known = {vector.tobytes(): False for vector in vectors}
    swapped = matrices.swapaxes(1, 2).reshape(n, 16)[:, 1:].astype(np.float32)
    known |= {vector.tobytes(): True for vector in swapped}
    exchanged = np.ptp(x[..., 0], axis=1).max(axis=1) == 0  # no change along h any more
    assert [known[vector.tobytes()] for vector in y["answer"]] == exchanged.tolist()
    assert 0 < exchanged.sum() < n


@pytest.mark.notebook
def test_training_runs_and_the_model_is_saved_small(tmp_path):
    """One round on 128 lattices: weights on disk, a model of 2 MB that answers the same."""
    clean, vectors = clean_images(128, 6, progress=False)
    out, checkpoint = tmp_path / "tiny.weights.h5", tmp_path / "tiny.npz"
    model = train(clean, vectors, rounds=1, seed=6, out=out, checkpoint=checkpoint)
    assert out.exists()
    again = train(clean, vectors, rounds=1, seed=6, out=out, checkpoint=checkpoint)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)  # nothing was left to do
    with pytest.raises(ValueError, match="another training, with seed 6, here 7"):
        train(clean, vectors, rounds=1, seed=7, out=out, checkpoint=checkpoint)
    x = with_mask(clean[:4])
    before = np.asarray(model.predict_on_batch(x)["answer"])
    round_to_half(model)
    save_packed(model, tmp_path / "tiny.keras")
    loaded = import_keras().saving.load_model(tmp_path / "tiny.keras", compile=False)
    np.testing.assert_allclose(loaded.predict_on_batch(x)["answer"], before, atol=0.05)


# The kept-out simulator and instrument, and the rival


def test_heat_bath_of_a_chain_has_its_closed_form():
    """Couplings along b alone make Ising chains: c(0, 1) = tanh J, c(0, 2) its square."""
    rng = np.random.default_rng(3)
    sites = rng.choice(np.array([-1, 1], np.int8), (128, 128))
    _heat_bath(sites, np.array([[0, 1]]), np.array([0.6]), 200, rng)
    found = realised_correlations(sites, 3).matrix
    wanted = np.tanh(0.6)
    np.testing.assert_allclose(found[0], [1, wanted, wanted**2], atol=0.03)
    np.testing.assert_allclose(found[1:], 0, atol=0.03)


def test_thermal_lattices_are_disordered():
    """Both kinds of site about equally often, no order half way across."""
    sites = thermal_lattice(np.random.default_rng(5), 48)
    assert set(np.unique(sites)) == {-1, 1}
    assert abs(sites.mean()) < 0.1


def test_unseen_measurements_are_images():
    """Counts from 0 up with gaps, the same again for the same seed."""
    image = expected_image(Encoding.random(3, 1, "realisable"))
    first, again = (unseen_measurement(image, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.nanmin(first) >= 0
    assert 0.02 < np.isnan(first).mean() < 0.6


def test_the_rival_reads_clean_images_and_survives_hot_pixels():
    """Cleaning costs little on a smooth image, and hot pixels change nothing."""
    encoding = Encoding.product(0.5, -0.3, 4)
    image = expected_image(encoding, lot_size=48).astype(float)
    plain = cleaned_delta_pdf(image).vector
    assert np.abs(plain - encoding.vector).max() < 0.06
    image.ravel()[[500, 1500, 2500]] = 1e4
    assert np.abs(cleaned_delta_pdf(image).vector - plain).max() < 0.01


def test_unknown_trials_are_refused():
    """The error says which there are."""
    with pytest.raises(ValueError, match=r"no trial 'sunny day'.*unseen both"):
        next(trials(3, 0, ["sunny day"]))
