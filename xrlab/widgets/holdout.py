"""A widget that spoils an image: a slider from clean to a bad day, and who can still read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from xrlab.crystal.arrays import Floats, Singles
from xrlab.crystal.encoding import component_names
from xrlab.crystal.grid import BRAGG_RADIUS, STANDARD_GRID
from xrlab.crystal.setting import SETTING, SPAN
from xrlab.datasets.dataset import make_sample
from xrlab.drawing.plots import WIDEST, add_curve
from xrlab.drawing.png import picture
from xrlab.networks import measured
from xrlab.networks.folding import unfold
from xrlab.trials.degradation import degradation
from xrlab.trials.repeats import rms
from xrlab.trials.rivals import cut_delta_pdf
from xrlab.trials.trial import NINETY
from xrlab.widgets.panel import Panel, captioned_pictures, scrolling, slider

START = {"t": 0.0, "crystal": 0, "day": 0}

# Seed of the crystals. It belongs to no training.
CRYSTALS = 606


@dataclass(frozen=True, eq=False)
class Spoiled:
    """One image, spoiled, and what two methods read off it.

    Parameters
    ----------
    clean, image, cleaned : arrays, shape (64, 64)
        Before and after the instrument (NaN where unmeasured), and what the network makes of it.
    true, mean, standard_error, delta_pdf : arrays, shape (15,)
        The realised encoding, the network's answer with its errors, and `cut_delta_pdf`.
    """

    clean: Singles
    image: Floats
    cleaned: Floats
    true: Floats
    mean: Floats
    standard_error: Floats
    delta_pdf: Floats

    @property
    def inside(self) -> int:
        """How many true values lie in the network's 90 % intervals."""
        return int(np.sum(np.abs(self.mean - self.true) < NINETY * self.standard_error))


def compute(t: float = 0.0, crystal: int = 0, day: int = 0) -> Spoiled:
    """Take a crystal, spoil its image by t of a bad day, and read it.

    Parameters
    ----------
    t : float
        0 (clean) to 1 (bad day), see `degradation`.
    crystal, day : int
        Seeds of the lattice and of the bad day.

    Raises
    ------
    ValueError
        If t is outside its range.
    """
    clean, true = _crystal(crystal)
    image = degradation(clean, t, day)
    reading = measured.read(image[None])
    return Spoiled(
        clean=clean,
        image=image,
        cleaned=unfold(reading.cells[0], STANDARD_GRID.h_values),
        true=true,
        mean=reading.mean[0],
        standard_error=reading.standard_error[0],
        delta_pdf=cut_delta_pdf(image).vector,
    )


@lru_cache(maxsize=32)
def _crystal(number: int) -> tuple[Singles, Floats]:
    image, realised, _ = make_sample(SPAN, CRYSTALS, number, SETTING)
    return image, realised.vector


class BadDayExplorer(Panel):
    """A slider from clean to a bad day; image, cleaned pattern and encoding follow."""

    def __init__(self) -> None:
        self.result: Spoiled | None = None
        wide: dict[str, Any] = {"layout": {"width": "330px"}}
        words = "0 is a clean image, 1 has all that can go wrong at once"
        days = "another form factor, background, other gaps and faults"
        controls = {
            "t": slider("t (bad day)", words, 0, 1, 0.05, readout_format=".2f", **wide),
            "crystal": slider("crystal", "another encoding", 0, 49, **wide),
            "day": slider("day", days, 0, 49, **wide),
        }
        self._follow(controls, START)
        self._pictures, pictures = captioned_pictures(
            {
                "clean image": "the truth, hidden from both methods",
                "measured": "grey: unmeasured; colours end at the<br>99th percentile away from "
                "Bragg peaks",
                "cleaned by the network": "one cell, repeated; the network<br>reads its "
                "correlations off this",
            },
            width=250,
        )
        # With its first points: what is sent to a figure before the page shows it can get lost.
        self.figure = go.FigureWidget(_figure(self._compute()))
        super().__init__(
            [*controls.values(), self.reset], pictures, self.status, scrolling(self.figure)
        )
        self.refresh()

    def refresh(self) -> Spoiled:
        """Compute what the sliders ask for and show it."""
        self.result = result = self._compute()
        shown: tuple[ArrayLike, ...] = (result.clean, result.image, result.cleaned)
        for image, values in zip(self._pictures.values(), shown, strict=True):
            image.value = _with_grey(values)
        with self.figure.batch_update():
            # All coordinates, also those that stay: see `eda_widgets.PairExplorer`.
            for trace, new in zip(self.figure.data, _figure(result).data, strict=True):
                trace.x, trace.y, trace.error_y = new.x, new.y, new.error_y
        off = rms(result.mean - result.true), rms(result.delta_pdf - result.true)
        self._say(
            f"<b>Root mean square error:</b> network {off[0]:.3f} (it says "
            f"{rms(result.standard_error):.3f}), ΔPDF {off[1]:.3f}. "
            f"{result.inside} of {len(result.true)} true values lie in the network's 90 % "
            f"intervals. {np.isnan(result.image).mean():.0%} of the image is unmeasured."
        )
        return result

    def _compute(self) -> Spoiled:
        chosen = {name: control.value for name, control in self.controls.items()}
        with threadpool_limits(1, user_api="blas"):  # the products are small
            return compute(**chosen)


def _with_grey(values: ArrayLike) -> bytes:
    """Draw an image as a PNG, grey where it is NaN."""
    image = np.asarray(values, np.float64)
    away = STANDARD_GRID.distance_to_bragg() > BRAGG_RADIUS
    return picture(image, limits=(0.0, float(np.nanpercentile(image[away], 99))))


def _figure(result: Spoiled) -> go.Figure:
    """Truth and both readings, component by component."""
    figure = go.Figure()
    names = component_names(SPAN)
    place = np.arange(len(names))
    dash = {"symbol": "line-ew", "size": 26, "line": {"width": 3, "color": "#222"}}
    add_curve(figure, place, result.true, 0, "markers", name="truth", marker=dash)
    bars = {"type": "data", "array": NINETY * result.standard_error}
    named = {"name": "network, 90 % interval", "error_y": bars}
    add_curve(figure, place - 0.2, result.mean, 0, "markers", **named)
    named = {"name": "ΔPDF, Bragg peaks cut", "marker": {"size": 9}}
    add_curve(figure, place + 0.2, result.delta_pdf, 1, "markers", **named)
    figure.update_xaxes(
        title="component", tickvals=list(range(len(names))), ticktext=names, tickangle=-45
    )
    figure.update_yaxes(title="c(i, j)", range=[-1.05, 1.05])
    return figure.update_layout(
        width=WIDEST,
        height=380,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        margin={"l": 60, "r": 10, "t": 40, "b": 70},
    )
