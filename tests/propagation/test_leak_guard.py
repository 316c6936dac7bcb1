from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.leak_guard import reject_leaks

SHAPE = (40, 40)


def square(side: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[:side, :side] = True
    return mask


def stack_of(anchor: np.ndarray, before: np.ndarray | None = None) -> Stack:
    read = pytest.fail  # a guard looks at no image
    return Stack(read, {0: anchor}, 0, 9, prior=lambda index: before)


def test_an_answer_that_suddenly_fills_its_plane_is_taken_back() -> None:
    steps = [
        PlanePrediction(1, square(12), 0.9),
        PlanePrediction(2, square(40), 0.9),
        PlanePrediction(3, square(11), 0.8),
    ]
    one, two, three = reject_leaks(steps, stack_of(square(10)))
    assert (one, three) == (steps[0], steps[2])
    assert two.confidence == 0.0
    assert not two.mask.any()


def test_the_plane_stays_as_an_earlier_propagation_left_it() -> None:
    (step,) = reject_leaks([PlanePrediction(1, square(40), 0.9)], stack_of(square(10), square(9)))
    np.testing.assert_array_equal(step.mask, square(9))
    assert step.confidence == 0.0


@pytest.mark.parametrize(
    ("anchor", "answers"),
    [(3, [8, 14, 25, 38, 40]), (30, [40]), (2, [26, 27])],
    ids=["step by step", "large before", "far from most of the plane"],
)
def test_large_objects_are_followed(anchor: int, answers: list[int]) -> None:
    steps = [PlanePrediction(i, square(side), 0.9) for i, side in enumerate(answers, 1)]
    assert list(reject_leaks(steps, stack_of(square(anchor)))) == steps


def test_an_object_that_comes_back_after_empty_planes_is_measured_against_all_before() -> None:
    steps = [
        PlanePrediction(1, square(0), 0.9),
        PlanePrediction(2, square(12), 0.9),
        PlanePrediction(3, square(39), 0.9),
    ]
    assert [s.confidence for s in reject_leaks(steps, stack_of(square(10)))] == [0.9, 0.9, 0.0]


def test_the_largest_anchor_is_the_measure() -> None:
    anchors = {0: square(3), 6: square(21)}
    stack = Stack(pytest.fail, anchors, 0, 9)
    steps = [PlanePrediction(5, square(40), 0.9)]
    assert list(reject_leaks(steps, stack)) == steps


def test_an_anchor_is_not_revised_to_a_leak() -> None:
    steps = [PlanePrediction(0, square(40), 0.9), PlanePrediction(1, square(11), 0.8)]
    assert list(reject_leaks(steps, stack_of(square(10)))) == steps[1:]
