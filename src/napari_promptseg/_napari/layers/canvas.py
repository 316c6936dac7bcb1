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


CLICK_HELP: Final = "Click: the object is here. Ctrl+click or right click: it is not here"


def bind_clicks(
    viewer: Viewer, image_in_hand: Callable[[], LayerSync | None]
) -> Callable[[], None]:
    """Take clicks on the canvas as prompts; return what undoes that.

    A click is a press and a release of the left or the right button at one place, while the
    selected layer is in pan/zoom mode; in other modes its own tool acts. A drag still moves
    the view, or zooms.

    Parameters
    ----------
    viewer : Viewer
        Whose canvas.
    image_in_hand : callable
        Returns the image that is selected or in use.
    """

    def on_mouse(_: Viewer, event: Any) -> Iterator[None]:
        active = viewer.layers.selection.active
        if event.button not in (1, 2) or (active is not None and str(active.mode) != "pan_zoom"):
            return
        button, modifiers = event.button, set(event.modifiers)
        pressed, world = np.array(event.pos), tuple(event.position)
        direction = event.view_direction  # None on planes
        yield
        while event.type == "mouse_move":
            if np.abs(np.array(event.pos) - pressed).max() > SLACK:
                return
            yield
        layer_sync = image_in_hand()
        if layer_sync is None:
            return
        if modifiers == {"Shift"} and button == 1:
            layer_sync.clicks.select(world, direction)
            return
        if modifiers - {"Control"}:
            layer_sync.events.status.emit(CLICK_HELP)
            return
        negative = not layer_sync.positive or button == 2 or "Control" in modifiers
        layer_sync.clicks.click(world, not negative, direction)

    viewer.mouse_drag_callbacks.append(on_mouse)
    return partial(_forget, viewer, on_mouse)


def _forget(viewer: Viewer, callback: Any) -> None:
    if callback in viewer.mouse_drag_callbacks:
        viewer.mouse_drag_callbacks.remove(callback)
