"""Figures about corrections: images before and after, and what happened to the correlations."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from xrlab.crystal.arrays import Floats, Image
from xrlab.drawing.plots import WIDEST, add_curve, add_diagonal, square
from xrlab.drawing.png import INTENSITY, UNMEASURED, picture
from xrlab.measurement.pipeline import FILTERS
from xrlab.trials.correction_bias import HARMLESS, BiasTable


def gallery_figure(*rows: Mapping[str, Image]) -> go.Figure:
    """Draw rows of images, each with its title; grey is unmeasured.

    Every image has colours of its own, from 0 to its 99th percentile, because filters change the
    scale. Axes count pixels. A single row of more than six images is broken into rows of four.
    """
    if len(rows) == 1 and len(rows[0]) > 6:
        (only,) = (list(row.items()) for row in rows)
        rows = tuple(dict(only[n : n + 4]) for n in range(0, len(only), 4))
    width = max(map(len, rows))
    titles: list[str] = []
    for row in rows:
        titles += [*row, *[""] * (width - len(row))]
    spacing = {"horizontal_spacing": 0.02, "vertical_spacing": 0.26 / len(rows)}
    figure = make_subplots(len(rows), width, subplot_titles=titles, **spacing)
    for n, row in enumerate(rows, start=1):
        for column, image in enumerate(row.values(), start=1):
            top = float(np.nanpercentile(image, 99)) or float(np.nanmax(image))
            pixels = np.shape(image)[1]
            drawn = picture(image, INTENSITY, (0.0, top), pixels, upwards=False, gaps=None)
            figure.add_image(  # a picture: numbers would take 20 times the room in a notebook
                source="data:image/png;base64," + b64encode(drawn).decode(),
                hovertemplate="row %{y}, column %{x}<extra></extra>",
                row=n,
                col=column,
            )
    shape = {"showticklabels": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**shape)
    figure.update_yaxes(autorange=True, **shape)  # row 0 at the bottom
    figure.update_xaxes(title={"text": "column (pixels)", "standoff": 0}, row=len(rows), col=1)
    figure.update_yaxes(title={"text": "row (pixels)", "standoff": 0}, col=1)
    square(figure)
    figure.update_annotations(font_size=11)
    return figure.update_layout(
        width=min(WIDEST, 190 * width + 20),
        height=(min(WIDEST, 190 * width + 20) / width + 45) * len(rows) + 25,
        margin={"l": 30, "r": 10, "t": 70, "b": 25},  # the buttons of plotly lie above the titles
        plot_bgcolor=UNMEASURED,
    )


def bias_figure(table: BiasTable) -> go.Figure:
    """Draw the root mean square and the largest change of a c(i, j) on clean images, by filter.

    Changes below 1e-5 are drawn there. The dotted line is what a harmless filter may do.
    """
    rows = sorted(table.rows, key=lambda row: row.largest)
    names = [
        f"{row.name} (harmless)" if row.name in FILTERS and FILTERS[row.name].harmless else row.name
        for row in rows
    ]
    figure = go.Figure()
    for n, (which, label) in enumerate({"rms": "root mean square", "largest": "largest"}.items()):
        changes = [max(getattr(row, which), 1e-5) for row in rows]
        add_curve(figure, changes, names, n, "markers", name=label)
    figure.add_vline(HARMLESS, line_dash="dot", line_color="#555")
    title = f"change of c(i, j) on {table.n_samples} clean images"
    figure.update_xaxes(title=title, type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(title="filter", dtick=1)
    return figure.update_layout(
        title="What a filter does to clean images",
        width=760,
        height=90 + 22 * len(rows),
        margin={"l": 10, "r": 10, "t": 60, "b": 45},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    )


def slopes_figure(before: ArrayLike, after: Mapping[str, ArrayLike]) -> go.Figure:
    """Draw correlations read after a filter against those read before it, a panel for each.

    Parameters
    ----------
    before : array, shape (images, components)
    after : mapping from a filter's name to an array of the same shape
    """
    x: Floats = np.asarray(before, np.float64).ravel()
    figure = make_subplots(1, len(after), subplot_titles=list(after), shared_yaxes=True)
    for column, values in enumerate(after.values(), start=1):
        dots = {"size": 4, "opacity": 0.6}
        hover = "before %{x:.3f}, after %{y:.3f}<extra></extra>"
        place = {"marker": dots, "hovertemplate": hover, "row": 1, "col": column}
        add_curve(figure, x, np.asarray(values).ravel(), 0, "markers", **place)
        add_diagonal(figure, column)
    figure.update_xaxes(title="c(i, j) before", range=[-1, 1])
    figure.update_yaxes(range=[-1, 1])
    figure.update_yaxes(title="c(i, j) after", col=1)
    figure.update_annotations(font_size=13)
    return figure.update_layout(
        showlegend=False, width=WIDEST, height=300, margin={"l": 50, "r": 10, "t": 40, "b": 45}
    )
