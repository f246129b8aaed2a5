"""Every exercise as it stands in its notebook: the stub, and the hidden solution.

Not the whole notebook is run, only what the exercise depends on: its statements are followed
backwards from the check to where each name was made.
"""

import ast
import contextlib
from itertools import chain

import pytest
from test_lessons import check_calls, solutions, tagged

from tests.series import cells, every_notebook
from xrlab.io.fetch import DataUnavailableError

# Numbers of images that would make the tests slow; an exercise can be solved with a few.
SMALL = {"n_fresh": 16, "n_trial": 12}

SHADOWING = (ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def made(statement):
    """Names that a statement gives a value, or whose value it changes by an index or attribute."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(getattr(node, "ctx", None), ast.Store):
            while isinstance(node, ast.Subscript | ast.Attribute):
                node = node.value
            names |= {node.id} if isinstance(node, ast.Name) else set()
    return names


def used(statement):
    """Names that a statement reads, without those that its loops make for themselves."""
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    own = {
        name.id
        for node in ast.walk(statement)
        if isinstance(node, SHADOWING)
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    return {name.id for name in names if isinstance(name.ctx, ast.Load)} - own


def slice_backwards(statements, wanted):
    """Keep the statements on which names depend, in their order."""
    kept, wanted = [], set(wanted)
    for statement in reversed(statements):
        names = made(statement)
        if names & wanted:
            kept.append(statement)
            if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef) or (
                isinstance(statement, ast.Assign)
                and all(isinstance(each, ast.Name | ast.Tuple) for each in statement.targets)
            ):
                wanted -= names
            wanted |= used(statement)
    return kept[::-1]


def run(statements, names):
    """Execute statements one by one in a dictionary of names."""
    for statement in statements:
        exec(compile(ast.Module([statement], []), "notebook", "exec"), names)
        names.update({name: SMALL[name] for name in SMALL if name in made(statement)})


def reply(call, names):
    """What a check says of the answer in a dictionary of names."""
    return eval(compile(ast.Expression(call), "check", "eval"), names)


@every_notebook
def test_stubs_and_solutions_as_they_stand(path):
    """The dots are "not yet", the hidden solutions are right, in the notebook's own context."""
    places = tagged(path, "exercise")
    code = [cell.source if cell.cell_type == "code" else "" for cell in cells(path)]
    stubs = [ast.parse(code[place]).body for place in places]
    answers = [ast.parse(solution).body for solution in solutions(path)]
    calls = check_calls(path)
    before = [
        statement
        for n, source in enumerate(code[: places[-1]])
        if n not in tagged(path, "check")
        for statement in ast.parse(source).body
    ]
    wanted = set().union(*(used(each) for each in [*chain(*stubs, *answers), *calls]))
    names = {"__name__": "notebook"}
    with contextlib.chdir(path.parent):
        try:
            run(slice_backwards(before, wanted), names)
        except DataUnavailableError as error:
            pytest.skip(str(error))
        for stub, answer, call in zip(stubs, answers, calls, strict=True):
            run(stub, names)
            assert reply(call, names).startswith("Not yet: put your answer")
            run(answer, names)
            assert reply(call, names).startswith("Right")


def test_slice_has_what_is_needed_and_no_more():
    """Later values count, loops that fill a dictionary do, names of their own do not."""
    code = """
import numpy as np
a = slow()
a = 1
b = {}
for a_key in "xy":
    b[a_key] = np.ones(a)
c = [a_key for a_key in other]
def f(x):
    return x + b["x"]
print(a)
d = f(2)
"""
    kept = slice_backwards(ast.parse(code).body, {"d"})
    assert [ast.unparse(each).split("\n")[0] for each in kept] == [
        "import numpy as np",
        "a = 1",
        "b = {}",
        "for a_key in 'xy':",
        "def f(x):",
        "d = f(2)",
    ]
    names = {}
    run(kept, names)
    assert names["d"].tolist() == [3.0]


def test_stand_ins_for_large_numbers_are_used():
    """A number of images is made small right after the notebook has set it."""
    names = {}
    run(ast.parse("n_other, n_fresh = 5, 1000\ntwice = 2 * n_fresh").body, names)
    assert (names["n_other"], names["twice"]) == (5, 2 * SMALL["n_fresh"])
