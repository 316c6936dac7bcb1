"""Object table: committed objects, with buttons and a menu."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import (  # type: ignore[attr-defined]
    QItemSelection,
    QItemSelectionModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QCursor, QKeySequence, QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
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
    CLASS,
    ID,
    LOCKED,
    NAME,
    PROMPTS,
    SHOWN,
    SIZE,
    ObjectTableModel,
)
from napari_promptseg._napari.widgets.sections import push_button

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qtpy.QtCore import QModelIndex

    from napari_promptseg._napari.worker.object_sizes import ObjectSizes
    from napari_promptseg.session.state import StoredObject

_FITTED: Final = (ID, SIZE, PROMPTS, CLASS)
"""Columns that are as wide as their text."""
_ICON_WIDTH: Final = 26
"""Of the columns that hide and lock, in pixels."""


class _RowsView(QTableView):
    """Table whose columns are as wide as their longest text; not every cell is looked at."""

    def sizeHintForColumn(self, column: int) -> int:  # noqa: N802
        """See `QTableView`, which would draw a thousand rows to find the widest."""
        model = self.model()
        assert isinstance(model, ObjectTableModel)
        index = model.index(model.longest_row(column), column)
        return self.sizeHintForIndex(index).width() + 1

    def fit_columns(self) -> None:
        """Make columns as wide as their text; Qt does so by itself for a model that is reset."""
        for column in _FITTED:
            if not self.isColumnHidden(column):
                self.resizeColumnToContents(column)


class ObjectTable(QWidget):
    """Table of committed objects, with what can be done to them.

    Parameters
    ----------
    swatch : callable
        See `ObjectTableModel`.
    """

    reopen = Signal(int)
    delete = Signal(list)
    merge = Signal(list)
    attributes = Signal(list, dict)
    """Objects get another class, color, view or lock; see `Session.set_attributes`."""
    selected = Signal(list)
    """Ids of the objects that are selected now."""
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
        self.classes: tuple[str, ...] = ()
        """Names of the classes that objects can be of."""
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
            "Tracks", "All objects through time as a layer, which follows them", self.tracks.emit
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
        selection_model.selectionChanged.connect(
            lambda *_: self.selected.emit([item.label for item in self.selection()])
        )
        self.model.modelReset.connect(self._update)
        self._update()
        self.show_axes("")

    def _make_table(self) -> _RowsView:
        table = _RowsView(self)
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
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        for column in _FITTED:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(_ICON_WIDTH)
        for column in (SHOWN, LOCKED):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            table.setColumnWidth(column, _ICON_WIDTH)
        header.moveSection(header.visualIndex(CLASS), header.visualIndex(SIZE))
        table.setColumnHidden(CLASS, True)
        table.clicked.connect(self._cell_clicked)
        table.doubleClicked.connect(self._cell_double_clicked)
        delete = QShortcut(QKeySequence(Qt.Key.Key_Delete), table)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self._delete)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        table.setMinimumHeight(76)
        table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        return table

    def _actions(self) -> dict[str, Callable[[], None]]:
        return {
            "Reopen": lambda: self._emit_selected(self.reopen),
            "Rename": self._rename,
            "Jump to": lambda: self._emit_selected(self.jump, whole=True),
            "Delete": self._delete,
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
        self.table.fit_columns()
        labels = [item.label for item in self.selection()]
        if labels != before:  # a model that is reset says nothing of its selection
            self.select(*before)
            self.selected.emit([item.label for item in self.selection()])

    def show_classes(self, classes: Sequence[str]) -> None:
        """Offer these classes in the menu, and show those of objects."""
        self.classes = tuple(classes)
        self.table.setColumnHidden(CLASS, not classes)
        self.table.setColumnHidden(PROMPTS, bool(classes))  # names need the room

    def show_sizes(self, sizes: Mapping[int, ObjectSizes]) -> None:
        """Show how large objects are, by label."""
        self.model.show_sizes(sizes)
        self.table.fit_columns()

    def selection(self) -> list[StoredObject]:
        """Return the selected objects, from the top."""
        ranges: Any = self._selection_model.selection()
        rows = {row for part in ranges for row in range(part.top(), part.bottom() + 1)}
        return [self.model.rows[row] for row in sorted(rows)]

    def select(self, *labels: int) -> None:
        """Select the objects of these ids, those that are there, and no others."""
        selected = set(labels)
        rows = [row for row, item in enumerate(self.model.rows) if item.label in selected]
        selection = QItemSelection()
        for _, group in groupby(enumerate(rows), lambda pair: pair[1] - pair[0]):
            block = [row for _, row in group]  # rows without a gap
            selection.select(self.model.index(block[0], 0), self.model.index(block[-1], 0))
        flags = QItemSelectionModel.SelectionFlag
        self._selection_model.select(selection, flags.ClearAndSelect | flags.Rows)

    def _emit_selected(self, signal: Any, whole: bool = False) -> None:
        for item in self.selection()[:1]:
            signal.emit(item if whole else item.label)

    def _rename(self) -> None:
        rows = self._selection_model.selectedRows(NAME)
        if rows:
            self.table.setFocus()
            self.table.edit(rows[0])

    def toggle_selected(self, label: int) -> None:
        """Add an object to the selection, or take it out."""
        labels = {item.label for item in self.selection()} ^ {label}
        self.select(*labels)

    def _delete(self) -> None:
        labels = [item.label for item in self.selection()]
        if labels:
            self.delete.emit(labels)

    def _cell_clicked(self, index: QModelIndex) -> None:
        """Hide, show, lock or unlock an object, and the others that are selected with it."""
        if index.column() not in (SHOWN, LOCKED):
            return
        item = self.model.rows[index.row()]
        name = "hidden" if index.column() == SHOWN else "locked"
        self.attributes.emit([item.label], {name: not getattr(item, name)})

    def _cell_double_clicked(self, index: QModelIndex) -> None:
        if index.column() == ID:
            self._ask_color([self.model.rows[index.row()].label])

    def _ask_color(self, labels: list[int]) -> None:
        color = QColorDialog.getColor(parent=self, title="Color of the selected objects")
        if color.isValid():
            rgb = color.red(), color.green(), color.blue()
            self.attributes.emit(labels, {"color": rgb})

    def _menu(self, _: Any) -> None:
        menu = self.make_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if menu.actions():
            menu.popup(QCursor.pos())

    def make_menu(self) -> QMenu:
        """Return the menu of the selected objects."""
        selected = self.selection()
        labels = [item.label for item in selected]
        menu = QMenu(self)
        if len(selected) == 1:
            for text, action in self._actions().items():
                menu.addAction(text, action)
        if len(selected) > 1:
            menu.addAction("Merge", lambda: self.merge.emit(labels))
            menu.addAction("Delete", self._delete)
        if selected:
            self._add_attributes(menu, selected)
        for offer in lineage_offers(selected, self.model.sizes, self.time_point()):
            menu.addAction(offer.text, partial(self.lineage.emit, offer.method, offer.arguments))
        return menu

    def _add_attributes(self, menu: QMenu, selected: Sequence[StoredObject]) -> None:
        labels = [item.label for item in selected]
        others = [item.label for item in self.model.rows if item.label not in labels]
        menu.addSeparator()
        for name, texts in (("hidden", ("Hide", "Show")), ("locked", ("Lock", "Unlock"))):
            on = all(getattr(item, name) for item in selected)
            menu.addAction(texts[on], partial(self.attributes.emit, labels, {name: not on}))
        if others:
            menu.addAction("Hide others", partial(self.attributes.emit, others, {"hidden": True}))
        hidden_labels = [item.label for item in self.model.rows if item.hidden]
        if hidden_labels:
            menu.addAction(
                "Show all", partial(self.attributes.emit, hidden_labels, {"hidden": False})
            )
        menu.addAction("Color…", partial(self._ask_color, labels))
        if self.classes:
            classes = menu.addMenu("Class")
            assert classes is not None
            for name in ("", *self.classes):
                change = partial(self.attributes.emit, labels, {"class_name": name})
                classes.addAction(name or "No class", change)

    def _update(self) -> None:
        count = len(self.selection())
        for text, button in self.buttons.items():
            button.setEnabled(count == 1 or (count > 1 and text == "Delete"))
