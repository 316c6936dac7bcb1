"""NRRD files, with the segments of 3D Slicer."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.labels import label_boxes
from napari_promptseg.data.lazy_array import arrange
from napari_promptseg.data.units import unit_name
from napari_promptseg.data.volume import ORIENTATION, POSITION, SPACING
from napari_promptseg.io.metadata import (
    LPS_TO_RAS,
    Content,
    Legend,
    axis_sizes,
    missing_sizes,
)
from napari_promptseg.io.names import escaped_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".nrrd", ".nhdr")
SEGMENTATION: Final = ".seg.nrrd"
"""Suffix of segmentations of 3D Slicer."""
_SPACE_KINDS = {None, "domain", "space", "???", "none"}
_UNITS = {"µm": "um", "Å": "angstrom"}  # the header is ASCII but for key/value pairs
_TO_RAS = {
    "right-anterior-superior": np.eye(4),
    "ras": np.eye(4),
    "left-posterior-superior": LPS_TO_RAS,
    "lps": LPS_TO_RAS,
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "las": np.diag([-1.0, 1.0, 1.0, 1.0]),
}
_TIME_LABELS = {"t", "time", "frame"}


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment of 3D Slicer: its value in a layer, and its label when layers are merged."""

    layer: int
    value: int
    label: int
    name: str
    color: tuple[int, int, int] | None


def read(path: Path) -> Content:
    """Read a NRRD file; world coordinates become those of NIfTI (right, front, head).

    Layers of a segmentation of 3D Slicer are merged; where segments overlap, the later one
    is kept, and a note counts the voxels.
    """
    import nrrd

    values, header = nrrd.read(str(path), index_order="C")
    kinds = list(header.get("kinds", [None] * values.ndim))
    directions = _directions(header, values.ndim)
    spacings = list(header.get("spacings", [np.nan] * values.ndim))
    labels = [str(label).lower() for label in header.get("labels", [""] * values.ndim)]
    notes: tuple[str, ...] = ()
    layers = next((i for i, kind in enumerate(kinds) if kind == "list"), None)
    segments = _segments(header)
    if layers is not None and any(segment.layer for segment in segments):
        values, notes = _merged(values, values.ndim - 1 - layers, segments)
        for entries in (kinds, directions, spacings, labels):
            del entries[layers]
    names = ""
    spatial = iter("xyzt")
    for size, kind, direction, label in zip(
        reversed(values.shape), kinds, directions, labels, strict=True
    ):
        if np.isfinite(direction).all() and (len(direction) or kind in _SPACE_KINDS):
            names += next(spatial, "?")
        else:
            time = kind == "time" or label in _TIME_LABELS or size > 4
            names += "t" if time else "c"
    sizes = {
        name: float(np.linalg.norm(d)) if len(d) and name in "xyz" else float(s)
        for name, d, s in zip(names, directions, spacings, strict=True)
    }
    space = str(header.get("space", "")).lower()
    unit = next(iter(header.get("space units", header.get("units", ()))), None)
    data, axes = arrange(values, names[::-1])
    facts = {SPACING: not missing_sizes(axes, sizes) and any(map(np.isfinite, sizes.values()))}
    facts |= {ORIENTATION: space in _TO_RAS, POSITION: _has_origin(header)}
    if space and space not in _TO_RAS:
        notes += (f"the space {space!r} is unknown; its axes are taken as right, front, head",)
    return Content(
        data,
        axes,
        axis_sizes(axes, sizes) if axes else None,
        unit_name(unit) if unit or not space else "mm",
        _affine(header, dict(zip(names, directions, strict=True))),
        facts=frozenset(fact for fact, is_stated in facts.items() if is_stated),
        notes=notes + missing_sizes(axes, sizes),
    )


def _directions(header: Mapping[str, Any], count: int) -> list[NDArray[np.float64]]:
    """Return the vector of each axis in the file; NaN where it has none, empty if none have."""
    vectors = header.get("space directions")
    if vectors is None:
        return [np.empty(0)] * count
    width = next(len(d) for d in vectors if d is not None)
    return [np.full(width, np.nan) if d is None else np.asarray(d, np.float64) for d in vectors]


def _has_origin(header: Mapping[str, Any]) -> bool:
    origin = header.get("space origin")
    return origin is not None and bool(np.isfinite(origin).all())


