"""Label editing: split, fill, clean, grow, shrink, smooth and interpolate objects, as steps."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from napari_promptseg.data import morphology
from napari_promptseg.data.geometry import Bounds, box_slices, mask_box, normal_axis
from napari_promptseg.propagation.shape_interpolation import ShapeInterpolation
from napari_promptseg.session.history import Change, ImagePatch
from napari_promptseg.session.intensity_range import allowed_pixels
from napari_promptseg.session.propagation_record import PropagationRecord
from napari_promptseg.session.store import LABEL_TYPE, LARGEST_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.session.state import StoredObject

    Mask = NDArray[np.bool_]

MAX_EDIT_PX: Final = 2**29
"""Pixels of the largest box that is edited at once."""
_REACH: Final = 4.0
"""Standard deviations of a Gaussian that matter."""


class _Target(NamedTuple):
    """An object that is edited: its mask in a box with a margin; None is the active one."""

    stored_object: StoredObject | None
    box: Bounds
    mask: Mask


def fill_holes(state: SessionState, label: int | None = None, axis: str | None = None) -> None:
    """Fill the holes of an object in its planes.

    Parameters
    ----------
    label : int, optional
        A committed object; the active object when not given.
    axis : {"z", "y", "x"}, optional
        Normal of the planes; z when not given.

    Raises
    ------
    ValueError
        If there is no such object, it is empty or locked, or nothing changes.
    """
    normal = normal_axis(state.volume.names, axis)
    spatial = state.volume.names.removeprefix("t")
    along = spatial.index(normal) if normal and normal in spatial else None
    _edit(state, "fill holes", label, 0.0, partial(morphology.fill_holes, axis=along))


def remove_islands(
    state: SessionState, label: int | None = None, min_size: int | None = None
) -> None:
    """Remove the small pieces of an object, in each time point.

    Parameters
    ----------
    label : int, optional
        A committed object; the active object when not given.
    min_size : int, optional
        Pixels of the smallest piece that stays; all but the largest go when not given.

    Raises
    ------
    ValueError
        If there is no such object, it is empty or locked, or nothing changes.
    """
    operation = partial(morphology.remove_islands, min_size=min_size)
    _edit(state, "remove islands", label, 0.0, operation)


def grow(state: SessionState, label: int | None = None, distance: float | None = None) -> None:
    """Grow an object; committed ones keep their pixels, and an intensity range holds.

    Parameters
    ----------
    label : int, optional
        A committed object; the active object when not given.
    distance : float, optional
        In units of the volume; one pixel of its finest axis when not given.

    Raises
    ------
    ValueError
        If there is no such object, it is empty or locked, the distance is not positive, or
        nothing changes.
    """
    spacing, distance = _scales(state, distance)
    operation = partial(morphology.grow, distance=distance, spacing=spacing)
    _edit(state, "grow", label, distance, operation)


def shrink(state: SessionState, label: int | None = None, distance: float | None = None) -> None:
    """Shrink an object.

    Parameters and errors are those of `grow`; ``ValueError`` also if nothing would be left.
    """
    spacing, distance = _scales(state, distance)
    operation = partial(morphology.shrink, distance=distance, spacing=spacing)
    _edit(state, "shrink", label, min(spacing), operation)


def smooth(state: SessionState, label: int | None = None, distance: float | None = None) -> None:
    """Round off corners and bumps of an object; committed ones keep their pixels.

    Parameters and errors are those of `grow`; ``ValueError`` also if nothing would be left.
    """
    spacing, distance = _scales(state, distance)
    operation = partial(morphology.smooth, distance=distance, spacing=spacing)
    _edit(state, "smooth", label, _REACH * distance, operation)


def interpolate(state: SessionState, label: int | None = None, axis: str | None = None) -> None:
    """Fill the planes between those that an object is in, by shape-based interpolation.

    Parameters
    ----------
    label : int, optional
        A committed object; the active object when not given.
    axis : {"z", "y", "x"}, optional
        Normal of the planes; z, or t where there is no z, when not given.

    Raises
    ------
    ValueError
        If there is no such object or axis, it is empty or locked, or no plane is missing.
    """
    names = state.volume.names
    normal = normal_axis(names, axis)
    if not normal:
        raise ValueError("there is nothing to interpolate in an image of one plane")
    spatial = [i for i, name in enumerate(names) if name not in ("t", normal)]
    rows, columns = (state.volume.axis_spacing(i) for i in spatial)
    along = names.index(normal)

    def operation(mask: Mask) -> Mask:
        series = "t" in names and normal != "t"
        stacks = mask if series else mask[None]
        results = [_between(np.moveaxis(one, along - series, 0), (rows, columns)) for one in stacks]
        whole = np.stack([np.moveaxis(one, 0, along - series) for one in results])
        return whole if series else whole[0]

    _edit(state, "interpolate", label, 0.0, operation, by_time=False)


def _between(planes: Mask, spacing: tuple[float, float]) -> Mask:
    """Fill empty planes between others."""
    new = planes.copy()
    for first, last in pairwise(np.flatnonzero(planes.any((1, 2))).tolist()):
        if last - first > 1:
            shapes = ShapeInterpolation(planes[first], planes[last], spacing)
            for index in range(first + 1, last):
                new[index] = shapes.at((index - first) / (last - first))
    return new


def split(state: SessionState, label: int, parts: int = 2) -> tuple[int, ...]:
    """Split a committed object into its pieces; one piece is cut where it is narrowest.

    Parameters
    ----------
    label : int
        A committed object; its largest piece keeps the id, name, class and prompts.
    parts : int
        Into how many one piece is cut, at most.

    Returns
    -------
    tuple of int
        Ids of all pieces, the largest first.

    Raises
    ------
    ValueError
        If there is no such object, it is locked, or has no waist to cut it at.
    """
    state.interrupt()
    store = state.store
    stored_object, box, mask = _target(state, label, 0.0)
    assert stored_object is not None
    numbers, sizes = morphology.pieces(mask)
    if len(sizes) == 1:
        spacing = [
            1.0 if name == "t" else state.volume.axis_spacing(axis)
            for axis, name in enumerate(state.volume.names)
        ]
        numbers = _by_size(morphology.cut_at_waists(mask, parts, spacing))
    count = int(numbers.max())
    if count < 2:
        raise ValueError(
            f"object {label} is one piece without a waist; erase a gap with the brush, then split"
        )
    first = store.next_label()
    if first + count - 2 > LARGEST_LABEL:
        raise ValueError(f"{count} pieces, but ids end at {LARGEST_LABEL}; delete some first")
    labels = (stored_object.label, *range(first, first + count - 1))
    old = store.labels[box_slices(box)]
    new = np.where(numbers > 0, np.array([0, *labels], LABEL_TYPE)[numbers], old)
    objects: dict[int, tuple[StoredObject | None, StoredObject | None]] = {}
    for number, one in enumerate(labels, start=1):
        inner = mask_box(numbers == number)
        assert inner is not None
        piece = replace(
            stored_object, label=one, box=_moved(inner, box), propagated=PropagationRecord()
        )
        if number == 1:
            objects[one] = stored_object, piece
        else:
            objects[one] = None, replace(piece, prompts=(), name="")
    patch = ImagePatch.between("labels", box, old, new)
    store.do(Change("split", (store.draft,) * 2, objects, (patch,)))
    return labels


def _by_size(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return other numbers for parts, the largest first."""
    order = np.argsort(-np.bincount(numbers.ravel())[1:], kind="stable")
    ranks = np.zeros(len(order) + 1, np.int32)
    ranks[order + 1] = np.arange(1, len(order) + 1)
    return ranks[numbers]


