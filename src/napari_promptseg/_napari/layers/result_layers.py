"""Result layers: surfaces of objects, and tracks. They stay when the dock closes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg._napari.layers.factory import OBJECT_COLOR
from napari_promptseg._napari.layers.removal import remove_layers
from napari_promptseg._napari.layers.transforms import TRANSFORM, placement, surface_placement
from napari_promptseg.measure.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Layer
    from napari.utils.events import Event
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.object_sizes import ObjectSizes
    from napari_promptseg._napari.worker.results import Shape
    from napari_promptseg._napari.worker.snapshot import Snapshot

ACTIVE: Final = 0
"""Stands for the active object where others have their label."""


class ResultLayers:
    """Adds layers of results beside an image, one for each object and kind.

    What was added before, by this dock or one that was closed, is updated.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(self, layer_sync: LayerSync, show_status: Callable[[str], None]) -> None:
        self._layer_sync, self._show_status = layer_sync, show_status
        self._aside: list[Layer] = []
        for name in TRANSFORM:
            getattr(layer_sync.image.events, name).connect(self._move)
        layer_sync.viewer.dims.events.ndisplay.connect(self._flip)
        layer_sync.controller.events.snapshot.connect(self._shown)

    def release(self) -> None:
        """Leave the layers to the user."""
        for name in TRANSFORM:
            getattr(self._layer_sync.image.events, name).disconnect(self._move)
        self._layer_sync.viewer.dims.events.ndisplay.disconnect(self._flip)
        self._layer_sync.controller.events.snapshot.disconnect(self._shown)
        for layer in self._aside:
            layer.visible = True

    # Surfaces

    def add_surface(self, label: int | None) -> None:
        """Show the surface of an object at the time point in view; None: of that in work."""
        layer_sync = self._layer_sync
        if label is None and not layer_sync.controller.snapshot.has_object:
            self._show_status("No surface yet: select an object in the list, or click on one")
            return
        layer_sync.controller.results.shape(
            label, layer_sync.view.time_point(), partial(self._draw, label or ACTIVE)
        )

    def _draw(self, label: int, shape: Shape) -> None:
        from napari.layers import Surface
        from napari.utils.colormaps import Colormap

        layer_sync = self._layer_sync
        vertices = shape.surface.voxels
        if shape.size.t is not None:
            vertices = np.insert(vertices, 0, shape.size.t, axis=1)
        place, scale = surface_placement(layer_sync.image, layer_sync.layout)
        vertices = layer_sync.layout.points_to_layer(vertices) * scale
        values = np.ones(len(vertices), np.float32)
        data = vertices, shape.surface.faces, values
        object_name = shape.size.name or (f"object {label}" if label else "active object")
        name = f"{layer_sync.image.name} {object_name} surface"
        colormap = Colormap([self._color(label)] * 2, name=f"label {label}")
        layer = self._find("surface", label)
        if layer is None:
            layer = Surface(data, colormap=colormap, shading="smooth", name=name, **place)
            self._add(layer, ("surface", label))
        else:
            layer.data, layer.colormap, layer.name = data, colormap, name
        layer.metadata["promptseg"]["scale"] = scale
        if layer_sync.viewer.dims.ndisplay == 2:
            layer_sync.viewer.dims.ndisplay = 3
        elif layer_sync.image not in self._aside:
            self._flip()

    def _color(self, label: int) -> NDArray[np.float64]:
        from napari.utils.colormaps.standardize_color import transform_color

        swatch = self._layer_sync.swatch(label) if label else None
        colors = transform_color(OBJECT_COLOR if swatch is None else swatch)
        return np.asarray(colors[0], np.float64)

    def _flip(self, _: Event | None = None) -> None:
        """Show surfaces in 3D only, and in their place what would cover them only in planes.

        What the user has hidden stays hidden.
        """
        layer_sync = self._layer_sync
        surfaces = [layer for (kind, _), layer in self._layers().items() if kind == "surface"]
        flat = [layer_sync.image, *(layer_sync.layers.get(role) for role in ("labels", "object"))]
        for layer in self._aside:
            layer.visible = True
        aside = flat if surfaces and layer_sync.viewer.dims.ndisplay == 3 else surfaces
        self._aside = [layer for layer in aside if layer is not None and layer.visible]
        for layer in self._aside:
            layer.visible = False

    def _shown(self, state: Snapshot) -> None:
        """Remove the surface of the active object when it is committed or discarded."""
        layer = None if state.has_object else self._find("surface", ACTIVE)
        if layer is not None:
            self._keeping_active(lambda _: remove_layers(self._layer_sync.viewer, [layer]))

    # Tracks

    def add_tracks(self) -> None:
        """Show the tracks of all committed objects."""
        if len(self._layer_sync.layout.shared_dims) > 4:
            self._show_status("Tracks cannot be shown beside a channel axis; export them instead")
            return
        self._layer_sync.controller.results.tracks(self._draw_tracks)

    def show_tracks(self) -> None:
        """Show the tracks of all committed objects if there are none yet, without a message."""
        if self._find("tracks", 0) is None and len(self._layer_sync.layout.shared_dims) <= 4:
            self._layer_sync.controller.ask("tracks", lambda s: s.tracks(), self._draw_tracks)

    def update_tracks(self, sizes: Mapping[int, ObjectSizes]) -> None:
        """Let the layer of tracks follow the objects, once all of them are measured."""
        layer = self._find("tracks", 0)
        objects = {item.label: item for item in self._layer_sync.controller.snapshot.objects}
        if layer is None or sizes.keys() != objects.keys():
            return
        rows = [
            (label, t, *centre)
            for label in sorted(sizes)
            for t, centre in zip(sizes[label].times, sizes[label].centres, strict=True)
        ]
        if not rows:
            self._keeping_active(lambda layers: layers.remove(layer))
            return
        graph = {label: [item.parent] for label, item in objects.items() if item.parent in objects}
        self._draw_tracks(Tracks(np.array(rows, np.float64), graph))

    def _draw_tracks(self, tracks: Tracks) -> None:
        from napari.layers import Tracks as TracksLayer

        if not len(tracks.data):
            return

        layer_sync = self._layer_sync
        points = layer_sync.layout.points_to_layer(tracks.data[:, 1:])
        data = np.column_stack([tracks.data[:, 0], points])
        labels, rank = np.unique(data[:, 0].astype(int), return_inverse=True)
        features = {"color": rank / max(len(labels) - 1, 1)}
        colormaps = {"color": self._track_colors(labels.tolist())}
        layer = self._find("tracks", 0)
        if layer is None:
            layer = TracksLayer(
                data,
                graph=tracks.graph,
                features=features,
                colormaps_dict=colormaps,
                color_by="color",
                tail_width=3,
                blending="translucent",
                name=f"{layer_sync.image.name} tracks",
                **placement(layer_sync.image, layer_sync.layout),
            )
            self._add(layer, ("tracks", 0))
            return
        # Without data of its own, "color" would be missed, and a warning shown.
        layer.color_by = "track_id"
        layer.data, layer.colormaps_dict, layer.features = data, colormaps, features
        layer.graph, layer.color_by = tracks.graph, "color"

    def _track_colors(self, labels: list[int]) -> Any:
        from napari.utils.colormaps import Colormap

        colors = [self._color(label) for label in labels]
        return Colormap(colors if len(colors) > 1 else colors * 2, name="labels")

    # Layers

    def _layers(self) -> dict[tuple[str, int], Layer]:
        """Return the layers of results of this image by kind and label."""
        return _results(self._layer_sync)

    def _find(self, kind: str, label: int) -> Layer | None:
        return self._layers().get((kind, label))

    def _add(self, layer: Layer, result: tuple[str, int]) -> None:
        image = self._layer_sync.image.unique_id
        layer.metadata["promptseg"] = {"result": result, "image": image, "overlay": True}
        self._keeping_active(lambda layers: layers.append(layer))

    def _keeping_active(self, change: Callable[[Any], None]) -> None:
        """Change the list of layers; the tool of the user stays in hand."""
        layers = self._layer_sync.viewer.layers
        active = layers.selection.active
        change(layers)
        layers.selection.active = active if active in layers else None

    def _move(self, _: Event) -> None:
        """Follow the image when it is moved, turned or scaled."""
        for (kind, _label), layer in self._layers().items():
            place = placement(self._layer_sync.image, self._layer_sync.layout)
            if kind == "surface":
                place, scale = surface_placement(self._layer_sync.image, self._layer_sync.layout)
                info = layer.metadata["promptseg"]
                if not np.array_equal(scale, info["scale"]):
                    vertices, *rest = layer.data
                    layer.data = (vertices * (scale / info["scale"]), *rest)
                    info["scale"] = scale
            for name, value in place.items():
                setattr(layer, name, value)


def _results(layer_sync: LayerSync) -> dict[tuple[str, int], Layer]:
    """Return the layers of results of an image by kind and label."""
    layers = {}
    for layer in layer_sync.viewer.layers:
        info = layer.metadata.get("promptseg", {})
        if info.get("image") == layer_sync.image.unique_id:
            layers[info["result"]] = layer
    return layers


def has_surface(layer_sync: LayerSync, label: int) -> bool:
    """Return True if there is a layer with the surface of an object of an image."""
    return ("surface", label) in _results(layer_sync)
