"""The physical fit against closed forms, finite differences, Student's t and what it must ignore.

Known spectra: with ln S = u cos 2 pi (h + k) + v cos 2 pi k the correlations are ratios of Bessel
functions, c(i, j) = I_i(u) I_(j-i)(v) / (I_0(u) I_0(v)), other along (i, -j); grown lattices have
the Poisson kernels S = P_r(h) P_s(k), c(i, j) = r^|i| s^|j|, whose logarithm has no end.
"""

import json

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import iv
from scipy.stats import poisson
from scipy.stats import t as student

from xrlab import Encoding, ReciprocalGrid
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.inference import physical_model
from xrlab.inference.physical_fit import physical_fit
from xrlab.inference.physical_model import FREEDOM, Problem
from xrlab.measurement.effects import bragg_peaks

U, V = 0.9, -0.7
AWAY = STANDARD_GRID.distance_to_bragg() >= 0.13


def bessel_correlations(span=4, u=U, v=V):
    """c(i, j), shape (span, span), and c(i, -j), shape (span - 1, span - 1)."""
    i, j = np.indices((span, span))
    along, against = (iv(i, u) * iv(d, v) / (iv(0, u) * iv(0, v)) for d in (j - i, -j - i))
    return along, against[1:, 1:]


def bessel_spectrum(grid, u=U, v=V):
    h, k = grid.h_values[:, None], grid.k_values[None, :]
    log = u * np.cos(2 * np.pi * (h + k)) + v * np.cos(2 * np.pi * k)
    return np.exp(log) / (iv(0, u) * iv(0, v))


def poisson_spectrum(grid, r, s):
    kernels = (
        (1 - c * c) / (1 + c * c - 2 * c * np.cos(2 * np.pi * q))
        for c, q in ((r, grid.h_values), (s, grid.k_values))
    )
    return np.outer(*kernels)


def smooth(grid):
    """A form factor exp(quadratic) of about 100 and a background of about 20 that slopes."""
    x = np.linspace(-1, 1, grid.shape[0])[:, None]
    y = np.linspace(-1, 1, grid.shape[1])[None, :]
    envelope = 100 * np.exp(-0.4 * x + 0.3 * y - 0.3 * x**2 + 0.1 * x * y - 0.2 * y**2)
    return envelope, 20 * np.exp(0.2 * x - 0.1 * y)


def off(fit, known):
    """Largest error of all correlations, both diagonals."""
    matrix, opposite = known
    return max(np.abs(fit.encoding.matrix - matrix).max(), np.abs(fit.opposite - opposite).max())


@pytest.fixture(scope="module")
def counts():
    """E S + B counted, two detector gaps: for tests of what must not matter."""
    envelope, background = smooth(STANDARD_GRID)
    image = np.random.default_rng(5).poisson(envelope * bessel_spectrum(STANDARD_GRID) + background)
    image = image.astype(float)
    image[20:23] = np.nan
    image[:, 50:52] = np.nan
    return image


@pytest.fixture(scope="module")
def found(counts):
    return physical_fit(counts, degrees=(2,))


@pytest.mark.parametrize(
    "grid",
    [
        STANDARD_GRID,
        ReciprocalGrid(h=(3, 5), k=(-4, -2)),
        ReciprocalGrid(h=(0.3, 2.6), k=(-1.2, 1), shape=(61, 72)),
        ReciprocalGrid(shape=(128, 128)),
    ],
    ids=["standard", "far from the origin", "beside whole h and k", "128 x 128"],
)
def test_known_correlations_are_found(grid):
    """A spectrum that the series can have: within 0.01, on any window."""
    envelope, background = smooth(grid)
    image = envelope * bessel_spectrum(grid) + background
    fit = physical_fit(image, grid=grid, degrees=(2,))
    assert off(fit, bessel_correlations()) < 0.01
    outside = grid.distance_to_bragg() >= 0.13
    np.testing.assert_allclose(fit.model[outside], image[outside], rtol=0.01)
    assert fit.model.shape == fit.envelope.shape == fit.unseen.shape == grid.shape
    assert min(fit.r2, fit.cv_r2, fit.skill) > 0.999


