"""The changes that act on committed objects; each checks first and touches nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import Bounds, Plane, box_slices, box_union
from napari_promptseg.data.labels import label_boxes
from napari_promptseg.data.memmap import slabs
from napari_promptseg.session.history import Change, ImagePatch
from napari_promptseg.session.lineage import without_orphans
from napari_promptseg.session.state import Colour, Draft, StoredObject
from napari_promptseg.session.store import LABEL_TYPE, LARGEST_LABEL, Store, checked_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

ObjectChanges = dict[int, tuple[StoredObject | None, StoredObject | None]]


def commit(store: Store, name: str | None, overwrite: bool) -> tuple[int, Change]:
    """Move the object in work into the labels; see `Session.commit`."""
    draft, box = store.draft, store.mask_extent()
    if box is None:
        raise ValueError("nothing to commit: the object in work is empty")
    label = draft.label if draft.label is not None else store.next_label()
    patches: list[ImagePatch] = []
    pixels = free = 0
    for part in slabs(box):
        mask = store.mask[box_slices(part)]
        taken = mask if overwrite else mask & (store.labels[box_slices(part)] == 0)
        pixels, free = pixels + int(mask.sum()), free + int(taken.sum())
        if mask.any():
            cleared = ImagePatch.between("mask", part, mask, np.zeros_like(mask))
            patches += [store.labels_patch(part, taken, label), cleared]
    if not free:
        raise ValueError(
            f"all {pixels} pixels belong to other objects; commit with overwrite=True to take them"
        )
    # Pixels may have been painted with the id while the object was in work.
    painted = store.objects.get(label)
    whole = box if painted is None else box_union([box, painted.box])
    named = draft.name if name is None else str(name)
    stored = StoredObject(
        label, named, draft.prompts, whole, draft.propagated, draft.parent, draft.colour
    )
    objects = {**_ended(store, patches), label: (painted, stored)}
    change = Change("commit", (draft, Draft()), objects, tuple(patches))
    return label, without_orphans(store, change)


def add_found(
    store: Store, plane: Plane, found: NDArray[np.int32], what: str, name: str = ""
) -> tuple[list[int], Change]:
    """Make objects of what was found on a plane; see `Session.segment_everything`.

    Parameters
    ----------
    store : Store
        Where they go.
    plane : Plane
        Which plane.
    found : (H, W) int32 array
        Numbers of objects, 0 where there is none.
    what : str
        Name of the step.
    name : str
        Of each object.
    """
    free = np.where(store.labels[plane.slices] == 0, found, 0)
    boxes = label_boxes(free)
    first = store.next_label()
    if first + len(boxes) - 1 > LARGEST_LABEL:
        raise ValueError(
            f"{len(boxes)} objects were found, but ids end at {LARGEST_LABEL}; delete some first"
        )
    patches, objects = [], {}
    for label, (number, flat) in enumerate(boxes.items(), first):
        box = plane.box(*flat)
        chosen = (free[box_slices(flat)] == number).reshape([b - a for a, b in box])
        patches.append(store.labels_patch(box, chosen, label))
        objects[label] = (None, StoredObject(label, name, (), box))
    change = Change(what, (store.draft, store.draft), objects, tuple(patches))
    return list(objects), change


def add_labels(
    store: Store,
    labels: NDArray[Any],
    names: Mapping[int, str],
    colours: Mapping[int, Colour],
) -> tuple[dict[int, int], Change]:
    """Make objects of labels from elsewhere; see `Session.add_labels`."""
    boxes = {label: box for label, box in label_boxes(labels).items() if label > 0}
    taken = {*store.objects, *([] if store.draft.label is None else [store.draft.label])}
    ids = {label: label for label in boxes if label <= LARGEST_LABEL and label not in taken}
    free = (i for i in range(1, LARGEST_LABEL + 1) if i not in taken and i not in boxes)
    for label in boxes.keys() - ids.keys():
        if (other := next(free, None)) is None:
            raise ValueError(f"no label left for {label}: {LARGEST_LABEL} is the largest that fits")
        ids[label] = other
    patches, found = [], set[int]()
    known, to = np.array(sorted(ids)), np.array([ids[label] for label in sorted(ids)], LABEL_TYPE)
    for part in slabs(box_union(list(boxes.values()))) if boxes else ():
        old, given = store.labels[box_slices(part)], labels[box_slices(part)]
        put = (old == 0) & (given > 0)
        new = old.copy()
        new[put] = to[np.searchsorted(known, given[put])]
        found |= set(np.unique(new[put]).tolist())
        patches.append(ImagePatch.between("labels", part, old, new))
    objects: ObjectChanges = {
        new: (None, StoredObject(new, names.get(old, ""), (), boxes[old], colour=colours.get(old)))
        for old, new in ids.items()
        if new in found
    }
    change = Change("add labels", (store.draft, store.draft), objects, tuple(patches))
    return {old: new for old, new in ids.items() if new in found}, change


def _ended(store: Store, patches: Iterable[ImagePatch]) -> ObjectChanges:
    """Objects that changes of the labels leave without a pixel."""
    change: Counter[int] = Counter()
    for patch in patches:
        if patch.array == "labels":
            old, new = patch.values("old"), patch.values("new")
            for values, sign in ((old[old != new], -1), (new[old != new], 1)):
                labels, counts = np.unique(values, return_counts=True)
                for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
                    change[label] += sign * count
    ended: ObjectChanges = {}
    for label in (label for label, count in change.items() if label and count < 0):
        stored = store.object(label)
        whole = sum(
            np.count_nonzero(store.labels[box_slices(part)] == label) for part in slabs(stored.box)
        )
        if whole + change[label] == 0:
            ended[label] = (stored, None)
    return ended


def _recoloured(store: Store, stored: StoredObject, to: int) -> tuple[ImagePatch, ...]:
    """Patches that give the pixels of a committed object another id."""
    parts = ((part, store.labels[box_slices(part)] == stored.label) for part in slabs(stored.box))
    return tuple(store.labels_patch(part, mask, to) for part, mask in parts if mask.any())


def discard(store: Store) -> Change:
    """Drop the object in work."""
    box = store.mask_extent()
    parts = ((p, store.mask[box_slices(p)]) for p in (slabs(box) if box else ()))
    patches = (ImagePatch.between("mask", p, mask, np.zeros_like(mask)) for p, mask in parts)
    return without_orphans(store, Change("discard", (store.draft, Draft()), {}, tuple(patches)))


def reopen(store: Store, label: int) -> Change:
    """Take a committed object back into work; there must be none in work."""
    stored = store.object(label)
    taken = _recoloured(store, stored, 0)
    masks = ((patch.box, patch.values("old") == stored.label) for patch in taken)
    filled = (ImagePatch.between("mask", box, np.zeros_like(mask), mask) for box, mask in masks)
    draft = Draft(
        stored.prompts,
        stored.box,
        stored.label,
        stored.name,
        stored.propagated,
        stored.parent,
        stored.colour,
    )
    objects: ObjectChanges = {stored.label: (stored, None)}
    return Change("reopen", (store.draft, draft), objects, (*taken, *filled))


def delete(store: Store, label: int) -> Change:
    """Delete a committed object from the labels."""
    stored = store.object(label)
    objects: ObjectChanges = {stored.label: (stored, None)}
    patches = _recoloured(store, stored, 0)
    return without_orphans(store, Change("delete", (store.draft,) * 2, objects, patches))


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
    objects = {stored.label: (stored, None), to: (None, replace(stored, label=to))}
    change = Change("relabel", (store.draft,) * 2, objects, _recoloured(store, stored, to))
    return without_orphans(store, change, {stored.label: to})


def paint(store: Store, box: Bounds, values: NDArray[Any]) -> Change:
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
    old = store.labels[box_slices(box)]
    patch = ImagePatch.between("labels", box, old, values.astype(LABEL_TYPE))
    objects = _ended(store, [patch])
    for label in np.unique(values[values > 0]).tolist():
        stored = store.objects.get(label)
        grown = StoredObject(label, "", (), box)
        if stored is not None:
            grown = replace(stored, box=box_union([stored.box, box]))
        if grown != stored:
            objects[label] = (stored, grown)
    return without_orphans(store, Change("paint", (store.draft,) * 2, objects, (patch,)))
