"""Labels as DICOM segmentations, one segment an object."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.requirements import require
from napari_promptseg.data.units import unit_ratio
from napari_promptseg.io.dicom_frames import Frame, frames
from napari_promptseg.io.dicom_headers import find_series, is_dicom
from napari_promptseg.io.metadata import LPS_TO_RAS, Content, Legend, world

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_STORAGE: Final = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Storage classes of segmentations, and of segmentations as label maps."""
_SHARED_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_MAX_NAME: Final = 64  # characters of a long string in DICOM
_ALL_FRAMES: Final = 2**30  # bits; of larger ones, frames without their segment are left out


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write a segmentation that refers to the series that the volume was read from.

    A volume that was not read from DICOM gets references to images that are nowhere, with
    its geometry in mm; where its unit is unknown, 1 counts as 1 mm, and the description of the
    content says so. The label of an object is the tracking identifier of its segment; segments
    are numbered from 1.

    Raises
    ------
    ValueError
        If there is a time axis or no object, or rows are not at right angles to columns.
    ImportError
        If highdicom is not installed.
    """
    require("highdicom", extra="dicom-seg", purpose="DICOM SEG")
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
    known_unit = unit_ratio(volume.units, "mm") is not None
    algorithm = hd.AlgorithmIdentificationSequence(
        name=_NAME, family=codes.DCM.ArtificialIntelligence, version=version(_NAME)
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=(legend.names.get(label) or f"object {label}")[:_MAX_NAME],
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
        source_images=source_images(volume),
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
        content_description=None if known_unit else "pixel size unknown, 1 taken for 1 mm",
        specific_character_set="ISO_IR 192",
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
    """Placement of the planes of a volume in the coordinates of DICOM (LPS, mm)."""

    def __init__(self, volume: Volume) -> None:
        matrix = LPS_TO_RAS @ world(volume, "mm")
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
            images.append(image)
        return _completed(images, self.distance)


def source_images(volume: Volume) -> list[Dataset]:
    """Return headers of the images that a volume was read from, or of images that are nowhere.

    The latter have the geometry of the volume, to be referred to.

    Raises
    ------
    ValueError
        If rows are not at right angles to columns.
    """
    place = _Place(volume)
    count = volume.shape[0] if "z" in volume.names else 1
    return _source(volume, place) or place.images(count, volume.shape[-2:])


def _source(volume: Volume, place: _Place) -> list[Dataset]:
    """Return the headers of the images that the volume was read from, none if there are none."""
    path = Path(volume.source or "")
    if volume.source is None or not (path.is_dir() or (path.is_file() and is_dicom(path))):
        return []
    try:
        series = find_series(path)
    except ValueError:
        return []
    to_voxels = np.linalg.inv(LPS_TO_RAS @ world(volume, "mm"))
    count = volume.shape[0] if "z" in volume.names else 1
    for files in series.values():
        try:
            images = [frame for file, ds in files.items() for frame in frames(file, ds)]
        except ValueError:
            continue
        places = [image.position for image in images if image.position is not None]
        if len(places) != len(images) or images[0].shape != volume.shape[-2:]:
            continue
        voxels = np.array(places) @ to_voxels[:3, :3].T + to_voxels[:3, 3]
        on_planes = np.abs(voxels - np.rint(voxels)).max() < _OFF
        if on_planes and sorted(np.rint(voxels[:, 2]).astype(int)) == list(range(count)):
            return _completed(list(files.values()), place.distance)
    return []


def _completed(images: list[Dataset], distance: float) -> list[Dataset]:
    """Add the fields that a reference needs; anonymised images lack some of them.

    Patient and study stay unknown, but a missing study, frame of reference or image gets a
    UID, and a missing thickness is the distance of the slices.
    """
    from pydicom.uid import generate_uid
    from pydicom.valuerep import format_number_as_ds

    common = {name: generate_uid() for name in _SHARED_UIDS}
    uids: set[str] = set()
    for ds in images:
        for name in _PATIENT_STUDY_FIELDS:
            if name not in ds:
                setattr(ds, name, "")
        for name, uid in common.items():
            if not ds.get(name):
                setattr(ds, name, uid)
        if not ds.get("SOPInstanceUID") or str(ds.SOPInstanceUID) in uids:
            ds.SOPInstanceUID = generate_uid()
        uids.add(str(ds.SOPInstanceUID))
        if not ds.get("SliceThickness"):
            ds.SliceThickness = format_number_as_ds(distance)
    return images


def is_segmentation(ds: Dataset) -> bool:
    """Return whether a file holds segments and no image."""
    return ds.get("SOPClassUID") in _STORAGE


def read(path: Path, ds: Dataset) -> Content:
    """Read the segments of a file as labels, on the grid that its frames span.

    Where segments overlap, the later one is kept, and a note counts the voxels. Of fractional
    segments, values from a half are the object.

    Parameters
    ----------
    path : Path
        The file.
    ds : Dataset
        Its header.

    Raises
    ------
    ValueError
        If its frames do not form a stack.
    """
    import pydicom

    whole = pydicom.dcmread(path)
    labels = {number: label for label, number in _segments(ds).items()}
    pixels = whole.pixel_array.reshape(-1, int(ds.Rows), int(ds.Columns))
    layout = list(frames(path, ds))
    first = layout[0]
    if any(f.position is None for f in layout) or first.spacing is None:
        raise ValueError("its frames have no positions")
    along = np.array([f.position @ first.normal for f in layout if f.position is not None])
    step = _step(ds, along, first)
    rows = np.rint((along - along.min()) / step).astype(int)
    if np.abs(along - along.min() - rows * step).max() > 0.1 * step:
        raise ValueError("its frames are not evenly spaced")
    values, notes = _labels(ds, pixels, rows, labels)
    affine = np.eye(4)
    affine[:3, 0] = first.rows_columns[:3] * first.spacing[1]
    affine[:3, 1] = first.rows_columns[3:] * first.spacing[0]
    affine[:3, 2] = _slice_vector(layout, along, len(values), step)
    affine[:3, 3] = layout[int(along.argmin())].position
    sizes = (float(np.linalg.norm(affine[:3, 2])), *first.spacing)
    flat = len(values) == 1
    return Content(
        values[0] if flat else values,
        "yx" if flat else "zyx",
        sizes[flat:],
        "mm",
        LPS_TO_RAS @ affine,
        notes=notes,
    )


def _step(ds: Dataset, along: NDArray[np.float64], first: Frame) -> float:
    """Return the distance of slices: as stated, or the smallest between two frames."""
    common = ds.get("SharedFunctionalGroupsSequence", [{}])[0]
    spacing_between = common.get("PixelMeasuresSequence", [{}])[0].get("SpacingBetweenSlices")
    if spacing_between:
        return float(spacing_between)
    gaps = np.diff(np.unique(np.round(along, 3)))
    assert first.spacing is not None
    return float(gaps.min()) if len(gaps) else float(first.spacing[0])


def _slice_vector(
    layout: Sequence[Frame], along: NDArray[np.float64], count: int, step: float
) -> NDArray[np.float64]:
    if count == 1:
        return layout[0].normal * step
    last, start = layout[int(along.argmax())].position, layout[int(along.argmin())].position
    assert last is not None
    assert start is not None
    return np.asarray((last - start) / (count - 1))


def _labels(
    ds: Dataset, pixels: NDArray[Any], rows: NDArray[np.intp], labels: Mapping[int, int]
) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
    """Return (z, y, x) labels of frames, and notes on overlap and fractions."""
    values = np.zeros((int(rows.max()) + 1, *pixels.shape[1:]), np.uint16)
    kind = str(ds.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        table = np.zeros(max(int(pixels.max()), *labels) + 1, np.uint16)
        table[list(labels)] = list(labels.values())
        for row, plane in zip(rows, pixels, strict=True):
            values[row] = table[plane]
        return values, ()
    notes: tuple[str, ...] = ()
    threshold = 1.0
    if kind == "FRACTIONAL":
        threshold = 0.5 * float(ds.get("MaximumFractionalValue", 1))
        fractional = str(ds.get("SegmentationFractionalType", "")).lower() or "fraction"
        notes = (f"segments are fractional ({fractional}); from 0.5 on is the object",)
    overlap = 0
    groups = ds.PerFrameFunctionalGroupsSequence
    fallback = ds.get("SharedFunctionalGroupsSequence", [None])[0]
    for row, plane, group in zip(rows, pixels, groups, strict=True):
        holder = group if "SegmentIdentificationSequence" in group else fallback
        number = int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        mask = plane >= threshold
        overlap += int(np.count_nonzero(mask & (values[row] != 0)))
        values[row][mask] = labels[number]
    if overlap:
        notes += (f"segments overlap in {overlap} voxels; there the later one is kept",)
    return values, notes


def read_legend(path: Path) -> Legend:
    """Read the names and colors of the segments of a file."""
    import pydicom
    from highdicom.color import CIELabColor

    ds = pydicom.dcmread(path, stop_before_pixels=True)
    if not is_segmentation(ds):
        return Legend()
    names, colors = {}, {}
    by_number = {int(item.SegmentNumber): item for item in ds.SegmentSequence}
    for label, number in _segments(ds).items():
        item = by_number[number]
        names[label] = str(item.SegmentLabel)
        if "RecommendedDisplayCIELabValue" in item:
            lab = CIELabColor.from_dicom_value(tuple(item.RecommendedDisplayCIELabValue))
            red, green, blue = lab.to_rgb()
            colors[label] = int(red), int(green), int(blue)
    return Legend(names, colors)


def _segments(ds: Dataset) -> dict[int, int]:
    """Return the number of the segment of each label: as tracked, if all are and differ."""
    numbers = [int(item.SegmentNumber) for item in ds.SegmentSequence]
    ids = [str(item.get("TrackingID", "")) for item in ds.SegmentSequence]
    are_labels = all(text.isdecimal() and 0 < int(text) < 2**16 for text in ids)
    if are_labels and len(set(map(int, ids))) == len(ids):
        return dict(zip(map(int, ids), numbers, strict=True))
    return {number: number for number in numbers}


def _lab(legend: Legend, label: int) -> Any:
    from highdicom.color import CIELabColor

    rgb = legend.colors.get(label)
    return None if rgb is None else CIELabColor.from_rgb(*rgb)
