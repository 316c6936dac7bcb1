"""Metrics against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_promptseg.measure.metrics import (
    Matches,
    boundary_f,
    boundary_iou,
    clicks_to,
    dice,
    iou,
    match_objects,
)


def square(low: int, high: int, size: int = 40) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[low:high, low:high] = True
    return mask


@pytest.mark.parametrize("metric", [iou, dice, boundary_iou, boundary_f])
def test_equal_and_empty_masks_are_perfect(metric):
    empty = np.zeros((40, 40), bool)
    assert metric(square(10, 20), square(10, 20)) == 1.0
    assert metric(empty, empty) == 1.0


@pytest.mark.parametrize("metric", [iou, dice, boundary_iou, boundary_f])
def test_disjoint_masks_score_nothing(metric):
    assert metric(square(2, 8), square(30, 38)) == 0.0
    assert metric(square(2, 8), square(0, 0)) == 0.0


def test_boundary_iou_punishes_a_border_error_that_iou_forgives():
    truth, prediction = square(20, 180, 200), square(18, 182, 200)
    assert iou(prediction, truth) > 0.95
    assert boundary_iou(prediction, truth) < iou(prediction, truth) - 0.3


def test_boundary_iou_compares_rims_of_the_given_width():
    # Rims of 3 pixels, one inside the other by one pixel: worked out by counting squares.
    truth, prediction = square(10, 30), square(9, 31)
    inner, outer = 20**2 - 14**2, 22**2 - 16**2
    shared = 20**2 - 16**2
    width = 3 / np.hypot(40, 40)
    assert boundary_iou(prediction, truth, width) == pytest.approx(
        shared / (inner + outer - shared)
    )


def test_boundary_f_forgives_borders_within_its_tolerance():
    truth, prediction = square(10, 30), square(9, 31)
    assert boundary_f(prediction, truth, 1 / np.hypot(40, 40)) > 0.9
    assert boundary_f(prediction, truth, 0.0) == 0.0


_masks = arrays(bool, (9, 12))


@given(_masks, _masks, st.integers(0, 3))
def test_boundary_metrics_are_bounded_and_know_no_direction(first, second, turns):
    for metric in (boundary_iou, boundary_f):
        value = metric(first, second)
        assert 0 <= value <= 1
        assert metric(second, first) == pytest.approx(value)
        rotated_value = metric(np.rot90(first, turns).copy(), np.rot90(second, turns).copy())
        assert rotated_value == pytest.approx(value)


@pytest.mark.parametrize(
    ("scores", "target", "expected"),
    [
        pytest.param([0.5, 0.86, 0.7, 0.9], 0.85, 2, id="first time counts"),
        pytest.param([0.5, 0.6], 0.85, 20, id="never reached"),
        pytest.param([], 0.85, 20, id="no click"),
        pytest.param([0.85], 0.85, 1, id="exactly"),
    ],
)
def test_clicks_to_a_quality(scores, target, expected):
    assert clicks_to(scores, target) == expected


def test_a_failure_counts_as_the_most_clicks():
    assert clicks_to([0.5, 0.6], 0.85, max_clicks=5) == 5
    assert clicks_to([0.5] * 9 + [0.9], 0.85, max_clicks=5) == 5


def test_an_object_has_to_exceed_the_iou_that_is_asked_for():
    truth = np.zeros((5, 9), int)
    truth[1, 1:5], truth[3, 2:7] = 3, 8
    half, more = np.zeros_like(truth), np.zeros_like(truth)
    half[1, 1:3] = 1  # 2 of 4
    more[1, 1:4] = 1  # 3 of 4
    assert match_objects(half, truth) == Matches(0, 1, 2)
    assert match_objects(more, truth) == Matches(1, 1, 2)
    assert match_objects(more, truth, 0.75) == Matches(0, 1, 2)
    assert match_objects(half, truth, 0.49) == Matches(1, 1, 2)


def test_objects_are_matched_with_what_they_share_most():
    truth = np.zeros((4, 12), int)
    truth[1, 0:5], truth[1, 5:12] = 1, 2
    predicted = np.zeros_like(truth)
    predicted[1, 3:12] = 7  # 2 of object 1, 7 of object 2: IoU 7 / 9
    predicted[3, 0:2] = 4
    assert match_objects(predicted, truth) == Matches(1, 2, 2)
