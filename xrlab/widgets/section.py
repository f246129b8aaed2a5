"""A widget to pick the window of a section: click a Bragg position, or type h and k."""

from __future__ import annotations

from dataclasses import dataclass

import anywidget
import ipywidgets as ipw
import numpy as np
import traitlets

from xrlab.crystal.arrays import Floats
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.drawing.png import picture
from xrlab.io.section import Section
from xrlab.widgets.panel import Panel
from xrlab.widgets.still import picture_html

# Pixels of the picture of the whole section along its longer side.
OVERVIEW = 320
_CLICKABLE = """
function render({ model, el }) {
  const frame = document.createElement("div");
  frame.style.cssText = "position: relative; display: inline-block; cursor: crosshair";
  const image = document.createElement("img");
  image.style.display = "block";
  const box = document.createElement("div");
  box.style.cssText = "position: absolute; box-sizing: border-box; pointer-events: none; " +
    "border: 2px solid white; outline: 2px solid black";
  frame.append(image, box);
  el.append(frame);
  let address;
  const draw = () => {
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    image.src = address;
    image.alt = model.get("description");
    image.style.width = model.get("width") + "px";
  };
  const mark = () => {
    const [left, bottom, width, height] = model.get("box").map((part) => 100 * part + "%");
    Object.assign(box.style, { left, bottom, width, height });
  };
  frame.addEventListener("click", (event) => {
    const edges = image.getBoundingClientRect();
    model.set("place", [
      (event.clientX - edges.left) / edges.width,
      (edges.bottom - event.clientY) / edges.height,
    ]);
    model.save_changes();
  });
  model.on("change:png change:width change:description", draw);
  model.on("change:box", mark);
  draw();
  mark();
  return () => URL.revokeObjectURL(address);
}
export default { render };
"""


class ClickablePicture(anywidget.AnyWidget):
    """A PNG with a rectangle on it, which says where it was clicked.

    Places and the box (left, bottom, width, height) are fractions of the picture, from its lower
    left corner.
    """

    _esm = _CLICKABLE
    png = traitlets.Bytes().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int(OVERVIEW).tag(sync=True)
    box = traitlets.List(traitlets.Float(), [0.0, 0.0, 1.0, 1.0]).tag(sync=True)
    place = traitlets.List(traitlets.Float(), []).tag(sync=True)

    def still(self) -> str:
        """Write the picture, without the rectangle."""
        return picture_html(self.png, self.description, f"{self.width}px")


@dataclass(frozen=True, eq=False)
class Pick:
    """One window of a section and where it lies.

    Parameters
    ----------
    window : Section
    corner : (int, int)
        Its first h and k.
    box : list of 4 floats
        Left, bottom, width and height in the picture of the section, as fractions.
    measured : float
        Part of its pixels that was measured.
    """

    window: Section
    corner: tuple[int, int]
    box: list[float]
    measured: float


def whole_section(section: Section, pixels: int = OVERVIEW) -> Floats:
    """Resample a section to a picture of itself, alike along h and k."""
    lengths = np.array([np.ptp(section.h), np.ptp(section.k)])
    shape = np.maximum(np.round(pixels * lengths / lengths.max()), 2).astype(int)
    h, k = ((float(values[0]), float(values[-1])) for values in (section.h, section.k))
    return section.window(h, k, (int(shape[0]), int(shape[1]))).image


def place_to_corner(section: Section, place: list[float], cells: int = 2) -> tuple[int, int]:
    """Find the whole h and k nearest to a place in the picture, with the window inside.

    >>> section = Section.from_range(np.ones((9, 9)), h=(-2, 2), k=(-2, 2))
    >>> place_to_corner(section, [0.3, 0.97])  # k is across, h is up
    (0, -1)
    """
    corner = []
    for values, part in ((section.h, place[1]), (section.k, place[0])):
        first, last = _corner_range(values, cells)
        value = values[0] + part * (values[-1] - values[0])
        corner.append(int(np.clip(np.round(value), first, last)))
    return corner[0], corner[1]


def pick(
    section: Section,
    corner: tuple[int, int],
    cells: int = 2,
    shape: tuple[int, int] = STANDARD_GRID.shape,
) -> Pick:
    """Cut the window that begins at a corner.

    Raises
    ------
    ValueError
        If it reaches out of the section, or nothing was measured there.
    """
    h, k = corner
    window = section.window((h, h + cells), (k, k + cells), shape)
    box = [
        part
        for start, values in ((k, section.k), (h, section.h))
        for part in ((start - values[0]) / np.ptp(values), cells / np.ptp(values))
    ]
    return Pick(
        window,
        corner,
        [float(box[n]) for n in (0, 2, 1, 3)],
        float(np.mean(~np.isnan(window.image))),
    )


