"""Reports: their numbers are those of the result, nothing foreign runs or loads, no half files."""

import csv
import hashlib
import json
import os
import re
from base64 import b64decode
from datetime import datetime
from html.parser import HTMLParser
from io import BytesIO, StringIO
from unittest.mock import Mock

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from xrlab import Encoding, delta_pdf, diffraction_image, expected_image, simulate
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.drawing import svg
from xrlab.inference.physical_fit import PhysicalFit
from xrlab.interpretation import evidence, evidence_figure, report
from xrlab.interpretation.findings import Finding
from xrlab.interpretation.provenance import provenance
from xrlab.interpretation.result import Interpretation
from xrlab.io import files
from xrlab.measurement.pipeline import Pipeline

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)> & \u202e.tif"


def interpretation(kind="measured", **changes):
    """What `interpret` gives, with known numbers and no network: I = E S + B, counted."""
    truth = Encoding.from_vector([0.5, 0.4, 0.2])
    lattice = simulate(truth, 96, sampler="gaussian", seed=1)
    first = expected_image(truth, lot_size=48)
    second = diffraction_image(lattice, STANDARD_GRID, 48, 64, seed=2)
    h = np.linspace(-1, 1, 64)
    envelope = 300 * np.exp(0.5 * h[:, None] - 0.4 * h**2)
    background = np.full((64, 64), 40.0)
    model = envelope * first + background
    measured = np.random.default_rng(1).poisson(model).astype(float)
    measured[20:24, 30:40] = np.nan
    fit = PhysicalFit(
        encoding=Encoding.from_vector([0.47, 0.45, 0.21]),
        standard_error=np.array([0.02, 0.03, 0.04]),
        opposite=np.zeros((1, 1)),
        spectrum=np.ones((32, 32)),
        envelope=envelope,
        displaced=np.zeros((64, 64)),
        background=background,
        model=model,
        thermal=0.0,
        size_effect=0.0,
        unseen=model,
        smooth=np.ones((64, 64)),
        weights={2: 0.7, 3: 0.3},
        coefficients=10,
        r2=0.9,
        cv_r2=0.8,
        skill=0.7,
    )
    simulated = kind == "simulated"
    fields = {
        "encoding": Encoding.from_vector([0.512345678901, -0.4, 0.02]),
        "covariance": np.diag([0.01, 0.02, 0.03]) ** 2,
        "network_error": np.array([0.01, 0.02, 0.03]),
        "measured": 7.0 * first if simulated else measured,
        "corrected": first.astype(float),
        "lattice": lattice,
        "simulated": second if simulated else (envelope * second + background).astype("f4"),
        "grid": STANDARD_GRID,
        "kind": kind,
        "findings": (Finding("symmetry", 1.2, 2.0, "≤", "It holds."),),
        "fit": None if simulated else fit,
        "seed": 3,
    }
    return Interpretation(**fields | changes)


@pytest.fixture(scope="module")
def result():
    return interpretation()


class Page(HTMLParser):
    """Tags, texts and attributes of a page; complains of tags that do not match."""

    EMPTY = frozenset({"meta", "image", "path", "rect", "circle", "br", "img"})

    def __init__(self, html):
        super().__init__()
        self.open, self.attributes, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag):
        return [attributes for name, attributes in self.attributes if name == tag]


def test_csv_has_every_digit_of_the_result(result):
    """Values, errors, the fit's and those of the Delta-PDF come back as they were."""
    rows = list(csv.DictReader(StringIO(report.to_csv(result))))
    assert [row["component"] for row in rows] == ["c(0, 1)", "c(1, 0)", "c(1, 1)"]
    for column, values in {
        "value": result.encoding.vector,
        "standard_error": result.standard_error,
        "fit_value": result.fit.encoding.vector,
        "fit_standard_error": result.fit.standard_error,
        "delta_pdf": result.evidence.delta_pdf,
    }.items():
        assert [float(row[column]) for row in rows] == list(values)


