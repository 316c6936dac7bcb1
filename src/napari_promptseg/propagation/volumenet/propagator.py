"""Propagation by networks, each where it serves best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_promptseg.propagation.anchors import sorted_anchors
from napari_promptseg.propagation.sequential import SequentialPropagator
from napari_promptseg.propagation.volumenet.sliding_window import fill_space
from napari_promptseg.propagation.volumenet.state import InferenceState
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import PlanePrediction, Stack

_THICK: Final = 3.0
"""Distance of planes in pixels from which they are like frames: what lies between them
cannot be followed, but what moved can."""


class NetworkPropagator:
    """Carries an object through space by `VolumeNet` and through time by `SequentialPropagator`.

    In space, a piece of the volume around each anchor is answered at once, with all that
    is known in it, then the pieces beside it, until the object has ended. Thick slices are
    gone through as frames are.

    Parameters
    ----------
    backend : Backend
        Tells the device, and answers frames; the network for volumes is the one that ships
        with the package.

    Raises
    ------
    ValueError
        If the backend cannot start from a mask.
    """

    name = "network"

    def __init__(self, backend: Backend) -> None:
        self._chains = SequentialPropagator(backend)
        while isinstance(backend, Wrapper):
            backend = backend.backend
        self._device = str(getattr(backend, "device", "auto"))

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        from napari_promptseg.models.backends.volumenet import shipped_model

        first = sorted_anchors(stack)[0]
        spacing = stack.read(first).spacing
        if 0 < stack.step < _THICK * min(spacing):
            yield from fill_space(InferenceState(stack, shipped_model(self._device), spacing))
        else:
            yield from self._chains.fill(stack)
