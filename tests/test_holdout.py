"""Hold-out tests: decoding and simulating again, the dial to a bad day, the study's table."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from xrlab.course import study
from xrlab.course.figures import holdout as holdout_plots
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.setting import STUDY, Setting
from xrlab.datasets.dataset import generate
from xrlab.inference.metrics import image_r2
from xrlab.measurement.instrument import preset
from xrlab.training.checkpoints import History
from xrlab.trials import degradation, holdout
from xrlab.trials.trial import Score
from xrlab.widgets import holdout as holdout_widgets

LARGE = Setting(size=96, lot_size=48, lots=64)


@pytest.fixture(scope="module")
def decoded():
    """Six images of the study's kind, read with three spans and simulated again."""
    data = generate(4, 6, 21, STUDY, progress=False)
    return holdout.decoded_comparisons(data.images, data.encodings, progress=False)


@pytest.fixture(scope="module")
def curve():
    """The decline of four images."""
    data = generate(4, 4, 22, LARGE, progress=False)
    return degradation.degradation_curve(data, (0, 0.5, 1), seed=1, progress=False)


def test_larger_spans_are_nearer_and_the_truth_is_the_ceiling(decoded):
    """Span 2 cannot describe an image of span 4; span 4 comes as near as the truth itself."""
    assert decoded.names == ("span 2", "span 3", "span 4", "true encoding")
    two, three, four, truth = np.median(decoded.r2, axis=0)
    assert two < three < four
    assert abs(four - truth) < 0.2
    np.testing.assert_allclose(decoded.mse_ratio[:, -1], 1)
    assert (np.median(decoded.r2_expected, axis=0) > np.median(decoded.r2, axis=0))[2:].all()


def test_images_and_encodings_belong_together(decoded):
    """As many of one as of the other."""
    with pytest.raises(ValueError, match="1 images and 2 encodings"):
        holdout.decoded_comparisons(decoded.images[:1], np.zeros((2, 15)))


def test_decoded_scores_are_those_of_the_images(decoded):
    """Scores belong to the simulated images beside them; both images have mean 1 before."""
    image, simulated = decoded.images[1], decoded.simulated[1, 2]
    assert decoded.r2[1, 2] == pytest.approx(image_r2(image, simulated))
    scaled = image / image.mean()
    assert decoded.mse[1, 2] == pytest.approx((1 - decoded.r2[1, 2]) * scaled.var(), rel=1e-4)
    assert decoded.r2_expected[1, 2] == pytest.approx(image_r2(decoded.expected[1], simulated))


def test_small_spans_are_part_of_large_ones():
    """The near corner of the matrix, whatever the span."""
    vectors = np.array([Encoding.random(4, n).vector for n in range(3)])
    for span in (2, 3, 4):
        wanted = [Encoding.from_vector(v).matrix[:span, :span].ravel()[1:] for v in vectors]
        np.testing.assert_array_equal(holdout.common_part(vectors, span), wanted)
    with pytest.raises(ValueError, match="none of span 5"):
        holdout.common_part(vectors, 5)


def test_degradation_ends_are_the_presets(image):
    """Nothing at 0, exactly the bad day of that seed at 1."""
    np.testing.assert_array_equal(degradation.degradation(image, 0, seed=3), image)
    worst = preset("bad day").measure(image, seed=3).image
    np.testing.assert_allclose(degradation.degradation(image, 1, seed=3), worst)
    with pytest.raises(ValueError, match="from 0"):
        degradation.degradation(image, 1.1)


def test_degradation_is_one_bad_day_that_grows(image):
    """What is unmeasured stays so as t grows, and the image moves away from the clean one."""
    several = [degradation.degradation(image, t, seed=5) for t in (0.05, 0.25, 0.5, 1)]
    for milder, worse in pairwise(several):
        assert np.isnan(milder).sum() <= np.isnan(worse).sum()
    changes = [np.nanmedian(abs(each - image)) for each in several]
    assert changes == sorted(changes)
    assert changes[0] < 0.2 * changes[-1]


def test_curve_has_every_method_and_degrades(curve):
    """The network for clean images falls at once; that for measured ones holds out."""
    assert curve.places == [0, 0.5, 1]
    assert set(curve.rms) == set(degradation.METHODS)
    network, clean = (curve.rms[f"network for {kind} images"] for kind in ("measured", "clean"))
    assert clean[0] < 0.1 < clean[2]
    assert network[2] < clean[2]
    assert ((curve.coverage >= 0) & (curve.coverage <= 1)).all()
    with pytest.raises(ValueError, match="the data have 2"):
        degradation.degradation_curve(generate(2, 2, 0, n_jobs=1, progress=False))


def test_effects_come_one_by_one():
    """Every effect of the bad day alone, between nothing and all of them."""
    data = generate(4, 2, 23, LARGE, progress=False)
    found = degradation.effect_by_effect(
        data, methods={"mean": lambda images: np.zeros((len(images), 15))}, progress=False
    )
    assert found.places[0] == "none"
    assert found.places[1:-1] == [name for name, _, _ in preset("bad day").effects]
    assert len(set(found.rms["mean"])) == 1  # it never looks


