"""Prompts as clicks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.models.encoding.clicks import component_centres, positions_along, to_clicks

SHAPE = (60, 80)


def stroke(*path: tuple[float, float], positive: bool = True) -> Stroke:
    return Stroke(np.array(path, float), positive)


def test_clicks_stay_as_they_are() -> None:
    prompts = PlanePrompts((stroke((3, 4)), stroke((9.5, 8), positive=False)))
    clicks = to_clicks(prompts, SHAPE)
    assert clicks.positive == [(3, 4)]
    assert clicks.negative == [(9.5, 8)]


@given(st.lists(st.tuples(st.floats(0, 59), st.floats(0, 79)), min_size=2, max_size=9))
@settings(max_examples=50, deadline=None)
def test_clicks_of_a_scribble_lie_on_it(path) -> None:
    places = positions_along(stroke(*path))
    assert 1 <= len(places) <= 5
    corners = np.array(path)
    for place in places:
        starts, steps = corners[:-1], np.diff(corners, axis=0)
        share = ((np.array(place) - starts) * steps).sum(1) / np.maximum((steps**2).sum(1), 1e-12)
        nearest = starts + np.clip(share, 0, 1)[:, None] * steps
        assert np.hypot(*(nearest - place).T).min() < 1e-6


def test_a_long_scribble_is_clicked_from_end_to_end() -> None:
    places = positions_along(stroke((10, 0), (10, 70)))
    assert places == [(10, 0), (10, 17.5), (10, 35), (10, 52.5), (10, 70)]


def test_a_box_is_its_middle_and_the_background_around() -> None:
    clicks = to_clicks(PlanePrompts(regions=(box_region((20, 20), (40, 60)),)), SHAPE)
    ((row, column),) = clicks.positive
    assert 28 <= row <= 32
    assert 28 <= column <= 52
    assert len(clicks.negative) == 4
    assert all(not (20 <= r <= 40 and 20 <= c <= 60) for r, c in clicks.negative)


def test_no_click_lies_outside_of_the_plane() -> None:
    clicks = to_clicks(PlanePrompts(regions=(box_region((0, 0), (59, 79)),)), SHAPE)
    assert not clicks.negative


def test_a_negative_region_is_one_negative_click() -> None:
    triangle = Region(np.array([[5, 5], [5, 25], [25, 5]], float), positive=False)
    clicks = to_clicks(PlanePrompts(regions=(triangle,)), SHAPE)
    assert not clicks.positive
    ((row, column),) = clicks.negative
    assert 5 < row < 15
    assert 5 < column < 15


@pytest.mark.parametrize("has_click", [False, True])
def test_a_prior_counts_where_nothing_was_said(has_click: bool) -> None:
    prior = np.zeros(SHAPE, bool)
    prior[10:20, 10:20] = prior[40:48, 50:58] = True
    prompts = PlanePrompts((stroke((15, 15)),)) if has_click else PlanePrompts()
    clicks = to_clicks(prompts, SHAPE, prior)
    assert len(clicks.positive) == (1 if has_click else 2)
    assert all(prior[round(r), round(c)] for r, c in clicks.positive)


def test_small_pieces_of_a_mask_get_no_click() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[10:30, 10:30] = True
    mask[50, 70] = True
    assert len(component_centres(mask)) == 1
    assert not to_clicks(PlanePrompts(), SHAPE, np.zeros(SHAPE, bool)).positive
