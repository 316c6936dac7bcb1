"""Bridging of lost steps: the state in which the next whole record of a journal began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import Bounds, box_slices
from napari_promptseg.data.memmap import slabs
from napari_promptseg.session.history import ArrayName, Change, ImagePatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.session.store import Store


def bridge(store: Store, change: Change) -> None:
    """Bring the state to that before a change, as far as the change tells it.

    For a journal with damaged lines: the steps in them are lost, and the next whole one
    began from a state that is only known where it says so. The bridge is a step of its
    own, which can be undone.
    """
    draft = change.draft[0]
    before = {label: sides[0] for label, sides in change.objects.items()}
    objects = {
        label: (store.objects.get(label), stored_object)
        for label, stored_object in before.items()
        if store.objects.get(label) != stored_object
    }
    patches: list[ImagePatch] = []

    def write(array: ArrayName, box: Bounds, new: NDArray[Any]) -> None:
        target = store.mask if array == "mask" else store.labels
        old = np.array(target[box_slices(box)])
        if (old != new).any():
            patches.append(ImagePatch.between(array, box, old, new))
            patches[-1].write(target, "new")

    for part in slabs(store.draft.extent) if store.draft.extent else ():
        mask = np.array(store.mask[box_slices(part)])
        inside = np.zeros_like(mask)
        if draft.extent is not None:
            common = tuple(
                slice(max(a, c) - a, max(min(b, d) - a, 0))
                for (a, b), (c, d) in zip(part, draft.extent, strict=True)
            )
            inside[common] = mask[common]
        write("mask", part, inside)
    for patch in reversed(change.patches):
        write(patch.array, patch.box, patch.values("old"))
    if patches or objects or draft != store.draft:
        bridge = Change("restore after damage", (store.draft, draft), objects, tuple(patches))
        store.apply(bridge, forward=True)
        store.history.record(bridge)