def test_evidence_is_computed_once(monkeypatch):
    """One inversion and one set of cuts for the report, both tables and the figure."""
    calls = {name: Mock(wraps=getattr(evidence, name)) for name in ("delta_pdf", "scatter")}
    for name, call in calls.items():
        monkeypatch.setattr(evidence, name, call)
    result = interpretation()
    report.to_html(result), report.to_json(result), report.to_csv(result)
    evidence_figure.evidence_figure(result)
    assert [call.call_count for call in calls.values()] == [1, 1]


def test_samples_have_the_stated_mean_and_covariance(result):
    """10,000 draws, to 5 standard errors; the same seed draws the same."""
    draws = result.sample(10_000, seed=1)
    assert draws.shape == (10_000, 3)
    deviation = (draws - result.encoding.vector) / result.standard_error
    assert np.abs(deviation.mean(axis=0)).max() < 0.05
    np.testing.assert_allclose(np.cov(deviation.T), np.eye(3), atol=0.07)
    np.testing.assert_array_equal(np.sqrt(np.diag(result.covariance)), result.standard_error)
    np.testing.assert_array_equal(result.sample(10_000, seed=1), draws)


def test_csv_is_empty_where_there_is_no_fit():
    """And has the same columns."""
    rows = list(csv.DictReader(StringIO(report.to_csv(interpretation("simulated")))))
    assert [row["fit_value"] for row in rows] == ["", "", ""]
    assert float(rows[0]["delta_pdf"]) == pytest.approx(0.5, abs=0.1)


def test_json_holds_result_and_provenance_and_is_strict(result):
    """NaN, which JSON does not have, is null; arrays and tuples are lists."""
    origin = {"seed": np.int64(3), "odd": (np.nan, np.array([1.5, np.inf]))}
    refuse = Mock(side_effect=AssertionError)
    document = json.loads(report.to_json(result, origin), parse_constant=refuse)
    assert document["encoding"] == result.encoding.vector.tolist()
    assert document["delta_pdf"] == result.evidence.delta_pdf
    assert document["provenance"] == {"seed": 3, "odd": [None, [1.5, None]]}


def test_html_has_the_numbers_of_the_result(result):
    """The matrix with errors, all methods with their distance in errors, the test."""
    page = Page(report.to_html(result, {}))
    cells = [text for tag, text in page.texts if tag == "td"]
    assert {"1.00", "0.51", "−0.40", "0.02"} <= set(cells)
    assert {"± 0.01", "± 0.02", "± 0.03"} <= {text for tag, text in page.texts if tag == "small"}
    assert "0.512 ± 0.010" in cells
    assert "0.470 ± 0.020" in cells
    assert report.number((0.512345678901 - 0.47) / np.hypot(0.01, 0.02), 1) in cells
    assert report.number(result.evidence.delta_pdf[2], 3) in cells
    assert {"symmetry", "1.2", "≤ 2", "✓ passed", "It holds."} <= set(cells)
    assert any(f"R² = {report.number(result.image_r2)}" in text for _, text in page.texts)


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([0.5, -0.4, 0.0], "along a, neighbours prefer to differ (c(1, 0) = −0.40 ± 0.02)"),
        ([-0.5, 0.03, 0.0], "neighbours show no preference beyond the error (c(1, 0) = 0.03"),
        ([-0.5, 0.03, 0.0], "along b, they prefer to differ (c(0, 1) = −0.50 ± 0.01)"),
        ([0.5, 0.9, 0.0], "along a, neighbours prefer to be alike (c(1, 0) = 0.90 ± 0.02)"),
    ],
)
def test_the_answer_is_a_sentence_with_errors(vector, words):
    """Alike, different, or neither within twice the error; a along i, b along j."""
    sentence = report.answer(interpretation(encoding=Encoding.from_vector(vector)))
    assert words.lower() in sentence.lower()


def test_a_quick_report_says_what_it_lacks():
    """No simulated image and no fit; the verdict is open, and what the full run adds is listed."""
    quick = interpretation(fit=None, lattice=None, simulated=None)
    html = report.to_html(quick)
    page = Page(html)
    words = " ".join(text for _, text in page.texts)
    assert "was not tested" in report.answer(quick)
    assert "Not tested: this is the quick answer" in words
    assert "R²" not in words
    assert "structure" not in [text for tag, text in page.texts if tag == "b"]
    assert json.loads(report.to_json(quick))["status"] == "not tested"
    (first, *_) = csv.DictReader(StringIO(report.to_csv(quick)))
    assert first["fit_value"] == first["fit_standard_error"] == ""
    figure = evidence_figure.evidence_figure(quick)
    assert "simulated" not in {trace.name for trace in figure.data}


