"""Propagation in space by the network for volumes: pieces of a volume at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.encoding.prompt_maps import draw_stroke
from napari_promptseg.propagation.random_walker.solver import (
    BACKGROUND,
    OBJECT,
    solve_random_walker,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.encoding.stack_maps import PlaneKnowledge
    from napari_promptseg.propagation.base import PlanePrediction, Stack
    from napari_promptseg.propagation.volumenet.state import Float32, InferenceState

_PLANES: Final = 24
"""Planes of a piece at most."""
_SURE: Final = 0.9
"""Probability from which the network is taken at its word."""
_BEHIND: Final = 6
"""Of them, planes that were answered before, where a piece goes on outward."""


def fill_space(walk: InferenceState) -> Iterator[PlanePrediction]:
    """Answer a piece around each anchor, then the pieces beside what was found.

    Parameters
    ----------
    walk : InferenceState
        Its stack has anchors; the step between planes is a distance.

    Yields
    ------
    PlanePrediction
        Open planes, until those that follow are without the object.
    """
    stack = walk.stack
    wanted = set(stack.open)
    left = set(_bounds(stack)) - set(walk.known)
    near = stack.anchors if stack.origin is None else [stack.origin]
    for anchor in sorted(stack.anchors, key=lambda a: min(abs(a - n) for n in near)):
        if not left.isdisjoint((anchor - 1, anchor + 1)) and walk.holds(anchor):
            half = _PLANES // 2
            yield from _piece(walk, anchor, half, _PLANES - 1 - half, left, wanted)
    while not left.isdisjoint(wanted) and (edge := _edge(walk, left)):
        index, way = edge
        ahead = _PLANES - _BEHIND
        sides = (_BEHIND - 1, ahead) if way > 0 else (ahead, _BEHIND - 1)
        yield from _piece(walk, index, *sides, left, wanted)


def _bounds(stack: Stack) -> range:
    """Planes from the anchors to the ends of the range, which they may lie outside of."""
    anchors = stack.anchors
    return range(min(stack.start, *anchors), max(stack.stop, *(a + 1 for a in anchors)))


def _edge(walk: InferenceState, left: set[int]) -> tuple[int, int] | None:
    """Return a plane with some of the object beside one that is not answered, and the way there."""
    near = walk.stack.origin or 0
    for index in sorted(left, key=lambda i: abs(i - near)):
        for way in (1, -1):
            if walk.holds(index - way):
                return index - way, way
    return None


def _piece(
    walk: InferenceState, centre: int, before: int, after: int, left: set[int], wanted: set[int]
) -> Iterator[PlanePrediction]:
    """Answer what is left of the planes around one; far apart planes stand for those between.

    Those that are not wanted are answered for what lies behind them.
    """
    stack = walk.stack
    thick = _thickness(walk, centre)
    every = max(1, round(thick / stack.step))
    low, high = _reach(walk, centre, before * every, after * every)
    fixed = [i for i in stack.anchors if low <= i <= high]
    lattice = _apart([*range(centre, low, -every), *range(centre, high, every)], fixed, every)
    # The ends are among them, so that no plane is left that none of them stands for.
    planes = sorted({low, high, *fixed, *lattice})
    view = walk.view(planes)
    images = np.stack([view.image(walk.read(i)) for i in planes])
    told = [walk.knowledge(i, view) for i in planes]
    answers = walk.answer(planes, images, told, view)
    answers = _to_edges(answers, images, told, every * stack.step / thick)
    new = sorted(left & set(range(planes[0], planes[-1] + 1)), key=lambda i: abs(i - centre))
    for index in new:
        left.discard(index)
        step = walk.settle(index, _between(planes, answers, index), view)
        if index in wanted:
            yield step


def _to_edges(
    answers: Float32, images: Float32, told: list[PlaneKnowledge], step: float
) -> Float32:
    """Let what the network is not sure of go to the object or the background by the image.

    Parameters
    ----------
    answers : (T, S, S) float32 array
        Probabilities of the network.
    images : (T, S, S, 3) float32 array
        What it saw.
    told : list of PlaneKnowledge
        What is known of each plane.
    step : float
        Distance of the planes in pixels.
    """
    labels = np.zeros(answers.shape, np.uint8)
    labels[answers > _SURE] = OBJECT
    labels[answers < 1 - _SURE] = BACKGROUND
    for seeds, plane in zip(labels, told, strict=True):
        if plane.mask is not None:
            seeds[...] = np.where(plane.mask > 0.5, OBJECT, BACKGROUND)
        for stroke in plane.strokes:
            draw_stroke(seeds, stroke, 0.5, OBJECT if stroke.positive else BACKGROUND)
    return solve_random_walker(images.mean(3, keepdims=True), labels, (step, 1.0, 1.0))


def _apart(lattice: list[int], fixed: list[int], every: int) -> list[int]:
    """Planes of a lattice that no fixed one stands for."""
    return [i for i in lattice if all(abs(i - f) >= every for f in fixed)]


def _thickness(walk: InferenceState, centre: int) -> float:
    """Size of a pixel of the view around a plane."""
    view = walk.view([centre])
    return view.span[0] * walk.spacing[0] / view.side


def _reach(walk: InferenceState, centre: int, before: int, after: int) -> tuple[int, int]:
    """First and last plane of a piece.

    An anchor without the object ends it: the object does not go on behind.
    """
    bounds = _bounds(walk.stack)
    ends = {i for i in walk.stack.anchors if not walk.holds(i)}
    low = high = centre
    while low > max(bounds.start, centre - before) and low not in ends:
        low -= 1
    while high < min(bounds.stop - 1, centre + after) and high not in ends:
        high += 1
    return low, high


def _between(planes: list[int], answers: Float32, index: int) -> Float32:
    """Answer of a plane, or the mean of those of its neighbours by distance."""
    after = int(np.searchsorted(planes, index))
    if planes[after] == index:
        return np.asarray(answers[after], np.float32)
    share = np.float32((index - planes[after - 1]) / (planes[after] - planes[after - 1]))
    return np.asarray(answers[after - 1] * (1 - share) + answers[after] * share, np.float32)
