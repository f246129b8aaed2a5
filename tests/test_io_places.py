"""The same notions in places and spellings of still other programs: flags, masks, axes, scales."""

import io
import struct
import zlib

import fabio
import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from xrlab.io.read import read_image_bytes
from xrlab.io.section import read_section

A = np.random.default_rng(0).poisson(40, (32, 24)) + 3 * np.arange(32)[:, None] + 7 * np.arange(24)
H, K = np.linspace(-1, 2, 32), np.linspace(0, 2.3, 24)
HOLE = np.zeros(A.shape, bool)
HOLE[3:9, 5:15] = True
GAPS = np.where(HOLE, np.nan, A)
POINTS = np.column_stack([np.repeat(H, 24), np.tile(K, 32), A.ravel()])


LABELS = {"h": "H00", "k": "[0K0] / (2\u03c0/b)"}


def hdf5(write):
    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        write(content)
    return file.getvalue()


def nexus(then=lambda data: None, values=A, **more):
    """An NXdata group with a signal v, and what a function adds to it."""

    def write(file):
        data = file.create_group("data")
        file.attrs["default"] = "data"
        data.attrs.update({"NX_class": "NXdata", "signal": "v", "axes": ["h", "k"]})
        for name, array in {"v": values, "h": H, "k": K, **more}.items():
            data[name] = array
        then(data)

    return hdf5(write)


def matlab(group="", **arrays):
    """Arrays as MATLAB 7.3 writes them, in a structure if it has a name."""

    def write(file):
        for name, array in arrays.items():
            place = f"{group}/{name}"
            file[place] = array.T
            kind = {"b": "logical", "f": "double"}[array.dtype.kind]
            file[place].attrs["MATLAB_class"] = np.bytes_(kind)

    return hdf5(write)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


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


def rows(values, mark, write="{:.9g}"):
    return "\n".join(mark.join(write.format(v) for v in row) for row in values)


# Flags and masks


@pytest.mark.parametrize(
    "content",
    [
        matlab(image=A.astype(float), mask=HOLE),
        nexus(lambda data: data.attrs.update(mask="excluded"), excluded=HOLE),
        nexus(bad_pixels=HOLE),
        nexus(
            lambda data: data["v"].attrs.update({"_Unsigned": "true", "_FillValue": np.int16(-7)}),
            np.where(HOLE, 65529, A).astype("u2").view("i2"),
        ),
        nexus(values=np.where(HOLE, 5e5, A), fill_value=5e5),
        npz(image=np.where(HOLE, 5e5, A), fill_value=5e5),
        npz(data=A, mask=HOLE, x=K, note="by hand"),
        npz(image=A, badmask=HOLE),
        npy(np.ma.masked_array(A, HOLE).filled()),
        npy(np.where(HOLE, -1e30, A)),
        png(np.where(HOLE, 7, A), 7),
    ],
    ids=[
        "MATLAB's logical",
        "named by the group",
        "bad pixels",
        "flag without sign",
        "flag beside",
        "flag in an archive",
        "array and note",
        "one word",
        "numpy's fill",
        "large negative",
        "transparent",
    ],
)
def test_more_places_of_unmeasured_pixels(content):
    """The value is NaN whatever says so."""
    np.testing.assert_array_equal(read_image_bytes(content), GAPS)


def test_tables_inside_a_cbf_say_what_its_numbers_are(tmp_path):
    """In loops of imgCIF: a flag is used, logarithms are refused unless one insists."""
    content = imgcif(tmp_path, array_id="a", linearity="linear", undefined_value="7777")
    np.testing.assert_array_equal(read_image_bytes(content), GAPS)
    content = imgcif(tmp_path, array_id="a", linearity="logarithmic_scaled", undefined_value="7777")
    with pytest.raises(ValueError, match=r"logarithmic_scaled.*no intensities"):
        read_image_bytes(content)


@pytest.mark.parametrize("word", ["log10(counts)", "ln(I)", "Log of intensity", "sqrt(I)", "dB"])
def test_files_that_say_that_they_are_logarithms_are_refused(word):
    """By the units or the name of the signal, by the unit of ImageJ."""
    tiff = io.BytesIO()
    text = f"ImageJ=1.53t\nunit=pixel\nvunit={word}\n"
    tifffile.imwrite(tiff, np.log10(A).astype("f4"), description=text, metadata=None)
    for content in (
        nexus(lambda data: data["v"].attrs.update(units=word), np.log10(A)),
        nexus(lambda data: data["v"].attrs.update(long_name=word), np.log10(A)),
        tiff.getvalue(),
    ):
        with pytest.raises(ValueError, match="no intensities"):
            read_image_bytes(content)
        np.testing.assert_allclose(read_image_bytes(content, insist=True), np.log10(A), rtol=1e-6)


