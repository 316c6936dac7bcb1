"""Morphology of masks on anisotropic grids: grow, shrink, smooth, holes, islands, pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


def grow(mask: Mask, distance: float, spacing: Sequence[float]) -> Mask:
    """Return a mask with all pixels whose centers are within a distance of it.

    Parameters
    ----------
    mask : bool array
        Not empty.
    distance : float
        In the units of the spacing.
    spacing : sequence of float
        Size of a pixel along each axis.
    """
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~mask, sampling=spacing) <= distance)


def shrink(mask: Mask, distance: float, spacing: Sequence[float]) -> Mask:
    """Return a mask without the pixels whose centers are within a distance of its outside.

    The sides of the array do not count as outside. Parameters are those of `grow`.
    """
    from scipy.ndimage import distance_transform_edt

    if mask.all():
        return mask
    return np.asarray(distance_transform_edt(mask, sampling=spacing) > distance)


def smooth(mask: Mask, distance: float, spacing: Sequence[float]) -> Mask:
    """Return a mask whose corners and bumps smaller than a distance are rounded off.

    The mask is blurred by a Gaussian of that standard deviation and cut at one half, which
    leaves straight outlines where they are. Parameters are those of `grow`.
    """
    from scipy.ndimage import gaussian_filter

    sigmas = [distance / size for size in spacing]
    return np.asarray(gaussian_filter(mask.astype(np.float32), sigmas, mode="nearest") > 0.5)


def fill_holes(mask: Mask, axis: int | None = None) -> Mask:
    """Return a mask with its holes filled, in the planes normal to an axis if there is one."""
    from scipy.ndimage import binary_fill_holes

    if axis is None:
        return np.asarray(binary_fill_holes(mask))
    return np.stack([binary_fill_holes(plane) for plane in np.moveaxis(mask, axis, 0)], axis)


def pieces(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return numbers of the pieces of a mask, the largest is 1, and their sizes in pixels.

    Pixels that touch at sides, edges or corners belong together.
    """
    from scipy.ndimage import generate_binary_structure, label

    numbers, count = label(mask, generate_binary_structure(mask.ndim, mask.ndim))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    ranks = np.zeros(count + 1, np.int32)
    ranks[order + 1] = np.arange(1, count + 1)
    return ranks[numbers], sizes[order].astype(np.int64)


def remove_islands(mask: Mask, min_size: int | None = None) -> Mask:
    """Return the pieces of a mask of at least a number of pixels; None: the largest one."""
    numbers, sizes = pieces(mask)
    if min_size is None:
        return np.asarray(numbers == 1)
    return np.asarray((numbers > 0) & (numbers <= np.count_nonzero(sizes >= min_size)))


def cut_at_waists(mask: Mask, parts: int, spacing: Sequence[float]) -> NDArray[np.int32]:
    """Return numbers of the parts of one piece, cut where it is narrowest.

    The parts are the watersheds of the distance to the border, as between touching cells.

    Parameters
    ----------
    mask : bool array
        One piece.
    parts : int
        Into how many it is cut, at most.
    spacing : sequence of float
        Size of a pixel along each axis.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = distance_transform_edt(np.pad(mask, 1), sampling=spacing)[(slice(1, -1),) * mask.ndim]
    apart = max(1, int(depth.max() / (2 * min(spacing))))
    peaks = peak_local_max(
        depth, min_distance=apart, num_peaks=parts, labels=mask, exclude_border=False
    )
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-depth, markers, mask=mask), np.int32)
