"""Grading a folder of hand-ins: right and wrong ones, and those that err, end or never end."""

import csv
import sys

import grade
import nbformat
import pytest
from grade import originals, outcome, prepare
from nbformat.v4 import new_code_cell, new_notebook

IMPORT = ("", "from xrlab.course import checks")
POINTS = "from xrlab.course.replies import points\npoints(checks.{}({}))"
BITS = ("check_bits", POINTS.format("check_bits", "my_bits"))
TOLERABLE = ("check_tolerable", POINTS.format("check_tolerable", "my_count"))


@pytest.fixture(scope="module")
def course():
    """Students' editions of the series."""
    return originals()


def hand_in(course, number, **answers):
    """Notebook of a student, with the sources of some cells by name."""
    notebook = nbformat.from_dict(course[number])
    for cell in notebook.cells:
        cell.source = answers.get(grade.grade_id(cell).replace("-", "_"), cell.source)
    return notebook


def test_right_wrong_and_broken():
    """Two exercises in one process: the reply of a check, and the error of an answer."""
    first = ("check_bits-answer", "my_bits = 100")
    second = ("check_tolerable-answer", "my_count = = 3")
    found = outcome([IMPORT, first, BITS, second, TOLERABLE], 300)
    assert found["check_bits"][0] == "close"
    assert found["check_bits"][1].startswith("Close: the corner belongs")
    assert found["check_tolerable"][0] == "error"
    assert found["check_tolerable"][1].startswith("SyntaxError: ")


def test_an_answer_that_never_ends_is_stopped():
    """It does not stop the grading."""
    found = outcome([IMPORT, ("check_bits-answer", "while True: pass"), BITS], 1)
    assert found == {"check_bits": ("stopped", "it ran for more than 1 s")}


def test_what_was_done_before_the_end_counts():
    """A hand-in whose process dies between two exercises; its printing disturbs nothing."""
    end = ("check_tolerable-answer", "import os; os._exit(1)")
    found = outcome([IMPORT, ("", "my_bits = 99; print('Right: x')"), BITS, end, TOLERABLE], 300)
    assert found["check_bits"][0] == "right"
    assert found["check_tolerable"] == (
        "error",
        "its process ended: out of memory, or it called exit()",
    )


def test_nothing_runs_in_the_process_of_the_grader():
    """A hand-in changes neither its variables nor its folder."""
    source = "import sys, pathlib; sys.graded = 1; pathlib.Path('left.txt').write_text('x')"
    outcome([("", source)], 300)
    assert not hasattr(sys, "graded")
    assert not grade.Path("left.txt").exists()


def test_checks_are_those_of_the_course(course):
    """A check that was changed or deleted is put back; the answer stays."""
    forged = hand_in(course, 9, check_bits="x", check_tolerable="print('Right')")
    forged.cells = [c for c in forged.cells if grade.grade_id(c) != "check_break_even"]
    number, cells = prepare(forged, course)
    assert number == 9
    assert dict(cells)["check_tolerable"] == TOLERABLE[1].replace("\n", "\n\n")
    assert cells[-1][0] == "check_break_even"
    assert "my_count = ..." in dict(cells)["check_tolerable-answer"]


def test_notebooks_of_the_repository_are_taken_too(course):
    """Their cells have no metadata of nbgrader, but the same ids."""
    plain = nbformat.read(grade.NOTEBOOKS[10], as_version=4)
    assert prepare(plain, course) == prepare(hand_in(course, 10), course)


def test_folder(tmp_path, monkeypatch, capsys):
    """Names from folders and files, an unreadable file, and the table."""
    good = [("check_bits", "right", "Right: 99")]
    monkeypatch.setattr(grade, "prepare", lambda notebook, course: (10, notebook.cells[0].source))
    monkeypatch.setattr(
        grade, "outcome", lambda cells, limit: {name: (state, said) for name, state, said in good}
    )
    for place in (
        "Ann Lee/xrlab/10_next.ipynb",
        "bob_10.ipynb",
        "Ann Lee/.ipynb_checkpoints/x.ipynb",
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[new_code_cell("x")]), path)
    (tmp_path / "cid").mkdir()
    (tmp_path / "cid" / "photo.ipynb").write_text("no notebook")
    monkeypatch.setattr(sys, "argv", ["grade.py", str(tmp_path)])
    grade.main()
    with (tmp_path / "grades.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["result"], row["points"]) for row in rows] == [
        ("Ann Lee", "right", "1.0"),
        ("bob_10", "right", "1.0"),
        ("cid", "unreadable", "0.0"),
    ]
    assert "cid/photo.ipynb" in rows[2]["words"].replace("\\", "/")
    assert "3 lines" in capsys.readouterr().out


def test_a_notebook_of_another_course(course):
    """It says so, in words that go into the table."""
    with pytest.raises(ValueError, match="no exercise of the course"):
        prepare(new_notebook(cells=[new_code_cell("1 + 1")]), course)


def test_no_folder(monkeypatch, tmp_path, capsys):
    """A wrong path is named."""
    monkeypatch.setattr(sys, "argv", ["grade.py", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit):
        grade.main()
    assert "there is no folder" in capsys.readouterr().err
