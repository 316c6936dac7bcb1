"""Results of committed objects: sizes in the table, surface and track layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.layers.label_features import object_features
from napari_promptseg._napari.layers.result_layers import ResultLayers
from napari_promptseg._napari.worker.object_sizes import ObjectSizesPresenter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.object_table import ObjectTable
    from napari_promptseg._napari.worker.object_sizes import ObjectSizes


class ObjectResults:
    """Follows the image in use with the sizes in the list, and with layers of results.

    Parameters
    ----------
    objects : ObjectTable
        Where the user asks.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(self, objects: ObjectTable, show_status: Callable[[str], None]) -> None:
        self._list, self._show_status = objects, show_status
        self._layers: ResultLayers | None = None
        self._sizes: ObjectSizesPresenter | None = None
        self._layer_sync: LayerSync | None = None
        objects.surfaces.connect(self._add_surfaces)
        objects.tracks.connect(self._add_tracks)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Show another image, or none."""
        self.release()
        self._list.show_sizes({})
        self._list.time_point = lambda: None
        self._list.show_axes("" if layer_sync is None else layer_sync.layout.names)
        if layer_sync is not None:
            self._layers = ResultLayers(layer_sync, self._show_status)
            self._layer_sync = layer_sync
            self._sizes = ObjectSizesPresenter(layer_sync.controller, self._show_sizes)
            self._list.time_point = layer_sync.view.time_point

    def release(self) -> None:
        """Release the image; layers stay."""
        for part in (self._layers, self._sizes):
            if part is not None:
                part.release()
        self._layers = self._sizes = self._layer_sync = None

    def _show_sizes(self, sizes: Mapping[int, ObjectSizes]) -> None:
        """Show sizes in the table, and as features of the labels layer."""
        self._list.show_sizes(sizes)
        if self._layers is not None:
            self._layers.update_tracks(sizes)
        layer_sync = self._layer_sync
        labels = None if layer_sync is None else layer_sync.layers.get("labels")
        if layer_sync is not None and labels is not None:
            controller = layer_sync.controller
            objects = controller.snapshot.objects
            labels.features = object_features(objects, sizes, controller.volume)

    def _add_surfaces(self, labels: list[int]) -> None:
        requested: list[int | None] = [*labels] or [None]
        for label in requested:
            if self._layers is not None:
                self._layers.add_surface(label)

    def show_tracks(self) -> None:
        """Show the tracks, if they are not shown yet."""
        if self._layers is not None:
            self._layers.show_tracks()

    def _add_tracks(self) -> None:
        if self._layers is not None:
            self._layers.add_tracks()
