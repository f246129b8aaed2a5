"""Tables of numbers in text, as pandas, spreadsheets, Fortran and Windows write them."""

import io

import numpy as np
import pytest

from xrlab.io.read import read_image_bytes
from xrlab.io.section import read_section

A = np.random.default_rng(0).poisson(40, (12, 9)) + 3 * np.arange(12)[:, None] + 7.5 * np.arange(9)
HOLED = A.copy()
HOLED[2, 3] = HOLED[7, 8] = np.nan


def table(mark, values=A, write="{:.6g}".format, end="\n", hole="nan"):
    """Lines of numbers with a mark between."""
    rows = [[hole if np.isnan(v) else write(v) for v in row] for row in values]
    return end.join(mark.join(row) for row in rows) + end


def pandas(index=True, columns=range(9), rows=range(12), name=""):
    """As pandas.DataFrame.to_csv writes, by its documentation."""
    head = ([name] if index else []) + [str(c) for c in columns]
    lines = [",".join(head)]
    for row, values in zip(rows, A, strict=True):
        lines.append(",".join(([str(row)] if index else []) + [f"{v:.6g}" for v in values]))
    return "\n".join(lines) + "\n"


def comma(value):
    return f"{value:.6g}".replace(".", ",")


@pytest.mark.parametrize(
    "text",
    [
        pandas(),
        pandas(index=False),
        pandas(columns=[f"k{n}" for n in range(9)]),
        pandas(name="row"),
        pandas(columns=np.linspace(0, 2, 9), rows=np.linspace(0, 2, 12)),
        pandas(columns=np.linspace(0, 2, 9), rows=np.linspace(0, 2, 12), name="h\\k"),
        pandas(columns=[f"k{n}" for n in range(9)], rows=[f"h{n}" for n in range(12)]),
        pandas().split("\n", 1)[1],
    ],
    ids=["both", "columns", "names", "named", "places", "corner", "words", "rows"],
)
def test_names_and_numbers_of_rows_and_columns_are_left_out(text):
    """An index and a header are no pixels."""
    np.testing.assert_array_equal(read_image_bytes(text.encode()), A)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (table(",", end=",\n"), A),
        (table(";", end=";;\r\n"), A),
        (table("\t", end="\t\n"), A),
        (table("\t", write=comma), A),
        (table("  ", write=comma), A),
        (table(";", write=comma), A),
        ("sep=;\n" + table(";", write=comma), A),
        (table(",", write='"{:.6g}"'.format), A),
        (table(",", HOLED, hole=""), HOLED),
        (table("\t", HOLED, hole=""), HOLED),
        (table(" ", write="{:.8E}".format).replace("E", "D"), A),
        (table(" ", HOLED, hole="********"), HOLED),
        ("% from a program\n" + table(" "), A),
        (table(";", A - 100, write=lambda v: f"{v:.6g}".replace("-", "\u2212")), A - 100),
        (table(";", A * 1000, write=lambda v: f"{v:,.1f}".replace(",", "\u202f")), A * 1000),
    ],
    ids=["commas at the end", "semicolons at the end", "tabs at the end", "decimal commas, tabs",
         "decimal commas, spaces", "decimal commas", "sep=", "quotes", "holes", "holes, tabs",
         "Fortran", "Fortran's stars", "comment", "minus sign", "thousands"],
)  # fmt: skip
def test_spreadsheets_of_many_countries(text, expected):
    """Separators at the end of lines, decimal commas, signs of typesetters."""
    np.testing.assert_allclose(read_image_bytes(text.encode()), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "hole",
    ["1.#QNAN", "-1.#IND", "1.#QNAN0", "1.#INF", "nan(ind)", "-nan", "NA", "N/A", "#N/A", "#DIV/0!",
     "#NUM!", "NULL", "None", "<NA>", "--", "-", "masked"],
)  # fmt: skip
def test_words_for_no_number(hole):
    """Of compilers, databases, spreadsheets, and of printed masked arrays."""
    np.testing.assert_array_equal(read_image_bytes(table(",", HOLED, hole=hole).encode()), HOLED)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_text_in_several_codings(coding):
    """With a mark of the byte order, as Windows writes them."""
    mark = "\ufeff" if coding.endswith(("le", "be")) else ""
    content = (mark + "Intensität;°\n" + table(";", A[:, :2])).encode(coding)
    np.testing.assert_array_equal(read_image_bytes(content), A[:, :2])


