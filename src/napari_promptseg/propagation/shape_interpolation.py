"""Masks of the planes between two planes, from the distances to their borders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.geometry import box_slices, box_union, mask_box
from napari_promptseg.measure.overlap import iou

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Float32 = NDArray[np.float32]

_GAIN: Final = 0.02  # of IoU; less is noise of the pixels


def signed_distance(mask: Mask, spacing: Sequence[float] = (1.0, 1.0)) -> Float32:
    """Return the distance of every pixel to the border of a mask, negative outside.

    What lies beyond the array is unknown: its sides are no border.

    Parameters
    ----------
    mask : bool array
        Neither empty nor full.
    spacing : sequence of float
        Size of a pixel along each axis.
    """
    from scipy.ndimage import distance_transform_edt

    inside, outside = (distance_transform_edt(m, sampling=spacing) for m in (mask, ~mask))
    return np.asarray(inside - outside, np.float32)


class ShapeInterpolation:
    """Shape-based interpolation between the masks of two parallel planes.

    The signed distances to both borders are averaged (Raya and Udupa 1990,
    doi:10.1109/42.52980; Herman et al. 1992, doi:10.1109/38.135915). An object that
    moves between the planes is moved on the way where that makes the two masks overlap
    more; without it an object that leaves its place would vanish in between. Towards an
    empty plane an object shrinks until it is gone half-way, since nothing tells where it
    ends; towards a full one it grows alike.

    Parameters
    ----------
    first, last : (H, W) bool array
        Masks of the two planes.
    spacing : (float, float)
        Size of a pixel along rows and columns.

    Attributes
    ----------
    overlap : float
        IoU of the two masks, the object moved where it moves.
    """

    def __init__(self, first: Mask, last: Mask, spacing: tuple[float, float] = (1.0, 1.0)) -> None:
        self._shape = first.shape
        boxes = [box for box in (mask_box(first), mask_box(last)) if box is not None]
        self._box, self.overlap = None, 1.0
        if not boxes:
            return
        # Beyond the box there is none of either, and so none in between.
        self._box = tuple(
            (max(start - 1, 0), min(stop + 1, size))
            for (start, stop), size in zip(box_union(boxes), first.shape, strict=True)
        )
        parts = first[box_slices(self._box)], last[box_slices(self._box)]
        self._shift, self.overlap = _shift(*parts)
        self._first, self._last = _distances(*parts, spacing)

    def at(self, share: float) -> Mask:
        """Return the mask on the way: 0 is the first plane, 1 the last."""
        mask = np.zeros(self._shape, np.bool_)
        if self._box is not None:
            first = _moved(self._first, share * self._shift)
            last = _moved(self._last, (share - 1) * self._shift)
            mask[box_slices(self._box)] = (1 - share) * first + share * last > 0
        return mask


def _distances(first: Mask, last: Mask, spacing: tuple[float, float]) -> tuple[Float32, Float32]:
    """Signed distances of two masks; one without a border is the other, grown or shrunk."""
    found: list[Float32 | None] = [
        signed_distance(mask, spacing) if mask.any() and not mask.all() else None
        for mask in (first, last)
    ]
    bordered = next((d for d in found if d is not None), np.array([-1.0, 1.0], np.float32))
    values = [
        np.full(mask.shape, -bordered.min() if mask.any() else -bordered.max(), np.float32)
        if distance is None
        else distance
        for mask, distance in zip((first, last), found, strict=True)
    ]
    return values[0], values[1]


def _shift(first: Mask, last: Mask) -> tuple[NDArray[np.float64], float]:
    """How many rows and columns an object moves between two masks, and their IoU then."""
    still, overlap = np.zeros(2), iou(first, last)
    if not first.any() or not last.any():
        return still, overlap
    move = np.argwhere(last).mean(0) - np.argwhere(first).mean(0)
    halves = (first, move / 2), (last, -move / 2)  # both alike, so that either may come first
    met = iou(*(_moved(mask.astype(np.float32), half) > 0.5 for mask, half in halves))
    return (move, met) if met > overlap + _GAIN else (still, overlap)


def _moved(values: Float32, by: NDArray[np.float64]) -> Float32:
    """Values moved by a part of a pixel or more; the outermost ones go on outward."""
    if not by.any():
        return values
    matrix = np.array([[1.0, 0.0, by[1]], [0.0, 1.0, by[0]]])
    size = values.shape[1], values.shape[0]
    moved = cv2.warpAffine(values, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
