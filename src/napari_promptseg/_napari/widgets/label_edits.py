"""Edit section: tools that change objects as a whole, and the range of intensities."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel, QPushButton

from napari_promptseg._napari.widgets.sections import Section, push_button, side_by_side

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

_ROWS: Final = (
    {
        "fill_holes": ("Fill holes", "Fill the holes in the planes of this view"),
        "remove_islands": ("Islands", "Remove all pieces but the largest"),
        "interpolate": ("Interpolate", "Fill the planes between those that the object is in"),
    },
    {
        "split": ("Split", "Make objects of the pieces, or cut one piece where it is narrowest"),
        "merge": ("Merge", "Make one object of those that are selected"),
        "smooth": ("Smooth", "Round off corners and bumps smaller than the distance"),
    },
    {
        "grow": ("Grow", "Grow the object by the distance"),
        "shrink": ("Shrink", "Shrink the object by the distance"),
    },
)
BY_DISTANCE: Final = ("smooth", "grow", "shrink")
"""Edits that take the distance."""


class LabelEditSection(Section):
    """Buttons for edits of the active object, or of the selected ones."""

    edit = Signal(str)
    """Name of an edit."""
    limits = Signal(object)
    """Smallest and largest intensity of pixels that are added, or None."""
    limits_from_view = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.target = QLabel()
        self.target.setWordWrap(True)
        self.column.addWidget(self.target)
        self.buttons: dict[str, QPushButton] = {}
        self.distance = QDoubleSpinBox()
        self.distance.setRange(0.01, 1e6)
        self.distance.setToolTip("Distance for Smooth, Grow and Shrink")
        for row in _ROWS:
            for name, (text, tip) in row.items():
                self.buttons[name] = push_button(text, tip, partial(self.edit.emit, name))
            widgets: list[QWidget] = [self.buttons[name] for name in row]
            self.column.addLayout(
                side_by_side(*widgets, *([self.distance] if "grow" in row else []))
            )
        self.keeps_to_range = QCheckBox("Intensity")
        self.keeps_to_range.setToolTip(
            "Prompts, painting and growing add pixels of these intensities only"
        )
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        for field, tip in ((self.low, "Smallest intensity"), (self.high, "Largest intensity")):
            field.setRange(-1e9, 1e9)
            field.setToolTip(tip)
            field.setKeyboardTracking(False)
            field.valueChanged.connect(self._limits_changed)
        as_shown = push_button("As shown", "Take the contrast limits of the view")
        as_shown.clicked.connect(self.limits_from_view)
        for field in (self.distance, self.low, self.high):
            field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            field.setMinimumWidth(1)
        self.keeps_to_range.setMinimumWidth(1)
        self.keeps_to_range.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.keeps_to_range.toggled.connect(self._limits_changed)
        limits = side_by_side(self.keeps_to_range, self.low, self.high, as_shown)
        for column in (1, 2, 3):
            limits.setStretch(column, 1)
        self.column.addLayout(limits)

    def show_target(self, active: bool, count: int) -> None:
        """Say what the buttons act on, and enable those that can act on it."""
        if active:
            text = "Acts on the active object."
        elif count:
            text = "Acts on the selected object." if count == 1 else f"Acts on {count} objects."
        else:
            text = "Click on an object first."
        self.target.setText(text)
        for name, button in self.buttons.items():
            if name == "merge":
                button.setEnabled(count > 1)
            elif name == "split":
                button.setEnabled(count > 0 and not active)
            else:
                button.setEnabled(active or count > 0)

    def show_scale(self, pixel: float, units: str) -> None:
        """Take the size of a pixel as the distance, and show its unit."""
        self.distance.setSuffix(f" {units}")
        self.distance.setDecimals(2 if pixel >= 0.1 else 4)
        self.distance.setMinimum(pixel / 100)
        self.distance.setSingleStep(pixel)
        self.distance.setValue(pixel)

    def show_limits(self, low: float, high: float) -> None:
        """Show limits, and use them if the range is switched on."""
        self._fill(low, high)
        self._limits_changed()

    def show_range(self, limits: tuple[float, float] | None) -> None:
        """Show the range that is in use, None for all intensities."""
        self.keeps_to_range.blockSignals(True)
        self.keeps_to_range.setChecked(limits is not None)
        self.keeps_to_range.blockSignals(False)
        if limits is not None:
            self._fill(*limits)

    def _fill(self, low: float, high: float) -> None:
        for field, value in ((self.low, low), (self.high, high)):
            field.blockSignals(True)
            field.setDecimals(0 if float(value).is_integer() else 3)
            field.setValue(value)
            field.blockSignals(False)

    def _limits_changed(self, _: object = None) -> None:
        if self.keeps_to_range.isChecked():
            self.limits.emit((self.low.value(), self.high.value()))
        elif self.sender() is self.keeps_to_range:
            self.limits.emit(None)
