"""Presenter of objects: the active object, the object table and the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.worker.objects import objects_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.active_object import ObjectSection
    from napari_promptseg._napari.widgets.object_table import ObjectTable
    from napari_promptseg._napari.worker.objects import ObjectCommands
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.session.state import Classes, StoredObject


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
        section.classes_edited.connect(self._set_classes)
        table.merge.connect(self._merge)
        table.attributes.connect(self._set_attributes)
        table.selected.connect(self._show_selected)
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
        self._connections.connect(layer_sync.events.object_clicked, self._select)
        self._show_state(layer_sync.controller.snapshot)

    @property
    def _commands(self) -> ObjectCommands | None:
        """Commands of the image in use; without one, a message says what to do."""
        if self._layer_sync is None:
            self._show_status(NO_IMAGE)
            return None
        self._layer_sync.ensure_layers()
        return self._layer_sync.controller.objects

    def _commit(self, name: str, overwrite: bool, class_name: str) -> None:
        if commands := self._commands:
            commands.commit(name, overwrite, class_name)

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

    def reopen_selected(self) -> None:
        """Reopen the selected object."""
        if labels := self._selected_labels():
            self._reopen(labels[0])

    def delete_selected(self) -> None:
        """Delete the selected objects."""
        if labels := self._selected_labels():
            self._delete(labels)

    def merge_selected(self) -> None:
        """Merge the selected objects."""
        if labels := self._selected_labels():
            self._merge(labels)

    def toggle_hidden(self) -> None:
        """Hide the selected objects; show all if none is selected or they are hidden."""
        selected = self._table.selection()
        to_hide = [item.label for item in selected if not item.hidden]
        to_show = [item.label for item in self._table.model.rows if item.hidden]
        self._set_attributes(to_hide or to_show, {"hidden": bool(to_hide)})

    def _selected_labels(self) -> list[int]:
        """Return the ids of the selected objects; without one, a message says what to do."""
        labels = [item.label for item in self._table.selection()]
        if not labels:
            self._show_status("Select an object first: click on a committed one")
        return labels

    def _delete(self, labels: list[int]) -> None:
        if commands := self._commands:
            commands.delete(labels)

    def _merge(self, labels: list[int]) -> None:
        if commands := self._commands:
            commands.merge(labels)

    def _set_attributes(self, labels: list[int], attributes: dict[str, Any]) -> None:
        if commands := self._commands:
            commands.set_attributes(labels, **attributes)

    def _set_classes(self, classes: Classes, new_names: dict[str, str]) -> None:
        if commands := self._commands:
            commands.set_classes(classes, new_names)

    def _select(self, label: int, add: bool) -> None:
        """Select an object that was clicked on, and say what can be done with it."""
        if add:
            self._table.toggle_selected(label)
        else:
            self._table.select(label)
        if labels := [item.label for item in self._table.selection()]:
            self._show_status(f"Selected {objects_text(labels)}")

    def _show_selected(self, labels: list[int]) -> None:
        if self._layer_sync is not None:
            self._layer_sync.show_selected(labels)

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
        self._section.show_class(state.label, state.class_name, state.classes)
        self._table.show_classes([*state.classes])
        self._table.show_objects(state.objects)
