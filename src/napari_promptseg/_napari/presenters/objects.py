"""Presenter of objects: the active object, the object table and the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.object_table import ObjectTable
    from napari_promptseg._napari.widgets.sections import ObjectSection
    from napari_promptseg._napari.worker.objects import ObjectCommands
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.session.state import StoredObject


class ObjectPresenter:
    """Turns buttons and rows into commands on objects.

    Parameters
    ----------
    section : ObjectSection
        The active object.
    table : ObjectTable
        Committed objects.
    show_status : callable
        Shows a message to the user.
    confirm : callable
        Asks a yes-or-no question.
    """

    def __init__(
        self,
        section: ObjectSection,
        table: ObjectTable,
        show_status: Callable[[str], None],
        confirm: Callable[[str], bool],
    ) -> None:
        self._section, self._table = section, table
        self._show_status, self._confirm = show_status, confirm
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        section.commit.connect(self._commit)
        section.discard.connect(self.discard)
        section.undo.connect(self.undo)
        section.redo.connect(self.redo)
        table.reopen.connect(self._reopen)
        table.delete.connect(self._delete)
        table.renamed.connect(self._rename)
        table.jump.connect(self._jump)
        table.lineage.connect(self._change_lineage)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        for widget in (self._section, self._table):
            widget.setEnabled(layer_sync is not None)
        if layer_sync is None:
            self._table.show_objects(())
            return
        self._connections.connect(layer_sync.controller.events.snapshot, self._show_state)
        self._connections.connect(layer_sync.events.object_clicked, self._table.select)
        self._show_state(layer_sync.controller.snapshot)

    @property
    def _commands(self) -> ObjectCommands | None:
        """Commands of the image in use; without one, a message says what to do."""
        if self._layer_sync is None:
            self._show_status(NO_IMAGE)
            return None
        self._layer_sync.ensure_layers()
        return self._layer_sync.controller.objects

    def _commit(self, name: str, overwrite: bool) -> None:
        if commands := self._commands:
            commands.commit(name, overwrite)

    def discard(self) -> None:
        """Drop the active object."""
        if commands := self._commands:
            commands.discard()

    def undo(self) -> None:
        """Undo the last step."""
        if commands := self._commands:
            commands.undo()

    def redo(self) -> None:
        """Redo the last undone step."""
        if commands := self._commands:
            commands.redo()

    def toggle_mask(self) -> None:
        """Hide or show the active object."""
        if self._layer_sync is not None:
            self._layer_sync.toggle_mask()

    def _reopen(self, label: int) -> None:
        if commands := self._commands:
            question = (
                f"The active object lies inside of other objects. Discard it and reopen {label}?"
            )
            name = self._section.name.text().strip()
            commands.reopen(label, name, lambda: self._confirm(question))

    def _delete(self, label: int) -> None:
        if commands := self._commands:
            commands.delete(label)

    def _rename(self, label: int, name: str) -> None:
        if commands := self._commands:
            commands.rename(label, name)

    def _change_lineage(self, method: str, arguments: tuple[Any, ...]) -> None:
        if self._layer_sync is not None:
            getattr(self._layer_sync.controller.results, method)(*arguments)

    def _jump(self, item: StoredObject) -> None:
        if self._layer_sync is not None:
            self._layer_sync.jump_to(item)

    def swatch(self, label: int) -> Any:
        """Return the color of an object; see `LayerSync.swatch`."""
        return None if self._layer_sync is None else self._layer_sync.swatch(label)

    def _show_state(self, state: Snapshot) -> None:
        self._section.show_state(
            state.name, state.label, state.has_object, state.can_undo, state.can_redo
        )
        self._table.show_objects(state.objects)