def _affine(
    header: Mapping[str, Any], directions: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    columns = [d for name, d in directions.items() if name in "xyz"]
    if not all(len(column) in (2, 3) for column in columns):
        return None
    affine = np.eye(4)
    for axis, column in enumerate(columns):
        affine[:3, axis] = 0
        affine[: len(column), axis] = column
    if len(columns) == 2:
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / np.linalg.norm(normal)
    if _has_origin(header):
        affine[: len(header["space origin"]), 3] = header["space origin"]
    return _TO_RAS.get(str(header.get("space", "")).lower(), np.eye(4)) @ affine


def _segments(header: Mapping[str, Any]) -> list[_Segment]:
    """Return the segments of a header; equal values in several layers get labels of their own."""
    segments: list[_Segment] = []
    labels: set[int] = set()
    values = [1, *(int(header[key]) for key in header if key.endswith("_LabelValue"))]
    number = 0
    while {f"Segment{number}_ID", f"Segment{number}_LabelValue"} & header.keys():
        prefix = f"Segment{number}_"
        value = int(header.get(f"{prefix}LabelValue", 1))
        label = value if value not in labels else max(*values, *labels) + 1
        labels.add(label)
        name = str(header.get(f"{prefix}Name", ""))
        parts = [float(part) for part in str(header.get(f"{prefix}Color", "")).split()]
        color = None
        if len(parts) == 3:
            red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in parts)
            color = red, green, blue
        text = name.encode("ascii", "backslashreplace").decode("unicode_escape")
        # Before version 4.11, each segment was a layer of its own, of the value 1.
        default = 0 if f"{prefix}LabelValue" in header else number
        layer = int(header.get(f"{prefix}Layer", default))
        segments.append(_Segment(layer, value, label, text, color))
        number += 1
    return segments


def _merged(
    values: NDArray[Any], axis: int, segments: Iterable[_Segment]
) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
    """Merge the layers along an axis into one array of labels."""
    layers = np.moveaxis(values, axis, 0)
    labels = np.zeros(layers.shape[1:], np.uint16)
    count = np.zeros(labels.shape, np.uint8)
    for segment in segments:
        mask = layers[segment.layer] == segment.value
        labels[mask] = segment.label
        count += mask
    overlap = int(np.count_nonzero(count > 1))
    if not overlap:
        return labels, ()
    return labels, (f"segments overlap in {overlap} voxels; there the later one is kept",)


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels with the affine of the volume, and the legend as 3D Slicer writes segments.

    A volume that states no orientation gets the spacing alone. Time is a ``list`` axis, the
    kind that ITK and 3D Slicer read. Names are UTF-8.
    """
    import nrrd

    header = _placed_header(volume)
    ids = {*legend.names, *legend.colors}
    if path.name.lower().endswith(SEGMENTATION):
        # 3D Slicer shows the segments of the header alone.
        ids |= set(label_boxes(labels.reshape(-1, *labels.shape[-2:])))
    names: list[bytes] = []
    for number, label in enumerate(sorted(ids)):
        header[f"Segment{number}_ID"] = f"Segment_{label}"
        header[f"Segment{number}_Name"] = f"<name {number}>"
        header[f"Segment{number}_LabelValue"] = str(label)
        header[f"Segment{number}_Layer"] = "0"
        name = legend.names.get(label, "")
        names.append(escaped_text(name).encode())
        if label in legend.colors:
            parts = (f"{part / 255:.6g}" for part in legend.colors[label])
            header[f"Segment{number}_Color"] = " ".join(parts)
    file = io.BytesIO()
    nrrd.write(file, np.ascontiguousarray(labels), header, index_order="C")
    # The library writes ASCII alone: names take their places in the finished header.
    head, _, body = file.getvalue().partition(b"\n\n")
    head = re.sub(rb"<name (\d+)>", lambda match: names[int(match[1])], head)
    with path.open("wb") as target:
        target.write(head + b"\n\n")
        target.write(body)


def _placed_header(volume: Volume) -> dict[str, Any]:
    assert volume.affine is not None
    space = volume.names.removeprefix("t")[::-1]
    time = "t" in volume.names
    kinds = ["domain"] * len(space) + ["list"] * time
    steps = [volume.axis_spacing(0)] * time
    unit = _UNITS.get(volume.units, volume.units)
    header: dict[str, Any] = {"kinds": kinds, "labels": [*space, *"t" * time]}
    if not volume.states(ORIENTATION):
        sizes = [volume.axis_spacing(volume.names.index(name)) for name in space]
        units = [unit] * len(space) + [""] * time
        return header | {"spacings": sizes + steps, "units": units, "encoding": "gzip"}
    world = LPS_TO_RAS @ volume.affine
    directions = [world[:3, axis] for axis in range(len(space))] + [np.full(3, np.nan)] * time
    header |= {
        "space": "left-posterior-superior",
        "space directions": np.array(directions),
        "space origin": world[:3, 3],
        "space units": [unit] * 3,
    }
    if time:
        header["spacings"] = [np.nan] * len(space) + steps
    return header


def read_legend(path: Path) -> Legend:
    """Read the names and colors of segments, as 3D Slicer writes them."""
    import nrrd

    segments = _segments(nrrd.read_header(_header_lines(path)))
    return Legend(
        {segment.label: segment.name for segment in segments},
        {segment.label: segment.color for segment in segments if segment.color},
    )


def _header_lines(path: Path) -> list[str]:
    """Return the lines of a header as UTF-8, which the library would drop for ASCII."""
    lines = []
    with path.open("rb") as file:
        for line in file:
            lines.append(line.decode("utf-8", "replace"))
            if not line.strip():
                break
    return lines
