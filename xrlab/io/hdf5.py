"""Find the image of an HDF5 file, what is unmeasured in it, and its axes: NeXus and its relatives.

Nothing here follows a link to another file: the error says where the data lie. It runs in a process
of its own, see `xrlab.io.child`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from xrlab.io import choice
from xrlab.io.axes import is_rlu, middles, miller, split_unit, usual_names
from xrlab.io.choice import MAX_PIXELS, Index
from xrlab.io.stored import WORDS, meanings, scaling

# More objects than this are not looked through without being told where to look.
MAX_OBJECTS = 2000

# Numbers of a detector that tell which values it measured, and those beside the data.
LIMITS = ("saturation_value", "underload_value", "countrate_correction_count_cutoff")
BESIDE = ("scaling_factor", "offset", *WORDS["flags"].split(), *WORDS["pedestal"].split())

# A plane of a volume by its place on an axis: "l=0.5", "entry/data[l=0.5]".
_PLANE = re.compile(
    r"(?P<name>.*?)[\[\s,;]*\b(?P<axis>[a-z]\w*)\s*=\s*(?P<value>[-+]?[\d.]+(e[-+]?\d+)?)\s*\]?",
    re.IGNORECASE | re.DOTALL,
)

# Label, unit and values of one dimension.
Axis = tuple[str, NDArray[np.float64]]


class ElsewhereError(ValueError):
    """What is asked for lies in another file."""

    def __init__(self, name: str, other: str, why: str = "") -> None:
        super().__init__(
            f"{name} lies in another file, {other}, which is not followed: open that one{why}"
        )


def read_arrays(
    file: h5py.File, dataset: str | int | None, plan: Callable[[int, int], None]
) -> dict[str, Any]:
    """Give one image of an open file as the arguments of `xrlab.io.stored.Stored`.

    Before pixels are read, `plan` takes the numbers of bytes that HDF5 will unpack and hold.
    """
    plane = _PLANE.fullmatch(dataset) if isinstance(dataset, str) else None
    name, place = (plane["name"].strip(), ()) if plane else choice.split_choice(dataset)
    node, group = _find(file, name)
    _refuse_unreadable(node)
    if any(np.ravel(flag[()])[:1].any() for flag in _beside([group], ("is_direct",))):
        raise ValueError(f"{node.name} is a pair distribution function, and no scattering")
    # MATLAB writes the dimensions in the order of its memory.
    order = slice(None, None, -1 if "MATLAB_class" in node.attrs else 1)
    axes = _axes(node, group, order)
    if plane:
        place = _plane(node, axes, plane["axis"].lower(), float(plane["value"]))[order]
    index = choice.check_frame(node.shape[order], place, node.name)[order]
    kept = [n for n, i in enumerate(index) if isinstance(i, slice)]
    shape = [node.shape[n] for n in kept]
    plan(*_cost(node, index))
    pixels = np.asarray(node[index]).view(_meant(node)).reshape(shape)
    counts = next(_beside([group], ("number_of_pixels_rebinned",)), None)
    if node.name.endswith("rebinned_data") and counts is not None and counts.shape == node.shape:
        with np.errstate(divide="ignore", invalid="ignore"):  # meerkat's older files hold sums
            pixels = pixels / counts[index].reshape(shape)
    groups = _detectors(node, group)
    mask = _mask(node, group, groups, index, kept, shape)
    both = [axes[n] for n in kept][order]
    return {
        "pixels": pixels if order.step > 0 else pixels.T,
        "mask": mask if mask is None or order.step > 0 else mask.T,
        "header": _header(node, group, groups),
        "axes": both if len(both) == 2 and all(both) else [],
    }


# Finding the data set


def _follow(group: Any, path: str, depth: int = 0) -> Any:
    """Give what is at a path, None if there is nothing; raise where another file begins."""
    node = group.file if path.startswith("/") else group
    for part in [part for part in path.split("/") if part not in ("", ".")]:
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise ElsewhereError(f"{node.name.rstrip('/')}/{part}", link.filename)
        if isinstance(link, h5py.SoftLink):
            node = _follow(node, link.path, depth + 1) if depth < 20 else None
        else:
            node = node[part] if link else None
    return node


def _inside(group: Any, path: str) -> Any:
    """As `_follow`, None for what lies in another file."""
    try:
        return _follow(group, path)
    except ElsewhereError:
        return None


def _walk(start: Any) -> tuple[list[Any], dict[str, str]]:
    """List all groups and data sets in a group, and the links to other files with their names."""
    nodes, others, seen = [start], {}, set()
    for group in nodes:
        for name in group if isinstance(group, h5py.Group) else ():
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                others[f"{group.name.rstrip('/')}/{name}"] = link.filename
            if not isinstance(link, h5py.HardLink) or name.startswith("#"):
                continue
            node = group[name]
            if node.id not in seen:
                seen.add(node.id)
                nodes.append(node)
        if len(seen) + len(others) > MAX_OBJECTS:
            raise ValueError(f"it holds more than {MAX_OBJECTS} things: say which with dataset=...")
    return nodes[1:], others


def _images(group: Any) -> tuple[list[Any], dict[str, str]]:
    """List all arrays of real numbers with two axes or more, and what lies in other files."""
    nodes, others = _walk(group)
    arrays = [n for n in nodes if isinstance(n, h5py.Dataset) and n.dtype.kind in "uif" and n.shape]
    return [node for node in arrays if sum(n > 1 for n in node.shape) > 1], others


def _find(file: Any, name: str | None) -> tuple[Any, Any]:
    """Find the data set of this name, else the one to show or the only one; also its group."""
    place = _follow(file, name or "/")
    if isinstance(place, h5py.Dataset):
        return place, _follow(file, str(name).strip("/").rpartition("/")[0])
    group = place
    for _ in range(5):
        if isinstance(group, h5py.Group):
            signal = _signal(group)
            if signal is not None:
                return signal, signal.parent if group == file else group
            step = _text(group.attrs.get("default"))
            group = _follow(group, step) if step else None
    images, others = _images(place or file)
    shapes = {node.name: node.shape for node in images}
    if place is None:
        raise ValueError(choice.ask_which(shapes, name))
    # The signal of a group, in the new or the old way of NeXus.
    marked = [
        node
        for node in images
        if _text(node.parent.attrs.get("signal")) == node.name.rsplit("/")[-1]
        or _text(node.attrs.get("signal")) == "1"
    ]
    names = choice.images_among(shapes)
    candidates = marked or [node for node in images if node.name in names]
    if len(candidates) == 1 and (marked or not others):
        return candidates[0], candidates[0].parent
    if others and not candidates:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise ElsewhereError(*next(iter(others.items())), more)
    if not images:
        raise ValueError("there is no array of numbers with two axes in it")
    listed = choice.ask_which({node.name: node.shape for node in candidates or images})
    raise ValueError(listed + "".join(f"; {n!r} lies in the file {o}" for n, o in others.items()))


def _signal(group: Any) -> Any:
    """Give the signal of an NXdata group or of Mantid's MDHisto, None for other groups."""
    for path in (_text(group.attrs.get("signal")), "MDHistoWorkspace/data/signal"):
        node = _follow(group, path) if path else None
        if isinstance(node, h5py.Dataset):
            return node
    return None


