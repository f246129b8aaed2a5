"""More files as independent writers make them: the same notions in other formats and places."""

import io

import fuzz_readers as fuzz
import h5py
import numpy as np
import pytest
import tifffile

from tests.image_files import (
    GAPS,
    HOLE,
    POINTS,
    SMV,
    VOLUME,
    A,
    H,
    K,
    L,
    assert_reads,
    assert_refused,
    assert_section,
    attributes,
    cases,
    nexus,
    npz,
    smv,
    table,
    tiff,
    with_tags,
)
from xrlab.io.section import read_section

STACK = np.stack([A, A + 1])
PLAIN = "P2 24 32 65535 " + " ".join(map(str, A.ravel()))
TWO_FLAGS = np.where(HOLE, np.where(np.arange(24) > 9, -7.5, -8.5), A)


@cases(
    ("content", "expected"),
    {
        "padded name": (nexus(attributes("", signal=np.bytes_("v   ")), z=A * 2), A),
        "factor as text": (nexus(attributes("v", scale_factor="0.25"), A * 4), A),
        "flag as text": (nexus(attributes("v", missing_value="-7"), np.where(HOLE, -7.0, A)), GAPS),
        "two flags": (nexus(attributes("v", missing_value=[-7.5, -8.5]), TWO_FLAGS), GAPS),
        "pyFAI": (
            nexus(attributes("v", dummy=-10.0, delta_dummy=0.5), np.where(HOLE, -10.4, A)),
            GAPS,
        ),
        "NeXus' offset": (nexus(values=A * 4 - 8, v_scaling_factor=0.25, v_offset=8), A),
        "unsigned": (
            nexus(attributes("v", _Unsigned="true"), (A % 250).astype("u1").view("i1")),
            A % 250,
        ),
    },
)
def test_attributes_of_other_writers(content, expected):
    """Text padded with spaces, numbers as text; NeXus: (number + offset) * factor."""
    assert_reads(content, expected)


def test_a_factor_that_differs_from_frame_to_frame_is_not_taken_for_one():
    """No frame comes out on the scale of another."""
    content = nexus(values=STACK, v_scaling_factor=np.array([1.0, 2.0]))
    assert_refused(
        content, r"scaling_factor .* differs from frame to frame", dataset="entry/data/v[1]"
    )


def test_the_mask_of_another_plot_is_not_used():
    """It lies in a group of data of its own."""

    def then(data):
        other = data.parent.create_group("other")
        other.attrs["NX_class"] = "NXdata"
        other["mask"] = HOLE

    assert_reads(nexus(then))


def test_a_mask_with_an_axis_of_length_one():
    """That of a detector for all frames of a stack."""
    content = nexus(values=STACK, pixel_mask=HOLE[None])
    assert_reads(content, GAPS, dataset="entry/data/v[0]")


def test_packed_axes_are_unpacked():
    """Steps with a factor and an offset, of NetCDF and of NeXus."""
    packed = np.arange(32, dtype="i2")
    content = nexus(attributes("h", scale_factor=0.1, add_offset=-1.0), h=packed)
    assert_section(content, h=packed * 0.1 - 1)
    content = nexus(h=packed, h_scaling_factor=0.1, h_offset=-10)
    assert_section(content, h=packed * 0.1 - 1)


def test_the_primary_axis_is_taken():
    """Two arrays for one dimension, in the oldest way of NeXus."""

    def then(data):
        del data.attrs["axes"]
        for name, place, rank in (("a_angle", 1, 2), ("h", 1, 1), ("k", 2, 1), ("z", 1, 3)):
            data[name].attrs.update({"axis": place, "primary": rank})

    assert_section(nexus(then, a_angle=np.arange(32.0), z=np.arange(32.0)))


def test_a_vector_of_a_transformation_is_no_offset():
    """NXtransformations keeps one under the same name."""
    assert_section(nexus(attributes("h", offset=[0.0, 1.0, 2.0], vector=[1, 0, 0])))


def test_empty_attributes_say_nothing():
    """As some writers leave them."""
    assert_section(nexus(attributes("h", long_name=h5py.Empty("f"), units=h5py.Empty("S1"))))


@pytest.mark.parametrize("unit", ["2pi/A", "2*pi/Angstrom", "a.u.", "arb.units", "2pi/d", "invA"])
def test_units_that_look_like_rlu_are_asked_for(unit):
    """Capital A is the angstrom, not the lattice; arbitrary units are none."""

    def then(data):
        data["h"].attrs["units"] = data["k"].attrs["units"] = unit

    with pytest.raises(ValueError, match="Which h and k"):
        read_section(nexus(then))


