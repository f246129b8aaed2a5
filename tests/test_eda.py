"""Looking at data: laws agree with closed forms and with simulation, figures and widget show it."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from xrlab import Encoding
from xrlab.course.figures import densities
from xrlab.course.figures import eda as eda_plots
from xrlab.crystal import realisable, speckle
from xrlab.crystal.encoding import three_site_conditions
from xrlab.crystal.setting import Setting
from xrlab.datasets.dataset import generate
from xrlab.trials import repeats
from xrlab.widgets import eda as eda_widgets

SPANS = (2, 3, 4)
RNG = np.random.default_rng(0)
ASKED = {span: RNG.uniform(-1, 1, (200, span**2 - 1)) for span in SPANS}
DEFAULT = {
    span: np.array([Encoding.random(span, seed, "realisable").vector for seed in range(200)])
    for span in SPANS
}
SMALL = repeats.repeated_images(Encoding.from_vector([0.5, 0.3, 0.2]), 3)


@pytest.fixture(scope="module")
def small_lattices():
    """Encodings of span 3 of all 4 x 4 lattices with as many +1 as -1, each once."""
    sites = -np.ones((12870, 16))
    for row, chosen in zip(sites, combinations(range(16), 8), strict=True):
        row[list(chosen)] = 1
    waves = np.abs(np.fft.fft2(sites.reshape(-1, 4, 4))) ** 2
    correlations = np.fft.ifft2(waves).real / 16
    return np.unique(correlations[:, :3, :3].reshape(-1, 9)[:, 1:].round(9), axis=0)


# Encodings


@pytest.mark.parametrize("span", SPANS)
def test_conditions_are_those_of_an_encoding(span):
    """Encoding.violations names a three-site condition exactly where `possible` says no."""
    shrunk = ASKED[span][:60] * np.linspace(0.2, 1, 60)[:, None]
    named = [any("|" in text for text in Encoding.from_vector(v).violations()) for v in shrunk]
    np.testing.assert_array_equal(realisable.possible(shrunk, span), ~np.array(named))
    assert 0 < sum(named) < 60


def test_no_small_lattice_breaks_a_condition(small_lattices):
    """All 4 x 4 lattices of half +1 are possible, and some lie on the border."""
    slack = realisable.three_site_slack(small_lattices, 3)
    assert abs(slack.min()) < 1e-9
    assert realisable.possible(small_lattices, 3).all()
    encoding = small_lattices[7]
    np.testing.assert_allclose(
        realisable.three_site_slack([encoding], 3), 1 - (three_site_conditions(3) @ encoding).max()
    )


def test_a_third_of_span_2_is_possible():
    """The tetrahedron has a third of the volume of the cube."""
    wishes = np.random.default_rng(1).uniform(-1, 1, (100_000, 3))
    assert abs(realisable.possible(wishes, 2).mean() - 1 / 3) < 0.006


def test_lattices_of_a_data_set_are_possible():
    """Labels in float32 are not thrown out by rounding, nor those on the border."""
    for setting in (Setting(targets="uniform", start="cold"), Setting(sampler="gaussian")):
        data = generate(3, 16, setting=setting, n_jobs=1, progress=False)
        assert realisable.possible(data.encodings, 3).all()


@pytest.mark.parametrize("value", [-0.7, 0.0, 0.4])
def test_region_of_a_slice_is_a_rectangle(value):
    """Span 2, c(1, 1) held: |x + y| <= 1 + z and |x - y| <= 1 - z."""
    region = realisable.possible_region(2, 0, 1, {2: (value, value)})
    x, y = region.T
    assert len(region) == 4
    np.testing.assert_allclose(sorted(x + y), [-1 - value] * 2 + [1 + value] * 2, atol=1e-6)
    np.testing.assert_allclose(sorted(x - y), [value - 1] * 2 + [1 - value] * 2, atol=1e-6)


@pytest.mark.parametrize(("across", "up"), [(0, 1), (0, 2), (3, 7), (4, 5)])
def test_region_holds_every_small_lattice(small_lattices, across, up):
    """All 4 x 4 lattices of half +1 lie inside."""
    region = realisable.possible_region(3, across, up)
    assert realisable.inside(region, small_lattices[:, [across, up]]).all()


def test_small_lattices_reach_the_corners(small_lattices):
    """All alike, every second, two and two along b: the triangle of c(0, 2) against c(0, 1)."""
    for corner in realisable.possible_region(3, 0, 1):
        assert np.abs(small_lattices[:, :2] - corner).max(axis=1).min() < 0.26


def test_region_agrees_with_points_drawn_at_random():
    """The shadow of the body, not just the conditions between the two: found by brute force."""
    body = np.random.default_rng(2).uniform(-1, 1, (400_000, 8))
    body = body[realisable.possible(body, 3)]
    body = body[np.abs(body[:, 2] - 0.5) < 0.2]
    region = realisable.possible_region(3, 0, 4, {2: (0.3, 0.7)})
    assert realisable.inside(region, body[:, [0, 4]]).all()
    assert len(body) > 100


def test_region_may_be_a_line_or_empty():
    """Perfect order leaves a line; a value that nothing can have leaves nothing."""
    line = realisable.possible_region(2, 0, 1, {2: (1.0, 1.0)})
    np.testing.assert_allclose(np.abs(line), 1, atol=1e-6)
    assert len(line) == 2
    assert not realisable.inside(line, [[0, 0]]).any()
    assert realisable.possible_region(2, 0, 1, {2: (1.2, 1.5)}).shape == (0, 2)
    # c(0, 1) = 1 forces c(1, 0) = c(1, 1)
    assert realisable.possible_region(3, 1, 5, {0: (0.9, 1), 2: (0.9, 1), 3: (-1, -0.9)}).shape == (
        0,
        2,
    )


def test_region_given_away_can_be_changed():
    """What is remembered is safe from the caller."""
    realisable.possible_region(2, 0, 1)[:] = 7
    assert realisable.possible_region(2, 0, 1).max() == 1


def test_pair_density_is_relative_to_even():
    """Its mean is 1; a point goes up with the second component."""
    density = densities.pair_density([0.9] * 4, [-0.9] * 4, bins=4)
    assert density[0, 3] == 16
    assert density.mean() == 1
    assert densities.pair_density(*ASKED[2].T[:2], 8, smooth=1).mean() == pytest.approx(1)
    assert densities.pair_density([], [], 4).max() == 0


def test_mosaic_puts_every_pair_in_its_place():
    """First component at the left and at the top, the second set above the diagonal."""
    corner = np.tile([0.9, -0.9, 0.9], (5, 1))
    mosaic = densities.pair_mosaic(corner, -corner, 2, bins=2)
    assert mosaic.shape == (8, 8)
    # component 1 up, 0 across, below the diagonal: low and right
    np.testing.assert_array_equal(mosaic[3:5, 0:2], [[0, 4], [0, 0]])
    # component 0 up, 1 across, above it, turned round: low and right
    np.testing.assert_array_equal(mosaic[6:8, 3:5], [[0, 4], [0, 0]])
    assert np.isnan(mosaic[6:8, 0:2]).all()
    assert np.isnan(mosaic[2]).all()


@pytest.mark.parametrize("n_values", [1, 2, 3, 8, 15])
def test_cube_law_has_its_moments(n_values):
    """It integrates to 1, and the mean square is n / 3."""
    r = np.linspace(0, 10, 40001)[1:]
    cube = densities.cube_norm_density(r, n_values)
    np.testing.assert_allclose(np.trapezoid(cube, r), 1, atol=0.01 if n_values == 1 else 1e-3)
    np.testing.assert_allclose(np.trapezoid(cube * r**2, r), n_values / 3, rtol=1e-3)


def test_cube_law_agrees_with_drawn_points():
    """The share of uniform points within a radius, drawn and integrated."""
    r = np.linspace(0, 1.6, 2001)
    within = np.mean(
        np.linalg.norm(np.random.default_rng(3).uniform(-1, 1, (10**5, 8)), axis=1) < 1.6
    )
    assert np.trapezoid(densities.cube_norm_density(r, 8), r) == pytest.approx(within, abs=0.006)


# Intensities


@pytest.mark.parametrize(("size", "lot_size", "lots"), [(50, 25, 1), (50, 25, 8), (40, 10, 30)])
def test_effective_lots_are_those_of_random_crystals(size, lot_size, lots):
    """Relative variance of the intensities of crystals without order."""
    setting = Setting(size=size, lot_size=lot_size, lots=lots)
    images = repeats.repeated_images(Encoding.from_vector([0, 0, 0]), 60, setting, seed=5)
    inner = images[:, 4:28, 4:28]  # away from whole and half h and k, where amplitudes are real
    expected = speckle.effective_lots(size, lot_size, lots)
    assert 1 / inner.var() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("lots", [1, 4.5, 8])
def test_speckle_law_is_the_gamma_law(lots):
    """As SciPy's, also with a mean S; of several S it is the mean law."""
    x = np.linspace(0.01, 8, 200)
    one = stats.gamma.pdf(x, lots, scale=1 / lots)
    three = stats.gamma.pdf(x, lots, scale=3 / lots)
    np.testing.assert_allclose(speckle.speckle_density(x, lots), one)
    np.testing.assert_allclose(speckle.speckle_density(x, lots, 3.0), three)
    np.testing.assert_allclose(speckle.speckle_density(x, lots, [[1], [3]]), (one + three) / 2)
    log = np.log(np.random.default_rng(6).gamma(lots, size=200_000))
    assert speckle.speckle_contrast(lots) == pytest.approx(log.std(), rel=0.01)


