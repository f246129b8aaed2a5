"""Faults: each ends in a clear message, and the same command goes on; nothing is lost.

Killed while making data, and damaged chunks: `test_store` too. Killed while training, and damaged
checkpoints: `test_training`. No network: `test_data`. A kernel that dies: `test_run_notebooks`.
Damaged images and files too large: `test_reading`, and tools/fuzz_readers.py for 20,000 of them.
"""

import errno
import io
import json
import os
import shutil
import signal
import zipfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
import run_notebooks

from tests.faults import (
    DIE_IN_WRITE,
    ROOT,
    fill,
    needs_sigkill,
    python,
    read_only,
    small_disk,
    wait_for,
)
from tests.series import write_notebook
from tests.test_store import QUICK, flipped, make, n_written, tree
from xrlab import cli, generate, load_model, open_data_set, small_cnn
from xrlab.datasets import lock, store
from xrlab.datasets.lock import InUseError, alone
from xrlab.io import fetch, files
from xrlab.io.files import write
from xrlab.networks import shipped
from xrlab.networks.backend import import_keras
from xrlab.training.checkpoints import Checkpoint
from xrlab.training.fit import fit

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk():
    """An empty disk of 1 MB."""
    with small_disk() as path:
        yield path


@pytest.fixture(params=["root", "user"])
def read_only_folder(request, tmp_path):
    """A folder with an old file and a finished set in it, to be made read-only by the test."""
    if request.param == "user":
        yield tmp_path
    else:
        with small_disk("4m") as path:
            yield path


# Data sets


@needs_sigkill
def test_second_run_in_a_folder_is_told_and_goes_on_when_the_first_is_killed(whole, tmp_path):
    """It names the first and changes nothing; the lock of a killed run keeps nobody out."""
    path = tmp_path / "set.zarr"
    program = f"""
from pathlib import Path
from tests.test_store import make, pause_after
path = Path({str(path)!r})
pause_after(1, path)
make(path)"""
    with python(program) as first:
        try:
            assert wait_for(lambda: path.exists() and n_written(path) > 1, first)
            with pytest.raises(InUseError, match=rf"process {first.pid}\).*set\.zarr: wait until"):
                make(path)
            assert first.poll() is None
        finally:
            first.kill()
    assert (path / lock.LOCK).exists()
    assert 1 < n_written(path) < 8
    make(path)
    assert tree(path) == tree(whole)


def test_a_set_that_another_run_has_just_grown_is_left_alone(whole, tmp_path, monkeypatch):
    """Between the look at what is there and the lock, another run began and ended."""
    path = tmp_path / "set.zarr"
    make(path, 20)
    refuse = store._refuse_full_disk

    def grow_first(*arguments):
        monkeypatch.setattr(store, "_refuse_full_disk", refuse)
        make(path)

    monkeypatch.setattr(store, "_refuse_full_disk", grow_first)
    with pytest.raises(InUseError, match=r"just changed .*set\.zarr"):
        make(path, 30)
    assert tree(path) == tree(whole)


def test_a_disk_that_fills_up_loses_nothing_of_a_set(whole, disk, monkeypatch):
    """Another program takes the room meanwhile; with room again, the same call goes on."""
    monkeypatch.setattr(store, "_refuse_full_disk", lambda *_: None)
    path, make_chunk, filler = disk / "set.zarr", store._make_chunk, []

    def make_until_full(*arguments):
        if n_written(path) == 3 and not filler:
            filler.append(fill(disk))
        return make_chunk(*arguments)

    monkeypatch.setattr(store, "_make_chunk", make_until_full)
    with pytest.raises(OSError, match=r"set\.zarr cannot be written \(No space.*same call") as told:
        make(path)
    assert told.value.errno == errno.ENOSPC
    assert n_written(path) == 3
    filler[0].unlink()
    make(path)
    assert tree(path) == tree(whole)


def test_failed_writes_are_told_by_the_command(tmp_path, capsys, monkeypatch):
    """The same without such a disk: one line, exit code 2, and the same command goes on."""
    command = ["dataset", str(tmp_path / "a.zarr"), "--images", "4", "--size", "20", "--span", "2"]
    command += ["--lot-size", "10", "--workers", "1", "--sampler", "gaussian"]
    with monkeypatch.context() as patch:
        patch.setattr(store.zarr, "open_array", Mock(side_effect=NO_SPACE))
        assert cli.main(command) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("xrlab: error: ")
    assert "a.zarr cannot be written (No space left on device)" in said[-1]
    assert not any("Traceback" in line for line in said)
    assert cli.main(command) == 0


