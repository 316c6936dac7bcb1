"""Labels as DICOM segmentations, one segment an object."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.io.dicom_headers import find_series, frames, is_dicom
from napari_promptseg.io.metadata import LPS_TO_RAS, Content, Legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".dcm",)
_NAME: Final = "napari-promptseg"
_MAX_SKEW: Final = 1e-3  # cosine of the angle between rows and columns
_OFF: Final = 0.01  # voxels between the images of a series and the volume
_PATIENT_STUDY_FIELDS: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_ALL_FRAMES: Final = 2**30  # bits; of larger ones, frames without their segment are left out


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write a segmentation that refers to the series that the volume was read from.

    A volume that was not read from DICOM gets references to images that are nowhere, with
    its geometry. The label of an object is the tracking identifier of its segment; segments
    are numbered from 1.

    Raises
    ------
    ValueError
        If there is a time axis or no object, or rows are not at right angles to columns.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    if "t" in volume.names:
        raise ValueError(f"DICOM SEG holds one moment, these labels have axes {volume.names!r}")
    ids = [int(label) for label in np.unique(labels) if label]
    if not ids:
        raise ValueError("there is no object to write: DICOM SEG needs one segment at least")
    segment_numbers = np.searchsorted([0, *ids], labels).astype(np.uint16)
    planes = segment_numbers.reshape(-1, *labels.shape[-2:])
    place = _Place(volume)
    algorithm = hd.AlgorithmIdentificationSequence(
        name=_NAME, family=codes.DCM.ArtificialIntelligence, version=version(_NAME)
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=legend.names.get(label) or f"object {label}",
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type="SEMIAUTOMATIC",
            algorithm_identification=algorithm,
            tracking_uid=generate_uid(),
            tracking_id=str(label),
            display_color=_lab(legend, label),
        )
        for number, label in enumerate(ids, start=1)
    ]
    segmentation: Any = hd.seg.Segmentation(
        source_images=_source(volume) or place.images(len(planes), planes.shape[1:]),
        pixel_array=planes,
        segmentation_type="BINARY",
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=_NAME,
        manufacturer_model_name=_NAME,
        software_versions=version(_NAME),
        device_serial_number="none",
        content_label="SEGMENTATION",
        pixel_measures=hd.PixelMeasuresSequence(place.spacing, place.distance, place.distance),
        plane_orientation=hd.PlaneOrientationSequence("PATIENT", place.cosines),
        plane_positions=[
            hd.PlanePositionSequence("PATIENT", place.position(number))
            for number in range(len(planes))
        ],
        omit_empty_frames=planes.size * len(ids) > _ALL_FRAMES,
    )
    segmentation.save_as(path)


class _Place:
    """Where the planes of a volume lie, in the coordinates of DICOM (LPS, mm)."""

    def __init__(self, volume: Volume) -> None:
        assert volume.affine is not None
        matrix = LPS_TO_RAS @ volume.affine
        across, down, self._step = matrix[:3, 0], matrix[:3, 1], matrix[:3, 2]
        self._origin = matrix[:3, 3]
        lengths = float(np.linalg.norm(down)), float(np.linalg.norm(across))
        if min(lengths) == 0 or abs(across @ down) > _MAX_SKEW * lengths[0] * lengths[1]:
            raise ValueError("DICOM needs rows at right angles to columns, this volume has none")
        self.spacing = lengths
        self.cosines = tuple(float(v) for v in (*(across / lengths[1]), *(down / lengths[0])))
        normal = np.cross(self.cosines[:3], self.cosines[3:])
        self.distance = abs(float(self._step @ normal)) or 1.0

    def position(self, number: int) -> tuple[float, ...]:
        """Return the centre of the first pixel of a plane."""
        return tuple(float(v) for v in self._origin + number * self._step)

    def images(self, count: int, shape: Sequence[int]) -> list[Dataset]:
        """Return heads of images for the planes, to be referred to."""
        from pydicom.dataset import Dataset
        from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
        from pydicom.valuerep import format_number_as_ds

        study, series, frame = (generate_uid() for _ in range(3))
        images = []
        for number in range(count):
            image = Dataset()
            image.SOPClassUID = SecondaryCaptureImageStorage
            image.SOPInstanceUID = generate_uid()
            image.StudyInstanceUID, image.SeriesInstanceUID = study, series
            image.FrameOfReferenceUID, image.PositionReferenceIndicator = frame, ""
            image.Modality, image.InstanceNumber, image.SeriesNumber = "OT", number + 1, 1
            image.Rows, image.Columns = int(shape[0]), int(shape[1])
            image.ImageOrientationPatient = list(map(format_number_as_ds, self.cosines))
            image.ImagePositionPatient = list(map(format_number_as_ds, self.position(number)))
            image.PixelSpacing = list(map(format_number_as_ds, self.spacing))
            image.SliceThickness = format_number_as_ds(self.distance)
            images.append(_completed(image))
        return images


def _source(volume: Volume) -> list[Dataset]:
    """Return the heads of the images that the volume was read from, none if there are none."""
    path = Path(volume.source or "")
    if volume.source is None or not (path.is_dir() or (path.is_file() and is_dicom(path))):
        return []
    try:
        found = find_series(path)
    except ValueError:
        return []
    assert volume.affine is not None
    to_voxels = np.linalg.inv(LPS_TO_RAS @ volume.affine)
    count = volume.shape[0] if "z" in volume.names else 1
    for files in found.values():
        images = [frame for file, ds in files.items() for frame in frames(file, ds)]
        places = [image.position for image in images if image.position is not None]
        if len(places) != len(images) or images[0].shape != volume.shape[-2:]:
            continue
        voxels = np.array(places) @ to_voxels[:3, :3].T + to_voxels[:3, 3]
        on_planes = np.abs(voxels - np.rint(voxels)).max() < _OFF
        if on_planes and sorted(np.rint(voxels[:, 2]).astype(int)) == list(range(count)):
            return [_completed(ds) for ds in files.values()]
    return []


def _completed(ds: Dataset) -> Dataset:
    """Add what every image must tell, as unknown; anonymised ones leave some of it out."""
    for name in _PATIENT_STUDY_FIELDS:
        if name not in ds:
            setattr(ds, name, "")
    return ds


def is_segmentation(ds: Dataset) -> bool:
    """Tell whether a file holds segments and no image."""
    from pydicom.uid import SegmentationStorage

    return bool(ds.get("SOPClassUID") == SegmentationStorage)


def read(path: Path, ds: Dataset) -> Content:
    """Read the segments of a file as labels, on the grid that its frames span.

    Parameters
    ----------
    path : Path
        The file.
    ds : Dataset
        Its head.

    Raises
    ------
    ValueError
        If its frames do not form a stack.
    """
    import pydicom

    whole = pydicom.dcmread(path)
    labels = {number: label for label, number in _segments(ds).items()}
    pixels = whole.pixel_array.reshape(-1, int(ds.Rows), int(ds.Columns))
    found = list(frames(path, ds))
    first = found[0]
    if any(f.position is None for f in found) or first.spacing is None:
        raise ValueError("its frames have no positions")
    along = np.array([f.position @ first.normal for f in found if f.position is not None])
    depths = np.unique(np.round(along, 3))
    gaps = np.diff(depths)
    shared = ds.get("SharedFunctionalGroupsSequence", [{}])[0]
    told = shared.get("PixelMeasuresSequence", [{}])[0].get("SpacingBetweenSlices")
    step = float(told or (gaps.min() if len(gaps) else first.spacing[0]))
    rows = np.rint((along - depths[0]) / step).astype(int)
    if np.abs(along - depths[0] - rows * step).max() > 0.1 * step:
        raise ValueError("its frames are not evenly spaced")
    values = np.zeros((int(rows.max()) + 1, *first.shape), np.uint16)
    groups = ds.PerFrameFunctionalGroupsSequence
    fallback = ds.get("SharedFunctionalGroupsSequence", [None])[0]
    for row, plane, group in zip(rows, pixels, groups, strict=True):
        holder = group if "SegmentIdentificationSequence" in group else fallback
        number = int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        values[row][plane > 0] = labels[number]
    nearest, farthest = found[int(along.argmin())].position, found[int(along.argmax())].position
    assert nearest is not None
    assert farthest is not None
    way = (farthest - nearest) / max(len(values) - 1, 1)
    affine = np.eye(4)
    affine[:3, 0] = first.rows_columns[:3] * first.spacing[1]
    affine[:3, 1] = first.rows_columns[3:] * first.spacing[0]
    affine[:3, 2] = way if len(values) > 1 else first.normal * step
    affine[:3, 3] = nearest
    sizes = (float(np.linalg.norm(affine[:3, 2])), *first.spacing)
    flat = len(values) == 1
    return Content(
        values[0] if flat else values,
        "yx" if flat else "zyx",
        sizes[flat:],
        "mm",
        LPS_TO_RAS @ affine,
    )


def read_legend(path: Path) -> Legend:
    """Read the names and colours of the segments of a file."""
    import pydicom
    from highdicom.color import CIELabColor

    ds = pydicom.dcmread(path, stop_before_pixels=True)
    if not is_segmentation(ds):
        return Legend()
    names, colours = {}, {}
    by_number = {int(item.SegmentNumber): item for item in ds.SegmentSequence}
    for label, number in _segments(ds).items():
        item = by_number[number]
        names[label] = str(item.SegmentLabel)
        if "RecommendedDisplayCIELabValue" in item:
            lab = CIELabColor.from_dicom_value(tuple(item.RecommendedDisplayCIELabValue))
            red, green, blue = lab.to_rgb()
            colours[label] = int(red), int(green), int(blue)
    return Legend(names, colours)


def _segments(ds: Dataset) -> dict[int, int]:
    """Return the number of the segment of each label: as tracked, if all are and differ."""
    numbers = [int(item.SegmentNumber) for item in ds.SegmentSequence]
    tracked = [str(item.get("TrackingID", "")) for item in ds.SegmentSequence]
    usable = all(text.isdecimal() and 0 < int(text) < 2**16 for text in tracked)
    if usable and len(set(map(int, tracked))) == len(tracked):
        return dict(zip(map(int, tracked), numbers, strict=True))
    return {number: number for number in numbers}


def _lab(legend: Legend, label: int) -> Any:
    from highdicom.color import CIELabColor

    rgb = legend.colours.get(label)
    return None if rgb is None else CIELabColor.from_rgb(*rgb)
