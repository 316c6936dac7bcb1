"""Uncertainty overlay: entropy of the model on the visible plane, over the object."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg._napari.layers.overlay import Overlay
from napari_promptseg._napari.layers.transforms import TRANSFORM, plane_placement
from napari_promptseg._napari.layers.viewport import VIEW_EVENTS
from napari_promptseg._napari.worker import queries
from napari_promptseg._napari.worker.main_thread import call_later

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.utils.colormaps import Colormap
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg.data.geometry import Plane

_SURE: Final = 0.3
"""Entropy in bits of a pixel that is object or not with a probability of 95 %."""


def _colormap() -> Colormap:
    """Return inferno, transparent where the model is sure enough, so that the image is seen."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    values = np.linspace(0, 1, 256)
    colors = ensure_colormap("inferno").map(values)
    colors[:, 3] = np.clip((values - _SURE) / (1 - _SURE), 0, 1)
    return Colormap(colors, name="uncertainty")


class UncertaintyOverlay:
    """Keeps a layer of one plane where the view is; other planes do not show it.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    deleted : callable
        Called when the user deletes the layer.
    """

    def __init__(
        self,
        layer_sync: LayerSync,
        deleted: Callable[[], None],
    ) -> None:
        self._layer_sync = layer_sync
        self._overlay = Overlay(layer_sync, "object", deleted)
        self._plane: Plane | None = None
        self._waits = self._closed = False
        for name in VIEW_EVENTS:
            getattr(layer_sync.viewer.dims.events, name).connect(self.refresh)
        for name in TRANSFORM:
            getattr(layer_sync.image.events, name).connect(self._move)
        layer_sync.controller.events.settled.connect(self.refresh)
        self.refresh()

    def close(self) -> None:
        """Remove the layer."""
        self._closed = True
        for name in VIEW_EVENTS:
            getattr(self._layer_sync.viewer.dims.events, name).disconnect(self.refresh)
        for name in TRANSFORM:
            getattr(self._layer_sync.image.events, name).disconnect(self._move)
        self._layer_sync.controller.events.settled.disconnect(self.refresh)
        self._overlay.remove()

    def refresh(self, _: Any = None) -> None:
        """Query the visible plane again; calls of one turn of the event loop are merged."""
        if not self._waits:
            self._waits = True
            call_later(self._ask)

    def _ask(self) -> None:
        self._waits = False
        plane, layer = self._layer_sync.view.plane(), self._overlay.layer
        is_hidden = layer is not None and not layer.visible
        if not (self._closed or is_hidden or plane is None):
            work = partial(queries.uncertainty, plane=plane)
            self._layer_sync.controller.ask("uncertainty", work, partial(self._draw, plane))

    def _draw(self, plane: Plane, values: NDArray[np.float32]) -> None:
        if self._closed:
            return
        layout, image = self._layer_sync.layout, self._layer_sync.image
        data = layout.expand_plane(values, plane.index)
        layer: Any = self._overlay.layer
        if layer is None or layer.data.shape != data.shape:
            self._show(plane, data)
        else:
            layer.translate = plane_placement(image, layout, plane.index)["translate"]
            layer.data = data
        self._plane = plane

    def _show(self, plane: Plane, data: NDArray[np.float32]) -> None:
        from napari.layers import Image

        layer = Image(
            data,
            name=f"{self._layer_sync.image.name} uncertainty",
            colormap=_colormap(),
            contrast_limits=(0, 1),
            opacity=0.8,
            **plane_placement(self._layer_sync.image, self._layer_sync.layout, plane.index),
        )
        layer.events.visible.connect(self.refresh)
        self._overlay.show(layer)

    def _move(self, _: Any) -> None:
        """Follow the image when it is moved, turned or scaled."""
        if self._overlay.layer is not None and self._plane is not None:
            attributes = plane_placement(
                self._layer_sync.image, self._layer_sync.layout, self._plane.index
            )
            for name, value in attributes.items():
                setattr(self._overlay.layer, name, value)
