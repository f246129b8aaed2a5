"""Surroundings: consoles, read-only places, missing back ends, odd paths, files being written."""

import io
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

import xrlab
from tests.image_files import hdf5, npy
from xrlab import Section, delta_pdf, read_image
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.io.read import read_image_bytes, read_stored
from xrlab.measurement.filters import normalise_mean

ROOT = Path(xrlab.__file__).parents[1]
A = np.random.default_rng(0).poisson(40, (64, 64)) + np.arange(64)
HOLE = np.arange(4096).reshape(64, 64) % 7 == 0
MASKED = np.ma.masked_array(np.where(HOLE, 10**9, A), HOLE)
GAPS = np.where(HOLE, np.nan, A)


def run(*arguments, **environment):
    """Run Python with this xrlab, some variables set and some taken away (None)."""
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    settings = {name: value for name, value in settings.items() if value is not None}
    return subprocess.run([sys.executable, *arguments], env=settings, capture_output=True)


# Masked arrays


def test_masked_arrays_keep_their_mask():
    """In sections, filters and readers, as with NaN; whole numbers too."""
    np.testing.assert_array_equal(Section.from_range(MASKED, (0, 2), (0, 2)).image, GAPS)
    axis = np.linspace(0, 2, 64)
    np.testing.assert_array_equal(Section(MASKED, axis, axis).image, GAPS)
    placed = Section.from_calibration(MASKED, (0, 0), 31.5)
    np.testing.assert_array_equal(placed.image, GAPS)
    np.testing.assert_array_equal(normalise_mean(MASKED), normalise_mean(GAPS))
    filled = np.ma.masked_array(np.where(HOLE, 1e9, A), HOLE)
    for masked in (MASKED, filled):
        np.testing.assert_array_equal(delta_pdf(masked).vector, delta_pdf(GAPS).vector)


def test_stacks_of_masked_arrays_keep_their_masks():
    """The network answers as it does with NaN, for an array and for a list."""
    expected = xrlab.predict(np.stack([GAPS, GAPS]), span=2)[0]
    for stack in (np.ma.stack([MASKED, MASKED]), [MASKED, MASKED]):
        np.testing.assert_allclose(xrlab.predict(stack, span=2)[0], expected, atol=1e-6)


def test_masks_of_form_factors_and_of_images_to_degrade():
    """A pixel without a known form factor has its mean; what is behind a mask is not used."""
    from xrlab.inference.knowledge import known_factor
    from xrlab.measurement.effects import checked_image

    np.testing.assert_array_equal(checked_image(MASKED, STANDARD_GRID), GAPS)
    images = np.stack([GAPS])
    np.testing.assert_array_equal(known_factor(MASKED, images), known_factor(GAPS, images))


def test_an_upload_is_decoded_once_for_several_h_and_k(monkeypatch):
    """The page places the same image again."""
    from xrlab.course import own_image
    from xrlab.io import read

    monkeypatch.setattr(read, "_read", decode := Mock(wraps=read._read))
    for h in ((0, 2), (-1, 1), (0, 2)):
        assert own_image.read_upload(npy(A), "a.npy", h=h, k=h).section.h[0] == h[0]
    decode.assert_called_once()


# Consoles


@pytest.mark.parametrize("coding", ["cp1252", "ascii", "cp437"])
def test_output_loses_nothing_in_a_narrow_coding(coding, monkeypatch):
    """Signs that it lacks come as escapes, on both streams, and the exit status is the same."""
    from xrlab import cli

    def told(chosen):
        print("ΔPDF +0.1 ± 0.2")
        print("Δ", file=sys.stderr)
        return 0

    monkeypatch.setattr(cli, "_pipelines", told)
    streams = {name: io.TextIOWrapper(io.BytesIO(), coding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    assert cli.main(["pipelines"]) == 0
    for name, text in (("stdout", "ΔPDF +0.1 ± 0.2\n"), ("stderr", "Δ\n")):
        streams[name].flush()
        assert streams[name].buffer.getvalue() == text.encode(coding, "backslashreplace")


def test_a_back_end_that_is_not_installed_is_named(tmp_path):
    """And what to do; no traceback from inside Keras."""
    code = "import xrlab; xrlab.small_cnn(3)"
    done = run("-c", code, KERAS_BACKEND="torch")
    said = done.stderr.decode().strip().splitlines()[-1]
    assert "KERAS_BACKEND" in said
    assert "torch" in said
    assert "not installed" in said
    done = run("-c", code, KERAS_BACKEND="nonsense")
    assert "nonsense" in done.stderr.decode().strip().splitlines()[-1]


def test_without_a_place_for_compiled_code_it_is_compiled_anew(tmp_path):
    """Where numba finds no folder for its cache: same results, no error."""
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"
        "from xrlab.crystal.kernels import compiled\n"
        "print(compiled(lambda x: x + 1)(1))"
    )
    done = run("-c", code, NUMBA_CACHE_DIR=None)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.strip() == b"2"


def test_files_are_read_without_a_folder_for_temporary_ones(monkeypatch):
    """A container may be read-only throughout: what a child process reads comes by pipes."""
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *given: pytest.fail("a folder was made"))
    edf = b"{\nDim_1=64; Dim_2=64; DataType=FloatValue;\n}\n" + A.astype("<f4").tobytes()
    np.testing.assert_array_equal(read_image_bytes(edf), A)


# Paths and files


@pytest.mark.parametrize(
    "name", ["with space", "Ångström 中文", "d" * 120 + "/" + "e" * 150, "-x", "%s"]
)
def test_paths_of_all_kinds(name, tmp_path):
    """Spaces, accents, three hundred characters, signs that mean something elsewhere."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    np.save(folder / "ä b.npy", A)
    (folder / "ä b.h5").write_bytes(hdf5(lambda file: file.update(a=A)))
    for suffix in ("npy", "h5"):
        np.testing.assert_array_equal(read_image(folder / f"ä b.{suffix}"), A)
    done = run("-c", f"import xrlab; print(xrlab.read_image({str(folder / 'ä b.h5')!r}).sum())",
               LC_ALL="C", LANG="C")  # fmt: skip
    assert float(done.stdout) == A.sum()


def test_a_file_that_is_being_written_is_said(tmp_path, monkeypatch):
    """It grew while it was read: what came is not returned."""
    from xrlab.io import read

    path = tmp_path / "a.txt"
    np.savetxt(path, A)
    whole = read.read_text

    def slow(content, dataset):
        with path.open("a") as file:
            file.write("1 2 3\n")
        return whole(content, dataset)

    monkeypatch.setattr(read, "read_text", slow)
    with pytest.raises(ValueError, match="changed while it was read: wait"):
        read_image(path)


def test_a_growing_file_gives_an_image_or_an_error(tmp_path):
    """A program appends lines all the time; only whole tables come out."""
    path, stop = tmp_path / "a.txt", threading.Event()
    path.write_text("")

    def append():
        while not stop.wait(0.001):
            with path.open("a") as file:
                file.write("1 2 3 4\n")

    writer = threading.Thread(target=append)
    writer.start()
    try:
        for _ in range(20):
            try:
                image, _ = read_stored(path)
            except ValueError as error:
                assert "a.txt" in str(error)  # noqa: PT017
            else:
                assert image.shape[1] == 4
    finally:
        stop.set()
        writer.join()
