"""Validation images: measurements with known encodings, and images that no encoding explains.

``python -m xrlab.trials.strangers`` prints what `xrlab.interpret` makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from xrlab.crystal.arrays import Image, Reals
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.setting import SETTING
from xrlab.datasets.dataset import generate
from xrlab.datasets.parallel import in_parallel
from xrlab.measurement.effects import bad_pixels, bragg_peaks, counting, gaps
from xrlab.trials.command import images_and_seed


def known_measurements(n_samples: int, seed: int) -> tuple[Image, Image]:
    """Measure lattices of known encoding as a crystal might be measured.

    Lattices of 96 x 96 sites with realisable targets of span 4, seen through an envelope
    exp(polynomial of degree 2 or 3), with a sloping background of 0.05 to 1 times the mean, Bragg
    peaks, gaps of a detector, hot pixels, and 30 to 1000 counts in a pixel of mean intensity.

    Returns
    -------
    images, vectors : float64 arrays, shapes (n, 64, 64) and (n, 15)
        Counts divided by the exposure, NaN where unmeasured; realised correlations.
    """
    data = generate(4, n_samples, seed, SETTING, progress=False)
    images = [
        smooth_measurement(image, np.random.default_rng([seed, 7, i]))
        for i, image in enumerate(data.images)
    ]
    return np.array(images), np.asarray(data.encodings, np.float64)


def smooth_measurement(clean: Reals, rng: np.random.Generator) -> Image:
    """Measure one clean image of 64 x 64 pixels; see `known_measurements`."""
    grid = STANDARD_GRID
    x, y = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64), indexing="ij")
    logarithm = np.zeros(grid.shape)
    degree = int(rng.integers(2, 4))
    for m in range(degree + 1):
        for n in range(degree + 1 - m):
            logarithm += rng.normal(0, 0.6 / max(m + n, 1)) * x**m * y**n
    envelope = np.exp(logarithm)
    image = clean * envelope / envelope.mean()
    slope = rng.uniform(-0.4, 0.4, 2)
    image += np.exp(rng.uniform(np.log(0.05), 0)) * (1 + slope[0] * x + slope[1] * y)
    strength, width = np.exp(rng.uniform(np.log(0.1), np.log(5))), rng.uniform(0.008, 0.025)
    image = bragg_peaks(image, grid, rng, intensity=strength, width=width)
    image = counting(image, grid, rng, exposure=np.exp(rng.uniform(np.log(30), np.log(1000))))
    image = bad_pixels(image, grid, rng, hot=rng.uniform(0, 0.003), dead=0.0)
    for axis in (0, 1):
        if rng.random() < 0.5:
            width, period = rng.uniform(0.04, 0.1), rng.uniform(0.9, 1.8)
            image = gaps(image, grid, rng, width=width, period=period, axis=axis)
    return image


def unexplained_images(seed: int = 0) -> dict[str, Image]:
    """Make twelve images of eight kinds that no encoding explains, 64 x 64 pixels each."""
    return {
        name: make(np.random.default_rng([seed, number]))
        for number, (name, make) in enumerate(UNEXPLAINED.items())
    }


def _powder(rng: np.random.Generator, rings: int = 5) -> Image:
    h, k = np.meshgrid(np.arange(64.0), np.arange(64.0), indexing="ij")
    radius = np.hypot(h - rng.uniform(-20, 10), k - rng.uniform(-20, 10))
    image = np.full((64, 64), 20.0)
    for place in np.sort(rng.uniform(20, 75, rings)):
        image += rng.uniform(60, 300) * np.exp(-(((radius - place) / rng.uniform(1, 2.5)) ** 2) / 2)
    return rng.poisson(image).astype(float)


def _protein(rng: np.random.Generator, spots: int = 50) -> Image:
    image = np.full((64, 64), 15.0)
    for row, column in rng.uniform(0, 63, (spots, 2)).astype(int):
        image[row, column] += rng.exponential(4000)
    return rng.poisson(ndimage.gaussian_filter(image, 1.0)).astype(float)


def _photograph(rng: np.random.Generator, stripes: bool = False) -> Image:
    """Objects one in front of another, each with its own brightness."""
    h, k = np.meshgrid(np.arange(64.0), np.arange(64.0), indexing="ij")
    image = 90 + 60 * h / 64
    for _ in range(9):
        centre, radii = rng.uniform(0, 64, 2), rng.uniform(4, 18, 2)
        inside = ((h - centre[0]) / radii[0]) ** 2 + ((k - centre[1]) / radii[1]) ** 2 < 1
        shade = rng.uniform(20, 250)
        texture = 30 * np.sin(k * rng.uniform(0.5, 1.3)) if stripes else 0.0
        image = np.where(inside, shade + texture, image)
    return np.round(np.clip(ndimage.gaussian_filter(image, 0.7), 0, 255))


def _displacive(rng: np.random.Generator, strength: float = 0.2) -> Image:
    """Waves of displacement: |sum exp 2 pi i q (r + u)|^2 less its average, rising with q^2.

    Sites move along a and b with correlated normal displacements u of standard deviation
    `strength` cells; maxima sit at one side of the Bragg peaks only, and differ from cell to cell.
    """
    size, grid = 48, STANDARD_GRID
    total = np.zeros(grid.shape)
    places = np.arange(size)
    for _ in range(8):
        u = ndimage.gaussian_filter(rng.standard_normal((2, size, size)), (0, 2, 2), mode="wrap")
        u *= strength / u.std(axis=(1, 2), keepdims=True)
        s = np.where(u[0] > 0, 1.0, 0.4)  # large sites push their neighbours away
        for a, h in enumerate(grid.h_values):
            along = np.exp(2j * np.pi * h * (places[:, None] + u[0]))
            wave = s * along
            phases = np.exp(2j * np.pi * np.multiply.outer(grid.k_values, places))
            full = np.exp(2j * np.pi * np.multiply.outer(grid.k_values, u[1]))
            amplitude = np.einsum("xy,kxy,ky->k", wave, full, phases, optimize=True)
            total[a] += np.abs(amplitude) ** 2
    return rng.poisson(40 * total / np.median(total)).astype(float)


def _other_cell(rng: np.random.Generator) -> Image:
    """Cut a disordered crystal's pattern askew: nothing repeats where the axes say."""
    data = generate(4, 1, int(rng.integers(1 << 31)), SETTING, progress=False)
    turned = ndimage.rotate(np.tile(data.images[0][:63, :63], (2, 2)), 31, reshape=False, order=1)
    image = ndimage.zoom(turned[30:80, 30:80], 64 / 50, order=1)[:64, :64]
    return rng.poisson(80 * np.maximum(image, 0) + 10).astype(float)


