"""Class picker: the class of the next object, and a dialog for names and colors of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_promptseg._napari.widgets.icons import dot_icon
from napari_promptseg._napari.widgets.sections import push_button, side_by_side

if TYPE_CHECKING:
    from napari_promptseg.session.state import Classes, Color

NO_CLASS: Final = "No class"
_EDIT: Final = "Classes…"
_PALETTE: Final = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (160, 160, 160),
)
"""Colors that people with any color vision tell apart (Okabe and Ito 2008)."""


class ClassPicker(QComboBox):
    """Choice of the class of the next object; the last entry edits the classes."""

    edited = Signal(dict, dict)
    """All classes as the user wants them, and new names by former ones."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.classes: Classes = {}
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("Class of the object, chosen before or while it is drawn")
        self.activated.connect(self._activated)
        self._chosen = ""
        self.show_classes({})

    @property
    def class_name(self) -> str:
        """Name of the chosen class, empty for none."""
        return self._chosen

    def show_classes(self, classes: Classes) -> None:
        """Offer these classes; the chosen one stays if it is still there."""
        if [*self.classes.items()] == [*classes.items()] and self.count():
            return
        self.classes = classes
        self.clear()
        self.addItem(NO_CLASS)
        for name, color in classes.items():
            self.addItem(dot_icon(QColor(*color)), name)
        self.insertSeparator(self.count())
        self.addItem(_EDIT)
        self.choose(self._chosen)

    def choose(self, name: str) -> None:
        """Show a class as chosen; none if there is none of that name."""
        self._chosen = name if name in self.classes else ""
        self.setCurrentIndex([*self.classes].index(name) + 1 if self._chosen else 0)

    def choose_number(self, number: int) -> None:
        """Choose a class by its place in the list, from 1; 0 is none."""
        self.choose(["", *self.classes][number] if number <= len(self.classes) else self._chosen)

    def _activated(self, row: int) -> None:
        if row <= len(self.classes):
            self._chosen = ["", *self.classes][row]
            return
        self.choose(self._chosen)
        dialog = ClassesDialog(self.classes, self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            classes, new_names = dialog.classes(), dialog.new_names()
            self._chosen = new_names.get(self._chosen, self._chosen)
            if not self.classes:
                self._chosen = next(iter(classes), "")
            self.edited.emit(classes, new_names)


class ClassesDialog(QDialog):
    """Table of classes: a double-click on the name renames, one on the color changes it.

    Parameters
    ----------
    classes : mapping of str to (int, int, int)
        Colors by name.
    """

    def __init__(self, classes: Classes, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Classes")
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["Color", "Name"])
        numbers, header = self.table.verticalHeader(), self.table.horizontalHeader()
        if numbers is not None:
            numbers.setVisible(False)
        if header is not None:
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.table.cellDoubleClicked.connect(self._ask_color)
        hint = QLabel("Double-click a name or a color to change it.")
        hint.setWordWrap(True)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.table)
        column.addWidget(hint)
        column.addLayout(
            side_by_side(
                push_button("Add", "Add a class", self.add),
                push_button("Remove", "Its objects stay, without a class", self.remove),
            )
        )
        column.addWidget(buttons)
        self.resize(320, 300)
        for name, color in classes.items():
            self._append(name, color, former=name)
        if not classes:
            self.add()

    def _append(self, name: str, color: Color, former: str = "") -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        swatch, title = QTableWidgetItem(), QTableWidgetItem(name)
        swatch.setFlags(swatch.flags() & ~Qt.ItemFlag.ItemIsEditable)
        swatch.setBackground(QColor(*color))
        title.setData(Qt.ItemDataRole.UserRole, former)
        self.table.setItem(row, 0, swatch)
        self.table.setItem(row, 1, title)

    def add(self) -> None:
        """Add a class, ready to be named."""
        row = self.table.rowCount()
        names = {name for _, name, _ in self._rows()}
        number = next(n for n in range(row + 1, 2 * row + 3) if f"class {n}" not in names)
        self._append(f"class {number}", _PALETTE[row % len(_PALETTE)])
        self.table.setCurrentCell(row, 1)
        self.table.editItem(self.table.item(row, 1))

    def remove(self) -> None:
        """Remove the selected class."""
        if self.table.currentRow() >= 0:
            self.table.removeRow(self.table.currentRow())

    def _ask_color(self, row: int, column: int) -> None:
        swatch = self.table.item(row, 0)
        if column == 0 and swatch is not None:
            color = QColorDialog.getColor(swatch.background().color(), self)
            if color.isValid():
                swatch.setBackground(color)

    def _rows(self) -> list[tuple[str, str, Color]]:
        """Return the former name, the name and the color of each class."""
        rows = []
        for row in range(self.table.rowCount()):
            swatch, title = self.table.item(row, 0), self.table.item(row, 1)
            assert swatch is not None
            assert title is not None
            color = swatch.background().color()
            former = str(title.data(Qt.ItemDataRole.UserRole) or "")
            rows.append((former, title.text().strip(), (color.red(), color.green(), color.blue())))
        return rows

    def classes(self) -> dict[str, Color]:
        """Return the classes; of two with one name, the first is there, and none without."""
        classes: dict[str, Color] = {}
        for _, name, color in self._rows():
            if name:
                classes.setdefault(name, color)
        return classes

    def new_names(self) -> dict[str, str]:
        """Return new names by former ones."""
        return {former: name for former, name, _ in self._rows() if former and former != name}
