from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, box_region
from napari_promptseg.propagation.anchors import (
    clip_to_prompts,
    last_weight,
    likeness,
    nearest,
    neighbours,
    outward,
    sorted_anchors,
)
from napari_promptseg.propagation.base import Stack

MASK = np.ones((12, 15), bool)


def stack_of(*anchors: int, **options) -> Stack:
    options = {"start": 0, "stop": 10, **options}
    return Stack(lambda index: plane_image(MASK * 1), dict.fromkeys(anchors, MASK), **options)


def test_anchors_come_in_order():
    assert sorted_anchors(stack_of(7, 2, 5)) == [2, 5, 7]
    with pytest.raises(ValueError, match="no plane has a prompt"):
        sorted_anchors(stack_of())


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(0, 30))
def test_neighbours_enclose_a_plane(anchors, index):
    candidates = sorted(anchors - {index}) or [31]
    before, after = neighbours(candidates, index)
    assert before == max((a for a in candidates if a < index), default=None)
    assert after == min((a for a in candidates if a > index), default=None)
    assert nearest(candidates, index) in (before, after)


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, [2, 4, 6, 8, 1, 5, 9, 0]),
        ({"start": 4, "stop": 9}, [4, 6, 8, 5]),
        ({"skip": frozenset({4, 5, 6})}, [2, 8, 1, 9, 0]),
        ({"origin": 9}, [9, 8, 6, 5, 4, 2, 1, 0]),
    ],
    ids=["all", "range", "skip", "origin"],
)
def test_open_planes_are_taken_outward(options, order):
    assert outward(stack_of(3, 7, **options)) == order


def test_boxes_cut_what_is_allowed():
    keep, drop = box_region((2, 3), (8, 9)), box_region((4, 4), (5, 5), positive=False)
    cut = clip_to_prompts(MASK, PlanePrompts(regions=(keep, drop)))
    assert cut.sum() == 7 * 7 - 4
    assert cut[2:9, 3:10].sum() == cut.sum()
    everything = clip_to_prompts(MASK, PlanePrompts())
    assert everything.all()
    assert everything is not MASK


def test_frames_grow_unlike_by_their_number():
    stack = stack_of(0, step=0.0)
    values = [likeness(stack, 0, index, (0.5, 2.0)) for index in (0, 5, 10)]
    assert values == pytest.approx([1, np.exp(-0.5), np.exp(-1)])


def test_the_nearer_and_the_larger_of_two_anchors_weighs_more():
    def square(side: int) -> np.ndarray:
        mask = np.zeros((12, 15), bool)
        mask[1 : 1 + side, 3 : 3 + side] = True
        return mask

    def weights(first: int, last: int) -> list[float]:
        stack = Stack(lambda index: None, {2: square(first), 8: square(last)}, 0, 10)
        return [last_weight(stack, 2, 8, index) for index in (3, 4, 7)]

    assert weights(5, 5) == pytest.approx([1 / 6, 1 / 3, 5 / 6])
    assert weights(10, 5) == pytest.approx([5 / 55, 10 / 50, 25 / 35])
    assert weights(5, 10) == pytest.approx([10 / 35, 20 / 40, 50 / 55])
