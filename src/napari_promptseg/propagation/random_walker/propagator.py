"""Random-walker propagation between and beyond the anchors."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import box_slices, mask_box
from napari_promptseg.models.base import Prediction
from napari_promptseg.propagation.anchors import MIN_AREA, clip_to_prompts, plane_shape
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.random_walker.seeded_block import SeededBlock
from napari_promptseg.propagation.random_walker.solver import solve_random_walker
from napari_promptseg.propagation.schedule import fill_in_order, round_robin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Mask, Stack

_BLOCK_PLANES: Final = 8  # open planes per block, which bounds the time and memory of a step
_MIN_AREA_RATIO: Final = 0.04  # relative to the last plane; a smaller object has ended


class RandomWalker:
    """Random walker in three dimensions (Grady 2006, doi:10.1109/TPAMI.2006.233).

    A few planes at a time are solved together with the anchors, or predicted planes, at
    one or both ends. Long gaps between two anchors are solved from coarse to fine. The
    block is cropped to the surroundings of the object and reduced where they are large.
    The confidence is the margin of the probabilities.

    Parameters
    ----------
    backend : Backend
        Not used.
    beta : float
        How strongly edges stop the walker.
    """

    name = "walker"

    def __init__(self, backend: Backend, beta: float = 1000.0) -> None:
        self.backend = backend
        self.beta = beta

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""

        def anchor_answers(*indices: int) -> dict[int, Prediction]:
            return {index: _as_answer(stack.anchors[index]) for index in indices}

        yield from fill_in_order(
            stack,
            lambda origin, planes: self._tail(stack, anchor_answers(origin), planes),
            lambda first, last: self._gap(stack, anchor_answers(first, last)),
        )

    def _tail(
        self, stack: Stack, answers: Mapping[int, Prediction], planes: range
    ) -> Iterator[PlanePrediction]:
        """Predict blocks of planes beyond the last known one until the object has ended."""
        (before,) = (np.count_nonzero(answer.mask) for answer in answers.values())
        while planes and before:
            block, planes = planes[:_BLOCK_PLANES], planes[_BLOCK_PLANES:]
            for step, answer in self._answer(stack, answers, block):
                size = np.count_nonzero(step.mask)
                if size < max(MIN_AREA, _MIN_AREA_RATIO * before):
                    return
                yield step
                before, answers = size, {step.index: answer}

    def _gap(self, stack: Stack, ends: Mapping[int, Prediction]) -> Iterator[PlanePrediction]:
        """Predict planes spread over a gap from both its ends, then those between them."""
        first, last = ends
        between = range(max(first + 1, stack.start), min(last, stack.stop))
        if not between or not any(end.mask.any() for end in ends.values()):
            return
        count = min(_BLOCK_PLANES, last - first - 1)
        spread = np.linspace(first, last, count + 2).round().astype(int)
        block = sorted(spread[1:-1].tolist(), key=lambda i: min(i - first, last - i))
        answers = dict(ends)
        for step, answers[step.index] in self._answer(stack, ends, block):
            if step.mask.any():
                yield step
        pairs = pairwise(sorted(answers))
        yield from round_robin([self._gap(stack, {a: answers[a], b: answers[b]}) for a, b in pairs])

    def _answer(
        self, stack: Stack, answers: Mapping[int, Prediction], planes: Sequence[int]
    ) -> Iterator[tuple[PlanePrediction, Prediction]]:
        """Yield each plane's mask, and its prediction within the block, in the order given."""
        block = SeededBlock.around(stack, answers, planes)
        probability = solve_random_walker(block.pixels, block.labels, block.spacing, self.beta)
        for index in planes:
            answer = block.answer(probability, index)
            mask = answer.paste(plane_shape(stack)) > 0.5
            yield (
                PlanePrediction(index, clip_to_prompts(mask, stack.prompts(index)), answer.score),
                answer,
            )


def _as_answer(mask: Mask) -> Prediction:
    """Return a mask as a certain prediction, cropped to its bounding box."""
    box = mask_box(mask) or ((0, 0), (0, 0))
    return Prediction(mask[box_slices(box)].astype(np.float32), box[0], box[1], 1.0)
