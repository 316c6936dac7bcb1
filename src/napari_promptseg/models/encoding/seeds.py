"""Prompts as seeds: what is surely object, surely background, or open.

Shared by the backends that have no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Capabilities
from napari_promptseg.models.encoding.prompt_maps import draw_stroke, fill_region

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Seeds:
    """Sure and likely pixels of one plane, each a (H, W) bool array.

    Parameters
    ----------
    foreground, background : array
        Sure: drawn by the user, or outside of every box and lasso.
    likely : array
        Probably object: inside a box, a lasso or the prior, or around a lone click.
    """

    foreground: Mask
    background: Mask
    likely: Mask

    def reduced(self, shape: tuple[int, int]) -> Seeds:
        """Return the seeds of a smaller plane; a thin sure stroke is not lost."""
        thick = resize(self.foreground.astype(np.float32), shape) > 0
        background = resize(self.background, shape) & ~thick
        return Seeds(thick, background, resize(self.likely, shape) & ~background)


def draw_seeds(
    prompts: PlanePrompts, prior: Mask | None, shape: tuple[int, int], radius: float = 3.0
) -> Seeds:
    """Turn prompts into seeds.

    Parameters
    ----------
    prompts : PlanePrompts
        In the pixels of the plane.
    prior : (H, W) bool array, optional
        Where the object is expected; it may grow or shrink by a tenth of its size.
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
        drawn = np.zeros(shape, np.uint8)
        draw_stroke(drawn, stroke, radius)
        target |= drawn
        other &= 1 - drawn
        if stroke.positive and not likely.any():
            draw_stroke(likely, stroke, 0.12 * min(shape))
    likely &= 1 - background
    return Seeds(foreground.astype(bool), background.astype(bool), likely.astype(bool))


class SeededBackend:
    """Base of the backends without weights: they run on the CPU and keep nothing.

    Parameters
    ----------
    device : str
        Only "auto" and "cpu" mean something here.

    Raises
    ------
    ValueError
        If another device is asked for.
    """

    name: str
    capabilities = Capabilities(frozenset({"point", "box", "scribble", "lasso"}))

    def __init__(self, device: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise ValueError(
                f"{self.name} runs on the CPU, got device {device!r}; valid: auto, cpu"
            )

    @property
    def identity(self) -> str:
        """Name of the backend: there are no weights to tell apart."""
        return self.name

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself."""
        return image

    def close(self) -> None:
        """Nothing is held."""
