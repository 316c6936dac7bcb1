"""OME-Zarr images (versions 0.4 and 0.5, and earlier ones) and plain zarr arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.lazy_array import arrange, arrange_as
from napari_promptseg.data.units import common_unit, seconds, unit_ratio
from napari_promptseg.data.volume import POSITION, SPACING
from napari_promptseg.io.metadata import Content, axis_sizes, missing_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SUFFIXES: Final = (".zarr",)
MARKERS: Final = ("zarr.json", ".zgroup", ".zarray")
"""A folder that holds one of these files is zarr, whatever its name."""
_WORDS: Final = {
    "row": "y",
    "rows": "y",
    "lat": "y",
    "latitude": "y",
    "height": "y",
    "col": "x",
    "column": "x",
    "columns": "x",
    "lon": "x",
    "longitude": "x",
    "width": "x",
    "depth": "z",
    "plane": "z",
    "slice": "z",
    "frame": "t",
    "band": "c",
    "rgb": "c",
}
"""Axis by the name of a dimension that does not begin with its letter."""


def read(path: Path | str, series: str | None = None) -> Content:
    """Open all resolutions of an image, or the only array there is; nothing is read.

    Parameters
    ----------
    path : Path or str
        Folder, or URL of a file system that fsspec knows.
    series : str, optional
        Path of an image inside a container, such as "1" of a converted file or "A/1/0" of a
        plate; the first one when not given.

    Raises
    ------
    ValueError
        If there is no such image, or several and none is named.
    """
    import zarr

    if series is not None:
        return read(f"{path}/{series}")
    node: Any = zarr.open(store=str(path), mode="r")
    if isinstance(node, zarr.Array):
        return _plain(node)
    attributes = dict(node.attrs)
    metadata = attributes.get("ome", attributes)
    if "multiscales" in metadata:
        content = _image(node, metadata["multiscales"][0])
        count = len(metadata["multiscales"])
        note = f"image 0 of {count} in the group is opened; the others are not"
        return replace(content, notes=(*content.notes, *[note] * (count > 1)))
    if "plate" in metadata:
        wells = ", ".join(f"{well['path']}/0" for well in metadata["plate"].get("wells", ())[:5])
        raise ValueError(f"it is a plate; choose a field with series=, for example {wells}")
    if "well" in metadata:
        fields = ", ".join(str(entry["path"]) for entry in metadata["well"].get("images", ()))
        raise ValueError(f"it is a well of a plate; its fields are {fields}, open one of them")
    if "bioformats2raw.layout" in metadata:
        return _first_converted(path, node, metadata)
    arrays = {name: array for name, array in node.arrays() if not _is_coordinate(name, array)}
    if len(arrays) != 1:
        groups = [name for name, _ in node.groups()]
        raise ValueError(
            "it is a zarr group without one image: open one of the folders inside; "
            f"arrays: {sorted(arrays)}, groups: {sorted(groups)}"
        )
    return _plain(next(iter(arrays.values())), dict(node.arrays()))


def _first_converted(path: Path | str, node: Any, metadata: Mapping[str, Any]) -> Content:
    """Open the first image of a converted file, with a note on the others."""
    names = list(metadata.get("series", ())) or sorted(
        (name for name, _ in node.groups() if name.isdecimal()), key=int
    )
    content = read(f"{path}/{names[0] if names else 0}")
    if len(names) < 2:
        return content
    note = f"image {names[0]} of {len(names)} is opened; choose with series= among {names[1:]}"
    return replace(content, notes=(*content.notes, note))


def read_remote(url: str) -> Content:
    """Open an image by its URL; see `read`.

    Raises
    ------
    ImportError
        If the package for such URLs is not installed.
    FileNotFoundError
        If there is no zarr at the URL.
    """
    try:
        return read(url)
    except ImportError as error:
        raise ImportError(
            f"cannot read {url}: {error}; pip install 'napari-promptseg[remote]', and for "
            "object stores the package that fsspec names"
        ) from error


def _dimensions(array: Any) -> list[str]:
    """Return the names of the dimensions, as zarr 3 or xarray store them; empty without them."""
    own_names = getattr(array.metadata, "dimension_names", None)
    names = own_names or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return [str(name) for name in names]


def _is_coordinate(name: str, array: Any) -> bool:
    """Return whether an array holds the places along a dimension, and no image."""
    return array.ndim == 0 or _dimensions(array) == [name]


def _plain(array: Any, beside: Mapping[str, Any] | None = None) -> Content:
    """Take the axes from the names of dimensions, and the spacing from coordinates beside."""
    dimensions = _dimensions(array)
    letters = [_WORDS.get(name.lower(), name[:1].lower()) for name in dimensions]
    if len(letters) != array.ndim:
        return Content(array)
    data, axes = arrange(array, "".join(letters))
    sizes, unit = common_unit(_coordinate_steps(dimensions, letters, beside or {}))
    missing = missing_sizes(axes, sizes)
    is_stated = bool(sizes) and not missing
    return Content(
        data,
        axes,
        axis_sizes(axes, sizes) if axes and sizes else None,
        unit if sizes else "pixel",
        facts=frozenset({SPACING} if is_stated else ()),
        notes=missing,
    )


def _coordinate_steps(
    dimensions: Sequence[str], letters: Sequence[str], arrays: Mapping[str, Any]
) -> dict[str, tuple[float, str]]:
    """Return the step and unit of the coordinates in space that are even."""
    steps: dict[str, tuple[float, str]] = {}
    for name, letter in zip(dimensions, letters, strict=True):
        array = arrays.get(name)
        if letter not in "zyx" or array is None or array.ndim != 1 or array.shape[0] < 2:
            continue
        unit = str(array.attrs.get("units", ""))
        differences = np.diff(np.asarray(array[...], np.float64))
        step = float(differences.mean())
        if step and np.allclose(differences, step, rtol=1e-3) and unit_ratio(unit, "mm"):
            steps[letter] = abs(step), unit
    return steps


def _image(group: Any, multiscale: Mapping[str, Any]) -> Content:
    dataset = multiscale["datasets"][0]
    array = group[dataset["path"]]
    # Before version 0.3 axes had no names, before 0.4 they were bare names.
    axes = [
        axis if isinstance(axis, dict) else {"name": axis}
        for axis in multiscale.get("axes", "tczyx"[-array.ndim :])
    ]
    scale, shift = np.ones(array.ndim), np.zeros(array.ndim)
    for source in (dataset, multiscale):
        for step in source.get("coordinateTransformations", ()):
            if step["type"] == "scale":
                scale, shift = scale * step["scale"], shift * step["scale"]
            elif step["type"] == "translation":
                shift = shift + step["translation"]
    file_names = "".join(
        {"channel": "c", "time": "t"}.get(axis.get("type", ""), str(axis["name"])[:1].lower())
        for axis in axes
    )
    axis_scales = {
        name: (float(size), str(axis.get("unit", "")))
        for name, size, axis in zip(file_names, scale, axes, strict=True)
        if name != "c"
    }
    sizes, unit = common_unit(axis_scales)
    if "t" in sizes:
        sizes["t"] *= seconds(axis_scales["t"][1])
    ratio = {name: sizes[name] / size for name, (size, _) in axis_scales.items()}
    affine = np.diag([*(sizes.get(name, 1.0) for name in "xyz"), 1.0])
    for name, start in zip(file_names, shift, strict=True):
        if name in "xyz":
            affine["xyz".index(name), 3] = start * ratio[name]
    is_shifted = any(
        step["type"] == "translation"
        for source in (dataset, multiscale)
        for step in source.get("coordinateTransformations", ())
    )
    data, names = arrange(array, file_names)
    smaller = (group[level["path"]] for level in multiscale["datasets"][1:])
    levels = tuple(arrange_as(level, file_names, names) for level in smaller) if names else ()
    spacing = axis_sizes(names, sizes) if names else None
    # Transformations are optional before version 0.4, and unit sizes without a unit say nothing.
    has_scale = unit != "pixel" or any(size != 1 for size in sizes.values())
    facts = [SPACING] * has_scale + [POSITION] * is_shifted
    return Content(data, names, spacing, unit, affine, levels=levels, facts=frozenset(facts))
