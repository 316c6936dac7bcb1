"""Where the planes of a stack lie among its anchors, and what their prompts allow."""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.encoding.prompt_maps import fill_region, refused

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.propagation.base import Mask, Stack

LEAST_PIXELS: Final = 4
"""An object of fewer has ended."""
_FRAMES: Final = 10.0  # along time, where no distance can be measured


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
        A plane that is none of them.
    """
    after = bisect(anchors, index)
    before = anchors[after - 1] if after else None
    return before, anchors[after] if after < len(anchors) else None


def nearest(anchors: list[int], index: int) -> int:
    """Return the anchor nearest to a plane; of two equally near ones the first."""
    return min(anchors, key=lambda anchor: abs(anchor - index))


def outward(stack: Stack) -> list[int]:
    """Return the open planes of a stack, those nearest to its origin or its anchors first."""
    anchors = sorted_anchors(stack)
    if stack.origin is not None:
        anchors = [stack.origin]
    return sorted(stack.open, key=lambda index: abs(index - nearest(anchors, index)))


def allowed(mask: Mask, prompts: PlanePrompts) -> Mask:
    """Return a copy of a mask without what boxes and lassos of its plane exclude."""
    kept = mask & ~refused(prompts, mask.shape)
    inside = np.zeros(mask.shape, np.uint8)
    for region in prompts.regions:
        if region.positive:
            fill_region(inside, region)
    return kept & (inside > 0) if inside.any() else kept


def likeness(stack: Stack, anchor: int, index: int, spacing: tuple[float, float]) -> float:
    """Guess from the distance alone how alike an object is on a plane and on an anchor.

    It falls to 1/e at the radius of a disc as large as the object on the anchor, which
    is where a ball would end; along time after ten frames.

    Parameters
    ----------
    stack : Stack
        Holds both.
    anchor, index : int
        Positions of the anchor and the plane.
    spacing : (float, float)
        Size of a pixel along rows and columns.
    """
    away = abs(index - anchor)
    if not stack.step:
        return float(np.exp(-away / _FRAMES))
    pixels = int(np.count_nonzero(stack.anchors[anchor])) or 1
    area = pixels * spacing[0] * spacing[1]
    return float(np.exp(-away * stack.step / np.sqrt(area / np.pi)))
