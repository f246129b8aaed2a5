"""Figures: plotly for looking closely, small PNG pictures for what must follow the hand.

Images have k to the right and h upwards, lattices b to the right and a upwards, encodings j to the
right and i downwards, as a matrix is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from xrlab.crystal.encoding import Encoding, values_text
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid, unmasked
from xrlab.drawing.png import (
    COLOURS,
    INTENSITY,
    LINES,
    MARKERS,
    SHOWN_SITES,
    SIGNED,
    SITES,
    Colours,
)

if TYPE_CHECKING:
    from xrlab.crystal.lattice import Lattice

# Width of a figure in pixels that fits beside the file list of JupyterLab at 1280 pixels.
WIDEST = 840

UNSEEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"

# The legend in a row below the figure.
BELOW = {"orientation": "h", "y": -0.25, "yanchor": "top"}


def describe(figure: go.Figure, text: str) -> go.Figure:
    """Give a figure a text alternative, for those who cannot see it; return the figure.

    It is kept in the figure (``layout.meta``), so it goes wherever the figure goes.

    Raises
    ------
    ValueError
        If there is no text.

    Examples
    --------
    >>> figure = describe(go.Figure(layout_title="Grain"), "The grain falls as 1/√M, to 0.33.")
    >>> description(figure)
    'The grain falls as 1/√M, to 0.33.'
    """
    text = " ".join(text.split())
    if not text:
        raise ValueError("the description of a figure is empty: say in a sentence what it shows")
    return figure.update_layout(meta={**(figure.layout.meta or {}), "description": text})


def description(figure: go.Figure) -> str:
    """Return the text alternative of a figure: that given to `describe`, or its titles.

    Examples
    --------
    >>> figure = go.Figure(go.Scatter(y=[1, 2], name="law"), {"title": {"text": "Grain"}})
    >>> description(figure.update_xaxes(title="M (lots)").update_yaxes(title="grain"))
    'Grain; across: M (lots); up: grain; shown: law.'
    """
    meta = figure.layout.meta
    if isinstance(meta, Mapping) and meta.get("description"):
        return str(meta["description"])
    axes = [
        dict.fromkeys(filter(None, (axis.title.text for axis in select())))
        for select in (figure.select_xaxes, figure.select_yaxes)
    ]
    parts = {
        "": [figure.layout.title.text],
        "panels: ": [each.text for each in figure.layout.annotations],
        "across: ": axes[0],
        "up: ": axes[1],
        "shown: ": dict.fromkeys(trace.name for trace in figure.data),
    }
    said = [word + ", ".join(filter(None, texts)) for word, texts in parts.items() if any(texts)]
    plain = re.sub(r"<[^>]+>", " ", "; ".join(said) or "A figure without a title")
    return " ".join(plain.split()) + "."


def html_figure(figure: go.Figure, name: str) -> str:
    """Write a figure as HTML with its text alternative, which only screen readers see.

    Parameters
    ----------
    figure : Figure
        Its page has plotly.js.
    name : str
        An id that occurs once on the page.
    """
    drawn = figure.to_html(full_html=False, include_plotlyjs=False)
    # Not role="img": nothing inside an image can have the focus, and plotly's buttons do.
    title = escape(re.sub(r"<[^>]+>", " ", figure.layout.title.text or "Figure"))
    return (
        f'<div role="figure" aria-label="{title}" aria-describedby="{name}">{drawn}</div>'
        f'<p id="{name}" style="{UNSEEN}">{escape(description(figure))}</p>'
    )


def lattice_figure(
    lattice: Lattice, image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID
) -> go.Figure:
    """Draw encoding | lattice | diffraction image."""
    figure = panels("realised encoding", "lattice", "diffraction image")
    add_encoding(figure, lattice.realised, column=1)
    add_lattice(figure, lattice, column=2)
    add_image(figure, image, grid, column=3)
    return describe(
        figure,
        f"Left, the realised encoding, {values_text(lattice.realised)}; then the lattice with this "
        f"order, {len(lattice.sites)} sites along each side; right, its diffraction image.",
    )


def images_figure(
    images: Mapping[str, ArrayLike], grid: ReciprocalGrid = STANDARD_GRID
) -> go.Figure:
    """Draw several images side by side, each on its own colour scale."""
    figure = panels(*images)
    for column, image in enumerate(images.values(), start=1):
        add_image(figure, image, grid, column)
    return figure


def add_curve(
    figure: go.Figure,
    x: ArrayLike | None,
    y: ArrayLike | None,
    n: int,
    mode: str = "lines+markers",
    /,
    **options: Any,
) -> None:
    """Add the n-th curve of a figure in its colour, kind of line and kind of marker.

    Parameters
    ----------
    figure : plotly Figure
    x, y : arrays, shape (points,), or None to fill later
    n : int
        From 0. Colours and markers recur after four curves.
    mode : {"lines", "markers", "lines+markers"}
    **options
        Of ``add_scatter``; ``line`` and ``marker`` change the style of the n-th curve.
    """
    colour = {"color": COLOURS[n % len(COLOURS)]}
    line = colour | {"dash": LINES[n % len(LINES)]} | options.pop("line", {})
    marker = colour | {"symbol": MARKERS[n % len(MARKERS)], "size": 8} | options.pop("marker", {})
    options |= {"line": line} if "lines" in mode else {}
    options |= {"marker": marker} if "markers" in mode else {}
    figure.add_scatter(x=x, y=y, mode=mode, **options)


def add_heat_map(
    figure: go.Figure,
    values: ArrayLike,
    limits: tuple[float, float],
    hover: str,
    colours: Colours = INTENSITY,
    /,
    **options: Any,
) -> None:
    """Add an array as colours between two limits; `options` are those of ``add_heatmap``."""
    style = {"zmin": limits[0], "zmax": limits[1], "colorscale": colours, "showscale": False}
    hover += "<extra></extra>"
    figure.add_heatmap(z=np.asarray(values), hovertemplate=hover, **style | options)


def add_diagonal(figure: go.Figure, column: int = 1) -> None:
    """Add the line on which two estimates of a correlation agree to a row of panels."""
    figure.add_scatter(
        x=[-1, 1], y=[-1, 1], mode="lines", line={"color": "#555", "width": 1}, row=1, col=column
    )


def add_image(
    figure: go.Figure, image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID, column: int = 1
) -> None:
    """Add a diffraction image to a row of panels; the colours end at its 99th percentile."""
    values = unmasked(image).astype(np.float32)
    limits = (0, float(np.nanpercentile(values, 99)))
    place = {"x": grid.k_values, "y": grid.h_values, "row": 1, "col": column}
    hover = "h = %{y:.3f}, k = %{x:.3f} r.l.u.: %{z:.3g}"
    add_heat_map(figure, values, limits, hover, **place)
    _label(figure, column, "k (r.l.u.)", "h (r.l.u.)")


def add_lattice(figure: go.Figure, lattice: Lattice, column: int = 1) -> None:
    """Add the sites of a lattice, `SHOWN_SITES` along each side at most, to a row of panels."""
    hover = "site (%{y}, %{x}): %{z}"
    shown = lattice.sites[:SHOWN_SITES, :SHOWN_SITES]
    add_heat_map(figure, shown, (-1, 1), hover, SITES, row=1, col=column)
    _label(figure, column, "along b (sites)", "along a (sites)")


def add_encoding(
    figure: go.Figure, encoding: Encoding, standard_error: ArrayLike | None = None, column: int = 1
) -> None:
    """Add the matrix of an encoding to a row of panels, its values written in."""
    text = [[f"{value:.2f}" for value in row] for row in encoding.matrix]
    if standard_error is not None:
        for n, error in enumerate(np.asarray(standard_error), start=1):
            i, j = divmod(n, encoding.span)
            text[i][j] += f"<br>± {error:.2f}"
    place = {"row": 1, "col": column, "text": text, "texttemplate": "%{text}"}
    hover = "c(%{y}, %{x}) = %{z:.3f}"
    add_heat_map(figure, encoding.matrix, (-1, 1), hover, SIGNED, **place)
    _label(figure, column, "j", "i")
    figure.update_xaxes(dtick=1, row=1, col=column)
    figure.update_yaxes(dtick=1, autorange="reversed", row=1, col=column)


def panels(*titles: str) -> go.Figure:
    """Make a row of panels, each under its title."""
    width = WIDEST // 4 * len(titles)
    figure = make_subplots(1, len(titles), subplot_titles=titles, horizontal_spacing=65 / width)
    return figure.update_layout(
        width=width, height=280, margin={"l": 50, "r": 10, "t": 40, "b": 45}
    )


def square(figure: go.Figure, **where: int) -> None:
    """Give both axes of every panel, or of those at a row and column, one scale."""
    figure.update_xaxes(constrain="domain", **where)
    figure.update_yaxes(constrain="domain", **where)
    figure.for_each_yaxis(lambda axis: axis.update(scaleanchor=axis.anchor), **where)


def _label(figure: go.Figure, column: int, x_title: str, y_title: str) -> None:
    place = {"row": 1, "col": column}
    square(figure, **place)
    figure.update_xaxes(title=x_title, title_standoff=4, **place)
    figure.update_yaxes(title=y_title, title_standoff=2, **place)
