"""Release: one version, a wheel that works where nothing else of the project is, and its pages."""

import inspect
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from datetime import date
from email import message_from_string
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import xrlab
from tests.test_workflow import check_schema
from xrlab.networks.shipped import shipped_models

ROOT = Path(__file__).parent.parent
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PUBLIC = sorted(xrlab.__all__)


# Version, changelog, citation


def test_version_is_one():
    """Package, installed metadata, citation and the newest part of the changelog agree."""
    newest = re.search(r"^## \[(?!Unreleased)(.+?)\]", CHANGELOG, re.MULTILINE)[1]
    told = {xrlab.__version__, version("xrlab"), str(CITATION["version"]), newest}
    assert told == {xrlab.__version__}, "after a change of version, install anew"
    assert re.fullmatch(r"\d+\.\d+\.\d+", xrlab.__version__)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "xrlab/__init__.py"}


def test_changelog_has_its_form():
    """Newest first, a date or "unreleased", and the usual kinds of change."""
    heads = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert heads
    numbers = []
    for head in heads:
        number, when = re.fullmatch(r"\[(\d+\.\d+\.\d+|Unreleased)\](?: - (\S+))?", head).groups()
        assert when in (None, "unreleased") or date.fromisoformat(when)
        numbers.append([9**9] if number == "Unreleased" else [int(n) for n in number.split(".")])
    assert numbers == sorted(numbers, reverse=True)
    kinds = set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE))
    usual = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known limits"}
    assert kinds <= usual


def test_citation_fits_the_schema():
    """Of the Citation File Format: what it requires, and nothing that it does not know."""
    done = check_schema(ROOT / "CITATION.cff", "citation-file-format")
    assert done.returncode == 0, done.stdout
    assert (CITATION["type"], CITATION["license"]) == ("software", "BSD-3-Clause")


# The public interface


def test_page_of_the_public_interface_has_every_name():
    """docs/api.md lists every public name once; the book adds the docstrings."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (\w+)$", page, re.MULTILINE)
    assert sorted(listed) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    """A summary of one sentence, every parameter by name, and every method has its sentence."""
    thing = getattr(xrlab, name)
    members = vars(thing) if inspect.isclass(thing) else {}
    documented = {
        member: value
        for member, value in members.items()
        if not member.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, classmethod | staticmethod | property))
    }
    for member, value in {name: thing, **documented}.items():
        summary = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
        assert re.match(r"[A-Z].{8,}[.:]$", summary), member
    described = (inspect.getdoc(thing) or "").partition("Parameters\n----------\n")[2]
    listed = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$", described.partition("\n---")[0], re.MULTILINE)
    parameters = {word.strip() for line in listed for word in line.split(",")}
    assert {*inspect.signature(thing).parameters} - {"options"} <= parameters


# Wheel and sdist


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build wheel and sdist as a package index would get them; their folder."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out, "sdist", "wheel")
    return out


def build(source, out, *kinds):
    """Build with the backend of pyproject.toml, which needs no network where it is installed."""
    targets = [word for kind in kinds for word in ("-t", kind)]
    command = [sys.executable, "-m", "hatchling", "build", *targets, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def content(wheel):
    """Every file of a wheel."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def wheel(built):
    """The only wheel, for every system."""
    return next(built.glob("xrlab-*-py3-none-any.whl"))


def test_wheel_has_the_package_and_nothing_else(wheel):
    """Code, weights with their cards, styles, glossary; no tests, notebooks or tools.

    Of the Keras files only the small ones, which a lesson opens.
    """
    names = set(content(wheel))
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "xrlab").rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.suffix not in (".nbi", ".nbc")
        and (path.suffix != ".keras" or path.stem in ("cfs2", "cfs3", "cfs4"))
    }
    assert {name for name in names if not name.startswith("xrlab-")} == package
    for model in shipped_models():
        assert {f"xrlab/weights/{model}.onnx", f"xrlab/weights/{model}.json"} <= names
    assert {
        "xrlab/interpretation/report.css",
        "xrlab/course/glossary.yaml",
        "xrlab/__init__.pyi",
    } <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < 12e6  # nearly all of it is the weights: 9.4 MB


