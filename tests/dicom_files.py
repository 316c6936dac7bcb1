"""DICOM files for tests."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def dataset(pixels: NDArray[Any], uid: str, **fields: Any) -> FileDataset:
    """Make a CT image; `pixels` are (rows, columns), or have frames or colors as well."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    color = pixels.ndim == 3 and pixels.shape[-1] == 3
    if pixels.ndim == 3 and not color:
        ds.NumberOfFrames = pixels.shape[0]
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID = uid
    ds.Modality = "CT"
    ds.Rows, ds.Columns = pixels.shape[:2] if color else pixels.shape[-2:]
    ds.SamplesPerPixel = 3 if color else 1
    ds.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in fields.items():
        setattr(ds, name, value)
    ds.PixelData = pixels.tobytes()
    return ds


def write_series(
    folder: Path,
    values: NDArray[Any],
    *,
    step: float = 2.5,
    spacing: tuple[float, float] = (0.7, 0.6),
    orientation: tuple[float, ...] = AXIAL,
    origin: tuple[float, float, float] = (-10.0, 20.0, 30.0),
    skip: tuple[int, ...] = (),
    **fields: Any,
) -> str:
    """Write (z, rows, columns) pixels under names in no order; return the UID of the series."""
    folder.mkdir(exist_ok=True)
    uid = str(generate_uid())
    cosines = np.array(orientation)
    normal = np.cross(cosines[:3], cosines[3:])
    names = [f"{i:03d}.dcm" for i in range(len(values))]
    random.Random(len(values)).shuffle(names)
    for z, plane in enumerate(values):
        if z in skip:
            continue
        geometry = {
            "ImagePositionPatient": list(np.array(origin) + z * step * normal),
            "ImageOrientationPatient": list(orientation),
            "PixelSpacing": list(spacing),
            "SliceThickness": 9.0,  # not the distance between slices
        }
        ds = dataset(plane, uid, **(geometry | fields))
        ds.save_as(folder / f"{uid[-6:]}{names[z]}", enforce_file_format=True)
    return uid


def enhanced(values: NDArray[Any], order: list[int], step: float) -> FileDataset:
    """Make one file of many frames, the frame i of which is the slice order[i]."""
    ds = dataset(values[order], str(generate_uid()))
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = list(AXIAL)
    measures.PixelSpacing = [0.5, 0.5]
    shared = Dataset()
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    ds.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for z in order:
        place, scale, group = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0.0, 0.0, z * step]
        scale.RescaleSlope, scale.RescaleIntercept = 2.0, -10.0
        group.PlanePositionSequence = [place]
        group.PixelValueTransformationSequence = [scale]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    return ds