def test_form_factor_and_background_are_found_up_to_what_cannot_be_told():
    """E within 6 % and B within 0.15 of E: some of S could be B, but E c(i, j) stays.

    With S = x + (1 - x) S', the image is also (1 - x) E S' + (B + x E) with c' = c / (1 - x): only
    the different shapes of E and B speak against it. The product of E and c does not change.
    """
    envelope, background = smooth(STANDARD_GRID)
    image = envelope * bessel_spectrum(STANDARD_GRID) + background
    fit = physical_fit(image)
    np.testing.assert_allclose(fit.envelope, envelope, rtol=0.06)
    assert np.abs(fit.background - background)[AWAY].max() < 0.15 * envelope.min()
    known, largest = bessel_correlations()[0], (0, 1)
    product = fit.envelope * fit.encoding.matrix[largest]
    np.testing.assert_allclose(product, envelope * known[largest], rtol=0.03)
    assert off(fit, bessel_correlations()) < 0.01
    assert sum(fit.weights.values()) == pytest.approx(1)
    assert set(fit.weights) == {2, 3, 4}
    assert fit.spectrum.mean() == pytest.approx(1)
    q = ReciprocalGrid(h=(1 / 64, 63 / 64), k=(1 / 64, 63 / 64), shape=(32, 32))
    np.testing.assert_allclose(fit.spectrum, bessel_spectrum(q), rtol=0.08, atol=0.05)


@pytest.mark.parametrize(
    ("r", "s", "within"), [(-0.5, -0.4, 0.01), (0.5, -0.3, 0.02), (0.4, 0.3, 0.03)]
)
def test_spectra_of_grown_lattices(r, s, within):
    """Their ln S has no end, and clusters have their maximum where Bragg peaks hide it."""
    envelope, background = smooth(STANDARD_GRID)
    image = envelope * poisson_spectrum(STANDARD_GRID, r, s) + background
    fit = physical_fit(image, degrees=(2,))
    matrix = Encoding.product(r, s, 4).matrix
    error = np.abs(fit.encoding.vector - matrix.ravel()[1:])
    assert off(fit, (matrix, matrix[1:, 1:])) < within
    assert (error < 1.645 * fit.standard_error).all()


def test_without_bragg_peaks_every_pixel_counts():
    """Strong clusters, S = 16 at the Bragg positions: 0.09 off beside them, 0.005 with them."""
    envelope, background = smooth(STANDARD_GRID)
    image = envelope * poisson_spectrum(STANDARD_GRID, 0.6, 0.6) + background
    matrix = Encoding.product(0.6, 0.6, 4).matrix
    known = matrix, matrix[1:, 1:]
    beside = physical_fit(image, degrees=(2,))
    assert off(physical_fit(image, bragg_radius=0, degrees=(2,)), known) < 0.005
    assert 0.02 < off(beside, known) < 0.12
    assert (np.abs(beside.encoding.vector - matrix.ravel()[1:]) < beside.standard_error).all()


def test_a_known_form_factor_may_have_nodes():
    """E = 0 along a line, which no polynomial ln E can follow: 0.08 off without it, 0.005 with."""
    x, y = np.linspace(-1, 1, 64)[:, None], np.linspace(-1, 1, 64)[None, :]
    factor = np.exp(0.3 * y - 0.4 * x) * (x + 0.5 * y - 0.2) ** 2
    image = 100 * factor * bessel_spectrum(STANDARD_GRID) + 20
    known = bessel_correlations()
    assert off(physical_fit(image), known) > 0.05
    fit = physical_fit(image, form_factor=7 * factor)
    assert off(fit, known) < 0.006
    np.testing.assert_allclose(fit.background[AWAY], 20, rtol=0.03)


def test_a_known_background_fixes_the_scale():
    """The level follows what is said; without a background the correlations are nearer."""
    envelope, background = smooth(STANDARD_GRID)
    pattern = envelope * bessel_spectrum(STANDARD_GRID)
    known = bessel_correlations()
    fit = physical_fit(pattern, degrees=(2,), background=(0, 0))
    assert off(fit, known) < off(physical_fit(pattern, degrees=(2,)), known) / 2
    assert fit.background.max() < 0.01 * pattern.mean()
    image = pattern + background
    share = background[AWAY].mean() / image[AWAY].mean()
    said = physical_fit(image, degrees=(2,), background=(0.8 * share, 1.2 * share))
    assert said.background.mean() == pytest.approx(background.mean(), rel=0.05)
    assert off(said, known) < 0.005
    wrong = physical_fit(image, degrees=(2,), background=(0, 0))
    assert off(wrong, known) > 0.05
    with pytest.raises(ValueError, match="share of the background"):
        physical_fit(image, background=(0.5, 0.2))


