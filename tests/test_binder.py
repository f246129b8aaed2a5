"""Tests of Binder's files: in step with the lock, the image that they make, the links to it."""

import json
import posixpath
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import binder_links
import browser
import pytest
import write_environments

ROOT = Path(__file__).parent.parent
SETTINGS = ROOT / "binder" / "jupyter_server_config.json"


# Pins


@pytest.mark.parametrize("name", ["environment.yml", "binder/environment.yml", "requirements.txt"])
def test_files_are_what_the_lock_gives(name):
    """Every list of packages is exactly what tools/write_environments.py writes."""
    assert (ROOT / name).read_text(encoding="utf-8") == write_environments.texts()[name]


def test_pins_are_what_the_course_needs(tmp_path, monkeypatch):
    """What only tests need is left out, however deep; what the course needs as well is kept."""
    project = """
        [project]
        dependencies = ["maths>=1"]
        [project.optional-dependencies]
        lab = ["viewer[fast]>=2", "shared"]
        test = ["tester", "shared"]
    """
    lock = {
        "maths==1.2": ["xrlab (pyproject.toml)"],
        "viewer==2.0 ; python_full_version < '3.12'": ["xrlab (pyproject.toml)"],
        "viewer==2.1 ; python_full_version >= '3.12'": ["xrlab (pyproject.toml)"],
        "shared==3": ["xrlab (pyproject.toml)"],
        "deep==4": ["tester", "viewer"],
        "tester==5": ["xrlab (pyproject.toml)"],
        "only-tests==6": ["tester"],
        "deeper==7": ["only-tests"],
    }
    lines = []
    for pin, users in lock.items():
        many = len(users) > 1
        lines += [pin, *many * ["    # via"]]
        lines += [f"    #   {user}" if many else f"    # via {user}" for user in users]
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "requirements.lock").write_text("\n".join(lines))
    monkeypatch.setattr(write_environments, "ROOT", tmp_path)
    assert write_environments.pins(("lab",)) == list(lock)[:5]
    assert write_environments.pins(()) == ["maths==1.2"]


def test_test_tools_are_not_in_the_image():
    """The large packages that only tests need do not come to Binder."""
    names = {pin.split("==")[0] for pin in write_environments.pins()}
    assert names >= {"jupyterlab", "tensorflow-cpu", "voila", "papermill"}
    assert names.isdisjoint({"jax", "jaxlib", "playwright", "mypy", "pytest", "sphinx"})


# The image


