"""The training widget: it learns, shows how, stops when told, and keeps the best epoch."""

import xml.etree.ElementTree as ET
from threading import Event
from unittest.mock import Mock

import browser
import numpy as np
import pytest

from xrlab.course.figures import training as training_plots
from xrlab.crystal.setting import Setting
from xrlab.networks.backend import import_keras
from xrlab.networks.cnn import small_cnn
from xrlab.networks.shipped import run_model
from xrlab.training import fit as fit_module
from xrlab.training.checkpoints import History
from xrlab.training.fit import fit
from xrlab.widgets import training as training_module
from xrlab.widgets.training import Plan, Trained, TrainingExplorer, compute, rms


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small lattices and few images: a training takes seconds."""
    quick = Setting(size=20, lot_size=10, lots=4, sampler="gaussian")
    monkeypatch.setattr(training_module, "SETTING", quick)
    monkeypatch.setattr(training_module, "PIECE", 20)
    training_module._piece.cache_clear()
    yield
    training_module._piece.cache_clear()


@pytest.fixture
def weights(monkeypatch):
    """Weights after every epoch, written down beside the training."""
    kept = []
    fit = fit_module.fit

    class Witness(import_keras().callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append(self.model.get_weights())

    def watched(*arguments, callbacks, **options):
        return fit(*arguments, callbacks=[*callbacks, Witness()], **options)

    monkeypatch.setattr(training_module, "fit", watched)
    return kept


def test_stop_keeps_the_weights_of_the_best_epoch(weights):
    """Stopped in the fourth epoch: that one counts as it is, the best of the four is kept."""
    stop, news = Event(), []

    def tell(words, so_far):
        news.append(words)
        if so_far is not None and len(so_far.history.loss) == 3:
            stop.set()

    result = compute(Plan(images=60, epochs=30, learning_rate=3e-3), tell, stop)
    assert len(result.history.loss) == len(weights) == 4
    assert result.stopped
    best = weights[result.history.best_epoch - 1]
    for kept, wanted in zip(result.model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(kept, wanted)
    others = [each for each in weights if each is not best]
    assert all(np.abs(best[0] - other[0]).max() > 0 for other in others)
    validation = training_module._piece(2, 0)
    error = rms(validation.encodings, run_model(result.model, validation.images))
    assert error == pytest.approx(np.sqrt(min(result.history.validation_loss)), rel=1e-3)
    assert news[0] == "Simulating images: 0 of 100."
    assert any(words.startswith("Epoch 3 of 30: error 0.") and "s left" in words for words in news)


def test_network_and_inversion_are_tried_on_images_that_nothing_saw(monkeypatch):
    """Their seeds are others than those of training and validation; ΔPDF is no worse than said."""
    trained_on = []
    monkeypatch.setattr(training_module, "run_model", lambda model, images: images[:, 0, :3])

    def fit(model, train, validation, **options):
        trained_on.extend([*train.images, *validation.images])
        return History([0.2], [0.1])

    monkeypatch.setattr(training_module, "fit", fit)
    result = compute(Plan(images=40, epochs=1))
    test = training_module._piece(2, 1)
    assert len(trained_on) == 60
    assert not any((image == seen).all() for image in test.images for seen in trained_on)
    assert result.figures["ΔPDF"]["r2"] > 0.9
    assert result.figures["ΔPDF"]["mse"] < 4 * result.delta_pdf**2


def test_a_stop_ends_an_incremental_training_too():
    """The stages that were to come are left out; the best epoch so far is kept."""
    stop = Event()
    stop.set()
    reporter = training_module._reporter(
        Trained(Plan(), History(), 0.1), lambda words, so_far: None, stop
    )
    validation, *parts = (training_module._piece(2, n) for n in range(3))
    model = small_cnn(3)
    history = fit(model, parts, validation, epochs=3, batch_size=5, callbacks=[reporter])
    assert (history.stages, len(history.loss)) == ([0], 1)
    error = rms(validation.encodings, run_model(model, validation.images))
    assert error == pytest.approx(np.sqrt(history.validation_loss[0]), rel=1e-3)


@pytest.mark.parametrize("images", [0, 30, -20])
def test_images_come_in_pieces(images):
    """Another number is refused with what would do."""
    with pytest.raises(ValueError, match=f"pieces of 20; got {images}"):
        compute(Plan(images=images))


def test_button_trains_and_stop_is_heard_meanwhile():
    """The training has a thread of its own; controls sleep while it runs and wake up after it."""
    explorer = TrainingExplorer()
    explorer.controls["images"].options = (40, 200)
    explorer.controls["images"].value = 40
    explorer.controls["epochs"].value = 60
    assert "40 images of span 2, learning rate 0.001, 60 epochs" in explorer.status.value
    first_epoch = Event()
    explorer._curve.observe(lambda _: "Epoch 1 of" in explorer._curve.value and first_epoch.set())
    explorer.start()
    assert explorer._train.disabled
    assert not explorer._stop.disabled
    assert first_epoch.wait(120)
    explorer.stop()
    result = explorer.finish()
    assert result is explorer.result
    assert result.stopped
    assert f"kept: the weights of epoch {result.history.best_epoch}." in explorer.status.value
    assert "40" in explorer._table.value
    assert explorer._stop.disabled
    assert not any(c.disabled for c in (explorer._train, *explorer.controls.values()))
    assert explorer.done[0].model is None  # only the last one needs the memory
    assert not explorer._stop_wish.is_set()  # the next training is not stopped by this wish


def test_stop_before_the_first_epoch_keeps_nothing():
    """Nothing is shown as a result, and the words say so."""
    explorer = TrainingExplorer()
    explorer._stop_wish.set()
    assert explorer.train() is None
    assert "nothing to keep" in explorer.status.value
    assert explorer.result is None


def test_what_goes_wrong_is_said(monkeypatch):
    """In the thread as a sentence; called directly, as an error."""
    failing = Mock(side_effect=ValueError("the error is infinite at a learning rate of <b>"))
    monkeypatch.setattr(training_module, "compute", failing)
    explorer = TrainingExplorer()
    explorer.start()
    explorer._thread.join()
    assert "Not possible:</b> the error is infinite at a learning rate of &lt;b&gt;" in (
        explorer.status.value
    )
    assert not explorer._train.disabled
    with pytest.raises(ValueError, match="infinite"):
        explorer.finish()
    assert "broke off" in explorer.status.value


def test_a_training_without_a_finite_error_is_refused(monkeypatch):
    """Instead of a network that answers NaN."""
    never = History([np.nan], [np.nan])
    monkeypatch.setattr(training_module, "fit", lambda *data, **options: never)
    with pytest.raises(ValueError, match=r"infinite at a learning rate of 0\.01"):
        compute(Plan(images=20, epochs=1, learning_rate=1e-2))


def test_reset_and_names():
    """Reset brings the start back; every control has a name and a tooltip."""
    explorer = TrainingExplorer()
    start = explorer.plan
    assert start == Plan(**training_module.START)
    explorer.controls["epochs"].value = 3
    explorer.controls["architecture"].value = "large"
    explorer.reset.click()
    assert explorer.plan == start
    for control in (*explorer.controls.values(), explorer._train, explorer._stop):
        assert control.description
        assert control.tooltip


# The picture and the table

FALLING = History([0.3, 0.1, 0.04], [0.25, 0.05, 0.09])


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (History(), "Nothing is trained yet"),
        (History([0.3], [0.2]), "Best so far: epoch 1"),
        (FALLING, "error 0.200 on the training images, 0.300 on the validation images"),
        (FALLING, "Best so far: epoch 2"),
        (History([np.nan, 0.1], [1e9, np.nan]), "Epoch 2 of 8"),
    ],
)
def test_learning_curve_tells_the_same_in_words(history, words):
    """The picture is well-formed, and described; what is off the scale stays in its frame."""
    svg = training_plots.learning_curve(history, 8, 0.03, "small <network>")
    (tree,) = ET.fromstring(svg)
    assert tree.get("role") == "img"
    assert words in tree.get("aria-label")
    for circle in tree.iter("circle"):
        assert 30 <= float(circle.get("cy")) <= 266
    assert "nan" not in svg.split("</title>")[1]


def test_learning_curve_is_to_scale():
    """A factor of ten is as high everywhere; ΔPDF's line lies at its error."""
    history = History([0.1**2, 0.01**2], [0.5**2, 0.05**2])
    tree = ET.fromstring(training_plots.learning_curve(history, 2, 0.05, "title"))
    down = [float(circle.get("cy")) for circle in tree.iter("circle")]
    training, validation = (down[n : n + 2] for n in (0, 3))  # after each, its sign in the legend
    assert training[1] - training[0] == pytest.approx(validation[1] - validation[0], abs=0.2)
    level = next(path for path in tree.iter("path") if path.get("class") == "untrained")
    assert float(level.get("d").split("L")[0].split()[1]) == pytest.approx(validation[1], abs=0.1)


