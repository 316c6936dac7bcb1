"""Layer sync: keeps the layers beside an image and its session in agreement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal, SignalGroup

from napari_promptseg._napari.keybindings import BoundKeys, history_keys
from napari_promptseg._napari.layers.annotation_layers import AnnotationLayers
from napari_promptseg._napari.layers.click_entry import ClickEntry
from napari_promptseg._napari.layers.factory import TOOLS
from napari_promptseg._napari.layers.image_changes import ImageChanges
from napari_promptseg._napari.layers.label_colors import LabelColors
from napari_promptseg._napari.layers.live_surface import LiveSurface
from napari_promptseg._napari.layers.painting import Mirror
from napari_promptseg._napari.layers.prompt_entry import PromptEntry
from napari_promptseg._napari.layers.transforms import TRANSFORM
from napari_promptseg._napari.layers.viewport import Viewport
from napari_promptseg.data.geometry import boxes_meet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari.layers import Image, Labels, Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.axes import LayerAxes
    from napari_promptseg._napari.worker.requests import Edit
    from napari_promptseg._napari.worker.session_controller import SessionController
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.data.geometry import Bounds, Plane
    from napari_promptseg.session.state import Color, StoredObject


class LayerSyncEvents(SignalGroup):
    """Signals of a layer sync."""

    tool = Signal(str)
    """Another tool is active now."""
    object_clicked = Signal(int, bool)
    """This committed object was clicked on; whether it adds to the selection."""
    begun_inside = Signal(int)
    """A new object was begun with a click inside of this committed one."""
    pixels = Signal()
    """Masks or labels were drawn anew."""
    status = Signal(str)
    """A message for the user."""


class LayerSync:
    """Keeps the layers beside an image and a controller alike.

    Parameters
    ----------
    viewer : Viewer
        Where the layers live.
    image : Image
        The image layer.
    layout : LayerAxes
        Its axes.
    controller : SessionController
        What the user does goes there; what it tells is drawn.
    later : callable
        Runs a call in the next turn of the event loop.
    layers : mapping of str to Layer, optional
        Layers that an earlier layer sync left; those still in the viewer are taken over.
    """

    def __init__(
        self,
        viewer: Viewer,
        image: Image,
        layout: LayerAxes,
        controller: SessionController,
        later: Callable[[Callable[[], None]], None],
        layers: Mapping[str, Layer] | None = None,
    ) -> None:
        self.viewer, self.image, self.layout, self.controller = viewer, image, layout, controller
        self.events = LayerSyncEvents()
        self.positive = True
        self.view = Viewport(viewer, image, layout, controller.volume.shape)
        self.overlays: list[Layer] = []
        self._entry = PromptEntry(self)
        self.selected: frozenset[int] = frozenset()
        self._label_colors = LabelColors()
        self._later = later
        self._draining = self._closed = False
        self._mirrors = {
            "object": Mirror(controller.mask, layout),
            "labels": Mirror(controller.labels, layout),
        }
        self.clicks = ClickEntry(self, self._mirrors, self._entry)
        on_paint = {"labels": self._labels_painted, "object": self._object_painted}
        self._beside = AnnotationLayers(self, self._mirrors, on_paint, self._entry, later)
        self._image_keys = BoundKeys(image, history_keys(), self.history())
        for name in TRANSFORM:
            getattr(image.events, name).connect(self._move)
        self._image_changes = ImageChanges(
            image, layout, controller, later, self.events.status.emit
        )
        viewer.layers.events.removed.connect(self._beside.removed)
        viewer.layers.selection.events.active.connect(self.emit_tool)
        controller.events.snapshot.connect(self._show)
        controller.events.mask.connect(self._mask_changed)
        controller.events.labels.connect(self._labels_changed)
        controller.events.running.connect(self._running)
        controller.events.replaced.connect(self._replaced)
        self._surface = LiveSurface(self)
        self._beside.take_over(layers or {})
        self._draw_all()
        self._beside.add_in_turns()

    # Layers

    @property
    def layers(self) -> dict[str, Layer]:
        """Those beside the image, by role."""
        return self._beside.by_role

    @property
    def incomplete(self) -> bool:
        """True while layers are still to be added beside the image."""
        return self._beside.incomplete

    def ensure_layers(self) -> None:
        """Make the layers that were deleted; those still to be added come by themselves."""
        if not self.incomplete:
            self._beside.ensure()

    def history(self) -> dict[str, Callable[[], None]]:
        """Return undo and redo of the session, by name."""
        return {"undo": self.controller.objects.undo, "redo": self.controller.objects.redo}

    def owns(self, layer: Layer | None) -> bool:
        """Return True if a layer is the image, or one beside it."""
        return layer == self.image or layer in [*self.layers.values(), *self.overlays]

    def _move(self, _: Event) -> None:
        """Follow the image when it is moved, turned or scaled."""
        self._beside.place()

    def close(self) -> dict[str, Layer]:
        """Release all layers; they stay as they are, and are returned."""
        self._closed = True
        self._finish_copying()
        self._surface.release()
        layers = self._beside.release()
        self._image_keys.release()
        for name in TRANSFORM:
            getattr(self.image.events, name).disconnect(self._move)
        self._image_changes.release()
        self.viewer.layers.events.removed.disconnect(self._beside.removed)
        self.viewer.layers.selection.events.active.disconnect(self.emit_tool)
        controller = self.controller.events
        controller.snapshot.disconnect(self._show)
        controller.mask.disconnect(self._mask_changed)
        controller.labels.disconnect(self._labels_changed)
        controller.running.disconnect(self._running)
        controller.replaced.disconnect(self._replaced)
        return layers

    # From the controller

    def show_state(self) -> None:
        """Show prompts and colors in layers that were added."""
        self._show(self.controller.snapshot)

    def _show(self, state: Snapshot) -> None:
        self._show_colors(state)
        for layer in self._beside.prompt_layers():
            layer.show(state.prompts)

    def _show_colors(self, state: Snapshot) -> None:
        if "labels" in self.layers:
            self._label_colors.show(
                self.layers["labels"], state.objects, state.classes, self.selected
            )

    def show_selected(self, labels: Sequence[int]) -> None:
        """Let objects stand out; hand painting takes the id of the first."""
        self.selected = frozenset(labels)
        self._show_colors(self.controller.snapshot)
        if labels and "labels" in self.layers:
            self.layers["labels"].selected_label = labels[0]

    def _mask_changed(self, boxes: list[Bounds]) -> None:
        self._take("object", boxes)

    def _labels_changed(self, boxes: list[Bounds]) -> None:
        self._take("labels", boxes)

    def _take(self, role: str, boxes: list[Bounds]) -> None:
        visible = self.view.box()
        for box in boxes:
            self._mirrors[role].take(box, visible)
        if any(boxes_meet(box, visible) for box in boxes):
            self._refresh(role)
        self.events.pixels.emit()
        if not self._draining:
            self._go_on()

    def _go_on(self) -> None:
        """Copy what is left of large changes, some in each turn of the event loop."""
        unfinished = [role for role, mirror in self._mirrors.items() if mirror.go_on()]
        self._draining = bool(unfinished) and not self._closed
        if self._draining:
            self._later(self._go_on)
            return
        self.events.pixels.emit()
        if self.viewer.dims.ndisplay == 3:
            for role in self._mirrors:
                self._refresh(role)

    def _finish_copying(self) -> None:
        for mirror in self._mirrors.values():
            while mirror.go_on():
                pass

    def plane_values(self, role: str, plane: Plane, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th value of a plane of the labels or the active object."""
        return self._mirrors[role].plane(plane, step)

    def _refresh(self, role: str) -> None:
        # A volume in 3D takes long to draw: it waits for the end of a propagation.
        late = self.viewer.dims.ndisplay == 3 and self.controller.propagation.running
        if role in self.layers and not late:
            self.layers[role].refresh(extent=False)

    def _replaced(self) -> None:
        visible = self.view.box()
        self._mirrors["object"].follow(self.controller.mask, visible)
        self._mirrors["labels"].follow(self.controller.labels, visible)
        self._draw_all()

    def _draw_all(self) -> None:
        """Draw what the session has; the empty rest of its arrays is left untouched."""
        state = self.controller.snapshot
        self._take("object", [] if state.extent is None else [state.extent])
        self._take("labels", [item.box for item in state.objects])
        for role in self._mirrors:
            self._refresh(role)
        self._show(state)

    def _running(self, running: bool) -> None:
        # A stroke into planes that are being written would be lost.
        if "object" in self.layers:
            self.layers["object"].editable = not running and self._mirrors["object"].paintable
        if not running and self.viewer.dims.ndisplay == 3:
            self._refresh("object")

    # From the user

    def _labels_painted(self, edit: Edit) -> None:
        self.controller.objects.paint_labels(edit)

    def _object_painted(self, edit: Edit) -> None:
        try:
            self.controller.prompts.paint_mask(edit, self.view.normal())
        except ValueError as error:
            self.events.status.emit(f"Not painted: {error}")
            self._mask_changed([edit.box])

    def set_polarity(self, positive: bool) -> None:
        """Make prompts that come next positive or negative."""
        self.positive = positive
        for layer in self._beside.prompt_layers():
            layer.set_polarity(positive)

    def use(self, tool: str) -> None:
        """Activate a tool: its layer, in its mode."""
        if tool != "click" and self.viewer.dims.ndisplay == 3:
            self.events.status.emit(f"The {tool} tool needs a 2D view: press Ctrl+Y to switch")
            self.emit_tool()
            return
        if tool == "click" and self.incomplete:
            return  # it is in use as soon as its layer is there
        self._beside.ensure()
        layer = self.layers["object" if tool == "click" else "strokes"]
        self.viewer.layers.selection.active = layer
        layer.mode = TOOLS[tool]
        if tool != "click":
            layer.current_edge_width = 3.0 if tool == "scribble" else self._beside.line_width()

    @property
    def tool(self) -> str | None:
        """The tool in use, None if another layer is selected or in a mode of its own."""
        active = self.viewer.layers.selection.active
        if not self.owns(active):
            return None
        strokes = self.layers.get("strokes")
        mode = str(strokes.mode) if strokes is not None and active == strokes else "pan_zoom"
        return next((tool for tool, other in TOOLS.items() if other == mode), None)

    def emit_tool(self, _: Event | None = None) -> None:
        """Say which tool is active."""
        if (tool := self.tool) is not None:
            self.events.tool.emit(tool)

    def draw(
        self, path: Sequence[Sequence[float]], tool: str, positive: bool, normal: str | None
    ) -> None:
        """Take what was drawn with a tool in a view normal to an axis as a prompt.

        Parameters
        ----------
        path : sequence of sequence of float
            Positions in the volume; of a box, two opposite corners.
        tool : {"box", "scribble", "lasso"}
            What it is.
        positive, normal
            See `ClickEntry.click_at`.
        """
        self._entry.add_drawn(path, tool, positive, normal)

    def jump_to(self, item: StoredObject) -> None:
        """Move the sliders to the middle of an object."""
        self.view.go_to([(start + stop - 1) // 2 for start, stop in item.box])

    @property
    def object_layer(self) -> Layer | None:
        """The layer in which the active object is seen: of its voxels, in 3D of its surface."""
        return self._surface.layer or self.layers.get("object")

    def toggle_mask(self) -> None:
        """Hide or show the active object."""
        if (layer := self.object_layer) is not None:
            layer.visible = not layer.visible

    def colors(self) -> dict[int, Color]:
        """Return the colors that objects are shown in: red, green and blue, 0 to 255."""
        colors = {s.label: self.swatch(s.label) for s in self.controller.snapshot.objects}
        return {
            label: (round(255 * rgba[0]), round(255 * rgba[1]), round(255 * rgba[2]))
            for label, rgba in colors.items()
            if rgba is not None
        }

    def swatch(self, label: int) -> Any:
        """Return the (R, G, B, A) color of an object in the labels layer, in [0, 1]."""
        labels: Labels | None = self.layers.get("labels")
        return None if labels is None else labels.get_color(label)
