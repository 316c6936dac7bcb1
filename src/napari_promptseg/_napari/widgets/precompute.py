"""Precompute section: embed planes ahead of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from napari_promptseg._napari.widgets.sections import push_button

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget as Parent


class PrecomputeSection(QWidget):
    """A button and a bar; there only for models that take long to look at a plane."""

    start_requested = Signal()
    pause_requested = Signal()

    def __init__(self, parent: Parent | None = None) -> None:
        super().__init__(parent)
        self._running = False
        self.button = push_button(
            "Prepare planes",
            "Let the model look at all planes now, so that clicks are answered at once; "
            "kept on disk",
            self._pressed,
        )
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.button, 1)
        row.addWidget(self.bar, 2)
        self.show_capabilities(costly=False)

    def _pressed(self) -> None:
        (self.pause_requested if self._running else self.start_requested).emit()

    def show_capabilities(self, costly: bool) -> None:
        """Show the row for a model whose embedding is costly."""
        self.setVisible(costly)
        self.bar.setRange(0, 1)
        self.bar.reset()

    def show_running(self, running: bool) -> None:
        """Show whether planes are prepared."""
        self._running = running
        self.button.setText("Pause" if running else "Prepare planes")

    def show_progress(self, count: int, total: int) -> None:
        """Show how far it is."""
        self.bar.setRange(0, total)
        self.bar.setValue(count)
