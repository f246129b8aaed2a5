"""Read tables of numbers in text, as programs and spreadsheets of many countries write them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
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

# How programs write that there is no number: pandas, R, spreadsheets (#N/A, in German #NV),
# databases, numpy's masked arrays, the run-time libraries of Microsoft's C and of Fortran.
_MISSING = re.compile(
    r"|[-+]?(1\.#\w+|nan.*|inf(inity)?)|<?na>?|n/?a|null!?|none|masked|missing|-+|\*+|\?+"
    r"|n\.?d\.?|#[a-z/\d]+[!?]?",
    re.IGNORECASE,
)
# A comment, which an error of a spreadsheet is not, or the line by which it names its separator.
_COMMENT = re.compile(
    r"(?<!\d\.)#(?!(?:[A-Z][A-Z/\d]*|n/a)[!?]?\s*(?:[;,|\t\"]|$)).*|^\s*%.*|^(?i:sep=.)$"
)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+(,\d+)?(e[-+]?\d+)?", re.IGNORECASE)
# An exponent of Fortran: with D, or of three digits without a letter.
_EXPONENT = re.compile(r"(?<=[\d.])(?:[dD](?=[-+]?\d)|(?=[-+]\d{3}$))")
# Numbers by their decimal sign; the other sign groups thousands.
_NUMBERS = {
    sign: re.compile(
        rf"[-+]?(?:[1-9]\d{{0,2}}(?:[{other}]\d{{3}})+(?:[{sign}]\d*)?"
        rf"|(?=[{sign}]?\d)\d*[{sign}]?\d*(?:[eEdD][-+]?\d+|(?<=\d)[-+]\d{{3}})?)"
    )
    for sign, other in (".,", ",.")
}

# Signs that a typesetter or a spreadsheet puts for those of a number.
SIGNS = str.maketrans({"\u2212": "-", **dict.fromkeys("\u00a0\u202f\u2009\u2019'")})

# A list of points has fewer columns. It is an image if so much of its grid is there, and without
# titles if it is so long.
LIST, FULL, MANY_POINTS = 7, 0.5, 64


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
    whole = text.translate(SIGNS).splitlines()
    words = [comment[0] for line in whole if (comment := _COMMENT.search(line))]
    lines = [line for n in whole if (line := _COMMENT.sub("", n).strip(" \r")).strip()]
    mark = _delimiter(lines)
    if mark:  # columns without a name or a number, as spreadsheets add
        while lines and all(line.endswith(mark) for line in lines):
            lines = [line[:-1].rstrip(" ") for line in lines]
        lines = [line.strip(" |" if mark == "|" else " ") for line in lines]
    before, titles = _titles(lines, mark)
    words += lines[:before]
    lines, begin = lines[before:], 0
    if not lines:
        raise ValueError("there is no number in it")

    def rows() -> Iterator[list[str]]:  # one at a time: their fields take much memory
        return (_split(line, mark)[begin:] for line in lines)

    if {_is_number(row[0]) for row in rows() if row[0]} == {False}:  # names of the rows
        begin, titles = 1, titles and titles[1 - len(_split(lines[-1], mark)) :]
    sign = _decimal_sign(rows(), mark)
    values = [_numbers(row, sign) for row in rows()]
    lengths = {len(row) for row in values}
    if len(lengths) > 1:
        raise ValueError(f"its rows hold from {min(lengths)} to {max(lengths)} numbers")
    for remark in words if titles is None else ():  # titles as numpy writes them
        names = _split(remark.strip("#% "), mark)
        titles = names if len(names) in lengths and len(_indices(names)) > 1 else titles
    stored = _without_numbering(np.array(values), titles)
    return replace(stored, header=pairs("\n".join(words)))


def _delimiter(lines: list[str]) -> str | None:
    """Find what stands between the numbers, in the last lines; None for white space."""
    some = lines[-min(50, max(3, 2 * len(lines) // 3)) :]
    for mark in (";", "\t", "|", ","):
        if all(mark in line for line in some):
            words = [word.strip('"') for line in some for word in line.split()]
            if mark == "," and all(map(_DECIMAL_COMMA.fullmatch, words)) and len(words) > len(some):
                return None
            return mark
    return None


def _split(line: str, mark: str | None) -> list[str]:
    if mark is None:
        return line.replace('"', "").split()
    fields = next(csv.reader([line], delimiter=mark, skipinitialspace=True))
    return [field.strip() for field in fields]


def _titles(lines: list[str], mark: str | None) -> tuple[int, list[str] | None]:
    """Count the lines before the numbers, the last of which are the titles."""
    titles, width = None, len(_split(lines[-1], mark)) if lines else 0
    for n, line in enumerate(lines):
        names = _split(line, mark)
        if n == 0 and width > 2 and {*names} == {str(len(lines) - 1), str(width)}:
            continue  # numbers of rows and columns
        numbers = [*map(_is_number, names)]
        if all(numbers) and (titles or len(names) != width - 1):
            return n, titles
        if len(names) == width and any(numbers):
            below = _split(lines[min(n + 1, len(lines) - 1)], mark)[0]
            named = not (numbers[0] or _is_number(below)) and all(numbers[1:])
            places = _numbers(names[1:], _decimal_sign([names])) if named else np.zeros(0)
            if titles or (named and n + 1 < len(lines) and not _steps(places)):
                return n, titles  # a row with a name
            if any(numbers[1:]) and not all(numbers[1:]) and len(_indices(names)) < 2:
                raise ValueError(f"{names[numbers.index(False)]!r} stands among numbers")
        titles = names
    return len(lines), titles


def _is_number(field: str) -> bool:
    return any(pattern.fullmatch(field) for pattern in (_MISSING, *_NUMBERS.values()))


def _decimal_sign(rows: Iterable[list[str]], mark: str | None = None) -> str:
    """Decide whether points or commas are decimal; the other ones group thousands.

    >>> _decimal_sign([["1.034,5", "7"]]), _decimal_sign([["2", "1.034"], ["0.1", "2.345"]])
    (',', '.')
    """
    either: dict[int, str] = {}
    row, whole = [""], set[int]()
    for row in rows:
        for n, field in enumerate(row):
            if field.isdecimal():
                whole.add(n)
            elif "." in field or "," in field:
                signs = [sign for sign, number in _NUMBERS.items() if number.fullmatch(field)]
                if len(signs) == 1:
                    return signs[0]
                either |= dict.fromkeys([n] * bool(signs), field)
    signs = [sign for sign in _NUMBERS if any(sign in field for field in either.values())]
    mixed = either.keys() if len(row) < LIST else range(1, len(row))  # 0 may number the rows
    if len(signs) > 1 or (mark == "," and "," in signs) or (either and whole.intersection(mixed)):
        field = next(iter(either.values()))
        raise ValueError(
            f"{field} may have decimals, or {field[-4]!r} may group thousands: save it without"
        )
    return signs[0] if signs else "."


def _numbers(fields: list[str], sign: str) -> NDArray[np.float64]:
    """Give the numbers that are written with this decimal sign.

    >>> _numbers(["1.#QNAN", "", "1.5D+03", "<NA>", "2", "1.5-101"], ".").tolist()
    [nan, nan, 1500.0, nan, 2.0, 1.5e-101]
    """
    if sign == ".":
        with suppress(ValueError):
            return np.array([*map(float, fields)])
    return np.array([_number(field, sign) for field in fields])


def _number(field: str, sign: str) -> float:
    if _MISSING.fullmatch(field):
        return np.nan
    if not _NUMBERS[sign].fullmatch(field):
        raise ValueError(f"{field!r} stands among numbers")
    plain = field.replace("," if sign == "." else ".", "").replace(",", ".")
    return float(_EXPONENT.sub("e", plain))


def _without_numbering(values: NDArray[np.float64], titles: list[str] | None) -> Stored:
    """Take off titles and numbers of the rows and columns, or make an image of a list of points."""
    if titles is None:
        head, second = values[0], values[min(1, len(values) - 1)]
        index = _steps(values[1:, 0]) or np.isnan(head[0])  # numbers of the rows, of some perhaps
        if index and _steps(head[1:]) and not _steps(second[1:]):
            return Stored(values[1:, 1:])
        if _steps(head) and not _steps(second):
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
    indices, columns = _indices(titles), values.shape[1]
    if len(indices) < 2 and 3 <= columns < LIST and len(values) >= MANY_POINTS:
        layer = columns > 3 and (np.ptp(values[:, :3], axis=0) == 0).any()
        indices = [0, 1, 2] if layer else [0, 1]
    varied = [n for n in indices if np.ptp(values[:, n]) > 0]
    if len(varied) != 2 or max(indices) + 1 == columns:
        return None
    (h, row), (k, column) = (_different(values[:, n]) for n in varied)
    several = len(np.unique(row * len(k) + column)) < len(values)
    if several or len(values) < FULL * len(h) * len(k):
        if {*varied} <= {*_indices(titles)}:
            raise ValueError("its points h, k are not those of one grid: bin them first")
        return None
    image = np.full((len(h), len(k)), np.nan)
    image[row, column] = values[:, max(indices) + 1]
    labels = [titles[n] if titles else f"column {n + 1}" for n in varied]
    return Stored(image, axes=((labels[0], h), (labels[1], k)))


def _indices(titles: list[str]) -> list[int]:
    """Columns whose titles are Miller indices."""
    return [n for n, title in enumerate(titles) if miller(split_unit(title)[0])]


def _different(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Give the values that differ by more than rounding, and which one each point has."""
    rounded = np.round(values / np.ptp(values), 6)
    _, first, inverse = np.unique(rounded, return_index=True, return_inverse=True)
    return values[first], inverse


def _steps(values: NDArray[np.float64]) -> bool:
    """Evenly spaced, as no intensities are: such a row or column numbers the others."""
    steps = np.diff(values)
    return len(steps) > 3 and bool(np.ptp(steps) <= 1e-3 * abs(steps[0]) > 0)
