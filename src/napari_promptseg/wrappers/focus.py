"""Focus of prompts that mark an object each: the others tell how large it may be, and where not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.geometry import Bounds

_REACH: Final = 2.5
"""Side of the focus relative to the distance of the nearest other prompt."""
_NEIGHBORS: Final = 4
"""Number of the nearest prompts that are told to the model as other objects."""

Float64 = NDArray[np.float64]


def with_neighbors(prompts: Sequence[PlanePrompts], spacing: Sequence[float]) -> list[PlanePrompts]:
    """Return the prompts of each object with clicks on its nearest neighbors.

    Parameters
    ----------
    prompts : sequence of PlanePrompts
        Of one object each, all on one plane.
    spacing : (float, float)
        Size of a pixel along rows and columns.
    """
    from scipy.spatial import cKDTree

    places = np.array([_place(one) for one in prompts])
    if len(places) < 2:
        return list(prompts)
    count = min(_NEIGHBORS + 1, len(places))
    distances, nearest = cKDTree(places * spacing).query(places * spacing, count)
    clicks = [Stroke(place[None], positive=False) for place in places]
    result = []
    for one, apart, others in zip(prompts, distances, nearest, strict=True):
        nearby = tuple(clicks[j] for j, far in zip(others, apart, strict=True) if far > 0)
        result.append(replace(one, neighbors=(*one.neighbors, *nearby)))
    return result


def focus(
    prompts: Sequence[PlanePrompts], spacing: Sequence[float], shape: tuple[int, int]
) -> list[Bounds | None]:
    """Return the focus of the prompts of each object, see `Query.focus`.

    Objects are hardly larger than the distance of their prompts. None where that is no help:
    on most of the plane, or for a prompt that is alone.

    Parameters
    ----------
    prompts, spacing
        See `with_neighbors`.
    shape : (int, int)
        Rows and columns of the plane.
    """
    from scipy.spatial import cKDTree

    places = np.array([_place(one) for one in prompts])
    if len(places) < 2:
        return [None] * len(places)
    distances, _ = cKDTree(places * spacing).query(places * spacing, 2)
    half = _REACH / 2 * distances[:, 1, None] / np.asarray(spacing)
    boxes: list[Bounds | None] = []
    for one, side in zip(prompts, half, strict=True):
        paths = np.concatenate([s.path for s in one.strokes if s.positive] or [_place(one)[None]])
        low = np.maximum(np.floor(paths.min(0) - side), 0)
        high = np.minimum(np.ceil(paths.max(0) + side) + 1, shape)
        useful = ((high - low) < shape).all()
        rows, columns = ((int(a), int(b)) for a, b in zip(low, high, strict=True))
        boxes.append((rows, columns) if useful else None)
    return boxes


def _place(prompts: PlanePrompts) -> Float64:
    """Return the (row, column) of the middle of the positive prompts of an object."""
    paths = [s.path for s in prompts.strokes if s.positive]
    paths += [r.vertices for r in prompts.regions if r.positive]
    points = np.concatenate(paths)
    return np.asarray((points.min(0) + points.max(0)) / 2)