def test_titles_of_older_windows():
    """cp1252 in the titles; numbers are the same in every coding."""
    titles = ";".join(f"Zähler {n} (°)" for n in range(9)) + "\n"
    np.testing.assert_array_equal(
        read_image_bytes((titles + table(";", write=comma)).encode("cp1252")), A
    )


@pytest.mark.parametrize("titles", ["h,k,intensity\n", "", "H [r.l.u.],K [r.l.u.],I\n"])
def test_lists_of_points_become_images(titles):
    """Three columns, in any order of the points; axes by their titles."""
    h, k = np.linspace(0, 1.1, 12), np.linspace(0, 0.8, 9)
    points = np.column_stack([np.repeat(h, 9), np.tile(k, 12), A.ravel()])
    np.random.default_rng(1).shuffle(points)
    content = (titles + table(",", points, "{:.8g}".format)).encode()
    np.testing.assert_array_equal(read_image_bytes(content), A)
    if titles:
        np.testing.assert_allclose(read_section(content).k, k)
    else:
        with pytest.raises(ValueError, match="Which h and k"):
            read_section(content)


def test_a_table_of_whole_numbers_that_begins_like_a_count():
    """A ramp is no index."""
    ramp = np.arange(12)[:, None] + np.arange(9)
    file = io.BytesIO()
    np.savetxt(file, ramp, fmt="%d")
    np.testing.assert_array_equal(read_image_bytes(file.getvalue(), unmeasured=None), ramp)


def test_ambiguous_tables_are_refused():
    """Rows of different lengths, as from a comma that is decimal sign and separator."""
    with pytest.raises(ValueError, match="not a table of numbers"):
        read_image_bytes(b"1,5,2\n3,4\n1,2,3\n")


@pytest.mark.parametrize("width", [3, 9, 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_plain_pgm_with_any_white_space(width, end):
    """Right-aligned numbers, several line ends, comments within."""
    counts = A.astype(int)
    rows = end.join("".join(f"{v:{width}d} " for v in row) for row in counts)
    content = f"P2{end}# by hand{end}9\t12{end}255{end}# now{end}{rows}".encode()
    np.testing.assert_array_equal(read_image_bytes(content), counts)


@pytest.mark.parametrize("head", ["P5\r\n9 12\r\n255\r\n", "P5 9 12 255 ", "P5\r9\r12\r255\r",
                                  "P5\n#\n9 12\n#\n255\n"])  # fmt: skip
def test_binary_pgm_with_any_white_space(head):
    """One sign of white space ends the header, or the two that end a line."""
    counts = A.astype("u1")
    content = head.encode() + counts.tobytes()
    np.testing.assert_array_equal(read_image_bytes(content), counts)
    counts = A.astype("u1")
    counts[0, 0] = 10  # looks like the end of a line
    content = head.encode() + counts.tobytes()
    np.testing.assert_array_equal(read_image_bytes(content), counts)


def test_binary_pgm_that_was_changed_in_a_transfer():
    """Line ends inside the pixels became two bytes: refused, unless one insists."""
    counts = A.astype("u1")
    counts[2, 3] = counts[5, 6] = 10
    content = b"P5\n9 12\n255\n" + counts.tobytes().replace(b"\n", b"\r\n")
    with pytest.raises(ValueError, match=r"2 bytes follow.*insist=True"):
        read_image_bytes(content)
    assert read_image_bytes(content, insist=True).shape == (12, 9)
