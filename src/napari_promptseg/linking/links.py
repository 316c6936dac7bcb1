"""Links between detections, and the tracks that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable


LinkKind = Literal["next", "gap", "division"]


class Link(NamedTuple):
    """A link from a detection to a later one.

    Parameters
    ----------
    source, target : int
        Numbers of the two detections.
    kind : {"next", "gap", "division"}
        The same object in the next time point, the same one after time points without it, or
        a mother and one of her daughters.
    cost : float
        In [0, 1]: 0 where both are equal. Of a division it is that of the mother and all her
        daughters together.
    """

    source: int
    target: int
    kind: LinkKind
    cost: float


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Limits of linking: distance, gaps and divisions.

    Parameters
    ----------
    max_distance : float, optional
        Between centres in neighbouring time points, in the unit of the spacing; one and a half
        typical diameters when not given.
    max_gap : int
        Time points in which an object may be missing.
    divisions : bool
        Whether objects may divide.

    Raises
    ------
    ValueError
        If the distance is not positive or the gap is negative.
    """

    max_distance: float | None = None
    max_gap: int = 2
    divisions: bool = True

    def __post_init__(self) -> None:
        if self.max_distance is not None and not 0 < self.max_distance < np.inf:
            raise ValueError(f"max_distance must be positive, got {self.max_distance!r}")
        if self.max_gap < 0:
            raise ValueError(f"max_gap must be 0 or more, got {self.max_gap!r}")

    def distance(self, diameter: float) -> float:
        """Return the largest distance for objects of a typical diameter."""
        return (1.5 * diameter or 1.0) if self.max_distance is None else float(self.max_distance)


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Known links and properties of detections, which linking respects.

    Parameters
    ----------
    links : sequence of (int, int)
        Pairs of detections that are linked already, the earlier one first; they stay.
    groups : tuple of (N,) integer array
        Properties of detections, such as their class: two that differ in one are not the same
        object, where neither is 0.
    children : (N,) bool array
        Detections that have a mother already.
    mothers : (N,) bool array
        Detections that have daughters already.
    """

    links: Sequence[tuple[int, int]]
    groups: tuple[NDArray[np.int64], ...]
    children: NDArray[np.bool_]
    mothers: NDArray[np.bool_]

    @classmethod
    def none(cls, count: int) -> LinkLimits:
        """Return no limits for so many detections."""
        return cls((), (), np.zeros(count, np.bool_), np.zeros(count, np.bool_))

    def state(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return what follows each detection, and which ones follow another one.

        It is -1 where nothing does, and the detection itself where nothing may.
        """
        following = np.where(self.mothers, np.arange(len(self.mothers)), -1)
        started = self.children.copy()
        for source, target in self.links:
            following[source], started[target] = target, True
        return following, started


class Identities:
    """Tracks as they grow, with the properties of their objects; those that differ stay apart.

    Parameters
    ----------
    limits : LinkLimits
        Properties of detections, and links to begin with.
    """

    def __init__(self, limits: LinkLimits) -> None:
        count = len(limits.children)
        self._codes = np.array(limits.groups, np.int64).reshape(len(limits.groups), count)
        self._track = np.arange(count)
        self._members = {number: [number] for number in range(count)}
        for pair in limits.links:
            self.join(*pair)

    def compatible(
        self, sources: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return which pairs may be the same object."""
        one = self._codes[:, self._track[sources]]
        other = self._codes[:, self._track[targets]]
        result: NDArray[np.bool_] = ((one == other) | (one == 0) | (other == 0)).all(0)
        return result

    def join(self, source: int, target: int) -> None:
        """Make one track of those of two detections."""
        small, large = sorted(
            (int(self._track[source]), int(self._track[target])),
            key=lambda track: len(self._members[track]),
        )
        if small == large:
            return
        members = self._members.pop(small)
        self._track[members] = large
        self._members[large] += members
        self._codes[:, large] = np.maximum(self._codes[:, small], self._codes[:, large])


def track_numbers(count: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the number of the track of each detection, from 0, in the order of their first one.

    Parameters
    ----------
    count : int
        Number of detections.
    pairs : iterable of (int, int)
        Detections that are the same object.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.array(list(pairs), np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(edges.shape[1]), (edges[0], edges[1])), (count, count))
    _, numbers = connected_components(graph, directed=False)
    _, first, ranks = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    tracks: NDArray[np.int64] = order[ranks].astype(np.int64)
    return tracks
