"""HDF5 as beamlines and programs write it: links, masks, flags, axes, volumes."""

import bz2
import gzip
import os
import sys
from unittest.mock import Mock

import h5py
import numpy as np
import pytest
from h5py import h5a, h5s, h5t

from tests.image_files import (
    GAPS,
    HOLE,
    VOLUME,
    A,
    H,
    K,
    L,
    assert_reads,
    assert_refused,
    assert_section,
    attributes,
    hdf5,
    nexus,
)
from xrlab import read_image
from xrlab.io.section import read_section


def fixed(node, name, value):
    """Write an attribute of fixed-length ASCII, as NAPI and C++ writers do."""
    kind = h5t.C_S1.copy()
    kind.set_size(len(value) + 1)
    h5a.create(node.id, name.encode(), kind, h5s.create(h5s.SCALAR)).write(
        np.array(value.encode(), f"S{len(value) + 1}")
    )


# Text of fixed length


def test_the_real_mantid_section_is_read(local_data):
    """Cubic ZrO2 as Mantid wrote it, h and l by the middles of its bins, half unmeasured."""
    section = read_section(local_data / "whitfield_ZrO2_h0l_corelli.nxs")
    assert section.image.shape == (200, 200)
    assert section.labels == ("[H,0,0]", "[0,0,L]")
    with h5py.File(local_data / "whitfield_ZrO2_h0l_corelli.nxs") as file:
        data = file["MDHistoWorkspace/data"]
        signal, edges = data["signal"][()].T, data["Q1"][()]
    np.testing.assert_allclose(section.h, (edges[1:] + edges[:-1]) / 2)
    measured = ~np.isnan(section.image)
    assert 0.3 < measured.mean() < 0.8
    np.testing.assert_array_equal(section.image[measured], signal[measured])


@pytest.mark.parametrize(
    ("write_attribute", "one"),
    [(fixed, "1"), (lambda node, name, value: node.attrs.update({name: value}), 1)],
    ids=["fixed length", "h5py"],
)
def test_the_oldest_way_of_nexus(write_attribute, one):
    """The signal says that it is one, and its axes which they are."""

    def write(file):
        data = file.create_group("entry/data")
        data["other"], data["v"], data["x"], data["y"] = A * 2, A, H, K
        write_attribute(data, "NX_class", "NXdata")
        for name, said in (
            ("v", {"signal": one, "axes": "x:y"}),
            ("x", {"long_name": "h"}),
            ("y", {"long_name": "k", "units": "rlu"}),
        ):
            for attribute, value in said.items():
                write_attribute(data[name], attribute, value)

    assert_section(hdf5(write))


@pytest.mark.parametrize("text", [np.bytes_, lambda t: np.array([t.encode()]), lambda t: np.array(
    [t], dtype=h5py.string_dtype("ascii"))])  # fmt: skip
def test_names_in_attributes_of_every_kind_of_text(text):
    """Scalars of h5py's, arrays of one, of fixed and variable length."""

    def then(data):
        data.attrs["signal"] = text("v")
        data.file.attrs["default"], data.parent.attrs["default"] = text("entry"), text("data")

    assert_reads(nexus(then, background=A * 2))


# Frames elsewhere


def linked(name, file):
    """A function that puts a link to another file in the place of an array."""

    def then(data):
        data.pop(name, None)
        data[name] = h5py.ExternalLink(file, "/a")

    return then


def test_what_lies_in_another_file_is_named():
    """Frames that a master file maps, the signal, and its mask, without which it would be wrong."""
    layout = h5py.VirtualLayout(A.shape, "i8")
    layout[:] = h5py.VirtualSource("run_data_000001.h5", "/entry/data", A.shape)
    content = hdf5(lambda file: file.create_virtual_dataset("entry/data/data", layout))
    assert_refused(content, r"another file, run_data_000001\.h5")
    signal, mask = nexus(linked("v", "/some/frames.h5")), nexus(linked("pixel_mask", "mask.h5"))
    assert_refused(signal, r"data/v lies in another file, /some/frames\.h5")
    assert_refused(mask, r"pixel_mask lies in another file, mask\.h5")