def test_what_is_not_explained_is_said_first():
    """A banner before the answer, which is then taken at face value only; none otherwise."""
    failed = (
        Finding("unmeasured", 0.7, 0.5, "≤", "few pixels"),
        Finding("periodic structure", 0.1, 0.2, "≥", "no cell repeats"),
    )
    doubtful = interpretation(findings=failed)
    html = report.to_html(doubtful, {})
    first = "not explained by this model: no cell repeats"
    words = ('role="alert"', first, "few pixels", "Taken at face value")
    places = [html.index(each) for each in words]
    assert places == sorted(places)
    assert html.count("not explained by this model") == 1
    assert 'role="alert"' not in report.to_html(interpretation(), {})


def test_words_from_outside_are_text_and_nothing_else():
    """Whatever the name of a file, a warning or a pipeline holds, no tag comes of it."""
    findings = [Finding(key, 1.0, 2.0, "≥", HOSTILE) for key in ("periodic structure", HOSTILE)]
    result = interpretation(findings=tuple(findings))
    words = ("file", "sha256", "command", "pipeline", "window", "system", "date")
    origin = dict.fromkeys(words, HOSTILE) | {"versions": {HOSTILE: HOSTILE}}
    page = Page(report.to_html(result, origin))
    tags = {tag for tag, _ in page.attributes}
    assert not tags & {"script", "img", "iframe", "object", "link", "a", "form"}
    assert not [name for _, each in page.attributes for name in each if name.startswith("on")]
    said = "".join(text for _, text in page.texts)
    assert said.count(HOSTILE) >= len(words) + 3


@pytest.mark.parametrize("kind", ["measured", "simulated"])
def test_a_page_loads_nothing_and_describes_its_pictures(kind):
    """Every picture is inside, has words for those who do not see it, and a policy forbids more."""
    html = report.to_html(interpretation(kind), {"file": "box.tif"})
    page = Page(html)
    for _, attributes in page.attributes:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert attributes.get(name, "data:image/png").startswith("data:image/png")
    assert not re.search(r"url\(|@import|https?:", html)
    assert any("default-src 'none'" in meta.get("content", "") for meta in page.of("meta"))
    pictures = [each for each in page.of("svg") if "aria-hidden" not in each]
    assert len(pictures) == 7
    assert all(each["role"] == "img" and len(each["aria-label"]) > 20 for each in pictures)
    assert len(html) < 200_000


def test_pictures_show_what_they_are_given(result):
    """The measured panel is transparent exactly where nothing was measured, row 0 at the bottom."""
    links = [each["href"] for each in Page(report.to_html(result, {})).of("image")]
    png = Image.open(BytesIO(b64decode(links[0].split(",")[1])))
    zoom = png.size[0] // 64
    alpha = np.asarray(png)[::zoom, ::zoom, 3][::-1]
    np.testing.assert_array_equal(alpha == 0, np.isnan(result.measured))


def test_the_residual_is_zero_when_the_answer_gives_the_image(result):
    """Bragg discs and gaps left out; the scale of a simulated image means nothing."""
    same = interpretation(simulated=np.nan_to_num(result.measured))
    difference = same.evidence.residual
    assert np.nanmax(np.abs(difference)) == 0
    excluded = (STANDARD_GRID.distance_to_bragg() < 0.13) | np.isnan(same.measured)
    np.testing.assert_array_equal(np.isnan(difference), excluded)
    one = interpretation("simulated")
    other = interpretation("simulated", measured=1000 * one.measured)
    np.testing.assert_allclose(one.evidence.residual, other.evidence.residual, atol=1e-5)


