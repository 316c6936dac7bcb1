from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.models.encoding.seeds import Seeds, draw_seeds

SHAPE = (50, 60)


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


def test_no_prompt_leaves_everything_open() -> None:
    seeds = draw_seeds(PlanePrompts(), None, SHAPE)
    assert not (seeds.foreground | seeds.background | seeds.likely).any()


def test_outside_of_a_box_is_background_and_inside_is_likely() -> None:
    seeds = draw_seeds(PlanePrompts(regions=(box_region((10, 10), (20, 30)),)), None, SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[10:21, 10:31] = True
    np.testing.assert_array_equal(seeds.likely, expected)
    np.testing.assert_array_equal(seeds.background, ~expected)
    assert not seeds.foreground.any()


def test_two_boxes_hold_the_object_together() -> None:
    boxes = (box_region((5, 5), (15, 15)), box_region((30, 30), (40, 40)))
    seeds = draw_seeds(PlanePrompts(regions=boxes), None, SHAPE)
    assert seeds.likely[10, 10]
    assert seeds.likely[35, 35]
    assert seeds.background[22, 22]


def test_a_click_outside_of_the_box_wins_over_it() -> None:
    prompts = PlanePrompts((click(40, 50),), (box_region((10, 10), (20, 30)),))
    seeds = draw_seeds(prompts, None, SHAPE)
    assert seeds.foreground[40, 50]
    assert not seeds.background[40, 50]


def test_the_last_of_two_strokes_wins() -> None:
    seeds = draw_seeds(PlanePrompts((click(20, 20), click(20, 20, False))), None, SHAPE)
    assert seeds.background[20, 20]
    assert not seeds.foreground[20, 20]


def test_a_lone_click_expects_an_object_around_it() -> None:
    seeds = draw_seeds(PlanePrompts((click(25, 30),)), None, SHAPE)
    assert seeds.likely[25, 34]
    assert seeds.likely.sum() < 0.1 * seeds.likely.size


def test_a_prior_alone_may_grow_and_shrink_a_little() -> None:
    prior = np.zeros(SHAPE, bool)
    prior[10:40, 10:40] = True
    seeds = draw_seeds(PlanePrompts(), prior, SHAPE)
    assert seeds.foreground[25, 25]
    assert seeds.background[48, 55]
    assert not seeds.foreground[10, 10]
    assert not seeds.background[9, 25]


def test_a_tiny_prior_stays_as_it_is() -> None:
    prior = np.zeros(SHAPE, bool)
    prior[10:12, 10:12] = True
    assert draw_seeds(PlanePrompts(), prior, SHAPE).foreground[prior].all()


@pytest.mark.parametrize("prior", [None, np.zeros(SHAPE, bool)], ids=["none", "empty"])
def test_an_empty_prior_says_nothing(prior: np.ndarray | None) -> None:
    seeds = draw_seeds(PlanePrompts(), prior, SHAPE)
    assert not (seeds.foreground | seeds.background | seeds.likely).any()


_positions = st.tuples(st.floats(-5, 54), st.floats(-5, 64))
_strokes = st.builds(
    Stroke,
    st.lists(_positions, min_size=1, max_size=3).map(lambda p: np.array(p)),
    st.booleans(),
    st.floats(1, 9),
)
_regions = st.one_of(
    st.builds(box_region, _positions, _positions, st.booleans()),
    st.builds(
        Region,
        st.lists(_positions, min_size=3, max_size=5).map(lambda p: np.array(p)),
        st.booleans(),
    ),
)


@given(st.lists(_strokes, max_size=3), st.lists(_regions, max_size=3), st.booleans())
def test_seeds_never_contradict_each_other(strokes, regions, with_prior: bool) -> None:
    prior = None
    if with_prior:
        prior = np.zeros(SHAPE, bool)
        prior[20:30, 5:50] = True
    seeds = draw_seeds(PlanePrompts(tuple(strokes), tuple(regions)), prior, SHAPE)
    assert not (seeds.foreground & seeds.background).any()
    assert not (seeds.likely & seeds.background).any()
    for shape in ((25, 30), (7, 60)):
        fewer = seeds.reduced(shape)
        assert fewer.foreground.shape == shape
        assert not (fewer.foreground & fewer.background).any()
        assert not (fewer.likely & fewer.background).any()
        assert fewer.foreground.any() == seeds.foreground.any()


def test_a_reduced_plane_keeps_a_thin_stroke() -> None:
    thin = np.zeros((400, 400), bool)
    thin[200, 100:300] = True
    empty = np.zeros_like(thin)
    fewer = Seeds(thin, ~thin, empty).reduced((50, 50))
    assert fewer.foreground[:, 20:30].any()
    assert fewer.background[10, 10]
