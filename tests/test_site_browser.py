"""The playground in Chromium: draw, guess, read files of all formats, offline, by keyboard, touch.

Answers are compared with those of the package for the same bytes.
"""

import json
import re

import browser
import h5py
import numpy as np
import pytest
import tifffile
import write_site
from PIL import Image

from xrlab.interpretation.interpret import interpret
from xrlab.io.fetch import DataUnavailableError, fetch, simulated_measurement
from xrlab.io.read import read_stored
from xrlab.io.section import Section, on_axes
from xrlab.trials.sections import calibration_section
from xrlab.trials.trial import trials

axe_core = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="no axe-core: pip install xrlab[test]"
)
pytestmark = browser.NEEDED

CLOSE = 1e-4
WIDTHS = (390, 768, 1280, 1920)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page, built and served."""
    try:
        folder = write_site.build(tmp_path_factory.mktemp("site") / "page")
    except RuntimeError as error:
        pytest.skip(str(error))
    with browser.files_served(folder) as served:
        yield served


@pytest.fixture(scope="module")
def reader(driver, address):
    """A page at the door Read."""
    page = browser.open_page(driver, f"{address}#read")
    page.get_by_text("Drop a measured image here").wait_for()
    yield page
    assert page.complaints == []
    page.close()


@pytest.fixture
def page(driver, address):
    """A page at the door Draw, with its first answer."""
    page = browser.open_page(driver, f"{address}#draw")
    page.locator(".draw[data-read]").wait_for()
    yield page
    assert page.complaints == []
    page.close()


def drop(page, path):
    """Give a file to the page and return its answer as JSON."""
    door = page.locator(".door.read")
    before = door.get_attribute("data-read") or "0"
    page.get_by_label("Choose a file").set_input_files(path)
    page.wait_for_function(
        "n => document.querySelector('.door.read').dataset.read > n"
        " || document.querySelector('.read .status.bad')",
        arg=int(before),
    )
    assert page.locator(".read .status.bad").count() == 0, page.locator(".status.bad").inner_text()
    return saved(page)


def saved(page):
    """The answer on the page as JSON, once it is the latest."""
    page.locator(".door.read:not([aria-busy=true])").wait_for()
    with page.expect_download() as given:
        page.get_by_role("button", name="Save as JSON").click()
    return json.loads(given.value.path().read_text(encoding="utf-8"))


def expected(path):
    """The package's quick answer to a file, by the window it chooses itself."""
    image, axes = read_stored(path)
    section = on_axes(image, axes)
    if section is not None:
        corners = section.corners()
        h, k = min(corners, key=lambda c: (abs(c[0]) + abs(c[1]), c[0] < 0, c[1] < 0))
        image = section.window((h, h + 2), (k, k + 2)).image
    return interpret(image, fit=False)


def agrees(answer, result):
    """Means and covariances are equal, and so are all checks."""
    assert np.allclose(answer["encoding"], result.encoding.vector, atol=CLOSE)
    assert np.allclose(answer["covariance"], result.covariance, atol=CLOSE)
    theirs = {finding.key: finding for finding in result.findings}
    for check in answer["findings"]:
        finding = theirs[check["key"]]
        # Noise is grouped by intensity, and equal intensities come into groups in any order.
        slack = 0.05 if check["key"] == "counting noise" else 1e-3
        if check["key"] == "Bragg positions":
            slack = finding.limit  # of maxima that are nearly alike at q and -q either may say 0
        assert check["value"] == pytest.approx(finding.value, rel=1e-2, abs=slack), check["key"]
        assert check["limit"] == finding.limit
        assert check["ok"] == finding.ok or abs(finding.value - finding.limit) < min(slack, 0.05)
    assert sorted(theirs) == sorted(check["key"] for check in answer["findings"])


def counts():
    """An image of counts with a gap of the detector, marked by -1."""
    image = simulated_measurement(5)
    image[20:23] = -1
    return image.astype(np.int32)


def write_tiff(path):
    """Whole numbers of 32 bits, -1 where unmeasured, packed."""
    tifffile.imwrite(path, counts(), compression="zlib", predictor=True)


