"""Folders of YOLO segmentation labels: a text file for each plane, and the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.labels import label_boxes
from napari_promptseg.io.coco import DEFAULT_CATEGORY, plane_files
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.outlines import Canvas, outlines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

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


def read(path: Path, volume: Volume) -> tuple[NDArray[np.uint32], Legend]:
    """Draw the polygons of a folder onto the pixels of the image that it belongs to.

    Lines have no id: each is an object of its own, with the name of its class. Files belong to
    planes by their names, as `write` gives them.

    Parameters
    ----------
    path : Path
        The folder with ``data.yaml``, or that of the text files.
    volume : Volume
        The image.

    Raises
    ------
    ValueError
        If no file belongs to a plane, or a line holds no numbers.
    """
    folder = path / "labels" if (path / "labels").is_dir() else path
    classes = _classes(path)
    canvas = Canvas(volume.shape)
    names: dict[int, str] = {}
    count = boxes = absent = 0
    stems = dict(zip(_stems(volume), np.ndindex(volume.shape[:-2]), strict=True))
    files = {file.stem: file for file in sorted(folder.rglob("*.txt"))}
    if not stems.keys() & files.keys():
        expected = f"{next(iter(stems))}.txt"
        raise ValueError(f"none of its {len(files)} files belongs to the image, such as {expected}")
    size = np.array(volume.shape[:-3:-1], np.float64)
    for stem, index in stems.items():
        if stem not in files:
            absent += 1
            continue
        for line in files[stem].read_text(encoding="utf-8").splitlines():
            values = [float(value) for value in line.split()]
            if len(values) < 7 or len(values) % 2 == 0:
                boxes += bool(values)
                continue
            count += 1
            number = int(values[0])
            canvas.draw(index, [np.reshape(values[1:], (-1, 2)) * size], count)
            names[count] = classes.get(number, f"class {number}")
    notes = [*canvas.notes("polygons")]
    if boxes:
        notes.append(f"{boxes} lines are boxes or no polygons, and are not taken")
    if absent:
        notes.append(f"{absent} planes have no file, and no objects")
    return canvas.labels, Legend(names, notes=tuple(notes))


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of YOLO labels."""
    return path.is_dir() and (path.name.endswith(SUFFIXES) or (path / "data.yaml").is_file())


def _classes(path: Path) -> dict[int, str]:
    """Return the names of classes by number, from the table beside the labels."""
    import yaml

    file = next((f for f in (path / "data.yaml", path.parent / "data.yaml") if f.is_file()), None)
    content = yaml.safe_load(file.read_text(encoding="utf-8")) if file else {}
    names = content.get("names", {}) if isinstance(content, dict) else {}
    entries = names.items() if isinstance(names, dict) else enumerate(names or ())
    return {int(number): str(name) for number, name in entries}