@pytest.mark.parametrize(
    ("label", "unit"), [("[{},0,0]", "in 6.283 Ang^-1"), ("{}, r.l.u.", ""), ("{}/r.l.u.", "")]
)
def test_more_units_that_are_rlu(label, unit):
    """Mantid's length in ang, and units after a comma or a slash."""

    def then(data):
        for name in "hk":
            data[name].attrs.update({"long_name": label.format(name), "units": unit})

    assert_section(nexus(then))


def test_a_group_of_linked_frames_names_their_files():
    """Asked for by the name of the group."""

    def then(data):
        frames = data.parent.create_group("frames")
        for n in (1, 2):
            frames[f"data_{n:06d}"] = h5py.ExternalLink(f"run_{n}.h5", "/a")

    assert_refused(
        nexus(then), r"data_000001 lies in another file, run_1\.h5.*1 more", dataset="entry/frames"
    )


def test_a_plane_of_an_axis_that_is_not_in_rlu_is_not_chosen_by_its_index():
    """In inverse angstrom the same number is another plane."""
    content = nexus(attributes("l", units="1/angstrom"), VOLUME, ("h", "k", "l"), l=L)
    assert_refused(content, r"'l \(1/angstrom\)' is not in r\.l\.u\.", dataset="l=0.5")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("width", [24, 23])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_pixels_of_odd_bits(order, width, bits):
    """Most significant bits first whatever the byte order; every row begins with a byte."""
    values = A[:, :width]
    digits = ["".join(f"{v:0{bits}b}" for v in row) for row in values]
    packed = [[int(row[n : n + 8].ljust(8, "0"), 2) for n in range(0, len(row), 8)]
              for row in digits]  # fmt: skip
    content = tiff(np.array(packed, "u1"), byteorder=order)
    assert_reads(with_tags(content, ImageWidth=width, BitsPerSample=bits), values)


def test_pages_that_are_masks_or_smaller_copies():
    """The bits of NewSubfileType tell which page is the image."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(A.astype("u2"), metadata=None)
        writer.write(A[::2, ::2].astype("u2"), metadata=None, subfiletype=1)
        writer.write(~HOLE, metadata=None, subfiletype=4, photometric=4)
    assert_reads(file.getvalue(), GAPS)


def test_grey_in_three_planes():
    """Red, green and blue apart."""
    planes = np.stack([A // 2] * 3).astype("u1")
    content = tiff(planes, photometric="rgb", planarconfig="separate")
    assert_reads(content, A // 2)


def test_pfm_begins_with_the_last_row():
    """Real numbers of Netpbm's relative, little-endian by a negative scale."""
    content = b"Pf\n24 32\n-1.0\n" + A[::-1].astype("<f4").tobytes()
    assert_reads(content)


@cases(
    ("content", "message"),
    {
        "longer PGM": (f"{PLAIN} 5 6 7", "3 numbers follow the pixels.*insist"),
        "negative PGM": ("P2\n2 2\n255\n1 -2 3 4", "no negative numbers"),
        "a word": ("1,2,lost,4\n" + "5,6,7,8\n" * 9, "'lost' stands among numbers"),
        "NetCDF 3": ("CDF\1" + "\0" * 40, "NetCDF file of version 3"),
        "FITS": ("SIMPLE  =      T" + " " * 80, "FITS"),
        "Fit2D's mask": ("M\0\0\0A\0\0\0S\0\0\0K\0\0\0" + "\0" * 99, "mask of Fit2D"),
        "thousands": (table(A * 100, write='"{:,}"'.format), "group thousands"),
    },
)
def test_what_no_value_can_be_right_for_is_refused(content, message):
    """With what it is, and what to do."""
    assert_refused(content, message)


def test_smv_of_two_frames_asks():
    """SIZE3 is a third dimension."""
    content = smv(SMV.format(24, 32, "SIZE3=2;\n"), STACK)
    assert_refused(content, "2 frames")
    assert_reads(content, A + 1, dataset=1)


def test_a_header_of_smv_that_is_longer_than_it_says_is_doubted():
    """Its pixels would be shifted; a tail of zeros is none."""
    text = SMV.format(24, 32, "")
    assert_reads(smv(text) + bytes(100))
    assert_refused(
        text.encode().ljust(1024) + A.astype("<u2").tobytes(),
        r"512 bytes follow the pixels.*HEADER_BYTES",
    )


