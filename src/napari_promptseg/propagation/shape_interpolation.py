"""Shape-based interpolation of masks between two planes."""

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

_MIN_GAIN: Final = 0.02  # of IoU by a shift; less is pixel noise


def signed_distance(mask: Mask, spacing: Sequence[float] = (1.0, 1.0)) -> Float32:
    """Return the distance of every pixel to the border of a mask, negative outside.

    The sides of the array are no border.

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
    doi:10.1109/42.52980; Herman et al. 1992, doi:10.1109/38.135915). If a shift makes the two
    masks overlap more, it is interpolated too; otherwise an object that moves by its own size
    would vanish in between. Towards an empty plane, an object shrinks and ends half-way;
    towards a full one it grows alike.

    Parameters
    ----------
    first, last : (H, W) bool array
        Masks of the two planes.
    spacing : (float, float)
        Size of a pixel along rows and columns.

    Attributes
    ----------
    overlap : float
        IoU of the two masks after the shift.
    """

    def __init__(self, first: Mask, last: Mask, spacing: tuple[float, float] = (1.0, 1.0)) -> None:
        self._shape = first.shape
        boxes = [box for box in (mask_box(first), mask_box(last)) if box is not None]
        self._box, self.overlap = None, 1.0
        if not boxes:
            return
        # Outside the box both masks are empty, and so is everything in between.
        self._box = tuple(
            (max(start - 1, 0), min(stop + 1, size))
            for (start, stop), size in zip(box_union(boxes), first.shape, strict=True)
        )
        parts = first[box_slices(self._box)], last[box_slices(self._box)]
        self._shift, self.overlap = _shift(*parts)
        self._first, self._last = _distances(*parts, spacing)

    def at(self, fraction: float) -> Mask:
        """Return the mask at a fraction of the distance: 0 is the first plane, 1 the last."""
        mask = np.zeros(self._shape, np.bool_)
        if self._box is not None:
            first = _moved(self._first, fraction * self._shift)
            last = _moved(self._last, (fraction - 1) * self._shift)
            mask[box_slices(self._box)] = (1 - fraction) * first + fraction * last > 0
        return mask


def _distances(first: Mask, last: Mask, spacing: tuple[float, float]) -> tuple[Float32, Float32]:
    """Return the signed distances of two masks; a mask without border gets a constant."""
    distances: list[Float32 | None] = [
        signed_distance(mask, spacing) if mask.any() and not mask.all() else None
        for mask in (first, last)
    ]
    reference = next((d for d in distances if d is not None), np.array([-1.0, 1.0], np.float32))
    values = [
        np.full(mask.shape, -reference.min() if mask.any() else -reference.max(), np.float32)
        if distance is None
        else distance
        for mask, distance in zip((first, last), distances, strict=True)
    ]
    return values[0], values[1]


def _shift(first: Mask, last: Mask) -> tuple[NDArray[np.float64], float]:
    """Return the shift (rows, columns) of an object between two masks, and their IoU after it."""
    no_shift, overlap = np.zeros(2), iou(first, last)
    if not first.any() or not last.any():
        return no_shift, overlap
    move = np.argwhere(last).mean(0) - np.argwhere(first).mean(0)
    halves = (first, move / 2), (last, -move / 2)  # symmetric in both masks
    aligned = iou(*(_moved(mask.astype(np.float32), half) > 0.5 for mask, half in halves))
    return (move, aligned) if aligned > overlap + _MIN_GAIN else (no_shift, overlap)


def _moved(values: Float32, shift: NDArray[np.float64]) -> Float32:
    """Return values shifted by rows and columns; the outermost ones are replicated."""
    if not shift.any():
        return values
    matrix = np.array([[1.0, 0.0, shift[1]], [0.0, 1.0, shift[0]]])
    size = values.shape[1], values.shape[0]
    output = cv2.warpAffine(values, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(output, np.float32)