def test_metadata_tells_what_it_is(wheel):
    """Name, version, licence, the README as description, and the command."""
    files = content(wheel)
    folder = f"xrlab-{xrlab.__version__}.dist-info"
    told = message_from_string(files[f"{folder}/METADATA"].decode())
    assert (told["Name"], told["Version"]) == ("xrlab", xrlab.__version__)
    assert told["License-Expression"] == "BSD-3-Clause"
    assert told.get_payload().lstrip().startswith("# xrlab")
    assert "xrlab = xrlab.cli:run" in files[f"{folder}/entry_points.txt"].decode()


def test_sdist_builds_the_same_wheel(built, wheel, tmp_path):
    """What is not in a checkout, but in the sdist alone, is enough."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as file:
        file.extractall(tmp_path, filter="data")
    build(tmp_path / f"xrlab-{xrlab.__version__}", tmp_path / "again", "wheel")
    assert content(tmp_path / "again" / wheel.name) == content(wheel)


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """Install the wheel into an environment of its own, which borrows its dependencies from here.

    Returns a function that runs a command of it in an empty folder.
    """
    folder = tmp_path_factory.mktemp("clean")
    made = subprocess.run([sys.executable, "-m", "venv", folder / "env"], capture_output=True)
    if made.returncode:
        pytest.skip(f"this Python makes no environments: {made.stderr.decode()[-200:]}")
    python = next((folder / "env").glob("[Bb]*/python*"))
    scripts = python.parent
    command = [python, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", wheel]
    subprocess.run([*command, "--disable-pip-version-check"], check=True, cwd=folder)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    here = sysconfig.get_path("purelib")
    # Only the folder is added: a pth file in it, such as that of this checkout, is not read.
    Path(place.stdout.strip(), "borrowed.pth").write_text(here + "\n", encoding="utf-8")
    hidden = ("PYTHONPATH", "PYTHONHOME", "XRLAB_LOCAL_DATA")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}

    def run(name, *arguments):
        return subprocess.run(
            [scripts / name, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    run.folder = folder
    return run


@pytest.mark.notebook
def test_installed_package_works_without_the_checkout(clean):
    """It is the installed one, and loads every weight, the glossary and the style of reports."""
    program = """
import xrlab, xrlab.course.glossary, xrlab.interpretation.report
from xrlab.networks.backend import load_model
from xrlab.networks.shipped import load_network, model_card, shipped_models
for name in ("cfs2", "cfs3", "cfs4"):
    assert load_model(name).count_params() == model_card(name)["parameters"], name
assert xrlab.course.glossary.glossary_markdown() and xrlab.interpretation.report.STYLE
for name in shipped_models():
    assert load_network(name).outputs and model_card(name)["parameters"]
print(len(shipped_models()), xrlab.__version__, xrlab.__file__)
"""
    done = clean("python", "-c", program)
    assert done.returncode == 0, done.stderr
    number, told, place = done.stdout.split(maxsplit=2)
    assert int(number) == len(shipped_models())
    assert told == xrlab.__version__
    assert Path(place).is_relative_to(clean.folder)


@pytest.mark.notebook
def test_installed_command_works_without_the_checkout(clean):
    """Version, three numbers to an image, and back again with a report."""
    assert clean("xrlab", "--version").stdout == f"xrlab {xrlab.__version__}\n"
    made = clean("xrlab", "simulate", "0.6", "-0.6", "-0.36", "--out", "stripes.npy")
    assert made.returncode == 0, made.stderr
    options = ("--kind", "simulated", "--span", "2", "--report", "stripes.html")
    read = clean("xrlab", "interpret", "stripes.npy", *options)
    assert read.returncode == 0, read.stderr
    assert "c(1, 1)" in read.stdout
    assert (clean.folder / "stripes.html").read_text("utf-8").endswith("</html>\n")
