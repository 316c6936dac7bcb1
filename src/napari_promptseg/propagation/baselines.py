"""Baseline propagators that use the anchor masks alone: copying and shape interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg.propagation.anchors import (
    clip_to_prompts,
    likeness,
    nearest,
    neighbours,
    outward,
    sorted_anchors,
)
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.shape_interpolation import ShapeInterpolation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Stack


class Copy:
    """Copies the mask of the nearest anchor; its confidence falls with the distance.

    Parameters
    ----------
    backend : Backend
        Not used.
    """

    name = "copy"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        anchors = sorted_anchors(stack)
        spacing = stack.read(anchors[0]).spacing
        for index in outward(stack):
            anchor = nearest(anchors, index)
            mask = clip_to_prompts(stack.anchors[anchor], stack.prompts(index))
            if mask.any():
                yield PlanePrediction(index, mask, likeness(stack, anchor, index, spacing))


class SignedDistance:
    """Interpolates shapes between two anchors; beyond the outermost ones it copies them.

    Between two anchors, the confidence grows with the overlap of their masks and with the
    nearness of one of them.

    Parameters
    ----------
    backend : Backend
        Not used.
    """

    name = "distance"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        anchors = sorted_anchors(stack)
        spacing = stack.read(anchors[0]).spacing
        gaps: dict[int, ShapeInterpolation] = {}
        for index in outward(stack):
            anchor = nearest(anchors, index)
            before, after = neighbours(anchors, index)
            mask, confidence = stack.anchors[anchor], likeness(stack, anchor, index, spacing)
            if before is not None and after is not None:
                if before not in gaps:
                    ends = stack.anchors[before], stack.anchors[after]
                    gaps[before] = ShapeInterpolation(*ends, spacing)
                mask = gaps[before].at((index - before) / (after - before))
                confidence += (1 - confidence) * gaps[before].overlap
            mask = clip_to_prompts(mask, stack.prompts(index))
            if mask.any():
                yield PlanePrediction(index, mask, confidence)
