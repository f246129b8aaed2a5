"""A widget that trains: live curves beside Delta-PDF's error, and a stop that keeps the best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np

from xrlab.course.figures.training import learning_curve, progress
from xrlab.crystal.encoding import vector_length
from xrlab.crystal.setting import Setting
from xrlab.datasets.dataset import DataSet, generate, join
from xrlab.inference.baselines import delta_pdf_vectors, evaluate
from xrlab.networks.backend import import_keras
from xrlab.networks.cnn import ARCHITECTURES
from xrlab.networks.shipped import run_model
from xrlab.training.checkpoints import History
from xrlab.training.fit import fit
from xrlab.widgets.panel import SPANS, Panel, choice, slider

if TYPE_CHECKING:
    import keras


# The Gaussian sampler makes an image in a third of the time of Monte Carlo.
SETTING = Setting(sampler="gaussian")

# Images come in pieces, so that a stop is noticed between two of them: one piece to validate on,
# the next to test on, the others to train on.
PIECE = 100
IMAGES = (100, 200, 400, 800, 1600)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
BATCH_SIZE = 16
SEED = 505  # of the images; it belongs to no training elsewhere
START = {"span": 2, "images": 200, "epochs": 8, "architecture": "small", "learning_rate": 1e-3}

# Rows of the table of trainings.
REMEMBERED = 8


@dataclass(frozen=True)
class Plan:
    """What to train: side of the encoding, network, number of images, passes, learning rate."""

    span: int = 2
    images: int = 200
    epochs: int = 8
    architecture: str = "small"
    learning_rate: float = 1e-3

    def __str__(self) -> str:
        return (
            f"{self.architecture} network, {self.images} images of span {self.span}, learning "
            f"rate {self.learning_rate:g}"
        )


@dataclass(frozen=True, eq=False)
class Trained:
    """A training so far, or at its end.

    Parameters
    ----------
    plan : Plan
    history : History
    delta_pdf : float
        Root mean square error of Delta-PDF on the validation images.
    model : keras.Model, optional
        With the weights of the best epoch, at the end.
    figures : dict
        Method: R², MSE and MAE on images that no training saw, at the end.
    """

    plan: Plan
    history: History
    delta_pdf: float
    model: keras.Model | None = None
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        """Whether it ended before the last epoch that was planned."""
        return bool(self.figures) and len(self.history.loss) < self.plan.epochs

    @property
    def curve(self) -> str:
        """Its learning curve, an ``<svg>`` element."""
        return learning_curve(self.history, self.plan.epochs, self.delta_pdf, str(self.plan))

    def _repr_html_(self) -> str:
        return f"{self.curve}<p>{verdict(self)}</p>{table_html([self])}"


def compute(
    plan: Plan = Plan(),
    tell: Callable[[str, Trained | None], None] = lambda words, so_far: None,
    stop: Event | None = None,
) -> Trained | None:
    """Simulate images, train a network on them, and compare it with Delta-PDF on unseen ones.

    Parameters
    ----------
    plan : Plan
    tell : callable
        Called with a sentence, and what there is so far, whenever there is news.
    stop : threading.Event, optional
        Once it is set, the training ends within one batch; the best epoch so far is kept.

    Returns
    -------
    Trained, or None if it was stopped before the first batch

    Raises
    ------
    ValueError
        If no epoch ended with a finite error, the number of images is no multiple of `PIECE`, or
        another number of the plan is outside its range.
    """
    stop = stop or Event()
    if plan.images % PIECE or plan.images < PIECE:
        raise ValueError(f"images come in pieces of {PIECE}; got {plan.images}")
    pieces = []
    n_pieces = 2 + plan.images // PIECE
    for number in range(n_pieces):
        tell(f"Simulating images: {PIECE * number} of {PIECE * n_pieces}.", None)
        pieces.append(_piece(plan.span, number))
        if stop.is_set():
            return None
    validation, test, train = pieces[0], pieces[1], join(pieces[2:])
    error = rms(validation.encodings, delta_pdf_vectors(validation))
    so_far = Trained(plan, History(), error)
    tell("Building the network.", so_far)
    import_keras().utils.set_random_seed(SEED)
    model = ARCHITECTURES[plan.architecture](vector_length(plan.span))
    history = fit(
        model,
        train,
        validation,
        epochs=plan.epochs,
        batch_size=BATCH_SIZE,
        learning_rate=plan.learning_rate,
        seed=SEED,
        callbacks=[_reporter(so_far, tell, stop)],
    )
    if not np.isfinite(history.validation_loss).any():
        raise ValueError(
            f"the error is infinite at a learning rate of {plan.learning_rate:g}: take a "
            f"smaller one"
        )
    figures = {
        "network": evaluate(test.encodings, run_model(model, test.images)),
        "ΔPDF": evaluate(test.encodings, delta_pdf_vectors(test)),
    }
    return Trained(plan, history, error, model, figures)


def rms(true: Any, found: Any) -> float:
    """Root mean square error of encodings, over everything."""
    return float(np.sqrt(evaluate(true, found)["mse"]))


@lru_cache(maxsize=2 + IMAGES[-1] // PIECE)
def _piece(span: int, number: int) -> DataSet:
    return generate(span, PIECE, SEED, SETTING, first=PIECE * number, progress=False)


def _reporter(
    so_far: Trained, tell: Callable[[str, Trained | None], None], stop: Event
) -> keras.callbacks.Callback:
    """Tell the news of every epoch; stop after the batch in which the wish came."""
    history, planned = so_far.history, so_far.plan.epochs

    class Reporter(import_keras().callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            tell(f"Epoch 1 of {planned} has begun.", so_far)

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            if stop.is_set():
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            history.loss.append(float(logs["loss"]))
            history.validation_loss.append(float(logs["val_loss"]))
            words = progress(history, planned, so_far.delta_pdf)
            if epoch == 0:  # it also compiles, so its time tells nothing of the others
                self.start = time.perf_counter()
            else:
                left = (time.perf_counter() - self.start) / epoch * (planned - epoch - 1)
                words += f" About {left:.0f} s left."
            tell(words, so_far)

    return Reporter()


class TrainingExplorer(Panel):
    """Choose a network and its images, train, watch the error fall, stop when you like.

    The training runs in a thread of its own, so the button to stop it is heard. Headless, `finish`
    trains here and now.
    """

    def __init__(self) -> None:
        self.result: Trained | None = None
        self.done: list[Trained] = []
        self._stop_wish = Event()
        self._thread: Thread | None = None
        words = "the large one takes ten times as long for each image"
        rates = [(f"{rate:g}", rate) for rate in RATES]
        steps = "length of the first steps; the last ones are shorter"
        controls = {
            "span": choice("span", "side n of the encoding", SPANS),
            "images": choice("images", "number of training images", IMAGES, ipw.SelectionSlider),
            "epochs": slider("epochs", "passes over the training images", 1, 60),
            "architecture": choice("network", words, list(ARCHITECTURES)),
            "learning_rate": choice("learning rate", steps, rates, ipw.SelectionSlider),
        }
        controls["learning_rate"].style = {"description_width": "initial"}
        self._follow(controls, START)
        self._train = self._button("train", "train as chosen", self.start, button_style="primary")
        words = "end the training; keep the best epoch"
        self._stop = self._button("stop", words, self.stop, disabled=True)
        self._curve, self._table = ipw.HTML(), ipw.HTML()
        buttons = [self._train, self._stop, self.reset]
        super().__init__([*controls.values()], buttons, self.status, self._curve, self._table)
        self._show(Trained(self.plan, History(), np.nan))
        self.refresh()

    @property
    def plan(self) -> Plan:
        """What the controls ask for."""
        return Plan(**{name: control.value for name, control in self.controls.items()})

    def refresh(self) -> Plan:
        """Say what the controls ask for; only the button trains."""
        self._say(f"Press <b>train</b>: {self.plan}, {self.plan.epochs} epochs.")
        return self.plan

    def train(self) -> Trained | None:
        """Train what the controls ask for, and show it; None if it was stopped before it began."""
        self._busy(True)
        try:
            result = compute(self.plan, self._tell, self._stop_wish)
            if result is None:
                self._say("Stopped before the first epoch: there is nothing to keep.")
            else:
                self.result = result
                self.done = [*self.done, replace(result, model=None)][-REMEMBERED:]
                self._show(result)
                self._table.value = table_html(self.done)
                self._say(verdict(result))
        except BaseException:  # a thread would be the only one to know
            self._say("The training broke off. Nothing of it is kept.")
            raise
        finally:
            self._stop_wish.clear()
            self._busy(False)
        return result

    def finish(self) -> Trained:
        """Return the last training: wait for one that runs, train now if there was none yet."""
        if self._thread is not None:
            self._thread.join()
        if self.result is None:
            self.train()
        assert self.result is not None
        return self.result

    def _tell(self, words: str, so_far: Trained | None) -> None:
        self._say(words)
        if so_far is not None:
            self._show(so_far)

    def _show(self, trained: Trained) -> None:
        self._curve.value = trained.curve

    def _busy(self, busy: bool) -> None:
        for control in (*self.controls.values(), self._train, self.reset):
            control.disabled = busy
        self._stop.disabled = not busy

    def start(self) -> None:
        """Train in a thread of its own, if none is running."""
        if self._thread is None or not self._thread.is_alive():
            self._busy(True)
            self._thread = Thread(target=self._say_errors, args=(self.train,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the training that is running."""
        self._stop.disabled = True
        self._say("Stopping; the best epoch is kept.")
        self._stop_wish.set()


