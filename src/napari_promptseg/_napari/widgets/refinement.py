"""Wrappers around the model, and what it can say about its answers; folded at first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QGridLayout, QVBoxLayout, QWidget

from napari_promptseg._napari.widgets.sections import collapsible, push_button

if TYPE_CHECKING:
    from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities


class Words(NamedTuple):
    """How a wrapper is explained to the user.

    Parameters
    ----------
    name : str
        In one or two words.
    does : str
        What it does.
    costs : str
        What it costs.
    needs : str
        What the model must be able to do; empty where any model can.
    """

    name: str
    does: str
    costs: str
    needs: str = ""


PART_WORDS: Final = {
    "zoom": Words("Zoom in", "looks closely at the object", "up to twice the time"),
    "brs": Words(
        "Clicks hold",
        "adjusts the network until every click is on its side of the outline",
        "more time only where a click does not hold",
        "adjust itself to clicks",
    ),
    "flips": Words("Mirror images", "averages two views", "about twice the time"),
    "multiscale": Words(
        "Several scales", "averages three scales", "about four times the time", "change its scale"
    ),
    "cleanup": Words("Clean up", "smooth edges, no tiny holes or stray pieces", "hardly any time"),
}
"""Of each part of `Refinement`, in the order in which the dock shows them."""


class RefinementSection(QWidget):
    """Check boxes for the wrappers around the model, the uncertainty map and the next click."""

    switched = Signal(str, bool)
    """A part of `Refinement` was switched on or off."""
    mapped = Signal(bool)
    """The uncertainty map is to be shown, or no longer."""
    asked = Signal()
    """Where is the next click to be?"""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(4, 4, 4, 2)
        grid.setVerticalSpacing(2)
        self.boxes: dict[str, QCheckBox] = {}
        for number, (part, words) in enumerate(PART_WORDS.items()):
            box = self.boxes[part] = QCheckBox(words.name)
            box.toggled.connect(partial(self.switched.emit, part))
            grid.addWidget(box, number // 2, number % 2)
        self.map = QCheckBox("Uncertainty")
        self.map.toggled.connect(self._map_toggled)
        self._map_wanted = False
        self.ask = push_button("Next click", "", self.asked.emit)
        last = grid.rowCount()
        grid.addWidget(self.map, last, 0)
        grid.addWidget(self.ask, last, 1)
        self.folded = collapsible("Refinement")
        self.folded.addWidget(inner)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.folded)
        self.show_ability(None)

    def show_ability(self, ability: ModelCapabilities | None) -> None:
        """Show what the model in use can do and what is on; None while that is not known."""
        for part, box in self.boxes.items():
            words, able = PART_WORDS[part], ability is not None and part in ability.parts
            box.setEnabled(able)
            with QSignalBlocker(box):
                box.setChecked(ability is not None and part in ability.on)
            tip = f"{words.name}: {words.does}; {words.costs}"
            if ability is not None and not able:
                tip = f"{words.name}: {words.does}. Not with this model: it cannot {words.needs}"
            box.setToolTip(f"{tip}\nIn Python: Refinement({part}=True)")
        sure = ability is not None and ability.uncertainty
        missing = "" if ability is None or sure else ". Not with this model: it is no network"
        self.map.setEnabled(sure)
        with QSignalBlocker(self.map):
            self.map.setChecked(sure and self._map_wanted)
        self.map.setToolTip(
            f"Where the model is not sure about this plane, as a layer (Shift+U){missing}"
        )
        self.ask.setEnabled(sure)
        self.ask.setToolTip(f"Mark where a click would help most (H){missing}")

    def _map_toggled(self, on: bool) -> None:
        self._map_wanted = on
        self.mapped.emit(on)
