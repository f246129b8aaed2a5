"""Grade a folder of hand-ins: run every notebook, and write one line for each exercise.

``python tools/grade.py FOLDER`` takes the first folder below FOLDER as the name of a student, or
the name of a file that lies in FOLDER itself, and writes FOLDER/grades.csv. The checks that a
hand-in contains are replaced by those of the course. Every hand-in runs in a process of its own, in
a temporary folder, and is stopped after a limit; what it did until then counts. This is no
protection against a hand-in that means harm: grade in a container, or under an account without
rights.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import nbformat
import psutil
from write_editions import NOTEBOOKS, edition

from xrlab.course.progress import EXERCISES

LIMIT = 300  # seconds for one notebook; the longest takes 90 on two cores
POINTS = {"right": 1.0, "close": 0.5}


@dataclass(frozen=True)
class Grade:
    """One exercise of one student.

    Parameters
    ----------
    name : str
    notebook : int or ""
    exercise : str
        Its check.
    result : str
        "right", "close", "not yet", "error", "stopped" or "unreadable".
    points : float
    words : str
        The reply of the check, or the error.
    """

    name: str
    notebook: int | str
    exercise: str
    result: str
    points: float
    words: str


def originals() -> dict[int, nbformat.NotebookNode]:
    """Return the student edition of every notebook, by its number."""
    read = {int(path.stem[:2]): nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    return {number: edition(notebook, solved=False) for number, notebook in read.items()}


def grade_id(cell: nbformat.NotebookNode) -> str:
    """Name of a cell in nbgrader's metadata; "" if it has none."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def named(
    cells: list[nbformat.NotebookNode], course: dict[int, nbformat.NotebookNode]
) -> list[tuple[str, nbformat.NotebookNode]]:
    """Pair cells with their names; by the id of the cell where a hand-in has no metadata."""
    ids = {cell.id: grade_id(cell) for notebook in course.values() for cell in notebook.cells}
    return [(grade_id(cell) or ids.get(cell.get("id"), ""), cell) for cell in cells]


def prepare(
    notebook: nbformat.NotebookNode, course: dict[int, nbformat.NotebookNode]
) -> tuple[int, list[tuple[str, str]]]:
    """Return the number of a hand-in, and its code cells as (name, source).

    The checks are those of the course: in place of the student's, or at the end where they are
    missing.

    Raises
    ------
    ValueError
        If no cell is named like an exercise of the course.
    """
    code = named([cell for cell in notebook.cells if cell.cell_type == "code"], course)
    names = [name.removesuffix("-answer") for name, _ in code]
    numbers = [EXERCISES[name][0] for name in names if name in EXERCISES]
    if not numbers:
        raise ValueError("no exercise of the course is in it; hand in a notebook of the course")
    number = max(set(numbers), key=numbers.count)
    checks = {
        grade_id(cell): cell.source for cell in course[number].cells if grade_id(cell) in EXERCISES
    }
    cells = [(name, checks.get(name, cell.source)) for name, cell in code]
    missing = [(name, source) for name, source in checks.items() if name not in dict(cells)]
    return number, cells + missing


def run(cells: list[tuple[str, str]], results: Path) -> None:
    """Run code cells one after the other, and write what the checks reply after each of them.

    It runs the hand-in in this very process, which `outcome` starts for it.
    """
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    replies: dict[str, tuple[str, str]] = {}
    errors: dict[str, str] = {}
    for name, source in cells:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            done = shell.run_cell(source)
        error = done.error_before_exec or done.error_in_exec
        errors[name] = f"{type(error).__name__}: {error}" if error else ""
        if name in EXERCISES:
            reply = printed.getvalue().strip().split("\n")[0]
            state = next(
                (each for each in ("right", "close") if reply.lower().startswith(each)), ""
            )
            failed = errors.get(f"{name}-answer") or errors[name]
            replies[name] = ("error", failed) if failed else (state or "not yet", reply)
            results.write_text(json.dumps(replies), encoding="utf-8")


def outcome(cells: list[tuple[str, str]], limit: float) -> dict[str, tuple[str, str]]:
    """Run cells in a new process for at most `limit` seconds; return (result, words) by check."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        task, results = Path(folder, "task.json"), Path(folder, "results.json")
        task.write_text(json.dumps(cells), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, __file__, "--run", str(task), str(results)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PLOTLY_RENDERER": "json"},  # no figure opens a browser
        )
        end = ("error", "its process ended: out of memory, or it called exit()")
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            end = ("stopped", f"it ran for more than {limit:g} s")
            for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                each.kill()
            process.wait()
        replies = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    return {name: replies.get(name, end) for name, _ in cells if name in EXERCISES}


def grade_folder(folder: Path, limit: float = LIMIT) -> list[Grade]:
    """Grade every notebook below a folder."""
    course, grades = originals(), []
    for path in sorted(folder.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        place = path.relative_to(folder)
        name = place.parts[0] if len(place.parts) > 1 else place.stem
        try:
            number, cells = prepare(nbformat.read(path, as_version=4), course)
        except Exception as error:
            words = f"{place}: {' '.join(str(error).split())[:200]}"
            grades.append(Grade(name, "", "", "unreadable", 0.0, words))
            continue
        for check, (result, words) in outcome(cells, limit).items():
            score = POINTS.get(result, 0.0)
            grades.append(Grade(name, number, check, result, score, words))
        total = sum(each.points for each in grades if each.name == name)
        print(f"{place}: {total:g} points so far", flush=True)
    return grades


def main() -> None:
    """Grade the hand-ins of a folder into grades.csv, or run the cells of one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one notebook")
    chosen = parser.parse_args()
    if not chosen.folder.is_dir():
        parser.error(f"there is no folder {chosen.folder}")
    grades = grade_folder(chosen.folder, chosen.limit)
    table = chosen.folder / "grades.csv"
    with table.open("w", encoding="utf-8-sig", newline="") as file:  # for Excel
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Grade)])
        writer.writerows(map(astuple, grades))
    print(f"{len(grades)} lines: {table}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        task, results = map(Path, sys.argv[2:4])
        run(json.loads(task.read_text(encoding="utf-8")), results)
    else:
        main()