def test_sets_in_a_read_only_folder(read_only_folder, tmp_path, whole):
    """A new one is refused by name, an unfinished one too; a finished one is there to be read."""
    finished, begun = read_only_folder / "finished.zarr", read_only_folder / "begun.zarr"
    for path in (finished, begun):
        shutil.copytree(whole, path)
    (begun / "encodings" / "c.3.0").unlink()
    before = tree(read_only_folder)
    with read_only(read_only_folder):
        for path in (begun, read_only_folder / "new.zarr"):
            with pytest.raises(OSError, match=rf"{path.name} cannot be written \(.*same call"):
                make(path)
        assert len(make(finished)[:].images) == 60
    assert tree(read_only_folder) == before
    make(begun)
    assert tree(begun) == tree(whole)


@pytest.mark.parametrize("array", ["images", "encodings"])
@pytest.mark.parametrize("content", [b"", b'{"zarr_format": 3, "sha', None])
def test_damaged_descriptions_of_arrays_cost_no_sample(
    whole, tmp_path, monkeypatch, array, content
):
    """Zarr tells in a file of each array what its chunks are: made anew, and no chunk is."""
    path = tmp_path / "set.zarr"
    shutil.copytree(whole, path)
    described = path / array / "zarr.json"
    described.unlink() if content is None else described.write_bytes(content)
    with pytest.raises(ValueError, match=r"[Cc]all generate_to|with generate_to"):
        open_data_set(path)[:]
    monkeypatch.setattr(store, "_make_chunk", None)
    make(path)
    assert tree(path) == tree(whole)


@pytest.mark.skipif(os.name == "nt", reason="no permissions to take away")
def test_a_set_that_may_not_be_read_is_not_called_something_else(tmp_path, monkeypatch):
    """The words are those of the system."""
    path = tmp_path / "set.zarr"
    make(path, 8)
    read_text = Path.read_text

    def refuse(self, *arguments, **options):
        if self == path / "zarr.json":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read_text(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(PermissionError, match=r"denied.*zarr\.json"):
        make(path)


def test_the_lock_goes_with_the_work(tmp_path):
    """It is free again after an error too, and no file stays."""

    def fail():
        with alone(tmp_path, "wait"):
            with pytest.raises(InUseError, match="wait"), alone(tmp_path, "wait"):
                pass
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows locks in another way")
def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    """Some network disks refuse every lock: better none than no work."""
    failing = Mock(side_effect=OSError(errno.ENOLCK, "No locks available"))
    monkeypatch.setattr(lock.fcntl, "flock", failing)
    with alone(tmp_path, "wait"), alone(tmp_path, "wait"):
        pass
    assert not list(tmp_path.iterdir())


# Training

TRAIN = """
from pathlib import Path
from tests.test_faults import train
train(Path({path!r}))
"""


def train(path=None, epochs=3):
    """Train the small CNN on a few images; the same weights each time."""
    images = generate(2, 40, seed=5, setting=QUICK, n_jobs=1, progress=False)
    import_keras().utils.set_random_seed(1)
    model = small_cnn(3, QUICK.grid.shape)
    history = fit(model, *images.split(30, 10), epochs=epochs, checkpoint=path, symmetries=False)
    return model.get_weights(), history


@needs_sigkill
def test_killed_while_a_checkpoint_is_written(tmp_path):
    """The one of the epoch before stays; the same training goes on to the same weights."""
    path = tmp_path / "state.npz"
    with python(DIE_IN_WRITE.format(n=2) + TRAIN.format(path=str(path))) as killed:
        assert killed.wait() == -signal.SIGKILL
    assert len(Checkpoint(path, {}).history.loss) == 1
    assert len(os.listdir(tmp_path)) == 2  # and the half-written one
    weights, history = train(path)
    assert os.listdir(tmp_path) == ["state.npz"]
    expected_weights, expected = train()
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-4)
    for one, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_two_trainings_with_one_checkpoint(tmp_path):
    """The second to write is told, and the file of the first stays as it is."""
    path = tmp_path / "state.npz"
    model = _compiled()
    first, second = Checkpoint(path, {}), Checkpoint(path, {})
    first.save(model)
    first.save(model)
    before = path.read_bytes()
    with pytest.raises(InUseError, match=r"another training writes to .*state\.npz.*its own"):
        second.save(model)
    assert path.read_bytes() == before
    first.save(model)
    assert os.listdir(tmp_path) == ["state.npz"]


