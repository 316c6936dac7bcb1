from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from helpers import ALL_PROMPTS, ScriptedBackend, ToyBackend, bright, ellipsoid, iou, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, box_region
from napari_promptseg.models.base import Capabilities
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.sequential import SequentialPropagator

SHAPE = (31, 60, 70)
OBJECT = ellipsoid(SHAPE, (15, 30, 35), (11, 18, 22))
STILL = np.repeat(OBJECT[15:16], len(OBJECT), 0)
"""Planes that are alike: nothing moves."""
BLANK = np.zeros(SHAPE[1:], bool)


def stack_of(
    volume: np.ndarray,
    anchors: dict[int, np.ndarray],
    start: int = 0,
    stop: int | None = None,
    prompts=lambda index: PlanePrompts(),
) -> Stack:
    return Stack(
        read=lambda index: plane_image(volume[index]),
        prompts=prompts,
        anchors=anchors,
        start=start,
        stop=len(volume) if stop is None else stop,
    )


def filled(stack: Stack, backend=None) -> dict[int, np.ndarray]:
    """Last mask of each index; those between two anchors come twice, others once."""
    steps = list(SequentialPropagator(backend or ToyBackend()).fill(stack))
    assert not {s.index for s in steps} & set(stack.anchors)
    anchors = sorted(stack.anchors)
    for index, times in Counter(s.index for s in steps).items():
        assert times == 1 or (times == 2 and anchors[0] < index < anchors[-1])
    return {s.index: s.mask for s in steps}


def assert_equal(masks: dict[int, np.ndarray], truth: np.ndarray) -> None:
    for index, mask in masks.items():
        np.testing.assert_array_equal(mask, truth[index], err_msg=f"plane {index}")


@pytest.mark.parametrize("origin", [15, 8, 25])
def test_one_anchor_fills_the_object_both_ways_and_ends_where_it_ends(origin: int) -> None:
    masks = filled(stack_of(bright(OBJECT), {origin: OBJECT[origin]}))
    assert_equal(masks, OBJECT)
    missing = set(np.flatnonzero(OBJECT.any((1, 2)))) - set(masks) - {origin}
    assert missing <= {4, 26}, "only the tips, which have too few pixels, may be left out"


def test_results_come_outward_and_in_turns() -> None:
    steps = SequentialPropagator(ToyBackend()).fill(stack_of(bright(OBJECT), {15: OBJECT[15]}))
    assert [s.index for s in islice(steps, 6)] == [16, 14, 17, 13, 18, 12]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    toy = ToyBackend()
    steps = SequentialPropagator(toy).fill(stack_of(bright(OBJECT), {15: OBJECT[15]}))
    assert toy.looks == []
    next(steps)
    assert len(toy.looks) == 1


def test_a_step_has_the_score_of_the_backend() -> None:
    (step,) = islice(
        SequentialPropagator(ToyBackend()).fill(stack_of(bright(OBJECT), {15: OBJECT[15]})), 1
    )
    assert isinstance(step, PlanePrediction)
    assert step.confidence == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 31), (10, 20), (16, 31), (0, 15), (20, 25), (15, 16)], ids=str
)
def test_only_the_range_is_filled_even_away_from_the_anchor(start: int, stop: int) -> None:
    masks = filled(stack_of(bright(OBJECT), {15: OBJECT[15]}, start, stop))
    assert_equal(masks, OBJECT)
    expected = {i for i in range(start, stop) if OBJECT[i].sum() > 50} - {15}
    assert expected <= set(masks) <= set(range(start, stop))


def test_the_first_and_the_last_plane_can_be_anchors() -> None:
    tube = np.broadcast_to(ellipsoid((40, 40), (20, 20), (8, 8)), (9, 40, 40))
    for anchors in ({0: tube[0]}, {8: tube[8]}, {0: tube[0], 8: tube[8]}):
        masks = filled(stack_of(bright(tube), anchors))
        assert_equal(masks, tube)
        assert len(masks) + len(anchors) == 9


def test_the_object_is_not_found_again_after_it_was_gone() -> None:
    gap = OBJECT.copy()
    gap[18] = False
    masks = filled(stack_of(bright(gap), {15: OBJECT[15]}))
    assert 17 in masks
    assert not {i for i in masks if i >= 18}
    assert min(masks) < 6, "the other way goes on"


