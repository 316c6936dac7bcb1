"""Crops of a large plane that are looked at, and the changes that an answer for one makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_promptseg.data.geometry import Crop
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.session.regions_of_interest import PlaneAnswer, crop_around

SHAPE = (100_000, 80_000)
places = st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1))


def click(place, step=1) -> PlanePrompts:
    return PlanePrompts((Stroke(np.array([place], float)),), step=step)


@settings(deadline=None)
@given(places, st.sampled_from([1, 2, 8, 64]))
def test_the_surroundings_of_a_click_are_seen_as_closely_as_the_user_looks(place, step) -> None:
    crop = crop_around(SHAPE, click(place, step), click(place, step), None)
    assert crop.step == step
    assert max(crop.shape) <= 4096
    for at, (start, stop), size in zip(place, (crop.rows, crop.columns), SHAPE, strict=True):
        assert start % step == 0
        assert 0 <= start <= at < stop <= size
        has_margin = min(at - start, stop - at) >= 512 * step
        assert has_margin or start == 0 or stop == size


@given(places, places)
def test_what_spans_much_is_seen_from_farther_away(one, other) -> None:
    low, high = np.minimum(one, other), np.maximum(one, other) + 10
    box = PlanePrompts(regions=(box_region(tuple(low - 0.5), tuple(high - 0.5)),))
    crop = crop_around(SHAPE, box, box, None)
    assert max(crop.shape) <= 4096 + 2 * 256
    for start, stop, (first, last) in zip(low, high, (crop.rows, crop.columns), strict=True):
        assert first <= start
        assert min(stop, last) == stop or last in SHAPE


def test_a_correction_of_a_large_object_looks_at_its_place_alone() -> None:
    extent = (0, 50_000), (0, 50_000)
    first, second = click((20_000, 20_000), 32), click((100, 300))
    both = PlanePrompts((*first.strokes, *second.strokes), step=1)
    crop = crop_around(SHAPE, both, second, extent)
    assert crop.step == 1
    assert crop.rows[1] < 4096
    crop_prompts = both.cropped(crop)
    assert len(crop_prompts.strokes) == 1
    near = crop_around(SHAPE, second, second, ((90, 120), (290, 310)))
    assert near == crop_around(SHAPE, second, second, None), "the same again, so it is kept"


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([1, 2, 4]), st.data())
def test_parts_of_an_answer_are_those_of_the_plane(row, column, step, data) -> None:
    mask = np.random.default_rng(row + column).random((5, 7)) > 0.5
    plane = np.zeros((64, 64), bool)
    block = np.kron(mask, np.ones((step, step), bool))
    plane[row : row + 5 * step, column : column + 7 * step] = block[: 64 - row, : 64 - column]
    answer = PlaneAnswer(mask, (row, column), step)
    rows, columns = (
        tuple(sorted(data.draw(st.tuples(st.integers(0, 64), st.integers(0, 64)))))
        for _ in range(2)
    )
    np.testing.assert_array_equal(answer.part(rows, columns), plane[slice(*rows), slice(*columns)])
    (top, bottom), (left, right) = answer.box((64, 64))
    assert plane[top:bottom, left:right].sum() == plane.sum()


def test_an_answer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        PlaneAnswer(np.zeros((5, 5), bool), (3, 0)).box((7, 9))


def test_prompts_of_a_crop_are_in_its_pixels() -> None:
    prompts = click((103.5, 207.5), 4)
    crop_prompts = prompts.cropped(Crop((96, 160), (200, 264), 4))
    np.testing.assert_allclose(crop_prompts.strokes[0].path, [[1.5, 1.5]])
    assert not prompts.cropped(Crop((160, 224), (200, 264), 4)).strokes
