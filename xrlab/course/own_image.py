"""An image of one's own, from the bytes of its file to an answer: the computations of its page.

An uploaded file is data and nothing else: its bytes go to the readers of `xrlab.io.read`, which
execute nothing, its name is shown and never used as a path, and it is not kept.
"""

from __future__ import annotations

import hashlib
import shlex
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from xrlab.crystal.grid import STANDARD_GRID
from xrlab.interpretation import report
from xrlab.interpretation.interpret import interpret
from xrlab.interpretation.provenance import provenance
from xrlab.interpretation.result import Interpretation
from xrlab.io.axes import is_rlu
from xrlab.io.fetch import simulated_measurement
from xrlab.io.read import read_stored
from xrlab.io.section import Range, Section, on_axes
from xrlab.measurement.pipeline import RECOMMENDED, Pipeline

# Largest file that is accepted, in bytes.
MAX_UPLOAD = 2**26

# Seed of the example's crystal and instrument, and the correlations of its lattice.
EXAMPLE_SEED = 0

EXAMPLE_TRUTH = {"c(0, 1)": 0.1, "c(1, 0)": 0.35, "c(1, 1)": -0.1}

NO_CORRECTION = "none"

# The last upload stays decoded, for other h and k.
_read = lru_cache(maxsize=1)(read_stored)

