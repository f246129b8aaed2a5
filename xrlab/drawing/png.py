"""Arrays as PNG pictures, and the colours that all figures share."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

# Safe for colour-blind readers: even steps of lightness, and red-blue with white at 0.
Colours = str | tuple[tuple[float, str], ...]
INTENSITY, SIGNED = "Viridis", "RdBu"
SITES = ((0.0, "rgb(242, 239, 230)"), (1.0, "rgb(27, 58, 75)"))
# Sites along each side of a lattice that are drawn at most: more would be too small to see.
SHOWN_SITES = 50
MARKERS = ("circle", "x", "diamond", "cross")
METHODS = ("circle", "square", "diamond")
LINES = ("solid", "dash", "dot", "dashdot")
# Grey of what was not measured; it is no colour of the intensities.
UNMEASURED = "#c8c8c8"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito


def picture(
    values: ArrayLike,
    colours: Colours = INTENSITY,
    limits: tuple[float, float] | None = None,
    pixels: int = 256,
    upwards: bool = True,
    gaps: str | None = UNMEASURED,
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
    gaps : str, optional
        Colour of NaN; None leaves it transparent.

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
    if missing.any():
        hidden = np.where(missing[::-1] if upwards else missing, 255, 0).astype("u1")
        image, mask = image.convert("RGB" if gaps else "RGBA"), Image.fromarray(hidden)
        image.paste(gaps or (0, 0, 0, 0), mask=mask)
    zoom = max(1, pixels // array.shape[1])
    image = image.resize((zoom * array.shape[1], zoom * array.shape[0]), Image.Resampling.NEAREST)
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


@cache
def palette(colours: Colours) -> list[int]:
    """256 colours of a plotly scale as red, green, blue, red, ..."""
    from plotly.colors import sample_colorscale, unlabel_rgb

    named = colours if isinstance(colours, str) else list(map(list, colours))
    scale = sample_colorscale(named, np.linspace(0, 1, 256).tolist())
    return [round(part) for colour in scale for part in unlabel_rgb(colour)]
