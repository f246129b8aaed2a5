"""The check of the installation, with everything in order and with each thing broken."""

from importlib import import_module

import numpy as np
import psutil
import pytest

from xrlab import Encoding, simulate
from xrlab.course import installation
from xrlab.course.installation import Line, check, report


def test_all_is_well_here():
    """What runs these tests can run the course, and each line says something. Memory: below."""
    tests = {name: test for name, test in installation.TESTS.items() if name != "memory"}
    lines = check(tests)
    assert [line.name for line in lines if not line.ok] == []
    assert all(line.says and not line.remedy for line in lines)
    assert report(lines).endswith("Everything works.")


def test_a_failure_stops_nothing_and_names_the_remedy():
    """The error's words, what to do, and then the next test."""

    def broken():
        raise ImportError("no\n  module")

    def silent():
        raise AssertionError

    tests = {"one": (broken, "mend it"), "two": (lambda: "fine", "never said")}
    lines = check(tests)
    assert lines == [Line("one", False, "no module", "mend it"), Line("two", True, "fine")]
    assert check({"three": (silent, "")})[0].says == "AssertionError"
    assert "What to do: mend it." in report(lines)
    assert report(lines).endswith("1 of 2 tests failed.")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["numpy>=99"], r"numpy is .*, wanted is >=99"),
        (["no-such-package-here"], "no-such-package-here is missing"),
        (["numpy>=2", 'no-such-package-here; extra == "lab"'], None),
    ],
)
def test_packages(monkeypatch, wanted, says):
    """Old and missing packages are named; those of extras and other systems are not asked for."""
    monkeypatch.setattr(installation.metadata, "requires", lambda name: wanted)
    if says is None:
        assert "all 1 packages" in installation._packages()
    else:
        with pytest.raises(RuntimeError, match=says):
            installation._packages()


def test_weights(monkeypatch, tmp_path):
    """A missing file and one that was cut short are told apart."""
    monkeypatch.setattr("xrlab.networks.shipped.WEIGHTS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no cfs2\.onnx"):
        installation._weights()
    (tmp_path / "cfs2.onnx").write_bytes(b"version https://git-lfs")
    with pytest.raises(ValueError, match=r"cfs2\.onnx are damaged"):
        installation._weights()


@pytest.mark.parametrize(("free", "enough"), [(1e9, False), (1.4e9, True), (None, True)])
def test_memory(monkeypatch, free, enough):
    """1.2 GiB are wanted; where nobody can tell, that is said and is no failure."""
    monkeypatch.setattr(installation, "free_memory", lambda: free)
    line = check({"memory": installation.TESTS["memory"]})[0]
    assert line.ok == enough
    assert ("unknown" in line.says) == (free is None)
    assert ("shut down" in line.remedy) == (not enough)


def test_free_memory_knows_control_groups(monkeypatch, tmp_path):
    """In a container its own limit counts, less what is in use, cached files not counted."""
    monkeypatch.setattr(installation, "CONTROL_GROUP", tmp_path / "none")
    assert installation.free_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    monkeypatch.setattr(installation, "CONTROL_GROUP", tmp_path)
    for name, text in {"memory.max": "2000", "memory.current": "1500"}.items():
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "memory.stat").write_text("anon 1000\ninactive_file 300\nfile 400\n")
    assert installation.free_memory() == 2000 - 1500 + 300
    (tmp_path / "memory.max").write_text("max\n")
    assert installation.free_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_a_wrong_answer_of_network_or_kernel_is_a_failure(monkeypatch):
    """Not only exceptions: what they compute is looked at."""
    backend = import_module("xrlab.networks.shipped")
    monkeypatch.setattr(backend, "run_model", lambda *a, **k: np.zeros((1, 3)))
    with pytest.raises(ArithmeticError, match="is true"):
        installation._answer()
    wrong = simulate(Encoding.from_vector([0.0, 0.0, 0.0]), 20, seed=0)
    monkeypatch.setattr(import_module("xrlab.crystal.lattice"), "simulate", lambda *a, **k: wrong)
    with pytest.raises(ArithmeticError, match="asked for"):
        installation._numba()