def test_a_sudden_speck_is_not_the_object() -> None:
    """Four per cent of the last plane is the least that is believed."""
    answer = BLANK.copy()
    answer[30, 30:38] = True
    backend = ScriptedBackend(lambda image, prompts, prior: answer)
    assert filled(stack_of(bright(OBJECT), {15: OBJECT[15]}), backend) == {}


# Anchors


def test_an_empty_anchor_ends_a_chain() -> None:
    masks = filled(stack_of(bright(OBJECT), {15: OBJECT[15], 20: BLANK}))
    assert_equal(masks, OBJECT)
    assert set(masks) >= set(range(16, 20))
    assert max(masks) < 20, "nothing beyond the plane that the user emptied"
    assert min(masks) < 6


def test_empty_anchors_alone_fill_nothing() -> None:
    assert filled(stack_of(bright(OBJECT), {10: BLANK, 20: BLANK})) == {}


def test_between_two_anchors_the_nearer_one_decides() -> None:
    """The backend copies the prior, so that each side stays recognisable."""
    copying = ScriptedBackend(lambda image, prompts, prior: prior)
    small, large = (ellipsoid(SHAPE[1:], (30, 35), r) for r in ((9, 13), (13, 9)))
    masks = filled(stack_of(bright(STILL), {5: small, 14: large}, 5, 15), copying)
    assert sorted(masks) == list(range(6, 14))
    for index in range(6, 10):
        np.testing.assert_array_equal(masks[index], small, err_msg=f"plane {index}")
    for index in range(10, 14):
        np.testing.assert_array_equal(masks[index], large, err_msg=f"plane {index}")


def test_probabilities_of_both_sides_are_blended_by_distance() -> None:
    """Two priors answer 0.9 and 0.3 on a ring: it belongs while the weighted mean is above 0.5."""
    inner, outer = (ellipsoid(SHAPE[1:], (30, 35), (r, r)) for r in (10, 12))
    ring = outer & ~inner

    def answer(image, prompts, prior):
        if prior[ring].any():
            return np.where(inner, 1.0, np.where(ring, 0.9, 0.0))
        return np.where(inner, 1.0, np.where(ring, 0.3, 0.0))

    masks = filled(stack_of(bright(OBJECT), {0: outer, 10: inner}, 0, 11), ScriptedBackend(answer))
    for index in range(1, 10):
        weights = (10 - index) * np.sqrt(outer.sum()), index * np.sqrt(inner.sum())
        belongs = np.dot(weights, (0.9, 0.3)) / sum(weights) > 0.5
        assert masks[index][ring].all() == belongs, index
        assert masks[index][inner].all()


def test_a_tip_weighs_less_than_the_middle_of_an_object() -> None:
    copying = ScriptedBackend(lambda image, prompts, prior: prior)
    tip, middle = (ellipsoid(SHAPE[1:], (30, 35), (r, r)) for r in (3, 15))
    masks = filled(stack_of(bright(STILL), {0: tip, 10: middle}, 0, 11), copying)
    as_middle = [index for index, mask in masks.items() if (mask == middle).all()]
    assert sorted(as_middle) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_a_gap_is_filled_in_range_and_once() -> None:
    toy = ToyBackend()
    anchors = {8: OBJECT[8], 22: OBJECT[22]}
    masks = filled(stack_of(bright(OBJECT), anchors, 12, 17), toy)
    assert sorted(masks) == [12, 13, 14, 15, 16]
    assert_equal(masks, OBJECT)
    assert len(toy.looks) <= 2 * (22 - 8), "no plane is answered more than once a side"


def test_a_gap_shows_its_first_plane_after_one_look() -> None:
    toy = ToyBackend()
    steps = SequentialPropagator(toy).fill(
        stack_of(bright(OBJECT), {8: OBJECT[8], 22: OBJECT[22]}, 8, 23)
    )
    assert next(steps).index == 9
    assert len(toy.looks) == 1


