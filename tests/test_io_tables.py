"""Tables of numbers in text, as pandas, spreadsheets, Fortran and Windows write them."""

import numpy as np
import pytest

from tests.image_files import assert_reads, assert_refused, assert_section, cases, table
from xrlab.io.read import read_image_bytes
from xrlab.io.section import read_section

B = np.random.default_rng(0).poisson(40, (12, 9)) + 3 * np.arange(12)[:, None] + 7.5 * np.arange(9)
ROWS = [0, 1, 3, 4, 7, 8, 9, 11, 15, 16, 20, 21]  # of a table that was filtered
HOLED = B.copy()
HOLED[2, 3] = HOLED[7, 8] = np.nan


def pandas(index=True, columns=range(9), rows=range(12), name=""):
    """As pandas.DataFrame.to_csv writes, by its documentation."""
    head = ([name] if index else []) + [str(c) for c in columns]
    lines = [",".join(head)]
    for row, values in zip(rows, B, strict=True):
        lines.append(",".join(([str(row)] if index else []) + [f"{v:.6g}" for v in values]))
    return "\n".join(lines) + "\n"


def comma(value):
    return f"{value:.6g}".replace(".", ",")


@cases(
    "text",
    {
        "both": pandas(),
        "columns": pandas(index=False),
        "names": pandas(columns=[f"k{n}" for n in range(9)]),
        "named": pandas(name="row"),
        "places": pandas(columns=np.linspace(0, 2, 9), rows=np.linspace(0, 2, 12)),
        "corner": pandas(columns=np.linspace(0, 2, 9), rows=np.linspace(0, 2, 12), name="h\\k"),
        "words": pandas(columns=[f"k{n}" for n in range(9)], rows=[f"h{n}" for n in range(12)]),
        "rows": pandas().split("\n", 1)[1],
        "some rows": pandas(rows=ROWS),
        "some rows, names": pandas(columns=[f"k{n}" for n in range(9)], rows=ROWS),
    },
)
def test_names_and_numbers_of_rows_and_columns_are_left_out(text):
    """An index and a header are no pixels."""
    assert_reads(text, B)


@cases(
    ("text", "expected"),
    {
        "commas at the end": (table(B, end=",\n"), B),
        "semicolons at the end": (table(B, ";", end=";;\r\n"), B),
        "tabs at the end": (table(B, "\t", end="\t\n"), B),
        "decimal commas, tabs": (table(B, "\t", write=comma), B),
        "decimal commas, spaces": (table(B, "  ", write=comma), B),
        "decimal commas": (table(B, ";", write=comma), B),
        "sep=": ("sep=;\n" + table(B, ";", write=comma), B),
        "quotes": (table(B, write='"{:.6g}"'.format), B),
        "holes": (table(HOLED, hole=""), HOLED),
        "holes, tabs": (table(HOLED, "\t", hole=""), HOLED),
        "Fortran": (table(B, " ", write="{:.8E}".format).replace("E", "D"), B),
        "Fortran's stars": (table(HOLED, " ", hole="********"), HOLED),
        "comment": ("% from a program\n" + table(B, " "), B),
        "minus sign": (
            table(B - 100, ";", write=lambda v: f"{v:.6g}".replace("-", "\u2212")),
            B - 100,
        ),
        "decimals like thousands": (
            table(B / 7 + 2, ";", write=lambda v: f"{v:.3f}".replace(".", ",")),
            np.round(B / 7 + 2, 3),
        ),
        "thousands": (
            table(B * 1000, ";", write=lambda v: f"{v:,.1f}".replace(",", "\u202f")),
            B * 1000,
        ),
    },
)
def test_spreadsheets_of_many_countries(text, expected):
    """Separators at the end of lines, decimal commas, signs of typesetters."""
    assert_reads(text, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "hole",
    ["1.#QNAN", "-1.#IND", "1.#QNAN0", "1.#INF", "nan(ind)", "-nan", "NA", "N/A", "#N/A", "#DIV/0!",
     "#NUM!", "NULL", "None", "<NA>", "--", "-", "masked"],
)  # fmt: skip
def test_words_for_no_number(hole):
    """Of compilers, databases, spreadsheets, and of printed masked arrays."""
    assert_reads(table(HOLED, hole=hole), HOLED)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_text_in_several_codings(coding):
    """With a mark of the byte order, as Windows writes them."""
    mark = "\ufeff" if coding.endswith(("le", "be")) else ""
    content = (mark + "Intensität;°\n" + table(B[:, :2], ";")).encode(coding)
    assert_reads(content, B[:, :2])


def test_titles_of_older_windows():
    """cp1252 in the titles; numbers are the same in every coding."""
    titles = ";".join(f"Zähler {n} (°)" for n in range(9)) + "\n"
    assert_reads((titles + table(B, ";", write=comma)).encode("cp1252"), B)


@pytest.mark.parametrize("titles", ["h,k,intensity\n", "", "H [r.l.u.],K [r.l.u.],I\n"])
def test_lists_of_points_become_images(titles):
    """Three columns, in any order of the points; axes by their titles."""
    h, k = np.linspace(0, 1.1, 12), np.linspace(0, 0.8, 9)
    points = np.column_stack([np.repeat(h, 9), np.tile(k, 12), B.ravel()])
    np.random.default_rng(1).shuffle(points)
    content = (titles + table(points)).encode()
    assert_reads(content, B)
    if titles:
        assert_section(content, B, h, k)
    else:
        with pytest.raises(ValueError, match="Which h and k"):
            read_section(content)


def test_a_table_of_whole_numbers_that_begins_like_a_count():
    """A ramp is no index."""
    ramp = np.arange(12)[:, None] + np.arange(9)
    assert_reads(table(ramp, " "), ramp, unmeasured=None)


def test_ambiguous_tables_are_refused():
    """Rows of different lengths, as from a comma that is decimal sign and separator."""
    assert_refused(b"1,5,2\n3,4\n1,2,3\n", "not a table of numbers")


@pytest.mark.parametrize("width", [3, 9, 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_plain_pgm_with_any_white_space(width, end):
    """Right-aligned numbers, several line ends, comments within."""
    counts = B.astype(int)
    rows = end.join("".join(f"{v:{width}d} " for v in row) for row in counts)
    content = f"P2{end}# by hand{end}9\t12{end}255{end}# now{end}{rows}".encode()
    assert_reads(content, counts)


@pytest.mark.parametrize("head", ["P5\r\n9 12\r\n255\r\n", "P5 9 12 255 ", "P5\r9\r12\r255\r",
                                  "P5\n#\n9 12\n#\n255\n"])  # fmt: skip
def test_binary_pgm_with_any_white_space(head):
    """One sign of white space ends the header, or the two that end a line."""
    counts = B.astype("u1")
    assert_reads(head.encode() + counts.tobytes(), counts)
    counts[0, 0] = 10  # looks like the end of a line
    assert_reads(head.encode() + counts.tobytes(), counts)


def test_binary_pgm_that_was_changed_in_a_transfer():
    """Line ends inside the pixels became two bytes: refused, unless one insists."""
    counts = B.astype("u1")
    counts[2, 3] = counts[5, 6] = 10
    content = b"P5\n9 12\n255\n" + counts.tobytes().replace(b"\n", b"\r\n")
    assert_refused(content, r"2 bytes follow.*insist=True")
    assert read_image_bytes(content, insist=True).shape == (12, 9)
