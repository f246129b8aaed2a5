"""A widget at rest, as HTML: for pages that no kernel serves."""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape

import ipywidgets as ipw
import plotly.graph_objects as go

from xrlab.drawing.plots import html_figure


def still(widget: ipw.Widget, name: str = "picture") -> str:
    """Write what a widget shows: pictures, words, and where its controls stand.

    Parameters
    ----------
    widget : Widget
        One with a method ``still`` writes itself; buttons and other unknown ones leave nothing.
    name : str
        Text alternative of a picture that has none.

    Examples
    --------
    >>> still(ipw.HBox([ipw.IntSlider(3, description="M (lots)"), ipw.Button()]))
    '<div style="display: flex; flex-wrap: wrap; gap: 4px 12px"><div><b>M (lots)</b> 3</div></div>'
    """
    if hasattr(widget, "still"):
        return str(widget.still())
    if isinstance(widget, go.FigureWidget):
        return html_figure(widget, f"figure-{widget.model_id}")
    if isinstance(widget, ipw.Image):
        return picture_html(widget.value, name, widget.layout.width or "auto")
    if isinstance(widget, ipw.HTML):
        return f"<div>{widget.value}</div>" if widget.value else ""
    if isinstance(widget, ipw.Box):
        texts = [each.value for each in widget.children if isinstance(each, ipw.HTML)]
        named = re.sub(r"<[^>]+>", "", texts[0]).strip() if texts else ""
        inside = "".join(still(each, named or name) for each in widget.children)
        row = isinstance(widget, ipw.HBox)
        style = ' style="display: flex; flex-wrap: wrap; gap: 4px 12px"' if row else ""
        return f"<div{style}>{inside}</div>" if inside else ""
    description, label, value = (
        getattr(widget, each, None) for each in ("description", "label", "value")
    )
    if description and value is not None:
        return f"<div><b>{escape(description)}</b> {escape(str(label or value))}</div>"
    return ""


def picture_html(png: bytes, name: str, width: str) -> str:
    """Write a PNG of a width in CSS, with its text alternative."""
    if not png:
        return ""
    source = b64encode(png).decode()
    style = f"width: {width}; max-width: 100%; image-rendering: pixelated"
    return f'<img alt="{escape(name)}" style="{style}" src="data:image/png;base64,{source}">'
