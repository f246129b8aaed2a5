"""The business case against hand calculation, simulation, and the notebook that shows it."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from xrlab.course import business, study
from xrlab.course.business import PUBLISHED, STORIES, Plan
from xrlab.course.figures import business as figures
from xrlab.widgets.business import BusinessExplorer

SHARE = st.floats(0, 0.95)
PLAN = Plan(units=1000, price=100, measurement=20, analysis=10, fixed=5000)
every_story = pytest.mark.parametrize("name", STORIES)


def year(plan, seed, units):
    """Play a year, measurement by measurement, with no formula for what passes."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(units) < plan.error_rate
    held = rng.random(units) < np.where(wrong, plan.noticed, plan.false_alarm)
    sold = (~held).sum()
    sales = sold * plan.price - (wrong & ~held).sum() * plan.claim
    return sales - units * (plan.measurement + plan.analysis) - plan.fixed


# The account


@every_story
def test_published_totals_to_the_dollar(name):
    """Every story earns both totals exactly, and the gain is the published half."""
    story = STORIES[name]
    for plan, total in zip((story.today, story.network), PUBLISHED, strict=True):
        by_hand = plan.units * (plan.price - plan.measurement - plan.analysis) - plan.fixed
        assert plan.net_income == by_hand == total
    assert story.advantage / PUBLISHED[0] == pytest.approx(0.516, abs=5e-4)
    assert sum(business.bridge(story).values()) == story.advantage == 102_100_002


def test_published_lines_add_up():
    """Every line is units times dollars, but for 20,000 simulated images at $2 in all."""
    lines = study.PUBLISHED["business"]
    for n, net_income in enumerate(PUBLISHED):
        assert sum(line["total"][n] for line in lines) == net_income
        for line in lines:
            product = line["units"][n] * line["dollars"][n]
            simulated = line["resource"] == "simulated data collection"
            assert line["total"][n] - product == (2 if simulated and n else 0)


def test_published_table_shows_every_line():
    """With its units, totals and dollars per unit; a bare dollar sign would begin a formula."""
    table = figures.published_table()
    assert table.count("\n") == len(study.PUBLISHED["business"]) + 2
    assert (
        r"| raw X-ray data collection | 40 | −\$800,000 | 200 | −\$4,000,000 | −\$20,000 |" in table
    )
    assert r"| **\$197,850,000** | | **\$299,950,002** |" in table
    assert not re.search(r"(?<!\\)\$", table)


def test_account_with_errors_is_the_mean_of_played_years():
    """Wrong answers, half-noticed, false alarms and claims: the mean of a long simulation."""
    plan = replace(PLAN, error_rate=0.2, noticed=0.6, false_alarm=0.1, claim=150)
    units = 2_000_000
    played = year(replace(plan, units=units), seed=1, units=units) + plan.fixed
    assert (plan.net_income + plan.fixed) / plan.units == pytest.approx(played / units, rel=5e-3)


def test_measurements_per_answer_is_geometric():
    """Repeated until an answer passes, an answer takes 1 / passed measurements."""
    plan = replace(PLAN, error_rate=0.3, demand=500)
    attempts = np.random.default_rng(0).geometric(0.7, 200_000).mean()
    assert plan.delivered == 500
    assert plan.measured / plan.delivered == pytest.approx(attempts, rel=0.01)


@settings(max_examples=60)
@given(SHARE, SHARE, SHARE, st.floats(0, 1e4), st.floats(0, 2000))
def test_the_books_balance(error_rate, noticed, false_alarm, claim, demand):
    """What is measured is sold or held back; nothing exceeds capacity or demand."""
    plan = replace(
        PLAN,
        error_rate=error_rate,
        noticed=noticed,
        false_alarm=false_alarm,
        claim=claim,
        demand=demand,
    )
    held = plan.measured * (error_rate * noticed + (1 - error_rate) * false_alarm)
    assert plan.measured == pytest.approx(plan.delivered + held)
    assert plan.measured <= plan.units * (1 + 1e-9)
    assert plan.delivered <= min(demand, plan.units)
    assert plan.delivered_wrong <= plan.delivered * (1 + 1e-9)
    assert sum(plan.lines().values()) == pytest.approx(plan.net_income)
    assert replace(plan, claim=claim + 1).net_income <= plan.net_income


def test_nothing_passes():
    """A network that is always wrong and always caught sells nothing and pays for everything."""
    plan = replace(PLAN, error_rate=1)
    assert (plan.delivered, plan.net_income) == (0, -1000 * 30 - 5000)


# How little two totals determine


@pytest.mark.parametrize(("total", "units", "fixed"), [(60, 12, 7), (97, 30, 0), (1, 5, 20)])
def test_count_ways_by_brute_force(total, units, fixed):
    """Every triple of whole numbers, tried out."""
    tried = product(range(1, units + 1), range(1, total + fixed + 1), range(fixed + 1))
    assert business.count_ways(total, units, fixed) == sum(u * m - f == total for u, m, f in tried)


