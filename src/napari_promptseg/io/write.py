"""Writing of labels; the format is chosen by suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.atomic_file import atomic_target
from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.lazy_array import LazyArray
from napari_promptseg.data.memmap import IN_MEMORY, slabs
from napari_promptseg.data.volume import Volume, is_url
from napari_promptseg.io import ome_zarr_labels
from napari_promptseg.io.formats import WRITE_SUFFIXES, find_format
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.names import valid_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def write_labels(
    path: str | Path,
    labels: NDArray[Any],
    volume: Volume,
    names: Mapping[int, str] | None = None,
    *,
    colors: Mapping[int, tuple[int, int, int]] | None = None,
    parents: Mapping[int, int] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write labels with the geometry of the image they belong to.

    The suffix decides, see `formats.FORMATS`. NIfTI, NRRD and DICOM SEG (``.dcm``) keep the
    affine, TIFF (OME) and OME-Zarr the spacing; ``.npy`` and ``.png`` (2D) hold the array alone;
    ``.json`` is COCO, with run lengths, and ``.polygons.json`` COCO with polygons; ``.geojson``
    is that of QuPath, ``_seg.npy`` that of cellpose, ``.zip`` a ROI set of ImageJ and a ``.dcm``
    name with "rtstruct" a DICOM structure set; ``.geff`` and ``.xml`` (TrackMate) are tracks;
    ``.stl``, ``.obj`` and ``.ply`` (3D) are the surfaces in world coordinates; ``.csv`` is the
    table of measurements. Folders are made of names that end in ``_RES`` (tracks for the Cell
    Tracking Challenge) or ``_YOLO``, and of names such as ``Dataset001_Liver`` (nnU-Net, with
    the image). ``IMAGE.zarr/labels/NAME`` are labels inside the group of an OME-Zarr image.
    Formats that have no place for names or colors leave them out. Geometry that nobody stated
    is not written, and sizes get the unit of the format. The target is replaced atomically.

    Parameters
    ----------
    path : str or Path
        Target, in a folder that exists.
    labels : integer or bool array
        Of the shape of the volume without channel; 0 is background.
    volume : Volume
        The image.
    names : mapping of int to str, optional
        Names of the objects. Control characters and line ends become blanks in formats that
        have no way to write them.
    colors : mapping of int to (int, int, int), optional
        Red, green and blue of the objects, 0 to 255.
    parents : mapping of int to int, optional
        For tracks: label of the parent by that of the daughter.
    overwrite : bool
        Whether to replace an existing file or folder.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    FileExistsError
        If something is at the path and `overwrite` is false.
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the suffix is unknown, the labels do not fit the volume or the format, or the target
        is the image itself.
    """
    if is_url(path):
        raise ValueError(f"cannot write labels to {path}: it is a URL, and not of this machine")
    path = Path(path).expanduser()
    match = find_format(path.name, writable=True)
    write, suffix = (match[0].write, match[1]) if match else (None, "")
    if ome_zarr_labels.image_around(path):
        write = ome_zarr_labels.write
    if write is None:
        raise ValueError(
            f"cannot write labels to {path}: unknown suffix {path.suffix!r}; "
            f"valid: {', '.join(WRITE_SUFFIXES)}"
        )
    _check_not_image(path, volume)
    compact = _compact(labels, volume, in_parts=write is ome_zarr_labels.write)
    if ome_zarr_labels.image_around(path):
        path.parent.mkdir(exist_ok=True)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    texts = {label: valid_text(name) for label, name in (names or {}).items()}
    with atomic_target(path, suffix, overwrite=overwrite) as temporary:
        write(temporary, compact, volume, Legend(texts, colors or {}, parents or {}))
    ome_zarr_labels.register(path)
    return path


def _check_not_image(path: Path, volume: Volume) -> None:
    """Refuse to replace the image, or a folder that it lies in."""
    if volume.source is None or is_url(volume.source) or not path.exists():
        return
    if Path(volume.source).resolve().is_relative_to(path.resolve()):
        raise ValueError(f"cannot write labels to {path}: the image is there; choose another name")


def _compact(labels: NDArray[Any], volume: Volume, in_parts: bool) -> NDArray[Any]:
    """Return the labels in the smallest unsigned type that holds them.

    Chunked labels stay on disk if they can be written in parts.
    """
    lazy = not isinstance(labels, np.ndarray) and isinstance(labels, LazyArray)
    values = labels if lazy else np.asarray(labels)
    if values.dtype.kind not in "bui":
        raise ValueError(f"labels must be whole numbers, got dtype {values.dtype}")
    if values.shape != volume.shape:
        raise ValueError(
            f"labels of shape {values.shape} do not fit a volume of shape {volume.shape} "
            f"(axes {volume.names!r})"
        )
    if lazy and not in_parts:
        raise ValueError(
            f"labels of shape {values.shape} do not fit into memory; OME-Zarr (.zarr) can hold them"
        )
    whole = tuple((0, n) for n in values.shape)
    ends = [
        (int(part.min()), int(part.max())) for part in (values[box_slices(b)] for b in slabs(whole))
    ]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if low < 0 or high >= 2**32:
        raise ValueError(f"labels must lie in 0 to {2**32 - 1}, got {low} to {high}")
    kind = next(t for t in (np.uint8, np.uint16, np.uint32) if high <= np.iinfo(t).max)
    # A copy of large labels might not fit into memory.
    if lazy or (values.nbytes > IN_MEMORY and values.dtype in (np.uint16, np.uint32)):
        return values
    return values.astype(kind, copy=False)
