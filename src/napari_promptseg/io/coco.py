"""COCO JSON, with one annotation for each object in each plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.data.labels import labels_of
from napari_promptseg.io import image_files
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.outlines import outlines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".json",)
POLYGONS: Final = (".polygons.json",)
_ID_LIMIT: Final = 2**32
DEFAULT_CATEGORY: Final = "object"
"""Class of objects without a name."""


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
    categories = list(dict.fromkeys(legend.names.get(label, DEFAULT_CATEGORY) for label in present))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    rows, columns = labels.shape[-2:]
    files = plane_files(volume)
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
                    "category_id": categories.index(legend.names.get(int(label), DEFAULT_CATEGORY))
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


def plane_files(volume: Volume) -> list[str]:
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
    return [piece.joined()[:-1].ravel().tolist() for piece in outlines(mask)]


def read(path: Path, volume: Volume) -> tuple[NDArray[np.uint32], Legend]:
    """Draw the annotations of a file onto the pixels of an image.

    Images of the file are planes of the volume by their ``z`` and ``t``, by the names of the
    files of a folder, or in their order. The label of an annotation is its ``object_id``, or
    else its ``id``; a new one where that is 0, text or too large. Where annotations overlap,
    the later one is kept, and a note counts.

    Parameters
    ----------
    path : Path
        The file.
    volume : Volume
        The image.

    Raises
    ------
    ValueError
        If the file is not COCO, or an image has another size than the planes.
    """
    content = json.loads(path.read_text("utf-8"))
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise ValueError("it has no images and annotations, and is not COCO")
    planes = _plane_indices(content["images"], volume)
    categories = {entry["id"]: str(entry["name"]) for entry in content.get("categories", ())}
    labels = np.zeros(volume.shape, np.uint32)
    names: dict[int, str] = {}
    overlap = outside = 0
    keys = [entry.get("object_id", entry.get("id")) for entry in content["annotations"]]
    labels_by_id = labels_of(keys, _ID_LIMIT)
    for annotation, key in zip(content["annotations"], keys, strict=True):
        index = planes.get(annotation["image_id"])
        if index is None or not annotation.get("segmentation"):
            outside += 1
            continue
        plane, label = labels[index], labels_by_id[key]
        mask = _decoded(annotation["segmentation"], plane.shape)
        overlap += int(np.count_nonzero(mask & (plane > 0) & (plane != label)))
        plane[mask] = label
        if name := categories.get(annotation.get("category_id")):
            names[label] = name
    notes = []
    if overlap:
        notes.append(f"annotations overlap in {overlap} pixels; there the later one is kept")
    if outside:
        notes.append(f"{outside} annotations have no mask or no plane and are not taken")
    return labels, Legend(names, notes=tuple(notes))


def _plane_indices(images: Sequence[Mapping[str, Any]], volume: Volume) -> dict[Any, Any]:
    """Return the index of the plane of each image of a file by its id."""
    rows, columns = volume.shape[-2:]
    for image in images:
        if (image.get("height", rows), image.get("width", columns)) != (rows, columns):
            raise ValueError(
                f"its image {image.get('file_name')!r} has {image.get('height')} x "
                f"{image.get('width')} pixels, the planes have {rows} x {columns}"
            )
    leading = volume.names[:-2]
    if leading and all(name in image for image in images for name in leading):
        indices = [tuple(int(image[name]) for name in leading) for image in images]
    else:
        every = list(np.ndindex(volume.shape[:-2]))
        files = plane_files(volume)
        by_name = dict(zip(files, every, strict=True)) if len(set(files)) == len(every) else {}
        file_names = [Path(str(image.get("file_name", ""))).name for image in images]
        if by_name and set(file_names) <= set(by_name):
            indices = [by_name[name] for name in file_names]
        elif len(images) == len(every):
            indices = every
        else:
            raise ValueError(
                f"it has {len(images)} images, the volume {len(every)} planes, and neither file "
                "names nor z and t tell which belong together"
            )
    inside = [
        all(0 <= i < n for i, n in zip(index, volume.shape, strict=False)) for index in indices
    ]
    return {
        image["id"]: index
        for image, index, fits in zip(images, indices, inside, strict=True)
        if fits
    }


def _decoded(segmentation: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of run lengths or of polygons."""
    from skimage.draw import polygon2mask

    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        if isinstance(counts, str):
            counts = _unpacked(counts)
        if list(segmentation.get("size", shape)) != list(shape):
            size = segmentation["size"]
            raise ValueError(f"its run lengths are of {size} pixels, the planes have {shape}")
        flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        return flat.reshape(shape[::-1]).T
    mask = np.zeros(shape, bool)
    for polygon in segmentation:
        corners = np.array(polygon, np.float64).reshape(-1, 2)[:, ::-1] - 0.5
        mask |= polygon2mask(shape, corners)
    return mask


def _unpacked(text: str) -> list[int]:
    """Return the run lengths in a compressed string: 6 bits a character, 5 of them a digit.

    From the third one on, run lengths are differences to the one two before.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text.encode("ascii"):
        digit = character - 48
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
