"""Headers of DICOM files, grouped by series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydicom.dataset import Dataset

    Headers = dict[Path, Dataset]

SUFFIXES: Final = (".dcm", ".ima")
_SERIES_FIELDS: Final = ("StudyInstanceUID", "SeriesNumber", "Modality", "SeriesDescription")
_GRID_FIELDS: Final = ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient")
_PROJECTIONS: Final = ("CR", "DX", "MG", "PX", "IO")
"""Modalities whose images are views, each of its own."""
_MIN_MERGED: Final = 3  # images of a position each; two might be views of one thing


def is_dicom(path: Path) -> bool:
    """Return whether a file has the mark of DICOM after its preamble of 128 bytes."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def find_series(path: Path) -> dict[str, Headers]:
    """Return the headers of all images by series; scouts and segments only if alone.

    Copies of a file count once. Identity does not rest on UIDs alone, which anonymisers empty,
    copy or renew: a series without one goes by its number and description, one UID with several
    numbers is several series, slices with a UID each are one, and two files are copies
    only if their content is equal. Clips and slides that share a series are series of their
    own, named by UID and file.

    Parameters
    ----------
    path : Path
        A file, a DICOMDIR, or a folder that is searched with all inside it.

    Raises
    ------
    ValueError
        If there is no image, or a file cannot be read.
    """
    groups: dict[bool, dict[str, Headers]] = {False: {}, True: {}}
    copies: dict[str, list[Path]] = {}
    other: set[str] = set()
    for file, ds in _headers(path):
        if "Rows" not in ds:
            other.add(str(ds.get("Modality") or ""))
            continue
        uid = str(ds.get("SOPInstanceUID", ""))
        if any(_equal(file, twin) for twin in copies.get(uid, ())):
            continue
        copies.setdefault(uid, []).append(file)
        beside = "LOCALIZER" in (ds.get("ImageType") or ()) or ds.get("Modality") == "SEG"
        groups[beside].setdefault(_series_key(ds), {})[file] = ds
    if not any(groups.values()):
        kinds = ", ".join(sorted(kind for kind in other if kind))
        raise ValueError("it holds no DICOM image" + (f", but {kinds}" if kinds else ""))
    series = _split(_merged(groups[False] or groups[True]))
    return {key: files for uid, headers in series.items() for key, files in _clips(uid, headers)}


def _headers(path: Path) -> Iterator[tuple[Path, Dataset]]:
    """Yield the DICOM files of a path; those of its folder for a DICOMDIR."""
    from pydicom.uid import MediaStorageDirectoryStorage

    if path.is_file():
        ds = _read(path)
        meta = getattr(ds, "file_meta", {})
        if meta.get("MediaStorageSOPClassUID") != MediaStorageDirectoryStorage:
            yield from [(path, ds)] if ds is not None else ()
            return
        path = path.parent
    for file in sorted(f for f in path.rglob("*") if f.is_file()):
        if (ds := _read(file)) is not None:
            yield file, ds


def _equal(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def _merged(series: Mapping[str, Headers]) -> dict[str, Headers]:
    """Merge images that have a series each, but all that describes a series in common."""
    single: dict[tuple[str, ...], dict[str, Headers]] = {}
    for uid, headers in series.items():
        if len(headers) == 1:
            (ds,) = headers.values()
            fields = (*_SERIES_FIELDS, *_GRID_FIELDS)
            single.setdefault(tuple(str(ds.get(name) or "") for name in fields), {})[uid] = headers
    result = dict(series)
    for group in single.values():
        heads = [ds for headers in group.values() for ds in headers.values()]
        places = {str(ds.get("ImagePositionPatient") or "") for ds in heads}
        if len(group) < _MIN_MERGED or len(places) < len(group) or "" in places:
            continue
        first = next(iter(group))
        for uid in group:
            del result[uid]
        result[first] = {file: ds for headers in group.values() for file, ds in headers.items()}
    return result


def _split(series: Mapping[str, Headers]) -> dict[str, Headers]:
    """Split a UID that several series share, by their numbers."""
    result: dict[str, Headers] = {}
    for uid, headers in series.items():
        numbers: dict[str, Headers] = {}
        for file, ds in headers.items():
            number = str(ds.get("SeriesNumber") or "")
            numbers.setdefault(number, {})[file] = ds
        if 1 < len(numbers) < len(headers):
            result |= {f"{uid}/{number or 'no number'}": group for number, group in numbers.items()}
        else:
            result[uid] = headers
    return result


def _series_key(ds: Dataset) -> str:
    if uid := str(ds.get("SeriesInstanceUID") or ""):
        return uid
    fields = (str(ds.get(name) or "") for name in _SERIES_FIELDS)
    return "no UID: " + ", ".join(field for field in fields if field)


def _clips(uid: str, headers: Headers) -> Iterator[tuple[str, Headers]]:
    """Split a series into its clips, slides and views; images of a stack stay together."""
    unplaced = {file: ds for file, ds in headers.items() if not ds.get("ImagePositionPatient")}
    differ = len({(ds.Rows, ds.Columns) for ds in unplaced.values()}) > 1
    single = {
        file: ds
        for file, ds in headers.items()
        if _stands_alone(ds) or (differ and file in unplaced)
    }
    if len(headers) == 1 or not single:
        yield uid, headers
        return
    for file, ds in single.items():
        yield f"{uid}/{file.name}", {file: ds}
    if rest := {file: ds for file, ds in headers.items() if file not in single}:
        yield uid, rest


def _stands_alone(ds: Dataset) -> bool:
    """Return whether an image cannot be stacked with others: a clip, a slide, a projection."""
    if "TotalPixelMatrixColumns" in ds or ds.get("Modality") in _PROJECTIONS:
        return True
    many = int(ds.get("NumberOfFrames") or 1) > 1
    return (
        many
        and not ds.get("ImagePositionPatient")
        and not (ds.get("PerFrameFunctionalGroupsSequence"))
    )


def _read(path: Path) -> Dataset | None:
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


def flatten_groups(groups: Any) -> dict[str, Any]:
    """Return the fields of all the public sequences inside a functional group.

    Private ones repeat public fields with other meanings.
    """
    fields: dict[str, Any] = {}
    for macro in (groups or [()])[0]:
        for item in macro.value if macro.VR == "SQ" and not macro.tag.is_private else ():
            fields |= {element.keyword: element.value for element in item}
    return fields
