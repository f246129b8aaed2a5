"""Read tables of numbers in text, as programs and spreadsheets of many countries write them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xrlab.io.axes import miller, split_unit
from xrlab.io.stored import Stored, pairs

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
    r"[-+]?(1\.#\w+|nan.*|inf(inity)?)|<?na>?|#?n/?a|#?null!?|none|masked|missing|-+|\*+|\?+"
    r"|n\.?d\.?|#(num|value|ref|name)[!?]|#div/0!",
    re.IGNORECASE,
)
# A comment, which an error of a spreadsheet is not.
_COMMENT = re.compile(r"(?i)(?<!\d\.)#(?!n/?a|num!|div/0|value!|ref!|name|null).*|^\s*%.*")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+(,\d+)?(e[-+]?\d+)?", re.IGNORECASE)
# An exponent of Fortran: with D, or of three digits without a letter.
_EXPONENT = re.compile(r"(?<=[\d.])(?:[dD](?=[-+]?\d)|(?=[-+]\d{3}$))")

# Signs that a typesetter or a spreadsheet puts for those of a number.
SIGNS = str.maketrans({"\u2212": "-", **dict.fromkeys("\u00a0\u202f\u2009'")})
# What stands for a comma inside quotes.
_QUOTED = "\ufffc"

# A list of points is an image if so much of its grid is there, and without titles if it is so long.
FULL, MANY_POINTS = 0.5, 64


def read_text(content: bytes, dataset: str | int | None = None) -> Stored:
    """Read a table of numbers: commas, semicolons, tabs, bars or spaces between them.

    Left out are what follows ``#`` or ``%``, lines of words before the numbers, and a column that
    numbers or names the rows. An empty field is NaN. Numbers may have a decimal comma where a comma
    separates nothing. A list of points whose first two columns are a grid becomes its image.
    """
    if len(content) > MAX_TEXT:
        raise ValueError(f"a table of {len(content):,} bytes is too long; save it as .npy or TIFF")
    mark = next(mark for mark in BYTE_ORDER_MARKS if content.startswith(mark))
    coding, sure = BYTE_ORDER_MARKS[mark], True
    if not mark and b"\0" in content[:4096]:
        zeros = [content[n:4096:2].count(0) for n in (0, 1)]
        if min(zeros) or max(zeros) < len(content[:4096]) // 2:
            raise ValueError(f"it begins with {content[:8]!r}, like no format that xrlab reads")
        coding = "utf-16-be" if zeros[0] else "utf-16-le"
    try:
        text = content.decode(coding)
    except UnicodeDecodeError:
        text, sure = content.decode("cp1252", "replace"), False
    try:
        return _table(text)
    except ValueError as error:
        if sure:
            raise ValueError(f"it is text, but not a table of numbers ({error})") from error
        raise ValueError("it is neither text nor a format that xrlab reads") from error


def _table(text: str) -> Stored:
    text = re.sub(r'"([^"\n]*)"', lambda quoted: quoted[1].replace(",", _QUOTED), text)
    whole = text.translate(SIGNS).splitlines()
    words = [comment[0] for line in whole if (comment := _COMMENT.search(line))]
    lines = [_COMMENT.sub("", line).strip(" \r") for line in whole]
    lines = [line for line in lines if line.strip()]
    delimiter = None
    if lines and (chosen := re.fullmatch(r"(?i)sep=(.)", lines[0])):
        delimiter = chosen[1]
        del lines[0]
    delimiter = delimiter or _delimiter(lines)
    if delimiter:  # columns without a name or a number, as spreadsheets add
        edge = f" {delimiter}" if delimiter == "|" else " "
        while lines and all(line.endswith(delimiter) for line in lines):
            lines = [line[:-1].rstrip(" ") for line in lines]
        lines = [line.strip(edge) for line in lines]
    if delimiter != ",":
        lines = [_points(line, delimiter) if "," in line else line for line in lines]
    titles, width = None, len(_split(lines[-1], delimiter)) if lines else 0
    while lines:
        names = _split(lines[0], delimiter)
        numbers = [*map(_is_number, names)]
        if all(numbers) and (titles or len(names) != width - 1):
            break
        named = len(lines) > 1 and not (numbers[0] or _is_number(_split(lines[1], delimiter)[0]))
        if named and len(names) == width and all(numbers[1:]) and not _steps(_floats(names[1:])):
            break  # rows with names, and no titles
        if titles and len(names) == width and any(numbers):
            break  # a row with a name
        if len(names) == width and any(numbers[1:]) and not all(numbers[1:]):
            raise ValueError(f"{names[numbers.index(False)]!r} stands among numbers")
        titles = names
        words.append(" ".join(names))
        del lines[0]
    if _QUOTED in text and not lines:
        raise ValueError("a comma in quotes may be decimal, or group thousands")
    if not lines:
        raise ValueError("there is no number in it")
    try:
        values = np.loadtxt(_filled(lines, delimiter), delimiter=delimiter, ndmin=2)
    except ValueError:
        rows = [_split(line, delimiter) for line in lines]
        if not any(row[0] and _is_number(row[0]) for row in rows):  # names of the rows
            rows, titles = [row[1:] for row in rows], titles and titles[-len(rows[0]) + 1 :]
        lines = ["\t".join(map(_plain, row)) for row in rows]
        values = np.loadtxt(lines, delimiter="\t", ndmin=2)
    return replace(_without_numbering(values, titles), header=pairs("\n".join(words)))


def _delimiter(lines: list[str]) -> str | None:
    """Find what stands between the numbers, in the last lines; None for white space."""
    some = lines[-min(50, max(3, 2 * len(lines) // 3)) :]
    for mark in (";", "\t", "|", ","):
        if all(mark in line for line in some):
            words = [word for line in some for word in line.split()]
            if mark == "," and all(map(_DECIMAL_COMMA.fullmatch, words)) and len(words) > len(some):
                return None
            return mark
    return None


def _points(line: str, delimiter: str | None) -> str:
    """Write decimal points for commas, without the points that group thousands."""
    fields = line.split(delimiter) if delimiter else line.split()
    plain = [f.replace(".", "") if -1 < f.find(".") < f.rfind(",") else f for f in fields]
    return (delimiter or " ").join(
        f.replace(",", "." if f.count(",") == 1 and "." not in f else "") for f in plain
    )


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

    >>> [_plain(field) for field in ("1.#QNAN", "", "1.5D+03", "<NA>", "2", "1.5-101")]
    ['nan', 'nan', '1.5e+03', 'nan', '2', '1.5e-101']
    """
    if not field or _MISSING.fullmatch(field):
        return "nan"
    if _QUOTED in field:
        whole, _, part = field.partition(_QUOTED)
        if len(part) == 3 and "." not in field:
            raise ValueError(f"{whole},{part} may be {whole}{part} or {whole}.{part}")
        field = field.replace(_QUOTED, "." if _QUOTED not in part and "." not in part else "")
    return _EXPONENT.sub("e", field)


