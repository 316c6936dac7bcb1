"""Labels out of files, of this package or another, for the image that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.io import dicom_headers, dicom_seg, nrrd, ome_zarr, ome_zarr_labels
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.read import open_volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

_OFF: Final = 0.01  # voxels; files keep positions with few digits


def read_labels(path: str | Path, volume: Volume | None = None) -> tuple[NDArray[Any], Legend]:
    """Read labels, and the names and colours that the file has of them.

    Labels that other tools wrote with their axes turned or flipped, or for a part of the
    image, are brought to its voxels.

    Parameters
    ----------
    path : str or Path
        Any file or folder that `open_volume` reads.
    volume : Volume, optional
        The image.

    Returns
    -------
    labels : integer array
        Of the shape of the volume without channel, if one is given.
    legend : Legend
        Empty where the format knows neither names nor colours.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it cannot be read, holds no whole numbers, or does not lie on the pixels of the
        volume.
    """
    file = open_volume(path)
    try:
        values = np.asarray(file.data)
    # Each kind of lazy array has its own errors for damaged chunks.
    except Exception as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    # Three last planes are guessed to be colours where a file does not name its axes.
    if "c" in file.axes and (volume is None or values.shape != volume.shape):
        raise ValueError(f"{path} holds channels (axes {file.axes!r}) and no labels")
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # numbers too large are no labels, which shows below
            whole = values.astype(np.int64, copy=True) if np.isfinite(values).all() else None
        if whole is None or not np.array_equal(whole, values):
            raise ValueError(f"{path} holds fractions ({values.dtype}) and no labels")
        values = whole
    if volume is not None:
        values = _placed(values, file, volume, path)
    return values, _legend(Path(path))


def _legend(path: Path) -> Legend:
    name = path.name.lower()
    if path.is_file() and dicom_headers.is_dicom(path):
        return dicom_seg.read_legend(path)
    if name.endswith(nrrd.SUFFIXES):
        return nrrd.read_legend(path)
    if path.is_dir() and any((path / marker).exists() for marker in ome_zarr.MARKERS):
        return ome_zarr_labels.read_legend(path)
    return Legend()


def _placed(values: NDArray[Any], file: Volume, volume: Volume, path: str | Path) -> NDArray[Any]:
    """Bring labels to the axes of a volume, and check that they lie on it."""
    if file.names == volume.names == "zyx" and "pixel" not in (file.units, volume.units):
        values = _aligned(values, file, volume, path)
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


def _aligned(values: NDArray[Any], file: Volume, volume: Volume, path: str | Path) -> NDArray[Any]:
    assert file.affine is not None
    assert volume.affine is not None
    if not np.linalg.det(volume.affine[:3, :3]):
        return values
    # From (x, y, z) of the labels to (x, y, z) of the image.
    to_image = np.linalg.solve(volume.affine, file.affine)
    turn = np.rint(to_image[:3, :3])
    is_permutation = np.array_equal(np.abs(turn).sum(0), [1, 1, 1])
    if (
        not is_permutation
        or abs(np.linalg.det(turn)) != 1
        or np.abs(to_image[:3, :3] - turn).max() > _OFF
    ):
        raise ValueError(f"{path} lies on other voxels than the image: resample it first")
    order = [int(np.abs(turn[axis]).argmax()) for axis in range(3)]
    aligned = values.transpose(2, 1, 0).transpose(order)
    flips = tuple(axis for axis in range(3) if turn[axis, order[axis]] < 0)
    aligned = np.flip(aligned, flips).transpose(2, 1, 0)
    last = np.array(values.shape[::-1]) - 1.0
    first = np.minimum(to_image[:3, 3], to_image[:3, :3] @ last + to_image[:3, 3])[::-1]
    start = np.rint(first).astype(int)
    ends = [a + n for a, n in zip(start, aligned.shape, strict=True)]
    beyond = (start < 0).any() or any(b > n for b, n in zip(ends, volume.shape, strict=True))
    if aligned.shape == volume.shape and not start.any():
        return aligned  # what little it is off is rounding in the file
    if beyond or np.abs(first - start).max() > _OFF * max(volume.shape):
        place = np.round(first[::-1], 2).tolist()
        raise ValueError(
            f"{path} holds labels of shape {aligned.shape}, the image has {volume.shape}, "
            f"and they begin at its voxel (x, y, z) {place}"
        )
    whole = np.zeros(volume.shape, values.dtype)
    whole[tuple(slice(a, b) for a, b in zip(start, ends, strict=True))] = aligned
    return whole
