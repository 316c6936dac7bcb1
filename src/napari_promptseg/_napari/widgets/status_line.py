"""Status line: the last message, the next step, a busy sign and the details of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget as Parent

_HINT_STYLE = "color: #8a8f98;"
"""Grey that can be read on light and on dark themes."""


class StatusLine(QWidget):
    """Message, next step, and after an error a button that copies its traceback."""

    def __init__(self, parent: Parent | None = None) -> None:
        super().__init__(parent)
        self.message, self.hint = QLabel(), QLabel()
        for label in (self.message, self.hint):
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.hint.setStyleSheet(_HINT_STYLE)
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setFixedSize(48, 8)
        self.details = QToolButton()
        self.details.setText("Copy details")
        self.details.setToolTip("Copy the error with its traceback, for a report")
        self.details.clicked.connect(self._copy)
        self._traceback = ""
        first = QHBoxLayout()
        first.addWidget(self.message, 1)
        first.addWidget(self.busy)
        first.addWidget(self.details)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(first)
        column.addWidget(self.hint)
        self.details.hide()
        self.busy.hide()

    def text(self) -> str:
        """Return the message."""
        return str(self.message.text())

    def show_message(self, text: str, traceback: str = "") -> None:
        """Show a message; with a traceback, also the button that copies it."""
        self.message.setText(text)
        self._traceback = traceback
        self.details.setVisible(bool(traceback))

    def show_hint(self, text: str) -> None:
        """Show what can be done next."""
        self.hint.setText(text)

    def show_busy(self, busy: bool) -> None:
        """Show whether something is under way."""
        self.busy.setVisible(busy)

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._traceback)
