"""The changes that say what becomes of objects over time; each checks first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.labels import checked_integer
from napari_promptseg.data.prompts import prompt_plane
from napari_promptseg.session.history import Change, ImagePatch
from napari_promptseg.session.propagation_record import PropagationRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_promptseg.session.state import StoredObject
    from napari_promptseg.session.store import Store


def divide(
    store: Store, axes: str, parent: int, daughters: Sequence[int], t: int | None
) -> tuple[tuple[int, ...], Change]:
    """Make objects the daughters of another one; see `Session.divide`."""
    stored_object = store.object(parent)
    children = {label: store.object(label) for label in map(checked_integer, daughters)}
    if stored_object.label in children:
        raise ValueError(f"object {parent} cannot be its own daughter")
    last = time_points(store, axes, stored_object)[-1]
    changes: dict[int, tuple[StoredObject | None, StoredObject | None]] = {}
    patches: tuple[ImagePatch, ...] = ()
    labels = tuple(children)
    if t is not None and checked_time(store, t) <= last:
        early, late = cut(store, axes, store.unlocked_object(parent), t)
        late = replace(late, label=store.next_label(), parent=stored_object.label)
        pixels = store.labels[box_slices(late.box)] == stored_object.label
        patches = (store.labels_patch(late.box, pixels, late.label),)
        # Objects that came from the parent come from its later part now.
        for child in store.objects.values():
            if child.parent == stored_object.label and child.label not in children:
                changes[child.label] = (child, replace(child, parent=late.label))
        changes |= {stored_object.label: (stored_object, early), late.label: (None, late)}
        labels, last = (*labels, late.label), t - 1
    if not labels:
        raise ValueError(
            f"nothing to divide object {parent} into: pass daughters, or a time point t up "
            f"to {last}, from which on it is an object of its own"
        )
    for label, daughter in children.items():
        if daughter.parent not in (None, stored_object.label):
            raise ValueError(f"object {label} is a daughter of {daughter.parent}; unlink it first")
        begin = time_points(store, axes, daughter)[0]
        if begin <= last:
            raise ValueError(
                f"object {label} begins at time point {begin}, before its parent {parent} ends "
                f"at {last}; t={begin} makes a daughter of what the parent has from there on"
            )
        changes[label] = (daughter, replace(daughter, parent=stored_object.label))
    return labels, Change("divide", (store.draft,) * 2, changes, patches)


def end_track(store: Store, axes: str, label: int, t: int) -> Change:
    """Delete what an object has after a time point; see `Session.end_track`."""
    stored_object = store.unlocked_object(label)
    last = time_points(store, axes, stored_object)[-1]
    if checked_time(store, t) >= last:
        raise ValueError(f"object {label} ends at time point {last} already, t is {t}")
    early, late = cut(store, axes, stored_object, t + 1)
    pixels = store.labels[box_slices(late.box)] == stored_object.label
    patch = store.labels_patch(late.box, pixels, 0)
    return Change(
        "end track", (store.draft,) * 2, {stored_object.label: (stored_object, early)}, (patch,)
    )


def time_points(store: Store, axes: str, stored_object: StoredObject) -> list[int]:
    """Return the time points in which a committed object is, in ascending order.

    Raises
    ------
    ValueError
        If there is no time axis.
    """
    if "t" not in axes:
        raise ValueError(f"axes {axes!r} have no time; valid: 'tyx', 'tzyx'")
    mask = store.labels[box_slices(stored_object.box)] == stored_object.label
    present = np.flatnonzero(mask.any(axis=tuple(range(1, mask.ndim))))
    return [int(t) for t in present + stored_object.box[0][0]]


def checked_time(store: Store, t: Any) -> int:
    """Return a time point of the series.

    Raises
    ------
    ValueError
        If it is no integer, or outside.
    """
    count = store.labels.shape[0]
    time = checked_integer(t, "time point")
    if not 0 <= time < count:
        raise ValueError(f"time point {t!r} is outside; valid: 0 to {count - 1}")
    return time


def cut(
    store: Store, axes: str, stored_object: StoredObject, t: int
) -> tuple[StoredObject, StoredObject]:
    """Return what an object is before a time point and from there on, prompts included.

    Raises
    ------
    ValueError
        If nothing would be left before it.
    """
    first = time_points(store, axes, stored_object)[0]
    if first >= t:
        raise ValueError(
            f"object {stored_object.label} begins at time point {first}: "
            f"nothing of it would be left before {t}"
        )
    (start, stop), *space = stored_object.box
    times = [prompt_plane(prompt, axes).index[0] or 0 for prompt in stored_object.prompts]
    early = tuple(p for p, time in zip(stored_object.prompts, times, strict=True) if time < t)
    late = tuple(p for p, time in zip(stored_object.prompts, times, strict=True) if time >= t)
    whole = replace(stored_object, propagated=PropagationRecord())
    return (
        replace(whole, prompts=early, box=((start, t), *space)),
        replace(whole, prompts=late, box=((t, stop), *space)),
    )


def without_orphans(
    store: Store, change: Change, new_ids: Mapping[int, int] | None = None
) -> Change:
    """Return a change after which no object has a parent that is not there.

    Parameters
    ----------
    store : Store
        The state before the change.
    change : Change
        What is to be done.
    new_ids : mapping of int to int, optional
        New ids of objects that get one.
    """
    before, draft = change.draft
    after = {**store.objects, **{label: new for label, (_, new) in change.objects.items()}}
    # A parent that is in work comes back.
    present = {label for label, stored_object in after.items() if stored_object is not None} | {
        draft.label
    }
    changes = dict(change.objects)
    for label, stored_object in after.items():
        if (
            stored_object is not None
            and stored_object.parent is not None
            and stored_object.parent not in present
        ):
            parent = (new_ids or {}).get(stored_object.parent)
            changes[label] = (store.objects.get(label), replace(stored_object, parent=parent))
    if draft.parent is not None and draft.parent not in present:
        draft = replace(draft, parent=(new_ids or {}).get(draft.parent))
    return replace(change, draft=(before, draft), objects=changes)
