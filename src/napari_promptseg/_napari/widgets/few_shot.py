"""Few-shot section: learn a class, find more of it, review; folded at first."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QItemSelectionModel, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLabel,
    QListWidget,
    QProgressBar,
    QSlider,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_promptseg._napari.layers.proposal_overlay import CONFIDENT_COLOR, DOUBTFUL_COLOR
from napari_promptseg._napari.widgets.sections import collapsible, push_button, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PLACEHOLDER: Final = "Name of a class, such as nucleus"
_LIST_HEIGHT: Final = 118


class FewShotSection(QWidget):
    """Name of the class, what to do with it, and two lists: proposals and what comes next."""

    learn = Signal(str)
    find = Signal(str, bool)
    """A class is to be found: on the plane in view, or on all planes."""
    stop = Signal()
    next = Signal(str)
    """A ranking of what to annotate next is requested, perhaps with a class."""
    selection_changed = Signal(list)
    """Rows of proposals are selected."""
    decided = Signal(str)
    """Decision on the selected proposals: "accept", "reject", "fix" or "accept all"."""
    train = Signal(str)
    """The network is to be trained on all committed objects, and called so."""
    settings_changed = Signal()
    """Sensitivity or size was changed."""
    next_activated = Signal(int)
    """A row of what comes next was chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._quiet = 0
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        line = self.name.lineEdit()
        assert line is not None
        line.setPlaceholderText(_PLACEHOLDER)
        line.returnPressed.connect(line.clearFocus)  # the keys go back to the viewer
        self.name.setToolTip("A new name, or a class that was learnt before")
        self.buttons = {
            "Learn": push_button(
                "Learn",
                "Learn the class from the committed objects of this image: those of its name,\n"
                "all of them if none is called so. Five are enough to start",
                lambda: self.learn.emit(self.class_name),
            ),
            "Find here": push_button(
                "Find here",
                "Propose all objects of the class on the plane in view",
                lambda: self.find.emit(self.class_name, False),
            ),
            "Find in all": push_button(
                "Find in all",
                "Propose all objects of the class in the image: in a volume in 3D,\n"
                "in a video frame by frame, from the one in view outward",
                lambda: self.find.emit(self.class_name, True),
            ),
            "What next?": push_button(
                "What next?",
                "List planes, or images that are open, by how much annotating them would teach",
                lambda: self.next.emit(self.class_name),
            ),
            "Train…": push_button(
                "Train…",
                "Fine-tune the network on all committed objects of this image, in the background.\n"
                "It takes some minutes, and is kept only where it saves clicks",
                lambda: self.train.emit(self.class_name),
            ),
        }
        self.bar = QProgressBar()
        self.stop_button = push_button("Stop", "Keep what is found", self.stop.emit)
        self.running = QWidget()
        row = side_by_side(self.bar, self.stop_button)
        row.setContentsMargins(0, 0, 0, 0)
        row.setStretch(0, 3)
        row.setStretch(1, 1)
        self.running.setLayout(row)
        self.table = self._make_table()
        self.decisions = {
            "accept": push_button("Accept", "Commit the selected ones", action="accept"),
            "reject": push_button(
                "Reject", "Not of the class: it learns from that", action="reject"
            ),
            "fix": push_button("Fix", "Go on with clicks; a click on a proposal does the same"),
            "accept all": push_button("Accept all", "Commit all green ones", action="accept_all"),
        }
        for what, button in self.decisions.items():
            button.clicked.connect(partial(self._decide, what))
        self.review = QWidget()
        column = QVBoxLayout(self.review)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._make_settings())
        column.addWidget(self.table)
        decisions = side_by_side(*self.decisions.values())
        for number, button in enumerate(self.decisions.values()):
            decisions.setStretch(number, len(button.text()))
        column.addLayout(decisions)
        self.queue = QListWidget()
        self.queue.setFixedHeight(_LIST_HEIGHT)
        self.queue.itemActivated.connect(
            lambda _: self.next_activated.emit(self.queue.currentRow())
        )
        self.queue.itemClicked.connect(lambda _: self.next_activated.emit(self.queue.currentRow()))
        self._lay_out()
        self.show_settings(False)
        self.show_proposals([])
        self.show_next([])
        self.show_running("")

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(4, 4, 4, 2)
        column.setSpacing(4)
        column.addWidget(self.name)
        learn, here, everywhere, what_next, train = self.buttons.values()
        column.addLayout(side_by_side(learn, here, everywhere))
        column.addLayout(side_by_side(what_next, train))
        for part in (self.running, self.review, self.queue):
            column.addWidget(part)
        self.folded = collapsible("Similar objects")
        self.folded.addWidget(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.folded)

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 3)
        table.setHorizontalHeaderLabels(["Sure", "Where", "Pixels"])
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setFixedHeight(_LIST_HEIGHT)
        rows, header = table.verticalHeader(), table.horizontalHeader()
        assert rows is not None
        assert header is not None
        rows.hide()
        rows.setDefaultSectionSize(22)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.itemSelectionChanged.connect(self._selected)
        return table

    def _make_settings(self) -> QWidget:
        """Return the sliders that choose among all objects that were found."""
        self.sensitivity = _slider("More finds more objects, also such that are none", 50)
        self.smallest = _slider("Leaves out objects smaller than this share of the largest one", 0)
        self._settings = QWidget()
        column = QVBoxLayout(self._settings)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for title, slider in (("Sensitivity", self.sensitivity), ("Smallest", self.smallest)):
            label = QLabel(title)
            label.setBuddy(slider)
            row = side_by_side(label, slider)
            row.setStretch(0, 1)
            row.setStretch(1, 3)
            column.addLayout(row)
            slider.valueChanged.connect(lambda _: self.settings_changed.emit())
        return self._settings

    @property
    def settings(self) -> tuple[float, float]:
        """Sensitivity, and smallest diameter relative to the largest one; both in [0, 1]."""
        return self.sensitivity.value() / 100, self.smallest.value() / 100

    def show_settings(self, visible: bool) -> None:
        """Show the sliders, or hide them; proposals of a class have none."""
        self._settings.setVisible(visible)

    @property
    def class_name(self) -> str:
        """Name in the field."""
        return str(self.name.currentText()).strip()

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """While rows are shown and not chosen."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def show_classes(self, names: Sequence[str], selected: str = "") -> None:
        """Offer classes; the name in the field stays, unless another is chosen."""
        before = selected or self.class_name
        self.name.clear()
        self.name.addItems(list(names))
        self.name.setCurrentText(before)

    def show_running(self, text: str, count: int = 0, total: int = 0) -> None:
        """Show what is going on, or nothing for an empty text; 0 of 0 is not known."""
        self.running.setVisible(bool(text))
        self.bar.setRange(0, total)
        self.bar.setValue(count)
        self.bar.setFormat(text)

    def show_proposals(
        self, rows: Sequence[tuple[float, str, int]], threshold: float = 0.5
    ) -> None:
        """Show proposals: how likely each is, where, and how many pixels it has."""
        with self._silence():
            self.table.setRowCount(len(rows))
            for number, (confidence, where, pixels) in enumerate(rows):
                color = CONFIDENT_COLOR if confidence >= threshold else DOUBTFUL_COLOR
                self._fill(number, (f"{confidence:.0%}", where, str(pixels)), color)
            self.table.clearSelection()
        self.review.setVisible(bool(rows) or self._settings.isVisibleTo(self.review))

    def _fill(self, row: int, texts: Sequence[str], color: str) -> None:
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            if column == 0:
                item.setForeground(QColor(color))
            else:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, column, item)

    def select(self, *rows: int, quiet: bool = False) -> None:
        """Select these rows and no others, and tell so unless quiet."""
        flags = QItemSelectionModel.SelectionFlag
        model: Any = self.table.selectionModel()
        with self._silence():
            self.table.clearSelection()
            for row in rows:
                model.select(model.model().index(row, 0), flags.Select | flags.Rows)
            if rows:
                self.table.scrollTo(model.model().index(rows[0], 0))
        if not quiet:
            self._selected()

    @property
    def selection(self) -> list[int]:
        """Rows of the selected proposals, from the top."""
        model: Any = self.table.selectionModel()
        return sorted(index.row() for index in model.selectedRows())

    def _selected(self) -> None:
        if not self._quiet:
            self.selection_changed.emit(self.selection)

    def _decide(self, what: str, _: bool = False) -> None:
        self.decided.emit(what)

    def show_next(self, rows: Sequence[str]) -> None:
        """Show what to annotate next, the first on top."""
        self.queue.clear()
        self.queue.addItems(list(rows))
        self.queue.setVisible(bool(rows))


def _slider(tip: str, value: int) -> QSlider:
    """Return a slider in percent."""
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 100)
    slider.setValue(value)
    slider.setToolTip(tip)
    return slider
