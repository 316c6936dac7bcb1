from __future__ import annotations

import numpy as np
import pytest

from helpers import plane_image
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.bidirectional import propagate_bidirectional
from napari_promptseg.propagation.schedule import fill_in_order

MASK = np.ones((4, 5), bool)


def stack_of(*anchors: int, **options) -> Stack:
    options = {"start": 0, "stop": 12, **options}
    return Stack(lambda index: plane_image(MASK * 1), dict.fromkeys(anchors, MASK), **options)


def order(stack: Stack) -> list[int]:
    """Indices in which planes come when every way goes through its planes as they lie."""

    def steps(indices):
        return (PlanePrediction(index, MASK, 1.0) for index in indices)

    predictions = fill_in_order(
        stack, lambda _, planes: steps(planes), lambda first, last: steps(range(first + 1, last))
    )
    return [step.index for step in predictions]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [4, 8, 2, 5, 9, 1, 6, 10, 0, 11]),
        ({"start": 5, "stop": 9}, [8, 5, 6]),
        ({"skip": frozenset({4, 5, 6})}, [8, 2, 9, 1, 10, 0, 11]),
        ({"origin": 11}, [8, 9, 10, 11, 4, 5, 6, 2, 1, 0]),
        ({"origin": 3}, [4, 2, 5, 1, 6, 0, 8, 9, 10, 11]),
    ],
    ids=["all", "range", "skip", "origin", "origin on an anchor"],
)
def test_the_order_of_planes(options, expected):
    assert order(stack_of(3, 7, **options)) == expected


def test_ways_without_an_open_plane_are_not_begun():
    def gap(first: int, last: int):
        raise AssertionError("nothing is open there")
        yield

    stack = stack_of(3, 7, skip=frozenset({4, 5, 6}))
    assert list(fill_in_order(stack, lambda origin, planes: iter(()), gap)) == []


# Handing on


def counted(stack: Stack, barrier: tuple[int, int] = (-1, -1)) -> list[tuple[int, float]]:
    """Relay whose confidence falls by one a plane; `barrier` is a (from, to) that ends it."""

    def advance(step: PlanePrediction, index: int) -> PlanePrediction | None:
        if (step.index, index) == barrier:
            return None
        return PlanePrediction(index, step.mask, step.confidence - 1)

    def unite(first: PlanePrediction, last: PlanePrediction, share: float) -> PlanePrediction:
        return PlanePrediction(first.index, MASK, 100 + share)

    return [
        (step.index, step.confidence) for step in propagate_bidirectional(stack, advance, unite)
    ]


def test_answers_are_handed_on_from_the_anchor():
    assert counted(stack_of(2, start=0, stop=5)) == [(3, 0), (1, 0), (4, -1), (0, -1)]


def test_two_anchors_meet_and_both_sides_are_united():
    steps = counted(stack_of(0, 4, start=0, stop=5))
    assert steps[:3] == [(1, 0), (3, 0), (2, -1)]
    assert steps[3:] == [(2, 100.5), (3, 100.75), (1, 100.25)]


def test_where_one_side_is_lost_the_other_stands():
    confidences = dict(counted(stack_of(0, 4, start=0, stop=5), barrier=(4, 3)))
    assert confidences == {1: 0, 2: -1, 3: -2}


def test_the_larger_anchor_weighs_more():
    small = np.zeros_like(MASK)
    small[0, 0] = True
    stack = Stack(lambda i: plane_image(MASK * 1), {0: small, 4: MASK}, 0, 5)
    assert dict(counted(stack))[2] == 100 + np.sqrt(20) / (1 + np.sqrt(20))
