"""Outlines of masks as polygons, whose pixel centres fill the mask exactly; and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import mask_box

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Canvas:
    """Labels that polygons are drawn on, one after the other; later ones cover earlier ones.

    Parameters
    ----------
    shape : tuple of int
        Of the labels.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.labels: NDArray[np.uint32] = np.zeros(tuple(shape), np.uint32)
        self.overlap = 0
        """Pixels of which an object has covered another one."""
        self.empty = 0
        """Polygons in which there is no centre of a pixel."""

    def draw(
        self, index: tuple[int, ...], rings: Sequence[NDArray[np.float64]], label: int
    ) -> None:
        """Fill closed rings by the even-odd rule.

        Parameters
        ----------
        index : tuple of int
            Of the plane.
        rings : sequence of (N, 2) float64 array
            Corners (x, y); the centre of the first pixel is at 0.5.
        label : int
            What the pixels become whose centres lie inside.

        Raises
        ------
        ValueError
            If a corner is not finite.
        """
        from skimage.draw import polygon2mask

        plane = self.labels[index]
        if not all(np.isfinite(ring).all() for ring in rings):
            raise ValueError("a polygon has corners that are no finite numbers")
        corners = np.concatenate([np.asarray(ring, np.float64)[:, ::-1] for ring in rings]) - 0.5
        start = np.clip(np.floor(corners.min(0)), 0, plane.shape).astype(int)
        stop = np.clip(np.ceil(corners.max(0)) + 1, start, plane.shape).astype(int)
        part = plane[start[0] : stop[0], start[1] : stop[1]]
        mask = np.zeros(part.shape, np.bool_)
        for ring in rings if part.size else ():
            inner = np.asarray(ring, np.float64)[:, ::-1] - 0.5 - start
            mask ^= polygon2mask(part.shape, inner)
        self.overlap += int(np.count_nonzero(mask & (part > 0) & (part != label)))
        self.empty += not mask.any()
        part[mask] = label

    def notes(self, what: str) -> tuple[str, ...]:
        """Return what is to be told of overlaps and of what was too small or outside."""
        notes = []
        if self.overlap:
            notes.append(f"{what} overlap in {self.overlap} pixels; there the later one is kept")
        if self.empty:
            notes.append(f"{self.empty} {what} hold no pixel of the image, and are not taken")
        return tuple(notes)
