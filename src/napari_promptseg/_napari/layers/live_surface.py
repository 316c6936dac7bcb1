"""Live surface: the active object in the 3D display, made anew after each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg._napari.layers.factory import OBJECT_COLOR
from napari_promptseg._napari.layers.overlay import Overlay
from napari_promptseg._napari.layers.result_layers import ACTIVE, has_surface
from napari_promptseg._napari.layers.transforms import surface_placement

if TYPE_CHECKING:
    from napari.layers import Layer, Surface

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg.measure.surface import Surface as Triangles


class LiveSurface:
    """Shows the active object as a smooth surface while the viewer displays volumes.

    The surface is made on the worker while nothing else waits, with a bounded number of voxels.
    Until it is there, and if the user deletes it, the voxels of the object are shown.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    """

    def __init__(self, layer_sync: LayerSync) -> None:
        self._layer_sync = layer_sync
        self._overlay = Overlay(layer_sync, "object", self._deleted)
        self._is_wanted = "z" in layer_sync.layout.names
        self._covered: Layer | None = None
        layer_sync.viewer.dims.events.ndisplay.connect(self.update)
        layer_sync.viewer.dims.events.current_step.connect(self._step)
        layer_sync.controller.events.settled.connect(self.update)
        layer_sync.controller.events.replaced.connect(self.update)

    @property
    def layer(self) -> Layer | None:
        """The surface, None while there is none."""
        return self._overlay.layer

    def release(self) -> None:
        """Remove the surface, and follow the image no more."""
        self._is_wanted = False
        layer_sync = self._layer_sync
        layer_sync.viewer.dims.events.ndisplay.disconnect(self.update)
        layer_sync.viewer.dims.events.current_step.disconnect(self._step)
        layer_sync.controller.events.settled.disconnect(self.update)
        layer_sync.controller.events.replaced.disconnect(self.update)
        self._remove()

    def _deleted(self) -> None:
        self._is_wanted = False
        self._uncover()

    def _step(self, _: Any) -> None:
        if "t" in self._layer_sync.layout.names:
            self.update()

    def update(self, _: Any = None) -> None:
        """Make the surface anew, or remove it where there is nothing to show."""
        layer_sync = self._layer_sync
        is_shown = self._is_wanted and layer_sync.viewer.dims.ndisplay == 3
        if not is_shown or layer_sync.controller.snapshot.extent is None:
            self._remove()
            return
        t = layer_sync.view.time_point()

        def work(session: AnySession) -> Triangles | None:
            return session.preview_surface(t)

        layer_sync.controller.ask("live surface", work, lambda surface: self._draw(surface, t))

    def _draw(self, surface: Triangles | None, t: int | None) -> None:
        layer_sync = self._layer_sync
        is_shown = self._is_wanted and layer_sync.viewer.dims.ndisplay == 3
        if surface is None or not is_shown or has_surface(layer_sync, ACTIVE):
            self._remove()
            return
        place, scale = surface_placement(layer_sync.image, layer_sync.layout)
        vertices = surface.voxels if t is None else np.insert(surface.voxels, 0, t, axis=1)
        vertices = layer_sync.layout.points_to_layer(vertices) * scale
        data = vertices, surface.faces, np.ones(len(vertices), np.float32)
        if self._overlay.layer is None:
            self._overlay.show(self._make(data, place))
            self._cover()
        else:
            self._overlay.layer.data = data

    def _make(self, data: Any, place: dict[str, Any]) -> Surface:
        from napari.layers import Surface
        from napari.utils.colormaps import Colormap

        return Surface(
            data,
            colormap=Colormap([OBJECT_COLOR] * 2, name="active object"),
            shading="smooth",
            opacity=0.85,
            name=f"{self._layer_sync.image.name} object surface",
            **place,
        )

    def _cover(self) -> None:
        """Hide the voxels of the object, which the surface stands for."""
        layer = self._layer_sync.layers.get("object")
        if layer is not None and self._overlay.layer is not None:
            self._overlay.layer.visible = layer.visible
            layer.visible, self._covered = False, layer

    def _uncover(self, visible: bool = True) -> None:
        layer, self._covered = self._covered, None
        if layer is not None:
            layer.visible = visible

    def _remove(self) -> None:
        if self._overlay.layer is not None:
            visible = self._overlay.layer.visible
            self._overlay.remove()
            self._uncover(visible)
