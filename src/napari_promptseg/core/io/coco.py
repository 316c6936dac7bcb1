"""Labels in the JSON of COCO, one annotation for each object in each plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_promptseg.core.volume import Volume

SUFFIXES: Final = (".json",)
_UNNAMED = "object"


def write(path: Path, labels: NDArray[Any], volume: Volume, names: Mapping[int, str]) -> None:
    """Write labels as COCO annotations.

    Every plane along z and t is an image, which names its ``z`` and ``t``. The names of
    the objects are the categories; ``object_id`` tells which pieces belong together.
    Masks are uncompressed run lengths down the columns.
    """
    present = [int(label) for label in np.unique(labels) if label]
    categories = list(dict.fromkeys(names.get(label, _UNNAMED) for label in present))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    rows, columns = labels.shape[-2:]
    for number, index in enumerate(np.ndindex(labels.shape[:-2]), start=1):
        image = {
            "id": number,
            "file_name": Path(volume.source).name if volume.source else "",
            "height": rows,
            "width": columns,
        }
        images.append(image | dict(zip(volume.names, index, strict=False)))
        plane = labels[index]
        for label in np.unique(plane):
            if label:
                found = {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories.index(names.get(int(label), _UNNAMED)) + 1,
                    "object_id": int(label),
                    "iscrowd": 0,
                }
                annotations.append(found | _outline(plane == label))
    content = {
        "info": {"description": "made with napari-promptseg"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories, start=1)],
    }
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _outline(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return run lengths, box (x, y, width, height) and area of a mask that is not empty."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    down, across = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(down[0]), int(across[0])
    return {
        # The first run is background, of length 0 where the first pixel is not.
        "segmentation": {"counts": [0, *counts] if flat[0] else counts, "size": list(mask.shape)},
        "bbox": [left, top, int(across[-1]) - left + 1, int(down[-1]) - top + 1],
        "area": int(np.count_nonzero(mask)),
    }
