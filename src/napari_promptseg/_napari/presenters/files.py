"""Presenter of files: save and load sessions, export labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg._napari.layers.continued_layer import ContinuedLayer
from napari_promptseg._napari.layers.overlay import is_overlay
from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.widgets.file_dialogs import (
    SESSION_SUFFIX,
    ask_export,
    ask_load,
    ask_save,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg._napari.widgets.sections import FileSection


class FilePresenter:
    """Asks for paths and reads or writes there.

    Parameters
    ----------
    section : FileSection
        The buttons.
    sessions : SessionManager
        Loads sessions.
    show_status : callable
        Shows a message to the user.
    confirm : callable
        Asks a yes-or-no question.
    object_name : callable
        Returns the name that the user typed for the active object.
    """

    def __init__(
        self,
        section: FileSection,
        sessions: SessionManager,
        show_status: Callable[[str], None],
        confirm: Callable[[str], bool],
        object_name: Callable[[], str],
    ) -> None:
        self._section, self._sessions, self._show_status = section, sessions, show_status
        self._confirm, self._object_name = confirm, object_name
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        self._labels_layers: list[Labels] = []
        self._continued: dict[Labels, ContinuedLayer] = {}
        section.save.connect(self._save)
        section.load.connect(self._load)
        section.export.connect(self._export)
        section.add_layer.connect(self._add_layer)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._layer_sync = layer_sync
        if layer_sync is None:
            for continued in self._continued.values():
                continued.release()
            self._continued.clear()
        for button in (self._section.save_button, self._section.export_button):
            button.setEnabled(layer_sync is not None)
        self._connections.release()
        if layer_sync is not None:
            for name in ("inserted", "removed", "renamed"):
                events = layer_sync.viewer.layers.events
                self._connections.connect(getattr(events, name), self._update_layers)
        self._update_layers()

    def _save(self) -> None:
        path = ask_save(self._section)
        if path is not None and self._layer_sync is not None:
            self._layer_sync.controller.files.save(path)

    def _load(self) -> None:
        path = ask_load(self._section)
        if path is None:
            return
        if path.name.endswith(SESSION_SUFFIX):
            self._show_status(f"Loading {path.name} …")
            self._sessions.load(path)
        elif self._layer_sync is None:
            self._show_status(NO_IMAGE)
        else:
            self._show_status(f"Loading {path.name} …")
            self._layer_sync.ensure_layers()
            self._layer_sync.controller.files.add_labels(path)

    def _export(self) -> None:
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        state = layer_sync.controller.snapshot
        commits = state.has_object and self._confirm(
            "The active object is not committed: it would not be in the file. Commit it first?"
        )
        path = ask_export(self._section)
        if path is None:
            return
        if commits:
            layer_sync.controller.objects.commit(self._object_name())
        layer_sync.controller.files.export(path, layer_sync.colors())

    # Labels layers of the viewer

    def _update_layers(self, _: Any = None) -> None:
        """Offer the labels layers that others made, if they fit the image in use."""
        from napari.layers import Labels

        layer_sync = self._layer_sync
        self._labels_layers = []
        if layer_sync is not None:
            shape = layer_sync.controller.volume.shape
            self._labels_layers = [
                layer
                for layer in layer_sync.viewer.layers
                if isinstance(layer, Labels)
                and layer not in self._continued
                and not (layer_sync.owns(layer) or is_overlay(layer) or layer.multiscale)
                and tuple(n for n in layer.data.shape if n > 1) == tuple(n for n in shape if n > 1)
            ]
        self._section.show_labels_layers([layer.name for layer in self._labels_layers])

    def _add_layer(self, row: int) -> None:
        layer_sync = self._layer_sync
        if layer_sync is None or not 0 <= row < len(self._labels_layers):
            return
        layer = self._labels_layers[row]
        labels = np.array(layer.data).reshape(layer_sync.controller.volume.shape)
        layer_sync.ensure_layers()
        try:
            self._continued[layer] = ContinuedLayer(layer_sync, layer)
        except ValueError as error:
            self._show_status(str(error))
        layer_sync.controller.files.add_label_array(labels, layer.name)
        layer.visible = False
        self._update_layers()
