"""Figures of a data set before any network sees it, each beside the law that chance would give.

In every figure, data are blue and solid (and orange, dashed, where there are two kinds); laws are
thin, dotted or dash-dotted, and say in the legend what they assume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots
from scipy.stats import chi as chi_law
from scipy.stats import norm

from xrlab.course.figures import densities
from xrlab.crystal import speckle
from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import component_names, vector_length
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.drawing.plots import WIDEST, add_curve, add_heat_map, add_image, square
from xrlab.drawing.png import COLOURS, LINES

BORDER = {"color": "#333", "width": 2}

# Encodings by span: a data set of spans 2, 3 and 4 in one variable.
BySpan = Mapping[int, ArrayLike]
BINS = 30
DECADE_EDGES = np.logspace(-3, 2.5, 89)
TENS = (0.01, 0.1, 1, 10, 100)
DENSITY_MAX = 5.0  # times the density of evenly spread values, where the colours end


def components_figure(sets: Mapping[str, BySpan]) -> go.Figure:
    """Draw the density of all components above, and the spread of each below, for every span.

    Laws: values spread evenly from -1 to 1, and normal ones that spread as those of the first set.

    Parameters
    ----------
    sets : mapping from a name to encodings by span
        One or two sets with the same spans; the spreads are those of the first.
    """
    main = next(iter(sets.values()))
    spans = list(main)
    titles = [f"span {span}: all c(i, j)" for span in spans]
    titles += [f"span {span}: spread of each" for span in spans]
    figure = make_subplots(2, len(spans), subplot_titles=titles, vertical_spacing=0.19)
    edges = np.linspace(-1, 1, BINS + 1)
    fine = np.linspace(-1, 1, 201)
    for column, span in enumerate(spans, start=1):
        place, first = {"row": 1, "col": column}, column == 1
        for kind, (name, encodings) in enumerate(sets.items()):
            density, _ = np.histogram(np.asarray(encodings[span], float), edges, density=True)
            _line(figure, _middles(edges), density, name, kind, first, **place)
        vectors = np.asarray(main[span], float)
        law = norm.pdf(fine, vectors.mean(), vectors.std())
        _line(figure, [-1, 1], [0.5, 0.5], "evenly spread", 2, first, **place)
        _line(figure, fine, law, "normal, same spread", 3, first, **place)
        figure.update_xaxes(title="c(i, j)", **place)
        spread = vectors.std(axis=0)
        place = {"row": 2, "col": column}
        add_heat_map(
            figure,
            np.concatenate([[np.nan], spread]).reshape(span, span),
            (0, 1 / np.sqrt(3)),
            "c(%{y}, %{x}): standard deviation %{z:.3f}",
            text=np.array(["", *(f"{each:.2f}" for each in spread)]).reshape(span, span),
            texttemplate="%{text}",
            textfont={"color": "#000"},  # spreads are above 0.2, where the colours are pale
            showscale=first,
            colorbar={"len": 0.42, "y": 0.21, "thickness": 12, "tickvals": [0, 0.2, 0.4, 0.577]},
            **place,
        )
        always = {"text": "always 1", "showarrow": False, "font": {"size": 11 - span // 3}}
        figure.add_annotation(x=0, y=0, **always, **place)
        figure.update_xaxes(title="j", dtick=1, **place)
        figure.update_yaxes(title="i", dtick=1, autorange="reversed", **place)
        square(figure, **place)
    figure.update_yaxes(title="density", row=1, col=1)
    return _layout(figure, len(spans), 620)


def pairs_figure(lower: BySpan, upper: BySpan, bins: int = 12, smooth: float = 0.7) -> go.Figure:
    """Draw the densities of all pairs of components, `lower` under the diagonal, `upper` above it.

    The colours are densities in units of that of evenly spread values.
    """
    spans = list(lower)
    figure = make_subplots(1, len(spans), subplot_titles=[f"span {span}" for span in spans])
    for column, span in enumerate(spans, start=1):
        mosaic = densities.pair_mosaic(lower[span], upper[span], span, bins, smooth)
        place, first = {"row": 1, "col": column}, column == 1
        scale = {"showscale": first, "colorbar": {"title": "density", "thickness": 12}}
        mosaic = mosaic.astype(np.float32)
        add_heat_map(figure, mosaic, (0, DENSITY_MAX), "%{z:.1f}", **scale, **place)
        centres = np.arange(vector_length(span)) * (bins + 1) + (bins - 1) / 2
        names = component_names(span)
        ticks: dict[str, Any] = {
            "tickmode": "array",
            "tickvals": centres,
            "tickfont": {"size": 12 - span if len(spans) > 1 else 11},
        }
        ticks |= {"showgrid": False, **place}
        angle = 0 if span == 2 else -90
        figure.update_xaxes(title="component", ticktext=names, tickangle=angle, **ticks)
        title = "component" if first else None
        figure.update_yaxes(title=title, ticktext=names[::-1], constraintoward="top", **ticks)
    square(figure)
    if len(spans) == 1:  # large enough for 15 components
        return _layout(figure, 1, 760, legend=False).update_layout(width=800)
    return _layout(figure, len(spans), 360, legend=False).update_layout(
        width=min(380 * len(spans), WIDEST)
    )


def border_figure(
    panels: Mapping[str, tuple[tuple[str, str], ArrayLike, ArrayLike, ArrayLike]],
) -> go.Figure:
    """Draw pairs of target values and of realised ones, and the border of what is possible.

    Parameters
    ----------
    panels : mapping
        From the title of a panel to the names of the components (x, y), the target and
        realised points (arrays of shape (samples, 2)), and the corners of the border.
    """
    figure = make_subplots(1, len(panels), subplot_titles=list(panels))
    for column, (names, asked, out, border) in enumerate(panels.values(), start=1):
        place, first = {"row": 1, "col": column}, column == 1
        for kind, name, points in ((1, "target", asked), (0, "realised", out)):
            x, y = np.asarray(points, float).T
            _dots(figure, x, y, name, kind, first, **place)
        figure.data[-1].marker.opacity = figure.data[-2].marker.opacity = 0.6
        ring = np.vstack([border, np.asarray(border)[:1]])
        style = {"name": "border of the possible", "line": BORDER | {"dash": "solid"}}
        add_curve(figure, ring[:, 0], ring[:, 1], 0, "lines", showlegend=first, **style, **place)
        axis = {"range": [-1.05, 1.05], "title_standoff": 4}
        figure.update_xaxes(title=names[0], **axis, **place)
        figure.update_yaxes(title=names[1], **axis, **place)
    square(figure)
    return _layout(figure, len(panels), 400)


def norms_figure(sets: Mapping[str, BySpan]) -> go.Figure:
    """Draw the distances of encodings from the origin, for every span.

    Laws: values spread evenly over the cube, and independent normal ones that spread as those of
    the first set. A vertical line marks the largest distance there is, that of perfect order.

    Parameters
    ----------
    sets : mapping from a name to encodings by span
        One or two sets with the same spans.
    """
    main = next(iter(sets.values()))
    figure = make_subplots(1, len(main), subplot_titles=[f"span {span}" for span in main])
    for column, span in enumerate(main, start=1):
        n_values = vector_length(span)
        farthest = float(np.sqrt(n_values))
        edges, fine = np.linspace(0, farthest, BINS + 1), np.linspace(0, farthest, 301)
        place, first = {"row": 1, "col": column}, column == 1
        for kind, (name, encodings) in enumerate(sets.items()):
            norms = np.linalg.norm(np.asarray(encodings[span], float), axis=1)
            density, _ = np.histogram(norms, edges, density=True)
            _line(figure, _middles(edges), density, name, kind, first, **place)
        cube = densities.cube_norm_density(fine, n_values)
        _line(figure, fine, cube, "evenly spread", 2, first, **place)
        spread = float(np.sqrt((np.asarray(main[span], float) ** 2).mean()))
        chi = chi_law.pdf(fine, n_values, scale=spread)
        _line(figure, fine, chi, "independent normal, same spread", 3, first, **place)
        words = {"annotation_text": f"perfect<br>order, √{n_values}", "annotation_font_size": 11}
        figure.add_vline(
            farthest,
            line={"color": "#555", "width": 1},
            annotation_position="top left",
            **words,
            **place,
        )
        title = "distance from the origin, |c|"
        figure.update_xaxes(title=title, range=[0, 1.05 * farthest], **place)
    figure.update_yaxes(title="density", row=1, col=1)
    return _layout(figure, len(main), 360)


def speckle_figure(
    image: ArrayLike,
    expected: ArrayLike,
    ratios: Mapping[str, ArrayLike],
    lots: Mapping[str, float],
    grid: ReciprocalGrid = STANDARD_GRID,
) -> go.Figure:
    """Draw an image, its expectation, and the density of their ratio beside its law.

    Parameters
    ----------
    image, expected : arrays, shape ``grid.shape``
    ratios : mapping from a name to an array
        I / S of many images.
    lots : mapping from a name to a number
        M of the laws Gamma(M, 1 / M) to draw.
    """
    titles = ("one image, I", "mean of many, S", "how I scatters about S")
    figure = make_subplots(1, 3, subplot_titles=titles, column_widths=[0.27, 0.27, 0.46])
    top = float(np.percentile(np.asarray(expected), 99))
    for column, values in enumerate((image, expected), start=1):
        add_image(figure, values, grid, column)
        figure.data[-1].zmax = top
    edges, fine = np.linspace(0, 3, 61), np.linspace(0.005, 3, 300)
    place = {"row": 1, "col": 3}
    for kind, (name, ratio) in enumerate(ratios.items()):
        values = np.ravel(np.asarray(ratio))
        density = np.histogram(values, edges)[0] / values.size / np.diff(edges)
        _dots(figure, _middles(edges), density, name, kind, True, **place)
    for kind, (name, number) in enumerate(lots.items()):
        _line(figure, fine, speckle.speckle_density(fine, number), name, kind, True, **place)
    figure.update_xaxes(title="I / S", **place)
    figure.update_yaxes(title="density", range=[0, 1.25], **place)
    return _layout(figure, 3, 400)


def intensities_figure(
    panels: Mapping[str, tuple[Mapping[str, ArrayLike], Mapping[str, tuple[float, ArrayLike]]]],
    x_title: str = "intensity I (Laue units)",
    log_share: bool = False,
) -> go.Figure:
    """Draw how the pixels of images spread over the factors of ten in intensity.

    Parameters
    ----------
    panels : mapping
        From the title of a panel to its data (name to array of intensities) and its laws (name to
        M and S of `eda.speckle_density`); at most four kinds of curves in all.
    x_title : str
    log_share : bool
        Draw the shares on a logarithmic scale too, to see rare pixels.
    """
    figure = make_subplots(1, len(panels), subplot_titles=list(panels), shared_yaxes=True)
    middles = np.sqrt(DECADE_EDGES[1:] * DECADE_EDGES[:-1])
    n_data = max(len(data) for data, _ in panels.values())
    laws_shown = list(dict.fromkeys(name for _, laws in panels.values() for name in laws))
    shown: set[str] = set()
    for column, (data, laws) in enumerate(panels.values(), start=1):
        curves = [
            (kind, name, speckle.per_decade(values, DECADE_EDGES))
            for kind, (name, values) in enumerate(data.items())
        ]
        for name, (lots, expected) in laws.items():
            # share per decade = density times dI / d log10 I
            density = speckle.speckle_density(middles, lots, expected)
            kind = n_data + laws_shown.index(name)
            curves.append((kind, name, np.log(10) * middles * density))
        place = {"row": 1, "col": column}
        for kind, name, share in curves:
            _line(figure, middles, share, name, kind, name not in shown, **place)
            shown.add(name)
        ticks = {"tickvals": TENS, "ticktext": [f"{ten:g}" for ten in TENS]}
        figure.update_xaxes(title=x_title, type="log", range=[-2.5, 2], **ticks, **place)
    figure.update_yaxes(title="share of pixels per decade", col=1)
    if log_share:
        figure.update_yaxes(type="log", range=[-3, 1.1], dtick=1)
    return _layout(figure, max(len(panels), 2), 400)


def contrast_figure(
    images: Mapping[str, ArrayLike], single: Mapping[str, float], limit: float
) -> go.Figure:
    """Draw the contrast of the images of some sets, and mark that of single images.

    Parameters
    ----------
    images : mapping from a name to an array of `eda.log_contrast`
    single : mapping from a name to the contrast of one image
    limit : float
        Contrast that chance alone gives, drawn as a shaded band from 0.
    """
    figure = go.Figure()
    edges = np.linspace(0, 2.5, 101)
    for kind, (name, contrast) in zip((0, 3), images.items(), strict=False):
        density, _ = np.histogram(contrast, edges, density=True)
        line = {"shape": "hvh"}
        add_curve(figure, _middles(edges), density, kind, "lines", name=name, line=line)
    figure.add_vrect(x0=0, x1=limit, fillcolor="#999", opacity=0.25, line_width=0)
    left_top = {"align": "left", "xanchor": "left", "yanchor": "top", "yref": "paper"}
    words = "less than chance<br>alone gives"
    figure.add_annotation(x=0, y=1, text=words, showarrow=False, **left_top)
    for kind, (name, value) in enumerate(single.items(), start=1):
        figure.add_vline(value, line_color=COLOURS[kind], line_dash=LINES[kind], line_width=2)
        beside = {"ax": -20, "xanchor": "right"} if kind == 1 else {"ax": 20, "xanchor": "left"}
        words = f"{name}, {value:.2f}"
        figure.add_annotation(x=value, y=0.6, text=words, ay=0, yref="paper", **beside)
    figure.update_xaxes(title="contrast: standard deviation of ln I", range=[0, 2])
    figure.update_yaxes(title="density of images")
    figure.update_layout(title="The contrast of every image of a set, and of single images")
    return _layout(figure, 3, 380)


def _middles(edges: Floats) -> Floats:
    return (edges[1:] + edges[:-1]) / 2


def _line(
    figure: go.Figure, x: ArrayLike, y: ArrayLike, name: str, kind: int, show: bool, **place: Any
) -> None:
    line = {"width": 2.5 if kind < 2 else 1.8}
    style = {"name": name, "legendgroup": name, "showlegend": show, "line": line}
    add_curve(figure, np.asarray(x), np.asarray(y), kind, "lines", **style, **place)


def _dots(
    figure: go.Figure, x: ArrayLike, y: ArrayLike, name: str, kind: int, show: bool, **place: Any
) -> None:
    style = {"name": name, "marker": {"size": 4 + kind}, "showlegend": show}
    add_curve(figure, np.asarray(x), np.asarray(y), kind, "markers", **style, **place)


def _layout(figure: go.Figure, columns: int, height: int, legend: bool = True) -> go.Figure:
    return figure.update_layout(
        width=min(320 * columns, WIDEST),
        height=height,
        margin={"l": 55, "r": 10, "t": 45, "b": 90 if legend else 60},
        legend={"orientation": "h", "yref": "container", "y": 0.02, "x": 0},
    )
