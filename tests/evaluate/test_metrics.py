"""Metrics against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.evaluate.metrics import boundary_f, boundary_iou, clicks_to, dice, iou


def square(low: int, high: int, size: int = 40) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[low:high, low:high] = True
    return mask


def test_iou_and_dice_of_shifted_squares():
    a, b = square(10, 20), square(15, 25)
    assert iou(a, b) == pytest.approx(25 / 175)
    assert dice(a, b) == pytest.approx(50 / 200)


def test_ignored_pixels_do_not_count():
    a, b = square(10, 20), square(15, 25)
    assert iou(a, b, ignored=a ^ b) == 1.0


@pytest.mark.parametrize("metric", [iou, dice, boundary_iou, boundary_f])
def test_equal_and_empty_masks_are_perfect(metric):
    empty = np.zeros((40, 40), bool)
    assert metric(square(10, 20), square(10, 20)) == 1.0
    assert metric(empty, empty) == 1.0


@pytest.mark.parametrize("metric", [iou, dice, boundary_iou, boundary_f])
def test_disjoint_masks_score_nothing(metric):
    assert metric(square(2, 8), square(30, 38)) == 0.0


def test_boundary_iou_punishes_a_border_error_that_iou_forgives():
    truth, grown = square(20, 180, 200), square(18, 182, 200)
    assert iou(grown, truth) > 0.95
    assert boundary_iou(grown, truth) < iou(grown, truth) - 0.3


def test_boundary_iou_compares_rims_of_the_given_width():
    # Rims of 3 pixels, one inside the other by one pixel: worked out by counting squares.
    truth, grown = square(10, 30), square(9, 31)
    inner, outer = 20**2 - 14**2, 22**2 - 16**2
    shared = 20**2 - 16**2
    width = 3 / np.hypot(40, 40)
    assert boundary_iou(grown, truth, width) == pytest.approx(shared / (inner + outer - shared))


@pytest.mark.parametrize(
    ("ious", "target", "expected"),
    [
        pytest.param([0.5, 0.86, 0.7, 0.9], 0.85, 2, id="first time counts"),
        pytest.param([0.5, 0.6], 0.85, 20, id="never reached"),
        pytest.param([], 0.85, 20, id="no click"),
        pytest.param([0.85], 0.85, 1, id="exactly"),
    ],
)
def test_clicks_to_a_quality(ious, target, expected):
    assert clicks_to(ious, target) == expected
