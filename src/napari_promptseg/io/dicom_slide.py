"""Whole slides in DICOM, whose frames are tiles of one plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.requirements import require
from napari_promptseg.data.volume import SPACING
from napari_promptseg.io.dicom_headers import flatten_groups
from napari_promptseg.io.metadata import Content

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

_MAX_PIXELS: Final = 2**28


def is_slide(ds: Dataset) -> bool:
    """Return whether the frames of a file are tiles of a plane."""
    return "TotalPixelMatrixColumns" in ds and "TotalPixelMatrixRows" in ds


def read(path: Path, ds: Dataset) -> Content:
    """Put the tiles of a slide together.

    Raises
    ------
    ValueError
        If the plane is too large to be decoded as a whole.
    ImportError
        If highdicom is not installed.
    """
    require("highdicom", extra="dicom-seg", purpose="A DICOM slide")
    import highdicom as hd

    shape = int(ds.TotalPixelMatrixRows), int(ds.TotalPixelMatrixColumns)
    if shape[0] * shape[1] > _MAX_PIXELS:
        raise ValueError(
            f"the slide of {shape[0]} x {shape[1]} pixels is too large to be decoded at once; "
            "convert it with bioformats2raw and open the OME-Zarr, or open a smaller level"
        )
    image: Any = hd.imread(path)
    values = image.get_total_pixel_matrix(
        dtype=np.uint8 if int(ds.BitsAllocated) == 8 else np.uint16,
        apply_modality_transform=False,
        apply_icc_profile=False,
    )
    measures = flatten_groups(ds.get("SharedFunctionalGroupsSequence"))
    spacing = measures.get("PixelSpacing")
    sizes = (float(spacing[0]), float(spacing[1])) if spacing else None
    planes = int(ds.get("TotalPixelMatrixFocalPlanes") or 1)
    notes = (f"the slide has {planes} focal planes; one is opened",) if planes > 1 else ()
    return Content(
        np.asarray(values),
        "yx" + "c" * (values.ndim - 2),
        sizes,
        "mm" if sizes else "pixel",
        facts=frozenset({SPACING} if sizes else ()),
        notes=notes,
    )
