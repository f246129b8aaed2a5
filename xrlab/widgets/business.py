"""The business case to play with: a slider for each assumption, and its figures."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw
import numpy as np

from xrlab.course.business import STORIES, Plan, Story
from xrlab.course.figures.business import BOTH, EACH, Account, account_html, compute, dollars
from xrlab.widgets.panel import Panel, choice, slider

FALSE_ALARM = ("false_alarm", "false alarms (%)", "right answers that are taken for wrong",
               0, 100, 1)  # fmt: skip

SHARES = ("noticed", "error_rate", "false_alarm")
NO_LIMIT = 60_000  # the right end of the slider of the demand


class BusinessExplorer(Panel):
    """A slider for each assumption; the account, its bars and one sentence follow.

    Parameters
    ----------
    story : str
        Name of the story at the start, one of `business.STORIES`.
    """

    def __init__(self, story: str = "more units") -> None:
        self.result: Account | None = None
        self._start = story
        words = "three sets of assumptions with the same two totals"
        self._story = choice("story", words, list(STORIES))
        self._story.value = story
        self.reset = self._button("reset", "back to the story's assumptions", self._put_back_story)
        self.controls: dict[tuple[str, str], Any] = {}
        wide = {"style": {"description_width": "145px"}, "layout": {"width": "335px"}}
        columns = []
        for part, title, sliders in (
            ("both", "both ways of working", BOTH),
            ("today", "today", EACH),
            ("network", "with the network", (*EACH, FALSE_ALARM)),
        ):
            made = [ipw.HTML(f"<b>{title}</b>")]
            for name, words, tooltip, least, greatest, step in sliders:
                # the network's fixed costs are 2,449,998: steps must land on it
                offset = getattr(STORIES[story].network, name) % step if part == "network" else 0
                ends = int(least + offset), int(greatest + offset)
                tip = f"{tooltip} ({title})"
                made.append(slider(words, tip, *ends, int(step), readout_format=",d", **wide))
                self.controls[part, name] = made[-1]
            if part == "both":
                made.append(ipw.HTML("<small>demand at its right end: no limit</small>"))
            columns.append(ipw.VBox(made, layout=ipw.Layout(width="345px")))
        self._account = ipw.HTML()
        self._take(story)
        for control in self.controls.values():
            self._watch(control, self.refresh)
        self._watch(self._story, self._take_story)
        super().__init__([self._story, self.reset], columns, self._account, self.status)
        self.refresh()

    @property
    def story(self) -> Story:
        """The assumptions that the sliders show."""
        values: dict[str, dict[str, float]] = {"both": {}, "today": {}, "network": {}}
        for (part, name), control in self.controls.items():
            value = float(control.value)
            values[part][name] = value / 100 if name in SHARES else value
        if values["both"]["demand"] == NO_LIMIT:
            values["both"]["demand"] = np.inf
        return Story(
            Plan(**values["both"], **values["today"]),
            Plan(**values["both"], **values["network"]),
            STORIES[self._story.value].because,
        )

    def refresh(self) -> Account:
        """Draw up the account for the sliders and show it."""
        self.result = result = compute(self.story)
        self._account.value = account_html(result)
        today, network = result.lines["net income"]
        more = (
            "nothing to compare with"
            if np.isnan(result.gain)
            else f"{abs(result.gain):.1%} {'more' if result.gain >= 0 else 'less'}"
        )
        words = (
            f"<b>Net income:</b> today {dollars(today)}, with the network {dollars(network)}: "
            f"{more}."
        )
        if result.published:
            words += " Both are the published totals, to the dollar."
        plan = result.story.network
        if plan.delivered < plan.units * plan.passed:
            idle = plan.units - plan.measured
            words += f" Nobody buys more: {idle:,.0f} measurements a year stay unused."
        self._say(words)
        return result

    def _take(self, name: str) -> None:
        """Set all sliders to a story's assumptions."""
        story = STORIES[name]
        for (part, each), control in self.controls.items():
            value = getattr(story.network if part == "both" else getattr(story, part), each)
            control.value = min(value * 100 if each in SHARES else value, control.max)

    def _take_story(self) -> None:
        with self._quietly():  # one account in the end
            self._take(self._story.value)
        self.refresh()

    def _put_back_story(self) -> None:
        with self._quietly():
            self._story.value = self._start
        self._take_story()