@pytest.mark.parametrize("total", PUBLISHED)
def test_millions_of_ways(total):
    """As the notebook says; and those drawn are ways, to the dollar, within their bounds."""
    assert business.count_ways(total) > 1e6
    units, margin, fixed = business.random_ways(total, 500, seed=3).T
    assert (units * margin - fixed == total).all()
    assert ((units >= 10) & (units <= 1e6) & (fixed >= 100_000)).all()
    assert (business.random_ways(total, 9, seed=3) == business.random_ways(total, 9, seed=3)).all()


# What drives the result


@every_story
def test_tornado_against_derivatives(name):
    """The account is linear in each input, so a swing is twice the change times the slope."""
    story = STORIES[name]
    plan = story.network
    slopes = {
        "units": plan.price - plan.measurement - plan.analysis,
        "price": plan.units,
        "measurement": -plan.units,
        "analysis": -plan.units,
        "fixed": -1,
    }
    swings = business.tornado(story, 0.1)
    assert len(swings) == 5
    assert [swing.size for swing in swings] == sorted((s.size for s in swings), reverse=True)
    for swing in swings:
        field = swing.name.split(",")[0]
        change = 0.2 * getattr(plan, field) * slopes[field]
        assert swing.high - swing.low == pytest.approx(change)


def test_tornado_moves_shared_inputs_together():
    """The price, one for both plans, changes the advantage by the units between them."""
    swings = business.tornado(STORIES["more units"], 0.1, lambda story: story.advantage)
    by_name = {swing.name: swing.high - swing.low for swing in swings}
    assert by_name["price"] == pytest.approx(0.2 * 12_000 * 10_000)
    assert by_name["units, today"] < 0 < by_name["units, with the network"]
    with pytest.raises(ValueError, match="got 20"):
        business.tornado(STORIES["more units"], 20)


def test_full_market_separates_the_stories():
    """One total, three answers to the question what happens if nobody buys more."""
    left = [story.both(demand=20_000).advantage for story in STORIES.values()]
    assert left == [20_000 * 80 - 299_998, 102_100_002, 102_100_002]


def test_break_even_in_closed_form():
    """Every noticed wrong answer loses its price; every delivered one its claim."""
    story = STORIES["more units"]
    found = business.break_even(story.network, "error_rate", PUBLISHED[0], 0, 1)
    assert found == pytest.approx(102_100_002 / (30_000 * 12_000))
    unseen = replace(story.network, noticed=0.0, error_rate=0.1)
    claim = business.break_even(unseen, "claim", PUBLISHED[0], 0, 1e6)
    assert claim == pytest.approx(102_100_002 / 3000)


# How often an answer is wrong


@pytest.mark.parametrize("tolerance", [0.03, 0.1])
def test_error_probability_against_scipy(tolerance):
    """The mass of a normal distribution outside a box, by SciPy's integration."""
    sigma = np.array([0.02, 0.05, 0.08])
    normal = multivariate_normal(cov=np.diag(sigma**2))
    inside = normal.cdf([tolerance] * 3, lower_limit=[-tolerance] * 3)
    found = business.error_probability(sigma, tolerance)
    assert found == pytest.approx(1 - inside, abs=1e-4)


def test_r2_back_and_forth():
    """Estimates with the error that an R² implies have that R²."""
    from xrlab.inference.metrics import r2_score

    rng = np.random.default_rng(2)
    true = rng.normal(0, 0.3, (20_000, 2))
    sigma = business.standard_error_from_r2(0.9, 0.3)
    assert r2_score(true, true + rng.normal(0, sigma, true.shape)) == pytest.approx(0.9, abs=5e-3)


def test_screening_with_true_error_bars():
    """Errors drawn from their bars: the share wrong is the mean P; a lower threshold holds more."""
    rng = np.random.default_rng(3)
    error = rng.uniform(0.01, 0.1, (5000, 1)) * np.ones(4)
    answers = rng.normal(0, error)
    true = np.zeros_like(answers)
    p = np.mean([business.error_probability(each, 0.1) for each in error])
    made = [business.screen(true, answers, error, 0.1, t) for t in (0, 0.2, 0.6, 1)]
    assert made[0]["error_rate"] == business.share_wrong(true, answers, 0.1)
    assert made[0]["error_rate"] == pytest.approx(p, abs=0.02)
    noticed = [each["noticed"] for each in made]
    assert noticed == sorted(noticed, reverse=True)
    assert (noticed[0], noticed[-1]) == (1, 0)
    assert all(each["noticed"] > each["false_alarm"] for each in made[1:3])
    assert replace(PLAN, **made[1]).net_income < PLAN.net_income


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replace(PLAN, units=-1), "units must be a number from 0 up; got -1"),
        (lambda: replace(PLAN, price=np.nan), "price must be a number"),
        (lambda: replace(PLAN, fixed=np.inf), "fixed must be finite"),
        (lambda: replace(PLAN, error_rate=5), "error_rate is a share from 0 to 1; got 5: divide"),
        (lambda: business.break_even(PLAN, "colour", 0, 0, 1), "no input 'colour'; it has units"),
        (lambda: business.break_even(PLAN, "price", 0, 500, 600), "more than 0 at both ends"),
        (lambda: business.break_even(PLAN, "price", 0, 0, 10), "earns less"),
        (lambda: business.count_ways(0), "got a total of 0"),
        (lambda: business.error_probability([0.1, 0], 0.1), "above 0; got"),
        (lambda: business.error_probability([0.1, np.nan], 0.1), "above 0; got"),
        (lambda: business.error_probability([], 0.1), "above 0"),
        (lambda: business.error_probability(0.1, -1), "and -1"),
        (lambda: business.standard_error_from_r2(1.2, 0.3), "at most 1"),
        (lambda: business.share_wrong([[0]], [[0, 1]], 0.1), r"\(1, 1\) and\s*\(1, 2\)"),
        (lambda: business.screen([[0]], [[0]], [[1]], 0.1, 2), "threshold 2"),
    ],
)
def test_bad_inputs_are_named(call, message):
    """With the value and what to do, instead of a number that means nothing."""
    with pytest.raises(ValueError, match=message):
        call()


