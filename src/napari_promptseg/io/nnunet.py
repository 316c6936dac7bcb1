"""Data set folders of nnU-Net with one case."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.io import nifti
from napari_promptseg.io.coco import DEFAULT_CATEGORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

PATTERN: Final = r"dataset\d{3}_[^.]+"
"""Name of a data set folder, such as ``Dataset001_Liver``, in any case."""
_ENDING: Final = ".nii.gz"


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write image and labels as a training case, and ``dataset.json``.

    Names of objects are the classes, numbered from 1 as nnU-Net asks; objects of one name are
    one class. Each channel is a file of its own. A further case goes into the folder as
    ``labelsTr/CASE.nii.gz``, with classes of the same numbers.

    Raises
    ------
    ValueError
        If there is a time axis.
    """
    if "t" in volume.names:
        raise ValueError(f"nnU-Net holds volumes and images, these axes are {volume.names!r}")
    case = re.split(r"\.", Path(volume.source).name)[0] if volume.source else "case"
    classes: dict[str, int] = {"background": 0}
    semantic = np.zeros(labels.shape, np.uint8 if len(legend.names) < 255 else np.uint16)
    for label in np.unique(labels[labels > 0]).tolist():
        name = legend.names.get(label) or DEFAULT_CATEGORY
        semantic[labels == label] = classes.setdefault(name, len(classes))
    for folder in ("imagesTr", "labelsTr"):
        (path / folder).mkdir(parents=True)
    values = np.asarray(volume.data[...])
    if values.dtype.itemsize == 8 and values.dtype.kind in "ui":
        values = values.astype(np.float64)  # NIfTI readers rarely know integers of 64 bits
    elif values.dtype == np.bool_:
        values = values.astype(np.uint8)
    channels = np.moveaxis(values, -1, 0) if "c" in volume.axes else values[None]
    for number, channel in enumerate(channels):
        file = path / "imagesTr" / f"{case}_{number:04d}{_ENDING}"
        nifti.write(file, channel, volume, legend)
    nifti.write(path / "labelsTr" / f"{case}{_ENDING}", semantic, volume, legend)
    content = {
        "channel_names": {str(number): f"channel {number}" for number in range(len(channels))},
        "labels": classes,
        "numTraining": 1,
        "file_ending": _ENDING,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (path / "dataset.json").write_text(text, encoding="utf-8")