def test_thermal_scattering_is_told_from_the_pattern():
    """A quarter of the intensity is that of acoustic waves: 0.01 off, with E S + B alone 0.14."""
    envelope, background = smooth(STANDARD_GRID)
    q2 = STANDARD_GRID.h_values[:, None] ** 2 + STANDARD_GRID.k_values**2
    waves = q2 / np.maximum(STANDARD_GRID.distance_to_bragg(), 0.05) ** 2
    waves *= 40 / waves[AWAY].mean()
    pattern = envelope * bessel_spectrum(STANDARD_GRID) + background
    plain, fit = physical_fit(pattern), physical_fit(pattern + waves)
    assert off(fit, bessel_correlations()) < 0.015
    share = 40 / (pattern[AWAY].mean() + 40)
    assert fit.thermal == pytest.approx(share, abs=0.04)
    assert plain.thermal < 0.01
    total = (background + waves)[AWAY].mean()
    level = total / (pattern + waves)[AWAY].mean()
    said = physical_fit(pattern + waves, background=(0.95 * level, 1.05 * level))
    assert off(said, bessel_correlations()) < 0.02
    assert said.background[AWAY].mean() == pytest.approx(
        (background + waves)[AWAY].mean(), rel=0.05
    )


def test_a_size_effect_is_taken_out():
    """Maxima that lean outwards, as Warren's sum gives them: 0.002 off, without the term 0.025."""
    envelope, background = smooth(STANDARD_GRID)
    pattern = bessel_spectrum(STANDARD_GRID)
    h, k = STANDARD_GRID.h_values[:, None], STANDARD_GRID.k_values
    for (i, j), beta in {(0, 1): 0.006, (1, 1): -0.004}.items():
        phase = 2 * np.pi * (h * i + k * j)
        pattern = pattern - 2 * beta * phase * np.sin(phase)
    assert pattern.min() > 0
    fit = physical_fit(envelope * pattern + background)
    assert off(fit, bessel_correlations()) < 0.005
    added = envelope * (pattern - bessel_spectrum(STANDARD_GRID))
    spread = (envelope * bessel_spectrum(STANDARD_GRID))[AWAY].std()
    assert fit.size_effect == pytest.approx(added[AWAY].std() / spread, rel=0.05)


def test_one_cell_is_answered_with_wider_errors(found):
    """Where nothing repeats, form factor and spectrum are harder to tell apart."""
    grid = ReciprocalGrid(h=(0, 1), k=(0, 1))
    envelope, background = smooth(grid)
    image = np.random.default_rng(5).poisson(envelope * bessel_spectrum(grid) + background)
    one = physical_fit(image, grid=grid, degrees=(2,))
    error = np.abs(one.encoding.vector - bessel_correlations()[0].ravel()[1:])
    assert (error < 2 * one.standard_error).all()
    assert np.median(one.standard_error / found.standard_error) > 1.2


@pytest.mark.parametrize("factor", [1 / 1024, 1000.0, 1e9])
def test_the_scale_does_not_matter(counts, found, factor):
    """Same encoding and errors; E, B and the images grow with the scale."""
    scaled = physical_fit(factor * counts, degrees=(2,))
    np.testing.assert_allclose(scaled.encoding.vector, found.encoding.vector, atol=1e-7)
    np.testing.assert_allclose(scaled.standard_error, found.standard_error, rtol=1e-4)
    for name in ("envelope", "background", "model", "unseen"):
        expected = factor * getattr(found, name)
        np.testing.assert_allclose(getattr(scaled, name), expected, rtol=1e-5, atol=1e-5 * factor)


def transposed(matrix, opposite):
    return matrix.T, opposite.T


def mirrored(matrix, opposite):
    """c(-i, j) = c(i, -j): the diagonals change places."""
    other = matrix.copy()
    other[1:, 1:] = opposite
    return other, matrix[1:, 1:]


@pytest.mark.parametrize(
    ("turn", "becomes"),
    [
        (np.transpose, transposed),
        (lambda image: image[::-1, ::-1], lambda matrix, opposite: (matrix, opposite)),
        (np.flipud, mirrored),
        (np.fliplr, mirrored),
    ],
    ids=["transposed", "half a turn", "upside down", "left to right"],
)
def test_symmetries_are_exact(counts, found, turn, becomes):
    """An image turned with its axes has the turned answer: no direction is preferred."""
    values = STANDARD_GRID.h_values
    h, k = turn(np.tile(values, (64, 1)).T), turn(np.tile(values, (64, 1)))
    if (h[0] != h[0, 0]).any():  # transposed
        h, k = k, h
    ends = [(-2, 0) if q.ravel()[0] > q.ravel()[-1] else (0, 2) for q in (h, k)]
    fit = physical_fit(turn(counts), grid=ReciprocalGrid(*ends), degrees=(2,))
    assert off(fit, becomes(found.encoding.matrix, found.opposite)) < 1e-5
    np.testing.assert_allclose(fit.model, turn(found.model), rtol=1e-3)


