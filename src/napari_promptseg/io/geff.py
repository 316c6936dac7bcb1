"""GEFF stores: the tracks of a series as a graph of points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.units import unit_ratio
from napari_promptseg.data.volume import SPACING
from napari_promptseg.io.ome_zarr_labels import UNITS
from napari_promptseg.io.track_spots import Spot, draw
from napari_promptseg.measure.tracks import track_edges, track_points

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

SUFFIXES: Final = (".geff",)
_INSTALL: Final = "GEFF needs geff; pip install 'napari-promptseg[tracks]'"


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write a node for each object and time point, and edges in the direction of time.

    Positions are centroids in pixels, with the spacing as the scale of the axes where it is
    stated. ``label`` is the label and ``pixels`` the size; names have no place.

    Raises
    ------
    ImportError
        If geff is not installed.
    ValueError
        If there is no time axis or no object, or a parent ends after its daughter begins.
    """
    try:
        from geff import GeffMetadata
        from geff.core_io import write_arrays
    except ImportError as error:
        raise ImportError(f"cannot write {path.name}: {_INSTALL}") from error
    if "t" not in volume.names:
        raise ValueError(f"tracks need a time axis, these labels have axes {volume.names!r}")
    tracks = track_points(labels, legend.parents)
    if not len(tracks.data):
        raise ValueError("there is no object to write: GEFF needs one node at least")
    unit = UNITS.get(volume.units) if volume.states(SPACING) else None
    axes = [
        {
            "name": name,
            "type": "time" if name == "t" else "space",
            "unit": "frame" if name == "t" else "pixel",
            "scale": volume.axis_spacing(axis) if unit and name != "t" else None,
            "scaled_unit": unit if name != "t" else None,
        }
        for axis, name in enumerate(volume.names)
    ]
    metadata = {
        "directed": True,
        "axes": axes,
        "node_props_metadata": {},
        "edge_props_metadata": {},
    }
    ids, times = tracks.data[:, 0].astype(np.uint32), tracks.data[:, 1].astype(np.int64)
    sizes = [np.count_nonzero(labels[t] == label) for label, t in zip(ids, times, strict=True)]
    properties: dict[str, NDArray[Any]] = {
        name: tracks.data[:, axis + 1].astype(np.int64 if name == "t" else np.float64)
        for axis, name in enumerate(volume.names)
    } | {"label": ids, "pixels": np.array(sizes, np.int64)}
    write_arrays(
        str(path),
        np.arange(len(ids), dtype=np.uint32),
        {name: {"values": values, "missing": None} for name, values in properties.items()},
        np.array(track_edges(tracks), np.uint32).reshape(-1, 2),
        {},
        GeffMetadata.model_validate(metadata),
    )


def read(path: Path, volume: Volume) -> tuple[NDArray[np.uint32], Legend]:
    """Draw the nodes of a store, which must have a radius, onto a series.

    Positions are in pixels if their axis has a scale or the unit ``pixel``, else in its unit.
    See `track_spots.draw`.

    Raises
    ------
    ImportError
        If geff is not installed.
    ValueError
        If its nodes have no radius, or do not fit the series.
    """
    try:
        from geff import GeffReader
    except ImportError as error:
        raise ImportError(f"cannot read {path.name}: {_INSTALL}") from error
    reader = GeffReader(str(path))
    metadata = reader.metadata
    if metadata.sphere is None:
        raise ValueError(
            "its nodes are points without a size, and no labels; open the labels of the tracks"
        )
    axes = {str(axis.name)[:1].lower(): axis for axis in metadata.axes or ()}
    if missing := set(volume.names) - axes.keys():
        raise ValueError(f"it has no axes {sorted(missing)}; it has {sorted(axes)}")
    reader.read_node_props()
    graph = reader.build()
    steps = np.array(
        [_step(axes[name], volume, index) for index, name in enumerate(volume.names) if name != "t"]
    )
    columns = [graph["node_props"][axes[name].name]["values"] for name in volume.names]
    radii = graph["node_props"][metadata.sphere]["values"]
    spots = {
        int(number): Spot(
            round(float(t)),
            tuple((np.array(position, np.float64) / steps).tolist()),
            tuple((float(radius) / steps).tolist()),
        )
        for number, t, radius, *position in zip(
            graph["node_ids"], columns[0], radii, *columns[1:], strict=True
        )
    }
    edges = [(int(source), int(target)) for source, target in graph["edge_ids"]]
    return draw(spots, edges, volume)


def _step(axis: Any, volume: Volume, index: int) -> float:
    """Return the size of a pixel in the unit of an axis of the store."""
    if axis.unit in (None, "pixel") or axis.scale is not None:
        return 1.0
    return volume.axis_spacing(index) * (unit_ratio(volume.units, axis.unit) or 1.0)
