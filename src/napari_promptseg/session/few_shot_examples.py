"""Committed objects as examples of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Plane, box_slices, plane_by_index

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.session.state import StoredObject
    from napari_promptseg.session.store import Store

_PLANES: Final = 3
"""Planes of an object that are examples: where it is largest, and on both sides."""


def example_planes(
    store: Store, volume: Volume, name: str | None, without: Collection[int] = ()
) -> Iterator[tuple[PlaneImage, NDArray[np.integer]]]:
    """Yield planes with committed objects; see `Session.examples`."""
    chosen = {
        label: stored
        for label, stored in store.objects.items()
        if label not in without and (name is None or stored.name == name)
    }
    by_plane: dict[Plane, list[int]] = {}
    for label, stored in chosen.items():
        for plane in _planes(store, volume, stored):
            by_plane.setdefault(plane, []).append(label)
    for plane, labels in by_plane.items():
        there = np.asarray(store.labels[plane.slices])
        yield volume.plane(plane), np.where(np.isin(there, labels), there, 0).astype(np.int64)


def _planes(store: Store, volume: Volume, stored: StoredObject) -> list[Plane]:
    """Return the planes that show an object best, along z and t."""
    names, shape = volume.names, volume.shape
    inside = np.asarray(store.labels[box_slices(stored.box)]) == stored.label
    areas = inside.sum((-2, -1))
    if areas.ndim == 0:
        return [plane_by_index(names, shape, 0)]
    starts = [start for start, _ in stored.box[: areas.ndim]]
    largest = [int(i) for i in np.unravel_index(int(areas.argmax()), areas.shape)]
    apart = max(areas.shape[-1] // 4, 1)
    reach = _PLANES // 2
    along = [largest[-1] + apart * step for step in range(-reach, reach + 1)]
    chosen = []
    for last in along:
        place = (*largest[:-1], last)
        if 0 <= last < areas.shape[-1] and areas[place]:
            index = [start + i for start, i in zip(starts, place, strict=True)]
            chosen.append(plane_by_index(names, shape, index))
    return chosen
