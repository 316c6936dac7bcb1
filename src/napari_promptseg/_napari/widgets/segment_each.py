"""Section for many objects at once: a mode of the prompts, layers of prompts, progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from napari_promptseg._napari.widgets.sections import collapsible, push_button, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence


class EachSection(QWidget):
    """Each prompt is an object of its own: drawn one by one, or all those of a layer."""

    mode_toggled = Signal(bool)
    """Prompts mark an object each from now on, or no more."""
    through_toggled = Signal(bool)
    """Objects are to go through the volume, or stay on their plane."""
    neighbors_toggled = Signal(bool)
    """Objects are to keep clear of committed ones, or may run into them."""
    layer_requested = Signal(int)
    """Row of the layer whose points or shapes are to become objects."""
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        inner = QWidget()
        rows = QVBoxLayout(inner)
        rows.setContentsMargins(4, 4, 4, 2)
        rows.setSpacing(4)
        self.mode = QCheckBox("Each prompt is a new object")
        self.mode.setToolTip(
            "Click on every object once, or draw a box around it. Segment, above, answers all of\n"
            "them together and commits them as one step. Negative prompts are background of all"
        )
        self.mode.toggled.connect(self.mode_toggled)
        rows.addWidget(self.mode)
        self.through = QCheckBox("Through the whole volume")
        self.through.setToolTip("Carry each object through all planes; slower, object by object")
        self.through.toggled.connect(self.through_toggled)
        rows.addWidget(self.through)
        self.neighbors = QCheckBox("Keep clear of committed objects")
        self.neighbors.setToolTip(
            "Answers and propagation leave the pixels of committed objects out, and the model is\n"
            "told where they are. A click on one of them takes from it all the same.\n"
            "In Python: session.neighbors = True"
        )
        self.neighbors.setChecked(True)
        self.neighbors.toggled.connect(self.neighbors_toggled)
        rows.addWidget(self.neighbors)
        self.layer = QComboBox()
        self.layer.setToolTip("Points and shapes layers of the viewer")
        self.layer.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.layer.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.use_layer = push_button(
            "Segment all of", "Make an object of each point or shape of this layer"
        )
        self.use_layer.clicked.connect(lambda: self.layer_requested.emit(self.layer.currentIndex()))
        self.layer_row = QWidget()
        row = side_by_side(self.use_layer, self.layer)
        row.setContentsMargins(0, 0, 0, 0)
        self.layer_row.setLayout(row)
        rows.addWidget(self.layer_row)
        self.bar = QProgressBar()
        self.cancel = push_button("Cancel", "Stop; the objects that are done are kept")
        self.cancel.clicked.connect(self.cancel_requested)
        self.progress = QWidget()
        row = side_by_side(self.bar, self.cancel)
        row.setContentsMargins(0, 0, 0, 0)
        row.setStretch(0, 3)
        row.setStretch(1, 1)
        self.progress.setLayout(row)
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # so that nothing below moves
        self.progress.setSizePolicy(policy)
        rows.addWidget(self.progress)
        self.folded = collapsible("Many objects")
        self.folded.addWidget(inner)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.folded)
        self.show_layers(())
        self.show_running(False)

    def show_axes(self, axes: str) -> None:
        """Offer to go through what an image has beside its planes."""
        other_axes = axes.removesuffix("yx")
        self.through.setVisible(bool(other_axes))
        self.through.setText(
            "Through the whole video" if other_axes == "t" else "Through the whole volume"
        )

    def show_layers(self, names: Sequence[str]) -> None:
        """Offer layers of prompts by name; hidden where there is none."""
        before = self.layer.currentText()
        self.layer.clear()
        self.layer.addItems(list(names))
        self.layer.setCurrentIndex(max(self.layer.findText(before), 0))
        self.layer_row.setVisible(bool(names))

    def show_neighbors(self, on: bool) -> None:
        """Show whether objects keep clear of committed ones."""
        with QSignalBlocker(self.neighbors):
            self.neighbors.setChecked(on)

    def show_running(self, running: bool) -> None:
        """Show whether objects are being made."""
        self.progress.setVisible(running)
        self.use_layer.setEnabled(not running)
        self.bar.setRange(0, 0 if running else 1)
        self.bar.setValue(0)
        self.bar.setFormat("%v of %m" if running else "")

    def show_progress(self, done: int, total: int) -> None:
        """Show how far it is."""
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
