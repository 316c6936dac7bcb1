"""Reading of labels, aligned with the voxels of the image that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.units import unit_ratio
from napari_promptseg.data.volume import ORIENTATION, POSITION, SPACING, Volume
from napari_promptseg.io import (
    coco,
    ctc,
    dicom_headers,
    dicom_seg,
    geff,
    geojson,
    image_files,
    imagej_rois,
    nrrd,
    ome_zarr,
    ome_zarr_labels,
    rtstruct,
    trackmate,
    yolo,
)
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.read import open_volume

Reader = Callable[[Path, Volume], tuple[NDArray[Any], Legend]]
_DRAWN: Final[Mapping[tuple[str, ...], Reader]] = {
    coco.SUFFIXES: coco.read,
    geojson.SUFFIXES: geojson.read,
    trackmate.SUFFIXES: trackmate.read,
    geff.SUFFIXES: geff.read,
    imagej_rois.READ_SUFFIXES: imagej_rois.read,
}
"""Readers of shapes that are drawn onto the pixels of an image, by suffix."""
_FOLDERS: Final[tuple[tuple[Callable[[Path], bool], Reader], ...]] = (
    (ctc.is_folder, ctc.read_labels),
    (yolo.is_folder, yolo.read),
)
"""Readers of folders that belong to an image, with what tells whether a folder is one."""
DRAWN_SUFFIXES: Final = tuple(suffix for suffixes in _DRAWN for suffix in suffixes)
_MAX_OFFSET: Final = 0.1  # voxels; files keep positions with few digits
_MAX_SPACING_ERROR: Final = 0.01  # relative
_MAX_ROUNDING: Final = 1e-3  # of scaled integers, from the nearest label


def read_labels(
    path: str | Path, volume: Volume | None = None, *, resample: bool = False
) -> tuple[NDArray[Any], Legend]:
    """Read labels with the names and colors that the file has of them.

    Labels that another tool wrote with permuted or flipped axes, or for a part of the image,
    are aligned with the voxels of the image, if both files state where they lie. Otherwise
    labels of the shape of the image are taken voxel by voxel.

    Parameters
    ----------
    path : str or Path
        Any file or folder that `open_volume` reads; with the image also contours
        (RTSTRUCT), annotations (COCO, GeoJSON, ROI sets of ImageJ, folders of YOLO) and tracks
        (TrackMate, GEFF, folders of the Cell Tracking Challenge).
    volume : Volume, optional
        The image.
    resample : bool
        Whether labels on another grid are resampled onto the image (nearest neighbour).

    Returns
    -------
    labels : integer array
        Of the shape of the volume without channel, if one is given.
    legend : Legend
        Without names and colors where the format has none; its notes say what was guessed
        or not taken.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it cannot be read, holds no whole numbers, or does not lie on the voxels of the
        volume and is not to be resampled.
    """
    if _is_structure_set(Path(path)):
        if volume is None:
            raise ValueError(f"{path} holds contours, which need the image that they belong to")
        return _drawn(rtstruct.read, path, volume)
    for is_folder, read in _FOLDERS:
        if volume is not None and is_folder(Path(path)):
            return _drawn(read, path, volume)
    for suffixes, read in _DRAWN.items():
        if str(path).lower().endswith(suffixes):
            if volume is None:
                raise ValueError(f"{path} holds shapes, which need the image that they belong to")
            return _drawn(read, path, volume)
    file = open_volume(path)
    try:
        indices = image_files.read_indices(Path(path)) if "c" in file.axes else None
        if indices is not None:
            file = Volume(
                indices, file.names, file.spacing, provenance=file.provenance, notes=file.notes
            )
        values = np.asarray(file.data)
    # Each kind of lazy array raises its own errors for damaged chunks.
    except Exception as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    # Three or four planes, first or last, are guessed to be colors where a file does not name
    # its axes.
    is_stack = volume is not None and volume.shape in (values.shape, _planes_first(values).shape)
    if "c" in file.axes and not is_stack:
        raise ValueError(f"{path} holds channels (axes {file.axes!r}) and no labels")
    if "c" in file.axes and volume is not None and values.shape != volume.shape:
        values = _planes_first(values)
    if values.dtype.kind == "f":
        values = _whole_numbers(values, path)
    if volume is not None:
        values = _aligned(values, file, volume, path, resample)
    legend = _legend(Path(path))
    return values, replace(legend, notes=(*file.notes, *legend.notes))


def _planes_first(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose last axis is planes of (y, x) with that axis before them."""
    return np.moveaxis(values, -1, -3) if values.ndim > 2 else values


