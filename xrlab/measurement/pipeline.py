"""Corrections of real images, each a function from image to image, and pipelines of them.

The three at the top are the reference correction of the 2023 study: they bring the brightness and
the contrast of a measured image near those of a simulated one. They know nothing of the form
factor, the background or the symmetry of the crystal. The others are in
`xrlab.measurement.filters`, `xrlab.measurement.cleaning` and `xrlab.measurement.filling`; `FILTERS`
names them all, for pipelines that are kept as text.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Image
from xrlab.crystal.grid import as_image
from xrlab.measurement import cleaning, filling, filters, resample
from xrlab.measurement.filling import fill_unmeasured
from xrlab.measurement.filters import compress_peaks, match_log_moments, normalise_mean


@dataclass(frozen=True)
class Filter:
    """A correction that pipelines know by name.

    Parameters
    ----------
    function : callable
        From image to image; its other arguments are the parameters.
    kind : str
        What it is for: "scale", "compress", "smooth", ...
    harmless : bool
        Claims that, as it is by default, it changes no c(i, j) read off a clean 96/48/64 image by
        more than 0.01. `xrlab.trials.correction_bias` measures it, and a test holds it to this.
    """

    function: Callable[..., Image]
    kind: str
    harmless: bool = False

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.function.__name__

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters with their defaults; `inspect.Parameter.empty` where there is none."""
        _, *others = inspect.signature(self.function).parameters.values()
        return {each.name: each.default for each in others}

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse parameters that it does not have or that are missing."""
        for name in given:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "no parameter"
                raise ValueError(f"{self.name} has no parameter {name!r}; it has {known}")
        for name, default in self.parameters.items():
            if default is inspect.Parameter.empty and name not in given:
                raise ValueError(f"{self.name} needs its parameter {name!r}, which has no default")


FILTERS = {
    each.name: each
    for each in (
        Filter(normalise_mean, "scale", harmless=True),
        Filter(filters.normalise_percentile, "scale", harmless=True),
        Filter(filters.rescale, "scale"),
        Filter(compress_peaks, "compress"),
        Filter(filters.compress_log, "compress"),
        Filter(filters.compress_power, "compress"),
        Filter(match_log_moments, "compress"),
        Filter(filters.smooth_gaussian, "smooth"),
        Filter(filters.smooth_median, "smooth"),
        Filter(filters.smooth_bilateral, "smooth"),
        Filter(filters.smooth_nonlocal, "smooth"),
        Filter(filters.smooth_total_variation, "smooth"),
        Filter(cleaning.subtract_rolling_ball, "background"),
        Filter(cleaning.white_tophat, "background"),
        Filter(cleaning.mask_range, "bad pixels", harmless=True),
        Filter(cleaning.remove_hot_pixels, "bad pixels", harmless=True),
        Filter(cleaning.remove_outliers, "bad pixels"),
        Filter(cleaning.punch_bragg, "Bragg peaks"),
        Filter(cleaning.punch_and_fill, "Bragg peaks"),
        Filter(fill_unmeasured, "gaps", harmless=True),
        Filter(filling.fill_biharmonic, "gaps", harmless=True),
        Filter(filling.fill_symmetric, "gaps", harmless=True),
        Filter(filling.fill_periodic, "gaps", harmless=True),
        Filter(filling.symmetrise, "symmetry", harmless=True),
        Filter(cleaning.divide_form_factor, "division"),
        Filter(cleaning.divide_polarisation, "division"),
        Filter(filters.sharpen_richardson_lucy, "reconstruction"),
        Filter(resample.average_down, "size", harmless=True),
    )
}


@dataclass(frozen=True)
class Pipeline:
    """Named corrections applied one after the other.

    Parameters
    ----------
    steps : tuple of (function, parameters)
        Each function takes an image and returns one; its parameters go with it.

    Examples
    --------
    >>> brighten = Pipeline(((normalise_mean, {}), (match_log_moments, {"mean": 0, "factor": 2})))
    >>> list(brighten.stages([[1.0, 3.0], [2.0, 2.0]]))
    ['measured', 'normalise_mean', 'match_log_moments']
    >>> print(brighten.to_yaml())
    - normalise_mean
    - match_log_moments: {mean: 0, factor: 2}
    >>> Pipeline.from_yaml(brighten.to_yaml()) == brighten
    True
    """

    steps: tuple[tuple[Callable[..., Image], dict[str, Any]], ...] = ()

    def __call__(self, image: ArrayLike) -> Image:
        """Return the image after the last step."""
        return list(self.stages(image).values())[-1]

    def stages(self, image: ArrayLike) -> dict[str, Image]:
        """Return the image as it came and after every step, by name.

        A step that is taken for the second time is called "smooth_median 2", and so on.

        Raises
        ------
        ValueError
            If the image is none, or a step refuses it. The message names the step.
        """
        stage = as_image(image)
        stages = {"measured": stage}
        for number, (name, (function, parameters)) in enumerate(
            zip(self.names, self.steps, strict=True), start=1
        ):
            try:
                stages[name] = stage = function(stage, **parameters)
            except ValueError as error:
                raise ValueError(f"step {number}, {name}: {error}") from error
        return stages

    @property
    def names(self) -> list[str]:
        """Name of every step, each different."""
        plain = [function.__name__ for function, _ in self.steps]
        times = [plain[: n + 1].count(name) for n, name in enumerate(plain)]
        return [f"{name} {n}" if n > 1 else name for name, n in zip(plain, times, strict=True)]

    def to_yaml(self) -> str:
        """Write the steps as YAML text: a list of names, with parameters where there are any.

        Raises
        ------
        ValueError
            If a step is no registered filter, or has a parameter that is no number, word or pair of
            numbers, such as a form factor.
        """
        import yaml

        lines = []
        for function, parameters in self.steps:
            name = function.__name__
            if name not in FILTERS or FILTERS[name].function is not function:
                raise ValueError(
                    f"the step {name} is not among the filters of xrlab, so that no text can stand "
                    f"for it; keep the code that makes this pipeline instead"
                )
            plain = {key: _plain(name, key, value) for key, value in parameters.items()}
            text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000)
            lines.append(f"- {name}: {text.strip()}" if plain else f"- {name}")
        return "\n".join(lines) or "[]"

    def save(self, path: str | Path) -> None:
        """Write `to_yaml` to a file; `from_yaml` reads it."""
        Path(path).write_text(self.to_yaml() + "\n", encoding="utf-8")

    @classmethod
    def from_yaml(cls, source: str | Path) -> Pipeline:
        """Read a pipeline that `to_yaml` wrote, or a person.

        Parameters
        ----------
        source : str or Path
            A Path, or a str that ends in .yaml or .yml, is a file; any other str is the text.

        Raises
        ------
        ValueError
            If it is no list of steps, or names a filter or a parameter that does not exist. Nothing
            in the text is ever run: it can only name the filters in `FILTERS`.

        Examples
        --------
        >>> print(Pipeline.from_yaml("- smooth_median: {size: 5}"))
        smooth_median(size=5)
        >>> Pipeline.from_yaml("- smooth_medium")
        Traceback (most recent call last):
        ...
        ValueError: there is no filter 'smooth_medium'; did you mean smooth_median? ...
        """
        import yaml

        is_file = isinstance(source, Path) or source.strip().endswith((".yaml", ".yml"))
        text = Path(source).read_text(encoding="utf-8") if is_file else str(source)
        try:
            lines = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"this text is no YAML: {error}") from None
        if not isinstance(lines, list):
            raise ValueError(
                f"a pipeline is written as a list, each step on a line of its own such as "
                f"'- smooth_median: {{size: 3}}'; this text holds {type(lines).__name__}"
            )
        return cls(tuple(_read_step(number, line) for number, line in enumerate(lines, start=1)))

    def __str__(self) -> str:
        return " -> ".join(
            f"{function.__name__}({', '.join(f'{k}={_short(v)}' for k, v in parameters.items())})"
            for function, parameters in self.steps
        )


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def _plain(step: str, parameter: str, value: Any) -> Any:
    """Return a parameter as YAML can hold it: a number, a word or a list of numbers."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, tuple | list) and len(value) <= 2:
        return [_plain(step, parameter, each) for each in value]
    if isinstance(value, int | float | str):
        return value
    raise ValueError(
        f"{parameter} of {step} is of type {type(value).__name__} and cannot be written as text; "
        f"apply this step on its own, before or after the pipeline"
    )


