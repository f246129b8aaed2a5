"""An interpretation as JSON, as CSV, and as a report: one self-contained HTML page.

The page has no scripts and loads nothing: its pictures are embedded, and a content security policy
forbids anything else. All text from outside, such as the name of a file, is escaped.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xrlab.crystal.arrays import Floats
from xrlab.crystal.encoding import component_names
from xrlab.drawing import svg
from xrlab.drawing.png import SHOWN_SITES, SIGNED, SITES, palette
from xrlab.interpretation import report_pictures
from xrlab.interpretation.evidence import CUT_WIDTH
from xrlab.io.files import write

if TYPE_CHECKING:
    from xrlab.interpretation.result import Interpretation


COLUMNS = ("component", "value", "standard_error", "fit_value", "fit_standard_error", "delta_pdf")

STYLE = (Path(__file__).parent / "report.css").read_text("utf-8")


def to_json(result: Interpretation, provenance: Mapping[str, Any] | None = None) -> str:
    """Write numbers, words and provenance as JSON; null for what is missing or not a number."""
    document = {**result.to_dict(), "provenance": dict(provenance or {})}
    return json.dumps(_plain(document), indent=1) + "\n"


def to_csv(result: Interpretation) -> str:
    """Write one row for each correlation, in full precision; empty where a method gives nothing."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for row in result.evidence.comparisons:
        values = (row.value, row.error, row.fit_value, row.fit_error, row.delta_pdf)
        rows.writerow([row.name, *("" if value is None else repr(value) for value in values)])
    return text.getvalue()