class WindowPicker(Panel):
    """The section, the window that was clicked or typed on it, and the window beside.

    Parameters
    ----------
    section : Section
        At least `cells` reciprocal cells along h and k.
    cells : int
        Side of the window in reciprocal cells.
    shape : (int, int)
        Pixels of the window.

    Attributes
    ----------
    result : Pick or None
        What is chosen; ``result.window.image`` goes to the corrections and the network.
    """

    def __init__(
        self, section: Section, cells: int = 2, shape: tuple[int, int] = STANDARD_GRID.shape
    ) -> None:
        self.result: Pick | None = None
        self._section, self._cells, self._shape = section, cells, shape
        corners = section.corners(cells)
        nearest = min(corners, key=lambda corner: max(map(abs, corner)), default=None)
        ranges = [_corner_range(values, cells) for values in (section.h, section.k)]
        if any(last < first for first, last in ranges):
            raise ValueError(
                f"a window of {cells} x {cells} cells from whole h and k does not fit the section, "
                f"h from {section.h[0]:.3g} to {section.h[-1]:.3g} and k from "
                f"{section.k[0]:.3g} to {section.k[-1]:.3g}"
            )
        first = nearest or (ranges[0][0], ranges[1][0])
        fields = {}
        for name, (low, high) in zip("hk", ranges, strict=True):
            words = f"first {name} of the window, from {low} to {high} r.l.u."
            limits = {"min": low, "max": high, "layout": {"width": "160px"}}
            fields[name] = ipw.BoundedIntText(description=f"first {name}", tooltip=words, **limits)
        self._follow(fields, dict(zip("hk", first, strict=True)))
        whole = whole_section(section)
        self._limits = (0.0, float(np.nanpercentile(whole, 99)))
        self.picture = ClickablePicture(
            png=picture(whole, limits=self._limits, pixels=whole.shape[1], gaps=None),
            width=whole.shape[1],
            description="The section: k to the right, h upwards. A click chooses the corner of the "
            "window; the fields first h and first k do the same.",
        )
        self._watch(self.picture, self._on_click, "place")
        self._window = ipw.Image(format="png", layout=ipw.Layout(width="256px", height="256px"))
        around = (
            f"h from {section.h[0]:.3g} to {section.h[-1]:.3g} upwards,<br>k from "
            f"{section.k[0]:.3g} to {section.k[-1]:.3g} to the right (r.l.u.)<br>"
            f"click the lower left corner of the window"
        )
        beside = f"{shape[0]} × {shape[1]} pixels, colours as beside,<br>empty: unmeasured"
        views = ("section", self.picture, around), ("window", self._window, beside)
        panels = [
            ipw.VBox([ipw.HTML(f"<b>{title}</b>"), view, ipw.HTML(f"<small>{caption}</small>")])
            for title, view, caption in views
        ]
        super().__init__([*fields.values(), self.reset], panels, self.status)
        self._say_errors(self.refresh)

    def refresh(self) -> Pick:
        """Cut the window that the fields ask for and show it."""
        self.result = None
        h, k = (int(field.value) for field in self.controls.values())
        self.result = chosen = pick(self._section, (h, k), self._cells, self._shape)
        self.picture.box = chosen.box
        self._window.value = picture(chosen.window.image, limits=self._limits, gaps=None)
        behind = float(np.nanmedian(chosen.window.weight[chosen.window.weight > 0]))
        self._say(
            f"<b>Window:</b> h from {h} to {h + self._cells}, k from {k} to {k + self._cells}; "
            f"{chosen.measured:.0%} measured; every pixel averages about {behind:.3g} of the "
            f"section's."
        )
        return chosen

    def _on_click(self) -> None:
        place = self.picture.place
        if len(place) == 2 and np.isfinite(place).all():
            corner = place_to_corner(self._section, place, self._cells)
            self._put_back(dict(zip("hk", corner, strict=True)))


def _corner_range(values: Floats, cells: int) -> tuple[int, int]:
    """First and last whole number at which a window along an axis may begin."""
    slack = float(values[1] - values[0]) / 2 + 1e-9  # half a pixel
    return (int(np.ceil(values[0] - slack)), int(np.floor(values[-1] + slack - cells)))
