"""Widgets for the notebooks: pure computation first, then a view that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets as ipw
import numpy as np
from numpy.typing import NDArray

from xrlab.diffraction import diffraction_image
from xrlab.encoding import Encoding, component_names, vector_length
from xrlab.lattice import Lattice, simulate
from xrlab.plots import INTENSITY, SIGNED, SITES, picture

SPANS = (2, 3, 4)

# c(0, 1), c(1, 0) and c(1, 1) of a few patterns; farther correlations follow as products.
PRESETS = {
    "random": (0.0, 0.0),
    "clusters": (0.6, 0.6),
    "stripes": (0.6, -0.6),
    "checkerboard": (-0.6, -0.6),
}


@dataclass(frozen=True, eq=False)
class Exploration:
    """What the explorer shows for one setting of its sliders."""

    lattice: Lattice
    image: NDArray[np.float32]


def explore(target: Encoding, seed: int = 0) -> Exploration:
    """Simulate a 50 x 50 lattice with the target's correlations, and its image."""
    lattice = simulate(target, seed=seed)
    return Exploration(lattice, diffraction_image(lattice, seed=seed))


def preset(name: str, span: int) -> Encoding:
    """Return a named pattern, c(i, j) = r^i s^j from its nearest correlations r and s.

    >>> preset("stripes", span=2)
    Encoding.from_vector([0.6, -0.6, -0.36])
    """
    if name not in PRESETS:
        raise ValueError(f"there is no pattern {name!r}; there is {', '.join(PRESETS)}")
    vector_length(span)
    along_b, along_a = PRESETS[name]
    reach = np.arange(span)
    return Encoding(np.outer(along_a**reach, along_b**reach))


class Panel(ipw.VBox):
    """A widget with a status line, which says what is not possible, and controls that start over.

    A panel sets ``_status`` and, for `_put_back`, ``_controls``, a mapping from names to controls.
    """

    _status: ipw.HTML
    _controls: Any

    def refresh(self) -> Any:
        """Compute what the controls ask for and show it."""
        raise NotImplementedError

    def _on_change(self, change: dict[str, Any]) -> None:
        self._say_errors(self.refresh)

    def _put_back(self, start: Mapping[str, Any]) -> None:
        for name, control in self._controls.items():
            control.unobserve(self._on_change, "value")  # one computation in the end
            control.value = start[name]
            control.observe(self._on_change, "value")
        self._say_errors(self.refresh)

    def _say_errors(self, action: Callable[[], object]) -> None:
        try:
            action()
        except ValueError as error:
            self._status.value = f"<b>Not possible:</b> {escape(str(error))}"


