"""Measurements of labels as a table of comma-separated values."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.units import unit_name
from napari_promptseg.io.names import cell_text
from napari_promptseg.measure.measure import MILLILITRES, measure_intensities, measure_labels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend
    from napari_promptseg.measure.measure import Measurement

SUFFIXES: Final = (".csv",)
_INTENSITIES: Final = ("mean", "deviation", "lowest", "highest")


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write a row an object, in a series a row an object and time point.

    The columns are the fields of `Measurement`, in its units: ``box`` as ``z_start``,
    ``z_stop`` and so on, ``centroid`` as ``centroid_z`` and so on; then ``mean``,
    ``deviation``, ``lowest`` and ``highest`` of the image in the object, with the number of
    the channel at the end where there are several. What does not apply, such as the volume
    of a plane, has no column. A name that a spreadsheet would take for a formula begins with an
    apostrophe.
    """
    solid, series = "z" in volume.names, "t" in volume.names
    sizes = ["volume", "surface_area"] if solid else ["area", "perimeter"]
    if solid and unit_name(volume.units) in MILLILITRES:
        sizes.insert(1, "volume_ml")
    space = volume.names.removeprefix("t")
    columns = ["label", "name", *(["t"] if series else []), "voxels", *sizes]
    columns += [f"centroid_{axis}" for axis in space]
    columns += [f"{axis}_{end}" for axis in space for end in ("start", "stop")]
    columns += [f"{figure}{channel}" for channel in _channels(volume) for figure in _INTENSITIES]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*columns, "units"], extrasaction="ignore")
        table.writeheader()
        for measurement in measure_labels(labels, volume, legend.names):
            table.writerow(_row(measurement, space) | _intensities(measurement, labels, volume))


def _row(one: Measurement, space: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: getattr(one, name) for name in ("label", "t", "voxels", "units")
    } | {"name": cell_text(one.name)}
    for name in ("volume", "volume_ml", "surface_area", "area", "perimeter"):
        value = getattr(one, name)
        row[name] = "" if value is None else f"{value:.9g}"
    for axis, (start, stop), centre in zip(space, one.box, one.centroid, strict=True):
        row |= {f"{axis}_start": start, f"{axis}_stop": stop, f"centroid_{axis}": f"{centre:.9g}"}
    return row


def _channels(volume: Volume) -> list[str]:
    count = volume.data.shape[-1] if "c" in volume.axes else 1
    return [f"_{channel}" for channel in range(count)] if count > 1 else [""]


def _intensities(one: Measurement, labels: NDArray[Any], volume: Volume) -> dict[str, str]:
    box = one.box if one.t is None else ((one.t, one.t + 1), *one.box)
    mask = labels[box_slices(box)] == one.label
    intensities = measure_intensities(mask, volume, box)
    return {
        f"{figure}{channel}": f"{getattr(values, figure):.9g}"
        for channel, values in zip(_channels(volume), intensities, strict=True)
        for figure in _INTENSITIES
    }
