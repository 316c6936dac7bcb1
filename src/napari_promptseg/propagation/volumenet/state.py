"""Inference state of VolumeNet: the masks known so far and the crops that show them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Bounds, box_slices, box_union, mask_box
from napari_promptseg.models.base import certainty
from napari_promptseg.models.encoding.stack_maps import CLICKED, EARLIER, GIVEN, PlaneKnowledge
from napari_promptseg.propagation.anchors import (
    MIN_AREA,
    clip_to_prompts,
    plane_shape,
    with_strokes,
)
from napari_promptseg.propagation.base import Mask, PlanePrediction
from napari_promptseg.propagation.volumenet.crop import SquareCrop, crop_around, longer_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.backends.volumenet import VolumeModel
    from napari_promptseg.propagation.base import Stack

Float32 = NDArray[np.float32]
_SIDE: Final = 64
"""Side of a crop in pixels."""
_CACHE_PLANES: Final = 12
_FACTOR: Final = 2.0
"""Side of a crop relative to the object."""
_MIN_FACTOR: Final = 1.4
"""Smallest side of a crop relative to the largest anchor, for objects that grow again."""
_MIN_SIDE: Final = 40
"""Smallest side of a crop in pixels of the plane."""


@dataclass(frozen=True, slots=True)
class KnownPlane:
    """A known mask, cropped to its bounding box, with its reliability."""

    part: Mask | None
    box: Bounds | None
    reliability: float

    @classmethod
    def of(cls, mask: Mask, reliability: float) -> KnownPlane:
        """Crop a mask to its bounding box."""
        box = mask_box(mask)
        return cls(None if box is None else mask[box_slices(box)].copy(), box, reliability)

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Return the mask of the whole plane."""
        whole = np.zeros(shape, np.bool_)
        if self.box is not None:
            whole[box_slices(self.box)] = self.part
        return whole


class InferenceState:
    """Masks known during one propagation through one stack.

    Parameters
    ----------
    stack : Stack
        Anchors and prompts.
    model : VolumeModel
        Network that predicts several planes at once.
    spacing : (float, float)
        Size of a pixel along rows and columns.
    """

    def __init__(self, stack: Stack, model: VolumeModel, spacing: tuple[float, float]) -> None:
        self.stack, self._model, self.spacing = stack, model, spacing
        self.shape = plane_shape(stack)
        # Windows overlap.
        self.read = lru_cache(_CACHE_PLANES)(stack.read)
        self.masks: dict[int, KnownPlane] = {}
        for index, mask in stack.anchors.items():
            self.record(index, mask, GIVEN if index in stack.mask_anchors else CLICKED)
        self.revisable = {i for i in stack.revisable if self.holds(i)}
        for index in stack.skip:
            prior = stack.prior(index)
            self.record(index, self._empty if prior is None else prior, EARLIER)

    @property
    def _empty(self) -> Mask:
        return np.zeros(self.shape, np.bool_)

    def record(self, index: int, mask: Mask, reliability: float) -> None:
        """Store the mask of a plane."""
        self.masks[index] = KnownPlane.of(mask, reliability)

    def holds(self, index: int) -> bool:
        """Return whether the known mask of a plane has a pixel."""
        return index in self.masks and self.masks[index].box is not None

    def crop(self, planes: Sequence[int]) -> SquareCrop:
        """Return the crop around all known masks of some planes, at least one of which has one."""
        boxes = [self.masks[i].box for i in planes if i in self.masks]
        for i in planes:
            if i not in self.masks and (prior := self.stack.prior(i)) is not None:
                boxes.append(mask_box(prior))
        near = [box for box in boxes if box is not None]
        least = max(longer_side(self.masks[i].box, self.spacing) for i in self.stack.anchors)
        size = max(_FACTOR * longer_side(box_union(near), self.spacing), _MIN_FACTOR * least)
        return crop_around(near, self.spacing, _SIDE, size, _MIN_SIDE)

    def knowledge(self, index: int, crop: SquareCrop) -> PlaneKnowledge:
        """Return prompts and masks of a plane, in pixels of a crop."""
        crop_prompts = crop.prompts(self.stack.prompts(index))
        knowledge = PlaneKnowledge(list(crop_prompts.strokes), list(crop_prompts.regions))
        if index in self.masks:
            knowledge.mask = crop.mask(self.masks[index].mask(self.shape))
            knowledge.reliability = self.masks[index].reliability
        elif (prior := self.stack.prior(index)) is not None:
            knowledge.prior = crop.mask(prior)
        return knowledge

    def predict(
        self,
        planes: Sequence[int],
        images: Float32,
        knowledge: Sequence[PlaneKnowledge],
        crop: SquareCrop,
    ) -> Float32:
        """Return the (T, S, S) probability of the object on planes, in pixels of a crop."""
        side = crop.span[0] * self.spacing[0]
        steps = [b - a for a, b in pairwise(planes)]
        steps = [steps[0] if steps else 1, *steps]
        gaps = np.array([n * self.stack.step / side for n in steps], np.float32)
        return self._model.answer(images, knowledge, gaps)

    def revise(self, index: int, answer: Float32, crop: SquareCrop) -> PlanePrediction | None:
        """Replace the mask of an anchor by the probability of a crop; None if that is empty."""
        self.revisable.discard(index)
        prompts = self.stack.prompts(index)
        part, mask = self._clipped(answer, crop, prompts)
        mask = with_strokes(mask, prompts)
        if np.count_nonzero(mask) < MIN_AREA:
            return None
        self.record(index, mask, CLICKED)
        return PlanePrediction(index, mask, certainty(part))

    def accept(self, index: int, answer: Float32, crop: SquareCrop) -> PlanePrediction:
        """Record the probability of a crop as known, and return it as a prediction."""
        part, mask = self._clipped(answer, crop, self.stack.prompts(index))
        if np.count_nonzero(mask) < MIN_AREA:
            mask = self._empty
        self.record(index, mask, EARLIER)
        confidence = certainty(part) if mask.any() else 1 - float(part.max(initial=0))
        return PlanePrediction(index, mask, confidence)

    def _clipped(
        self, answer: Float32, crop: SquareCrop, prompts: PlanePrompts
    ) -> tuple[Float32, Mask]:
        """Return the part of a plane that a crop covers, and the mask of the whole plane."""
        part, where = crop.back(answer, self.shape)
        mask = self._empty
        mask[where] = part > 0.5
        return part, clip_to_prompts(mask, prompts)
