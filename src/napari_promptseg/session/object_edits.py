"""Changes of committed objects; each function checks its arguments and touches nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import (
    Bounds,
    Plane,
    box_slices,
    box_union,
    covering_boxes,
    disjoint_boxes,
)
from napari_promptseg.data.labels import as_labels, checked_integer, label_boxes
from napari_promptseg.data.memmap import slabs
from napari_promptseg.session.history import Change, ImagePatch
from napari_promptseg.session.lineage import without_orphans
from napari_promptseg.session.object_attributes import checked_class
from napari_promptseg.session.propagation_record import PropagationRecord
from napari_promptseg.session.state import Color, Draft, StoredObject
from napari_promptseg.session.store import LABEL_TYPE, LARGEST_LABEL, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

ObjectChanges = dict[int, tuple[StoredObject | None, StoredObject | None]]


def commit(
    store: Store, name: str | None, overwrite: bool, class_name: str | None = None
) -> tuple[int, Change]:
    """Move the active object into the labels; see `Session.commit`."""
    draft, box = store.draft, store.mask_extent()
    if box is None:
        raise ValueError("nothing to commit: the active object is empty")
    label = draft.label if draft.label is not None else store.next_label()
    patches: list[ImagePatch] = []
    pixels = free = 0
    for part in slabs(box):
        mask = store.mask[box_slices(part)]
        others = store.labels[box_slices(part)]
        taken_mask = mask & (~store.locked_pixels(others) if overwrite else others == 0)
        pixels, free = pixels + int(mask.sum()), free + int(taken_mask.sum())
        if mask.any():
            clearing = ImagePatch.between("mask", part, mask, np.zeros_like(mask))
            patches += [store.labels_patch(part, taken_mask, label), clearing]
    if not free and overwrite:
        raise ValueError(f"all {pixels} pixels belong to locked objects; unlock them first")
    if not free:
        raise ValueError(
            f"all {pixels} pixels belong to other objects; commit with overwrite=True to take them"
        )
    # Pixels may have been painted with the id while the object was in work.
    pixels_by_hand = store.objects.get(label)
    whole = box if pixels_by_hand is None else box_union([box, pixels_by_hand.box])
    new_name = draft.name if name is None else str(name)
    stored_object = StoredObject(
        label,
        new_name,
        draft.prompts,
        whole,
        draft.propagated,
        draft.parent,
        draft.color,
        draft.class_name if class_name is None else checked_class(store, class_name),
    )
    objects = {**_ended(store, patches), label: (pixels_by_hand, stored_object)}
    change = Change("commit", (draft, Draft()), objects, tuple(patches))
    return label, without_orphans(store, change)


def add_numbered(
    store: Store,
    parts: Sequence[tuple[Bounds, NDArray[np.int32]]],
    objects: Mapping[int, StoredObject],
    step: str,
) -> tuple[dict[int, int], Change]:
    """Make objects of numbered pixels; other objects keep theirs.

    Parameters
    ----------
    store : Store
        Where they go.
    parts : sequence of (Bounds, int32 array)
        Boxes without common pixels, and in each the numbers of objects, 0 where there is none.
    objects : mapping of int to StoredObject
        Name, prompts and so on of each number; label and box are filled in.
    step : str
        Name of the step.

    Returns
    -------
    dict of int to int
        New id of each number, in ascending order; objects without a free pixel are not there.
    Change
        The step.
    """
    boxes: dict[int, list[Bounds]] = {}
    free_parts = []
    for part, numbers in parts:
        free = np.where(store.labels[box_slices(part)] == 0, numbers, 0)
        free_parts.append((part, free))
        for number, inner in label_boxes(free).items():
            box = tuple((p[0] + i[0], p[0] + i[1]) for p, i in zip(part, inner, strict=True))
            boxes.setdefault(number, []).append(box)
    first = store.next_label()
    if first + len(boxes) - 1 > LARGEST_LABEL:
        raise ValueError(
            f"{len(boxes)} objects were found, but ids end at {LARGEST_LABEL}; delete some first"
        )
    ids = {number: label for label, number in enumerate(sorted(boxes), first)}
    table = np.zeros(max(ids, default=0) + 1, LABEL_TYPE)
    table[list(ids)] = list(ids.values())
    patches = []
    for part, free in free_parts:
        if free.any():
            old = store.labels[box_slices(part)]
            new = np.where(free > 0, table[free], old)
            patches.append(ImagePatch.between("labels", part, old, new))
    changes: ObjectChanges = {
        label: (None, replace(objects[number], label=label, box=box_union(boxes[number])))
        for number, label in ids.items()
    }
    return ids, Change(step, (store.draft, store.draft), changes, tuple(patches))


def add_objects(
    store: Store, plane: Plane, numbers: NDArray[np.int32], step: str, name: str = ""
) -> tuple[list[int], Change]:
    """Make objects of numbered pixels of a plane; see `add_numbered`.

    Parameters
    ----------
    store, step
        See `add_numbered`.
    plane : Plane
        Which plane.
    numbers : (H, W) int32 array
        Numbers of objects, 0 where there is none.
    name : str
        Of each object.
    """
    boxes = label_boxes(numbers)
    parts = []
    for flat in covering_boxes(list(boxes.values())):
        box = plane.box(*flat)
        parts.append((box, numbers[box_slices(flat)].reshape([b - a for a, b in box])))
    objects = {number: StoredObject(0, name, (), plane.box(*box)) for number, box in boxes.items()}
    ids, change = add_numbered(store, parts, objects, step)
    return list(ids.values()), change


def add_labels(
    store: Store,
    labels: NDArray[Any],
    names: Mapping[int, str],
    colors: Mapping[int, Color],
    parents: Mapping[int, int],
) -> tuple[dict[int, int], Change]:
    """Make objects of labels from elsewhere; see `Session.add_labels`."""
    boxes = {label: box for label, box in label_boxes(labels).items() if label > 0}
    occupied = {*store.objects, *([] if store.draft.label is None else [store.draft.label])}
    ids = {label: label for label in boxes if label <= LARGEST_LABEL and label not in occupied}
    unused = (i for i in range(1, LARGEST_LABEL + 1) if i not in occupied and i not in boxes)
    for label in boxes.keys() - ids.keys():
        if (other := next(unused, None)) is None:
            raise ValueError(f"no label left for {label}: {LARGEST_LABEL} is the largest that fits")
        ids[label] = other
    patches, placed_ids = [], set[int]()
    old_ids, new_ids = (
        np.array(sorted(ids)),
        np.array([ids[label] for label in sorted(ids)], LABEL_TYPE),
    )
    for part in slabs(box_union(list(boxes.values()))) if boxes else ():
        old, values = store.labels[box_slices(part)], labels[box_slices(part)]
        free = (old == 0) & (values > 0)
        new = old.copy()
        new[free] = new_ids[np.searchsorted(old_ids, values[free])]
        placed_ids |= set(np.unique(new[free]).tolist())
        patches.append(ImagePatch.between("labels", part, old, new))
    ids = {old: new for old, new in ids.items() if new in placed_ids}
    objects: ObjectChanges = {}
    for label, number in ids.items():
        stored_object = StoredObject(
            number,
            names.get(label, ""),
            (),
            boxes[label],
            parent=ids.get(parents.get(label, 0)),
            color=colors.get(label),
        )
        objects[number] = (None, stored_object)
    change = Change("add labels", (store.draft, store.draft), objects, tuple(patches))
    return ids, change


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
    changes: ObjectChanges = {}
    for label in (label for label, count in change.items() if label and count < 0):
        stored_object = store.object(label)
        whole = sum(
            np.count_nonzero(store.labels[box_slices(part)] == label)
            for part in slabs(stored_object.box)
        )
        if whole + change[label] == 0:
            changes[label] = (stored_object, None)
    return changes


def _reassigned(
    store: Store, stored_objects: Sequence[StoredObject], to: int
) -> tuple[ImagePatch, ...]:
    """Patches that give the pixels of committed objects another id."""
    labels = [one.label for one in stored_objects]
    parts = (
        (part, np.isin(store.labels[box_slices(part)], labels))
        for box in disjoint_boxes([one.box for one in stored_objects])
        for part in slabs(box)
    )
    return tuple(store.labels_patch(part, mask, to) for part, mask in parts if mask.any())


def discard(store: Store) -> Change:
    """Drop the active object."""
    box = store.mask_extent()
    parts = ((p, store.mask[box_slices(p)]) for p in (slabs(box) if box else ()))
    patches = (ImagePatch.between("mask", p, mask, np.zeros_like(mask)) for p, mask in parts)
    return without_orphans(store, Change("discard", (store.draft, Draft()), {}, tuple(patches)))


def reopen(store: Store, label: int) -> Change:
    """Take a committed object back into work; there must be none in work."""
    stored_object = store.unlocked_object(label)
    removals = _reassigned(store, [stored_object], 0)
    masks = ((patch.box, patch.values("old") == stored_object.label) for patch in removals)
    additions = (ImagePatch.between("mask", box, np.zeros_like(mask), mask) for box, mask in masks)
    draft = Draft(
        stored_object.prompts,
        stored_object.box,
        stored_object.label,
        stored_object.name,
        stored_object.propagated,
        stored_object.parent,
        stored_object.color,
        stored_object.class_name,
    )
    objects: ObjectChanges = {stored_object.label: (stored_object, None)}
    return Change("reopen", (store.draft, draft), objects, (*removals, *additions))


def delete(store: Store, labels: int | Iterable[int]) -> Change:
    """Delete committed objects from the labels."""
    stored_objects = {label: store.unlocked_object(label) for label in as_labels(labels)}
    if not stored_objects:
        raise ValueError(f"no object to delete; valid labels: {sorted(store.objects)}")
    objects: ObjectChanges = {label: (one, None) for label, one in stored_objects.items()}
    patches = _reassigned(store, [*stored_objects.values()], 0)
    return without_orphans(store, Change("delete", (store.draft,) * 2, objects, patches))


def merge(store: Store, labels: Sequence[int]) -> tuple[int, Change]:
    """Give the pixels of committed objects to the first of them; see `Session.merge`."""
    stored_objects = {label: store.unlocked_object(label) for label in as_labels(labels)}
    if len(stored_objects) < 2:
        raise ValueError(f"two objects or more are needed to merge, got {[*stored_objects]}")
    first, *others = stored_objects.values()
    patches = _reassigned(store, others, first.label)
    whole = replace(
        first,
        prompts=tuple(prompt for one in stored_objects.values() for prompt in one.prompts),
        box=box_union([one.box for one in stored_objects.values()]),
        propagated=PropagationRecord(),
        parent=None if first.parent in stored_objects else first.parent,
    )
    objects: ObjectChanges = {one.label: (one, None) for one in others}
    objects[first.label] = first, whole
    change = Change("merge", (store.draft,) * 2, objects, patches)
    return first.label, without_orphans(store, change, {one.label: first.label for one in others})


def rename(store: Store, label: int, name: str) -> Change:
    """Name a committed object."""
    stored_object = store.object(label)
    new = replace(stored_object, name=str(name))
    return Change("rename", (store.draft,) * 2, {stored_object.label: (stored_object, new)})


def relabel(store: Store, label: int, to: int) -> Change:
    """Give a committed object another id."""
    stored_object, to = store.unlocked_object(label), checked_integer(to)
    if not 1 <= to <= LARGEST_LABEL:
        raise ValueError(f"label {to!r} is out of range; valid: 1 to {LARGEST_LABEL}")
    if to in store.objects or to == store.draft.label:
        raise ValueError(f"label {to} is taken; taken labels: {sorted(store.objects)}")
    objects = {
        stored_object.label: (stored_object, None),
        to: (None, replace(stored_object, label=to)),
    }
    patches = _reassigned(store, [stored_object], to)
    change = Change("relabel", (store.draft,) * 2, objects, patches)
    return without_orphans(store, change, {stored_object.label: to})


def paint(
    store: Store,
    box: Bounds,
    values: NDArray[Any],
    may_add: Callable[[Bounds], NDArray[np.bool_]] | None = None,
) -> Change:
    """Write ids into a box of the labels by hand; new ids become objects.

    Parameters
    ----------
    store : Store
        What is painted on.
    box, values
        See `Session.paint`.
    may_add : callable, optional
        From a box to where pixels of objects may be added.
    """
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
    protected = (values != old) & (store.locked_pixels(old) | store.locked_pixels(values))
    values = np.where(protected, old, values)
    if may_add is not None:
        values = np.where((values > 0) & ~may_add(box), old, values)
    if protected.any() and not (values != old).any():
        raise ValueError("the objects painted on are locked; unlock them to change them")
    patch = ImagePatch.between("labels", box, old, values.astype(LABEL_TYPE))
    objects = _ended(store, [patch])
    for label in np.unique(values[values > 0]).tolist():
        stored_object = store.objects.get(label)
        new = StoredObject(label, "", (), box)
        if stored_object is not None:
            new = replace(stored_object, box=box_union([stored_object.box, box]))
        if new != stored_object:
            objects[label] = (stored_object, new)
    return without_orphans(store, Change("paint", (store.draft,) * 2, objects, (patch,)))
