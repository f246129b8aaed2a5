"""The contract of the lessons, as they are written; `make run` checks the outputs."""

import ast
import json
import re
from dataclasses import astuple
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from write_minutes import FAST, RUNS, THOROUGH, TIME, Work, work

from tests.series import NOTEBOOKS, ROOT, cells, every_notebook, words
from xrlab.course import checks, progress

ORDER = ("**Objectives.**", "**Prerequisites.**", "**Time.**", "**Predict.**", "## Exercise")
ORDER += ("**Check.**", "A solution", "## Recap", "## Next")


def number(path: Path) -> int:
    """Place in the series."""
    return int(path.stem[:2])


def tagged(path: Path, tag: str) -> list[int]:
    """Positions of the cells with a tag."""
    return [n for n, cell in enumerate(cells(path)) if tag in cell.metadata.get("tags", [])]


def predictions(path: Path) -> dict[int, ast.Call]:
    """Position of each cell that asks for a prediction, and the call that asks."""
    found = {}
    for n, cell in enumerate(cells(path)):
        if cell.cell_type == "code" and re.match(r"(\w+\.)?Predict\(", cell.source):
            found[n] = ast.parse(cell.source).body[0].value
    return found


def stated_time(path: Path) -> tuple[int, int, str]:
    """Minutes to work through, from and to, and the words for the time to run."""
    match = TIME.search(words(path))
    assert match, f"{path.name}: run tools/write_minutes.py, which writes the time"
    return int(match[1]), int(match[2]), match[3]


# Form


@every_notebook
def test_title_and_question(path):
    """The title has the number of the file, and below it stands one question."""
    title, blank, question, *_ = cells(path)[0].source.split("\n")
    assert re.fullmatch(rf"# {number(path)}\. [A-Z].+", title)
    assert blank == ""
    assert re.fullmatch(r"\*\*[A-Z][^*]+\?\*\*", question)


@every_notebook
def test_parts_are_in_order(path):
    """Each part occurs, and for the first time after the one before it."""
    text = words(path)
    places = {part: text.find(part) for part in ORDER}
    assert [part for part, place in places.items() if place < 0] == []
    assert sorted(places, key=places.get) == list(ORDER)


@every_notebook
def test_goals_and_recap_are_lists(path):
    """Three goals at least, said as what one can do; as many or more are looked back on."""
    text = words(path)
    for start, end in (("After this notebook you can", "**Prereq"), ("You can now", "## Next")):
        part = text[text.index(start) :]
        assert len(re.findall(r"^- \w", part[: part.index(end)], re.MULTILINE)) >= 3


@every_notebook
def test_prerequisites_come_before(path):
    """What is needed is in an earlier notebook, and linked."""
    part = re.search(r"\*\*Prerequisites\.\*\*(.+?)\n\n", words(path), re.DOTALL)[1]
    needed = [int(each) for each in re.findall(r"\((\d\d)_\w+\.ipynb\)", part)]
    assert all(each < number(path) for each in needed)
    assert bool(needed) == (number(path) > 1)


# Predictions


@every_notebook
def test_prediction_comes_before_its_reveal(path):
    """After each question something is run, and then explained, before the next question."""
    asked = predictions(path)
    assert asked
    ends = [*list(asked)[1:], len(cells(path))]
    for start, end in zip(asked, ends, strict=True):
        between = cells(path)[start + 1 : end]
        assert any(cell.cell_type == "code" for cell in between)
        assert re.search(
            r"\*\*(Observe|Explain)\.\*\*",
            "".join(cell.source for cell in between if cell.cell_type == "markdown"),
        )


@every_notebook
def test_prediction_has_a_choice(path):
    """Two options at least, the answer among them, and a reason."""
    for call in predictions(path).values():
        question, options = (ast.literal_eval(each) for each in call.args)
        given = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
        assert question.endswith(("?", "…", "..."))
        assert len(set(options)) == len(options) >= 2
        assert given["answer"] in options
        assert len(given["because"]) > 40


