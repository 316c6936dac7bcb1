"""Active object section: class, name, commit and history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QLineEdit

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.widgets.class_picker import ClassPicker
from napari_promptseg._napari.widgets.sections import Section, push_button, side_by_side

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_promptseg.session.state import Classes


class ObjectSection(Section):
    """The active object, and history."""

    commit = Signal(str, bool, str)
    classes_edited = Signal(dict, dict)
    discard = Signal()
    undo = Signal()
    redo = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Object", parent)
        self._last_state = "", False
        self._last_label: int | None = None
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name (optional)")
        self.name.returnPressed.connect(self.ask_commit)
        self.name.returnPressed.connect(self.name.clearFocus)  # the keys go back to the viewer
        self.overwrite = QCheckBox("Overwrite")
        self.overwrite.setToolTip("Overwrite other objects: take their pixels too when committing")
        self.commit_button = push_button(
            "Commit", "Move the object into the labels", self.ask_commit, action="commit"
        )
        self.discard_button = push_button("Discard", "Drop the active object", action="discard")
        self.discard_button.clicked.connect(self.discard)
        self.undo_button = push_button("Undo", key_name("undo"))
        self.undo_button.clicked.connect(self.undo)
        self.redo_button = push_button("Redo", key_name("redo"))
        self.redo_button.clicked.connect(self.redo)
        self.classes = ClassPicker()
        self.classes.edited.connect(self.classes_edited)
        name_row = side_by_side(self.classes, self.name, self.overwrite)
        name_row.setStretch(0, 4)
        name_row.setStretch(1, 4)
        self.column.addLayout(name_row)
        self.column.addLayout(
            side_by_side(
                self.commit_button, self.discard_button, self.undo_button, self.redo_button
            )
        )

    def naming(self) -> tuple[str, str]:
        """Return name and class for new objects; empty where the user gave none."""
        return self.name.text().strip(), self.classes.class_name or ""

    def ask_commit(self) -> None:
        """Commit with the name, the class and the choice that the user gave."""
        self.commit.emit(
            self.name.text().strip(), self.overwrite.isChecked(), self.classes.class_name
        )

    def show_name(self, name: str) -> None:
        """Propose a name for the active object."""
        self.name.setText(name)

    def show_state(
        self, name: str, label: int | None, has_object: bool, undo: bool, redo: bool
    ) -> None:
        """Show what can be done, and the name of the active object."""
        self.commit_button.setEnabled(has_object)
        self.discard_button.setEnabled(has_object)
        self.undo_button.setEnabled(undo)
        self.redo_button.setEnabled(redo)
        self.commit_button.setText("Commit" if label is None else f"Commit {label}")
        self.discard_button.setText("Discard" if label is None else "Revert")
        self.discard_button.setToolTip(
            f"Drop the active object ({key_name('discard')})"
            if label is None
            else f"Leave the object as it was before it was reopened ({key_name('discard')})"
        )
        if name != self._last_state[0] or has_object < self._last_state[1]:
            self.name.setText(name)
        self._last_state = name, has_object

    def show_class(self, label: int | None, class_name: str, classes: Classes) -> None:
        """Offer classes, and show the one of an object that was reopened."""
        self.classes.show_classes(classes)
        if label != self._last_label and label is not None:
            self.classes.choose(class_name)
        self._last_label = label
