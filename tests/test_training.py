"""Training: it learns, keeps its best epoch, and does the same again for the same seed."""

import json
import signal
import subprocess

import numpy as np
import pytest

from tests.faults import DIE_IN_WRITE, needs_sigkill, python
from xrlab import Encoding, ReciprocalGrid, delta_pdf, diffraction_image, simulate, small_cnn
from xrlab.crystal.setting import STUDY, Setting
from xrlab.datasets.dataset import Simulated, generate
from xrlab.inference.metrics import mean_squared_error
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import run_model
from xrlab.training.batches import Symmetries, half_cell_shift, make_batches
from xrlab.training.checkpoints import Checkpoint, History
from xrlab.training.fit import fit, fit_incremental
from xrlab.training.last_layer import refit_last_layer
from xrlab.training.train_clean import main, train_and_save

QUICK = Setting(size=20, lot_size=6, lots=4, grid=ReciprocalGrid(shape=(16, 16)))


def cnn():
    """A small CNN for images of 16 x 16, which trains 16 times as fast as for 64 x 64."""
    return small_cnn(3, QUICK.grid.shape)


@pytest.fixture(scope="module")
def parts():
    """200 training, 60 validation and 60 test images of span 2."""
    return generate(2, 320, seed=3, setting=QUICK, progress=False).split(200, 60, 60)


def test_training_learns_and_keeps_the_best_epoch(parts):
    """Unseen images are read better than by their mean; the kept weights are the best epoch's."""
    train, validation, test = parts
    import_keras().utils.set_random_seed(0)
    model = cnn()
    history = fit(model, train, validation, epochs=8, batch_size=8, seed=0)
    kept = mean_squared_error(validation.encodings, run_model(model, validation.images))
    assert kept == pytest.approx(min(history.validation_loss), rel=1e-3)
    assert len(history.loss) == 8
    error = mean_squared_error(test.encodings, run_model(model, test.images))
    assert error < 0.5 * test.encodings.var(axis=0).mean()


def test_same_seed_same_training(parts):
    """Two trainings with one seed have one history."""
    histories = []
    for _ in range(2):
        import_keras().utils.set_random_seed(5)
        histories.append(fit(cnn(), *parts[:2], epochs=1, seed=5))
    assert histories[0].loss == pytest.approx(histories[1].loss, rel=1e-3)


def test_batches_show_every_image_once_with_the_label_that_fits():
    """Whatever symmetry an image was given, Fourier inversion finds the label in it."""
    data = generate(3, 40, seed=1, n_jobs=1, progress=False)
    before = data.images.copy(), data.encodings.copy()
    batches = make_batches(data, 16, seed=0, symmetries=True)
    assert len(batches) == 3
    images = np.concatenate([batches[n][0] for n in range(3)])[..., 0]
    labels = np.concatenate([batches[n][1] for n in range(3)])
    assert len(images) == 40
    assert images.min() >= 0
    found = np.array([delta_pdf(image, 3, lot_size=25).vector for image in images])
    as_made = np.array([delta_pdf(image, 3, lot_size=25).vector for image in data.images])
    # as large as the chance of the lots, no larger
    assert (found - labels).std() < 1.2 * (as_made - data.encodings).std()
    # same absolute values as some sample, signs and order changed for most
    unchanged = sum(np.abs(data.encodings - label).max(axis=1).min() < 1e-6 for label in labels)
    assert 0 < unchanged < 20
    np.testing.assert_array_equal(data.images, before[0])
    np.testing.assert_array_equal(data.encodings, before[1])


def test_grids_that_are_not_square_are_never_transposed():
    """With other axes for h and k only the half-cell moves remain, and labels still fit."""
    grid = ReciprocalGrid(h=(0, 2), k=(0, 1), shape=(64, 32))
    setting = Setting(lot_size=12, grid=grid)
    data = generate(2, 20, seed=1, setting=setting, n_jobs=1, progress=False)
    images, labels = make_batches(data, 20, seed=0, symmetries=True)[0]
    assert images.shape == (20, 64, 32, 1)
    found = [delta_pdf(image, 2, grid, lot_size=12).vector for image in images[..., 0]]
    assert np.abs(found - labels).max() < 0.2


