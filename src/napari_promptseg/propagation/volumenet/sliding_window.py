"""Sliding-window inference of VolumeNet through a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.encoding.prompt_maps import draw_stroke
from napari_promptseg.propagation.anchors import all_planes
from napari_promptseg.propagation.random_walker.solver import (
    BACKGROUND,
    OBJECT,
    solve_random_walker,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.encoding.stack_maps import PlaneKnowledge
    from napari_promptseg.propagation.base import PlanePrediction
    from napari_promptseg.propagation.volumenet.state import Float32, InferenceState

_WINDOW: Final = 24
"""Largest number of planes of a window."""
_SURE: Final = 0.9
"""Probability above which the network is certain."""
_OVERLAP: Final = 6
"""Number of planes of a window that were predicted before."""


def fill_space(state: InferenceState) -> Iterator[PlanePrediction]:
    """Predict a window around each anchor, then windows outward from planes with the object.

    Parameters
    ----------
    state : InferenceState
        State with a stack that has anchors and a positive step.

    Yields
    ------
    PlanePrediction
        Open planes, until the object has ended.
    """
    stack = state.stack
    open_planes = set(stack.open)
    pending = set(all_planes(stack)) - set(state.masks)
    near = stack.anchors if stack.origin is None else [stack.origin]
    for anchor in sorted(stack.anchors, key=lambda a: min(abs(a - n) for n in near)):
        if not pending.isdisjoint((anchor - 1, anchor + 1)) and state.holds(anchor):
            half = _WINDOW // 2
            yield from _window(state, anchor, half, _WINDOW - 1 - half, pending, open_planes)
    while not pending.isdisjoint(open_planes) and (edge := _edge(state, pending)):
        index, direction = edge
        ahead = _WINDOW - _OVERLAP
        sides = (_OVERLAP - 1, ahead) if direction > 0 else (ahead, _OVERLAP - 1)
        yield from _window(state, index, *sides, pending, open_planes)


def _edge(state: InferenceState, pending: set[int]) -> tuple[int, int] | None:
    """Return a plane with the object beside a pending one, and the direction to that, if any."""
    near = state.stack.origin or 0
    for index in sorted(pending, key=lambda i: abs(i - near)):
        for direction in (1, -1):
            if state.holds(index - direction):
                return index - direction, direction
    return None


def _window(
    state: InferenceState,
    centre: int,
    before: int,
    after: int,
    pending: set[int],
    open_planes: set[int],
) -> Iterator[PlanePrediction]:
    """Predict the pending planes around one; thin planes are subsampled and interpolated.

    Planes outside the range are predicted as well, because those behind them depend on them.
    Anchors that may be revised are predicted with the planes around them.
    """
    stack = state.stack
    thick = _thickness(state, centre)
    every = max(1, round(thick / stack.step))
    low, high = _reach(state, centre, before * every, after * every)
    anchors = [i for i in stack.anchors if low <= i <= high]
    lattice = _apart([*range(centre, low, -every), *range(centre, high, every)], anchors, every)
    # Both ends are included, so that all planes between can be interpolated.
    planes = sorted({low, high, *anchors, *lattice})
    crop = state.crop(planes)
    images = np.stack([crop.image(state.read(i)) for i in planes])
    knowledge = [state.knowledge(i, crop) for i in planes]
    answers = state.predict(planes, images, knowledge, crop)
    revised = [i for i in planes if i in state.revisable]
    for index in revised:  # evidence, from here on one of two answers
        knowledge[planes.index(index)].mask = None
    answers = _to_edges(answers, images, knowledge, every * stack.step / thick)
    for index in revised:
        if step := state.revise(index, answers[planes.index(index)], crop):
            yield step
    new = sorted(pending & set(range(planes[0], planes[-1] + 1)), key=lambda i: abs(i - centre))
    for index in new:
        pending.discard(index)
        step = state.accept(index, _interpolate(planes, answers, index), crop)
        if index in open_planes:
            yield step


def _to_edges(
    answers: Float32, images: Float32, knowledge: list[PlaneKnowledge], step: float
) -> Float32:
    """Resolve uncertain pixels by a random walker between the certain ones.

    Parameters
    ----------
    answers : (T, S, S) float32 array
        Probabilities of the network.
    images : (T, S, S, 3) float32 array
        Crops that it has seen.
    knowledge : list of PlaneKnowledge
        Prompts and masks of each plane.
    step : float
        Distance of the planes in pixels of the crop.
    """
    labels = np.zeros(answers.shape, np.uint8)
    labels[answers > _SURE] = OBJECT
    labels[answers < 1 - _SURE] = BACKGROUND
    for seeds, plane in zip(labels, knowledge, strict=True):
        if plane.mask is not None:
            seeds[...] = np.where(plane.mask > 0.5, OBJECT, BACKGROUND)
        for stroke in plane.strokes:
            draw_stroke(seeds, stroke, 0.5, OBJECT if stroke.positive else BACKGROUND)
    return solve_random_walker(images.mean(3, keepdims=True), labels, (step, 1.0, 1.0))


def _apart(lattice: list[int], anchors: list[int], every: int) -> list[int]:
    """Return the planes of a lattice that no anchor is close to."""
    return [i for i in lattice if all(abs(i - f) >= every for f in anchors)]


def _thickness(state: InferenceState, centre: int) -> float:
    """Return the pixel size of the crop around a plane, in physical units."""
    crop = state.crop([centre])
    return crop.span[0] * state.spacing[0] / crop.side


def _reach(state: InferenceState, centre: int, before: int, after: int) -> tuple[int, int]:
    """Return the first and last plane of a window.

    It ends at an empty anchor, behind which the object does not continue.
    """
    bounds = all_planes(state.stack)
    ends = {i for i in state.stack.anchors if not state.holds(i)}
    low = high = centre
    while low > max(bounds.start, centre - before) and low not in ends:
        low -= 1
    while high < min(bounds.stop - 1, centre + after) and high not in ends:
        high += 1
    return low, high


def _interpolate(planes: list[int], answers: Float32, index: int) -> Float32:
    """Return the probability of a plane, interpolated between its predicted neighbours."""
    after = int(np.searchsorted(planes, index))
    if planes[after] == index:
        return np.asarray(answers[after], np.float32)
    share = np.float32((index - planes[after - 1]) / (planes[after] - planes[after - 1]))
    return np.asarray(answers[after - 1] * (1 - share) + answers[after] * share, np.float32)