def test_names_that_begin_like_a_logarithm_are_none():
    """Counts of a logger."""
    content = nexus(lambda data: data["v"].attrs.update(long_name="logger counts", units="counts"))
    np.testing.assert_array_equal(read_image_bytes(content), A)


@pytest.mark.parametrize(
    "content",
    [
        nexus(lambda data: data["v"].attrs.update(pedestal=40), A + 40),
        nexus(values=A + 40, pedestal=40.0),
        npz(image=A + 40, pedestal=40),
        b"{\nDim_1=24; Dim_2=32; DataType=UnsignedShort; Pedestal=40;\n}\n"
        + (A + 40).astype("<u2").tobytes(),
        ("# pedestal: 40\n" + rows(A + 40, " ")).encode(),
    ],
    ids=["attribute", "beside", "archive", "EDF", "text"],
)
def test_the_pedestal_is_taken_away_wherever_it_is_said(content):
    """Counts begin at it."""
    np.testing.assert_array_equal(read_image_bytes(content), A)


# Arrays and axes beside


@pytest.mark.parametrize(
    "content",
    [
        hdf5(lambda file: file.update({"image": A, "h": H, "k": K})),
        hdf5(lambda file: file.update({"image": A, "H": H, "K": K, "l": 0.5, "sigma": A * 0.1})),
        matlab("s", image=A.astype(float), h=H[None], k=K[:, None]),
        npz(intensity=A, sigma=np.sqrt(A), h=H, k=K),
        npz(I=A, H=np.append(H - 1.5 / 31, H[-1] + 1.5 / 31), K=K, l=0.0),
        ("h,k,0\n" + rows(POINTS, ",")).encode(),
        nexus(lambda data: [data[n].attrs.update(long_name=m) for n, m in LABELS.items()]),
        ("# h k I\n" + rows(POINTS, " ")).encode(),
        (",h,k,I\n" + rows(np.column_stack([np.arange(768), POINTS]), ",")).encode(),
    ],
    ids=[
        "HDF5",
        "capitals",
        "MATLAB's structure",
        "errors beside",
        "edges",
        "pandas' series",
        "packed labels",
        "numpy's header",
        "pandas' frame",
    ],
)
def test_axes_are_known_by_their_usual_names(content):
    """Beside the image, whatever else lies there, and in the titles of lists."""
    section = read_section(content)
    np.testing.assert_array_equal(section.image, A)
    np.testing.assert_allclose(section.h, H)
    np.testing.assert_allclose(section.k, K)


def test_planes_of_a_volume_of_matlab():
    """By their place on an axis; dimensions lie in the order of MATLAB's memory."""
    volume = A[:, :, None] + 1000.0 * np.arange(9)
    content = matlab(v=volume, h=H[None], k=K[None], l=np.linspace(-1, 1, 9)[None])
    for place, part in (("v[l=0.5]", volume[:, :, 6]), ("v[k=2]", volume[:, 20])):
        np.testing.assert_array_equal(read_image_bytes(content, dataset=place), part)
    np.testing.assert_allclose(read_section(content, dataset="v[h=-1]").h, K)


def test_dimensions_of_netcdf_without_values():
    """They are never written, and the image is read all the same."""

    def write(file):
        v = file.create_dataset("v", data=A)
        for n, size in enumerate(A.shape):
            scale = file.create_dataset("xy"[n], (size,), ">f4")
            scale.make_scale("This is a netCDF dimension but not a netCDF variable.")
            v.dims[n].attach_scale(scale)

    np.testing.assert_array_equal(read_image_bytes(hdf5(write)), A)


def test_directions_of_netcdf_are_no_dimensions():
    """Its attribute axis is a letter; that of the oldest NeXus is a number."""

    def then(data):
        del data.attrs["axes"]
        for name, letter in (("h", "Y"), ("k", "X")):
            data[name].attrs["axis"] = letter

    np.testing.assert_allclose(read_section(nexus(then)).k, K)


