"""Table model of committed objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QAbstractTableModel,
    QModelIndex,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor

from napari_promptseg._napari.widgets.icons import eye_icon, lock_icon

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qtpy.QtWidgets import QWidget

    from napari_promptseg._napari.worker.object_sizes import ObjectSizes
    from napari_promptseg.session.state import StoredObject

ID, NAME, SIZE, PROMPTS, CLASS, SHOWN, LOCKED = range(7)
_SIZE_TITLES: Final = {"yx": "Area", "zyx": "Volume"}
"""Of the column of sizes, by axes; a series shows time points there."""
_TIPS: Final = {
    ID: "Double-click to choose a color",
    NAME: "Double-click to rename",
    SHOWN: "Hide or show it",
    LOCKED: "Lock it: its pixels are protected, and clicks go through it",
}
_QUIET: Final = "#7c8087"
"""Grey that can be read on light and on dark themes."""


class ObjectTableModel(QAbstractTableModel):
    """Committed objects as rows.

    Parameters
    ----------
    swatch : callable
        From an id to its (R, G, B, A) color in [0, 1], or None.
    """

    renamed = Signal(int, str)

    def __init__(self, swatch: Callable[[int], Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._swatch = swatch
        self.rows: tuple[StoredObject, ...] = ()
        self.sizes: Mapping[int, ObjectSizes] = {}
        self._titles = ["Id", "Name", "Size", "Prompts", "Class", "", ""]
        self._icons = {
            SHOWN: {False: eye_icon(crossed=False), True: eye_icon(crossed=True)},
            LOCKED: {False: lock_icon(closed=False), True: lock_icon(closed=True)},
        }

    def show(self, rows: Sequence[StoredObject]) -> None:
        """Show these objects; rows that stay keep their selection, unless many things changed."""
        new, old = tuple(rows), self.rows
        head = _count_same(old, new)
        tail = _count_same(old[head:][::-1], new[head:][::-1])
        outgoing, incoming = old[head : len(old) - tail], new[head : len(new) - tail]
        if not outgoing and not incoming:
            return
        parent = QModelIndex()
        if [item.label for item in outgoing] == [item.label for item in incoming]:
            self.rows = new
            last = self.index(head + len(incoming) - 1, self.columnCount() - 1)
            self.dataChanged.emit(self.index(head, 0), last)
        elif not incoming:
            self.beginRemoveRows(parent, head, head + len(outgoing) - 1)
            self.rows = new
            self.endRemoveRows()
        elif not outgoing:
            self.beginInsertRows(parent, head, head + len(incoming) - 1)
            self.rows = new
            self.endInsertRows()
        else:
            self.beginResetModel()
            self.rows = new
            self.endResetModel()

    def show_sizes(self, sizes: Mapping[int, ObjectSizes]) -> None:
        """Show sizes by label; objects without one have an empty field."""
        self.sizes = sizes
        if self.rows:
            self.dataChanged.emit(self.index(0, SIZE), self.index(len(self.rows) - 1, SIZE))

    def show_axes(self, axes: str) -> None:
        """Name the column of sizes for a volume of these axes, without channel."""
        self._titles[SIZE] = _SIZE_TITLES.get(axes, "Time")
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, SIZE, SIZE)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """See `QAbstractTableModel`."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """See `QAbstractTableModel`."""
        return len(self._titles)

    def headerData(  # noqa: N802
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """See `QAbstractTableModel`."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._titles[section]
        return None

    def flags(self, index: QModelIndex) -> Any:
        """See `QAbstractTableModel`."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == NAME else flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """See `QAbstractTableModel`."""
        item = self.rows[index.row()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == ID:
            color = self._swatch(item.label)
            if color is None:
                return None
            return QColor.fromRgbF(*(float(c) for c in np.asarray(color)[:3]))
        if role == Qt.ItemDataRole.DecorationRole and index.column() in self._icons:
            return self._icons[index.column()][
                item.hidden if index.column() == SHOWN else item.locked
            ]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(item, index.column())
        if role == Qt.ItemDataRole.ToolTipRole and index.column() in _TIPS:
            return _TIPS[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == SIZE:
            size = self.sizes.get(item.label)
            return None if size is None else size.tip
        if role == Qt.ItemDataRole.ForegroundRole and index.column() in (SIZE, PROMPTS):
            return QColor(_QUIET)
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() in (SIZE, PROMPTS):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _text(self, item: StoredObject, column: int) -> str:
        if column == SIZE:
            size = self.sizes.get(item.label)
            return "" if size is None else size.text
        texts = {ID: str(item.label), NAME: item.name, CLASS: item.class_name}
        return str(len(item.prompts)) if column == PROMPTS else texts.get(column, "")

    def longest_row(self, column: int) -> int:
        """Return the row with the longest text in a column, 0 if there is none."""
        lengths = [len(self._text(item, column)) for item in self.rows]
        return lengths.index(max(lengths)) if lengths else 0

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """See `QAbstractTableModel`."""
        item = self.rows[index.row()]
        if role != Qt.ItemDataRole.EditRole or str(value) == item.name:
            return False
        self.renamed.emit(item.label, str(value))
        return True


def _count_same(one: Sequence[StoredObject], other: Sequence[StoredObject]) -> int:
    """Return how many objects are the same at the beginning of two sequences."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a is not b), min(len(one), len(other)))
