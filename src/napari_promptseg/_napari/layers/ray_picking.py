"""Ray picking: the voxel that a click on the 3D display of a volume means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.painting import Mirror

_STEPS: Final = 2
"""Samples a voxel along a ray, so that none is passed over at an angle."""
_BLOCK: Final = 32
"""Voxels of a ray that are read at once from an array on disk."""


def ray_voxels(
    image: Image, world: Sequence[float], direction: Sequence[float], displayed: Sequence[int]
) -> NDArray[np.intp] | None:
    """Return the voxels of an image that a line of sight goes through, the nearest first.

    Parameters
    ----------
    image : Image
        An image layer in a 3D display.
    world : sequence of float
        A point on the line, in world coordinates.
    direction : sequence of float
        Of the line, away from the eye.
    displayed : sequence of int
        The three dimensions of the image that are in view.

    Returns
    -------
    (N, D) int array or None
        Indices of the array of the layer; None if the line misses the image.
    """
    dims = image.ndim
    start, end = image.get_ray_intersections(world[-dims:], direction[-dims:], list(displayed))
    if start is None or end is None:
        return None
    count = int(np.ceil(_STEPS * np.abs(end - start).max())) + 1
    points = start + np.linspace(0, 1, count)[:, None] * (end - start)
    shape = image.level_shapes[0] if image.multiscale else image.data.shape
    voxels = np.clip(np.rint(points), 0, np.array(shape[:dims]) - 1).astype(np.intp)
    changes = np.any(np.diff(voxels, axis=0) != 0, axis=1)
    return np.asarray(voxels[np.r_[True, changes]])


def first_filled(mirror: Mirror, positions: NDArray[np.intp]) -> int | None:
    """Return the first of (N, D) positions in a volume at which an array is not 0, if any."""
    hits = np.flatnonzero(mirror.values(positions))
    return int(hits[0]) if len(hits) else None


def displayed_array(image: Image) -> tuple[Any, NDArray[np.float64]]:
    """Return the array that napari displays in 3D, and the voxels of the image per one of its."""
    if not image.multiscale:
        return image.data, np.ones(image.ndim)
    return image.data[-1], np.asarray(image.downsample_factors[-1], np.float64)[: image.ndim]


def values_along(
    array: Any, factors: NDArray[np.float64], voxels: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the intensities of an array at voxels of a ray, of colors their mean.

    Parameters
    ----------
    array, factors
        See `displayed_array`; read in small blocks if it is on disk.
    voxels : (N, D) int array
        Of the image.
    """
    dims = voxels.shape[1]
    index = np.minimum(voxels / factors, np.array(array.shape[:dims]) - 1).astype(np.intp)
    if isinstance(array, np.ndarray):
        values = array[tuple(index.T)]
    else:
        blocks = [index[first : first + _BLOCK] for first in range(0, len(index), _BLOCK)]
        values = np.concatenate([_read(array, block) for block in blocks])
    return np.asarray(values.reshape(len(voxels), -1).mean(1), np.float64)


def _read(array: Any, index: NDArray[np.intp]) -> NDArray[Any]:
    """Return the values at some voxels of an array on disk: the box around them is read."""
    low, high = index.min(0), index.max(0) + 1
    box = np.asarray(array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
    return np.asarray(box[tuple((index - low).T)])


def visible_depth(values: NDArray[np.float64], image: Image) -> int | None:
    """Return which voxel of a ray the display of an image shows, None if nothing stands out.

    Parameters
    ----------
    values : (N,) float64 array
        Intensities along the ray, the nearest first.
    image : Image
        How it is rendered: the brightest voxel of a maximum projection, the darkest of a minimum
        projection, the first beyond the threshold of an isosurface; else the strongest edge.
    """
    values = np.nan_to_num(values)
    if len(values) < 2 or np.ptp(values) == 0:
        return None
    rendering = str(image.rendering)
    if rendering == "mip":
        return int(values.argmax())
    if rendering == "minip":
        return int(values.argmin())
    if rendering == "attenuated_mip":
        low, high = (float(limit) for limit in image.contrast_limits)
        levels = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
        return int((levels * np.exp(-float(image.attenuation) * levels.cumsum())).argmax())
    if rendering == "iso":
        beyond = np.flatnonzero(values >= float(image.iso_threshold))
        return int(beyond[0]) if len(beyond) else None
    edge = int(np.abs(np.diff(values)).argmax())
    return edge + int(values[edge + 1] > values[edge])  # on the bright side
