"""Figures: plotly for looking closely, small PNG pictures for what must follow the hand.

Images have k to the right and h upwards, lattices b to the right and a upwards, encodings j to the
right and i downwards, as a matrix is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from PIL import Image
from plotly.colors import sample_colorscale, unlabel_rgb
from plotly.subplots import make_subplots

from xrlab import evidence
from xrlab.diffraction import STANDARD_GRID, ReciprocalGrid
from xrlab.encoding import Encoding, component_names
from xrlab.metrics import r2_score

if TYPE_CHECKING:
    from xrlab.interpret import Interpretation
    from xrlab.lattice import Lattice
    from xrlab.training import History

# Safe for colour-blind readers: even steps of lightness, and red-blue with white at 0.
Colours = str | tuple[tuple[float, str], ...]
INTENSITY, SIGNED = "Viridis", "RdBu"
SITES = ((0.0, "rgb(242, 239, 230)"), (1.0, "rgb(27, 58, 75)"))
MARKERS = ("circle", "x", "diamond", "cross")
METHODS = ("circle", "square", "diamond")
LINES = ("solid", "dash", "dot", "dashdot")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito


def describe(figure: go.Figure, text: str) -> go.Figure:
    """Give a figure a text alternative, for those who cannot see it; return the figure.

    It is kept in the figure (``layout.meta``), so it goes wherever the figure goes.

    Raises
    ------
    ValueError
        If there is no text.

    Examples
    --------
    >>> figure = describe(go.Figure(layout_title="Grain"), "The grain falls as 1/√M, to 0.33.")
    >>> description(figure)
    'The grain falls as 1/√M, to 0.33.'
    """
    text = " ".join(text.split())
    if not text:
        raise ValueError("the description of a figure is empty: say in a sentence what it shows")
    return figure.update_layout(meta={**(figure.layout.meta or {}), "description": text})


def description(figure: go.Figure) -> str:
    """Return the text alternative of a figure: what `describe` was told, or what its titles say.

    Examples
    --------
    >>> figure = go.Figure(go.Scatter(y=[1, 2], name="law"), {"title": {"text": "Grain"}})
    >>> description(figure.update_xaxes(title="M (lots)").update_yaxes(title="grain"))
    'Grain; across: M (lots); up: grain; shown: law.'
    """
    meta = figure.layout.meta
    if isinstance(meta, Mapping) and meta.get("description"):
        return str(meta["description"])
    axes = [
        dict.fromkeys(filter(None, (axis.title.text for axis in select())))
        for select in (figure.select_xaxes, figure.select_yaxes)
    ]
    parts = {
        "": [figure.layout.title.text],
        "panels: ": [each.text for each in figure.layout.annotations],
        "across: ": axes[0],
        "up: ": axes[1],
        "shown: ": dict.fromkeys(trace.name for trace in figure.data),
    }
    said = [word + ", ".join(filter(None, texts)) for word, texts in parts.items() if any(texts)]
    plain = re.sub(r"<[^>]+>", " ", "; ".join(said) or "A figure without a title")
    return " ".join(plain.split()) + "."


def interpretation_figure(interpretation: Interpretation) -> go.Figure:
    """Draw measured | structure | simulated | encoding side by side.

    Where there is a physical fit, measured and simulated are both E S + B in the units of the
    measurement, on one colour scale that leaves the Bragg peaks out; otherwise both are the
    crystal's own pattern S.
    """
    shown = interpretation.measured if interpretation.fit else interpretation.corrected
    own = interpretation.kind == "measured" and not interpretation.fit
    title = "measured, corrected" if own else "measured"
    figure = _panels(title, "structure", "simulated", "encoding")
    add_image(figure, shown, interpretation.grid, column=1)
    add_lattice(figure, interpretation.lattice, column=2)
    add_image(figure, interpretation.simulated, interpretation.grid, column=3)
    add_encoding(figure, interpretation.encoding, interpretation.standard_error, column=4)
    if interpretation.fit:
        top = float(np.percentile(shown[evidence.counts(interpretation)], 99))
        for panel in (figure.data[0], figure.data[2]):
            panel.zmax = top
    values = _values(interpretation.encoding, interpretation.standard_error)
    return describe(
        figure,
        f"Left, the image, {title}; then a structure made after the answer, its simulated image, "
        f"and the encoding: {values}.",
    )


def evidence_figure(interpretation: Interpretation) -> go.Figure:
    """Draw what speaks for the answer and against it: residual | two cuts | values side by side.

    See `xrlab.evidence` for what each of them is.
    """
    difference = evidence.residual(interpretation)
    cuts, rows = evidence.cuts(interpretation), evidence.components(interpretation)
    titles = ["residual / mean", *(f"{c.across} = {c.at:.2f}" for c in cuts), "three methods"]
    figure = make_subplots(
        1, 4, subplot_titles=titles, column_widths=[0.22, 0.2, 0.2, 0.38], horizontal_spacing=0.07
    )
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
    figure.update_layout(width=960, height=340, legend=below, margin=margin)
    answers = [
        f"{name}: " + ", ".join(f"{value:.2f}" for value in values)
        for name, (values, _) in methods.items()
        if values[0] is not None
    ]
    return describe(
        figure,
        "Left, what is left of the image when the simulated one is taken away; then two cuts with "
        "the measured points and the lines that should pass through them; right, the values "
        f"{', '.join(names)} by each method. {'; '.join(answers)}.",
    )


def lattice_figure(
    lattice: Lattice, image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID
) -> go.Figure:
    """Draw encoding | lattice | diffraction image."""
    figure = _panels("realised encoding", "lattice", "diffraction image")
    add_encoding(figure, lattice.realised, column=1)
    add_lattice(figure, lattice, column=2)
    add_image(figure, image, grid, column=3)
    return describe(
        figure,
        f"Left, the realised encoding, {_values(lattice.realised)}; then the lattice with this "
        f"order, {len(lattice.sites)} sites along each side; right, its diffraction image.",
    )


def images_figure(
    images: Mapping[str, ArrayLike], grid: ReciprocalGrid = STANDARD_GRID
) -> go.Figure:
    """Draw several images side by side, each on its own colour scale."""
    figure = _panels(*images)
    for column, image in enumerate(images.values(), start=1):
        add_image(figure, image, grid, column)
    return figure


def history_figure(history: History, title: str = "Learning curve") -> go.Figure:
    """Draw training and validation loss against the epoch, the best epoch marked."""
    figure = go.Figure()
    epochs = np.arange(1, len(history.loss) + 1)
    for i, (name, loss) in enumerate(
        {"training": history.loss, "validation": history.validation_loss}.items()
    ):
        line = {"color": COLOURS[i], "dash": LINES[i]}
        figure.add_scatter(x=epochs, y=loss, name=name, mode="lines", line=line)
    figure.add_vline(
        history.best_epoch, line_dash="dot", annotation_text=f"best epoch, {history.best_epoch}"
    )
    figure.update_yaxes(title="mean squared error", type="log", dtick="D2")
    figure.update_xaxes(title="epoch")
    figure.update_layout(title=title, height=380, width=640)
    return describe(
        figure,
        f"{title}: over {len(epochs)} epochs the training loss goes from {history.loss[0]:.2g} to "
        f"{history.loss[-1]:.2g}, the validation loss from {history.validation_loss[0]:.2g} to "
        f"{history.validation_loss[-1]:.2g}; the best epoch is {history.best_epoch}.",
    )


def parity_figure(true: ArrayLike, estimates: Mapping[str, ArrayLike]) -> go.Figure:
    """Draw estimate against truth for one or more methods, one panel each.

    Parameters
    ----------
    true : array, shape (samples, components)
    estimates : mapping from a method's name to an array of the same shape
    """
    true = np.asarray(true)
    titles = [f"{name}: R² = {r2_score(true, each):.4f}" for name, each in estimates.items()]
    figure = make_subplots(1, len(titles), subplot_titles=titles, shared_yaxes=True)
    names = component_names(Encoding.from_vector(true[0]).span)
    for column, estimate in enumerate(estimates.values(), start=1):
        figure.add_scatter(
            x=true.ravel(),
            y=np.asarray(estimate).ravel(),
            text=np.tile(names, len(true)),
            mode="markers",
            marker={"size": 3, "color": COLOURS[column - 1], "symbol": MARKERS[column - 1]},
            hovertemplate="%{text}: true %{x:.3f}, found %{y:.3f}<extra></extra>",
            row=1,
            col=column,
        )
        add_diagonal(figure, column)
    figure.update_xaxes(title="true c(i, j)", range=[-1.1, 1.1])
    figure.update_yaxes(range=[-1.1, 1.1])
    figure.update_yaxes(title="found c(i, j)", col=1)
    return figure.update_layout(showlegend=False, height=420, width=420 * len(titles))


def add_diagonal(figure: go.Figure, column: int = 1) -> None:
    """Add the line on which two estimates of a correlation agree to a row of panels."""
    figure.add_scatter(
        x=[-1, 1], y=[-1, 1], mode="lines", line={"color": "#555", "width": 1}, row=1, col=column
    )


def add_image(
    figure: go.Figure, image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID, column: int = 1
) -> None:
    """Add a diffraction image to a row of panels; the colours end at its 99th percentile."""
    values = np.asarray(image, np.float32)
    figure.add_heatmap(
        z=values,
        x=grid.k_values,
        y=grid.h_values,
        colorscale=INTENSITY,
        zmin=0,
        zmax=float(np.nanpercentile(values, 99)),
        showscale=False,
        hovertemplate="h = %{y:.3f}, k = %{x:.3f} r.l.u.: %{z:.3g}<extra></extra>",
        row=1,
        col=column,
    )
    _label(figure, column, "k (r.l.u.)", "h (r.l.u.)")


def add_lattice(figure: go.Figure, lattice: Lattice, column: int = 1) -> None:
    """Add the sites of a lattice to a row of panels."""
    figure.add_heatmap(
        z=lattice.sites,
        colorscale=SITES,
        showscale=False,
        hovertemplate="site (%{y}, %{x}): %{z}<extra></extra>",
        row=1,
        col=column,
    )
    _label(figure, column, "along b (sites)", "along a (sites)")


def add_encoding(
    figure: go.Figure,
    encoding: Encoding,
    standard_error: ArrayLike | None = None,
    column: int = 1,
) -> None:
    """Add the matrix of an encoding to a row of panels, its values written in."""
    text = [[f"{value:.2f}" for value in row] for row in encoding.matrix]
    if standard_error is not None:
        for n, error in enumerate(np.asarray(standard_error), start=1):
            i, j = divmod(n, encoding.span)
            text[i][j] += f"<br>± {error:.2f}"
    figure.add_heatmap(
        z=encoding.matrix,
        text=text,
        texttemplate="%{text}",
        colorscale=SIGNED,
        zmin=-1,
        zmax=1,
        showscale=False,
        hovertemplate="c(%{y}, %{x}) = %{z:.3f}<extra></extra>",
        row=1,
        col=column,
    )
    _label(figure, column, "j", "i")
    figure.update_xaxes(dtick=1, row=1, col=column)
    figure.update_yaxes(dtick=1, autorange="reversed", row=1, col=column)


def _add_cut(figure: go.Figure, cut: evidence.Cut, column: int) -> None:
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


def _values(encoding: Encoding, standard_error: ArrayLike | None = None) -> str:
    """Write out an encoding, for those who cannot see its matrix."""
    errors = [""] * len(encoding.vector)
    if standard_error is not None:
        errors = [f" ± {error:.2f}" for error in np.asarray(standard_error)]
    return ", ".join(
        f"{name} = {value:.2f}{error}"
        for name, value, error in zip(
            component_names(encoding.span), encoding.vector, errors, strict=True
        )
    )


def _panels(*titles: str) -> go.Figure:
    width = 240 * len(titles)  # four panels fit a page
    figure = make_subplots(1, len(titles), subplot_titles=titles, horizontal_spacing=65 / width)
    return figure.update_layout(
        width=width, height=280, margin={"l": 50, "r": 10, "t": 40, "b": 45}
    )


def _label(figure: go.Figure, column: int, x_title: str, y_title: str) -> None:
    x_axis = "x" if column == 1 else f"x{column}"
    figure.update_xaxes(title=x_title, constrain="domain", row=1, col=column)
    figure.update_yaxes(title=y_title, scaleanchor=x_axis, constrain="domain", row=1, col=column)
    figure.update_xaxes(title_standoff=4, row=1, col=column)
    figure.update_yaxes(title_standoff=2, row=1, col=column)


def picture(
    values: ArrayLike,
    colours: Colours = INTENSITY,
    limits: tuple[float, float] | None = None,
    pixels: int = 256,
    upwards: bool = True,
    gaps: bool = False,
) -> bytes:
    """Draw an array as a PNG, for an `ipywidgets.Image` that follows a slider.

    Parameters
    ----------
    values : array, shape (rows, columns)
    colours : plotly colour scale
    limits : (float, float), optional
        Values of the first and the last colour; 0 and the 99th percentile if not given.
    pixels : int
        Width of the picture; every value becomes a square of whole pixels at most this wide in all.
    upwards : bool
        Draw row 0 at the bottom.
    gaps : bool
        Leave NaN transparent; otherwise it is drawn as 0.

    Returns
    -------
    bytes
        A PNG file.
    """
    given = np.asarray(values, np.float64)
    array = np.nan_to_num(given)
    low, high = limits or (0.0, float(np.percentile(array, 99)))
    scaled = np.clip((array - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(scaled[::-1] if upwards else scaled))
    image.putpalette(palette(colours))
    missing = np.isnan(given)
    if gaps and missing.any():
        opaque = Image.fromarray(
            np.where(missing[::-1] if upwards else missing, 0, 255).astype("u1")
        )
        image = image.convert("RGB")
        image.putalpha(opaque)
    zoom = max(1, pixels // array.shape[1])
    image = image.resize((zoom * array.shape[1], zoom * array.shape[0]), Image.Resampling.NEAREST)
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


@cache
def palette(colours: Colours) -> list[int]:
    """256 colours of a plotly scale as red, green, blue, red, ..."""
    named = colours if isinstance(colours, str) else list(map(list, colours))
    scale = sample_colorscale(named, np.linspace(0, 1, 256).tolist())
    return [round(part) for colour in scale for part in unlabel_rgb(colour)]
