"""Outlines of masks as polygons, whose pixel centres fill the mask exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import mask_box

if TYPE_CHECKING:
    from napari_promptseg.data._typing import Mask


@dataclass(frozen=True, slots=True)
class Outline:
    """Outline of a connected piece of a mask.

    Parameters
    ----------
    outer : (N, 2) float64 array
        Closed polygon of (x, y); the centre of the first pixel is at 0.5.
    holes : tuple of (N, 2) float64 array
        Closed polygons of the holes.
    """

    outer: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...]

    def joined(self) -> NDArray[np.float64]:
        """Return one closed polygon; holes hang on a line to the outer one."""
        outer = self.outer
        for hole in self.holes:
            distances = np.linalg.norm(outer[:, None] - hole[None], axis=2)
            at, first = np.unravel_index(int(distances.argmin()), distances.shape)
            around = np.concatenate([hole[first:-1], hole[: first + 1]])
            outer = np.concatenate([outer[: at + 1], around, outer[at:]])
        return outer


def outlines(mask: Mask) -> list[Outline]:
    """Return the outlines of the pieces of an (H, W) mask; pixels touch at their sides."""
    from skimage import measure

    box = mask_box(mask)
    if box is None:
        return []
    (y0, y1), (x0, x1) = box
    with_margin = np.pad(mask[y0:y1, x0:x1], 1)
    pieces, count = measure.label(with_margin, return_num=True, connectivity=1)
    # The padding shifted all by one pixel.
    corner = np.array([x0, y0]) - 0.5
    result = []
    for piece in range(1, count + 1):
        contours = measure.find_contours((pieces == piece).astype(np.float32), 0.5, "low")
        outer, *holes = (
            measure.approximate_polygon(contour, 0)[:, ::-1] + corner
            for contour in sorted(contours, key=lambda c: np.ptp(c, axis=0).prod(), reverse=True)
        )
        result.append(Outline(outer, tuple(holes)))
    return result