class Explorer(Panel):
    """Sliders for every c(i, j); encoding, lattice and diffraction image follow the hand.

    Parameters
    ----------
    span : {2, 3, 4}
        Side of the matrix at the start.
    pattern : str
        Name of the preset at the start.
    """

    def __init__(self, span: int = 2, pattern: str = "clusters") -> None:
        self.result: Exploration | None = None
        self._span = ipw.Dropdown(
            options=SPANS, value=span, description="span", tooltip="side n of the matrix c(i, j)"
        )
        self._preset = ipw.Dropdown(
            options=list(PRESETS),
            value=pattern,
            description="pattern",
            tooltip="a named pattern to start from",
        )
        self._seed = ipw.BoundedIntText(
            value=0, min=0, max=10**6, description="seed", tooltip="another seed, another crystal"
        )
        self._reset = ipw.Button(description="reset", tooltip="back to the start")
        self._nearest = ipw.Button(
            description="nearest possible",
            tooltip="move the sliders to the nearest encoding that a lattice can have",
        )
        self._grid = ipw.GridBox()
        self._status = ipw.HTML()
        # Without tooltips: ipywidgets 8.1 cannot show an Image that has one (JavaScript error).
        self._pictures = {
            name: ipw.Image(format="png", layout=ipw.Layout(width="256px"))
            for name in ("encoding that came out", "lattice", "diffraction image")
        }
        captions = (
            "rows i = 0, 1, …; columns j = 0, 1, …<br>red below 0, blue above",
            "50 × 50 sites, dark is +1<br>b to the right, a upwards",
            "h and k from 0 to 2 r.l.u.<br>k to the right, h upwards",
        )
        panels = [
            ipw.VBox(
                [ipw.HTML(f"<b>{name}</b>"), image, ipw.HTML(f"<small>{caption}</small>")],
                layout=ipw.Layout(width="285px"),
            )
            for (name, image), caption in zip(self._pictures.items(), captions, strict=True)
        ]
        self._controls = (
            (self._span, span, self._on_start_again),
            (self._preset, pattern, self._on_start_again),
            (self._seed, 0, self._on_change),
        )
        for control, _, handler in self._controls:
            control.observe(handler, "value")
        self._reset.on_click(self._on_reset)
        self._nearest.on_click(self._on_nearest)
        super().__init__(
            [
                ipw.HBox([self._span, self._preset, self._seed, self._reset, self._nearest]),
                self._grid,
                ipw.HBox(panels, layout=ipw.Layout(flex_flow="row wrap")),
                self._status,
            ]
        )
        self._start_again()

    @property
    def sliders(self) -> list[ipw.FloatSlider]:
        """The sliders, in the order of the encoding's vector."""
        return [cell for cell in self._grid.children if isinstance(cell, ipw.FloatSlider)]

    @property
    def target(self) -> Encoding:
        """The encoding that the sliders ask for."""
        return Encoding.from_vector([slider.value for slider in self.sliders])

    def refresh(self) -> Exploration:
        """Simulate what the sliders ask for and show it."""
        self.result = result = explore(self.target, self._seed.value)
        realised = result.lattice.realised
        drawn = (
            picture(realised.matrix, SIGNED, (-1, 1), upwards=False),
            picture(result.lattice.sites, SITES, (-1, 1)),
            picture(result.image, INTENSITY),
        )
        for image, png in zip(self._pictures.values(), drawn, strict=True):
            image.value = png
        values = ", ".join(
            f"{name} = {value:.2f}"
            for name, value in zip(component_names(realised.span), realised.vector, strict=True)
        )
        missed = np.abs(realised.vector - self.target.vector).max()
        violations = self.target.violations()
        if violations:
            verdict = f"no lattice can do what was asked: {violations[0]}"
        elif missed < 0.1:
            verdict = "the lattice does what was asked"
        else:
            verdict = f"this lattice misses what was asked; its worst value is {missed:.2f} off"
        self._status.value = f"<b>Came out:</b> {values} ({escape(verdict)})."
        return result

    def take(self, encoding: Encoding) -> Exploration:
        """Move the sliders to an encoding of the same span, in one step, and refresh."""
        for slider, value in zip(self.sliders, encoding.vector, strict=True):
            slider.unobserve(self._on_change, "value")
            slider.value = round(float(value), 2)
            slider.observe(self._on_change, "value")
        return self.refresh()

    def _start_again(self) -> None:
        """Lay out one slider per component at the chosen pattern, and refresh."""
        encoding = preset(self._preset.value, self._span.value)
        cells: list[ipw.Widget] = [ipw.HTML("c(0, 0) = 1, always")]
        for name, value in zip(component_names(encoding.span), encoding.vector, strict=True):
            slider = ipw.FloatSlider(
                value=round(value, 2),
                min=-1,
                max=1,
                step=0.01,
                description=name,
                layout=ipw.Layout(width="270px"),
                tooltip=f"wanted correlation {name}",
            )
            slider.observe(self._on_change, "value")
            cells.append(slider)
        self._grid.children = cells
        self._grid.layout.grid_template_columns = f"repeat({encoding.span}, 280px)"
        self.refresh()

    def _on_start_again(self, change: dict[str, Any]) -> None:
        self._say_errors(self._start_again)

    def _on_reset(self, button: ipw.Button) -> None:
        for control, start, handler in self._controls:
            control.unobserve(handler, "value")  # one simulation in the end, not one for each
            control.value = start
            control.observe(handler, "value")
        self._say_errors(self._start_again)

    def _on_nearest(self, button: ipw.Button) -> None:
        self._say_errors(lambda: self.take(self.target.nearest_realisable()))


class Predict(ipw.VBox):
    """A question to commit to before the answer is shown.

    Parameters
    ----------
    question : str
    options : sequence of str
    answer : str
        One of the options.
    because : str
        Shown after the choice, right or wrong.
    """

    def __init__(self, question: str, options: Sequence[str], answer: str, because: str) -> None:
        if answer not in options:
            raise ValueError(f"the answer {answer!r} is not among the options {list(options)}")
        self._answer, self._because = answer, because
        self._choice = ipw.RadioButtons(
            options=list(options), value=None, layout=ipw.Layout(width="max-content")
        )
        self.reply = ipw.HTML("<i>Choose first, then look.</i>")
        self._choice.observe(self._on_choice, "value")
        super().__init__(
            [ipw.HTML(f"<b>Predict.</b> {escape(question)}"), self._choice, self.reply]
        )

    def choose(self, option: str) -> str:
        """Choose an option, as a click would; return the reply."""
        self._choice.value = option
        return self.reply.value

    def _on_choice(self, change: dict[str, Any]) -> None:
        verdict = "Yes." if change["new"] == self._answer else f"It is: {self._answer}."
        self.reply.value = f"<b>{escape(verdict)}</b> {escape(self._because)}"
