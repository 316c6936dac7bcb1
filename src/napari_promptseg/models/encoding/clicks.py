"""Prompts as clicks, for models that know nothing else."""

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

_ALONG: Final = 5
"""Clicks that a scribble becomes at most."""
_APART: Final = 12.0
"""Distance of these clicks in pixels at least."""
_OUTSIDE: Final = 0.06
"""Distance of clicks on the background from a box, relative to its size."""
_PIECES: Final = 3
"""Pieces of a mask that get a click each."""
_LEAST_PIECE: Final = 0.1
"""Size of a piece, relative to the largest one, below which it gets none."""

Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Clicks:
    """Positions as (row, column) in pixels.

    Parameters
    ----------
    positive, negative : list of (float, float)
        On the object, and on the background.
    """

    positive: list[Place]
    negative: list[Place]


def as_clicks(
    prompts: PlanePrompts, shape: tuple[int, int], prior: NDArray[np.bool_] | None = None
) -> Clicks:
    """Turn all prompts of a plane into clicks.

    A scribble becomes clicks along it, a region one in its middle and, if the object lies
    inside of it, four on the background around it. A prior without prompts becomes one
    click in the middle of each large piece.

    Parameters
    ----------
    prompts : PlanePrompts
        In the pixels of the plane.
    shape : (int, int)
        Rows and columns of the plane.
    prior : (H, W) bool array, optional
        Where the object is expected.
    """
    clicks = Clicks([], [])
    for stroke in prompts.strokes:
        side = clicks.positive if stroke.positive else clicks.negative
        side += places_along(stroke)
    for region in prompts.regions:
        side = clicks.positive if region.positive else clicks.negative
        drawn = np.zeros(shape, np.uint8)
        fill_region(drawn, region)
        side += middles(drawn > 0)[:1]
        if region.positive:
            clicks.negative.extend(_around(region, shape))
    if not prompts and prior is not None and prior.any():
        clicks.positive.extend(middles(prior))
    return clicks


def places_along(stroke: Stroke) -> list[Place]:
    """Return the position of a click, or evenly spread ones along a scribble."""
    path = stroke.path
    lengths = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    total = float(lengths.sum())
    count = int(np.clip(total / _APART + 1, 1, _ALONG))
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = np.linspace(0, total, count) if count > 1 else np.array([total / 2])
    return [
        (float(np.interp(w, at, path[:, 0])), float(np.interp(w, at, path[:, 1]))) for w in wanted
    ]


def _around(region: Region, shape: tuple[int, int]) -> Iterable[Place]:
    """Places beside the middles of the sides of a region, as far as they are in the plane."""
    low, high = region.vertices.min(0), region.vertices.max(0)
    slack = np.maximum(_OUTSIDE * (high - low), 2.0)
    (top, left), (bottom, right) = low - slack, high + slack
    row, column = (low + high) / 2
    for place in ((top, column), (bottom, column), (row, left), (row, right)):
        if 0 <= place[0] <= shape[0] - 1 and 0 <= place[1] <= shape[1] - 1:
            yield float(place[0]), float(place[1])


def middles(mask: NDArray[np.bool_]) -> list[Place]:
    """Return the deepest pixels of the largest pieces of a mask, the largest piece first."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.pad(mask, 1).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    found = []
    for piece in (-areas).argsort(kind="stable")[:_PIECES]:
        if areas[piece] < _LEAST_PIECE * areas.max():
            break
        depth = cv2.distanceTransform((labels == piece + 1).astype(np.uint8), cv2.DIST_L2, 5)
        row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
        found.append((float(row) - 1, float(column) - 1))
    return found
