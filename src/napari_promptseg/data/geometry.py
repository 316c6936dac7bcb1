"""Axes, planes and boxes in array index order.

Positions are in pixels: the integer ``i`` is the centre of pixel ``i``, so an axis of
``n`` pixels spans ``-0.5 <= position < n - 0.5``.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

AXES: Final = ("yx", "zyx", "tyx", "tzyx")
"""Axes of a volume without its channel axis."""

_SMALL: Final = 2**24
"""Pixels of a box that is handled as a whole."""
Bounds = tuple[tuple[int, int], ...]
"""Half-open range (start, stop) on each axis."""


def check_axes(axes: str) -> str:
    """Return `axes` if it names a supported order, with or without a final ``c``.

    Raises
    ------
    ValueError
        If it does not.
    """
    if axes.removesuffix("c") not in AXES:
        valid = [*AXES, *(f"{a}c" for a in AXES)]
        raise ValueError(f"unknown axes {axes!r}; valid axes: {valid}")
    return axes


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes of an array from its shape.

    A last axis of 3 or 4 is taken as color; two axes are ``yx``, three ``zyx``, four
    ``tzyx``.

    Raises
    ------
    ValueError
        If the array has fewer than two or more than four axes beside color.
    """
    color = len(shape) > 2 and shape[-1] in (3, 4)
    spatial = len(shape) - color
    names = {2: "yx", 3: "zyx", 4: "tzyx"}
    if spatial not in names:
        raise ValueError(
            f"cannot guess the axes of an array of shape {tuple(shape)}; "
            "pass axes, for example 'zyx'"
        )
    return names[spatial] + "c" * color


