"""Bidirectional plane-by-plane propagation from every anchor outward."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from napari_promptseg.propagation.anchors import last_weight
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.schedule import fill_in_order

Advance = Callable[[PlanePrediction, int], PlanePrediction | None]
"""From the prediction of a plane to that of its neighbour; None where the object has ended."""
Blend = Callable[[PlanePrediction, PlanePrediction, float], PlanePrediction]
"""From two predictions for one plane, and the weight of the second in [0, 1], to one."""


def propagate_bidirectional(
    stack: Stack, advance: Advance, blend: Blend
) -> Iterator[PlanePrediction]:
    """Predict planes one from another, starting at the anchors of a stack.

    Beyond the outermost anchors this continues until the object has ended. Between two
    anchors it proceeds from both; planes that both have reached are yielded a second time,
    blended.

    Parameters
    ----------
    stack : Stack
        Anchors and open planes.
    advance : callable
        See `Advance`.
    blend : callable
        See `Blend`.

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
        # Not beyond the range to fill.
        start, stop = max(first + 1, stack.start), min(last, stack.stop)
        chains = [
            chain(first, range(first + 1, stop)),
            chain(last, range(last - 1, start - 1, -1)),
        ]
        waiting: list[dict[int, PlanePrediction]] = [{}, {}]
        going = [0, 1]
        while going:
            for side in list(going):
                step = next(chains[side], None)
                if step is None:
                    going.remove(side)
                    continue
                other = waiting[1 - side].pop(step.index, None)
                if other is None:
                    waiting[side][step.index] = step
                    yield step
                else:
                    pair = (other, step) if side else (step, other)
                    yield blend(*pair, last_weight(stack, first, last, step.index))

    yield from fill_in_order(stack, chain, gap)