def test_start_only_sets_and_starts():
    """Nothing is installed or compiled by then; one CPU; Binder's command comes last."""
    lines = (ROOT / "binder" / "start").read_text(encoding="utf-8").splitlines()
    *settings, last = [line.split(" #")[0] for line in lines if line and line[0] != "#"]
    assert last == 'exec "$@"'
    assert all(re.match(r"export \w+=", setting) for setting in settings)
    libraries = ("OMP_NUM", "OPENBLAS_NUM", "NUMBA_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
    assert {f"export {library}_THREADS=1" for library in libraries} <= set(settings)


def test_dry_run_shows_the_image():
    """repo2docker reads binder/, and makes of it the image that is meant."""
    pytest.importorskip("repo2docker", reason="jupyter-repo2docker is not installed")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    shown = done.stdout + done.stderr
    assert "python=3.11" in shown
    steps = [
        "COPY --chown=0:0 src/binder/environment.yml",
        'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"',
        "COPY --chown=0:0 src/ ${REPO_DIR}/",  # after the packages: they stay in the cache
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    places = [shown.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
    assert "src/requirements.txt" not in shown


# The links


def opened(address: str) -> str:
    """Return what a link of mybinder.org opens in the session."""
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("https", "mybinder.org")
    (path,) = parse_qs(parts.query, strict_parsing=True)["urlpath"]
    return path


def test_badges_open_the_course_and_the_page():
    """The first opens notebook 0 in JupyterLab, the second notebook 8 through Voila."""
    course, page = re.findall(r"\]\((https://mybinder\.org/v2/\S+)\)", binder_links.badges())
    assert opened(course) == "lab/tree/notebooks/00_start_here.ipynb"
    assert opened(page) == "voila/render/notebooks/08_interpret_your_own.ipynb"
    for address in (course, page):
        assert urlsplit(address).path == f"/v2/gh/{binder_links.REPOSITORY}/HEAD"
        assert (ROOT / opened(address).split("/", 2)[2]).is_file()


def test_workshop_has_content_apart_from_environment():
    """The environment is a release's; the notebooks are pulled into a folder not yet there."""
    address = binder_links.workshop(binder_links.START)
    assert urlsplit(address).path == f"/v2/gh/{binder_links.REPOSITORY}/{binder_links.RELEASE}"
    pull = urlsplit(opened(address))
    asked = {name: value for name, (value,) in parse_qs(pull.query, strict_parsing=True).items()}
    assert pull.path == "git-pull"
    assert asked == {
        "repo": f"https://github.com/{binder_links.REPOSITORY}",
        "branch": "main",
        "targetPath": binder_links.CONTENT,
        "urlpath": f"lab/tree/{binder_links.CONTENT}/notebooks/00_start_here.ipynb",
    }
    assert not (ROOT / binder_links.CONTENT).exists()


def test_readme_has_the_links():
    """Where the README has badges, they are these."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if "mybinder.org" not in readme:
        pytest.skip("the README has no badges")
    assert binder_links.badges() in readme


def test_page_hides_what_make_page_hides():
    """Voila leaves out the same cells on Binder as at home."""
    (tags,) = re.findall(r"remove_cell_tags=(\w+)", (ROOT / "Makefile").read_text("utf-8"))
    settings = json.loads(SETTINGS.read_text(encoding="utf-8"))
    assert settings["TagRemovePreprocessor"]["remove_cell_tags"] == [tags]
    assert "binder/jupyter_server_config.json" in (ROOT / "binder" / "postBuild").read_text("utf-8")


def test_lab_opens_as_binder_does():
    """At home, too, the root is the repository and the first page is notebook 0."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r"^lab:.*\n\t\$\(BIN\)/jupyter lab (.*)$", makefile, re.MULTILINE)
    start = json.loads(SETTINGS.read_text(encoding="utf-8"))["LabApp"]["default_url"]
    assert options.split() == ["--ServerApp.root_dir=.", f"--LabApp.default_url={start}"]


# A session


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """JupyterLab with Binder's settings; its address."""
    folder = tmp_path_factory.mktemp("session")
    (folder / SETTINGS.name).write_bytes(SETTINGS.read_bytes())
    places = {"JUPYTER_CONFIG_PATH": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "none")}
    options = ["--allow-root", "--ServerApp.token=", "--ServerApp.disable_check_xsrf=True"]
    return browser.serve(["jupyter", "lab", *options], ROOT, ready="api", **places).address


def read(address: str) -> tuple[str, str]:
    """Return the address where one ends up, and the text there."""
    with urllib.request.urlopen(address, timeout=120) as answer:
        return answer.url, answer.read().decode()


@pytest.mark.notebook
def test_session_opens_at_the_start(session):
    """Without any path, a session opens notebook 0."""
    assert read(session)[0] == f"{session}lab/tree/notebooks/00_start_here.ipynb"


@pytest.mark.notebook
def test_session_has_what_the_notebooks_link_to(session):
    """A link such as ../docs/glossary.md, relative to the notebook, names a file of the server."""
    texts = [path.read_text("utf-8") for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")]
    links = {link for text in texts for link in re.findall(r"\]\(([\w./]+\.\w+)[#)]", text)}
    assert "../docs/glossary.md" in links
    for link in links:
        place = posixpath.normpath(f"notebooks/{link}")
        _, answer = read(f"{session}api/contents/{place}?content=0")
        assert json.loads(answer)["path"] == place


@pytest.mark.notebook
def test_session_can_pull_content(session):
    """The puller answers, and would pull into the folder of the workshop's link."""
    pytest.importorskip("nbgitpuller", reason="nbgitpuller is not installed")
    _, text = read(session + opened(binder_links.workshop(binder_links.START)))
    assert f'data-targetpath="{binder_links.CONTENT}"' in text


@pytest.mark.notebook
def test_session_serves_the_page(session):
    """The second badge's path is answered by Voila, without the lesson."""
    _, text = read(session + opened(binder_links.page(binder_links.PAGE)))
    assert "Interpret your own image</h1>" in re.sub(r'<a class="anchor-link".*?</a>', "", text)
    assert "Objectives" not in text
