"""The network for measured images, what it learns from, and the trials that it must pass."""

import numpy as np
import pytest
from scipy.stats import f, multivariate_t, t

from xrlab import Encoding, expected_image, predict
from xrlab.crystal.diffraction import thermal_scattering
from xrlab.crystal.encoding import component_names
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.crystal.lattice import realised_correlations
from xrlab.networks.backend import import_keras
from xrlab.networks.folding import cosines, fold_clean, fold_matrix, unfold
from xrlab.networks.measured import answer_all, calibrated, read, sizes, with_mask
from xrlab.networks.measured_cnn import answering, measured_cnn
from xrlab.networks.shipped import WEIGHTS, model_card
from xrlab.training.calibration import COVERED, calibration
from xrlab.training.joint_loss import log_density, losses
from xrlab.training.measured_images import (
    MeasuredSet,
    _rearranged,
    clean_images,
    measured_set,
    random_measurement,
    size_effect,
    smooth_factor,
)
from xrlab.training.packed import round_to_half, save_packed
from xrlab.training.train_measured import (
    batches,
    known_shares,
    train,
    warm_start,
)
from xrlab.trials.crystals import crystal_trial
from xrlab.trials.independent import heat_bath, thermal_lattice, unseen_measurement
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
    inputs = {"pixels": with_mask(noise), "background": np.tile(np.float32([0, 0, 1]), (2, 1))}
    cell = np.asarray(model.predict_on_batch(inputs)["cell"])
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
    near = [0, 3, 4]
    np.testing.assert_allclose(two.mean, four.mean[:, near])
    np.testing.assert_allclose(two.covariance, four.covariance[:, near][:, :, near])
    with pytest.raises(ValueError, match="spans 2 to 4, not 5"):
        predict(laboratory.images[:2], 5, "measured")


def test_scale_matrices_are_positive_definite(laboratory):
    """Untrained and trained, however far the image is from a diffraction image."""
    noise = np.random.default_rng(4).exponential(1, (3, 64, 64)) ** 3
    _, scale, _ = answer_all(answering(measured_cnn()), noise)
    assert np.linalg.eigvalsh(scale).min() > 0
    for images in (noise, laboratory.images[:20]):
        covariance = read(images).covariance
        np.testing.assert_allclose(covariance, covariance.swapaxes(1, 2), rtol=1e-4)
        assert np.linalg.eigvalsh(covariance).min() > 0


def test_knowledge_is_used():
    """Crystals without background: errors, stated and true, are smaller if that is known."""
    trial = crystal_trial("no background", 20, 12)
    image = trial.images[:1]
    alone, known = read(trial.images), read(trial.images, background=(0, 0))
    assert known.standard_error.mean() < 0.8 * alone.standard_error.mean()
    assert np.abs(known.mean - trial.encodings).mean() < np.abs(alone.mean - trial.encodings).mean()
    with pytest.raises(ValueError, match=r"between 0 and 1, the lower number first; got \[0.5, 0"):
        read(image, background=(0.5, 0.2))
    with pytest.raises(ValueError, match=r"such as \(0.1, 0.4\); this has shape \(3,\)"):
        read(image, background=(0.1, 0.2, 0.3))
    with pytest.raises(ValueError, match=r"shape of the image, \(64, 64\)"):
        read(image, form_factor=np.ones((32, 32)))
    with pytest.raises(ValueError, match="never negative; this one runs from -1"):
        read(image, form_factor=-np.ones((64, 64)))
    with pytest.raises(ValueError, match="0 or NaN everywhere"):
        read(image, form_factor=np.full((64, 64), np.nan))
    with pytest.raises(ValueError, match="background is for kind='measured'"):
        predict(image, kind="simulated", background=(0, 0))


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
        ("bad day", 0.84, 1.3),
        ("unseen instrument", 0.92, 2),
        ("unseen both", 0.87, 1.7),
    ],
)
def test_spoiled_images_are_read_better_than_by_fourier(name, least_r2, times_better, laboratory):
    """Than after any of six cleanings, with hindsight; on others' lattices and instruments too."""
    trial = laboratory if name == "laboratory" else next(trials(60, 5, [name]))
    found = score(trial, lambda images: predict(images, 4, "measured"))
    assert found.r2 > least_r2
    assert found.rival_mse > times_better * found.mse
    assert found.inpainted_mse >= found.rival_mse
    assert 0.8 < found.coverage.mean() < 0.99


