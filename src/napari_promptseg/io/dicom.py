"""DICOM series: one image, a folder of slices, or files of many frames."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import ORIENTATION, POSITION, SPACING
from napari_promptseg.io import dicom_seg, dicom_slide
from napari_promptseg.io.dicom_frames import TIME_KEYS, Frame, frames
from napari_promptseg.io.dicom_headers import find_series
from napari_promptseg.io.dicom_pixels import inversion_total, read_pixels
from napari_promptseg.io.metadata import LPS_TO_RAS, Content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

_MAX_TILT: Final = 0.5  # degrees
_UNEVEN: Final = 0.1  # of the step between slices; positions are rounded in many files
_GUESSED_KEYS: Final = (
    "AcquisitionNumber",
    "ContentDate",
    "ContentTime",
    "ImageIndex",
    "InstanceNumber",
    "frame number",
)


@dataclass(frozen=True, slots=True)
class Series:
    """One of the series in a folder.

    Parameters
    ----------
    uid : str
        Name for `open_volume`: the SeriesInstanceUID; followed by the file for a clip, and
        made of other fields where an anonymiser emptied it.
    modality, description : str
        Fields of the files; may be empty.
    files : int
        Number of files.
    shape : (int, int)
        Rows and columns of its first image.
    """

    uid: str
    modality: str
    description: str
    files: int
    shape: tuple[int, int]

    def __str__(self) -> str:
        rows, columns = self.shape
        files = f"{self.files} file{'s' if self.files != 1 else ''}"
        return f"{self.modality} {self.description!r}, {files} of {rows} x {columns}"


def list_series(path: Path) -> list[Series]:
    """Return the series in a file or folder, in the order of their files.

    Raises
    ------
    ValueError
        If there is none, or a file cannot be read.
    """
    heads = ((uid, files, next(iter(files.values()))) for uid, files in find_series(path).items())
    return [
        Series(
            uid,
            str(ds.get("Modality", "")),
            str(ds.get("SeriesDescription", "")),
            len(files),
            (int(ds.Rows), int(ds.Columns)),
        )
        for uid, files, ds in heads
    ]


def read(path: Path, series: str | None = None, spacing: Sequence[float] | None = None) -> Content:
    """Read a series, sorted by position and time, in the units of the modality (HU for CT).

    Parameters
    ----------
    path : Path
        A file, a DICOMDIR, or a folder that is searched with all inside it.
    series : str, optional
        Name of a `Series`, needed where a folder holds several.
    spacing : sequence of float, optional
        Spacing that the caller states. Slices that are missing or uneven are refused
        without it, and resampled to its entry along z with it.

    Raises
    ------
    ValueError
        If there is no image or no such series, or several and none is named, or the
        images of the series do not form a stack.
    """
    series_files = find_series(path)
    if series is None and len(series_files) == 1:
        series = next(iter(series_files))
    if series not in series_files:
        what = "several series" if series is None else f"no series {series!r}"
        choices = "; ".join(f"{one.uid} ({one})" for one in list_series(path))
        raise ValueError(f"it holds {what}; name one with series=. Those in it: {choices}")
    file, head = next(iter(series_files[series].items()))
    if dicom_seg.is_segmentation(head):
        return dicom_seg.read(file, head)
    if dicom_slide.is_slide(head):
        return dicom_slide.read(file, head)
    entries = [frame for file, ds in series_files[series].items() for frame in frames(file, ds)]
    grid, notes = _sort(entries)
    uids = {str(ds.get("SeriesInstanceUID") or "") for ds in series_files[series].values()}
    if len(uids) > 1:
        notes = (*notes, f"{len(uids)} series of an image each are taken as one series")
    return _stack(grid, head, spacing, notes)


def _stack(
    grid: Sequence[Sequence[Frame]],
    head: Dataset,
    spacing: Sequence[float] | None,
    notes: Sequence[str],
) -> Content:
    """Make a volume of frames by position and time."""
    first = grid[0][0]
    values = read_pixels(grid)
    offsets, direction = _offsets([row[0] for row in grid])
    step = float(np.median(np.diff(offsets))) if len(offsets) > 1 else 1.0
    if first.position is None:
        offsets, step = offsets * (first.distance or 1.0), first.distance or 1.0
    problem = _uneven(offsets, first)
    if problem:
        if spacing is None:
            raise ValueError(
                f"{problem}; pass spacing= to resample it to even slices, or convert it with "
                "dcm2niix"
            )
        step = float(spacing[-3]) if len(spacing) > 2 else step
        values = _resampled(values, offsets, step)
        notes = (*notes, f"{problem}; resampled to {values.shape[1]} slices of {step:g} mm")
        warnings.warn(notes[-1], stacklevel=2)
    elif len(offsets) > 1:
        step = float(offsets[-1] - offsets[0]) / (len(offsets) - 1)
    notes = (*notes, *_tilt(direction, first))
    time, many = values.shape[0] > 1, values.shape[1] > 1
    axes = "t" * time + "z" * many + "yx" + "c" * (values.ndim - 4)
    values = values.reshape([n for n in values.shape[:2] if n > 1] + list(values.shape[2:]))
    in_plane = first.spacing or (1.0, 1.0)
    vector = direction * step
    sizes = [1.0] * time + [float(np.linalg.norm(vector))] * many + list(in_plane)
    affine = np.eye(4)
    affine[:3, 0] = first.rows_columns[:3] * in_plane[1]
    affine[:3, 1] = first.rows_columns[3:] * in_plane[0]
    affine[:3, 2] = vector
    affine[:3, 3] = 0.0 if first.position is None else first.position
    window, window_notes = _window(grid, head, values, "c" in axes)
    has_position = first.position is not None
    facts = {
        SPACING: first.spacing is not None
        and (has_position or not many or first.distance is not None),
        ORIENTATION: first.orientation is not None,
        POSITION: has_position,
    }
    if first.spacing is not None and "PixelSpacing" not in head and "ImagerPixelSpacing" in head:
        notes = (*notes, "pixel sizes are those at the detector, not in the patient")
    return Content(
        values,
        axes,
        tuple(sizes),
        "pixel" if first.spacing is None else "mm",
        LPS_TO_RAS @ affine,
        window,
        facts=frozenset(fact for fact, is_stated in facts.items() if is_stated),
        notes=(*notes, *window_notes),
    )


def _sort(entries: Sequence[Frame]) -> tuple[list[list[Frame]], tuple[str, ...]]:
    """Return the frames by position, and those of each position by time; and notes."""
    first = entries[0]
    for frame in entries:
        _check_alike(frame, first)
    guesses = tuple(dict.fromkeys(frame.note for frame in entries if frame.note))
    if any(frame.position is None for frame in entries):
        grid, unplaced_notes = _unplaced(entries)
        return grid, (*unplaced_notes, *guesses)
    places: dict[float, list[Frame]] = {}
    for frame in entries:
        assert frame.position is not None
        places.setdefault(round(float(frame.position @ first.normal), 3), []).append(frame)
    counts = {place: len(group) for place, group in places.items()}
    if len(set(counts.values())) > 1:
        usual = max(counts.values(), key=list(counts.values()).count)
        odd = {place: n for place, n in counts.items() if n != usual}
        raise ValueError(f"most positions have {usual} images, but these, in mm, have {odd}")
    groups = [places[place] for place in sorted(places)]
    keys = _time_keys(groups)
    notes = guesses
    if any(key in _GUESSED_KEYS for key in keys):
        order = f"images of one position are ordered by {' and '.join(keys)}, no time is stated"
        notes = (*notes, order)
    return [sorted(group, key=lambda f: [f.time[k] for k in keys]) for group in groups], notes


def _check_alike(frame: Frame, first: Frame) -> None:
    if frame.shape != first.shape:
        raise ValueError(
            f"its images differ in size: {first.path.name} has {first.shape} rows and "
            f"columns, {frame.path.name} {frame.shape}"
        )
    if frame.spacing != first.spacing and not np.allclose(
        frame.spacing or np.nan, first.spacing or np.nan, rtol=1e-3
    ):
        raise ValueError(
            f"its images differ in the size of their pixels: {first.path.name} has "
            f"{first.spacing} mm, {frame.path.name} {frame.spacing}"
        )
    if not np.allclose(frame.rows_columns, first.rows_columns, atol=1e-3):
        raise ValueError(
            f"its images are turned to each other: {first.path.name} along "
            f"{first.rows_columns}, {frame.path.name} along {frame.rows_columns}"
        )


def _unplaced(entries: Sequence[Frame]) -> tuple[list[list[Frame]], tuple[str, ...]]:
    """Return frames without positions: those of one file as a film, files as a stack."""
    if all(frame.path == entries[0].path for frame in entries):
        if entries[0].distance is not None:
            note = "the file states the distance of its slices, but not where they lie"
            return [[frame] for frame in entries], (note,)
        guess = "the frames state neither place nor time; they are opened as a film"
        film = len(entries) == 1 or entries[0].is_film
        return [list(entries)], () if film else (guess,)
    numbers = [frame.time.get("InstanceNumber") for frame in entries]
    if None not in numbers and len(set(numbers)) == len(numbers):
        in_order, key = sorted(entries, key=lambda f: f.time["InstanceNumber"]), "InstanceNumber"
    else:
        in_order, key = sorted(entries, key=lambda f: (f.path, f.number)), "file name"
    note = f"the images state no position; they are stacked along z in the order of {key}"
    return [[frame] for frame in in_order], (note,)


def _time_keys(groups: Sequence[Sequence[Frame]]) -> list[str]:
    """Return the fields that put the images of every position in one order.

    Raises
    ------
    ValueError
        If two images of a position have all fields in common.
    """
    keys: list[str] = []
    if len(groups[0]) == 1:
        return keys
    everywhere = [k for k in TIME_KEYS if all(k in f.time for group in groups for f in group)]
    for name in everywhere:
        if any(len({f.time[name] for f in group}) > 1 for group in groups):
            keys.append(name)
        distinct = [len({tuple(f.time[k] for k in keys) for f in group}) for group in groups]
        if all(count == len(groups[0]) for count in distinct):
            return keys
    twins = Counter(f.path.name for f in groups[0])
    raise ValueError(
        f"nothing in the headers orders the {len(groups[0])} images of one position, for "
        f"example {', '.join(sorted(twins)[:2])}: keep one time point in the folder"
    )


def _offsets(
    column: Sequence[Frame],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the places of slices along a direction, and that unit vector.

    It is not the normal if slices are sheared.
    """
    positions = [frame.position for frame in column if frame.position is not None]
    if len(positions) < 2:
        return np.arange(len(column), dtype=np.float64), column[0].normal
    vector = positions[-1] - positions[0]
    direction = vector / np.linalg.norm(vector)
    depths = np.array([position @ column[0].normal for position in positions])
    return (depths - depths[0]) / float(direction @ column[0].normal), direction


