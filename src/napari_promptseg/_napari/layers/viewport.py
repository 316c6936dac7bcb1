"""Viewport: the visible plane and box of an image, and navigation to others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import plane_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_promptseg._napari.layers.axes import LayerAxes
    from napari_promptseg.data.geometry import Bounds, Plane

VIEW_EVENTS: Final = ("current_step", "order", "ndisplay")
"""Of the dims of a viewer: after each of them, another plane may be in view."""
_EDGE: Final = 0.05
"""Share of the view; what lies nearer to its edge is as good as out of view."""


class Viewport:
    """The view of an image in the coordinates of its volume.

    Parameters
    ----------
    viewer : Viewer
        Where the image is.
    image : Image
        The image layer.
    layout : LayerAxes
        Its axes.
    shape : tuple of int
        Of the volume, without channel.
    """

    def __init__(
        self, viewer: Viewer, image: Image, layout: LayerAxes, shape: tuple[int, ...]
    ) -> None:
        self._viewer, self._image, self._layout, self._shape = viewer, image, layout, shape

    def position(self, world: Sequence[float]) -> tuple[float, ...]:
        """Turn world coordinates into a position in the volume, which may be outside."""
        return self._layout.from_image(self._image.world_to_data(world))

    def step(self) -> int:
        """Return how many pixels of a plane one on the screen stands for: a power of two."""
        if not self._image.multiscale:
            return 1
        factor = max(self._image.downsample_factors[self._image.data_level])
        return 1 << max(round(math.log2(factor)), 0)

    def normal(self) -> str | None:
        """Return the axis that the view is normal to; see `LayerAxes.shown_normal`."""
        return self._layout.shown_normal(self.displayed())

    def box(self) -> Bounds:
        """Return the part of the volume that is in view."""
        whole = tuple((0, n) for n in self._shape)
        if self._viewer.dims.ndisplay == 3:
            return whole
        displayed = self.displayed()
        point = self.position(self._viewer.dims.point)
        dims = [d for d in range(len(self._layout.dims)) if d != self._layout.channel]
        return tuple(
            full if d in displayed else (round(p), round(p) + 1)
            for d, p, full in zip(dims, point, whole, strict=True)
        )

    def plane(self) -> Plane | None:
        """Return the plane of the volume that is in view, None if there is none."""
        try:
            normal = self.normal()
        except ValueError:
            return None
        box = self.box()
        if any(start < 0 or stop > n for (start, stop), n in zip(box, self._shape, strict=True)):
            return None
        return plane_at(self._layout.names, [start for start, _ in box], normal)

    def time_point(self) -> int | None:
        """Return the time point in view; None where there is no time."""
        if "t" not in self._layout.names:
            return None
        here = self.position(self._viewer.dims.point)[0]
        return int(np.clip(round(here), 0, self._shape[0] - 1))

    def displayed(self) -> list[int]:
        """Return the dimensions of the image that are in view."""
        first = self._viewer.dims.ndim - len(self._layout.dims)
        return [d - first for d in self._viewer.dims.displayed]

    def go_to(self, position: Sequence[float]) -> None:
        """Move the sliders to a position in the volume."""
        world = self._image.data_to_world(self._image_coordinates(position))
        first = self._viewer.dims.ndim - len(world)
        for axis in self._viewer.dims.not_displayed:
            if axis >= first:
                self._viewer.dims.set_point(axis, world[axis - first])

    def point_at(self, position: Sequence[float]) -> None:
        """Move the point of the viewer, which is the cross-hair, on all axes of the image."""
        inside = [min(max(p, 0.0), n - 1.0) for p, n in zip(position, self._shape, strict=True)]
        world = self._image.data_to_world(self._image_coordinates(inside))
        first = self._viewer.dims.ndim - len(world)
        self._viewer.dims.set_point([first + axis for axis in range(len(world))], list(world))

    def look_at(self, position: Sequence[float]) -> None:
        """Move the sliders to a position, and the camera if it is out of view; never zoom."""
        self.go_to(position)
        if self._viewer.dims.ndisplay == 3 or self._in_view(position):
            return
        world = self._image.data_to_world(self._image_coordinates(position))
        row, column = (world[d] for d in self.displayed())
        camera = getattr(self._viewer, "scene", self._viewer).camera  # it moved in napari 0.9
        camera.center = (camera.center[0], row, column)

    def _image_coordinates(self, position: Sequence[float]) -> tuple[float, ...]:
        """Turn a position in the volume into data coordinates of the image, in this channel."""
        entries = [float(p) for p in position]
        channel = self._layout.channel
        if channel is not None:
            entries.insert(channel, self._image.world_to_data(self._viewer.dims.point)[channel])
        return tuple(entries)

    def _in_view(self, position: Sequence[float]) -> bool:
        image = self._image
        corners = np.asarray(image.corner_pixels) * image.downsample_factors[image.data_level]
        edge = _EDGE * (corners[1] - corners[0])
        last = np.asarray(image.level_shapes[0])[: len(edge)] - 1
        low = np.where(corners[0] > 0, corners[0] + edge, -np.inf)
        high = np.where(corners[1] < last, corners[1] - edge, np.inf)
        at = np.array(self._image_coordinates(position))
        displayed = self.displayed()
        return bool(((at >= low) & (at <= high))[displayed].all())
