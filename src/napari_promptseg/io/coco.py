"""COCO JSON, with one annotation for each object in each plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.io import image_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

SUFFIXES: Final = (".json",)
POLYGONS: Final = (".polygons.json",)
_DEFAULT_CATEGORY = "object"


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels as COCO annotations.

    Every plane along z and t is an image, which names its ``z`` and ``t``, and its own file
    where the volume is a folder of images. The names of
    the objects are the categories; ``object_id`` tells which pieces belong together.
    Masks are uncompressed run lengths down the columns, or polygons where the name of the
    file says so. Drawn by the centres of pixels, polygons give the same masks; holes hang on
    a line to their outline, which the format has no other way for.
    """
    outline = _polygons if path.name.endswith(POLYGONS) else _run_lengths
    present = [int(label) for label in np.unique(labels) if label]
    categories = list(
        dict.fromkeys(legend.names.get(label, _DEFAULT_CATEGORY) for label in present)
    )
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    rows, columns = labels.shape[-2:]
    files = _file_names(volume)
    for number, index in enumerate(np.ndindex(labels.shape[:-2]), start=1):
        image = {
            "id": number,
            "file_name": files[number - 1],
            "height": rows,
            "width": columns,
        }
        images.append(image | dict(zip(volume.names, index, strict=False)))
        plane = labels[index]
        for label in np.unique(plane):
            if label:
                annotation = {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories.index(legend.names.get(int(label), _DEFAULT_CATEGORY))
                    + 1,
                    "object_id": int(label),
                    "iscrowd": 0,
                }
                mask = plane == label
                annotations.append(annotation | _extent(mask) | {"segmentation": outline(mask)})
    content = {
        "info": {"description": "made with napari-promptseg"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories, start=1)],
    }
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _file_names(volume: Volume) -> list[str]:
    """Return the name of the file of each plane, in the order of the planes."""
    source = Path(volume.source or "")
    count = int(np.prod(volume.shape[:-2], dtype=int))
    if volume.source and source.is_dir():
        files = image_files.stack_files(source)
        if len(files) == count:
            return [file.name for file in files]
    return [source.name] * count


def _extent(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return box (x, y, width, height) and area of a mask that is not empty."""
    (y0, y1), (x0, x1) = mask_box(mask) or ((0, 0), (0, 0))
    return {
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": int(np.count_nonzero(mask)),
    }


def _run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    # The first run is background, of length 0 where the first pixel is not.
    return {"counts": [0, *counts] if flat[0] else counts, "size": list(mask.shape)}


def _polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """Return outlines as x, y, x, y, ...; the centre of the first pixel is at 0.5."""
    from skimage import measure

    (y0, y1), (x0, x1) = mask_box(mask) or ((0, 0), (0, 0))
    pieces, count = measure.label(np.pad(mask[y0:y1, x0:x1], 1), return_num=True, connectivity=1)
    outlines = []
    for piece in range(1, count + 1):
        contours = measure.find_contours((pieces == piece).astype(np.float32), 0.5, "low")
        outer, *holes = (
            measure.approximate_polygon(contour, 0)
            for contour in sorted(contours, key=lambda c: np.ptp(c, axis=0).prod(), reverse=True)
        )
        for hole in holes:
            outer = _joined(outer, hole)
        # The padding shifted all by one pixel.
        corners = outer[:-1] - 0.5 + (y0, x0)
        outlines.append(corners[:, ::-1].ravel().tolist())
    return outlines


def _joined(outer: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Go around a hole on the way along an outline; both are closed."""
    distances = np.linalg.norm(outer[:, None] - hole[None], axis=2)
    at, first = np.unravel_index(int(distances.argmin()), distances.shape)
    around = np.concatenate([hole[first:-1], hole[: first + 1]])
    return np.concatenate([outer[: at + 1], around, outer[at:]])
