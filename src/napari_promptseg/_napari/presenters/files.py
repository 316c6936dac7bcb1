"""Presenter of files: save and load sessions, export labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.widgets.file_dialogs import (
    SESSION_SUFFIX,
    ask_export,
    ask_load,
    ask_save,
)

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """

    def __init__(
        self, section: FileSection, sessions: SessionManager, show_status: Callable[[str], None]
    ) -> None:
        self._section, self._sessions, self._show_status = section, sessions, show_status
        self._layer_sync: LayerSync | None = None
        section.save.connect(self._save)
        section.load.connect(self._load)
        section.export.connect(self._export)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._layer_sync = layer_sync
        for button in (self._section.save_button, self._section.export_button):
            button.setEnabled(layer_sync is not None)

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
        path = ask_export(self._section)
        if path is not None and self._layer_sync is not None:
            self._layer_sync.controller.files.export(path, self._layer_sync.colours())