def _text(value: Any) -> str:
    """Text of an attribute, of fixed or variable length, alone or in an array of one."""
    value = np.ravel(value)[0] if np.size(value) == 1 else ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return "" if text is None or isinstance(text, h5py.Empty) else str(text).strip()


def _refuse_unreadable(node: Any, depth: int = 0) -> None:
    """Refuse data in another file, also through virtual data sets, and what cannot be decoded."""
    if node.dtype.kind not in "buif":
        raise ValueError(f"{node.name} holds {node.dtype}, and an image holds real numbers")
    if node.external:
        raise ElsewhereError(node.name, node.external[0][0])
    for source in node.virtual_sources() if node.is_virtual else ():
        if source.file_name != ".":
            raise ElsewhereError(node.name, source.file_name)
        part = _follow(node.file, source.dset_name) if depth < 5 else None
        if not isinstance(part, h5py.Dataset):
            raise ValueError(f"{node.name} needs {source.dset_name}, which is not in the file")
        _refuse_unreadable(part, depth + 1)
    if node.chunks and math.prod(node.chunks) * node.dtype.itemsize > 8 * MAX_PIXELS:
        raise ValueError(f"{node.name} is stored in blocks of {node.chunks}: too large to read")
    if not _written(node):
        raise ValueError(f"{node.name} was never written: there are no pixels in the file")
    properties = node.id.get_create_plist()
    for n in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(n)
        if not h5py.h5z.filter_avail(number):
            name = name.decode("latin-1").strip("\0") or number
            raise ValueError(f"its compression, {name}, is unknown: save it with gzip, or without")


def _written(node: Any) -> bool:
    return bool(not node.size or node.is_virtual or node.id.get_storage_size())


def _meant(node: Any) -> str:
    """Type of the numbers; NetCDF stores whole numbers without sign as others."""
    unsigned = _text(node.attrs.get("_Unsigned")).lower() == "true"
    return str(node.dtype.str.replace("i", "u") if unsigned else node.dtype.str)


