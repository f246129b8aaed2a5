"""The live explorer: sliders for every c(i, j); lattice, images and words follow the hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as ipw
import numpy as np
import traitlets
from threadpoolctl import ThreadpoolController

from xrlab.course.explorer import (
    LOTS,
    PRESETS,
    SIZES,
    SPANS,
    Exploration,
    State,
    compute,
    from_code,
    preset,
    start_state,
    to_code,
    verdict,
)
from xrlab.course.explorer_panels import PALETTES, feeds_table, panels
from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import Encoding, values_text
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.patterns import RING_SPAN, nearest, respan
from xrlab.crystal.realisable import Ranges, ranges
from xrlab.crystal.samplers import SAMPLERS
from xrlab.drawing.png import palette, picture
from xrlab.widgets.panel import Panel, choice
from xrlab.widgets.still import picture_html

OWN = "your own"
SAMPLER_NAMES = {
    "gaussian": "Gaussian (fast)",
    "monte_carlo": "Monte Carlo",
    "growth": "growth (products)",
}

HELP = (
    "Under each slider: how far it can go while the others stay. In the blue part a lattice is "
    "sure to have the encoding; outside the frame none can; in the white part between them "
    "it is not known."
)

SIDE = 200  # of a picture on a page that no kernel serves, in pixels

_HERE = Path(__file__).parent


class SliderMatrix(anywidget.AnyWidget):
    """One slider for each value of an encoding's vector, laid out as the matrix, with ranges.

    Attributes
    ----------
    values : list of float
        The vector.
    moved : int
        Place of the slider that a hand moved last, -1 for none.
    sure, allowed : list of [low, high], or None where there is no range
    locked : list of int
        Places of sliders that cannot be moved.
    """

    _esm = _HERE / "explorer_sliders.js"
    _css = _HERE / "explorer.css"
    values = traitlets.List(traitlets.Float()).tag(sync=True)
    moved = traitlets.Int(-1).tag(sync=True)
    sure: traitlets.List[Any] = traitlets.List().tag(sync=True)
    allowed: traitlets.List[Any] = traitlets.List().tag(sync=True)
    locked = traitlets.List(traitlets.Int()).tag(sync=True)

    def still(self) -> str:
        """Write the values in words."""
        return f"<div>{values_text(Encoding.from_vector(self.values))}</div>"


class Pictures(anywidget.AnyWidget):
    """Pictures side by side, drawn together from one message.

    Attributes
    ----------
    panels : list of dict
        See `explorer_panels.panels`.
    point : list of two floats
        Where a clickable picture was clicked: parts of its width and, from below, of its height.
    """

    _esm = _HERE / "explorer_pictures.js"
    _css = _HERE / "explorer.css"
    panels: traitlets.List[Any] = traitlets.List().tag(sync=True)
    palettes = traitlets.Dict().tag(sync=True)
    point = traitlets.List(traitlets.Float(), [0.0, 0.0]).tag(sync=True)

    def still(self) -> str:
        """Write the pictures as PNG."""
        shown = []
        for panel in self.panels:
            cells = np.frombuffer(panel["data"], np.uint8).reshape(panel["rows"], panel["columns"])
            colours = PALETTES[panel["palette"]]
            png = picture(cells, colours, (0, 255), pixels=SIDE, upwards=False)
            drawn = picture_html(png, panel["description"], f"{SIDE}px")
            title, caption = escape(panel["title"]), escape(panel["caption"])
            words = f'<div style="width: {SIDE}px"><b>{title}</b>'
            shown.append(f"{words}{drawn}<br><small>{caption}</small></div>")
        row = "display: flex; flex-wrap: wrap; gap: 12px"
        return f'<div style="{row}">{"".join(shown)}</div>'


class Explorer(Panel):
    """Sliders for every c(i, j); encoding, lattice, images and ΔPDF follow the hand.

    Parameters
    ----------
    span : int
        Side of the matrix at the start, 2 to 6.
    pattern : str
        Name of the pattern at the start, one of `explorer.PRESETS`.

    Attributes
    ----------
    matrix : SliderMatrix
    pictures : Pictures
    result : Exploration
        What is shown.
    ranges : Ranges
        How far each slider can go.
    """

    def __init__(self, span: int = 2, pattern: str = "clusters") -> None:
        start = start_state(span, pattern)
        self.result: Exploration = compute(start)  # loads what is compiled, too
        self.ranges: Ranges = ranges(start.encoding)
        self._start = (start, pattern)
        self.matrix = SliderMatrix()
        self.pictures = Pictures(palettes={k: bytes(palette(v)) for k, v in PALETTES.items()})
        self.controls = _make_controls()
        self._h, self._k = (
            ipw.BoundedFloatText(
                value=1.0,
                min=0,
                max=2,
                step=0.05,
                description=f"{name} (r.l.u.)",
                tooltip=f"{name} of the point, from 0 to 2; a click into an image sets it too",
                layout={"width": "170px"},
            )
            for name in "hk"
        )
        self._feeds = ipw.HTML()
        self._feeds.add_class("xrlab-feeds")
        self._came_out = ipw.HTML()
        self._code = ipw.Text(
            description="code",
            continuous_update=False,
            tooltip="copy it to share what you see; paste another one and press Enter",
            layout=ipw.Layout(width="min(640px, 100%)"),
        )
        go_nearest = self._button(
            "nearest possible",
            "move to the nearest encoding that a lattice has",
            lambda: self.take(nearest(self.target, self.state.size)),
        )
        words = "the same encoding, the next seed"
        another = self._button("another crystal", words, self._next_seed)
        reset = self._button("reset", "back to the start", lambda: self.show(*self._start))
        for source, handler in (
            (self.controls["pattern"], self._load_pattern),
            (self.controls["span"], self._change_span),
            *((self.controls[name], self.refresh) for name in ("sampler", "size", "lots", "seed")),
            (self._h, self._show_feeds),
            (self._k, self._show_feeds),
            (self._code, self._load_code),
        ):
            self._watch(source, handler)
        self._watch(self.matrix, self._move, "values")
        self._watch(self.pictures, self._click, "point")
        super().__init__(
            [*self.controls.values()],
            self.matrix,
            ipw.HTML(f'<div style="line-height: 1.4"><small>{HELP}</small></div>'),
            self.pictures,
            self.status,
            self._came_out,
            [go_nearest, another, reset, self._code],
            [self._h, self._k],
            self._feeds,
        )
        self.show(start, pattern)

    @property
    def state(self) -> State:
        """Where the controls stand."""
        rest = {name: self.controls[name].value for name in ("sampler", "size", "lots", "seed")}
        return State(tuple(self.matrix.values), **rest)

    @property
    def target(self) -> Encoding:
        """The encoding that the sliders ask for."""
        return self.state.encoding

    def show(self, state: State, name: str = OWN) -> Exploration:
        """Put all controls where a state has them, and refresh."""
        with self._quietly():
            self.controls["pattern"].value = name
            self.controls["span"].value = state.encoding.span
            for each in ("sampler", "size", "lots", "seed"):
                self.controls[each].value = getattr(state, each)
            self._set_values(state.vector)
        return self.refresh()

    def take(self, encoding: Encoding) -> Exploration:
        """Move the sliders to an encoding, in one step, and refresh."""
        return self.show(replace(self.state, vector=tuple(encoding.vector)))

    def refresh(self) -> Exploration:
        """Compute what the controls ask for and show it."""
        moved = self.matrix.moved
        with _one_thread(), self._quietly():
            self.result = result = compute(self.state)
            self.pictures.panels = panels(result)  # on their way to the browser before the rest
            growing = result.state.sampler == "growth"
            if growing:  # the others follow
                self._set_values(State(tuple(result.target.vector)).vector, moved)
            self.ranges = ranges(result.target, self.ranges)
            with self.matrix.hold_sync():
                self.matrix.sure = _pairs(self.ranges.sure)
                self.matrix.allowed = _pairs(self.ranges.open)
                follow = set(range(len(self.matrix.values))) - {0, result.target.span - 1}
                self.matrix.locked = sorted(follow) if growing else []
            self._code.value = to_code(self.state)
        self._say(escape(verdict(result, self.ranges, moved if moved >= 0 else None)))
        realised = values_text(result.lattice.realised).replace("-", "−")
        came_out = f"<b>Came out:</b> {realised}."
        self._came_out.value = f'<div style="line-height: 1.4">{came_out}</div>'
        self._show_feeds()
        return result

    def _show_feeds(self) -> None:
        h, k = self._h.value, self._k.value
        with self._quietly():
            self.pictures.point = [k / STANDARD_GRID.k[1], h / STANDARD_GRID.h[1]]
        self._feeds.value = feeds_table(self.result, h, k)

    def _set_values(self, vector: Sequence[float], moved: int = -1) -> None:
        with self.matrix.hold_sync():
            self.matrix.moved = moved
            self.matrix.values = list(vector)

    def _move(self) -> None:
        self.controls["pattern"].value = OWN
        self.refresh()

    def _load_pattern(self) -> None:
        name, span = self.controls["pattern"].value, self.controls["span"].value
        if name == "ring" and span < RING_SPAN:
            span = RING_SPAN
            with self._quietly():
                self.controls["span"].value = span
        if name != OWN:
            self._set_values(State(tuple(preset(name, span).vector)).vector)
            self.refresh()

    def _change_span(self) -> None:
        name, span = self.controls["pattern"].value, self.controls["span"].value
        encoding = respan(self.result.drawn, span) if name == OWN else preset(name, span)
        self._set_values(State(tuple(encoding.vector)).vector)
        self.refresh()

    def _next_seed(self) -> None:
        self.controls["seed"].value = (self.controls["seed"].value + 1) % 1_000_000

    def _click(self) -> None:
        across, up = np.clip(self.pictures.point, 0, 1)
        self._k.value = round(float(across) * STANDARD_GRID.k[1], 2)
        self._h.value = round(float(up) * STANDARD_GRID.h[1], 2)
        self._show_feeds()

    def _load_code(self) -> None:
        given = self._code.value
        try:
            self.show(from_code(given))
        except ValueError as error:
            self._say(escape(f"That code cannot be read: {error}."))


def _pairs(ranges: Floats) -> list[list[float] | None]:
    return [None if np.isnan(each).any() else each.round(3).tolist() for each in ranges]


def _make_controls() -> dict[str, Any]:
    named = [(label, name) for name, label in SAMPLER_NAMES.items() if name in SAMPLERS]
    choices = {
        "pattern": ("pattern", "a named pattern to start from", [OWN, *PRESETS]),
        "span": ("span", "side n of the matrix c(i, j)", SPANS),
        "sampler": ("sampler", "how the lattice is made", named),
        "size": ("N (sites)", "sites along each side of the lattice", SIZES),
        "lots": ("M (lots)", "windows of 25 × 25 sites whose images are averaged", LOTS),
    }
    controls: dict[str, Any] = {
        name: choice(*words, width="230px") for name, words in choices.items()
    }
    seeds = {"description": "seed", "tooltip": "another seed, another crystal"}
    controls["seed"] = ipw.BoundedIntText(min=0, max=999_999, layout={"width": "230px"}, **seeds)
    return controls


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def _one_thread() -> Any:
    """Keep products small enough for one thread on one thread."""
    return _controller().limit(limits=1)
