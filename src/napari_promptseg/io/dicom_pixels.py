"""Pixels of DICOM files, decoded and in the units of the modality."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.io import dicom_mosaic
from napari_promptseg.io.metadata import rescale

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from napari_promptseg.io.dicom_frames import Frame


def read_pixels(grid: Sequence[Sequence[Frame]]) -> NDArray[Any]:
    """Return all pixels as (t, z, y, x) or (t, z, y, x, c), as they are to be seen.

    Stored values become those of the modality (HU, Gy) by its rescaling or its lookup table;
    of MONOCHROME1, where high values are dark, they are inverted.

    Parameters
    ----------
    grid : sequence of sequence of Frame
        Frames by position, and at each position by time.

    Raises
    ------
    ValueError
        If the pixels of a file cannot be decoded.
    """
    images: dict[tuple[Path, int], NDArray[Any]] = {}
    in_files = sorted((frame for row in grid for frame in row), key=lambda f: (f.path, f.number))
    for path, group in groupby(in_files, key=lambda frame: frame.path):
        ds, values = _decode(path)
        many = int(ds.get("NumberOfFrames") or 1) > 1
        is_mosaic = dicom_mosaic.is_mosaic(ds)
        for frame in group:
            plane = values[frame.number] if many else values
            if is_mosaic:
                plane = dicom_mosaic.tile(values, frame.shape, frame.number)
            images[path, frame.number] = _modality_values(plane, ds, frame.scale)
    series = [[images[row[t].path, row[t].number] for row in grid] for t in range(len(grid[0]))]
    return np.stack([np.stack(planes) for planes in series])


def _decode(path: Path) -> tuple[Dataset, NDArray[Any]]:
    import pydicom
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    from napari_promptseg.io import dicom_codecs

    dicom_codecs.register()
    try:
        ds = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in ds.file_meta:
            implicit = ds.original_encoding[0]
            ds.file_meta.TransferSyntaxUID = (
                ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            )
        values = pixel_array(ds)
        if ds.get("PhotometricInterpretation") == "PALETTE COLOR":
            values = apply_color_lut(values, ds)
    except Exception as error:
        raise ValueError(f"the pixels of {path.name} cannot be read: {error}") from error
    return ds, values


def _modality_values(plane: NDArray[Any], ds: Dataset, scale: tuple[float, float]) -> NDArray[Any]:
    from pydicom.pixels.processing import apply_modality_lut

    if "ModalityLUTSequence" in ds:
        return np.asarray(apply_modality_lut(plane, ds))
    values = rescale(plane, *scale)
    if ds.get("PhotometricInterpretation") != "MONOCHROME1":
        return values
    total = inversion_total(ds, scale)
    if values.dtype.kind == "f":
        return (total - values).astype(values.dtype)
    inverse = int(total) - values.astype(np.int64)
    kinds = (values.dtype, np.dtype(np.int32))
    return inverse.astype(next(k for k in kinds if _holds(k, inverse)))


def inversion_total(ds: Dataset, scale: tuple[float, float]) -> float:
    """Return the sum of a value and its inverse: that of the ends of the stored range."""
    bits = int(ds.get("BitsStored", ds.get("BitsAllocated", 8)))
    ends = -1 if ds.get("PixelRepresentation") else 2**bits - 1
    return scale[0] * ends + 2 * scale[1]


def _holds(dtype: np.dtype[Any], values: NDArray[np.int64]) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= values.min() and values.max() <= limits.max)