def _cost(node: Any, index: Sequence[int | slice]) -> tuple[int, int]:
    """Bytes that are unpacked to read a part of a data set, and that it holds in memory."""
    whole = [n if isinstance(i, slice) else 1 for i, n in zip(index, node.shape, strict=True)]
    held = math.prod(whole) * (node.dtype.itemsize + 8)
    if not node.chunks:
        return node.nbytes if node.is_virtual else held, held
    block = math.prod(node.chunks) * node.dtype.itemsize
    touched = math.prod(math.ceil(n / c) for n, c in zip(whole, node.chunks, strict=True))
    return min(touched, node.id.get_num_chunks()) * block, held + 2 * block


# What is said beside it


def _beside(groups: Iterable[Any], names: Iterable[str]) -> Iterator[Any]:
    """Give the data sets of numbers with these names in some groups."""
    names = list(names)
    for group in groups:
        for name in names:
            node = _follow(group, name) if name else None
            if isinstance(node, h5py.Dataset) and node.dtype.kind in "buif":
                _refuse_unreadable(node)
                yield node


def _detectors(node: Any, group: Any) -> list[Any]:
    """List the groups that may describe the detector: of the data, the entry, its instruments."""
    entry = _inside(node.file, node.name.split("/")[1])
    parts = entry if isinstance(entry, h5py.Group) else {}
    groups = [group, node.parent, entry] if parts else [group, node.parent]
    for name in parts:
        inner = _inside(entry, name)
        if isinstance(inner, h5py.Group) and (
            name == "instrument" or _text(inner.attrs.get("NX_class")) == "NXinstrument"
        ):
            groups += [each for each in _walk(inner)[0] if isinstance(each, h5py.Group)]
    return list(dict.fromkeys(groups))


def _names(node: Any, own: Any) -> list[str]:
    """Names by which arrays beside a data set refer to it: its own, and that of the signal."""
    return list({node.name.rsplit("/")[-1], _text(own.attrs.get("signal")) or "data"})


def _mask(
    node: Any, own: Any, groups: Sequence[Any], index: Index, kept: list[int], shape: Sequence[int]
) -> NDArray[np.bool_] | None:
    """Pixels that any mask of the data or of its detector leaves out."""
    said = {_text(place.attrs.get("mask")): True for place in (node, own)}
    asked = choice.masks_of(_names(node, own)) | said
    if "h_axis" in own:  # nebula3d marks what is valid
        asked["mask"] = False

    def masks() -> Iterator[tuple[NDArray[Any], bool]]:
        for name, bad in asked.items():
            for mask in _beside(groups if "/" not in name else groups[:1], [name]):
                frame = [n for n in mask.shape if n != 1] == shape
                if mask.name != node.name and mask.shape == node.shape:
                    yield mask[index], bad
                elif mask.name != node.name and frame and kept == [*range(node.ndim)][-2:]:
                    yield mask[()], bad

    return choice.left_out(masks(), shape)


def _header(node: Any, own: Any, groups: Sequence[Any]) -> dict[str, Any]:
    """Attributes, and numbers beside the data, that say what the stored numbers mean."""
    header = {key: node.attrs[key] for key in node.attrs}
    near = list(dict.fromkeys((own, node.parent)))
    for key in (*BESIDE, *LIMITS):
        places = groups if key in LIMITS and node.dtype.kind in "ui" else near
        for given in _beside(places, (key, *(f"{name}_{key}" for name in _names(node, own)))):
            if given.size <= MAX_OBJECTS:  # and not for every pixel
                header[key] = given[()]
    if np.size(header.get("offset", 0)) == 3:  # a vector, of NXtransformations
        del header["offset"]
    one = {"scaling_factor", "scale_factor", "offset", "add_offset", "pedestal"}
    for key in one & header.keys():
        if len(set(np.ravel(header[key]).tolist())) > 1:
            raise ValueError(f"{key} of {node.name} differs from frame to frame: apply it first")
    if "offset" in header:  # NeXus: (number + offset) * scaling_factor
        factor = np.ravel(header.get("scaling_factor", 1.0))[0]
        header["add_offset"] = np.ravel(header.pop("offset"))[0] * factor
    filled = node.id.get_create_plist().fill_value_defined()
    if filled == h5py.h5d.FILL_VALUE_USER_DEFINED and node.fillvalue != 0:
        header["_fillvalue"] = node.fillvalue
    for key, value in header.items():
        numbers = np.ravel(value)
        if numbers.dtype == node.dtype:
            numbers = numbers.view(_meant(node))
        header[key] = numbers[:2].tolist() if numbers.dtype.kind in "buif" else _text(value)
    return header


# Axes