def _scales(state: SessionState, distance: float | None) -> tuple[list[float], float]:
    """Return the spacing along the spatial axes and a distance that is positive.

    Raises
    ------
    ValueError
        If it is not.
    """
    volume = state.volume
    spacing = [volume.axis_spacing(i) for i, name in enumerate(volume.names) if name != "t"]
    checked = min(spacing) if distance is None else float(distance)
    if not 0 < checked < math.inf:
        raise ValueError(f"distance must be positive and finite, got {distance!r}")
    return spacing, checked


def _target(state: SessionState, label: int | None, margin: float) -> _Target:
    """Return an object in a box with a margin, in units of the volume, around it.

    Raises
    ------
    ValueError
        If there is none, or it is empty, locked or too large to be edited at once.
    """
    store, volume = state.store, state.volume
    stored_object = None if label is None else store.unlocked_object(label)
    extent = store.mask_extent() if stored_object is None else stored_object.box
    if extent is None:
        raise ValueError("there is no active object; give the label of a committed one")
    box = tuple(
        (start, stop)
        if volume.names[axis] == "t"
        else _widened(start, stop, math.ceil(margin / volume.axis_spacing(axis)), size)
        for axis, ((start, stop), size) in enumerate(zip(extent, volume.shape, strict=True))
    )
    size = math.prod(stop - start for start, stop in box)
    if size > MAX_EDIT_PX:
        raise ValueError(f"a box of {size} pixels is too large; valid: up to {MAX_EDIT_PX}")
    if stored_object is None:
        mask = np.array(store.mask[box_slices(box)])
    else:
        mask = np.asarray(store.labels[box_slices(box)] == stored_object.label)
    if not mask.any():
        raise ValueError(f"object {label} is empty")
    return _Target(stored_object, box, mask)


