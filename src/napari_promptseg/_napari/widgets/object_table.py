"""Object table: committed objects, with buttons and a menu."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QPushButton,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_promptseg._napari.widgets.lineage_menu import lineage_offers
from napari_promptseg._napari.widgets.object_table_model import (
    ID,
    NAME,
    PROMPTS,
    SIZE,
    ObjectTableModel,
)
from napari_promptseg._napari.widgets.sections import push_button

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_promptseg._napari.worker.object_sizes import ObjectSizes
    from napari_promptseg.session.state import StoredObject


class ObjectTable(QWidget):
    """Table of committed objects, with what can be done to them.

    Parameters
    ----------
    swatch : callable
        See `ObjectTableModel`.
    """

    reopen = Signal(int)
    delete = Signal(int)
    jump = Signal(object)
    renamed = Signal(int, str)
    lineage = Signal(str, tuple)
    """Something is said about objects over time; see `Offer`."""
    surfaces = Signal(list)
    """Surfaces are wanted of these labels, or of the active object if there are none."""
    tracks = Signal()

    def __init__(self, swatch: Callable[[int], Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.time_point: Callable[[], int | None] = lambda: None
        """Returns the time point in view, None without time."""
        self.model = ObjectTableModel(swatch, self)
        self.model.renamed.connect(self.renamed)
        self.table = self._make_table()
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        for text, action in self._actions().items():
            self.buttons[text] = push_button(text, "", action)
            row.addWidget(self.buttons[text])
        self.surface = push_button(
            "3D surface",
            "Surfaces of the selected objects as layers, of the active object if none is\n"
            "selected; again, after changes",
            lambda: self.surfaces.emit([item.label for item in self.selection()]),
        )
        self.track = push_button(
            "Tracks", "All objects through time as a layer; again, after changes", self.tracks.emit
        )
        results = QHBoxLayout()
        results.addWidget(self.surface)
        results.addWidget(self.track)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table, 1)
        layout.addLayout(row)
        layout.addLayout(results)
        selection_model = self.table.selectionModel()
        assert selection_model is not None
        self._selection_model = selection_model
        selection_model.selectionChanged.connect(self._update)
        self.model.modelReset.connect(self._update)
        self._update()
        self.show_axes("")

    def _make_table(self) -> QTableView:
        table = QTableView(self)
        table.setModel(self.model)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._menu)
        rows, header = table.verticalHeader(), table.horizontalHeader()
        assert rows is not None
        assert header is not None
        rows.hide()
        rows.setDefaultSectionSize(22)
        for column in (ID, SIZE, PROMPTS):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        table.setMinimumHeight(76)
        table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        return table

    def _actions(self) -> dict[str, Callable[[], None]]:
        return {
            "Reopen": lambda: self._emit_selected(self.reopen),
            "Rename": self._rename,
            "Jump to": lambda: self._emit_selected(self.jump, whole=True),
            "Delete": lambda: self._emit_selected(self.delete),
        }

    def show_axes(self, axes: str) -> None:
        """Offer what can be had of a volume of these axes, without channel."""
        self.model.show_axes(axes)
        self.surface.setVisible("z" in axes)
        self.track.setVisible("t" in axes)

    def show_objects(self, rows: Sequence[StoredObject]) -> None:
        """Show these objects; the selected ones stay selected."""
        before = [item.label for item in self.selection()]
        self.model.show(rows)
        self.select(*before)

    def show_sizes(self, sizes: Mapping[int, ObjectSizes]) -> None:
        """Show how large objects are, by label."""
        self.model.show_sizes(sizes)

    def selection(self) -> list[StoredObject]:
        """Return the selected objects, from the top."""
        rows = sorted(index.row() for index in self._selection_model.selectedRows())
        return [self.model.rows[row] for row in rows]

    def select(self, *labels: int) -> None:
        """Select the objects of these ids, those that are there, and no others."""
        flags = QItemSelectionModel.SelectionFlag
        self._selection_model.clearSelection()
        for row, item in enumerate(self.model.rows):
            if item.label in labels:
                self._selection_model.select(self.model.index(row, 0), flags.Select | flags.Rows)

    def _emit_selected(self, signal: Any, whole: bool = False) -> None:
        for item in self.selection()[:1]:
            signal.emit(item if whole else item.label)

    def _rename(self) -> None:
        rows = self._selection_model.selectedRows(NAME)
        if rows:
            self.table.setFocus()
            self.table.edit(rows[0])

    def _menu(self, _: Any) -> None:
        selected = self.selection()
        menu = QMenu(self)
        if len(selected) == 1:
            for text, action in self._actions().items():
                menu.addAction(text, action)
        for offer in lineage_offers(selected, self.model.sizes, self.time_point()):
            menu.addAction(offer.text, partial(self.lineage.emit, offer.method, offer.arguments))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if menu.actions():
            menu.popup(QCursor.pos())

    def _update(self) -> None:
        single = len(self.selection()) == 1
        for button in self.buttons.values():
            button.setEnabled(single)