def write_float_tiff(path):
    """Real numbers in tiles with a flag that GDAL knows."""
    image = np.where(counts() < 0, -9999, counts()).astype(np.float32)
    tifffile.imwrite(path, image, tile=(32, 32), extratags=[(42113, "s", 0, "-9999", True)])


def write_npy(path):
    """Column by column, most significant byte first, NaN where unmeasured."""
    image = np.where(counts() < 0, np.nan, counts())
    np.save(path, np.asfortranarray(image.astype(">f4")))


def write_csv(path):
    """As a spreadsheet writes it in Europe."""
    rows = [";".join(f"{x:.1f}".replace(".", ",") for x in row) for row in counts()]
    path.write_text("\n".join(rows).replace("-1,0", ""), encoding="utf-8")


def write_png(path):
    """16 bits, the largest value where unmeasured."""
    image = np.where(counts() < 0, 65535, np.minimum(counts(), 65000)).astype(np.uint16)
    Image.fromarray(image).save(path)


def write_pgm(path):
    """Binary, 16 bits, with a comment."""
    image = np.minimum(np.maximum(counts(), 0), 65000).astype(">u2")
    path.write_bytes(b"P5 # counts\n64 64\n65535\n" + image.tobytes())


def write_nexus(path):
    """A section of 4 x 4 cells with axes and a mask, columns along h."""
    cell = simulated_measurement(6)[:63, :63]
    section = np.pad(np.tile(cell, (2, 2)), ((0, 1), (0, 1)), "wrap")
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["default"] = "data"
        data = entry.create_group("data")
        data.attrs.update(signal="counts", axes=["k", "h"])
        data.create_dataset("counts", data=section.T.astype(np.uint32), compression="gzip")
        for name, begin in (("h", -1), ("k", -2)):
            axis = data.create_dataset(name, data=np.linspace(begin, begin + 4, 127))
            axis.attrs["units"] = "r.l.u."
        mask = np.zeros(section.T.shape, np.uint8)
        mask[70:74] = 1
        data.create_dataset("counts_mask", data=mask)


FILES = {
    "counts.tif": write_tiff,
    "tiles.tif": write_float_tiff,
    "image.npy": write_npy,
    "table.csv": write_csv,
    "picture.png": write_png,
    "map.pgm": write_pgm,
    "section.nxs": write_nexus,
}


@pytest.mark.parametrize("name", FILES)
def test_formats(reader, tmp_path, name):
    """The same bytes give the same answer as in the package, whatever the format."""
    FILES[name](tmp_path / name)
    agrees(drop(reader, tmp_path / name), expected(tmp_path / name))


@pytest.mark.parametrize("name", ["box1", "box2"])
def test_measured_boxes(reader, name):
    """The measured boxes of the study."""
    try:
        path = fetch(name)
    except DataUnavailableError as error:
        pytest.skip(str(error))
    agrees(drop(reader, path), expected(path))


def test_fifty_simulated_images(reader, tmp_path):
    """Of all instruments, from clean to a bad day."""
    names = ("clean", "laboratory", "synchrotron", "bad day", "unseen instrument")
    images = np.concatenate([trial.images for trial in trials(10, 1818, names)])
    for index, image in enumerate(images):
        np.save(tmp_path / f"{index}.npy", image)
        answer = drop(reader, tmp_path / f"{index}.npy")
        agrees(answer, interpret(image, fit=False))


def test_known_background(reader, tmp_path):
    """What is said of the background reaches the network; nonsense is refused."""
    write_npy(tmp_path / "image.npy")
    drop(reader, tmp_path / "image.npy")
    image = read_stored(tmp_path / "image.npy")[0]
    reader.get_by_role("radio", name="subtracted").check()
    reader.get_by_text("knowledge").wait_for()
    agrees(saved(reader), interpret(image, fit=False, background=(0, 0)))
    reader.get_by_role("radio", name="its share is").check()
    reader.get_by_label("at least").fill("0.9")
    reader.get_by_text("lies between 0 and 1").wait_for()
    reader.get_by_label("at least").fill("0.2")
    reader.get_by_text("lies between 0 and 1").wait_for(state="detached")
    agrees(saved(reader), interpret(image, fit=False, background=(0.2, 0.4)))
    reader.get_by_role("radio", name="unknown").check()


