"""One's own progress: the best reply counts, a damaged file is no harm, nothing ever raises."""

import datetime
import re
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

import xrlab
from tests.series import NOTEBOOKS
from xrlab.course import checks, progress
from xrlab.course.progress import Entry, certificate, read, record, summary


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


def test_certificate(tmp_path):
    """Name, exercises that are right, date and version; the page can be read by a browser."""
    for check, reply in (("coverage", "Right."), ("widening", "Right."), ("asymmetry", "Close: x")):
        record(check, reply, tmp_path)
    sheet = certificate(" Ann  <Lee> ", tmp_path, datetime.date(2026, 3, 1))
    for part in (">Ann &lt;Lee&gt;<", f"2 of {len(progress.EXERCISES)} exercises", "1 March 2026"):
        assert part in sheet
    assert f"xrlab {xrlab.__version__}" in sheet
    assert re.findall(r"<li>(.*)</li>", sheet) == [
        "notebook 6: are the error bars calibrated; the factor that calibrates them"
    ]
    page = (tmp_path / progress.CERTIFICATE).read_text(encoding="utf-8")
    assert sheet in page
    assert (
        ElementTree.fromstring(
            page.split("\n", 1)[1].replace("<br>", "<br/>").replace('<meta charset="utf-8">', "")
        ).find("body/div")
        is not None
    )


def test_certificate_of_all_exercises(tmp_path):
    """Of a whole course; without a name there is a line to write on, and no file."""
    for check in progress.EXERCISES:
        record(check, "Right.", tmp_path)
    sheet = certificate("  ", tmp_path)
    assert f"has solved all {len(progress.EXERCISES)} exercises" in sheet
    assert sheet.count("<li>") == len(NOTEBOOKS)
    assert "....." in sheet
    assert not (tmp_path / progress.CERTIFICATE).exists()


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
