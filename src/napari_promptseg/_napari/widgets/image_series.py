"""Bar of an image series: where it is, next, previous, done, order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QFrame, QLabel, QSizePolicy, QVBoxLayout

from napari_promptseg._napari.widgets.sections import push_button, side_by_side

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


class ImageSeriesBar(QFrame):
    """Place in a series of images, with buttons; hidden without one."""

    stepped = Signal(int)
    """The user wants the next image (1) or the one before (-1)."""
    done = Signal(bool)
    """The user says whether the image is done."""
    ranked = Signal()
    """The user wants the most useful images first."""
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.previous = push_button(
            "◀ Previous",
            "Save, then go to the image before",
            lambda: self._step(-1),
            action="previous_image",
        )
        self.next = push_button(
            "Next ▶", "Save, then go to the next image", lambda: self._step(1), action="next_image"
        )
        self.is_done = QCheckBox("Done")
        self.is_done.setToolTip(
            "This image needs no more work; Next says so of an image with objects"
        )
        self.is_done.clicked.connect(self.done)
        self.skip_done = QCheckBox("Skip done")
        self.skip_done.setToolTip("Pass over images that are done")
        self.skip_done.setChecked(True)
        for box in (self.is_done, self.skip_done):
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        rank = push_button(
            "Rank",
            "Images that are unlike those before come first",
            self.ranked.emit,
        )
        close = push_button("Close", "Save, and leave the series", self.closed.emit)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        column.addWidget(self.title)
        column.addLayout(side_by_side(self.previous, self.next))
        row = side_by_side(self.is_done, self.skip_done, rank, close)
        row.setStretch(2, 1)
        row.setStretch(3, 1)
        column.addLayout(row)
        self.setObjectName("series")
        self.setStyleSheet("#series { border: 1px solid #5a6270; border-radius: 3px; }")
        self.hide()

    def _step(self, by: int) -> None:
        self.stepped.emit(by)

    def show_place(self, name: str, number: int, count: int, done: int, is_done: bool) -> None:
        """Show which image it is, and how many are done."""
        self.title.setText(f"<b>{number} of {count}</b>, {done} done: {name}")
        self.title.setToolTip(name)
        self.is_done.setChecked(is_done)
        self.previous.setEnabled(number > 1)
        self.show()
