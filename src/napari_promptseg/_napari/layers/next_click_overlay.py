"""Next-click overlay: a ring where the next click would help most."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg._napari.layers.overlay import Overlay
from napari_promptseg._napari.layers.prompt_layers import color
from napari_promptseg._napari.layers.transforms import placement
from napari_promptseg._napari.worker import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.session.advice import Suggestion

_PIXELS: Final = 24.0
"""Diameter of the ring on the screen."""


class NextClickOverlay:
    """Marks the suggested click with a ring until the prompts change.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(self, layer_sync: LayerSync, show_status: Callable[[str], None]) -> None:
        self._layer_sync, self._show_status = layer_sync, show_status
        self._overlay = Overlay(layer_sync, "clicks", lambda: None)
        self._prompts: tuple[Prompt, ...] = ()
        self._closed = False
        layer_sync.controller.events.snapshot.connect(self._shown)

    def close(self) -> None:
        """Remove the mark."""
        self._closed = True
        self._layer_sync.controller.events.snapshot.disconnect(self._shown)
        self._overlay.remove()

    def ask(self) -> None:
        """Ask where to click, and go there."""
        work = partial(queries.next_click, plane=self._layer_sync.view.plane())
        self._layer_sync.controller.ask("next click", work, self._show)

    def _show(self, suggestion: Suggestion | None) -> None:
        if self._closed:
            return
        if suggestion is None:
            self._overlay.remove()
            prompts = self._layer_sync.controller.snapshot.prompts
            self._show_status("No click to suggest here" if prompts else "Click on an object first")
            return
        self._prompts = self._layer_sync.controller.snapshot.prompts
        self._mark(suggestion)
        self._layer_sync.view.look_at(suggestion.position)
        side = "object" if suggestion.positive else "background"
        self._show_status(f"Next click at the ring; the model says: {side}")

    def _mark(self, suggestion: Suggestion) -> None:
        from napari.layers import Points

        layer_sync = self._layer_sync
        self._overlay.show(
            Points(
                np.array([layer_sync.layout.to_layer(suggestion.position)]),
                name=f"{layer_sync.image.name} next click",
                face_color="transparent",
                border_color=color(suggestion.positive),
                border_width=0.22,
                # Larger than it is ever drawn: a lower limit would make the border thick.
                size=min(layer_sync.controller.volume.shape[-2:]),
                canvas_size_limits=(4, _PIXELS),
                **placement(layer_sync.image, layer_sync.layout),
            )
        )

    def _shown(self, state: Snapshot) -> None:
        if state.prompts != self._prompts:
            self._overlay.remove()
