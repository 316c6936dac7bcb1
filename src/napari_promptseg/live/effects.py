"""Visual effects on frames with tracked objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]

COLORS: Final = ((240, 50, 230), (70, 240, 240), (250, 190, 0), (0, 200, 90), (250, 110, 60))
"""Colors of the objects, by their number."""
_BLUR_REDUCTION: Final = 4  # blurring a reduced image is as good, and sixteen times as fast
_BLUR: Final = 6.0
_DARKER: Final = np.rint(0.3 * np.arange(256)).astype(np.uint8)
_TINT: Final = 0.55
_LINE: Final = 2


def apply_effect(name: str, frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Return a frame with an effect.

    Parameters
    ----------
    name : str
        Among `EFFECTS`.
    frame : (H, W, 3) uint8 array
        RGB.
    objects : (H, W) uint8 array
        Number of the object that each pixel belongs to, 0 for the background.

    Raises
    ------
    ValueError
        If there is no such effect.
    """
    if name not in EFFECTS:
        raise ValueError(f"unknown effect {name!r}; valid: {list(EFFECTS)}")
    return EFFECTS[name](frame, objects)


def _background(frame: Frame, objects: NDArray[np.uint8], background: Frame) -> Frame:
    return np.where((objects > 0)[..., None], frame, background)


def _none(frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Leave the frame as it is."""
    return frame.copy()


def _cutout(frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Leave white around the objects."""
    return _background(frame, objects, np.full_like(frame, 255))


def _blur(frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Blur the background, without the colors of the objects in it."""
    height, width = objects.shape
    size = max(width // _BLUR_REDUCTION, 1), max(height // _BLUR_REDUCTION, 1)
    around = (objects == 0).astype(np.float32)
    small = cv2.resize(frame * around[..., None], size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(around, size, interpolation=cv2.INTER_AREA)
    small, weight = (cv2.GaussianBlur(a, (0, 0), _BLUR) for a in (small, weight))
    background = cv2.resize(small / np.maximum(weight, 1e-3)[..., None], (width, height))
    return _background(frame, objects, np.clip(background, 0, 255).astype(np.uint8))


def _recolor(frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Tint objects with colors of their own; their brightness is preserved."""
    out = frame.copy()
    for number in range(1, int(objects.max(initial=0)) + 1):
        inside = objects == number
        color = np.array(COLORS[(number - 1) % len(COLORS)], np.float32)
        light = frame[inside].mean(1, keepdims=True) / 255
        colors = (1 - _TINT) * frame[inside] + _TINT * light * color
        out[inside] = np.rint(colors).astype(np.uint8)
    return out


def _outline(frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Draw a line around each object, inside of it."""
    out = frame.copy()
    kernel = np.ones((2 * _LINE + 1,) * 2, np.uint8)
    for number in range(1, int(objects.max(initial=0)) + 1):
        inside = (objects == number).astype(np.uint8)
        interior = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        out[(inside > 0) & (interior == 0)] = COLORS[(number - 1) % len(COLORS)]
    return out


def _grey(frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Convert the background to grey."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return _background(frame, objects, np.repeat(grey[..., None], 3, 2))


def _spotlight(frame: Frame, objects: NDArray[np.uint8]) -> Frame:
    """Darken the background."""
    return _background(frame, objects, np.asarray(cv2.LUT(frame, _DARKER), np.uint8))


EFFECTS: Final[dict[str, Callable[[Frame, NDArray[np.uint8]], Frame]]] = {
    "none": _none,
    "cutout": _cutout,
    "blur": _blur,
    "recolor": _recolor,
    "outline": _outline,
    "grey": _grey,
    "spotlight": _spotlight,
}
"""Functions of a frame and its object labels, by name."""
