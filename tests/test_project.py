"""Tests of what surrounds the package: pins, Binder, the notebooks' form."""

import json
import os
import re
import subprocess
import sys
import tomllib

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.series import NOTEBOOKS, ROOT, cells, every_notebook

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()


# The environments


def test_direct_dependencies_are_locked():
    """The lock has every dependency of pyproject.toml, at a version allowed there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [Requirement(text) for group in groups for text in group]
    pins = [Requirement(line) for line in LOCK if re.match(r"\w.*==", line)]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    for requirement in wanted:
        if requirement.name != "xrlab":
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


# Binder


def test_post_build_stops_at_the_first_failure():
    """Without this line, Binder would build an image from whatever came out."""
    commands = _commands("postBuild")
    assert commands[0] == "set -euo pipefail"
    assert any("pip install --no-deps" in command for command in commands)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binder_scripts_are_executable(name):
    """Binder runs both by name."""
    assert os.access(ROOT / "binder" / name, os.X_OK)


def _commands(name: str) -> list[str]:
    """Lines of a script in binder/ that are neither empty nor a comment."""
    lines = (ROOT / "binder" / name).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    stripped = [line.split(" #")[0].strip() for line in lines]
    return [line for line in stripped if line and not line.startswith("#")]


# The notebooks


def test_there_are_notebooks():
    """The tests below would pass on an empty folder; this one does not."""
    assert NOTEBOOKS


@every_notebook
def test_notebook_is_valid(path):
    """Notebooks are nbformat 4.5 with cell ids that occur once, and name the usual kernel."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
    nbformat.validate(raw)
    assert raw["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in raw["metadata"]
    ids = [cell["id"] for cell in raw["cells"]]
    assert len(ids) == len(set(ids))


@every_notebook
def test_notebook_is_stored_without_outputs(path):
    """Outputs stay only where nbval compares them."""
    for cell in cells(path, "code"):
        if "nbval-check-output" not in cell.metadata.get("tags", []):
            assert cell.outputs == [], cell.source
            assert cell.execution_count is None, cell.source


@every_notebook
def test_notebook_has_one_parameters_cell(path):
    """The cell tagged "parameters" sets the profile and nothing else."""
    tagged = [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", [])]
    assert [cell.source for cell in tagged] == ['profile = "fast"']


@every_notebook
def test_no_cell_is_repeated(path):
    """Neither text nor code stands twice in a notebook."""
    sources = [cell.source for cell in cells(path)]
    assert [source for source in sources if sources.count(source) > 1] == []


# The package and the repository


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("xrlab", ["keras", "tensorflow", "plotly", "ipywidgets", "numba"]),
        ("xrlab.course.progress", ["numpy", "keras"]),
        ("xrlab.crystal.form_factor", ["periodictable"]),  # 0.1 s
    ],
)
def test_import_is_light(module, heavy):
    """Importing loads none of the large libraries; each waits for its first use."""
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_an_interpretation_needs_no_training_packages():
    """Neither network nor fit imports Keras or TensorFlow, nor what only simulations need."""
    heavy = ["keras", "tensorflow", "onnx", "tf2onnx", "numba", "ipywidgets", "skimage", "fabio"]
    code = (
        "import sys, numpy, xrlab; image = numpy.random.default_rng(0).gamma(4, 1, (64, 64)); "
        "xrlab.interpret(image).to_dict(); xrlab.predict(image[None], kind='simulated'); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_no_tracked_file_is_large():
    """Nothing over 4 MiB is kept in git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], capture_output=True, check=True, cwd=ROOT, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.split("\0") if name]
    large = [path.name for path in files if path.is_file() and path.stat().st_size > 4 * 2**20]
    assert large == []