def test_where_the_way_back_loses_the_object_the_way_there_stands() -> None:
    def answer(image, prompts, prior):
        return np.zeros(image.shape) if prior[30, 35 + 12] else prior

    small, large = (ellipsoid(SHAPE[1:], (30, 35), (r, r)) for r in (9, 13))
    anchors = {5: small, 14: large}  # the large one is lost at once
    masks = filled(stack_of(bright(STILL), anchors, 5, 15), ScriptedBackend(answer))
    assert sorted(masks) == list(range(6, 14))
    for index, mask in masks.items():
        np.testing.assert_array_equal(mask, small, err_msg=f"plane {index}")


def test_three_anchors_keep_to_their_gaps() -> None:
    copying = ScriptedBackend(lambda image, prompts, prior: prior)
    discs = {i: ellipsoid(SHAPE[1:], (30, 35), (r, r)) for i, r in ((4, 8), (10, 12), (20, 9))}
    masks = filled(stack_of(bright(STILL), discs), copying)
    assert set(masks) == set(range(31)) - set(discs)
    np.testing.assert_array_equal(masks[0], discs[4])
    np.testing.assert_array_equal(masks[9], discs[10])
    np.testing.assert_array_equal(masks[11], discs[10])
    np.testing.assert_array_equal(masks[30], discs[20])


# Robustness


@pytest.mark.parametrize("radius", [4, 10, 30])
def test_an_exploding_backend_never_fills_the_plane(radius: int) -> None:
    exploding = ScriptedBackend(lambda image, prompts, prior: np.ones(image.shape))
    anchor = ellipsoid((200, 200), (100, 100), (radius, radius))
    volume = np.zeros((40, 200, 200), np.uint8)
    for anchors in ({5: anchor}, {5: anchor, 30: anchor}):
        masks = filled(stack_of(volume, anchors), exploding)
        assert all(mask.mean() < 0.15 for mask in masks.values())
        assert len(masks) < 20, "it gave up"


def test_a_leak_beside_the_object_is_cut_off() -> None:
    volume = bright(OBJECT)
    volume[16:, :, 50:] = 200  # a bright wall that touches the object from plane 16 on
    masks = filled(stack_of(volume, {15: OBJECT[15]}, 15, 17))
    reach = ellipsoid(SHAPE[1:], (30, 35), (18 + 15, 22 + 15))
    assert not (masks[16] & ~reach).any()


def test_an_object_that_opens_up_is_followed() -> None:
    """From near the tip of a large sphere: it grows fast, but has a border."""
    sphere = ellipsoid((60, 200, 200), (60, 100, 100), (60, 60, 60))
    masks = filled(stack_of(bright(sphere), {1: sphere[1]}))
    assert sorted(masks) == list(range(2, 60)), "plane 0 has one pixel"
    assert_equal({i: masks[i] for i in range(12, 60)}, sphere)


def test_an_object_that_fills_its_plane_is_followed() -> None:
    full = np.ones((8, 40, 50), bool)
    full[:, :, :3] = False
    masks = filled(stack_of(bright(full), {3: full[3]}))
    assert_equal(masks, full)
    assert len(masks) == 7


def test_prompts_of_a_plane_are_passed_on() -> None:
    region = box_region((20, 20), (40, 40))
    stack = stack_of(
        bright(OBJECT),
        {15: OBJECT[15]},
        10,
        20,
        lambda index: PlanePrompts(regions=(region,)) if index == 16 else PlanePrompts(),
    )
    toy = ToyBackend()
    masks = filled(stack, toy)
    assert [bool(p.regions) for p in toy.seen].count(True) == 1
    inside = np.zeros(SHAPE[1:], bool)
    inside[20:41, 20:41] = True
    assert not (masks[16] & ~inside).any()
    assert iou(masks[14], OBJECT[14]) == 1


def test_what_the_user_refused_stays_empty_whatever_the_backend_says() -> None:
    stubborn = ScriptedBackend(lambda image, prompts, prior: prior)
    region = box_region((25, 25), (35, 35), positive=False)
    stack = stack_of(
        bright(OBJECT), {15: OBJECT[15]}, prompts=lambda index: PlanePrompts(regions=(region,))
    )
    masks = filled(stack, stubborn)
    assert masks
    assert not any(mask[25:36, 25:36].any() for mask in masks.values())


