"""Propagation by the shipped networks: VolumeNet in space, the backend along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_promptseg.models.base import BackendTraits
from napari_promptseg.propagation.anchors import sorted_anchors
from napari_promptseg.propagation.sequential import SequentialPropagator
from napari_promptseg.propagation.volumenet.packed_tissue import shared_reader
from napari_promptseg.propagation.volumenet.region_refinement import refine_in_tissue
from napari_promptseg.propagation.volumenet.sliding_window import fill_space
from napari_promptseg.propagation.volumenet.state import InferenceState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import PlanePrediction, Stack

_THICK: Final = 3.0
"""Distance of planes in pixels above which they are propagated like frames: the object is
undersampled between them, but its motion can be estimated."""


class NetworkPropagator:
    """Propagates in space by `VolumeNet` and along time by `SequentialPropagator`.

    In space, a window around each anchor is predicted at once, with all prompts and masks
    in it, then the windows beside it, until the object has ended. Where cells fill the volume,
    the planes are answered once more by `refine_in_tissue`. Thick slices are propagated like
    frames.

    Parameters
    ----------
    backend : Backend
        Predicts frames, and determines the device of the shipped network for volumes.

    Raises
    ------
    ValueError
        If the backend cannot start from a mask.
    """

    name = "network"

    def __init__(self, backend: Backend) -> None:
        self._sequential = SequentialPropagator(backend)
        self._device = BackendTraits.of(backend).device or "auto"

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        from napari_promptseg.models.backends.volumenet import shipped_model

        first = sorted_anchors(stack)[0]
        spacing = stack.read(first).spacing
        if 0 < stack.step < _THICK * min(spacing):
            yield from self._fill_space(InferenceState(stack, shipped_model(self._device), spacing))
        else:
            yield from self._sequential.fill(stack)

    def _fill_space(self, state: InferenceState) -> Iterator[PlanePrediction]:
        anchors = {index: state.masks[index] for index in state.stack.anchors}
        open_planes, latest = set(state.stack.open), None
        for step in fill_space(state):
            yield step
            if step.index in open_planes:
                latest = step
        yield from refine_in_tissue(state, anchors, shared_reader(self._device), latest)
