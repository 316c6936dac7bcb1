"""Foreground and background seeds from prompts, for the backends without weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.resize import resize
from napari_promptseg.models.encoding.prompt_maps import draw_stroke, fill_region

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Seeds:
    """Hard and soft seeds of one plane.

    Parameters
    ----------
    foreground, background : (H, W) bool array
        Hard seeds: drawn by the user, or outside of every box and lasso.
    likely : (H, W) bool array
        Probable object: inside a box, a lasso or the prior, or around a lone click.
    """

    foreground: Mask
    background: Mask
    likely: Mask

    def reduced(self, shape: tuple[int, int]) -> Seeds:
        """Return the seeds at a lower resolution; thin foreground strokes are preserved."""
        thick = resize(self.foreground.astype(np.float32), shape) > 0
        background = resize(self.background, shape) & ~thick
        return Seeds(thick, background, resize(self.likely, shape) & ~background)


def draw_seeds(
    prompts: PlanePrompts, prior: Mask | None, shape: tuple[int, int], radius: float = 3.0
) -> Seeds:
    """Draw the seeds of a plane from its prompts.

    Parameters
    ----------
    prompts : PlanePrompts
        Prompts in pixels of the plane.
    prior : (H, W) bool array, optional
        Expected mask of the object, which may grow or shrink by a tenth of its size.
    shape : (int, int)
        Rows and columns.
    radius : float
        Half width of a click or thin scribble in pixels.
    """
    foreground, background, likely, inside = (np.zeros(shape, np.uint8) for _ in range(4))
    for region in prompts.regions:
        fill_region(inside if region.positive else background, region)
    likely |= inside
    if inside.any():
        background |= 1 - inside
    if prior is not None and prior.any():
        slack = max(2, round(0.1 * float(np.sqrt(prior.sum()))))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * slack + 1, 2 * slack + 1))
        likely[prior] = 1
        if not prompts:
            reach = cv2.dilate(prior.astype(np.uint8), kernel) > 0
            core = cv2.erode(prior.astype(np.uint8), kernel) > 0
            background[~reach] = 1
            foreground[core if core.any() else prior] = 1
    for stroke in prompts.strokes:
        target, other = (foreground, background) if stroke.positive else (background, foreground)
        canvas = np.zeros(shape, np.uint8)
        draw_stroke(canvas, stroke, radius)
        target |= canvas
        other &= 1 - canvas
        if stroke.positive and not likely.any():
            draw_stroke(likely, stroke, 0.12 * min(shape))
    likely &= 1 - background
    return Seeds(foreground.astype(bool), background.astype(bool), likely.astype(bool))
