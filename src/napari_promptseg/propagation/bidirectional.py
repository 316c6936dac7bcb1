"""Plane by plane from every anchor outward, for ways that make an answer from its neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.schedule import fill_in_order

Advance = Callable[[PlanePrediction, int], PlanePrediction | None]
"""From the answer of a plane to that of its neighbour of an index; None where it has ended."""
Unite = Callable[[PlanePrediction, PlanePrediction, float], PlanePrediction]
"""From two answers for one plane, and the weight of the second in [0, 1], to one."""


def propagate_bidirectional(
    stack: Stack, advance: Advance, unite: Unite
) -> Iterator[PlanePrediction]:
    """Hand answers on from the anchors of a stack.

    Beyond the outermost anchors that goes on until the object has ended. Between two
    anchors it goes from both to each other; planes where both have been come a second
    time, united.

    Parameters
    ----------
    stack : Stack
        What is known.
    advance : callable
        See `Advance`.
    unite : callable
        See `Unite`.

    Raises
    ------
    ValueError
        If there is no anchor.
    """

    def chain(origin: int, indices: range) -> Iterator[PlanePrediction]:
        step: PlanePrediction | None = PlanePrediction(origin, stack.anchors[origin], 1.0)
        for index in indices:
            if step is None or not step.mask.any():
                return
            step = advance(step, index)
            if step is not None:
                yield step

    def gap(first: int, last: int) -> Iterator[PlanePrediction]:
        # No further than the range asks for.
        start, stop = max(first + 1, stack.start), min(last, stack.stop)
        chains = [
            chain(first, range(first + 1, stop)),
            chain(last, range(last - 1, start - 1, -1)),
        ]
        found: list[dict[int, PlanePrediction]] = [{}, {}]
        going = [0, 1]
        while going:
            for side in list(going):
                step = next(chains[side], None)
                if step is None:
                    going.remove(side)
                    continue
                other = found[1 - side].pop(step.index, None)
                if other is None:
                    found[side][step.index] = step
                    yield step
                else:
                    pair = (other, step) if side else (step, other)
                    yield unite(*pair, _weight(stack, first, last, step.index))

    yield from fill_in_order(stack, chain, gap)


def _weight(stack: Stack, first: int, last: int, index: int) -> float:
    """Weight of the second of two anchors on a plane between them.

    It grows with the distance from the first. The larger anchor weighs more: what starts
    from a tip of the object sees less of it than what starts from its middle.
    """
    sizes = [float(np.sqrt(np.count_nonzero(stack.anchors[end]))) for end in (first, last)]
    towards_first, towards_last = (last - index) * sizes[0], (index - first) * sizes[1]
    return towards_last / (towards_first + towards_last)
