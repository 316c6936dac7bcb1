"""Contours of DICOM RT structure sets, one structure an object."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydicom.uid import UID

from napari_promptseg.data.labels import label_boxes, labels_of
from napari_promptseg.io.dicom_seg import source_images
from napari_promptseg.io.metadata import LPS_TO_RAS, Legend, world
from napari_promptseg.io.names import MAX_TEXT, dicom_text, line_text, read_dicom_name
from napari_promptseg.io.outlines import outlines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from napari_promptseg.data._typing import Mask
    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = ("_rtstruct.dcm",)
PATTERN: Final = r".*rtstruct.*\.dcm"
"""File names, in any case, that are structure sets and no segmentations."""
_STORAGE: Final = UID("1.2.840.10008.5.1.4.1.1.481.3")
_NAME: Final = "napari-promptseg"
_LABEL_LIMIT: Final = 2**16
_MAX_OFF_PLANE: Final = 0.5  # slices between a contour and the nearest one
_PATIENT_STUDY_FIELDS: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "FrameOfReferenceUID",
)


def is_structure_set(ds: Dataset) -> bool:
    """Return whether a file holds contours."""
    return bool(ds.get("SOPClassUID") == _STORAGE)


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write closed planar contours that refer to the series that the volume was read from.

    Contours run through the patient in mm; the numbers of the structures are the labels. Holes
    hang on a line to their outline (keyhole).

    Raises
    ------
    ValueError
        If the axes are not ``zyx`` or ``yx``, or there is no object.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    if "t" in volume.names:
        raise ValueError(f"RTSTRUCT holds one moment, these labels have axes {volume.names!r}")
    boxes = label_boxes(labels)
    if not boxes:
        raise ValueError("there is no object to write: RTSTRUCT needs one structure at least")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _STORAGE
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = _STORAGE, meta.MediaStorageSOPInstanceUID
    images = source_images(volume)
    for name in _PATIENT_STUDY_FIELDS:
        setattr(ds, name, images[0].get(name, ""))
    ds.Modality, ds.Manufacturer, ds.SoftwareVersions = "RTSTRUCT", _NAME, version(_NAME)
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.InstanceNumber = generate_uid(), 1, 1
    now = datetime.now()
    ds.StructureSetLabel = "SEGMENTATION"
    ds.StructureSetDate, ds.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    ds.ReferencedFrameOfReferenceSequence = [_frame_of_reference(images)]
    uids = _plane_uids(images, volume)
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    ds.RTROIObservationsSequence = []
    for label in boxes:
        name = line_text(legend.names.get(label, "")) or f"object {label}"
        text = dicom_text(name)
        # A name that does not fit as it is stands in the description.
        description = {} if text == name else {"ROIDescription": dicom_text(name, MAX_TEXT)}
        ds.StructureSetROISequence.append(
            _group(
                ROINumber=label,
                ReferencedFrameOfReferenceUID=ds.FrameOfReferenceUID,
                ROIName=text,
                ROIGenerationAlgorithm="SEMIAUTOMATIC",
                **description,
            )
        )
        contours = _contours(labels == label, volume, uids)
        color = list(legend.colors.get(label, (255, 0, 0)))
        ds.ROIContourSequence.append(
            _group(ROIDisplayColor=color, ContourSequence=contours, ReferencedROINumber=label)
        )
        ds.RTROIObservationsSequence.append(
            _group(
                ObservationNumber=label,
                ReferencedROINumber=label,
                RTROIInterpretedType="",
                ROIInterpreter="",
            )
        )
    ds.save_as(path, enforce_file_format=True)


def _group(**fields: Any) -> Dataset:
    from pydicom.dataset import Dataset

    group = Dataset()
    for name, value in fields.items():
        setattr(group, name, value)
    return group


def _frame_of_reference(images: Sequence[Dataset]) -> Dataset:
    references = [_reference(ds) for ds in images]
    series = _group(SeriesInstanceUID=images[0].SeriesInstanceUID, ContourImageSequence=references)
    study = _group(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=images[0].StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _group(
        FrameOfReferenceUID=images[0].FrameOfReferenceUID, RTReferencedStudySequence=[study]
    )


def _reference(ds: Dataset) -> Dataset:
    return _group(ReferencedSOPClassUID=ds.SOPClassUID, ReferencedSOPInstanceUID=ds.SOPInstanceUID)


def _plane_uids(images: Sequence[Dataset], volume: Volume) -> dict[int, Dataset]:
    """Return the image of each plane along z."""
    to_voxels = np.linalg.inv(LPS_TO_RAS @ world(volume, "mm"))
    planes = {}
    for ds in images:
        place = ds.get("ImagePositionPatient")
        if place is not None:
            planes[round(float((to_voxels @ [*map(float, place), 1.0])[2]))] = ds
    return planes


def _contours(mask: Mask, volume: Volume, images: Mapping[int, Dataset]) -> list[Dataset]:
    from pydicom.valuerep import format_number_as_ds

    matrix = LPS_TO_RAS @ world(volume, "mm")
    contours = []
    for z, plane in enumerate(mask.reshape(-1, *mask.shape[-2:])):
        for piece in outlines(plane):
            corners = piece.joined()[:-1] - 0.5
            depth = np.full((len(corners), 1), z)
            points = np.hstack([corners, depth]) @ matrix[:3, :3].T + matrix[:3, 3]
            contour = _group(
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(points),
                ContourData=[format_number_as_ds(float(v)) for v in points.ravel()],
            )
            if z in images:
                contour.ContourImageSequence = [_reference(images[z])]
            contours.append(contour)
    return contours


def read(path: Path, volume: Volume) -> tuple[NDArray[np.uint16], Legend]:
    """Draw the contours of a file onto the voxels of an image.

    The contours of a structure in one plane are filled by the even-odd rule. Where structures
    overlap, the later one is kept, and a note counts the voxels.

    Parameters
    ----------
    path : Path
        The file.
    volume : Volume
        The image, with axes ``zyx``.

    Raises
    ------
    ValueError
        If the image has other axes or states no position, or no contour lies in it.
    """
    import pydicom
    from skimage.draw import polygon2mask

    if volume.names != "zyx" or not volume.states("position", "orientation"):
        raise ValueError("contours need an image with axes 'zyx' that states where it lies")
    ds = pydicom.dcmread(path)
    to_voxels = np.linalg.inv(LPS_TO_RAS @ world(volume, "mm"))
    labels = np.zeros(volume.shape, np.uint16)
    count = np.zeros(volume.shape, np.uint8)
    outside = 0
    numbers = _labels(ds)
    for structure in ds.get("ROIContourSequence", ()):
        mask = np.zeros(volume.shape, bool)
        for contour in structure.get("ContourSequence", ()):
            points = np.array(contour.ContourData, np.float64).reshape(-1, 3)
            x, y, z = to_voxels[:3, :3] @ points.T + to_voxels[:3, 3:]
            plane = round(float(z.mean()))
            off = np.abs(z - plane).max() > _MAX_OFF_PLANE or not _is_closed(contour)
            if off or not 0 <= plane < len(mask) or len(points) < 3:
                outside += 1
                continue
            mask[plane] ^= polygon2mask(volume.shape[1:], np.stack([y, x], 1))
        labels[mask] = numbers[int(structure.ReferencedROINumber)]
        count += mask
    if not labels.any():
        raise ValueError("none of its contours lies in the planes of the image")
    notes = []
    if outside:
        notes.append(
            f"{outside} contours are open or lie in no plane of the image, and are not taken"
        )
    if overlap := int(np.count_nonzero(count > 1)):
        notes.append(f"structures overlap in {overlap} voxels; there the later one is kept")
    return labels, _legend(ds, tuple(notes))


def _labels(ds: Dataset) -> dict[int, int]:
    """Return the label of each structure: its number, if it can be one."""
    numbers = [int(roi.ROINumber) for roi in ds.get("StructureSetROISequence", ())]
    numbers += [int(roi.ReferencedROINumber) for roi in ds.get("ROIContourSequence", ())]
    return labels_of(numbers, _LABEL_LIMIT)


def _is_closed(contour: Dataset) -> bool:
    return str(contour.get("ContourGeometricType", "CLOSED")).startswith("CLOSED")


def _legend(ds: Dataset, notes: tuple[str, ...]) -> Legend:
    numbers = _labels(ds)
    names = {
        numbers[int(roi.ROINumber)]: read_dicom_name(
            str(roi.get("ROIName", "")), str(roi.get("ROIDescription", ""))
        )
        for roi in ds.get("StructureSetROISequence", ())
    }
    colors = {}
    for structure in ds.get("ROIContourSequence", ()):
        if color := structure.get("ROIDisplayColor"):
            red, green, blue = map(int, color)
            colors[numbers[int(structure.ReferencedROINumber)]] = red, green, blue
    return Legend(names, colors, notes=notes)
