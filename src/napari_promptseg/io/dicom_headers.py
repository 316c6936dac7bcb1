"""Heads of DICOM files: which files belong together, and where their images lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydicom.dataset import Dataset

SUFFIXES: Final = (".dcm", ".ima")
_ORDER = ("TemporalPositionIdentifier", "TemporalPositionIndex", "TriggerTime", "EchoTime")


@dataclass(frozen=True, slots=True)
class Frame:
    """One image: where its pixels are, and where it lies in the patient (LPS, mm).

    `window` holds the lowest and the highest value to be told apart, after rescaling.
    """

    path: Path
    number: int
    shape: tuple[int, int]
    position: NDArray[np.float64] | None
    rows_columns: NDArray[np.float64]
    spacing: tuple[float, float] | None
    scale: tuple[float, float]
    order: tuple[float, ...]
    window: tuple[float, float] | None = None

    @property
    def normal(self) -> NDArray[np.float64]:
        """Direction from one slice to the next."""
        return np.cross(self.rows_columns[:3], self.rows_columns[3:])


def is_dicom(path: Path) -> bool:
    """Tell whether a file has the mark of DICOM after its preamble of 128 bytes."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def find_series(path: Path) -> dict[str, dict[Path, Dataset]]:
    """Return the heads of all images by series; scouts and segments only if alone."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    found: dict[bool, dict[str, dict[Path, Dataset]]] = {False: {}, True: {}}
    known: set[str] = set()
    for file in files:
        ds = _head(file)
        uid = "" if ds is None else str(ds.get("SOPInstanceUID", file))
        if ds is None or "Rows" not in ds or uid in known:
            continue
        known.add(uid)
        beside = "LOCALIZER" in ds.get("ImageType", ()) or ds.get("Modality") == "SEG"
        group = found[beside].setdefault(str(ds.get("SeriesInstanceUID", "")), {})
        group[file] = ds
    if not any(found.values()):
        raise ValueError("it holds no DICOM image")
    return found[False] or found[True]


def _head(path: Path) -> Dataset | None:
    """Read all but the pixels; None if the file is not DICOM."""
    import pydicom

    has_preamble = is_dicom(path)
    if path.name.startswith(".") or not (has_preamble or path.suffix.lower() in SUFFIXES):
        return None
    try:
        # Old files have no mark.
        ds = pydicom.dcmread(path, stop_before_pixels=True, force=not has_preamble)
    except Exception as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    if not has_preamble and "SOPClassUID" not in ds:
        raise ValueError(f"{path.name} is not DICOM")
    return ds


def frames(path: Path, ds: Dataset) -> Iterator[Frame]:
    """Describe the images of a file, from its own fields or those of each frame."""
    count = int(ds.get("NumberOfFrames") or 1)
    common = _flatten(ds.get("SharedFunctionalGroupsSequence"))
    own = ds.get("PerFrameFunctionalGroupsSequence") or [None] * count
    if len(own) != count:
        raise ValueError(f"{path.name} describes {len(own)} of its {count} frames")
    for number, group in enumerate(own):
        fields = common | _flatten([group] if group is not None else None)

        def get(name: str, fields: Mapping[str, Any] = fields) -> Any:
            return fields.get(name, ds.get(name))

        position = get("ImagePositionPatient")
        spacing = get("PixelSpacing") or get("ImagerPixelSpacing")
        orientation = get("ImageOrientationPatient")
        # Frames without positions of their own follow each other in the file.
        has_position = position is not None and (count == 1 or group is not None)
        order = [float(get(name) or 0) for name in _ORDER]
        yield Frame(
            path,
            number,
            (int(ds.Rows), int(ds.Columns)),
            np.array(position, np.float64) if has_position and orientation is not None else None,
            np.array(orientation or (1, 0, 0, 0, 1, 0), np.float64),
            (float(spacing[0]), float(spacing[1])) if spacing else None,
            (_number(get("RescaleSlope"), 1.0), _number(get("RescaleIntercept"), 0.0)),
            (*order, float(ds.get("InstanceNumber") or 0), float(number)),
            _window(get("WindowCenter"), get("WindowWidth")),
        )


def _window(centre: Any, width: Any) -> tuple[float, float] | None:
    """Return the ends of the first of the windows of a head, None without a usable one.

    The formula is that of PS3.3 C.11.2.1.2.
    """
    first = [float(np.atleast_1d(v)[0]) for v in (centre, width) if np.size(v) and v is not None]
    if len(first) < 2 or not np.isfinite(first).all() or first[1] < 2:
        return None
    middle, half = first[0] - 0.5, (first[1] - 1) / 2
    return middle - half, middle + half


def _number(value: Any, default: float) -> float:
    return default if value is None else float(value)


def _flatten(groups: Any) -> dict[str, Any]:
    """Return the fields of all the sequences inside a functional group."""
    fields: dict[str, Any] = {}
    for macro in (groups or [()])[0]:
        for item in macro.value if macro.VR == "SQ" else ():
            fields |= {element.keyword: element.value for element in item}
    return fields
