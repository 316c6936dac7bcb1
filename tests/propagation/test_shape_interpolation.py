from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from helpers import ellipsoid, iou
from napari_promptseg.propagation.shape_interpolation import ShapeInterpolation, signed_distance

SHAPE = (60, 80)
EMPTY, FULL = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
masks = arrays(bool, (9, 12))
spacings = st.tuples(st.floats(0.2, 5), st.floats(0.2, 5))


def disc(row: float, column: float, radius: float) -> np.ndarray:
    return ellipsoid(SHAPE, (row, column), (radius, radius))


def test_distances_are_positive_inside_and_in_units_of_the_spacing():
    mask = np.zeros((5, 9), bool)
    mask[:, 4:] = True
    row = signed_distance(mask, (1.0, 0.5))[2]
    np.testing.assert_allclose(row, [-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2, 2.5])


@given(masks, masks, spacings)
def test_the_ends_are_the_two_masks(first, last, spacing):
    between = ShapeInterpolation(first, last, spacing)
    np.testing.assert_array_equal(between.at(0), first)
    np.testing.assert_array_equal(between.at(1), last)


@given(masks, masks, spacings)
def test_what_neither_mask_is_near_stays_empty(first, last, spacing):
    """Nothing appears outside of the box around both."""
    middle = ShapeInterpolation(first, last, spacing).at(0.5)
    points = np.argwhere(first | last)
    outside = np.ones(first.shape, bool)
    if len(points):
        low, high = points.min(0), points.max(0) + 1
        outside[low[0] : high[0], low[1] : high[1]] = False
    assert not (middle & outside).any()


discs = st.builds(disc, st.integers(10, 50), st.integers(10, 70), st.integers(3, 20))


@given(discs, discs, st.sampled_from([0.13, 0.31, 0.47]))
def test_both_directions_agree(first, last, share):
    there = ShapeInterpolation(first, last).at(share)
    back = ShapeInterpolation(last, first).at(1 - share)
    assert np.count_nonzero(there ^ back) <= 0.02 * np.count_nonzero(first | last)


@given(masks, st.floats(0, 1))
def test_between_equal_masks_nothing_changes(mask, share):
    np.testing.assert_array_equal(ShapeInterpolation(mask, mask).at(share), mask)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_disc_grows_evenly(share):
    interpolation = ShapeInterpolation(disc(30, 40, 6), disc(30, 40, 18)).at(share)
    assert iou(interpolation, disc(30, 40, 6 + 12 * share)) > 0.95


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_disc_that_moves_is_moved(share):
    interpolation = ShapeInterpolation(disc(20, 20, 8), disc(40, 60, 8)).at(share)
    assert iou(interpolation, disc(20 + 20 * share, 20 + 40 * share, 8)) > 0.85


def test_the_overlap_is_that_of_the_moved_object():
    still, target = disc(20, 20, 8), disc(40, 60, 8)
    assert ShapeInterpolation(still, target).overlap == pytest.approx(1, abs=0.05)
    assert ShapeInterpolation(still, disc(20, 20, 16)).overlap == pytest.approx(0.25, abs=0.02)
    assert ShapeInterpolation(still, EMPTY).overlap == 0
    assert ShapeInterpolation(EMPTY, EMPTY).overlap == 1


def test_a_branch_that_ends_does_not_pull_the_other_along():
    both, one = disc(30, 20, 8) | disc(30, 60, 8), disc(30, 60, 8)
    interpolation = ShapeInterpolation(both, one).at(0.3)
    assert interpolation[30, 60]
    assert iou(interpolation[:, 40:], one[:, 40:]) > 0.95


def test_an_object_is_gone_half_way_to_an_empty_plane():
    between = ShapeInterpolation(disc(30, 40, 12), EMPTY)
    areas = [np.count_nonzero(between.at(share)) for share in (0.0, 0.2, 0.4, 0.5, 0.8, 1.0)]
    assert areas == sorted(areas, reverse=True)
    assert areas[2] > 0
    assert areas[3:] == [0, 0, 0]


def test_planes_without_a_border():
    assert not ShapeInterpolation(EMPTY, EMPTY).at(0.5).any()
    assert ShapeInterpolation(FULL, FULL).at(0.5).all()
    assert ShapeInterpolation(FULL, EMPTY).at(0.4).all()
    interpolation = ShapeInterpolation(disc(30, 40, 12), FULL).at(0.2)
    assert (interpolation >= disc(30, 40, 12)).all()
    assert 12**2 * np.pi < np.count_nonzero(interpolation) < interpolation.size


def test_spacing_decides_which_way_is_shorter():
    """Between two bars that meet in a corner, the coarse axis counts for more."""
    first, last = EMPTY.copy(), EMPTY.copy()
    first[20:40, 20:30] = True
    last[20:30, 20:60] = True
    tall, wide = (ShapeInterpolation(first, last, s).at(0.5) for s in ((1.0, 4.0), (4.0, 1.0)))
    assert not np.array_equal(tall, wide)
    _, pieces = ndimage.label(tall)
    assert pieces == 1
