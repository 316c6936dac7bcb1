"""Propagation section: directions, progress, confidence plot, range and method."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QWidget,
)

from napari_promptseg._napari.widgets.confidence_plot import ConfidencePlot
from napari_promptseg._napari.widgets.sections import (
    Section,
    collapsible,
    push_button,
    side_by_side,
)
from napari_promptseg.propagation.registry import AUTO, list_propagators


class Words(NamedTuple):
    """Name and explanation of a choice."""

    name: str
    does: str


PROPAGATOR_LABELS: Final = {
    AUTO: Words("Automatic", "The best way for the model in use"),
    "network": Words("Network", "A network that sees many planes at once"),
    "chain": Words("Plane by plane", "The model goes on from the mask of the plane before"),
    "projection": Words(
        "Clicks carried over", "The mask of the plane before becomes clicks for the next"
    ),
    "copy": Words("Copy", "The same outline on every plane, until the next prompted one"),
    "distance": Words(
        "Shapes between", "Outlines between prompted planes, without looking at the image"
    ),
    "flow": Words("Optical flow", "The outline moves as the image does; for videos"),
    "walker": Words("Random walker", "Grey values decide, in space; slow, for clear borders"),
    "nninteractive": Words("Whole volume", "nnInteractive sees all planes of the range at once"),
    "voxtell": Words("Word", "The planes in which VoxTell found the word"),
    "sam2": Words("Memory of SAM 2", "The model remembers all prompted planes on its way"),
    "edgetam": Words("Memory of EdgeTAM", "The model remembers all prompted planes on its way"),
}
"""Of each propagator, in plain words."""


def _label(name: str) -> Words:
    """Return the label of a propagator; those of other packages are shown by their name."""
    return PROPAGATOR_LABELS.get(name, Words(name, "A propagator of another package"))


_NOT_HERE: Final = "Not with this model"
AXES: Final = {
    "z": Words("z: this time point", "Through the volume of the time points with prompts"),
    "t": Words("t: this plane", "Each plane with prompts, through time as a video"),
    "zt": Words("z, then t: all", "Through the volume first, then the whole object through time"),
}
"""Ways through a series of volumes."""


class PropagationSection(Section):
    """Propagation with its progress, its choices, and how sure it was."""

    direction_requested = Signal(str)
    range_requested = Signal(int, int)
    cancel_requested = Signal()
    review_requested = Signal()
    """Where is the plane to look at next?"""
    propagator_changed = Signal(str)
    """Another propagator is wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Propagate", parent)
        self._sizes: dict[str, int] = {}
        self.both = push_button(
            "Whole volume", "Both ways, from all prompted planes", action="propagate"
        )
        self.both.clicked.connect(lambda: self.direction_requested.emit("both"))
        self.backward = push_button(
            "◀ Back", "From this plane to the first", action="propagate_backward"
        )
        self.backward.clicked.connect(lambda: self.direction_requested.emit("backward"))
        self.forward = push_button(
            "Forward ▶", "From this plane to the last", action="propagate_forward"
        )
        self.forward.clicked.connect(lambda: self.direction_requested.emit("forward"))
        directions = QWidget()
        row = side_by_side(self.backward, self.both, self.forward)
        row.setContentsMargins(0, 0, 0, 0)
        directions.setLayout(row)
        self._axes = QWidget()
        self.axis = _combo("Which way through the series")
        for name, words in AXES.items():
            _add(self.axis, name, words)
        self.axis.currentIndexChanged.connect(lambda _: self._update_range())
        row = side_by_side(QLabel("Along"), self.axis)
        row.setContentsMargins(0, 0, 0, 0)
        self._axes.setLayout(row)
        self._axes.hide()
        self.column.addWidget(self._axes)
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.cancel = push_button("Cancel", "Stop; what is done is kept", action="cancel")
        self.cancel.clicked.connect(self.cancel_requested)
        self.cancel.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        progress = QWidget()
        row = side_by_side(self.bar, self.cancel)
        row.setContentsMargins(0, 0, 0, 0)
        progress.setLayout(row)
        # One in the place of the other, so that nothing below moves.
        self._stack = QStackedWidget()
        self._stack.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._stack.addWidget(directions)
        self._stack.addWidget(progress)
        self.column.insertWidget(1, self._stack)
        self._add_review()
        self._add_options()
        self.show_running(False)

    def _add_review(self) -> None:
        self.plot = ConfidencePlot()
        self.review = push_button(
            "Next doubtful plane", "Go to the plane that it is least sure of", action="review"
        )
        self.review.clicked.connect(self.review_requested)
        self.reviewing = Section()
        self.reviewing.column.addWidget(self.plot)
        self.reviewing.column.addWidget(self.review)
        self.column.addWidget(self.reviewing)

    def _add_options(self) -> None:
        self.first, self.last = QSpinBox(), QSpinBox()
        self.go = push_button("Go", "Only these planes, the last one included, each anew")
        self.go.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.go.clicked.connect(
            lambda: self.range_requested.emit(self.first.value(), self.last.value())
        )
        self.way = _combo("How the object is carried from plane to plane")
        for name in (AUTO, *list_propagators()):
            _add(self.way, name, _label(name))
        self.way.currentIndexChanged.connect(
            lambda _: self.propagator_changed.emit(self.way.currentData())
        )
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(0, 4, 0, 0)
        grid.setSpacing(4)
        planes = side_by_side(QLabel("from"), self.first, QLabel("to"), self.last, self.go)
        grid.addLayout(planes, 0, 0, 1, 2)
        grid.addWidget(QLabel("Method"), 1, 0)
        grid.addWidget(self.way, 1, 1)
        grid.setColumnStretch(1, 1)
        self.options = collapsible("Range and method")
        self.options.addWidget(inner)
        self.column.addWidget(self.options)

    def show_running(self, running: bool) -> None:
        """Show whether a propagation runs."""
        for button in (self.both, self.backward, self.forward, self.go):
            button.setEnabled(not running)
        self.cancel.setEnabled(running)
        self._stack.setCurrentIndex(int(running))
        self.bar.setRange(0, 0 if running else 1)
        self.bar.setValue(0)
        self.bar.setFormat("%v of %m planes" if running else "")

    def show_reviewable(self, reviewable: bool) -> None:
        """Show whether there are planes to review; an empty plot keeps its place."""
        self.review.setEnabled(reviewable)
        if not reviewable:
            self.plot.show_values("", 0, {}, ())

    def show_progress(self, count: int, total: int) -> None:
        """Show how far it is."""
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(count)

    def show_axes(self, axes: str, shape: tuple[int, ...]) -> None:
        """Offer what an image has: its planes, and ways through a series."""
        other_axes = axes.removesuffix("yx")
        self._sizes = dict(zip(axes, shape, strict=True))
        self._axes.setVisible(other_axes == "tz")
        whole = {"t": "Whole video", "tz": "Everything"}
        self.both.setText(whole.get(other_axes, "Whole volume"))
        self.setEnabled(bool(other_axes))
        self.setVisible(bool(other_axes))
        self._update_range()

    def _update_range(self) -> None:
        """Let the range be that of the axis that a propagation goes along at last."""
        default = "z" if "z" in self._sizes else "t"
        last = max(self._sizes.get((self.chosen_axis or default)[-1], 1) - 1, 0)
        for box, value in ((self.first, 0), (self.last, last)):
            box.setRange(0, last)
            box.setValue(value)

    @property
    def chosen_axis(self) -> str | None:
        """Axis through a series; None where there is no choice."""
        return None if self._axes.isHidden() else str(self.axis.currentData())

    def show_usable(self, usable: frozenset[str]) -> None:
        """Offer the propagators that work with the model in use, and grey out the others."""
        model: Any = self.way.model()
        for row in range(self.way.count()):
            name = self.way.itemData(row)
            works = name == AUTO or name in usable
            item = model.item(row)
            item.setEnabled(works)
            does = _label(name).does
            item.setToolTip(does if works else f"{does}. {_NOT_HERE}")

    def show_way(self, name: str) -> None:
        """Show which propagator is in use."""
        with QSignalBlocker(self.way):
            self.way.setCurrentIndex(self.way.findData(name))
        self.way.setToolTip(f"{_label(name).does}\nIn Python: Session(…, propagator={name!r})")


def _combo(tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tip)
    combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return combo


def _add(combo: QComboBox, name: str, words: Words) -> None:
    combo.addItem(words.name, name)
    combo.setItemData(combo.count() - 1, words.does, Qt.ItemDataRole.ToolTipRole)
