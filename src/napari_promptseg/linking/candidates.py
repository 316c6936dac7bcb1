"""Candidate links between two time points: pairs that overlap or are near, with their costs.

The cost of a link is the mean of two terms in [0, 1]: how little the masks overlap
(1 - IoU), and how far apart their centres are, as a fraction of the largest distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.linking.drift import find_drift, overlapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.linking.detections import Detections


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of detections that may be the same object.

    Parameters
    ----------
    sources, targets : (K,) int64 array
        Numbers of the earlier and of the later detection.
    overlaps : (K,) int64 array
        Pixels that both have.
    costs : (K,) float64 array
        In [0, 1]; see the module.
    drift : (D,) float64 array
        From the earlier to the later time point, in the unit of the spacing; see `drift`.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    overlaps: NDArray[np.int64]
    costs: NDArray[np.float64]
    drift: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sources)

    def where(self, rows: NDArray[np.bool_]) -> Candidates:
        """Return some of the pairs."""
        columns = self.sources[rows], self.targets[rows], self.overlaps[rows]
        return Candidates(*columns, self.costs[rows], self.drift)

    def backward(self) -> Candidates:
        """Return the same pairs, seen from the later time point."""
        return Candidates(self.targets, self.sources, self.overlaps, self.costs, -self.drift)

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Return the pairs of several, without their drift."""
        empty, none = np.zeros(0, np.int64), np.zeros(0)
        every = [cls(empty, empty, empty, none, none), *parts]
        return cls(
            np.concatenate([part.sources for part in every]),
            np.concatenate([part.targets for part in every]),
            np.concatenate([part.overlaps for part in every]),
            np.concatenate([part.costs for part in every]),
            none,
        )


def find_candidates(
    detections: Detections, labels: NDArray[Any], times: tuple[int, int], max_distance: float
) -> Candidates:
    """Return the pairs of two time points that overlap, or whose centres are near.

    A drift of all objects together is taken out before.

    Parameters
    ----------
    detections : Detections
        Of the series.
    labels : (T, ...) integer array
        The series.
    times : (int, int)
        The earlier and the later time point.
    max_distance : float
        Between centres, in the unit of the spacing.
    """
    from scipy.spatial import KDTree

    before, after = (detections.at(t) for t in times)
    count = len(detections)
    early, late = (np.asarray(labels[t]) for t in times)
    pixels = find_drift(early, late)
    drift = np.asarray(pixels) * detections.spacing
    near = np.zeros((0, 2), np.int64)
    if before.stop > before.start and after.stop > after.start:
        trees = KDTree(detections.centres[before] + drift), KDTree(detections.centres[after])
        pairs = trees[0].query_ball_tree(trees[1], max_distance)
        near = np.array(
            [
                (i + before.start, j + after.start)
                for i, others in enumerate(pairs)
                for j in sorted(others)
            ],
            np.int64,
        ).reshape(-1, 2)
    sources, targets, overlaps = _overlaps(detections, *overlapping(early, late, pixels), times)
    keys = np.concatenate([sources * count + targets, near[:, 0] * count + near[:, 1]])
    unique, first = np.unique(keys, return_index=True)
    shared = np.concatenate([overlaps, np.zeros(len(near), np.int64)])[first]
    sources, targets = unique // max(count, 1), unique % max(count, 1)
    centres = detections.centres
    distances = np.linalg.norm(centres[sources] + drift - centres[targets], axis=1)
    sizes = detections.sizes
    costs = link_cost(sizes[sources], sizes[targets], shared, distances, max_distance)
    return Candidates(sources, targets, shared, costs, drift)


def link_cost(
    sizes: NDArray[np.int64],
    other_sizes: NDArray[np.int64],
    overlaps: NDArray[np.int64],
    distances: NDArray[np.float64],
    max_distance: float,
) -> NDArray[np.float64]:
    """Return the costs of links, in [0, 1]; see the module.

    Parameters
    ----------
    sizes, other_sizes, overlaps : (K,) int64 array
        Pixels of both sides, and pixels that they share.
    distances : (K,) float64 array
        Between their centres.
    max_distance : float
        At which, and beyond which, the second term is 1.
    """
    iou = overlaps / (sizes + other_sizes - overlaps)
    costs: NDArray[np.float64] = (1 - iou + np.minimum(distances / max_distance, 1)) / 2
    return costs


def _overlaps(
    detections: Detections, before: NDArray[Any], after: NDArray[Any], times: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of detections that share pixels, with the number of these."""
    both = (before > 0) & (after > 0)
    sources = detections.numbers(times[0], before[both])
    targets = detections.numbers(times[1], after[both])
    valid = (sources >= 0) & (targets >= 0)
    pairs = sources[valid] * len(detections) + targets[valid]
    unique, counts = np.unique(pairs, return_counts=True)
    size = max(len(detections), 1)
    return unique // size, unique % size, counts.astype(np.int64)
