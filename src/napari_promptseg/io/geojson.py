"""GeoJSON of QuPath, one annotation for each object in each plane."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import numpy as np

from napari_promptseg.data.labels import label_boxes, labels_of
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.outlines import Canvas, outlines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.outlines import Outline

SUFFIXES: Final = (".geojson",)
_LABEL_LIMIT: Final = 2**32


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels as annotations in pixels of the image, the first of which begins at 0.

    A name becomes the class of an annotation, with its color; ``object_id`` is the label, and
    ``plane`` of a geometry names z and t, as QuPath does.
    """
    features = []
    for index in np.ndindex(labels.shape[:-2]):
        at = dict(zip(volume.names, index, strict=False))
        plane = labels[index]
        for label in label_boxes(plane):
            geometry = _geometry(outlines(plane == label))
            if volume.names != "yx":
                geometry["plane"] = {"c": -1, "z": at.get("z", 0), "t": at.get("t", 0)}
            feature = {"type": "Feature", "id": str(uuid4()), "geometry": geometry}
            features.append(feature | {"properties": _properties(label, legend)})
    content = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _geometry(pieces: list[Outline]) -> dict[str, Any]:
    polygons = [[ring.tolist() for ring in (piece.outer, *piece.holes)] for piece in pieces]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _properties(label: int, legend: Legend) -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": "annotation", "object_id": label}
    if name := legend.names.get(label):
        properties |= {"name": name, "classification": {"name": name}}
        if color := legend.colors.get(label):
            properties["classification"]["color"] = list(color)
    elif color := legend.colors.get(label):
        properties["color"] = list(color)
    return properties


def read(path: Path, volume: Volume) -> tuple[NDArray[np.uint32], Legend]:
    """Draw the polygons of a file onto the pixels of an image.

    The label of an annotation is its ``object_id``, or else a new one; its name is that of its
    class, or else its own. Without a plane it lies in the first one. Where annotations overlap,
    the later one is kept, and a note counts.

    Parameters
    ----------
    path : Path
        The file: a collection, a list or one feature.
    volume : Volume
        The image.

    Raises
    ------
    ValueError
        If the file is not GeoJSON.
    """
    content = json.loads(path.read_text("utf-8"))
    if isinstance(content, dict):
        content = content.get("features", [content])
    if not all(isinstance(entry, dict) and "geometry" in entry for entry in content):
        raise ValueError("it has no features with a geometry, and is not GeoJSON")
    canvas = Canvas(volume.shape)
    names: dict[int, str] = {}
    colors: dict[int, tuple[int, int, int]] = {}
    absent = 0
    properties = [entry.get("properties") or {} for entry in content]
    keys = [one.get("object_id", f"feature {number}") for number, one in enumerate(properties)]
    ids = labels_of(keys, _LABEL_LIMIT)
    for entry, one, key in zip(content, properties, keys, strict=True):
        label, geometry = ids[key], entry["geometry"] or {}
        polygons = geometry.get("coordinates", [])
        if geometry.get("type") == "Polygon":
            polygons = [polygons]
        at = geometry.get("plane", {})
        index = tuple(int(at.get(name, 0)) for name in volume.names[:-2])
        is_inside = all(0 <= i < n for i, n in zip(index, volume.shape, strict=False))
        if geometry.get("type") not in ("Polygon", "MultiPolygon") or not is_inside:
            absent += 1
            continue
        for rings in polygons:
            corners = [np.array([p[:2] for p in ring], np.float64) for ring in rings]
            canvas.draw(index, corners, label)
        _add_legend(one, label, names, colors)
    notes = canvas.notes("annotations")
    if absent:
        text = f"{absent} annotations are no areas or lie in no plane, and are not taken"
        notes = (*notes, text)
    return canvas.labels, Legend(names, colors, notes=notes)


def _add_legend(
    properties: Mapping[str, Any],
    label: int,
    names: dict[int, str],
    colors: dict[int, tuple[int, int, int]],
) -> None:
    group = properties.get("classification") or {}
    if name := group.get("name") or properties.get("name"):
        names[label] = str(name)
    color = group.get("color") or properties.get("color")
    if isinstance(color, list) and len(color) == 3:
        red, green, blue = map(int, color)
        colors[label] = red, green, blue
