"""ROI sets of ImageJ, one polygon for each piece of an object in each plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.labels import label_boxes
from napari_promptseg.io.names import line_text
from napari_promptseg.io.outlines import outlines

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

SUFFIXES: Final = (".zip",)


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels for the ROI manager, at the slice and frame of their plane.

    The name of a ROI is that of its object and its label. Holes hang on a line to their
    outline.

    Raises
    ------
    ImportError
        If roifile is not installed.
    ValueError
        If there is no object to write.
    """
    try:
        import roifile
    except ImportError as error:
        raise ImportError(
            f"cannot write {path.name}: ROI sets need roifile; "
            "pip install 'napari-promptseg[imagej]'"
        ) from error
    rois = []
    for index in np.ndindex(labels.shape[:-2]):
        at = dict(zip(volume.names, index, strict=False))
        plane = labels[index]
        for label in label_boxes(plane):
            name = "-".join(filter(None, [line_text(legend.names.get(label, "")), str(label)]))
            parts = [f"{axis}{i + 1:04d}" for axis, i in at.items()]
            for number, piece in enumerate(outlines(plane == label)):
                roi = roifile.ImagejRoi.frompoints(
                    piece.joined()[:-1],
                    name="-".join([name, *parts, *[f"piece{number + 1}"] * (number > 0)]),
                    c=0,
                    z=at.get("z", -1),
                    t=at.get("t", -1),
                )
                if color := legend.colors.get(label):
                    roi.stroke_color = bytes([255, *color])
                rois.append(roi)
    if not rois:
        raise ValueError("there is no object to write: a ROI set needs one at least")
    roifile.roiwrite(path, rois, mode="w")