@every_notebook
def test_answers_are_not_readable(path):
    """Cells that hold an answer are folded; no output shows one; no code gives one away."""
    for n in predictions(path):
        assert cells(path)[n].metadata.get("jupyter", {}).get("source_hidden"), (
            f'cell {n} shows its answer: "jupyter": {{"source_hidden": true}} in metadata'
        )
    assert "<details open" not in words(path)
    for stub, solution in exercises(path):
        right = ast.unparse(solution.value)
        for cell in cells(path):
            if cell.cell_type == "code":
                assert right not in cell.source
                assert "Right" not in json.dumps(cell.get("outputs", []))
        for match in re.finditer(re.escape(ast.unparse(stub.targets[0])) + " = ", words(path)):
            assert words(path)[: match.start()].count("<details>") > (
                words(path)[: match.start()].count("</details>")
            )


# Exercises


def exercises(path: Path) -> list[tuple[ast.Assign, ast.Assign]]:
    """Return the assignments of each stub, "name = ...", and of its solution."""
    pairs = []
    for place, code in zip(tagged(path, "exercise"), solutions(path), strict=True):
        stub = ast.parse(cells(path)[place].source).body[-1]
        assert isinstance(stub, ast.Assign)
        assert ast.unparse(stub.value) == "..."
        found = [e for e in ast.parse(code).body if isinstance(e, ast.Assign)]
        (same,) = [e for e in found if ast.unparse(e.targets) == ast.unparse(stub.targets)]
        pairs.append((stub, same))
    return pairs


def solutions(path: Path) -> list[str]:
    """Return the lines of code at whose beginning each folded solution has a backtick."""
    folded = [each.split("</details>")[0] for each in words(path).split("A solution")[1:]]
    return ["\n".join(re.findall(r"^`([^`]+)`", each, re.MULTILINE)) for each in folded]


def check_calls(path: Path) -> list[ast.Call]:
    """Return the calls of the checks, as in print(checks.coverage(my_coverage, true, mean))."""
    printed = [ast.parse(cells(path)[n].source).body[0].value for n in tagged(path, "check")]
    return [each.args[0] for each in printed]


@every_notebook
def test_exercises_have_stub_hints_solution_and_check(path):
    """Two, each with hints in two steps or more, then stub, check of that name, solution."""
    places = list(zip(tagged(path, "exercise"), tagged(path, "check"), strict=True))
    assert len(places) == 2
    start = 0
    for (at_stub, at_check), (stub, _), call in zip(
        places, exercises(path), check_calls(path), strict=True
    ):
        assert ast.unparse(call.args[0]) == ast.unparse(stub.targets[0])
        before = "\n".join(cell.source for cell in cells(path)[start:at_stub])
        hints = re.findall(
            r"<details><summary>Hint (\d)</summary>.{20,}?</details>", before, re.DOTALL
        )
        assert hints == [str(n + 1) for n in range(len(hints))]
        assert len(hints) >= 2
        assert at_stub < at_check
        assert "A solution" in cells(path)[at_check + 1].source
        start = at_check


@every_notebook
def test_exercise_and_stub_stand_together(path):
    """The text that ends with the hints comes right before the stub, or one preparing cell."""
    for place in tagged(path, "exercise"):
        before = cells(path)[max(place - 2, 0) : place]
        assert any("Hint 2</summary>" in each.source for each in before)


@every_notebook
def test_stubs_are_answered_and_counted(path):
    """The checks meet the dots with a friendly word, and one's progress has them."""
    imported = "\n".join(cell.source for cell in cells(path) if cell.cell_type == "code")
    assert re.search(r"from xrlab\.course(\.checks)? import .*\b(checks|check_\w+)", imported)
    for call in check_calls(path):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
        check = getattr(checks, name)
        assert check(..., *call.args[1:]).startswith("Not yet: put your answer")
        assert check("nonsense", *[None] * (len(call.args) - 1)).startswith("Not yet")
        assert progress.EXERCISES[name][0] == number(path)


def test_progress_counts_every_exercise():
    """The checks of all notebooks, in their order, and no other."""
    calls = [call for path in NOTEBOOKS for call in check_calls(path)]
    assert [ast.unparse(call.func).split(".")[-1] for call in calls] == list(progress.EXERCISES)


