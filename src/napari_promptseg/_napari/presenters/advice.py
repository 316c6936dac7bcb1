"""Advice of the model: quality notes, uncertainty map, next click, text map."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.layers.next_click_overlay import NextClickOverlay
from napari_promptseg._napari.layers.text_overlay import TextOverlay
from napari_promptseg._napari.layers.uncertainty_overlay import UncertaintyOverlay
from napari_promptseg._napari.worker import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.quality_notes import QualityNoteLine
    from napari_promptseg._napari.widgets.refinement import RefinementSection


class AdvicePresenter:
    """Follows the image in use: notes, the uncertainty map, the next click, the map of a word.

    Parameters
    ----------
    section : RefinementSection
        Where the user asks.
    notes : QualityNoteLine
        Where notes appear after every answer.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(
        self,
        section: RefinementSection,
        notes: QualityNoteLine,
        show_status: Callable[[str], None],
    ) -> None:
        self._section, self._notes, self._show_status = section, notes, show_status
        self._layer_sync: LayerSync | None = None
        self._map: UncertaintyOverlay | None = None
        self._next: NextClickOverlay | None = None
        self._word: TextOverlay | None = None
        section.uncertainty_toggled.connect(self._update_map)
        section.suggestion_requested.connect(self.suggest)
        notes.note_clicked.connect(self._look_at)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Show another image, or none."""
        self.release()
        self._layer_sync = layer_sync
        if layer_sync is not None:
            self._next = NextClickOverlay(layer_sync, self._show_status)
            self._word = TextOverlay(layer_sync)
            layer_sync.controller.events.settled.connect(self._settled)
            layer_sync.controller.events.capabilities.connect(self._update_map)

    def release(self) -> None:
        """Leave the image as it is without advice."""
        self._notes.show_notes(())
        for overlay in (self._map, self._next, self._word):
            if overlay is not None:
                overlay.close()
        self._map = self._next = self._word = None
        if self._layer_sync is not None:
            self._layer_sync.controller.events.settled.disconnect(self._settled)
            self._layer_sync.controller.events.capabilities.disconnect(self._update_map)
            self._layer_sync = None

    def suggest(self) -> None:
        """Mark where the next click would help most."""
        if self._next is None or not self._section.suggest_button.isEnabled():
            self._show_status("This model cannot suggest a click")
        else:
            self._next.ask()

    def toggle_map(self) -> None:
        """Show or hide the uncertainty map, as the check box does."""
        if self._section.map.isEnabled():
            self._section.map.click()
        else:
            self._show_status("This model cannot tell how sure it is")

    def _update_map(self, _: Any = None) -> None:
        """Make the map appear, change or disappear as the check box says."""
        requested = self._section.map.isChecked()
        if self._map is not None and not requested:
            self._map.close()
            self._map = None
        elif self._map is not None:
            self._map.refresh()
        elif self._layer_sync is not None and requested:
            self._map = UncertaintyOverlay(self._layer_sync, self._section.map.click)

    def _settled(self) -> None:
        if self._layer_sync is not None:
            work = partial(queries.notes, plane=self._layer_sync.view.plane())
            self._layer_sync.controller.ask("notes", work, self._notes.show_notes)

    def _look_at(self, position: Any) -> None:
        if self._layer_sync is not None:
            self._layer_sync.view.look_at(position)
