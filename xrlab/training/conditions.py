"""What one instrument measures under: ranges, mask and kinds of crystal, read from a YAML file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from xrlab.crystal.arrays import Image, Mask
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.crystal.spectra import ENSEMBLES
from xrlab.inference.knowledge import known_factor
from xrlab.io.read import read_image
from xrlab.measurement.instrument import PRESETS, Range

# Effects by the names that the presets give them, in the order in which they take place.
EFFECTS = {name: effect for name, effect, _ in PRESETS["bad day"].effects}

# Parameters of each effect that may be given: those that are real numbers.
PARAMETERS = {
    name: [
        key for key, value in signature(effect).parameters.items() if value.annotation == "float"
    ]
    for name, effect in EFFECTS.items()
}

# The kinds of crystal that training images are made of, see `xrlab.crystal.spectra`.
CRYSTALS = tuple(ensemble.__name__ for ensemble in ENSEMBLES)

# Effects that leave pixels unmeasured: a mask stands for them.
SHADES = ("gaps in h", "gaps in k", "beam stop")

# Of the pixels of a window, the share that may be unmeasured.
MOST_UNMEASURED = 0.7


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is known of an instrument and its crystals; what is not keeps the shipped ranges.

    Parameters
    ----------
    effects : mapping
        Of effects by name: their parameters, each a number, a `Range` or an array; None for an
        effect that is absent. All that are named here, and not None, are part of every measurement.
    crystals : mapping, optional
        Weight of each kind of crystal in the training images; those of `ENSEMBLES` if not given.
    corner : (int, int), optional
        h and k at which the window begins; any if not given.
    mask : bool array, shape (64, 64), optional
        True where a pixel is never measured.
    text : str
        The file that this was read from.
    digest : str
        SHA-256 of all of it, the files that it names included.
    """

    effects: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    crystals: Mapping[str, float] | None = None
    corner: tuple[int, int] | None = None
    mask: Mask | None = None
    text: str = ""
    digest: str = ""

    @property
    def grid(self) -> ReciprocalGrid:
        """The window, the standard one if none is given."""
        h, k = self.corner or (0, 0)
        return ReciprocalGrid((h, h + 2), (k, k + 2), STANDARD_GRID.shape)

    def happens(self, name: str, chance: float, rng: np.random.Generator) -> bool:
        """Whether an effect is part of a measurement: by chance unless it is given."""
        if name in self.effects:
            return self.effects[name] is not None
        if self.mask is not None and name in SHADES:
            return False
        return bool(rng.random() < chance)

    def draw(self, name: str, rng: np.random.Generator, **shipped: float | Range) -> dict[str, Any]:
        """Draw the parameters of an effect, from their shipped ranges where none are given."""
        ranges = {**shipped, **(self.effects.get(name) or {})}
        return {key: x.draw(rng) if isinstance(x, Range) else x for key, x in ranges.items()}


# The conditions that the shipped network was trained for.
SHIPPED = Conditions()


def read_conditions(path: Path) -> Conditions:
    """Read what is known of an instrument from a YAML file.

    Its keys are the effects of an `xrlab.measurement.instrument.Instrument` as its presets name
    them, with the units given there; each has parameters, a number or [lowest, highest], or is
    ``false`` if the instrument has no such effect. Ranges of a factor of ten or more are uniform in
    the logarithm. Further keys: ``window``, [h, k] at which the images begin; ``mask``, an image
    file with NaN, or what the format marks, where nothing is ever measured; ``crystals``, kinds
    with their weights. ``values`` of the envelope is a file, too: the squared form factor. Files
    are looked for beside the YAML file.

    Raises
    ------
    ValueError
        If a key is unknown, or a value is no range or out of bounds. The message names the key.
    """
    import yaml

    content = path.read_bytes()
    try:
        given = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(given, dict):
        raise ValueError(
            f"{path.name} holds keys with values, such as 'blur: {{width: [0.05, 0.1]}}'; "
            f"got {given!r}"
        )
    _known(path.name, given, [*EFFECTS, "window", "mask", "crystals"])
    effects = {name: _effect(name, given[name], path.parent) for name in EFFECTS if name in given}
    mask = None
    if "mask" in given:
        mask = np.isnan(_image("mask", given["mask"], path.parent))
        if mask.mean() > MOST_UNMEASURED:
            raise ValueError(
                f"mask: {mask.mean():.0%} of the pixels of {given['mask']} are unmeasured; "
                f"{MOST_UNMEASURED:.0%} may be"
            )
    digest = hashlib.sha256(content)
    for array in (mask, (effects.get("envelope") or {}).get("values")):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return Conditions(
        effects=effects,
        crystals=_weights(given["crystals"]) if "crystals" in given else None,
        corner=_corner(given["window"]) if "window" in given else None,
        mask=mask,
        text=content.decode(),
        digest=digest.hexdigest(),
    )