def _axes(node: Any, group: Any, order: slice) -> list[Axis | None]:
    """Coordinates of every dimension, None where they are not known."""
    names, shape = _axis_names(node, group, order), node.shape
    axes = [_axis(group, name, n, shape) for n, name in enumerate(names)]
    for n, scales in enumerate(node.dims):
        if axes[n] is None and len(scales):
            axes[n] = _axis(group, scales[0].name, n, shape)
    begin, step, last = (
        next((np.ravel(array[()]) for array in _beside([group], names)), np.zeros(0))
        for names in (("lower_limits",), ("step_sizes", "step_size"), ("maxind",))
    )
    if begin.size != node.ndim and last.size == node.ndim:
        begin, step = -last, 2 * last / np.maximum(np.array(shape) - 1, 1)
    if begin.size == step.size == node.ndim == 3 and not any(axes):  # Yell and meerkat
        axes = [(name, begin[n] + step[n] * np.arange(shape[n])) for n, name in enumerate("hkl")]
    return axes


def _axis_names(node: Any, group: Any, order: slice) -> list[str]:
    """Names of the axes, in one of the ways of NeXus or as they are usual, "" where unknown."""
    names = [""] * node.ndim
    said = node.attrs.get("axes", group.attrs.get("axes"))
    if said is not None:
        many = isinstance(said, np.ndarray) and said.size > 1
        listed = [_text(n) for n in (said if many else re.split("[:,]", _text(said).strip("[]")))]
        places = [np.ravel(group.attrs.get(f"{name}_indices", n)) for n, name in enumerate(listed)]
        if len(listed) != node.ndim and not any(f"{n}_indices" in group.attrs for n in listed):
            listed = []
    else:  # in the oldest way of NeXus the axes say their dimension, from 1 on
        attributes = {name: getattr(_inside(group, name), "attrs", {}) for name in group}
        numbers = {name: np.ravel(those.get("axis", "")) for name, those in attributes.items()}
        listed = [name for name, number in numbers.items() if number.dtype.kind in "ui"]
        listed.sort(key=lambda name: _text(attributes[name].get("primary")) == "1")
        places = [numbers[name].astype(int) - 1 for name in listed]
    for name, place in zip(listed, places, strict=False):
        if place.size == 1 and place.dtype.kind in "ui" and 0 <= place[0] < node.ndim:
            names[int(place[0])] = name
    if not any(names):
        usual = usual_names(lambda name: getattr(_inside(group, name), "size", 0), node.ndim)
        names[order] = usual or names
    return names


def _axis(group: Any, name: str, dimension: int, shape: Sequence[int]) -> Axis | None:
    """Label and values of a dimension: middles, also where the file has the edges of bins."""
    node = _inside(group, name) if name not in ("", ".") else None
    if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "uif" or node.size > MAX_PIXELS:
        return None
    if not _written(node):  # a dimension of NetCDF without a variable
        return None
    _refuse_unreadable(node)
    scale, offset = scaling(meanings(_header(node, group, [])))
    values = np.asarray(node[()], np.float64) * scale + offset
    values = np.ravel(values) if values.size == max(values.shape, default=0) else values
    if values.ndim > 1 and values.shape == tuple(shape):  # the same for all pixels of a layer
        lines = np.moveaxis(values, dimension, 0).reshape(shape[dimension], -1)
        values = lines[:, 0] if (lines == lines[:, :1]).all() else lines
    values = middles(values, shape[dimension])
    if values.shape != (shape[dimension],):
        return None
    label = _text(node.attrs.get("long_name")) or name.rsplit("/")[-1]
    unit = _text(node.attrs.get("units"))
    return f"{label} ({unit})" if unit and unit not in label else label, values


def _plane(node: Any, axes: Sequence[Axis | None], letter: str, value: float) -> Index:
    """Index of the plane of a volume that is nearest to a value on one of its axes."""
    known = {
        miller(name) or name.lower(): (n, *axis)
        for n, axis in enumerate(axes)
        if axis and (name := split_unit(axis[0])[0])
    }
    if letter not in known:
        raise ValueError(
            f"{node.name} has no axis {letter!r} with known values; it has "
            f"{', '.join(known) or 'none'}: choose a plane by number, as in [:, :, 3]"
        )
    dimension, label, values = known[letter]
    if letter in "hkl" and is_rlu(label) is False:
        raise ValueError(f"{label!r} is not in r.l.u.: choose a plane by number, as in [:, :, 3]")
    step = np.abs(np.diff(values)).max() if len(values) > 1 else 1.0
    nearest = int(np.abs(values - value).argmin())
    if abs(values[nearest] - value) > 0.5001 * step:
        raise ValueError(
            f"{letter} runs from {values[0]:.4g} to {values[-1]:.4g} in {node.name}: there is no "
            f"plane {letter}={value:g}"
        )
    return tuple(nearest if n == dimension else slice(None) for n in range(node.ndim))
