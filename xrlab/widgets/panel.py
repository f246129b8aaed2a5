"""Widgets for the notebooks: pure computation first, then a view that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from html import escape
from typing import Any

import ipywidgets as ipw

from xrlab.widgets.accessible import ScreenReaderNames
from xrlab.widgets.still import still

# Those that networks come for.
SPANS = (2, 3, 4)

# Of rows that become several where the window is narrow.
WRAP = {"flex_flow": "row wrap", "grid_gap": "4px 12px"}


class Panel(ipw.VBox):
    """A widget with a status line, which says what is not possible, and controls that start over.

    Screen readers find a name for everything in it.

    Parameters
    ----------
    *rows : widget or list of widgets
        From top to bottom; those of a list stand side by side, below each other where it is narrow.

    Attributes
    ----------
    status : HTML
        What is shown, or what is not possible.
    controls : mapping
        From names to controls, see `_follow`.
    reset : Button
        Puts the controls back to their start.
    """

    controls: Any
    reset: ipw.Button
    _quiet = False

    def __init__(self, *rows: ipw.Widget | list[ipw.Widget]) -> None:
        boxes = [ipw.HBox(row, layout=WRAP) if isinstance(row, list) else row for row in rows]
        super().__init__([*boxes, ScreenReaderNames()])

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Show the widget, or where no kernel serves it what it shows at first."""
        shown = f'<div class="xrlab-still mathjax_ignore">{still(self)}</div>'
        return {**super()._repr_mimebundle_(**options), "text/html": shown}

    @cached_property
    def status(self) -> ipw.HTML:
        """The status line, to be placed among the rows."""
        return ipw.HTML()

    def refresh(self) -> Any:
        """Compute what the controls ask for and show it."""
        raise NotImplementedError

    def _watch(self, source: Any, handler: Callable[[], object], name: str = "value") -> None:
        """Call a handler at every change by hand; an error goes to the status line."""

        def handle(change: Any) -> None:
            if not self._quiet:
                with self._quietly():
                    self._say_errors(handler)

        source.observe(handle, name)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change controls without an answer to each change."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _follow(self, controls: Mapping[str, Any], start: Mapping[str, Any]) -> None:
        """Put controls at their start, follow their changes, and make a reset button."""
        self.controls = controls
        for name, control in controls.items():
            control.value = start[name]
            self._watch(control, self.refresh)
        self.reset = self._button("reset", "back to the start", lambda: self._put_back(start))

    def _put_back(self, start: Mapping[str, Any], then: Callable[[], object] | None = None) -> None:
        with self._quietly():  # one computation in the end
            for name, control in self.controls.items():
                control.value = start[name]
        (then or self.refresh)()

    def _button(
        self,
        description: str,
        tooltip: str,
        action: Callable[[], object],
        line: ipw.HTML | None = None,
        **options: Any,
    ) -> ipw.Button:
        """Make a button; what its action refuses goes to the status line or another one."""
        # As wide as its words: ipywidgets would cut those that are long.
        fits = {"width": "max-content", "min_width": "100px"}
        words = {"description": description, "tooltip": tooltip}
        button = ipw.Button(**words, **{"layout": fits, **options})
        button.on_click(lambda _: self._say_errors(action, line))
        return button

    def _say_errors(self, action: Callable[[], object], line: ipw.HTML | None = None) -> None:
        """Do something; what it refuses goes to the status line or another one, a fault as well."""
        try:
            action()
        except ValueError as error:
            self._say(f"<b>Not possible:</b> {escape(str(error))}", line)
        except Exception as error:  # shown here, and in the log
            words = escape(f"{type(error).__name__}: {error}")
            self._say(f"<b>A fault in xrlab:</b> {words}", line)
            raise

    def _say(self, words: str, line: ipw.HTML | None = None) -> None:
        """Put HTML into the status line or another one; a screen reader says it."""
        html = f'<div role="status" aria-live="polite" style="line-height: 1.5">{words}</div>'
        (line or self.status).value = html


def scrolling(figure: ipw.Widget) -> ipw.Box:
    """Put a figure into a box that scrolls where the window is narrower than the figure."""
    return ipw.Box([figure], layout={"overflow": "auto hidden", "max_width": "100%"})


def slider(
    description: str, tooltip: str, low: float, high: float, step: float = 1, /, **options: Any
) -> ipw.Widget:
    """Make a slider, of whole numbers if its ends and its step are written as such."""
    whole = all(isinstance(number, int) for number in (low, high, step))
    kind = ipw.IntSlider if whole else ipw.FloatSlider
    words = {"description": description, "tooltip": tooltip}
    return kind(**words, min=low, max=high, step=step, **{"layout": {"width": "300px"}, **options})


def choice(
    description: str,
    tooltip: str,
    options: Any = (),
    kind: Any = ipw.Dropdown,
    width: str = "300px",
) -> ipw.Widget:
    """Make a list to choose from, or with another kind such as ``SelectionSlider`` a slider."""
    words = {"description": description, "tooltip": tooltip}
    return kind(**words, options=options, layout={"width": width})


def captioned_pictures(
    captions: Mapping[str, str], width: int
) -> tuple[dict[str, ipw.Image], ipw.HBox]:
    """Make square pictures, and the row that shows each under its name and over its caption.

    Parameters
    ----------
    captions : mapping
        From the names to the captions, which are HTML.
    width : int
        Of a picture, in pixels.
    """
    # Without tooltips: ipywidgets 8.1 cannot show an Image that has one (JavaScript error).
    square = {"width": f"{width}px", "height": f"{width}px"}
    pictures = {name: ipw.Image(format="png", layout=square) for name in captions}
    boxes = [
        ipw.VBox(
            [ipw.HTML(f"<b>{name}</b>"), pictures[name], ipw.HTML(f"<small>{caption}</small>")],
            layout={"width": f"{width + 20}px"},
        )
        for name, caption in captions.items()
    ]
    return pictures, ipw.HBox(boxes, layout=WRAP)


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
            [
                ipw.HTML(f"<b>{escape(question)}</b>"),
                self._choice,
                self.reply,
                ScreenReaderNames(),
            ]
        )

    def choose(self, option: str) -> str:
        """Choose an option, as a click would; return the reply."""
        self._choice.value = option
        return self.reply.value

    def _on_choice(self, change: dict[str, Any]) -> None:
        verdict = "Yes." if change["new"] == self._answer else f"It is: {self._answer}."
        self.reply.value = f"<b>{escape(verdict)}</b> {escape(self._because)}"
