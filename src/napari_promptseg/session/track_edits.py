"""Corrections of tracks from a time point on: link, unlink and swap; each checks first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.geometry import box_slices, box_union
from napari_promptseg.data.memmap import slabs
from napari_promptseg.linking.linker import relabelled
from napari_promptseg.session.history import Change, ImagePatch
from napari_promptseg.session.lineage import checked_time, cut, time_points, without_orphans
from napari_promptseg.session.propagation_record import PropagationRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.session.state import StoredObject
    from napari_promptseg.session.store import Store

Parts = tuple["StoredObject | None", "StoredObject | None"]


def link(state: SessionState, first: int, second: int, t: int | None = None) -> None:
    """Say that an object goes on as another one from a time point on.

    What the second one has from there on belongs to the first one. What the first one had
    there itself becomes an object of its own, linked to nothing.

    Parameters
    ----------
    first, second : int
        Committed objects.
    t : int, optional
        Time point; that in which the second one begins when not given.

    Raises
    ------
    ValueError
        If there is no such object or no time axis, one is locked, the first one begins too
        late, or the second one has nothing there.
    """
    state.interrupt()
    store, axes = state.store, state.volume.names
    one, other = _two(store, axes, first, second)
    start = time_points(store, axes, other)[0] if t is None else checked_time(store, t)
    early, replaced = _parts(store, axes, one, start)
    before, late = _parts(store, axes, other, start)
    if early is None:
        raise ValueError(
            f"object {first} begins at or after time point {start}: link {second} to it"
        )
    if late is None:
        raise ValueError(f"object {second} has nothing from time point {start} on")
    objects: dict[int, StoredObject | None] = {
        one.label: _joined(one, early, late),
        other.label: before,
    }
    heirs = {other.label: one.label}
    if replaced is not None:
        label = store.next_label()
        objects[label] = replace(replaced, label=label, parent=None)
        heirs[one.label] = label
    _do(store, axes, "link", [one, other], start, heirs, objects)


def unlink(state: SessionState, label: int, t: int | None = None) -> int:
    """Say that an object comes from no other; or cut it, so that its later part does.

    Parameters
    ----------
    label : int
        A committed object.
    t : int, optional
        Time point from which on it is an object of its own; without it, its parent is
        forgotten.

    Returns
    -------
    int
        Id of what comes from no other now.

    Raises
    ------
    ValueError
        If there is no such object, it has no parent, or, with a time point, it is locked or
        has nothing before or from it on.
    """
    state.interrupt()
    store, axes = state.store, state.volume.names
    if t is None:
        one = store.object(label)
        if one.parent is None:
            raise ValueError(f"object {label} has no parent")
        changes = {one.label: (one, replace(one, parent=None))}
        store.do(Change("unlink", (store.draft,) * 2, changes))
        return one.label
    one = store.unlocked_object(label)
    early, late = cut(store, axes, one, checked_time(store, t))
    if t > time_points(store, axes, one)[-1]:
        raise ValueError(f"object {label} has nothing from time point {t} on")
    new = store.next_label()
    objects: dict[int, StoredObject | None] = {
        one.label: early,
        new: replace(late, label=new, parent=None),
    }
    _do(store, axes, "unlink", [one], t, {one.label: new}, objects)
    return new


def swap_tracks(state: SessionState, first: int, second: int, t: int) -> None:
    """Let two objects change places from a time point on.

    Parameters
    ----------
    first, second : int
        Committed objects.
    t : int
        Time point from which on each has what the other one had.

    Raises
    ------
    ValueError
        If there is no such object or no time axis, one is locked, or nothing would change.
    """
    state.interrupt()
    store, axes = state.store, state.volume.names
    one, other = _two(store, axes, first, second)
    start = checked_time(store, t)
    (early, late), (before, after) = (_parts(store, axes, item, start) for item in (one, other))
    if (early is None and before is None) or (late is None and after is None):
        side = "from" if late is None else "before"
        raise ValueError(f"objects {first} and {second} have nothing {side} time point {start}")
    objects = {one.label: _joined(one, early, after), other.label: _joined(other, before, late)}
    heirs = {one.label: other.label, other.label: one.label}
    _do(store, axes, "swap", [one, other], start, heirs, objects)


def _two(store: Store, axes: str, first: int, second: int) -> tuple[StoredObject, StoredObject]:
    """Return two different objects that may be changed."""
    if "t" not in axes:
        raise ValueError(f"axes {axes!r} have no time; valid: 'tyx', 'tzyx'")
    one, other = store.unlocked_object(first), store.unlocked_object(second)
    if one.label == other.label:
        raise ValueError(f"two objects are needed, got {first} twice")
    return one, other


def _parts(store: Store, axes: str, one: StoredObject, t: int) -> Parts:
    """Return what an object is before a time point and from it on; None where it is nothing."""
    times = time_points(store, axes, one)
    if times[0] >= t:
        return None, one
    if times[-1] < t:
        return one, None
    return cut(store, axes, one, t)


def _joined(
    base: StoredObject, early: StoredObject | None, late: StoredObject | None
) -> StoredObject | None:
    """Return an early and a late part as one object, with the attributes of another one."""
    parts = [part for part in (early, late) if part is not None]
    if not parts:
        return None
    return replace(
        base,
        prompts=tuple(prompt for part in parts for prompt in part.prompts),
        box=box_union([part.box for part in parts]),
        propagated=parts[0].propagated if len(parts) == 1 else PropagationRecord(),
        parent=base.parent if early is not None else None,
    )


def _do(
    store: Store,
    axes: str,
    name: str,
    sources: Sequence[StoredObject],
    t: int,
    heirs: Mapping[int, int],
    objects: Mapping[int, StoredObject | None],
) -> None:
    """Give pixels from a time point on other ids, and daughters the parent that they follow.

    Parameters
    ----------
    store : Store
        What is changed.
    axes : str
        Of the volume.
    name : str
        Of the step.
    sources : sequence of StoredObject
        Objects that lose or get pixels.
    t : int
        Time point.
    heirs : mapping of int to int
        New ids of pixels from there on, by the present ones; daughters follow them.
    objects : mapping of int to StoredObject or None
        Objects after the step.
    """
    (start, stop), *space = box_union([one.box for one in sources])
    old_ids, new_ids = np.array([*heirs.items()], np.int64).T
    patches = []
    for part in slabs(((max(start, t), stop), *space)):
        old = np.asarray(store.labels[box_slices(part)])
        new = relabelled(old, old_ids, new_ids)
        if (new != old).any():
            patches.append(ImagePatch.between("labels", part, old, new))
    times: dict[int, list[int]] = {}
    for one in sources:
        for time in time_points(store, axes, one):
            label = one.label if time < t else heirs.get(one.label, one.label)
            times.setdefault(label, []).append(time)
    changes = {label: (store.objects.get(label), new) for label, new in objects.items()}
    for child in store.objects.values():
        _, current = changes.get(child.label, (child, child))
        if current is None or current.parent not in {*times, *heirs}:
            continue
        parent = heirs.get(current.parent, current.parent)
        begin = min(times.get(child.label) or time_points(store, axes, child))
        # A parent that goes on beside a daughter, such as one that took it over, is none; nor is
        # one that nothing is left of.
        valid = parent != child.label and max(times.get(parent, [begin])) < begin
        changes[child.label] = (child, replace(current, parent=parent if valid else None))
    change = Change(name, (store.draft,) * 2, changes, tuple(patches))
    store.do(without_orphans(store, change, heirs))