def test_calibration_is_no_image_unless_named():
    """A file of flat field and dark image alone asks; a thumbnail beside linked frames, too."""
    flat = hdf5(lambda file: file.update({"flatfield": A, "entry/dark": A}))
    assert_refused(flat, "choose one with dataset")
    assert_reads(flat, dataset="flatfield")

    def write(file):
        file["entry/thumbnail"] = A
        file["entry/frames"] = h5py.ExternalLink("f.h5", "/a")

    assert_refused(hdf5(write), r"thumbnail.*frames' lies in the file f\.h5")


def test_virtual_data_sets_inside_one_file_are_read():
    """As processing programs assemble frames; a part that is missing is said."""

    def write(file):
        file["raw/a"] = A
        layout = h5py.VirtualLayout(A.shape, "i8")
        layout[:] = h5py.VirtualSource(".", "/raw/a", A.shape)
        file.create_virtual_dataset("image", layout, fillvalue=-1)
        layout = h5py.VirtualLayout(A.shape, "i8")
        layout[:] = h5py.VirtualSource(".", "/raw/b", A.shape)
        file.create_virtual_dataset("missing", layout, fillvalue=7)

    assert_reads(hdf5(write), dataset="image")
    assert_refused(hdf5(write), "needs /raw/b, which is not in the file", dataset="missing")


def test_soft_links_inside_the_file_are_followed():
    """NXdata that points to the frames and axes of the detector."""

    def then(data):
        data.parent.move("data/v", "instrument/detector/frames")
        data.parent.move("data/h", "axes/h")
        data["v"] = h5py.SoftLink("/entry/instrument/detector/frames")
        data["h"] = h5py.SoftLink("/entry/axes/h")

    assert_section(nexus(then))


# Masks


@pytest.mark.parametrize(
    "name",
    ["data/mask", "data/v_mask", "data/pixel_mask", "mask", "instrument/detector/pixel_mask",
     "instrument/eiger/pixel_mask", "instrument/detector/detectorSpecific/pixel_mask",
     "instrument/detector/module/mask", "ID15/pilatus/pixel_mask",
     "ID15/pilatus/detectorSpecific/pixel_mask"],
)  # fmt: skip
def test_masks_lie_in_many_places(name):
    """Beside the signal, of the entry, in any detector and its parts, of any instrument."""

    def then(data):
        data.parent[name] = HOLE.astype("u4") * 16
        if name.startswith("ID15"):
            data.parent["ID15"].attrs["NX_class"] = "NXinstrument"

    assert_reads(nexus(then), GAPS)


def test_masks_named_by_a_path():
    """The signal's attribute holds an absolute path, of fixed length."""

    def then(data):
        data.file["masks/bad"] = HOLE
        data["v"].attrs["mask"] = np.bytes_("/masks/bad")

    assert_reads(nexus(then), GAPS)


def test_masks_are_joined():
    """What any of them leaves out is left out."""
    other = HOLE[::-1, ::-1]
    assert_reads(nexus(v_mask=HOLE, pixel_mask=other.astype("u1")), np.where(other, np.nan, GAPS))


def test_weights_of_zero_mark_unmeasured_pixels():
    """As symmetrising programs keep how often a pixel was measured."""
    assert_reads(nexus(weights=np.where(HOLE, 0.0, 2.5)), GAPS)


def test_the_mask_of_a_frame_holds_for_every_frame_and_for_no_other_plane():
    """A cube of frames: the mask of the detector does not fit a plane across them."""
    cube = np.stack([A[:24] + n for n in range(24)])
    content = nexus(values=cube, axes=None, pixel_mask=HOLE[:24])
    assert_reads(content, np.where(HOLE[:24], np.nan, A[:24] + 2), dataset="entry/data/v[2]")
    assert_reads(content, cube[:, :, 5], dataset="entry/data/v[:, :, 5]")


# Flags, scale factors and offsets


@pytest.mark.parametrize(
    ("said", "flag", "dtype"),
    [
        ({"_FillValue": 9e5}, 9e5, "f4"),
        ({"missing_value": np.int32(7777)}, 7777, "i4"),
        ({"valid_range": [0.0, 5000.0]}, 6000, "f8"),
        ({"valid_max": 5000}, 5001, "u2"),
        ({}, -1, "f4"),
        ({}, 4294967295, "f4"),
        ({}, 4294967295, "i8"),
        ({}, 65535, "i4"),
        ({}, -9999, "f8"),
    ],
)
def test_flags_of_unmeasured_pixels(said, flag, dtype):
    """Of NetCDF, of GDAL, and of detectors in numbers wider than they were written in."""
    values = np.where(HOLE, flag, A).astype(dtype)
    assert_reads(nexus(attributes("v", **said), values), GAPS)


