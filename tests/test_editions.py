"""The editions for a class: no solution in one, every solution in the other, both for nbgrader."""

import ast
import re

import nbformat
import pytest
import write_editions
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_lessons import solutions
from write_editions import edition, exercises

from tests.series import NOTEBOOKS, every_notebook
from xrlab.course.progress import EXERCISES

# Fields of a cell in nbgrader's schema, version 3, and their kinds.
SCHEMA = {
    "schema_version": int,
    "grade": bool,
    "locked": bool,
    "solution": bool,
    "task": bool,
    "grade_id": str,
}


def both(path):
    """Editions of a notebook, for students and with the solutions."""
    notebook = nbformat.read(path, as_version=4)
    return edition(notebook, solved=False), edition(notebook, solved=True)


def text(notebook):
    """Source of all cells."""
    return "\n".join(cell.source for cell in notebook.cells)


@every_notebook
def test_students_get_no_solution(path):
    """Neither its code nor its text is in their edition; the stubs, hints and checks are."""
    student, _ = both(path)
    shown = re.sub(r"\s", "", text(student))
    for each, code in zip(
        exercises(nbformat.read(path, as_version=4)), solutions(path), strict=True
    ):
        answer = code.splitlines()[-1].partition(" = ")[2]
        assert re.sub(r"\s", "", answer) not in shown
        assert not each.text or re.sub(r"\s", "", each.text) not in shown
    assert "A solution" not in text(student)
    assert text(student).count("= ...") >= 2 <= text(student).count("Hint 1")


@every_notebook
def test_solutions_stand_in_the_cells_of_the_answers(path):
    """Between the marks of nbgrader; without these regions it is the students' edition."""
    student, solved = both(path)
    nbformat.validate(student)
    nbformat.validate(solved)
    region = re.compile(r"\n### BEGIN SOLUTION\n(.*?)\n### END SOLUTION", re.DOTALL)
    regions = region.findall(text(solved))
    assert [ast.unparse(ast.parse(each)) for each in regions] == [
        ast.unparse(ast.parse(each)) for each in solutions(path)
    ]
    assert region.sub("", text(solved)) == text(student)
    assert [cell.metadata for cell in solved.cells] == [cell.metadata for cell in student.cells]


def test_metadata_of_nbgrader():
    """Each check is worth a point and locked, each answer is open; names occur once."""
    cells = [cell for path in NOTEBOOKS for cell in both(path)[0].cells]
    marked = [cell.metadata.nbgrader for cell in cells if "nbgrader" in cell.metadata]
    for each in marked:
        kinds = {name: type(value) for name, value in each.items() if name != "points"}
        assert kinds == SCHEMA
        assert each.schema_version == 3
        assert re.fullmatch(r"[\w-]+", each.grade_id)
        assert ("points" in each) == each.grade == each.locked != each.solution
    names = [each.grade_id for each in marked]
    assert names == [name for check in EXERCISES for name in (f"{check}-answer", check)]


def test_checks_print_their_reply_and_return_points():
    """In the students' edition, as nbgrader reads partial points from the last line's value."""
    student, _ = both(NOTEBOOKS[0])
    (source,) = [c.source for c in student.cells if "points(checks.share_alike" in c.source]
    *statements, last = ast.parse(source).body
    names = {"checks": __import__("xrlab.course.checks").course.checks, "c01": 0.2}
    exec(compile(ast.Module(statements, []), "check", "exec"), names)
    for answer, points in ((0.6, 1), (0.4, 0.5), (0.9, 0), (..., 0)):
        names["my_share"] = answer
        assert eval(compile(ast.Expression(last.value), "check", "eval"), names) == points


def test_what_is_written(tmp_path, monkeypatch):
    """Two folders, where the configuration sends nbgrader; links lead out of the editions."""
    monkeypatch.setattr(write_editions, "NOTEBOOKS", NOTEBOOKS[:2])
    write_editions.write_editions(tmp_path)
    names = [path.name for path in NOTEBOOKS[:2]]
    for folder in ("student", "solutions"):
        written = sorted((tmp_path / folder / "xrlab").glob("*.ipynb"))
        assert [path.name for path in written] == names
        assert f'_directory = "{folder}"' in (tmp_path / "nbgrader_config.py").read_text()
        assert "](../" not in text(nbformat.read(written[0], as_version=4))


def test_an_exercise_without_solution_is_an_error():
    """It is named; a notebook without exercises has none."""
    check = new_code_cell("print(checks.coverage(my_share))", metadata={"tags": ["check"]})
    stub = new_code_cell("my_share = ...", metadata={"tags": ["exercise"]})
    with pytest.raises(ValueError, match=r"no folded solution follows the check .*coverage"):
        exercises(new_notebook(cells=[stub, check, new_markdown_cell("Next")]))
    with pytest.raises(ValueError, match="1 cells tagged exercise, 0 tagged check"):
        exercises(new_notebook(cells=[stub]))
    assert exercises(new_notebook()) == []
