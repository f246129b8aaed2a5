"""A page for an image of one's own: upload, choose a window, see the corrections, get an answer."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from time import perf_counter
from typing import Any

import anywidget
import ipywidgets as ipw
import traitlets
from threadpoolctl import threadpool_limits

from xrlab.course.own_image import (
    MAX_UPLOAD,
    NO_CORRECTION,
    Answer,
    Upload,
    embedded,
    example,
    links,
    origin,
    read_upload,
    read_window,
    too_long,
    verdict,
)
from xrlab.measurement.pipeline import RECOMMENDED, Pipeline
from xrlab.widgets.corrections import stage_picture
from xrlab.widgets.panel import WRAP, Panel
from xrlab.widgets.section import Pick, WindowPicker

# A file travels in parts of 1 MiB: servers close a connection at a message of 10 MiB.
_PICKER = """
const PART = 2 ** 20;
function render({ model, el }) {
  const input = document.createElement("input");
  input.type = "file";
  input.setAttribute("aria-label", model.get("description"));
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    const head = { name: file.name, size: file.size };
    const send = (start, ...buffers) => model.send({ ...head, start }, undefined, buffers);
    if (file.size === 0 || file.size > model.get("largest")) {
      send(0, new ArrayBuffer(0));
    } else {
      const bytes = await file.arrayBuffer();
      for (let start = 0; start < file.size; start += PART)
        send(start, bytes.slice(start, start + PART));
    }
    input.value = "";  // so that the same file can be chosen again
  });
  el.append(input);
}
export default { render };
"""


class FilePicker(anywidget.AnyWidget):
    """A button to choose a file, which arrives in parts and is passed on when complete.

    Parameters
    ----------
    take : callable
        Gets the name and the content.
    refuse : callable
        Gets a sentence where the file is too long.
    """

    _esm = _PICKER
    description = traitlets.Unicode("the file of your image").tag(sync=True)
    largest = traitlets.Int(MAX_UPLOAD).tag(sync=True)

    def __init__(
        self, take: Callable[[str, bytes], object], refuse: Callable[[str], object]
    ) -> None:
        super().__init__()
        self._take, self._refuse = take, refuse
        self._parts = bytearray()
        self.on_msg(self._on_part)

    def _on_part(self, widget: Any, head: dict[str, Any], buffers: list[Any]) -> None:
        """Join the parts; the browser is not trusted to keep to the limit."""
        name, size, start = str(head["name"]), int(head["size"]), int(head["start"])
        if start == 0:
            self._parts = bytearray()
        if size > self.largest or len(self._parts) + len(buffers[0]) > self.largest:
            self._parts = bytearray()
            self._refuse(too_long(name, size))
        elif start == len(self._parts):  # otherwise a part of a file that was given up
            self._parts += buffers[0]
            if len(self._parts) >= size:
                content, self._parts = bytes(self._parts), bytearray()
                self._take(name, content)


class OwnImage(Panel):
    """Four steps on one page: image, window, corrections, answer.

    Attributes
    ----------
    upload : Upload
        The image; a simulated measurement until one is uploaded.
    answer : Answer or None
        None as long as nothing was interpreted, or something was changed since.
    """

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.upload: Upload | None = None
        self._name = ""
        self._content: bytes | None = None  # of the file; None: the example
        self._picker: WindowPicker | None = None
        self._file = FilePicker(self.take, self._refuse)
        self._dataset = ipw.Text(
            placeholder="only if the file holds several",
            description="data set",
            tooltip="name of the data set, or number of the frame from 0",
            continuous_update=False,
        )
        self._axes = [
            ipw.FloatText(
                value=value,
                description=f"{name} {place}",
                tooltip=f"{name} at the middle of the {place} {line} of pixels, r.l.u.",
                layout=ipw.Layout(width="130px"),
                style={"description_width": "50px"},
            )
            for name, line in (("h", "row"), ("k", "column"))
            for place, value in (("first", 0.0), ("last", 2.0))
        ]
        self._correction = ipw.Dropdown(
            options=[(f"{NO_CORRECTION} (best to begin with)", NO_CORRECTION)]
            + [(name, name) for name in RECOMMENDED],
            description="corrections",
            tooltip="steps that clean the image before it is read",
            layout=ipw.Layout(width="420px"),
        )
        self._said, self._window = ipw.HTML(), ipw.VBox()
        self._place = self._button(
            "use these h and k", "place the image by the four numbers", self.place, self._said
        )
        self._example = self._button(
            "back to the example", "a simulated measurement", self.take_example
        )
        words = "read the correlations off the window"
        self._go = self._button("interpret", words, self.interpret, button_style="primary")
        self._stages = ipw.HBox(layout=ipw.Layout(grid_gap="12px"))
        self._steps = ipw.HTML()
        self._links, self._report = ipw.HTML(), ipw.HTML()
        self._dataset.observe(self._on_dataset, "value")
        self._correction.observe(lambda _: self._changed(), "value")
        limit = MAX_UPLOAD // 2**20
        left = ipw.VBox(
            [
                _title(
                    "1. Image",
                    f"TIFF, NPY, HDF5, NeXus, CBF, EDF, PGM, text, ...; {limit} MiB "
                    "at most. It is read and not kept.",
                ),
                ipw.HBox([self._file, self._example], layout=WRAP),
                self._dataset,
                self._said,
                ipw.HBox([*self._axes, self._place], layout=WRAP),
                _title("2. Window", "Two by two reciprocal cells, from whole h and k on."),
                self._window,
            ],
            layout=ipw.Layout(width="640px"),
        )
        right = ipw.VBox(
            [
                _title(
                    "3. Corrections",
                    "Begin without any: the network was trained with form "
                    "factors, backgrounds, Bragg peaks, gaps and noise.",
                ),
                self._correction,
                self._stages,
                self._steps,
                _title("4. Answer", "Read the warnings before the numbers."),
                self._go,
                self.status,
                self._links,
            ],
            layout=ipw.Layout(width="480px"),
        )
        super().__init__([left, right], self._report)
        self.take_example()

    def take(self, name: str, content: bytes) -> None:
        """Take an uploaded file; errors are shown on the page."""
        self._content, self._name = content, name
        self._dataset.unobserve(self._on_dataset, "value")  # it is read once, below
        self._dataset.value = ""
        self._dataset.observe(self._on_dataset, "value")
        self._say_errors(self.read, self._said)

    def take_example(self) -> None:
        """Go back to the simulated measurement that comes with the page."""
        self._content = None
        self._show(example())

    def read(self) -> None:
        """Read the file anew, with its own h and k."""
        if self._content is not None:
            self._empty()
            self._show(read_upload(self._content, self._name, self._dataset.value))

    def place(self) -> None:
        """Place the image by the four numbers in the fields."""
        h, k = ((first.value, last.value) for first, last in (self._axes[:2], self._axes[2:]))
        if self._content is None:
            raise ValueError("the example lies at h and k from 0 to 2: upload an image first")
        self._empty()
        self._show(read_upload(self._content, self._name, self._dataset.value, h, k))

    def interpret(self) -> Answer:
        """Read the correlations off the window and show them."""
        self._clear()
        upload, chosen = self._pick()
        self._say("Reading the image, fitting it, simulating the answer ...")
        self._go.disabled = True
        start = perf_counter()
        try:
            correction = self._correction.value
            source = origin(upload, chosen.corner, correction)
            self.answer = answer = read_window(chosen.window.image, correction, source)
        finally:
            self._go.disabled = False
        took = f" <small>({perf_counter() - start:.0f} s)</small>"
        self._say(verdict(answer.result) + took)
        self._links.value = links(answer.documents)
        self._report.value = embedded(answer.documents["html"])
        return answer

    def _pick(self) -> tuple[Upload, Pick]:
        if self.upload is None or self._picker is None or self._picker.result is None:
            raise ValueError("there is no window yet: finish steps 1 and 2 first")
        return self.upload, self._picker.result

    def _empty(self) -> None:
        """Remove the last image, so that it is not taken for the next."""
        self.upload = self._picker = None
        self._window.children = []
        self._changed()

    def _show(self, upload: Upload) -> None:
        """Show an image, its window, and the effect of the corrections."""
        picker = WindowPicker(upload.section) if upload.section else None
        self.upload, self._picker = upload, picker
        rows, columns = upload.shape
        words = f"<b>{escape(upload.name)}</b>: {rows} × {columns} pixels. "
        if picker is None:
            words += "It does not say its h and k: type those of its first and last row and column."
        elif upload.whole:
            words += "Taken as h and k from 0 to 2; if they are others, type them."
        self._say(words, self._said)
        if upload.whole:
            self._window.children = [ipw.HTML("The whole image is the window. It is shown beside.")]
        else:
            self._window.children = [picker] if picker else []
        if picker and upload.section:
            ends = (*upload.section.h[[0, -1]], *upload.section.k[[0, -1]])
            for field, value in zip(self._axes, ends, strict=True):
                field.value = round(float(value), 6)
            picker.status.observe(lambda _: self._changed(), "value")
        self._changed()

    def _changed(self) -> None:
        """Show the corrections of the present choice and remove an answer to an earlier one."""
        self._clear()
        self._stages.children, self._steps.value = [], ""
        if self._picker and self._picker.result:
            self._say_errors(self._show_stages)

    def _show_stages(self) -> None:
        pipeline = RECOMMENDED.get(self._correction.value, Pipeline())
        with threadpool_limits(1):
            stages = list(pipeline.stages(self._pick()[1].window.image).values())
        shown = {"as it came": stages[0], "as it is read": stages[-1]}
        self._stages.children = [
            ipw.VBox([ipw.HTML(f"<b>{name}</b>"), ipw.Image(value=stage_picture(image))])
            for name, image in shown.items()
        ]
        steps = escape(" → ".join(pipeline.names) or "No step: both are the same.")
        small = f"<small>{steps}<br>Grey: not measured.</small>"
        self._steps.value = f'<div style="line-height: 1.5">{small}</div>'

    def _on_dataset(self, change: dict[str, Any]) -> None:
        self._say_errors(self.read, self._said)

    def _clear(self) -> None:
        self.answer = None
        self._links.value = self._report.value = ""
        self._say("")

    def _refuse(self, words: str) -> None:
        self._content = None
        self._empty()
        self._say(f"<b>Not possible:</b> {escape(words)}", self._said)


def _title(words: str, more: str) -> ipw.HTML:
    return ipw.HTML(
        f'<h3 style="margin: .6em 0 .1em">{words}</h3>'
        f'<div style="line-height: 1.5"><small>{more}</small></div>'
    )
