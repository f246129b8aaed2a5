"""Data sets and sweeps on a Dask cluster: the same results as without, and nothing is lost."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import joblib
import psutil
import pytest

from tests.faults import needs_sigkill
from tests.test_store import QUICK, assert_same
from xrlab import generate
from xrlab.datasets.store import generate_to
from xrlab.training.sweep import CHECKPOINT, DONE, folder_of, sweep

distributed = pytest.importorskip("distributed", reason="no Dask: pip install 'xrlab[cluster]'")

RUNS = [{"start": n} for n in range(6)]


def count_up(start, out, checkpoint):
    """Count to 40 more in small steps, each of which is written down: a training in short.

    After 10 steps it waits as long as there is a file named hold beside the runs.
    """
    file = Path(checkpoint)
    steps = json.loads(file.read_text()) if file.exists() else []
    with (out / "log.txt").open("a") as log:
        log.write(f"{os.getpid()} from {len(steps)}\n")
    while len(steps) < 40:
        steps.append(start + len(steps))
        part = file.with_suffix(".new")
        part.write_text(json.dumps(steps))
        part.replace(file)
        time.sleep(0.005)
        while len(steps) == 10 and (out.parent / "hold").exists():
            time.sleep(0.005)
    return {"sum": sum(steps)}


WANTED = [{"sum": sum(range(n, n + 40))} for n in range(6)]


@pytest.fixture(scope="module")
def processes():
    """A cluster of two worker processes."""
    cluster = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**cluster, silence_logs=50) as client:
        yield client


@pytest.fixture
def dask(processes):
    """Joblib hands its work to the cluster."""
    processes.wait_for_workers(2)
    with joblib.parallel_config(backend="dask"):
        yield processes


def test_data_set_is_the_same_on_a_cluster(dask, tmp_path):
    """Two processes make the samples that one makes in memory, bit by bit."""
    made = generate_to(tmp_path / "a.zarr", 2, 40, 3, QUICK, chunk=8, progress=False)[:]
    with joblib.parallel_config(backend="sequential"):
        alone = generate(2, 40, 3, QUICK, progress=False)
    assert_same(made, alone)


def test_sweep_is_the_same_on_a_cluster(dask, tmp_path):
    """Cards come in the order of the settings, whoever made them."""
    assert sweep(tmp_path / "dask", RUNS, train=count_up, progress=False) == WANTED
    with joblib.parallel_config(backend="sequential"):
        alone = sweep(tmp_path / "one", RUNS, train=count_up, progress=False)
    assert alone == WANTED
    workers = {log.read_text().split()[0] for log in (tmp_path / "dask").glob("*/log.txt")}
    assert len(workers) == 2


@needs_sigkill
def test_worker_killed_in_the_middle_of_a_sweep(dask, tmp_path):
    """What it had in hand goes on from its checkpoint, in another worker."""
    killed = []

    def kill_the_first():
        while not killed:
            for log in tmp_path.glob("*/log.txt"):
                file = log.with_name(CHECKPOINT)
                if file.exists() and len(json.loads(file.read_text())) == 10:
                    killed.append(int(log.read_text().split()[0]))
                    os.kill(killed[0], signal.SIGKILL)
                    hold.unlink()
                    return
            time.sleep(0.002)

    hold = tmp_path / "hold"
    hold.touch()
    killer = threading.Thread(target=kill_the_first)
    killer.start()
    cards = sweep(tmp_path, RUNS, train=count_up, progress=False)
    killer.join()
    assert cards == WANTED
    assert not psutil.pid_exists(killed[0])
    begun = [line for log in tmp_path.glob("*/log.txt") for line in log.read_text().splitlines()]
    again = [line for line in begun if not line.endswith("from 0")]
    assert again  # not from the beginning
    assert not any(line.startswith(f"{killed[0]} ") for line in again)


def test_interrupted_sweep_goes_on(tmp_path):
    """Finished settings are not trained again, the one in hand goes on, new ones are added."""
    sweep(tmp_path, RUNS[:2], train=count_up, n_jobs=1, progress=False)
    half = tmp_path / folder_of(RUNS[2])
    half.mkdir()
    (half / CHECKPOINT).write_text(json.dumps([2, 3, 4]))
    with joblib.parallel_config(backend="sequential"):
        assert sweep(tmp_path, RUNS[:3], train=count_up, progress=False) == WANTED[:3]
    logs = [(tmp_path / folder_of(run) / "log.txt").read_text() for run in RUNS[:3]]
    assert [log.count("from") for log in logs] == [1, 1, 1]
    assert logs[2].endswith("from 3\n")
    assert not list(tmp_path.glob(f"*/{CHECKPOINT}"))


def test_damaged_card_is_not_taken_for_a_result(tmp_path):
    """The error says which file, and what to do."""
    place = tmp_path / folder_of(RUNS[0])
    place.mkdir()
    (place / DONE).write_text("{")
    with pytest.raises(ValueError, match=r"card\.json is damaged; delete it"):
        sweep(tmp_path, RUNS, train=count_up, progress=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "at least one setting"),
        ([{"start": 1}, {"start": 1}], "two settings of the sweep are the same"),
        ([{"start": 1}, {"begin": 1}], "'begin': 1.* is not what the training takes"),
        ([{}], "missing a required argument: 'start'"),
        ([{"start": 1, "out": "x"}], "multiple values"),
    ],
)
def test_bad_settings_are_refused_before_any_training(tmp_path, settings, message):
    """Nothing is begun."""
    with pytest.raises(ValueError, match=message):
        sweep(tmp_path / "new", settings, train=count_up, progress=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.notebook
def test_networks_of_a_sweep_are_those_of_single_trainings(tmp_path):
    """A real network, through the threads of a cluster and alone: the same card."""
    settings = [{"span": 2, "sizes": (16, 8, 4), "epochs": 1, "seed": n} for n in (1, 2)]
    cluster = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with (
        distributed.Client(**cluster, processes=False),
        joblib.parallel_config(backend="dask"),
    ):
        together = sweep(tmp_path / "dask", settings, progress=False)
    with joblib.parallel_config(backend="sequential"):
        alone = sweep(tmp_path / "alone", settings[1:], progress=False)
    for card in (*together, *alone):
        del card["training_seconds"]
    assert together[1:] == alone
    assert together[0]["loss"] != together[1]["loss"]