def test_boxes_agree(real):
    """Two windows of one crystal: most values within twice the combined error, all in four."""
    mean, error = predict(np.stack([real("box1"), real("box2")]), 4, "measured")
    apart = np.abs(mean[0] - mean[1]) / np.hypot(*error)
    assert (apart < 2).sum() >= 11
    assert apart.max() < 4
    assert error.max() < 0.3


def test_card_names_calibration_and_parameters():
    """A factor for each component and size of error, near 1 if the network knows its errors."""
    card = model_card("measured")["calibration"]
    assert len(card["component"]) == 15
    assert len(card["size"]) == len(card["factor"]) == len(card["independent"]) == 6
    assert 0 <= min(card["independent"]) <= max(card["independent"]) < 0.6
    assert np.all(np.diff(card["size"]) > 0)
    factors = np.array([*card["factor"], *card["component"]])
    assert 0.4 < factors.min() <= factors.max() < 2.5
    assert card["freedom"] > 2


def test_answers_follow_an_exchange_of_h_and_k(laboratory):
    """Exactly: a crystal whose axes are named the other way round has c(j, i) for c(i, j)."""
    graph = answering(measured_cnn())
    images = laboratory.images[:3]
    mean, scale, cell = answer_all(graph, images)
    turned_mean, turned_scale, turned_cell = answer_all(graph, images.swapaxes(1, 2))
    np.testing.assert_allclose(turned_cell, cell.swapaxes(1, 2), rtol=1e-4)
    names = component_names(4)
    other = [names.index(f"c({name[5]}, {name[2]})") for name in names]
    np.testing.assert_allclose(turned_mean, mean[:, other], atol=1e-5)
    np.testing.assert_allclose(turned_scale, scale[:, other][:, :, other], rtol=1e-3, atol=1e-6)


def test_calibration_mends_errors_that_are_wrong_in_two_ways():
    """Too small for one component, and the more too large the smaller they are: both mended."""
    rng = np.random.default_rng(8)
    size = rng.uniform(-4, -1, 12_000)
    true = np.where(np.arange(15) == 3, 2.0, 1.0) * np.exp(size)[:, None]
    deviation = true * rng.standard_t(6, (12_000, 15))
    stated = np.exp(size - 0.25 * (size + 1))
    scale = stated[:, None, None] ** 2 * np.eye(15)
    factors = calibration(deviation[:6000], scale[:6000], np.zeros((6000, 15)))
    covariance, freedom = calibrated(scale[6000:], factors)
    assert 4 <= freedom <= 10
    np.testing.assert_allclose(sizes(scale), np.log(stated))
    own = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2) * (1 - 2 / freedom))
    for level, share in ((0.5, 0.52), (0.9, COVERED), (0.99, 0.99)):
        held = np.abs(deviation[6000:]) < own * t.ppf((1 + level) / 2, freedom)
        np.testing.assert_allclose(held.mean(axis=0), share, atol=0.03)
        for small in (True, False):
            assert abs(held[(size[6000:] < -3) == small].mean() - share) < 0.03


def test_calibration_takes_away_correlations_that_are_stated_too_strong():
    """Errors that share half of their variance, stated to share nine tenths of it."""
    rng = np.random.default_rng(9)
    size = np.exp(rng.uniform(-4, -2, 6000))
    shared, own = rng.standard_normal((6000, 1)), rng.standard_normal((6000, 15))
    deviation = size[:, None] * np.sqrt(0.5) * (shared + own)
    scale = size[:, None, None] ** 2 * (0.9 + 0.1 * np.eye(15))
    factors = calibration(deviation[:3000], scale[:3000], np.zeros((3000, 15)))
    covariance, freedom = calibrated(scale[3000:], factors)
    np.testing.assert_allclose(factors["independent"], 1 - 0.5 / 0.9, atol=0.15)
    matrix = covariance * (1 - 2 / freedom)
    distance = (deviation[3000:, None] @ np.linalg.solve(matrix, deviation[3000:, :, None])).ravel()
    assert abs((distance / 15 < f.ppf(0.9, 15, freedom)).mean() - COVERED) < 0.04


