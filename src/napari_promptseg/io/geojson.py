"""GeoJSON of QuPath, one annotation for each object in each plane."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import numpy as np

from napari_promptseg.data.labels import label_boxes
from napari_promptseg.io.outlines import outlines

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend
    from napari_promptseg.io.outlines import Outline

SUFFIXES: Final = (".geojson",)


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
