"""Propagation by the memory of EdgeTAM, through `transformers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg.models.backends.edgetam import EdgeTamBackend
from napari_promptseg.propagation.sam2 import Sam2Propagator

if TYPE_CHECKING:
    from napari_promptseg.propagation.sam2 import Frames


class EdgeTamPropagator(Sam2Propagator):
    """As `Sam2Propagator`, with the memory of EdgeTAM."""

    name = "edgetam"
    backend_type = EdgeTamBackend
    needs = "the memory of EdgeTAM"
    valid = ("edgetam",)

    def _begin(self, frames: Frames, shape: tuple[int, int]) -> tuple[Any, Any]:
        model = self._backend.video()
        return model, model.begin(frames, shape)
