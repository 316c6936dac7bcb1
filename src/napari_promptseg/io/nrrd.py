"""NRRD files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.lazy_array import arrange
from napari_promptseg.data.units import unit_name
from napari_promptseg.io.metadata import LPS_TO_RAS, Content, Legend, axis_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".nrrd", ".nhdr")
_SPACE_KINDS = {None, "domain", "space", "???", "none"}
_UNITS = {"µm": "um", "Å": "angstrom"}  # the header is ASCII
_TO_RAS = {
    "left-posterior-superior": LPS_TO_RAS,
    "lps": LPS_TO_RAS,
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "las": np.diag([-1.0, 1.0, 1.0, 1.0]),
}


def read(path: Path) -> Content:
    """Read a NRRD file; world coordinates become those of NIfTI (right, front, head)."""
    import nrrd

    values, header = nrrd.read(str(path), index_order="C")
    directions = _directions(header, values.ndim)
    kinds = list(header.get("kinds", [None] * values.ndim))
    names = ""
    spatial = iter("xyzt")
    for size, kind, direction in zip(reversed(values.shape), kinds, directions, strict=True):
        if np.isfinite(direction).all() or (not len(direction) and kind in _SPACE_KINDS):
            names += next(spatial, "?")
        else:
            names += "t" if kind == "time" or size > 4 else "c"
    spacings = header.get("spacings", [np.nan] * values.ndim)
    sizes = {
        name: float(np.linalg.norm(d)) if len(d) and name in "xyz" else float(s)
        for name, d, s in zip(names, directions, spacings, strict=True)
    }
    space = str(header.get("space", ""))
    unit = next(iter(header.get("space units", header.get("units", ()))), None)
    data, axes = arrange(values, names[::-1])
    return Content(
        data,
        axes,
        axis_sizes(axes, sizes) if axes else None,
        unit_name(unit) if unit or not space else "mm",
        _affine(header, dict(zip(names, directions, strict=True))),
    )


def _directions(header: Mapping[str, Any], count: int) -> list[NDArray[np.float64]]:
    """Return the vector of each axis in the file; NaN where it has none, empty if none have."""
    vectors = header.get("space directions")
    if vectors is None:
        return [np.empty(0)] * count
    width = next(len(d) for d in vectors if d is not None)
    return [np.full(width, np.nan) if d is None else np.asarray(d, np.float64) for d in vectors]


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
    origin = header.get("space origin")
    if origin is not None and np.isfinite(origin).all():
        affine[: len(origin), 3] = origin
    return _TO_RAS.get(str(header.get("space", "")).lower(), np.eye(4)) @ affine


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels with the affine of the volume, and the legend as 3D Slicer writes segments."""
    import nrrd

    assert volume.affine is not None
    world = LPS_TO_RAS @ volume.affine
    space = volume.names.removeprefix("t")[::-1]
    directions = [world[:3, axis] for axis in range(len(space))]
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "kinds": ["domain"] * len(space),
        "space units": [_UNITS.get(volume.units, volume.units)] * 3,
        "space origin": world[:3, 3],
    }
    if "t" in volume.names:
        directions.append(np.full(3, np.nan))
        header["kinds"].append("time")
        header["spacings"] = [np.nan] * len(space) + [volume.axis_spacing(0)]
    header["space directions"] = np.array(directions)
    for number, label in enumerate(sorted({*legend.names, *legend.colours})):
        name = legend.names.get(label, "")
        header[f"Segment{number}_ID"] = f"Segment_{label}"
        header[f"Segment{number}_Name"] = name.encode("unicode_escape").decode("ascii")
        header[f"Segment{number}_LabelValue"] = str(label)
        header[f"Segment{number}_Layer"] = "0"
        if label in legend.colours:
            parts = (f"{part / 255:.6g}" for part in legend.colours[label])
            header[f"Segment{number}_Color"] = " ".join(parts)
    nrrd.write(str(path), np.ascontiguousarray(labels), header, index_order="C")


def read_legend(path: Path) -> Legend:
    """Read the names and colours of segments, as 3D Slicer writes them."""
    import nrrd

    header = nrrd.read_header(str(path))
    names: dict[int, str] = {}
    colours: dict[int, tuple[int, int, int]] = {}
    number = 0
    while f"Segment{number}_LabelValue" in header:
        label = int(header[f"Segment{number}_LabelValue"])
        name = str(header.get(f"Segment{number}_Name", ""))
        names[label] = name.encode("ascii", "backslashreplace").decode("unicode_escape")
        parts = [float(part) for part in str(header.get(f"Segment{number}_Color", "")).split()]
        if len(parts) == 3:
            red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in parts)
            colours[label] = red, green, blue
        number += 1
    return Legend(names, colours)
