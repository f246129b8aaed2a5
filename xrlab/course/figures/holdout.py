"""Figures of the hold-out tests: decoded images, scores, decline, error bars, learning curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from xrlab.course.figures.training import history_figure
from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.setting import SPAN
from xrlab.drawing.plots import BELOW, WIDEST, add_curve, add_heat_map, square
from xrlab.drawing.png import COLOURS
from xrlab.training.checkpoints import History
from xrlab.trials.degradation import Curve
from xrlab.trials.holdout import TRUTH, Decoded
from xrlab.trials.trial import NINETY, Score

GREY = "#555"
ERRORS = {
    "title": "root mean square error of the correlations",
    "type": "log",
    "tickvals": [0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5],
}

# Labels spread by about 0.3; what lies above is a network that has not settled.
HIGHEST_LOSS = 4.0


def decoded_figure(decoded: Decoded, index: int = 0) -> go.Figure:
    """Draw an image and what each span makes of it, on one scale, and the expected image."""
    panels = {"the image": decoded.images[index]}
    for name, image, r2 in zip(
        decoded.names, decoded.simulated[index], decoded.r2[index], strict=True
    ):
        panels[f"{name}<br>R² = {r2:z.2f}"] = image
    panels["expected image"] = decoded.expected[index]
    width = len(panels)
    figure = make_subplots(1, width, subplot_titles=list(panels), horizontal_spacing=0.025)
    top = float(np.percentile(decoded.images[index], 99))
    for column, image in enumerate(panels.values(), start=1):
        place = {"row": 1, "col": column}
        axes = {"x": STANDARD_GRID.k_values, "y": STANDARD_GRID.h_values}
        hover = "h = %{y:.2f}, k = %{x:.2f} r.l.u.: %{z:.3g}"
        add_heat_map(figure, image, (0, top), hover, **axes, **place)
        figure.update_yaxes(showticklabels=column == 1, **place)
    square(figure)
    figure.update_xaxes(title="k (r.l.u.)", title_standoff=4)
    figure.update_yaxes(title="h (r.l.u.)", row=1, col=1)
    return figure.update_layout(
        width=min(155 * width, WIDEST), height=265, margin={"l": 50, "r": 10, "t": 60, "b": 45}
    )


def decoded_scores_figure(decoded: Decoded) -> go.Figure:
    """Draw R^2 of every simulated image, against the image and against the expected one.

    Points below -1 are drawn there.
    """
    titles = ["against the image", "against the expected image"]
    figure = make_subplots(1, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.05)
    rng = np.random.default_rng(0)
    places = np.arange(len(decoded.names))
    ticks = [name.replace(TRUTH, "true<br>encoding") for name in decoded.names]
    median = {"symbol": "line-ew", "size": 44, "line": {"width": 3, "color": "#222"}}
    for column, scores in enumerate((decoded.r2, decoded.r2_expected), start=1):
        place = {"row": 1, "col": column}
        for n, name in enumerate(decoded.names):
            add_curve(
                figure,
                n + rng.uniform(-0.22, 0.22, len(scores)),
                np.maximum(scores[:, n], -1),
                n,
                "markers",
                marker={"size": 5, "opacity": 0.6},
                customdata=scores[:, n],
                hovertemplate=f"{name}: R² = %{{customdata:.2f}}<extra></extra>",
                **place,
            )
        hover = "median %{y:.2f}<extra></extra>"
        middle = np.median(scores, axis=0)
        add_curve(figure, places, middle, 0, "markers", marker=median, hovertemplate=hover, **place)
        figure.update_xaxes(
            title="encoding that was simulated", tickvals=places, ticktext=ticks, **place
        )
    figure.update_yaxes(range=[-1.05, 1.02])
    figure.update_yaxes(title="R² of the simulated image", col=1)
    title = "One point for each image; bars are medians"
    return figure.update_layout(
        title=title, showlegend=False, width=WIDEST, height=420, margin={"t": 80}
    )


def decline_figure(curve: Curve) -> go.Figure:
    """Draw the error of each method, and the coverage of the error bars, against t."""
    titles = ["how far the answers are off", "how often the error bars hold"]
    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.12)
    for n, (name, rms) in enumerate(curve.rms.items()):
        add_curve(figure, curve.places, rms, n, name=name, row=1, col=1)
    add_curve(figure, curve.places, curve.coverage, 0, showlegend=False, row=1, col=2)
    figure.add_hline(0.9, line={"color": GREY, "dash": "dot"}, row=1, col=2)
    figure.update_xaxes(title="t, from clean (0) to bad day (1)")
    figure.update_yaxes(**ERRORS | {"title": "root mean square error"}, row=1, col=1)
    interval = {"title": "truth in the 90 % interval", "tickformat": ".0%", "range": [0, 1.02]}
    figure.update_yaxes(**interval, row=1, col=2)
    return figure.update_layout(
        title="The same images, worse and worse", legend=BELOW, width=WIDEST, height=450
    )


def effects_figure(curve: Curve) -> go.Figure:
    """Draw the error of each method under one effect at a time."""
    figure = go.Figure()
    for n, (name, rms) in enumerate(curve.rms.items()):
        hover = "%{y}: %{x:.3f}<extra>" + name + "</extra>"
        style = {"name": name, "marker": {"size": 10}, "hovertemplate": hover}
        add_curve(figure, rms, curve.places, n, "markers", **style)
    figure.update_xaxes(**ERRORS)
    figure.update_yaxes(title="effect", autorange="reversed", showgrid=True)
    title = "One effect of the bad day at a time"
    return figure.update_layout(title=title, legend=BELOW | {"y": -0.2}, width=WIDEST, height=480)


def coverage_figure(scores: Mapping[str, Score]) -> go.Figure:
    """Draw how often the truth lies in the 90 % interval: every component, and all together."""
    figure = go.Figure()
    names = component_names(Encoding.from_vector(next(iter(scores.values())).coverage).span)
    for n, (trial, score) in enumerate(scores.items()):
        mean = np.array([score.coverage.mean()])
        for place, (name, values, symbol) in enumerate(
            (("each component", score.coverage, "circle-open"), ("all together", mean, "diamond"))
        ):
            add_curve(
                figure,
                values,
                [trial] * len(values),
                place,
                "markers",
                name=name,
                showlegend=n == 0,
                text=names if place == 0 else [name],
                marker={"symbol": symbol, "size": (8, 12)[place]},
                hovertemplate="%{text}: %{x:.1%}<extra></extra>",
            )
    nominal = {"annotation_text": "nominal: 90 %", "annotation_position": "top"}  # above points
    figure.add_vline(0.9, line={"color": GREY, "dash": "dot"}, **nominal)
    figure.update_xaxes(title="true values within the 90 % interval", tickformat=".0%")
    figure.update_yaxes(title="images", autorange="reversed")
    height = 150 + 50 * len(scores)
    title = "Are the error bars calibrated?"
    return figure.update_layout(title=title, legend=BELOW, width=WIDEST, height=height)


def readings_figure(
    readings: Mapping[str, tuple[ArrayLike, ArrayLike | None]], title: str = ""
) -> go.Figure:
    """Draw several readings of one encoding of span 4 side by side, with their 90 % intervals.

    Parameters
    ----------
    readings : mapping from a name to (vector, standard errors or None)
    title : str
    """
    figure = go.Figure()
    names = component_names(SPAN)
    place = np.arange(len(names))
    for n, (name, (vector, error)) in enumerate(readings.items()):
        bars = None
        if error is not None:
            bars = {"type": "data", "array": NINETY * np.asarray(error)}
        x = place + 0.18 * (n - (len(readings) - 1) / 2)
        hover = f"{name}: %{{y:.3f}}<extra></extra>"
        style = {"name": name, "error_y": bars, "hovertemplate": hover}
        add_curve(figure, x, np.asarray(vector), n, "markers", **style)
    figure.add_hline(0, line={"color": GREY, "width": 1})
    ticks = {"tickvals": place, "ticktext": names, "tickangle": -45}
    figure.update_xaxes(title="component", **ticks)
    figure.update_yaxes(title="c(i, j)")
    legend = BELOW | {"y": -0.35}
    return figure.update_layout(
        title=title, legend=legend, width=WIDEST, height=420, margin={"t": 60}
    )


def scan_figure(
    x: ArrayLike,
    answers: Mapping[str, tuple[ArrayLike, ArrayLike]],
    truth: float,
    x_title: str,
    y_title: str,
) -> go.Figure:
    """Draw one value as several methods estimate it along a scan, with 90 % intervals.

    Parameters
    ----------
    x : array, shape (points,)
    answers : mapping from a name to (values, standard errors), each of shape (points,)
    truth : float
        A dotted line.
    """
    titles = [name.replace(", ", ",<br>") for name in answers]
    row = {"subplot_titles": titles, "shared_yaxes": True, "horizontal_spacing": 0.03}
    figure = make_subplots(1, len(titles), **row)
    for n, (name, (values, error)) in enumerate(answers.items()):
        bars = {"type": "data", "array": NINETY * np.asarray(error)}
        add_curve(figure, x, np.asarray(values), n, name=name, error_y=bars, showlegend=False)
        figure.data[-1].update(xaxis=f"x{n + 1}" if n else "x", yaxis=f"y{n + 1}" if n else "y")
    figure.add_hline(truth, line={"color": GREY, "dash": "dot"})
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title, col=1)
    return figure.update_layout(width=WIDEST, height=380, margin={"t": 70})


def learning_curves_figure(histories: Mapping[str, History]) -> go.Figure:
    """Draw several learning curves side by side: both losses, best epoch, where stages begin.

    What is above `HIGHEST_LOSS` is cut off.
    """
    row = {"subplot_titles": list(histories), "shared_yaxes": True, "horizontal_spacing": 0.04}
    figure = make_subplots(1, len(histories), **row)
    for column, history in enumerate(histories.values(), start=1):
        place = {"row": 1, "col": column}
        for trace in history_figure(history).data:
            trace.showlegend = column == 1
            figure.add_trace(trace, **place)
        best = {"text": f"best: {history.best_epoch}", "xanchor": "right"}
        dots = {"dash": "dot", "color": GREY}
        figure.add_vline(history.best_epoch, line=dots, annotation=best, **place)
        for stage in history.stages[1:]:
            words = {"text": "new images", "y": 0.02, "yanchor": "bottom"}
            dashes = {"dash": "dash", "color": COLOURS[2]}
            figure.add_vline(stage + 0.5, line=dashes, annotation=words, **place)
    figure.update_xaxes(title="epoch")
    losses = [loss for each in histories.values() for loss in (*each.loss, *each.validation_loss)]
    limits = np.log10([0.8 * min(losses), 1.2 * min(max(losses), HIGHEST_LOSS)])
    figure.update_yaxes(type="log", dtick="D2", range=limits.tolist())
    figure.update_yaxes(title="mean squared error", col=1)
    return figure.update_layout(
        legend=BELOW, width=max(520, 360 * len(histories)), height=400, margin={"t": 60}
    )