def test_without_symmetries_images_stay_as_they_are():
    """For windows of reciprocal space that have none; with them, such a window is refused."""
    setting = Setting(size=20, lot_size=10, grid=ReciprocalGrid(h=(0, 0.4), k=(0, 0.4)))
    data = generate(2, 6, setting=setting, n_jobs=1, progress=False)
    images, labels = make_batches(data, 6, seed=0, symmetries=False)[0]
    order = [int((data.images == image[..., 0]).all(axis=(1, 2)).argmax()) for image in images]
    assert sorted(order) == list(range(6))
    np.testing.assert_array_equal(labels, data.encodings[order])
    with pytest.raises(ValueError, match=r"from 0 to 0\.4"):
        make_batches(data, 6, seed=0, symmetries=True)


def test_half_cell_shift_is_the_image_of_the_turned_lattice():
    """Turning round every second layer along a, and computing its image, gives the same."""
    sites = simulate(Encoding.from_vector([0.3, 0.1, 0.2]), 24, seed=2).sites
    stripes = np.where(np.arange(24) % 2, -1, 1)[:, None]
    grid = ReciprocalGrid()
    # make both means 0, so that the same intensity is taken away
    sites = sites.copy()
    for half in (0, 1):
        rows = sites[half::2].ravel()
        surplus = rows.sum() // 2
        rows[np.flatnonzero(rows == np.sign(surplus))[: abs(surplus)]] *= -1
        sites[half::2] = rows.reshape(12, 24)
    assert sites.sum() == (sites * stripes).sum() == 0
    image = diffraction_image(sites, lot_size=12, lots=4, seed=1)
    turned = diffraction_image(sites * stripes, lot_size=12, lots=4, seed=1)
    shifted = half_cell_shift(grid.h_values, lot_size=12) @ image
    np.testing.assert_allclose(shifted, turned, atol=1e-3 * turned.max())


def test_half_cell_shift_needs_enough_points():
    """Fewer points than waves, or half a cell, cannot be moved."""
    with pytest.raises(ValueError, match="20 points from 0 to 2"):
        half_cell_shift(np.linspace(0, 2, 20), lot_size=25)
    with pytest.raises(ValueError, match=r"from 0 to 0\.5"):
        half_cell_shift(np.linspace(0, 0.5, 64), lot_size=25)


def test_inversion_is_exact_where_the_grid_allows_it():
    """Only a grid around a point of inversion has it; a clean image is its own inverse there."""
    here = Symmetries(2, ReciprocalGrid(), 25)
    assert here.inversion
    assert not Symmetries(2, ReciprocalGrid(h=(0.1, 2.1), k=(0, 2)), 25).inversion
    image = generate(2, 1, seed=2, setting=QUICK, progress=False).images[0]
    np.testing.assert_allclose(image[::-1, ::-1], image, atol=1e-4 * image.max())


def test_incremental_training_does_not_forget(parts):
    """The second stage sees both parts and begins with the first one's weights."""
    train, validation, test = parts
    first, second = train.split(120, 80)
    import_keras().utils.set_random_seed(0)
    model = cnn()
    history = fit_incremental(model, [first, second], validation, epochs=6, batch_size=8)
    assert history.stages == [0, 6]
    assert len(history.loss) == len(history.validation_loss) == 12
    assert history.best_epoch > 6
    assert history.loss[6] < 0.7 * history.loss[0]
    assert min(history.validation_loss[6:]) < min(history.validation_loss[:6])
    for seen in (first, test):
        error = mean_squared_error(seen.encodings, run_model(model, seen.images))
        assert error < 0.5 * seen.encodings.var(axis=0).mean()


def test_parts_of_one_kind_only(parts):
    """Another span or setting cannot be joined; nothing cannot be trained on."""
    train, validation, _ = parts
    other = generate(2, 4, setting=Setting(), n_jobs=1, progress=False)
    with pytest.raises(ValueError, match="one span and setting"):
        fit_incremental(cnn(), [train, other], validation, epochs=1)
    with pytest.raises(ValueError, match="no data set"):
        fit_incremental(cnn(), [], validation)


