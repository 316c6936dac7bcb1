"""Outlines of proposed objects on the plane in view, as a layer over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg._napari.layers.overlay import Overlay
from napari_promptseg._napari.layers.transforms import plane_placement
from napari_promptseg._napari.layers.viewport import VIEW_EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.proposals import Found

SURE_COLOUR: Final = "#35d07f"
DOUBTFUL_COLOUR: Final = "#f2b134"
CHOSEN_COLOUR: Final = "#ffffff"


class ProposalOverlay:
    """Draws proposals of the plane in view: sure and doubtful ones, and those selected.

    Parameters
    ----------
    binding : LayerSync
        The image.
    """

    def __init__(self, binding: LayerSync) -> None:
        self._binding = binding
        self._overlay = Overlay(binding, "labels", lambda: None)
        self._found: Sequence[Found] = ()
        self._sure: Collection[Found] = ()
        self._chosen: Collection[Found] = ()
        self._drawn: object = None
        for name in VIEW_EVENTS:
            getattr(binding.viewer.dims.events, name).connect(self._moved)

    def close(self) -> None:
        """Remove the layer."""
        for name in VIEW_EVENTS:
            getattr(self._binding.viewer.dims.events, name).disconnect(self._moved)
        self._overlay.remove()

    def show(
        self, found: Sequence[Found], sure: Collection[Found], chosen: Collection[Found]
    ) -> None:
        """Show these proposals, where the view is or goes."""
        self._found, self._sure, self._chosen = found, sure, chosen
        self._drawn = None
        self._draw()

    def _moved(self, _: Any = None) -> None:
        self._draw()

    def _draw(self) -> None:
        plane = self._binding.view.plane() if self._binding.viewer.dims.ndisplay == 2 else None
        here = [one for one in self._found if one.plane == plane]
        if plane is None or not here:
            self._drawn = None
            self._overlay.remove()
            return
        if self._drawn == plane:
            return
        self._drawn = plane
        shape = self._binding.controller.volume.shape
        values = np.zeros([shape[axis] for axis in plane.in_plane], np.uint16)
        colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        for number, one in enumerate(here, start=1):
            values[one.proposal.part][one.proposal.mask] = number
            usual = SURE_COLOUR if one in self._sure else DOUBTFUL_COLOUR
            colours[number] = CHOSEN_COLOUR if one in self._chosen else usual
        layout, image = self._binding.layout, self._binding.image
        data = layout.expand_plane(values, plane.index)
        place = plane_placement(image, layout, plane.index)
        self._put(data, colours, place)

    def _put(self, data: Any, colours: dict[int | None, Any], place: dict[str, Any]) -> None:
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        layer: Any = self._overlay.layer
        colormap = DirectLabelColormap(color_dict=colours)
        if layer is None or layer.data.shape != data.shape:
            layer = Labels(
                data,
                name=f"{self._binding.image.name} proposals",
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