def _read_step(number: int, line: Any) -> tuple[Callable[..., Image], dict[str, Any]]:
    """Turn an entry of the YAML list, "name" or {"name": {...}}, into a step."""
    if isinstance(line, str):
        line = {line: {}}
    if not isinstance(line, dict) or len(line) != 1:
        raise ValueError(
            f"step {number} is one name with its parameters, such as "
            f"'smooth_median: {{size: 3}}'; got {line!r}"
        )
    ((name, given),) = line.items()
    if name not in FILTERS:
        close = get_close_matches(str(name), FILTERS, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(f"there is no filter {name!r}; {hint}There are {', '.join(FILTERS)}")
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise ValueError(
            f"the parameters of {name} (step {number}) are written as name: value; got {given!r}"
        )
    FILTERS[name].check(given)
    defaults = FILTERS[name].parameters
    return FILTERS[name].function, {
        key: _as_parameter(name, key, value, defaults[key]) for key, value in given.items()
    }


def _as_parameter(name: str, key: str, value: Any, default: Any) -> Any:
    """Return a parameter of the kind that the filter has: YAML reads 1e-3 as a word, "2" as 2."""
    if isinstance(default, str):
        return str(value)
    values = value if isinstance(value, list) else [value]
    try:
        numbers = [float(each) if isinstance(each, str) else each for each in values]
    except ValueError:
        numbers = [None]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise ValueError(f"{key} of {name} is a number or a list of numbers; got {value!r}")
    return tuple(numbers) if isinstance(value, list) else numbers[0]


# Found by the author of the study for box 1 of dichlorodinitrobenzene, to make its histogram
# match that of the simulated training images.
REFERENCE_PIPELINE = Pipeline(
    (
        (normalise_mean, {}),
        (compress_peaks, {"threshold": 1.66, "gamma": 20.0}),
        (match_log_moments, {"mean": -2.218, "factor": 1.5}),
    )
)

# By kind of input. Chosen among some eighty chains on 40 lattices; the figures are R^2 of the
# encodings on 200 others, without any correction and after it, as
# ``python -m xrlab.trials.correction_bias --images 200 --seed 2404`` prints them. Diffuse maxima at
# whole h and k are punched out with the Bragg peaks, so none of those that punch is for images
# without Bragg peaks.
RECOMMENDED: dict[str, Pipeline] = {
    # Clean images need no more than a scale: 1.000 before and after.
    "simulated": Pipeline(((normalise_mean, {}),)),
    # A box of 2 x 2 cells with its Bragg peaks, hot pixels and background ("laboratory"):
    # -1.708, and 0.937 after.
    "box": Pipeline(
        (
            (cleaning.remove_hot_pixels, {}),
            (cleaning.punch_bragg, {"radius": 0.1}),
            (filling.fill_symmetric, {}),
            (filling.fill_periodic, {}),
            (filling.fill_biharmonic, {}),
            (cleaning.subtract_rolling_ball, {"radius": 20}),
        )
    ),
    # Gaps between modules, many photons, low background ("synchrotron"): -4.787,
    # and 0.950 after.
    "section": Pipeline(
        (
            (cleaning.mask_range, {"lowest": 1e-9}),
            (cleaning.remove_hot_pixels, {}),
            (cleaning.punch_bragg, {"radius": 0.1}),
            (filling.fill_symmetric, {}),
            (filling.fill_biharmonic, {}),
            (cleaning.subtract_rolling_ball, {"radius": 40}),
        )
    ),
    # The same between the layers of Bragg peaks, or of a crystal on another grid: on "synchrotron"
    # images without their Bragg peaks 0.973, and 0.976 after.
    "section without Bragg peaks": Pipeline(
        (
            (cleaning.mask_range, {"lowest": 1e-9}),
            (cleaning.remove_hot_pixels, {}),
            (filling.fill_symmetric, {}),
            (filling.fill_biharmonic, {}),
        )
    ),
    # A few counts per pixel and a wide beam ("bad day"): -0.223, and 0.802 after.
    "noisy": Pipeline(
        (
            (cleaning.remove_hot_pixels, {}),
            (cleaning.punch_and_fill, {"radius": 0.18}),
            (filling.symmetrise, {}),
            (filters.smooth_gaussian, {"sigma": 1.0}),
            (cleaning.subtract_rolling_ball, {"radius": 20}),
            (filters.sharpen_richardson_lucy, {"sigma": 1.4}),
        )
    ),
}
