"""The law of the grain against simulation and closed forms; the widget and the figures."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from xrlab import Encoding, ReciprocalGrid, diffraction_image, simulate
from xrlab.course.figures import noise as noise_plots
from xrlab.crystal import speckle
from xrlab.crystal.setting import Setting
from xrlab.trials import repeats
from xrlab.widgets import noise as widgets

RANDOM = Encoding.product(0, 0, 2)
STRIPES = Encoding.product(-0.4, 0.4, 2)


def test_lots_that_share_nothing_leave_one_over_root_m():
    """On an endless lattice the grain is 1/sqrt(M); one lot leaves 1 on any lattice."""
    assert speckle.expected_grain(100_000, 25, 64) == pytest.approx(1 / 8, rel=1e-4)
    assert speckle.expected_grain(30, 25, 1) == 1
    # never less than what two lots share, however many there are
    assert speckle.expected_grain(50, 25, 10**9) == pytest.approx(1 / 3, rel=2e-3)


def test_shared_part_is_the_mean_overlap():
    """Counted over all pairs of places of two lots."""
    size, lot_size = 20, 7
    first = np.zeros((size, size))
    first[:lot_size, :lot_size] = 1
    overlap = [
        (first * np.roll(first, (i, j), (0, 1))).sum() / lot_size**2
        for i in range(size)
        for j in range(size)
    ]
    assert speckle.shared(size, lot_size) == pytest.approx(np.mean(np.square(overlap)))


@pytest.mark.parametrize("encoding", [RANDOM, STRIPES], ids=["random", "stripes"])
@pytest.mark.parametrize(
    ("size", "lot_size", "lots"), [(50, 25, 1), (50, 25, 8), (50, 10, 64), (40, 40, 16)]
)
def test_grain_of_grown_lattices_obeys_the_law(encoding, size, lot_size, lots):
    """Within 10 percent, over 60 lattices; small lots of ordered sites are the grainiest."""
    setting = Setting(size, lot_size, lots, "growth")
    measured = repeats.grain_sweep(encoding, [setting], copies=60, seed=2)[0]
    assert measured == pytest.approx(speckle.expected_grain(size, lot_size, lots), rel=0.1)


def test_pixels_scatter_as_the_law_says():
    """Twice the variance where the amplitude is real, the usual elsewhere."""
    grid = ReciprocalGrid((0, 0.5), (0, 0.5), (3, 3))  # 0, 1/4, 1/2: four points are real
    setting = Setting(40, 20, 8, "growth", grid)
    law = speckle.pixel_variance(setting)
    assert law[0, 0] == pytest.approx(2 * law[1, 1], rel=0.02)
    images = [
        diffraction_image(
            np.random.default_rng(seed).integers(0, 2, (40, 40)) * 2 - 1, grid, 20, 8, seed
        )
        for seed in range(4000)
    ]
    # the mean of each lattice is taken away, so nothing is left at whole h and k
    measured = np.var(images, axis=0)
    assert measured.ravel()[1:] == pytest.approx(law.ravel()[1:], rel=0.15)


def test_variance_of_the_standard_grid_averages_to_the_grain():
    """The real points are few."""
    assert speckle.pixel_variance().mean() == pytest.approx(
        speckle.expected_grain(50, 25, 8) ** 2, 0.01
    )


def test_mean_of_many_grown_lattices_is_the_ensemble_image():
    """The missing pairs across the edges are in it."""
    setting = Setting(20, 18, 4, "growth")
    with threadpool_limits(1):
        images = [
            diffraction_image(simulate(STRIPES, 20, "growth", seed), setting.grid, 18, 4, seed)
            for seed in range(800)
        ]
    expected = speckle.ensemble_image(STRIPES, setting)
    variance = speckle.pixel_variance(setting)
    z = (np.mean(images, axis=0) / expected - 1) / np.sqrt(variance / len(images))
    # mean removal takes a little more away near whole h and k
    away = setting.grid.distance_to_bragg() > 0.1
    assert np.sqrt(np.mean(z[away] ** 2)) < 1.5


def test_ensemble_image_knows_what_cannot_be():
    """An encoding that no field has gets the nearest one."""
    impossible = Encoding.from_vector([-0.9, -0.9, -0.9])
    assert np.isfinite(speckle.ensemble_image(impossible)).all()


def test_lit_sites_are_those_of_the_image():
    """A site that no lot lights can be turned over, and the image stays."""
    lattice = simulate(STRIPES, seed=1)
    count = speckle.lit_sites(50, 20, 3, seed=5)
    assert count.sum() == 3 * 20**2
    changed = lattice.sites.copy()
    dark = np.argwhere(count == 0)
    plus = [tuple(p) for p in dark if changed[tuple(p)] > 0][:20]
    minus = [tuple(p) for p in dark if changed[tuple(p)] < 0][:20]
    for place in plus + minus:
        changed[place] *= -1
    images = [
        diffraction_image(each, lot_size=20, lots=3, seed=5) for each in (lattice.sites, changed)
    ]
    np.testing.assert_array_equal(*images)


def test_predicted_r2_of_made_up_speckle():
    """Images S times Gamma(M, 1/M) have the R^2 that the law gives."""
    rng = np.random.default_rng(3)
    mean = np.exp(rng.normal(0, 1, 200_000))
    first, second = (mean * rng.gamma(8, 1 / 8, mean.size) for _ in range(2))
    law = [speckle.predicted_r2(mean, 1 / 8, copies) for copies in (1, np.inf)]
    measured = [1 - ((guess - first) ** 2).mean() / first.var() for guess in (second, mean)]
    assert measured == pytest.approx(law, abs=0.02)
    assert 1 - law[0] == pytest.approx(2 * (1 - law[1]))


@pytest.fixture(scope="module")
def several():
    """Four grown realisations of 24 encodings."""
    return repeats.realisations(2, 24, 4, 1, Setting(sampler="growth"), progress=False)


def test_r2_between_realisations_is_as_predicted(several):
    """For two realisations, the mean of three others and the expected image."""
    scores = repeats.image_scores(several)
    for guess in ("another", "mean", "expected"):
        difference = getattr(scores, guess) - getattr(scores, f"law_{guess}")
        assert abs(np.mean(difference)) < 0.05
    assert scores.another.mean() < scores.mean.mean() < scores.expected.mean()


def test_realisations_do_not_depend_on_the_workers(several):
    """Nor on how many encodings follow."""
    again = repeats.realisations(2, 3, 2, 1, Setting(sampler="growth"), n_jobs=1, progress=False)
    np.testing.assert_array_equal(again.images, several.images[:3, :2])
    np.testing.assert_array_equal(again.labels, several.labels[:3, :2])


@pytest.mark.parametrize("sampler", ["monte_carlo", "gaussian"])
def test_simulating_again_keeps_correlations_not_images(sampler):
    """R^2 near 1 for correlations, far below for images: the published observation."""
    setting = Setting(sampler=sampler)
    pairs = repeats.realisations(2, 40, 2, 4, setting, relabel=True, progress=False)
    found = repeats.agreement(pairs)
    assert found["correlations"]["R²"] > 0.97
    assert found["images"]["R²"] < 0.85
    assert found["images"]["MSE"] > 10 * found["correlations"]["MSE"]


def test_readings_reach_the_bound_of_independent_lots():
    """On crystals so large that lots hardly overlap, both methods are near the Cramer-Rao bound."""
    stripes = Encoding.product(0.3, -0.3, 2)
    setting = Setting(150, 25, 8, "gaussian")
    found = repeats.readings(2, 60, 0, setting, encoding=stripes, progress=False)
    for estimate in (found.delta_pdf, found.likelihood):
        ratio = repeats.rms(estimate - found.ensemble) / repeats.rms(found.bound)
        assert (ratio > 0.7).all()
        assert (ratio < 1.4).all()
    assert found.images.shape == (60, 64, 64)
    with pytest.raises(ValueError, match="span 2"):
        repeats.readings(3, 1, encoding=stripes)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (speckle.shared, (20, 25), "fits? a lattice|as many as the lattice, 20"),
        (speckle.expected_grain, (50, 25, 0), "at least 1 lot"),
        (widgets.compute, ("plaid",), "no pattern"),
        (widgets.compute, ("random", 20, 30), "does not fit"),
    ],
)
def test_bad_arguments_are_refused(function, arguments, message):
    """The error says what was given."""
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_figures_show_their_numbers(several):
    """Images of the lots asked for, measured points, errors; the expected image is the last."""
    setting, scores = Setting(sampler="growth"), repeats.image_scores(several)
    lattice, expected = simulate(STRIPES, 50, "growth"), speckle.ensemble_image(STRIPES, setting)
    shown = [trace.z for trace in noise_plots.lots_figure(lattice, [1, 8], setting, 0).data]
    np.testing.assert_array_equal(shown[2], speckle.lit_sites(50, 25, 8, 0))
    np.testing.assert_allclose(shown[3], diffraction_image(lattice, lots=8, seed=0))
    np.testing.assert_array_equal(shown[4], lattice.sites)
    np.testing.assert_allclose(shown[5], expected)
    figure = noise_plots.lot_sizes_figure(STRIPES, [setting], 0)
    np.testing.assert_allclose(figure.data[1].z, expected)

    def points(figure):
        return [trace for trace in figure.data if trace.mode == "markers"]

    grain = noise_plots.grain_figure([1, 8], {25: [1, 0.5]}, 50, [50, 60], {8: [0.5, 0.4]}, 25)
    assert [list(trace.y) for trace in points(grain)] == [[1, 0.5], [0.5, 0.4]]
    another, last = points(noise_plots.r2_figure({"grown": scores}, {"grown": "expected"}))
    np.testing.assert_array_equal([another.x, another.y], [scores.law_another, scores.another])
    np.testing.assert_array_equal([last.x, last.y], [scores.law_expected, scores.expected])
    (found,) = points(
        noise_plots.limits_figure({"one": ({"ΔPDF": [0.1, 0.2, 0.3]}, "limit", [0.1] * 3)}, 2)
    )
    assert dict(zip(found.x, found.y, strict=True)) == (
        {"c(0, 1)": 0.1, "c(1, 0)": 0.2, "c(1, 1)": 0.3}
    )


def test_widget_follows_its_sliders_and_comes_back():
    """Every slider changes the pictures; reset brings the first ones back."""
    explorer = widgets.ChanceExplorer()
    first = {name: picture.value for name, picture in explorer._pictures.items()}
    for name, value in {"lots": 64, "size": 80, "lot_size": 40, "seed": 3}.items():
        before = explorer._pictures["image"].value
        explorer.controls[name].value = value
        assert explorer._pictures["image"].value != before
    assert f"{explorer.result.grain:.2f}" in explorer.status.value
    assert explorer.result.law == speckle.expected_grain(80, 40, 64)
    explorer.controls["pattern"].value = "random"
    assert "no signal" in explorer.status.value
    explorer.reset.click()
    assert {name: picture.value for name, picture in explorer._pictures.items()} == first


def test_widget_shows_errors_in_words():
    """A lot that does not fit is named in the status line; asked directly, it raises."""
    explorer = widgets.ChanceExplorer()
    explorer.controls["lot_size"].value = 60
    assert "Not possible" in explorer.status.value
    with pytest.raises(ValueError, match="does not fit"):
        explorer.refresh()
    explorer.controls["lot_size"].value = 20
    assert "Grain" in explorer.status.value
