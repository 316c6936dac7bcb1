"""Overlay layers: temporary layers that hold no prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.keybindings import BoundKeys, history_keys
from napari_promptseg._napari.layers.removal import remove_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.utils.events import Event

    from napari_promptseg._napari.layers.layer_sync import LayerSync


def is_overlay(layer: Layer) -> bool:
    """Return True if a layer was made here, and is no image to annotate."""
    return bool(layer.metadata.get("promptseg", {}).get("overlay"))


class Overlay:
    """Puts one layer at a time beside an image; layers, selection and history stay as they are.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    above : str
        Role of the layer that it lies on.
    deleted : callable
        Called when the user deletes the layer.
    """

    def __init__(self, layer_sync: LayerSync, above: str, deleted: Callable[[], None]) -> None:
        self.layer: Layer | None = None
        self._layer_sync, self._above, self._deleted = layer_sync, above, deleted
        self._keys: BoundKeys | None = None

    def show(self, layer: Layer) -> None:
        """Show a layer instead of the one that is there."""
        self.remove()
        layer_sync = self._layer_sync
        viewer = layer_sync.viewer
        layer.metadata["promptseg"] = {"overlay": True}
        below = layer_sync.layers.get(self._above, layer_sync.image)
        active = viewer.layers.selection.active
        viewer.layers.insert(list(viewer.layers).index(below) + 1, layer)
        viewer.layers.selection.active = active
        actions = {
            "undo": layer_sync.controller.objects.undo,
            "redo": layer_sync.controller.objects.redo,
        }
        self._keys = BoundKeys(layer, history_keys(), actions)
        self.layer = layer
        layer_sync.overlays.append(layer)
        viewer.layers.events.removed.connect(self._removed)

    def remove(self) -> None:
        """Remove the layer."""
        layer = self._forget()
        if layer is None or layer not in self._layer_sync.viewer.layers:
            return
        selection = self._layer_sync.viewer.layers.selection
        active = selection.active
        remove_layers(self._layer_sync.viewer, [layer])
        # Napari would select the layer below, and clicks would have no tool.
        selection.active = self._layer_sync.layers.get("object") if active == layer else active

    def _forget(self) -> Layer | None:
        layer, self.layer = self.layer, None
        if layer is not None:
            assert self._keys is not None
            self._keys.release()
            self._layer_sync.overlays.remove(layer)
            self._layer_sync.viewer.layers.events.removed.disconnect(self._removed)
        return layer

    def _removed(self, event: Event) -> None:
        if event.value is self.layer:
            self._forget()
            self._deleted()