def test_widget_follows_its_slider():
    """The computation is a plain function; pictures, traces and text follow, then reset."""
    explorer = holdout_widgets.BadDayExplorer()
    before = {name: picture.value for name, picture in explorer._pictures.items()}
    explorer.controls["t"].value = 1.0
    expected = holdout_widgets.compute(1.0)
    np.testing.assert_array_equal(explorer.result.image, expected.image)
    np.testing.assert_allclose(explorer.figure.data[1].y, expected.mean)
    np.testing.assert_allclose(explorer.figure.data[0].y, expected.true)
    assert explorer._pictures["clean image"].value == before["clean image"]
    assert explorer._pictures["measured"].value != before["measured"]
    assert f"{expected.inside} of 15" in explorer.status.value
    explorer.reset.click()
    assert {name: picture.value for name, picture in explorer._pictures.items()} == before


def test_figures_show_their_numbers(decoded, curve):
    """Images, scores, errors with their bars, and losses, as they were given."""
    shown = [trace.z for trace in holdout_plots.decoded_figure(decoded, 2).data]
    images = [decoded.images[2], *decoded.simulated[2], decoded.expected[2]]
    np.testing.assert_array_equal(shown, images)
    *points, medians = holdout_plots.decoded_scores_figure(decoded).data[:5]
    np.testing.assert_array_equal(np.transpose([p.customdata for p in points]), decoded.r2)
    np.testing.assert_array_equal(medians.y, np.median(decoded.r2, axis=0))
    *errors, coverage = holdout_plots.decline_figure(curve).data
    assert {trace.name: list(trace.y) for trace in errors} == (
        {name: list(rms) for name, rms in curve.rms.items()}
    )
    np.testing.assert_array_equal(coverage.y, curve.coverage)
    for trace in holdout_plots.effects_figure(curve).data:
        np.testing.assert_array_equal(trace.x, curve.rms[trace.name])
    score = Score(0.9, 0.01, np.linspace(0.85, 0.95, 15), 0.5, 0.1)
    each, together, *_ = holdout_plots.coverage_figure({"a": score, "b": score}).data
    np.testing.assert_array_equal(each.x, score.coverage)
    assert list(together.x) == pytest.approx([0.9])
    zero = np.zeros(15)
    one, other = holdout_plots.readings_figure({"a": (zero, zero + 0.1), "b": (zero, None)}).data
    np.testing.assert_allclose(one.error_y.array, 0.1 * stats.norm.ppf(0.95), rtol=1e-3)
    assert other.error_y.array is None
    history = History([1.0, 0.5, 0.4], [2.0, 1.5, 1.0], stages=[0, 2])
    curves = holdout_plots.learning_curves_figure({"one": history, "two": history}).data
    assert [list(trace.y) for trace in curves] == 2 * [history.loss, history.validation_loss]


def test_scan_figure_has_a_panel_for_each_method():
    """With its values, its 90 % intervals, and the truth as a line in every panel."""
    answers = {"a, b": ([0.1, 0.2], [0.01, 0.02]), "c": ([0.3, 0.3], [0.1, 0.1])}
    figure = holdout_plots.scan_figure([0, 1], answers, 0.25, "x", "y")
    assert [list(trace.y) for trace in figure.data] == [[0.1, 0.2], [0.3, 0.3]]
    np.testing.assert_allclose(figure.data[0].error_y.array, [0.0164, 0.0329], atol=1e-4)
    assert {trace.xaxis for trace in figure.data} == {"x", "x2"}
    assert [shape.y0 for shape in figure.layout.shapes] == [0.25, 0.25]


def test_study_table_says_what_is_missing(tmp_path):
    """A row for every network of the study, and for ours; figures where there is a card."""
    card = {
        "loss": [0.5, 0.4],
        "validation_loss": [0.6, 0.3],
        "training_seconds": 3,
        "test": {"r2": 0.91234, "mse": 0.01},
        "test_delta_pdf": {"r2": 0.8, "mse": 0.02},
        "side_by_side": {"maximum_likelihood": {"r2": 0.76543}, "lots_floor": {"r2": 0.95}},
    }
    (tmp_path / "cfs4-large.json").write_text(json.dumps(card), encoding="utf-8")
    card |= {"samples": {"train": [30, 20]}, "draws": 4}
    (tmp_path / "cfs3-best.json").write_text(json.dumps(card), encoding="utf-8")
    lines = study.study_table(tmp_path).splitlines()
    assert [study.MISSING in line for line in lines[2:]] == 4 * [True] + [False, False, True]
    assert all(
        figure in lines[6] for figure in ("| 0.976 | 0.00220 |", "0.9123", "0.7654", "0.9500", "–")
    )
    assert all(figure in lines[7] for figure in ("| 3 | 200 | – | – |", "0.9123"))
    assert {line.count("|") for line in lines} == {len(study.COLUMNS) + 1}
    assert study.card_history("cfs4-large", tmp_path).best_epoch == 2
    assert study.card_history("cfs9", tmp_path) is None