def test_shares_per_decade_add_up():
    """Times the width of the bins they make 1; unmeasured pixels do not count."""
    edges = np.logspace(-2, 2, 21)
    values = np.append(np.random.default_rng(7).lognormal(size=999), np.nan)
    share = speckle.per_decade(values.reshape(10, 100), edges)
    assert (share * 0.2).sum() == pytest.approx(1)
    assert speckle.per_decade([np.nan], edges).max() == 0


def test_contrast_knows_no_scale():
    """Multiplying changes nothing, raising to a power multiplies it; one value for each image."""
    contrast = speckle.log_contrast(SMALL)
    assert contrast.shape == (3,)
    np.testing.assert_allclose(speckle.log_contrast(300 * SMALL), contrast, rtol=1e-4)
    np.testing.assert_allclose(
        speckle.log_contrast(SMALL.astype(float) ** 2), 2 * contrast, rtol=1e-4
    )
    spoiled = SMALL[0].copy()
    spoiled[:2] = 0
    spoiled[2:4] = np.nan
    assert speckle.log_contrast(spoiled) == pytest.approx(speckle.log_contrast(SMALL[0, 4:]))


def test_images_of_one_encoding_are_a_stable_series():
    """Image i depends on (seed, i) alone; another seed, another series; the mean is S."""
    encoding = Encoding.from_vector([0.5, 0.3, 0.2])
    np.testing.assert_array_equal(repeats.repeated_images(encoding, 2), SMALL[:2])
    assert not np.array_equal(repeats.repeated_images(encoding, 2, seed=1), SMALL[:2])
    assert SMALL[:, :-1, :-1].mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        *(
            (lambda pair=pair: realisable.possible_region(2, *pair), "two different components")
            for pair in ((1, 1), (0, 3), (-1, 0))
        ),
        (lambda: realisable.possible(ASKED[4], 3), r"\(samples, 8\); .* shape \(200, 15\)"),
        (lambda: speckle.effective_lots(50, 26, 8), "half as wide"),
        (lambda: speckle.effective_lots(50, 25, 0), "at least 1"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    """Components, shapes and lots: the error says what fits."""
    with pytest.raises(ValueError, match=message):
        call()


# Figures


SETS, LAW = {"one": DEFAULT, "other": ASKED}, {"law": (4.5, 1.0)}
VIEW = eda_widgets.view_pair(ASKED[2], 2, 0, 1, 2, 0.5)
RATIO = SMALL / SMALL.mean(axis=0)

# Every figure, of small data, by name.
FIGURES = {
    "components": lambda: eda_plots.components_figure(SETS),
    "pairs": lambda: eda_plots.pairs_figure(DEFAULT, ASKED),
    "border": lambda: eda_plots.border_figure(
        {"a slice": (("c(0, 1)", "c(1, 0)"), VIEW.points, VIEW.points, VIEW.border)}
    ),
    "norms": lambda: eda_plots.norms_figure(SETS),
    "speckle": lambda: eda_plots.speckle_figure(*SMALL[:2], {"8 lots": RATIO}, {"law": 4.5}),
    "intensities": lambda: eda_plots.intensities_figure({"a": ({"data": SMALL}, LAW)}),
    "log": lambda: eda_plots.intensities_figure({"a": ({"data": SMALL}, LAW)}, log_share=True),
    "contrast": lambda: eda_plots.contrast_figure(
        {"set": speckle.log_contrast(SMALL)}, {"x": 0.3}, 0.5
    ),
}


def test_words_on_an_empty_cell_follow_a_dark_page():
    """Annotations take the colour of the page's words; numbers on a heat map have one colour."""
    figure = FIGURES["components"]()
    maps = list(figure.select_traces({"type": "heatmap"}))
    assert all(each.text[0][0] == "" and np.isnan(each.z[0][0]) for each in maps)
    words = [each for each in figure.layout.annotations if each.text == "always 1"]
    assert len(words) == len(maps)
    assert all(each.font.color is None for each in words)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_labelled(name):
    """Titles, axis titles wherever there are numbers, no trace without a name or colour bar."""
    figure = FIGURES[name]()
    assert figure.layout.annotations or figure.layout.title.text
    if name != "pairs":  # its ticks are names
        assert all(axis.title.text for axis in figure.select_xaxes())
    for trace in figure.data:
        assert trace.type == "heatmap" or trace.name


@pytest.mark.parametrize("name", ["components", "norms", "intensities"])
def test_laws_are_drawn_beside_the_data(name):
    """Data and laws integrate to the same."""
    figure = FIGURES[name]()
    lines = [trace for trace in figure.data if trace.type == "scatter"]
    areas = []
    for trace in [each for each in lines if each.xaxis == lines[0].xaxis]:
        x = np.log10(trace.x) if name == "intensities" else trace.x
        areas.append(np.trapezoid(trace.y, x))
    np.testing.assert_allclose(areas, 1, atol=0.07)
    assert len(areas) >= 2


def test_one_law_has_one_colour_in_all_panels():
    """Also where a panel has fewer curves than another; the legend names it once."""
    law, other = {"law": (4.5, 1.0)}, {"other": (1, 1.0)}
    data = {"data": SMALL}
    figure = eda_plots.intensities_figure({"a": (data, other | law), "b": (data, law)})
    drawn = [trace for trace in figure.data if trace.name == "law"]
    assert len({trace.line.color for trace in drawn}) == 1
    assert [trace.showlegend for trace in drawn] == [True, False]


# The widget


@pytest.fixture
def explorer():
    """Explorer of two sets."""
    return eda_widgets.PairExplorer({"realisable": DEFAULT, "even": ASKED})


def test_view_takes_a_slice():
    """Points are those near the value; densities and border belong to them."""
    view = eda_widgets.view_pair(ASKED[3], 3, 0, 4, third=2, value=0.5)
    near = np.abs(ASKED[3][:, 2] - 0.5) <= eda_widgets.HALF_SLICE
    np.testing.assert_array_equal(view.points, ASKED[3][near][:, [0, 4]])
    assert view.total == 200
    np.testing.assert_allclose(view.marginals.sum(axis=1) * 2 / eda_widgets.BINS, 1)
    assert view.density.mean() == pytest.approx(1)
    assert view.outside == len(view.points) - realisable.inside(view.border, view.points).sum()
    assert view.correlation == pytest.approx(np.corrcoef(view.points.T)[0, 1])


def test_view_may_hold_no_point():
    """An empty slice has a border and no density."""
    view = eda_widgets.view_pair(np.zeros((5, 3)), 2, 0, 1, third=2, value=0.9)
    assert len(view.points) == view.outside == view.density.max() == view.marginals.max() == 0
    assert np.isnan(view.correlation)
    assert len(view.border) > 3


def test_explorer_follows_its_controls(explorer):
    """Every control changes what is shown; traces are changed, never made anew."""
    traces = [id(trace) for trace in explorer.figure.data]
    np.testing.assert_array_equal(explorer.figure.data[1].x, DEFAULT[2][:, 0])
    assert "200 of 200 encodings" in explorer.status.value
    assert "0 beyond the border" in explorer.status.value
    explorer._set.value = "even"
    explorer._third.value = 2
    explorer._value.value = 0.5
    expected = eda_widgets.view_pair(ASKED[2], 2, 0, 1, 2, 0.5)
    np.testing.assert_array_equal(explorer.result.points, expected.points)
    np.testing.assert_array_equal(explorer.figure.data[1].y, expected.points[:, 1])
    np.testing.assert_array_equal(explorer.figure.data[0].z, expected.density)
    ring = np.vstack([expected.border, expected.border[:1]])
    np.testing.assert_array_equal(explorer.figure.data[2].x, ring[:, 0])
    assert "c(1, 1) from 0.35 to 0.65" in explorer.status.value
    assert f"{expected.outside} beyond the border" in explorer.status.value
    assert [id(trace) for trace in explorer.figure.data] == traces


def test_every_coordinate_is_assigned():
    """None is in a trace from its start: the browser would drop it (seen in Chromium)."""
    for trace in eda_widgets._empty_figure().data:
        assert trace.x is None
        assert trace.y is None


def test_explorer_changes_span_and_comes_back(explorer):
    """A new span has its own components; reset leads to the start."""
    first = explorer.figure.data[1].x.copy()
    explorer._span.value = 4
    assert len(explorer._across.options) == 15
    assert explorer._up.value == 3
    explorer._up.value = 14
    assert explorer.figure.layout.yaxis3.title.text == "c(3, 3)"
    assert explorer._value.disabled
    explorer._third.value = 5
    assert not explorer._value.disabled
    explorer.reset.click()
    assert (explorer._span.value, explorer._set.value, explorer._third.label) == (
        2,
        "realisable",
        "take all",  # which the list shows
    )
    np.testing.assert_array_equal(explorer.figure.data[1].x, first)


def test_explorer_says_errors_in_words(explorer):
    """The same component twice ends in the status line; the explorer goes on."""
    explorer._up.value = explorer._across.value
    assert "c(0, 1) is drawn both across and up" in explorer.status.value
    with pytest.raises(ValueError, match="two different"):
        explorer.refresh()
    explorer._up.value = 2
    assert "Shown" in explorer.status.value


def test_explorer_shows_an_empty_slice(explorer):
    """Where no encoding is near, the border is still drawn and the counts say so."""
    explorer._third.value = 2
    explorer._value.value = 1
    assert "0 of 200" in explorer.status.value or len(explorer.result.points) > 0
    assert len(explorer.figure.data[2].x) > 3
