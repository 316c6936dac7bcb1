"""What a network knows of a stack while it answers one piece of it after the other."""

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
from napari_promptseg.propagation.anchors import LEAST_PIXELS, allowed, plane_shape
from napari_promptseg.propagation.base import Mask, PlanePrediction
from napari_promptseg.propagation.volumenet.crop import SquareCrop, crop_around, longer_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.models.backends.volumenet import VolumeModel
    from napari_promptseg.propagation.base import Stack

Float32 = NDArray[np.float32]
_SIDE: Final = 64
"""Pixels of a view."""
_KEPT_PLANES: Final = 12
_FACTOR: Final = 2.0
"""Side of a view relative to the object."""
_LEAST_FACTOR: Final = 1.4
"""The same of the largest anchor, for what may grow again."""
_LEAST_VIEW: Final = 40
"""Least side of a view in pixels of the plane."""


@dataclass(frozen=True, slots=True)
class KnownPlane:
    """A plane whose mask is known: the object in its box, and how well it is known."""

    part: Mask | None
    box: Bounds | None
    how_well: float

    @classmethod
    def of(cls, mask: Mask, how_well: float) -> KnownPlane:
        """Keep the part of a mask that the object covers."""
        box = mask_box(mask)
        return cls(None if box is None else mask[box_slices(box)].copy(), box, how_well)

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Return the mask of the whole plane."""
        whole = np.zeros(shape, np.bool_)
        if self.box is not None:
            whole[box_slices(self.box)] = self.part
        return whole


class InferenceState:
    """One propagation through one stack.

    Parameters
    ----------
    stack : Stack
        What is known at first.
    model : VolumeModel
        Answers several planes at once.
    spacing : (float, float)
        Of the planes.
    """

    def __init__(self, stack: Stack, model: VolumeModel, spacing: tuple[float, float]) -> None:
        self.stack, self._model, self.spacing = stack, model, spacing
        self.shape = plane_shape(stack)
        # The next piece looks again at some planes of the last one.
        self.read = lru_cache(_KEPT_PLANES)(stack.read)
        self.known: dict[int, KnownPlane] = {}
        for index, mask in stack.anchors.items():
            self.know(index, mask, GIVEN if index in stack.given else CLICKED)
        for index in stack.kept:
            prior = stack.prior(index)
            self.know(index, self._nothing if prior is None else prior, EARLIER)

    @property
    def _nothing(self) -> Mask:
        return np.zeros(self.shape, np.bool_)

    def know(self, index: int, mask: Mask, how_well: float) -> None:
        """Learn the mask of a plane."""
        self.known[index] = KnownPlane.of(mask, how_well)

    def holds(self, index: int) -> bool:
        """Whether a plane is known to have some of the object."""
        return index in self.known and self.known[index].box is not None

    def view(self, planes: Sequence[int]) -> SquareCrop:
        """Return the view of planes, one of which holds the object, around all known of it."""
        boxes = [self.known[i].box for i in planes if i in self.known]
        for i in planes:
            if i not in self.known and (prior := self.stack.prior(i)) is not None:
                boxes.append(mask_box(prior))
        near = [box for box in boxes if box is not None]
        least = max(longer_side(self.known[i].box, self.spacing) for i in self.stack.anchors)
        size = max(_FACTOR * longer_side(box_union(near), self.spacing), _LEAST_FACTOR * least)
        return crop_around(near, self.spacing, _SIDE, size, _LEAST_VIEW)

    def knowledge(self, index: int, view: SquareCrop) -> PlaneKnowledge:
        """Return what is known of a plane, in the pixels of a view."""
        seen = view.prompts(self.stack.prompts(index))
        told = PlaneKnowledge(list(seen.strokes), list(seen.regions))
        if index in self.known:
            told.mask = view.mask(self.known[index].mask(self.shape))
            told.known = self.known[index].how_well
        elif (prior := self.stack.prior(index)) is not None:
            told.prior = view.mask(prior)
        return told

    def answer(
        self,
        planes: Sequence[int],
        images: Float32,
        told: Sequence[PlaneKnowledge],
        view: SquareCrop,
    ) -> Float32:
        """Return the (T, S, S) probability of the object on planes, in the pixels of a view."""
        side = view.span[0] * self.spacing[0]
        steps = [b - a for a, b in pairwise(planes)]
        steps = [steps[0] if steps else 1, *steps]
        gaps = np.array([n * self.stack.step / side for n in steps], np.float32)
        return self._model.answer(images, told, gaps)

    def settle(self, index: int, answer: Float32, view: SquareCrop) -> PlanePrediction:
        """Take the answer of a view as known, and return it as a step."""
        part, where = view.back(answer, self.shape)
        probability = np.zeros(self.shape, np.float32)
        probability[where] = part
        mask = allowed(probability > 0.5, self.stack.prompts(index))
        if np.count_nonzero(mask) < LEAST_PIXELS:
            mask = self._nothing
        self.know(index, mask, EARLIER)
        sure = certainty(part) if mask.any() else 1 - float(part.max(initial=0))
        return PlanePrediction(index, mask, sure)
