"""Data sets on disk come out the same whoever makes them and however often they are killed."""

import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace

import joblib
import numpy as np
import psutil
import pytest
import zarr

from tests.faults import needs_sigkill, python, wait_for
from xrlab import ReciprocalGrid, generate
from xrlab.crystal.setting import Setting
from xrlab.datasets import layout, store
from xrlab.datasets.dataset import make_sample
from xrlab.datasets.store import NotEnoughSpaceError, estimate, generate_to, open_data_set

QUICK = Setting(size=12, lot_size=8, lots=2, grid=ReciprocalGrid(shape=(16, 16)))
N, CHUNK, SEED = 60, 8, 3  # the last chunk is not full


def make(path, n_samples=N, span=2, seed=SEED, setting=QUICK, **options):
    options = {"n_jobs": 1, "progress": False, "chunk": CHUNK} | options
    return generate_to(path, span, n_samples, seed, setting, **options)


def pause_after(n, path):
    """Let this process wait for ever once more than n chunks are written."""
    make_chunk = store._make_chunk

    def make_or_wait(*arguments):
        while n_written(path) > n:
            time.sleep(0.01)
        return make_chunk(*arguments)

    store._make_chunk = make_or_wait


def tree(path):
    """Every file below a path, with the hash of its bytes."""
    files = [file for file in path.rglob("*") if file.is_file()]
    return {str(f.relative_to(path)): sha256(f.read_bytes()).hexdigest() for f in files}


def n_written(path):
    """Number of chunks that are complete."""
    return len(list((path / "encodings").glob("c.*.0")))


