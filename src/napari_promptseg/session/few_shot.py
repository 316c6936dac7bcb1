"""Few-shot classes in a session: committed objects as examples, proposals as new objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import Plane, box_slices, plane_by_index
from napari_promptseg.data.progress import never, no_report
from napari_promptseg.session import object_edits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.few_shot.few_shot_class import FewShotClass
    from napari_promptseg.few_shot.proposals import Proposal
    from napari_promptseg.instances.objects import FoundObjects
    from napari_promptseg.session.session_state import PlaneIndex, SessionState, StateView
    from napari_promptseg.session.state import StoredObject
    from napari_promptseg.session.store import Store

_PLANES: Final = 3
"""Planes of an object that are examples: where it is largest, and on both sides."""


def examples(
    state: StateView, name: str | None = None, without: Collection[int] = ()
) -> list[tuple[PlaneImage, NDArray[np.integer[Any]]]]:
    """Return planes with committed objects, to learn a class from.

    Parameters
    ----------
    name : str, optional
        Of the objects; all of them when not given.
    without : collection of int
        Ids of objects to leave out, such as those learnt before.

    Returns
    -------
    list of (PlaneImage, (H, W) int64 array)
        Planes where they are large, with their ids; 0 elsewhere.
    """
    return list(_example_planes(state.store, state.volume, name, without))


def propose(
    state: StateView,
    concept: FewShotClass,
    index: PlaneIndex = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[Proposal]:
    """Find objects of a class on a plane, beside those that are committed; none changes.

    Parameters
    ----------
    concept : FewShotClass
        The class.
    index : int, (int, int) or Plane, optional
        Which plane, as in `add_mask`; the middle one when not given.
    is_cancelled : callable
        Polled during the search; once it returns True, there are no proposals.

    Returns
    -------
    list of Proposal
        The likeliest first, for `accept`.

    Raises
    ------
    ValueError
        If there is no such plane, or it is too large.
    """
    state.settle()
    plane = state.plane(index)
    state.volume.check_whole(plane, "finding objects of a class")
    proposals = concept.proposals(state.volume.plane(plane), is_cancelled)
    from napari_promptseg.few_shot.proposals import exclude_occupied

    return exclude_occupied(proposals, state.store.labels[plane.slices])


def find_class(
    state: StateView,
    concept: FewShotClass,
    *,
    report: Report = no_report,
    is_cancelled: Callable[[], bool] = never,
) -> FoundObjects:
    """Find the objects of a class in the whole image, beside those that are committed.

    Of a volume they are objects in 3D, of a series those of each frame. Nothing is committed:
    `add_labels` does that with the `labels` of the result.

    Parameters
    ----------
    concept : FewShotClass
        The class.
    report : callable
        Called with the number of planes that were looked at, and of all.
    is_cancelled : callable
        Polled on the way; once it returns True, objects of whole frames are the result.

    Returns
    -------
    FoundObjects
        With confidences as scores, of the shape of the image without channel.

    Raises
    ------
    ValueError
        If planes are too large, or the class has no example.
    """
    state.settle()
    state.volume.check_whole(state.plane(None), "finding objects of a class")
    return concept.find_all(state.volume, report, is_cancelled).outside(state.store.labels)


def accept(
    state: SessionState,
    proposals: Sequence[Proposal] | NDArray[Any],
    index: PlaneIndex = None,
    name: str = "",
) -> list[int]:
    """Commit proposals of a plane in one step; other objects keep their pixels.

    Parameters
    ----------
    proposals : sequence of Proposal, or (H, W) integer array
        From `propose`, or from `segment_all` of the plane.
    index : int, (int, int) or Plane, optional
        The plane that they are of.
    name : str
        Of the new objects, such as that of the class.

    Returns
    -------
    list of int
        Ids of the new objects; fewer where others have all pixels of one.

    Raises
    ------
    ValueError
        If there is no such plane, or a proposal does not fit it.
    """
    state.interrupt()
    plane = state.plane(index)
    numbers = proposal_numbers(proposals, state.store.labels[plane.slices].shape)
    is_array = isinstance(proposals, np.ndarray)
    step = "segment everything" if is_array else "accept proposals"
    labels, change = object_edits.add_objects(state.store, plane, numbers, step, name)
    if labels:
        state.store.do(change)
    return labels


def proposal_numbers(
    proposals: Sequence[Proposal] | NDArray[Any], shape: tuple[int, ...]
) -> NDArray[np.int32]:
    """Return proposals of a plane as an array of their numbers from 1 on, 0 for none.

    Raises
    ------
    ValueError
        If one does not fit the plane.
    """
    if isinstance(proposals, np.ndarray):
        if proposals.shape != shape or proposals.dtype.kind not in "iu":
            raise ValueError(
                f"labels of {proposals.shape}, {proposals.dtype} do not fit a plane of {shape}"
            )
        return proposals.astype(np.int32)
    numbers = np.zeros(shape, np.int32)
    for number, proposal in enumerate(proposals, start=1):
        if numbers[proposal.part].shape != proposal.mask.shape:
            raise ValueError(
                f"a proposal at {proposal.part} does not fit a plane of {numbers.shape}"
            )
        numbers[proposal.part][proposal.mask] = number
    return numbers


def _example_planes(
    store: Store, volume: Volume, name: str | None, without: Collection[int] = ()
) -> Iterator[tuple[PlaneImage, NDArray[np.integer]]]:
    """Yield planes with committed objects; see `Session.examples`."""
    stored_objects = {
        label: stored_object
        for label, stored_object in store.objects.items()
        if label not in without and (name is None or stored_object.name == name)
    }
    by_plane: dict[Plane, list[int]] = {}
    for label, stored_object in stored_objects.items():
        for plane in _planes(store, volume, stored_object):
            by_plane.setdefault(plane, []).append(label)
    for plane, labels in by_plane.items():
        there = np.asarray(store.labels[plane.slices])
        yield volume.plane(plane), np.where(np.isin(there, labels), there, 0).astype(np.int64)


def _planes(store: Store, volume: Volume, stored_object: StoredObject) -> list[Plane]:
    """Return the planes that show an object best, along z and t."""
    names, shape = volume.names, volume.shape
    inside = np.asarray(store.labels[box_slices(stored_object.box)]) == stored_object.label
    areas = inside.sum((-2, -1))
    if areas.ndim == 0:
        return [plane_by_index(names, shape, 0)]
    starts = [start for start, _ in stored_object.box[: areas.ndim]]
    largest = [int(i) for i in np.unravel_index(int(areas.argmax()), areas.shape)]
    apart = max(areas.shape[-1] // 4, 1)
    reach = _PLANES // 2
    along = [largest[-1] + apart * step for step in range(-reach, reach + 1)]
    planes = []
    for last in along:
        place = (*largest[:-1], last)
        if 0 <= last < areas.shape[-1] and areas[place]:
            index = [start + i for start, i in zip(starts, place, strict=True)]
            planes.append(plane_by_index(names, shape, index))
    return planes
