"""Mouse clicks on the canvas as prompts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.viewer import Viewer

    from napari_promptseg._napari.layers.layer_sync import LayerSync

SLACK: Final = 4.0
"""A hand that moves fewer pixels of the canvas than this has clicked, not dragged."""


def bind_clicks(viewer: Viewer, current: Callable[[], LayerSync | None]) -> Callable[[], None]:
    """Take clicks on the canvas as prompts; return what undoes that.

    A click is a press and a release of the left button at one place, while the image or a
    layer beside it is active in pan/zoom mode. A drag still moves the view.

    Parameters
    ----------
    viewer : Viewer
        Whose canvas.
    current : callable
        Returns the layer sync in use.
    """

    def on_mouse(_: Viewer, event: Any) -> Iterator[None]:
        layer_sync = current()
        others = [m for m in event.modifiers if m != "Control"]
        if layer_sync is None or event.button != 1 or others:
            return
        active = viewer.layers.selection.active
        if active is not None and not (layer_sync.owns(active) and str(active.mode) == "pan_zoom"):
            return
        negative = not layer_sync.positive or "Control" in event.modifiers
        pressed, world = np.array(event.pos), tuple(event.position)
        yield
        while event.type == "mouse_move":
            if np.abs(np.array(event.pos) - pressed).max() > SLACK:
                return
            yield
        layer_sync.click(world, not negative)

    viewer.mouse_drag_callbacks.append(on_mouse)
    return partial(_forget, viewer, on_mouse)


def _forget(viewer: Viewer, callback: Any) -> None:
    if callback in viewer.mouse_drag_callbacks:
        viewer.mouse_drag_callbacks.remove(callback)
