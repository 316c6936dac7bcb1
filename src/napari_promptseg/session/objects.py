"""The changes that act on committed objects; each checks first and touches nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.core.geometry import Box, box_slices, box_union
from napari_promptseg.session.history import Change, Patch
from napari_promptseg.session.lineage import without_orphans
from napari_promptseg.session.state import Draft, StoredObject
from napari_promptseg.session.store import LABEL_TYPE, LARGEST_LABEL, Store, checked_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

ObjectChanges = dict[int, tuple[StoredObject | None, StoredObject | None]]


def commit(store: Store, name: str | None, overwrite: bool) -> tuple[int, Change]:
    """Move the object in work into the labels; see `Session.commit`."""
    draft, box = store.draft, store.mask_extent()
    if box is None:
        raise ValueError("nothing to commit: the object in work is empty")
    label = draft.label if draft.label is not None else store.next_label()
    mask = store.mask[box_slices(box)]
    taken = mask if overwrite else mask & (store.labels[box_slices(box)] == 0)
    if not taken.any():
        raise ValueError(
            f"all {int(mask.sum())} pixels belong to other objects; "
            "commit with overwrite=True to take them"
        )
    patches = (
        store.labels_patch(box, taken, label),
        Patch.between("mask", box, mask, np.zeros_like(mask)),
    )
    # Pixels may have been painted with the id while the object was in work.
    painted = store.objects.get(label)
    whole = box if painted is None else box_union([box, painted.box])
    named = draft.name if name is None else str(name)
    stored = StoredObject(label, named, draft.prompts, whole, draft.propagated, parent=draft.parent)
    objects = {**_ended(store, box, patches[0].values("new")), label: (painted, stored)}
    return label, without_orphans(store, Change("commit", (draft, Draft()), objects, patches))


def _ended(store: Store, box: Box, values: NDArray[Any]) -> ObjectChanges:
    """Objects that new labels in a box leave without a pixel."""
    old = store.labels[box_slices(box)]
    ended: ObjectChanges = {}
    for label in np.unique(old[(old != values) & (old > 0)]).tolist():
        stored = store.object(label)
        inside = np.count_nonzero(old == label)
        whole = np.count_nonzero(store.labels[box_slices(stored.box)] == label)
        if inside == whole and not (values == label).any():
            ended[label] = (stored, None)
    return ended


def discard(store: Store) -> Change:
    """Drop the object in work."""
    box = store.mask_extent()
    patches: tuple[Patch, ...] = ()
    if box is not None:
        mask = store.mask[box_slices(box)]
        patches = (Patch.between("mask", box, mask, np.zeros_like(mask)),)
    return without_orphans(store, Change("discard", (store.draft, Draft()), {}, patches))


def reopen(store: Store, label: int) -> Change:
    """Take a committed object back into work; there must be none in work."""
    stored = store.object(label)
    mask = store.labels[box_slices(stored.box)] == label
    patches = (
        store.labels_patch(stored.box, mask, 0),
        Patch.between("mask", stored.box, np.zeros_like(mask), mask),
    )
    draft = Draft(
        stored.prompts, stored.box, stored.label, stored.name, stored.propagated, stored.parent
    )
    return Change("reopen", (store.draft, draft), {stored.label: (stored, None)}, patches)


def delete(store: Store, label: int) -> Change:
    """Delete a committed object from the labels."""
    stored = store.object(label)
    mask = store.labels[box_slices(stored.box)] == label
    patch = store.labels_patch(stored.box, mask, 0)
    change = Change("delete", (store.draft,) * 2, {stored.label: (stored, None)}, (patch,))
    return without_orphans(store, change)


def rename(store: Store, label: int, name: str) -> Change:
    """Name a committed object."""
    stored = store.object(label)
    renamed = replace(stored, name=str(name))
    return Change("rename", (store.draft,) * 2, {stored.label: (stored, renamed)})


def relabel(store: Store, label: int, to: int) -> Change:
    """Give a committed object another id."""
    stored, to = store.object(label), checked_integer(to)
    if not 1 <= to <= LARGEST_LABEL:
        raise ValueError(f"label {to!r} is out of range; valid: 1 to {LARGEST_LABEL}")
    if to in store.objects or to == store.draft.label:
        raise ValueError(f"label {to} is taken; taken labels: {sorted(store.objects)}")
    mask = store.labels[box_slices(stored.box)] == label
    objects = {stored.label: (stored, None), to: (None, replace(stored, label=to))}
    patch = store.labels_patch(stored.box, mask, to)
    change = Change("relabel", (store.draft,) * 2, objects, (patch,))
    return without_orphans(store, change, {stored.label: to})


def paint(store: Store, box: Box, values: NDArray[Any]) -> Change:
    """Write ids into a box of the labels by hand; new ids become objects."""
    shape, values = store.labels.shape, np.asarray(values)
    box = tuple((int(start), int(stop)) for start, stop in box)
    if len(box) != len(shape) or any(
        not 0 <= start < stop <= n for (start, stop), n in zip(box, shape, strict=True)
    ):
        raise ValueError(f"box {box} does not lie in a volume of shape {shape}")
    expected = tuple(stop - start for start, stop in box)
    if values.shape != expected or values.dtype.kind not in "ui":
        raise ValueError(
            f"expected integers of shape {expected}, got {values.dtype} of {values.shape}"
        )
    if not 0 <= int(values.min()) <= int(values.max()) <= LARGEST_LABEL:
        raise ValueError(f"ids must be 0 to {LARGEST_LABEL}, got {values.min()} to {values.max()}")
    objects = _ended(store, box, values)
    for label in np.unique(values[values > 0]).tolist():
        stored = store.objects.get(label)
        grown = StoredObject(label, "", (), box)
        if stored is not None:
            grown = replace(stored, box=box_union([stored.box, box]))
        if grown != stored:
            objects[label] = (stored, grown)
    old = store.labels[box_slices(box)]
    patch = Patch.between("labels", box, old, values.astype(LABEL_TYPE))
    return without_orphans(store, Change("paint", (store.draft,) * 2, objects, (patch,)))
