"""Annotation layers: labels, active object, strokes and clicks beside an image."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg._napari.keybindings import BoundKeys, history_keys
from napari_promptseg._napari.layers.factory import (
    ROLES,
    click_size,
    import_with_layers,
    make_labels,
    make_prompts,
)
from napari_promptseg._napari.layers.painting import ArrayHook, PaintHook
from napari_promptseg._napari.layers.prompt_layers import ClickLayer, PromptLayer, StrokeLayer
from napari_promptseg._napari.layers.transforms import placement, set_changed
from napari_promptseg._napari.worker.main_thread import call_in_quiet_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari.layers import Layer
    from napari.utils.events import Event

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.layers.painting import Mirror
    from napari_promptseg._napari.layers.prompt_entry import PromptEntry
    from napari_promptseg._napari.worker.requests import Edit

_PAUSE_MS: Final = 30
"""Between two layers: time in which the one before is drawn."""


class AnnotationLayers:
    """Makes the layers beside an image, and hands on what the user does in them.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    mirrors : mapping of str to Mirror
        Arrays of the labels and of the active object, by role.
    painted : mapping of str to callable
        Take the edits of hand painting, by role.
    entry : PromptEntry
        Takes prompts that are drawn, moved or deleted.
    later : callable
        Runs a call in the next turn of the event loop.

    Attributes
    ----------
    by_role : dict of str to Layer
        Those that there are.
    """

    def __init__(
        self,
        layer_sync: LayerSync,
        mirrors: Mapping[str, Mirror],
        on_paint: Mapping[str, Callable[[Edit], None]],
        entry: PromptEntry,
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.by_role: dict[str, Layer] = {}
        self._layer_sync, self._mirrors, self._on_paint = layer_sync, mirrors, on_paint
        self._entry, self._later = entry, later
        self._hooks: dict[str, list[Any]] = {}
        self._missing: list[str] = []

    # To the viewer

    def take_over(self, layers: Mapping[str, Layer]) -> None:
        """Go on with layers that an earlier layer sync left, those that are there and fit."""
        for role, layer in layers.items():
            mirror = self._mirrors.get(role)
            if layer not in self._layer_sync.viewer.layers or (
                mirror is not None and isinstance(mirror.data, list) != layer.multiscale
            ):
                continue
            if mirror is not None:
                layer.data = mirror.data
            if role == "labels":
                layer.features = {}
            if role == "clicks":
                layer.current_size = click_size(self._layer_sync.controller.volume.shape)
            self._hook(role, layer)
        self.place()

    def add_in_turns(self) -> None:
        """Add what is missing, one layer after the other, and let the window react between.

        napari needs up to 100 ms for each, and as much to draw it for the first time.
        """
        self._missing = [role for role in ROLES if role not in self.by_role]
        if not self._missing:
            return
        if "skimage.color" in sys.modules:
            call_in_quiet_turn(self._add_next)
        else:  # the window need not wait for what napari imports with the first layers
            start = partial(call_in_quiet_turn, self._add_next)
            self._layer_sync.controller.proxy.run_apart(import_with_layers, start)

    @property
    def incomplete(self) -> bool:
        """True while layers are still to be added."""
        return bool(self._missing)

    def _add_next(self) -> None:
        if not self._missing:
            return
        self._add(self._missing[:1])
        del self._missing[0]
        if self._missing:
            call_in_quiet_turn(self._add_next, _PAUSE_MS)
        else:
            self._layer_sync.use("click")

    def ensure(self) -> None:
        """Add the layers that are not there, or were deleted, at once."""
        incomplete, self._missing = self.incomplete, []
        self._add([role for role in ROLES if role not in self.by_role])
        if incomplete:
            self._layer_sync.use("click")

    def _add(self, roles: Iterable[str]) -> None:
        layers, image = self._layer_sync.viewer.layers, self._layer_sync.image
        active, roles = layers.selection.active, [r for r in roles if r not in self.by_role]
        if not roles:
            return
        for role in roles:
            layer = self._make(role)
            lower = ROLES[: ROLES.index(role)]
            below = [image, *(self.by_role[r] for r in lower if r in self.by_role)]
            self._hook(role, layer)
            layers.insert(list(layers).index(below[-1]) + 1, layer)
        if active is not None and active in layers:
            layers.selection.active = active
        self._layer_sync.show_state()

    def _make(self, role: str) -> Layer:
        layer_sync = self._layer_sync
        place = placement(layer_sync.image, layer_sync.layout)
        name = self.name(role)
        if role in self._mirrors:
            return make_labels(role, self._mirrors[role].data, name, place)
        return make_prompts(role, layer_sync.controller.volume.shape, name, place)

    def name(self, role: str) -> str:
        """Return the name that a layer gets."""
        return f"{self._layer_sync.image.name} {role}"

    def place(self) -> None:
        """Put the layers where the image is."""
        place = placement(self._layer_sync.image, self._layer_sync.layout)
        for layer in self.by_role.values():
            set_changed(layer, place)

    # From the layers

    def _hook(self, role: str, layer: Layer) -> None:
        layer_sync = self._layer_sync
        self.by_role[role] = layer
        if role in self._mirrors and not self._mirrors[role].paintable:
            layer.editable = False
        history = layer_sync.history()
        hooks: list[Any] = [BoundKeys(layer, history_keys(), history)]
        if role in self._mirrors:
            on_paint, mirror = self._on_paint[role], self._mirrors[role]
            hooks += [
                PaintHook(layer, layer_sync.layout, on_paint, history["undo"], history["redo"]),
                ArrayHook(layer, mirror, on_paint, self._refuse_array),
            ]
        else:
            kind = ClickLayer if role == "clicks" else StrokeLayer
            prompts = kind(
                layer,
                layer_sync.layout,
                layer_sync.controller.volume.shape,
                self._later,
                self._entry.add,
                layer_sync.controller.prompts.remove,
                self._entry.move,
            )
            prompts.set_polarity(layer_sync.positive)
            hooks.append(prompts)
        if role == "strokes":
            layer.events.mode.connect(layer_sync.emit_tool)
        self._hooks[role] = hooks

    def prompt_layers(self) -> list[PromptLayer]:
        """Return the layers of prompts, with what draws in them."""
        return [h for hooks in self._hooks.values() for h in hooks if isinstance(h, PromptLayer)]

    def line_width(self) -> float:
        """Return the width of boxes and lassos in pixels."""
        return next(h.line_width for h in self.prompt_layers() if isinstance(h, StrokeLayer))

    def _refuse_array(self) -> None:
        self._layer_sync.events.status.emit(
            "Not taken: the new array of the layer has another shape"
        )

    def removed(self, event: Event) -> None:
        """Note that the user deleted a layer."""
        for role, layer in list(self.by_role.items()):
            if layer == event.value:
                self._unhook(role)
                self._layer_sync.events.status.emit(
                    f"The layer of {role} comes back with the next prompt"
                )

    def _unhook(self, role: str) -> Layer:
        layer = self.by_role.pop(role)
        for hook in self._hooks.pop(role):
            hook.release()
        if role == "strokes":
            layer.events.mode.disconnect(self._layer_sync.emit_tool)
        return layer

    def release(self) -> dict[str, Layer]:
        """Leave the layers as they are, and return them."""
        self._missing = []
        return {role: self._unhook(role) for role in list(self.by_role)}
