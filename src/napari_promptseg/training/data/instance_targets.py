"""Targets of InstanceNet: the maps of a label image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from scipy.ndimage import find_objects

from napari_promptseg.models.encoding.instance_maps import (
    EDGE,
    FLOW_COLUMN,
    FLOW_ROW,
    INSIDE,
    MAP_CHANNELS,
    SIZE,
    encode_diameter,
    encode_direction,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SOLID: Final = 0.9
"""Fraction of its convex hull above which an object's centre lies in a straight line ahead."""
_LARGEST_SIDE: Final = 32
"""Longer side of the grid on which heat spreads, in cells."""


def instance_maps(
    objects: NDArray[np.int32], diameters: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the maps that describe objects.

    Parameters
    ----------
    objects : (H, W) int32 array
        Connected objects by number; 0 and below is none.
    diameters : (N,) float32 array
        Diameter of each number, in pixels of the network input; the first is not used.

    Returns
    -------
    (MAP_CHANNELS, H, W) float32 array
        Values in [0, 1]; directions and diameters outside of objects have no meaning.
    """
    maps = np.full((MAP_CHANNELS, *objects.shape), 0.5, np.float32)
    inside = objects > 0
    maps[INSIDE] = inside
    maps[EDGE] = inside & _touches_other(objects)
    maps[SIZE] = encode_diameter(diameters[np.maximum(objects, 0)])
    for number, box in enumerate(find_objects(np.maximum(objects, 0)), start=1):
        if box is None:
            continue
        mask = objects[box] == number
        rows, columns = _directions(mask)
        maps[FLOW_ROW][box][mask] = encode_direction(rows[mask])
        maps[FLOW_COLUMN][box][mask] = encode_direction(columns[mask])
    return maps


def _touches_other(objects: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the pixels with a neighbour, also across a corner, of another number."""
    values = np.maximum(objects, 0).astype(np.float32)
    square = np.ones((3, 3), np.uint8)
    border = cv2.BORDER_REPLICATE
    lowest = cv2.erode(values, square, borderType=border)
    highest = cv2.dilate(values, square, borderType=border)
    return np.asarray(lowest != highest)


def _directions(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the unit vectors from each pixel of a mask towards its centre."""
    rows, columns = np.nonzero(mask)
    if len(rows) < 30 or _solidity(rows, columns) > _SOLID:
        down = rows.mean() - np.arange(mask.shape[0], dtype=np.float32)[:, None]
        right = columns.mean() - np.arange(mask.shape[1], dtype=np.float32)[None, :]
        down, right = np.broadcast_arrays(down, right)
    else:
        heat = _heat(mask)
        down, right = np.gradient(cv2.copyMakeBorder(heat, 1, 1, 1, 1, cv2.BORDER_REPLICATE))
        down, right = down[1:-1, 1:-1], right[1:-1, 1:-1]
    length = np.sqrt(down**2 + right**2) + 1e-6
    return np.asarray(down / length, np.float32), np.asarray(right / length, np.float32)


def _solidity(rows: NDArray[Any], columns: NDArray[Any]) -> float:
    points = np.stack([columns, rows], 1).astype(np.int32)
    hull = cv2.convexHull(points[:, None])
    area = cv2.contourArea(hull) + cv2.arcLength(hull, True) / 2 + 1  # to the outer edges
    return float(len(rows) / area)


def _heat(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the logarithm of heat that spreads within a mask from its middle (Cellpose)."""
    height, width = mask.shape
    scale = min(_LARGEST_SIDE / max(height, width), 1.0)
    size = max(round(width * scale), 3), max(round(height * scale), 3)
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    if not small.any():
        small = np.ones_like(small)
    room = np.pad(small, 1).astype(np.float32)
    depth = cv2.distanceTransform(room.astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.nonzero(room)
    middle = (rows - np.median(rows)) ** 2 + (columns - np.median(columns)) ** 2
    # Near the median, and not in a narrow place.
    start = np.argmin(middle - 2 * depth[rows, columns] ** 2)
    source = rows[start], columns[start]
    heat = np.zeros_like(room)
    for _ in range(2 * sum(small.shape)):
        heat[source] += 1
        heat = cv2.blur(heat, (3, 3), borderType=cv2.BORDER_CONSTANT) * room
    inner = np.log(heat[1:-1, 1:-1] + 1e-6)
    return np.asarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR))