@dataclass(frozen=True, slots=True)
class Plane:
    """A two-dimensional section of a volume.

    Parameters
    ----------
    index : tuple of int or None
        One entry an axis (channel left out): the position of the section on the axis
        that it cuts, None on the two axes that it extends along.
    """

    index: tuple[int | None, ...]

    @property
    def slices(self) -> tuple[int | slice, ...]:
        """Index that takes the section from an array."""
        return tuple(slice(None) if i is None else i for i in self.index)

    @property
    def in_plane(self) -> tuple[int, int]:
        """Positions of the row axis and the column axis among the axes."""
        rows, columns = (axis for axis, i in enumerate(self.index) if i is None)
        return rows, columns

    def shape_in(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return the number of rows and columns of the section in an array of a shape."""
        rows, columns = self.in_plane
        return shape[rows], shape[columns]

    def part(self, rows: slice, columns: slice) -> tuple[int | slice, ...]:
        """Return the index that takes a part of the section from an array."""
        ranges = iter((rows, columns))
        return tuple(next(ranges) if i is None else i for i in self.index)

    def flatten(self, position: Sequence[float]) -> tuple[float, float]:
        """Return (row, column) of a position in the volume."""
        rows, columns = self.in_plane
        return float(position[rows]), float(position[columns])

    def box(self, rows: tuple[int, int], columns: tuple[int, int]) -> Bounds:
        """Return the box in the volume that a range of rows and columns covers."""
        ranges = iter((rows, columns))
        return tuple(next(ranges) if i is None else (i, i + 1) for i in self.index)

    def crosses(self, box: Bounds) -> bool:
        """Return True if some of a box of the volume lies in the plane."""
        return all(
            i is None or start <= i < stop for i, (start, stop) in zip(self.index, box, strict=True)
        )

    def moved(self, axis: int, to: int) -> Plane:
        """Return the parallel plane at `to` along one of the axes that this one cuts."""
        return Plane((*self.index[:axis], to, *self.index[axis + 1 :]))


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a plane at a downsampling step.

    Parameters
    ----------
    rows, columns : (int, int)
        Half-open ranges of the plane.
    step : int
        Every `step`-th pixel is seen.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    step: int = 1

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Crop:
        """Return all of a plane of a shape."""
        return cls((0, shape[0]), (0, shape[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that are seen."""
        rows, columns = (-(-(b - a) // self.step) for a, b in (self.rows, self.columns))
        return rows, columns

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index that takes what is seen from a plane."""
        return slice(*self.rows, self.step), slice(*self.columns, self.step)


def nearest_pixel(position: float) -> int:
    """Return the pixel that a position lies in; adding 0.5 first would round the sum."""
    below = math.floor(position)
    return below + (position - below >= 0.5)


def normal_axis(axes: str, axis: str | None) -> str:
    """Return the axis that the planes of a prompt are normal to, ``""`` for ``yx``.

    Parameters
    ----------
    axes : str
        Axes of the volume, without channel.
    axis : str or None
        Choice of the user; None means ``z``, or ``t`` where there is no ``z``.

    Raises
    ------
    ValueError
        If planes normal to `axis` are not images.
    """
    spatial = axes.removeprefix("t")
    default = axes[0] if len(axes) > 2 and "z" not in axes else ("z" if "z" in axes else "")
    if axis is None:
        return default
    valid = list(spatial) if "z" in axes else [default]
    if axis not in valid:
        raise ValueError(f"no planes normal to axis {axis!r} in axes {axes!r}; valid: {valid}")
    return axis


def plane_at(axes: str, position: Sequence[float], axis: str | None = None) -> Plane:
    """Return the plane nearest to a position.

    Parameters
    ----------
    axes : str
        Axes of the volume, without channel.
    position : sequence of float
        One entry an axis, in pixels.
    axis : {"z", "y", "x"} or None
        Spatial axis that the plane is normal to; see `normal_axis`.
    """
    cut_axes = {"t", normal_axis(axes, axis)}
    return Plane(
        tuple(
            nearest_pixel(p) if name in cut_axes else None
            for name, p in zip(axes, position, strict=True)
        )
    )


def all_planes(axes: str, shape: Sequence[int]) -> Iterator[Plane]:
    """Yield the planes along z and t, in order; a 2D image is its own only plane."""
    leading = shape[: len(axes) - 2]
    for index in itertools.product(*map(range, leading)):
        yield plane_by_index(axes, shape, index)


def all_frames(names: str, shape: Sequence[int]) -> list[tuple[int | None, ...]]:
    """Return the frames of an image in order: an index along t, None along the other axes.

    An image without time is one frame.
    """
    if "t" not in names:
        return [(None,) * len(shape)]
    at = names.index("t")
    return [
        tuple(t if axis == at else None for axis in range(len(shape))) for t in range(shape[at])
    ]


def plane_by_index(
    axes: str, shape: Sequence[int], index: int | Sequence[int], axis: str | None = None
) -> Plane:
    """Return a plane by its index on the axes that it cuts.

    Parameters
    ----------
    axes : str
        Axes of the volume, without channel.
    shape : sequence of int
        Size along these axes.
    index : int or sequence of int
        Along z or t; (t, z) for ``tzyx``; 0 or nothing for ``yx``.
    axis : {"z", "y", "x"}, optional
        Normal of the plane; see `normal_axis`.

    Raises
    ------
    ValueError
        If the number of entries is wrong, or one is outside.
    """
    plane = plane_at(axes, [0.0] * len(axes), axis)
    cut_axes = [i for i, entry in enumerate(plane.index) if entry is not None]
    entries = [index] if isinstance(index, int | np.integer) else list(index)
    if not cut_axes and entries in ([], [0]):
        return plane
    if len(entries) != len(cut_axes):
        raise ValueError(f"index {index!r} needs {len(cut_axes)} entries in axes {axes!r}")
    for i, entry in zip(cut_axes, entries, strict=True):
        if not 0 <= entry < shape[i]:
            raise ValueError(
                f"index {entry!r} along {axes[i]} is outside; valid: 0 to {shape[i] - 1}"
            )
        plane = plane.moved(i, int(entry))
    return plane


def check_position(
    position: Sequence[float], axes: str, shape: Sequence[int], what: str = "position"
) -> tuple[float, ...]:
    """Return a position as floats if it lies inside the volume.

    Raises
    ------
    ValueError
        If it has a wrong number of entries, one that is not finite, or one outside.
    """
    try:
        values = tuple(float(p) for p in position)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} {position!r} is not a sequence of numbers") from error
    if len(values) != len(axes):
        raise ValueError(
            f"{what} {values} has {len(values)} entries; axes {axes!r} need {len(axes)}"
        )
    for name, value, size in zip(axes, values, shape, strict=True):
        if not np.isfinite(value) or not -0.5 <= value < size - 0.5:
            raise ValueError(
                f"{what} {values} is outside the volume: {name} = {value!r}, "
                f"valid range -0.5 <= {name} < {size - 0.5}"
            )
    return values


def check_spacing(spacing: Sequence[float] | None, axes: str) -> tuple[float, ...]:
    """Return one positive spacing an axis (channel left out); 1.0 where none is given.

    Raises
    ------
    ValueError
        If the number of entries is wrong or one is not positive and finite.
    """
    names = axes.removesuffix("c")
    if spacing is None:
        return (1.0,) * len(names)
    values = tuple(float(s) for s in spacing)
    if len(values) != len(names):
        raise ValueError(
            f"spacing {values} has {len(values)} entries; axes {names!r} need {len(names)}"
        )
    if not all(np.isfinite(s) and s > 0 for s in values):
        raise ValueError(f"spacing must be positive and finite, got {values}")
    return values


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest piece of an (H, W) mask, whose pixels touch at sides or corners."""
    from scipy.ndimage import label

    pieces, count = label(mask, structure=np.ones((3, 3)))
    if count <= 1:
        return mask
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    return np.asarray(pieces == 1 + int(sizes[1:].argmax()))


def box_slices(box: Bounds) -> tuple[slice, ...]:
    """Return the index that takes a box from an array."""
    return tuple(slice(start, stop) for start, stop in box)


def box_union(boxes: Sequence[Bounds]) -> Bounds:
    """Return the smallest box that holds all the boxes; there must be one at least."""
    return tuple(
        (min(r[0] for r in ranges), max(r[1] for r in ranges))
        for ranges in zip(*boxes, strict=True)
    )


def boxes_meet(one: Bounds, other: Bounds) -> bool:
    """Tell whether two boxes have a pixel in common."""
    return all(a < d and c < b for (a, b), (c, d) in zip(one, other, strict=True))


def boxes_meet_any(boxes: Sequence[Bounds], others: Sequence[Bounds]) -> NDArray[np.bool_]:
    """Tell for each of (N) boxes whether it has a pixel in common with any of some others.

    Returns
    -------
    (N,) bool array
    """
    if not boxes or not others:
        return np.zeros(len(boxes), np.bool_)
    one, other = np.array(boxes)[:, None], np.array(others)[None]
    meet = (one[..., 0] < other[..., 1]) & (other[..., 0] < one[..., 1])
    return np.asarray(meet.all(-1).any(-1))


def disjoint_boxes(boxes: Sequence[Bounds]) -> list[Bounds]:
    """Return boxes that cover others and have no pixel in common; those that meet are joined."""
    disjoint: list[Bounds] = []
    for box in boxes:
        joined = box
        while meeting := [other for other in disjoint if boxes_meet(other, joined)]:
            disjoint = [other for other in disjoint if other not in meeting]
            joined = box_union([joined, *meeting])
        disjoint.append(joined)
    return disjoint


def covering_boxes(boxes: Sequence[Bounds]) -> list[Bounds]:
    """Return boxes without common pixels that cover others: one of all, unless it is large."""
    if not boxes:
        return []
    whole = box_union(boxes)
    small = math.prod(stop - start for start, stop in whole) <= _SMALL
    return [whole] if small else disjoint_boxes(boxes)


def mask_box(mask: np.ndarray) -> Bounds | None:
    """Return the smallest box that holds the true pixels of an array; None if there are none."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        filled_indices = np.flatnonzero(mask.any(axis=others))
        if not len(filled_indices):
            return None
        box.append((int(filled_indices[0]), int(filled_indices[-1]) + 1))
    return tuple(box)
