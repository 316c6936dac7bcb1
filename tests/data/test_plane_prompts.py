from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.data.geometry import Crop, Plane
from napari_promptseg.data.masks import pack_mask
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    TextPrompt,
)

PLANE = Plane((2, None, None))


def test_only_the_prompts_of_the_plane_are_gathered_and_flattened_in_order() -> None:
    prompts = [
        TextPrompt("painted over", PLANE.index),
        pack_mask(PLANE, np.ones((9, 9), bool)),
        PointPrompt((2.0, 3.0, 4.0)),
        PointPrompt((3.0, 9.0, 9.0)),
        ScribblePrompt(((2.0, 1.0, 1.0), (2.2, 5.0, 6.0)), False, 4.0),
        LassoPrompt(((2.0, 0.0, 0.0), (2.0, 5.0, 0.0), (2.0, 0.0, 5.0)), False),
        BoxPrompt((1.0, 2.0, 3.0), (3.0, 6.0, 8.0)),
        PointPrompt((2.0, 3.0, 4.0), True, "y"),
        TextPrompt("first", PLANE.index),
        TextPrompt("last", PLANE.index),
        TextPrompt("elsewhere", (1, None, None)),
    ]
    plane_prompts = PlanePrompts.collect(prompts, PLANE, "zyx")
    click, scribble = plane_prompts.strokes
    assert (click.path.tolist(), click.positive) == ([[3.0, 4.0]], True)
    assert scribble.path.tolist() == [[1.0, 1.0], [5.0, 6.0]]
    assert (scribble.positive, scribble.width) == (False, 4.0)
    lasso, box = plane_prompts.regions
    assert (lasso.box, lasso.positive, len(lasso.vertices)) == (False, False, 3)
    assert box.vertices.tolist() == [[2.0, 3.0], [2.0, 8.0], [6.0, 8.0], [6.0, 3.0]]
    assert (box.box, box.positive) == (True, True)
    assert plane_prompts.text == "last"
    assert PlanePrompts.collect(prompts[:2], PLANE, "zyx").text is None


def test_a_sagittal_plane_has_its_own_rows_and_columns() -> None:
    plane_prompts = PlanePrompts.collect(
        [PointPrompt((2.0, 3.0, 4.0), True, "x")], Plane((None, None, 4)), "zyx"
    )
    assert plane_prompts.strokes[0].path.tolist() == [[2.0, 3.0]]


def test_prompts_are_true_where_there_is_one_and_masks_do_not_count() -> None:
    assert not PlanePrompts()
    assert not PlanePrompts.collect([pack_mask(PLANE, np.ones((9, 9), bool))], PLANE, "zyx")
    assert PlanePrompts(regions=(box_region((0, 0), (1, 1)),))
    assert PlanePrompts(text="cell")


@pytest.mark.parametrize(
    ("position", "stays"),
    [
        *[((9.1, 9), True), ((9.0, 9), False), ((19.9, 9), True), ((20.0, 9), False)],
        *[((12, 5.1), True), ((12, 5.0), False), ((12, 29.9), True), ((12, 30.0), False)],
    ],
    ids=str,
)
def test_strokes_a_pixel_or_more_outside_of_a_crop_are_left_out(position, stays: bool) -> None:
    prompts = PlanePrompts((Stroke(np.array([position], float)),))
    strokes = prompts.cropped(Crop((10, 20), (6, 30))).strokes
    assert [s.path.tolist() for s in strokes] == [[[position[0] - 10, position[1] - 6]]] * stays


def test_strokes_and_regions_are_on_the_object_unless_it_is_said() -> None:
    assert Stroke(np.zeros((1, 2))).positive
    assert Region(np.zeros((3, 2))).positive
    assert not Region(np.zeros((3, 2))).box


def test_a_single_click_is_one_positive_point_and_nothing_else() -> None:
    point = np.array([[4.0, 7.0]])
    path = np.array([[4.0, 7.0], [5.0, 9.0]])
    click = Stroke(point)
    assert PlanePrompts((click,)).is_single_click
    assert PlanePrompts((click,), choice=2).is_single_click
    others = [
        PlanePrompts(),
        PlanePrompts((Stroke(point, False),)),
        PlanePrompts((Stroke(path),)),
        PlanePrompts((click, click)),
        PlanePrompts((click,), (box_region((1, 2), (8, 9)),)),
    ]
    assert not any(prompts.is_single_click for prompts in others)
