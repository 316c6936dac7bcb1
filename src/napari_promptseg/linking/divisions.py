"""Candidate divisions: an object and two later ones that together are like it.

Their cost is that of a link between the object and the union of the other two: a mother that
divides has about the pixels and the centre of her daughters together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, zip_longest
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.linking.candidates import link_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.linking.candidates import Candidates
    from napari_promptseg.linking.detections import Detections


@dataclass(frozen=True, slots=True)
class Divisions:
    """Divisions with their costs.

    Parameters
    ----------
    mothers : (K,) int64 array
        Numbers of the detections that divide.
    daughters : (K, 2) int64 array
        Numbers of both daughters, ascending.
    costs : (K,) float64 array
        Of the mother and the union of her daughters, in [0, 1].
    """

    mothers: NDArray[np.int64]
    daughters: NDArray[np.int64]
    costs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.mothers)

    def where(self, rows: NDArray[np.bool_]) -> Divisions:
        """Return some of them."""
        return Divisions(self.mothers[rows], self.daughters[rows], self.costs[rows])

    def keys(self) -> NDArray[np.int64]:
        """Return a number for each pair of daughters."""
        keys: NDArray[np.int64] = (self.daughters[:, 0] << 32) | self.daughters[:, 1]
        return keys

    @classmethod
    def joined(cls, parts: Sequence[Divisions]) -> Divisions:
        """Return those of several."""
        empty = cls(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros(0))
        names = ("mothers", "daughters", "costs")
        parts = [empty, *parts]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def find_divisions(
    detections: Detections, steps: Sequence[Candidates], max_distance: float
) -> Divisions:
    """Return the divisions that explain an object better than one next object alone does.

    Two objects that are one again in the next time point are one mask that was cut.

    Parameters
    ----------
    detections : Detections
        Of the series.
    steps : sequence of Candidates
        Links from each time point to the next.
    max_distance : float
        See `link_cost`.
    """
    divisions = []
    for pairs, later in zip_longest(steps, steps[1:]):
        splits = _pairs_like_one(detections, pairs, max_distance)
        if later is not None:
            cuts = _pairs_like_one(detections, later.backward(), max_distance)
            splits = splits.where(~np.isin(splits.keys(), cuts.keys()))
        divisions.append(splits)
    return Divisions.joined(divisions)


def _pairs_like_one(detections: Detections, pairs: Candidates, max_distance: float) -> Divisions:
    """Return two objects together where they are more like another one than each alone."""
    order = np.argsort(pairs.sources, kind="stable")
    cuts = np.flatnonzero(np.diff(pairs.sources[order])) + 1
    rows = np.array(
        [pair for group in np.split(order, cuts) for pair in combinations(group.tolist(), 2)],
        np.int64,
    ).reshape(-1, 2)
    mothers, daughters = pairs.sources[rows[:, 0]], pairs.targets[rows]
    shared = pairs.overlaps[rows].sum(1)
    costs = _union_costs(detections, mothers, daughters, shared, pairs.drift, max_distance)
    divisions = Divisions(mothers, np.sort(daughters, axis=1), costs)
    best = np.full(len(detections), np.inf)
    np.minimum.at(best, pairs.sources, pairs.costs)
    return divisions.where(costs < best[mothers])


def _union_costs(
    detections: Detections,
    wholes: NDArray[np.int64],
    parts: NDArray[np.int64],
    overlaps: NDArray[np.int64],
    drift: NDArray[np.float64],
    max_distance: float,
) -> NDArray[np.float64]:
    """Return the costs of links between objects and pairs of others together.

    Parameters
    ----------
    detections : Detections
        Of the series.
    wholes : (K,) int64 array
        Numbers of the objects.
    parts : (K, 2) int64 array
        Numbers of the others.
    overlaps : (K,) int64 array
        Pixels that an object shares with both others.
    drift : (D,) float64 array
        Of the objects to the others.
    max_distance : float
        See `link_cost`.
    """
    sizes = detections.sizes[parts]
    weights = (sizes / sizes.sum(1, keepdims=True))[..., None]
    middles = (detections.centres[parts] * weights).sum(1)
    distances = np.linalg.norm(detections.centres[wholes] + drift - middles, axis=1)
    return link_cost(detections.sizes[wholes], sizes.sum(1), overlaps, distances, max_distance)
