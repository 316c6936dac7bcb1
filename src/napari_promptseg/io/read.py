"""Opening of images; the reader is chosen by suffix or by content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

import numpy as np

from napari_promptseg.data.lazy_array import arrange_as
from napari_promptseg.data.volume import FACTS, SPACING, Volume, is_url
from napari_promptseg.io import dicom, dicom_headers, image_files, ome_zarr
from napari_promptseg.io.formats import (
    DICOM,
    IMAGE_FOLDER,
    OME_ZARR,
    READ_SUFFIXES,
    Format,
    find_format,
    is_zarr,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    """Series of a file or folder that holds several: its UID, number or name."""


_VOLUME_FIELDS: Final = ("data", "axes", "spacing", "units", "affine", "window", "levels", "notes")


def open_volume(path: str | Path, **overrides: Unpack[Overrides]) -> Volume:
    """Open an image, volume, series or video.

    NIfTI, NRRD, MetaImage, DICOM (a file or a folder), TIFF, OME-Zarr, PNG, JPEG, WebP, BMP,
    GIF (a file or a folder, which becomes a stack along z), video and ``.npy``. Large data that
    can be read in parts stay in the file.

    Parameters
    ----------
    path : str or Path
        File or folder; or URL of an OME-Zarr (``https://``, ``s3://`` and other schemes of
        fsspec), of which only the chunks in use are loaded.
    **overrides
        `axes`, `spacing`, `units`, `affine`, `window`, `channels` replace the metadata of the
        file; `axes` name the array after reading (t, z, y, x, c). Of a file with time,
        ``axes="zyxc"`` takes the time points as channels, and the reverse. A `spacing` also
        scales the affine, unless `affine` is given too; DICOM slices that lie unevenly are
        resampled to it. `series` chooses among the series of a DICOM folder, of a TIFF or of
        an OME-Zarr container.

    Returns
    -------
    Volume
        With `source` set to the path; arrays in the order t, z, y, x, c; the affine
        leads from (x, y, z) to millimetres right, front and head for medical formats. Its
        `notes` say what was guessed, not taken, or not understood.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ImportError
        If the format needs an extra that is not installed.
    TypeError
        If an override is unknown.
    ValueError
        If the format is unknown, the file is damaged or its content cannot be a volume.
    """
    valid = Overrides.__optional_keys__
    if unknown := set(overrides) - valid:
        raise TypeError(f"unknown overrides {sorted(unknown)}; valid: {sorted(valid)}")
    replacements: dict[str, Any] = dict(overrides)
    series = replacements.pop("series", None)
    if not is_url(path):
        path = Path(path).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"no such file or folder: {path}")
    try:
        content = _content(path, series, replacements.get("spacing"))
        return _volume(content, replacements, str(path))
    except (ImportError, MemoryError, PermissionError):
        raise
    # Each library has its own errors for damaged files, from struct.error to zlib.error.
    except Exception as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def is_dicom_folder(path: str | Path) -> bool:
    """Return whether a path is a folder that is read as DICOM series."""
    path = Path(path).expanduser()
    return path.is_dir() and _choose(path) is DICOM


def _content(path: str | Path, series: str | None, spacing: Sequence[float] | None) -> Content:
    if not isinstance(path, Path):
        if series is not None:
            raise ValueError(f"series {series!r} given, but a URL holds one image")
        return ome_zarr.read_remote(str(path))
    entry = _choose(path)
    if entry is DICOM:
        return dicom.read(path, series, spacing)
    if series is not None:
        if entry.read_series is None:
            raise ValueError(
                f"series {series!r} given, but {path.name} ({entry.name}) is not DICOM and holds "
                "one image"
            )
        return entry.read_series(path, series)
    assert entry.read is not None
    return entry.read(path)


def _choose(path: Path) -> Format:
    """Return the format of a file or folder, by its name or its content.

    Raises
    ------
    ValueError
        If there is none.
    """
    if path.is_dir():
        if is_zarr(path):
            return OME_ZARR
        images = image_files.stack_files(path)
        files = [f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")]
        if any(dicom_headers.is_dicom(f) for f in files):
            return DICOM
        if images:
            return IMAGE_FOLDER
        if others := [f.name for f in files if _is_other(f)]:
            raise ValueError(
                f"it is a folder of {len(others)} files such as {min(others)}; open one of them"
            )
        return DICOM
    if (match := find_format(path.name)) is not None:
        return match[0]
    if dicom_headers.is_dicom(path):
        return DICOM
    raise ValueError(f"unknown suffix {path.suffix!r}; valid: {', '.join(READ_SUFFIXES)}")


def _is_other(file: Path) -> bool:
    """Return whether a file has the suffix of an image that is not DICOM."""
    match = find_format(file.name)
    return match is not None and match[0] is not DICOM


def _exchanged(content: Content, axes: str) -> Content:
    """Take the time of a file as channels, or channels as time, if these axes ask for it."""
    names, space = content.axes, content.axes.strip("tc")
    if names == f"t{space}" and axes == f"{space}c":
        before, spacing = f"c{space}", content.spacing and content.spacing[1:]
    elif names == f"{space}c" and axes == f"t{space}":
        before, spacing = f"{space}t", content.spacing and (1.0, *content.spacing)
    else:
        return content
    return replace(
        content,
        data=arrange_as(content.data, before, axes),
        axes=axes,
        spacing=spacing,
        levels=tuple(arrange_as(level, before, axes) for level in content.levels),
    )


def _volume(content: Content, replacements: Mapping[str, Any], source: str) -> Volume:
    content = _exchanged(content, replacements.get("axes") or "")
    arguments = {name: getattr(content, name) for name in _VOLUME_FIELDS}
    axes = replacements.get("axes") or content.axes
    facts = content.stated_facts()
    if content.spacing is not None and len(axes.removesuffix("c")) != len(content.spacing):
        arguments["spacing"] = None
        facts -= {SPACING}
    provenance = dict.fromkeys(facts, "file")
    if "affine" in replacements:
        provenance |= dict.fromkeys(FACTS, "caller")
    elif "spacing" in replacements:
        provenance |= {SPACING: "caller"}
    arguments = {**arguments, **replacements, "provenance": provenance}
    volume = Volume(**arguments, source=source)
    if content.affine is None or "affine" in replacements or "spacing" not in replacements:
        return volume
    before = dict(zip(content.axes, content.spacing or (), strict=False))
    after = dict(zip(volume.names, volume.spacing or (), strict=True))
    ratio = [after.get(name, 1.0) / before.get(name, after.get(name, 1.0)) for name in "xyz"]
    affine = content.affine @ np.diag([*ratio, 1.0])
    return Volume(**{**arguments, "affine": affine}, source=source)
