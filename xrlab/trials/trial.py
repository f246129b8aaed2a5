"""Trials of the methods that read measured images: spoiled images of known encoding.

``python -m xrlab.trials.trial`` prints the table. No image, sampler seed or instrument of a trial
takes part in any training; `xrlab.trials.independent` holds the kept-out simulator and instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xrlab.crystal.arrays import Floats, Reals, Singles
from xrlab.crystal.lattice import realised_correlations
from xrlab.crystal.setting import SETTING, SPAN
from xrlab.datasets.dataset import generate
from xrlab.datasets.parallel import in_parallel
from xrlab.drawing.tables import markdown_table
from xrlab.inference.baselines import vectors
from xrlab.inference.metrics import mean_squared_error, r2_score
from xrlab.measurement.instrument import PRESETS, Measurement, preset
from xrlab.trials.command import images_and_seed
from xrlab.trials.independent import thermal_lattice, unseen_measurement
from xrlab.trials.rivals import RIVALS

NAMES = (*PRESETS, "unseen instrument", "unseen lattices", "unseen both")

# Half the width of a 90 % interval of a normal distribution, in standard errors.
NINETY = 1.645


@dataclass(frozen=True, eq=False)
class Trial:
    """Images of lattices whose realised encodings are known.

    Parameters
    ----------
    name : str
    images : float array, shape (n, 64, 64)
        NaN where unmeasured.
    encodings : float array, shape (n, 15)
    """

    name: str
    images: Reals
    encodings: Reals


@dataclass(frozen=True, eq=False)
class Score:
    """How well a method did on a trial.

    Parameters
    ----------
    r2, mse : float
        Of the encodings; R^2 is the mean over the components.
    coverage : array, shape (15,)
        Part of the true values within the 90 % interval, for each component.
    rival_r2, rival_mse : float
        On the same images, of the best of the `RIVALS`, chosen afterwards: none of them is always
        the best.
    rival : str
        Which that is.
    inpainted_mse : float
        Of the plain rival, Delta-PDF after in-painting.
    """

    r2: float
    mse: float
    coverage: Floats
    rival_r2: float
    rival_mse: float
    rival: str = ""
    inpainted_mse: float = np.nan


def trials(n_samples: int, seed: int, names: Sequence[str] = ()) -> Iterator[Trial]:
    """Make the trials, or those that are named, each of n images.

    "clean", "laboratory", "synchrotron", "bad day": Monte Carlo lattices, 96/48/64, realisable
    targets, through the preset of that name. "unseen instrument": the same lattices through that of
    `xrlab.trials.independent`. "unseen lattices": those of `xrlab.trials.independent` through the
    laboratory preset. "unseen both".
    """
    for name in names:
        if name not in NAMES:
            raise ValueError(f"there is no trial {name!r}; take some of {', '.join(NAMES)}")
    chosen = [name for name in NAMES if name in names or not names]
    if any(name in chosen for name in [*PRESETS, "unseen instrument"]):
        data = generate(SPAN, n_samples, seed, SETTING, progress=False)
    if any(name in chosen for name in ("unseen lattices", "unseen both")):
        thermal, thermal_encodings = _thermal(n_samples, seed)
    for name in chosen:
        clean, encodings = (
            (thermal, thermal_encodings)
            if name in ("unseen lattices", "unseen both")
            else (data.images, data.encodings)
        )
        if name in ("unseen instrument", "unseen both"):
            images = [
                unseen_measurement(image, np.random.default_rng([seed, NAMES.index(name), i]))
                for i, image in enumerate(clean)
            ]
        else:
            images = [measurement.image for measurement in measurements(name, clean, seed)]
        yield Trial(name, np.array(images), encodings)


def measurements(name: str, clean: Reals, seed: int) -> list[Measurement]:
    """Measure the clean images of a trial by its preset, as `trials` does, with all stages."""
    instrument = preset("laboratory" if name == "unseen lattices" else name)
    seeds = np.random.SeedSequence([seed, NAMES.index(name)]).generate_state(len(clean))
    return [
        instrument.measure(image, seed=int(each)) for image, each in zip(clean, seeds, strict=True)
    ]


def _thermal(n_samples: int, seed: int) -> tuple[Singles, Floats]:
    def make(index: int) -> tuple[Singles, Floats]:
        rng = np.random.default_rng([seed, 1, index])
        sites = thermal_lattice(rng, SETTING.size)
        return SETTING.image(sites, rng), realised_correlations(sites, SPAN).vector

    images, encodings = zip(*in_parallel(make, range(n_samples)), strict=True)
    return np.array(images), np.array(encodings)


def score(trial: Trial, read: Callable[[Reals], tuple[Floats, Floats]]) -> Score:
    """Score a method that gives means and standard errors of a stack of images."""
    mean, error = read(trial.images)
    estimates = {name: vectors(rival, trial.images) for name, rival in RIVALS.items()}
    errors = {name: mean_squared_error(trial.encodings, each) for name, each in estimates.items()}
    best = min(errors, key=errors.__getitem__)
    return Score(
        r2=r2_score(trial.encodings, mean),
        mse=mean_squared_error(trial.encodings, mean),
        coverage=np.mean(np.abs(mean - trial.encodings) < NINETY * error, axis=0),
        rival_r2=r2_score(trial.encodings, estimates[best]),
        rival_mse=errors[best],
        rival=best,
        inpainted_mse=errors["in-painted"],
    )


def table(scores: dict[str, Score]) -> str:
    """Write scores as a Markdown table."""
    heads = ["trial", "network R²", "MSE", "best ΔPDF", "its R²", "MSE ratio"]
    heads += ["MSE ratio to ΔPDF after in-painting alone", "90 % intervals hold", "by component"]
    rows = [
        (
            name,
            f"{s.r2:.4f}",
            f"{s.mse:.5f}",
            s.rival,
            f"{s.rival_r2:.3f}",
            f"{s.rival_mse / s.mse:.1f}",
            f"{s.inpainted_mse / s.mse:.1f}",
            f"{s.coverage.mean():.1%}",
            f"{s.coverage.min():.1%} to {s.coverage.max():.1%}",
        )
        for name, s in scores.items()
    ]
    return markdown_table(heads, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of the shipped network."""
    from xrlab.networks.predict import predict

    drawn = trials(*images_and_seed("trial", __doc__, 1000, 4711, arguments))
    scores = {trial.name: score(trial, lambda images: predict(images, SPAN)) for trial in drawn}
    print(table(scores))


if __name__ == "__main__":
    main()
