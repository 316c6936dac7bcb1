"""Changes that others make to an image layer: pixels, scale, place and units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.layers.transforms import TRANSFORM, level_zero, volume_geometry

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image
    from napari.utils.events import Event

    from napari_promptseg._napari.layers.axes import LayerAxes
    from napari_promptseg._napari.worker.session_controller import SessionController


class ImageChanges:
    """Passes changes of an image layer on to its session.

    Parameters
    ----------
    image : Image
        The image layer.
    layout : LayerAxes
        Its axes.
    controller : SessionController
        Its session.
    later : callable
        Runs a call in the next turn of the event loop.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(
        self,
        image: Image,
        layout: LayerAxes,
        controller: SessionController,
        later: Callable[[Callable[[], None]], None],
        show_status: Callable[[str], None],
    ) -> None:
        self._image, self._layout, self._controller = image, layout, controller
        self._later, self._show_status = later, show_status
        self._released = False
        for name in TRANSFORM:
            getattr(image.events, name).connect(self._move)
        image.events.data.connect(self._replace)

    def release(self) -> None:
        """Follow the image no more."""
        self._released = True
        for name in TRANSFORM:
            getattr(self._image.events, name).disconnect(self._move)
        self._image.events.data.disconnect(self._replace)

    def _move(self, _: Event) -> None:
        self._later(self._update_geometry)  # several attributes may be set one after the other

    def _update_geometry(self) -> None:
        if self._released:
            return
        geometry = volume_geometry(self._image, self._layout)
        if geometry.differs_from(self._controller.volume):
            self._controller.model.set_geometry(geometry)

    def _replace(self, _: Event) -> None:
        """Let the model see the new pixels, if they have the shape of the former ones."""
        volume = self._controller.volume
        data = self._layout.volume_data(level_zero(self._image))
        if data is volume.data:
            return
        if tuple(data.shape) == tuple(volume.data.shape):
            self._controller.model.set_data(data)
        else:
            self._show_status(
                f"{self._image.name} has another shape now: the model still sees the former "
                "pixels. Add the new image as a layer of its own"
            )