def test_mask_by_keyboard(reader, tmp_path):
    """Painted pixels are unmeasured for the network."""
    write_png(tmp_path / "picture.png")
    before = drop(reader, tmp_path / "picture.png")
    reader.get_by_label("The image; paint what was not measured").focus()
    reader.keyboard.press("Space")
    reader.keyboard.press("Shift+ArrowRight")
    image = read_stored(tmp_path / "picture.png")[0]
    image[32, 31:35] = image[31, 32:34] = image[33, 32:34] = np.nan
    share = f"{np.isnan(image).mean():.1%}".replace("%", " % unmeasured")
    reader.get_by_text(share).first.wait_for()
    answer = saved(reader)
    agrees(answer, interpret(image, fit=False))
    assert not np.allclose(answer["encoding"], before["encoding"], atol=1e-6)


WRONG = {
    "photo.jpg": (b"\xff\xd8\xff\xe0" + bytes(99), "JPEG"),
    "empty.tif": (b"", "0 bytes"),
    "words.csv": (b"a,b\nc,d\n", "table of numbers"),
    "cut.npy": (b"\x93NUMPY\1\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (64, 64), }"
                + b" " * 56 + b"\n" + bytes(80), "cut off"),
    "model.npy": (b"\x80\x04\x95abc", "pickle"),
    "negative.csv": (b"1,2,3\n4,-5,6.5\n", "cannot be negative"),
    "flat.csv": (b"3,3\n3,3\n", "no pattern"),
    "damaged.h5": (b"\x89HDF\r\n\x1a\n" + bytes(300), "cannot be read"),
    "damaged.png": (b"\x89PNG\r\n\x1a\n" + bytes(60), "cannot be read"),
    "damaged.tif": (b"II*\0" + bytes(60), "cannot be read"),
    "small.csv": (b"1,2\n3,4\n", "does not say its h and k"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files(reader, tmp_path, name):
    """A sentence says what is wrong, and the page goes on."""
    content, words = WRONG[name]
    (tmp_path / name).write_bytes(content)
    reader.get_by_label("Choose a file").set_input_files(tmp_path / name)
    reader.locator(".read > .status").get_by_text(words).wait_for()
    reader.complaints.clear()


def test_answer_after_a_wrong_file(reader, tmp_path):
    """A good file after a bad one is read."""
    (tmp_path / "a.jpg").write_bytes(WRONG["photo.jpg"][0])
    reader.get_by_label("Choose a file").set_input_files(tmp_path / "a.jpg")
    reader.get_by_text("JPEG").wait_for()
    write_pgm(tmp_path / "b.pgm")
    assert len(drop(reader, tmp_path / "b.pgm")["encoding"]) == 15


def test_unknown_axes_by_mouse(reader, tmp_path):
    """A drag from Bragg position to Bragg position says where h and k are."""
    cell = simulated_measurement(6)[:63, :63]
    section = np.pad(np.tile(cell, (2, 2)), ((0, 1), (0, 1)), "wrap")
    np.save(tmp_path / "section.npy", section)
    reader.get_by_label("Choose a file").set_input_files(tmp_path / "section.npy")
    reader.get_by_text("does not say its h and k").wait_for()
    edges = reader.get_by_label("The section; drag to choose the window").bounding_box()
    reader.get_by_label("The section; drag to choose the window").scroll_into_view_if_needed()
    edges = reader.get_by_label("The section; drag to choose the window").bounding_box()
    left, bottom, side = edges["x"], edges["y"] + edges["height"], edges["width"]
    reader.mouse.move(left + side * 0.5 / 127, bottom - side * 0.5 / 127)
    reader.mouse.down()
    reader.mouse.move(left + side * 63.5 / 127, bottom - side * 63.5 / 127, steps=4)
    reader.mouse.up()
    reader.get_by_text("windows.").wait_for()
    last = float(reader.get_by_label("h last").input_value())
    assert last == pytest.approx(4, abs=0.1)


def test_window_by_keyboard(reader, tmp_path):
    """Arrows move the window by whole cells; outside the section they are refused."""
    write_nexus(tmp_path / "section.nxs")
    first = drop(reader, tmp_path / "section.nxs")
    assert first["window"] == [0, 0]
    reader.get_by_label("The section; drag to choose the window").press("ArrowLeft")
    reader.wait_for_function("() => document.querySelectorAll('.numbers input')[5].value === '-1'")
    second = saved(reader)
    assert second["window"] == [0, -1]
    section = on_axes(*read_stored(tmp_path / "section.nxs"))
    agrees(second, interpret(section.window((0, 2), (-1, 1)).image, fit=False))
    reader.get_by_label("window h").fill("7")
    reader.get_by_text("reaches out of the section").wait_for()


def write_section(path, section):
    """A section on its axes."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        file.attrs["default"] = "data"
        data.attrs.update(signal="counts", axes=["h", "k"])
        data.create_dataset("counts", data=section.image)
        for name in "hk":
            data.create_dataset(name, data=getattr(section, name)).attrs["units"] = "r.l.u."


def sections():
    """Of many cells, with the scale that their levels give; with gaps; copies of one cell."""
    wide, other = (calibration_section(4, index).section for index in range(2))
    gaps = other.image[:200, :260].copy()
    gaps[70:110] = np.nan
    cell = simulated_measurement(6)[:63, :63]
    tiled = np.pad(np.tile(cell, (2, 2)), ((0, 1), (0, 1)), "wrap")
    return {
        "wide": wide,
        "gaps": Section(gaps, other.h[:200], other.k[:260]),
        "copies": Section.from_range(tiled, (-1, 3), (-2, 2)),
    }


@pytest.mark.parametrize("name", ["wide", "gaps", "copies"])
def test_all_windows_joined(reader, tmp_path, name):
    """All windows of a section give the answer of the package, scale and checks included."""
    section = sections()[name]
    write_section(tmp_path / "section.h5", section)
    drop(reader, tmp_path / "section.h5")
    for background, choice in ((None, "unknown"), ((0, 0), "subtracted")):
        reader.get_by_role("radio", name=choice).check()
        reader.get_by_role("radio", name="all windows, joined").check()
        answer = saved(reader)
        result = interpret(section, fit=False, background=background)
        agrees(answer, result)
        theirs = result.windows.to_dict()
        # The page lists the windows beginning with the one nearest to the origin.
        order = [answer["windows"]["corners"].index(corner) for corner in theirs["corners"]]
        assert sorted(order) == list(range(len(order)))
        for key in ("used", "contrast", "encoding", "standard_error"):
            values = np.array(answer["windows"][key])[order]
            assert np.allclose(values, theirs[key], atol=1e-3), key
        numbers = ("scale_by_levels", "scale_error", "windows", "apart")
        here, there = (
            np.array([x[key] for key in numbers], float) for x in (answer["windows"], theirs)
        )
        assert np.allclose(here, there, rtol=1e-3, equal_nan=True)
    reader.get_by_role("radio", name="its share is").check()
    reader.get_by_text("differs from window to window").wait_for()
    reader.get_by_role("radio", name="unknown").check()


def test_dropped_bytes(reader, tmp_path):
    """A file that is dropped on the page is read as one that was chosen."""
    write_pgm(tmp_path / "map.pgm")
    chosen = drop(reader, tmp_path / "map.pgm")
    before = int(reader.locator(".door.read").get_attribute("data-read"))
    content = list((tmp_path / "map.pgm").read_bytes())
    carried = reader.evaluate_handle(
        """content => {
          const carried = new DataTransfer();
          carried.items.add(new File([new Uint8Array(content)], "dropped.pgm"));
          return carried;
        }""",
        content,
    )
    reader.dispatch_event(".drop", "drop", {"dataTransfer": carried})
    reader.wait_for_function(
        "n => document.querySelector('.door.read').dataset.read > n", arg=before
    )
    answer = saved(reader)
    assert answer["file"] == "dropped.pgm"
    assert np.allclose(answer["encoding"], chosen["encoding"], atol=1e-6)


def test_shared_link(reader, driver, address, tmp_path):
    """The link holds the answer: another browser shows the same numbers without the image."""
    write_npy(tmp_path / "image.npy")
    first = drop(reader, tmp_path / "image.npy")
    reader.get_by_role("button", name="Copy a link").click()
    reader.get_by_text("It does not hold the image").or_(
        reader.get_by_text("not the image")
    ).first.wait_for()
    link = reader.evaluate("location.href")
    assert link.startswith(f"{address}#read=")
    other = browser.open_page(driver, link)
    other.get_by_text("A shared answer to image.npy").wait_for()
    second = saved(other)
    assert np.allclose(second["encoding"], first["encoding"], atol=CLOSE)
    assert np.allclose(second["covariance"], first["covariance"], atol=CLOSE)
    assert second["findings"] is None
    other.goto(f"{address}#read=nonsense")
    other.reload()
    other.get_by_text("holds no answer").wait_for()
    other.close()


def values(page, column):
    """The numbers in a column of the table of correlations."""
    texts = page.locator(f".draw td.{column}").all_inner_texts()
    return [float(text.replace("−", "-").split()[0]) for text in texts]


def test_draw_by_mouse(page):
    """Lattice, image, realised correlations and both answers follow; undo takes it back."""
    lattice, image = page.locator(".draw canvas").all()
    network = page.locator(".draw td.network").first
    before, said = values(page, "realised"), network.inner_text()
    page.get_by_role("radio", name="7").check()
    edges = lattice.bounding_box()
    with browser.changes(image):
        page.mouse.move(edges["x"] + 20, edges["y"] + 20)
        page.mouse.down()
        for y in range(20, 240, 40):
            page.mouse.move(edges["x"] + 300, edges["y"] + y, steps=4)
            page.mouse.move(edges["x"] + 20, edges["y"] + y + 20, steps=4)
        page.mouse.up()
    page.wait_for_function(
        "old => document.querySelector('.draw td.network').textContent !== old", arg=said
    )
    after = values(page, "realised")
    assert np.abs(np.subtract(after, before)).max() > 0.05
    assert np.allclose(values(page, "delta-pdf"), after, atol=0.011)
    assert np.abs(np.subtract(values(page, "network"), after)).mean() < 0.15
    page.get_by_role("button", name="Undo").click()
    page.wait_for_timeout(300)
    assert values(page, "realised") == before


def test_fill_and_monte_carlo(page):
    """Fills, inversion, an empty crystal, and couplings that make order."""
    with browser.changes(page.locator(".draw canvas").first):
        page.get_by_role("combobox", name="Fill with a pattern").select_option("checkerboard")
    page.wait_for_timeout(200)
    assert values(page, "realised")[0] < -0.3
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("a perfect crystal has Bragg peaks").wait_for()
    page.get_by_role("button", name="Random").click()
    page.get_by_text("a perfect crystal").wait_for(state="detached")
    page.get_by_role("button", name="Run").click()
    page.wait_for_function(
        "() => parseInt(document.querySelectorAll('.status')[1].textContent) > 25"
    )
    page.get_by_role("button", name="Pause").click()
    assert values(page, "realised")[0] > 0.3
    assert values(page, "realised")[3] > 0.3


def test_draw_by_keyboard_alone(page):
    """Tab to the lattice, paint with space and arrows; arrows choose the door."""
    page.locator("body").click(position={"x": 5, "y": 300})
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "CANVAS":
            break
    with browser.changes(page.locator(".draw canvas").first):
        page.keyboard.press("Space")
        for _ in range(8):
            page.keyboard.press("Shift+ArrowRight")
            page.keyboard.press("Shift+ArrowUp")
    page.get_by_role("tab", name="Draw").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Guess the order behind an image").wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Read your own image").wait_for()


def test_draw_by_touch(driver, address):
    """On a telephone a finger paints, and the page does not scroll away under it."""
    telephone = driver.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = telephone.new_page()
    page.goto(f"{address}#draw")
    page.locator(".draw[data-read]").wait_for()
    lattice = page.locator(".draw canvas").first
    edges = lattice.bounding_box()
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("a perfect crystal has Bragg peaks").wait_for()
    lattice.scroll_into_view_if_needed()
    edges = lattice.bounding_box()
    page.touchscreen.tap(edges["x"] + 80, edges["y"] + 80)
    page.get_by_text("a perfect crystal").wait_for(state="detached")
    assert lattice.evaluate("element => getComputedStyle(element).touchAction") == "none"
    telephone.close()


def test_guess(driver, address):
    """A guess is compared with the truth; a score is kept; the next image is another one."""
    page = browser.open_page(driver, f"{address}?seed=3#guess")
    page.locator(".guess[data-dealt='1']").wait_for()
    page.get_by_role("slider", name="c(0, 1)").fill("0.5")
    with browser.changes(page.locator(".guess canvas")):
        page.get_by_role("radio", name="laboratory").check()
    assert page.get_by_role("slider", name="c(0, 1)").input_value() == "0"
    for _ in range(4):
        page.get_by_role("slider", name="c(1, 0)").press("ArrowRight")
    page.get_by_role("button", name="Check my guess").click()
    page.get_by_text("of 100 points").wait_for()
    row = page.locator(".board tbody tr").first.locator("td").all_inner_texts()
    assert row[0] == "1"
    assert all(0 <= int(score) <= 100 for score in row[1:])
    guesses = page.locator(".guess td.you").all_inner_texts()
    assert guesses == ["0.00", "0.20", "0.00"]
    truth = [float(x.replace("−", "-")) for x in page.locator("td.realised").all_inner_texts()]
    error = np.sqrt(np.mean((np.array(truth) - [0, 0.2, 0]) ** 2))
    points = int(re.match(r"\d+", page.locator(".guess .verdict").inner_text())[0])
    assert points == pytest.approx(100 * np.exp(-error / 0.25), abs=2)
    with browser.changes(page.locator(".guess canvas")):
        page.get_by_role("button", name="Next image").click()
    assert page.complaints == []
    page.close()


def test_offline_and_nothing_sent(driver, address, tmp_path):
    """Only the page's own files are fetched, nothing is sent, and later none is needed."""
    context = driver.new_context()
    page = context.new_page()
    asked = []
    context.on("request", lambda request: asked.append(request))
    page.goto(f"{address}#draw")
    page.get_by_text("It also works without a network now").wait_for()
    context.set_offline(True)
    page.reload()
    page.locator(".draw[data-read]").wait_for()
    page.get_by_role("tab", name="Guess").click()
    page.locator(".guess[data-dealt]").wait_for()
    page.get_by_role("tab", name="Read").click()
    for name in ("section.nxs", "counts.tif"):
        FILES[name](tmp_path / name)
        assert len(drop(page, tmp_path / name)["encoding"]) == 15
    assert {request.method for request in asked} == {"GET"}
    elsewhere = [r.url for r in asked if not r.url.startswith((address, "blob:", "data:"))]
    assert elsewhere == []
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_and_widths(driver, address, tmp_path, scheme):
    """No serious finding at any door; no door is wider than its window, phone to projector."""
    write_tiff(tmp_path / "counts.tif")
    page = driver.new_page(color_scheme=scheme)
    for door in ("draw", "guess", "read"):
        page.goto(f"{address}#{door}")
        if door == "draw":
            page.locator(".draw[data-read]").wait_for()
        if door == "read":
            drop(page, tmp_path / "counts.tif")
        page.wait_for_timeout(300)
        report = axe_core.Axe().run(page).response
        assert len(report["passes"]) > 10
        serious = {
            each["id"]: [node["html"][:200] for node in each["nodes"]]
            for each in report["violations"]
            if each["impact"] in ("serious", "critical")
        }
        assert serious == {}, door
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(150)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (door, width)
            if scheme == "light":
                browser.shoot(page, f"site_{door}_{width}")
    page.close()
