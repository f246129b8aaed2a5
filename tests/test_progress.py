"""One's own progress: the best reply counts, a damaged file is no harm, nothing ever raises."""

import sys
from types import SimpleNamespace

import pytest

from xrlab.course import checks, progress
from xrlab.course.progress import Entry, read, record, summary


def test_the_best_reply_counts(tmp_path):
    """Once right, always right; every try is counted."""
    for reply in ("Not yet: no.", "Close: nearly.", "Right: 3.", "Not yet: put"):
        record("coverage", reply, tmp_path)
    record("asymmetry", "Close: divide.", tmp_path)
    assert read(tmp_path) == {"coverage": Entry("right", 4), "asymmetry": Entry("close", 1)}
    lines = summary(tmp_path).splitlines()
    assert [line for line in lines if "✓" in line] == [
        "| 6 | are the error bars calibrated? | ✓ right (4 tries) |"
    ]
    assert "close (1 try)" in summary(tmp_path)
    assert lines[-1] == f"1 of {len(progress.EXERCISES)} are right. The next open one: notebook 0."


def test_all_done(tmp_path):
    """The last line changes when nothing is left."""
    for check in progress.EXERCISES:
        record(check, "Right.", tmp_path)
    assert summary(tmp_path).endswith("You have done the whole course.")


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "null", '{"coverage": 3}', '{"coverage": {"best": "great"}}']
)
def test_a_damaged_file_counts_as_nothing(tmp_path, text):
    """And the next reply repairs it."""
    (tmp_path / progress.FILE).write_text(text)
    assert read(tmp_path) == {}
    record("coverage", "Right.", tmp_path)
    assert read(tmp_path) == {"coverage": Entry("right", 1)}


def test_one_bad_entry_spoils_no_other(tmp_path):
    """Each entry is read by itself."""
    good = '{"coverage": {"best": "close", "tries": 2}, "asymmetry": null}'
    (tmp_path / progress.FILE).write_text(good)
    assert read(tmp_path) == {"coverage": Entry("close", 2)}


def test_where_nothing_can_be_written(tmp_path):
    """A folder that is a file, a reply of another kind: silence."""
    (tmp_path / "file").write_text("")
    record("coverage", "Right.", tmp_path / "file")
    record("coverage", "Perhaps.", tmp_path)
    assert f"0 of {len(progress.EXERCISES)}" in summary(tmp_path / "file")
    assert read(tmp_path) == {}


def test_only_notebooks_leave_a_file(tmp_path, monkeypatch):
    """Scripts and tests do not; in a notebook an answer is recorded, the untouched stub is not."""
    monkeypatch.chdir(tmp_path)
    checks.share_alike(0.6, 0.2)
    assert list(tmp_path.iterdir()) == []
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    checks.share_alike(..., 0.2)
    assert list(tmp_path.iterdir()) == []
    checks.share_alike(0.6, 0.2)
    assert read() == {"share_alike": Entry("right", 1)}
