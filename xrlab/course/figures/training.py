"""The learning curve of a training as SVG, small enough to be drawn again after every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from xrlab.crystal.encoding import Encoding, component_names
from xrlab.drawing.plots import add_curve, add_diagonal, describe
from xrlab.drawing.png import COLOURS
from xrlab.drawing.svg import Frame, ticks
from xrlab.inference.metrics import r2_score
from xrlab.training.checkpoints import History

if TYPE_CHECKING:
    from xrlab.training.checkpoints import History


def learning_curve(history: History, epochs: int, delta_pdf: float, title: str) -> str:
    """Draw a training so far: its errors on a logarithmic axis, with Delta-PDF's as a line.

    Parameters
    ----------
    history : History
    epochs : int
        How many are planned.
    delta_pdf : float
        Root mean square error of Delta-PDF on the validation images; NaN if not known yet.
    title : str

    Returns
    -------
    str
        An ``<svg>`` element whose description tells the same in words.
    """
    curves = {
        "training images": np.sqrt(history.loss),
        "validation images": np.sqrt(history.validation_loss),
    }
    shown = np.concatenate([*curves.values(), [delta_pdf, 0.02, 0.5]])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    low, high = np.log10(shown.min() / 1.1), np.log10(min(shown.max(), 10) * 1.1)
    frame = Frame((0.5, epochs + 0.5), (low, high), (64.0, 46.0, 500.0, 220.0))
    parts = _axes(frame, epochs)
    for n, (name, errors) in enumerate(curves.items()):
        dash = ("none", "7 4")[n]
        points = [
            (frame.right(epoch), frame.down(float(np.clip(np.log10(error), low, high))))
            for epoch, error in enumerate(errors, start=1)
            if error > 0
        ]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(_stroke(f"M{path}", COLOURS[n], dash) if points else "")
        parts += [_dot(x, y, COLOURS[n], hollow=n == 1) for x, y in points]
        parts.append(_stroke(f"M{70 + 160 * n} 34h26", COLOURS[n], dash))
        parts.append(_dot(83 + 160 * n, 34, COLOURS[n], hollow=n == 1))
        parts.append(_words(102 + 160 * n, 38, name))
    if np.isfinite(delta_pdf):
        at = frame.down(float(np.log10(delta_pdf)))
        parts.append(_stroke(f"M64 {at:.1f}h500", COLOURS[2], "2 4"))
    parts.append(_stroke("M390 34h26", COLOURS[2], "2 4"))
    parts.append(_words(422, 38, "ΔPDF, no training"))
    described = f"Learning curve, {title}. "
    if history.loss:
        best = frame.right(history.best_epoch)
        parts.append(_stroke(f"M{best:.1f} 46v220", "currentColor", "1 5"))
        right = history.best_epoch > epochs / 2
        place, anchor = (best - 5, "end") if right else (best + 5, "start")
        parts.append(_words(place, 60, f"best so far: epoch {history.best_epoch}", anchor))
        described += (
            f"{progress(history, epochs, delta_pdf)} Best so far: epoch {history.best_epoch}."
        )
    else:
        described += "Nothing is trained yet."
    return (
        f'<svg width="580" height="310" viewBox="0 0 580 310" role="img" style="font-size: 13px; '
        f'fill: currentColor; max-width: 100%" aria-label="{escape(described)}">'
        f"{_words(64, 16, title)}{''.join(parts)}</svg>"
    )


def progress(history: History, epochs: int, delta_pdf: float) -> str:
    """Say in a sentence how far a training is."""
    training, validation = np.sqrt(history.loss[-1]), np.sqrt(history.validation_loss[-1])
    return (
        f"Epoch {len(history.loss)} of {epochs}: error {training:.3f} on the training images, "
        f"{validation:.3f} on the validation images, where ΔPDF has {delta_pdf:.3f}."
    )


def _axes(frame: Frame, epochs: int) -> list[str]:
    """Draw the frame, epochs below, errors of 1, 2 or 5 times a power of 10 to the left."""
    left, top, width, height = frame.box
    bottom = top + height
    parts = [_stroke(f"M{left} {top}h{width}v{height}h{-width}z", "currentColor", "none", 0.6)]
    for epoch in sorted({round(x) for x in ticks(1, max(epochs, 2), 8)} & {*range(1, epochs + 1)}):
        parts.append(_stroke(f"M{frame.right(epoch):.1f} {bottom}v4", "currentColor", "none"))
        parts.append(_words(frame.right(epoch), bottom + 17, f"{epoch}", "middle"))
    for error in np.outer(10.0 ** np.arange(-3, 2), [1, 2, 5]).ravel():
        at = frame.down(float(np.log10(error)))
        if top <= at <= bottom:
            parts.append(_stroke(f"M{left - 4} {at:.1f}h4", "currentColor", "none"))
            parts.append(_words(left - 7, at + 4, f"{error:g}", "end"))
    parts.append(_words(left + width / 2, bottom + 36, "epoch", "middle"))
    turned = f'<g transform="rotate(-90 14 {top + height / 2})">'
    parts.append(f"{turned}{_words(14, top + height / 2, 'root mean square error', 'middle')}</g>")
    return parts


def _stroke(path: str, colour: str, dash: str, width: float = 1.8) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-dasharray="{dash}"/>'
    )


def _dot(x: float, y: float, colour: str, hollow: bool) -> str:
    """Draw a dot on the training curve, a ring on the validation curve."""
    fill = "none" if hollow else colour
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}" stroke="{colour}"/>'


def _words(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def history_figure(history: History, title: str = "Learning curve") -> go.Figure:
    """Draw training and validation loss against the epoch, the best epoch marked."""
    figure = go.Figure()
    epochs = np.arange(1, len(history.loss) + 1)
    losses = {"training": history.loss, "validation": history.validation_loss}
    for n, (name, loss) in enumerate(losses.items()):
        add_curve(figure, epochs, loss, n, "lines", name=name)
    figure.add_vline(
        history.best_epoch, line_dash="dot", annotation_text=f"best epoch, {history.best_epoch}"
    )
    figure.update_yaxes(title="mean squared error", type="log", dtick="D2")
    figure.update_xaxes(title="epoch")
    figure.update_layout(title=title, height=380, width=640)
    return describe(
        figure,
        f"{title}: over {len(epochs)} epochs the training loss goes from {history.loss[0]:.2g} to "
        f"{history.loss[-1]:.2g}, the validation loss from {history.validation_loss[0]:.2g} to "
        f"{history.validation_loss[-1]:.2g}; the best epoch is {history.best_epoch}.",
    )


def parity_figure(true: ArrayLike, estimates: Mapping[str, ArrayLike]) -> go.Figure:
    """Draw estimate against truth for one or more methods, one panel each.

    Parameters
    ----------
    true : array, shape (samples, components)
    estimates : mapping from a method's name to an array of the same shape
    """
    true = np.asarray(true)
    titles = [f"{name}: R² = {r2_score(true, each):.4f}" for name, each in estimates.items()]
    figure = make_subplots(1, len(titles), subplot_titles=titles, shared_yaxes=True)
    names = component_names(Encoding.from_vector(true[0]).span)
    for column, estimate in enumerate(estimates.values(), start=1):
        hover = "%{text}: true %{x:.3f}, estimate %{y:.3f}<extra></extra>"
        style = {"text": np.tile(names, len(true)), "marker": {"size": 3}, "hovertemplate": hover}
        values = np.asarray(estimate).ravel()
        place = {"row": 1, "col": column}
        add_curve(figure, true.ravel(), values, column - 1, "markers", **style, **place)
        add_diagonal(figure, column)
    figure.update_xaxes(title="true c(i, j)", range=[-1.1, 1.1])
    figure.update_yaxes(range=[-1.1, 1.1])
    figure.update_yaxes(title="estimated c(i, j)", col=1)
    return figure.update_layout(showlegend=False, height=420, width=420 * len(titles))
