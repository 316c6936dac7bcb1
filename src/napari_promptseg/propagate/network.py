"""Propagation by the network for stacks: a few planes at a time, outward from the anchors."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.backends.base import certainty
from napari_promptseg.backends.encoding import fill_region, refused
from napari_promptseg.backends.stack_encoding import CLICKED, EARLIER, GIVEN, PlaneKnowledge
from napari_promptseg.core.geometry import Box, box_union, mask_box
from napari_promptseg.propagate.stack import Mask, Step
from napari_promptseg.propagate.view import View, longer_side, view_around
from napari_promptseg.refine.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_promptseg.backends.base import Backend
    from napari_promptseg.backends.stacknet import StackModel
    from napari_promptseg.core.volume import PlaneImage
    from napari_promptseg.propagate.stack import Stack

Float32 = NDArray[np.float32]

_SIDE: Final = {"space": 128, "time": 192}
"""Pixels of a view: frames have finer detail than planes of volumes."""
_NEW: Final = 4
"""Planes that are answered at a time."""
_SHOWN: Final = 3
"""Of them, those that are kept: the others are there to be looked ahead at."""
_CONTEXT: Final = 2
"""Planes before them, whose answers are known."""
_LEAST_PIXELS: Final = 4
"""An object of fewer pixels has ended."""
_FACTOR: Final = 2.0
"""Side of a view relative to the object."""
_LEAST_FACTOR: Final = 1.4
"""The same of the largest anchor, for what may grow again."""
_LEAST_VIEW: Final = 40
"""Least side of a view in pixels of the plane."""


@dataclass(slots=True)
class _Known:
    """A plane whose mask is known, and how well."""

    mask: Mask
    how_well: float
    box: Box | None


class _Walk:
    """One propagation through one stack: what is known so far, and the planes in memory."""

    def __init__(self, stack: Stack, model: StackModel) -> None:
        self.stack, self._model = stack, model
        self.known: dict[int, _Known] = {}
        self._planes: OrderedDict[int, PlaneImage] = OrderedDict()
        self._seen: Box | None = None  # where the object was on the last plane that had it
        self.timed = stack.step == 0
        for index, mask in stack.anchors.items():
            self.know(index, mask, GIVEN if index in stack.given else CLICKED)
        for index in stack.kept:
            prior = stack.prior(index)
            if prior is not None:
                self.know(index, prior, EARLIER)

    def know(self, index: int, mask: Mask, how_well: float) -> None:
        """Learn the mask of a plane."""
        known = _Known(mask, how_well, mask_box(mask))
        self.known[index] = known
        self._seen = known.box or self._seen

    def read(self, index: int) -> PlaneImage:
        if index not in self._planes:
            self._planes[index] = self.stack.read(index)
            if len(self._planes) > 2 * (_NEW + _CONTEXT):
                self._planes.popitem(last=False)
        self._planes.move_to_end(index)
        return self._planes[index]

    def forget(self, answered: list[int]) -> None:
        """Drop answers of a chain that it no longer looks at, so that memory stays bounded."""
        while len(answered) > _CONTEXT:
            self.known.pop(answered.pop(0), None)

    def answer(
        self, context: Sequence[int], new: Sequence[int]
    ) -> list[tuple[int, Float32, tuple[slice, slice]]]:
        """Answer new planes from planes that are known."""
        planes = sorted({*context, *new})
        priors = {i: self.stack.prior(i) for i in new}
        views = self._views(planes, priors)
        images = np.stack([views[i].image(self.read(i)) for i in planes])
        knowledge = [self._knowledge(i, priors.get(i), views[i]) for i in planes]
        gaps = self._gaps(planes, views[planes[0]])
        answers = self._model.answer(images, knowledge, gaps)
        shape = self.read(planes[0]).shape
        return [
            (i, *views[i].back(answers[n], shape)) for n, i in enumerate(planes) if i in set(new)
        ]

    def _gaps(self, planes: list[int], view: View) -> Float32:
        spacing = self.read(planes[0]).spacing
        side = view.span[0] * spacing[0]
        steps = [0, *(b - a for a, b in pairwise(planes))]
        steps[0] = steps[1] if len(steps) > 1 else 1
        return np.array([n * self.stack.step / side for n in steps], np.float32)

    def _views(self, planes: list[int], priors: dict[int, Mask | None]) -> dict[int, View]:
        """Return the view of each plane: the same of all that lie near each other.

        A reference frame that lies apart is seen around the object as it was there.
        """
        first = self.read(planes[0])
        apart = [i for i in planes if self.timed and self._lies_apart(i, planes)]
        boxes = [self.known[i].box for i in planes if i in self.known and i not in apart]
        boxes += [mask_box(p) for p in priors.values() if p is not None]
        near = [box for box in boxes if box is not None]
        near = near or [self._seen or ((0, first.shape[0]), (0, first.shape[1]))]
        least = max(
            (longer_side(self.known[i].box, first.spacing) for i in self.stack.anchors), default=0.0
        )
        common = view_around(
            near,
            first.spacing,
            _SIDE["time" if self.timed else "space"],
            max(_FACTOR * longer_side(box_union(near), first.spacing), _LEAST_FACTOR * least),
            _LEAST_VIEW,
        )
        views = dict.fromkeys(planes, common)
        for i in apart:
            box = self.known[i].box
            views[i] = common if box is None else common.moved(box)
        return views

    def _lies_apart(self, index: int, planes: list[int]) -> bool:
        others = [abs(i - index) for i in planes if i != index]
        return index in self.known and bool(others) and min(others) > 1

    def _knowledge(self, index: int, prior: Mask | None, view: View) -> PlaneKnowledge:
        seen = view.prompts(self.stack.prompts(index))
        knowledge = PlaneKnowledge(list(seen.strokes), list(seen.regions))
        if index in self.known:
            knowledge.mask = view.mask(self.known[index].mask)
            knowledge.known = self.known[index].how_well
        elif prior is not None:
            knowledge.prior = view.mask(prior)
        return knowledge

    def settle(
        self, index: int, answer: Float32, where: tuple[slice, slice], shape: tuple[int, int]
    ) -> Step:
        """Take an answer as known, and return it as a step."""
        prompts = self.stack.prompts(index)
        whole = np.zeros(shape, np.float32)
        whole[where] = answer
        whole[refused(prompts, shape)] = 0
        inside = np.zeros(shape, np.uint8)
        boxes = [region for region in prompts.regions if region.positive]
        for region in boxes:
            fill_region(inside, region)
        if boxes:
            whole[inside == 0] = 0
        mask = whole > 0.5
        if np.count_nonzero(mask) < _LEAST_PIXELS:
            mask[:] = False
        self.know(index, mask, EARLIER)
        sure = certainty(whole) if mask.any() else 1 - float(whole.max(initial=0))
        return Step(index, mask, sure)


class StackPropagator:
    """Carries an object through a stack by a network that looks at several planes at once.

    From the outermost anchors it goes outward a few planes at a time, each time knowing
    the last answers, the nearest anchor and what prompts and earlier answers say of the
    new planes; between two anchors it goes inward from both. In space, it ends where the
    object is gone from all planes in view; along time, an object may come back.

    Parameters
    ----------
    backend : Backend
        Tells the device; the network is the one that ships with the package.
    """

    name = "stack"

    def __init__(self, backend: Backend) -> None:
        while isinstance(backend, Wrapper):
            backend = backend.backend
        self._device = str(getattr(backend, "device", "auto"))

    def fill(self, stack: Stack) -> Iterator[Step]:
        """See `Propagator.fill`."""
        from napari_promptseg.backends.stacknet import shipped_model

        if not stack.anchors:
            raise ValueError("nothing to propagate: no plane has a prompt yet")
        walk = _Walk(stack, shipped_model(self._device))
        anchors = sorted(stack.anchors)
        chains = [_between(walk, a, b) for a, b in pairwise(anchors)]
        chains.append(_beyond(walk, anchors[-1], 1))
        chains.append(_beyond(walk, anchors[0], -1))
        origin = stack.origin
        if origin is not None:
            starts = [*((a + b) / 2 for a, b in pairwise(anchors)), anchors[-1], anchors[0]]
            order = sorted(range(len(chains)), key=lambda n: abs(starts[n] - origin))
            chains = [chains[n] for n in order]
        while chains:
            for chain in list(chains):
                steps = next(chain, None)
                if steps is None:
                    chains.remove(chain)
                else:
                    yield from steps


def _beyond(walk: _Walk, anchor: int, way: int) -> Iterator[list[Step]]:
    """Go outward from an outermost anchor."""
    stack = walk.stack
    last = stack.stop if way > 0 else stack.start - 1
    open_planes = [i for i in range(anchor + way, last, way) if i not in stack.kept]
    if not walk.known[anchor].mask.any():
        return
    at, answered = 0, []
    while at < len(open_planes):
        new = open_planes[at : at + _NEW]
        shown = new[:_SHOWN] if len(new) == _NEW else new
        context = [i for n in range(1, _CONTEXT + 1) if (i := new[0] - way * n) in walk.known]
        context = [*context, anchor] if anchor not in context else context
        steps = _window(walk, context, new, shown)
        yield [s for s in steps if stack.start <= s.index < stack.stop]
        if not walk.timed and not any(s.mask.any() for s in steps):
            return
        at += len(shown)
        answered += shown
        walk.forget(answered)


def _between(walk: _Walk, first: int, last: int) -> Iterator[list[Step]]:
    """Go inward from two anchors, whose answers meet in the middle."""
    stack = walk.stack
    left = [
        i for i in range(first + 1, last) if i not in stack.kept and stack.start <= i < stack.stop
    ]
    way = 1
    answered: dict[int, list[int]] = {1: [], -1: []}
    while left:
        count = len(left) if len(left) <= _NEW + 1 else _NEW
        new = left[:count] if way > 0 else left[::-1][:count]
        shown = new if count == len(left) else new[:_SHOWN]
        context = {first, last}
        for side in (min(new) - 1, min(new) - 2, max(new) + 1, max(new) + 2):
            if first <= side <= last and side in walk.known:
                context.add(side)
        steps = _window(walk, sorted(context), new, shown)
        yield steps
        left = [i for i in left if i not in shown]
        answered[way] += shown
        walk.forget(answered[way])
        way = -way


def _window(
    walk: _Walk, context: Sequence[int], new: Sequence[int], shown: Sequence[int]
) -> list[Step]:
    """Answer planes; those that are not shown are looked at again with more context."""
    shape = walk.read(new[0]).shape
    answers = {i: (answer, where) for i, answer, where in walk.answer(context, new)}
    return [walk.settle(i, *answers[i], shape) for i in shown]
