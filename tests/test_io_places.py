"""The same notions in places and spellings of still other programs: flags, masks, axes, scales."""

import io
import struct
import zlib

import fabio
import numpy as np
import pytest
from PIL import Image

from tests.image_files import (
    GAPS,
    HOLE,
    POINTS,
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
    hdf5,
    nexus,
    npy,
    npz,
    table,
    tiff,
)


def matlab(group="", **arrays):
    """Arrays as MATLAB 7.3 writes them, in a structure if it has a name."""

    def write(file):
        for name, array in arrays.items():
            place = f"{group}/{name}"
            file[place] = array.T
            kind = {"b": "logical", "f": "double"}[array.dtype.kind]
            file[place].attrs["MATLAB_class"] = np.bytes_(kind)

    return hdf5(write)


def png(values, flag):
    """A grey picture of 16 bits that declares one value transparent, as GDAL does."""
    file = io.BytesIO()
    Image.fromarray(values.astype("u2")).save(file, "PNG")
    content, chunk = file.getvalue(), b"tRNS" + struct.pack(">H", flag)
    place = content.index(b"IDAT") - 4
    chunk = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content[:place] + chunk + content[place:]


def imgcif(tmp_path, **words):
    """A CBF of fabio's with a table of what its numbers mean."""
    path = tmp_path / "a.cbf"
    fabio.cbfimage.CbfImage(data=np.where(HOLE, 7777, A).astype("i4")).write(str(path))
    names = "".join(f"_array_intensities.{name}\r\n" for name in words)
    loop = f"loop_\r\n{names} {' '.join(words.values())}\r\n\r\n".encode()
    return path.read_bytes().replace(b"_array_data.data", loop + b"_array_data.data", 1)


# Flags and masks


UNSIGNED = {"_Unsigned": "true", "_FillValue": np.int16(-7)}


@cases(
    "content",
    {
        "MATLAB's logical": matlab(image=A.astype(float), mask=HOLE),
        "named by the group": nexus(attributes("", mask="excluded"), excluded=HOLE),
        "bad pixels": nexus(bad_pixels=HOLE),
        "flag without sign": nexus(
            attributes("v", **UNSIGNED), np.where(HOLE, 65529, A).astype("u2").view("i2")
        ),
        "flag beside": nexus(values=np.where(HOLE, 5e5, A), fill_value=5e5),
        "flag in an archive": npz(image=np.where(HOLE, 5e5, A), fill_value=5e5),
        "array and note": npz(data=A, mask=HOLE, x=K, note="by hand"),
        "one word": npz(image=A, badmask=HOLE),
        "numpy's fill": npy(np.ma.masked_array(A, HOLE).filled()),
        "large negative": npy(np.where(HOLE, -1e30, A)),
        "transparent": png(np.where(HOLE, 7, A), 7),
    },
)
def test_more_places_of_unmeasured_pixels(content):
    """The value is NaN whatever says so."""
    assert_reads(content, GAPS)


def test_tables_inside_a_cbf_say_what_its_numbers_are(tmp_path):
    """In loops of imgCIF: a flag is used, logarithms are refused unless one insists."""
    content = imgcif(tmp_path, array_id="a", linearity="linear", undefined_value="7777")
    assert_reads(content, GAPS)
    content = imgcif(tmp_path, array_id="a", linearity="logarithmic_scaled", undefined_value="7777")
    assert_refused(content, r"logarithmic_scaled.*no intensities")


@pytest.mark.parametrize("word", ["log10(counts)", "ln(I)", "Log of intensity", "sqrt(I)", "dB"])
def test_files_that_say_that_they_are_logarithms_are_refused(word):
    """By the units or the name of the signal, by the unit of ImageJ."""
    logarithm, text = np.log10(A), f"ImageJ=1.53t\nunit=pixel\nvunit={word}\n"
    for content in (
        nexus(attributes("v", units=word), logarithm),
        nexus(attributes("v", long_name=word), logarithm),
        tiff(logarithm.astype("f4"), description=text),
    ):
        assert_refused(content, "no intensities")
        assert_reads(content, logarithm, rtol=1e-6, insist=True)


def test_names_that_begin_like_a_logarithm_are_none():
    """Counts of a logger."""
    assert_reads(nexus(attributes("v", long_name="logger counts", units="counts")))


EDF = b"{\nDim_1=24; Dim_2=32; DataType=UnsignedShort; Pedestal=40;\n}\n"


@cases(
    "content",
    {
        "attribute": nexus(attributes("v", pedestal=40), A + 40),
        "beside": nexus(values=A + 40, pedestal=40.0),
        "archive": npz(image=A + 40, pedestal=40),
        "EDF": EDF + (A + 40).astype("<u2").tobytes(),
        "text": "# pedestal: 40\n" + table(A + 40, " "),
    },
)
def test_the_pedestal_is_taken_away_wherever_it_is_said(content):
    """Counts begin at it."""
    assert_reads(content)


# Arrays and axes beside


def long_names(data):
    data["h"].attrs["long_name"], data["k"].attrs["long_name"] = "H00", "[0K0] / (2\u03c0/b)"


