"""Diffusion in space from the anchors to the planes between and beyond them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import box_slices, mask_box
from napari_promptseg.models.base import Prediction
from napari_promptseg.propagation.anchors import LEAST_PIXELS, allowed, plane_shape
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.random_walker.seeded_block import SeededBlock
from napari_promptseg.propagation.random_walker.solver import solve_random_walker
from napari_promptseg.propagation.schedule import fill_in_order, round_robin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Mask, Stack

_PLANES: Final = 8  # that are answered at once: what bounds time and memory of a step
_LEAST_SHARE: Final = 0.04  # of the last plane; an object that shrinks below it has ended


class RandomWalker:
    """Random walker in three dimensions (Grady 2006, doi:10.1109/TPAMI.2006.233).

    A few planes at a time are solved together with the anchors, or answered planes, at
    one or both ends. Long gaps between two anchors are solved from coarse to fine. Only
    the surroundings of the object are looked at, reduced where they are large. The
    confidence is the margin of the probabilities.

    Parameters
    ----------
    backend : Backend
        Not asked.
    beta : float
        How strongly edges stop the walker.
    """

    name = "walker"

    def __init__(self, backend: Backend, beta: float = 1000.0) -> None:
        self.backend = backend
        self.beta = beta

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""

        def known(*indices: int) -> dict[int, Prediction]:
            return {index: _as_answer(stack.anchors[index]) for index in indices}

        yield from fill_in_order(
            stack,
            lambda origin, planes: self._tail(stack, known(origin), planes),
            lambda first, last: self._gap(stack, known(first, last)),
        )

    def _tail(
        self, stack: Stack, known: Mapping[int, Prediction], planes: range
    ) -> Iterator[PlanePrediction]:
        """Go on from the last answered plane until the object has ended."""
        (before,) = (np.count_nonzero(answer.mask) for answer in known.values())
        while planes and before:
            block, planes = planes[:_PLANES], planes[_PLANES:]
            for step, answer in self._answer(stack, known, block):
                size = np.count_nonzero(step.mask)
                if size < max(LEAST_PIXELS, _LEAST_SHARE * before):
                    return
                yield step
                before, known = size, {step.index: answer}

    def _gap(self, stack: Stack, ends: Mapping[int, Prediction]) -> Iterator[PlanePrediction]:
        """Answer planes spread over a gap from both its ends, then those between them."""
        first, last = ends
        between = range(max(first + 1, stack.start), min(last, stack.stop))
        if not between or not any(end.mask.any() for end in ends.values()):
            return
        spread = np.linspace(first, last, min(_PLANES, last - first - 1) + 2).round().astype(int)
        block = sorted(spread[1:-1].tolist(), key=lambda i: min(i - first, last - i))
        known = dict(ends)
        for step, known[step.index] in self._answer(stack, ends, block):
            if step.mask.any():
                yield step
        pairs = pairwise(sorted(known))
        yield from round_robin([self._gap(stack, {a: known[a], b: known[b]}) for a, b in pairs])

    def _answer(
        self, stack: Stack, known: Mapping[int, Prediction], planes: Sequence[int]
    ) -> Iterator[tuple[PlanePrediction, Prediction]]:
        """Answer planes in the order given; what is handed on is no larger than the block."""
        block = SeededBlock.around(stack, known, planes)
        solved = solve_random_walker(block.pixels, block.labels, block.spacing, self.beta)
        for index in planes:
            answer = block.answer(solved, index)
            mask = answer.paste(plane_shape(stack)) > 0.5
            yield PlanePrediction(index, allowed(mask, stack.prompts(index)), answer.score), answer


def _as_answer(mask: Mask) -> Prediction:
    """Return a mask as a sure answer, without what is empty around it."""
    box = mask_box(mask) or ((0, 0), (0, 0))
    return Prediction(mask[box_slices(box)].astype(np.float32), box[0], box[1], 1.0)
