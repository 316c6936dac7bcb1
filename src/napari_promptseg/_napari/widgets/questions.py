"""Yes-or-no questions to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


def confirm(parent: QWidget | None, question: str) -> bool:
    """Ask a question in a dialog; return whether the answer is yes."""
    answer = QMessageBox.question(parent, "PromptSeg", question)
    return bool(answer == QMessageBox.StandardButton.Yes)