TYPES = {"html": "text/html", "json": "application/json", "csv": "text/csv"}


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded image and its place in reciprocal space.

    Parameters
    ----------
    name, digest : str
        Name of the file, and the SHA-256 of its content.
    shape : (int, int)
    section : Section or None
        None when its h and k are unknown.
    options : tuple of str
        Arguments with which the command line reads the same section.
    whole : bool
        The image is the standard window itself, so that none needs to be chosen.
    """

    name: str
    digest: str
    shape: tuple[int, ...]
    section: Section | None
    options: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Answer:
    """An interpretation and its documents: "html", "json" and "csv"."""

    result: Interpretation
    documents: dict[str, str]


def too_long(name: str, size: int) -> str:
    """Write that a file is too large, and what to do."""
    return (
        f"{name} has {size / 2**20:,.0f} MiB, and this page takes {MAX_UPLOAD // 2**20} MiB at "
        f"most: cut out the section that you need, or use the command xrlab interpret"
    )


def read_upload(
    content: bytes, name: str, dataset: str = "", h: Range | None = None, k: Range | None = None
) -> Upload:
    r"""Read an uploaded file and place it by the given h and k, or else by its own.

    Parameters
    ----------
    content : bytes
    name : str
        For messages only.
    dataset : str
        Which data set or frame of a file that holds several; a number is a frame.
    h, k : (float, float), optional
        At the first and last row and column. If neither they nor the file give h and k, an image
        of 64 x 64 pixels is placed at 0 to 2, and any other has no section.

    Raises
    ------
    ValueError
        If the file is too long or no image.

    Examples
    --------
    >>> rows = "\n".join(" ".join(str(i + j) for j in range(1, 65)) for i in range(64))
    >>> read_upload(rows.encode(), "image.txt").section.h[[0, -1]].tolist()
    [0.0, 2.0]
    """
    if len(content) > MAX_UPLOAD:
        raise ValueError(too_long(name, len(content)))
    chosen: str | int | None = int(dataset) if dataset.isdecimal() else dataset.strip() or None
    image, axes = _read(content, name, dataset=chosen)
    digest = hashlib.sha256(content).hexdigest()
    options: tuple[str, ...] = () if chosen is None else ("--dataset", str(chosen))
    if h is not None and k is not None:
        options += ("--h", *map(str, h), "--k", *map(str, k))
    if h is None and axes and not all(is_rlu(label) for label, _ in axes):
        return Upload(name, digest, image.shape, None, options)
    section = on_axes(image, axes, h, k)
    whole = section is None and image.shape == STANDARD_GRID.shape
    if whole:
        section = Section.from_range(image, STANDARD_GRID.h, STANDARD_GRID.k)
    return Upload(name, digest, image.shape, section, options, whole)


def example() -> Upload:
    """Simulate the measurement with which the page begins."""
    image = simulated_measurement(EXAMPLE_SEED)
    section = Section.from_range(image, STANDARD_GRID.h, STANDARD_GRID.k)
    return Upload("the example (simulated)", "", image.shape, section, whole=True)


def origin(upload: Upload, corner: tuple[int, int], correction: str) -> dict[str, Any]:
    """Collect where an image came from and how to repeat its interpretation, for the report."""
    command = None
    if upload.digest:
        window = () if upload.whole else ("--window", *map(str, corner))
        pipeline = ("--pipeline", correction) if correction in RECOMMENDED else ()
        file = f"./{upload.name}" if upload.name.startswith("-") else upload.name  # no option
        command = shlex.join(["xrlab", "interpret", file, *upload.options, *window, *pipeline])
    h, k = corner
    return {
        **provenance(pipeline=RECOMMENDED.get(correction), command=command),
        "file": upload.name,
        "sha256": upload.digest or None,
        "window": f"h {h} to {h + 2}, k {k} to {k + 2}",
    }


def read_window(
    image: ArrayLike, correction: str = NO_CORRECTION, source: dict[str, Any] | None = None
) -> Answer:
    """Correct a window, interpret it as a measured image, and write the documents.

    Parameters
    ----------
    image : array, shape (64, 64)
    correction : str
        A name in `RECOMMENDED`, or anything else for none.
    source : dict, optional
        From `origin`.

    Raises
    ------
    ValueError
        If a correction or the network refuses the image.
    """
    with threadpool_limits(1):
        corrected = RECOMMENDED.get(correction, Pipeline())(image)
        result = interpret(corrected)
        documents = {
            "html": report.to_html(result, source),
            "json": report.to_json(result, source),
            "csv": report.to_csv(result),
        }
    return Answer(result, documents)


def verdict(result: Interpretation) -> str:
    """Write in one line of HTML whether the answer may be used; the report gives the reasons."""
    failed = [finding.key for finding in result.findings if not finding.ok]
    read_first = "Read the warnings below before the numbers."
    if result.status == "not explained":
        words = "⚠ <b>Not explained by this model.</b> Do not use the numbers: see why below."
    elif result.status == "in part":
        words = f"⚠ <b>Explained in part only.</b> {read_first}"
    elif failed:
        words = f"⚠ <b>Explained, but a test failed.</b> {read_first}"
    else:
        words = "✓ <b>Nothing speaks against this answer.</b>"
    tests = len(result.findings)
    words += f" Tests passed: {tests - len(failed)} of {tests}"
    return words + (f" (failed: {escape(', '.join(failed))})." if failed else ".")


def links(documents: dict[str, str]) -> str:
    """Write links that save the documents; each contains its document and needs no server."""
    titles = {"html": "report (HTML)", "json": "all numbers (JSON)", "csv": "table (CSV)"}
    return "Save: " + " ".join(
        f'<a download="interpretation.{ending}" href="data:{TYPES[ending]};charset=utf-8;base64,'
        f'{b64encode(text.encode("utf-8", "backslashreplace")).decode()}" style="margin: 0 .4em; '
        f"padding: .3em .8em; border: 1px solid #0072B2; border-radius: 4px; color: #00507d; "
        f'text-decoration: none">{titles[ending]}</a>'
        for ending, text in documents.items()
    )


def embedded(page: str) -> str:
    """Embed a page, in full height and JupyterLab's theme, in a frame where no script can run."""
    shown = (
        "const root = this.contentDocument.documentElement; "
        "this.style.height = root.scrollHeight + 40 + 'px'; "
        "root.style.colorScheme = "
        "{true: 'light', false: 'dark'}[document.body.dataset.jpThemeLight] ?? ''"
    )
    return (
        f'<iframe title="report" sandbox="allow-same-origin" srcdoc="{escape(page)}" '
        f'onload="{shown}" style="width: 100%; height: 1500px; border: 1px solid #bbc"></iframe>'
    )
