"""What a measurement does to a clean image S: E(q) S(q) + B(q), blurred, counted and spoiled.

Every effect is a function ``effect(image, grid, seed, **parameters)`` that returns a new image,
float64. An image has the shape of the grid, no negative values, and NaN where nothing was measured;
those pixels stay NaN. Intensities are in Laue monotonic units, in which the mean diffuse scattering
is 1. Places, widths and |q| = sqrt(h^2 + k^2) are in reciprocal lattice units (r.l.u., the cell
taken as square), so that an effect looks the same on coarse and on fine grids. The seed is an int
or a numpy Generator; effects without chance ignore it. Arguments out of range raise a ValueError.
Your own effect is any function of this form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Image, Mask
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.measurement import effects
from xrlab.measurement.effects import Effect, Seed, checked_image


@dataclass(frozen=True)
class Range:
    """A parameter that is drawn anew for every measurement.

    Parameters
    ----------
    low, high : float
        Ends.
    log : bool
        Whether its logarithm is uniform, rather than the value itself. Needs low > 0.

    Examples
    --------
    >>> 10 <= Range(10, 1000, log=True).draw(np.random.default_rng(0)) <= 1000
    True
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not -np.inf < self.low <= self.high < np.inf or (self.log and self.low <= 0):
            raise ValueError(
                f"a Range goes from a lower to a higher number, above 0 if log=True; got {self}"
            )

    def draw(self, rng: np.random.Generator) -> float:
        """Return one value."""
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, eq=False)
class Measurement:
    """One measured image and how it came about.

    Parameters
    ----------
    stages : dict of float64 arrays
        The image as it came as ``"clean"``, then the image after every effect, by name.
    parameters : dict of dicts
        The parameters of every effect, by name, as they were drawn.
    """

    stages: dict[str, Image]
    parameters: dict[str, dict[str, Any]]

    @property
    def image(self) -> Image:
        """The image after the last effect."""
        return list(self.stages.values())[-1]

    @property
    def mask(self) -> Mask:
        """True where a pixel was measured."""
        return ~np.isnan(self.image)

    def before(self, name: str) -> Image:
        """Return what an effect was given; for ``"counting"``, the expected image without noise."""
        names = list(self.stages)
        if name not in names[1:]:
            raise ValueError(f"{name!r} was no part of this measurement; take one of {names[1:]}")
        return self.stages[names[names.index(name) - 1]]

    def added(self, name: str) -> Image:
        """Return what an effect such as ``"background"`` added; NaN where unmeasured."""
        before = self.before(name)
        return self.stages[name] - before

    def factor(self, name: str) -> Image:
        """Return by what an effect such as ``"envelope"`` multiplied; NaN where it was given 0."""
        before = self.before(name)
        unknown = np.full(before.shape, np.nan)
        return np.divide(self.stages[name], before, out=unknown, where=before > 0)


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of the effect of this name in a measurement with this seed.

    They depend on nothing else: adding, removing or moving other effects leaves them as they are.

    >>> bool(stream(1, "blur").random() == stream(1, "blur").random())
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(name.encode())))


@dataclass(frozen=True)
class Instrument:
    """Named effects, applied one after the other.

    Parameters
    ----------
    effects : tuple of (name, function, parameters)
        Names differ. The function is called as ``function(image, grid, rng, **parameters)``, where
        rng is its own `stream`. Parameters that are a `Range` are drawn from it first, in order.

    Raises
    ------
    ValueError
        If two effects have one name, or one is called "clean".

    Examples
    --------
    >>> def fading_beam(image, grid, seed, *, end):
    ...     return image * np.linspace(1, end, len(image))[:, None]
    >>> camera = Instrument((
    ...     ("fading", fading_beam, {"end": Range(0.5, 0.9)}),
    ...     ("counting", effects.counting, {"exposure": 20}),
    ... ))
    >>> print(camera)
    fading -> counting
    >>> measurement = camera.measure(np.ones((64, 64)), seed=1)
    >>> bool(measurement.before("counting").min() == measurement.parameters["fading"]["end"])
    True
    """

    effects: tuple[tuple[str, Effect, Mapping[str, Any]], ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _, _ in self.effects]
        if len({"clean", *names}) <= len(names):
            raise ValueError(f'effects need different names, none of them "clean"; got {names}')

    def measure(
        self, image: ArrayLike, grid: ReciprocalGrid = STANDARD_GRID, seed: Seed = 0
    ) -> Measurement:
        """Take one image.

        Parameters
        ----------
        image : array, shape ``grid.shape``
            Clean diffuse intensity in Laue units, NaN where unmeasured.
        grid : ReciprocalGrid
            Where. Diffuse intensity repeats from cell to cell, so the image of one window may as
            well be measured as that of another one whole cells away, farther from the beam.
        seed : int or numpy Generator
            The same int gives the same measurement; a Generator gives another one each time.

        Raises
        ------
        ValueError
            If the image is none, does not fit the grid, or an effect refuses its parameters or
            returns no image. The message names the effect.
        """
        root = int(seed.integers(2**63)) if isinstance(seed, np.random.Generator) else seed
        stages = {"clean": checked_image(image, grid)}
        parameters = {}
        for name, effect, given in self.effects:
            rng = stream(root, name)
            drawn = {key: v.draw(rng) if isinstance(v, Range) else v for key, v in given.items()}
            stage = list(stages.values())[-1]
            try:
                stages[name] = checked_image(effect(stage.copy(), grid, rng, **drawn), grid)
            except ValueError as error:
                raise ValueError(f"effect {name!r} of the instrument: {error}") from error
            parameters[name] = drawn
        return Measurement(stages, parameters)

    def without(self, *names: str) -> Instrument:
        """Return the same instrument, free of these effects."""
        known = [name for name, _, _ in self.effects]
        if not set(names) <= set(known):
            raise ValueError(f"cannot take away {list(names)}; this instrument has only {known}")
        return Instrument(tuple(effect for effect in self.effects if effect[0] not in names))

    def __str__(self) -> str:
        return " -> ".join(name for name, _, _ in self.effects) or "clean"