# The widget and the figures


@every_story
def test_widget_begins_with_the_published_totals(name):
    """Whatever the story, the sliders hold its assumptions exactly and the status line says so."""
    explorer = BusinessExplorer()
    explorer._story.value = name
    assert explorer.result.published
    assert explorer.story == STORIES[name]
    assert "51.6% more. Both are the published totals" in explorer.status.value
    assert "$299,950,002" in explorer._account.value
    steps = [(c.value - c.min) % c.step for c in explorer.controls.values()]
    assert not any(steps)  # moved away and back, a slider returns to the same dollar


def test_every_slider_changes_the_account():
    """And does what the plan says; reset brings the first account back."""
    explorer = BusinessExplorer()
    first = explorer._account.value
    explorer.controls["network", "error_rate"].value = 10
    for key, control in explorer.controls.items():
        before = explorer.result.lines
        control.value = control.min + control.step * (7 if key[1] != "demand" else 10)
        if key != ("both", "claim"):
            assert explorer.result.lines != before, key
        assert explorer.result == figures.compute(explorer.story)
    explorer.reset.click()
    assert explorer._account.value == first


def test_status_tells_of_a_full_market_and_of_no_income():
    """Unused measurements are counted; a comparison with nothing is not made."""
    explorer = BusinessExplorer()
    explorer.controls["both", "demand"].value = 20_000
    assert "10,000 measurements a year stay unused" in explorer.status.value
    assert 'aria-live="polite"' in explorer.status.value
    assert not explorer.result.published
    for name in ("units", "fixed"):
        explorer.controls["today", name].value = 0
    assert "nothing to compare with" in explorer.status.value


def test_every_control_has_a_name_and_a_tooltip():
    """No two sliders of one column are called the same."""
    explorer = BusinessExplorer()
    for part in ("both", "today", "network"):
        column = [c for (p, _), c in explorer.controls.items() if p == part]
        assert len({control.description for control in column}) == len(column)
        assert all(control.tooltip for control in column)


def test_account_is_an_accessible_table():
    """Well-formed, with header cells, a caption, and words for the bars; a loss is said."""
    story = STORIES["more units"].both(price=1_000)
    tree = ET.fromstring(f"<p>{figures.account_html(figures.compute(story))}</p>")
    assert len(tree.findall(".//tr")) == 7
    assert len(tree.findall(".//th[@scope='row']")) == 6
    assert tree.find(".//caption").text
    assert "−$" in tree.find(".//svg").get("aria-label")
    assert "(a loss)" in "".join(tree.find(".//svg").itertext())


def test_story_table_says_what_is_published():
    """A story's inputs are ours, its totals the study's; with other inputs it does not say so."""
    story = STORIES["cheaper analysis"]
    table = figures.story_table(story)
    assert table.count("our assumption") == 5
    assert table.count("published") == 1
    assert "**197,850,000** | **299,950,002** | **published**" in table
    assert not re.search(r"(?<!\\)\$", table)
    assert "published" not in figures.story_table(story.both(fixed=0))


def test_figures_have_titles_and_units():
    """Axes say what they show, and no series is told from others by colour alone."""
    story = STORIES["more units"]
    ways = {"a": business.random_ways(PUBLISHED[0], 5), "b": business.random_ways(PUBLISHED[1], 5)}
    x = np.linspace(0, 1, 5)
    drawn = (
        figures.ways_figure(ways, STORIES),
        figures.tornado_figure({"t": (story.network.net_income, business.tornado(story))}),
        figures.curves_figure(x, {"a": x, "b": 2 * x}, title="t", x_title="x (%)", y_title="y ($)"),
    )
    for figure in drawn:
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text
    markers = [trace.marker.symbol for trace in drawn[0].data]
    assert len(markers) == len(set(markers)) == 5
    assert len({trace.marker.pattern.shape for trace in drawn[1].data}) == 2
    assert len({trace.line.dash for trace in drawn[2].data}) == 2
    ends = drawn[1].data[1]
    top = business.tornado(story)[0]
    assert ends.y[-1] == top.name
    assert (ends.base + ends.x[-1]) * 1e6 == pytest.approx(top.high)
