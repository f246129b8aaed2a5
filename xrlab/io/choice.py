"""Choose one image among the data sets, frames and planes of a file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Twice the largest X-ray pixel detectors (EIGER 16M). As float64 256 MiB.
MAX_PIXELS = 2**25

# More frames, members or blocks than this are not counted to the end.
MAX_PARTS = 1000
# An array in a compressed file has at most so many bytes, those of the largest image in float64.
MAX_UNPACKED = 2**28 + 2**20

# Names of arrays that say which pixels are not to be used ("{}" stands for that of the image), by
# whether it is those where they are not 0.
MASKS = {
    True: "{}_mask mask pixel_mask {}_pixel_mask data_mask bad_pixel_mask bad_mask badmask "
    "bad_pixels",
    False: "weights {}_weights number_of_pixels_rebinned valid {}_valid valid_mask good_pixels",
}

# Arrays that lie beside images and are none: what they hold is not taken for the image unasked.
BESIDE = re.compile(
    r"(pixel_?|bad_?(pixels?_?)?|data_?)?mask(_.*|\d*)|(bad|good)_pixels?|palette|fill_value"
    r"|(.*_)?(mask|weights|valid|err(or)?s?(_squared)?|std|sigma|variances?|uncertaint(y|ies))"
    r"|flat_?field.*|dark.*|gain(_?map)?|bias|pedestal.*|countrate_correction.*|trimbit.*"
    r"|num_events|number_of_pixels_rebinned|.*matrix|metric_tensor|unit_cell.*",
    re.IGNORECASE,
)

_CHOICE = re.compile(r"(?P<name>.*?)(?:\[(?P<index>[\d\s,:]+)\])?", re.DOTALL)

Index = tuple[int | slice, ...]


def split_choice(dataset: str | int | None) -> tuple[str | None, Index]:
    """Split a choice such as ``"entry/data[3]"`` into the name and the place in the array.

    >>> split_choice("entry/data[3]"), split_choice(2), split_choice("[:, 5]")[1][1]
    (('entry/data', (3,)), (None, (2,)), 5)
    """
    if dataset is None:
        return None, ()
    if isinstance(dataset, int):
        return None, (dataset,)
    parts = _CHOICE.fullmatch(dataset)
    if parts is None or parts["index"] is None:
        return dataset, ()
    index = [part.strip() for part in parts["index"].split(",")]
    if not all(part == ":" or part.isdecimal() for part in index):
        raise ValueError(f"a place in a stack is written as [3] or [:, 3]; got {dataset!r}")
    return parts["name"] or None, tuple(slice(None) if p == ":" else int(p) for p in index)


def masks_of(names: Iterable[str]) -> dict[str, bool]:
    """Names of the masks of images with these names, and whether they are of what is left out."""
    names = list(names)
    return {m.format(n): bad for bad, masks in MASKS.items() for m in masks.split() for n in names}


def left_out(
    masks: Iterable[tuple[NDArray[Any], bool]], shape: Sequence[int]
) -> NDArray[np.bool_] | None:
    """Pixels that any of these masks leaves out, given with what 1 means in them."""
    parts = [
        (mask.reshape(shape) != 0) == bad
        for mask, bad in masks
        if np.squeeze(mask).shape == tuple(n for n in shape if n != 1)
    ]
    return np.logical_or.reduce(parts) if parts else None


def images_among(shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """Names of the arrays with two axes that are not known to be something else.

    >>> images_among({"entry/counts": (9, 8), "entry/sigma": (9, 8), "h": (9,), "scale": ()})
    ['entry/counts']
    """
    return [
        name
        for name, shape in shapes.items()
        if sum(n > 1 for n in shape) > 1 and not BESIDE.fullmatch(name.rsplit("/")[-1])
    ]


def check_frame(shape: Sequence[int], index: Index = (), what: str = "it") -> Index:
    """Check that a stored array gives one image of bearable size, before it is read.

    Axes of length 1 are left out where there are more than two.

    Returns
    -------
    tuple
        The index of the image in the array.

    Raises
    ------
    ValueError
        If a frame must be chosen first, does not exist, or is too large.
    """
    shape = tuple(int(n) for n in shape)
    index = (*index, *(slice(None),) * (len(shape) - len(index)))
    if len(index) > len(shape) or any(
        not isinstance(i, slice) and i >= n for i, n in zip(index, shape, strict=False)
    ):
        raise ValueError(f"{what} has shape {shape}: there is no frame {_written(index)} in it")
    if sum(isinstance(i, slice) for i in index) > 2:
        index = tuple(0 if n == 1 else i for i, n in zip(index, shape, strict=True))
    left = [n for i, n in zip(index, shape, strict=True) if isinstance(i, slice)]
    if len(left) > 2:
        choice = "[" + ", ".join("0" for _ in left[2:]) + "]"
        raise ValueError(
            f"{what} holds {math.prod(left[:-2])} frames, an array of shape {shape}, and one 2-D "
            f"image of real numbers is needed: choose one, such as dataset={choice!r} for the first"
        )
    if not math.prod(left):
        raise ValueError(f"{what} has shape {shape}: there are no pixels")
    if math.prod(left) > MAX_PIXELS:
        raise ValueError(
            f"{what} has {' x '.join(map(str, left))} pixels; more than {MAX_PIXELS:,} are not "
            f"read: cut or bin it first"
        )
    return index


def ask_which(shapes: Mapping[str, Sequence[int]], asked: str | None = None) -> str:
    """Say which data sets there are, and how to choose."""
    listed = "; ".join(f"{name!r} of shape {tuple(shape)}" for name, shape in shapes.items())
    if asked is None:
        return f"it holds {len(shapes)} data sets, choose one with dataset=...: {listed}"
    return f"there is no data set {asked!r} in it; there is {listed or 'none'}"


def first_frame(dataset: str | int | None, frames: int) -> int:
    """Position of the chosen frame among several; there is no need to choose from one."""
    index = split_choice(dataset)[1] or (0,) * (frames == 1)
    number = f"{frames} or more" if frames == MAX_PARTS else frames
    if not index:
        raise ValueError(f"it holds {number} frames; choose one with dataset=0, dataset=1, ...")
    if len(index) > 1 or not isinstance(index[0], int) or not 0 <= index[0] < frames:
        raise ValueError(f"there is no frame {_written(index)} in it; it holds {number}")
    return index[0]


def _written(index: Index) -> str:
    return "[" + ", ".join(":" if isinstance(i, slice) else str(i) for i in index) + "]"