def test_simulated_images_are_new_in_every_epoch(parts):
    """Sample indices go on from epoch to epoch, and a training takes such images as any."""
    data = Simulated(2, 12, seed=8, setting=QUICK)
    batches = make_batches(data, 5, seed=0, epochs=range(2))
    shown = []
    for batches.epoch in range(2):
        shown += [batches[n][0] for n in range(len(batches))]
    batches.close()
    images = np.concatenate(shown)[..., 0]
    wanted = generate(2, 24, 8, QUICK, progress=False).images
    order = [int((wanted == image).all(axis=(1, 2)).argmax()) for image in images]
    assert (sorted(order[:12]), sorted(order[12:])) == (list(range(12)), list(range(12, 24)))
    assert len(fit(cnn(), data, parts[1], epochs=2).loss) == 2


# Checkpoints


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(parts, tmp_path):
    """Stopped in the second stage and begun anew: same history and weights as without the stop."""
    train, validation, _ = parts
    stages, path = train.split(40, 30), tmp_path / "state.npz"
    options = {"epochs": 2, "seed": 4}

    def start():
        import_keras().utils.set_random_seed(0)
        return cnn()

    whole = start()
    expected = fit_incremental(whole, stages, validation, **options)
    save, saved = Checkpoint.save, []

    def save_and_stop(self, model):
        save(self, model)
        saved.append(path)
        if len(saved) == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            fit_incremental(start(), stages, validation, checkpoint=path, **options)
    resumed = cnn()  # with other weights
    history = fit_incremental(resumed, stages, validation, checkpoint=path, **options)
    assert history.stages == expected.stages
    assert history.loss == pytest.approx(expected.loss, rel=1e-4)
    assert history.validation_loss == pytest.approx(expected.validation_loss, rel=1e-4)
    images = validation.images[:5]
    np.testing.assert_allclose(run_model(resumed, images), run_model(whole, images), atol=1e-4)
    finished = fit_incremental(cnn(), stages, validation, checkpoint=path, **options)
    assert finished == history


@needs_sigkill
def test_a_killed_training_goes_on(tmp_path):
    """SIGKILL in the second epoch of the command; the same command again finishes it."""
    command = "--span 2 --samples 32 9 9 --architecture medium --epochs 3 --card-only"
    options = [
        *command.split(),
        "--checkpoint",
        str(tmp_path / "state.npz"),
        "--out",
        str(tmp_path),
    ]
    program = f"from xrlab.training.train_clean import main\nmain({options})"
    with python(DIE_IN_WRITE.format(n=2) + program, stderr=subprocess.DEVNULL) as killed:
        assert killed.wait() == -signal.SIGKILL
    with np.load(tmp_path / "state.npz") as file:
        (before,) = json.loads(file["record"].tobytes())["history"]["loss"]
    main(options)
    card = json.loads((tmp_path / "cfs2-medium.json").read_text())
    assert len(card["loss"]) == 3
    assert card["loss"][0] == round(before, 6)  # not trained again


def test_damaged_and_foreign_checkpoints_are_refused(parts, tmp_path):
    """The error names the file and says what to do; nothing pickled is ever read."""
    train, validation = parts[0][:20], parts[1]
    path = tmp_path / "state.npz"
    fit(cnn(), train, validation, epochs=1, checkpoint=path)
    whole = path.read_bytes()
    with pytest.raises(ValueError, match=r"state\.npz .* another .* seed 0, here 1"):
        fit(cnn(), train, validation, epochs=1, seed=1, checkpoint=path)
    np.savez(tmp_path / "object.npz", record=np.array([object()]))
    pickled = (tmp_path / "object.npz").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no checkpoint", pickled):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"state\.npz is damaged .* delete it"):
            fit(cnn(), train, validation, epochs=1, checkpoint=path)


def test_history_is_saved(tmp_path):
    """As JSON, and back."""
    history = History([3.0, 2.0], [5.0, 4.0], 1.5, [0, 1])
    history.save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json") == history


@pytest.mark.parametrize("arguments", [{"epochs": 0}, {"batch_size": 0}])
def test_bad_arguments_are_refused(parts, arguments):
    """At least one epoch, at least one image per batch."""
    with pytest.raises(ValueError, match="1 or more"):
        fit(cnn(), *parts[:2], **arguments)


