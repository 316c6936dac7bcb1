"""Rasterization of the prompts of one plane into the input maps of a network.

Clicks follow RITM (Sofiiuk et al. 2021, arXiv:2102.06583), which found disks to
work better than Gaussians or distance maps; all three are available.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import nearest_pixel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke

Encoding = Literal["disk", "gaussian", "distance"]
ENCODINGS: tuple[str, ...] = get_args(Encoding)

Float32 = NDArray[np.float32]
_SHIFT = 4  # fractional bits of the coordinates that OpenCV draws with


def _fixed_point(path: NDArray[np.float64]) -> NDArray[np.int32]:
    xy = np.asarray(path, dtype=np.float64)[:, ::-1]
    return np.rint(xy * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)


def draw_stroke(target: NDArray[np.uint8], stroke: Stroke, radius: float, value: int = 1) -> None:
    """Draw a click as a disk, or a scribble as a band, in place.

    Parameters
    ----------
    target : (H, W) uint8 array
        Modified in place.
    stroke : Stroke
        Click or scribble to draw.
    radius : float
        Least half width in pixels.
    value : int
        Value written.
    """
    points = _fixed_point(stroke.path)
    if len(points) == 1:
        centre = (int(points[0, 0, 0]), int(points[0, 0, 1]))
        cv2.circle(target, centre, round(radius * (1 << _SHIFT)), value, -1, cv2.LINE_8, _SHIFT)
    else:
        thickness = max(round(stroke.width), round(2 * radius), 1)
        cv2.polylines(target, [points], False, value, thickness, cv2.LINE_8, _SHIFT)


def fill_region(target: NDArray[np.uint8], region: Region, value: int = 1) -> None:
    """Fill a polygon in place."""
    cv2.fillPoly(target, [_fixed_point(region.vertices)], value, cv2.LINE_8, _SHIFT)


def stroke_pixels(
    prompts: PlanePrompts, positive: bool, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return the (H, W) pixels of the positive, or of the negative, clicks and scribbles."""
    canvas = np.zeros(shape, np.uint8)
    for stroke in prompts.strokes:
        if stroke.positive != positive:
            continue
        row, column = (nearest_pixel(p) for p in stroke.path[0])
        if len(stroke.path) > 1:
            draw_stroke(canvas, stroke, 0.5)
        elif 0 <= row < shape[0] and 0 <= column < shape[1]:
            canvas[row, column] = 1
    return canvas > 0


def excluded_pixels(prompts: PlanePrompts, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the (H, W) pixels inside negative boxes and lassos, and those of other objects."""
    canvas = np.zeros(shape, np.uint8)
    for region in prompts.regions:
        if not region.positive:
            fill_region(canvas, region)
    excluded = canvas > 0
    return excluded if prompts.occupied is None else excluded | prompts.occupied.inside(shape)


def _strokes_map(
    strokes: Sequence[Stroke], shape: tuple[int, int], encoding: Encoding, radius: float
) -> Float32:
    canvas = np.zeros(shape, np.uint8)
    thin = encoding != "disk"
    for stroke in strokes:
        draw_stroke(canvas, stroke, 0.5 if thin else radius)
    if not thin:
        return canvas.astype(np.float32)
    if not strokes:
        return np.zeros(shape, np.float32)
    distance = np.asarray(cv2.distanceTransform(1 - canvas, cv2.DIST_L2, 5), np.float32)
    if encoding == "gaussian":
        return np.asarray(np.exp(-0.5 * (distance / radius) ** 2), np.float32)
    return np.asarray(1.0 - np.minimum(distance / 255.0, 1.0), np.float32)


def encode(
    strokes: Sequence[Stroke],
    regions: Sequence[Region],
    prior: NDArray[np.floating] | None,
    shape: tuple[int, int],
    *,
    encoding: Encoding = "disk",
    radius: float = 5.0,
) -> Float32:
    """Render prompts as the four input maps of the network.

    Parameters
    ----------
    strokes : sequence of Stroke
        Clicks and scribbles, in pixels of the maps.
    regions : sequence of Region
        Boxes and lassos. Positive ones share the third map; negative ones are
        background and join the second map.
    prior : (H, W) float array or None
        Mask or probability to start from, values in [0, 1].
    shape : (int, int)
        Height and width of the maps.
    encoding : {"disk", "gaussian", "distance"}
        Shape of clicks and scribbles: disks of `radius` pixels, Gaussians whose
        standard deviation is `radius`, or one minus the distance divided by 255.
    radius : float
        See `encoding`.

    Returns
    -------
    (4, H, W) float32 array
        Positive map, negative map, region, prior, values in [0, 1].

    Raises
    ------
    ValueError
        If `encoding` is unknown.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"unknown encoding {encoding!r}; valid encodings: {list(ENCODINGS)}")
    maps = np.zeros((4, *shape), np.float32)
    maps[0] = _strokes_map([s for s in strokes if s.positive], shape, encoding, radius)
    maps[1] = _strokes_map([s for s in strokes if not s.positive], shape, encoding, radius)
    for region in regions:
        canvas = np.zeros(shape, np.uint8)
        fill_region(canvas, region)
        channel = 2 if region.positive else 1
        np.maximum(maps[channel], canvas, out=maps[channel])
    if prior is not None:
        maps[3] = prior
    return maps
