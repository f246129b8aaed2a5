"""Pictures: PNG, SVG and the plotly kit."""
