"""Cross-hair on the canvas of the viewer: two lines through a position of the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg._napari.layers.overlay import Overlay
from napari_promptseg._napari.layers.transforms import placement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg._napari.layers.layer_sync import LayerSync

CROSS_COLOR: Final = "#ffd400"


class CrossHair:
    """Lines along the two axes in view, in a layer of their own.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    """

    def __init__(self, layer_sync: LayerSync) -> None:
        self._layer_sync = layer_sync
        self._overlay = Overlay(layer_sync, "clicks", self._forget)
        self._deleted = False

    def _forget(self) -> None:
        self._deleted = True

    def remove(self) -> None:
        """Take the lines away."""
        self._overlay.remove()

    def show(self, position: Sequence[float]) -> None:
        """Move the lines to a position in the volume; in 3D there are none."""
        from napari.layers import Vectors

        layer_sync = self._layer_sync
        if self._deleted:
            return
        try:
            normal = layer_sync.view.normal()
        except ValueError:
            self._overlay.remove()
            return
        names, shape = layer_sync.layout.names, layer_sync.controller.volume.shape
        lines = []
        for axis, name in enumerate(names):
            if name in ("t", normal):
                continue
            start = np.round(np.array(position, float))
            start[axis] = 0  # not beyond the first center: the sliders would get other steps
            way = np.zeros(len(names))
            way[axis] = shape[axis] - 1
            ends = start.tolist(), way.tolist()
            lines.append([layer_sync.layout.to_layer(end) for end in ends])
        data = np.array(lines, np.float32)
        if self._overlay.layer is not None:
            self._overlay.layer.data = data
            return
        layer = Vectors(
            data,
            edge_width=min(shape[-2:]) / 400,
            edge_color=CROSS_COLOR,
            vector_style="line",
            opacity=0.6,
            name=f"{layer_sync.image.name} cross-hair",
            **placement(layer_sync.image, layer_sync.layout),
        )
        self._overlay.show(layer)