def assert_same(one, two):
    """Two data sets in memory hold the same bits."""
    for name in ("images", "encodings", "targets"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.setting == two.setting


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of it to spoil."""
    shutil.copytree(whole, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


@pytest.fixture(scope="module")
def in_memory():
    """The same samples, made in memory."""
    return generate(2, N, SEED, QUICK, progress=False)


# What is stored


def test_stored_samples_are_those_of_generate(whole, in_memory):
    """On disk and in memory: the same bits, setting included."""
    data = open_data_set(whole)
    assert (len(data), data.span, data.seed) == (N, 2, SEED)
    assert_same(data[:], in_memory)
    assert zarr.open_group(whole, mode="r").metadata.zarr_format == 3


@pytest.mark.parametrize(
    "part",
    [slice(5, 50, 3), slice(None, None, -1), slice(40, 3, -7), slice(-4, None), slice(5, 5)],
    ids=str,
)
def test_slices_are_those_of_an_array(whole, in_memory, part):
    """Steps, negative numbers and empty slices too."""
    assert_same(open_data_set(whole)[part], in_memory[part])


def test_split_reads_nothing_and_shares_nothing(copy, in_memory):
    """Parts are cut where those of a set in memory are, before any image is read."""
    parts = open_data_set(copy).split(20, 30, 6)
    for part, expected in zip(parts, in_memory.split(20, 30, 6), strict=True):
        assert_same(part[:], expected)
        assert_same(part[2:-1], expected[2:-1])
    shutil.rmtree(copy / "images")
    assert [len(part) for part in parts[1].split(10, 20)] == [10, 20]
    with pytest.raises(ValueError, match="cannot cut 30 samples"):
        parts[1].split(10, 21)


def test_workers_do_not_change_a_byte(whole, tmp_path):
    """One worker, two threads, two processes: the same files."""
    make(tmp_path / "threads", n_jobs=2)
    with joblib.parallel_config(backend="loky"):
        make(tmp_path / "processes", n_jobs=2)
    assert tree(tmp_path / "threads") == tree(tmp_path / "processes") == tree(whole)


def test_longer_set_grows_from_a_shorter_one(whole, tmp_path):
    """The last chunk, not full before, is made anew; the others are not touched."""
    make(tmp_path, 21)
    first = tmp_path / "images" / "c.0.0.0"
    before = first.stat().st_mtime_ns
    make(tmp_path)
    assert tree(tmp_path) == tree(whole)
    assert first.stat().st_mtime_ns == before


def test_set_killed_while_growing_goes_on(whole, tmp_path):
    """The new length is written, the arrays have the old one: unfinished, and easily finished."""
    make(tmp_path, 21)
    text = (tmp_path / "zarr.json").read_text()
    (tmp_path / "zarr.json").write_text(text.replace('"n_samples": 21', f'"n_samples": {N}'))
    with pytest.raises(ValueError, match=f"16 of {N} samples"):
        open_data_set(tmp_path)
    make(tmp_path)
    assert tree(tmp_path) == tree(whole)


def test_image_of_zeros_counts_as_written(tmp_path, monkeypatch):
    """What looks like nothing is something: only NaN marks a sample that was never made."""
    nothing = SimpleNamespace(vector=np.zeros(3))
    sample = np.zeros((16, 16), np.float32), nothing, nothing
    monkeypatch.setattr(store, "make_sample", lambda *_: sample)
    assert not make(tmp_path)[:].images.any()
    monkeypatch.setattr(store, "make_sample", None)
    make(tmp_path)


# Killed and damaged


@needs_sigkill
def test_killed_again_and_again(whole, tmp_path):
    """Main process killed while creating, early, late: nothing is lost, the files are the same."""
    path = tmp_path / "killed.zarr"
    for n_before_kill in (-1, 1, 3, 5):
        process = python(f"""
from pathlib import Path
from tests.test_store import make, pause_after
path = Path({str(path)!r})
pause_after({n_before_kill}, path)
make(path, n_jobs=2)""")
        assert wait_for(lambda n=n_before_kill: path.exists() and n_written(path) > n, process)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        n_left = n_written(path)
        assert n_before_kill < n_left < 8
        done = {file: file.stat().st_mtime_ns for file in (path / "encodings").glob("c.*.0")}
    make(path, n_jobs=2)
    assert all(file.stat().st_mtime_ns == then for file, then in done.items())
    assert tree(path) == tree(whole)


@needs_sigkill
def test_worker_of_a_cluster_killed(whole, tmp_path):
    """Another worker makes again what the killed one had in hand."""
    distributed = pytest.importorskip("distributed")

    def kill():
        wait_for(lambda: n_written(path) > 1)
        os.kill(victim, signal.SIGKILL)
        left.append(n_written(path))

    path, left = tmp_path / "cluster.zarr", []
    cluster = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.Client(**cluster, silence_logs=50) as client,
        joblib.parallel_config(backend="dask"),
    ):
        address, victim = min(client.run(os.getpid).items())
        client.run(pause_after, -1, path, workers=[address])
        killer = threading.Thread(target=kill)
        killer.start()
        make(path)
        killer.join()
    assert left[0] < 8
    assert not psutil.pid_exists(victim)
    assert tree(path) == tree(whole)


def flipped(content):
    """One bit changed, in the middle."""
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-9],
    "zeros": lambda content: bytes(len(content)),
    "changed": flipped,
    "gone": lambda content: None,
}


@pytest.mark.parametrize("array", ["images", "encodings"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_chunk_is_made_anew(copy, whole, damage, array):
    """It is never read as if it were whole, and the next call makes it again, and only it."""
    other = copy / "images" / "c.1.0.0"
    before = other.stat().st_mtime_ns
    chunk = copy / array / ("c.2.0.0" if array == "images" else "c.2.0")
    content = DAMAGE[damage](chunk.read_bytes())
    chunk.unlink() if content is None else chunk.write_bytes(content)
    with pytest.raises(ValueError, match="generate_to"):
        open_data_set(copy)[:]
    make(copy)
    assert tree(copy) == tree(whole)
    assert other.stat().st_mtime_ns == before


def test_left_over_temporary_files_go(copy, whole):
    """A write that was killed leaves a file that nobody needs, even before anything else."""
    (copy / "images" / "c.2.0.0123abc.partial").write_bytes(b"half")
    make(copy)
    assert tree(copy) == tree(whole)
    shutil.rmtree(copy)
    copy.mkdir()
    (copy / "zarr.0123abc.partial").write_bytes(b"half")
    make(copy)
    assert tree(copy) == tree(whole)


def test_unfinished_set_tells_how_to_finish_it(copy):
    """It opens only when asked for, up to the first gap."""
    for chunk in (3, 5):
        (copy / "encodings" / f"c.{chunk}.0").unlink()
    with pytest.raises(
        ValueError, match=rf"44 of {N} samples.*n_samples={N}, seed={SEED}, .*lots=2"
    ):
        open_data_set(copy)
    assert len(open_data_set(copy, allow_unfinished=True)[:].images) == 24


def test_progress_goes_on_where_it_was(copy, capsys):
    """Samples of an earlier call are done from the start."""
    (copy / "images" / "c.2.0.0").unlink()
    make(copy, progress=True)
    out, err = capsys.readouterr()
    assert "8 images to make: about 00:00 with 1 worker, at most" in out
    assert f"52/{N}" in err
    assert f"{N}/{N}" in err
    assert f" 0/{N}" not in err
    assert "kB in all" in err


# Refusals


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seed": 4}, "seed 3, not 4"),
        ({"span": 3}, "span 2, not 3"),
        ({"chunk": 9}, "chunk 8, not 9"),
        ({"n_samples": 40}, "60 samples, not 40"),
        ({"setting": replace(QUICK, lots=5)}, "lots 2, not 5"),
        ({"setting": replace(QUICK, sampler="growth")}, "sampler monte_carlo, not growth"),
        ({"setting": replace(QUICK, grid=ReciprocalGrid())}, r"shape=\(16, 16\)\), not"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_set_is_not_overwritten(whole, asked, message):
    """The error names what differs, and not a byte changes."""
    before = tree(whole)
    with pytest.raises(ValueError, match=message):
        make(whole, **asked)
    assert tree(whole) == before


@pytest.mark.parametrize("content", ["file", "folder", "zarr"])
def test_something_else_is_not_overwritten(tmp_path, content):
    """A file, a folder of files, a Zarr group of another kind: refused as they are."""
    path = tmp_path / "mine"
    if content == "file":
        path.write_text("thesis")
    elif content == "folder":
        path.mkdir()
        (path / "thesis.txt").write_text("thesis")
    else:
        zarr.create_group(path, attributes={"span": 2})
    before = tree(tmp_path)
    for action in (make, open_data_set):
        with pytest.raises(ValueError, match="holds something else"):
            action(path)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"span": 1}, "span"),
        ({"n_samples": 0}, "n_samples is a whole number from 1 up; got 0"),
        ({"seed": -1}, "seed is a whole number from 0 up; got -1"),
        ({"chunk": 0}, "chunk is a whole number from 1 up; got 0"),
        ({"setting": replace(QUICK, size=6)}, "does not fit"),
    ],
)
def test_bad_arguments_leave_nothing_behind(tmp_path, asked, message):
    """The error comes before anything is written."""
    with pytest.raises(ValueError, match=message):
        make(tmp_path / "new", **asked)
    assert not (tmp_path / "new").exists()


def test_no_data_set(tmp_path):
    """Nothing there, or an empty folder."""
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(FileNotFoundError, match="there is no data set"):
            open_data_set(path)


def test_full_disk_is_refused_before_the_start(tmp_path, monkeypatch):
    """The error names what is needed and what is free, and nothing is written."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000))
    with pytest.raises(
        NotEnoughSpaceError, match=r"60 samples need up to 165kB .* 50\.0kB is free"
    ):
        make(tmp_path / "deep" / "new")
    assert not list(tmp_path.iterdir())
    make(tmp_path / "new", 16)


def test_changed_code_is_noticed(copy, monkeypatch):
    """A set is not continued with samples of another kind; one that is finished is left alone."""

    def brighter(*arguments):
        image, *encodings = make_sample(*arguments)
        return image + 0.1, *encodings

    monkeypatch.setattr(store, "make_sample", brighter)
    make(copy)
    (copy / "images" / "c.2.0.0").unlink()
    with pytest.raises(ValueError, match=r"begun with xrlab .* sample 0 comes out otherwise"):
        make(copy)


def test_setting_of_an_older_or_newer_version(copy):
    """What was not stored has its default; what is not known is refused, all in plain words."""
    attributes = json.loads((copy / "zarr.json").read_text())
    setting = attributes["attributes"]["setting"]
    del setting["sampler"], setting["grid"]["h"]
    (copy / "zarr.json").write_text(json.dumps(attributes))
    assert open_data_set(copy).setting == make(copy).setting == QUICK
    setting["twist"] = 3
    (copy / "zarr.json").write_text(json.dumps(attributes))
    with pytest.raises(ValueError, match="newer xrlab: twist of its Setting"):
        make(copy)
    attributes["attributes"][layout.MARK] += 1
    (copy / "zarr.json").write_text(json.dumps(attributes))
    with pytest.raises(ValueError, match="newer xrlab"):
        open_data_set(copy)


# Cost


def test_estimate(whole, monkeypatch):
    """Size is an upper bound, time that of a sample shared among workers."""
    on_disk = sum(4096 * -(-f.stat().st_size // 4096) for f in whole.rglob("c.*"))
    samples = [9, 0.01, 0.02, 0.03]  # the first one compiles
    monkeypatch.setattr(store.timeit, "repeat", lambda *_, **__: samples)
    cost = estimate(2, N, QUICK, n_jobs=2, chunk=CHUNK)
    assert on_disk <= cost.n_bytes < 2 * on_disk
    assert (cost.n_samples, cost.workers) == (N, 2)
    assert cost.seconds == pytest.approx(0.02 * N / 2)


def test_memory_does_not_grow_with_the_set(tmp_path, monkeypatch):
    """Ten times as many samples, 130 MB of images, need no more memory."""
    rng = np.random.default_rng(0)
    vector = SimpleNamespace(vector=np.ones(3))
    used = []

    def fast(span, seed, index, setting):
        used.append(psutil.Process().memory_info().rss)
        return rng.random((64, 64), np.float32), vector, vector

    monkeypatch.setattr(store, "make_sample", fast)
    make(tmp_path / "short", 800, setting=Setting(), chunk=64, n_jobs=2)
    before = max(used)
    make(tmp_path / "long", 8000, setting=Setting(), chunk=64, n_jobs=2)
    assert max(used) - before < 30e6
