"""What corrections do to the correlations: their bias on images of known encoding, measured.

``python -m xrlab.trials.correction_bias`` prints the table of all filters and recommended
pipelines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from inspect import Parameter

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from xrlab.crystal.arrays import Floats, Image, Reals
from xrlab.crystal.grid import as_image
from xrlab.crystal.setting import SETTING, SPAN
from xrlab.datasets.dataset import make_sample
from xrlab.drawing.tables import markdown_table
from xrlab.inference.delta_pdf import delta_pdf
from xrlab.inference.metrics import r2_score
from xrlab.measurement import effects, filling, instrument
from xrlab.measurement.filling import fill_unmeasured
from xrlab.measurement.pipeline import FILTERS, RECOMMENDED, Pipeline
from xrlab.trials.command import images_and_seed
from xrlab.trials.trial import Trial, trials

Correction = Callable[[ArrayLike], Image]

# The change of a correlation that a harmless filter may cause.
HARMLESS = 0.01
SPOILED = ("laboratory", "synchrotron", "bad day")

# For filters that have parameters without a default: those of the study of 2023.
PARAMETERS: dict[str, dict[str, float]] = {
    "compress_peaks": {"threshold": 1.66, "gamma": 20.0},
    "match_log_moments": {"mean": -2.218, "factor": 1.5},
}


@dataclass(frozen=True)
class Bias:
    """What one correction does to the Delta-PDF encodings of many images.

    Parameters
    ----------
    name : str
    mean, rms, largest : float
        Of the change c(after) - c(before) on clean images, over all components: mean, root mean
        square, and largest absolute value.
    gain : float
        Slope of after against before: below 1, the correction weakens correlations.
    r2 : dict
        R^2 of the encodings after the correction against the true ones, by kind of image; NaN if
        it refuses one of the images.
    refused : dict
        What it said then, by kind of image.
    """

    name: str
    mean: float
    rms: float
    largest: float
    gain: float
    r2: dict[str, float]
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def harmless(self) -> bool:
        """Whether no correlation changed by more than 0.01 on a clean image."""
        return self.largest <= HARMLESS


@dataclass(frozen=True)
class BiasTable:
    """The bias of several corrections on the same images.

    Parameters
    ----------
    rows : tuple of Bias
    before : dict
        R^2 without any correction, by kind of image.
    n_samples, seed : int
        Images of each kind, and the seed of their lattices.
    """

    rows: tuple[Bias, ...]
    before: dict[str, float]
    n_samples: int
    seed: int

    def __getitem__(self, name: str) -> Bias:
        for row in self.rows:
            if row.name == name:
                return row
        raise ValueError(
            f"no correction {name!r} in this table; it has {', '.join(r.name for r in self.rows)}"
        )

    def markdown(self) -> str:
        """Write the table in Markdown."""
        heads, *rows = self._cells()
        return markdown_table(heads, rows)

    def __str__(self) -> str:
        """Write the table as plain text, in columns."""
        rows = self._cells()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if n == 0 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )

    def _cells(self) -> list[list[str]]:
        heads = ["correction", "mean change", "RMS", "largest", "gain"]
        rows = [
            heads + [f"R² {kind}" for kind in self.before],
            ["(none)", "0", "0", "0", "1", *(f"{r2:.3f}" for r2 in self.before.values())],
        ]
        for row in self.rows:
            cells = [row.name, f"{row.mean:+.4f}", f"{row.rms:.4f}", f"{row.largest:.4f}"]
            cells += [f"{row.gain:.2f}", *(_figure(row.r2[kind]) for kind in self.before)]
            rows.append(cells)
        return rows


def _figure(r2: float) -> str:
    return "refused" if np.isnan(r2) else f"{r2:.3f}"


def standard_corrections() -> dict[str, Correction]:
    """Every registered filter as it is by default, by name.

    `divide_form_factor` is not among them: what it does depends on the form factor alone.
    """
    return {
        name: Pipeline(((each.function, PARAMETERS.get(name, {})),))
        for name, each in FILTERS.items()
        if name in PARAMETERS or Parameter.empty not in each.parameters.values()
    }


def cut_gaps(image: ArrayLike) -> Image:
    """Cut stripes and a beam stop out of an image on the standard grid, always the same ones."""
    cut = as_image(image, SETTING.grid.shape)
    for axis in (0, 1):
        cut = effects.gaps(cut, width=0.08, period=3, axis=axis, offset=0.55)
    return effects.beam_stop(cut, radius=0.2)


def round_trips() -> dict[str, Correction]:
    """Return corrections that cut gaps and then fill them, or not: nothing should have changed."""
    ways: dict[str, tuple[Correction, ...]] = {
        "left open": (),
        "fill_unmeasured": (fill_unmeasured,),
        "fill_biharmonic": (filling.fill_biharmonic,),
        "fill_symmetric": (filling.fill_symmetric,),
        "fill_periodic": (filling.fill_periodic,),
        "fill_symmetric, fill_periodic": (filling.fill_symmetric, filling.fill_periodic),
    }
    return {
        f"gaps: {name}": Pipeline(tuple((each, {}) for each in (cut_gaps, *way)))
        for name, way in ways.items()
    }


@lru_cache(maxsize=64)
def example(kind: str = "laboratory", seed: int = 0) -> tuple[Image, Floats]:
    """Simulate one image of the kind that `bias_images` makes, and its realised encoding.

    Parameters
    ----------
    kind : str
        Name of a preset of `xrlab.measurement.instrument`.
    seed : int
        Of lattice and measurement.

    Returns
    -------
    image : float64 array, shape (64, 64)
    encoding : array, shape (15,)
    """
    clean, realised, _ = make_sample(SPAN, seed, 0, SETTING)
    return instrument.preset(kind).measure(clean, seed=seed).image, realised.vector


def bias_images(
    n_samples: int = 20, seed: int = 404, spoiled: Sequence[str] = SPOILED
) -> list[Trial]:
    """Simulate the images of `bias_table`: clean ones first, then the same lattices spoiled.

    Monte Carlo lattices of setting 96/48/64 and realisable targets of span 4; see
    `xrlab.trials.trial`.
    """
    return list(trials(n_samples, seed, ["clean", *spoiled]))


def bias_table(
    corrections: Mapping[str, Correction] | None = None,
    n_samples: int = 20,
    seed: int = 404,
    spoiled: Sequence[str] = SPOILED,
    images: Sequence[Trial] | None = None,
) -> BiasTable:
    """Measure what corrections do to the encodings read off images whose truth is known.

    Each image is read by `delta_pdf`, which takes NaN as unmeasured, before and after; the truth
    is the realised encoding of its lattice, as a whole and not only the lots.

    Parameters
    ----------
    corrections : mapping from name to function or Pipeline, optional
        All filters of `standard_corrections` if not given.
    n_samples : int
        Images of each kind, 2 or more.
    seed : int
        Of the lattices.
    spoiled : names of presets of `xrlab.measurement.instrument`
    images : list of Trial, optional
        Those of `bias_images`, when they exist already.

    Examples
    --------
    >>> table = bias_table({"half": lambda x: x / 2}, n_samples=3, spoiled=())
    >>> table["half"].harmless
    True
    """
    if n_samples < 2:
        raise ValueError(f"R² needs 2 images or more; got {n_samples}")
    kinds = bias_images(n_samples, seed, spoiled) if images is None else images
    if corrections is None:
        corrections = standard_corrections()
    before = {kind.name: _read(None, kind.images) for kind in kinds}
    clean = before[kinds[0].name]
    rows = []
    for name, correction in corrections.items():
        r2, refused = {}, {}
        change, gain = np.full(1, np.nan), np.nan
        for kind in kinds:
            try:
                after = _read(correction, kind.images)
            except ValueError as error:
                r2[kind.name], refused[kind.name] = np.nan, str(error)
                continue
            r2[kind.name] = r2_score(kind.encodings, after)
            if kind is kinds[0]:
                change = after - clean
                gain = float(np.sum(after * clean) / np.sum(clean**2))
        mean, rms, largest = change.mean(), np.sqrt(np.mean(change**2)), np.abs(change).max()
        rows.append(Bias(name, float(mean), float(rms), float(largest), gain, r2, refused))
    return BiasTable(
        tuple(rows),
        {kind.name: r2_score(kind.encodings, before[kind.name]) for kind in kinds},
        len(kinds[0].images),
        seed,
    )


def read_encoding(image: ArrayLike) -> Floats:
    """Vector of the Delta-PDF encoding, span 4, of an image on the standard grid."""
    return delta_pdf(image, SPAN, SETTING.grid, SETTING.lot_size).vector


def _read(correction: Correction | None, images: Reals) -> Floats:
    with threadpool_limits(1):  # the matrices are small: threads only get into each other's way
        return np.array([read_encoding(correction(x) if correction else x) for x in images])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    n_images, seed = images_and_seed("correction_bias", __doc__, 100, 404, arguments)
    corrections = standard_corrections() | round_trips()
    corrections |= {f"recommended: {name}": pipeline for name, pipeline in RECOMMENDED.items()}
    print(bias_table(corrections, n_images, seed).markdown())


if __name__ == "__main__":
    main()
