"""Images on a logarithmic or square-root scale, as viewers export them."""

import numpy as np
import pytest

from xrlab.interpretation.findings import scale
from xrlab.measurement.intensity_scale import INVERSES, counts_behind

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
