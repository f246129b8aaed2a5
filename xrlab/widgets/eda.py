"""A widget that looks at two components of many encodings, in a slice of a third."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots
from scipy.stats import norm

from xrlab.course.figures import densities
from xrlab.course.figures.eda import BORDER
from xrlab.crystal import realisable
from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import component_names
from xrlab.drawing.plots import add_curve
from xrlab.drawing.png import COLOURS
from xrlab.widgets.panel import Panel, choice, scrolling, slider

# Half the thickness of a slice: thin enough for a sharp border, thick enough for some points.
HALF_SLICE = 0.15
BINS, SMOOTH = 24, 1.0
EDGES = np.linspace(-1, 1, BINS + 1)
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
EVERYTHING = "take all"

# White is empty, so that the border and the points are seen on it; darker is denser.
DENSITY = "Blues"


@dataclass(frozen=True, eq=False)
class PairView:
    """What the pair explorer shows for one setting of its controls.

    Parameters
    ----------
    points : float64 array, shape (samples, 2)
        Values of the two components, across and up, of the encodings in the slice.
    density : float64 array, shape (bins, bins)
        Smoothed, in units of that of evenly spread values; rows go up.
    marginals : float64 array, shape (2, bins)
        Densities of the component across and of the one up.
    normal : float64 array, shape (2, bins)
        Normal densities of the same mean and spread.
    border : float64 array, shape (corners, 2)
        Corners of the region of possible values.
    total : int
        Number of encodings before the slice was cut.
    """

    points: Floats
    density: Floats
    marginals: Floats
    normal: Floats
    border: Floats
    total: int

    @property
    def outside(self) -> int:
        """Number of points beyond the border."""
        return len(self.points) - int(realisable.inside(self.border, self.points).sum())

    @property
    def correlation(self) -> float:
        """Correlation coefficient of the two components; NaN for fewer than three points."""
        if len(self.points) < 3 or not self.points.std(axis=0).all():
            return float("nan")
        x, y = ((self.points - self.points.mean(axis=0)) / self.points.std(axis=0)).T
        return float((x * y).mean())


def view_pair(
    vectors: ArrayLike,
    span: int,
    across: int,
    up: int,
    third: int | None = None,
    value: float = 0.0,
) -> PairView:
    """Take the encodings whose third component is near a value, and look at two others.

    Parameters
    ----------
    vectors : array, shape (samples, span^2 - 1)
    span : int
    across, up : int
        Positions of the two components in the vector, different.
    third : int, optional
        Position of the component that the slice is cut along; without it all encodings are taken.
    value : float
        Middle of the slice, which is 2 HALF_SLICE thick.

    Returns
    -------
    PairView
    """
    array = np.asarray(vectors, float)
    held, taken = {}, array
    if third is not None:
        held = {third: (value - HALF_SLICE, value + HALF_SLICE)}
        taken = array[np.abs(array[:, third] - value) <= HALF_SLICE]
    border = realisable.possible_region(span, across, up, held)
    points = taken[:, [across, up]]
    marginals, normal = np.zeros((2, BINS)), np.zeros((2, BINS))
    for n, values in enumerate(points.T):
        if len(values):
            marginals[n] = np.histogram(values, EDGES)[0] / len(values) / np.diff(EDGES)
        if len(values) and values.std() > 0:
            normal[n] = norm.pdf(MIDDLES, values.mean(), values.std())
    density = densities.pair_density(points[:, 0], points[:, 1], BINS, SMOOTH)
    return PairView(points, density, marginals, normal, border, len(array))


class PairExplorer(Panel):
    """Choose two components; their joint density, both marginals and the border follow the hand.

    Parameters
    ----------
    sets : mapping from a name to a mapping from span to an array
        Encodings, shape (samples, span^2 - 1), by name of the set and by span. Every set has the
        same spans.
    """

    def __init__(self, sets: Mapping[str, Mapping[int, ArrayLike]]) -> None:
        self._sets = sets
        self.result: PairView | None = None
        names, spans = list(sets), list(next(iter(sets.values())))
        self._set = choice("data", "which encodings to look at", names)
        self._span = choice("span", "side n of the matrix c(i, j)", spans)
        self._across = choice("across", "component drawn to the right")
        self._up = choice("up", "component drawn upwards")
        self._third = choice("slice by", "a third component that is held")
        words = f"value of the third component, give or take {HALF_SLICE}"
        self._value = slider("held at", words, -1, 1, 0.05, value=0)
        self.figure = _empty_figure()
        for control in (self._set, self._across, self._up, self._third, self._value):
            self._watch(control, self.refresh)
        self._watch(self._span, lambda: self._start_again(self._set.value, self._span.value))
        first = names[0], spans[0]
        self.reset = self._button("reset", "back to the start", lambda: self._start_again(*first))
        super().__init__(
            [self._set, self._span, self.reset],
            [self._across, self._up],
            [self._third, self._value],
            self.status,
            scrolling(self.figure),
        )
        self._start_again(*first)

    def refresh(self) -> PairView:
        """Cut the slice that the controls ask for and show it."""
        span = self._span.value
        third = self._third.value if self._third.label != EVERYTHING else None
        names = component_names(span)
        self._value.disabled = third is None
        if self._across.value == self._up.value:
            twice = names[self._up.value]
            raise ValueError(f"{twice} is drawn both across and up; choose two different ones")
        self.result = view = view_pair(
            self._sets[self._set.value][span],
            span,
            self._across.value,
            self._up.value,
            third,
            self._value.value,
        )
        self._show(view, names[self._across.value], names[self._up.value])
        parts = [f"{len(view.points)} of {view.total} encodings"]
        if third is not None:
            low, high = self._value.value - HALF_SLICE, self._value.value + HALF_SLICE
            parts[0] += f" have {names[third]} from {low:.2f} to {high:.2f}"
        if np.isfinite(view.correlation):
            parts.append(f"correlation coefficient of the two {view.correlation:+.2f}")
        parts.append(f"{view.outside} beyond the border")
        self._say(f"<b>Shown:</b> {'; '.join(parts)}.")
        return view

    def _show(self, view: PairView, across: str, up: str) -> None:
        density, points, border, *curves = self.figure.data
        ring = np.vstack([view.border, view.border[:1]])
        with self.figure.batch_update():
            # All coordinates, also those that stay: the browser drops what was in a trace from
            # its start and is not assigned (seen with plotly 7.1).
            density.x, density.y, density.z = MIDDLES, MIDDLES, view.density
            points.x, points.y = view.points.T
            border.x, border.y = ring.T
            values = (view.marginals[0], view.normal[0], view.marginals[1], view.normal[1])
            for n, (curve, along) in enumerate(zip(curves, values, strict=True)):
                curve.x, curve.y = (MIDDLES, along) if n < 2 else (along, MIDDLES)
            # axes are counted row by row: the third pair is that of the density
            self.figure.layout.xaxis3.title.text = across
            self.figure.layout.yaxis3.title.text = up

    def _start_again(self, data: str, span: int) -> None:
        """Go to the first two components of a span, everything taken, and refresh."""
        with self._quietly():  # one picture in the end, not one for each control
            self._set.value, self._span.value = data, span
            options = [(name, n) for n, name in enumerate(component_names(span))]
            self._across.options = self._up.options = options
            self._third.options = [(EVERYTHING, -1), *options]  # a list shows no None
            self._across.value, self._up.value, self._third.value = 0, span - 1, -1
            self._value.value = 0.0
        self.refresh()


def _empty_figure() -> go.FigureWidget:
    """Lay out density, points, border and the four marginal curves, to be filled."""
    figure = make_subplots(
        2,
        2,
        column_widths=[0.78, 0.22],
        row_heights=[0.22, 0.78],
        horizontal_spacing=0.03,
        vertical_spacing=0.03,
        shared_xaxes=True,
        shared_yaxes=True,
    )
    main = {"row": 2, "col": 1}
    figure.add_heatmap(
        colorscale=DENSITY,
        zmin=0,
        zmax=6,
        colorbar={"title": "density,<br>1 = even", "thickness": 12},
        hovertemplate="%{x:.2f}, %{y:.2f}: density %{z:.1f}<extra></extra>",
        **main,
    )
    dots = {"size": 4, "color": COLOURS[1], "opacity": 0.6}
    quiet = {"hoverinfo": "skip", **main}
    figure.add_scatter(mode="markers", marker=dots, name="one encoding", **quiet)
    figure.add_scatter(mode="lines", line=BORDER, name="border of the possible", **quiet)
    for side, place in enumerate(({"row": 1, "col": 1}, {"row": 2, "col": 2})):
        for kind, name in ((0, "density of one component"), (3, "normal, same spread")):
            add_curve(figure, None, None, kind, "lines", name=name, showlegend=side == 0, **place)
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(range=[-1.03, 1.03], dtick=0.5, **main)
    free = {"title": "density", "rangemode": "tozero", "gridcolor": "#ddd"}
    figure.update_yaxes(row=1, col=1, **free)
    figure.update_xaxes(row=2, col=2, **free)
    figure.update_xaxes(title_standoff=4, **main)
    figure.update_layout(
        title="Two components of many encodings",
        width=640,
        height=600,
        margin={"l": 60, "r": 10, "t": 45, "b": 100},
        legend={"orientation": "h", "yref": "container", "y": 0.02, "x": 0},
        plot_bgcolor="white",
    )
    return go.FigureWidget(figure)
