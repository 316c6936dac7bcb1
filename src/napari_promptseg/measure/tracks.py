"""Tracks of objects in a time series, with their parents."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.labels import label_boxes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


class Tracks(NamedTuple):
    """Tracks in the layout of a napari Tracks layer.

    Parameters
    ----------
    data : (N, 4) or (N, 5) float64 array
        A row an object and time point: label, t, then the centroid (z, y, x) or (y, x) in
        pixels; sorted by label and t.
    graph : dict of int to list of int
        The label of the parent, in a list, by the label of the daughter.
    """

    data: NDArray[np.float64]
    graph: dict[int, list[int]]


@dataclass(frozen=True, slots=True)
class Track:
    """An unbroken run of time points with one object in each.

    Parameters
    ----------
    label : int
        Id of the track.
    begin, end : int
        First and last time point.
    parent : int
        Id of the track that it goes on from, or 0.
    source : int
        Label of the object in the label image.
    """

    label: int
    begin: int
    end: int
    parent: int
    source: int


def track_points(labels: NDArray[Any], parents: Mapping[int, int] | None = None) -> Tracks:
    """Return the objects of a time series as points with their graph.

    Parameters
    ----------
    labels : (T, Y, X) or (T, Z, Y, X) integer array
        Objects keep their label over time; 0 is background.
    parents : mapping of int to int, optional
        Label of the parent by that of the daughter; those without a pixel are omitted.
    """
    rows = []
    for t, frame in enumerate(labels):
        for label, box in label_boxes(frame).items():
            inside = np.argwhere(frame[box_slices(box)] == label).mean(0)
            corner = [start for start, _ in box]
            rows.append((label, t, *np.add(inside, corner)))
    data = np.array(sorted(rows), np.float64).reshape(-1, labels.ndim + 1)
    present = set(data[:, 0].astype(int).tolist())
    pairs = (parents or {}).items()
    graph = {child: [parent] for child, parent in pairs if {child, parent} <= present}
    return Tracks(data, graph)


def track_edges(tracks: Tracks) -> list[tuple[int, int]]:
    """Return the links of tracks: pairs of rows of their data, the earlier point first.

    Points of an object are linked one after the other, also over time points without it; the
    last point of a parent is linked to the first one of its daughters.

    Raises
    ------
    ValueError
        If a parent ends after its daughter begins.
    """
    labels = tracks.data[:, 0].astype(int)
    times = tracks.data[:, 1].astype(int)
    edges = [(i, i + 1) for i in range(len(labels) - 1) if labels[i] == labels[i + 1]]
    for child, parents in tracks.graph.items():
        first = int(np.searchsorted(labels, child))
        for parent in parents:
            last = int(np.searchsorted(labels, parent, "right")) - 1
            if times[last] >= times[first]:
                raise ValueError(
                    f"object {child} begins at time point {times[first]}, but its parent {parent} "
                    f"ends at {times[last]}: a parent must end before its daughters begin"
                )
            edges.append((last, first))
    return edges


def label_frames(labels: NDArray[Any]) -> dict[int, list[int]]:
    """Return the time points in which each label is, in ascending order.

    Parameters
    ----------
    labels : (T, ...) integer array
        Labels of a time series.
    """
    frames: dict[int, list[int]] = {}
    for t, frame in enumerate(labels):
        for label in label_boxes(frame):
            frames.setdefault(label, []).append(t)
    return dict(sorted(frames.items()))


def find_tracks(
    frames: Mapping[int, Sequence[int]], parents: Mapping[int, int]
) -> tuple[Track, ...]:
    """Split objects that disappear for a while into tracks without gaps.

    The first run of an object keeps its label. Each later one becomes a track with a
    label of its own and the run before as its parent: this is how the Cell Tracking
    Challenge writes objects that come back [1]_.

    Parameters
    ----------
    frames : mapping of int to sequence of int
        Time points of each label, ascending; see `label_frames`.
    parents : mapping of int to int
        Label of the parent by that of the daughter.

    Returns
    -------
    tuple of Track
        Sorted by label.

    Raises
    ------
    ValueError
        If a parent has no pixel, or ends after its daughter begins.

    References
    ----------
    .. [1] https://celltrackingchallenge.net/datasets, "Naming and file contents conventions".
    """
    runs = {label: _runs(times) for label, times in frames.items()}
    returns = sorted(
        (run[0], label, number)
        for label, label_runs in runs.items()
        for number, run in enumerate(label_runs)
        if number
    )
    ids = {(label, 0): label for label in runs}
    for new, (_, label, number) in enumerate(returns, start=max(runs, default=0) + 1):
        ids[label, number] = new
    tracks = []
    for (label, number), track in ids.items():
        begin, end = runs[label][number]
        parent = ids[label, number - 1] if number else 0
        if not number and label in parents:
            parent = ids[parents[label], _last_run(runs, label, parents[label])]
        tracks.append(Track(track, begin, end, parent, label))
    return tuple(sorted(tracks, key=lambda track: track.label))


def _runs(times: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of times that follow each other."""
    frames = list(times)
    cuts = [i for i, (a, b) in enumerate(pairwise(frames), start=1) if b != a + 1]
    return [
        (frames[start], frames[stop - 1])
        for start, stop in zip([0, *cuts], [*cuts, len(frames)], strict=True)
    ]


def _last_run(runs: Mapping[int, Sequence[tuple[int, int]]], label: int, parent: int) -> int:
    """Return the number of the last run of a parent, which must end before its daughter."""
    if parent not in runs:
        raise ValueError(
            f"object {label} has parent {parent}, which has no pixel; valid: {list(runs)}"
        )
    begin, end = runs[label][0][0], runs[parent][-1][1]
    if end >= begin:
        raise ValueError(
            f"object {label} begins at time point {begin}, but its parent {parent} ends at "
            f"{end}: a parent must end before its daughters begin"
        )
    return len(runs[parent]) - 1
