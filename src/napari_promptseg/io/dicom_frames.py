"""Frames of DICOM files: position, orientation, time and scale of each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.io import dicom_mosaic
from napari_promptseg.io.dicom_headers import flatten_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

_FRAME_VECTORS: Final = (
    "TimeSlotVector",
    "TimeSliceVector",
    "PhaseVector",
    "RRIntervalVector",
    "EnergyWindowVector",
    "DetectorVector",
)
"""Fields of nuclear medicine that number its frames, an entry each."""
TIME_KEYS: Final = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "TriggerTime",
    "EchoTime",
    "DiffusionBValue",
    "FrameReferenceTime",
    "AcquisitionDateTime",
    "FrameAcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    *_FRAME_VECTORS,
    "AcquisitionNumber",
    "ContentDate",
    "ContentTime",
    "ImageIndex",
    "DimensionIndexValues",
    "InstanceNumber",
    "frame number",
)
"""Fields that order images of one position, the most specific first."""
_TIME_POINTERS: Final = ("FrameTime", "FrameTimeVector", "FrameDelay")
_CINE: Final = ("US", "IVUS", "XA", "RF", "ES", "GM", "XC", "OP", "ECG")
"""Modalities whose frames follow each other in time unless they say otherwise."""
_MIN_LENGTH: Final = 0.5  # of directions, whose length is 1
_CM: Final = 3  # code of a unit
_SECTIONAL: Final = ("CT", "MR", "PT")
"""Modalities whose frames are slices unless they say otherwise."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One image: where its pixels are, and where it lies in the patient (LPS, mm).

    Parameters
    ----------
    path, number : Path, int
        File, and frame within it.
    shape : (int, int)
        Rows and columns.
    position : (3,) array or None
        Centre of the first pixel.
    orientation : (6,) array or None
        Directions along a row and down a column.
    spacing : (float, float) or None
        Distance of rows and of columns.
    scale : (float, float)
        Slope and intercept of the stored values.
    time : mapping of str to Any
        Values of `TIME_KEYS` that the file has.
    window : (float, float) or None
        Lowest and highest value on the screen, after rescaling.
    is_film : bool
        Whether the file says that its frames follow each other in time.
    distance : float or None
        Distance to the next frame of the file, of frames without positions.
    note : str
        What was guessed about its place.
    """

    path: Path
    number: int
    shape: tuple[int, int]
    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    scale: tuple[float, float]
    time: Mapping[str, Any]
    window: tuple[float, float] | None = None
    is_film: bool = False
    distance: float | None = None
    note: str = ""

    @property
    def rows_columns(self) -> NDArray[np.float64]:
        """Directions along a row and down a column; those of the axes where not stated."""
        if self.orientation is None:
            return np.array([1.0, 0, 0, 0, 1, 0])
        return self.orientation

    @property
    def normal(self) -> NDArray[np.float64]:
        """Direction from one slice to the next."""
        return np.cross(self.rows_columns[:3], self.rows_columns[3:])


def frames(path: Path, ds: Dataset) -> Iterator[Frame]:
    """Describe the images of a file, from its own fields or those of each frame.

    Raises
    ------
    ValueError
        If the file describes another number of frames than it has, or is a mosaic.
    """
    if dicom_mosaic.is_mosaic(ds):
        yield from _tiles(path, ds)
        return
    count = int(ds.get("NumberOfFrames") or 1)
    common = flatten_groups(ds.get("SharedFunctionalGroupsSequence"))
    common |= flatten_groups([_detector(ds)])
    own = ds.get("PerFrameFunctionalGroupsSequence") or [None] * count
    if len(own) != count:
        raise ValueError(f"{path.name} describes {len(own)} of its {count} frames")
    offsets, note = (None, "") if own[0] is not None else _offsets(ds, count)
    pointer = _pointed(ds)
    is_film = count > 1 and (
        any(name in pointer for name in _TIME_POINTERS) or str(ds.get("Modality", "")) in _CINE
    )
    for number, group in enumerate(own):
        fields = common | flatten_groups([group] if group is not None else None)

        def get(name: str, fields: Mapping[str, Any] = fields) -> Any:
            value = fields.get(name)
            return ds.get(name) if value is None else value

        position = get("ImagePositionPatient") or get("ImagePositionVolume")
        vectors = _directions(get("ImageOrientationPatient") or get("ImageOrientationVolume"))
        place = None
        # Frames without positions of their own follow each other in the file.
        if position and vectors is not None:
            place = np.array(position, np.float64)
            if offsets is not None:
                place = place + offsets[number] * np.cross(vectors[:3], vectors[3:])
            elif count > 1 and group is None:
                place = None
        yield Frame(
            path,
            number,
            (int(ds.Rows), int(ds.Columns)),
            place,
            vectors,
            _spacing(get) or _region_spacing(ds),
            _scale(get, ds),
            _time(get, ds, number),
            _window(get("WindowCenter"), get("WindowWidth")),
            is_film,
            None if offsets is None or is_film else abs(offsets[1] - offsets[0]) or None,
            note,
        )


def _tiles(path: Path, ds: Dataset) -> Iterator[Frame]:
    """Describe the slices of a mosaic.

    Raises
    ------
    ValueError
        If the file does not state where they lie.
    """
    layout = dicom_mosaic.read_layout(ds)
    if layout is None:
        raise ValueError(
            f"{path.name} is a Siemens mosaic, slices as tiles of one image, without the private "
            "header that places them; convert it with dcm2niix and open the NIfTI file"
        )
    for number in range(layout.count):
        yield Frame(
            path,
            number,
            layout.shape,
            layout.origin + number * layout.step,
            _directions(ds.get("ImageOrientationPatient")),
            _spacing(ds.get),
            _scale(ds.get, ds),
            _time(ds.get, ds, 0),
            _window(ds.get("WindowCenter"), ds.get("WindowWidth")),
        )


def _directions(values: Any) -> NDArray[np.float64] | None:
    """Return unit vectors along a row and down a column; None where they are not stated."""
    if not values or len(values) != 6:
        return None
    vectors = np.array(values, np.float64).reshape(2, 3)
    lengths = np.linalg.norm(vectors, axis=1)
    # Files keep few digits, and some hold zeros for what is unknown.
    if not np.isfinite(lengths).all() or lengths.min() < _MIN_LENGTH:
        return None
    return np.asarray((vectors / lengths[:, None]).ravel())


def _spacing(get: Any) -> tuple[float, float] | None:
    """Return the distance of rows and columns; None where it is not stated."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        values = get(name)
        if values and len(values) == 2 and all(float(value) > 0 for value in values):
            return float(values[0]), float(values[1])
    return None