def _uneven(offsets: NDArray[np.float64], first: Frame) -> str:
    """Return what is wrong with the distances of slices; empty if nothing is."""
    if len(offsets) < 3 or first.position is None:
        return ""
    steps = np.diff(offsets)
    usual = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - usual) > _UNEVEN * usual)
    if not len(odd):
        return ""
    along = offsets + float(first.position @ first.normal)
    gaps = ", ".join(f"{along[i]:g} to {along[i + 1]:g} mm" for i in odd[:5])
    return (
        f"slices are missing or uneven: {len(odd)} of {len(steps)} steps along the normal "
        f"are not {usual:g} mm but go from {gaps}"
    )


def _resampled(values: NDArray[Any], offsets: NDArray[np.float64], step: float) -> NDArray[Any]:
    """Interpolate (t, z, ...) values linearly between slices onto even ones."""
    count = int(np.floor((offsets[-1] - offsets[0]) / step + 1e-6)) + 1
    targets = offsets[0] + step * np.arange(count)
    upper = np.clip(np.searchsorted(offsets, targets), 1, len(offsets) - 1)
    weight = np.clip((targets - offsets[upper - 1]) / np.diff(offsets)[upper - 1], 0, 1)
    planes = []
    for above, share in zip(upper, weight, strict=True):
        plane = values[:, above - 1] * (1 - share) + values[:, above] * share
        planes.append(np.rint(plane) if values.dtype.kind in "ui" else plane)
    return np.stack(planes, 1).astype(values.dtype)