@pytest.fixture(scope="module")
def solved(counts):
    """Problem, values and best fit of a part of the model, as `physical_fit` makes them."""
    used = ~np.isnan(counts)
    problem = Problem(STANDARD_GRID, used, ~AWAY[used], 2)
    values = counts[used] / np.median(counts[used & AWAY])
    best = problem.solve(values, problem.first(values))
    return problem, values, best


def test_covariance_is_the_curvature_by_finite_differences(solved):
    """Slopes of E S + B by differences, weights of Student's t: the inverse of their square."""
    problem, values, best = solved
    theta = best.theta
    slopes = np.empty((len(values), len(theta)))
    for n in range(len(theta)):
        step = 1e-5 * (np.arange(len(theta)) == n)
        up, down = (problem.here.model(theta + d) for d in (step, -step))
        slopes[:, n] = (up - down) / 2e-5
    mean = problem.here.model(theta)
    phi, tau = best.noise
    variance = phi * mean + (tau * mean) ** 2
    weight = (FREEDOM + 1) / (FREEDOM * variance + (values - mean) ** 2)
    weight[problem.limit & (values > mean)] = 0
    curvature = slopes.T @ (weight[:, None] * slopes) + np.diag(problem.precision)
    np.testing.assert_allclose(curvature @ best.covariance, np.eye(len(theta)), atol=1e-4)


def test_the_best_fit_is_a_maximum(solved):
    """Along 40 random directions, Student's t of SciPy does not rise: less than 0.1 errors away.

    The variance of each pixel is held, as in every robust regression with a known scale.
    """
    problem, values, best = solved
    mean = problem.here.model(best.theta)
    phi, tau = best.noise
    scale = np.sqrt(phi * mean + (tau * mean) ** 2)

    def posterior(theta):
        residual = values - problem.here.model(theta)
        counted = ~(problem.limit & (residual > 0))
        return (
            student.logpdf(residual[counted] / scale[counted], FREEDOM).sum()
            - 0.5 * np.sum(problem.precision * theta**2)
            - student.logpdf(0, FREEDOM) * counted.sum()
        )

    rng = np.random.default_rng(2)
    root = np.linalg.cholesky(best.covariance)
    for direction in rng.standard_normal((40, len(root))):
        along = root @ direction / np.linalg.norm(direction)  # one standard error long
        slope = (posterior(best.theta + 1e-4 * along) - posterior(best.theta - 1e-4 * along)) / 2e-4
        assert abs(slope) < 0.1
        assert posterior(best.theta + along) < posterior(best.theta)
        assert posterior(best.theta - along) < posterior(best.theta)


def test_steps_follow_the_likelihood_of_counts(solved, monkeypatch):
    """Without model errors and outliers the gradient is that of Poisson counts of gain phi."""
    monkeypatch.setattr(physical_model, "FREEDOM", 1e9)
    problem, values, best = solved
    phi = best.noise[0]
    theta = best.theta + 0.3 * np.sqrt(np.diag(best.covariance))
    counts = np.round(values / phi)
    counted = ~(problem.limit & (counts * phi > problem.here.model(theta)))

    def posterior(theta):
        mean = problem.here.model(theta) / phi
        likelihood = poisson.logpmf(counts, mean)[counted].sum()
        return likelihood - 0.5 * np.sum(problem.precision * theta**2)

    gradient = problem.equations(counts * phi, theta, (phi, 0.0))[3]
    step = np.sqrt(np.diag(best.covariance))
    numeric = approx_fprime(theta, posterior, 1e-5 * step)
    np.testing.assert_allclose(gradient * step, numeric * step, rtol=1e-3, atol=0.01)


def test_variance_of_the_correlations_by_finite_differences(solved):
    """The delta method with slopes that are differences."""
    problem, _, best = solved
    c, variance = problem.correlations(best.theta, 3), problem.variances(best, 3)

    def correlation(theta, n):
        return problem.correlations(theta, 3)[n]

    for n in (0, 3, 7, 8, 11):  # two near ones, c(2, 2), c(1, -1), c(2, -2)
        slope = approx_fprime(best.theta, correlation, 1e-6, n)
        assert variance[n] == pytest.approx(slope @ best.covariance @ slope, rel=1e-3)
    cell = (
        np.fft.fft2(problem.cell(best.theta))
        / 32**2
        * np.exp(
            -1j * np.pi / 32 * np.add.outer(np.fft.fftfreq(32, 1 / 32), np.fft.fftfreq(32, 1 / 32))
        )
    )
    assert c[0] == pytest.approx(cell[0, 1].real, abs=1e-12)
    assert c[8:] == pytest.approx(cell[[1, 1, 2, 2], [-1, -2, -1, -2]].real, abs=1e-12)


