"""In which order the planes between and beyond the anchors of a stack are filled."""

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
    """Fill a stack between its anchors and beyond them, one step of each way by turns.

    Where the stack has an origin, the ways beside it come first and the others after them,
    the nearer ones first.

    Parameters
    ----------
    stack : Stack
        What is known; ways without an open plane are not gone.
    tail, gap : callable
        See `Tail` and `Gap`; what they answer beside the open planes is left out.

    Raises
    ------
    ValueError
        If there is no anchor.
    """
    anchors, wanted = sorted_anchors(stack), set(stack.open)
    first, last = anchors[0], anchors[-1]
    ways: list[_Branch] = [(range(a + 1, b), gap(a, b)) for a, b in pairwise(anchors)]
    for origin, planes in (
        (last, range(last + 1, stack.stop)),
        (first, range(first - 1, stack.start - 1, -1)),
    ):
        ways.append((planes, tail(origin, planes)))
    ways = [way for way in ways if not wanted.isdisjoint(way[0])]
    for group in _outward(ways, stack.origin):
        yield from (step for step in round_robin(group) if step.index in wanted)


def round_robin(ways: list[Iterator[PlanePrediction]]) -> Iterator[PlanePrediction]:
    """Take one step of each way after the other, until all have ended."""
    going = list(ways)
    while going:
        for way in list(going):
            step = next(way, None)
            if step is None:
                going.remove(way)
            else:
                yield step


def _outward(ways: list[_Branch], origin: int | None) -> Iterator[list[Iterator[PlanePrediction]]]:
    """Group the ways that take turns."""
    if origin is None:
        yield [way for _, way in ways]
        return

    def away(planes: range) -> int:
        return max(min(planes) - origin, origin - max(planes), 1)  # 1: on the way or beside it

    yield [way for planes, way in ways if away(planes) == 1]
    for planes, way in sorted(ways, key=lambda pair: away(pair[0])):
        if away(planes) > 1:
            yield [way]