def to_html(result: Interpretation, provenance: Mapping[str, Any] | None = None) -> str:
    """Write the report: the answer, the four panels, the evidence, and how to repeat it."""
    origin = dict(provenance or {})
    name = str(origin.get("file") or "an image")
    body = "".join(
        [
            f"<h1>Disorder in {escape(name)}</h1>",
            _verdict(result),
            f'<p class="answer">{_bold_axes(escape(answer(result)))}</p>',
            _windows(result),
            _panels(result),
            "<h2>Does the answer give the image?</h2>",
            _not_run() if result.simulated is None else _residual_and_cuts(result),
            "<h2>Do other methods agree?</h2>",
            _methods(result),
            "<h2>What was tested</h2>" if result.findings else "",
            _findings(result),
            "<h2>How to repeat it</h2>",
            _origin(origin),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>xrlab: {escape(name)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def save_report(
    result: Interpretation,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a report to a file that ends in .html, .json or .csv.

    The file is replaced when the new one is complete, so a failure leaves an older one as it was.

    Raises
    ------
    ValueError
        If the file has another ending.
    OSError
        If it cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending in (".html", ".htm"):
        return write(path, to_html(result, provenance))
    if ending == ".json":
        return write(path, to_json(result, provenance))
    if ending == ".csv":
        return write(path, to_csv(result))
    raise ValueError(f"a report is a file that ends in .html, .json or .csv; got {path.name!r}")


def answer(result: Interpretation) -> str:
    """Write the answer as one sentence: what nearest neighbours do, with errors.

    A correlation beyond twice its standard error counts as significant.
    """
    span, values = result.encoding.span, result.encoding.vector
    b, a = (_neighbours(n, span, values, result.standard_error) for n in (0, span - 1))
    words = f"along a, neighbours {a}; along b, they {b}."
    if result.image_r2 is not None:
        words += (
            f" The image simulated from all {values.size} correlations has "
            f"R² = {number(result.image_r2)} with the measured one, Bragg peaks left out."
        )
    if result.status == "not tested":
        words += " Whether such correlations explain the image was not tested."
    return words[0].upper() + words[1:] if result.explained else f"Taken at face value: {words}"


def number(value: float | None, digits: int = 2) -> str:
    """Write a number with a true minus sign; a dash where there is none.

    >>> number(-0.126), number(None)
    ('−0.13', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def _neighbours(n: int, span: int, values: Floats, errors: Floats) -> str:
    value, error = float(values[n]), float(errors[n])
    if abs(value) <= 2 * error:
        word = "show no preference beyond the error"
    else:
        word = "prefer to be alike" if value > 0 else "prefer to differ"
    return f"{word} ({component_names(span)[n]} = {number(value)} ± {number(error)})"


def _bold_axes(words: str) -> str:
    """Set **a** and **b** as vectors are set."""
    return re.sub(r"(along )([ab])\b", r"\1<b>\2</b>", words, flags=re.IGNORECASE)


def _verdict(result: Interpretation) -> str:
    """Write the warnings, the first as a red banner where the model does not explain the image."""
    parts = [f'<p class="warning">{escape(warning)}</p>' for warning in result.warnings]
    if not result.explained:
        parts[0] = f'<p class="banner" role="alert">⚠ {escape(result.warnings[0])}</p>'
    return "".join(parts)


def _windows(result: Interpretation) -> str:
    """Say of which windows of a section the answer is, and of which one all else is."""
    windows = result.windows
    if windows is None:
        return ""
    h, k = result.grid.h[0], result.grid.k[0]
    scale = (
        f" By the levels of the cells the common scale of the correlations is "
        f"{number(windows.scale)} ± {number(windows.scale_error)} times that of the windows."
        if isfinite(windows.scale)
        else ""
    )
    return (
        f"<p>The values are those of {windows.used.sum()} windows of 2 × 2 reciprocal cells "
        f"together, out of {len(windows.corners)} in the section.{scale} Pictures, fit and tests "
        f"are those of the clearest window, from h = {h:g} and k = {k:g} on.</p>"
    )


def _panels(result: Interpretation) -> str:
    """Measured | structure | simulated | encoding; measured | corrected | encoding without fit."""
    limits = (0.0, float(np.percentile(result.measured[result.evidence.counts], 99)))
    place: dict[str, Any] = {
        "x": result.grid.k,
        "y": result.grid.h,
        "labels": ("h (r.l.u.)", "k (r.l.u.)"),
    }
    missing = float(np.isnan(result.measured).mean())
    measured = _figure(
        "measured" if result.kind == "measured" else "given",
        svg.heat_map(
            result.measured,
            "The given image: intensity against h and k.",
            limits=limits,
            **place,
        ),
        f"{missing:.1%} unmeasured, hatched." if missing else "",
    )
    encoding = _figure(
        "encoding", _matrix(result), "c(i, j) ± standard error; blue alike, red unlike."
    )
    if result.simulated is None or result.lattice is None or result.evidence.simulated is None:
        corrected = _figure(
            "corrected",
            svg.heat_map(
                result.corrected,
                "The crystal's own pattern as the network estimates it.",
                limits=(0.0, float(result.corrected.max())),
                **place,
            ),
            "Without form factor, background, Bragg peaks and noise; mean 1.",
        )
        return f'<div class="panels">{measured}{corrected}{encoding}</div>'
    sites = result.lattice.sites[:SHOWN_SITES, :SHOWN_SITES]
    last = (0.0, float(len(sites) - 1))
    structure = _figure(
        "structure",
        svg.heat_map(
            sites,
            f"Part of a simulated lattice, {len(sites)} by {len(sites)} sites, with these "
            f"correlations; {result.lattice.concentration:.0%} of them dark.",
            x=last,
            y=last,
            labels=("along a (sites)", "along b (sites)"),
            limits=(-1, 1),
            colours=SITES,
            bar=False,
        ),
        "One of many with these correlations.",
    )
    simulated = _figure(
        "simulated",
        svg.heat_map(
            result.evidence.simulated,
            f"The image of that lattice; R squared {number(result.image_r2)} with the measured.",
            limits=limits,
            **place,
        ),
        "Same scale and colours as measured.",
    )
    return f'<div class="panels">{measured}{structure}{simulated}{encoding}</div>'


def _figure(title: str, picture: str, caption: str = "") -> str:
    return (
        f"<figure><figcaption><b>{escape(title)}</b></figcaption>{picture}"
        f'<p class="caption">{escape(caption)}</p></figure>'
    )


def _matrix(result: Interpretation) -> str:
    span, scale = result.encoding.span, np.reshape(palette(SIGNED), (256, 3))
    errors = np.concatenate([[0.0], result.standard_error]).reshape(span, span)
    head = "".join(f'<th scope="col">j = {j}</th>' for j in range(span))
    rows = []
    for i, values in enumerate(result.encoding.matrix):
        cells = []
        for j, value in enumerate(values):
            colour = scale[round((value + 1) / 2 * 255)]
            dark = colour @ [0.299, 0.587, 0.114] < 140
            style = f"background:rgb{tuple(colour.tolist())};color:{'#fff' if dark else '#111'}"
            error = (
                f"<small>± {number(errors[i, j])}</small>" if i or j else "<small>always</small>"
            )
            cells.append(f'<td style="{style}">{number(value)}{error}</td>')
        rows.append(f'<tr><th scope="row">i = {i}</th>{"".join(cells)}</tr>')
    return (
        f'<table class="matrix"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _not_run() -> str:
    """Say what only the full interpretation adds."""
    return (
        "<p>Not tested: this is the quick answer, of the network alone. The full one (without "
        "<code>--quick</code>, or with <code>fit=True</code>) adds a physical fit of E S + B as a "
        "second answer, the checks of whether any encoding explains the image (periodic and "
        "residual structure, inversion symmetry, periodicity, positivity, agreement of network "
        "and fit), wider errors where one does so in part only, a lattice with these "
        "correlations, and its image to lay beside the measured one.</p>"
    )


def _residual_and_cuts(result: Interpretation) -> str:
    difference = result.evidence.residual
    assert difference is not None  # there is a simulated image
    reach = float(np.nanpercentile(np.abs(difference), 99)) or 1.0
    spread = float(np.sqrt(np.nanmean(difference**2)))
    figures = [
        _figure(
            "measured − simulated",
            svg.heat_map(
                difference,
                f"Residual against h and k, root mean square {spread:.2f} of the mean intensity.",
                x=result.grid.k,
                y=result.grid.h,
                labels=("h (r.l.u.)", "k (r.l.u.)"),
                limits=(-reach, reach),
                colours=SIGNED,
            ),
            f"In units of the mean; rms {number(spread)}. Bragg peaks hatched. One lattice has its "
            f"own grain; broad patches are what the model misses.",
        )
    ]
    for cut in result.evidence.cuts:
        figures.append(
            _figure(
                f"cut along {cut.along} at {cut.across} = {cut.at:.2f}",
                report_pictures.cut_plot(
                    cut,
                    f"Intensity along {cut.along} at {cut.across} = {cut.at:.2f}: measured points "
                    f"with their scatter, and the line of the simulated lattice.",
                ),
                f"Mean over {CUT_WIDTH} pixels, Bragg peaks left out; bars, often "
                f"smaller than the points: the image's own pixel-to-pixel scatter.",
            )
        )
    entries = [
        report_pictures.key("measured", "measured"),
        report_pictures.key("simulated", "simulated lattice"),
    ]
    if result.fit:
        entries.append(report_pictures.key("fitted", "E S + B of the fit"))
    return f'<div class="cuts">{"".join(figures)}</div><p class="legend">{"".join(entries)}</p>'


def _methods(result: Interpretation) -> str:
    """Network beside fit beside Delta-PDF, as a picture and as numbers."""
    fit, rows = result.fit, result.evidence.comparisons
    entries = [report_pictures.key(svg.NETWORK, "network ± standard error")]
    heads = ["c(i, j)", "network"]
    widened = any(row.own_error != row.error for row in rows)
    if widened:
        heads += ["its own error"]
    if fit:
        entries.append(report_pictures.key(svg.FIT, "physical fit of E S + B"))
        heads += ["fit", "(network − fit) / σ"]
    if rows[0].delta_pdf is not None:
        entries.append(report_pictures.key(svg.DELTA_PDF, "Fourier inversion (ΔPDF)"))
    heads += ["ΔPDF", "(network − ΔPDF) / σ"]
    lines = []
    for row in rows:
        cells = [row.name, f"{number(row.value, 3)} ± {number(row.error, 3)}"]
        if widened:
            cells += [f"± {number(row.own_error, 3)}"]
        if fit:
            cells += [f"{number(row.fit_value, 3)} ± {number(row.fit_error, 3)}"]
            cells += [number(row.fit_apart, 1)]
        cells += [number(row.delta_pdf, 3), number(row.delta_pdf_apart, 1)]
        lines.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    table = (
        f"<details open><summary>All {len(rows)} values</summary>{_table('numbers', heads, lines)}"
        "<p class='caption'>σ combines the errors of network and fit, the network's own; for the "
        "ΔPDF, which has none, it is the network's own.</p></details>"
    )
    plot = report_pictures.values_plot(
        rows,
        result.encoding.span,
        "Every correlation estimated by network, fit and Fourier inversion; the numbers are in the "
        "table below.",
    )
    return f'{_agreement(result)}{plot}<p class="legend">{"".join(entries)}</p>{table}'


def _agreement(result: Interpretation) -> str:
    if not result.fit:
        return ""
    apart = [row.fit_apart for row in result.evidence.comparisons if row.fit_apart is not None]
    within = sum(abs(distance) <= 2 for distance in apart)
    degrees = ", ".join(f"{n}: {weight:.0%}" for n, weight in result.fit.weights.items())
    return (
        f"<p>Network and fit agree within twice their combined error on {within} of {len(apart)} "
        f"values. The fit explains {number(result.fit.r2)} of the variance (R²), and "
        f"{number(result.fit.cv_r2)} on parts of the image that it did not see. Of the "
        f"intensity between the Bragg positions it ascribes {result.fit.thermal:.0%} to thermal "
        f"diffuse scattering; displaced neighbours (size effect) add {result.fit.size_effect:.0%} "
        f"of the spread of E S. Shares of the degrees of its form factor: {escape(degrees)}.</p>"
    )


def _findings(result: Interpretation) -> str:
    lines = [
        f"<td>{escape(finding.key)}</td><td>{finding.value:.3g}</td>"
        f"<td>{finding.direction} {finding.limit:.3g}</td>"
        f'<td class="{"ok" if finding.ok else "bad"}">{"✓ passed" if finding.ok else "✗ failed"}'
        f"</td><td>{escape(finding.sentence)}</td>"
        for finding in result.findings
    ]
    heads = ("test", "number", "limit", "", "what it means")
    return _table("findings", heads, lines) if lines else ""


def _table(style: str, heads: Sequence[str], lines: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in heads)
    rows = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table class="{style}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _origin(origin: Mapping[str, Any]) -> str:
    words = {
        "file": origin.get("file"),
        "SHA-256": origin.get("sha256"),
        "window": origin.get("window"),
        "seed": origin.get("seed"),
        "versions": " · ".join(f"{n} {v}" for n, v in (origin.get("versions") or {}).items()),
        "system": origin.get("system"),
        "date": origin.get("date"),
    }
    command = origin.get("command")
    pipeline = origin.get("pipeline")
    listed = "".join(
        f"<dt>{name}</dt><dd>{escape(str(value))}</dd>"
        for name, value in words.items()
        if value not in (None, "")
    )
    return (
        (f"<pre>{escape(command)}</pre>" if command else "")
        + f"<dl>{listed}</dl>"
        + (f"<p>Corrections before:</p><pre>{escape(pipeline)}</pre>" if pipeline else "")
    )


def _plain(value: Any) -> Any:
    """Turn tuples to lists, NumPy's numbers to Python's, and NaN to None, at every depth."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
