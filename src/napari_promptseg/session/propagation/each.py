"""Propagation of many objects, one after the other, beside a session that stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Plane, box_slices, mask_box
from napari_promptseg.data.prompts import prompt_plane
from napari_promptseg.session.object_parting import PlaneClaim
from napari_promptseg.session.propagation.runner import PropagationRunner
from napari_promptseg.session.propagation_handle import PropagationHandle
from napari_promptseg.session.regions_of_interest import PlaneAnswer
from napari_promptseg.session.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_promptseg.session.propagation_record import PropagationRecord
    from napari_promptseg.session.segment_each import EachPrompts
    from napari_promptseg.session.session_state import SessionState

_PROMPTED: Final = 2.0
"""Probability of a plane with a prompt: above that of all planes that propagation filled."""
_DOUBT: Final = 0.5
"""Probability of a plane without a confidence."""
Claims = list[tuple[Plane, PlaneClaim]]


def propagate_each(
    state: SessionState,
    each: EachPrompts,
    masks: Sequence[tuple[Plane, PlaneClaim]],
    axis: str | None,
    is_cancelled: Callable[[], bool],
) -> Iterator[tuple[int, PropagationRecord, Claims]]:
    """Yield number, record and planes of each object, once it is carried through the volume.

    Parameters
    ----------
    state : SessionState
        Image, labels and model; nothing of it changes.
    each : EachPrompts
        Prompts of the objects.
    masks : sequence of (Plane, PlaneClaim)
        Answer to the prompt of each object, on its plane.
    axis : str, optional
        See `Session.propagate`.
    is_cancelled : callable
        Polled after each plane; of an object that is not done by then, what is done is yielded.
    """
    store = Store(state.volume.shape)
    store.labels, store.objects = state.store.labels, state.store.objects
    store.neighbors = state.store.neighbors
    for plane, claim in masks:
        prompts = (
            each.positive[claim.number - 1],
            *(p for p in each.negative if prompt_plane(p, each.axes) == plane),
        )
        answer = PlaneAnswer(claim.mask, claim.corner)
        patches = store.plane_patches(plane, answer)
        store.do(store.answer_prompts("add prompts", prompts, {plane: patches}))
        if not is_cancelled():
            runner = PropagationRunner(store, state.volume, state.predictor, None, None, axis, None)
            propagation = PropagationHandle(runner.steps(), runner.finish)
            for _ in propagation:
                if is_cancelled():
                    propagation.cancel()
        yield claim.number, store.draft.propagated, _planes(store, plane, claim.number)
        while store.undo():
            pass


def _planes(store: Store, anchor: Plane, number: int) -> Claims:
    """Return the planes of the active object, parallel to the one with its prompt."""
    extent = store.mask_extent()
    if extent is None:
        return []
    confidences = store.confidences()
    claims = []
    across = [axis for axis, i in enumerate(anchor.index) if i is not None]
    for place in np.ndindex(*(extent[axis][1] - extent[axis][0] for axis in across)):
        plane = anchor
        for axis, offset in zip(across, place, strict=True):
            plane = plane.moved(axis, extent[axis][0] + offset)
        rows, columns = (extent[axis] for axis in plane.in_plane)
        inside = np.asarray(store.mask[plane.part(slice(*rows), slice(*columns))])
        inner = mask_box(inside)
        if inner is not None:
            corner = rows[0] + inner[0][0], columns[0] + inner[1][0]
            sure = _PROMPTED if plane == anchor else confidences.get(plane, _DOUBT)
            claims.append(
                (plane, PlaneClaim(number, inside[box_slices(inner)].copy(), corner, sure))
            )
    return claims
