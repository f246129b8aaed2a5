"""The pictures of the live explorer and its table of shares, ready for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xrlab.course.explorer import REACH, Exploration, feeds
from xrlab.crystal.encoding import values_text
from xrlab.drawing.png import INTENSITY, SIGNED, SITES, Colours

PALETTES: dict[str, Colours] = {"intensity": INTENSITY, "signed": SIGNED, "sites": SITES}

# Rows of the table of shares before the rest is added up.
N_FEEDS = 6

# Smaller correlations in the ΔPDF are drawn without their sign.
SIGN_FROM = 0.05


def feeds_table(result: Exploration, h: float, k: float) -> str:
    """Write which correlations feed a point of the image, as an HTML table with bars."""
    shares, rest, intensity = feeds(result, h, k)
    rows = [(f.name, _signed(f.correlation), _signed(f.wave), f.share) for f in shares[:N_FEEDS]]
    if others := shares[N_FEEDS:]:
        words = f"{len(others)} more within the span"
        rows.append((words, "", "", sum(f.share for f in others)))
    rows.append(("farther pairs, and chance", "", "", rest))
    longest = max(*(abs(share) for *_, share in rows), 0.1)
    lines = []
    for *cells, share in rows:
        length = 50 * abs(share) / longest
        side, kind = ("left", "more") if share >= 0 else ("right", "less")
        bar = f'<i class="{kind}" style="{side}: 50%; width: {length:.1f}%"></i>'
        first, *others_ = cells
        middle = "".join(f"<td>{cell}</td>" for cell in others_)
        lines.append(
            f'<tr><th scope="row">{first}</th>{middle}<td>{_signed(share)}</td>'
            f'<td class="bar">{bar}</td></tr>'
        )
    heads = ("pair of sites", "c(i, j)", "cos 2π(hi + kj)", "share", "− left, + right")
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    table = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    caption = (
        f"<b>What feeds the point h = {h:.2f}, k = {k:.2f}</b> of the simulated image: its "
        f"intensity {intensity:.2f} is 1 and the shares 2 w(i, j) c(i, j) cos 2π(hi + kj)."
    )
    return f"<table><caption>{caption}</caption>{table}</table>"


def panels(result: Exploration) -> list[dict[str, Any]]:
    """Lay out the five pictures."""
    realised, pdf = result.lattice.realised, result.delta_pdf
    off_centre = np.abs(pdf).astype(float)
    off_centre[REACH, REACH] = 0
    reach = max(float(off_centre.max()), 0.1)
    top = max(float(np.percentile(result.image, 99)), 1e-6)
    size = result.lattice.size
    left = "" if result.part == 1 else f" Of the order asked for, {result.part:.0%}."
    axes = "h and k from 0 to 2 r.l.u.; k to the right, h upwards."
    signs = np.select([pdf > SIGN_FROM, pdf < -SIGN_FROM], ["+", "−"], "")
    return [
        _panel(
            "realised encoding",
            realised.matrix,
            "signed",
            (-1, 1),
            "i downwards, j to the right; blue above 0, red below.",
            "Matrix of realised correlations: " + values_text(realised).replace("-", "−"),
            texts=[f"{value:.2f}".replace("-", "−") for value in realised.matrix.ravel()],
        ),
        _panel(
            "lattice",
            result.lattice.sites[::-1],
            "sites",
            (-1, 1),
            f"{size} × {size} sites, dark is +1; b to the right, a upwards.",
            f"Lattice of {size} by {size} sites of two kinds",
        ),
        _panel(
            "simulated image",
            result.image[::-1],
            "intensity",
            (0, top),
            f"{axes} Dark is 0, bright {top:.1f} Laue units. Click a point.",
            "Simulated diffraction image; choose a point with the fields h and k",
            clickable=True,
        ),
        _panel(
            "expected image",
            result.expected[::-1],
            "intensity",
            (0, top),
            f"Without chance, colours as beside.{left}",
            "Expected diffraction image, without chance",
            clickable=True,
        ),
        _panel(
            "ΔPDF of the image",
            pdf[::-1],
            "signed",
            (-reach, reach),
            f"c(i, j) up to {REACH} sites; j to the right, i upwards, c(0, 0) in the middle. "
            f"Blue (+) to {reach:.2f}, red (−) to −{reach:.2f}.",
            "Correlations read off the simulated image, c(0, 0) in the middle",
            texts=signs[::-1].ravel().tolist(),
        ),
    ]


def _panel(
    title: str,
    values: ArrayLike,
    colours: str,
    limits: tuple[float, float],
    caption: str,
    description: str,
    *,
    texts: Sequence[str] = (),
    clickable: bool = False,
) -> dict[str, Any]:
    """Write a picture for the browser, first row on top: one byte per cell, and what is said."""
    array = np.asarray(values, np.float64)
    scaled: NDArray[Any] = (array - limits[0]) / (limits[1] - limits[0]) * 255
    return {
        "title": title,
        "rows": array.shape[0],
        "columns": array.shape[1],
        "data": np.clip(scaled, 0, 255).astype(np.uint8).tobytes(),
        "palette": colours,
        "caption": caption,
        "description": description,
        "texts": list(texts),
        "clickable": clickable,
    }


def _signed(value: float) -> str:
    """Write a number with two digits and a sign that is a true minus."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")
