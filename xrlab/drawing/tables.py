"""Tables as Markdown, and encodings in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.encoding import Encoding, component_names


def markdown_table(heads: Sequence[str], rows: Iterable[Iterable[object]], numbers: int = 0) -> str:
    """Write a table in Markdown.

    Parameters
    ----------
    heads : sequence of str
    rows : iterable of rows
    numbers : int
        How many columns after the first are aligned to the right.

    Examples
    --------
    >>> print(markdown_table(["N", "grain"], [(50, 0.47)]))
    | N | grain |
    |---|---|
    | 50 | 0.47 |
    """
    marks = ["---:" if 0 < n <= numbers else "---" for n in range(len(heads))]
    lines = [f"| {' | '.join(map(str, row))} |" for row in (heads, *rows)]
    return "\n".join([lines[0], f"|{'|'.join(marks)}|", *lines[1:]])


def values_text(encoding: Encoding, standard_error: ArrayLike | None = None) -> str:
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
