"""Names for screen readers, where ipywidgets gives none.

The handle of a slider, the number beside it, a group of radio buttons, a picture and a plotly
figure come without a name. It stands beside them as visible text: `ScreenReaderNames`, put into a
box of widgets, ties the two together, also for what is shown later.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import ipywidgets as ipw


class ScreenReaderNames(anywidget.AnyWidget):
    """Invisible; names every control and picture in the box that holds it.

    A slider takes the name of its label, and its tooltip as description; a picture the first text
    in its column as name, the others as description; radio buttons the question above them; a
    plotly figure what `xrlab.drawing.plots.describe` said of it, or its title. Figures can be read
    on a dark page and in a narrow window, too.

    Examples
    --------
    >>> slider = ipw.FloatSlider(description="c(0, 1)")
    >>> panel = ipw.VBox([slider, ScreenReaderNames()])
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_name("figures.css")


def named(widget: ipw.Widget) -> ipw.VBox:
    """Put a widget into a box in which screen readers find a name for everything."""
    return ipw.VBox([widget, ScreenReaderNames()])
