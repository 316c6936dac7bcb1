"""Detections: the objects of a labelled series, one for each label and time point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.labels import label_boxes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class Detections:
    """Objects of a series by time point; in each, in the order of their centres.

    Parameters
    ----------
    frames : (N,) int64 array
        Time point of each.
    labels : (N,) int64 array
        Label of each in the series.
    sizes : (N,) int64 array
        Number of pixels.
    centres : (N, D) float64 array
        Centroids, in pixels times spacing.
    boxes : (N, D, 2) int64 array
        Half-open range of each spatial axis.
    spacing : (D,) float64 array
        Of the spatial axes.
    diameter : float
        Median diameter of the discs, or balls, of the same sizes, in the unit of the spacing.
    """

    frames: NDArray[np.int64]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]
    centres: NDArray[np.float64]
    boxes: NDArray[np.int64]
    spacing: NDArray[np.float64]
    diameter: float

    def __len__(self) -> int:
        return len(self.frames)

    def at(self, t: int) -> slice:
        """Return the range of the detections of a time point."""
        start, stop = np.searchsorted(self.frames, [t, t + 1]).tolist()
        return slice(start, stop)

    def numbers(self, t: int, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return the number of the detection of each label at a time point, -1 where none is.

        Parameters
        ----------
        t : int
            Time point.
        labels : integer array
            Labels, of any shape.
        """
        part = self.at(t)
        there = self.labels[part]
        if not len(there):
            return np.full(labels.shape, -1, np.int64)
        order = np.argsort(there)
        places = np.searchsorted(there, labels, sorter=order).clip(max=len(there) - 1)
        numbers = order[places]
        return np.where(there[numbers] == labels, numbers + part.start, -1)


def find_detections(
    labels: NDArray[Any], spacing: Sequence[float], without: Collection[int] = ()
) -> Detections:
    """Return the objects of each time point of a series.

    Parameters
    ----------
    labels : (T, Y, X) or (T, Z, Y, X) integer array
        Read by time point; 0 is background.
    spacing : sequence of float
        Of the spatial axes.
    without : collection of int
        Labels to leave out.
    """
    steps = np.asarray(spacing, np.float64)
    parts = [_frame(t, np.asarray(labels[t]), steps, without) for t in range(len(labels))]
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    frames, ids, sizes, centres, boxes = columns
    typical = float(np.median(sizes)) * float(np.prod(steps)) if len(sizes) else 0.0
    diameter = 2 * math.sqrt(typical / math.pi)
    if len(steps) == 3:
        diameter = 2 * (typical * 0.75 / math.pi) ** (1 / 3)
    return Detections(frames, ids, sizes, centres, boxes, steps, diameter)


def _frame(
    t: int, frame: NDArray[Any], steps: NDArray[np.float64], without: Collection[int]
) -> tuple[NDArray[Any], ...]:
    """Return time points, labels, sizes, centres and boxes of one time point."""
    inside = np.nonzero(frame)
    ids, ranks, sizes = np.unique(frame[inside], return_inverse=True, return_counts=True)
    sums = [np.bincount(ranks, axis, minlength=len(ids)) for axis in inside]
    centres = np.column_stack(sums) / np.maximum(sizes, 1)[:, None] * steps
    boxes = np.array([*label_boxes(frame).values()], np.int64).reshape(-1, len(steps), 2)
    rows = np.flatnonzero(~np.isin(ids, list(without)))
    # Labels decide nothing, not even the order.
    rows = rows[np.lexsort((sizes[rows], *centres[rows].T[::-1]))]
    times = np.full(len(rows), t, np.int64)
    return times, ids[rows].astype(np.int64), sizes[rows], centres[rows], boxes[rows]
