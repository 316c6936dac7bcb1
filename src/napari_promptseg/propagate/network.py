"""Propagation by networks, each where it serves best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_promptseg.propagate.anchors import sorted_anchors
from napari_promptseg.propagate.chains import Chains
from napari_promptseg.propagate.space import fill_space
from napari_promptseg.propagate.walk import Walk
from napari_promptseg.refine.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.backends.base import Backend
    from napari_promptseg.propagate.stack import Stack, Step

_THICK: Final = 3.0
"""Distance of planes in pixels from which they are like frames: what lies between them
cannot be followed, but what moved can."""


class NetworkPropagator:
    """Carries an object through a volume by `VolumeNet`, and through time by `Chains`.

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
        self._chains = Chains(backend)
        while isinstance(backend, Wrapper):
            backend = backend.backend
        self._device = str(getattr(backend, "device", "auto"))

    def fill(self, stack: Stack) -> Iterator[Step]:
        """See `Propagator.fill`."""
        from napari_promptseg.backends.volumenet import shipped_model

        first = sorted_anchors(stack)[0]
        spacing = stack.read(first).spacing
        if 0 < stack.step < _THICK * min(spacing):
            yield from fill_space(Walk(stack, shipped_model(self._device), spacing))
        else:
            yield from self._chains.fill(stack)
