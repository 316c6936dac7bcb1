"""The table of committed objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QAbstractTableModel,
    QModelIndex,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QCursor
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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_promptseg.session.state import StoredObject

_ID, _NAME, _PROMPTS = range(3)
_TITLES: Final = ("Id", "Name", "Prompts")


class ObjectModel(QAbstractTableModel):
    """Committed objects as rows.

    Parameters
    ----------
    swatch : callable
        From an id to its (R, G, B, A) colour in [0, 1], or None.
    """

    renamed = Signal(int, str)

    def __init__(self, swatch: Callable[[int], Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._swatch = swatch
        self.rows: tuple[StoredObject, ...] = ()

    def show(self, rows: Sequence[StoredObject]) -> None:
        """Show these objects."""
        if tuple(rows) == self.rows:
            return
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """See `QAbstractTableModel`."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """See `QAbstractTableModel`."""
        return len(_TITLES)

    def headerData(  # noqa: N802
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """See `QAbstractTableModel`."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _TITLES[section]
        return None

    def flags(self, index: QModelIndex) -> Any:
        """See `QAbstractTableModel`."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == _NAME else flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """See `QAbstractTableModel`."""
        stored = self.rows[index.row()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == _ID:
            colour = self._swatch(stored.label)
            if colour is None:
                return None
            return QColor.fromRgbF(*(float(c) for c in np.asarray(colour)[:3]))
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return (str(stored.label), stored.name, str(len(stored.prompts)))[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == _NAME:
            return "Double-click to rename"
        return None

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """See `QAbstractTableModel`."""
        stored = self.rows[index.row()]
        if role != Qt.ItemDataRole.EditRole or str(value) == stored.name:
            return False
        self.renamed.emit(stored.label, str(value))
        return True


class ObjectList(QWidget):
    """Table of committed objects, with what can be done to them.

    Parameters
    ----------
    swatch : callable
        See `ObjectModel`.
    """

    reopen = Signal(int)
    delete = Signal(int)
    jump = Signal(object)
    renamed = Signal(int, str)

    def __init__(self, swatch: Callable[[int], Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ObjectModel(swatch, self)
        self.model.renamed.connect(self.renamed)
        self.table = QTableView(self)
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._menu)
        rows, header = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None
        assert header is not None
        rows.hide()
        rows.setDefaultSectionSize(22)
        header.setSectionResizeMode(_ID, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_PROMPTS, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setMinimumHeight(76)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        buttons = QHBoxLayout()
        self.buttons: dict[str, QPushButton] = {}
        actions = self._actions()
        for text, action in actions.items():
            button = QPushButton(text, self)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.clicked.connect(action)
            buttons.addWidget(button)
            self.buttons[text] = button
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        chosen = self.table.selectionModel()
        assert chosen is not None
        self._chosen = chosen
        chosen.selectionChanged.connect(self._update)
        self.model.modelReset.connect(self._update)
        self._update()

    def _actions(self) -> dict[str, Callable[[], None]]:
        return {
            "Reopen": lambda: self._tell(self.reopen),
            "Rename": self._rename,
            "Jump to": lambda: self._tell(self.jump, whole=True),
            "Delete": lambda: self._tell(self.delete),
        }

    def show_objects(self, rows: Sequence[StoredObject]) -> None:
        """Show these objects; the selected one stays selected."""
        before = self.selected()
        self.model.show(rows)
        if before is not None:
            self.select(before.label)

    def selected(self) -> StoredObject | None:
        """Return the selected object."""
        rows = self._chosen.selectedRows()
        return self.model.rows[rows[0].row()] if rows else None

    def select(self, label: int) -> None:
        """Select the object of an id, if it is there."""
        for row, stored in enumerate(self.model.rows):
            if stored.label == label:
                self.table.selectRow(row)

    def _tell(self, signal: Any, whole: bool = False) -> None:
        stored = self.selected()
        if stored is not None:
            signal.emit(stored if whole else stored.label)

    def _rename(self) -> None:
        rows = self._chosen.selectedRows(_NAME)
        if rows:
            self.table.setFocus()
            self.table.edit(rows[0])

    def _menu(self, _: Any) -> None:
        if self.selected() is None:
            return
        menu = QMenu(self)
        for text, action in self._actions().items():
            menu.addAction(text, action)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(QCursor.pos())

    def _update(self) -> None:
        for button in self.buttons.values():
            button.setEnabled(self.selected() is not None)
