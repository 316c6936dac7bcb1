"""Presenter of many objects at once: the mode of the prompts, and layers of prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg._napari.layers.prompt_layers import drawn_prompt, shape_vertices
from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Points, Shapes
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.sections import PromptSection
    from napari_promptseg._napari.widgets.segment_each import EachSection
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.data.prompts import Prompt

_SCRIBBLE_WIDTH = 3.0


class EachPresenter:
    """Turns prompts and layers into an object each.

    Parameters
    ----------
    section : EachSection
        The mode, layers and progress.
    prompts : PromptSection
        Its tools draw the prompts, its button answers them.
    show_status : callable
        Shows a message to the user.
    naming : callable
        Returns name and class of new objects, as the user has given them.
    axis : callable
        Returns the axis to go along through a series, as the user has chosen it.
    """

    def __init__(
        self,
        section: EachSection,
        prompts: PromptSection,
        show_status: Callable[[str], None],
        naming: Callable[[], tuple[str, str]],
        axis: Callable[[], str | None],
    ) -> None:
        self._section, self._prompts, self._show_status = section, prompts, show_status
        self._naming, self._axis = naming, axis
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        self._layers: list[Points | Shapes] = []
        section.mode_toggled.connect(self.set_mode)
        section.through_toggled.connect(self._set_through)
        section.neighbors_toggled.connect(self._set_neighbors)
        section.layer_requested.connect(self._segment_layer)
        section.cancel_requested.connect(self.cancel)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        self._section.setEnabled(layer_sync is not None)
        if layer_sync is None:
            return
        each, layers = layer_sync.controller.each, layer_sync.viewer.layers
        connect = self._connections.connect
        each.naming, each.axis = self._naming, self._axis
        connect(each.events.running, self._section.show_running)
        connect(each.events.progress, self._section.show_progress)
        connect(layer_sync.controller.events.snapshot, self._show_state)
        for emitter in (layers.events.inserted, layers.events.removed):
            connect(emitter, self._show_layers)
        self._section.show_axes(layer_sync.controller.volume.names)
        self._section.show_running(each.running)
        self._set_through(self._section.through.isChecked())
        if each.mode != self._section.mode.isChecked():
            each.set_mode(self._section.mode.isChecked())
        self._show_state(layer_sync.controller.snapshot)
        self._show_layers()

    def set_mode(self, on: bool) -> None:
        """Let each prompt be a new object from now on, or no more."""
        self._prompts.show_apart(on)
        if self._layer_sync is not None:
            self._layer_sync.controller.each.set_mode(on)

    def _set_through(self, on: bool) -> None:
        if self._layer_sync is not None:
            several = bool(self._layer_sync.controller.volume.names.removesuffix("yx"))
            self._layer_sync.controller.each.through = on and several

    def cancel(self) -> None:
        """Stop; the objects that are done are kept."""
        if self._layer_sync is not None:
            self._layer_sync.controller.each.cancel()

    def _show_state(self, state: Snapshot) -> None:
        self._section.show_neighbors(state.neighbors)

    def _set_neighbors(self, on: bool) -> None:
        if self._layer_sync is not None:
            self._layer_sync.controller.each.set_neighbors(on)

    def _show_layers(self, event: Any = None) -> None:
        """Offer the points and shapes layers that are not those of the dock."""
        from napari.layers import Points, Shapes

        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        self._layers = [
            layer
            for layer in layer_sync.viewer.layers
            if isinstance(layer, Points | Shapes) and not layer_sync.owns(layer)
        ]
        self._section.show_layers([layer.name for layer in self._layers])

    def _segment_layer(self, row: int) -> None:
        """Make an object of each point or shape of a layer."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            self._show_status(NO_IMAGE)
            return
        if not 0 <= row < len(self._layers):
            return
        layer = self._layers[row]
        prompts, left_out = self._layer_prompts(layer_sync, layer)
        if not prompts:
            self._show_status(f"{layer.name!r} has nothing on the image")
            return
        layer_sync.ensure_layers()
        layer_sync.controller.each.segment(prompts)
        if left_out:
            self._show_status(f"{left_out} of {layer.name!r} left out: outside, or too small")

    def _layer_prompts(
        self, layer_sync: LayerSync, layer: Points | Shapes
    ) -> tuple[list[Prompt], int]:
        """Return the prompts of a layer, and how many of its things are none."""
        volume = layer_sync.controller.volume
        try:
            normal = layer_sync.view.normal()
        except ValueError:  # in 3D
            normal = None
        prompts: list[Prompt] = []
        left_out = 0
        for vertices, kind in _things(layer):
            rows = np.array([_position(layer_sync, layer, vertex) for vertex in vertices], float)
            try:
                prompt = drawn_prompt(
                    rows, kind, volume.shape, volume.names, normal, True, _SCRIBBLE_WIDTH
                )
            except ValueError:
                left_out += 1
            else:
                prompts.append(prompt)
        return prompts, left_out


def _things(layer: Points | Shapes) -> Iterator[tuple[NDArray[np.float64], str]]:
    """Yield vertices and kind of all points or shapes of a layer."""
    from napari.layers import Points

    if isinstance(layer, Points):
        for row in np.asarray(layer.data, float):
            yield row[None], "point"
        return
    for number in range(len(layer.data)):
        yield shape_vertices(layer, number)


def _position(layer_sync: LayerSync, layer: Any, row: NDArray[np.float64]) -> tuple[float, ...]:
    """Return where a vertex of any layer lies in the volume.

    A layer of fewer axes lies on the plane in view.
    """
    world = [float(entry) for entry in layer.data_to_world(row)]
    missing = layer_sync.viewer.dims.ndim - len(world)
    world = [*layer_sync.viewer.dims.point[:missing], *world] if missing > 0 else world
    return tuple(float(entry) for entry in layer_sync.view.position(world))
