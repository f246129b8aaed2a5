"""Delta-PDF with a learned correction: exact where it must be, better where it has learned."""

import json

import numpy as np
import pytest

from xrlab import delta_pdf, load_model, predict
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.setting import STUDY, Setting
from xrlab.datasets.dataset import generate
from xrlab.inference.baselines import delta_pdf_vectors, evaluate
from xrlab.networks.backend import import_keras
from xrlab.networks.corrected_delta_pdf import projection_net
from xrlab.networks.shipped import WEIGHTS, model_card, run_model
from xrlab.training.batches import Symmetries
from xrlab.training.train_corrected import draw_lots, fit_correction, main, train_and_save
from xrlab.trials.trial import NINETY

SPANS = (2, 3, 4)
SHIPPED = (3, 4)
# R^2 on the 1000 test images of the card.
LEAST_R2 = {3: 0.989, 4: 0.979}
# Seed of images that neither trained nor chose anything.
UNSEEN = 7


@pytest.fixture(scope="module")
def few():
    return generate(3, 24, UNSEEN, STUDY, progress=False)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("lot_size", [25, 48])
def test_untrained_it_is_delta_pdf(span, lot_size, few):
    net = projection_net(span, lot_size)
    wanted = [delta_pdf(image, span, lot_size=lot_size).vector for image in few.images]
    assert run_model(net, few.images) == pytest.approx(np.array(wanted), abs=2e-6)


@pytest.mark.parametrize("span", SHIPPED)
def test_figures_of_the_shipped_weights(span):
    card = model_card(f"cfs{span}-best")
    assert card["test"]["r2"] >= LEAST_R2[span]
    for kind in ("test", "test_realisable"):
        assert card[kind]["mse"] <= card[f"{kind}_delta_pdf"]["mse"]


@pytest.mark.parametrize(
    ("setting", "images"), [(STUDY, 200), (Setting(), 500)], ids=["uniform", "realisable"]
)
@pytest.mark.parametrize("span", SHIPPED)
def test_predictions_for_unseen_images(span, setting, images):
    """On images of another seed: no worse than Delta-PDF beyond chance, and true errors."""
    data = generate(span, images, UNSEEN, setting, progress=False)
    mean, error = predict(data.images, span, "simulated", setting.lot_size)
    estimates = mean, delta_pdf_vectors(data)
    network, inverted = (((x - data.encodings) ** 2).mean(axis=1) for x in estimates)
    worse = network - inverted  # image by image
    assert worse.mean() <= 2 * worse.std() / np.sqrt(images)
    within = np.mean(np.abs(mean - data.encodings) < NINETY * error)
    assert 0.85 < within < 0.99


@pytest.mark.parametrize("name", [f"cfs{span}-best" for span in SHIPPED])
def test_shipped_weights_know_scale_and_symmetries(name, few):
    net = load_model(name)
    span = int(name[3])
    answers = run_model(net, few.images)
    assert run_model(net, 5000 * few.images) == pytest.approx(answers, abs=1e-5)
    turn = Symmetries(span, STANDARD_GRID, lot_size=25)
    images, labels = few.images.copy(), answers.copy()
    turn(images, labels, np.random.default_rng(0))
    assert not np.array_equal(labels, answers)
    assert run_model(net, images) == pytest.approx(labels, abs=1e-5)
    assert (WEIGHTS / f"{name}.keras").stat().st_size < 2.1e6


@pytest.mark.parametrize(("span", "lot_size"), [(2, 25), (4, 48), (5, 25)])
def test_without_a_network_the_prediction_is_delta_pdf(span, lot_size, few):
    """Other lots than those of the training, and spans that no network estimates."""
    mean, error = predict(few.images[:3], span, "simulated", lot_size)
    expected = [delta_pdf(image, span, lot_size=lot_size).vector for image in few.images[:3]]
    assert mean == pytest.approx(np.array(expected), abs=1e-6)
    assert error.shape == mean.shape
    assert np.all(error > 0)


def test_coefficients_hold_the_image(few):
    """With the largest reach that lots of 25 have, the image is their cosine series again."""
    reach = 24
    net = projection_net(2, reach=reach)
    project = import_keras().Model(net.input, net.get_layer("coefficients").output)
    x = run_model(project, few.images)
    even = np.insert(x[:, : (reach + 1) ** 2 - 1], 0, 1, axis=1).reshape(-1, reach + 1, reach + 1)
    odd = x[:, (reach + 1) ** 2 - 1 :].reshape(-1, reach, reach)
    phase = 2 * np.pi * np.outer(STANDARD_GRID.h_values, np.arange(reach + 1))
    cos, sin = np.cos(phase) * np.where(np.arange(reach + 1), 2, 1), 2 * np.sin(phase[:, 1:])
    series = cos @ even @ cos.T + sin @ odd @ sin.T
    mean = few.images[:, :-1, :-1].mean(axis=(1, 2), keepdims=True)
    assert series == pytest.approx(few.images / mean, abs=2e-4)


def test_training_that_does_not_help_leaves_delta_pdf(few):
    """Labels of chance teach nothing."""
    net = projection_net(3)
    before = run_model(net, few.images)
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=(64, 1, 13**2 - 1 + 12**2)).astype(np.float32)
    labels = rng.uniform(-1, 1, (64, 8)).astype(np.float32)
    _, losses = fit_correction(net, [(coefficients, labels)], [few], epochs=2, learning_rate=0.1)
    assert np.min(losses) > 1
    assert np.allclose(run_model(net, few.images), before, atol=1e-6)


def test_draws_differ_and_can_be_repeated():
    net = projection_net(2)
    first, labels = draw_lots(net, 2, 3, 2, 1, STUDY)
    again, _ = draw_lots(net, 2, 2, 2, 1, STUDY)
    assert first.shape == (3, 2, 13**2 - 1 + 12**2)
    assert labels.shape == (3, 3)
    assert first[:2] == pytest.approx(again, abs=1e-6)
    assert abs(first[:, 0] - first[:, 1]).max() > 0.01


def test_command_writes_weights_and_card(tmp_path, capsys):
    options = "--span 2 --samples 64 32 16 16 --draws 1 --width 64 --epochs 2 --seed 3"
    main([*options.split(), "--out", str(tmp_path)])
    card = json.loads((tmp_path / "cfs2-best.json").read_text(encoding="utf-8"))
    assert options in card["command"]
    assert json.loads(capsys.readouterr().out)["test"] == card["test"]
    net = import_keras().saving.load_model(tmp_path / "cfs2-best.keras", compile=False)
    for name, setting in (("test", STUDY), ("test_realisable", Setting())):
        test = generate(2, 16, 3, setting, first=10_000, progress=False)
        found = evaluate(test.encodings, run_model(net, test.images))
        assert found == pytest.approx(card[name])


@pytest.mark.parametrize(
    "bad", [{"span": 1}, {"lot_size": 3}, {"reach": 2}, {"reach": 32}, {"width": 0}, {"depth": 0}]
)
def test_bad_networks_are_refused(bad):
    with pytest.raises(ValueError, match=r"span|lot|reach|width"):
        projection_net(**{"span": 4, **bad})


@pytest.mark.parametrize("sizes", [(0, 1, 1, 1), (1, 1, 10_001, 1)])
def test_bad_sizes_are_refused(sizes, tmp_path):
    with pytest.raises(ValueError, match="samples"):
        train_and_save(2, tmp_path, samples=sizes)
