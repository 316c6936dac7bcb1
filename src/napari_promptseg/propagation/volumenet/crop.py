"""Square crops of planes around an object, and the mapping back to the plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_union
from napari_promptseg.data.resize import resize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.propagation.base import Mask

Float32 = NDArray[np.float32]
_ALIASES: Final = 0.7
"""Scale below which pixels are averaged before sampling, against aliasing."""


@dataclass(frozen=True, slots=True)
class SquareCrop:
    """A crop of a plane that is square in physical units, resampled to square pixels.

    Parameters
    ----------
    low : (float, float)
        First row and column in pixels of the plane; may lie outside.
    span : (float, float)
        Number of rows and columns in pixels of the plane.
    side : int
        Side of the resampled crop in pixels.
    """

    low: tuple[float, float]
    span: tuple[float, float]
    side: int

    @property
    def _scale(self) -> NDArray[np.float64]:
        return self.side / np.array(self.span)

    def _shift(self, corner: tuple[int, int] = (0, 0)) -> NDArray[np.float64]:
        """Return the position in the crop of the first pixel of a part of the plane."""
        low = np.array(self.low) - corner
        return np.asarray(-self._scale * low + (self._scale - 1) / 2)

    def _matrix(self, corner: tuple[int, int]) -> NDArray[np.float64]:
        """Return the (2, 3) affine matrix from pixels (x, y) of a part of the plane to the crop."""
        (down, right), (row, column) = self._scale, self._shift(corner)
        return np.array([[right, 0, column], [0, down, row]])

    def moved(self, box: Bounds) -> SquareCrop:
        """Return the crop of the same size around the centre of a box."""
        (top, bottom), (left, right) = box
        low = (top + bottom - self.span[0]) / 2, (left + right - self.span[1]) / 2
        return replace(self, low=low)

    def rectangle(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns of the plane that it covers, one of each at least."""
        ranges = []
        for low, span, size in zip(self.low, self.span, shape, strict=True):
            first = min(max(int(np.floor(low)), 0), size - 1)
            ranges.append(slice(first, min(max(int(np.ceil(low + span)), first + 1), size)))
        return ranges[0], ranges[1]

    def image(self, plane: PlaneImage) -> Float32:
        """Return the (S, S, 3) colors in [0, 1]; beyond the plane its border is replicated."""
        rows, columns = self.rectangle(plane.shape)
        part = plane.crop((rows.start, rows.stop), (columns.start, columns.stop))
        colors = part.rgb(self._averaged(part.shape))
        return self._warp(colors, (rows.start, columns.start), part.shape)

    def mask(self, mask: Mask) -> Float32:
        """Return an (S, S) mask of 0 and 1; beyond the plane it goes on as the image does."""
        rows, columns = self.rectangle(mask.shape)
        part = mask[rows, columns]
        shape = (part.shape[0], part.shape[1])
        shares = resize(part.astype(np.float32), self._averaged(shape))
        warped = self._warp(shares, (rows.start, columns.start), shape)
        return np.asarray(warped > 0.5, np.float32)

    def _averaged(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the shape to which a part is averaged where sampling alone would alias."""
        smaller = float(self._scale.min())
        if smaller >= _ALIASES:
            return shape
        return max(round(shape[0] * smaller), 1), max(round(shape[1] * smaller), 1)

    def _warp(self, part: Float32, corner: tuple[int, int], shape: tuple[int, ...]) -> Float32:
        """Resample a part of the plane; beyond the plane, its border goes on."""
        matrix = self._matrix(corner)
        for axis in (0, 1):  # the part may have been resized
            factor = shape[axis] / part.shape[axis]
            column = 1 - axis
            matrix[:, 2] += matrix[:, column] * (factor - 1) / 2
            matrix[:, column] *= factor
        size, border = (self.side, self.side), cv2.BORDER_REPLICATE
        return np.asarray(
            cv2.warpAffine(part, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border),
            np.float32,
        )

    def prompts(self, prompts: PlanePrompts) -> PlanePrompts:
        """Return prompts in pixels of the crop."""
        return prompts.mapped(self._scale, self._shift())

    def back(self, answer: Float32, shape: tuple[int, int]) -> tuple[Float32, tuple[slice, slice]]:
        """Return a probability in pixels of the plane, and its rows and columns there."""
        rows, columns = self.rectangle(shape)
        matrix = self._matrix((rows.start, columns.start))
        size = (columns.stop - columns.start, rows.stop - rows.start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(answer, matrix, size, flags=flags), np.float32), (
            rows,
            columns,
        )


def longer_side(box: Bounds | None, spacing: tuple[float, float]) -> float:
    """Return the longer side of a box of a plane in physical units, 0 of no box."""
    if box is None:
        return 0.0
    return max((stop - start) * step for (start, stop), step in zip(box, spacing, strict=True))


def crop_around(
    boxes: Sequence[Bounds], spacing: tuple[float, float], side: int, size: float, least: float
) -> SquareCrop:
    """Return the square around boxes of a plane.

    Parameters
    ----------
    boxes : sequence of Bounds
        Half-open ranges of rows and columns; at least one.
    spacing : (float, float)
        Size of a pixel along rows and columns.
    side : int
        Side of the crop in pixels.
    size : float
        Side of the crop in physical units.
    least : float
        Smallest side in pixels of the finer spacing.
    """
    span = max(size, least * min(spacing)) / np.array(spacing)
    view = SquareCrop((0.0, 0.0), (float(span[0]), float(span[1])), side)
    return view.moved(box_union(boxes))
