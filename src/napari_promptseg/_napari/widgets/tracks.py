"""Track section: buttons that link objects over time, correct links and go through them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QWidget,
    QWidgetAction,
)

from napari_promptseg._napari.widgets.lineage_menu import CUT, DIVIDE, LINK, SWAP
from napari_promptseg._napari.widgets.sections import Section, push_button, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg._napari.widgets.lineage_menu import Offer

_TIPS: Final = {
    LINK: "Make one object of two that are the same one: select both (Shift or Ctrl and a click)",
    CUT: "Select an object, and go to the first time point that is another one",
    DIVIDE: "Select the mother and her daughters",
    SWAP: "Select two objects, and go to the first time point in which they are confused",
}


class TrackSection(Section):
    """Links objects of a series over time, and corrects them."""

    link_all = Signal()
    correct = Signal(str)
    """Text of a button: what it offers for the selected objects is wanted."""
    step = Signal(int)
    """The next link is to be looked at, or the one before."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.link_button = push_button(
            "Link objects over time",
            "Give each object one id through all time points, and daughters their mother;\n"
            "one step, which can be undone. What was made with prompts stays together",
            self.link_all.emit,
        )
        self.options_button = self._make_options()
        row = side_by_side(self.link_button, self.options_button)
        row.setStretch(0, 1)
        self.column.addLayout(row)
        self.buttons: dict[str, QPushButton] = {
            text: push_button(text, tip, partial(self.correct.emit, text))
            for text, tip in _TIPS.items()
        }
        self.corrections = QWidget()
        corrections = side_by_side(*self.buttons.values())
        corrections.setContentsMargins(0, 0, 0, 0)
        self.corrections.setLayout(corrections)
        self.column.addWidget(self.corrections)
        self.previous = push_button("‹", "The link before", lambda: self.step.emit(-1))
        self.next = push_button("›", "The next link", lambda: self.step.emit(1))
        self.place = QLabel()
        self.place.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.place.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        for button in (self.previous, self.next):
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            button.setFixedWidth(40)
        self.review = QWidget()
        review = side_by_side(self.previous, self.place, self.next)
        review.setContentsMargins(0, 0, 0, 0)
        review.setStretch(1, 1)
        self.review.setLayout(review)
        self.column.addWidget(self.review)
        self.show_offers(())
        self.show_links(0, None)

    def _make_options(self) -> QPushButton:
        """Return the button with the menu of what may be linked."""
        self.max_distance = QDoubleSpinBox()
        self.max_distance.setRange(0, 1e6)
        self.max_distance.setDecimals(1)
        self.max_distance.setSpecialValueText("automatic")
        self.max_distance.setToolTip(
            "How far an object may move from one time point to the next; automatic is one and a\n"
            "half typical diameters"
        )
        self.max_gap = QSpinBox()
        self.max_gap.setRange(0, 20)
        self.max_gap.setValue(2)
        self.max_gap.setToolTip("Time points in which an object may be missing")
        self.divisions = QCheckBox("Objects may divide")
        self.divisions.setChecked(True)
        form = QWidget()
        rows = QFormLayout(form)
        rows.addRow("Largest step", self.max_distance)
        rows.addRow("Largest gap", self.max_gap)
        rows.addRow(self.divisions)
        menu = QMenu(self)
        action = QWidgetAction(menu)
        action.setDefaultWidget(form)
        menu.addAction(action)
        button = push_button("Options", "How far objects may move, gaps and divisions")
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        button.setMenu(menu)
        return button

    def options(self) -> dict[str, Any]:
        """Return the arguments of `Session.link_tracks`."""
        return {
            "max_distance": self.max_distance.value() or None,
            "max_gap": self.max_gap.value(),
            "divisions": self.divisions.isChecked(),
        }

    def show_unit(self, unit: str) -> None:
        """Show the unit of distances."""
        self.max_distance.setSuffix(f" {unit}")

    def show_count(self, count: int) -> None:
        """Enable what can be done with so many objects."""
        self.link_button.setEnabled(count > 1)
        self.corrections.setVisible(count > 0)

    def show_offers(self, offers: Sequence[Offer]) -> None:
        """Enable the corrections that are possible now; their tips say what they would do."""
        first = {offer.button: offer for offer in reversed(offers)}
        for text, button in self.buttons.items():
            button.setEnabled(text in first)
            button.setToolTip(first[text].text if text in first else _TIPS[text])

    def show_links(self, count: int, number: int | None) -> None:
        """Show how many links are to be looked at, and which one is; none hides them."""
        self.review.setVisible(count > 0)
        where = "" if number is None else f"{number + 1} of "
        self.place.setText(f"{where}{count} link{'s' * (count > 1)} to check")
