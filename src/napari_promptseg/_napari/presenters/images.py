"""Presenter of the image section: image, axes, window, channels, model, precomputation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.session_manager import layer_axes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg._napari.presenters.status import StatusPresenter
    from napari_promptseg._napari.widgets.image import ImageSection
    from napari_promptseg._napari.widgets.precompute import PrecomputeSection
    from napari_promptseg._napari.widgets.refinement import RefinementSection
    from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.data.intensity_window import Window


class ImagePresenter:
    """Opens sessions for chosen images and applies the settings of image and model.

    Parameters
    ----------
    section, refinement, precompute
        Widgets of the settings.
    sessions : SessionManager
        The sessions.
    status : StatusPresenter
        Shows errors.
    confirm : callable
        Asks a yes-or-no question.
    """

    def __init__(
        self,
        section: ImageSection,
        refinement: RefinementSection,
        precompute: PrecomputeSection,
        sessions: SessionManager,
        status: StatusPresenter,
        confirm: Callable[[str], bool],
    ) -> None:
        self._section, self._refinement, self._precompute = section, refinement, precompute
        self._sessions, self._status, self._confirm = sessions, status, confirm
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        events = section.events
        events.image.connect(self.choose)
        events.axes.connect(self._set_axes)
        events.window.connect(self._set_window)
        events.model.connect(sessions.set_model)
        events.free.connect(self._free)
        section.channels.channels_changed.connect(self._set_channels)
        refinement.part_toggled.connect(sessions.refine)
        precompute.start_requested.connect(self._start_precompute)
        precompute.pause_requested.connect(self._pause_precompute)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        if layer_sync is None:
            self._refinement.show_capabilities(None)
            return
        events = layer_sync.controller.events
        connect = self._connections.connect
        connect(events.snapshot, self._show_state)
        connect(events.embedding, self._precompute.show_running)
        connect(events.embedded, self._precompute.show_progress)
        connect(events.devices, self._section.show_devices)
        connect(events.capabilities, self._show_capabilities)
        connect(layer_sync.image.events.contrast_limits, self._limits_changed)
        self._section.show_image(layer_sync.image)
        self._section.show_axes(*layer_axes(layer_sync))
        volume, layout = layer_sync.controller.volume, layer_sync.layout
        count = volume.data.shape[-1] if "c" in layout.axes and not layout.rgb else 1
        self._section.channels.show_channels(count, volume.channels or ())
        self._show_state(layer_sync.controller.snapshot)

    def choose(self, image: Image | None) -> None:
        """Go on with an image, in a session of its own."""
        if image is not None:
            self._section.show_window(image.metadata.get("promptseg", {}).get("window"))
        try:
            window = None if image is None else self._section.chosen_window(image)
            self._sessions.choose(image, window, *self._section.model)
        except ValueError as error:
            self._sessions.choose(None, None, *self._section.model)
            self._status.show_error(error)

    def _set_axes(self, axes: str) -> None:
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        if layer_sync.controller.snapshot.can_undo and not self._confirm(
            "Other axes begin a new session: the objects of this image will be dropped. Go on?"
        ):
            self._section.show_axes(*layer_axes(layer_sync))
            return
        window = self._section.chosen_window(layer_sync.image)
        try:
            self._sessions.set_axes(axes, window, *self._section.model)
        except ValueError as error:
            self._section.show_axes(*layer_axes(layer_sync))
            self._status.show_error(error)

    def _set_channels(self, channels: tuple[int, ...]) -> None:
        if self._layer_sync is not None:
            self._layer_sync.controller.model.set_channels(channels)

    def _set_window(self, window: Window | str | None) -> None:
        if self._layer_sync is not None:
            self._layer_sync.controller.model.set_window(window)

    def _limits_changed(self, _: Any = None) -> None:
        if self._layer_sync is not None and self._section.as_shown:
            self._set_window(self._section.chosen_window(self._layer_sync.image))

    def _free(self) -> None:
        if self._layer_sync is not None:
            self._layer_sync.controller.model.free()

    def _start_precompute(self) -> None:
        layer_sync = self._layer_sync
        if layer_sync is not None:
            position = layer_sync.view.position(layer_sync.viewer.dims.point)
            layer_sync.controller.precompute.prepare(position)

    def _pause_precompute(self) -> None:
        if self._layer_sync is not None:
            self._layer_sync.controller.precompute.pause_preparing()

    def _show_state(self, state: Snapshot) -> None:
        self._section.show_model(state.backend)

    def _show_capabilities(self, capabilities: ModelCapabilities) -> None:
        self._refinement.show_capabilities(capabilities)
        self._precompute.show_capabilities(capabilities.costly)
