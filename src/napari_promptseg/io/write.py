"""One way to write labels: the format is chosen by suffix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.lazy_array import LazyArray
from napari_promptseg.data.memmap import IN_MEMORY, slabs
from napari_promptseg.data.volume import Volume, is_url
from napari_promptseg.io import (
    coco,
    csv_table,
    ctc,
    dicom_seg,
    image_files,
    mesh,
    nifti,
    nrrd,
    ome_zarr,
    ome_zarr_labels,
    tiff,
)
from napari_promptseg.io.metadata import Legend

Writer = Callable[[Path, NDArray[Any], Volume, Legend], None]


def _write_npy(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    np.save(path, labels, allow_pickle=False)


_WRITERS: Final[Mapping[str, Writer]] = {
    **dict.fromkeys(nifti.SUFFIXES, nifti.write),
    ".nrrd": nrrd.write,
    **dict.fromkeys(dicom_seg.SUFFIXES, dicom_seg.write),
    **dict.fromkeys(tiff.SUFFIXES, tiff.write),
    **dict.fromkeys(ome_zarr.SUFFIXES, ome_zarr_labels.write),
    ".npy": _write_npy,
    ".png": image_files.write,
    **dict.fromkeys((*coco.POLYGONS, *coco.SUFFIXES), coco.write),
    **dict.fromkeys(mesh.SUFFIXES, mesh.write),
    **dict.fromkeys(csv_table.SUFFIXES, csv_table.write),
    **dict.fromkeys(ctc.SUFFIXES, ctc.write),
}
SUFFIXES: Final = tuple(_WRITERS)
"""All suffixes that labels can be written to."""


def write_labels(
    path: str | Path,
    labels: NDArray[Any],
    volume: Volume,
    names: Mapping[int, str] | None = None,
    *,
    colours: Mapping[int, tuple[int, int, int]] | None = None,
    parents: Mapping[int, int] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write labels with the geometry of the image they belong to.

    NIfTI, NRRD and DICOM SEG (``.dcm``) keep the affine, TIFF (OME) and OME-Zarr the spacing;
    ``.npy`` and ``.png`` (2D) hold the array alone; ``.json`` is COCO, with run lengths, and
    ``.polygons.json`` COCO with polygons; ``.stl``, ``.obj`` and ``.ply`` (3D) are the
    surfaces in world coordinates; ``.csv`` is the table of measurements. A name that ends in
    ``_RES`` becomes a folder of tracks for the Cell Tracking Challenge, and
    ``IMAGE.zarr/labels/NAME`` labels inside the group of an OME-Zarr image. Names are kept by
    NRRD, DICOM, OME-Zarr, COCO, OBJ and the table, colours by the first three. The target appears
    when all is written, never in part.

    Parameters
    ----------
    path : str or Path
        Target, in a folder that exists.
    labels : integer or bool array
        Of the shape of the volume without channel; 0 is background.
    volume : Volume
        The image.
    names : mapping of int to str, optional
        Names of the objects.
    colours : mapping of int to (int, int, int), optional
        Red, green and blue of the objects, 0 to 255.
    parents : mapping of int to int, optional
        For tracks: label of the parent by that of the daughter.
    overwrite : bool
        Whether to replace what is there.

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
        If the suffix is unknown, or the labels do not fit the volume or the format.
    """
    if is_url(path):
        raise ValueError(f"cannot write labels to {path}: it is a URL, and not of this machine")
    path = Path(path).expanduser()
    suffix = next((s for s in _WRITERS if path.name.lower().endswith(s.lower())), None)
    write = (
        ome_zarr_labels.write if ome_zarr_labels.image_around(path) else _WRITERS.get(suffix or "")
    )
    if write is None:
        raise ValueError(
            f"cannot write labels to {path}: unknown suffix {path.suffix!r}; "
            f"valid: {', '.join(SUFFIXES)}"
        )
    checked = _checked(labels, volume, streamed=write is ome_zarr_labels.write)
    if write is ome_zarr_labels.write and ome_zarr_labels.image_around(path):
        path.parent.mkdir(exist_ok=True)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    _check_free(path, overwrite)
    # The suffix stays at the end, libraries go by it.
    partial = path.with_name(f".partial-{uuid4().hex}{suffix or ''}")
    try:
        write(partial, checked, volume, Legend(names or {}, colours or {}, parents or {}))
        _check_free(path, overwrite)
        _replace(partial, path)
    finally:
        _remove(partial)
    ome_zarr_labels.register(path)
    return path


def _checked(labels: NDArray[Any], volume: Volume, streamed: bool) -> NDArray[Any]:
    """Return the labels in the smallest unsigned type that holds them.

    Those that lie in chunks on disk stay there if they can be written in parts.
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
    if lazy and not streamed:
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
    # Large ones are kept as they are: a copy might not fit into memory.
    if lazy or (values.nbytes > IN_MEMORY and values.dtype in (np.uint16, np.uint32)):
        return values
    return values.astype(kind, copy=False)


def _check_free(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")


def _replace(partial: Path, path: Path) -> None:
    """Put the new file or folder in place of the old one."""
    if not path.is_dir():
        os.replace(partial, path)
        return
    # A folder cannot be replaced in one step: the old one goes when the new one is there.
    old = path.with_name(f".old-{uuid4().hex}")
    os.rename(path, old)
    os.rename(partial, path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
