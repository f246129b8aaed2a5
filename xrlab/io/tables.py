"""Read tables of numbers in text, as programs and spreadsheets of many countries write them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from xrlab.io.stored import Stored

# Longer tables of text are no images but mistakes, and slow.
MAX_TEXT = 2**25

# First bytes that say how text is written; without one it is UTF-8, or cp1252 as on older Windows.
BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"": "utf-8-sig",
}

# How programs write that there is no number, in lower case: pandas, R, spreadsheets, databases,
# numpy's masked arrays, the run-time libraries of Microsoft's C and of Fortran.
_MISSING = re.compile(
    r"[-+]?(1\.#\w+|nan.*|inf(inity)?)|<?na>?|#?n/?a|#?null!?|none|masked|missing|-+|\*+"
    r"|#(num|value|ref|name)[!?]|#div/0!",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"(?i)(?<!\d\.)#(?!n/?a|num!|div/0|value!|ref!|name|null).*|^\s*%.*")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+(,\d+)?(e[-+]?\d+)?", re.IGNORECASE)

# Signs that a typesetter or a spreadsheet puts for those of a number, and quotes.
SIGNS = str.maketrans({"\u2212": "-", **dict.fromkeys("\u00a0\u202f\u2009'\"")})

# A first row or column of 0, 1, 2, ... this long numbers the columns or rows.
COUNTING = 8


def read_text(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read a table of numbers: commas, semicolons, tabs or spaces between them.

    Left out are what follows ``#`` or ``%``, a line of column titles, and a column that numbers or
    names the rows. An empty field is NaN. Numbers may have a decimal comma where a comma separates
    nothing. Three columns of which the first two are the points of a grid become its image.
    """
    if len(content) > MAX_TEXT:
        raise ValueError(f"a table of {len(content):,} bytes is too long; save it as .npy or TIFF")
    mark = next(mark for mark in BYTE_ORDER_MARKS if content.startswith(mark))
    if not mark and b"\0" in content[:4096]:
        raise ValueError(f"it begins with {content[:8]!r}, like no format that xrlab reads")
    sure = True
    try:
        text = content.decode(BYTE_ORDER_MARKS[mark])
    except UnicodeDecodeError:
        text, sure = content.decode("cp1252", "replace"), False
    try:
        return _table(text)
    except ValueError as error:
        if sure:
            raise ValueError(f"it is text, but not a table of numbers ({error})") from error
        raise ValueError("it is neither text nor a format that xrlab reads") from error


def _table(text: str) -> Stored:
    lines = [_strip(line) for line in text.translate(SIGNS).splitlines()]
    lines = [line for line in lines if line.strip()]
    delimiter = None
    if lines and (chosen := re.fullmatch(r"(?i)sep=(.)", lines[0])):
        delimiter = chosen[1]
        del lines[0]
    if not lines:
        raise ValueError("there is no number in it")
    named = not all(map(_is_number, lines[0].split()))  # so far as white space separates
    delimiter = delimiter or _delimiter(lines[named:] or lines)
    if delimiter != ",":
        lines = [line.replace(",", ".") for line in lines]
    if delimiter:  # columns without a name or a number, as spreadsheets add
        while all(line.endswith(delimiter) for line in lines):
            lines = [line[:-1].rstrip(" ") for line in lines]
    titles = None
    if not all(_is_number(field) for field in _split(lines[0], delimiter)):
        titles = _split(lines.pop(0), delimiter)
    if not lines:
        raise ValueError("there is no number in it")
    try:
        values = np.loadtxt(_filled(lines, delimiter), delimiter=delimiter, ndmin=2)
    except ValueError:
        rows = [_split(line, delimiter) for line in lines]
        if not any(_is_number(row[0]) for row in rows):  # names of the rows
            rows, titles = [row[1:] for row in rows], titles and titles[-len(rows[0]) + 1 :]
        lines = ["\t".join(map(_plain, row)) for row in rows]
        values = np.loadtxt(lines, delimiter="\t", ndmin=2)
    return _without_numbering(values, titles)


def _strip(line: str) -> str:
    """Take off a comment, which an error of a spreadsheet is not."""
    return re.sub(
        r"(?i)(?<!\d\.)#(?!n/?a|num!|div/0|value!|ref!|name|null).*|^\s*%.*", "", line
    ).strip(" \r")


def _delimiter(lines: list[str]) -> str | None:
    """Find what stands between the numbers; None for white space."""
    some = lines[:50]
    for mark in (";", "\t", ","):
        if all(mark in line for line in some):
            words = [word for line in some for word in line.split()]
            if mark == "," and all(map(_DECIMAL_COMMA.fullmatch, words)) and len(words) > len(some):
                return None
            return mark
    return None


def _split(line: str, delimiter: str | None) -> list[str]:
    return [field.strip() for field in line.split(delimiter)]


def _is_number(field: str) -> bool:
    try:
        float(_plain(field))
    except ValueError:
        return False
    return True


def _plain(field: str) -> str:
    """Write a number as Python does.

    >>> [_plain(field) for field in ("1.#QNAN", "", "1.5D+03", "<NA>", "2")]
    ['nan', 'nan', '1.5e+03', 'nan', '2']
    """
    if not field or _MISSING.fullmatch(field):
        return "nan"
    return re.sub(r"(?<=[\d.])[dD](?=[-+]?\d)", "e", field)


def _filled(lines: list[str], delimiter: str | None) -> list[str]:
    """Lines with NaN in empty fields."""
    if not delimiter or not any(delimiter * 2 in f"{delimiter}{n}{delimiter}" for n in lines):
        return lines
    hole = re.compile(f"(?<![^{delimiter}])(?={delimiter}|$)")
    return [hole.sub("nan", line) for line in lines]


def _without_numbering(values: NDArray[np.float64], titles: list[str] | None) -> Stored:
    """Take off titles and numbers of the rows and columns, or make an image of a list of points."""
    if titles is None:
        if _counts(values[0]) and not (len(values) > 1 and _counts(values[1], None)):
            values = values[1:]
        elif np.isnan(values[0, 0]) and _steps(values[0, 1:]) and _steps(values[1:, 0]):
            return Stored(values[1:, 1:])
    numbered = values.shape[1] > 1 and _counts(values[:, 0]) and not _counts(values[:, 1], None)
    if titles and len(titles) in (values.shape[1], values.shape[1] - 1):
        rest = len(titles) > 1 and all(map(_is_number, titles[1:])) and not _is_number(titles[0])
        numbered |= len(titles) < values.shape[1] or not titles[0] or rest
    if numbered:
        return Stored(values[:, 1:])
    if values.shape[1] == 3 and len(values) >= COUNTING**2:
        (h, row), (k, column) = (np.unique(v, return_inverse=True) for v in values.T[:2])
        if len(h) * len(k) == len(values) == len(np.unique(row * len(k) + column)):
            image = np.empty((len(h), len(k)))
            image[row, column] = values[:, 2]
            labels = titles if titles and len(titles) == 3 else ["first column", "second column"]
            return Stored(image, axes=((labels[0], h), (labels[1], k)))
    return Stored(values)


def _counts(values: NDArray[np.float64], start: int | None = 0) -> bool:
    first = values[0] if start is None else start
    return len(values) >= COUNTING and bool((values == first + np.arange(len(values))).all())


def _steps(values: NDArray[np.float64]) -> bool:
    """Evenly spaced, as no intensities are."""
    steps = np.diff(values)
    return len(steps) > 2 and bool(np.ptp(steps) <= 1e-3 * abs(steps[0]) > 0)
