"""What negative clicks alone leave of an object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIDDLE: Final = 0.8
"""Depth in the mask, relative to its deepest pixel, from which a click is amidst it."""


def with_implied(prompts: PlanePrompts, prior: NDArray[np.bool_] | None) -> PlanePrompts:
    """Add the positive click that negative ones beside the middle of a mask imply.

    A click amidst a mask says that none of it is the object. One elsewhere takes a part
    away, so the middle of the mask is meant to stay; a network that sees nothing positive
    would take all of it away.

    Parameters
    ----------
    prompts : PlanePrompts
        All prompts of a plane.
    prior : (H, W) bool array or None
        Its present mask.

    Returns
    -------
    PlanePrompts
        The same where something is positive, or a click is amidst the mask.
    """
    positive = any(s.positive for s in prompts.strokes) or any(r.positive for r in prompts.regions)
    if prior is None or not prior.any() or positive or not prompts.strokes or prompts.text:
        return prompts
    depth = cv2.distanceTransform(np.pad(prior.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    corners = np.concatenate([stroke.path for stroke in prompts.strokes])
    rows, columns = np.clip(np.rint(corners).astype(int), 0, np.array(depth.shape) - 1).T
    if depth[rows, columns].max() >= _MIDDLE * depth.max():
        return prompts
    middle = np.array([np.unravel_index(int(depth.argmax()), depth.shape)], np.float64)
    return replace(prompts, strokes=(*prompts.strokes, Stroke(middle)))
