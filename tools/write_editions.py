"""Write the editions of the notebooks for a class, into build/editions.

``student/xrlab`` has the notebooks without their solutions, ``solutions/xrlab`` with the solutions
in the cells of the answers. Both come from the notebooks of the repository, and both are in the
format of nbgrader (its release and source version); ``nbgrader_config.py`` lets nbgrader find them.
``tools/grade.py`` grades hand-ins without nbgrader.
"""

from __future__ import annotations

import argparse
import ast
import re
import textwrap
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat
from binder_links import on_github

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ASSIGNMENT = "xrlab"
SOLUTION = re.compile(r"<details><summary>A solution.*?</summary>\s*(.*?)\s*</details>", re.DOTALL)
# Lines of code of a folded solution: they begin with a backtick, the lines of its text do not.
CODE = re.compile(r"^`([^`]+)`(?:<br>)?\n?", re.MULTILINE)

CONFIG = """\
# Configuration of nbgrader (https://nbgrader.readthedocs.io) for the course xrlab.
c = get_config()
c.CourseDirectory.course_id = "xrlab"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "student"
c.ClearSolutions.code_stub = {"python": "# your answer: in place of the dots above"}
c.ExecutePreprocessor.timeout = 300
"""


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook.

    Parameters
    ----------
    check : str
        Name of its check, which is also its name in nbgrader.
    answer, graded, folded : int
        Places of the cells with the stub, the check and the folded solution.
    code, text : str
        The solution, and what it says besides the code.
    """

    check: str
    answer: int
    graded: int
    folded: int
    code: str
    text: str


def exercises(notebook: nbformat.NotebookNode) -> list[Exercise]:
    """Find the exercises of a notebook by the tags "exercise" and "check".

    Raises
    ------
    ValueError
        If an exercise has no check, or no folded solution right after its check.
    """
    cells = notebook.cells
    answers, graded = (
        [n for n, cell in enumerate(cells) if tag in cell.metadata.get("tags", [])]
        for tag in ("exercise", "check")
    )
    if len(answers) != len(graded):
        raise ValueError(f"{len(answers)} cells tagged exercise, {len(graded)} tagged check")
    found = []
    for answer, check in zip(answers, graded, strict=True):
        solution = SOLUTION.search(cells[check + 1].source) if check + 1 < len(cells) else None
        if solution is None:
            raise ValueError(f"no folded solution follows the check {cells[check].source!r}")
        code = "\n".join(CODE.findall(solution[1]))
        text = CODE.sub("", solution[1]).strip()
        name = ast.unparse(call(cells[check].source).func).split(".")[-1]
        found.append(Exercise(name, answer, check, check + 1, code, text))
    return found


def call(source: str) -> ast.Call:
    """Return the call of a check, from the source of its cell, ``print(check(answer, ...))``."""
    statement = ast.parse(source).body[-1]
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    (checked,) = statement.value.args
    assert isinstance(checked, ast.Call)
    return checked


def edition(notebook: nbformat.NotebookNode, solved: bool) -> nbformat.NotebookNode:
    """Return a notebook as the students get it, or with the solutions.

    Parameters
    ----------
    notebook : NotebookNode
        Of the repository; it is not changed.
    solved : bool
        False removes the folded solutions. True writes them into the cells of the answers.
    """
    notebook = deepcopy(notebook)
    cells = notebook.cells
    for each in exercises(notebook):
        answer, graded, folded = cells[each.answer], cells[each.graded], cells[each.folded]
        if solved:
            comment = textwrap.fill(each.text, 90, initial_indent="# ", subsequent_indent="# ")
            solution = "\n".join(filter(None, [each.code, comment]))
            answer.source += f"\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
        answer.metadata["nbgrader"] = _grading(f"{each.check}-answer", solution=True)
        graded.source = (
            "from xrlab.course.replies import points\n\n"
            f"points({ast.get_source_segment(graded.source, call(graded.source))})"
        )
        graded.metadata["nbgrader"] = _grading(each.check, points=1)
        folded.source = SOLUTION.sub("", folded.source).strip()
    notebook.cells = [cell for cell in cells if cell.source or cell.cell_type == "code"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = on_github(cell.source)
    return notebook


def _grading(name: str, solution: bool = False, points: int | None = None) -> dict[str, object]:
    """Metadata of nbgrader: a cell for the answer, or one that is worth points."""
    metadata: dict[str, object] = {
        "schema_version": 3,
        "grade_id": name,
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
    }
    return metadata if points is None else metadata | {"points": points}


def write_editions(out: Path) -> None:
    """Write both editions of every notebook, and the configuration of nbgrader."""
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        for name, solved in (("student", False), ("solutions", True)):
            folder = out / name / ASSIGNMENT
            folder.mkdir(parents=True, exist_ok=True)
            nbformat.write(edition(notebook, solved), folder / path.name)
    (out / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8", newline="\n")


def main() -> None:
    """Write the editions into a folder, build/editions if none is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "build" / "editions")
    out = parser.parse_args().out
    write_editions(out)
    print(f"{len(NOTEBOOKS)} notebooks for students and with solutions: {out}")


if __name__ == "__main__":
    main()
