"""The page for an image of one's own: files in, answers out, nothing foreign run or believed."""

import csv
import hashlib
import json
import re
import shlex
from base64 import b64decode
from html import unescape
from io import StringIO

import numpy as np
import pytest
from test_report import interpretation

from tests.image_files import hdf5, npy, tiff
from xrlab import cli, interpret
from xrlab.course import own_image
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.interpretation.findings import Finding
from xrlab.io.fetch import simulated_measurement
from xrlab.io.section import Section
from xrlab.measurement.pipeline import RECOMMENDED
from xrlab.trials.strangers import UNEXPLAINED
from xrlab.widgets.own_image import FilePicker, OwnImage

HOSTILE = "../../etc/<img src=x onerror=alert(1)>.tif"


def large():
    """A section of 4 x 4 cells, h and k from -1 to 3, whose cells repeat; and its TIFF."""
    cell = simulated_measurement(1)[:63, :63]
    image = np.pad(np.tile(cell, (2, 2)), ((0, 1), (0, 1)), "wrap")
    return image, tiff(image.astype("f4"))


def links_of(text):
    """Content of every document behind a link, by the name that it is saved under."""
    found = re.findall(r'download="([^"]+)" href="data:[^,]+;base64,([^"]+)"', text)
    return {name: b64decode(content).decode() for name, content in found}


@pytest.fixture(scope="module")
def answered():
    """The page after its example was interpreted."""
    page = OwnImage()
    page.interpret()
    return page


# Files


def test_a_standard_image_lies_on_the_standard_grid():
    """64 x 64 pixels without axes: h and k from 0 to 2, every pixel as it is."""
    image = simulated_measurement(2)
    content = tiff(image.astype("f4"))
    upload = own_image.read_upload(content, "a.tif")
    assert upload.whole
    assert upload.section.grid == STANDARD_GRID
    np.testing.assert_allclose(upload.section.window().image, image, rtol=1e-6)
    assert upload.digest == hashlib.sha256(content).hexdigest()


def test_other_images_wait_until_their_place_is_told():
    """No guess; the numbers that are typed place it."""
    image, content = large()
    assert own_image.read_upload(content, "a.tif").section is None
    upload = own_image.read_upload(content, "a.tif", h=(-1, 3), k=(-2, 2))
    assert not upload.whole
    np.testing.assert_allclose(upload.section.image, image)
    assert (upload.section.h[0], upload.section.k[-1]) == (-1, 2)


def test_a_file_that_holds_several_is_told_which():
    """By name, or a frame by number; without, the error lists them."""
    p, q = np.random.default_rng(0).random((2, 64, 64))
    arrays = {"entry/p": p, "entry/q": q, "stack": np.stack([p, q])}
    content = hdf5(lambda file: file.update(arrays))
    with pytest.raises(ValueError, match="entry/p"):
        own_image.read_upload(content, "a.h5")
    upload = own_image.read_upload(content, "a.h5", "entry/q")
    np.testing.assert_allclose(upload.section.image, q)
    assert upload.options == ("--dataset", "entry/q")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"\x80\x04pickle", "pickle"), (b"\xff\xd8\xff\xe0", "JPEG")],
)
def test_what_is_no_image_is_refused_in_words(content, words):
    """Nothing in a file is run; the page says what is wrong and shows no older image as this."""
    with pytest.raises(ValueError, match=words):
        own_image.read_upload(content, "a.bin")
    page = OwnImage()
    page.take(HOSTILE, content)
    assert "Not possible" in page._said.value
    assert words in page._said.value
    assert "<img" not in page._said.value
    assert page.upload is None
    with pytest.raises(ValueError, match="no window yet"):
        page.interpret()


def test_long_files_are_refused_before_they_are_read(monkeypatch):
    """The limit is told, and holds for parts that do not keep to what was announced."""
    monkeypatch.setattr(own_image, "MAX_UPLOAD", 100)
    with pytest.raises(ValueError, match="MiB at most"):
        own_image.read_upload(bytes(101), "a.tif")
    taken, refused = [], []
    picker = FilePicker(lambda *file: taken.append(file), refused.append)
    picker.largest = 100
    send = picker._on_part
    send(None, {"name": "a", "size": 101, "start": 0}, [b""])
    send(None, {"name": "a", "size": 90, "start": 0}, [bytes(60)])
    send(None, {"name": "a", "size": 90, "start": 60}, [bytes(60)])
    assert len(refused) == 2
    assert taken == []
    send(None, {"name": "b", "size": 5, "start": 0}, [memoryview(b"abc")])
    send(None, {"name": "a", "size": 90, "start": 60}, [b"zz"])  # a part of a file given up
    send(None, {"name": "b", "size": 5, "start": 3}, [memoryview(b"de")])
    assert taken == [("b", b"abcde")]


# Answers


def test_the_example_is_what_it_says():
    """Its lattice has the correlations that notebook 8 calls the truth."""
    mean = interpret(own_image.example().section.image, kind="measured").fit.encoding.vector
    np.testing.assert_allclose(mean[[0, 3, 4]], list(own_image.EXAMPLE_TRUTH.values()), atol=0.15)


