"""Writer of a propagation: predicted planes go into the mask as one step of undo."""

from __future__ import annotations

import logging
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import box_union
from napari_promptseg.propagation.leak_guard import reject_leaks
from napari_promptseg.session.persistence.records import Part
from napari_promptseg.session.propagation_handle import PlaneResult
from napari_promptseg.session.propagation_record import Underway
from napari_promptseg.session.regions_of_interest import PlaneAnswer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.propagation.base import Stack
    from napari_promptseg.session.history import Change, ImagePatch
    from napari_promptseg.session.predictor import Predictor
    from napari_promptseg.session.propagation.constraints import Constraints
    from napari_promptseg.session.propagation.sweeps import Sweep
    from napari_promptseg.session.propagation_record import Segment
    from napari_promptseg.session.store import Store

_SAVE_EVERY: Final = 0.5
"""Seconds between two writes of a running propagation to the journal."""
_log = logging.getLogger(__name__)
DOUBT: Final = 0.5
"""Planes without the object are worth a look only up to this confidence, and are kept so far."""


class Writer:
    """Writes the planes of one propagation.

    Parameters
    ----------
    store : Store
        Written to; its prompts are those of the propagation.
    predictor : Predictor
        Its propagator answers.
    arguments : mapping of str to value
        Of the propagation; noted if it comes to its end, `complete`.
    """

    def __init__(
        self,
        store: Store,
        predictor: Predictor,
        arguments: Mapping[str, Any],
    ) -> None:
        self._store, self._predictor = store, predictor
        self._propagator = predictor.make_propagator()
        self._model, self._arguments = predictor.describe(), arguments
        self.complete = False
        self._prompts = store.draft.prompts
        self._patches: list[ImagePatch] = []
        self._saved, self._saved_at = 0, monotonic()
        self._finished = False
        self.segments: list[Segment] = []
        self.done = self.total = 0

    def answer(
        self, evidence: Constraints, row: Sweep, stack: Stack, todo: Collection[int]
    ) -> Iterator[PlaneResult]:
        """Fill planes of a row, then empty those of them where the object is no more.

        Parameters
        ----------
        evidence : Constraints
            What the stack was made from.
        row : Sweep
            Where the planes are.
        stack : Stack
            What the propagator sees.
        todo : collection of int
            Planes to be answered; some may lie beyond the stack, where a 3D box ends.
        """
        open_planes, earlier = set(todo), set[int]()
        for step in reject_leaks(self._propagator.fill(stack), stack):
            if step.index in todo or step.index in stack.revisable:
                self.done += step.index in open_planes
                open_planes.discard(step.index)
                result = self._put(evidence, row.plane(step.index), step.mask, step.confidence)
                yield replace(result, again=step.index in earlier)
                earlier.add(step.index)
        yield from self.clear(evidence, row, open_planes)

    def clear(
        self, evidence: Constraints, row: Sweep, planes: Collection[int]
    ) -> Iterator[PlaneResult]:
        """Empty planes of a row where nothing was answered."""
        for index in sorted(planes):
            plane = row.plane(index)
            self.done += 1
            if self._store.has_object(plane):
                size = plane.shape_in(self._store.mask.shape)
                yield self._put(evidence, plane, np.zeros(size, np.bool_), None)
            else:
                self._store.underway.confidences[plane] = None

    def _put(
        self, evidence: Constraints, plane: Plane, mask: NDArray[np.bool_], confidence: float | None
    ) -> PlaneResult:
        """Write a plane; one without confidence is one where nothing was answered."""
        size = plane.shape_in(self._store.mask.shape)
        if mask.shape != size:
            raise RuntimeError(f"a mask of {mask.shape} was answered for a plane of {size}")
        sure, empty = 1.0 if confidence is None else float(confidence), not mask.any()
        self._store.underway.confidences[plane] = None if empty and sure > DOUBT else sure
        mask = self._predictor.keep_to_range(plane, mask)
        answer = PlaneAnswer(evidence.with_lines(plane, mask))
        patches = self._store.plane_patches(plane, answer)
        for patch in patches:
            self._store.underway.wrote(patch.box)
            self._patches.append(patch)  # first: what is written is recorded, whatever happens
            self._store.write(patch)
        self._autosave()
        self._store.events.confidences.emit()
        box = box_union([patch.box for patch in patches]) if patches else None
        return PlaneResult(plane, sure, box, empty, self.done, self.total)

    def _autosave(self) -> None:
        """Have the new planes on disk about twice a second.

        Write errors are suppressed here; they surface when the finished change is recorded.
        """
        if monotonic() - self._saved_at < _SAVE_EVERY:
            return
        try:
            self.save()
        except OSError:
            _log.warning("planes of a propagation are not in the journal yet", exc_info=True)
        self._saved_at = monotonic()

    def save(self) -> None:
        """Have all planes so far on disk, if there is a journal."""
        if self._store.journal is None or len(self._patches) == self._saved:
            return
        new = self._patches[self._saved :]
        self._store.log(Part(change=self._change(self._store.underway, new)))
        self._saved, self._saved_at = len(self._patches), monotonic()

    def _change(self, underway: Underway, patches: Sequence[ImagePatch]) -> Change:
        """Return the change that was made so far, with some of its patches."""
        store = self._store
        record = store.draft.propagated.without(underway.boxes).with_segments(self.segments)
        record = record.with_confidences(underway.confidences, store.mask.shape)
        change = store.change_mask("propagate", self._prompts, patches, record)
        if not self.complete:
            return change
        return replace(change, model=self._model, arguments=self._arguments)

    def finish(self) -> None:
        """Record all planes as one change; a second call does nothing."""
        store, underway = self._store, self._store.underway
        if self._finished:
            return
        change = self._change(underway, self._patches)
        if self._patches or change.draft[1].propagated != store.draft.propagated:
            store.underway, self._finished = Underway(), True
            store.record(change)
        store.underway, self._finished = Underway(), True
