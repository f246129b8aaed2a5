"""A widget for corrections: put filters in a row, and see what they do to image and encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import ipywidgets as ipw
import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from xrlab.crystal.arrays import Floats, Image
from xrlab.crystal.encoding import component_names
from xrlab.crystal.setting import SPAN
from xrlab.drawing.png import INTENSITY, SIGNED, picture
from xrlab.measurement.filters import GROUPS
from xrlab.measurement.pipeline import FILTERS, RECOMMENDED, Pipeline
from xrlab.trials.correction_bias import PARAMETERS, example, read_encoding
from xrlab.widgets.panel import WRAP, Panel, choice, slider

KINDS = ("clean", "laboratory", "synchrotron", "bad day")
MEASURED = "measured section"
START: dict[str, Any] = {"kind": "laboratory", "seed": 3, "ready": "box"}
EMPTY = "(no step)"

# Ends and step of the slider of a parameter; whole numbers make a slider of whole numbers.
SLIDERS: dict[str, tuple[float, float, float]] = {
    "percentile": (50, 100, 0.5),
    "low": (0, 1, 0.05),
    "high": (0.5, 10, 0.5),
    "threshold": (1, 20, 0.5),
    "compress_peaks.threshold": (0.1, 5, 0.02),
    "gamma": (0.1, 40, 0.1),
    "scale": (0.1, 20, 0.1),
    "power": (0.1, 3, 0.05),
    "mean": (-5, 5, 0.001),
    "factor": (0.1, 3, 0.05),
    "sigma": (0.3, 6, 0.1),
    "contrast": (0.05, 3, 0.05),
    "remove_hot_pixels.contrast": (1, 10, 0.25),
    "size": (3, 15, 2),
    "patch": (3, 9, 2),
    "distance": (1, 10, 1),
    "strength": (0.1, 3, 0.1),
    "weight": (0.01, 2, 0.01),
    "iterations": (1, 50, 1),
    "radius": (1, 40, 1),
    "punch_bragg.radius": (0, 0.3, 0.01),
    "punch_and_fill.radius": (0, 0.3, 0.01),
    "ring": (0.01, 0.2, 0.01),
    "height": (0.1, 5, 0.1),
    "largest": (1, 1000, 1),
    "rows": (8, 64, 1),
    "columns": (8, 64, 1),
    "wavelength": (0.2, 2, 0.01),
    "a": (3, 30, 0.1),
    "b": (3, 30, 0.1),
    "lowest": (0, 5, 0.05),
    "highest": (1, 1000, 1),
}


@dataclass(frozen=True, eq=False)
class Corrected:
    """What a pipeline made of an image.

    Parameters
    ----------
    stages : dict of arrays
        The image as it came and after every step.
    truth, before, after : array, shape (15,), or None
        Encoding of the lattice, and read by Delta-PDF off the image as it came and as it is in the
        end; None if there is no truth, or the result has another shape and cannot be read.
    """

    stages: dict[str, Image]
    truth: Floats | None = None
    before: Floats | None = None
    after: Floats | None = None

    def error(self, which: str) -> float:
        """Root mean square error of the encoding "before" or "after"."""
        vector = getattr(self, which)
        if vector is None or self.truth is None:
            return np.nan
        return float(np.sqrt(np.mean((vector - self.truth) ** 2)))


def compute(pipeline: Pipeline, image: ArrayLike, truth: ArrayLike | None = None) -> Corrected:
    """Apply a pipeline, and read the encoding before and after if there is a truth to compare.

    Raises
    ------
    ValueError
        If a step refuses its image or its parameters.
    """
    with threadpool_limits(1):
        stages = pipeline.stages(image)
        if truth is None:
            return Corrected(stages)
        first, *_, last = [*stages.values(), *stages.values()]
        after = read_encoding(last) if last.shape == first.shape else None
        return Corrected(stages, np.asarray(truth, float), read_encoding(first), after)


def stage_picture(image: Image, pixels: int = 192) -> bytes:
    """Draw an image as a PNG, grey where unmeasured; the colours end at its 99th percentile."""
    top = float(np.nanpercentile(image, 99)) or float(np.nanmax(image))
    return picture(image, INTENSITY, (0.0, top), pixels)


class PipelineBuilder(Panel):
    """Steps to add, remove and move, a slider for each parameter, every stage's picture, the text.

    Parameters
    ----------
    section : array, optional
        A measured image to choose besides the simulated ones; its truth is unknown.
    """

    def __init__(self, section: ArrayLike | None = None) -> None:
        self.result: Corrected | None = None
        self._section = None if section is None else np.asarray(section, float)
        self._steps: list[tuple[Callable[..., Image], dict[str, Any]]] = []
        wide = "330px"
        kinds = [*KINDS, *([MEASURED] if section is not None else [])]
        words = "what happened to the image; the truth of the simulated ones is known"
        self._kind = choice("image", words, kinds, width=wide)
        words = "another number, another crystal and another measurement"
        self._seed = slider("crystal", words, 0, 30, layout={"width": wide})
        words = "a recommended pipeline; it replaces all steps"
        self._ready = choice("start from", words, [EMPTY, *RECOMMENDED], width=wide)
        self.controls = {"kind": self._kind, "seed": self._seed, "ready": self._ready}
        for name, control in self.controls.items():
            control.value = START[name]
        self.reset = self._button(
            "reset", "back to the start", lambda: self._put_back(START, self._start_from)
        )
        filters = [(f"{each.kind}: {name}", name) for name, each in _offered().items()]
        self._new = choice("new step", "a filter to put at the end", filters, width=wide)
        self._add = self._button("add", "put this filter at the end", self._append)
        self._rows = ipw.VBox()
        self._stages = ipw.HBox(layout=WRAP)
        # Without tooltips: ipywidgets 8.1 cannot show an Image that has one (JavaScript error).
        self._encodings = {
            name: ipw.Image(format="png", layout=ipw.Layout(width="128px", height="128px"))
            for name in ("truth", "before", "after")
        }
        self._values = ipw.HTML()
        self._text = ipw.Textarea(
            description="as text",
            tooltip="the pipeline in YAML: keep it in a file, or change it here",
            layout=ipw.Layout(width="680px", height="150px"),
        )
        self._take = self._button(
            "take this text",
            "build what the text says",
            lambda: self.take(Pipeline.from_yaml(self._text.value)),
        )
        self._watch(self._kind, self.refresh)
        self._watch(self._seed, self.refresh)
        self._watch(self._ready, self._start_from)
        panels = [
            ipw.VBox([ipw.HTML(f"<b>encoding, {name}</b>"), image])
            for name, image in self._encodings.items()
        ]
        super().__init__(
            [self._kind, self._seed],
            [self._ready, self.reset],
            self._rows,
            [self._new, self._add],
            self.status,
            self._stages,
            panels,
            self._values,
            [self._text, self._take],
        )
        self._start_from()

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline as it is now."""
        return Pipeline(tuple((function, dict(given)) for function, given in self._steps))

    def take(self, pipeline: Pipeline) -> Corrected:
        """Replace all steps by those of a pipeline."""
        for function, _ in pipeline.steps:
            if FILTERS.get(function.__name__) not in _offered().values():
                raise ValueError(f"{function.__name__} has no sliders and cannot be shown here")
        self._steps = [(function, dict(given)) for function, given in pipeline.steps]
        self._lay_out()
        return self.refresh()

    def refresh(self) -> Corrected:
        """Apply the pipeline and show every stage."""
        self._text.value = self.pipeline.to_yaml()
        if self._kind.value == MEASURED and self._section is not None:
            result = compute(self.pipeline, self._section)
        else:
            result = compute(self.pipeline, *example(self._kind.value, self._seed.value))
        self.result = result
        if len(self._stages.children) != len(result.stages):  # otherwise the pictures only change
            self._stages.children = [
                ipw.VBox([ipw.HTML(), ipw.Image(format="png")], layout=ipw.Layout(width="215px"))
                for _ in result.stages
            ]
        for n, (name, stage) in enumerate(result.stages.items()):
            caption, shown = self._stages.children[n].children
            caption.value = f"<b>{n}. {escape(name)}</b>" if n else "<b>as it came</b>"
            shown.value = stage_picture(stage)
        for name, shown in self._encodings.items():
            vector = getattr(result, name)
            matrix = np.zeros((4, 4)) if vector is None else np.append(1, vector).reshape(4, 4)
            shown.value = picture(matrix, SIGNED, (-1, 1), pixels=128, upwards=False)
        self._say(self._words(result))
        self._values.value = self._table(result)
        return result

    @staticmethod
    def _table(result: Corrected) -> str:
        """Write the encodings as numbers too, for those who cannot see the colours."""
        if result.truth is None:
            return ""
        rows = {"": component_names(SPAN)}
        for name in ("truth", "before", "after"):
            vector = getattr(result, name)
            rows[name] = ["–"] * len(rows[""]) if vector is None else [f"{c:.2f}" for c in vector]
        cells = [
            f"<tr><th>{name}</th>" + "".join(f"<td>&nbsp;{each}</td>" for each in row) + "</tr>"
            for name, row in rows.items()
        ]
        return f"<small><table>{''.join(cells)}</table></small>"

    @staticmethod
    def _words(result: Corrected) -> str:
        if result.truth is None:
            return (
                "The encoding of a measured crystal is unknown, and this section is on another "
                "grid: judge by eye."
            )
        before = result.error("before")
        if result.before is None or result.after is None:
            return f"<b>Error:</b> {before:.3f} before; the result has another size, so no after."
        after = result.error("after")
        verdict = (
            "better" if after < before - 5e-4 else "worse" if after > before + 5e-4 else "same"
        )
        change = np.abs(result.after - result.before).max()
        return (
            f"<b>Error</b> of the encoding read by ΔPDF, root mean square: {before:.3f} before, "
            f"<b>{after:.3f}</b> after ({verdict}). Largest change of a c(i, j): {change:.3f}."
        )

    def _lay_out(self) -> None:
        """Make one row of controls for every step."""
        self._rows.children = [
            self._row(n, function.__name__, given)
            for n, (function, given) in enumerate(self._steps)
        ] or [ipw.HTML("<i>No step yet: the image stays as it came.</i>")]

    def _row(self, n: int, name: str, given: dict[str, Any]) -> ipw.HBox:
        buttons = [
            self._button(label, f"{tip}: {name}", action, layout={"width": "36px"})
            for label, tip, action in (
                ("↑", "earlier", partial(self._move, n, -1)),
                ("↓", "later", partial(self._move, n, 1)),
                ("✕", "remove", partial(self._remove, n)),
            )
        ]
        controls = []
        for parameter, default in FILTERS[name].parameters.items():
            start = given.get(parameter, PARAMETERS.get(name, {}).get(parameter, default))
            control = _control(name, parameter, start)
            if control is not None:
                self._watch(control, partial(self._set_parameter, n, parameter, control))
                controls.append(control)
        label = ipw.HTML(f"<b>{n + 1}. {name}</b>", layout=ipw.Layout(width="210px"))
        return ipw.HBox([*buttons, label, *controls], layout=WRAP)

    def _move(self, n: int, by: int) -> None:
        if 0 <= n + by < len(self._steps):
            self._steps.insert(n + by, self._steps.pop(n))
            self._lay_out()
            self.refresh()

    def _remove(self, n: int) -> None:
        del self._steps[n]
        self._lay_out()
        self.refresh()

    def _set_parameter(self, n: int, parameter: str, control: ipw.Widget) -> None:
        self._steps[n][1][parameter] = control.value
        self.refresh()

    def _start_from(self) -> None:
        self.take(RECOMMENDED.get(self._ready.value, Pipeline()))

    def _append(self) -> None:
        name = self._new.value
        self._steps.append((FILTERS[name].function, dict(PARAMETERS.get(name, {}))))
        self._lay_out()
        self.refresh()


def _offered() -> dict[str, Any]:
    """Return the filters whose parameters are all numbers or words: those that sliders can show."""
    return {name: each for name, each in FILTERS.items() if name != "divide_form_factor"}


def _control(name: str, parameter: str, value: Any) -> ipw.Widget | None:
    """Make a slider or a list for a parameter; none for the ends of an image in r.l.u."""
    tip = f"{parameter} of {name}"
    if isinstance(value, str):
        return ipw.Dropdown(options=list(GROUPS), value=value, description=parameter, tooltip=tip)
    if isinstance(value, tuple):
        return None
    low, high, step = SLIDERS.get(f"{name}.{parameter}", SLIDERS.get(parameter, (0, 1, 0.01)))
    value = min(value, high) if np.isinf(value) else value
    whole = all(float(x) == int(x) for x in (low, high, step, value)) and isinstance(step, int)
    ends = [min(low, value), max(high, value), step]
    ends = [int(x) if whole else float(x) for x in ends]
    options = {"continuous_update": False, "layout": {"width": "290px"}}
    return slider(parameter, tip, *ends, value=value, **options)
