"""What the model says about its answers, shown for the image in use."""

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
    tell : callable
        Says something to the user.
    later : callable
        Runs a call in the next turn of the event loop.
    """

    def __init__(
        self,
        section: RefinementSection,
        notes: QualityNoteLine,
        tell: Callable[[str], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._section, self._notes, self._tell, self._later = section, notes, tell, later
        self._binding: LayerSync | None = None
        self._map: UncertaintyOverlay | None = None
        self._next: NextClickOverlay | None = None
        self._word: TextOverlay | None = None
        section.mapped.connect(self._update_map)
        section.asked.connect(self.suggest)
        notes.chosen.connect(self._look_at)

    def follow(self, binding: LayerSync | None) -> None:
        """Go on with another image, or with none."""
        self.release()
        self._binding = binding
        if binding is not None:
            self._next = NextClickOverlay(binding, self._tell)
            self._word = TextOverlay(binding)
            binding.controller.events.settled.connect(self._settled)
            binding.controller.events.ability.connect(self._update_map)

    def release(self) -> None:
        """Leave the image as it is without advice."""
        self._notes.show_notes(())
        for shown in (self._map, self._next, self._word):
            if shown is not None:
                shown.close()
        self._map = self._next = self._word = None
        if self._binding is not None:
            self._binding.controller.events.settled.disconnect(self._settled)
            self._binding.controller.events.ability.disconnect(self._update_map)
            self._binding = None

    def suggest(self) -> None:
        """Mark where the next click would help most."""
        if self._next is None or not self._section.ask.isEnabled():
            self._tell("This model cannot suggest a click")
        else:
            self._next.ask()

    def toggle_map(self) -> None:
        """Show or hide the uncertainty map, as the check box does."""
        if self._section.map.isEnabled():
            self._section.map.click()
        else:
            self._tell("This model cannot tell how sure it is")

    def _update_map(self, _: Any = None) -> None:
        """Make the map appear, change or disappear as the check box says."""
        wanted = self._section.map.isChecked()
        if self._map is not None and not wanted:
            self._map.close()
            self._map = None
        elif self._map is not None:
            self._map.refresh()
        elif self._binding is not None and wanted:
            self._map = UncertaintyOverlay(self._binding, self._later, self._section.map.click)

    def _settled(self) -> None:
        if self._binding is not None:
            work = partial(queries.notes, plane=self._binding.view.plane())
            self._binding.controller.ask("notes", work, self._notes.show_notes)

    def _look_at(self, position: Any) -> None:
        if self._binding is not None:
            self._binding.view.look_at(position)
