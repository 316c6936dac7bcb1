from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import ScriptedBackend, ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.data.volume import Volume
from napari_promptseg.models.base import Backend, Prediction
from napari_promptseg.models.batching import Query
from napari_promptseg.wrappers.zoom import ZoomIn

if TYPE_CHECKING:
    from napari_promptseg.data.volume import PlaneImage


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


class Spy(ToyBackend):
    """A toy that also keeps where it looked, on images whose pixels are their own index."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.crops: list[tuple[tuple[int, int], tuple[int, int]]] = []

    def embed(self, image: PlaneImage) -> PlaneImage:
        row, column = divmod(int(image.values[0, 0]), self.width)
        height, width = image.shape
        self.crops.append(((row, row + height), (column, column + width)))
        return image


def test_it_is_the_backend_that_it_wraps() -> None:
    toy = ToyBackend()
    zoom = ZoomIn(toy)
    assert isinstance(zoom, Backend)
    assert (zoom.name, zoom.identity, zoom.capabilities) == ("toy", "toy 1", toy.capabilities)
    zoom.close()
    assert toy.closed


# Looks


def test_a_large_object_takes_one_look() -> None:
    toy = ToyBackend()
    image = plane_image(bright(ellipsoid((90, 100), (45, 50), (30, 40))))
    ZoomIn(toy).predict(image, PlanePrompts((click(45, 50),)))
    assert toy.looks == [(90, 100)]


def test_a_small_object_takes_a_second_and_closer_look() -> None:
    toy = ToyBackend()
    truth = ellipsoid((300, 400), (100, 200), (20, 30))
    answer = ZoomIn(toy).predict(plane_image(bright(truth)), PlanePrompts((click(100, 200),)))
    assert toy.looks[0] == (300, 400)
    assert len(toy.looks) == 2
    assert max(toy.looks[1]) < 160
    np.testing.assert_array_equal(answer.paste(truth.shape) > 0.5, truth)


class Nearsighted(ToyBackend):
    """A toy that sees objects in looks of some sides alone, and expects little of other answers.

    In all others, everything within 30 pixels of the click is the object.
    """

    def __init__(self, sharp: range) -> None:
        super().__init__()
        self.sharp = sharp

    def predict(self, embedding, prompts, prior=None):
        answer = super().predict(embedding, prompts, prior)
        if max(embedding.shape) in self.sharp:
            return replace(answer, quality=0.9)
        rows, columns = np.indices(embedding.shape)
        row, column = prompts.strokes[0].path[0]
        near = np.maximum(np.abs(rows - row), np.abs(columns - column)) <= 30
        return replace(Prediction.whole(near.astype(np.float32)), quality=0.2)


SMALL = ellipsoid((300, 800), (100, 700), (12, 20))


def test_what_the_overview_does_not_show_is_found_in_a_closer_look() -> None:
    toy = Nearsighted(range(90, 250))
    answer = ZoomIn(toy).predict(plane_image(bright(SMALL)), PlanePrompts((click(100, 700),)))
    np.testing.assert_array_equal(answer.paste(SMALL.shape) > 0.5, SMALL)
    sides = [max(look) for look in toy.looks]
    assert (sides[0], sides[3]) == (800, 110)
    assert all(before > after >= before / 2 for before, after in pairwise(sides[:4]))
    assert len(sides) == 5, "the last one at the scale of the object"


def test_a_closer_look_that_shows_a_part_is_not_taken() -> None:
    """Its border cuts the object, of which the overview shows all."""
    truth = ellipsoid((400, 400), (200, 200), (120, 120))
    toy = Nearsighted(range(100, 220))
    answer = ZoomIn(toy).predict(plane_image(bright(truth)), PlanePrompts((click(200, 200),)))
    assert answer.quality == 0.2
    assert answer.mask.sum() == 61**2


@pytest.mark.parametrize(
    "query",
    [
        Query(plane_image(bright(SMALL)), PlanePrompts((click(100, 700),)), SMALL),
        Query(
            plane_image(bright(SMALL)),
            PlanePrompts((click(100, 700),)),
            focus=((0, 300), (500, 800)),
        ),
        Query(plane_image(bright(SMALL)), PlanePrompts((click(100, 700, False),))),
    ],
    ids=["prior", "focus", "no positive click"],
)
def test_where_the_scale_is_known_no_closer_looks_are_taken(query) -> None:
    toy = Nearsighted(range(0))
    ZoomIn(toy).predict_many([query])
    assert len(toy.looks) <= 2


@pytest.mark.parametrize(("side", "looks"), [(100, 0), (200, 1), (400, 2), (9000, 4)])
def test_the_number_of_closer_looks_is_bounded(side: int, looks: int) -> None:
    toy = Nearsighted(range(0))
    image = plane_image(np.zeros((side, side), np.uint8))
    ZoomIn(toy).predict(image, PlanePrompts((click(50, 50),)))
    closer = [max(look) for look in toy.looks[1 : 1 + looks]]
    assert len(toy.looks) <= looks + 2
    assert sum(rows * columns for rows, columns in toy.looks) < 6e6
    assert not closer or closer[-1] == 110


@pytest.mark.parametrize(("axes", "closest"), [("zyx", 44), ("tyx", 110)])
def test_in_planes_of_volumes_the_closest_look_is_closer(axes: str, closest: int) -> None:
    toy = Nearsighted(range(0))
    stack = Volume(np.zeros((2, 400, 400), np.uint8), axes)
    ZoomIn(toy).predict(stack.plane(Plane((1, None, None))), PlanePrompts((click(50, 50),)))
    assert min(max(look) for look in toy.looks) == closest
    assert len(toy.looks) <= 6


def test_looks_are_as_close_as_scribbles_allow() -> None:
    toy = Nearsighted(range(0))
    scribble = Stroke(np.array([[100.0, 500.0], [120.0, 700.0]]))
    ZoomIn(toy).predict(plane_image(bright(SMALL)), PlanePrompts((scribble,)))
    assert min(max(look) for look in toy.looks[:3]) == 300


def test_an_empty_first_look_is_the_answer() -> None:
    backend = ScriptedBackend(lambda image, prompts, prior: np.zeros(image.shape))
    image = plane_image(np.zeros((200, 300), np.uint8))
    assert not ZoomIn(backend).predict(image, PlanePrompts((click(9, 9, False),))).mask.any()


@pytest.mark.parametrize("side", [120, 600, 2400])
def test_with_a_mask_or_a_box_the_cost_does_not_grow_with_the_plane(side: int) -> None:
    toy = ToyBackend()
    truth = ellipsoid((side, side), (60, 60), (15, 15))
    image = plane_image(bright(truth))
    zoom = ZoomIn(toy)
    zoom.predict(image, PlanePrompts((click(60, 60),)), truth)
    zoom.predict(image, PlanePrompts(), truth)
    zoom.predict(image, PlanePrompts(regions=(box_region((45, 45), (75, 75)),)))
    assert len(toy.looks) == 3
    assert sum(rows * columns for rows, columns in toy.looks) <= 3 * 96 * 96


def test_an_empty_prior_is_no_prior() -> None:
    truth = ellipsoid((200, 200), (60, 60), (15, 15))
    image, prompts = plane_image(bright(truth)), PlanePrompts((click(60, 60),))
    empty = ZoomIn(ToyBackend()).predict(image, prompts, np.zeros(truth.shape, bool))
    np.testing.assert_array_equal(empty.paste(truth.shape) > 0.5, truth)


# The crop


@st.composite
def _scenes(draw: st.DrawFn):
    shape = draw(st.integers(20, 250)), draw(st.integers(20, 250))
    spacing = draw(st.sampled_from([(1.0, 1.0), (4.0, 1.0), (0.5, 2.0)]))
    positions = st.tuples(*(st.floats(-0.5, n - 0.51) for n in shape))
    strokes = draw(
        st.lists(
            st.lists(positions, min_size=1, max_size=3).map(lambda p: Stroke(np.array(p))),
            max_size=3,
        )
    )
    regions = draw(st.lists(st.builds(box_region, positions, positions), max_size=2))
    prior = np.zeros(shape, bool)
    corner = [draw(st.integers(0, n - 1)) for n in shape]
    size = [draw(st.integers(1, 60)) for _ in shape]
    prior[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = True
    return shape, spacing, PlanePrompts(tuple(strokes), tuple(regions)), prior


@given(_scenes())
def test_the_crop_holds_the_mask_and_all_that_is_positive(scene) -> None:
    shape, spacing, prompts, prior = scene
    spy = Spy(shape[1])
    image = plane_image(np.arange(shape[0] * shape[1]).reshape(shape), spacing)
    ZoomIn(spy).predict(image, prompts, prior)
    crop = spy.crops[0]
    for (start, stop), size in zip(crop, shape, strict=True):
        assert 0 <= start < stop <= size
    rows, columns = crop
    outside = np.ones(shape, bool)
    outside[slice(*rows), slice(*columns)] = False
    assert not (outside & prior).any()
    paths = [s.path for s in prompts.strokes] + [r.vertices for r in prompts.regions]
    for path in paths:
        for axis, (start, stop) in enumerate(crop):
            assert (path[:, axis] >= start - 0.5).all()
            assert (path[:, axis] <= stop - 0.5).all()
    assert len(spy.seen[0].strokes) == len(prompts.strokes)


@given(_scenes())
def test_prompts_move_with_the_crop(scene) -> None:
    shape, spacing, prompts, prior = scene
    spy = Spy(shape[1])
    image = plane_image(np.arange(shape[0] * shape[1]).reshape(shape), spacing)
    ZoomIn(spy).predict(image, prompts, prior)
    origin = np.array([start for start, _ in spy.crops[0]])
    for prompt, crop_prompt in zip(prompts.strokes, spy.seen[0].strokes, strict=True):
        np.testing.assert_allclose(crop_prompt.path + origin, prompt.path)
    for prompt, crop_prompt in zip(prompts.regions, spy.seen[0].regions, strict=True):
        np.testing.assert_allclose(crop_prompt.vertices + origin, prompt.vertices)
        assert (crop_prompt.positive, crop_prompt.box) == (prompt.positive, prompt.box)


def test_an_answer_that_the_crop_cuts_is_looked_at_more_widely() -> None:
    """A prior far too small for the object: the crop grows until the object fits."""
    toy = ToyBackend()
    truth = ellipsoid((400, 400), (200, 200), (90, 70))
    speck = ellipsoid((400, 400), (200, 200), (5, 5))
    image = plane_image(bright(truth))
    answer = ZoomIn(toy).predict(image, PlanePrompts((click(200, 200),)), speck)
    np.testing.assert_array_equal(answer.paste(truth.shape) > 0.5, truth)
    assert toy.looks == [(96, 96), (192, 192)]


_SIDES = {
    "above": (slice(60, 155), slice(130, 150)),
    "below": (slice(145, 240), slice(130, 150)),
    "left": (slice(140, 160), slice(50, 145)),
    "right": (slice(140, 160), slice(135, 230)),
}


@pytest.mark.parametrize("side", _SIDES)
def test_a_cut_at_any_one_side_of_the_crop_is_noticed(side: str) -> None:
    """The object reaches beyond a single side of a crop of rows 102:198, columns 92:188."""
    toy = ToyBackend()
    truth, speck = np.zeros((2, 310, 270), bool)
    truth[_SIDES[side]] = True
    speck[146:154, 136:144] = True
    answer = ZoomIn(toy).predict(
        plane_image(bright(truth | speck)), PlanePrompts((click(150, 140),)), speck
    )
    np.testing.assert_array_equal(answer.paste(truth.shape) > 0.5, truth | speck)
    assert toy.looks == [(96, 96), (192, 192)]


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_a_cut_at_the_border_of_the_plane_needs_no_wider_look(side: str) -> None:
    toy = ToyBackend()
    truth = np.zeros((310, 270), bool)
    rows = {"top": slice(0, 30), "bottom": slice(280, 310)}.get(side, slice(150, 180))
    columns = {"left": slice(0, 30), "right": slice(240, 270)}.get(side, slice(120, 150))
    truth[rows, columns] = True
    answer = ZoomIn(toy).predict(plane_image(bright(truth)), PlanePrompts(), truth)
    np.testing.assert_array_equal(answer.paste(truth.shape) > 0.5, truth)
    assert len(toy.looks) == 1


@pytest.mark.parametrize(("count", "side"), [(0, 120), (1, 200), (2, 160), (4, 140)])
def test_the_crop_is_closer_the_more_prompts_there_are(count: int, side: int) -> None:
    spy = Spy(520)
    prior = np.zeros((480, 520), bool)
    prior[200:280, 260:310] = True
    clicks = [click(210 + 10 * n, 270 + 8 * n, positive=n % 2 == 0) for n in range(count)]
    image = plane_image(np.arange(prior.size).reshape(prior.shape))
    ZoomIn(spy, factor=1.5, doubt=1.0).predict(image, PlanePrompts(tuple(clicks)), prior)
    assert spy.crops[0] == (
        (240 - side // 2, 240 + side // 2),
        (285 - side // 2, 285 + side // 2),
    )


@pytest.mark.parametrize(("count", "side"), [(1, 96), (3, 96), (4, 32), (7, 32)])
def test_corrections_of_small_objects_are_close(count: int, side: int) -> None:
    spy = Spy(520)
    prior = np.zeros((480, 520), bool)
    prior[235:245, 280:290] = True
    clicks = [click(238 + n, 282, positive=n % 2 == 0) for n in range(count)]
    image = plane_image(np.arange(prior.size).reshape(prior.shape))
    ZoomIn(spy).predict(image, PlanePrompts(tuple(clicks)), prior)
    (rows, columns), *_ = spy.crops
    assert (rows[1] - rows[0], columns[1] - columns[0]) == (side, side)


def test_a_box_limits_the_crop_even_if_the_answer_fills_it() -> None:
    toy = ToyBackend()
    image = plane_image(np.full((400, 400), 200, np.uint8))
    ZoomIn(toy).predict(image, PlanePrompts(regions=(box_region((180, 180), (220, 220)),)))
    assert len(toy.looks) == 1


def test_the_crop_is_square_in_physical_units() -> None:
    spy = Spy(400)
    image = plane_image(np.arange(100 * 400).reshape(100, 400), (4.0, 1.0))
    prior = np.zeros((100, 400), bool)
    prior[45:55, 190:200] = True
    ZoomIn(spy).predict(image, PlanePrompts(), prior)
    rows, columns = spy.crops[0]
    assert (rows[1] - rows[0]) * 4 == pytest.approx(columns[1] - columns[0], abs=4)


def _seen(strokes: list[Stroke]) -> tuple[Stroke, ...]:
    toy = ToyBackend()
    prior = np.zeros((300, 300), bool)
    prior[140:160, 140:160] = True
    image = plane_image(bright(prior))
    ZoomIn(toy).predict(image, PlanePrompts(tuple(strokes)), prior)
    return toy.seen[0].strokes


def test_negative_strokes_far_away_are_left_out() -> None:
    assert _seen([click(10, 10, False)]) == ()
    assert len(_seen([click(150, 165, False)])) == 1


def test_a_scribble_that_crosses_the_crop_is_seen_though_both_ends_are_outside() -> None:
    crossing = Stroke(np.array([[20.0, 150.0], [280.0, 150.0]]), False, 5.0)
    (stroke,) = _seen([crossing])
    assert stroke.width == 5.0


# Equivalence


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (40, 33), (150, 101), (170, 250)], ids=str)
@pytest.mark.parametrize("with_prior", [False, True], ids=["click", "mask"])
def test_the_answer_moves_with_the_object(shift: tuple[int, int], with_prior: bool) -> None:
    truth = ellipsoid((260, 340), (40, 40), (18, 25))
    moved_truth = np.roll(truth, shift, (0, 1))

    def ask(values: np.ndarray, by: tuple[int, int]) -> np.ndarray:
        box = box_region((10 + by[0], 5 + by[1]), (50 + by[0], 90 + by[1]))
        prompts = PlanePrompts((click(40 + by[0], 40 + by[1]),), (box,))
        prior = np.roll(ellipsoid(truth.shape, (40, 40), (5, 5)), by, (0, 1))
        answer = ZoomIn(ToyBackend()).predict(
            plane_image(bright(values)), prompts, prior if with_prior else None
        )
        return answer.paste(truth.shape) > 0.5

    expected = np.roll(ask(truth, (0, 0)), shift, (0, 1))
    assert 0 < expected.sum() < truth.sum(), "the box cuts off a part"
    np.testing.assert_array_equal(ask(moved_truth, shift), expected)


def test_the_probability_is_pasted_in_place_even_from_a_part_of_the_crop() -> None:
    """A backend may itself answer for a part of what it is shown."""

    class Corner(ToyBackend):
        def predict(self, embedding, prompts, prior=None):
            return Prediction(np.full((2, 3), 0.8, np.float32), (4, 6), (7, 10), 0.6)

    prior = np.zeros((300, 300), bool)
    prior[100:110, 200:210] = True
    answer = ZoomIn(Corner()).predict(plane_image(np.zeros((300, 300))), PlanePrompts(), prior)
    rows, columns = np.nonzero(answer.paste((300, 300)))
    assert (rows.min(), rows.max() + 1) == answer.rows
    assert (columns.min(), columns.max() + 1) == answer.columns
    crop = 57, 157  # a side of 96 around the middle of the prior
    assert answer.rows == (crop[0] + 4, crop[0] + 6)
    assert answer.columns == (crop[1] + 7, crop[1] + 10)
    assert answer.score == 0.6
