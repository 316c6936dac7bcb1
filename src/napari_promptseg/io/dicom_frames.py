"""Frames of DICOM files: position, orientation, time and scale of each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

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
    "DimensionIndexValues",
    "InstanceNumber",
    "frame number",
)
"""Fields that order images of one position, the most specific first."""
_TIME_POINTERS: Final = ("FrameTime", "FrameTimeVector", "FrameDelay")
_CINE: Final = ("US", "IVUS", "XA", "RF", "ES", "GM", "XC", "OP", "ECG")
"""Modalities whose frames follow each other in time unless they say otherwise."""


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
    if "MOSAIC" in (ds.get("ImageType") or ()):
        raise ValueError(
            f"{path.name} is a Siemens mosaic, slices as tiles of one image; convert it with "
            "dcm2niix and open the NIfTI file"
        )
    count = int(ds.get("NumberOfFrames") or 1)
    common = flatten_groups(ds.get("SharedFunctionalGroupsSequence"))
    common |= flatten_groups([_detector(ds)])
    own = ds.get("PerFrameFunctionalGroupsSequence") or [None] * count
    if len(own) != count:
        raise ValueError(f"{path.name} describes {len(own)} of its {count} frames")
    offsets = None if own[0] is not None else _offsets(ds, count)
    pointer = _pointed(ds)
    is_film = count > 1 and (
        any(name in pointer for name in _TIME_POINTERS) or str(ds.get("Modality", "")) in _CINE
    )
    for number, group in enumerate(own):
        fields = common | flatten_groups([group] if group is not None else None)

        def get(name: str, fields: Mapping[str, Any] = fields) -> Any:
            value = fields.get(name)
            return ds.get(name) if value is None else value

        position, orientation = get("ImagePositionPatient"), get("ImageOrientationPatient")
        spacing = get("PixelSpacing") or get("ImagerPixelSpacing")
        vectors = np.array(orientation, np.float64) if orientation else None
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
            (float(spacing[0]), float(spacing[1])) if spacing else None,
            _scale(get, ds),
            _time(get, ds, number),
            _window(get("WindowCenter"), get("WindowWidth")),
            is_film,
        )


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


def _offsets(ds: Dataset, count: int) -> Sequence[float] | None:
    """Return how far each frame of a file lies along the normal from its position."""
    if count == 1:
        return None
    grid = ds.get("GridFrameOffsetVector")
    if grid is not None and len(grid) == count:
        # They begin with 0, or with the position itself.
        return [float(entry) - float(grid[0]) for entry in grid]
    step = ds.get("SpacingBetweenSlices")
    if not step or any(name in _pointed(ds) for name in _TIME_POINTERS):
        return None
    slices = ds.get("SliceVector")
    if slices is None and ds.get("Modality") == "NM":
        return None  # projections of a camera lie at no slice
    slices = slices or range(1, count + 1)
    return [(int(number) - 1) * float(step) for number in slices]


def _scale(get: Any, ds: Dataset) -> tuple[float, float]:
    """Return slope and intercept; those of a dose are its grid scaling."""
    if (dose := ds.get("DoseGridScaling")) is not None:
        return float(dose), 0.0
    slope, intercept = get("RescaleSlope"), get("RescaleIntercept")
    return (
        1.0 if slope is None else float(slope),
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