def _tilt(direction: NDArray[np.float64], first: Frame) -> tuple[str, ...]:
    cosine = abs(float(direction @ first.normal))
    tilt = float(np.degrees(np.arccos(min(cosine, 1.0))))
    if tilt <= _MAX_TILT:
        return ()
    note = (
        f"the gantry was tilted by {tilt:.1f} degrees: slices are shifted against each other, "
        "which the affine knows and a view of the voxels does not show"
    )
    warnings.warn(note, stacklevel=2)
    return (note,)


def _window(
    grid: Sequence[Sequence[Frame]], head: Dataset, values: NDArray[Any], color: bool
) -> tuple[Window | None, tuple[str, ...]]:
    """Return the window of the middle slice, if it meets the values; and notes."""
    frame = grid[len(grid) // 2][0]
    notes: tuple[str, ...] = ()
    is_inverted = head.get("PhotometricInterpretation") == "MONOCHROME1"
    if is_inverted:
        notes = ("high values are dark in the file (MONOCHROME1); they are inverted",)
    if frame.window is None or color:
        return None, notes
    low, high = frame.window
    if is_inverted:
        total = inversion_total(head, frame.scale)
        low, high = total - high, total - low
    ends = float(values.min()), float(values.max())
    if ends[0] < ends[1] and (high <= ends[0] or low >= ends[1]):
        note = (
            f"the window {low:g} to {high:g} of the file misses its values, {ends[0]:g} to "
            f"{ends[1]:g}; it is not used"
        )
        return None, (*notes, note)
    return Window(low, high), notes