def _widened(start: int, stop: int, margin: int, size: int) -> tuple[int, int]:
    return max(start - margin, 0), min(stop + margin, size)


def _moved(inner: Bounds, box: Bounds) -> Bounds:
    """Return a box inside of another one in the coordinates of the volume."""
    return tuple((o + a, o + b) for (a, b), (o, _) in zip(inner, box, strict=True))


def _edit(
    state: SessionState,
    name: str,
    label: int | None,
    margin: float,
    operation: Callable[[Mask], Mask],
    by_time: bool = True,
) -> None:
    """Edit the mask of an object, by time point in a series, as one step."""
    state.interrupt()
    target = _target(state, label, margin)
    if by_time and "t" in state.volume.names:
        frames = [operation(frame) if frame.any() else frame for frame in target.mask]
        new = np.stack(frames)
    else:
        new = operation(target.mask)
    growth = new & ~target.mask
    if growth.any():
        growth &= _free(state, target)
        growth &= allowed_pixels(state.volume, state.store.intensity_range, target.box)
    new = (new & target.mask) | growth
    what = "the active object" if label is None else f"object {label}"
    if not new.any():
        raise ValueError(f"nothing of {what} would be left")
    difference = mask_box(new != target.mask)
    if difference is None:
        raise ValueError(f"{name}: nothing to change in {what}")
    state.store.do(_change(state, name, target, new, difference))


def _free(state: SessionState, target: _Target) -> Mask:
    """Return where a committed object may grow; the active one decides when it is committed."""
    if target.stored_object is None:
        return np.ones(target.mask.shape, np.bool_)
    return np.asarray(state.store.labels[box_slices(target.box)] == 0)


def _change(
    state: SessionState, name: str, target: _Target, new: Mask, difference: Bounds
) -> Change:
    store, inner = state.store, box_slices(difference)
    box = _moved(difference, target.box)
    if target.stored_object is None:
        patch = ImagePatch.between("mask", box, target.mask[inner], new[inner])
        record = store.draft.propagated.without([box])
        return store.change_mask(name, store.draft.prompts, [patch], record)
    stored_object = target.stored_object
    old = store.labels[box_slices(box)]
    values = np.where(target.mask[inner], LABEL_TYPE(0), old)
    values = np.where(new[inner], LABEL_TYPE(stored_object.label), values)
    whole = mask_box(new)
    assert whole is not None
    edited = replace(
        stored_object,
        box=_moved(whole, target.box),
        propagated=stored_object.propagated.without([box]),
    )
    objects = {stored_object.label: (stored_object, edited)}
    patch = ImagePatch.between("labels", box, old, values)
    return Change(name, (store.draft,) * 2, objects, (patch,))