def test_a_full_disk_keeps_the_checkpoint_of_the_epoch_before(disk):
    """With room again, the training goes on from there."""
    path, model = disk / "state.npz", _compiled()
    state = Checkpoint(path, {})
    state.save(model)
    before, filler = path.read_bytes(), fill(disk)
    with pytest.raises(OSError, match=r"state\.npz cannot be .* older one is as it was.*goes on"):
        state.save(model)
    assert path.read_bytes() == before
    filler.unlink()
    state.save(model)
    assert os.listdir(disk) == ["state.npz"]


def _compiled():
    """A small model with its optimiser."""
    keras = import_keras()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


# Reports


def test_what_libraries_write_is_whole_or_not_there(tmp_path):
    """Such as Keras, which takes a path and nothing else."""
    path = tmp_path / "a.keras"
    for content in ("old", "new"):
        with files.replacing(path) as part:
            part.write_text(content)
            assert not path.exists() or path.read_text() == "old"
    with pytest.raises(FileNotFoundError), files.replacing(path):
        pass  # nothing was written
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.keras"]


@needs_sigkill
def test_killed_while_a_report_is_written(tmp_path):
    """The old report stays whole; the next one is written as ever."""
    path = write(tmp_path / "box.html", "old")
    program = f"from xrlab.interpretation.report import write\nwrite({str(path)!r}, 'new' * 10**6)"
    with python(DIE_IN_WRITE.format(n=1) + program) as killed:
        assert killed.wait() == -signal.SIGKILL
    assert path.read_text() == "old"
    assert write(path, "new").read_text() == "new"


def test_a_full_disk_keeps_the_old_report(disk):
    """The message names the report and says what is there now."""
    path = write(disk / "box.html", "old")
    filler = fill(disk)
    with pytest.raises(OSError, match=r"box\.html cannot be written \(No space.*as it was"):
        write(path, "new" * 10**5)
    assert path.read_text() == "old"
    filler.unlink()
    write(path, "new")
    assert os.listdir(disk) == ["box.html"]


def test_reports_in_a_read_only_folder(read_only_folder):
    """Refused by name, and the old one stays."""
    path = write(read_only_folder / "box.html", "old")
    with read_only(read_only_folder), pytest.raises(OSError, match=r"box\.html cannot be written"):
        write(path, "new")
    assert path.read_text() == "old"


