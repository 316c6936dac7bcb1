"""Store of a session: arrays, objects and history, changed only by undoable changes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_promptseg.data.geometry import (
    Bounds,
    Crop,
    Plane,
    box_slices,
    box_union,
    mask_box,
)
from napari_promptseg.data.labels import checked_integer, label_boxes
from napari_promptseg.data.memmap import paged_zeros, slabs
from napari_promptseg.session.events import SessionEvents
from napari_promptseg.session.history import Change, History, ImagePatch
from napari_promptseg.session.persistence.records import (
    Done,
    Line,
    Moved,
    Record,
    from_history,
)
from napari_promptseg.session.propagation_record import PropagationRecord, Underway
from napari_promptseg.session.state import Classes, Draft, StoredObject
from napari_promptseg.session.validation import check_change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.session.intensity_range import IntensityRange
    from napari_promptseg.session.persistence.journal import Journal
    from napari_promptseg.session.regions_of_interest import PlaneAnswer

LABEL_TYPE: Final = np.uint16
LARGEST_LABEL: Final = int(np.iinfo(LABEL_TYPE).max)
_MAX_WRITES: Final = 64
"""Pixels that one change may write, as a multiple of those of the image."""
_logger = logging.getLogger(__name__)


class Store:
    """Mask, labels, objects and history of one session.

    Untouched parts of the arrays take no memory, and those of large volumes can be put
    aside on disk; see `paged_zeros`.

    Parameters
    ----------
    shape : tuple of int
        Of the volume, without channel.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.mask: NDArray[np.bool_] = paged_zeros(shape, np.bool_)
        self.labels: NDArray[np.uint16] = paged_zeros(shape, LABEL_TYPE)
        self.initial_labels: NDArray[Any] | None = None
        self.draft = Draft()
        self.underway = Underway()
        self.objects: dict[int, StoredObject] = {}
        self.classes: Classes = {}
        self.neighbors = self.initial_neighbors = True
        """See `Session.neighbors`."""
        self.intensity_range: IntensityRange | None = None
        self.history = History()
        self.events = SessionEvents()
        self.journal: Journal | None = None
        self.retired = False
        """True if another session has taken the place of this one: it changes no more."""

    # Changing

    def do(self, change: Change) -> None:
        """Carry out a new change and record it; nothing happens if the journal cannot."""
        before = self._checkpoint()
        try:
            self.log(Done(change=change))
            self.apply(change, forward=True)
            self.history.record(change)
            self._confirm()
        except BaseException:  # a full disk, an interrupt: journal and memory agree
            self._take_back(before, lambda: self.apply(change, forward=False))
            raise
        self._compact()
        self._announce(change)

    def record(self, change: Change) -> None:
        """Record a change whose patches were written already; they go if the journal cannot."""
        before = self._checkpoint()
        try:
            self.log(Done(change=change))
            for patch in change.patches[-1:]:  # an interrupt may have come before it was written
                patch.write(self._array(patch), "new")
            self.draft = change.draft[1]
            self.history.record(change)
            self._confirm()
        except BaseException:
            self._take_back(before, lambda: self.apply(change, forward=False))
            self._announce(change)
            raise
        self._compact()
        self._announce(replace(change, patches=()))

    def undo(self) -> bool:
        """Undo the last change; False if there is none."""
        return self._move("undo")

    def redo(self) -> bool:
        """Redo the last undone change; False if there is none."""
        return self._move("redo")

    def replay(self, record: Record) -> None:
        """Carry out a record that was read back from disk, before there is a journal."""
        if isinstance(record, Done):
            check_change(record.change, self.mask.shape)
            self.do(record.change)
        else:
            self._move(record.kind)

    def _move(self, kind: Literal["undo", "redo"]) -> bool:
        forward = kind == "redo"
        steps = self.history.undone if forward else self.history.done
        if not steps:
            return False
        change, before = steps[-1], self._checkpoint()
        try:
            self.log(Moved(kind=kind))
            self.apply(change, forward)
            if forward:
                self.history.step_forward()
            else:
                self.history.step_back()
            self._confirm()
        except BaseException:
            self._take_back(before, lambda: self.apply(change, not forward))
            raise
        self._announce(change)
        return True

    def _checkpoint(self) -> tuple[History, int]:
        """Return history and position in the journal, for `_take_back`."""
        return self.history.copy(), 0 if self.journal is None else self.journal.position

    def _take_back(self, checkpoint: tuple[History, int], restore: Callable[[], None]) -> None:
        """Bring everything back to before a step that failed, also if the user interrupts that.

        Parameters
        ----------
        checkpoint : (History, int)
            From before the step.
        restore : callable
            Restores arrays, objects and draft.
        """
        while True:
            try:
                restore()
                self.history = checkpoint[0].copy()
                if self.journal is not None:
                    self.journal.rewind(checkpoint[1])
            except KeyboardInterrupt:
                continue
            return

    def continues(self, change: Change) -> bool:
        """Return True if a change began from the present objects, as far as it tells."""
        return change.draft[0] == self.draft and all(
            self.objects.get(label) == sides[0] for label, sides in change.objects.items()
        )

    def _confirm(self) -> None:
        if self.journal is not None:
            self.journal.confirm()

    def apply(self, change: Change, forward: bool) -> None:
        """Bring arrays, objects and draft to one side of a change, without recording it."""
        patches = change.patches if forward else change.patches[::-1]
        for patch in patches:
            patch.write(self._array(patch), "new" if forward else "old")
        for label, sides in change.objects.items():
            stored_object = sides[forward]
            if stored_object is None:
                self.objects.pop(label, None)
            else:
                self.objects[label] = stored_object
        self.draft = change.draft[forward]
        if change.classes is not None:
            self.classes = change.classes[forward]
        if change.neighbors is not None:
            self.neighbors = change.neighbors[forward]
        if change.intensity_range is not None:
            self.intensity_range = change.intensity_range[forward]

    def _announce(self, change: Change) -> None:
        """Tell what a change touched, once all of it is done: a listener sees one state."""
        for patch in change.patches:
            self._emit_box(patch)
        if change.objects or change.classes is not None:
            self.events.objects.emit()
        if change.draft[0] != change.draft[1]:
            self.events.draft.emit()
            self.events.confidences.emit()
        self.events.history.emit()

    def write(self, patch: ImagePatch, forward: bool = True) -> None:
        """Write one side of a patch into its array, and tell."""
        if self.retired:
            raise RuntimeError("this session was given up; another one goes on with it")
        patch.write(self._array(patch), "new" if forward else "old")
        self._emit_box(patch)

    def _array(self, patch: ImagePatch) -> NDArray[Any]:
        return self.mask if patch.array == "mask" else self.labels

    def _emit_box(self, patch: ImagePatch) -> None:
        (self.events.mask if patch.array == "mask" else self.events.labels).emit(patch.box)

    def log(self, record: Line) -> None:
        """Append a record to the journal, if there is one."""
        if self.retired:
            raise RuntimeError("this session was given up; another one goes on with it")
        if self.journal is not None:
            self.journal.append(record)

    def _compact(self) -> None:
        """Leave out of the journal what was undone and replaced, once that is most of it."""
        reachable = len(self.history.done) + len(self.history.undone)
        if self.journal is not None and self.journal.is_wasteful(reachable):
            try:
                self.journal.resume(from_history(self.history))
            except OSError:  # such as a full disk: the records are whole as they are
                _logger.warning("the journal cannot be compacted now", exc_info=True)

    # Making changes

    def change_mask(
        self,
        name: str,
        prompts: tuple[Prompt, ...],
        patches: Sequence[ImagePatch],
        propagated: PropagationRecord,
    ) -> Change:
        """Make the change that brings the active object to new prompts and pixels."""
        extent = self.draft.grown(*(p.box for p in patches))
        draft = replace(self.draft, prompts=prompts, extent=extent, propagated=propagated)
        return Change(name, (self.draft, draft), {}, tuple(patches))

    def answer_prompts(
        self, name: str, prompts: tuple[Prompt, ...], answers: Mapping[Plane, Sequence[ImagePatch]]
    ) -> Change:
        """Make the change that brings the active object to new prompts and their answers.

        What propagation knew of planes that change is forgotten.

        Parameters
        ----------
        name : str
            What the user did.
        prompts : tuple of Prompt
            All there are then.
        answers : mapping of Plane to sequence of ImagePatch
            What it changes on each plane that is answered.
        """
        patches = [patch for changes in answers.values() for patch in changes]
        new_planes = [plane for plane, changes in answers.items() if changes]
        record = self.draft.propagated.without([patch.box for patch in patches])
        record = record.with_confidences(dict.fromkeys(new_planes), self.mask.shape)
        return self.change_mask(name, prompts, patches, record)

    @property
    def extent(self) -> Bounds | None:
        """A box that holds every true pixel of the mask, also while a propagation writes."""
        parts = [part for part in (self.draft.extent, self.underway.extent) if part is not None]
        return box_union(parts) if parts else None

    def confidences(self) -> dict[Plane, float]:
        """Return how sure propagation was of planes, also while it writes."""
        confidences = self.draft.propagated.confidences(self.mask.ndim)
        confidences |= {
            p: sure for p, sure in self.underway.confidences.items() if sure is not None
        }
        for plane in (p for p, sure in self.underway.confidences.items() if sure is None):
            confidences.pop(plane, None)
        return confidences

    def has_object(self, plane: Plane) -> bool:
        """Tell whether the active object is on a plane.

        It costs time in proportion to the object, not to the plane.
        """
        return any(
            self.mask[plane.part(*box_slices(part))].any()
            for part in slabs(self.plane_extent(plane) or ((0, 0), (0, 0)))
        )

    def plane_extent(self, plane: Plane) -> Bounds | None:
        """Return rows and columns that hold every true pixel of a plane; None where it has none."""
        extent = self.extent
        if extent is None or not plane.crosses(extent):
            return None
        return tuple(extent[axis] for axis in plane.in_plane)

    def plane_mask(self, plane: Plane, crop: Crop | None = None) -> NDArray[np.bool_] | None:
        """Return a copy of a plane of the mask or of a part of it, None if it is empty."""
        extent = self.plane_extent(plane)
        if extent is None:
            return None
        if crop is not None:
            copy = np.asarray(self.mask[plane.part(*crop.slices)])
            return copy if copy.any() else None
        part = box_slices(extent)
        inside = self.mask[plane.part(*part)]
        if not inside.any():
            return None
        copy = np.zeros(plane.shape_in(self.mask.shape), np.bool_)
        copy[part] = inside
        return copy

    def plane_patches(self, plane: Plane, answer: PlaneAnswer) -> tuple[ImagePatch, ...]:
        """Return the patches that bring a plane of the mask to an answer, none if it is equal."""
        rows, columns = plane.shape_in(self.mask.shape)
        hull = answer.box((rows, columns))
        extent = self.plane_extent(plane)
        if extent is not None:
            hull = box_union([hull, extent])
        if answer.crop is not None:
            looked_at = answer.crop.rows, answer.crop.columns
            hull = tuple(
                (max(a, c), min(b, d)) for (a, b), (c, d) in zip(hull, looked_at, strict=True)
            )
        patches = (self._plane_patch(plane, part, answer) for part in slabs(hull))
        return tuple(patch for patch in patches if patch is not None)

    def _plane_patch(self, plane: Plane, hull: Bounds, answer: PlaneAnswer) -> ImagePatch | None:
        old, new = self.mask[plane.part(*box_slices(hull))], answer.part(hull[0], hull[1])
        difference = mask_box(old != new)
        if difference is None:
            return None
        rows, columns = ((h[0] + c[0], h[0] + c[1]) for h, c in zip(hull, difference, strict=True))
        part, box = box_slices(difference), plane.box(rows, columns)
        shape = tuple(stop - start for start, stop in box)
        return ImagePatch.between("mask", box, old[part].reshape(shape), new[part].reshape(shape))

    def labels_patch(self, box: Bounds, pixels: NDArray[np.bool_], label: int) -> ImagePatch:
        """Return the patch that gives pixels of a box of the labels an id."""
        old = self.labels[box_slices(box)]
        return ImagePatch.between("labels", box, old, np.where(pixels, LABEL_TYPE(label), old))

    def mask_extent(self) -> Bounds | None:
        """Return the smallest box that holds the active object, None if it is empty."""
        boxes: list[Bounds] = []
        for part in slabs(self.draft.extent) if self.draft.extent else ():
            inner = mask_box(self.mask[box_slices(part)])
            if inner is not None:
                boxes.append(
                    tuple((e[0] + i[0], e[0] + i[1]) for e, i in zip(part, inner, strict=True))
                )
        return box_union(boxes) if boxes else None

    def next_label(self) -> int:
        """Return an id that no object has.

        Raises
        ------
        ValueError
            If the largest id is in use.
        """
        ids = [*self.objects, *([self.draft.label] if self.draft.label else [])]
        label = max(ids, default=0) + 1
        if label > LARGEST_LABEL:
            raise ValueError(f"no label left: {LARGEST_LABEL} is the largest that fits")
        return label

    def object(self, label: int) -> StoredObject:
        """Return a committed object.

        Raises
        ------
        ValueError
            If there is none of that id.
        """
        stored_object = self.objects.get(checked_integer(label))
        if stored_object is None:
            raise ValueError(f"no object {label!r}; valid labels: {sorted(self.objects)}")
        return stored_object

    def unlocked_object(self, label: int) -> StoredObject:
        """Return a committed object that may be changed.

        Raises
        ------
        ValueError
            If there is none of that id, or it is locked.
        """
        stored_object = self.object(label)
        if stored_object.locked:
            raise ValueError(f"object {stored_object.label} is locked; unlock it to change it")
        return stored_object

    def locked_pixels(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where an array of ids holds those of locked objects."""
        locked = [label for label, one in self.objects.items() if one.locked]
        return np.isin(values, locked) if locked else np.zeros(values.shape, np.bool_)

    def take_labels(self, labels: NDArray[Any]) -> None:
        """Begin with objects that are there already.

        Raises
        ------
        ValueError
            If shape, type or ids do not fit.
        """
        if labels.shape != self.labels.shape:
            raise ValueError(f"labels have shape {labels.shape}, expected {self.labels.shape}")
        if labels.dtype.kind not in "uib":
            raise ValueError(f"labels must be integers, got dtype {labels.dtype}")
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high > LARGEST_LABEL:
            raise ValueError(f"labels must be 0 to {LARGEST_LABEL}, got {low} to {high}")
        self.labels[...] = labels
        self.initial_labels = paged_zeros(labels.shape, LABEL_TYPE)
        self.initial_labels[...] = labels
        for label, box in label_boxes(labels).items():
            self.objects[label] = StoredObject(label, "", (), box)