def test_cuts_are_means_over_three_lines(result):
    """Through the brightest diffuse place; against a plain loop, points without pixels NaN."""
    along_h, along_k = result.evidence.cuts
    assert (along_h.along, along_h.across, along_k.along) == ("h", "k", "k")
    where = (STANDARD_GRID.distance_to_bragg() >= 0.13) & np.isfinite(result.measured)
    scale = result.measured[where].mean()
    column = int(np.argmin(np.abs(STANDARD_GRID.k_values - along_h.at)))
    for row in range(64):
        strip = [
            result.measured[row, c]
            for c in range(max(column - 1, 0), min(column + 2, 64))
            if where[row, c]
        ]
        expected = np.mean(strip) / scale if strip else np.nan
        assert along_h.measured[row] == pytest.approx(expected, nan_ok=True)
    spot = 1 + 50 * np.exp(-(np.hypot(*np.mgrid[-40:24, -25:39]) ** 2) / 8)
    through = interpretation("simulated", measured=spot, simulated=spot).evidence.cuts
    assert through[1].at == STANDARD_GRID.h_values[40]
    assert through[0].at == STANDARD_GRID.k_values[25]


@settings(max_examples=20)
@given(st.floats(0.01, 100), st.integers(0, 1000))
def test_scatter_is_the_gain_of_a_counting_detector(gain, seed):
    """Photons times a gain, on a sloping pattern: the variance is gain times the intensity."""
    rng = np.random.default_rng(seed)
    pattern = np.linspace(20, 200, 64)[:, None] * np.linspace(1, 3, 64)
    image = gain * rng.poisson(pattern)
    image[rng.random((64, 64)) < 0.1] = np.nan
    assert evidence.scatter(image) == pytest.approx(gain, rel=0.15)


def test_bars_of_the_cuts_hold(result):
    """Counted points scatter round the model that made them as their errors say."""
    ratios = []
    for cut in result.evidence.cuts:
        ratios.append((cut.measured - cut.fitted) / cut.error)
    spread = np.nanstd(np.concatenate(ratios))
    assert 0.75 < spread < 1.3


def test_inversion_takes_form_factor_and_background_out(result):
    """Without counting and gaps, E S + B gives what S gives."""
    clean = interpretation(measured=result.fit.model)
    discs = np.where(STANDARD_GRID.distance_to_bragg() < 0.13, np.nan, clean.corrected)
    expected = delta_pdf(filled(discs), 2).vector
    np.testing.assert_allclose(clean.evidence.delta_pdf, expected, atol=1e-6)
    nothing = np.full((64, 64), np.nan)
    nothing[31, 30:33] = 1, 2, 3
    assert interpretation("simulated", measured=nothing).evidence.delta_pdf is None


def test_an_image_of_bragg_peaks_alone_is_refused():
    """There is nothing to draw a residual of, and the error says so."""
    peaks = np.where(STANDARD_GRID.distance_to_bragg() < 0.13, 5.0, np.nan)
    with pytest.raises(ValueError, match=r"nearer than 0\.13"):
        report.to_html(interpretation("simulated", measured=peaks), {})


def filled(image):
    """Fill from the opposite pixel, else with the mean: another way to write it."""
    turned = np.rot90(image, 2)
    return np.nan_to_num(np.where(np.isfinite(image), image, turned), nan=np.nanmean(image))


