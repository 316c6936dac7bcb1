"""Rows of parallel planes that propagation goes along, and the anchors in them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from napari_promptseg.data.geometry import Plane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_promptseg.data.geometry import Bounds

SERIES: Final = "zt"
"""Goes along z in the prompted time points first, then with whole volumes through t."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Parallel planes along an axis, some of which the user fixed.

    Parameters
    ----------
    first : Plane
        The one at 0.
    along : int
        Position of the axis.
    anchors : tuple of int
        Indices of the fixed planes along it, in order.
    """

    first: Plane
    along: int
    anchors: tuple[int, ...]

    def plane(self, index: int) -> Plane:
        """Return one of the planes."""
        return self.first.moved(self.along, index)

    def segments(self, size: int) -> list[range]:
        """Return what lies between neighbouring anchors and beyond the outermost.

        Parameters
        ----------
        size : int
            Number of planes.
        """
        ends = [-1, *self.anchors, size]
        return [range(a + 1, b) for a, b in pairwise(ends) if b - a > 1]

    def box(self, planes: range, shape: Sequence[int]) -> Bounds:
        """Return the part of a volume that some of the planes are."""
        ranges = [
            (0, n) if i is None else (i, i + 1)
            for i, n in zip(self.first.index, shape, strict=True)
        ]
        ranges[self.along] = (planes.start, planes.stop)
        return tuple(ranges)


def rows_along(anchors: Iterable[Plane], along: int) -> list[Sweep]:
    """Sort anchors into rows: one in a volume or video, more in a series.

    Parameters
    ----------
    anchors : iterable of Plane
        Fixed planes; those that do not lie across the axis are left out.
    along : int
        Position of the axis.
    """
    rows: dict[Plane, list[int]] = {}
    for plane in anchors:
        index = plane.index[along]
        if index is not None:
            rows.setdefault(plane.moved(along, 0), []).append(index)
    return [Sweep(first, along, tuple(sorted(indices))) for first, indices in rows.items()]


def choose_axis(axes: str, anchors: Sequence[Plane], axis: str | None) -> str:
    """Return the axis to go along, or `SERIES`.

    Parameters
    ----------
    axes : str
        Axes of the volume, without channel.
    anchors : sequence of Plane
        Planes with prompts.
    axis : str or None
        What the user said. By default z, or t where there is no z, if a prompted plane
        lies across it; else the axis across which most of them lie.

    Raises
    ------
    ValueError
        If there is no prompt, there is nowhere to go, or no prompted plane lies across
        the axis.
    """
    valid = list(axes) if "z" in axes else list(axes.removesuffix("yx"))
    if "t" in valid and "z" in valid:
        valid.append(SERIES)
    if axis not in (None, *valid) or not valid:
        raise ValueError(f"cannot propagate along {axis!r} in axes {axes!r}; valid axes: {valid}")
    if not anchors:
        raise ValueError("nothing to propagate: no plane has a prompt yet")
    across = [n for p in anchors for n, i in zip(axes, p.index, strict=True) if i is not None]
    if axis is None:
        default = "z" if "z" in axes else "t"
        return (
            default if default in across else max((n for n in across if n != "t"), key=across.count)
        )
    if axis[0] not in across:
        usable = [name for name in valid if name[0] in across]
        raise ValueError(f"no prompted plane lies across axis {axis!r}; valid axes: {usable}")
    return axis
