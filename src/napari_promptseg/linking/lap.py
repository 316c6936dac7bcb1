"""Linking in two steps of linear assignment, as in LAP tracking.

First, objects of each pair of neighbouring time points are assigned to each other. Then, what
begins in between is assigned either to an object that ended some time points before, or as a
second daughter to one that goes on. The costs are those of `candidates` and `divisions`.

References
----------
K. Jaqaman et al., "Robust single-particle tracking in live-cell time-lapse sequences", Nature
Methods 5 (2008), 695-702. J.-Y. Tinevez et al., "TrackMate: an open and extensible platform for
single-particle tracking", Methods 115 (2017), 80-90.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.linking.assignment import best_pairs
from napari_promptseg.linking.candidates import Candidates, find_candidates
from napari_promptseg.linking.divisions import find_divisions
from napari_promptseg.linking.links import Identities, Link, LinkKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_promptseg.linking.detections import Detections
    from napari_promptseg.linking.links import LinkLimits, LinkOptions

GAP_COST: Final = 0.1
"""Added to the cost of a link for each time point that is missing."""


def link_by_assignment(
    detections: Detections,
    labels: NDArray[Any],
    options: LinkOptions,
    limits: LinkLimits,
    progress: Callable[[int, int], None],
) -> list[Link]:
    """Return the links of a series.

    Parameters
    ----------
    detections : Detections
        Of the series.
    labels : (T, ...) integer array
        The series.
    options, limits
        What may be linked, and what is.
    progress : callable
        Gets the number of time points done, and of all; may raise to end the work.
    """
    linker = _Linker(detections, labels, options, limits)
    steps = len(labels) - 1
    for t in range(steps):
        linker.link_frames(t)
        progress(t + 1, steps)
    linker.join()
    return linker.links


def gap_candidates(
    detections: Detections,
    labels: NDArray[Any],
    options: LinkOptions,
    ends: NDArray[np.bool_],
    starts: NDArray[np.bool_],
) -> Iterator[Candidates]:
    """Yield links over time points in which an object is missing, with the cost of these.

    Parameters
    ----------
    detections : Detections
        Of the series.
    labels : (T, ...) integer array
        The series.
    options : LinkOptions
        What may be linked.
    ends, starts : (N,) bool array
        Detections that may be the last one before a gap, or the first one after it.
    """
    distance, count = options.distance(detections.diameter), len(labels)
    for t in range(count):
        if not ends[detections.at(t)].any():
            continue
        for later in range(t + 2, min(t + 2 + options.max_gap, count)):
            if not starts[detections.at(later)].any():
                continue
            pairs = find_candidates(detections, labels, (t, later), distance)
            costs = pairs.costs + GAP_COST * (later - t - 1)
            gaps = replace(pairs, costs=costs)
            yield gaps.where(ends[pairs.sources] & starts[pairs.targets])


class _Linker:
    """State of the linking of one series."""

    def __init__(
        self,
        detections: Detections,
        labels: NDArray[Any],
        options: LinkOptions,
        limits: LinkLimits,
    ) -> None:
        self.links: list[Link] = []
        self._detections, self._labels, self._options = detections, labels, options
        self._identities = Identities(limits)
        self._distance = options.distance(detections.diameter)
        self._next, self._started = limits.state()
        self._fixed = self._next >= 0
        self._steps: list[Candidates] = []

    def link_frames(self, t: int) -> None:
        """Assign the objects of a time point to those of the next."""
        pairs = find_candidates(self._detections, self._labels, (t, t + 1), self._distance)
        free = (self._next[pairs.sources] < 0) & ~self._started[pairs.targets]
        same = pairs.where(free & self._identities.compatible(pairs.sources, pairs.targets))
        for row in best_pairs(same.sources, same.targets, 1 - same.costs):
            self._add(same, int(row), "next")
        self._steps.append(pairs)

    def join(self) -> None:
        """Assign what begins to what ended before, or to what divides."""
        gaps = self._gaps()
        mothers, lone, costs, gains = self._second_daughters()
        # A mother that divides is another row than the same object that comes to an end.
        count = len(self._detections)
        sources = np.concatenate([gaps.sources, mothers + count])
        targets = np.concatenate([gaps.targets, lone])
        for row in best_pairs(sources, targets, np.concatenate([1 - gaps.costs, gains])).tolist():
            if row < len(gaps):
                # What was joined a moment ago may have made the two sides differ.
                if self._identities.compatible(sources[[row]], targets[[row]])[0]:
                    self._add(gaps, row, "gap")
            else:
                number = row - len(gaps)
                self._divide(int(mothers[number]), int(lone[number]), float(costs[number]))

    def _add(self, pairs: Candidates, row: int, kind: LinkKind) -> None:
        source, target = int(pairs.sources[row]), int(pairs.targets[row])
        self._next[source], self._started[target] = target, True
        self._identities.join(source, target)
        self.links.append(Link(source, target, kind, float(pairs.costs[row])))

    def _gaps(self) -> Candidates:
        ends, starts = self._next < 0, ~self._started
        parts = [
            pairs.where(self._identities.compatible(pairs.sources, pairs.targets))
            for pairs in gap_candidates(self._detections, self._labels, self._options, ends, starts)
        ]
        return Candidates.joined(parts)

    def _second_daughters(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return mothers, their daughters without a link, costs and gains of divisions."""
        steps = self._steps if self._options.divisions else []
        divisions = find_divisions(self._detections, steps, self._distance)
        mothers, (first, second) = divisions.mothers, divisions.daughters.T
        child = self._next[mothers]
        lone = np.where(child == first, second, first)
        single = {link[:2]: link.cost for link in self.links}
        single_costs = np.array(
            [
                single.get(pair, np.nan)
                for pair in zip(mothers.tolist(), child.tolist(), strict=True)
            ],
            np.float64,
        )
        # One daughter is the next object, and that was not given; the other one is nobody's.
        valid = ((child == first) | (child == second)) & ~self._started[lone]
        valid &= ~self._fixed[mothers] & ~np.isnan(single_costs)
        gains = single_costs - divisions.costs
        return mothers[valid], lone[valid], divisions.costs[valid], gains[valid]

    def _divide(self, mother: int, daughter: int, cost: float) -> None:
        """Make a division of the link of the mother and a second daughter."""
        child = int(self._next[mother])
        self.links = [link for link in self.links if link[:2] != (mother, child)]
        self.links += [Link(mother, one, "division", cost) for one in sorted((child, daughter))]
        self._started[daughter] = True
