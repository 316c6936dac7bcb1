"""Prompt entry: what the user drew or moved becomes a valid prompt, or a message says why not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.layers.prompt_layers import drawn_prompt
from napari_promptseg.data.prompts import PointPrompt, ScribblePrompt, check_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg.data.prompts import Prompt


_SHAPES: Final = {"box": "rectangle", "scribble": "path", "lasso": "polygon"}
"""Shape types of napari by tool."""


class PromptEntry:
    """Makes prompts of clicks and shapes, and gives them to the session.

    Parameters
    ----------
    layer_sync : LayerSync
        The image.
    """

    def __init__(self, layer_sync: LayerSync) -> None:
        self._layer_sync = layer_sync

    def add(self, vertices: NDArray[np.float64], kind: str) -> bool:
        """Add what the user drew as a prompt; return whether it is one."""
        if (normal := self._normal()) is None:
            return False
        return self._add(vertices, kind, self._layer_sync.positive, normal[0])

    def _normal(self) -> tuple[str | None] | None:
        """Return the axis that the view is normal to; without one, a message says why."""
        try:
            return (self._layer_sync.view.normal(),)
        except ValueError as error:
            self._layer_sync.events.status.emit(f"No prompt: {error}")
            return None

    def add_point(self, position: Sequence[float], positive: bool, normal: str | None) -> bool:
        """Add a click in a view normal to an axis; return whether it is a prompt."""
        return self._add(np.array([position]), "point", positive, normal)

    def add_drawn(
        self, path: Sequence[Sequence[float]], tool: str, positive: bool, normal: str | None
    ) -> bool:
        """Add what was drawn in a view normal to an axis; return whether it is a prompt."""
        vertices = np.array(path, np.float64)
        if tool == "box":
            vertices = _rectangle(vertices[0], vertices[-1])
        return self._add(vertices, _SHAPES[tool], positive, normal)

    def _add(
        self, vertices: NDArray[np.float64], kind: str, positive: bool, normal: str | None
    ) -> bool:
        self._layer_sync.ensure_layers()
        prompt = self._make_prompt(vertices, kind, positive, self._stroke_width(), normal)
        if prompt is None:
            return False
        first = not self._layer_sync.controller.snapshot.has_object
        self._layer_sync.controller.prompts.add(prompt)
        layer = self._layer_sync.object_layer
        if layer is not None and not layer.visible and first:
            layer.visible = True
        elif layer is not None and not layer.visible:
            self._layer_sync.events.status.emit(
                f"The object is hidden: {key_name('toggle_mask')} shows it"
            )
        return True

    def move(self, old: Prompt, vertices: NDArray[np.float64], kind: str) -> bool:
        """Put what the user moved or changed in the place of a prompt."""
        width = old.width if isinstance(old, ScribblePrompt) else self._stroke_width()
        if (normal := self._normal()) is None:
            return False
        positive = getattr(old, "positive", True)
        prompt = self._make_prompt(vertices, kind, positive, width, normal[0])
        if prompt is None:
            return False
        self._layer_sync.controller.prompts.replace(old, prompt)
        return True

    def _stroke_width(self) -> float:
        strokes = self._layer_sync.layers.get("strokes")
        return 3.0 if strokes is None else float(strokes.current_edge_width)

    def _make_prompt(
        self,
        vertices: NDArray[np.float64],
        kind: str,
        positive: bool,
        width: float,
        normal: str | None,
    ) -> Prompt | None:
        """Make a valid prompt; without one, a message says why."""
        volume = self._layer_sync.controller.volume
        try:
            prompt = drawn_prompt(
                vertices,
                kind,
                volume.shape,
                self._layer_sync.layout.names,
                normal,
                positive,
                width,
            )
            if isinstance(prompt, PointPrompt | ScribblePrompt):
                prompt = replace(prompt, step=self._layer_sync.view.step())
            return check_prompt(prompt, volume.names, volume.shape)
        except ValueError as error:
            self._layer_sync.events.status.emit(f"No prompt: {error}")
            return None


def _rectangle(corner: NDArray[np.float64], opposite: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the four corners of a rectangle in a plane, in turn, from two opposite ones."""
    others = [corner.copy(), opposite.copy()]
    in_plane = np.flatnonzero(corner != opposite)
    if len(in_plane):
        column = in_plane[-1]
        others[0][column], others[1][column] = opposite[column], corner[column]
    return np.array([corner, others[0], opposite, others[1]])