def test_fit2d_is_read_and_cut_files_of_it_are_not():
    """Its own format, by hand from the offsets in fabio's reader."""
    content = fuzz.fit2d(A)
    assert_reads(content)
    for lost in (1, 600):
        assert_refused(content[:-lost], "cannot be read")


def test_edf_with_an_offset_and_without_a_byte_order():
    """The offset of the SAXS programs; the byte order of most machines."""
    header = b"{\nDim_1=24; Dim_2=32; DataType=FloatValue; DataValueOffset=5;\n}\n"
    assert_reads(header + (A - 5).astype("<f4").tobytes())


ROWS = table().splitlines()
DATED = "\n".join(f"2024-01-{n:02d},{row}" for n, row in enumerate(ROWS, 1))


@cases(
    "content",
    {
        "columns from 1": table(np.arange(1, 25)[None]) + table(),
        "rows from 1": "\n".join(f"{n},{row}" for n, row in enumerate(ROWS, 1)),
        "Markdown": "\n".join(f"| {row} |" for row in table(mark=" | ").splitlines()),
        "bars": table(mark="|"),
        "words": "Exported by a program 1.2\nDate: 2024-01-02\n\n" + table(),
        "keys": "width,24\nheight,32\n" + table(),
        "units": ",".join("a" * 24) + "\n" + ",".join(["(cts)"] * 24) + "\n" + table(),
        "UTF-16": table(mark="\t", end="\r\n").encode("utf-16-le"),
        "places": table(K[None]) + table(),
        "places of rows": table(np.column_stack([H, A])),
        "dates": DATED,
        "dates and columns": f",{table(np.arange(24)[None])}{DATED}",
        "spaces": table(np.arange(24)[None], " ") + table(np.column_stack([np.arange(32), A]), " "),
    },
)
def test_more_tables(content):
    """Numbering from 1, bars, lines of words first, UTF-16 without a mark."""
    assert_reads(content)


@pytest.mark.parametrize("words", ["ncols 24\nnrows 32\nNODATA_value -77\n", "# nodata = -77\n"])
def test_flags_in_the_words_before_a_table(words):
    """As in grids of ESRI, and in comments."""
    content = words + table(np.where(HOLE, -77, A + 0.5), " ")
    assert_reads(content, GAPS + 0.5)


def test_lists_of_points_that_are_no_grid_are_refused():
    """Three columns of them are no image; rounding is no other place."""
    rng = np.random.default_rng(1)
    content = "h,k,I\n" + table(np.column_stack([rng.random((768, 2)), A.ravel()]))
    assert_refused(content, "not those of one grid")
    noise = rng.normal(0, 1e-12, (768, 1)) * [1, 0, 0]
    assert_section("h,k,I\n" + table(POINTS + noise, write="{:.17g}".format))


def test_points_and_commas_that_group_thousands():
    """With a decimal comma, points are none; and the other way round."""
    english = table(A * 100 + 0.5, ";", "{:,.2f}".format)
    for text in (english, english.translate(str.maketrans(",.", ".,"))):
        assert_reads(text, A * 100 + 0.5)


@pytest.mark.parametrize("titles", ["h,k,I", "h,k,l,I", "h,k,I,sigma", ",h,k,I"])
def test_more_lists_of_points(titles):
    """With an index, errors, a constant l; a point that is missing is unmeasured."""
    h, k, intensity = POINTS.T
    columns = {"h": h, "k": k, "l": 0 * h + 0.5, "I": intensity, "sigma": h + 9, "": range(768)}
    points = np.column_stack([columns[name] for name in titles.split(",")])
    rows = table(points[np.r_[:50, 51:768]])
    if titles[0] != ",":
        rows = "\n".join(rows.splitlines()[::-1])
    expected = A.astype(float)
    expected.ravel()[50] = np.nan
    assert_section(f"{titles}\n{rows}", expected)


def test_arrays_that_lie_beside_an_image_in_npz():
    """Its mask, and the values of its axes."""
    assert_section(npz(image=A, image_mask=HOLE, h=H, k=K), GAPS)
    for more in ({"mask": HOLE}, {"mask": HOLE, "fill_value": 9}, {"weights": ~HOLE}):
        assert_reads(npz(data=A, **more), GAPS)