def test_calibration_holds_for_every_kind():
    """The factor is that of the kind whose errors are stated too small; the other keeps more."""
    rng = np.random.default_rng(10)
    deviation, kinds = 0.05 * rng.standard_normal((4000, 15)), np.arange(4000) % 4 // 3
    deviation[kinds == 1] *= 1.5
    scale = np.tile(0.05**2 * np.eye(15), (4000, 1, 1)) * rng.uniform(0.9, 1.1, (4000, 1, 1))
    factors = calibration(deviation, scale, np.zeros((4000, 15)), kinds)
    covariance, freedom = calibrated(scale, factors)
    own = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2) * (1 - 2 / freedom))
    held = np.abs(deviation) < own * t.ppf(0.95, freedom)
    assert abs(held[kinds == 1].mean() - COVERED) < 0.02
    assert held[kinds == 0].mean() > 0.97


def test_loss_is_the_density_of_students_t():
    """Through the low-rank formulas the same as scipy's density of the full matrix."""
    rng = np.random.default_rng(2)
    true, answer = rng.normal(0, 0.2, (4, 15)), rng.normal(0, 0.5, (4, 15 + 15 + 105))
    deviation = answer[:, :15] - true
    wide = (answer[:, 30:].reshape(4, 15, 7)) * np.exp(answer[:, 15:30, None])
    scale = wide @ wide.swapaxes(1, 2)
    scale[:, np.arange(15), np.arange(15)] += np.exp(2 * answer[:, 15:30])
    loss = np.asarray(losses()["answer"](true.astype("f4"), answer.astype("f4")))
    weight = 2 + 0.4 * np.exp(-answer[:, 15:30])
    density = ((weight * deviation**2).mean(axis=1) - loss) * 150
    np.testing.assert_allclose(density, log_density(deviation, scale), rtol=1e-3)
    exact = [multivariate_t.logpdf(d, None, s, df=8) for d, s in zip(deviation, scale, strict=True)]
    np.testing.assert_allclose(np.diff(density), np.diff(exact), rtol=1e-2, atol=1e-2)


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
    clean, vectors = clean_images(10, 4, progress=False)
    first = [random_measurement(clean[i % 10], np.random.default_rng(i)) for i in range(40)]
    again = random_measurement(clean[7], np.random.default_rng(7))
    np.testing.assert_array_equal(first[7].image, again.image)
    images = np.array([taken.image for taken in first])
    assert np.nanmin(images) >= 0
    assert (np.isnan(images).mean(axis=(1, 2)) < 0.7).all()
    assert all(0 <= taken.share < 1 for taken in first)
    assert [taken.form_factor.mean() for taken in first] == pytest.approx([1] * 40)
    made = measured_set(6, 1, (clean, vectors))
    more = measured_set(8, 1, (clean, vectors))
    assert np.isfinite(made.images[~np.isnan(made.images)]).all()
    np.testing.assert_array_equal(made.images, more.images[:6])
    assert any((made.vectors[0] == vector).all() for vector in vectors)  # every third: a lattice
    assert made.cells.sum(axis=(1, 2)) == pytest.approx(1)


def test_thermal_scattering_grows_with_q_and_towards_bragg_peaks():
    """As q^2 at equal distance from a peak; as 1/d^2 around it."""
    level = thermal_scattering(ReciprocalGrid((1, 3), (1, 3), (41, 41)), width=1e-6)
    assert level[24, 24] / level[4, 4] == pytest.approx((2.2 / 1.2) ** 2)
    q2 = 1 + (1 + np.array([0.05, 0.1])) ** 2
    assert level[0, 1] / level[0, 2] == pytest.approx(4 * q2[0] / q2[1])


def test_size_effect_moves_intensity_in_proportion_to_q():
    """Nothing at the origin, opposite on the two sides of a maximum, stronger farther out."""
    image = 1 + 0.5 * np.cos(2 * np.pi * STANDARD_GRID.h_values)[:, None] * np.ones(64)
    change = size_effect(image, STANDARD_GRID, 0.01) - image
    assert np.abs(change[0]).max() < 1e-9
    assert change[24, 0] > 0 > change[39, 0]
    assert change[56, 0] == pytest.approx(change[24, 0] * 56 / 24, rel=0.1)


def test_smooth_factor_is_smooth_and_positive():
    """Mean 1; neighbours differ by little."""
    factor = smooth_factor(np.random.default_rng(2), degree=4, spread=1.0)
    assert factor.min() > 0
    assert factor.mean() == pytest.approx(1)
    assert np.abs(np.diff(np.log(factor), axis=0)).max() < 0.6


