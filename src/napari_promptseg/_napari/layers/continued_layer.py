"""Continued layer: a labels layer of somebody else that gets what is committed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.geometry import box_slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg.data.geometry import Bounds


class ContinuedLayer:
    """Writes committed objects into a labels layer of the viewer, box by box.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    layer : Labels
        A layer of the shape of the image; axes of one entry do not count.

    Raises
    ------
    ValueError
        If the layer cannot be written to in place.
    """

    def __init__(self, layer_sync: LayerSync, layer: Labels) -> None:
        data, shape = layer.data, layer_sync.controller.volume.shape
        in_memory = isinstance(data, np.ndarray) and data.dtype.kind in "ui"
        if not in_memory or not (data.flags.writeable and data.flags.c_contiguous):
            raise ValueError(f"{layer.name} is not in memory: what is committed stays beside it")
        self._layer_sync, self._layer = layer_sync, layer
        self._view = data.reshape(shape)
        layer_sync.controller.events.labels.connect(self._take)

    @property
    def layer(self) -> Labels:
        """The layer."""
        return self._layer

    def release(self) -> None:
        """Leave the layer as it is."""
        self._layer_sync.controller.events.labels.disconnect(self._take)

    def _take(self, boxes: Sequence[Bounds]) -> None:
        largest = np.iinfo(self._view.dtype).max
        for box in boxes:
            values = np.asarray(self._layer_sync.controller.labels[box_slices(box)])
            if values.max(initial=0) > largest:
                self._layer_sync.events.status.emit(
                    f"{self._layer.name} holds ids up to {largest}: larger ones are not in it"
                )
                values = np.where(values > largest, 0, values)
            self._view[box_slices(box)] = values
        self._layer.refresh(extent=False)