def _filled(lines: list[str], delimiter: str | None) -> list[str]:
    """Lines with NaN in empty fields."""
    if not delimiter or not any(delimiter * 2 in f"{delimiter}{n}{delimiter}" for n in lines):
        return lines
    mark = re.escape(delimiter)
    hole = re.compile(f"(?<![^{mark}])(?={mark}|$)")
    return [hole.sub("nan", line) for line in lines]


def _without_numbering(values: NDArray[np.float64], titles: list[str] | None) -> Stored:
    """Take off titles and numbers of the rows and columns, or make an image of a list of points."""
    if titles is None:
        second = values[min(1, len(values) - 1)]
        if _steps(values[0, 1:]) and _steps(values[1:, 0]) and not _steps(second[1:]):
            return Stored(values[1:, 1:])
        if _steps(values[0]) and not _steps(second):
            values = values[1:]
    numbered = values.shape[1] > 1 and _steps(values[:, 0]) and not _steps(values[:, 1])
    if titles and len(titles) in (values.shape[1], values.shape[1] - 1):
        rest = len(titles) > 1 and all(map(_is_number, titles[1:])) and not _is_number(titles[0])
        numbered |= len(titles) < values.shape[1] or not titles[0] or rest
    if numbered:
        titles = titles[1:] if titles and len(titles) == values.shape[1] else titles
        values = values[:, 1:]
    known = titles if titles and len(titles) == values.shape[1] else []
    return _points_on_grid(values, known) or Stored(values)


def _points_on_grid(values: NDArray[np.float64], titles: list[str]) -> Stored | None:
    """Make an image of a list of points: intensities follow the columns of h, k and l."""
    indices = [n for n, title in enumerate(titles) if miller(split_unit(title)[0])]
    if len(indices) < 2 and values.shape[1] == 3 and len(values) >= MANY_POINTS:
        indices = [0, 1]
    varied = [n for n in indices if np.ptp(values[:, n]) > 0]
    if len(varied) != 2 or max(indices) + 1 == values.shape[1]:
        return None
    (h, row), (k, column) = (_different(values[:, n]) for n in varied)
    several = len(np.unique(row * len(k) + column)) < len(values)
    if several or len(values) < FULL * len(h) * len(k):
        if titles and miller(split_unit(titles[varied[0]])[0]):
            raise ValueError("its points h, k are not those of one grid: bin them first")
        return None
    image = np.full((len(h), len(k)), np.nan)
    image[row, column] = values[:, max(indices) + 1]
    labels = [titles[n] if titles else ("first column", "second column")[n] for n in varied]
    return Stored(image, axes=((labels[0], h), (labels[1], k)))


def _different(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Give the values that differ by more than rounding, and which one each point has."""
    rounded = np.round(values / np.ptp(values), 6)
    _, first, inverse = np.unique(rounded, return_index=True, return_inverse=True)
    return values[first], inverse


def _floats(fields: list[str]) -> NDArray[np.float64]:
    return np.array([float(_plain(field)) for field in fields])


def _steps(values: NDArray[np.float64]) -> bool:
    """Evenly spaced, as no intensities are: such a row or column numbers the others."""
    steps = np.diff(values)
    return len(steps) > 3 and bool(np.ptp(steps) <= 1e-3 * abs(steps[0]) > 0)