# Weights


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The file of the smallest network in a folder of its own, to be damaged."""
    for suffix in (".keras", ".onnx"):
        shutil.copy(shipped.WEIGHTS / f"cfs2{suffix}", tmp_path)
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    return tmp_path / "cfs2.keras"


def other_zip(_):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("thesis.txt", "thesis")
    return content.getvalue()


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: c[: len(c) // 2], lambda c: b"<html>404</html>", other_zip, flipped],
    ids=["empty", "cut", "no zip", "other zip", "one bit"],
)
def test_damaged_weights_are_named(weights, damage):
    """The message names the file and says what to do; nothing is read as if it were whole."""
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(ValueError, match=r"cfs2\.keras are damaged.*install xrlab anew") as told:
        load_model("cfs2")
    assert "\n" not in str(told.value)


def test_missing_keras_file_is_no_missing_network(weights):
    """The package has large networks as ONNX only; the error says what to do."""
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"checkout.*load_network\('cfs2'\)"):
        load_model("cfs2")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", None], ids=["empty", "page", "cut"])
def test_damaged_network_is_named(weights, content):
    """As above, of the file that answers."""
    path = weights.with_suffix(".onnx")
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(ValueError, match=r"cfs2\.onnx are damaged.*install xrlab anew") as told:
        shipped.read_network(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b'{"name": "cfs2", ', b"\xff\xfe"])
def test_damaged_card_is_named(weights, content):
    weights.with_suffix(".json").write_bytes(content)
    with pytest.raises(ValueError, match=r"cfs2\.json is damaged.*install xrlab anew"):
        shipped.model_card("cfs2")


def test_weights_that_hold_code_are_refused(weights, tmp_path):
    """A Lambda layer, which could do anything, is neither loaded nor run."""
    keras = import_keras()
    mark = tmp_path / "was_run"
    image = keras.Input((2,))
    spy = keras.layers.Lambda(lambda x, path=str(mark): [open(path, "w").close(), x][1])
    keras.Model(image, spy(image)).save(weights)
    mark.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"cfs2\.keras are damaged, or not those .*Lambda"):
        load_model("cfs2")
    assert not mark.exists()


# Measured images


def test_half_a_copy_in_the_cache_is_mended(no_network, local_data, monkeypatch):
    """A copy that was killed on the way is made anew, without a network."""
    monkeypatch.setenv(fetch.LOCAL_DATA, str(local_data))
    path = fetch.fetch("box1")
    content = path.read_bytes()
    path.write_bytes(content[:999])
    assert fetch.fetch("box1") == path
    assert path.read_bytes() == content
    path.write_bytes(content[:999])
    monkeypatch.delenv(fetch.LOCAL_DATA)
    with pytest.raises(fetch.DataUnavailableError, match="XRLAB_LOCAL_DATA"):
        fetch.fetch("box1")


def test_a_cache_that_cannot_be_written_is_gone_round(no_network, local_data, monkeypatch):
    """The copy in the local folder is as good; without one, the message names the cache."""
    no_network.write_text("a file where the folder should be")
    with pytest.raises(fetch.DataUnavailableError, match=f"to {no_network}"):
        fetch.fetch("box1")
    monkeypatch.setenv(fetch.LOCAL_DATA, str(local_data))
    assert fetch.fetch("box1").parent == local_data


# The notebook series


@pytest.fixture
def series(monkeypatch):
    """A function that writes notebooks of one cell each; it returns the options of their run."""
    monkeypatch.setenv("PLOTLY_RENDERER", "")  # the run sets it

    def write_series(folder, *sources):
        (folder / "notebooks").mkdir()
        for number, source in enumerate(sources):
            file = folder / "notebooks" / f"{number:02d}_made.ipynb"
            write_notebook(file, f"Number {number}", source)
        return ["--notebooks", str(folder / "notebooks"), "--out", str(folder / "build")]

    return write_series


@pytest.mark.notebook
@needs_sigkill
def test_a_killed_run_of_the_series_leaves_no_kernel_and_begins_anew(series, tmp_path, capsys):
    """A second run meanwhile is told; what was finished is there; the same command runs it all."""
    mark, out = tmp_path / "second", tmp_path / "build"
    wait = f"import os, time\nwhile not os.path.exists({str(mark)!r}): time.sleep(0.1)"
    options = series(tmp_path, "1 + 1", wait)
    program = f"import sys\nsys.path.append('tools')\nimport run_notebooks as r\nr.main({options})"
    with python(program, cwd=ROOT) as first:
        me = psutil.Process(first.pid)
        try:
            assert wait_for(lambda: (out / "01_made.ipynb").exists() and me.children(), first)
            assert run_notebooks.main(options) == 1
            said = capsys.readouterr().err
            assert f"another run (process {first.pid}) is at work in {out}: wait" in said
            assert first.poll() is None
            kernels = me.children(recursive=True)
        finally:
            first.kill()
    assert (out / "00_made.html").exists()
    assert "Unfinished: 1 more to run" in (out / "index.html").read_text(encoding="utf-8")
    _, alive = psutil.wait_procs(kernels, timeout=600)
    assert not alive
    mark.touch()
    assert run_notebooks.main(options) == 0
    runs = json.loads((out / "summary.json").read_text())
    assert [(run["name"], run["error"]) for run in runs] == [("00_made", ""), ("01_made", "")]
    assert "Unfinished" not in (out / "index.html").read_text(encoding="utf-8")


@pytest.mark.notebook
def test_a_series_without_room_for_its_results_is_told(series, disk, capsys):
    """One line, exit code 1; with room again, the same command begins anew."""
    assert run_notebooks.main(series(disk, "1 + 1")) == 1  # plotly.js alone has 5 MB
    said = capsys.readouterr().err
    assert f"the results cannot be written to {disk / 'build'}" in said
    assert "No space left" in said


@pytest.mark.notebook
def test_a_series_in_a_read_only_folder_is_told(series, read_only_folder, capsys):
    """The same."""
    options = series(read_only_folder, "1 + 1")
    with read_only(read_only_folder):
        assert run_notebooks.main(options) == 1
    assert (
        f"the results cannot be written to {read_only_folder / 'build'}" in capsys.readouterr().err
    )