def test_errors_hold_and_are_positive(counts, found):
    """At 100 counts and at 1 in a pixel within the errors; with none to speak of, no answer."""
    envelope, background = smooth(STANDARD_GRID)
    mean = envelope * bessel_spectrum(STANDARD_GRID) + background
    one, none = (
        physical_fit(np.random.default_rng(1).poisson(mean / by).astype(float), degrees=(2,))
        for by in (100, 5000)
    )
    known = bessel_correlations()[0].ravel()[1:]
    for fit in (found, one):
        assert (fit.standard_error > 0).all()
        assert (np.abs(fit.encoding.vector - known) < 2 * fit.standard_error).mean() > 0.9
    assert found.skill > 0.9 > one.skill > 0.2 > none.skill
    assert np.median(one.standard_error) > 1.2 * np.median(found.standard_error)
    assert np.median(none.standard_error) > 0.3


def test_bragg_peaks_change_little(counts, found):
    """Peaks as high as a whole cell of diffuse scattering, inside the discs, at every node."""
    peaks = bragg_peaks(np.zeros((64, 64)), STANDARD_GRID, 1, intensity=1, width=0.02)
    assert (100 * peaks).max() > 10 * np.nanmax(counts)
    fit = physical_fit(counts + 100 * peaks, degrees=(2,))
    change = np.abs(fit.encoding.vector - found.encoding.vector)
    assert change.max() < 0.01


@pytest.mark.parametrize("height", [1e4, 1e12])
def test_hot_pixels_change_little(counts, found, height):
    """Three pixels, whatever they hold."""
    hot = counts.copy()
    hot[[40, 11, 33], [11, 24, 60]] = height
    fit = physical_fit(hot, degrees=(2,))
    np.testing.assert_allclose(fit.encoding.vector, found.encoding.vector, atol=0.005)
    np.testing.assert_allclose(fit.model[AWAY], found.model[AWAY], rtol=0.02)


def test_the_unmeasured_stays_unmeasured(counts, found):
    """E S + B is given everywhere, the unseen prediction where there was a pixel."""
    np.testing.assert_array_equal(np.isnan(found.unseen), np.isnan(counts))
    assert np.isfinite([found.model, found.envelope, found.background]).all()


def test_the_model_is_its_parts():
    """On a grid through the points of the cell, E times S of four cells, what is added, and B."""
    grid = ReciprocalGrid(h=(1 / 64, 127 / 64), k=(1 / 64, 127 / 64))
    envelope, background = smooth(grid)
    fit = physical_fit(envelope * bessel_spectrum(grid) + background, grid=grid, degrees=(2,))
    together = fit.envelope * np.tile(fit.spectrum, (2, 2)) + fit.displaced + fit.background
    np.testing.assert_allclose(fit.model, together, rtol=1e-9)
    assert np.abs(fit.displaced).max() < 1e-3 * fit.model.max()


def test_a_fit_is_plain_data(found):
    """to_dict survives JSON, without NaN."""
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["encoding"] == found.encoding.vector.tolist()
    assert plain["weights"] == {"2": 1.0}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.where(np.arange(4096).reshape(64, 64) < 380, np.eye(64) + 1, np.nan), "needs 400"),
        (np.where(AWAY, 0.0, 5.0), "are 0: there is nothing to fit"),
        (np.zeros((64, 64)), "no pattern"),
        (np.ones((64, 65)), r"shape \(64, 65\).*grid"),
        (np.full((64, 64), np.nan), "every pixel"),
        (np.eye(64) - 0.5, "negative"),
    ],
    ids=["few pixels", "dark but for peaks", "dark", "shape", "NaN", "negative"],
)
def test_bad_images_are_refused(image, message):
    """With words that say what is wrong."""
    with pytest.raises(ValueError, match=message):
        physical_fit(image)


@pytest.mark.parametrize("span", [1, 0, -3, 12])
def test_bad_spans_are_refused(counts, span):
    """The error names the spans that there are and the one that came."""
    with pytest.raises(ValueError, match=f"spans 2 to 11; got {span}"):
        physical_fit(counts, span)
