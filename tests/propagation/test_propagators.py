"""Tests of all propagators alike; the network for stacks has further tests of its own."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from helpers import FOR_ANY_BACKEND, ToyBackend, bright, ellipsoid, iou, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, box_region
from napari_promptseg.propagation.base import PlanePrediction, Propagator, Stack
from napari_promptseg.propagation.registry import create_propagator

SHAPE = (25, 48, 56)
OBJECT = ellipsoid(SHAPE, (12, 24, 28), (9, 14, 18))
BLANK = np.zeros(SHAPE[1:], bool)
NAMES = FOR_ANY_BACKEND
LOOKING = ["chain", "projection", "flow", "walker"]


class Row:
    """Planes that remember which of them were read."""

    def __init__(self, volume: np.ndarray) -> None:
        self._volume = volume
        self.reads: list[int] = []

    def read(self, index: int):
        assert 0 <= index < len(self._volume)
        self.reads.append(index)
        return plane_image(self._volume[index])


def stack_of(anchors: dict[int, np.ndarray], volume=None, **options) -> Stack:
    values = bright(OBJECT) if volume is None else volume
    options = {"start": 0, "stop": len(values), "read": Row(values).read, **options}
    return Stack(anchors=anchors, **options)


def filled(name: str, stack: Stack) -> dict[int, PlanePrediction]:
    """Last step of each plane; whatever is asked of every propagator is checked here."""
    propagator = create_propagator(name, ToyBackend())
    assert isinstance(propagator, Propagator)
    assert propagator.name == name
    copies = {index: mask.copy() for index, mask in stack.anchors.items()}
    steps = list(propagator.fill(stack))
    assert {s.index for s in steps} <= set(stack.open)
    for step in steps:
        assert step.mask.shape == SHAPE[1:]
        assert step.mask.dtype == bool
        assert isinstance(step.confidence, float)
        assert 0 <= step.confidence <= 1
    for index, mask in copies.items():
        np.testing.assert_array_equal(stack.anchors[index], mask)
    return {step.index: step for step in steps}


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


def test_anchors_and_kept_planes_are_not_answered(name):
    anchors = {9: OBJECT[9], 15: OBJECT[15]}
    steps = filled(name, stack_of(anchors, skip=frozenset(range(10, 15))))
    assert {8, 16} <= set(steps)
    assert not set(steps) & set(range(9, 16))


@pytest.mark.parametrize(("start", "stop"), [(0, 25), (8, 16), (13, 25), (0, 12), (18, 20)])
def test_only_the_range_is_answered(name, start, stop):
    steps = filled(name, stack_of({12: OBJECT[12]}, start=start, stop=stop))
    assert set(steps) <= set(range(start, stop)) - {12}
    assert set(range(max(start, 9), min(stop, 16))) - {12} <= set(steps)


@pytest.mark.parametrize("ends", [(6, 18), (8, 11), (11, 13)], ids=str)
def test_all_planes_between_two_anchors_are_answered(name, ends):
    steps = filled(name, stack_of({i: OBJECT[i] for i in ends}))
    assert set(range(ends[0] + 1, ends[1])) <= set(steps)
    assert min(iou(steps[i].mask, OBJECT[i]) for i in range(ends[0] + 1, ends[1])) > 0.3


@pytest.mark.parametrize("ends", [(4, 20)], ids=str)
def test_a_range_inside_a_gap_is_answered(name, ends):
    steps = filled(name, stack_of({i: OBJECT[i] for i in ends}, start=10, stop=14))
    assert sorted(steps) == [10, 11, 12, 13]


def test_without_an_anchor_there_is_nothing_to_propagate(name):
    with pytest.raises(ValueError, match="no plane has a prompt"):
        next(create_propagator(name, ToyBackend()).fill(stack_of({})))


def test_empty_anchors_alone_are_answered_by_nothing(name):
    steps = filled(name, stack_of({6: BLANK, 18: BLANK}))
    assert not any(step.mask.any() for step in steps.values())


def test_an_empty_anchor_ends_the_object(name):
    steps = filled(name, stack_of({12: OBJECT[12], 16: BLANK}))
    assert steps[13].mask.any()
    assert not any(steps[i].mask.any() for i in steps if i > 16)
    assert steps[9].mask.any(), "the other side goes on"


def test_planes_are_read_one_by_one_as_they_are_asked_for(name):
    row = Row(bright(OBJECT))
    steps = create_propagator(name, ToyBackend()).fill(stack_of({12: OBJECT[12]}, read=row.read))
    assert row.reads == []
    first = next(steps)
    assert abs(first.index - 12) == 1
    assert len(set(row.reads)) <= (24 if name == "network" else 9), "a few planes at a time"


def test_results_come_outward_from_the_anchor(name):
    steps = create_propagator(name, ToyBackend()).fill(stack_of({12: OBJECT[12]}))
    assert [abs(s.index - 12) for s in islice(steps, 8)] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_the_origin_comes_first(name):
    anchors = {3: OBJECT[3], 12: OBJECT[12], 20: OBJECT[20]}
    steps = create_propagator(name, ToyBackend()).fill(stack_of(anchors, origin=20))
    assert all(step.index > 12 for step in islice(steps, 4))


def test_a_propagation_can_be_left(name):
    steps = create_propagator(name, ToyBackend()).fill(stack_of({12: OBJECT[12]}))
    assert len(list(islice(steps, 2))) == 2
    steps.close()


@pytest.mark.parametrize("anchors", [(12,), (6, 18)], ids=["one", "two"])
def test_what_boxes_exclude_stays_empty(name, anchors):
    prompts = PlanePrompts(
        regions=(
            box_region((10, 10), (40, 45)),
            box_region((20, 20), (26, 26), positive=False),
        )
    )
    anchor_masks = {index: OBJECT[index] for index in anchors}
    steps = filled(name, stack_of(anchor_masks, prompts=lambda index: prompts))
    inside = np.zeros(SHAPE[1:], bool)
    inside[10:41, 10:46] = True
    assert steps
    for step in steps.values():
        assert not step.mask[20:27, 20:27].any()
        if name not in ("chain", "projection"):  # these leave positive boxes to the backend
            assert not (step.mask & ~inside).any()


@pytest.mark.parametrize("name", LOOKING)
def test_those_that_look_follow_an_object_that_moves_and_ends(name):
    volume = np.random.default_rng(1).integers(0, 30, (14, *SHAPE[1:])).astype(np.uint8)
    truth = np.zeros(volume.shape, bool)
    for index in range(2, 11):
        truth[index] = ellipsoid(SHAPE[1:], (16 + index, 14 + 1.5 * index), (8, 10))
    volume[truth] += 200
    steps = filled(name, stack_of({2: truth[2]}, volume))
    assert min(iou(steps[i].mask, truth[i]) for i in range(3, 7)) > 0.7
    if name != "flow":  # which knows no end
        assert not any(step.mask.any() for i, step in steps.items() if i > 11)


def test_answers_are_repeatable(name):
    anchors = {6: OBJECT[6], 18: OBJECT[18]}
    first, second = (filled(name, stack_of(anchors)) for _ in range(2))
    assert [(i, s.confidence) for i, s in first.items()] == [
        (i, s.confidence) for i, s in second.items()
    ]
    assert all((first[i].mask == second[i].mask).all() for i in first)


def test_the_first_and_the_last_plane_can_be_anchors(name):
    tube = np.broadcast_to(OBJECT[12], (9, *SHAPE[1:]))
    for ends in ((0,), (8,), (0, 8)):
        steps = filled(name, stack_of({i: tube[i] for i in ends}, bright(tube)))
        assert set(steps) == set(range(9)) - set(ends)
        assert min(iou(step.mask, tube[0]) for step in steps.values()) > 0.8


def test_an_object_as_large_as_its_planes(name):
    full = np.ones((6, *SHAPE[1:]), bool)
    steps = filled(name, stack_of({2: full[2]}, bright(full)))
    least = 0.8 if name == "network" else 1.0  # what has learnt is not exact
    assert all(step.mask.mean() >= least for step in steps.values())


def test_an_object_of_a_few_pixels(name):
    speck = np.zeros((5, *SHAPE[1:]), bool)
    speck[:, 20:23, 20:23] = True
    steps = filled(name, stack_of({0: speck[0], 4: speck[4]}, bright(speck)))
    assert set(steps) == {1, 2, 3}
    assert all(step.mask.any() for step in steps.values())


def test_planes_smaller_than_any_window(name):
    tiny = np.zeros((5, 6, 7), bool)
    tiny[:, 2:5, 2:5] = True
    stack = stack_of({2: tiny[2]}, bright(tiny))
    steps = list(create_propagator(name, ToyBackend()).fill(stack))
    assert all(step.mask.shape == (6, 7) for step in steps)


def test_frames_have_no_distance(name):
    steps = filled(name, stack_of({0: OBJECT[12], 6: OBJECT[12]}, bright(OBJECT[9:16]), step=0.0))
    assert set(steps) == set(range(1, 6))