@pytest.mark.parametrize("name", ["image_err", "std", "I_std", "I_uncertainty", "errors_squared"])
def test_errors_are_no_images(name):
    """Under the names of xarray's users and of the uncertainties package."""
    errors = np.sqrt(A)
    np.testing.assert_array_equal(read_image_bytes(npz(I=A, **{name: errors})), A)
    content = hdf5(lambda file: file.update({"I": A, name: errors}))
    np.testing.assert_array_equal(read_image_bytes(content), A)


def test_a_palette_is_no_image():
    """As the image specification of HDF5 keeps it."""
    palette = np.tile(np.arange(256, dtype="u1")[:, None], 3)
    content = hdf5(lambda file: file.update({"image": A, "palette": palette}))
    np.testing.assert_array_equal(read_image_bytes(content), A)


# Tables


@pytest.mark.parametrize(
    "columns",
    [
        np.column_stack([POINTS, np.sqrt(A.ravel())]),
        np.insert(np.column_stack([POINTS, np.sqrt(A.ravel())]), 2, 0.5, axis=1),
    ],
    ids=["errors", "layer and errors"],
)
def test_lists_of_points_with_errors(columns):
    """Without titles, h k I sigma and h k l I sigma."""
    np.testing.assert_array_equal(read_image_bytes(rows(columns, " ").encode()), A)


def test_a_line_with_the_numbers_of_rows_and_columns_is_left_out():
    """Before the numbers, in either order."""
    for line in ("32 24\n", "24 32\n"):
        np.testing.assert_array_equal(read_image_bytes((line + rows(A, " ")).encode()), A)


@pytest.mark.parametrize("word", ["#NV", "#WERT!", "#ZAHL!", "#VALEUR!", "#DIV/0!", "#BEZUG!"])
def test_errors_of_spreadsheets_in_other_languages(word):
    """They are no comments."""
    text = rows(GAPS, ";").replace("nan", word)
    np.testing.assert_array_equal(read_image_bytes(text.encode()), GAPS)


@pytest.mark.parametrize(
    ("write", "swap"),
    [
        ("{:,.1f}", {",": ".", ".": ","}),
        ("{:,.1f}", {",": "\u2019"}),
        ("{:,}", {",": "\u2019"}),
        ("{:,}", {",": "\u00a0"}),
    ],
    ids=["German", "Swiss", "Swiss, whole", "French, whole"],
)
def test_signs_that_group_thousands(write, swap):
    """Points, apostrophes and spaces, with the decimals that belong to them."""
    text = rows(A * 100, ";", write).translate(str.maketrans(swap))
    np.testing.assert_array_equal(read_image_bytes(text.encode()), A * 100)


@pytest.mark.parametrize(("mark", "sign"), [(";", "."), ("\t", "."), (";", ","), (" ", ".")])
def test_thousands_that_may_be_decimals_are_asked_for(mark, sign):
    """1.024 among whole numbers below 1000 is not taken for 1.024, nor for 1024."""
    text = rows(A * 4, mark, "{:,}").replace(",", sign)
    with pytest.raises(ValueError, match=r"may have decimals, or .* may group thousands"):
        read_image_bytes(text.encode())


def test_thousands_in_columns_of_their_own_are_asked_for():
    """No column has both kinds; a column that numbers the rows says nothing."""
    values = np.column_stack([A[:, :12], A[:, 12:] + 1000])
    with pytest.raises(ValueError, match="may group thousands"):
        read_image_bytes(rows(values, ";", "{:,}").replace(",", ".").encode())
    table = np.column_stack([np.arange(32), A / 700 + 1])
    text = "\n".join(";".join([f"{row[0]:.0f}", *map("{:.3f}".format, row[1:])]) for row in table)
    np.testing.assert_allclose(read_image_bytes(text.encode()), A / 700 + 1, atol=6e-4)


def test_decimals_that_look_like_thousands_stay():
    """Three of them in every number, or in some beside numbers that have others."""
    text = rows(A / 7 + 2, ";", "{:.3f}")
    np.testing.assert_allclose(read_image_bytes(text.encode()), A / 7 + 2, atol=6e-4)
    text = rows(np.arange(1.0, 3.0, 0.002).reshape(40, 25), ";")
    np.testing.assert_allclose(read_image_bytes(text.encode())[0, 1], 1.002)
