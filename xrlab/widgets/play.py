"""Widgets that compute in the browser: paint a lattice, watch Monte Carlo, guess an encoding.

They run the same modules as the playground. Each is one module for anywidget, which `joined` makes
of those that it imports.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Sites
from xrlab.crystal.encoding import Encoding, component_names
from xrlab.crystal.grid import STANDARD_GRID
from xrlab.crystal.lattice import Lattice, realised_correlations, simulate
from xrlab.crystal.patterns import PATTERNS, pattern
from xrlab.crystal.samplers import GAIN
from xrlab.crystal.setting import SPAN, STANDARD
from xrlab.drawing.png import INTENSITY, SIGNED, SITES, palette

# Levels of the guessing game: the instruments that their images come through.
LEVELS = ("clean", "laboratory", "synchrotron", "bad day")

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:function|class|const) (\w+))", re.MULTILINE)

_PAGE = """<div id="{name}"></div><style>{css}</style><script type="module">
{esm}
const state = {state};
const ignore = () => null;
const get = (name) => state[name];
const model = {{ get, set: ignore, save_changes: ignore, on: ignore, off: ignore }};
render({{ model, el: document.getElementById("{name}") }});
</script>"""


def joined(name: str) -> str:
    """Join a module of this folder with those that it imports into one module.

    Each imported one becomes a function that returns its exports, so names do not collide.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> str:
        text = (_HERE / f"{name}.js").read_text(encoding="utf-8")
        for _, other in _IMPORT.findall(text):
            if other not in parts:
                inner = add(other)
                exports = ", ".join(_EXPORT.findall(inner))
                body = f"{_EXPORT.sub('', inner)}return {{ {exports} }};"
                parts[other] = f"const {other}_js = (() => {{\n{body}\n}})();\n"
        return _IMPORT.sub(lambda m: f"const {{{m[1]}}} = {m[2]}_js;\n", text)

    last = add(name)
    return "".join(parts.values()) + last


@cache
def shared() -> dict[str, Any]:
    """Constants of the package that the modules compute with, as the playground has them."""
    corners = np.random.default_rng(0).integers(STANDARD.size, size=(STANDARD.lots, 2, 1))
    colours = {"intensity": INTENSITY, "signed": SIGNED, "sites": SITES}
    return {
        "grid": {"h": STANDARD_GRID.h, "k": STANDARD_GRID.k, "shape": STANDARD_GRID.shape},
        "span": SPAN,
        "names": component_names(SPAN),
        "size": STANDARD.size,
        "lot_size": STANDARD.lot_size,
        "corners": corners[..., 0].tolist(),
        "gain": GAIN,
        "palettes": {name: _text(bytes(palette(each))) for name, each in colours.items()},
        "patterns": {name: _pattern(name) for name in PATTERNS if name != "random"},
    }


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def pack(sites: Sites) -> str:
    """Write sites as text, a bit for each."""
    return _text(np.packbits(sites > 0).tobytes())


