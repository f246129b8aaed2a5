"""How well any reader could read a measured image: a bound from the photons that were counted.

The expected count of a pixel is t (blurred (E S + A)): spectrum S, squared form factor E, peaks and
background A, exposure t. S, E and A are unknown, each with a normal law that is taken from draws of
it: a mean and principal components. Around the truth this is a linear problem with noise of known
variance, so the posterior covariance is (D' W D + P)^-1, with the derivatives D, the inverse
variances W and the prior precision P: the Bayesian Cramer-Rao bound (van Trees, Detection,
Estimation, and Modulation Theory I, 1968, section 2.4). A reader who is given E and A has S alone
to find. Both are optimistic: they know the law of the lattices and of the instrument, the blur, the
exposure and the bad pixels.

``python -m xrlab.trials.photon_limit`` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from xrlab.crystal.arrays import Floats, Reals
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.setting import SETTING, SPAN
from xrlab.datasets.dataset import generate
from xrlab.drawing.tables import markdown_table
from xrlab.inference.metrics import r2_score
from xrlab.measurement.effects import blur
from xrlab.measurement.instrument import PRESETS, Instrument, Measurement, preset
from xrlab.trials.command import images_and_seed
from xrlab.trials.crystals import maximum_entropy_crystal
from xrlab.trials.trial import measurements

# Principal components of S, and of E and A. The bound rises with them, ever less: on 20 images of
# "bad day" it is 0.954, 0.959, 0.961 and 0.962 with 400, 600, 800 and 1000 of S, and of E and A in
# proportion. Draws that their laws are estimated from.
COMPONENTS = {"S": 1000, "E": 150, "A": 300}
DRAWS = 2000

# Effects that E and A consist of.
OPTICS = ("envelope", "bragg", "background")
LAWS = "only their laws known"

# Least expected counts of a pixel, so that one without any still has a variance.
LEAST_COUNTS = 1e-3


@dataclass(frozen=True, eq=False)
class Law:
    """A normal law of images.

    Parameters
    ----------
    mean : array, shape (64, 64)
    components : array, shape (k, 64, 64)
        Each is as long as its coefficient's standard deviation: coefficients have variance 1.
    left : array, shape (64, 64)
        Variance of every pixel that the components leave out.
    """

    mean: Floats
    components: Floats
    left: Floats

    @classmethod
    def of(cls, images: Reals, n_components: int) -> Law:
        """Estimate the law from images, shape (n, 64, 64)."""
        flat = np.reshape(images, (len(images), -1)).astype(np.float64)
        mean = flat.mean(axis=0)
        _, sizes, axes = np.linalg.svd(flat - mean, full_matrices=False)
        sizes = sizes[:n_components] / np.sqrt(len(flat))
        components = sizes[:, None] * axes[:n_components]
        left = np.maximum(flat.var(axis=0) - (components**2).sum(axis=0), 0)
        shape = images.shape[1:]
        return cls(mean.reshape(shape), components.reshape(-1, *shape), left.reshape(shape))


def posterior_covariance(
    measurement: Measurement, spectrum: Law, factor: Law | None = None, added: Law | None = None
) -> Floats:
    """Bound the covariance of the coefficients of S, given one measurement.

    Parameters
    ----------
    measurement : Measurement
        By an instrument with the effects envelope, bragg, background, blur and counting.
    spectrum : Law
        Of clean images, S.
    factor, added : Law, optional
        Of E and of A, peaks and background together; what is not given is known.

    Returns
    -------
    array, shape (k, k)
    """
    clean = measurement.stages["clean"]
    envelope = np.nan_to_num(measurement.factor("envelope"))
    width = measurement.parameters["blur"]["width"]
    exposure = measurement.parameters["counting"]["exposure"]
    seen = np.isfinite(measurement.image) & (measurement.image == measurement.stages["counting"])

    fields = [envelope * spectrum.components]
    if factor is not None:
        fields.append(clean * factor.components)
    if added is not None:
        fields.append(added.components)
    derivatives = _blurred(np.concatenate(fields), width)[:, seen]
    counts = np.maximum(measurement.before("counting"), LEAST_COUNTS / exposure)
    variance = (counts / exposure + envelope**2 * spectrum.left)[seen]
    precision = (derivatives / variance) @ derivatives.T + np.eye(len(derivatives))
    n = len(spectrum.components)
    return np.linalg.inv(precision)[:n, :n]


def _blurred(images: Floats, width: float) -> Floats:
    """Blur many images at once, by the matrix of `xrlab.measurement.effects.blur`."""
    size = images.shape[-1]
    rows = np.array([blur(np.tile(unit, (size, 1)), width=width)[0] for unit in np.eye(size)])
    blurred: Floats = np.einsum("ha,nhk,kb->nab", rows, images, rows, optimize=True)
    return blurred


def crystals(n_images: int, seed: int) -> tuple[Floats, Floats]:
    """Make images without grain by `maximum_entropy_crystal`, and their vectors of span 4."""
    made = (maximum_entropy_crystal(np.random.default_rng([seed, i])) for i in range(n_images))
    images, vectors = zip(*made, strict=True)
    return np.array(images), np.array(vectors)


def grainy(n_images: int, seed: int) -> tuple[Reals, Reals]:
    """Make images of finite lattices, those of the trials, and their vectors of span 4."""
    lattices = generate(SPAN, n_images, seed, SETTING, progress=False)
    return lattices.images, lattices.encodings


def limits(
    name: str,
    n_images: int,
    seed: int = 4711,
    make: Callable[[int, int], tuple[Reals, Reals]] = grainy,
) -> dict[str, float]:
    """Return the greatest R^2 on the trial of a preset: mean over the 15 correlations of span 4.

    Parameters
    ----------
    name : {"laboratory", "synchrotron", "bad day"}
    n_images : int
    seed : int
    make : callable
        `grainy`, the images of `xrlab.trials.trial.trials`, or `crystals`.

    Returns
    -------
    dict
        ``"E and A known"``, ``"only their laws known"`` (`LAWS`), and ``"network"``, what the
        shipped network has on the same images.
    """
    from xrlab.networks.predict import predict

    instrument = preset(name)
    images, encodings = make(DRAWS, seed + 1)
    spectrum = Law.of(images, COMPONENTS["S"])
    slope, residual = _regression(spectrum, images, encodings)
    optics = Instrument(tuple(e for e in instrument.effects if e[0] in OPTICS))
    drawn = [optics.measure(np.ones(STANDARD_GRID.shape), seed=seed + 2 + i) for i in range(DRAWS)]
    factor = Law.of(np.array([m.stages["envelope"] for m in drawn]), COMPONENTS["E"])
    added = Law.of(np.array([m.image - m.stages["envelope"] for m in drawn]), COMPONENTS["A"])

    clean, true = make(n_images, seed)
    measured = measurements(name, clean, seed)
    answers, _ = predict(np.array([m.image for m in measured]), SPAN, "measured")
    bounds = {"network": r2_score(true, answers)}
    spread = true.var(axis=0)
    for title, laws in {"E and A known": (), LAWS: (factor, added)}.items():
        covariances = [posterior_covariance(m, spectrum, *laws) for m in measured]
        error = np.mean([np.diag(slope.T @ c @ slope) for c in covariances], axis=0) + residual
        bounds[title] = float(1 - (error / spread).mean())
    return bounds


def _regression(law: Law, images: Reals, encodings: Reals) -> tuple[Floats, Floats]:
    """Slopes of the encodings over the coefficients, (k, 15), and what they leave of the variance.

    Whatever the linear problem loses of an encoding, a better reader may find.
    """
    sizes = (law.components**2).sum(axis=(1, 2))
    coefficients = np.einsum("nhk,chk->nc", images - law.mean, law.components, optimize=True)
    coefficients /= sizes
    offset = encodings - encodings.mean(axis=0)
    slope = coefficients.T @ offset / len(offset)
    return slope, ((offset - coefficients @ slope) ** 2).mean(axis=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    n_images, seed = images_and_seed("photon_limit", __doc__, 100, 4711, arguments)
    rows = []
    names = [name for name in PRESETS if name != "clean"]
    for (kind, make), name in product({"grainy": grainy, "crystal": crystals}.items(), names):
        bounds = limits(name, n_images, seed, make)
        ratio = (1 - bounds["network"]) / (1 - bounds[LAWS])
        shown = [f"{bounds[key]:.3f}" for key in ("network", LAWS, "E and A known")]
        rows.append([f"{kind}, {name}", *shown, f"{ratio:.1f}"])
    heads = ["trial", "network R²", "only the laws of E and A known", "E and A known", "MSE ratio"]
    print(markdown_table(heads, rows))


if __name__ == "__main__":
    main()