def verdict(trained: Trained) -> str:
    """Say in words how a training ended and how its network compares."""
    history = trained.history
    network, inversion = (trained.figures[name]["r2"] for name in ("network", "ΔPDF"))
    end = f"Stopped in epoch {len(history.loss)}" if trained.stopped else "Done"
    better = "better than" if network > inversion else "not as good as"
    worse = (
        " Below 0 the network is worse than always predicting the mean: its weights have diverged, "
        "as a rule because the steps were too large. Take a smaller learning rate."
    )
    return (
        f"<b>{end}; kept: the weights of epoch {history.best_epoch}.</b> On {PIECE} unseen images "
        f"the network has R² = {network:.3f}, {better} ΔPDF with {inversion:.3f}."
        + (worse if network < 0 else "")
    )


def table_html(trainings: Sequence[Trained]) -> str:
    """Write trainings as a table: the choices and the R² on unseen images."""
    heads = ("network", "span", "images", "epochs", "learning rate", "kept", "R²", "R² of ΔPDF")
    rows = [
        (
            each.plan.architecture,
            each.plan.span,
            each.plan.images,
            f"{len(each.history.loss)} of {each.plan.epochs}",
            f"{each.plan.learning_rate:g}",
            f"epoch {each.history.best_epoch}",
            f"{each.figures['network']['r2']:.3f}",
            f"{each.figures['ΔPDF']['r2']:.3f}",
        )
        for each in trainings
    ]
    style = 'style="text-align: right; padding: 1px 10px"'
    head = "".join(f'<th scope="col" {style}>{name}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td {style}>{value}</td>" for value in row) + "</tr>" for row in rows
    )
    return (
        f"<table><caption>Your trainings; R² on {PIECE} images that none of them saw</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
