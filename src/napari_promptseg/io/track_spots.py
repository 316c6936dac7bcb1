"""Spots of tracking programs, drawn onto the pixels of a series as labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.io.metadata import Legend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_promptseg.data.volume import Volume

_EDGE = 1e-6  # of a pixel, by which rounding may put a centre outside


@dataclass(frozen=True, slots=True)
class Spot:
    """An object at a time point, in pixels.

    Parameters
    ----------
    t : int
        Time point.
    centre : tuple of float
        (z, y, x) or (y, x); the centre of the first pixel is at 0.
    radii : tuple of float
        Half axes of the ball or disc that it is, along the same axes.
    outline : (N, 2) array, optional
        Polygon of (y, x) in its place.
    name : str
        Its name, or empty.
    color : (int, int, int), optional
        Red, green and blue, 0 to 255.
    """

    t: int
    centre: tuple[float, ...]
    radii: tuple[float, ...]
    outline: NDArray[np.float64] | None = None
    name: str = ""
    color: tuple[int, int, int] | None = None


def draw(
    spots: Mapping[int, Spot], edges: Sequence[tuple[int, int]], volume: Volume
) -> tuple[NDArray[np.uint32], Legend]:
    """Return labels with an object for each track without branches, and their parents.

    Parameters
    ----------
    spots : mapping of int to Spot
        Spots by their number.
    edges : sequence of (int, int)
        Links from earlier spots to later ones.
    volume : Volume
        The series, with axes ``tyx`` or ``tzyx``.

    Raises
    ------
    ValueError
        If the volume has other axes, or no spot lies in it.
    """
    if volume.names not in ("tyx", "tzyx"):
        raise ValueError(f"tracks need a series, the image has axes {volume.names!r}")
    ids, parents, merges = _labels(spots, edges)
    labels = np.zeros(volume.shape, np.uint32)
    overlap = outside = 0
    for number, spot in sorted(spots.items(), key=lambda entry: entry[1].t):
        fits = 0 <= spot.t < len(labels) and len(spot.centre) == labels.ndim - 1
        at = _pixels(spot, volume.shape[1:]) if fits else ()
        if not at or not at[0].size:
            outside += 1
            continue
        values = labels[spot.t][at]
        overlap += int(np.count_nonzero((values != 0) & (values != ids[number])))
        labels[spot.t][at] = ids[number]
    if not labels.any():
        raise ValueError("none of its spots lies in the image")
    notes = (
        (overlap, f"spots overlap in {overlap} pixels; there the later one is kept"),
        (outside, f"{outside} spots lie outside of the image and are not taken"),
        (merges, f"{merges} links that merge tracks are not taken"),
    )
    return labels, Legend(
        {ids[number]: spot.name for number, spot in spots.items() if spot.name},
        {ids[number]: spot.color for number, spot in spots.items() if spot.color},
        parents,
        tuple(note for count, note in notes if count),
    )


def _labels(
    spots: Mapping[int, Spot], edges: Sequence[tuple[int, int]]
) -> tuple[dict[int, int], dict[int, int], int]:
    """Return the label of each spot, the parents of labels, and how many links merge tracks."""
    before: dict[int, int] = {}
    after: dict[int, list[int]] = {}
    merges = 0
    for source, target in edges:
        if source not in spots or target not in spots:
            continue
        if spots[source].t > spots[target].t:
            source, target = target, source
        if target in before:
            merges += 1
            continue
        before[target] = source
        after.setdefault(source, []).append(target)
    ids: dict[int, int] = {}
    parents: dict[int, int] = {}
    for number in sorted(spots, key=lambda one: (spots[one].t, one)):
        source = before.get(number, -1)
        if source in ids and len(after[source]) == 1:
            ids[number] = ids[source]
            continue
        ids[number] = len(set(ids.values())) + 1
        if source in ids:
            parents[ids[number]] = ids[source]
    return ids, parents, merges


def _pixels(spot: Spot, shape: Sequence[int]) -> tuple[NDArray[np.intp], ...]:
    """Return the index of the pixels of a spot inside an image."""
    from skimage.draw import polygon

    if spot.outline is not None:
        rows, columns = polygon(spot.outline[:, 0], spot.outline[:, 1], shape)
        return np.asarray(rows, np.intp), np.asarray(columns, np.intp)
    ranges = [
        np.arange(max(int(np.floor(c - r)), 0), min(int(np.ceil(c + r)) + 1, n))
        for c, r, n in zip(spot.centre, spot.radii, shape, strict=True)
    ]
    grids = np.meshgrid(*ranges, indexing="ij")
    distances = sum(
        ((grid - c) / max(r, 0.5)) ** 2
        for grid, c, r in zip(grids, spot.centre, spot.radii, strict=True)
    )
    inside = np.asarray(distances <= 1 + _EDGE)
    return tuple(grid[inside] for grid in grids)