@cases(
    "content",
    {
        "HDF5": hdf5(lambda file: file.update({"image": A, "h": H, "k": K})),
        "capitals": hdf5(
            lambda file: file.update({"image": A, "H": H, "K": K, "l": 0.5, "sigma": A * 0.1})
        ),
        "MATLAB's structure": matlab("s", image=A.astype(float), h=H[None], k=K[:, None]),
        "errors beside": npz(intensity=A, sigma=np.sqrt(A), h=H, k=K),
        "edges": npz(I=A, H=np.append(H - 1.5 / 31, H[-1] + 1.5 / 31), K=K, l=0.0),
        "pandas' series": "h,k,0\n" + table(POINTS),
        "packed labels": nexus(long_names),
        "numpy's header": "# h k I\n" + table(POINTS, " "),
        "pandas' frame": ",h,k,I\n" + table(np.column_stack([np.arange(768), POINTS])),
    },
)
def test_axes_are_known_by_their_usual_names(content):
    """Beside the image, whatever else lies there, and in the titles of lists."""
    assert_section(content)


def test_planes_of_a_volume_of_matlab():
    """By their place on an axis; dimensions lie in the order of MATLAB's memory."""
    content = matlab(v=VOLUME.astype(float), h=H[None], k=K[None], l=L[None])
    assert_section(content, VOLUME[:, :, 6], dataset="v[l=0.5]")
    assert_section(content, VOLUME[:, 20], k=L, dataset="v[k=2]")
    assert_section(content, VOLUME[0], h=K, k=L, dataset="v[h=-1]")


def test_dimensions_of_netcdf_without_values():
    """They are never written, and the image is read all the same."""

    def write(file):
        v = file.create_dataset("v", data=A)
        for n, size in enumerate(A.shape):
            scale = file.create_dataset("xy"[n], (size,), ">f4")
            scale.make_scale("This is a netCDF dimension but not a netCDF variable.")
            v.dims[n].attach_scale(scale)

    assert_reads(hdf5(write))


def test_directions_of_netcdf_are_no_dimensions():
    """Its attribute axis is a letter; that of the oldest NeXus is a number."""

    def then(data):
        del data.attrs["axes"]
        for name, letter in (("h", "Y"), ("k", "X")):
            data[name].attrs["axis"] = letter

    assert_section(nexus(then))


@pytest.mark.parametrize("name", ["image_err", "std", "I_std", "I_uncertainty", "errors_squared"])
def test_errors_are_no_images(name):
    """Under the names of xarray's users and of the uncertainties package."""
    arrays = {"I": A, name: np.sqrt(A)}
    assert_reads(npz(**arrays))
    assert_reads(hdf5(lambda file: file.update(arrays)))


def test_a_palette_is_no_image():
    """As the image specification of HDF5 keeps it."""
    palette = np.tile(np.arange(256, dtype="u1")[:, None], 3)
    assert_reads(hdf5(lambda file: file.update({"image": A, "palette": palette})))


# Tables


def test_lists_of_points_with_errors():
    """Without titles, h k I sigma and h k l I sigma."""
    columns = np.column_stack([POINTS, np.sqrt(A.ravel())])
    assert_reads(table(columns, " "))
    assert_reads(table(np.insert(columns, 2, 0.5, axis=1), " "))


def test_a_line_with_the_numbers_of_rows_and_columns_is_left_out():
    """Before the numbers, in either order."""
    for line in ("32 24\n", "24 32\n"):
        assert_reads(line + table(A, " "))


@pytest.mark.parametrize("word", ["#NV", "#WERT!", "#ZAHL!", "#VALEUR!", "#DIV/0!", "#BEZUG!"])
def test_errors_of_spreadsheets_in_other_languages(word):
    """They are no comments."""
    assert_reads(table(GAPS, ";", hole=word), GAPS)


@cases(
    ("write", "swap"),
    {
        "German": ("{:,.1f}", {",": ".", ".": ","}),
        "Swiss": ("{:,.1f}", {",": "\u2019"}),
        "Swiss, whole": ("{:,}", {",": "\u2019"}),
        "French, whole": ("{:,}", {",": "\u00a0"}),
    },
)
def test_signs_that_group_thousands(write, swap):
    """Points, apostrophes and spaces, with the decimals that belong to them."""
    text = table(A * 100, ";", write.format).translate(str.maketrans(swap))
    assert_reads(text, A * 100)


@pytest.mark.parametrize(("mark", "sign"), [(";", "."), ("\t", "."), (";", ","), (" ", ".")])
def test_thousands_that_may_be_decimals_are_asked_for(mark, sign):
    """1.024 among whole numbers below 1000 is not taken for 1.024, nor for 1024."""
    text = table(A * 4, mark, "{:,}".format).replace(",", sign)
    assert_refused(text, r"may have decimals, or .* may group thousands")


def test_thousands_in_columns_of_their_own_are_asked_for():
    """No column has both kinds; a column that numbers the rows says nothing."""
    values = np.column_stack([A[:, :12], A[:, 12:] + 1000])
    assert_refused(table(values, ";", "{:,}".format).replace(",", "."), "may group thousands")
    decimals = table(A / 700 + 1, ";", "{:.3f}".format).splitlines()
    numbered = "\n".join(f"{n};{row}" for n, row in enumerate(decimals))
    assert_reads(numbered, A / 700 + 1, rtol=6e-4)


def test_decimals_that_look_like_thousands_stay():
    """Three of them in every number, or in some beside numbers that have others."""
    assert_reads(table(A / 7 + 2, ";", "{:.3f}".format), A / 7 + 2, rtol=6e-4)
    fine = np.arange(1.0, 3.0, 0.002).reshape(40, 25)
    assert_reads(table(fine, ";"), fine, rtol=1e-8)