def unpack(text: str) -> Sites:
    """Return the sites of a square lattice that `pack` wrote, int8."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=STANDARD.size**2)
    return np.where(bits, 1, -1).astype(np.int8).reshape(STANDARD.size, STANDARD.size)


def _pattern(name: str) -> str:
    target = pattern(name, SPAN).nearest_realisable()
    return pack(simulate(target, STANDARD.size, "gaussian", seed=1).sites)


def deal(level: str, index: int, seed: int) -> tuple[Floats, Floats]:
    """Simulate an image of the guessing game, of a crystal that no training has seen.

    Returns
    -------
    image : array, shape (64, 64)
        NaN where unmeasured.
    vector : array, shape (15,)
        Its true correlations.

    Raises
    ------
    ValueError
        If there is no such level.
    """
    from xrlab.measurement.instrument import preset
    from xrlab.trials.crystals import maximum_entropy_crystal

    if level not in LEVELS:
        raise ValueError(f"the levels are {', '.join(LEVELS)}; got {level!r}")
    rng = np.random.default_rng([seed, LEVELS.index(level), index])
    image, vector = maximum_entropy_crystal(rng)
    return preset(level).measure(image, seed=rng).image, vector


class _Play(anywidget.AnyWidget):
    """What the three share: the looks, and the constants of the package."""

    _css = ".xrlab-play {\n" + "".join(
        (_HERE / f"{name}.css").read_text(encoding="utf-8") for name in ("parts", "play")
    ) + "}"  # fmt: skip
    shared = traitlets.Dict().tag(sync=True)

    def __init__(self, **state: Any) -> None:
        super().__init__(shared=shared(), **state)


class _Alone(_Play):
    """A widget that needs no Python: it also works on a page without a kernel.

    Attributes
    ----------
    sites : int8 array, shape (50, 50)
        What is shown; +1 or -1, periodic.
    lattice : Lattice
        The same with its realised correlations.
    """

    packed = traitlets.Unicode().tag(sync=True)
    _state: tuple[str, ...] = ("shared", "packed")

    @property
    def sites(self) -> Sites:
        return unpack(self.packed)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        state = json.dumps({name: getattr(self, name) for name in self._state})
        page = _PAGE.format(
            name=f"play-{self.model_id}",
            css=self._css,
            esm=self._esm,
            state=state.replace("<", "\\u003c"),
        )
        data, metadata = bundle or ({}, {})
        return {**data, "text/html": page}, metadata


class LatticePainter(_Alone):
    """Paint a lattice by mouse, touch or keyboard; image, ΔPDF and correlations follow.

    Parameters
    ----------
    start : str
        Name of the pattern at the start, one of `xrlab.crystal.patterns.PATTERNS`.
    span : int
        Of the correlations in the table.

    Examples
    --------
    >>> board = LatticePainter("stripes")
    >>> board.show(np.where(np.indices((50, 50)).sum(0) % 2, 1, -1))
    >>> print(board.lattice.realised.vector)
    [-1. -1.  1.]
    """

    _esm = joined("paint")
    _state = ("shared", "packed", "span")
    span = traitlets.Int(2).tag(sync=True)

    def __init__(self, start: str = "clusters", span: int = 2) -> None:
        super().__init__(packed=_pattern(start), span=span)

    @property
    def lattice(self) -> Lattice:
        """What is painted, with its realised correlations.

        Raises
        ------
        ValueError
            If all sites are alike.
        """
        return Lattice(self.sites, realised_correlations(self.sites, self.span))

    def show(self, sites: ArrayLike) -> None:
        """Paint by code.

        Parameters
        ----------
        sites : array of +1 and -1, shape (50, 50)

        Raises
        ------
        ValueError
            If it is none.
        """
        array = np.asarray(sites)
        side = STANDARD.size
        if array.shape != (side, side) or not np.isin(array, (-1, 1)).all():
            raise ValueError(
                f"a lattice to show has {side} × {side} sites of +1 or -1; got shape {array.shape} "
                f"and values from {array.min()} to {array.max()}"
            )
        self.packed = pack(array)


class MonteCarloLive(_Alone):
    """Watch a Monte Carlo simulation: swaps, couplings that learn, the image forming.

    Parameters
    ----------
    target : sequence of three floats
        c(0, 1), c(1, 0), c(1, 1) at the start.
    seed : int
        Of the random numbers in the browser.
    """

    _esm = joined("monte_carlo")
    _state = ("shared", "packed", "target", "seed")
    target = traitlets.List(traitlets.Float()).tag(sync=True)
    seed = traitlets.Int().tag(sync=True)

    def __init__(self, target: ArrayLike = (0.5, -0.3, -0.2), seed: int = 1) -> None:
        encoding = Encoding.from_vector(target)
        if encoding.span != 2:
            raise ValueError(f"the target has three correlations; got {len(encoding.vector)}")
        rng = np.random.default_rng(seed)
        half = np.repeat(np.array([1, -1], np.int8), STANDARD.size**2 // 2)
        start = pack(rng.permutation(half).reshape(STANDARD.size, -1))
        super().__init__(packed=start, target=encoding.vector.tolist(), seed=seed)

    @property
    def lattice(self) -> Lattice:
        """The lattice where the simulation was last paused."""
        return Lattice(self.sites, Encoding.from_vector(self.target))


class GuessingGame(_Play):
    """Guess the correlations behind an image, against ΔPDF and the network.

    Parameters
    ----------
    seed : int
        Another seed, other crystals.

    Attributes
    ----------
    rounds : list of dict
        Level and points of "you", "delta-pdf" and "network", a round each.
    """

    _esm = joined("game")
    item = traitlets.Dict().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    rounds: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, seed: int = 0) -> None:
        self._seed, self._dealt = seed, dict.fromkeys(LEVELS, 0)
        super().__init__(item=self.deal("clean"))
        self.observe(lambda change: self._answer(**change["new"]), "asked")

    def _answer(self, level: str, turn: float) -> None:
        self.item = self.deal(level, turn)

    def deal(self, level: str, turn: float = 0) -> dict[str, Any]:
        """Return the next image of a level, with its truth and the network's answer."""
        from xrlab.networks import measured

        image, truth = deal(level, self._dealt[level], self._seed)
        self._dealt[level] += 1
        clean = level == "clean"  # and known to be so
        background, factor = ((0, 0), np.ones(image.shape)) if clean else (None, None)
        reading = measured.read(image[None], background=background, form_factor=factor)
        return {
            "level": level,
            "turn": turn,
            "image": image.astype("<f4").tobytes(),
            "truth": truth.tolist(),
            "mean": reading.mean[0].tolist(),
            "errors": reading.standard_error[0].tolist(),
        }
