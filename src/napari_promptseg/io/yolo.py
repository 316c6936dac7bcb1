"""Folders of YOLO segmentation labels: a text file for each plane, and the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.labels import label_boxes
from napari_promptseg.io.coco import DEFAULT_CATEGORY, plane_files
from napari_promptseg.io.outlines import outlines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

SUFFIXES: Final = ("_YOLO",)
"""Suffix of the folder name."""


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels as polygons in fractions of the image, "class x1 y1 x2 y2 ..." a line.

    ``labels/NAME.txt`` belongs to the image NAME of a folder of images; planes of one file
    have their index after its name. Names of objects are the classes, in ``data.yaml``. Holes
    hang on a line to their outline; pieces of an object are lines of their own.
    """
    rows, columns = labels.shape[-2:]
    size = np.array([columns, rows], np.float64)
    classes: dict[str, int] = {}
    stems = _stems(volume)
    (path / "labels").mkdir(parents=True)
    for stem, index in zip(stems, np.ndindex(labels.shape[:-2]), strict=True):
        plane = labels[index]
        lines = []
        for label in label_boxes(plane):
            name = legend.names.get(label, DEFAULT_CATEGORY)
            number = classes.setdefault(name, len(classes))
            for piece in outlines(plane == label):
                corners = (piece.joined()[:-1] / size).ravel()
                lines.append(" ".join([str(number), *(f"{value:.6g}" for value in corners)]))
        text = "".join(f"{line}\n" for line in lines)
        (path / "labels" / f"{stem}.txt").write_text(text, encoding="ascii")
    # JSON strings are YAML as well.
    entries = "".join(f"  {i}: {json.dumps(n, ensure_ascii=False)}\n" for n, i in classes.items())
    names = f"names:\n{entries}" if classes else "names: {}\n"
    (path / "data.yaml").write_text(names, encoding="utf-8")


def _stems(volume: Volume) -> list[str]:
    """Return the name of the text file of each plane, without suffix."""
    files = [Path(name).stem for name in plane_files(volume)]
    if len(files) == 1 or len(set(files)) == len(files):
        return [files[0] or "image"] if len(files) == 1 else files
    indices = np.ndindex(volume.shape[:-2])
    return [
        "_".join([file or "image", *(f"{i:04d}" for i in index)])
        for file, index in zip(files, indices, strict=True)
    ]