def test_provenance_repeats(tmp_path):
    """The sum of the file as its bytes give it, versions as the packages say them, a date."""
    file = tmp_path / "im age.npy"
    file.write_bytes(b"abc")
    origin = provenance(file, "- normalise_mean", 5, "xrlab interpret")
    assert origin["sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert origin["file"] == "im age.npy"
    assert origin["versions"]["scipy"] == scipy.__version__
    assert origin["versions"]["numpy"] == np.__version__
    assert (origin["seed"], origin["pipeline"]) == (5, "- normalise_mean")
    assert datetime.fromisoformat(origin["date"]).utcoffset().total_seconds() == 0
    assert str(tmp_path) not in json.dumps(origin)
    own = Pipeline(((lambda image: image, {}),))
    assert provenance(pipeline=own)["pipeline"] == str(own)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_report_is_whole_or_not_there(tmp_path, monkeypatch, failure):
    """A full disk or a kill on the way leaves the old report and nothing else."""
    path = files.write(tmp_path / "r.html", "old")
    monkeypatch.setattr(os, "fsync", Mock(side_effect=failure))
    with pytest.raises(type(failure)):
        files.write(path, "new" * 1000)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.html"]


def test_reports_are_saved_by_their_ending(result, tmp_path):
    """HTML, JSON, CSV; anything else is refused, a link stays a link."""
    for ending in ("html", "json", "csv"):
        report.save_report(result, tmp_path / f"r.{ending}", {"file": "a\udcff.tif"})
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert json.loads((tmp_path / "r.json").read_text())["span"] == 2
    assert (tmp_path / "r.csv").read_text() == report.to_csv(result)
    with pytest.raises(ValueError, match=r"r\.pdf"):
        report.save_report(result, tmp_path / "r.pdf")
    (tmp_path / "link.csv").symlink_to(tmp_path / "r.csv")
    files.write(tmp_path / "link.csv", "through")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "r.csv").read_text() == "through"


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(4, 8))
def test_ticks_are_few_round_and_inside(low, length, most):
    """At most so many, from low to high, a step of 1, 2 or 5 times a power of ten."""
    found = svg.ticks(low, low + length, most)
    assert 1 <= len(found) <= most
    assert found[0] >= low - 1e-6 * length
    assert found[-1] <= low + length * (1 + 1e-6)
    if len(found) > 1:
        step = found[1] - found[0]
        digit = step / 10 ** np.floor(np.log10(step) + 1e-9)
        assert min(abs(digit - n) for n in (1, 2, 5)) < 1e-6


@pytest.mark.parametrize("kind", ["measured", "simulated"])
def test_evidence_figure_shows_the_evidence(kind):
    """Residual | cuts | values of every method there is, with their errors."""
    result = interpretation(kind)
    figure = evidence_figure.evidence_figure(result)
    traces = {trace.name: trace for trace in figure.data if trace.xaxis == "x4"}
    assert list(traces) == (
        ["network", "physical fit", "ΔPDF"] if result.fit else ["network", "ΔPDF"]
    )
    np.testing.assert_array_equal(traces["network"].y, result.encoding.vector)
    np.testing.assert_allclose(traces["network"].error_y.array, result.standard_error)
    np.testing.assert_allclose(figure.data[0].z, result.evidence.residual, rtol=1e-5)


def test_an_error_made_wider_is_shown_beside_the_networks_own():
    """In the table and the figure; how far the methods are apart is told by the network's own."""
    own = np.array([0.01, 0.02, 0.03])
    result = interpretation(network_error=own, covariance=np.diag([0.5, 0.02, 0.6]) ** 2)
    rows = result.evidence.comparisons
    fit = result.fit
    np.testing.assert_allclose(
        [row.fit_apart for row in rows],
        (result.encoding.vector - fit.encoding.vector) / np.sqrt(own**2 + fit.standard_error**2),
    )
    assert [row.delta_pdf_apart for row in rows] == [
        (row.value - row.delta_pdf) / error for row, error in zip(rows, own, strict=True)
    ]
    page = report.to_html(result)
    assert "<td>0.512 ± 0.500</td><td>± 0.010</td>" in page
    traces = {trace.name: trace for trace in evidence_figure.evidence_figure(result).data}
    np.testing.assert_array_equal(traces["network, its own error"].error_y.array, own)
    np.testing.assert_array_equal(traces["network"].error_y.array, [0.5, 0.02, 0.6])
    assert "its own error" not in report.to_html(interpretation())


def test_four_panels_show_the_measurement_where_there_is_a_fit(result):
    """Measured and simulated are then both E S + B; without one both are S."""
    shown = result.figure().data[0].z
    np.testing.assert_allclose(shown, result.measured.astype("f4"))
    figure = result.figure()
    away = np.where(result.evidence.counts, result.measured, np.nan)
    assert figure.data[0].zmax == figure.data[2].zmax == np.nanpercentile(away, 99)
    without = interpretation(fit=None).figure()
    np.testing.assert_allclose(without.data[0].z, result.corrected.astype("f4"))
    assert without.layout.annotations[0].text == "measured, corrected"
