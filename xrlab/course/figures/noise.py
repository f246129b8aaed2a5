"""Figures about chance: lots on a lattice, the law of the grain, R^2, and the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from xrlab.crystal.arrays import Integers
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.lattice import Lattice, simulate
from xrlab.crystal.setting import Setting
from xrlab.crystal.speckle import ensemble_image, expected_grain, lit_sites
from xrlab.drawing.png import COLOURS, INTENSITY, LINES, MARKERS, SITES
from xrlab.trials.repeats import ImageScores

COUNT = "Blues"
BELOW = {"orientation": "h", "y": -0.28, "yanchor": "top"}


def lots_figure(lattice: Lattice, numbers: Sequence[int], setting: Setting, seed: int) -> go.Figure:
    """Draw how many lots light each site, above the image that they make; the truth at the end.

    All images have one colour scale.
    """
    width = len(numbers) + 1
    titles = [f"{n} lot{'s' if n > 1 else ''}" for n in numbers] + ["the lattice"]
    titles += [f"image of {n} lot{'s' if n > 1 else ''}" for n in numbers] + ["expected image"]
    figure = make_subplots(
        2, width, subplot_titles=titles, horizontal_spacing=0.07, vertical_spacing=0.16
    )
    size, lot_size, grid = lattice.size, setting.lot_size, setting.grid
    expected = ensemble_image(lattice.target, setting)
    top = 1.5 * float(np.percentile(expected, 99))
    for column, n in enumerate(numbers, start=1):
        count = lit_sites(size, lot_size, n, seed)
        _heat_map(figure, count, 1, column, COUNT, (0, count.max()), "lots")
        image = diffraction_image(lattice, grid, lot_size, n, seed)
        _heat_map(figure, image, 2, column, INTENSITY, (0, top), "I", grid.k_values, grid.h_values)
    _heat_map(figure, lattice.sites, 1, width, SITES, (-1, 1), "s")
    _heat_map(figure, expected, 2, width, INTENSITY, (0, top), "S", grid.k_values, grid.h_values)
    for column in range(1, width + 1):
        figure.update_xaxes(title="along b (sites)", row=1, col=column)
        figure.update_xaxes(title="k (r.l.u.)", row=2, col=column)
    figure.update_yaxes(title="along a (sites)", row=1, col=1)
    figure.update_yaxes(title="h (r.l.u.)", row=2, col=1)
    figure.update_xaxes(title_standoff=4, constrain="domain")
    return figure.update_layout(
        width=225 * width, height=490, margin={"l": 50, "r": 10, "t": 40, "b": 45}
    )


def lot_sizes_figure(encoding: Encoding, settings: Sequence[Setting], seed: int = 0) -> go.Figure:
    """Draw the image of one lattice for several lot sizes, each above the expected one."""
    titles = [f"L = {each.lot_size}: image" for each in settings]
    titles += [f"L = {each.lot_size}: expected" for each in settings]
    figure = make_subplots(
        2, len(settings), subplot_titles=titles, horizontal_spacing=0.07, vertical_spacing=0.16
    )
    for column, each in enumerate(settings, start=1):
        lattice = simulate(encoding, each.size, each.sampler, seed)
        expected = ensemble_image(encoding, each)
        image = diffraction_image(lattice, each.grid, each.lot_size, each.lots, seed)
        top = 1.2 * float(expected.max())
        h, k = each.grid.h_values, each.grid.k_values
        _heat_map(figure, image, 1, column, INTENSITY, (0, top), "I", k, h)
        _heat_map(figure, expected, 2, column, INTENSITY, (0, top), "S", k, h)
    figure.update_xaxes(title="k (r.l.u.)", title_standoff=4, constrain="domain")
    figure.update_yaxes(title="h (r.l.u.)", col=1)
    return figure.update_layout(
        width=225 * len(settings), height=490, margin={"l": 50, "r": 10, "t": 40, "b": 45}
    )


def grain_figure(
    lots: Sequence[int],
    by_lot_size: Mapping[int, ArrayLike],
    size: int,
    sizes: Sequence[int],
    by_lots: Mapping[int, ArrayLike],
    lot_size: int,
) -> go.Figure:
    """Draw the grain against M and against N: measured points, and the law as lines.

    Parameters
    ----------
    lots : numbers of lots M, for the left panel
    by_lot_size : mapping from the lot size L to the grain measured at every M
    size : N of the left panel
    sizes : lattice sizes N, for the right panel
    by_lots : mapping from the number of lots M to the grain measured at every N
    lot_size : L of the right panel
    """
    figure = make_subplots(
        1,
        2,
        subplot_titles=[
            f"more lots of one lattice, N = {size}",
            f"larger lattices, L = {lot_size}",
        ],
        shared_yaxes=True,
        horizontal_spacing=0.06,
    )
    fine = np.unique(np.geomspace(min(lots), max(lots), 60).round().astype(int))
    figure.add_scatter(
        x=fine,
        y=1 / np.sqrt(fine),
        name="1/√M: lots that share nothing",
        mode="lines",
        line={"color": "#555", "width": 1, "dash": "dot"},
        row=1,
        col=1,
    )
    for n, (each, measured) in enumerate(by_lot_size.items()):
        law = [expected_grain(size, each, m) for m in fine.tolist()]
        _points_and_law(figure, 1, n, f"L = {each}", lots, measured, fine, law)
    fine = np.arange(min(sizes), max(sizes) + 1)
    for n, (m, measured) in enumerate(by_lots.items()):
        law = [expected_grain(each, lot_size, m) for each in fine.tolist()]
        _points_and_law(
            figure, 2, n + len(by_lot_size), f"M = {m}", sizes, measured, fine, law, legend=True
        )
    ticks = [0.06, 0.1, 0.2, 0.3, 0.5, 1.0]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{each:g}" for each in ticks])
    figure.update_yaxes(title="grain (relative standard deviation)", col=1)
    figure.update_xaxes(title="number of lots M", type="log", tickvals=list(lots), col=1)
    figure.update_xaxes(title="sites along each side of the lattice, N", col=2)
    return figure.update_layout(
        title="Grain: points measured, lines the law",
        legend=BELOW,
        width=900,
        height=480,
        margin={"t": 80},
    )


def r2_figure(scores: Mapping[str, ImageScores], last: Mapping[str, str]) -> go.Figure:
    """Draw measured against predicted R^2 between images, a panel for each way to simulate.

    Parameters
    ----------
    scores : mapping from a panel's title to its scores
    last : mapping from the same titles to the name of the second guess: "mean" or "expected"
    """
    names = {
        "another": "another realisation",
        "mean": "mean of the other realisations",
        "expected": "the expected image",
    }
    figure = make_subplots(
        1, len(scores), subplot_titles=list(scores), shared_yaxes=True, horizontal_spacing=0.05
    )
    shown = set()
    for column, (title, each) in enumerate(scores.items(), start=1):
        figure.add_scatter(
            x=[-0.5, 1],
            y=[-0.5, 1],
            mode="lines",
            line={"color": "#555", "width": 1},
            name="measured = law",
            showlegend=column == 1,
            row=1,
            col=column,
        )
        for guess in ("another", last[title]):
            place = list(names).index(guess)
            figure.add_scatter(
                x=getattr(each, f"law_{guess}"),
                y=getattr(each, guess),
                mode="markers",
                name=names[guess],
                showlegend=guess not in shown,
                marker={"color": COLOURS[place], "symbol": MARKERS[place], "size": 7},
                hovertemplate="law %{x:.2f}, measured %{y:.2f}<extra></extra>",
                row=1,
                col=column,
            )
            shown.add(guess)
    figure.update_xaxes(title="R² predicted by the law", range=[-0.5, 1])
    figure.update_yaxes(range=[-0.5, 1])
    figure.update_yaxes(title="R² measured", col=1)
    return figure.update_layout(
        title="How well one image can be guessed: one point for each encoding",
        legend=BELOW,
        width=900,
        height=430,
        margin={"t": 80},
    )


def limits_figure(
    panels: Mapping[str, tuple[Mapping[str, ArrayLike], str, ArrayLike]], span: int
) -> go.Figure:
    """Draw the error of several methods, component by component, beside a limit.

    Parameters
    ----------
    panels : mapping from a panel's title to (errors by method, name of the limit, the limit)
        All of shape (span^2 - 1,).
    span : int
    """
    figure = make_subplots(
        1, len(panels), subplot_titles=list(panels), shared_yaxes=True, horizontal_spacing=0.05
    )
    names = component_names(span)
    methods: list[str] = []
    for column, (errors, limit, values) in enumerate(panels.values(), start=1):
        figure.add_scatter(
            x=names,
            y=np.asarray(values),
            mode="lines",
            line={"color": "#222", "width": 2, "shape": "hvh", "dash": LINES[column - 1]},
            name=limit,
            row=1,
            col=column,
        )
        for name, error in errors.items():
            if new := name not in methods:
                methods.append(name)
            place = methods.index(name)
            figure.add_scatter(
                x=names,
                y=np.asarray(error),
                mode="markers",
                name=name,
                showlegend=new,
                marker={"color": COLOURS[place], "symbol": MARKERS[place], "size": 9},
                row=1,
                col=column,
            )
    figure.update_xaxes(title="component", tickangle=-45)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="root mean square error", col=1)
    return figure.update_layout(
        title="Who reaches which limit", legend=BELOW, width=900, height=480, margin={"t": 80}
    )


def _points_and_law(
    figure: go.Figure,
    column: int,
    n: int,
    name: str,
    x: ArrayLike,
    measured: ArrayLike,
    fine: Integers,
    law: Sequence[float],
    legend: bool = True,
) -> None:
    colour, symbol = COLOURS[n % len(COLOURS)], (*MARKERS, "square")[n]
    figure.add_scatter(
        x=np.asarray(x),
        y=np.asarray(measured),
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 8},
        name=name,
        legendgroup=f"{column} {name}",
        showlegend=legend,
        row=1,
        col=column,
    )
    figure.add_scatter(
        x=fine,
        y=law,
        mode="lines",
        line={"color": colour},
        name=f"{name}, law",
        legendgroup=f"{column} {name}",
        showlegend=False,
        row=1,
        col=column,
    )


def _heat_map(
    figure: go.Figure,
    values: ArrayLike,
    row: int,
    column: int,
    colours: object,
    limits: tuple[float, float],
    name: str,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
) -> None:
    figure.add_heatmap(
        z=np.asarray(values),
        x=x,
        y=y,
        colorscale=colours,
        zmin=limits[0],
        zmax=limits[1],
        showscale=False,
        hovertemplate=f"(%{{y:.3g}}, %{{x:.3g}}): {name} = %{{z:.3g}}<extra></extra>",
        row=row,
        col=column,
    )
