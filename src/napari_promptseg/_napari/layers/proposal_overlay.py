"""Proposal overlay: outlines of proposed objects on the visible plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg._napari.layers.overlay import Overlay
from napari_promptseg._napari.layers.transforms import plane_placement
from napari_promptseg._napari.layers.viewport import VIEW_EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.proposals import AnyProposal

CONFIDENT_COLOR: Final = "#35d07f"
DOUBTFUL_COLOR: Final = "#f2b134"
SELECTED_COLOR: Final = "#ffffff"


class ProposalOverlay:
    """Draws proposals of the plane in view: sure and doubtful ones, and those selected.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    """

    def __init__(self, layer_sync: LayerSync) -> None:
        self._layer_sync = layer_sync
        self._overlay = Overlay(layer_sync, "labels", lambda: None)
        self._proposals: Sequence[AnyProposal] = ()
        self._confident: Collection[AnyProposal] = ()
        self._selected: Collection[AnyProposal] = ()
        self._visible_plane: object = None
        for name in VIEW_EVENTS:
            getattr(layer_sync.viewer.dims.events, name).connect(self._moved)

    def close(self) -> None:
        """Remove the layer."""
        for name in VIEW_EVENTS:
            getattr(self._layer_sync.viewer.dims.events, name).disconnect(self._moved)
        self._overlay.remove()

    def show(
        self,
        proposals: Sequence[AnyProposal],
        confident: Collection[AnyProposal],
        selected: Collection[AnyProposal],
    ) -> None:
        """Show these proposals, where the view is or goes."""
        self._proposals, self._confident, self._selected = proposals, confident, selected
        self._visible_plane = None
        self._draw()

    def _moved(self, _: Any = None) -> None:
        self._draw()

    def _draw(self) -> None:
        layer_sync = self._layer_sync
        if layer_sync.image not in layer_sync.viewer.layers:
            return  # it is being removed, which changes the dimensions first
        plane = layer_sync.view.plane() if layer_sync.viewer.dims.ndisplay == 2 else None
        if plane is not None and self._visible_plane == plane:
            return
        sections = [] if plane is None else [(one, one.section(plane)) for one in self._proposals]
        here = [(one, section) for one, section in sections if section is not None]
        if plane is None or not here:
            self._visible_plane = None
            self._overlay.remove()
            return
        self._visible_plane = plane
        shape = self._layer_sync.controller.volume.shape
        values = np.zeros(plane.shape_in(shape), np.uint16)
        colors: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        for number, (one, (part, mask)) in enumerate(here, start=1):
            values[part][mask] = number
            usual = CONFIDENT_COLOR if one in self._confident else DOUBTFUL_COLOR
            colors[number] = SELECTED_COLOR if one in self._selected else usual
        layout, image = self._layer_sync.layout, self._layer_sync.image
        data = layout.expand_plane(values, plane.index)
        place = plane_placement(image, layout, plane.index)
        self._put(data, colors, place)

    def _put(self, data: Any, colors: dict[int | None, Any], place: dict[str, Any]) -> None:
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        layer: Any = self._overlay.layer
        colormap = DirectLabelColormap(color_dict=colors)
        if layer is None or layer.data.shape != data.shape:
            layer = Labels(
                data,
                name=f"{self._layer_sync.image.name} proposals",
                colormap=colormap,
                opacity=1.0,
                **place,
            )
            layer.contour = 1
            layer.editable = False
            self._overlay.show(layer)
        else:
            layer.translate = place["translate"]
            layer.colormap = colormap
            layer.data = data