def _region_spacing(ds: Dataset) -> tuple[float, float] | None:
    """Return the spacing of the only region of an ultrasound image that shows tissue, in mm."""
    regions = [
        region
        for region in ds.get("SequenceOfUltrasoundRegions") or ()
        if region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == _CM
    ]
    sizes = {
        (10 * abs(float(r.PhysicalDeltaY)), 10 * abs(float(r.PhysicalDeltaX))) for r in regions
    }
    return sizes.pop() if len(sizes) == 1 and min(*next(iter(sizes))) > 0 else None


def _detector(ds: Dataset) -> Any:
    """Return the place of the slices of nuclear medicine as a functional group."""
    from pydicom.dataset import Dataset as Group

    group = Group()
    if items := ds.get("DetectorInformationSequence"):
        group.DetectorInformationSequence = items[:1]
    return group


def _pointed(ds: Dataset) -> set[str]:
    """Return the keywords that the frame increment pointer names."""
    from pydicom.datadict import keyword_for_tag

    pointer = ds.get("FrameIncrementPointer")
    if pointer is None:
        return set()
    return {keyword_for_tag(tag) for tag in (pointer if _is_sequence(pointer) else [pointer])}


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str)


def _offsets(ds: Dataset, count: int) -> tuple[Sequence[float] | None, str]:
    """Return how far each frame of a file lies along the normal from its position, and a note."""
    if count == 1:
        return None, ""
    grid = ds.get("GridFrameOffsetVector")
    if grid is not None and len(grid) == count:
        # They begin with 0, or with the position itself.
        return [float(entry) - float(grid[0]) for entry in grid], ""
    if any(name in _pointed(ds) for name in _TIME_POINTERS):
        return None, ""
    modality, note = ds.get("Modality"), ""
    step = float(ds.get("SpacingBetweenSlices") or 0)
    if not step and modality in _SECTIONAL:
        step = float(ds.get("SliceThickness") or 0)
        note = f"the distance of the slices is not stated; their thickness, {step:g} mm, is taken"
    slices = ds.get("SliceVector")
    if not step or (slices is None and modality == "NM"):
        return None, ""  # projections of a camera lie at no slice
    if modality != "NM":
        step = abs(step)  # only nuclear medicine gives a negative distance a meaning
    slices = slices or range(1, count + 1)
    return [(int(number) - 1) * step for number in slices], note


def _scale(get: Any, ds: Dataset) -> tuple[float, float]:
    """Return slope and intercept; those of a dose are its grid scaling."""
    if (dose := ds.get("DoseGridScaling")) is not None:
        return float(dose), 0.0
    slope, intercept = get("RescaleSlope"), get("RescaleIntercept")
    return (
        # Zero would leave nothing of the image, and stands for a field that was not filled.
        float(slope or 1),
        0.0 if intercept is None else float(intercept),
    )


def _time(get: Any, ds: Dataset, number: int) -> dict[str, Any]:
    """Return the fields that order images of one position, those that the file has."""
    values: dict[str, Any] = {"frame number": number}
    for name in TIME_KEYS:
        value = get(name)
        if name in _FRAME_VECTORS and value:
            value = np.atleast_1d(value)[number]
        if value is None or value == "":
            continue
        values[name] = tuple(value) if _is_sequence(value) else _number(value)
    return values


def _number(value: Any) -> float:
    """Return a number, date or time as a number in the same order."""
    try:
        return float(value)
    except (TypeError, ValueError):
        digits = "".join(c for c in str(value) if c.isdigit() or c == ".")
        return float(digits) if digits.strip(".") else 0.0


def _window(centre: Any, width: Any) -> tuple[float, float] | None:
    """Return the ends of the first of the windows of a header, None without a usable one.

    The formula is that of PS3.3 C.11.2.1.2.
    """
    first = [float(np.atleast_1d(v)[0]) for v in (centre, width) if np.size(v) and v is not None]
    if len(first) < 2 or not np.isfinite(first).all() or first[1] < 2:
        return None
    middle, half = first[0] - 0.5, (first[1] - 1) / 2
    return middle - half, middle + half
