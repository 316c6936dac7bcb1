from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from helpers import ellipsoid, iou
from napari_promptseg.simulation.clicks import (
    bounding_box,
    box_around,
    click_inside,
    corrective_click,
    disturb,
    lasso_around,
    main_axis,
    next_click,
    scribble_along,
    spoil,
)

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import Stroke

SHAPE = (60, 80)
EMPTY = np.zeros(SHAPE, bool)


def block(rows: slice, columns: slice) -> np.ndarray:
    mask = EMPTY.copy()
    mask[rows, columns] = True
    return mask


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """One to three ellipses, some of them cut by the border."""
    mask = EMPTY.copy()
    for _ in range(draw(st.integers(1, 3))):
        centre = draw(st.integers(0, 59)), draw(st.integers(0, 79))
        mask |= ellipsoid(SHAPE, centre, (draw(st.integers(1, 20)), draw(st.integers(1, 20))))
    return mask


seeds = st.integers(0, 2**32 - 1)


def pixel(click: Stroke) -> tuple[int, int]:
    ((row, column),) = np.rint(click.path).astype(int)
    return row, column


# The robot user


def test_the_first_click_is_the_centre_of_the_object() -> None:
    truth = block(slice(10, 31), slice(20, 61))
    click = next_click(EMPTY, truth)
    assert click is not None
    (row, column), positive = click
    assert positive
    assert row == 20
    assert 30 <= column <= 50


def test_the_larger_error_is_clicked_first_whatever_its_sign() -> None:
    truth = block(slice(10, 40), slice(10, 40))
    partial = truth.copy()
    partial[10:19] = False
    assert next_click(partial, truth) == ((14, 14), True)
    excess = partial | block(slice(0, 60), slice(50, 71))
    assert next_click(excess, truth) == ((10, 60), False)


def test_the_farthest_pixel_counts_not_the_number_of_pixels() -> None:
    truth = block(slice(0, 60), slice(0, 4)) | block(slice(20, 31), slice(40, 51))
    assert next_click(EMPTY, truth) == ((25, 45), True)


def test_of_equal_errors_the_missed_one_is_clicked() -> None:
    truth, predicted = block(slice(5, 16), slice(5, 16)), block(slice(30, 41), slice(40, 51))
    assert next_click(predicted, truth) == ((10, 10), True)


def test_the_border_of_the_image_is_a_border_of_the_region() -> None:
    truth = block(slice(0, 11), slice(0, 11))
    assert next_click(EMPTY, truth) == ((5, 5), True)


def test_ignored_pixels_do_not_count() -> None:
    truth = block(slice(10, 21), slice(10, 61))
    ignored = block(slice(0, 60), slice(0, 50))
    click = next_click(EMPTY, truth, ignored)
    assert click == ((15, 55), True)
    assert next_click(EMPTY, truth, truth) is None


def test_nothing_wrong_is_nothing_to_click() -> None:
    truth = block(slice(10, 21), slice(10, 61))
    assert next_click(truth, truth) is None
    assert next_click(EMPTY, EMPTY) is None


def test_a_single_wrong_pixel_is_clicked() -> None:
    truth = EMPTY.copy()
    truth[59, 79] = True
    assert next_click(EMPTY, truth) == ((59, 79), True)


@given(masks(), masks())
def test_the_robot_always_clicks_an_error_of_the_sign_it_says(predicted, truth) -> None:
    click = next_click(predicted, truth)
    assert (click is None) == np.array_equal(predicted, truth)
    if click is not None:
        position, positive = click
        assert truth[position] == positive
        assert predicted[position] != positive


# Simulated users


@given(masks(), seeds, st.floats(0, 1))
def test_a_click_falls_inside(mask: np.ndarray, seed: int, centred: float) -> None:
    click = click_inside(mask, np.random.default_rng(seed), centred)
    assert click is not None
    assert click.positive
    assert mask[pixel(click)]


@given(masks(), masks(), seeds)
def test_a_correction_falls_on_an_error_of_its_sign(predicted, truth, seed: int) -> None:
    click = corrective_click(predicted, truth, np.random.default_rng(seed))
    assert (click is None) == np.array_equal(predicted, truth)
    if click is not None:
        assert truth[pixel(click)] == click.positive
        assert predicted[pixel(click)] != click.positive


@given(masks(), seeds)
def test_a_box_is_near_the_sides_of_the_mask(mask: np.ndarray, seed: int) -> None:
    region = box_around(mask, np.random.default_rng(seed), jitter=0.05)
    row0, column0, row1, column1 = bounding_box(mask)
    slack = 0.05 * np.array([row1 - row0, column1 - column0]) + 1e-9
    low, high = region.vertices.min(0), region.vertices.max(0)
    assert (abs(low - (row0 - 0.5, column0 - 0.5)) <= slack).all()
    assert (abs(high - (row1 - 0.5, column1 - 0.5)) <= slack).all()
    assert region.positive


@given(masks(), seeds)
def test_a_scribble_stays_near_the_middle_of_the_mask(mask: np.ndarray, seed: int) -> None:
    scribble = scribble_along(mask, np.random.default_rng(seed))
    if scribble is None:
        return
    assert scribble.positive
    assert len(scribble.path) >= 2
    assert 3 <= scribble.width < 10
    outside = ndimage.distance_transform_edt(~mask)
    rows, columns = np.clip(np.rint(scribble.path), 0, np.array(SHAPE) - 1).astype(int).T
    assert outside[rows, columns].max() < 4, "jitter of 0.7 pixels"
    assert np.median(outside[rows, columns]) <= 1


