"""Neighbors of the active object: committed ones on its planes, which it does not run into."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Crop, box_slices, nearest_pixel
from napari_promptseg.data.plane_prompts import PixelMask, Stroke
from napari_promptseg.data.prompts import PointPrompt, ScribblePrompt
from napari_promptseg.models.encoding.clicks import component_centres
from napari_promptseg.session.history import Change

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Bounds, Plane
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.session.store import Store

_CLICKS: Final = 4
"""Number of the nearest neighbors that get a negative click each."""
_SMALL: Final = 1 / 14
"""Side of neighbors, relative to that of the plane, up to which these clicks help: a network that
looks at the whole plane sees 16 pixels of such an object. They take from larger ones that touch."""
_CANDIDATES: Final = 12
"""Number of neighbors, nearest by their boxes, that these are chosen from."""


def set_neighbors(state: SessionState, on: bool) -> None:
    """Switch on or off whether objects keep clear of committed ones, as one step of undo.

    Parameters
    ----------
    on : bool
        See `Session.neighbors`.
    """
    state.interrupt()
    store = state.store
    if bool(on) != store.neighbors:
        change = Change("neighbors", (store.draft,) * 2, neighbors=(store.neighbors, bool(on)))
        store.do(change)


def clicked_objects(store: Store, prompts: Iterable[Prompt]) -> frozenset[int]:
    """Return the committed objects that positive clicks and scribbles begin on.

    The user takes from them: they are no neighbors, on any plane.
    """
    starts = []
    for prompt in prompts:
        if isinstance(prompt, PointPrompt) and prompt.positive:
            starts.append(prompt.position)
        elif isinstance(prompt, ScribblePrompt) and prompt.positive:
            starts.append(prompt.path[0])
    pixels = (tuple(slice(p, p + 1) for p in map(nearest_pixel, start)) for start in starts)
    return frozenset(int(np.asarray(store.labels[pixel]).item()) for pixel in pixels) - {0}


def occupied(
    store: Store, plane: Plane, clicked: Collection[int], crop: Crop | None = None
) -> PixelMask | None:
    """Return the pixels of committed objects on a plane, None if there are none.

    Parameters
    ----------
    store : Store
        Labels.
    plane : Plane
        Which plane.
    clicked : collection of int
        Objects that are left out, see `clicked_objects`.
    crop : Crop, optional
        Part of the plane; all of it when not given.
    """
    if not any(plane.crosses(one.box) for one in store.objects.values()):
        return None
    crop = crop or Crop.whole(plane.shape_in(store.labels.shape))
    labels = np.asarray(store.labels[plane.part(*crop.slices)])
    mask = labels > 0
    if clicked:
        mask &= ~np.isin(labels, list(clicked))
    step, corner = float(crop.step), (float(crop.rows[0]), float(crop.columns[0]))
    return PixelMask(mask, (step, step), corner) if mask.any() else None


def with_neighbors(
    store: Store,
    plane: Plane,
    prompts: Sequence[Prompt],
    plane_prompts: PlanePrompts,
    crop: Crop | None = None,
) -> PlanePrompts:
    """Return prompts with the pixels of committed objects, and clicks on the nearest of them.

    Parameters
    ----------
    store, plane, crop
        See `occupied`.
    prompts : sequence of Prompt
        All prompts of the active object.
    plane_prompts : PlanePrompts
        Those of the plane; they are returned as they are where neighbors are switched off.
    """
    if not store.neighbors or not plane_prompts:
        return plane_prompts
    clicked = clicked_objects(store, prompts)
    pixels = occupied(store, plane, clicked, crop)
    if pixels is None:
        return plane_prompts
    clicks = clicks_on_neighbors(store, plane, plane_prompts, clicked)
    return replace(plane_prompts, occupied=pixels, neighbors=(*plane_prompts.neighbors, *clicks))


def clicks_on_neighbors(
    store: Store, plane: Plane, prompts: PlanePrompts, clicked: Collection[int]
) -> tuple[Stroke, ...]:
    """Return a negative click on each of the nearest committed objects, if they are small."""
    bounds = prompts.bounds()
    if bounds is None:
        return ()
    middle = np.array([(start + stop - 1) / 2 for start, stop in bounds])
    boxes = {
        label: tuple(one.box[axis] for axis in plane.in_plane)
        for label, one in store.objects.items()
        if label not in clicked and plane.crosses(one.box)
    }
    nearest = sorted(boxes, key=lambda label: _distance(middle, boxes[label]))[:_CANDIDATES]
    places, sides = [], []
    for label in nearest:
        part = boxes[label]
        inside = np.asarray(store.labels[plane.part(*box_slices(part))]) == label
        for row, column in component_centres(inside)[:1] if inside.any() else ():
            places.append(np.array([row + part[0][0], column + part[1][0]]))
            sides.append(float(np.sqrt(inside.sum())))
    longest = max(plane.shape_in(store.labels.shape))
    if not sides or np.median(sides) > _SMALL * longest:
        return ()
    places.sort(key=lambda place: float(np.hypot(*(place - middle))))
    return tuple(Stroke(place[None], positive=False) for place in places[:_CLICKS])


def _distance(place: NDArray[np.float64], box: Bounds) -> float:
    gaps = [
        max(start - p, p - (stop - 1), 0.0) for p, (start, stop) in zip(place, box, strict=True)
    ]
    return float(np.hypot(*gaps))