# The series


@every_notebook
def test_links_lead_somewhere(path):
    """Files exist, and so do the places in them."""
    for target in re.findall(r"\]\(([^)\s]+)\)", words(path)):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            found = path.parent / file
            assert found.is_file(), f"{target}: there is no such file"
            assert not anchor or f'id="{anchor}"' in found.read_text(encoding="utf-8"), target


@every_notebook
def test_previous_and_next(path):
    """The last words name the notebook before and the one after."""
    last = words(path).split("## Next\n")[1]
    place = NOTEBOOKS.index(path)
    beside = NOTEBOOKS[max(place - 1, 0) : place] + NOTEBOOKS[place + 1 : place + 2]
    assert [each.name for each in beside if f"({each.name})" not in last] == []


@every_notebook
def test_map_and_instructor_page_tell_the_same(path):
    """Notebook 0 and docs/instructor.md have every notebook, with its question and its time."""
    low, high, _ = stated_time(path)
    minutes = f"{low} to {high}"
    question = cells(path)[0].source.split("\n")[2].strip("*")
    lines = words(NOTEBOOKS[0]).splitlines()
    assert any(question in each and each.endswith(f"| {minutes} |") for each in lines)
    page = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| \[{number(path)} .*\({re.escape(f'../notebooks/{path.name}')}\) \| "
                     rf"{minutes} \|", page, re.MULTILINE)  # fmt: skip


@every_notebook
def test_pictures_in_the_text_are_described(path):
    """Each picture of a Markdown cell has alternative text."""
    assert re.findall(r"!\[\s*\]\(", words(path)) == []
    assert re.findall(r"<img(?![^>]*\balt=\"[^\"]+\")[^>]*>", words(path)) == []


def test_instructor_page_has_its_parts():
    """What a lecturer needs the day before."""
    page = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8")
    for part in ("50 minutes", "Half a day", "Two days", "Learning goals", "Misconceptions",
                 "The day before", "Memory and time", "Without a network"):  # fmt: skip
        assert re.search(rf"^##+ .*{part}", page, re.MULTILINE | re.IGNORECASE), part
    for target in re.findall(r"\]\((\.\./[^)#]+)\)", page):
        assert (ROOT / "docs" / target).is_file(), target


@every_notebook
def test_stated_run_time_is_known(path):
    """The words for the time to run are among those with a meaning."""
    assert stated_time(path)[-1] in RUNS


@every_notebook
def test_minutes_are_those_of_the_text(path):
    """To 5 minutes: python tools/write_minutes.py writes them anew."""
    counted = work(path)
    for stated, pace in zip(stated_time(path), (FAST, THOROUGH), strict=False):
        assert abs(stated - counted.minutes(pace)) <= 5


def test_work_of_a_notebook_is_counted(tmp_path):
    """By hand: 7 words, without folded text, links and tags; one of each other thing."""
    text = (
        "**Time.** 5 to 10 minutes ([basis](x.md)); about a minute to run."  # 12 words, 3 of them
    )
    text += " See <b>two</b> [notes](notes.md).<details>Not these words</details>"
    made = new_notebook(
        cells=[
            new_markdown_cell(text),
            new_code_cell('widgets.Predict("Which?", ["a", "b"])'),
            new_code_cell("explorer = widgets.Explorer(\n    span=2,\n)\nexplorer"),
            new_code_cell("size = Setting(1)\nprint(size)"),
            new_code_cell("my_size = ...", metadata={"tags": ["exercise"]}),
        ]
    )
    nbformat.write(made, tmp_path / "one.ipynb")
    assert work(tmp_path / "one.ipynb") == Work(
        words=14, predictions=1, widgets=1, exercises=1, seconds=90
    )


def test_instructor_page_states_the_paces():
    """The table of the page has the numbers of the tool."""
    page = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8")
    for fast, thorough in zip(astuple(FAST), astuple(THOROUGH), strict=True):
        assert f"| {fast:g} | {thorough:g} |" in page
