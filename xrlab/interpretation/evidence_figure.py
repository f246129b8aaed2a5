"""Figure of the evidence for an interpretation: residual, cuts and comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from xrlab.drawing.plots import WIDEST, add_image, describe
from xrlab.drawing.png import COLOURS, LINES, METHODS, SIGNED
from xrlab.interpretation.evidence import Cut

if TYPE_CHECKING:
    from xrlab.interpretation.result import Interpretation

# What the first panel shows, without a simulated image and with one.
LEFT = {
    True: "the crystal's own pattern as the network estimates it",
    False: "what is left of the image when the simulated one is taken away",
}


def evidence_figure(interpretation: Interpretation) -> go.Figure:
    """Draw the evidence for and against an answer: residual | two cuts | values side by side.

    Without a simulated image there is no residual, and its panel shows the corrected image instead.

    See `xrlab.interpretation.evidence.Evidence` for what they are.
    """
    evidence = interpretation.evidence
    difference, cuts, rows = evidence.residual, evidence.cuts, evidence.comparisons
    first = "corrected" if difference is None else "residual / mean"
    titles = [first, *(f"{c.across} = {c.at:.2f}" for c in cuts), "three methods"]
    figure = make_subplots(
        1, 4, subplot_titles=titles, column_widths=[0.22, 0.2, 0.2, 0.38], horizontal_spacing=0.07
    )
    if difference is None:
        add_image(figure, interpretation.corrected, interpretation.grid, column=1)
    else:
        reach = float(np.nanpercentile(np.abs(difference), 99))
        add_image(figure, difference, interpretation.grid, column=1)
        figure.data[0].update(colorscale=SIGNED, zmin=-reach, zmax=reach)
    for column, cut in enumerate(cuts, start=2):
        _add_cut(figure, cut, column)
    names = [row.name for row in rows]
    methods: dict[str, tuple[list[float | None], list[float | None] | None]] = {
        "network": ([row.value for row in rows], [row.error for row in rows]),
        "physical fit": ([row.fit_value for row in rows], [row.fit_error for row in rows]),
        "ΔPDF": ([row.delta_pdf for row in rows], None),
    }
    for n, (name, (values, errors)) in enumerate(methods.items()):
        if values[0] is not None:
            figure.add_scatter(
                x=np.arange(len(names)) + 0.2 * (n - 1),
                y=values,
                error_y=None if errors is None else {"array": errors, "width": 2},
                name=name,
                mode="markers",
                marker={"color": COLOURS[n], "symbol": METHODS[n], "size": 7},
                text=names,
                hovertemplate="%{text} = %{y:.3f}",
                row=1,
                col=4,
            )
    if any(row.own_error != row.error for row in rows):
        figure.add_scatter(
            x=np.arange(len(names)) - 0.2,
            y=methods["network"][0],
            error_y={"array": [row.own_error for row in rows], "width": 0, "thickness": 5},
            name="network, its own error",
            mode="markers",
            marker={"color": COLOURS[0], "symbol": METHODS[0], "size": 7},
            opacity=0.5,
            hoverinfo="skip",
            row=1,
            col=4,
        )
    ticks = {"tickvals": np.arange(len(names)), "ticktext": names, "tickangle": -90}
    figure.update_xaxes(**ticks, row=1, col=4)
    figure.update_yaxes(title="c(i, j)", title_standoff=2, row=1, col=4)
    below = {"orientation": "h", "y": -0.3, "yanchor": "top"}
    margin = {"l": 50, "r": 10, "t": 40, "b": 45}
    figure.update_layout(width=WIDEST, height=340, legend=below, margin=margin)
    answers = [
        f"{name}: " + ", ".join(f"{value:.2f}" for value in values)
        for name, (values, _) in methods.items()
        if values[0] is not None
    ]
    return describe(
        figure,
        f"Left, {LEFT[difference is None]}; then two cuts with the measured points"
        f"{'' if difference is None else ' and the lines that should pass through them'}; right, "
        f"the values "
        f"{', '.join(names)} by each method. {'; '.join(answers)}.",
    )


def _add_cut(figure: go.Figure, cut: Cut, column: int) -> None:
    """Add measured points with their scatter and the lines that should pass through them."""
    common = {"showlegend": column == 2, "row": 1, "col": column}
    figure.add_scatter(
        x=cut.q,
        y=cut.measured,
        error_y={"array": cut.error, "width": 0, "thickness": 1},
        name="measured",
        mode="markers",
        marker={"color": "#555", "size": 4},
        **common,
    )
    for n, (name, values) in enumerate({"simulated": cut.simulated, "E S + B": cut.fitted}.items()):
        if values is not None:
            line = {"color": COLOURS[n], "dash": LINES[n], "width": 1.5}
            figure.add_scatter(x=cut.q, y=values, name=name, mode="lines", line=line, **common)
    figure.update_xaxes(title=f"{cut.along} (r.l.u.)", title_standoff=4, row=1, col=column)
    figure.update_yaxes(rangemode="tozero", row=1, col=column)
    figure.update_yaxes(title="intensity / mean", title_standoff=2, row=1, col=2)
