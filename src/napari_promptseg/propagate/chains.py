"""Plane by plane propagation: the mask of one plane is the prior of the next."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_promptseg.backends.encoding import refused
from napari_promptseg.propagate.stack import Stack, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_promptseg.backends.base import Backend, Prediction
    from napari_promptseg.propagate.stack import Mask

_LEAST_PIXELS = 4
"""An object of fewer pixels has ended."""
_LEAST_SHARE = 0.04
"""An object that shrinks below this share of its last plane has ended."""
_LEAK_FILL, _LEAK_GROWTH, _LEAK_SHARE = 0.95, 1.5, 0.1
"""See `_leaks`."""


def _reach(prior: Mask) -> Mask:
    """Where the object may be in the next plane: the prior grown by a third of its size."""
    slack = max(3, round(0.35 * float(np.sqrt(prior.sum()))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * slack + 1, 2 * slack + 1))
    return np.asarray(cv2.dilate(prior.astype(np.uint8), kernel) > 0)


def _leaks(mask: Mask, prior: Mask) -> bool:
    """Whether an answer found no border: it grew at once to all that was in its reach.

    Small masks may do so, where an object opens up; one that covers a tenth of the plane
    has run out, and would fill the plane in a few more steps.
    """
    size = float(mask.sum())
    return (
        size > _LEAK_SHARE * mask.size
        and size > _LEAK_GROWTH * prior.sum()
        and size > _LEAK_FILL * _reach(prior).sum()
    )


def _advance(
    stack: Stack, backend: Backend, prior: Mask, index: int
) -> tuple[NDArray[np.float32], float]:
    """Predict one plane from the mask of its neighbour; the probability is kept within reach."""
    image, prompts = stack.read(index), stack.prompts(index)
    prediction: Prediction = backend.predict(backend.embed(image), prompts, prior)
    probability = prediction.paste(image.shape)
    probability[~_reach(prior) | refused(prompts, image.shape)] = 0.0
    return probability, prediction.score


def _chain(
    stack: Stack, backend: Backend, origin: int, indices: range
) -> Iterator[tuple[int, NDArray[np.float32], float]]:
    """Go from an anchor along indices until the object has ended."""
    prior = stack.anchors[origin]
    for index in indices:
        before = int(prior.sum())
        if before == 0:
            return
        probability, score = _advance(stack, backend, prior, index)
        mask = probability > 0.5
        if mask.sum() < max(_LEAST_PIXELS, _LEAST_SHARE * before) or _leaks(mask, prior):
            return
        prior = mask
        yield index, probability, score


def _tail(stack: Stack, backend: Backend, origin: int, indices: range) -> Iterator[Step]:
    """Fill the planes beyond the outermost anchor."""
    for index, probability, score in _chain(stack, backend, origin, indices):
        yield Step(index, probability > 0.5, score)


def _gap(stack: Stack, backend: Backend, first: int, last: int) -> Iterator[Step]:
    """Fill the planes between two anchors from both sides, the nearer anchor weighing more."""
    inner = range(first + 1, last)
    inside = range(max(inner.start, stack.start), min(inner.stop, stack.stop))
    if not inside:
        return
    sides = [
        (first, range(first + 1, inside.stop)),
        (last, range(last - 1, inside.start - 1, -1)),
    ]
    sides = [side for side in sides if stack.anchors[side[0]].any()]
    if len(sides) == 2:
        yield from _blend(stack, backend, sides[0], sides[1], inside)
    for side in sides if len(sides) == 1 else ():
        yield from (step for step in _tail(stack, backend, *side) if step.index in inside)


def _share(stack: Stack, first: int, last: int, index: int) -> float:
    """Weight of the first of two anchors at an index between them.

    It falls with the distance. The larger anchor weighs more: what starts from a tip of
    the object sees less of it than what starts from its middle.
    """
    towards_first = (last - index) * float(np.sqrt(stack.anchors[first].sum()))
    towards_last = (index - first) * float(np.sqrt(stack.anchors[last].sum()))
    return towards_first / (towards_first + towards_last)


def _blend(
    stack: Stack,
    backend: Backend,
    near: tuple[int, range],
    far: tuple[int, range],
    inside: range,
) -> Iterator[Step]:
    """Go from the first anchor to the last, then back, blending the answers on the way.

    The way there is shown as it is done; the way back replaces it plane by plane.
    """
    there: dict[int, tuple[NDArray[np.float16], float]] = {}
    for index, probability, score in _chain(stack, backend, *near):
        there[index] = (probability.astype(np.float16), score)
        if index in inside:
            yield Step(index, probability > 0.5, score)
    back = _chain(stack, backend, *far)
    for index in far[1]:
        answer = next(back, None)
        if answer is None:
            return  # the object was lost on the way back: the way there stands
        _, probability, score = answer
        if index in there:
            share = _share(stack, near[0], far[0], index)
            first, first_score = there[index]
            probability = share * first.astype(np.float32) + (1 - share) * probability
            score = share * first_score + (1 - share) * score
        if index in inside:
            yield Step(index, probability > 0.5, score)


class Chains:
    """Carries an object plane by plane with any backend that can start from a mask.

    Planes beyond the outermost anchors are answered one from another until the object
    has ended; planes between two anchors are answered from both and blended by distance.
    What lies beside the origin of the stack comes first, in both directions by turns, then
    the rest outward from there. Planes between two anchors come twice, the second time
    blended.

    Parameters
    ----------
    backend : Backend
        Answers a plane from the mask of its neighbour.

    Raises
    ------
    ValueError
        If the backend cannot start from a mask.
    """

    name = "chain"

    def __init__(self, backend: Backend) -> None:
        if not backend.capabilities.prior:
            raise ValueError(f"backend {backend.name!r} cannot start from a mask, so not propagate")
        self.backend = backend

    def fill(self, stack: Stack) -> Iterator[Step]:
        """See `Propagator.fill`."""
        if not stack.anchors:
            raise ValueError("nothing to propagate: no plane has a prompt yet")
        wanted = set(stack.open)
        chains = [
            (planes, _tail(stack, self.backend, *ends, planes))
            if len(ends) == 1
            else (planes, _gap(stack, self.backend, *ends))
            for planes, ends in _ways(stack)
            if not wanted.isdisjoint(planes)
        ]
        for group in _outward(chains, stack.origin):
            while group:
                for chain in list(group):
                    step = next(chain, None)
                    if step is None:
                        group.remove(chain)
                    elif step.index in wanted:
                        yield step


def _ways(stack: Stack) -> Iterator[tuple[range, tuple[int, ...]]]:
    """Planes between two anchors and beyond the outermost, with the anchors beside them."""
    anchors = sorted(stack.anchors)
    for first, last in pairwise(anchors):
        yield range(first + 1, last), (first, last)
    yield range(anchors[-1] + 1, stack.stop), (anchors[-1],)
    yield range(anchors[0] - 1, stack.start - 1, -1), (anchors[0],)


def _outward(
    chains: list[tuple[range, Iterator[Step]]], origin: int | None
) -> Iterator[list[Iterator[Step]]]:
    """Chains that take turns: without an origin all; else those beside it, then one by one."""
    if origin is None:
        yield [chain for _, chain in chains]
        return

    def distance(planes: range) -> int:
        return max(min(planes) - origin, origin - max(planes), 1)

    beside = [chain for planes, chain in chains if distance(planes) == 1]
    yield beside
    for planes, chain in sorted(chains, key=lambda pair: distance(pair[0])):
        if distance(planes) > 1:
            yield [chain]
