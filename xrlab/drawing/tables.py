"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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
