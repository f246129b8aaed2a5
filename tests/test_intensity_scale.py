"""Images on a logarithmic or square-root scale, as viewers export them."""

import numpy as np
import pytest

from xrlab.crystal.grid import STANDARD_GRID
from xrlab.interpretation.findings import counting_noise, scale
from xrlab.measurement.intensity_scale import INVERSES, counts_behind, noise_exponent
from xrlab.measurement.inversion import without_pattern

RNG = np.random.default_rng(0)
MEAN = 20 + 300 * np.exp(2 * np.sin(np.linspace(0, 9, 64))[:, None] * np.cos(np.linspace(0, 7, 64)))
COUNTS = RNG.poisson(MEAN)
FORWARD = {
    "decimal logarithm": np.log10,
    "natural logarithm": np.log,
    "binary logarithm": np.log2,
    "square root": np.sqrt,
}


@pytest.mark.parametrize("name", INVERSES)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("add", [0, 1])
def test_counts_on_another_scale_are_noticed(name, dtype, add):
    """In single and double precision, of the counts or of one more, with gaps."""
    image = FORWARD[name](COUNTS + add).astype(dtype).astype(float)
    image[10:20] = np.nan
    found, share = counts_behind(image)
    assert found == name
    assert share > 0.99
    finding = scale(image)
    assert not finding.ok
    assert name in finding.sentence


@pytest.mark.parametrize(
    "image",
    [COUNTS.astype(float), COUNTS / COUNTS.mean(), MEAN, RNG.gamma(8, MEAN / 8),
     RNG.random((64, 64)), COUNTS * 0.5, np.where(COUNTS > 900, np.nan, MEAN), COUNTS - 40.5],
)  # fmt: skip
def test_intensities_are_not(image):
    """Counts, what was made of them by a factor, and real numbers of any kind."""
    assert counts_behind(np.maximum(image, 0))[1] < 0.3
    assert scale(np.maximum(image, 0)).ok


def model(background=0.5):
    """E S + B of known parts: E and B differ at q and -q, S does not and has sharp maxima."""
    h, k = np.meshgrid(STANDARD_GRID.h_values, STANDARD_GRID.k_values, indexing="ij")
    x, y = h - 1, k - 1
    waves = np.cos(2 * np.pi * (h + k)) + 0.4 * np.cos(2 * np.pi * (2 * h - k))
    envelope = 1 + 0.5 * x - 0.3 * y + 0.2 * x * y
    return envelope * np.exp(1.5 * waves) + background * (1 - 0.4 * y)


def test_the_half_turn_takes_the_pattern_away():
    """Of an image without noise nothing is left, of counts their noise: a variance of one count."""
    left, _ = without_pattern(model())
    assert np.abs(left).max() < 1e-6
    mean = 2e4 * model()
    left, intensity = without_pattern(RNG.poisson(mean).astype(float))
    ratio = left**2 * mean.mean() / intensity
    assert ratio.mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("exposure", [30, 1e3, 1e5])
@pytest.mark.parametrize(
    ("scaled", "exponent"), [(lambda x: x, 1), (np.sqrt, 0), (lambda x: np.log1p(x), None)]
)
def test_noise_grows_as_a_power_of_the_intensity(exposure, scaled, exponent):
    """1 for counts and 0 for their roots, however few or many; of logarithms it falls."""
    image = RNG.poisson(exposure * model(background=0.0)).astype(float)
    image[10:12] = np.nan
    value = noise_exponent(scaled(image), STANDARD_GRID)
    if exponent is None:
        assert value < -0.5
    else:
        assert value == pytest.approx(exponent, abs=0.35)
    assert counting_noise(scaled(image), STANDARD_GRID).ok == (exponent == 1)


@pytest.mark.parametrize(
    "image",
    [model(), model() + model()[::-1, ::-1], np.full((64, 64), np.nan), np.zeros((64, 64)),
     np.where(np.arange(64) < 5, COUNTS, np.nan)],
)  # fmt: skip
def test_without_noise_nothing_is_said(image):
    """Exact images, those that were averaged over symmetry, and too few pixels."""
    assert np.isnan(noise_exponent(image, STANDARD_GRID))
