"""Propagation by VoxTell: the planes of the volume in which it found a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.models.backends.voxtell import VoxTellBackend
from napari_promptseg.propagation.anchors import (
    MIN_AREA,
    clip_to_prompts,
    outward,
    sorted_anchors,
)
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.wrappers.base import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Stack


class VoxTellPropagator:
    """Takes the planes of the range from the answer to the word of the first anchor with one.

    Parameters
    ----------
    backend : Backend
        VoxTell, with or without wrappers.

    Raises
    ------
    ValueError
        If it is another backend.
    """

    name = "voxtell"

    def __init__(self, backend: Backend) -> None:
        backend = unwrapped(backend)
        if not isinstance(backend, VoxTellBackend):
            raise ValueError(
                f"propagator 'voxtell' is for words that VoxTell finds, backend "
                f"{backend.name!r} sees planes; valid backends: ['voxtell']"
            )
        self._backend = backend

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`.

        Raises
        ------
        ValueError
            If there is no anchor, or none of them has a word.
        """
        words = (stack.prompts(anchor).text for anchor in sorted_anchors(stack))
        word = next((text for text in words if text), None)
        if word is None:
            raise ValueError(
                "VoxTell follows words alone: name the object, or choose another model"
            )
        for index in outward(stack):
            answer = self._backend.map(stack.read(index), word)
            mask = clip_to_prompts(answer.probability > 0.5, stack.prompts(index))
            if answer.is_known and np.count_nonzero(mask) >= MIN_AREA:
                yield PlanePrediction(index, mask, answer.confidence)
