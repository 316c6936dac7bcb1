"""Neighbors of the active object: committed ones on its planes, which it does not run into."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Bounds, Crop, Plane, box_slices
from napari_promptseg.data.plane_prompts import PixelMask, PlanePrompts, Stroke
from napari_promptseg.models.encoding.clicks import component_centres

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.session.store import Store

_CLICKS: Final = 4
"""Number of the nearest neighbors that get a negative click each."""
_CANDIDATES: Final = 12
"""Number of neighbors, nearest by their boxes, that these are chosen from."""


def set_neighbors(state: SessionState, on: bool) -> None:
    """Switch on or off whether objects keep clear of committed ones, as one step of undo.

    Parameters
    ----------
    on : bool
        See `Session.neighbors`.
    """
    from napari_promptseg.session.history import Change

    state.interrupt()
    store = state.store
    if bool(on) != store.neighbors:
        change = Change("neighbors", (store.draft,) * 2, neighbors=(store.neighbors, bool(on)))
        store.do(change)


def occupied(
    store: Store, plane: Plane, prompts: PlanePrompts, crop: Crop | None = None
) -> PixelMask | None:
    """Return the pixels of committed objects on a plane, None if there are none.

    An object that a positive click or scribble begins on is left out: the user takes from it.

    Parameters
    ----------
    store : Store
        Labels.
    plane : Plane
        Which plane.
    prompts : PlanePrompts
        Prompts of the active object, in pixels of the plane.
    crop : Crop, optional
        Part of the plane; all of it when not given.
    """
    if not any(plane.crosses(one.box) for one in store.objects.values()):
        return None
    whole = Crop.whole([store.labels.shape[axis] for axis in plane.in_plane])
    crop = crop or whole
    labels = np.asarray(store.labels[plane.part(*crop.slices)])
    mask = labels > 0
    taken = _clicked(store, plane, prompts)
    if taken:
        mask &= ~np.isin(labels, list(taken))
    step, corner = float(crop.step), (float(crop.rows[0]), float(crop.columns[0]))
    return PixelMask(mask, (step, step), corner) if mask.any() else None


def with_neighbors(
    store: Store, plane: Plane, prompts: PlanePrompts, crop: Crop | None = None
) -> PlanePrompts:
    """Return prompts with the pixels of committed objects, and clicks on the nearest of them.

    Parameters are those of `occupied`; the same prompts where neighbors are switched off.
    """
    if not store.neighbors or not prompts:
        return prompts
    pixels = occupied(store, plane, prompts, crop)
    if pixels is None:
        return prompts
    clicks = clicks_on_neighbors(store, plane, prompts)
    return replace(prompts, occupied=pixels, neighbors=(*prompts.neighbors, *clicks))


def clicks_on_neighbors(store: Store, plane: Plane, prompts: PlanePrompts) -> tuple[Stroke, ...]:
    """Return a negative click on each of the nearest committed objects of a plane."""
    bounds = prompts.bounds()
    if bounds is None:
        return ()
    middle = np.array([(start + stop - 1) / 2 for start, stop in bounds])
    taken = _clicked(store, plane, prompts)
    boxes = {
        label: tuple(one.box[axis] for axis in plane.in_plane)
        for label, one in store.objects.items()
        if label not in taken and plane.crosses(one.box)
    }
    nearest = sorted(boxes, key=lambda label: _distance(middle, boxes[label]))[:_CANDIDATES]
    places = []
    for label in nearest:
        part = boxes[label]
        inside = np.asarray(store.labels[plane.part(*box_slices(part))]) == label
        for row, column in component_centres(inside)[:1] if inside.any() else ():
            places.append(np.array([row + part[0][0], column + part[1][0]]))
    places.sort(key=lambda place: float(np.hypot(*(place - middle))))
    return tuple(Stroke(place[None], positive=False) for place in places[:_CLICKS])


def _clicked(store: Store, plane: Plane, prompts: PlanePrompts) -> Collection[int]:
    """Return the objects that positive clicks and scribbles begin on."""
    shape = [store.labels.shape[axis] for axis in plane.in_plane]
    places = (s.path[0] for s in prompts.strokes if s.positive)
    pixels = (np.clip(np.rint(place).astype(int), 0, np.array(shape) - 1) for place in places)
    ids = {
        int(np.asarray(store.labels[plane.part(slice(r, r + 1), slice(c, c + 1))]).item())
        for r, c in pixels
    }
    return ids - {0}


def _distance(place: NDArray[np.float64], box: Bounds) -> float:
    gaps = [
        max(start - p, p - (stop - 1), 0.0) for p, (start, stop) in zip(place, box, strict=True)
    ]
    return float(np.hypot(*gaps))
