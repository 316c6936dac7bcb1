"""DICOM series: one image, a folder of slices, or files of many frames."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.io import dicom_seg
from napari_promptseg.io.dicom_headers import Frame, find_series, frames
from napari_promptseg.io.metadata import LPS_TO_RAS, Content, rescale

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_TILT: Final = 0.5  # degrees
_UNEVEN: Final = 0.1  # of the step between slices; positions are rounded in many files


@dataclass(frozen=True, slots=True)
class Series:
    """One of the series in a folder.

    Parameters
    ----------
    uid : str
        SeriesInstanceUID, for `open_volume`.
    modality, description : str
        As the files have them; may be empty.
    files : int
        How many files it has.
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


def read(path: Path, series: str | None = None, even: bool = True) -> Content:
    """Read a series, sorted by position, in the units of the modality (HU for CT).

    Parameters
    ----------
    path : Path
        A file, or a folder that is searched with all inside it.
    series : str, optional
        SeriesInstanceUID, needed where a folder holds several.
    even : bool
        Whether slices that are missing or unevenly spaced are refused.

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
    path, head = next(iter(series_files[series].items()))
    if dicom_seg.is_segmentation(head):
        return dicom_seg.read(path, head)
    grid = _sort([frame for file, ds in series_files[series].items() for frame in frames(file, ds)])
    step = _step([row[0] for row in grid], even)
    values = _pixels(grid)
    first = grid[0][0]
    time, many = len(grid[0]) > 1, len(grid) > 1
    axes = "t" * time + "z" * many + "yx" + "c" * (values.ndim - 4)
    values = values.reshape([n for n in values.shape[:2] if n > 1] + list(values.shape[2:]))
    in_plane = first.spacing or (1.0, 1.0)
    sizes = [1.0] * time + [float(np.linalg.norm(step))] * many + list(in_plane)
    affine = np.eye(4)
    affine[:3, 0] = first.rows_columns[:3] * in_plane[1]
    affine[:3, 1] = first.rows_columns[3:] * in_plane[0]
    affine[:3, 2] = step
    affine[:3, 3] = 0.0 if first.position is None else first.position
    units = "pixel" if first.spacing is None else "mm"
    middle = grid[len(grid) // 2][0].window
    window = None if middle is None or "c" in axes else Window(*middle)
    return Content(values, axes, tuple(sizes), units, LPS_TO_RAS @ affine, window)


def _sort(frames_: Sequence[Frame]) -> list[list[Frame]]:
    """Return the frames by position, and those of each position by time."""
    first = frames_[0]
    for frame in frames_:
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
    in_order = sorted(frames_, key=lambda frame: frame.order)
    if any(frame.position is None for frame in in_order):
        # Frames of one file that have no place are a film, files that have none a pile.
        film = all(frame.path == first.path for frame in in_order)
        return [in_order] if film else [[frame] for frame in in_order]
    places: dict[float, list[Frame]] = {}
    for frame in in_order:
        assert frame.position is not None
        places.setdefault(round(float(frame.position @ first.normal), 3), []).append(frame)
    counts = {place: len(group) for place, group in places.items()}
    if len(set(counts.values())) > 1:
        usual = max(counts.values(), key=list(counts.values()).count)
        odd = {place: n for place, n in counts.items() if n != usual}
        raise ValueError(f"most positions have {usual} images, but these, in mm, have {odd}")
    return [places[place] for place in sorted(places)]


def _step(column: Sequence[Frame], even: bool) -> NDArray[np.float64]:
    """Return the vector from a slice to the next, which is not the normal if they are sheared."""
    positions = [frame.position for frame in column if frame.position is not None]
    if len(positions) < 2:
        return column[0].normal
    along = np.array([position @ column[0].normal for position in positions])
    steps = np.diff(along)
    usual = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - usual) > _UNEVEN * usual)
    if len(odd):
        gaps = ", ".join(f"{along[i]:g} to {along[i + 1]:g} mm" for i in odd[:5])
        missing = (
            f"slices are missing or uneven: {len(odd)} of {len(steps)} steps along the normal "
            f"are not {usual:g} mm but go from {gaps}"
        )
        if even:
            raise ValueError(f"{missing}; pass spacing= to open it all the same")
        warnings.warn(missing, stacklevel=2)
    vector: NDArray[np.float64] = (positions[-1] - positions[0]) / (len(positions) - 1)
    cosine = abs(float(vector @ column[0].normal)) / float(np.linalg.norm(vector))
    tilt = float(np.degrees(np.arccos(min(cosine, 1.0))))
    if tilt > _MAX_TILT:
        warnings.warn(
            f"the gantry was tilted by {tilt:.1f} degrees: slices are shifted against each other, "
            "which the affine knows and a view of the voxels does not show",
            stacklevel=2,
        )
    return vector


def _pixels(grid: Sequence[Sequence[Frame]]) -> NDArray[Any]:
    """Return all pixels as (t, z, y, x) or (t, z, y, x, c), in the units of the modality."""
    import pydicom
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    images: dict[tuple[Path, int], NDArray[Any]] = {}
    in_files = sorted((frame for row in grid for frame in row), key=lambda f: (f.path, f.number))
    for path, group in groupby(in_files, key=lambda frame: frame.path):
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
        many = int(ds.get("NumberOfFrames") or 1) > 1
        for frame in group:
            plane = values[frame.number] if many else values
            images[path, frame.number] = rescale(plane, *frame.scale)
    series = [[images[row[t].path, row[t].number] for row in grid] for t in range(len(grid[0]))]
    return np.stack([np.stack(planes) for planes in series])
