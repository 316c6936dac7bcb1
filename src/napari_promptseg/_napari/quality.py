"""What looks wrong about an answer; said to the user, never in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.core.geometry import nearest_pixel
from napari_promptseg.core.prompts import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_promptseg.core.geometry import Plane
    from napari_promptseg.core.prompts import Prompt

_LARGE: Final = 0.5
_SPECK: Final = 0.02
"""Pieces below this share of the largest one are not counted."""


def plane_warnings(
    mask: NDArray[np.bool_], prompts: Sequence[Prompt], plane: Plane
) -> tuple[str, ...]:
    """Say what looks wrong about the mask of a plane.

    Parameters
    ----------
    mask : (H, W) bool array
        The object on the plane.
    prompts : sequence of Prompt
        Those that act on the plane.
    plane : Plane
        Which one.
    """
    if not mask.any():
        return ("nothing was found here: add a click or a box",)
    found = []
    if any(line.any() for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1])):
        found.append("the object touches the border")
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    pieces = int((areas >= _SPECK * areas.max()).sum())
    if pieces > 1:
        found.append(f"{pieces} separate pieces")
    for prompt in prompts:
        if isinstance(prompt, Point) and prompt.positive:
            row, column = (nearest_pixel(p) for p in plane.flatten(prompt.position))
            if not mask[row, column]:
                found.append("a positive click lies outside of the mask")
                break
    if mask.mean() > _LARGE:
        found.append("the mask fills more than half of the plane")
    return tuple(found)
