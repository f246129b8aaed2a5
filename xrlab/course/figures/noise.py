"""Figures about chance: lots on a lattice, the law of the grain, R^2, and the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from xrlab.crystal.arrays import Integers
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.grid import ReciprocalGrid
from xrlab.crystal.lattice import Lattice, simulate
from xrlab.crystal.setting import Setting
from xrlab.crystal.speckle import ensemble_image, expected_grain, lit_sites
from xrlab.drawing.plots import BELOW, WIDEST, add_curve, add_heat_map
from xrlab.drawing.png import INTENSITY, LINES, MARKERS, SITES, Colours
from xrlab.trials.repeats import ImageScores

COUNT = "Blues"
WIDE = {"legend": BELOW, "width": WIDEST, "height": 480, "margin": {"t": 80}}


def lots_figure(lattice: Lattice, numbers: Sequence[int], setting: Setting, seed: int) -> go.Figure:
    """Draw how many lots light each site, above the image that they make; the truth at the end.

    All images have one colour scale.
    """
    width = len(numbers) + 1
    lots = [f"{n} lot{'s' if n > 1 else ''}" for n in numbers]
    titles = [*lots, "the lattice", *(f"image of {words}" for words in lots), "expected image"]
    figure = _two_rows(titles)
    expected = ensemble_image(lattice.target, setting)
    top = 1.5 * float(np.percentile(expected, 99))
    for column, n in enumerate(numbers, start=1):
        count = lit_sites(lattice.size, setting.lot_size, n, seed)
        _heat_map(figure, count, 1, column, count.max(), "lots", colours=COUNT)
        image = diffraction_image(lattice, setting.grid, setting.lot_size, n, seed)
        _heat_map(figure, image, 2, column, top, "I", setting.grid)
    _heat_map(figure, lattice.sites, 1, width, 1, "s", colours=SITES, zmin=-1)
    _heat_map(figure, expected, 2, width, top, "S", setting.grid)
    figure.update_xaxes(title={"text": "along b (sites)", "standoff": 4}, row=1)
    figure.update_yaxes(title="along a (sites)", row=1, col=1)
    return figure


def lot_sizes_figure(encoding: Encoding, settings: Sequence[Setting], seed: int = 0) -> go.Figure:
    """Draw the image of one lattice for several lot sizes, each above the expected one."""
    titles = [f"L = {each.lot_size}: image" for each in settings]
    figure = _two_rows(titles + [f"L = {each.lot_size}: expected" for each in settings])
    for column, each in enumerate(settings, start=1):
        lattice = simulate(encoding, each.size, each.sampler, seed)
        expected = ensemble_image(encoding, each)
        image = diffraction_image(lattice, each.grid, each.lot_size, each.lots, seed)
        top = 1.2 * float(expected.max())
        _heat_map(figure, image, 1, column, top, "I", each.grid)
        _heat_map(figure, expected, 2, column, top, "S", each.grid)
    return figure


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
    titles = f"more lots of one lattice, N = {size}", f"larger lattices, L = {lot_size}"
    figure = make_subplots(1, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.06)
    fine = np.unique(np.geomspace(min(lots), max(lots), 60).round().astype(int))
    thin = {"color": "#555", "width": 1, "dash": "dot"}
    apart = "1/√M: lots that share nothing"
    add_curve(figure, fine, 1 / np.sqrt(fine), 0, "lines", line=thin, name=apart, row=1, col=1)
    for n, (side, measured) in enumerate(by_lot_size.items()):
        law = [expected_grain(size, side, m) for m in fine.tolist()]
        _points_and_law(figure, 1, n, f"L = {side}", (lots, measured), (fine, law))
    fine = np.arange(min(sizes), max(sizes) + 1)
    for n, (m, measured) in enumerate(by_lots.items(), start=len(by_lot_size)):
        law = [expected_grain(side, lot_size, m) for side in fine.tolist()]
        _points_and_law(figure, 2, n, f"M = {m}", (sizes, measured), (fine, law))
    ticks = [0.06, 0.1, 0.2, 0.3, 0.5, 1.0]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    figure.update_yaxes(title="grain (relative standard deviation)", col=1)
    figure.update_xaxes(title="number of lots M", type="log", tickvals=list(lots), col=1)
    figure.update_xaxes(title="sites along each side of the lattice, N", col=2)
    return figure.update_layout(title="Grain: points measured, lines the law", **WIDE)


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
        place = {"row": 1, "col": column}
        thin = {"color": "#555", "width": 1, "dash": "solid"}
        agreement = {"name": "measured = law", "showlegend": column == 1, "line": thin}
        add_curve(figure, [-0.5, 1], [-0.5, 1], 0, "lines", **agreement, **place)
        for guess in ("another", last[title]):
            add_curve(
                figure,
                getattr(each, f"law_{guess}"),
                getattr(each, guess),
                list(names).index(guess),
                "markers",
                name=names[guess],
                showlegend=guess not in shown,
                marker={"size": 7},
                hovertemplate="law %{x:.2f}, measured %{y:.2f}<extra></extra>",
                **place,
            )
            shown.add(guess)
    figure.update_xaxes(title="R² predicted by the law", range=[-0.5, 1])
    figure.update_yaxes(range=[-0.5, 1])
    figure.update_yaxes(title="R² measured", col=1)
    title = "How well one image can be guessed: one point for each encoding"
    return figure.update_layout(title=title, **WIDE | {"height": 430})


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
        place = {"row": 1, "col": column}
        line = {"color": "#222", "width": 2, "shape": "hvh", "dash": LINES[column - 1]}
        add_curve(figure, names, np.asarray(values), 0, "lines", line=line, name=limit, **place)
        for name, error in errors.items():
            if new := name not in methods:
                methods.append(name)
            style = {"name": name, "showlegend": new, "marker": {"size": 9}}
            n = methods.index(name)
            add_curve(figure, names, np.asarray(error), n, "markers", **style, **place)
    figure.update_xaxes(title="component", tickangle=-45)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="root mean square error", col=1)
    return figure.update_layout(title="Which method reaches which limit", **WIDE)


def _points_and_law(
    figure: go.Figure,
    column: int,
    n: int,
    name: str,
    measured: tuple[Sequence[int], ArrayLike],
    law: tuple[Integers, list[float]],
) -> None:
    place = {"legendgroup": f"{column} {name}", "row": 1, "col": column}
    symbol = {"symbol": (*MARKERS, "square")[n]}
    x, y = map(np.asarray, measured)
    add_curve(figure, x, y, n, "markers", marker=symbol, name=name, **place)
    solid = {"name": f"{name}, law", "showlegend": False, "line": {"dash": "solid"}}
    add_curve(figure, *law, n, "lines", **solid, **place)


def _two_rows(titles: Sequence[str]) -> go.Figure:
    """Lay out two rows of pictures, the axes of images below the second and beside the first."""
    width = len(titles) // 2
    figure = make_subplots(
        2, width, subplot_titles=titles, horizontal_spacing=0.07, vertical_spacing=0.16
    )
    figure.update_xaxes(title="k (r.l.u.)", title_standoff=4, constrain="domain")
    figure.update_yaxes(title="h (r.l.u.)", col=1)
    return figure.update_layout(
        width=WIDEST // 4 * width, height=490, margin={"l": 50, "r": 10, "t": 40, "b": 45}
    )


def _heat_map(
    figure: go.Figure,
    values: ArrayLike,
    row: int,
    column: int,
    top: float,
    name: str,
    grid: ReciprocalGrid | None = None,
    colours: Colours = INTENSITY,
    **options: Any,
) -> None:
    options |= {"row": row, "col": column}
    if grid is not None:
        options |= {"x": grid.k_values, "y": grid.h_values}
    hover = f"(%{{y:.3g}}, %{{x:.3g}}): {name} = %{{z:.3g}}"
    add_heat_map(figure, values, (0, top), hover, colours, **options)
