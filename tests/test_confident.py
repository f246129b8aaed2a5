"""Limits of the checks, kinds of image and mistake, and what counts as confidently wrong."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xrlab.crystal.encoding import component_names
from xrlab.interpretation.conclusion import Answer, conclude
from xrlab.interpretation.findings import LIMITS, Finding
from xrlab.trials import confident, thresholds
from xrlab.trials.confident import Verdicts, make, read_results, summary, table, verdicts
from xrlab.trials.kinds import DOUBT, KINDS, Kind
from xrlab.trials.thresholds import (
    DIRECTIONS,
    NOISE,
    REFUSED,
    exceeded,
    joint_limits,
    together,
)
from xrlab.trials.verdicts import fitted, read_all

ROOT = Path(__file__).parents[1]


def test_limits_are_those_of_all_checks():
    """The file has a limit for every check, and the one that refuses is the higher one."""
    assert set(LIMITS) == {*DIRECTIONS, REFUSED, "knowledge"}
    assert LIMITS[REFUSED] >= LIMITS["residual structure"]


def test_all_checks_together_give_the_alarms_asked_for():
    """Independent and equal checks: each gets its part, and the union is 5 %."""
    rng = np.random.default_rng(0)
    values = {key: rng.normal(size=4000) for key in DIRECTIONS}
    same = rng.normal(size=4000)
    counted = np.ones(4000, bool)
    limits = joint_limits(values, counted)
    assert together(exceeded(values, limits), counted) == pytest.approx(0.05, abs=0.002)
    each = 1 - 0.95 ** (1 / len(DIRECTIONS))
    for key, direction in DIRECTIONS.items():
        beyond = values[key] > limits[key] if direction == "≤" else values[key] < limits[key]
        assert beyond.mean() == pytest.approx(each, rel=0.2)
    alike = joint_limits(
        {key: same if d == "≤" else -same for key, d in DIRECTIONS.items()}, counted
    )
    assert alike["alignment"] == pytest.approx(np.quantile(same, 0.95), abs=0.01)
    assert limits[REFUSED] > limits["residual structure"]


def test_limits_come_from_a_command(tmp_path, monkeypatch, capsys):
    """What it writes is what the findings read; values come from the images alone."""

    def values(n_images, n_fits, seed, **options):
        rng = np.random.default_rng(seed)
        made = {key: rng.normal(size=n_images) for key in [*DIRECTIONS, "knowledge"]}
        made["residual structure"][n_fits:] = np.nan
        made["periodic structure"] += 5
        made["repetition"] -= 5
        return made

    monkeypatch.setattr(thresholds, "measured", values)
    out = tmp_path / "limits.json"
    thresholds.main(["--images", "2000", "--fits", "900", "--others", "80", "--out", str(out)])
    result = json.loads(out.read_text("utf-8"))
    assert set(result["limits"]) == set(LIMITS)
    assert "--images 2000 --fits 900" in result["command"]
    assert result["limits"]["repetition"] == NOISE  # no value comes near it
    counted = {key: v[:900] for key, v in values(2000, 900, 1991).items() if key != "knowledge"}
    alarms = np.any(list(exceeded(counted, result["limits"]).values()), axis=0).mean()
    assert alarms <= 0.05
    assert result["alarms"]["on the images chosen on"] == pytest.approx(alarms)
    assert set(result["on other images"]) == {*DIRECTIONS, "knowledge"}
    assert capsys.readouterr().out == out.read_text("utf-8")


def test_there_are_at_least_twenty_kinds():
    """Every kind names what a warning must say; images and labels have their shapes."""
    assert len(KINDS) >= 20
    assert all(kind.keys for kind in KINDS.values())
    for name in ("superstructure", "logarithm", "rotated by 2 degrees", "half a cell off"):
        images, vectors = make(name, 2, seed=1)
        assert images.shape == (2, 64, 64)
        assert vectors.shape == (2, 15)
        assert np.isfinite(images).mean() > 0.5
        again, _ = make(name, 1, seed=1)
        np.testing.assert_array_equal(again[0], images[0])
    _, none = make("no diffuse scattering of two kinds of site", 1, seed=1)
    assert np.isnan(none).all()
    with pytest.raises(ValueError, match="there is no kind 'odd'"):
        make("odd", 1, 0)


def judged(deviations, failed, keys=frozenset({"named"})):
    """Verdicts of answers off by so many stated errors, with these failed checks."""
    kind = Kind(None, None, keys)
    vectors = np.array([[0.0, d] for d in deviations])
    answers = [Answer(np.zeros(2), np.eye(2), np.zeros((3, 2))) for _ in deviations]
    conclusions = [
        (np.eye(2), [Finding(key, 2, 1, "≤", "") for key in names] + [Finding("ok", 0, 1, "≤", "")])
        for names in failed
    ]
    return verdicts(kind, vectors, answers, conclusions, freedom=1e6)


def test_only_a_warning_that_names_the_fault_counts():
    """Of four wrong answers one is warned of by the right key, of two right ones one by any."""
    named = "network and fit"
    failed = [[], ["other"], [named], [], ["other"], []]
    result = judged([4, 4, -5, 6, 1, 2], failed, DOUBT)
    assert result.wrong == pytest.approx(4 / 6)
    assert result.confidently_wrong == pytest.approx(3 / 6)
    assert result.warned == pytest.approx(1 / 2)
    assert result.keys == {named: pytest.approx(1 / 6), "other": pytest.approx(2 / 6)}
    assert result.coverage90 == pytest.approx(7 / 12)  # only the deviation of 1 is within 1.64


def test_large_errors_are_no_warning():
    """That they are large is what they say themselves."""
    assert judged([1, 1], [["precision"], ["precision", "alignment"]], DOUBT).warned == 0.5


def test_an_image_without_an_encoding_is_wrong_unless_warned_of():
    """Whatever the answer is."""
    result = judged([np.nan, np.nan], [["named"], []])
    assert result.wrong == 1
    assert result.confidently_wrong == 0.5
    assert np.isnan(result.coverage90)
    assert np.isnan(result.r2)


def test_no_warning_of_a_mistake_is_false():
    """Also where the answer happens to be right."""
    result = judged([1, 1], [["other"], []])
    assert result.wrong == 0
    assert np.isnan(result.warned)


def test_the_fit_is_judged_beside_the_network():
    """Images that could not be fitted are left out; 1.6 errors are the end of 90 %."""
    vectors = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
    answers = [Answer(v, np.eye(2), np.zeros((3, 2))) for v in vectors]
    fits = [
        SimpleNamespace(
            encoding=SimpleNamespace(vector=np.array([0.0, 2.0])), standard_error=np.array([1, 0.5])
        ),
        None,
        SimpleNamespace(
            encoding=SimpleNamespace(vector=np.array([1.5, 1.0])), standard_error=np.array([1, 0.5])
        ),
    ]
    conclusions = [(np.eye(2), [])] * 3
    result = verdicts(Kind(None, None), vectors, answers, conclusions, 1e6, fits)
    assert result.r2 == 1
    assert result.fit_r2 == pytest.approx(1 - (1.25 / 4) / (2 / 6))
    assert result.fit_coverage90 == pytest.approx(3 / 4)
    assert np.isnan(verdicts(Kind(None, None), vectors, answers, conclusions, 1e6).fit_r2)


def test_ice_rules_are_read_as_the_page_says():
    """A known fault: where this fails because the network reads them, docs/results.md is wrong."""
    images, true = make("ice rules", 6, 4717)
    along = component_names(4).index("c(1, 0)")
    network = np.array([answer.mean for answer in read_all(images)])
    fit = np.array([each.encoding.vector for each in fitted(images)])
    sign = np.sign(true[:, along])
    part = [(x[:, along] * sign).mean() / (true[:, along] * sign).mean() for x in (network, fit)]
    assert 0.15 < part[0] < 0.5
    assert part[1] > 0.6


def test_the_page_has_the_shares_of_its_table():
    """Text and table of docs/results.md are of the same images."""
    total = summary(read_results(ROOT / "docs" / "confident.json"))
    page = " ".join((ROOT / "docs" / "results.md").read_text("utf-8").split())
    assert f"Of all {total['images']} answers {100 * total['confidently_wrong']:.1f} ±" in page
    assert f"and {100 * total['warned']:.1f} ± 0.6 % of the right ones" in page


def test_the_table_and_its_sum():
    """Means over images; images without an encoding are no refused ones."""
    first = Verdicts(10, 0.9, 0.9, 0.2, 0.1, 0.1, 0.0, {"alignment": 0.2}, 0.8, 0.95)
    second = Verdicts(30, np.nan, np.nan, 1.0, 0.2, np.nan, 0.9, {})
    total = summary({"a": first, "b": second})
    assert total["images"] == 40
    assert total["confidently_wrong"] == pytest.approx((1 + 6) / 40)
    assert total["warned"] == pytest.approx(0.1)
    assert total["refused"] == 0
    text = table({"a": first, "b": second})
    assert "| a | 0.90 | 90% | 0.80 | 95% | 20% | 10% | 10% | 0% | alignment 20% |" in text
    assert "| b | – | – | – | – | 100% |" in text
    assert "**all 40**" in text


def test_the_trial_of_one_kind_runs(tmp_path, capsys):
    """Images, network, checks, table and file of the command."""
    out = tmp_path / "confident.json"
    confident.main(["--images", "2", "--kinds", "superstructure", "--out", str(out)])
    result = json.loads(out.read_text("utf-8"))
    assert result["kinds"]["superstructure"]["fit_r2"] is None
    assert list(result["kinds"]) == ["superstructure"]
    assert result["summary"]["images"] == 2
    assert capsys.readouterr().out == table(read_results(out)) + "\n"


def test_disagreement_widens_the_errors():
    """Along the difference, by its whole where a limit is reached, hardly where all is as usual."""
    image, mean, covariance = np.ones((64, 64)), np.array([0.3, 0.2, 0.1]), 0.01 * np.eye(3)
    from xrlab.crystal.grid import STANDARD_GRID

    def widened(size, alone=None):
        turned = np.tile(mean + size * 0.1, (3, 1))
        return conclude(image, STANDARD_GRID, Answer(mean, covariance, turned, alone), None)[0]

    limit = LIMITS["outside the training"]
    np.testing.assert_allclose(widened(0), covariance)
    np.testing.assert_allclose(widened(limit), covariance + 0.01 * limit**2)
    assert (np.diagonal(widened(limit / 3)) < 1.1 * 0.01 * (1 + limit**2 / 700)).all()
    moved = 0.1 * LIMITS["knowledge"]
    alone = mean - moved, np.full(3, 0.1)
    np.testing.assert_allclose(widened(0, alone), covariance + moved**2)