def test_answer_is_that_of_interpret(answered):
    """Same numbers, in all three documents behind the links; the report is on the page."""
    expected = interpret(simulated_measurement(own_image.EXAMPLE_SEED), kind="measured")
    result = answered.answer.result
    np.testing.assert_allclose(result.encoding.vector, expected.encoding.vector, atol=1e-5)
    saved = links_of(answered._links.value)
    assert list(saved) == [f"interpretation.{ending}" for ending in ("html", "json", "csv")]
    told = json.loads(saved["interpretation.json"])
    np.testing.assert_array_equal(told["encoding"], result.encoding.vector)
    rows = list(csv.DictReader(StringIO(saved["interpretation.csv"])))
    assert [float(row["value"]) for row in rows] == result.encoding.vector.tolist()
    shown = re.search('srcdoc="(.*?)" onload', answered._report.value, re.DOTALL)[1]
    assert unescape(shown) == saved["interpretation.html"]
    assert "sandbox" in answered._report.value
    assert "allow-scripts" not in answered._report.value


def test_an_answer_goes_when_something_changes(answered):
    """Nobody takes the numbers of one image or correction for those of another."""
    assert answered.answer is not None
    answered._correction.value = "noisy"
    assert answered.answer is None
    assert answered._links.value == answered._report.value == ""
    for step in RECOMMENDED["noisy"].names:
        assert step in answered._steps.value
    before, after = (view.children[1].value for view in answered._stages.children)
    assert before != after
    answered._correction.value = own_image.NO_CORRECTION
    before, after = (view.children[1].value for view in answered._stages.children)
    assert before == after


def test_verdict_comes_from_the_tests():
    """An image without any repeating pattern has no answer, and the page says so first."""
    rings = UNEXPLAINED["powder rings"](np.random.default_rng(2))
    result = own_image.read_window(rings).result
    assert not result.explained
    words = own_image.verdict(result)
    assert "Not explained by this model" in words
    assert "periodic structure" in words


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([], "Nothing speaks against this answer.</b> Tests passed: 0 of 0."),
        ([("residual structure", 0.9)], "Explained in part only.</b>"),
        ([("residual structure", 0.0), ("positivity", 2)], "but a test failed.</b>"),
        ([("residual structure", 2)], "passed: 0 of 1 (failed: residual structure)."),
    ],
)
def test_verdict_names_status_and_failed_tests(findings, words):
    """From the findings, whatever their sentences say."""
    given = tuple(Finding(key, value, 1, "≤", "not explained: x") for key, value in findings)
    assert words in own_image.verdict(interpretation(findings=given))


def test_the_page_takes_a_section_to_a_window(monkeypatch):
    """Upload, h and k, window: what is read is that part; the command line reads the same."""
    read = []
    monkeypatch.setattr(
        "xrlab.widgets.own_image.read_window", lambda *given: read.append(given) or 1 / 0
    )
    image, content = large()
    page = OwnImage()
    page.take(HOSTILE, content)
    assert "type those" in page._said.value
    assert "<img" not in page._said.value
    assert page._window.children == ()
    for field, value in zip(page._axes, (-1, 3, -1, 3), strict=True):
        field.value = value
    page.place()
    (picker,) = page._window.children
    before = page._stages.children[0].children[1].value
    picker.picture.place = [0.26, 0.51]
    assert picker.result.corner == (1, 0)
    assert page._stages.children[0].children[1].value != before  # of the window now chosen
    with pytest.raises(ZeroDivisionError):
        page._say_errors(page.interpret, page.status)
    assert "A fault in xrlab" in page.status.value
    assert not page._go.disabled
    window, correction, told = read[0]
    whole = Section.from_range(image, (-1, 3), (-1, 3))
    np.testing.assert_allclose(window, whole.window((1, 3), (0, 2)).image)
    assert correction == own_image.NO_CORRECTION
    assert told["window"] == "h 1 to 3, k 0 to 2"
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    command = shlex.split(told["command"])
    assert command[:3] == ["xrlab", "interpret", HOSTILE]


def test_the_command_reads_the_same_window(tmp_path):
    """The line in the report, typed in the folder of the file, gives the same image."""
    _, content = large()
    (tmp_path / "a b.tif").write_bytes(content)
    upload = own_image.read_upload(content, "a b.tif", h=(-1, 3), k=(-1, 3))
    told = own_image.origin(upload, (0, 1), "box")
    words = shlex.split(told["command"])[1:]
    words[words.index("a b.tif")] = str(tmp_path / "a b.tif")
    chosen = cli._parser().parse_args(words)
    image, window = cli._read(chosen)
    np.testing.assert_array_equal(image, upload.section.window((0, 2), (1, 3)).image)
    assert window == told["window"]
    assert cli._read_pipeline(chosen.pipeline) == RECOMMENDED["box"]


def test_a_name_is_never_an_option_of_the_command():
    """A file called --report=x.html is still a file where the command is pasted."""
    image = simulated_measurement(1)
    upload = own_image.read_upload(npy(image), "--report=x.npy")
    command = shlex.split(own_image.origin(upload, (0, 0), own_image.NO_CORRECTION)["command"])
    assert command[2] == "./--report=x.npy"