def preset(name: str) -> Instrument:
    """Return a ready instrument; its effects and the ranges of its parameters are in `PRESETS`.

    ``"clean"`` changes nothing. ``"laboratory"`` has few photons and a wide beam.
    ``"synchrotron"`` has many and a sharp one, gaps between modules, and Bragg peaks that saturate.
    ``"bad day"`` has all that can go wrong at once.

    >>> print(preset("laboratory"))
    envelope -> bragg -> background -> blur -> counting -> bad pixels -> beam stop
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset instrument {name!r}; take one of {list(PRESETS)}")
    return PRESETS[name]


def _log(low: float, high: float) -> Range:
    return Range(low, high, log=True)


_MOLECULE = {"size": Range(0.1, 0.8), "falloff": Range(1.5, 5)}
_FEW = {"hot": 0.0005, "dead": 0.0005}
_MANY = {"hot": Range(0.002, 0.01), "dead": Range(0.002, 0.01)}
_GAPS = {"width": Range(0.03, 0.1), "period": Range(1.2, 3)}
_WIDE_GAPS = {"width": Range(0.05, 0.15), "period": Range(0.8, 2)}
_ARM = {"arm": Range(0.05, 0.1), "angle": Range(0, 360)}
_RING = {"ring": Range(0, 2), "ring_radius": Range(0.5, 2.5), "ring_width": Range(0.05, 0.2)}


def _air(constant: Range, air: Range) -> dict[str, Range]:
    return {"constant": constant, "air": air, "reach": Range(0.2, 0.8)}


def _bragg(low: float, high: float, width: Range) -> dict[str, Range]:
    return {"intensity": _log(low, high), "width": width}


# Ranges chosen by judgement, to surround what such sources give; not fitted to measured images.
PRESETS: dict[str, Instrument] = {
    "clean": Instrument(),
    "laboratory": Instrument(
        (
            ("envelope", effects.envelope, _MOLECULE),
            ("bragg", effects.bragg_peaks, _bragg(0.1, 3, Range(0.005, 0.02))),
            ("background", effects.background, _air(Range(0.1, 0.5), Range(0.2, 2))),
            ("blur", effects.blur, {"width": Range(0.01, 0.03)}),
            ("counting", effects.counting, {"exposure": _log(10, 200)}),
            ("bad pixels", effects.bad_pixels, _FEW),
            ("beam stop", effects.beam_stop, {"radius": Range(0.05, 0.15)}),
        )
    ),
    "synchrotron": Instrument(
        (
            ("envelope", effects.envelope, _MOLECULE),
            ("bragg", effects.bragg_peaks, _bragg(1, 30, Range(0.003, 0.01))),
            ("background", effects.background, _air(Range(0.02, 0.1), Range(0.05, 0.3))),
            ("blur", effects.blur, {"width": Range(0.005, 0.015)}),
            ("counting", effects.counting, {"exposure": _log(1e3, 1e5)}),
            ("saturation", effects.saturation, {"ceiling": _log(100, 10_000)}),
            ("bad pixels", effects.bad_pixels, _FEW),
            ("gaps in h", effects.gaps, _GAPS),
            ("gaps in k", effects.gaps, {"axis": 1, **_GAPS}),
            ("beam stop", effects.beam_stop, {"radius": Range(0.03, 0.1)}),
        )
    ),
    "bad day": Instrument(
        (
            ("envelope", effects.envelope, {"size": Range(0.3, 1), "falloff": Range(1, 3)}),
            ("bragg", effects.bragg_peaks, _bragg(0.1, 10, Range(0.01, 0.03))),
            ("background", effects.background, _air(Range(0.5, 2), Range(1, 5)) | _RING),
            ("blur", effects.blur, {"width": Range(0.03, 0.06)}),
            ("counting", effects.counting, {"exposure": _log(1, 10)}),
            ("saturation", effects.saturation, {"ceiling": _log(20, 200)}),
            ("bad pixels", effects.bad_pixels, _MANY),
            ("gaps in h", effects.gaps, _WIDE_GAPS),
            ("gaps in k", effects.gaps, {"axis": 1, **_WIDE_GAPS}),
            ("beam stop", effects.beam_stop, {"radius": Range(0.1, 0.3), **_ARM}),
        )
    ),
}
