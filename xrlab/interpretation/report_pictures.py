"""Pictures of the report, as SVG: cuts through two images, values with error bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from xrlab.crystal.encoding import component_names
from xrlab.drawing.svg import (
    DELTA_PDF,
    FIT,
    NETWORK,
    Frame,
    curve,
    error_bar,
    line,
    mark,
    svg_element,
)
from xrlab.interpretation.evidence import Comparison, Cut


def cut_plot(cut: Cut, description: str) -> str:
    """Draw measured points with their scatter, the simulated line and the fitted one."""
    lines = [values for values in (cut.simulated, cut.fitted) if values is not None]
    top = 1.06 * float(np.nanmax([cut.measured + cut.error, *lines], initial=0.1))
    frame = Frame((float(cut.q[0]), float(cut.q[-1])), (0.0, top), (44.0, 8.0, 280.0, 200.0))
    parts = []
    for q, value, error in zip(cut.q, cut.measured, cut.error, strict=True):
        if np.isfinite(value):
            parts.append(error_bar(frame, q, value, error, "measured"))
            parts.append(mark(frame, q, value, "measured", 2.4))
    if cut.simulated is not None:
        parts.append(curve(frame, cut.q, cut.simulated, "simulated"))
    if cut.fitted is not None:
        parts.append(curve(frame, cut.q, cut.fitted, "fitted"))
    parts.append(frame.axes(f"{cut.along} (r.l.u.)", "intensity / mean"))
    return svg_element(340, 246, description, parts)


def values_plot(rows: Sequence[Comparison], span: int, description: str) -> str:
    """Draw the correlations with error bars: network, fit and Delta-PDF beside each other."""
    width = 780.0
    ends = [
        value + sign * error
        for row in rows
        for value, error in (
            (row.value, row.error),
            (row.fit_value, row.fit_error or 0),
            (row.delta_pdf, 0),
        )
        if value is not None
        for sign in (-1, 1)
    ]
    low, high = max(min(ends) - 0.05, -1.05), min(max(ends) + 0.05, 1.05)
    low, high = min(low, -0.1), max(high, 0.1)
    frame = Frame((-0.6, len(rows) - 0.4), (low, high), (44.0, 8.0, width - 60, 210.0))
    parts = [line(frame.right(-0.6), frame.down(0), frame.right(len(rows) - 0.4), frame.down(0))]
    for n, row in enumerate(rows):
        methods: Iterable[tuple[str, float | None, float | None, float]] = (
            (NETWORK, row.value, row.error, -0.2),
            (FIT, row.fit_value, row.fit_error, 0.0),
            (DELTA_PDF, row.delta_pdf, None, 0.2),
        )
        for method, value, error, shift in methods:
            if value is not None:
                parts.append(error_bar(frame, n + shift, value, error or 0, method))
                parts.append(mark(frame, n + shift, value, method, 4))
    names = [name.removeprefix("c") for name in component_names(span)]
    parts.append(frame.axes("(i, j)", "c(i, j)", names))
    return svg_element(width, 258, description, parts)


def key(name: str, words: str) -> str:
    """Draw the entry of a legend: a mark or a line, then its words."""
    frame = Frame((0, 1), (0, 1), (0, 0, 22, 12))
    if name in ("simulated", "fitted"):
        sign = curve(frame, np.array([0, 1]), np.array([0.5, 0.5]), name)
    else:
        sign = mark(frame, 0.5, 0.5, name, 4)
    sign = f'<svg class="key" viewBox="0 0 22 12" aria-hidden="true">{sign}</svg>'
    return f'<span class="entry">{sign} {escape(words)}</span>'