def test_packed_numbers_are_unpacked():
    """NetCDF's scale factor and offset, negative numbers included; NeXus' fields of the same."""
    packed = np.where(HOLE, -32768, A * 2 - 700).astype("i2")
    said = {"scale_factor": 0.5, "add_offset": 350.0, "_FillValue": np.int16(-32768)}
    assert_reads(nexus(attributes("v", **said), packed), GAPS)
    assert_reads(nexus(values=A * 4, v_scaling_factor=0.25))
    assert_reads(
        nexus(values=A * 4 - 8, scaling_factor=0.25, offset=8.0)
    )  # (number + offset) * factor


def test_blocks_that_were_never_written_are_unmeasured():
    """HDF5 fills them with a value that the file declares."""

    def then(data):
        del data["v"]
        v = data.create_dataset("v", A.shape, "f4", chunks=(8, 6), fillvalue=-7.5)
        v[:24] = A[:24]

    assert_reads(nexus(then), np.where(np.arange(32)[:, None] >= 24, np.nan, A))


def test_saturation_of_the_detector_is_used():
    """Its countrate correction is no longer valid above the cut-off."""

    def then(data):
        data.parent["instrument/detector/countrate_correction_count_cutoff"] = 200
        data.parent["instrument/detector/saturation_value"] = 250

    assert_reads(nexus(then), np.where(A >= 200, np.nan, A))


# Axes


@pytest.mark.parametrize(
    ("labels", "units"),
    [
        (("Q_x", "Q_y"), ("1/angstrom", "1/angstrom")),
        (("h", "k"), ("Å⁻¹", "Å⁻¹")),
        (("h", "k"), ("nm^-1", "nm^-1")),
        (("x", "y"), ("pixel", "pixel")),
        (("horizontal", "vertical"), ("", "")),
        (("theta", "chi"), ("deg", "deg")),
        (("h", "channel"), ("r.l.u.", "")),
    ],
)
def test_axes_that_are_not_in_rlu_are_asked_for(labels, units, tmp_path, capsys):
    """No section in silence: names, values, and what to give; the command line asks likewise."""
    from xrlab import cli

    def then(data):
        for name, label, unit in zip("hk", labels, units, strict=True):
            data[name].attrs.update({"long_name": label} | ({"units": unit} if unit else {}))

    content = nexus(then)
    with pytest.raises(ValueError, match=r"(?s)from 0 to 2\.3.*Which h and k.*--h FIRST LAST"):
        read_section(content)
    assert read_section(content, h=(0, 2), k=(0, 2)).h[-1] == 2
    (tmp_path / "a.nxs").write_bytes(content)
    assert cli.main(["interpret", str(tmp_path / "a.nxs")]) == 2
    assert "Which h and k" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "units"),
    [
        (("Qh", "Qk"), ("rlu", "rlu")),
        (("H (r.l.u.)", "K (r.l.u.)"), ("", "")),
        (("[H,H,0]", "[0,0,L]"), ("in 1.22 A^-1", "in 0.9 A^-1")),
        (("h_axis", "k_axis"), ("reciprocal lattice units", "2pi/a")),
        (("(h, 0, 0)", "(0, k, 0)"), ("dimensionless", "R.L.U.")),
    ],
)
def test_axes_in_rlu_as_programs_name_them(labels, units):
    """Their names and units, and no label loses anything but its unit."""

    def then(data):
        for name, label, unit in zip("hk", labels, units, strict=True):
            data[name].attrs.update({"long_name": label} | ({"units": unit} if unit else {}))

    section = assert_section(nexus(then))
    assert section.labels == tuple(label.replace(" (r.l.u.)", "") for label in labels)