def test_refitted_layer_is_the_ridge_regression_of_its_inputs():
    """On images of 16 x 16, where 256 inputs are few: weights, and never a worse validation."""
    setting = Setting(size=12, lot_size=6, lots=4, grid=ReciprocalGrid(shape=(16, 16)))
    train, validation = generate(2, 300, 5, setting, progress=False).split(200, 100)
    model = cnn()
    fit(model, train, validation, epochs=1)

    def loss():
        return mean_squared_error(validation.encodings, run_model(model, validation.images))

    before = loss()
    after = refit_last_layer(model, train, validation, penalties=[0.3], passes=1, symmetries=False)
    assert after == pytest.approx(loss(), rel=1e-4)
    assert after < before
    features = import_keras().Model(model.input, model.layers[-1].input)
    inputs = run_model(features, train.images).astype(float)
    inputs -= inputs.mean(axis=0)
    labels = train.encodings - train.encodings.mean(axis=0)
    penalty = 0.3 * inputs.var(axis=0).mean() * len(train)
    stacked = np.vstack([inputs, np.sqrt(penalty) * np.eye(256)])  # as plain least squares
    expected = np.linalg.lstsq(stacked, np.vstack([labels, np.zeros((256, 3))]))[0]
    found = model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(found, expected, atol=5e-3 * np.abs(expected).max())
    right = inputs @ expected  # what it answers to the inputs differs less than its weights do
    np.testing.assert_allclose(inputs @ found, right, atol=2e-3 * np.abs(right).max())
    chosen = refit_last_layer(model, train, validation, symmetries=False)
    assert chosen <= after + 1e-6


def test_training_command_writes_model_and_card(tmp_path, capsys, monkeypatch):
    """The command that makes the shipped weights, on a small scale and without its last step."""
    monkeypatch.setattr("xrlab.training.last_layer.refit_last_layer", lambda *_, **__: 1.0)
    main(["--span", "2", "--samples", "40", "10", "10", "--epochs", "1", "--out", str(tmp_path)])
    card = json.loads((tmp_path / "cfs2.json").read_text())
    assert card["command"].endswith("--span 2 --samples 40 10 10 --epochs 1 --seed 2023")
    assert card["parameters"] == 56_835
    assert set(card["test"]) == set(card["test_delta_pdf"]) == {"r2", "mse", "mae"}
    assert "test_delta_pdf" in capsys.readouterr().out
    # the figures on the card are those of the saved model on the last ten samples
    model = import_keras().saving.load_model(tmp_path / "cfs2.keras", compile=False)
    test = generate(2, 60, 2023, STUDY, progress=False)[50:]
    error = mean_squared_error(test.encodings, run_model(model, test.images))
    assert error == pytest.approx(card["test"]["mse"], rel=1e-3)


def test_cards_of_other_runs(tmp_path):
    """A medium CNN, incrementally, without weights: its command tells all, methods side by side."""
    command = "--span 2 --samples 30 10 12 --architecture medium --incremental 20 10"
    command += " --card-only --epochs 1 --seed 7"
    main([*command.split(), "--out", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["cfs2-medium-incremental.json"]
    card = json.loads(next(tmp_path.iterdir()).read_text())
    assert card["command"].endswith(command)
    assert card["architecture"] == "medium_cnn"
    assert card["stages"] == [0, 1]
    table = card["side_by_side"]
    assert table["images"] + table["without_likelihood"] == 12
    assert {"model", "delta_pdf", "maximum_likelihood", "lots_floor"} < table.keys()
    # no method beats the floor by more than chance, and maximum likelihood comes near it
    assert table["maximum_likelihood"]["mse"] > 0.3 * table["lots_floor"]["mse"]
    assert table["delta_pdf"]["r2"] > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"span": 0}, "span"),
        ({"architecture": "huge"}, "small, medium, large"),
        ({"incremental": (10, 10)}, "together the 5000 training images"),
        ({"incremental": (5000,), "fresh": True}, "not simulated anew"),
    ],
)
def test_runs_that_cannot_be_are_refused(tmp_path, options, message):
    """Before anything is simulated."""
    with pytest.raises(ValueError, match=message):
        train_and_save(**{"span": 2, "out": tmp_path} | options)
    assert not list(tmp_path.iterdir())
