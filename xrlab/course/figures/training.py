"""The learning curve of a training as SVG, small enough to be drawn again after every epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from plotly.subplots import make_subplots

from xrlab.crystal.encoding import Encoding, component_names
from xrlab.drawing import svg
from xrlab.drawing.plots import WIDEST, add_curve, add_diagonal, add_heat_map, describe, square
from xrlab.drawing.png import COLOURS, SIGNED
from xrlab.inference.metrics import r2_score
from xrlab.training.checkpoints import History

# The whole learning curve, for what stands in its legend.
PAGE = svg.Frame((0, 580), (310, 0), (0, 0, 580, 310))
STYLE = f"""<style>
.learning svg {{ max-width: 580px; font-size: 13px; }}
.learning text {{ fill: currentColor; }}
.learning path, .learning .frame {{ fill: none; stroke: currentColor; stroke-width: 1.2; }}
.learning .training {{ stroke: {COLOURS[0]}; }}
.learning .training.mark {{ fill: {COLOURS[0]}; }}
.learning .validation {{ fill: none; stroke: {COLOURS[1]}; }}
.learning path.validation {{ stroke-dasharray: 7 4; }}
.learning .untrained {{ stroke: {COLOURS[2]}; stroke-dasharray: 2 4; }}
.learning .best {{ stroke-dasharray: 1 5; }}
</style>"""


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
        A ``<div>`` with an ``<svg>`` element whose description tells the same in words.
    """
    curves = {
        name: np.log10(np.sqrt(loss), where=np.array(loss) > 0, out=np.full(len(loss), np.nan))
        for name, loss in (("training", history.loss), ("validation", history.validation_loss))
    }
    shown = np.concatenate([*curves.values(), np.log10([delta_pdf, 0.02, 0.5])])
    shown = shown[np.isfinite(shown)]
    low, high = shown.min() - 0.04, min(shown.max(), 1) + 0.04
    frame = svg.Frame((-0.5, epochs - 0.5), (low, high), (64.0, 46.0, 500.0, 220.0))
    numbered = {round(x) for x in svg.ticks(1, max(epochs, 2), 8)}
    errors = np.outer(10.0 ** np.arange(-3, 2), [1, 2, 5]).ravel()
    parts = [
        STYLE,
        svg.text(64, 16, title),
        frame.axes(
            "epoch",
            "root mean square error",
            [f"{n}" if n in numbered else "" for n in range(1, epochs + 1)],
            {y: f"{e:g}" for y, e in zip(np.log10(errors), errors, strict=True) if low < y < high},
        ),
    ]
    for left, (name, values) in zip((70, 230), curves.items(), strict=True):
        heights = np.clip(values, low, high)
        parts.append(svg.curve(frame, np.arange(0.0, len(values)), heights, name))
        parts += [svg.mark(frame, n, y, name, 3) for n, y in enumerate(heights) if np.isfinite(y)]
        parts += [svg.line(left, 34, left + 26, 34, name), svg.mark(PAGE, left + 13, 34, name, 3)]
        parts.append(svg.text(left + 32, 38, f"{name} images"))
    if np.isfinite(delta_pdf):
        level = frame.down(np.log10(delta_pdf))
        parts.append(svg.line(64, level, 564, level, "untrained"))
    parts += [svg.line(390, 34, 416, 34, "untrained"), svg.text(422, 38, "ΔPDF, no training")]
    described = f"Learning curve, {title}. "
    if history.loss:
        best = f"est so far: epoch {history.best_epoch}"
        at, right = frame.right(history.best_epoch - 1), history.best_epoch > epochs / 2
        parts.append(svg.line(at, 46, at, 266, "best"))
        parts.append(svg.text(at - 5 if right else at + 5, 60, f"b{best}", ("start", "end")[right]))
        described += f"{progress(history, epochs, delta_pdf)} B{best}."
    else:
        described += "Nothing is trained yet."
    return f'<div class="learning">{svg.svg_element(580, 310, described, parts)}</div>'


def progress(history: History, epochs: int, delta_pdf: float) -> str:
    """Say in a sentence how far a training is."""
    training, validation = np.sqrt(history.loss[-1]), np.sqrt(history.validation_loss[-1])
    return (
        f"Epoch {len(history.loss)} of {epochs}: error {training:.3f} on the training images, "
        f"{validation:.3f} on the validation images, where ΔPDF has {delta_pdf:.3f}."
    )


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
    return figure.update_layout(showlegend=False, height=420, width=min(420 * len(titles), WIDEST))


def maps_figure(maps: Mapping[str, ArrayLike], title: str, shared: bool = False) -> go.Figure:
    """Draw arrays side by side in red and blue, white at 0.

    Parameters
    ----------
    maps : mapping from a name to an array, shape (rows, columns)
    title : str
    shared : bool
        Whether all have the colour scale of the strongest; otherwise each has its own.
    """
    figure = make_subplots(1, len(maps), subplot_titles=list(maps), horizontal_spacing=0.03)
    arrays = [np.asarray(each, np.float64) for each in maps.values()]
    tops = [float(np.abs(each).max()) or 1.0 for each in arrays]
    for column, (array, top) in enumerate(zip(arrays, tops, strict=True), start=1):
        top = max(tops) if shared else top
        place = {"row": 1, "col": column}
        add_heat_map(figure, array, (-top, top), "%{z:.3g}", SIGNED, **place)
    square(figure)
    figure.update_yaxes(showticklabels=False)
    figure.update_xaxes(showticklabels=False, title="columns, along k")
    figure.update_yaxes(title="rows, along h", col=1)
    margin = {"l": 40, "r": 10, "t": 80, "b": 40}
    return figure.update_layout(
        title=title, width=min(230 * len(maps), WIDEST), height=330, margin=margin
    )


def mosaic(tiles: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Put arrays of one shape, (tiles, rows, columns), beside each other with gaps of 0.

    >>> mosaic(np.ones((2, 1, 1)), 2)
    array([[1., 0., 1.]])
    """
    array = np.asarray(tiles, np.float64)
    framed = np.pad(array, ((0, -len(array) % columns), (0, 1), (0, 1)))
    count, high, wide = framed.shape
    rows = framed.reshape(count // columns, columns, high, wide).swapaxes(1, 2)
    return rows.reshape(count // columns * high, columns * wide)[:-1, :-1]
