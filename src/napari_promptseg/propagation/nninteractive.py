"""Propagation by nnInteractive, which segments a whole volume at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.backends.nninteractive import NnInteractiveBackend
from napari_promptseg.propagation.anchors import (
    MIN_AREA,
    all_planes,
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

_CONFIDENCE: Final = 0.8
"""Confidence of every plane with the object: the model returns no probabilities."""


class NnInteractivePropagator:
    """Reads the planes of the range into memory and segments them at once.

    Masks of anchors are passed on as lassos, except empty ones, with the prompts of their
    planes.

    Parameters
    ----------
    backend : Backend
        nnInteractive, with or without wrappers.

    Raises
    ------
    ValueError
        If it is another backend.
    """

    name = "nninteractive"

    def __init__(self, backend: Backend) -> None:
        backend = unwrapped(backend)
        if not isinstance(backend, NnInteractiveBackend):
            raise ValueError(
                f"propagator 'nninteractive' is for volumes that nnInteractive sees, backend "
                f"{backend.name!r} sees planes; valid backends: ['nninteractive']"
            )
        self._backend = backend

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        anchors = sorted_anchors(stack)
        planes = all_planes(stack)
        first = planes.start
        pixels = np.stack([stack.read(index).rgb().mean(2) for index in planes])
        outlines = {i - first: mask for i, mask in stack.anchors.items() if mask.any()}
        prompts = {i - first: stack.prompts(i) for i in anchors if stack.prompts(i)}
        masks = self._backend.segment(pixels, prompts, outlines=outlines)
        for index in outward(stack):
            mask = clip_to_prompts(masks[index - first], stack.prompts(index))
            if np.count_nonzero(mask) >= MIN_AREA:
                yield PlanePrediction(index, mask, _CONFIDENCE)
