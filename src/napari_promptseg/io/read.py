"""Opening of images; the reader is chosen by suffix or by content."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from napari_promptseg.data.volume import Volume, is_url
from napari_promptseg.io import dicom, dicom_headers, image_files, ome_zarr
from napari_promptseg.io.formats import READ_SUFFIXES, find_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from numpy.typing import NDArray

    from napari_promptseg.data.intensity_window import Window
    from napari_promptseg.io.metadata import Content


class Overrides(TypedDict, total=False):
    """Fields of `Volume` that a caller states in place of the file."""

    axes: str
    spacing: Sequence[float]
    units: str
    affine: NDArray[np.float64]
    window: Window | str | None
    channels: Sequence[int] | None
    series: str
    """SeriesInstanceUID, where a DICOM folder holds several series."""


def open_volume(path: str | Path, **overrides: Unpack[Overrides]) -> Volume:
    """Open an image, volume, series or video.

    NIfTI, NRRD, DICOM (a file or a folder), TIFF, OME-Zarr, PNG, JPEG, WebP, BMP (a file
    or a folder, which becomes a stack along z), video and ``.npy``. What is large and can
    be read in parts stays in the file.

    Parameters
    ----------
    path : str or Path
        File or folder; or URL of an OME-Zarr (``https://``, ``s3://`` and what else fsspec
        knows), of which only what is looked at is loaded.
    **overrides
        `axes`, `spacing`, `units`, `affine`, `window`, `channels` replace what the file
        says; `axes` name the array as it is after reading (t, z, y, x, c). A `spacing`
        also scales the affine, unless `affine` is given too. `series` chooses among the
        DICOM series of a folder.

    Returns
    -------
    Volume
        With `source` set to the path; arrays in the order t, z, y, x, c; the affine
        leads from (x, y, z) to millimetres right, front and head for medical formats.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ImportError
        If it is a video and the extra ``video`` is not installed.
    TypeError
        If an override is unknown.
    ValueError
        If the format is unknown, the file is damaged or its content cannot be a volume.
    """
    valid = Overrides.__optional_keys__
    if unknown := set(overrides) - valid:
        raise TypeError(f"unknown overrides {sorted(unknown)}; valid: {sorted(valid)}")
    given: dict[str, Any] = dict(overrides)
    series = given.pop("series", None)
    if not is_url(path):
        path = Path(path).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"no such file or folder: {path}")
    try:
        content = _content(path, series, "spacing" not in given)
        return _volume(content, given, str(path))
    except (ImportError, MemoryError, PermissionError):
        raise
    # Each library has its own errors for damaged files, from struct.error to zlib.error.
    except Exception as error:
        raise ValueError(
            f"cannot read {path}: {error}; valid suffixes: {', '.join(READ_SUFFIXES)}"
        ) from error


def is_dicom_folder(path: str | Path) -> bool:
    """Tell whether a path is a folder that is read as DICOM series."""
    path = Path(path).expanduser()
    return path.is_dir() and _choose(path) is dicom.read


def _content(path: str | Path, series: str | None, even: bool) -> Content:
    read = _choose(path) if isinstance(path, Path) else None
    if read is dicom.read:
        return dicom.read(Path(path), series, even)
    if series is not None:
        raise ValueError(f"series {series!r} given, but it is not DICOM")
    return ome_zarr.read_remote(str(path)) if read is None else read(Path(path))


def _choose(path: Path) -> Callable[[Path], Content]:
    name = path.name.lower()
    if path.is_dir():
        if name.endswith(ome_zarr.SUFFIXES) or any((path / m).exists() for m in ome_zarr.MARKERS):
            return ome_zarr.read
        images = image_files.stack_files(path)
        if images and not any(dicom_headers.is_dicom(f) for f in path.iterdir() if f.is_file()):
            return lambda _: image_files.read_stack(images)
        return dicom.read
    match = find_format(name)
    if match is not None and match[0].read is not None:
        return match[0].read
    if dicom_headers.is_dicom(path):
        return dicom.read
    raise ValueError(
        f"cannot read {path}: unknown suffix {path.suffix!r}; valid: {', '.join(READ_SUFFIXES)}"
    )


def _volume(content: Content, given: Mapping[str, Any], source: str) -> Volume:
    fields_of_file = {field.name: getattr(content, field.name) for field in fields(content)}
    axes = given.get("axes") or content.axes
    if content.spacing is not None and len(axes.removesuffix("c")) != len(content.spacing):
        fields_of_file["spacing"] = None
    volume = Volume(**{**fields_of_file, **given}, source=source)
    if content.affine is None or "affine" in given or "spacing" not in given:
        return volume
    before = dict(zip(content.axes, content.spacing or (), strict=False))
    after = dict(zip(volume.names, volume.spacing or (), strict=True))
    ratio = [after.get(name, 1.0) / before.get(name, after.get(name, 1.0)) for name in "xyz"]
    affine = content.affine @ np.diag([*ratio, 1.0])
    return Volume(**{**fields_of_file, **given, "affine": affine}, source=source)
