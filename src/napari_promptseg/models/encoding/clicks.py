"""Conversion of prompts to clicks, for models that accept nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.models.encoding.prompt_maps import fill_region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke

_MAX_CLICKS: Final = 5
"""Largest number of clicks along a scribble."""
_MIN_DISTANCE: Final = 12.0
"""Smallest distance of clicks along a scribble, in pixels."""
_OUTSIDE: Final = 0.06
"""Distance of background clicks from a box, relative to its size."""
_MAX_COMPONENTS: Final = 3
"""Largest number of components of a mask that get a click each."""
_MIN_AREA_FRACTION: Final = 0.1
"""Area of a component, relative to the largest one, below which it gets no click."""

Position = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Clicks:
    """Click positions as (row, column) in pixels.

    Parameters
    ----------
    positive, negative : list of (float, float)
        Clicks on the object, and on the background.
    """

    positive: list[Position]
    negative: list[Position]


def to_clicks(
    prompts: PlanePrompts, shape: tuple[int, int], prior: NDArray[np.bool_] | None = None
) -> Clicks:
    """Convert all prompts of a plane to clicks.

    A scribble becomes clicks along its path; a region becomes one in its middle and, if it is
    positive, four background clicks around it. A prior without prompts becomes one click in
    the middle of each large component.

    Parameters
    ----------
    prompts : PlanePrompts
        Prompts in pixels of the plane.
    shape : (int, int)
        Rows and columns of the plane.
    prior : (H, W) bool array, optional
        Expected mask of the object.
    """
    clicks = Clicks([], [])
    for stroke in prompts.strokes:
        side = clicks.positive if stroke.positive else clicks.negative
        side += positions_along(stroke)
    for region in prompts.regions:
        side = clicks.positive if region.positive else clicks.negative
        canvas = np.zeros(shape, np.uint8)
        fill_region(canvas, region)
        side += component_centres(canvas > 0)[:1]
        if region.positive:
            clicks.negative.extend(_around(region, shape))
    if not prompts and prior is not None and prior.any():
        clicks.positive.extend(component_centres(prior))
    return clicks


def positions_along(stroke: Stroke) -> list[Position]:
    """Return the position of a click, or evenly spaced positions along a scribble."""
    path = stroke.path
    lengths = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    total = float(lengths.sum())
    count = int(np.clip(total / _MIN_DISTANCE + 1, 1, _MAX_CLICKS))
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    distances = np.linspace(0, total, count) if count > 1 else np.array([total / 2])
    return [
        (float(np.interp(w, along, path[:, 0])), float(np.interp(w, along, path[:, 1])))
        for w in distances
    ]


def _around(region: Region, shape: tuple[int, int]) -> Iterable[Position]:
    """Yield positions outside the middles of the sides of a region that lie in the plane."""
    low, high = region.vertices.min(0), region.vertices.max(0)
    slack = np.maximum(_OUTSIDE * (high - low), 2.0)
    (top, left), (bottom, right) = low - slack, high + slack
    row, column = (low + high) / 2
    for position in ((top, column), (bottom, column), (row, left), (row, right)):
        if 0 <= position[0] <= shape[0] - 1 and 0 <= position[1] <= shape[1] - 1:
            yield float(position[0]), float(position[1])


def component_centres(mask: NDArray[np.bool_]) -> list[Position]:
    """Return the innermost pixels of the largest components of a mask, the largest first."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.pad(mask, 1).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    positions = []
    for component in (-areas).argsort(kind="stable")[:_MAX_COMPONENTS]:
        if areas[component] < _MIN_AREA_FRACTION * areas.max():
            break
        inside = (labels == component + 1).astype(np.uint8)
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
        row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
        positions.append((float(row) - 1, float(column) - 1))
    return positions
