"""Regions of interest of large planes: the part that is predicted, and the resulting mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Bounds, Crop, box_union

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts

_LONGEST: Final = 4096  # pixels of a side that are looked at, whatever the step
_LEAST: Final = 1536  # pixels of a side around a click: what it means needs surroundings
_MIN_MARGIN: Final = 256  # pixels of a side around an object, on both ends together
_GRID: Final = 256  # pixels; crops begin and end on it, so that the next click finds the same


@dataclass(frozen=True, slots=True)
class PlaneAnswer:
    """The mask of a plane, or of a part of it.

    Parameters
    ----------
    mask : (h, w) bool array
        The object, every pixel of it `step` pixels of the plane wide and high.
    corner : (int, int)
        First row and column of the plane that it covers.
    step : int
        See `mask`.
    crop : Crop or None
        What was looked at: inside of it there is no object beyond the mask, outside of it
        all stays as it was. The whole plane when None.
    """

    mask: NDArray[np.bool_]
    corner: tuple[int, int] = (0, 0)
    step: int = 1
    crop: Crop | None = None

    def box(self, shape: tuple[int, int]) -> Bounds:
        """Return the rows and columns that the mask covers.

        Raises
        ------
        ValueError
            If the mask does not fit into a plane of that shape.
        """
        last = [c + (n - 1) * self.step for c, n in zip(self.corner, self.mask.shape, strict=True)]
        if any(at >= size for at, size in zip(last, shape, strict=True)):
            raise ValueError(
                f"a mask of shape {self.mask.shape} at {self.corner} does not fit into {shape}"
            )
        ends = (
            min(c + n * self.step, size)
            for c, n, size in zip(self.corner, self.mask.shape, shape, strict=True)
        )
        return tuple(zip(self.corner, ends, strict=True))

    def part(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask of some rows and columns of the plane, False beyond it."""
        part = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), np.bool_)
        inner, source = [], []
        for (start, stop), corner, n in zip(
            (rows, columns), self.corner, self.mask.shape, strict=True
        ):
            first, last = max(start, corner), min(stop, corner + n * self.step)
            inner.append(slice(first - start, max(last, first) - start))
            source.append((np.arange(first, max(last, first)) - corner) // self.step)
        part[tuple(inner)] = self.mask[np.ix_(*source)]
        return part


def crop_around(
    shape: tuple[int, int], prompts: PlanePrompts, new: PlanePrompts, extent: Bounds | None
) -> Crop:
    """Choose what to look at of a large plane.

    All prompts and the object, as closely as the user looks, if that is not too much; else
    what is around the new prompts, from farther away if they span more.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    prompts : PlanePrompts
        All of the plane.
    new : PlanePrompts
        Those of them that are to be answered.
    extent : Bounds or None
        Rows and columns of the object so far.
    """
    step = new.step
    focus = _focus(prompts, extent) or ((0, shape[0]), (0, shape[1]))
    if _longest(focus) > _LONGEST * step:
        focus = new.bounds() or focus
    while _longest(focus) > _LONGEST * step:
        step *= 2
    rows, columns = (
        _around(start, stop, size, step) for (start, stop), size in zip(focus, shape, strict=True)
    )
    return Crop(rows, columns, step)


def smaller_crop(
    shape: tuple[int, int], prompts: PlanePrompts, extent: Bounds | None
) -> Crop | None:
    """Choose what to look at of a plane for which memory is short; see `crop_around`.

    Returns
    -------
    Crop or None
        Prompts and object with what is around them; None if that is more than half of the plane.
    """
    focus = _focus(prompts, extent)
    if focus is None:
        return None
    rows, columns = (
        _with_margin(start, stop, size) for (start, stop), size in zip(focus, shape, strict=True)
    )
    crop = Crop(rows, columns)
    return crop if 2 * math.prod(crop.shape) <= math.prod(shape) else None


def _focus(prompts: PlanePrompts, extent: Bounds | None) -> Bounds | None:
    """Return the rows and columns of prompts and object, None without any."""
    boxes = [box for box in (prompts.bounds(), extent) if box is not None]
    return box_union(boxes) if boxes else None


def _with_margin(start: int, stop: int, size: int) -> tuple[int, int]:
    """Widen a range inside of an axis of a size by half of its length on each end, or more."""
    margin = max(stop - start, _MIN_MARGIN) // 2
    return max(start - margin, 0), min(stop + margin, size)


def _longest(box: Bounds) -> int:
    return max(stop - start for start, stop in box)


def _around(start: int, stop: int, size: int, step: int) -> tuple[int, int]:
    """Widen a range to show its surroundings, on the grid and inside an axis of a size."""
    length = int(np.clip(2 * (stop - start), _LEAST * step, _LONGEST * step))
    length = max(length, stop - start)
    first = (start + stop - length) // 2
    grid = _GRID * step
    low = max(first // grid * grid, 0)
    return low, min(-(-(first + length) // grid) * grid, size)
