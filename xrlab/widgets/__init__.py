"""Interactive widgets, one module per lesson."""

from xrlab.widgets.panel import Predict as Predict
