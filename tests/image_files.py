"""One image as many programs write it, and whether it is read."""

import io

import h5py
import numpy as np
import pytest
import tifffile

from xrlab.io.read import read_image_bytes
from xrlab.io.section import read_section

# No symmetry, more rows than columns, and none of its numbers is a flag.
A = np.random.default_rng(0).poisson(40, (32, 24)) + 3 * np.arange(32)[:, None] + 7 * np.arange(24)
H, K, L = np.linspace(-1, 2, 32), np.linspace(0, 2.3, 24), np.linspace(-1, 1, 9)
HOLE = np.zeros(A.shape, bool)
HOLE[3:9, 5:15] = True
GAPS = np.where(HOLE, np.nan, A)
POINTS = np.column_stack([np.repeat(H, 24), np.tile(K, 32), A.ravel()])
VOLUME = A[:, :, None] + 1000 * np.arange(9)
SMV = '{{\nHEADER_BYTES=512;\nSIZE1={0};\nSIZE2={1};\nTYPE="unsigned_short";\n{2}}}\n'


def cases(names, table):
    """Parametrise a test by a dictionary of what each case is called and its values."""
    return pytest.mark.parametrize(names, table.values(), ids=table)


def assert_reads(content, expected=A, rtol=0, **options):
    """Check that the bytes or the text of a file are read as the expected image."""
    content = content.encode() if isinstance(content, str) else content
    np.testing.assert_allclose(read_image_bytes(content, **options), expected, rtol)


def assert_refused(content, message, **options):
    """Check that the bytes or the text of a file are refused with a message."""
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(ValueError, match=message):
        read_image_bytes(content, **options)


def assert_section(content, expected=A, h=H, k=K, **options):
    """Check that image and axes are read, and return the section."""
    section = read_section(content.encode() if isinstance(content, str) else content, **options)
    np.testing.assert_array_equal(section.image, expected)
    np.testing.assert_allclose(section.h, h, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(section.k, k, rtol=1e-5, atol=1e-9)
    return section


def hdf5(write, **options):
    """Bytes of a file of HDF5 that a function writes into."""
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as content:
        write(content)
    return file.getvalue()


def nexus(then=lambda data: None, values=A, axes=("h", "k"), **more):
    """An NXdata group with a signal v, axes, more arrays, and what a function does to it."""

    def write(file):
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "v"})
        if axes:
            data.attrs["axes"] = axes
        for name, array in {"v": values, "h": H, "k": K, **more}.items():
            data[name] = array
        then(data)

    return hdf5(write)


def attributes(name, **values):
    """A function that sets attributes of an array in a group, or of the group itself."""
    return lambda data: (data[name] if name else data).attrs.update(values)


def npy(values):
    """An array of numpy's."""
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def npz(**arrays):
    """An archive of numpy's."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def tiff(image, **options):
    """A file of tifffile's without its own description."""
    file = io.BytesIO()
    tifffile.imwrite(file, image, **({"metadata": None} | options))
    return file.getvalue()


def with_tags(content, **tags):
    """The bytes of a TIFF with other values of some tags."""
    file = io.BytesIO(content)
    with tifffile.TiffFile(file) as changed:
        for name, value in tags.items():
            changed.pages[0].tags[name].overwrite(value)
    return file.getvalue()


def smv(text, values=A, dtype="<u2", size=512):
    """A header as it is given, padded, and pixels."""
    return text.encode().ljust(size) + values.astype(dtype).tobytes()


def table(values=A, mark=",", write="{:.9g}".format, end="\n", hole="nan"):
    """Lines of numbers with a mark between."""
    rows = [[hole if np.isnan(v) else write(v) for v in row] for row in values]
    return end.join(mark.join(row) for row in rows) + end
