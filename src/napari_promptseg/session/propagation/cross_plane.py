"""Lines where planes of one orientation cross those of another, as constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.plane_prompts import Stroke

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane

Line = tuple[int | slice, int | slice]
"""Index of a row or a column within a plane."""
_INSIDE: Final = 2
"""Pixels that a stroke keeps from the outline, so that its width stays on its side..."""
_OUTSIDE: Final = 4
"""...and those that it keeps from it on the outside, where strokes take more than they give."""
_MARGIN: Final = 0.25
"""Share of the object's size beyond it that is said to be background."""


def crossing_line(plane: Plane, other: Plane) -> Line | None:
    """Return where a plane of another orientation crosses a plane, None if it does not."""
    pairs = list(zip(plane.index, other.index, strict=True))
    if any(a is not None and b is not None and a != b for a, b in pairs):
        return None
    rows, columns = (slice(None) if b is None else b for a, b in pairs if a is None)
    return rows, columns


def line_strokes(line: Line, inside: NDArray[np.bool_], reach: tuple[int, int]) -> list[Stroke]:
    """Return strokes along a line of a plane that say where the object is and is not.

    Parameters
    ----------
    line : Line
        Which one.
    inside : (N,) bool array
        The object on it.
    reach : (int, int)
        First pixel, and pixel after the last, of the object on any line of the crossing
        plane: nothing is said about what is far from it.
    """
    margin = max(_OUTSIDE + 1, round(_MARGIN * (reach[1] - reach[0])))
    first, last = max(reach[0] - margin, 0), min(reach[1] + margin, len(inside))
    strokes = [_stroke(line, a, b, True) for a, b in _runs(inside, _INSIDE)]
    outside = np.pad(~inside[first:last], (first, len(inside) - last))
    for a, b in _runs(outside, 0):
        a += _OUTSIDE if a > first else 0
        b -= _OUTSIDE if b < last else 0
        if a < b:
            strokes.append(_stroke(line, a, b, False))
    return strokes


def _runs(values: NDArray[np.bool_], inset: int) -> Iterator[tuple[int, int]]:
    """Half-open runs of true values, made shorter at both ends but never empty."""
    edges = np.flatnonzero(np.diff(np.pad(values, 1).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        less = min(inset, (stop - start - 1) // 2)
        yield start + less, stop - less


def _stroke(line: Line, start: int, stop: int, positive: bool) -> Stroke:
    ends = [start] if stop - start == 1 else [start, stop - 1]
    path = [[end if isinstance(entry, slice) else entry for entry in line] for end in ends]
    return Stroke(np.array(path, np.float64), positive)


def as_clicks(strokes: Sequence[Stroke]) -> tuple[Stroke, ...]:
    """Return a click in the middle of each stroke, for backends that know no scribbles."""
    return tuple(Stroke(s.path.mean(0, keepdims=True), s.positive) for s in strokes)