def _drawn(read: Reader, path: str | Path, volume: Volume) -> tuple[NDArray[Any], Legend]:
    """Read shapes that are drawn onto the pixels of an image."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    try:
        return read(path, volume)
    except (ImportError, MemoryError, PermissionError):
        raise
    # Damaged files raise errors of many kinds.
    except Exception as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def _is_structure_set(path: Path) -> bool:
    import pydicom

    if not path.is_file() or not dicom_headers.is_dicom(path):
        return False
    return rtstruct.is_structure_set(pydicom.dcmread(path, specific_tags=["SOPClassUID"]))


def _whole_numbers(values: NDArray[Any], path: str | Path) -> NDArray[np.int64]:
    """Return labels that were stored as floats, or as scaled integers, as integers."""
    integers = np.rint(values)
    with np.errstate(invalid="ignore"):
        if not np.isfinite(values).all():
            raise ValueError(
                f"{path} holds fractions, NaN or infinities ({values.dtype}) and no labels; "
                "set what is no object to 0"
            )
        if np.abs(values - integers).max(initial=0) > _MAX_ROUNDING:
            raise ValueError(f"{path} holds fractions ({values.dtype}) and no labels")
        whole: NDArray[np.int64] = integers.astype(np.int64)
    if not np.array_equal(whole, integers):
        raise ValueError(f"{path} holds numbers that are too large for labels")
    return whole


def _legend(path: Path) -> Legend:
    name = path.name.lower()
    if path.is_file() and dicom_headers.is_dicom(path):
        return dicom_seg.read_legend(path)
    if name.endswith(nrrd.SUFFIXES):
        return nrrd.read_legend(path)
    if path.is_dir() and any((path / marker).exists() for marker in ome_zarr.MARKERS):
        return ome_zarr_labels.read_legend(path)
    return Legend()


def _aligned(
    values: NDArray[Any], file: Volume, volume: Volume, path: str | Path, resample: bool
) -> NDArray[Any]:
    """Bring labels to the axes of a volume, and check that they lie on it."""
    shape = (*volume.shape[:-2], 1, *volume.shape[-2:]) if volume.names == "yx" else volume.shape
    solid_names = [
        names.replace("yx", "zyx").replace("zz", "z") for names in (file.names, volume.names)
    ]
    solid = "tyx" not in (file.names, volume.names) and solid_names[0] == solid_names[1]
    matrix = _to_image(file, volume) if solid else None
    if matrix is not None:
        if file.names == "yx":
            values = values[None]
        values = _on_grid(values, matrix, shape, path, resample).reshape(volume.shape)
    elif values.shape == volume.shape:
        _check_spacing(file, volume, path)
    if values.shape != volume.shape and values.size == np.prod(volume.shape):
        # Axes of length 1 come and go with formats.
        bare = [[n for n in shape if n > 1] for shape in (values.shape, volume.shape)]
        values = values.reshape(volume.shape) if bare[0] == bare[1] else values
    if values.shape != volume.shape:
        raise ValueError(
            f"{path} holds labels of shape {values.shape}, the image has {volume.shape} "
            f"(axes {volume.names!r})"
        )
    return values


def _to_image(file: Volume, volume: Volume) -> NDArray[np.float64] | None:
    """Return the matrix from voxels (x, y, z) of the labels to those of the image.

    None where one of them does not state where it lies. OME-Zarr states positions without
    an orientation; two such files share the axes of their array.
    """
    frames = {tuple(v.states(fact) for fact in (ORIENTATION, POSITION)) for v in (file, volume)}
    ratio = unit_ratio(file.units, volume.units)
    if ratio is None or frames not in ({(True, True)}, {(False, True)}):
        return None
    assert file.affine is not None
    assert volume.affine is not None
    if not np.linalg.det(volume.affine[:3, :3]):
        return None
    affine = np.diag([ratio, ratio, ratio, 1.0]) @ file.affine
    return np.asarray(np.linalg.solve(volume.affine, affine))


def _check_spacing(file: Volume, volume: Volume, path: str | Path) -> None:
    """Refuse labels whose file states another spacing than that of the image."""
    ratio = unit_ratio(file.units, volume.units)
    if ratio is None or not (file.states(SPACING) and volume.states(SPACING)):
        return
    sizes = [
        (file.axis_spacing(axis) * ratio, volume.axis_spacing(axis))
        for axis, name in enumerate(volume.names)
        if name != "t" and file.names == volume.names
    ]
    if any(abs(a - b) > _MAX_SPACING_ERROR * b for a, b in sizes):
        ours, theirs = (tuple(round(pair[i], 6) for pair in sizes) for i in (1, 0))
        raise ValueError(
            f"{path} has a spacing of {theirs} {volume.units}, the image of {ours}: "
            "the labels belong to another image, or one of the files states it wrongly"
        )


def _on_grid(
    values: NDArray[Any],
    matrix: NDArray[np.float64],
    image_shape: tuple[int, ...],
    path: str | Path,
    resample: bool,
) -> NDArray[Any]:
    """Bring labels of axes (..., z, y, x) to the voxels of an image of such axes."""
    space, shape = values.shape[-3:], image_shape[-3:]
    grid = _nearest_grid(matrix)
    corners = np.array(np.meshgrid(*[[0, n - 1] for n in space[::-1]])).reshape(3, -1)
    offset = 0.0
    if grid is not None:
        exact = matrix[:3, :3] @ corners + matrix[:3, 3:]
        offset = float(np.abs(exact - (grid[:3, :3] @ corners + grid[:3, 3:])).max())
    if grid is None or offset > _MAX_OFFSET:
        if resample:
            return _resampled(values, matrix, shape)
        first = np.round((matrix[:3, :3] @ corners + matrix[:3, 3:]).min(1), 2).tolist()
        where = (
            "lies on other voxels than the image"
            if grid is None or space != shape
            else f"lies up to {offset:.2g} voxels beside those of the image"
        )
        raise ValueError(
            f"{path} {where}, the image has {image_shape} and the labels {values.shape}, "
            f"they begin at its voxel (x, y, z) {first}: resample it first, or pass resample=True"
        )
    turn = grid[:3, :3]
    order = [int(np.abs(turn[axis]).argmax()) for axis in range(3)]
    lead = values.ndim - 3
    # From (..., z, y, x) to the axes of the image in the same order.
    source = [*range(lead), *(lead + 2 - order[axis] for axis in (2, 1, 0))]
    block: NDArray[Any] = values.transpose(source)
    flips = tuple(lead + 2 - axis for axis in range(3) if turn[axis, order[axis]] < 0)
    block = np.flip(block, flips)
    start = (turn @ corners + grid[:3, 3:]).min(1)[::-1].astype(int)
    ends = start + block.shape[-3:]
    if (start < 0).any() or (ends > shape).any():
        if resample:
            return _resampled(values, matrix, shape)
        raise ValueError(
            f"{path} holds labels of shape {values.shape}, the image has {image_shape}, "
            f"and they begin at its voxel (x, y, z) {start[::-1].astype(float).tolist()}"
        )
    if block.shape[-3:] == shape:
        return block
    whole = np.zeros((*values.shape[:-3], *shape), values.dtype)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(start, ends, strict=True))
    whole[..., z, y, x] = block
    return whole


def _nearest_grid(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the nearest matrix that permutes and flips axes; None if there is none."""
    turn = np.rint(matrix[:3, :3])
    if not np.array_equal(np.abs(turn).sum(0), [1, 1, 1]) or abs(np.linalg.det(turn)) != 1:
        return None
    grid = np.eye(4)
    grid[:3, :3], grid[:3, 3] = turn, np.rint(matrix[:3, 3])
    return grid


def _resampled(
    values: NDArray[Any], matrix: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return the nearest label at each voxel of the image."""
    from scipy.ndimage import affine_transform

    inverse = np.linalg.inv(matrix)
    # The library takes array order: (z, y, x) of the image to (z, y, x) of the labels.
    turn, shift = inverse[:3, :3][::-1, ::-1], inverse[:3, 3][::-1]
    stacks = values.reshape(-1, *values.shape[-3:])
    stacks_on_grid = [affine_transform(v, turn, shift, shape, order=0) for v in stacks]
    return np.stack(stacks_on_grid).reshape(*values.shape[:-3], *shape)
