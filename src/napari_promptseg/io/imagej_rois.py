"""ROI sets of ImageJ, one polygon for each piece of an object in each plane."""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.labels import label_boxes, labels_of
from napari_promptseg.data.requirements import require
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.names import basic_plane_text
from napari_promptseg.io.outlines import Canvas, outlines

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".zip",)
READ_SUFFIXES: Final = (".zip", ".roi")
_LABEL: Final = "promptseg.label"
"""Property of a ROI that holds the label of its object."""
_NAME: Final = "promptseg.name"
_MAX_UNPACKED: Final = 2**30
"""Bytes of all ROIs of a set."""
_PLACE: Final = re.compile(r"\d{4,}(-\d{4,}){1,2}")
"""Names that ImageJ makes of the place of a ROI."""


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels for the ROI manager, at the slice and frame of their plane.

    The name of a ROI is that of its object and its label; its properties have both too. Holes
    hang on a line to their outline.

    Raises
    ------
    ImportError
        If roifile is not installed.
    ValueError
        If there is no object to write.
    """
    require("roifile", extra="imagej", purpose="A ROI set")
    import roifile

    rois = []
    for index in np.ndindex(labels.shape[:-2]):
        at = dict(zip(volume.names, index, strict=False))
        plane = labels[index]
        for label in label_boxes(plane):
            text = legend.names.get(label, "")
            name = "-".join(filter(None, [basic_plane_text(text), str(label)]))
            parts = [f"{axis}{i + 1:04d}" for axis, i in at.items()]
            for number, piece in enumerate(outlines(plane == label)):
                roi = roifile.ImagejRoi.frompoints(
                    piece.joined()[:-1],
                    name="-".join([name, *parts, *[f"piece{number + 1}"] * (number > 0)]),
                    c=0,
                    z=at.get("z", -1),
                    t=at.get("t", -1),
                )
                roi.props = f"{_LABEL}: {label}\n{_NAME}: {json.dumps(text)}\n"
                if color := legend.colors.get(label):
                    roi.stroke_color = bytes([255, *color])
                rois.append(roi)
    if not rois:
        raise ValueError("there is no object to write: a ROI set needs one at least")
    roifile.roiwrite(path, rois, mode="w")


def read(path: Path, volume: Volume) -> tuple[NDArray[np.uint32], Legend]:
    """Draw the areas of a ROI set, or of a single ROI, onto the pixels of an image.

    ROIs that this package wrote are the objects that they were; each other one is an object of
    its own, with its name unless ImageJ made that of its place. Its plane is its slice and
    frame, or its position in the stack; without any it lies in the first plane, and a note
    counts.

    Parameters
    ----------
    path : Path
        A ``.zip`` of the ROI manager, or a ``.roi``.
    volume : Volume
        The image.

    Raises
    ------
    ImportError
        If roifile is not installed.
    ValueError
        If the file holds no ROI.
    """
    require("roifile", extra="imagej", purpose="A ROI set")
    import roifile

    _check_size(path)
    rois = roifile.roiread(path)
    rois = [rois] if isinstance(rois, roifile.ImagejRoi) else list(rois)
    if not rois:
        raise ValueError("it holds no ROI")
    areas = {roifile.ROI_TYPE[name] for name in ("POLYGON", "FREEHAND", "TRACED", "RECT", "OVAL")}
    properties = [_properties(roi.props) for roi in rois]
    keys = [
        int(one[_LABEL]) if one.get(_LABEL, "").isdigit() else f"ROI {number}"
        for number, one in enumerate(properties)
    ]
    ids = labels_of(keys, 2**32)
    canvas = Canvas(volume.shape)
    names: dict[int, str] = {}
    colors: dict[int, tuple[int, int, int]] = {}
    absent = unplaced = 0
    for roi, one, key in zip(rois, properties, keys, strict=True):
        index, is_placed = _index(roi, volume)
        inside = all(0 <= i < n for i, n in zip(index, volume.shape, strict=False))
        rings = [ring for ring in roi.coordinates(multi=True) if len(ring) > 2]
        if roi.roitype not in areas or not rings or not inside:
            absent += 1
            continue
        unplaced += not is_placed
        label = ids[key]
        canvas.draw(index, rings, label)
        name = "" if _PLACE.fullmatch(roi.name) else roi.name
        if _LABEL in one:
            name = json.loads(one.get(_NAME, '""'))
        if name:
            names[label] = name
        if any(roi.stroke_color):
            _, red, green, blue = roi.stroke_color
            colors[label] = red, green, blue
    notes = [*canvas.notes("ROIs")]
    if absent:
        notes.append(f"{absent} ROIs are no areas or lie in no plane, and are not taken")
    if unplaced:
        notes.append(f"{unplaced} ROIs name no plane, and lie in the first one")
    return canvas.labels, Legend(names, colors, notes=tuple(notes))


def _check_size(path: Path) -> None:
    """Refuse a ROI set that would unpack to far more than any set of outlines needs.

    Raises
    ------
    ValueError
        If it would.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MAX_UNPACKED:
            raise ValueError(f"it unpacks to {size} bytes; valid: up to {_MAX_UNPACKED}")


def _properties(text: str) -> dict[str, str]:
    """Return the properties of a ROI, a line each."""
    pairs = (line.partition(":") for line in (text or "").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _index(roi: Any, volume: Volume) -> tuple[tuple[int, ...], bool]:
    """Return the index of the plane of a ROI, and whether the ROI names it."""
    axes = volume.names[:-2]
    places = {"z": int(roi.z_position), "t": int(roi.t_position)}
    if not any(places[axis] for axis in axes) and roi.position:
        size = volume.shape[:-2]
        position = int(roi.position) - 1
        if position < int(np.prod(size, dtype=int)):
            return tuple(int(i) for i in np.unravel_index(position, size)), True
        return tuple(-1 for _ in axes), True
    is_placed = all(places[axis] for axis in axes)
    return tuple(max(places[axis] - 1, 0) for axis in axes), is_placed