def test_table_and_picture_are_shown_together():
    """What a notebook shows of a training without any widget."""
    figures = {name: {"r2": r2} for name, r2 in (("network", 0.9), ("ΔPDF", 0.99))}
    done = Trained(Plan(epochs=8), FALLING, 0.03, object(), figures)
    page = ET.fromstring(f"<div>{done._repr_html_()}</div>")
    assert [cell.text for cell in page.iter("td")][3:] == (
        ["3 of 8", "0.001", "epoch 2", "0.900", "0.990"]
    )
    assert "Stopped in epoch 3; kept: the weights of epoch 2" in training_module.verdict(done)
    assert "not as good as ΔPDF with 0.990" in training_module.verdict(done)


@pytest.mark.notebook
@pytest.mark.skipif(not browser.HERE, reason="no browser, or nothing to drive it")
def test_stop_button_in_a_real_browser(driver):
    """In JupyterLab: train, see the curve come, press stop, read what was kept."""
    page = browser.open_page(driver)
    (output,) = browser.run_in_lab(
        page, "from xrlab.widgets.training import TrainingExplorer; TrainingExplorer()"
    )
    epochs = output.get_by_role("slider").nth(1)
    epochs.focus()
    epochs.press("End")
    output.get_by_text("60 epochs").wait_for()
    output.get_by_role("button", name="train").click()
    output.get_by_text("s left.").wait_for()
    browser.shoot(page, "training_runs")
    stop = output.get_by_role("button", name="stop")
    stop.click()
    output.get_by_text("kept: the weights of epoch").wait_for()
    assert stop.is_disabled()
    assert output.get_by_role("img", name="Learning curve").count() == 1
    assert "of 60" in output.locator("td").nth(3).inner_text()
    browser.shoot(page, "training_stopped")
    assert page.complaints == []
