from __future__ import annotations

import numpy as np

from helpers import ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.batching import Query
from napari_promptseg.wrappers.focus import focus, with_neighbors
from napari_promptseg.wrappers.zoom import ZoomIn


def click(row: float, column: float) -> PlanePrompts:
    return PlanePrompts((Stroke(np.array([[row, column]])),))


def test_the_focus_grows_with_the_distance_of_the_nearest_prompt() -> None:
    boxes = focus([click(50, 50), click(50, 70), click(150, 250)], (1.0, 1.0), (900, 900))
    (rows, columns), _, far = boxes
    assert (rows[0] + rows[1] - 1) / 2 == 50
    assert 40 < columns[1] - columns[0] < 60
    assert far is not None
    assert far[0][1] - far[0][0] > 5 * (rows[1] - rows[0])


def test_the_focus_is_square_in_space() -> None:
    rows, columns = focus([click(50, 50), click(50, 70)], (1.0, 0.25), (400, 600))[0]
    assert abs((columns[1] - columns[0]) - 4 * (rows[1] - rows[0])) <= 12


def test_a_prompt_alone_or_far_from_others_has_no_focus() -> None:
    assert focus([click(5, 5)], (1.0, 1.0), (90, 90)) == [None]
    assert focus([click(5, 5), click(80, 80)], (1.0, 1.0), (90, 90)) == [None, None]


def test_the_nearest_prompts_are_neighbors() -> None:
    box = PlanePrompts(regions=(box_region((10, 10), (20, 30)),))
    objects = [click(15, 40), box, *(click(90, 10 * i) for i in range(5))]
    first = with_neighbors(objects, (1.0, 1.0))[0]
    places = [tuple(stroke.path[0]) for stroke in first.neighbors]
    assert places[0] == (15, 20)
    assert len(places) == 4
    assert not any(stroke.positive for stroke in first.neighbors)
    assert first.strokes == objects[0].strokes
    assert with_neighbors([click(3, 3)], (1.0, 1.0))[0].neighbors == ()


def test_a_prompt_is_no_neighbor_of_one_on_the_same_pixel() -> None:
    (first, _) = with_neighbors([click(3, 3), click(3, 3)], (1.0, 1.0))
    assert first.neighbors == ()


def test_the_first_look_is_at_the_focus() -> None:
    toy, disc = ToyBackend(), ellipsoid((500, 600), (200, 300), (40, 40))
    query = Query(plane_image(bright(disc)), click(200, 300), focus=((140, 261), (240, 361)))
    (answer,) = ZoomIn(toy).predict_many([query])
    assert toy.looks == [(121, 121)]
    np.testing.assert_array_equal(answer.paste(disc.shape) > 0.5, disc)


def test_a_focus_that_cuts_the_object_is_widened() -> None:
    toy, disc = ToyBackend(), ellipsoid((500, 600), (200, 300), (90, 130))
    query = Query(plane_image(bright(disc)), click(200, 300), focus=((150, 250), (250, 350)))
    (answer,) = ZoomIn(toy).predict_many([query])
    assert len(toy.looks) > 1
    np.testing.assert_array_equal(answer.paste(disc.shape) > 0.5, disc)


def test_a_small_object_in_its_focus_takes_a_closer_look() -> None:
    toy, disc = ToyBackend(), ellipsoid((900, 900), (200, 300), (20, 20))
    query = Query(plane_image(bright(disc)), click(200, 300), focus=((0, 450), (100, 550)))
    (answer,) = ZoomIn(toy).predict_many([query])
    assert [max(look) for look in toy.looks] == [450, 102]
    np.testing.assert_array_equal(answer.paste(disc.shape) > 0.5, disc)
