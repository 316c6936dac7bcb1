"""Classes of a session, and attributes of committed objects: class, color, view and lock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_promptseg.data.labels import as_labels
from napari_promptseg.session.history import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.session.state import Classes, Color
    from napari_promptseg.session.store import Store


def checked_class(store: Store, name: str) -> str:
    """Return the name of a class of the session, or an empty one.

    Raises
    ------
    ValueError
        If there is no such class.
    """
    if name and name not in store.classes:
        raise ValueError(f"no class {name!r}; valid: {[*store.classes]}")
    return name


def checked_color(color: Sequence[int]) -> Color:
    """Return red, green and blue.

    Raises
    ------
    ValueError
        If there are not three of them, from 0 to 255.
    """
    values = tuple(int(value) for value in color)
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise ValueError(f"color {color!r} must be red, green and blue, 0 to 255 each")
    return values[0], values[1], values[2]


def set_classes(
    state: SessionState,
    classes: Classes,
    new_names: Mapping[str, str] | None = None,
) -> None:
    """Replace the classes that objects can be of, as one step of undo.

    Objects of a class that is not there any more have none.

    Parameters
    ----------
    classes : mapping of str to (int, int, int)
        All of them: red, green and blue, 0 to 255, by name.
    new_names : mapping of str to str, optional
        New names of classes by their former ones; their objects follow.

    Raises
    ------
    ValueError
        If a name is empty, or a color is not valid.
    """
    if not all(classes):
        raise ValueError(f"names of classes must not be empty, got {[*classes]}")
    new = {name: checked_color(color) for name, color in classes.items()}
    state.interrupt()
    store = state.store

    def current_name(name: str) -> str:
        name = (new_names or {}).get(name, name)
        return name if name in new else ""

    objects = {
        label: (one, replace(one, class_name=current_name(one.class_name)))
        for label, one in store.objects.items()
        if current_name(one.class_name) != one.class_name
    }
    draft = replace(store.draft, class_name=current_name(store.draft.class_name))
    if [*new.items()] != [*store.classes.items()] or objects or draft != store.draft:
        change = Change("classes", (store.draft, draft), objects, classes=(store.classes, new))
        store.do(change)


def set_attributes(
    state: SessionState,
    labels: int | Sequence[int],
    *,
    class_name: str | None = None,
    color: Sequence[int] | None = None,
    hidden: bool | None = None,
    locked: bool | None = None,
) -> None:
    """Set attributes of committed objects, as one step of undo; None leaves one as it is.

    Parameters
    ----------
    labels : int or sequence of int
        Which objects.
    class_name : str, optional
        Name of a class of the session; an empty one takes their class away.
    color : (int, int, int), optional
        Red, green and blue, 0 to 255; an empty sequence takes their own color away.
    hidden : bool, optional
        Whether they are left out of the view.
    locked : bool, optional
        Whether their pixels are protected from changes.

    Raises
    ------
    ValueError
        If there is no such object or class, or the color is not valid.
    """
    store = state.store
    stored_objects = [store.object(label) for label in as_labels(labels)]
    changes: dict[str, Any] = {"hidden": hidden, "locked": locked}
    if class_name is not None:
        changes["class_name"] = checked_class(store, class_name)
    changes = {name: value for name, value in changes.items() if value is not None}
    if color is not None:
        changes["color"] = checked_color(color) if len(color) else None
    objects = {one.label: (one, replace(one, **changes)) for one in stored_objects}
    objects = {label: sides for label, sides in objects.items() if sides[0] != sides[1]}
    if objects:
        state.interrupt()
        store.do(Change(_step_name(changes), (store.draft,) * 2, objects))


def _step_name(changes: Mapping[str, Any]) -> str:
    """Return the name of a step for the history."""
    if len(changes) != 1:
        return "change objects"
    (name, value), *_ = changes.items()
    opposites = {"hidden": ("show", "hide"), "locked": ("unlock", "lock")}
    if name in opposites:
        return opposites[name][bool(value)]
    return "class" if name == "class_name" else "color"
