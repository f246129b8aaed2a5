"""The site that needs no server: its wheel, its notebooks, and xrlab with no more than it has."""

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import nbformat
import numpy as np
import pytest
import write_lite
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from xrlab import Encoding, simulate
from xrlab.crystal import kernels, samplers

ROOT = Path(__file__).parent.parent


LITE_NOTEBOOKS = [*write_lite.NOTEBOOKS, "explorer"]

# Not in the Python of Pyodide 314.
GONE = ("curses", "dbm", "grp", "msvcrt", "pwd", "resource", "syslog", "tkinter", "venv")

# Whatever else is installed here cannot be imported, and no thread starts: as in a browser.
IN_BROWSER = """
import sys, threading

folder, *refused = sys.argv[1:]

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def refuse(thread):
    raise RuntimeError("can't start new thread")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, folder)
threading.Thread.start = refuse
"""


def all_modules_but_of(packages):
    """Names of installed modules, without those of some packages and of all that these need."""
    names, todo = set(), list(packages)
    while todo:
        name = canonicalize_name(todo.pop())
        if name not in names:
            names.add(name)
            needs = map(Requirement, metadata.requires(name) or ())
            todo += [n.name for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
    modules = metadata.packages_distributions().items()
    return [module for module, of in modules if not names & set(map(canonicalize_name, of))]


def in_browser(folder, code):
    """Run code with the wheel's content in a folder and the packages of the site."""
    packages = (*write_lite.IN_PYODIDE, *write_lite.IN_SITE, *write_lite.WITH_THEM)
    refused = {*all_modules_but_of(packages), *GONE} - {"xrlab"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", IN_BROWSER + code, folder, *refused],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel as pip builds it: modules, data, weights, metadata."""
    path = tmp_path_factory.mktemp("wheel") / "xrlab-0.1.0-py3-none-any.whl"
    files = [f for f in (ROOT / "xrlab").rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    text = "Metadata-Version: 2.4\nName: xrlab\nVersion: 0.1.0\n"
    text += "Requires-Dist: keras>=3.8\nRequires-Dist: numpy>=2.0\nRequires-Dist: scipy>=1.14\n"
    text += "Provides-Extra: lab\nRequires-Dist: joblib>=1; extra == 'lab'\n\n# xrlab\n\nText."
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(ROOT))
        archive.writestr("xrlab-0.1.0.dist-info/METADATA", text)
        archive.writestr("xrlab-0.1.0.dist-info/RECORD", "of the old one,,\n")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """The content of the site's wheel."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(write_lite.lite_wheel(wheel, folder)) as archive:
        archive.extractall(folder / "content")
    return folder / "content"


# Without numba


def test_twins_draw_the_same_lattices():
    """What NumPy and Python make of a seed is what the compiled loops make of it, bit by bit."""
    rng = np.random.default_rng(0)
    for span, concentration in ((2, 0.5), (3, 0.5), (4, 0.3)):
        target = Encoding.random(span, rng, "realisable")
        coupling = rng.normal(0, 0.2, (span, span))
        start = np.where(rng.permutation(400).reshape(20, 20) < concentration * 400, 1, -1)
        made = []
        for swap in (kernels.swap_cycles, kernels.plain_swap_cycles):
            sites, learnt = start.astype(np.int8), coupling.copy()
            swap(sites, learnt, target.matrix, 6, 0.5, np.random.default_rng(1))
            made.append((sites, learnt))
        np.testing.assert_array_equal(made[0][0], made[1][0])
        np.testing.assert_array_equal(made[0][1], made[1][1])
    block, uniform = samplers.growth_odds(0.4, -0.3, 0.6), rng.random((30, 30))
    grown = kernels.plain_grow(block, uniform)
    np.testing.assert_array_equal(grown, kernels.grow(block, uniform))
    np.testing.assert_array_equal(
        kernels.plain_pair_means(grown, 4), kernels.pair_means(grown.astype(np.int8), 4)
    )


@pytest.mark.parametrize("fixed_mean", [False, True])
@pytest.mark.parametrize(("size", "n"), [(9, 2), (50, 4)])
def test_twins_of_the_spectrum_agree(size, n, fixed_mean):
    """Sums over waves differ by rounding only."""
    rng, turn = np.random.default_rng(size), kernels.unit_waves(size)
    lam = np.append(1.0, rng.uniform(-1, 1, n * n - 1) / n**2 / 2)
    inverse = kernels.inverse_spectrum(lam, turn, fixed_mean)
    np.testing.assert_allclose(
        kernels.plain_inverse_spectrum(lam, turn, fixed_mean), inverse, rtol=1e-12
    )
    for ours, theirs in zip(
        kernels.plain_moments(inverse, n, turn), kernels.moments(inverse, n, turn), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_without_numba_a_seed_gives_the_same_lattice(unpacked):
    """Every sampler, in a process that has no numba, and one notice that says what it means."""
    cases = [
        (sampler, start, seed)
        for sampler, start in (
            ("monte_carlo", "warm"),
            ("monte_carlo", "cold"),
            ("gaussian", None),
            ("growth", None),
        )
        for seed in (1, 2)
    ]
    code = f"""
import xrlab
for sampler, start, seed in {cases}:
    target = xrlab.Encoding.product(0.5, -0.3, 3)
    sites = xrlab.simulate(target, 30, sampler, seed, start=start).sites
    print("".join("-+"[int(s > 0)] for s in sites.ravel()))
"""
    done = in_browser(unpacked, code)
    assert done.stderr.count("simulating without numba") == 1
    target = Encoding.product(0.5, -0.3, 3)
    for (sampler, start, seed), line in zip(cases, done.stdout.split(), strict=True):
        sites = simulate(target, 30, sampler, seed, start=start).sites
        assert line == "".join("-+"[int(s > 0)] for s in sites.ravel()), (sampler, start, seed)


# With no more than the site has


def test_explorer_works_with_the_packages_of_the_site(unpacked):
    """It opens and follows a slider; so does that of notebook 03."""
    code = """
import xrlab
from xrlab.widgets import noise as noise_widgets
from xrlab.widgets.explorer import Explorer
explorer = Explorer()
explorer.take(xrlab.Encoding.product(-0.5, 0.5, 2))
print(explorer.target.vector)
noise_widgets.ChanceExplorer()
"""
    assert in_browser(unpacked, code).stdout == "[ 0.5  -0.5  -0.25]\n"


@pytest.mark.notebook
def test_first_notebook_runs_with_the_packages_of_the_site(unpacked, tmp_path):
    """Every cell of notebook 01 as the site has it, in order."""
    write_lite.write_contents(tmp_path / "files")
    name = LITE_NOTEBOOKS[0]
    notebook = nbformat.read(tmp_path / "files" / f"{name}.ipynb", as_version=4)
    cells = [c.source for c in notebook.cells if c.cell_type == "code" and c.source[0] != "%"]
    done = in_browser(unpacked, "\n".join(["import xrlab.drawing.plots", *cells]))
    assert "the inversion gives" in done.stdout


def test_network_of_the_notebooks_becomes_no_answer(tmp_path):
    """No cell asks for a prediction; what stands there has its shape, and a note says why."""
    write_lite.write_contents(tmp_path / "files")
    assert sorted(f.stem for f in (tmp_path / "files").iterdir()) == sorted(LITE_NOTEBOOKS)
    text = (tmp_path / "files" / "03_simulation_noise.ipynb").read_text(encoding="utf-8")
    assert "load_model" not in text
    assert "does not answer" in text
    assert write_lite.SIZES[1].replace('"', '\\"') in text  # the notebook's sizes are as known
    (line,) = re.findall(r"network_a = (.*?)\\n", text)
    answer = eval(line, {"np": np, "network": 3, "ask_a": type("A", (), {"images": [0] * 5})})
    assert answer.shape == (5, 8)
    assert np.isnan(answer).all()


@pytest.mark.parametrize("name", LITE_NOTEBOOKS)
def test_notebook_of_the_site_installs_first(tmp_path, name):
    """Valid, without outputs, and the first code cell fetches the wheel."""
    write_lite.write_contents(tmp_path / "files")
    notebook = nbformat.read(tmp_path / "files" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].source == write_lite.INSTALL
    assert not any(cell.outputs for cell in code)


# The wheel


def test_wheel_of_the_site_has_no_weights_and_asks_for_little(wheel, tmp_path):
    """Packages that a browser has not are not asked for; the record is that of what is in it."""
    copy = write_lite.lite_wheel(wheel, tmp_path)
    with zipfile.ZipFile(copy) as archive:
        names = archive.namelist()
        record = archive.read("xrlab-0.1.0.dist-info/RECORD").decode()
        asked = archive.read("xrlab-0.1.0.dist-info/METADATA").decode()
    assert "xrlab/crystal/samplers.py" in names
    assert not [name for name in names if "weights" in name]
    assert re.findall("Requires-Dist: (.*)", asked) == ["numpy>=2.0", "scipy>=1.14"]
    assert asked.endswith("# xrlab\n\nText.")
    assert sorted(line.split(",")[0] for line in record.splitlines()) == sorted(names)


def test_every_package_of_the_site_is_wanted_by_the_project():
    """Names are those of pyproject.toml, so that the two do not drift apart, and are locked."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in (*write_lite.IN_PYODIDE, *write_lite.IN_SITE):
        assert f'"{name}>=' in project, name
    assert all("==" in pin for pin in write_lite.pins((*write_lite.IN_SITE, *write_lite.WITH_THEM)))


# The whole site


@pytest.mark.notebook
def test_site_is_built(tmp_path):
    """`make lite`: three notebooks, the wheels, an index of them, JupyterLab, under 60 MB."""
    for package in ("jupyterlite_core", "jupyterlite_pyodide_kernel"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: make lite")
    out = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "write_lite.py", "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Could not find a version" in done.stderr or "No matching distribution" in done.stderr:
        pytest.skip("no package index to take the site's wheels from")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert {f.stem for f in (out / "files").glob("*.ipynb")} == set(LITE_NOTEBOOKS)
    index = json.loads((out / "pypi" / "all.json").read_text(encoding="utf-8"))
    wanted = {*write_lite.IN_SITE, *write_lite.WITH_THEM, "xrlab"}
    assert wanted <= {name.replace("_", "-") for name in index}
    listing = json.loads((out / "api" / "contents" / "all.json").read_text(encoding="utf-8"))
    assert {Path(each["path"]).stem for each in listing["content"]} == set(LITE_NOTEBOOKS)
    settings = json.loads((out / "jupyter-lite.json").read_text(encoding="utf-8"))
    kernel = settings["jupyter-config-data"]["litePluginSettings"]
    (kernel,) = kernel.values()
    assert kernel["disablePyPIFallback"] is True  # all that is needed is in the site or in Pyodide
    assert any("all.json" in url for url in kernel["pipliteUrls"])
    assert (out / "lab" / "index.html").is_file()
    assert sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) < 60e6
