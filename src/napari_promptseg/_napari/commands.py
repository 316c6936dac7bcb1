"""Commands of the palette: each runs an action of an open dock."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from napari_promptseg._napari.keybindings import LAYER_KEYS, VIEWER_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.annotate_widget import AnnotateWidget

OPEN_DOCKS: WeakSet[AnnotateWidget] = WeakSet()
"""Docks that are open, in any window."""


def run(action: str) -> None:
    """Run an action in the dock of the active window, or the only one."""
    from napari.utils.notifications import show_info

    docks = list(OPEN_DOCKS)
    active = [dock for dock in docks if dock.isActiveWindow()]
    if not docks:
        show_info("Open Plugins > PromptSeg > Annotate first")
        return
    (active or docks)[0].commands[action]()


def _command(action: str) -> Callable[[], None]:
    def command() -> None:
        run(action)

    command.__name__ = action
    command.__doc__ = f"Run the action {action!r} of the dock."
    return command


# The manifest names one function of this module for each action.
globals().update({key.action: _command(key.action) for key in (*VIEWER_KEYS, *LAYER_KEYS)})
