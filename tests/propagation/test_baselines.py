from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import ToyBackend, ellipsoid, iou, plane_image
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.baselines import Copy, SignedDistance

SHAPE = (40, 50)
BLANK = np.zeros(SHAPE, bool)
positions = st.lists(st.integers(0, 19), min_size=1, max_size=5, unique=True)


def disc(radius: float, row: float = 20, column: float = 25) -> np.ndarray:
    return ellipsoid(SHAPE, (row, column), (radius, radius))


def stack_of(anchors: dict[int, np.ndarray], stop: int = 20, **options) -> Stack:
    spacing = options.pop("spacing", (1.0, 1.0))
    return Stack(lambda index: plane_image(BLANK * 1, spacing), anchors, 0, stop, **options)


def filled(way: type[Copy] | type[SignedDistance], stack: Stack) -> dict[int, PlanePrediction]:
    return {step.index: step for step in way(ToyBackend()).fill(stack)}


@given(positions)
def test_every_plane_is_a_copy_of_its_nearest_anchor(anchors):
    discs = {index: disc(3 + number) for number, index in enumerate(anchors)}
    steps = filled(Copy, stack_of(discs))
    assert set(steps) == set(range(20)) - set(anchors)
    for index, step in steps.items():
        least = min(abs(index - anchor) for anchor in anchors)
        candidates = [discs[a] for a in anchors if abs(index - a) == least]
        assert any((step.mask == mask).all() for mask in candidates)


def test_what_is_nearest_to_an_empty_plane_is_empty():
    assert set(filled(Copy, stack_of({4: disc(8), 10: BLANK}))) == {0, 1, 2, 3, 5, 6, 7}


def test_copies_can_be_changed():
    anchor = disc(8)
    steps = filled(Copy, stack_of({4: anchor}))
    steps[5].mask[:] = False
    assert anchor.any()
    assert steps[6].mask.any()


@pytest.mark.parametrize("way", [Copy, SignedDistance])
def test_confidence_falls_with_the_distance(way):
    steps = filled(way, stack_of({4: disc(8)}))
    sure = [steps[i].confidence for i in range(5, 20)]
    assert sure == sorted(sure, reverse=True)
    assert steps[3].confidence == steps[5].confidence
    assert steps[12].confidence == pytest.approx(np.exp(-1), rel=0.02)


def test_distance_counts_in_units_of_the_spacing_and_of_the_object():
    near, thick, fine = (
        filled(Copy, stack_of({4: disc(8)}, **options))[6].confidence
        for options in ({}, {"step": 3.0}, {"spacing": (3.0, 3.0)})
    )
    large = filled(Copy, stack_of({4: disc(16)}))[6].confidence
    assert thick < near < fine
    assert near < large


@given(positions.filter(lambda indices: len(indices) > 1))
def test_a_cone_is_interpolated_exactly_enough(anchors):
    """Its radius changes evenly, also between anchors at uneven distances."""
    discs = {index: disc(8 + 0.5 * index) for index in anchors}
    steps = filled(SignedDistance, stack_of(discs))
    for index in range(min(anchors) + 1, max(anchors)):
        if index not in anchors:
            assert iou(steps[index].mask, disc(8 + 0.5 * index)) > 0.85


def test_beyond_the_outermost_anchors_they_are_copied():
    first, last = disc(5), disc(9)
    steps = filled(SignedDistance, stack_of({5: first, 12: last}))
    assert all((steps[i].mask == first).all() for i in range(5))
    assert all((steps[i].mask == last).all() for i in range(13, 20))


def test_between_anchors_that_overlap_it_is_surer():
    same, smaller = (
        filled(SignedDistance, stack_of({2: disc(8), 18: other}))[10].confidence
        for other in (disc(8), disc(3))
    )
    alone = filled(SignedDistance, stack_of({2: disc(8)}))[10].confidence
    assert alone < smaller < same == 1


def test_planes_that_are_not_asked_about_are_not_looked_at():
    def read(index: int):
        assert index == 4, "the spacing is all that is needed"
        return plane_image(BLANK * 1)

    for way in (Copy, SignedDistance):
        assert list(way(ToyBackend()).fill(Stack(read, {4: disc(8)}, 0, 20)))
