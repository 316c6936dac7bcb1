"""Propagation by nnInteractive, which sees the volume as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.backends.nninteractive import NnInteractiveBackend
from napari_promptseg.propagation.anchors import LEAST_PIXELS, allowed, outward, sorted_anchors
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Stack

_CONFIDENCE: Final = 0.8
"""It tells no probabilities: of all planes with the object alike."""


class NnInteractivePropagator:
    """Reads the planes of the range into memory, and answers them at once.

    Masks of anchors are handed on as lassos, empty ones not at all; prompts of their planes
    go with them.

    Parameters
    ----------
    backend : Backend
        nnInteractive, with wrappers or without.

    Raises
    ------
    ValueError
        If it is another one.
    """

    name = "nninteractive"

    def __init__(self, backend: Backend) -> None:
        while isinstance(backend, Wrapper):
            backend = backend.backend
        if not isinstance(backend, NnInteractiveBackend):
            raise ValueError(
                f"propagator 'nninteractive' is for volumes that nnInteractive sees, backend "
                f"{backend.name!r} sees planes; valid backends: ['nninteractive']"
            )
        self._backend = backend

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        anchors = sorted_anchors(stack)
        first = min(stack.start, anchors[0])
        planes = range(first, max(stack.stop, anchors[-1] + 1))
        pixels = np.stack([stack.read(index).rgb().mean(2) for index in planes])
        outlines = {i - first: mask for i, mask in stack.anchors.items() if mask.any()}
        prompts = {i - first: stack.prompts(i) for i in anchors if stack.prompts(i)}
        found = self._backend.segment(pixels, prompts, outlines=outlines)
        for index in outward(stack):
            mask = allowed(found[index - first], stack.prompts(index))
            if np.count_nonzero(mask) >= LEAST_PIXELS:
                yield PlanePrediction(index, mask, _CONFIDENCE)
