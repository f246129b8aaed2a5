"""What comes from outside is data: nothing in it is run, and no name of a file is a path."""

import os
import pickle
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import ipywidgets as ipw
import numpy as np
import pytest

from tests.image_files import hdf5, npy, npz
from xrlab.course import own_image
from xrlab.interpretation import report
from xrlab.io.read import read_image_bytes
from xrlab.widgets.own_image import OwnImage

ROOT = Path(__file__).parent.parent
SOURCES = [p for d in ("xrlab", "tools", "benchmarks") for p in sorted((ROOT / d).rglob("*.py"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# What runs what it loads and ruff (S102, S301, S307, ...) does not know.
UNSAFE = re.compile(
    r"allow_pickle=(?!False)|safe_mode=(?!True)|enable_unsafe_deserialization"
    r"|(?:joblib|torch)(?:\.| import )load|\bcloudpickle\b|\b(?:full|unsafe)_load\("
)

MARK = "xrlab-uploaded"
NAMES = [
    f"../../{MARK}.tif",
    f"/tmp/{MARK}.tif",
    f"C:\\{MARK}.tif",
    f"{MARK}\0.tif",
    MARK * 10_000,
    f"<script>alert('{MARK}')</script>.tif",
    f'"><img src=x onerror=alert(1)>{MARK}',
    f"{MARK}\n\x1b[31m\u202e.tif",
    f"--report={MARK}.html",
    f"{MARK}\udcff.tif",
    "",
]


# What the code may call


@pytest.mark.parametrize("path", SOURCES + NOTEBOOKS, ids=lambda path: path.name)
def test_nothing_is_loaded_that_could_run(path):
    """No pickle in an array, no model out of safe mode; the rest is a rule of ruff."""
    assert UNSAFE.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "from joblib import load",
        "np.load(x, allow_pickle=True)",
        "np.load(x, allow_pickle=flag)",
        "load_model(x, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
    ],
)
def test_dangers_are_found(text):
    """The test above would see each of these."""
    assert UNSAFE.search(text)
    assert not UNSAFE.search("np.load(x, allow_pickle=False); load_model(x, safe_mode=True)")


class Payload:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def pickled(path: Path) -> Iterator[tuple[str, bytes]]:
    """Files that would run code if anything unpickled them."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield f"{protocol}.pkl", pickle.dumps(Payload(path), protocol)
    objects = np.array([[Payload(path)] * 64] * 64, dtype=object)
    yield "a.npy", npy(objects)
    yield "a.npz", npz(objects=objects)

    def write(file):
        file["data"] = np.frombuffer(pickle.dumps(Payload(path)), np.uint8).reshape(1, -1)
        file["data"].attrs["python"] = np.void(pickle.dumps(Payload(path)))

    yield "a.h5", hdf5(write)


def test_pickles_are_refused_and_never_run(tmp_path):
    """Of every protocol, as they are or inside an array."""
    mark = tmp_path / "was_run"
    pickle.loads(pickle.dumps(Payload(mark))).close()
    assert mark.exists()
    mark.unlink()
    for name, content in pickled(mark):
        with pytest.raises(ValueError, match=f"{name} cannot be read"):
            read_image_bytes(content, name)
    assert not mark.exists()


# Names of uploaded files


class Opened:
    """Whatever Python is asked to open, make or remove, as long as `on` is true."""

    def __init__(self) -> None:
        self.on, self.paths = False, []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if self.on and event.startswith(("open", "os.", "shutil.", "tempfile.", "subprocess.")):
            self.paths += [str(each) for each in arguments]


@pytest.fixture(scope="module")
def opened():
    """Listen to the whole process: a hook cannot be taken away, so there is one for all tests."""
    return Opened()


class Tags(HTMLParser):
    """The tags of a piece of HTML, and the handlers of events in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """Keep its name, and any attribute that holds a program."""
        self.found |= {tag, *(name for name, _ in attributes if name.startswith("on"))}


def html_of(widget: ipw.Widget) -> Iterator[str]:
    """Every piece of HTML on a page of widgets."""
    if isinstance(widget, ipw.HTML):
        yield widget.value
    for child in getattr(widget, "children", ()):
        yield from html_of(child)


@pytest.fixture(scope="module")
def image():
    """A file that can be read."""
    return npy(np.random.default_rng(0).poisson(50, (64, 64)))


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:30]))
def test_a_name_is_words_and_never_a_path(name, image, opened, tmp_path, monkeypatch):
    """A good file, a bad one and one too long, up to the text of the report: nothing is opened."""
    monkeypatch.chdir(tmp_path)
    page = OwnImage()
    allowed = set().union(*(Tags(html).found for html in html_of(page))) | {"b"}
    opened.paths.clear()
    opened.on = True
    try:
        for content in (image, b"no image", b""):
            page.take(name, content)
            assert set().union(*(Tags(html).found for html in html_of(page))) <= allowed
        page._file._on_part(None, {"name": name, "size": 2**40, "start": 0}, [b""])
        told = own_image.origin(own_image.read_upload(image, name), (0, 0), "none")
        words = report._origin(told)
    finally:
        opened.on = False
    assert not [path for path in opened.paths if MARK in path]
    assert os.listdir(tmp_path) == []
    assert Tags(words).found <= {"pre", "dl", "dt", "dd"}


def test_what_is_opened_is_heard(opened, tmp_path):
    """The test above would see a file that is opened."""
    opened.on = True
    try:
        (tmp_path / MARK).write_text("x")
    finally:
        opened.on = False
    assert any(MARK in path for path in opened.paths)