@given(masks(), seeds)
def test_a_lasso_goes_around_one_component(mask: np.ndarray, seed: int) -> None:
    lasso = lasso_around(mask, np.random.default_rng(seed))
    if lasso is None:
        return
    assert lasso.positive
    assert not lasso.box
    near = ndimage.distance_transform_edt(~mask)
    inside = np.clip(np.rint(lasso.vertices), 0, np.array(SHAPE) - 1).astype(int)
    assert near[tuple(inside.T)].max() < 25


def test_a_lasso_holds_most_of_a_round_object(rng: np.random.Generator) -> None:
    from napari_promptseg.models.encoding.prompt_maps import fill_region

    truth = ellipsoid(SHAPE, (30, 40), (15, 20))
    for _ in range(20):
        lasso = lasso_around(truth, rng)
        assert lasso is not None
        area = np.zeros(SHAPE, np.uint8)
        fill_region(area, lasso)
        assert (truth & (area > 0)).sum() > 0.85 * truth.sum()
        assert area.sum() < 1.6 * truth.sum()


def test_the_main_axis_runs_from_tip_to_tip_without_branches() -> None:
    cross = EMPTY.copy()
    cross[28:33, 5:75] = True
    cross[20:40, 38:43] = True
    axis = main_axis(cross)
    assert np.abs(np.diff(axis, axis=0)).max() == 1, "a path of neighbours"
    assert np.ptp(axis[:, 1]) > 60
    assert np.ptp(axis[:, 0]) <= 4


@given(masks(), st.integers(0, 10_000))
def test_the_main_axis_is_a_path_within_the_mask(mask: np.ndarray, seed: int) -> None:
    axis = main_axis(mask, seed)
    assert mask[axis[:, 0], axis[:, 1]].all()
    assert len(np.unique(axis, axis=0)) == len(axis) >= 1
    assert (np.abs(np.diff(axis, axis=0)).max(1, initial=1) == 1).all()


@given(masks(), seeds)
def test_a_disturbed_mask_is_of_the_same_kind(mask: np.ndarray, seed: int) -> None:
    disturbed = disturb(mask, np.random.default_rng(seed))
    assert disturbed.shape == mask.shape
    assert disturbed.dtype == np.bool_


def test_a_disturbed_mask_still_lies_on_the_object(rng: np.random.Generator) -> None:
    truth = ellipsoid(SHAPE, (30, 40), (15, 20))
    overlaps = [iou(disturb(truth, rng), truth) for _ in range(30)]
    assert min(overlaps) > 0.3
    assert np.median(overlaps) > 0.6
    assert len({round(o, 6) for o in overlaps}) > 20, "each time in another way"


def test_a_disturbed_mask_moves_by_a_share_of_its_size_along_each_axis() -> None:
    """An object six times as wide as high, off the centre: it moves as much more sideways."""
    truth = np.zeros((70, 150), bool)
    truth[20:30, 50:110] = True
    rng = np.random.default_rng(7)
    centres = np.array([np.argwhere(disturb(truth, rng)).mean(0) for _ in range(80)])
    down, right = centres.std(0)
    assert 0.3 < down < 1.2
    assert 2.5 < right < 5.0
    np.testing.assert_allclose(centres.mean(0), [24.5, 79.5], atol=1.2)


def test_the_same_seed_has_the_same_user() -> None:
    truth = ellipsoid(SHAPE, (30, 40), (15, 20))
    for simulate in (click_inside, box_around, scribble_along, lasso_around, disturb):
        first, second = (simulate(truth, np.random.default_rng(5)) for _ in range(2))
        first, second = (getattr(r, "path", getattr(r, "vertices", r)) for r in (first, second))
        np.testing.assert_array_equal(first, second)


def test_an_empty_mask_has_no_user(rng: np.random.Generator) -> None:
    assert click_inside(EMPTY, rng) is None
    assert corrective_click(EMPTY, EMPTY, rng) is None
    for simulate in (box_around, scribble_along, lasso_around, disturb):
        with pytest.raises(ValueError, match="empty mask"):
            simulate(EMPTY, rng)


def test_a_tiny_mask_is_no_trouble(rng: np.random.Generator) -> None:
    tiny = EMPTY.copy()
    tiny[0, 0] = True
    assert scribble_along(tiny, rng) is None
    lasso_around(tiny, rng)
    disturb(tiny, rng)
    click = click_inside(tiny, rng, 0.0)
    assert click is not None
    assert pixel(click) == (0, 0)


def test_a_spoilt_mask_has_leaked_along_similar_grey_or_is_a_part() -> None:
    mask = np.zeros((50, 70), bool)
    mask[10:30, 20:40] = True
    image = np.full(mask.shape, 0.9, np.float32)
    image[10:30, 20:60] = 0.3  # what it may leak into
    rng = np.random.default_rng(3)
    spoilt = [spoil(mask, image, rng) for _ in range(40)]
    parts = [s for s in spoilt if not (s & ~mask).any()]
    leaks = [s for s in spoilt if (s & ~mask).any()]
    assert parts
    assert leaks
    assert all(0.2 < s.sum() / mask.sum() <= 1 for s in parts)
    assert all((s >= mask).all() and not s[35:].any() and not s[:10].any() for s in leaks)


def test_what_does_not_count_is_not_clicked() -> None:
    truth = np.zeros((30, 40), bool)
    truth[5:25, 5:15] = truth[10:14, 30:34] = True
    valid = np.ones_like(truth)
    valid[:, :20] = False
    for seed in range(10):
        click = corrective_click(truth & False, truth, np.random.default_rng(seed), valid)
        assert click is not None
        assert click.path[0, 1] >= 30
