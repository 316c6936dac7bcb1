"""Quality note: one quiet line on what looks wrong about an answer; hidden otherwise."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

    from napari_promptseg.session.mask_quality import QualityNote

_AMBER: Final = "#c98a00"
HINTS: Final = {
    "empty": "click on the object or draw a box around it",
    "clicks": "click there again",
    "large": "Ctrl+click where it ran out",
    "border": "look whether the mask ran out of the object",
    "pieces": "Ctrl+click on one that does not belong",
    "holes": "click into those that belong to the object",
    "outline": "look whether the mask frays out",
    "jump": "compare the neighbouring plane",
    "small": "click on more of it, or end the object here",
}
"""What can be done with mouse and keys, by the kind of note; the gravest first."""


class QualityNoteLine(QLabel):
    """Shows the gravest note; all of them in the tooltip."""

    note_clicked = Signal(object)
    """The user clicked on a note that has a place: a position in the volume."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._notes: tuple[QualityNote, ...] = ()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.linkActivated.connect(self._clicked)
        self.hide()

    def show_notes(self, notes: Sequence[QualityNote]) -> None:
        """Show notes; the line is hidden if there are none."""
        kinds = list(HINTS)
        self._notes = tuple(sorted(notes, key=lambda note: kinds.index(note.kind)))
        self.setVisible(bool(notes))
        self.setToolTip("\n".join(f"{n.message} {n.hint}" for n in self._notes))
        if not notes:
            self.clear()
            return
        first = self._notes[0]
        text = escape(f"{first.message.rstrip('.')}: {HINTS[first.kind]}")
        style = f"color: {_AMBER}; text-decoration: none"
        inner = f'<a href="note" style="{style}">{text}</a>'
        self.setText(inner if first.where is not None else f'<span style="{style}">{text}</span>')

    def _clicked(self, _: str) -> None:
        if self._notes and self._notes[0].where is not None:
            self.note_clicked.emit(self._notes[0].where)
