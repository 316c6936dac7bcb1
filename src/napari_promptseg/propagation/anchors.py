"""Anchor planes of a stack: lookup, fill order, prompt constraints."""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.encoding.prompt_maps import (
    excluded_pixels,
    fill_region,
    stroke_pixels,
)

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.propagation.base import Mask, Stack

MIN_AREA: Final = 4
"""Area in pixels below which an object has ended."""
_DECAY_FRAMES: Final = 10.0  # along time, where there is no physical distance


def sorted_anchors(stack: Stack) -> list[int]:
    """Return the indices of the anchors in order.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not stack.anchors:
        raise ValueError("nothing to propagate: no plane has a prompt yet")
    return sorted(stack.anchors)


def all_planes(stack: Stack) -> range:
    """Return the range to fill, extended to anchors outside of it."""
    anchors = stack.anchors
    return range(min(stack.start, *anchors), max(stack.stop, *(a + 1 for a in anchors)))


def plane_shape(stack: Stack) -> tuple[int, int]:
    """Return rows and columns of the planes of a stack, which has an anchor."""
    rows, columns = next(iter(stack.anchors.values())).shape
    return rows, columns


def neighbours(anchors: list[int], index: int) -> tuple[int | None, int | None]:
    """Return the last anchor before a plane and the first one after it.

    Parameters
    ----------
    anchors : list of int
        In order.
    index : int
        A plane that is not an anchor.
    """
    after = bisect(anchors, index)
    before = anchors[after - 1] if after else None
    return before, anchors[after] if after < len(anchors) else None


def nearest(anchors: list[int], index: int) -> int:
    """Return the anchor nearest to a plane; the first of two equally near ones."""
    return min(anchors, key=lambda anchor: abs(anchor - index))


def outward(stack: Stack) -> list[int]:
    """Return the open planes of a stack, those nearest to its origin or its anchors first."""
    anchors = sorted_anchors(stack)
    if stack.origin is not None:
        anchors = [stack.origin]
    return sorted(stack.open, key=lambda index: abs(index - nearest(anchors, index)))


def clip_to_prompts(mask: Mask, prompts: PlanePrompts) -> Mask:
    """Return a copy of a mask, cleared where boxes and lassos of its plane exclude the object."""
    remaining = mask & ~excluded_pixels(prompts, mask.shape)
    inside = np.zeros(mask.shape, np.uint8)
    for region in prompts.regions:
        if region.positive:
            fill_region(inside, region)
    return remaining & (inside > 0) if inside.any() else remaining


def with_strokes(mask: Mask, prompts: PlanePrompts) -> Mask:
    """Return a mask with the pixels of positive clicks and scribbles, without those of others."""
    on, off = (stroke_pixels(prompts, positive, mask.shape) for positive in (True, False))
    return (mask | on) & ~off


def likeness(stack: Stack, anchor: int, index: int, spacing: tuple[float, float]) -> float:
    """Return the expected similarity of the object on a plane and on an anchor, in [0, 1].

    It depends on their distance alone and falls to 1/e at the radius of a disc with the area
    of the object on the anchor, where a ball would end; along time after ten frames.

    Parameters
    ----------
    stack : Stack
        The stack.
    anchor, index : int
        Positions of the anchor and the plane.
    spacing : (float, float)
        Size of a pixel along rows and columns.
    """
    distance = abs(index - anchor)
    if not stack.step:
        return float(np.exp(-distance / _DECAY_FRAMES))
    pixels = int(np.count_nonzero(stack.anchors[anchor])) or 1
    area = pixels * spacing[0] * spacing[1]
    return float(np.exp(-distance * stack.step / np.sqrt(area / np.pi)))


def last_weight(stack: Stack, first: int, last: int, index: int) -> float:
    """Return the weight, in [0, 1], of the last of two anchors on a plane between them.

    It grows with the distance from the first one. The larger anchor weighs more: a
    propagation from the tip of an object is less reliable than one from its middle.
    """
    sizes = [float(np.sqrt(np.count_nonzero(stack.anchors[end]))) for end in (first, last)]
    towards_first, towards_last = (last - index) * sizes[0], (index - first) * sizes[1]
    return towards_last / (towards_first + towards_last)