def test_axes_that_the_file_orders_otherwise():
    """By AXISNAME_indices, by the numbers of the oldest way, as scales of the dimensions."""

    def indices(data):
        data.attrs["axes"] = ["k", "h"]
        data.attrs["k_indices"], data.attrs["h_indices"] = 1, 0

    def renamed(data):
        """Names that say nothing, and labels."""
        del data.attrs["axes"]
        for n, name in enumerate("hk"):
            data.move(name, f"x{n}")
            data[f"x{n}"].attrs["long_name"] = name
            yield n, data[f"x{n}"]

    def numbers(data):
        for n, axis in renamed(data):
            axis.attrs["axis"] = n + 1

    def scales(data):
        for n, axis in renamed(data):
            axis.make_scale(f"x{n}")
            data["v"].dims[n].attach_scale(axis)

    for then in (indices, numbers, scales):
        assert_section(nexus(then))


def test_axes_by_path_and_as_a_grid():
    """An absolute path, and an array of the image's shape that holds the same in every row."""

    def then(data):
        del data["k"]
        data["k"] = np.broadcast_to(K, A.shape)
        data.file["axes/h"] = np.append(H - 1.5 / 31, H[-1] + 1.5 / 31)  # edges
        data.attrs["axes"] = ["/axes/h", "k"]

    assert_section(nexus(then))


def test_a_point_stands_for_an_axis_without_values():
    """The image comes without axes, in a section with those that are given."""
    content = nexus(axes=(".", "k"))
    assert_reads(content)
    with pytest.raises(ValueError, match="does not say its h and k"):
        read_section(content)


# Volumes


def yell(**more):
    """Yell's and meerkat's layout."""
    return hdf5(lambda file: file.update({
        "data": VOLUME.astype(float), "format": b"Yell 1.0", "is_direct": False,
        "unit_cell": [5.0, 5, 5, 90, 90, 90], "metric_tensor": np.eye(3),
        "lower_limits": [-1.0, 0.0, -1.0], "step_sizes": [3 / 31, 0.1, 0.25], **more,
    }))  # fmt: skip


# As nxs-analysis-tools and CHESS write them.
CHESS = nexus(values=VOLUME, axes=("Qh", "Qk", "Ql"), Qh=H, Qk=K, Ql=L)


@pytest.mark.parametrize("place", ["l=5e-1", "entry/data[l=0.5]", "/entry/data/v[ L = 0.45 ]"])
def test_a_plane_is_chosen_by_its_place(place):
    """The nearest layer, with the axes that are left."""
    assert_section(CHESS, VOLUME[:, :, 6], dataset=place)
    section = assert_section(CHESS, VOLUME[:, 20], k=L, dataset="k=2.0")
    assert section.labels == ("Qh", "Ql")
    scans = nexus(values=VOLUME[None], axes=(".", "Qh", "Qk", "Ql"), Qh=H, Qk=K, Ql=L)
    assert_section(scans, VOLUME[:, :, 6], dataset=place)


def test_planes_that_are_not_there_are_said():
    """Outside, of an unknown axis, and of a volume without axes."""
    assert_refused(CHESS, "l runs from -1 to 1", dataset="l=1.5")
    assert_refused(CHESS, r"no axis 'q' .* it has h, k, l", dataset="q=0.5")
    assert_refused(
        nexus(values=VOLUME, axes=None),
        "it has none: choose a plane by number",
        dataset="entry/data[l=0.5]",
    )


def test_yell_volumes_have_their_axes():
    """From lower limits and steps; a pair distribution function is no scattering."""
    assert_section(yell(), VOLUME[:, :, 2], dataset="l=-0.5")
    assert_refused(yell(is_direct=True), "pair distribution function", dataset="l=0")


def test_older_meerkat_volumes_are_sums():
    """Divided by how many pixels were added; a place without any is unmeasured."""
    counts = np.full(VOLUME.shape, 4)
    counts[3:9, 5:15] = 0
    content = hdf5(lambda file: file.update({
        "rebinned_data": VOLUME * counts, "number_of_pixels_rebinned": counts,
        "maxind": [1.0, 2.3, 1.0],
    }))  # fmt: skip
    h, k = np.linspace(-1, 1, 32), np.linspace(-2.3, 2.3, 24)
    assert_section(content, np.where(HOLE, np.nan, VOLUME[:, :, 5]), h, k, dataset="l=0.25")


