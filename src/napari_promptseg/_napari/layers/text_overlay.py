"""Text overlay: the probability map of a text prompt, until the next prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg._napari.layers.overlay import Overlay
from napari_promptseg._napari.layers.transforms import plane_placement

if TYPE_CHECKING:
    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.prompts import Prompt

_FAINT: Final = 0.1
"""Probability below which nothing is drawn."""


class TextOverlay:
    """Shows the map of the last word.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    """

    def __init__(self, layer_sync: LayerSync) -> None:
        self._layer_sync = layer_sync
        self._overlay = Overlay(layer_sync, "labels", lambda: None)
        self._prompts: tuple[Prompt, ...] = ()
        layer_sync.controller.events.word.connect(self._show)
        layer_sync.controller.events.snapshot.connect(self._shown)

    def close(self) -> None:
        """Remove the layer."""
        self._layer_sync.controller.events.word.disconnect(self._show)
        self._layer_sync.controller.events.snapshot.disconnect(self._shown)
        self._overlay.remove()

    def _show(self, plane: Plane, probability: Any) -> None:
        from napari.layers import Image
        from napari.utils.colormaps import Colormap, ensure_colormap

        layer_sync = self._layer_sync
        shape = plane.shape_in(layer_sync.controller.volume.shape)
        if probability is None or probability.shape != shape:
            return  # a part of a large plane
        colors = ensure_colormap("viridis").map(np.linspace(0, 1, 256))
        colors[: round(256 * _FAINT), 3] = 0
        self._prompts = layer_sync.controller.snapshot.prompts
        self._overlay.show(
            Image(
                layer_sync.layout.expand_plane(probability, plane.index),
                name=f"{layer_sync.image.name} word",
                colormap=Colormap(colors, name="word"),
                contrast_limits=(0, 1),
                opacity=0.5,
                **plane_placement(layer_sync.image, layer_sync.layout, plane.index),
            )
        )

    def _shown(self, state: Snapshot) -> None:
        if state.prompts != self._prompts:
            self._overlay.remove()
