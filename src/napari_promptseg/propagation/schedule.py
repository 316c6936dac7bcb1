"""Order in which the planes between and beyond the anchors of a stack are filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from napari_promptseg.propagation.anchors import sorted_anchors
from napari_promptseg.propagation.base import PlanePrediction, Stack

Tail = Callable[[int, range], Iterator[PlanePrediction]]
"""From an outermost anchor along the planes beyond it."""
Gap = Callable[[int, int], Iterator[PlanePrediction]]
"""Between two anchors."""
_Branch = tuple[range, Iterator[PlanePrediction]]


def fill_in_order(stack: Stack, tail: Tail, gap: Gap) -> Iterator[PlanePrediction]:
    """Fill the gaps between the anchors and the tails beyond them, one step of each in turn.

    If the stack has an origin, the branches beside it come first, then the others, nearest
    first.

    Parameters
    ----------
    stack : Stack
        Anchors and open planes; branches without an open plane are skipped.
    tail, gap : callable
        See `Tail` and `Gap`; predictions for planes that are not open are dropped.

    Raises
    ------
    ValueError
        If there is no anchor.
    """
    anchors, open_planes = sorted_anchors(stack), set(stack.open)
    first, last = anchors[0], anchors[-1]
    branches: list[_Branch] = [(range(a + 1, b), gap(a, b)) for a, b in pairwise(anchors)]
    for origin, planes in (
        (last, range(last + 1, stack.stop)),
        (first, range(first - 1, stack.start - 1, -1)),
    ):
        branches.append((planes, tail(origin, planes)))
    branches = [branch for branch in branches if not open_planes.isdisjoint(branch[0])]
    for group in _outward(branches, stack.origin):
        yield from (step for step in round_robin(group) if step.index in open_planes)


def round_robin(branches: list[Iterator[PlanePrediction]]) -> Iterator[PlanePrediction]:
    """Take one step of each branch in turn, until all are exhausted."""
    active = list(branches)
    while active:
        for branch in list(active):
            step = next(branch, None)
            if step is None:
                active.remove(branch)
            else:
                yield step


def _outward(
    branches: list[_Branch], origin: int | None
) -> Iterator[list[Iterator[PlanePrediction]]]:
    """Yield groups of branches that are filled in turn."""
    if origin is None:
        yield [branch for _, branch in branches]
        return

    def distance(planes: range) -> int:
        return max(min(planes) - origin, origin - max(planes), 1)  # 1: in the branch or beside it

    yield [branch for planes, branch in branches if distance(planes) == 1]
    for planes, branch in sorted(branches, key=lambda pair: distance(pair[0])):
        if distance(planes) > 1:
            yield [branch]
