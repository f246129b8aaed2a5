"""What all benchmarks share: a stopwatch, the comparison with the rival, results as Markdown.

A result is a `Row` (a time beside a rival's), a `Finding` (a figure beside the one asked for) or a
`Curve` (times against the size of the task).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# For data sets. Everything else runs on one core.
WORKERS = 2


@dataclass
class Row:
    """One comparison of times, in seconds.

    With a `count` of what is done in that time (and its unit) rates are shown too. A bar is the
    longest time, or the lowest rate.
    """

    what: str
    ours: float
    rival_is: str
    rival: float
    count: float = 0
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether xrlab does what is asked; None where nothing is."""
        if self.at_most is not None:
            return self.ours <= self.at_most
        if self.at_least is not None:
            return self.count / self.ours >= self.at_least
        return None

    def __str__(self) -> str:
        bar = "–"
        if self.met is not None:
            limit = (
                f"≤ {duration(self.at_most)}"
                if self.at_most is not None
                else f"≥ {quantity(self.at_least or 0)} {self.unit}/s"
            )
            bar = f"{limit}: {'met' if self.met else '**missed**'}"
        ours, rival = (
            duration(seconds)
            + (f" ({quantity(self.count / seconds)} {self.unit}/s)" if self.count else "")
            for seconds in (self.ours, self.rival)
        )
        times = f"{self.rival / self.ours:.3g}"
        return f"| {self.what} | {ours} | {self.rival_is}: {rival} | {times} | {bar} |"


@dataclass
class Finding:
    """One figure beside the one asked for."""

    what: str
    asked: str
    measured: str
    met: bool

    def __str__(self) -> str:
        verdict = "met" if self.met else "**missed**"
        return f"| {self.what} | {self.asked} | {self.measured} | {verdict} |"


@dataclass
class Curve:
    """Times in seconds against the size of a task, one series for each way to do it.

    A time of None stands for one that would take too long to measure.
    """

    title: str
    variable: str
    points: Sequence[int]
    series: dict[str, list[float | None]]
    note: str = ""

    @classmethod
    def measure(
        cls,
        title: str,
        variable: str,
        points: Sequence[int],
        ways: Mapping[str, Callable[[int], float | None]],
        note: str = "",
    ) -> Curve:
        """Take the time that each way needs for every point."""
        series = {name: [way(point) for point in points] for name, way in ways.items()}
        return cls(title, variable, points, series, note)

    def __str__(self) -> str:
        lines = [f"### {self.title}", ""]
        lines += [self.note, ""] if self.note else []
        lines.append(f"| {self.variable} | {' | '.join(self.series)} |")
        lines.append("|---" * (1 + len(self.series)) + "|")
        for point, *times in zip(self.points, *self.series.values(), strict=True):
            cells = ["–" if each is None else duration(each) for each in times]
            lines.append(f"| {point} | {' | '.join(cells)} |")
        powers = [exponent(self.points, times) for times in self.series.values()]
        lines.append(f"| *exponent* | {' | '.join(powers)} |")
        return "\n".join(lines)


def exponent(points: Sequence[int], times: Sequence[float | None]) -> str:
    """Exponent p of the law time ~ point^p that fits best, by least squares of logarithms."""
    known = [(math.log(x), math.log(t)) for x, t in zip(points, times, strict=True) if t]
    return f"{np.polyfit(*np.array(known).T, 1)[0]:.2f}" if len(known) > 1 else "–"


def duration(seconds: float) -> str:
    """Write a time with three digits and a unit that fits."""
    for unit, size in (("min", 60), ("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def quantity(number: float) -> str:
    """Write a number with two digits, in millions if it is large."""
    return f"{number / 1e6:.2g} million" if number >= 1e5 else f"{float(f'{number:.2g}'):g}"


def seconds(function: Callable[[], Any]) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def timed(
    function: Callable[[Any], Any], arguments: Iterable[Any]
) -> tuple[list[float], list[Any]]:
    """Return the time that a function needs for every argument, in seconds, and its results."""
    times, results = [], []
    for argument in arguments:
        start = time.perf_counter()
        results.append(function(argument))
        times.append(time.perf_counter() - start)
    return times, results


def median_time(function: Callable[[Any], Any], arguments: Iterable[Any]) -> float:
    """Return the median time of a function over its arguments, in seconds."""
    return statistics.median(timed(function, arguments)[0])


def compare(
    what: str,
    ours: Callable[[Any], Any],
    rival_is: str,
    rival: Callable[[Any], Any],
    arguments: Sequence[Any],
    few: int | None = None,
    tolerance: float | None = 0.0,
    **bar: Any,
) -> Row:
    """Time two functions over the same arguments, a slow rival over the first few of them.

    Their results for the first argument may differ by the tolerance; None if they are not arrays
    of the same.
    """
    first = ours(arguments[0])  # loads and compiles
    times, _ = timed(ours, arguments)
    rival_times, results = timed(rival, arguments[:few])
    if tolerance is not None:
        check(first, results[0], tolerance)
    return Row(what, statistics.median(times), rival_is, statistics.median(rival_times), **bar)


def check(ours: Any, rival: Any, tolerance: float = 0.0) -> None:
    """Stop if the rival computes something else: then the comparison means nothing."""
    difference = float(np.abs(np.asarray(ours, float) - np.asarray(rival, float)).max())
    if not difference <= tolerance:
        raise SystemExit(f"xrlab and its rival differ by {difference:g}, not by {tolerance:g}")
