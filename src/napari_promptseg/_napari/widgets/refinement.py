"""Refinement section: wrappers around the model, uncertainty and next click; folded at first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QGridLayout, QVBoxLayout, QWidget

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.widgets.sections import collapsible, push_button

if TYPE_CHECKING:
    from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities


class Words(NamedTuple):
    """Name, effect, cost and requirement of a wrapper.

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

    part_toggled = Signal(str, bool)
    """A part of `Refinement` was switched on or off."""
    uncertainty_toggled = Signal(bool)
    """The uncertainty map is to be shown, or no longer."""
    suggestion_requested = Signal()
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
            box.toggled.connect(partial(self.part_toggled.emit, part))
            grid.addWidget(box, number // 2, number % 2)
        self.map = QCheckBox("Uncertainty")
        self.map.toggled.connect(self._map_toggled)
        self._map_wanted = False
        self.suggest_button = push_button("Next click", "", self.suggestion_requested.emit)
        last = grid.rowCount()
        grid.addWidget(self.map, last, 0)
        grid.addWidget(self.suggest_button, last, 1)
        self.folded = collapsible("Refinement")
        self.folded.addWidget(inner)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.folded)
        self.show_capabilities(None)

    def show_capabilities(self, capabilities: ModelCapabilities | None) -> None:
        """Show what the model in use can do and what is on; None while that is not known."""
        for part, box in self.boxes.items():
            words, supported = (
                PART_WORDS[part],
                capabilities is not None and part in capabilities.parts,
            )
            box.setEnabled(supported)
            with QSignalBlocker(box):
                box.setChecked(capabilities is not None and part in capabilities.on)
            tip = f"{words.name}: {words.does}; {words.costs}"
            if capabilities is not None and not supported:
                tip = f"{words.name}: {words.does}. Not with this model: it cannot {words.needs}"
            box.setToolTip(f"{tip}\nIn Python: Refinement({part}=True)")
        has_uncertainty = capabilities is not None and capabilities.uncertainty
        missing = (
            ""
            if capabilities is None or has_uncertainty
            else ". Not with this model: it is no network"
        )
        self.map.setEnabled(has_uncertainty)
        with QSignalBlocker(self.map):
            self.map.setChecked(has_uncertainty and self._map_wanted)
        self.map.setToolTip(
            "Where the model is not sure about this plane, as a layer "
            f"({key_name('toggle_map')}){missing}"
        )
        self.suggest_button.setEnabled(has_uncertainty)
        self.suggest_button.setToolTip(
            f"Mark where a click would help most ({key_name('suggest')}){missing}"
        )

    def _map_toggled(self, on: bool) -> None:
        self._map_wanted = on
        self.uncertainty_toggled.emit(on)
