"""Widgets for the notebooks: pure computation first, then a view that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as ipw

from xrlab.accessible import ScreenReaderNames

# Those that networks come for.
SPANS = (2, 3, 4)


class Panel(ipw.VBox):
    """A widget with a status line, which says what is not possible, and controls that start over.

    A panel sets ``_status`` and, for `_put_back`, ``_controls``, a mapping from names to controls.
    Screen readers find a name for everything in it.
    """

    def __init__(self, children: Sequence[ipw.Widget]) -> None:
        super().__init__([*children, ScreenReaderNames()])

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
            self._say(f"<b>Not possible:</b> {escape(str(error))}")

    def _say(self, words: str) -> None:
        """Put HTML into the status line; a screen reader says it."""
        self._status.value = f'<div role="status" aria-live="polite">{words}</div>'


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
                ipw.HTML(f"<b>Predict.</b> {escape(question)}"),
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
