"""Conversion of prompts to the inputs of SAM models: points, one box, mask logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Prediction
from napari_promptseg.models.encoding.clicks import component_centres, positions_along
from napari_promptseg.models.encoding.prompt_maps import fill_region

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts

Float32 = NDArray[np.float32]

_SURE: Final = 8.0
"""Magnitude of the mask logits made from a binary prior."""


@dataclass(frozen=True, slots=True)
class SamPrompts:
    """Prompt inputs of a SAM model, in pixels of the plane.

    Parameters
    ----------
    points : (N, 2) float32 array or None
        Positions as (x, y).
    labels : (N,) int32 array or None
        1 on the object, 0 on the background.
    box : (4,) float32 array or None
        Left, top, right, bottom.
    ambiguous : bool
        Whether the prompts may mean several objects.
    """

    points: Float32 | None
    labels: NDArray[np.int32] | None
    box: Float32 | None
    ambiguous: bool

    @classmethod
    def of(
        cls, prompts: PlanePrompts, shape: tuple[int, int], prior: NDArray[np.bool_] | None
    ) -> SamPrompts:
        """Convert the prompts of a plane.

        The first positive region becomes the box; a lasso, and all further regions, become
        points in their middle. A prior without prompts becomes its bounding box and points
        in its components.
        """
        points: list[tuple[float, float]] = []
        labels: list[int] = []
        box = None
        for stroke in prompts.strokes:
            along = positions_along(stroke)
            points += along
            labels += [int(stroke.positive)] * len(along)
        for region in prompts.regions:
            first = region.positive and box is None
            if first:
                box = np.concatenate([region.vertices.min(0), region.vertices.max(0)])
            if not (first and region.box):
                canvas = np.zeros(shape, np.uint8)
                fill_region(canvas, region)
                inside = component_centres(canvas > 0)[:1]
                points += inside
                labels += [int(region.positive)] * len(inside)
        if not prompts and prior is not None and prior.any():
            (top, bottom), (left, right) = mask_box(prior) or ((0, 1), (0, 1))
            box = np.array([top, left, bottom - 1, right - 1], float)
            points = component_centres(prior)
            labels = [1] * len(points)
        return cls(
            np.array(points, np.float32)[:, ::-1].copy() if points else None,
            np.array(labels, np.int32) if points else None,
            None if box is None else box[[1, 0, 3, 2]].astype(np.float32),
            ambiguous=box is None and prior is None and sum(labels) == len(labels) == 1,
        )

    def multimask(self, prompts: PlanePrompts, prior: NDArray[np.bool_] | None) -> bool:
        """Return whether to request several masks, one of which is selected."""
        return self.ambiguous or (prompts.choice is not None and prior is None)


def best_answer(logits: Float32, scores: Float32, choice: int | None) -> Prediction:
    """Return the mask with the highest score, or the one selected by rank.

    Parameters
    ----------
    logits : (N, H, W) float32 array
        Masks of the whole plane.
    scores : (N,) float32 array
        Quality predicted by the model.
    choice : int or None
        Rank in the order of falling scores; the best when None.
    """
    import torch

    order = np.argsort(-scores)
    best = int(order[(choice or 0) % len(order)])
    probability = torch.from_numpy(logits[best]).sigmoid().numpy()
    return Prediction.whole(probability, float(np.clip(scores[best], 0, 1)))


def mask_input(prior: NDArray[np.bool_], extent: tuple[int, int], side: int) -> Float32:
    """Return a prior as (1, side, side) mask logits.

    Parameters
    ----------
    prior : (H, W) bool array
        The mask.
    extent : (int, int)
        Rows and columns that the plane takes in the square; the rest is padding.
    side : int
        Rows and columns of the square.
    """
    logits = np.full((1, side, side), -_SURE, np.float32)
    rows, columns = (max(round(n), 1) for n in extent)
    share = resize(prior.astype(np.float32), (rows, columns))
    logits[0, :rows, :columns] = _SURE * (2 * share - 1)
    return logits