def test_exchanged_batches_have_exchanged_labels():
    """The vector of an exchanged image is that of the transposed encoding, its factor turned."""
    n = 128
    rng = np.random.default_rng(0)
    matrices = rng.random((n, 4, 4))
    images = np.broadcast_to(np.arange(64.0)[:, None], (n, 64, 64)).astype(np.float16)
    vectors = matrices.reshape(n, 16)[:, 1:].astype(np.float32)
    cells, shares = np.ones((n, 32, 32), np.float32), rng.random(n).astype(np.float32)
    made = MeasuredSet(images, shares, images.copy(), vectors, cells)
    x, y = batches(made, seed=1)[0]
    known = {vector.tobytes(): False for vector in vectors}
    swapped = matrices.swapaxes(1, 2).reshape(n, 16)[:, 1:].astype(np.float32)
    known |= {vector.tobytes(): True for vector in swapped}
    pixels = x["pixels"]
    exchanged = np.ptp(pixels[..., 0], axis=1).max(axis=1) == 0  # no change along h any more
    assert [known[vector.tobytes()] for vector in y["answer"]] == exchanged.tolist()
    assert 0 < exchanged.sum() < n
    given = pixels[..., 2].any(axis=(1, 2))
    assert 0.2 < given.mean() < 0.5
    fitting = np.corrcoef(pixels[given][..., 0].ravel(), pixels[given][..., 2].ravel())[0, 1]
    assert fitting > 0.95


def test_known_shares_are_true():
    """Half unknown; the others hold the share, some exactly."""
    shares = np.random.default_rng(0).random(400)
    known = known_shares(shares, np.random.default_rng(1))
    told = known[:, 0] == 1
    assert 0.4 < told.mean() < 0.6
    np.testing.assert_array_equal(known[~told, 1:], np.tile([0, 1], ((~told).sum(), 1)))
    low, high = known[told, 1], known[told, 2]
    assert (low <= shares[told] + 1e-6).all()
    assert (shares[told] <= high + 1e-6).all()
    assert 0.2 < (high - low < 1e-6).mean() < 0.6


@pytest.mark.notebook
def test_training_runs_and_the_model_is_saved_small(tmp_path):
    """One round on 128 images: weights on disk, a model of 2 MB that answers the same."""
    lattices = clean_images(8, 6, progress=False)
    out, checkpoint = tmp_path / "tiny.weights.h5", tmp_path / "tiny.npz"

    def run(seed):
        return train(lattices, rounds=1, seed=seed, out=out, checkpoint=checkpoint, size=128)

    model = run(6)
    assert out.exists()
    for one, other in zip(model.get_weights(), run(6).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)  # nothing was left to do
    with pytest.raises(ValueError, match="another training, with seed 6, here 7"):
        run(7)
    before = answer_all(answering(model), lattices[0][:4])[0]
    shipped = measured_cnn()  # without the state of the optimiser
    shipped.load_weights(out)
    round_to_half(shipped)
    save_packed(shipped, tmp_path / "tiny.keras")
    assert (tmp_path / "tiny.keras").stat().st_size < 4e6
    loaded = import_keras().saving.load_model(tmp_path / "tiny.keras", compile=False)
    np.testing.assert_allclose(answer_all(answering(loaded), lattices[0][:4])[0], before, atol=0.05)
    warm = measured_cnn()
    warm_start(warm, WEIGHTS / "measured-grain.keras")  # an earlier form: its convolutions
    first = next(layer for layer in warm.layers if "conv2d" in layer.name).get_weights()[0]
    assert np.abs(first[:, :, :28]).min() > 0
    assert np.abs(first[:, :, 28:]).max() == 0
    warm_start(warm, tmp_path / "tiny.keras")
    for one, other in zip(warm.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# The kept-out simulator and instrument, and the rival


def test_heat_bath_of_a_chain_has_its_closed_form():
    """Couplings along b alone make Ising chains: c(0, 1) = tanh J, c(0, 2) its square."""
    rng = np.random.default_rng(3)
    sites = rng.choice(np.array([-1, 1], np.int8), (128, 128))
    heat_bath(sites, np.array([[0, 1]]), np.array([0.6]), 200, rng)
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