def _known(where: str, given: Mapping[Any, Any], allowed: list[str]) -> None:
    for name in given:
        if name not in allowed:
            close = get_close_matches(str(name), allowed, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(
                f"{where}: there is no key {name!r}; {hint}There are {', '.join(allowed)}"
            )


def _effect(name: str, given: Any, folder: Path) -> dict[str, Any] | None:
    """Check the parameters of one effect; None if it is absent."""
    if given is False:
        return None
    allowed = PARAMETERS[name] + ["values"] * (name == "envelope")
    if not isinstance(given, dict):
        raise ValueError(
            f"{name}: give its parameters, such as {{{allowed[0]}: [lowest, highest]}}, or false; "
            f"got {given!r}"
        )
    _known(name, given, allowed)
    made: dict[str, Any] = {}
    for key, value in given.items():
        if key == "values":
            image = _image(f"{name}: {key}", value, folder)
            made[key] = known_factor(image, image[None])[0]  # type: ignore[index]
        else:
            made[key] = _range(f"{name}: {key}", value)
    ends = [{x.low, x.high} if isinstance(x, Range) else [x] for x in made.values()]
    for values in product(*ends):
        try:
            EFFECTS[name](np.ones(STANDARD_GRID.shape), **dict(zip(made, values, strict=True)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return made


def _range(where: str, value: Any) -> float | Range:
    """Return a number, or the range [lowest, highest]."""
    ends = [_number(where, x) for x in (value if isinstance(value, list) else [value])]
    if not isinstance(value, list):
        return ends[0]
    if len(ends) != 2 or not ends[0] <= ends[1]:
        raise ValueError(f"{where} is [lowest, highest] in this order, or a number; got {value}")
    low, high = ends
    return Range(low, high, log=0 < 10 * low <= high)


def _number(where: str, value: Any) -> float:
    try:
        number = np.nan if isinstance(value, bool) else float(value)  # YAML takes 1e3 for a word
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(f"{where} is [lowest, highest] or a number; got {value!r}")
    return number


def _image(where: str, name: Any, folder: Path) -> Image:
    """Read an image of the standard shape from a file."""
    if not isinstance(name, str):
        raise ValueError(f"{where} is the name of an image file; got {name!r}")
    try:
        image = read_image(folder / name)
    except (OSError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error
    if image.shape != STANDARD_GRID.shape:
        rows, columns = image.shape
        raise ValueError(f"{where} is an image of 64 x 64 pixels; {name} has {rows} x {columns}")
    return image


def _weights(given: Any) -> dict[str, float]:
    if not isinstance(given, dict):
        raise ValueError(
            f"crystals: give a weight to each kind, such as {{domains: 1}}; got {given!r}"
        )
    _known("crystals", given, list(CRYSTALS))
    weights = {name: _number(f"crystals: {name}", value) for name, value in given.items()}
    if min(weights.values(), default=0) < 0 or not sum(weights.values()) > 0:
        raise ValueError(f"crystals: weights are 0 or more, one of them above 0; got {given}")
    return weights


def _corner(given: Any) -> tuple[int, int]:
    whole = isinstance(given, list) and [type(x) for x in given] == [int, int]
    if not whole:
        raise ValueError(
            f"window: give whole h and k at which the images begin, such as [2, -4]; got {given!r}"
        )
    return given[0], given[1]
