"""What is shown of committed objects beside the labels: sizes, surfaces and tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.layers.result_layers import ResultLayers
from napari_promptseg._napari.worker.object_sizes import ObjectSizesPresenter

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.object_table import ObjectTable


class ObjectResults:
    """Follows the image in use with the sizes in the list, and with layers of results.

    Parameters
    ----------
    objects : ObjectTable
        Where the user asks.
    tell : callable
        Says something to the user.
    """

    def __init__(self, objects: ObjectTable, tell: Callable[[str], None]) -> None:
        self._list, self._tell = objects, tell
        self._layers: ResultLayers | None = None
        self._figures: ObjectSizesPresenter | None = None
        objects.surfaces.connect(self._add_surfaces)
        objects.tracks.connect(self._add_tracks)

    def follow(self, binding: LayerSync | None) -> None:
        """Go on with another image, or with none."""
        self.release()
        self._list.show_figures({})
        self._list.time_point = lambda: None
        self._list.show_axes("" if binding is None else binding.layout.names)
        if binding is not None:
            self._layers = ResultLayers(binding, self._tell)
            self._figures = ObjectSizesPresenter(binding.controller, self._list.show_figures)
            self._list.time_point = self._layers.time_point

    def release(self) -> None:
        """Let go of the image; layers stay."""
        for part in (self._layers, self._figures):
            if part is not None:
                part.release()
        self._layers = self._figures = None

    def _add_surfaces(self, labels: list[int]) -> None:
        wanted: list[int | None] = [*labels] or [None]
        for label in wanted:
            if self._layers is not None:
                self._layers.add_surface(label)

    def _add_tracks(self) -> None:
        if self._layers is not None:
            self._layers.add_tracks()