def _streaks(rng: np.random.Generator) -> Image:
    h, k = np.meshgrid(np.arange(64.0), np.arange(64.0), indexing="ij")
    image = np.full((64, 64), 20.0)
    angle = rng.uniform(0.3, 0.6)
    for offset in rng.uniform(-30, 60, 5):
        image += rng.uniform(50, 200) * np.exp(-((k - offset - angle * h) ** 2) / 3)
    return rng.poisson(image).astype(float)


# How the image of each name is made.
UNEXPLAINED: dict[str, Callable[[np.random.Generator], Image]] = {
    "powder rings": _powder,
    "one powder ring": lambda rng: _powder(rng, rings=1),
    "protein frame": _protein,
    "crowded protein frame": lambda rng: _protein(rng, spots=160),
    "nothing but counting noise": lambda rng: rng.poisson(40, (64, 64)).astype(float),
    "noise on a slope": lambda rng: rng.poisson(np.linspace(5, 80, 64), (64, 64)).astype(float),
    "photograph": _photograph,
    "photograph of stripes": lambda rng: _photograph(rng, stripes=True),
    "displacive disorder": _displacive,
    "stronger displacive disorder": lambda rng: _displacive(rng, strength=0.35),
    "cell of another size": _other_cell,
    "streaks of a stacking fault, askew": _streaks,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Interpret all of them and print how often answer, error and warning were right."""
    from xrlab.inference.metrics import r2_score
    from xrlab.interpretation.interpret import interpret
    from xrlab.trials.trial import NINETY

    n_images, seed = images_and_seed("strangers", main.__doc__, 200, 2311, arguments)
    images, vectors = known_measurements(n_images, seed)
    strangers = unexplained_images(seed)
    results = list(in_parallel(interpret, [*images, *strangers.values()]))
    known = results[: len(images)]
    fits = [result.fit for result in known if result.fit]
    for name, answers, errors in (
        ("answer", [r.encoding.vector for r in known], [r.standard_error for r in known]),
        ("physical fit", [f.encoding.vector for f in fits], [f.standard_error for f in fits]),
    ):
        held = np.abs(np.array(answers) - vectors) < NINETY * np.array(errors)
        r2 = r2_score(vectors, np.array(answers))
        print(f"{name}: R2 {r2:.4f}, 90 % intervals hold {held.mean():.1%}")
    for key in dict.fromkeys(finding.key for result in known for finding in result.findings):
        failed = sum(not f.ok for result in known for f in result.findings if f.key == key)
        print(f"{key}: beyond its limit in {failed} of {len(known)} of known encoding")
    wrong = sum(not result.explained for result in known)
    print(f"called not explained: {wrong} of {len(known)} of known encoding")
    for name, result in zip(strangers, results[len(images) :], strict=True):
        numbers = ", ".join(f"{f.key} {f.value:.2f}" for f in result.findings[:2])
        least = result.standard_error.min()
        keys = ", ".join(f.key for f in result.findings if not f.ok) or "nothing"
        print(f"{name}: {result.status}, {numbers}, least standard error {least:.2f}; fails {keys}")


if __name__ == "__main__":
    main()
