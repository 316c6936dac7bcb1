"""Click entry: clicks in views of planes and volumes become prompts, or select an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg._napari.layers.ray_picking import (
    displayed_array,
    first_filled,
    ray_voxels,
    values_along,
    visible_depth,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.layers.painting import Mirror
    from napari_promptseg._napari.layers.prompt_entry import PromptEntry


class ClickEntry:
    """Takes clicks on an image; what is not acted on is answered with a message.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    mirrors : mapping of str to Mirror
        Arrays of the labels and of the active object, by role.
    prompts : PromptEntry
        Takes prompts.
    """

    def __init__(
        self, layer_sync: LayerSync, mirrors: Mapping[str, Mirror], prompts: PromptEntry
    ) -> None:
        self._layer_sync, self._mirrors, self._prompts = layer_sync, mirrors, prompts
        self.before_click: Callable[[Sequence[float]], None] | None = None
        """Called with the position of each click, before it becomes a prompt."""

    def click(
        self, world: Sequence[float], positive: bool, direction: Sequence[float] | None = None
    ) -> None:
        """Take a click on the canvas as a prompt, or select the committed object there.

        A click on the object that is selected already begins a new one inside of it.

        Parameters
        ----------
        world : sequence of float
            Where, in world coordinates.
        positive : bool
            Whether the object is there.
        direction : sequence of float, optional
            Line of sight in a 3D display.
        """
        if self._layer_sync.viewer.dims.ndisplay == 3:
            self._click_volume(world, positive, direction)
            return
        try:
            normal = self._layer_sync.view.normal()
        except ValueError as error:
            self._say(f"No prompt: {error}")
            return
        self.click_at(self._layer_sync.view.position(world), positive, normal)

    def _click_volume(
        self, world: Sequence[float], positive: bool, direction: Sequence[float] | None
    ) -> None:
        """Take a click on the 3D display: on the surface of an object, else where the image shows.

        The prompt acts on the plane of the first axis through that voxel.
        """
        voxels = self._sight(world, direction)
        if voxels is None:
            return
        positions = self._positions(voxels)
        depth = self._surface_depth(positions, positive)
        if depth is not None:
            self._click_voxel(positions[depth], positive)
            return
        if not self._layer_sync.image.visible:
            self._say("No prompt: the image is hidden, and no object is there")
            return
        array, factors = displayed_array(self._layer_sync.image)

        def take(values: NDArray[np.float64]) -> None:
            depth = visible_depth(values, self._layer_sync.image)
            if depth is None:
                self._say("No prompt: nothing stands out there. Ctrl+Y goes back to planes")
            else:
                self._click_voxel(positions[depth], positive)

        if isinstance(array, np.ndarray):
            take(values_along(array, factors, voxels))
        else:  # reading may take long
            self._layer_sync.controller.proxy.run(
                lambda *_: values_along(array, factors, voxels), take
            )

    def _sight(
        self, world: Sequence[float], direction: Sequence[float] | None
    ) -> NDArray[np.intp] | None:
        """Return the voxels of the image under a click in 3D; without any, a message says why."""
        displayed, channel = self._layer_sync.view.displayed(), self._layer_sync.layout.channel
        if direction is None or min(displayed) < 0 or channel in displayed:
            self._say("Clicks need a view of the volume: press Ctrl+Y for planes")
            return None
        voxels = ray_voxels(self._layer_sync.image, world, direction, displayed)
        if voxels is None:
            self._say("No prompt: that is beside the image")
        return voxels

    def _positions(self, voxels: NDArray[np.intp]) -> NDArray[np.intp]:
        """Turn voxels of the image layer into (N, D) positions in the volume."""
        channel = self._layer_sync.layout.channel
        return voxels[:, [d for d in range(voxels.shape[1]) if d != channel]]

    def _surface_depth(self, positions: NDArray[np.intp], positive: bool) -> int | None:
        """Return which position is on the surface of an object that a click is meant for.

        Of the active object, if it is corrected there; of a committed one, if a click selects it.
        """
        layer = self._layer_sync.object_layer
        if self._layer_sync.controller.snapshot.has_object:
            is_seen = layer is not None and layer.visible and not positive
            return first_filled(self._mirrors["object"], positions) if is_seen else None
        depth = self._committed_depth(positions) if positive else None
        if depth is None or self._layer_sync.selected == {self._object_at(positions[depth])}:
            return None
        return depth

    def _committed_depth(self, positions: NDArray[np.intp]) -> int | None:
        """Return the first position in a committed object that can be clicked on."""
        labels = self._mirrors["labels"].values(positions)
        items = self._layer_sync.controller.snapshot.objects
        through = [item.label for item in items if item.hidden or item.locked]
        hits = np.flatnonzero((labels > 0) & ~np.isin(labels, through))
        return int(hits[0]) if len(hits) else None

    def _click_voxel(self, position: NDArray[np.intp], positive: bool) -> None:
        entries = [float(p) for p in position]
        self.click_at(entries, positive, "z" if "z" in self._layer_sync.layout.names else None)
        self._layer_sync.view.point_at(entries)

    def click_at(self, position: Sequence[float], positive: bool, normal: str | None) -> None:
        """Take a click at a position, in a view normal to an axis; see `click`."""
        label = self._object_at(position)
        begins = positive and not self._layer_sync.controller.snapshot.has_object
        if begins and label is not None and self._layer_sync.selected != {label}:
            self._layer_sync.events.object_clicked.emit(label, False)
            return
        if self.before_click is not None:
            self.before_click(position)
        is_prompt = self._prompts.add_point(position, positive, normal)
        if is_prompt and begins and label is not None:
            self._layer_sync.events.begun_inside.emit(label)

    def select(self, world: Sequence[float], direction: Sequence[float] | None = None) -> None:
        """Add the committed object at a click to the selection, or take it out; see `click`."""
        if self._layer_sync.viewer.dims.ndisplay == 2:
            self.select_at(self._layer_sync.view.position(world))
            return
        voxels = self._sight(world, direction)
        if voxels is not None:
            positions = self._positions(voxels)
            self.select_at(positions[self._committed_depth(positions) or 0])

    def select_at(self, position: Sequence[float]) -> None:
        """Add the committed object at a position to the selection, or take it out."""
        label = self._object_at(position)
        if label is None:
            self._say("Shift+click: on a committed object, to select several")
        else:
            self._layer_sync.events.object_clicked.emit(label, True)

    def _object_at(self, position: Sequence[float]) -> int | None:
        """Return the object at a position that can be clicked on: not hidden, not locked."""
        shape = self._layer_sync.controller.volume.shape
        if not all(-0.5 <= p < n - 0.5 for p, n in zip(position, shape, strict=True)):
            return None
        label = self._mirrors["labels"].value(position)
        items = [
            item for item in self._layer_sync.controller.snapshot.objects if item.label == label
        ]
        return next((i.label for i in items if not (i.hidden or i.locked)), None)

    def _say(self, text: str) -> None:
        self._layer_sync.events.status.emit(text)
