"""Key bindings: one table that binds the keys and explains them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Layer
    from napari.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it does.

    Parameters
    ----------
    key : str
        As napari writes it, such as "Control-Z".
    action : str
        Name of the action.
    text : str
        What it does, for the user.
    """

    key: str
    action: str
    text: str


VIEWER_KEYS: Final = (
    Key("Q", "toggle_polarity", "positive or negative prompts"),
    Key("W", "next_tool", "next tool: click, box, scribble, lasso"),
    Key("G", "propagate", "propagate through the whole volume"),
    Key("K", "propagate_forward", "propagate forward from this plane"),
    Key("J", "propagate_backward", "propagate backward from this plane"),
    Key("Shift-G", "cancel", "stop the propagation, or what does not answer"),
    Key("Shift-W", "review", "go to the plane that it is least sure of"),
    Key("N", "commit", "commit the object, go on with the next"),
    Key("Shift-N", "discard", "discard the active object"),
    Key("Shift-R", "reopen", "correct the selected object: reopen it"),
    Key("Shift-D", "delete", "delete the selected objects"),
    Key("Shift-M", "merge", "merge the selected objects"),
    Key("Shift-H", "hide", "hide the selected objects, or show all"),
    Key("U", "toggle_mask", "hide or show the active object"),
    Key("Shift-U", "toggle_map", "show or hide where the model is unsure"),
    Key("Shift-X", "collect", "collect prompts, or answer each by itself again"),
    Key("Control-Enter", "answer", "answer all collected prompts"),
    Key("Shift-C", "choose_answer", "take another of the answers to an ambiguous prompt"),
    Key(".", "accept", "accept the selected proposals"),
    Key("Shift-Y", "accept_all", "accept all proposals that are sure"),
    Key(",", "reject", "reject the selected proposals"),
    Key("Shift-K", "next_proposal", "go to the next proposal"),
    Key("Shift-J", "previous_proposal", "go to the proposal before"),
    Key("Shift-O", "orthogonal_views", "show or hide the two other planes of a volume"),
    Key("Alt-Right", "next_image", "save, and go to the next image of the folder"),
    Key("Alt-Left", "previous_image", "save, and go to the image before"),
    Key("H", "suggest", "mark where the next click helps most"),
)
"""Bound on the viewer; none is a key of napari or of its layers."""

LAYER_KEYS: Final = (
    Key("Control-Z", "undo", "undo"),
    Key("Control-Shift-Z", "redo", "redo"),
)
"""Bound on the viewer, and on the layers of the dock, which have an undo of their own."""

CLASS_KEYS: Final = tuple(
    Key(f"Alt-{number}", f"class_{number}", f"class {number} of the list, 0 for none")
    for number in range(10)
)
"""Bound on the viewer: the class of the next object."""

MOUSE: Final = (
    ("Click", "the object is here; on a committed object: select it"),
    ("Shift+click", "select several committed objects"),
    ("Ctrl+click, right click", "the object is not here"),
    ("Drag", "move the view"),
    ("Delete", "remove the selected points or shapes"),
)
"""What the mouse does, for the help."""


@cache
def current_keys() -> Mapping[str, Key]:
    """Return all keys by action, as the user has changed them in the preferences of napari.

    A key that is none, or belongs to two actions, is as it was.
    """
    keys = {key.action: key for key in (*VIEWER_KEYS, *CLASS_KEYS, *LAYER_KEYS)}
    for action, text in _preferences().items():
        other_keys = {_normal(key.key) for key in keys.values() if key.action != action}
        if action in keys and _normal(text) and _normal(text) not in other_keys:
            keys[action] = replace(
                keys[action], key=text.replace("+", "-").replace("Ctrl", "Control")
            )
    return keys


def _preferences() -> dict[str, str]:
    """Return keys by action from the preferences; versions of napari without them have none."""
    try:
        from napari.settings import get_plugin_settings

        return dict(get_plugin_settings("napari-promptseg").shortcuts.model_dump())
    except (ImportError, AttributeError, KeyError, ValueError):
        return {}


def _normal(text: str) -> str:
    """Return a key as napari prints it, empty if it is none."""
    from napari.utils.key_bindings import coerce_keybinding

    try:
        binding = coerce_keybinding(text.replace("-", "+").replace("Control", "Ctrl"))
    except (ValueError, TypeError, AttributeError):
        return ""
    keys = [part.key for part in binding.parts]
    return str(binding) if len(keys) == 1 and keys[0] else ""


def history_keys() -> tuple[Key, ...]:
    """Return the keys of undo and redo, which layers have too."""
    return tuple(current_keys()[key.action] for key in LAYER_KEYS)


def key_name(action: str) -> str:
    """Return the key of an action as the user reads it, such as "Ctrl+Z"."""
    return key_text(current_keys()[action])


def help_rows() -> list[tuple[str, str]]:
    """Return all keys and mouse actions with their explanation, as the user reads them."""
    keys = [current_keys()[key.action] for key in (*VIEWER_KEYS, *LAYER_KEYS)]
    rows = [*MOUSE, *((key_text(key), key.text) for key in keys)]
    first, *_, last = (key_name(key.action) for key in CLASS_KEYS)
    return [*rows, (f"{first} to {last}", "class of the object, 0 for none")]


def key_text(key: Key) -> str:
    """Return a key as the user and Qt write it, such as "Ctrl+Z"."""
    return key.key.replace("Control", "Ctrl").replace("-", "+")


class BoundKeys:
    """Keys bound to a viewer or a layer until `release`.

    Parameters
    ----------
    target : Viewer or Layer
        What the keys are bound to.
    keys : tuple of Key
        Which ones.
    actions : mapping of str to callable
        What they do, by the name of the action.
    """

    def __init__(
        self,
        target: Viewer | Layer,
        keys: tuple[Key, ...],
        actions: Mapping[str, Callable[[], None]],
    ) -> None:
        self._target = target
        self._displaced: dict[str, Any] = {}
        for key in keys:
            self._bind(key.key, actions[key.action])

    def _bind(self, key: str, action: Callable[[], None]) -> None:
        def run(_: Any) -> None:
            action()

        self._displaced[key] = self._target.bind_key(key, run, overwrite=True)

    def release(self) -> None:
        """Unbind the keys, and bind again what they displaced."""
        for key, displaced in self._displaced.items():
            self._target.bind_key(key, displaced, overwrite=True)
        self._displaced.clear()