def test_nebula3d_marks_what_is_valid():
    """Its axes have names of their own."""
    content = hdf5(lambda file: file.update({
        "data": VOLUME, "sigma": VOLUME * 0.1, "mask": ~np.repeat(HOLE[:, :, None], 9, 2),
        "h_axis": H, "k_axis": K, "l_axis": L,
    }))  # fmt: skip
    assert_section(content, np.where(HOLE, np.nan, VOLUME[:, :, 8]), dataset="l=1")


def test_mantid_volumes_name_their_axes_backwards():
    """D2:D1:D0, edges of bins, fixed-length text."""

    def write(file):
        data = file.create_group("MDHistoWorkspace/data")
        data["signal"], data["mask"] = VOLUME.T.astype(float), np.zeros(VOLUME.T.shape, "i1")
        fixed(data["signal"], "axes", "D2:D1:D0")
        axes = (("D0", "[H,0,0]", H), ("D1", "[0,K,0]", K), ("D2", "[0,0,L]", L))
        for name, label, values in axes:
            step = values[1] - values[0]
            data[name] = np.append(values - step / 2, values[-1] + step / 2)
            fixed(data[name], "long_name", label)
            fixed(data[name], "units", "r.l.u.")

    assert_section(hdf5(write), VOLUME[:, :, 6], dataset="l=0.5")


def test_matlab_files_are_read_in_the_order_of_matlab(tmp_path):
    """Version 7.3 is HDF5 behind a block of text, its dimensions reversed."""
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in (("image", A.astype(float)), ("stack", VOLUME)):
            file[name] = values.T
            fixed(file[name], "MATLAB_class", "double")
        file["#refs#/a"] = A
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
    np.testing.assert_array_equal(read_image(path, dataset="image"), A)
    np.testing.assert_array_equal(read_image(path, dataset="stack[:, :, 3]"), VOLUME[:, :, 3])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_hdf5_in_a_compressed_file(pack):
    """Unpacked first, within limits."""
    assert_reads(pack(nexus()))


# The process that reads


@pytest.mark.parametrize("name", ["resource", "numpy", "h5py", "signal", "encodings", "hdf5plugin",
                                  "lazy_loader", "sitecustomize"])  # fmt: skip
def test_nothing_beside_the_file_is_executed(name, tmp_path, monkeypatch):
    """Modules with the names of those that are needed, also when the environment points there."""
    (tmp_path / "a.h5").write_bytes(nexus())
    (tmp_path / f"{name}.py").write_text("open('was_run', 'w')\nraise RuntimeError\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    np.testing.assert_array_equal(read_image("a.h5"), A)
    assert sorted(os.listdir()) == sorted(["a.h5", f"{name}.py"])


def test_one_file_takes_one_process(tmp_path, monkeypatch):
    """With the plugin of compressions and without; the command line reads once."""
    import subprocess

    from xrlab import cli

    hdf5plugin = pytest.importorskip("hdf5plugin")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=A, chunks=A.shape, **hdf5plugin.LZ4())
    monkeypatch.setattr(subprocess, "run", run := Mock(wraps=subprocess.run))
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5"), A)
    run.assert_called_once()
    assert cli.main(["interpret", str(tmp_path / "a.h5")]) == 2
    assert run.call_count == 2


def test_a_compression_that_nobody_knows_is_named(monkeypatch):
    """The number or the name of the filter; it is not called damaged."""
    import zlib

    def write(file):
        data = file.create_dataset("a", (4, 4), "u2", chunks=(4, 4), compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(32)))

    content = hdf5(write).replace(b"deflate\0", b"unknown\0")
    # The number of the filter, 1, becomes one that is registered for nothing.
    place = content.index(b"unknown\0") - 8
    content = content[:place] + (31999).to_bytes(2, "little") + content[place + 2 :]
    assert_refused(content, "compression, unknown, is unknown")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of processes on Windows")
def test_a_sparse_volume_is_not_called_damaged(tmp_path):
    """A plane across 2000 layers, of which 512 MB unpack from 1 MB."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        v = file.create_dataset("v", (2000, 256, 256), "f4", chunks=(1, 256, 256), compression=9)
        v[999:1001, 100:130] = np.random.default_rng(0).random((2, 30, 256))
        for n in range(2000):
            v[n, 0] = np.nan
    image = read_image(path, dataset="v[:, :, 7]", unmeasured=None)
    assert image.shape == (2000, 256)
    assert np.isnan(image[:, 0]).all()
