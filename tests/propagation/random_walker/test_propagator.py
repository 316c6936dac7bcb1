from __future__ import annotations

import numpy as np
import pytest

from helpers import ToyBackend, bright, ellipsoid, iou, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.models.base import Prediction
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.random_walker.propagator import RandomWalker
from napari_promptseg.propagation.random_walker.seeded_block import BACKGROUND, OBJECT, SeededBlock

SHAPE = (40, 60, 70)
OBJECT_3D = ellipsoid(SHAPE, (20, 30, 35), (16, 18, 22))


def stack_of(volume: np.ndarray, anchors: dict[int, np.ndarray], **options) -> Stack:
    spacing = options.pop("spacing", (1.0, 1.0))
    options = {"start": 0, "stop": len(volume), **options}
    return Stack(lambda i: plane_image(volume[i], spacing), anchors, **options)


def filled(stack: Stack) -> dict[int, PlanePrediction]:
    return {step.index: step for step in RandomWalker(ToyBackend()).fill(stack)}


def noisy(truth: np.ndarray, contrast: int = 120) -> np.ndarray:
    noise = np.random.default_rng(2).integers(0, 60, truth.shape)
    return (truth * contrast + noise).astype(np.uint8)


def test_an_ellipsoid_is_found_from_its_middle_and_ends():
    steps = filled(stack_of(noisy(OBJECT_3D), {20: OBJECT_3D[20]}))
    answer = np.zeros(SHAPE, bool)
    for index, step in steps.items():
        answer[index] = step.mask
    answer[20] = OBJECT_3D[20]
    assert iou(answer, OBJECT_3D) > 0.9
    assert answer[2:4].sum() + answer[37:].sum() < 100


def test_a_long_gap_is_filled_from_coarse_to_fine_and_each_plane_once():
    tube = np.zeros((80, 40, 40), bool)
    for index in range(80):
        tube[index] = ellipsoid(tube.shape[1:], (20, 16 + 0.1 * index), (7, 7))
    stack = stack_of(noisy(tube), {0: tube[0], 79: tube[79]})
    steps = list(RandomWalker(ToyBackend()).fill(stack))
    assert sorted(step.index for step in steps) == list(range(1, 79))
    assert min(iou(step.mask, tube[step.index]) for step in steps) > 0.8


def test_where_the_image_shows_no_border_it_is_unsure():
    clear, faint = (
        filled(stack_of(noisy(OBJECT_3D, contrast), {20: OBJECT_3D[20]}, start=18, stop=24))
        for contrast in (150, 10)
    )
    assert all(clear[i].confidence > faint[i].confidence for i in (18, 22))


def test_uniform_planes_are_no_error():
    volume = np.full((6, 30, 30), 90, np.uint8)
    mask = ellipsoid((30, 30), (15, 15), (6, 6))
    steps = filled(stack_of(volume, {0: mask, 5: mask}))
    assert set(steps) == {1, 2, 3, 4}
    assert all(iou(step.mask, mask) > 0.8 for step in steps.values())


def test_refused_places_on_the_way_hold():
    """A stroke on an open plane is a seed."""
    stroke = Stroke(np.array([[30.0, 10.0], [30.0, 60.0]]), positive=False)
    stack = stack_of(
        noisy(OBJECT_3D),
        {20: OBJECT_3D[20]},
        prompts=lambda i: PlanePrompts(strokes=(stroke,)) if i == 22 else PlanePrompts(),
    )
    steps = filled(stack)
    assert not steps[22].mask[30, 15:56].any()
    assert steps[22].mask[22].any()


# Blocks


def block_of(
    volume: np.ndarray, masks: dict[int, np.ndarray], indices: list[int], **options
) -> SeededBlock:
    answers = {i: Prediction.whole(mask.astype(np.float32)) for i, mask in masks.items()}
    return SeededBlock.around(stack_of(volume, masks, **options), answers, indices)


def test_a_block_holds_the_object_and_its_surroundings():
    block = block_of(bright(OBJECT_3D), {20: OBJECT_3D[20]}, [21, 22])
    assert block.indices == [20, 21, 22]
    assert (block.rows, block.columns) == ((0, 60), (0, 70))
    np.testing.assert_array_equal(block.labels[0] == OBJECT, OBJECT_3D[20])
    np.testing.assert_array_equal(block.labels[0] == BACKGROUND, ~OBJECT_3D[20])
    assert not block.labels[1:].any(), "the sides of a plane say nothing"
    assert block.pixels.shape == (3, 60, 70, 1)


def test_the_sides_of_a_block_inside_a_plane_are_background():
    small = ellipsoid(SHAPE[1:], (30, 35), (5, 5))
    block = block_of(bright(OBJECT_3D), {20: small}, [21])
    assert (block.rows, block.columns) == ((17, 44), (22, 49))
    edge = np.ones(block.labels[1].shape, bool)
    edge[1:-1, 1:-1] = False
    np.testing.assert_array_equal(block.labels[1] == BACKGROUND, edge)


def test_a_block_lies_around_an_answer_that_is_a_part_of_its_plane():
    part = Prediction(np.ones((5, 8), np.float32), (20, 25), (40, 48), 0.9)
    stack = stack_of(bright(OBJECT_3D), {20: OBJECT_3D[20]})
    block = SeededBlock.around(stack, {20: part}, [21])
    assert (block.rows, block.columns) == ((12, 33), (32, 56))


def test_the_side_of_a_block_at_the_side_of_its_plane_is_open():
    corner = ellipsoid(SHAPE[1:], (0, 35), (9, 5))
    block = block_of(bright(OBJECT_3D), {20: corner}, [21])
    assert block.rows[0] == 0
    assert not (block.labels[1, 0, 1:-1] == BACKGROUND).any()
    assert (block.labels[1, -1] == BACKGROUND).all()


@pytest.mark.parametrize("side", [300, 2000])
def test_large_surroundings_are_reduced_to_a_bounded_size(side):
    large = np.zeros((side, side), bool)
    large[side // 4 : -side // 4, side // 4 : -side // 4] = True
    block = block_of([bright(large)] * 9, {0: large}, list(range(1, 9)))
    assert block.labels.shape == (9, 96, 96)
    answer = block.answer(np.asarray(block.labels == OBJECT, np.float32), 0)
    assert iou(answer.paste(large.shape) > 0.5, large) > 0.97


def test_a_line_thinner_than_a_voxel_is_not_lost():
    line = np.zeros((1000, 1000), bool)
    line[100:900, 500] = True
    assert (block_of([bright(line)] * 2, {0: line}, [1]).labels[0] == OBJECT).any()


@pytest.mark.parametrize(
    ("step", "indices", "expected"),
    [(4.0, [21, 22], (4, 1, 2)), (0.25, [21, 22], (1, 4, 8)), (0.0, [21], (1, 1, 2))],
    ids=["thick", "thin", "time"],
)
def test_voxels_have_the_sides_of_the_volume(step, indices, expected):
    anchors = {20: OBJECT_3D[20]}
    block = block_of(bright(OBJECT_3D), anchors, indices, step=step, spacing=(1.0, 2.0))
    assert block.spacing == pytest.approx(expected)


def test_planes_that_are_left_out_count_as_distance():
    anchors = {10: OBJECT_3D[10], 19: OBJECT_3D[19]}
    block = block_of(bright(OBJECT_3D), anchors, [13, 16])
    assert block.spacing == pytest.approx((3, 1, 1))
