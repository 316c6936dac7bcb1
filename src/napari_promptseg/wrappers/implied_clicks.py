"""Implied positive clicks, for corrections that consist of negative clicks alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CENTRAL_DEPTH: Final = 0.8
"""Depth in the mask, relative to its deepest pixel, from which a click counts as central."""


def with_implied(prompts: PlanePrompts, prior: NDArray[np.bool_] | None) -> PlanePrompts:
    """Add the positive click that negative clicks off the centre of a mask imply.

    A negative click in the centre of a mask rejects the whole mask. One elsewhere rejects a
    part of it, so the centre is meant to stay; without any positive prompt a network would
    remove all of it.

    Parameters
    ----------
    prompts : PlanePrompts
        All prompts of a plane.
    prior : (H, W) bool array or None
        Current mask of the plane.

    Returns
    -------
    PlanePrompts
        The same prompts if one of them is positive or a click is central.
    """
    positive = any(s.positive for s in prompts.strokes) or any(r.positive for r in prompts.regions)
    if prior is None or not prior.any() or positive or not prompts.strokes or prompts.text:
        return prompts
    depth = cv2.distanceTransform(np.pad(prior.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    corners = np.concatenate([stroke.path for stroke in prompts.strokes])
    rows, columns = np.clip(np.rint(corners).astype(int), 0, np.array(depth.shape) - 1).T
    if depth[rows, columns].max() >= _CENTRAL_DEPTH * depth.max():
        return prompts
    centre = np.array([np.unravel_index(int(depth.argmax()), depth.shape)], np.float64)
    return replace(prompts, strokes=(*prompts.strokes, Stroke(centre)))
