"""Pictures for a report as SVG: no script to load, sharp at any size, colours of the page's text.

Every function returns an ``<svg>`` element with its description for those who do not see it. Words
are escaped here, so callers give them as they are.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Reals
from xrlab.drawing.png import INTENSITY, Colours, picture

# A method keeps its colour and its shape in all figures (those of xrlab.drawing.plots, Okabe &
# Ito); on dark pages the style sheet gives lighter ones.
NETWORK, FIT, DELTA_PDF = "network", "fit", "delta-pdf"


@dataclass(frozen=True)
class Frame:
    """A rectangle with axes: from data to places on the page.

    Parameters
    ----------
    x, y : (float, float)
        Data at the left and right, at the lower and upper edge.
    box : (float, float, float, float)
        Left, top, width and height, in units of the page.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    box: tuple[float, float, float, float]

    def right(self, x: float) -> float:
        """Place of x."""
        left, _, width, _ = self.box
        return left + width * (x - self.x[0]) / (self.x[1] - self.x[0])

    def down(self, y: float) -> float:
        """Place of y."""
        _, top, _, height = self.box
        return top + height * (self.y[1] - y) / (self.y[1] - self.y[0])

    def axes(
        self,
        x_label: str,
        y_label: str,
        x_names: Sequence[str] = (),
        y_names: Mapping[float, str] | None = None,
    ) -> str:
        """Draw ticks, labels and the frame; the names along x, if given, stand at 0, 1, 2, ..."""
        left, top, width, height = self.box
        bottom, middle = top + height, top + height / 2
        parts = [f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}"/>']
        for x in range(len(x_names)) if x_names else ticks(*self.x):
            at, name = self.right(x), x_names[int(x)] if x_names else f"{x:g}"
            parts.append(line(at, bottom, at, bottom + 4, "tick"))
            parts.append(text(at, bottom + 15, name, "middle"))
        numbers = {y: f"{y:g}".replace("-", "−") for y in ticks(*self.y)}
        for y, name in (numbers if y_names is None else y_names).items():
            at = self.down(y)
            parts.append(line(left - 4, at, left, at, "tick"))
            parts.append(text(left - 6, at + 4, name, "end"))
        parts.append(text(left + width / 2, bottom + 31, x_label, "middle"))
        turn = f' transform="rotate(-90 12 {middle})"'
        parts.append(
            f'<text x="12" y="{middle}" text-anchor="middle"{turn}>{escape(y_label)}</text>'
        )
        return "".join(parts)


def ticks(low: float, high: float, most: int = 6) -> Floats:
    """Round numbers from low to high, at most so many.

    >>> ticks(0, 2)
    array([0. , 0.5, 1. , 1.5, 2. ])
    """
    step = 10 ** np.floor(np.log10((high - low) / most))
    step *= next(n for n in (1, 2, 5, 10, 20) if (high - low) / (n * step) <= most - 1)
    first = np.ceil(low / step - 1e-9)
    return np.arange(first, np.floor(high / step + 1e-9) + 1) * step + 0.0


def heat_map(
    values: ArrayLike,
    description: str,
    x: tuple[float, float],
    y: tuple[float, float],
    labels: tuple[str, str],
    limits: tuple[float, float],
    colours: Colours = INTENSITY,
    bar: bool = True,
) -> str:
    """Draw an array with row 0 at the bottom and a bar of its colours; NaN is left hatched.

    Parameters
    ----------
    values : array, shape (rows, columns)
    x, y : (float, float)
        Data at the centres of the first and last column and row.
    limits : (float, float)
        Values of the first and the last colour.
    """
    array = np.asarray(values, np.float64)
    rows, columns = array.shape
    half = [(b - a) / (n - 1) / 2 for (a, b), n in ((x, columns), (y, rows))]
    box = (44.0, 8.0, 200.0, 200.0)
    frame = Frame((x[0] - half[0], x[1] + half[0]), (y[0] - half[1], y[1] + half[1]), box)
    parts = [_hatch(box)] if np.isnan(array).any() else []
    parts.append(_png(picture(array, colours, limits, gaps=None), box))
    parts.append(frame.axes(labels[1], labels[0]))
    if bar:
        beside = (250.0, 8.0, 9.0, 200.0)
        strip = np.linspace(*limits, 128)[:, None]
        parts.append(_png(picture(strip, colours, limits, pixels=1), beside))
        scale = Frame((0, 1), limits, beside)
        parts += [
            text(262, min(max(scale.down(tick) + 4, 16), 208), f"{tick:g}".replace("-", "−"))
            for tick in ticks(*limits, 5)
        ]
    return svg_element(300, 246, description, parts)


def svg_element(width: float, height: float, description: str, parts: Iterable[str]) -> str:
    """Join the parts of a picture to an ``<svg>`` element of this size."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(description)}">'
        f"<title>{escape(description)}</title>{''.join(parts)}</svg>"
    )


def _png(png: bytes, box: tuple[float, float, float, float]) -> str:
    left, top, width, height = box
    return (
        f'<image x="{left}" y="{top}" width="{width}" height="{height}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{b64encode(png).decode()}"/>'
    )


def _hatch(box: tuple[float, float, float, float]) -> str:
    """Fill of what was not measured: grey, with lines that no colour scale has."""
    left, top, width, height = box
    lines = "".join(
        f"M{left + max(0, n - height):g} {top + min(n, height):g}"
        f"L{left + min(n, width):g} {top + max(0, n - width):g}"
        for n in range(5, int(width + height), 5)
    )
    return (
        f'<rect class="gap" x="{left}" y="{top}" width="{width}" height="{height}"/>'
        f'<path class="hatch" d="{lines}"/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, style: str = "zero") -> str:
    """Draw a straight line."""
    return f'<path class="{style}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Write words at a place of the page."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def error_bar(frame: Frame, x: float, value: float, error: float, style: str) -> str:
    """Draw an error bar, cut at the edges of the frame."""
    low, high = (min(max(value + sign * error, frame.y[0]), frame.y[1]) for sign in (-1, 1))
    at = frame.right(x)
    return line(at, frame.down(low), at, frame.down(high), f"{style} bar")


def mark(frame: Frame, x: float, value: float, style: str, size: float) -> str:
    """Draw a circle for the network and what is measured, a square for the fit, a diamond else."""
    x, y = frame.right(x), frame.down(value)
    if style == FIT:
        outline = f"M{x - size:.1f} {y - size:.1f}h{2 * size}v{2 * size}h{-2 * size}z"
    elif style == DELTA_PDF:
        reach = 1.4 * size
        outline = f"M{x:.1f} {y - reach:.1f}l{reach} {reach}l{-reach} {reach}l{-reach} {-reach}z"
    else:
        return f'<circle class="{style} mark" cx="{x:.1f}" cy="{y:.1f}" r="{size}"/>'
    return f'<path class="{style} mark" d="{outline}"/>'


def curve(frame: Frame, x: Reals, y: Reals, style: str) -> str:
    """Join the points, with a gap wherever one is NaN."""
    path, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if np.isfinite(b):
            path.append(f"{pen}{frame.right(a):.1f} {frame.down(b):.1f}")
        pen = "L" if np.isfinite(b) else "M"
    return f'<path class="{style} curve" d="{"".join(path)}"/>'