def test_without_an_anchor_there_is_nothing_to_carry() -> None:
    with pytest.raises(ValueError, match="no plane has a prompt"):
        next(SequentialPropagator(ToyBackend()).fill(stack_of(bright(OBJECT), {})))


def test_a_backend_that_cannot_start_from_a_mask_is_refused_by_name() -> None:
    backend = ScriptedBackend(lambda *_: BLANK, capabilities=Capabilities(ALL_PROMPTS, prior=False))
    with pytest.raises(ValueError, match="'scripted' cannot start from a mask"):
        next(SequentialPropagator(backend).fill(stack_of(bright(OBJECT), {15: OBJECT[15]})))


def test_an_error_of_the_backend_comes_through_after_the_planes_before_it() -> None:
    def answer(image, prompts, prior):
        if answer.left == 0:
            raise RuntimeError("out of memory")
        answer.left -= 1
        return prior

    answer.left = 3
    steps = SequentialPropagator(ScriptedBackend(answer)).fill(
        stack_of(bright(OBJECT), {15: OBJECT[15]})
    )
    assert len(list(islice(steps, 3))) == 3
    with pytest.raises(RuntimeError, match="out of memory"):
        next(steps)


# Where it begins, and what is left out


def test_what_is_beside_the_origin_comes_first_then_the_rest_outward() -> None:
    anchors = {i: OBJECT[i] for i in (8, 15, 22)}
    stack = replace(stack_of(bright(OBJECT), anchors), origin=22)
    order = [step.index for step in SequentialPropagator(ToyBackend()).fill(stack)]
    assert order[:4] == [16, 23, 17, 24], "those beside it take turns"
    assert max(order.index(16), order.index(23)) < order.index(9) < order.index(7)
    assert sorted(set(order)) == sorted(filled(stack_of(bright(OBJECT), anchors)))


def test_planes_that_are_kept_are_neither_answered_nor_read() -> None:
    toy = ToyBackend()
    anchors = {8: OBJECT[8], 22: OBJECT[22]}
    stack = replace(stack_of(bright(OBJECT), anchors), skip=frozenset(range(9, 22)))
    indices = {step.index for step in SequentialPropagator(toy).fill(stack)}
    assert not indices & set(range(8, 23))
    assert {7, 23} <= indices
    assert len(toy.looks) <= len(indices) + 2


def test_along_time_an_object_comes_back_where_it_was() -> None:
    film = OBJECT[[15] * 3 + [0] * 4 + [15] * 3]
    steps = SequentialPropagator(ToyBackend()).fill(
        Stack(
            read=lambda index: plane_image(bright(film[index])),
            anchors={0: film[0]},
            start=0,
            stop=10,
            step=0.0,
        )
    )
    assert_equal({s.index: s.mask for s in steps}, film)


def test_along_time_another_object_in_its_place_is_left_alone() -> None:
    film = OBJECT[[15] * 3 + [0] * 4 + [15] * 3]
    images = np.array([bright(mask) for mask in film])
    images[7:] = bright(film[7], inside=150)
    steps = SequentialPropagator(ToyBackend()).fill(
        Stack(
            read=lambda index: plane_image(images[index]),
            anchors={0: film[0]},
            start=0,
            stop=10,
            step=0.0,
        )
    )
    masks = {s.index: s.mask for s in steps}
    assert not any(masks[index].any() for index in range(3, 10))


def test_along_time_the_prior_follows_the_motion() -> None:
    """A textured object that moves by more than its reach would lose it is still found."""
    rng = np.random.default_rng(0)
    texture = rng.integers(140, 255, (60, 120)).astype(np.uint8)
    body = ellipsoid((60, 120), (30, 20), (10, 10))
    film = np.array([np.roll(body, 5 * t, 1) for t in range(8)])
    images = np.array([np.roll(np.where(body, texture, 20), 5 * t, 1) for t in range(8)])
    steps = SequentialPropagator(ToyBackend()).fill(
        Stack(
            read=lambda index: plane_image(images[index].astype(np.uint8)),
            anchors={0: film[0]},
            start=0,
            stop=8,
            step=0.0,
        )
    )
    masks = {s.index: s.mask for s in steps}
    assert all(iou(masks[t], film[t]) > 0.9 for t in range(1, 8))
