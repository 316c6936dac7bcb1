"""Presenter of propagation: start, cancel, progress and method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg._napari.widgets.propagation import PropagationSection
    from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities
    from napari_promptseg._napari.worker.propagation import Direction
    from napari_promptseg._napari.worker.snapshot import Snapshot


class PropagationPresenter:
    """Starts and stops propagations of the image in use.

    Parameters
    ----------
    section : PropagationSection
        Buttons and progress.
    sessions : SessionManager
        Abandons a job that does not answer.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(
        self,
        section: PropagationSection,
        sessions: SessionManager,
        show_status: Callable[[str], None],
    ) -> None:
        self._section, self._sessions, self._show_status = section, sessions, show_status
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        section.direction_requested.connect(self.propagate)
        section.range_requested.connect(self._propagate_range)
        section.cancel_requested.connect(self.cancel)
        section.propagator_changed.connect(self._set_propagator)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        self._section.setEnabled(layer_sync is not None)
        if layer_sync is None:
            return
        events = layer_sync.controller.events
        self._connections.connect(events.progress, self._section.show_progress)
        self._connections.connect(events.running, self._section.show_running)
        self._connections.connect(events.capabilities, self._show_capabilities)
        self._connections.connect(events.snapshot, self._show_state)
        self._section.show_axes(layer_sync.layout.names, layer_sync.controller.volume.shape)
        self._section.show_running(layer_sync.controller.propagation.running)
        self._show_state(layer_sync.controller.snapshot)

    def propagate(
        self, direction: Direction = "both", first: int | None = None, last: int | None = None
    ) -> None:
        """Propagate the active object from the plane in view."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            self._show_status(NO_IMAGE)
            return
        layer_sync.ensure_layers()
        position = layer_sync.view.position(layer_sync.viewer.dims.point)
        axis = self._section.chosen_axis
        layer_sync.controller.propagation.propagate(direction, position, first, last, axis)

    def _propagate_range(self, first: int, last: int) -> None:
        self.propagate("both", first, last)

    def cancel(self) -> None:
        """Stop a propagation; abandon a model that does not answer."""
        if not self._sessions.give_up() and self._layer_sync is not None:
            self._layer_sync.controller.propagation.cancel()
            self._layer_sync.controller.each.cancel()

    def _set_propagator(self, name: str) -> None:
        if self._layer_sync is not None:
            self._layer_sync.controller.propagation.set_propagator(name)

    def _show_capabilities(self, capabilities: ModelCapabilities) -> None:
        self._section.show_usable(capabilities.propagators)

    def _show_state(self, state: Snapshot) -> None:
        self._section.show_way(state.propagator)
