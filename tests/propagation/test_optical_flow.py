from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import ToyBackend, ellipsoid, iou, plane_image
from napari_promptseg.propagation import optical_flow
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.optical_flow import FlowWarp

SHAPE = (90, 110)
rng = np.random.default_rng(3)
TEXTURE = cv2.GaussianBlur(rng.integers(0, 255, SHAPE).astype(np.float32), (0, 0), 2.5)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
OBJECT = ellipsoid(SHAPE, (40, 45), (16, 20))


def moved(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(
        values, matrix, SHAPE[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def film_of(matrices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    images = [moved(TEXTURE, m) for m in matrices]
    masks = [moved(OBJECT.astype(np.float32), m) > 0.5 for m in matrices]
    return np.rint(images).astype(np.uint8), np.array(masks)


def filled(film: np.ndarray, anchors: dict[int, np.ndarray]) -> dict[int, PlanePrediction]:
    stack = Stack(lambda i: plane_image(film[i]), anchors, 0, len(film), step=0.0)
    return {step.index: step for step in FlowWarp(ToyBackend()).fill(stack)}


@settings(max_examples=8)
@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.97, 1.03))
def test_motion_is_followed(down, right, degrees, growth):
    """Four frames of an even motion, turning and growing around the object."""
    matrices = []
    for frame in range(4):
        matrix = cv2.getRotationMatrix2D((45.0, 40.0), frame * degrees, growth**frame)
        matrix[:, 2] += frame * np.array([right, down])
        matrices.append(matrix)
    film, truth = film_of(matrices)
    steps = filled(film, {0: truth[0]})
    assert min(iou(steps[i].mask, truth[i]) for i in (1, 2, 3)) > 0.85
    assert steps[3].confidence > 0.6


def test_nothing_moves_in_a_still_film():
    film, truth = film_of([np.eye(2, 3)] * 5)
    for step in filled(film, {2: truth[2]}).values():
        np.testing.assert_array_equal(step.mask, truth[0])
        assert step.confidence == pytest.approx(1)


def test_where_the_image_changes_altogether_it_is_unsure():
    film, truth = film_of([np.eye(2, 3)] * 5)
    film[3:] = np.random.default_rng(9).integers(0, 255, film[3:].shape)
    steps = filled(film, {0: truth[0]})
    assert steps[2].confidence > 0.95
    assert steps[3].confidence < 0.5
    assert steps[4].confidence <= steps[3].confidence


def test_between_two_anchors_both_have_their_say():
    """In an image that tells nothing, the shapes are interpolated."""
    small, large = (ellipsoid(SHAPE, (40, 45), (r, r)) for r in (8, 20))
    film = np.zeros((9, *SHAPE), np.uint8)
    steps = filled(film, {0: small, 8: large})
    areas = [steps[i].mask.sum() for i in range(1, 8)]
    assert areas == sorted(areas)
    assert small.sum() < areas[0] < areas[-1] < large.sum() + 1


def test_large_surroundings_are_reduced():
    """Of a plane of 1200 pixels the flow of 480 is measured, and is right all the same."""
    big = cv2.resize(TEXTURE, (1200, 1000), interpolation=cv2.INTER_CUBIC)
    film = np.stack([np.roll(big, 6 * frame, 1) for frame in range(2)]).clip(0, 255)
    truth = ellipsoid(big.shape, (500, 560), (300, 320))
    stack = Stack(lambda i: plane_image(film[i].astype(np.uint8)), {0: truth}, 0, 2, step=0.0)
    (step,) = FlowWarp(ToyBackend()).fill(stack)
    assert iou(step.mask, np.roll(truth, 6, 1)) > 0.98


def test_planes_are_read_a_few_times_at_most():
    film, truth = film_of([np.eye(2, 3)] * 12)
    reads = []

    def read(index: int):
        reads.append(index)
        return plane_image(film[index])

    list(FlowWarp(ToyBackend()).fill(Stack(read, {5: truth[5]}, 0, 12)))
    assert sorted(reads) == list(range(12))


@pytest.mark.parametrize(("error", "agrees"), [(0.0, 1.0), (1.4, 1.0), (1.6, 0.0)])
def test_the_tolerance_of_the_round_trip_is_that_of_its_source(error, agrees):
    # A hundredth of the squared lengths, and a half: 2.35 of 1.96, then 2.33 of 2.56.
    back = np.broadcast_to(np.float32([6, 8]), (30, 40, 2))
    there = np.broadcast_to(np.float32([error - 6, -8]), back.shape)
    assert optical_flow._agreement(back, there)[5, 9] == agrees
