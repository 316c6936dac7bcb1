from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke
from napari_promptseg.measure.overlap import dice
from napari_promptseg.models.backends import volumenet
from napari_promptseg.models.encoding.stack_maps import CLICKED, EARLIER, GIVEN, PlaneKnowledge
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.volumenet import sliding_window
from napari_promptseg.propagation.volumenet.propagator import NetworkPropagator

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPE = (31, 60, 70)
OBJECT = ellipsoid(SHAPE, (15, 30, 35), (11, 18, 22))


class ToyModel:
    """Answers that the object is what is bright; keeps what it was told."""

    def __init__(self) -> None:
        self.stacks: list[list[PlaneKnowledge]] = []
        self.gaps: list[np.ndarray] = []
        self.views: list[np.ndarray] = []

    def answer(
        self, images: np.ndarray, planes: Sequence[PlaneKnowledge], gaps: np.ndarray
    ) -> np.ndarray:
        self.stacks.append(list(planes))
        self.gaps.append(gaps)
        self.views.append(images)
        return (0.95 * (images[..., 0] > 0.5)).astype(np.float32)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyModel:
    model = ToyModel()
    monkeypatch.setattr(volumenet, "shipped_model", lambda device: model)
    return model


def stack_of(volume: np.ndarray, anchors: dict[int, np.ndarray], **more) -> Stack:
    settings = {"start": 0, "stop": len(volume), "mask_anchors": frozenset(anchors)} | more
    return Stack(read=lambda index: plane_image(volume[index]), anchors=anchors, **settings)


def fill(stack: Stack) -> list[PlanePrediction]:
    return list(NetworkPropagator(ToyBackend()).fill(stack))


def filled(stack: Stack) -> np.ndarray:
    masks = np.zeros((stack.stop, *SHAPE[1:]), bool)
    for index, mask in stack.anchors.items():
        masks[index] = mask
    for step in fill(stack):
        assert step.index in stack.open
        masks[step.index] = step.mask
    return masks


@pytest.mark.parametrize("anchors", [(15,), (8,), (5, 25), (5, 15, 25), (14, 15)])
def test_the_object_is_found_from_any_anchors(toy: ToyModel, anchors: tuple[int, ...]) -> None:
    masks = filled(stack_of(bright(OBJECT), {i: OBJECT[i] for i in anchors}))
    assert dice(masks, OBJECT) > 0.97


def test_it_ends_where_the_object_is_gone(toy: ToyModel) -> None:
    longer = np.concatenate([OBJECT, np.zeros((40, *SHAPE[1:]), bool)])
    steps = fill(stack_of(bright(longer), {15: OBJECT[15]}))
    assert max(s.index for s in steps) < 35
    assert not any(s.mask.any() for s in steps if s.index > 26)


def test_along_time_the_backend_is_asked(toy: ToyModel) -> None:
    film = np.repeat(OBJECT[15:16], 6, 0)
    masks = {s.index: s.mask for s in fill(stack_of(bright(film), {0: film[0]}, step=0.0))}
    assert sorted(masks) == [1, 2, 3, 4, 5]
    assert all(dice(mask, film[0]) > 0.97 for mask in masks.values())
    assert not toy.stacks


def test_thick_slices_are_gone_through_as_frames_are(toy: ToyModel) -> None:
    steps = fill(stack_of(bright(OBJECT), {15: OBJECT[15]}, step=10.0))
    assert {s.index for s in steps} >= set(range(6, 25)) - {15}
    assert not toy.stacks


def test_planes_come_once_and_outward(toy: ToyModel) -> None:
    order = [s.index for s in fill(stack_of(bright(OBJECT), {15: OBJECT[15]}))]
    assert len(set(order)) == len(order)
    assert order[:6] == [14, 16, 13, 17, 12, 18]


def test_planes_nearer_than_a_pixel_of_the_view_are_interpolated(toy: ToyModel) -> None:
    masks = filled(stack_of(bright(OBJECT), {15: OBJECT[15]}, step=0.2))
    assert dice(masks, OBJECT) > 0.88
    assert all(len(planes) < 20 for planes in toy.stacks)


def test_results_begin_near_the_plane_that_is_looked_at(toy: ToyModel) -> None:
    anchors = {i: OBJECT[i] for i in (6, 15, 24)}
    (first,) = islice(
        NetworkPropagator(ToyBackend()).fill(stack_of(bright(OBJECT), anchors, origin=21)), 1
    )
    assert 15 < first.index < 24


def test_nothing_is_read_before_it_is_asked_for(toy: ToyModel) -> None:
    read: list[int] = []
    volume = bright(OBJECT)

    def plane(index: int):
        read.append(index)
        return plane_image(volume[index])

    stack = Stack(read=plane, anchors={15: OBJECT[15]}, start=0, stop=31)
    steps = NetworkPropagator(ToyBackend()).fill(stack)
    assert read == []
    next(steps)
    assert set(read) == set(range(3, 27)), "one piece of the volume"


def test_kept_planes_are_context_and_not_answered(toy: ToyModel) -> None:
    skip = frozenset(range(16, 31))
    stack = stack_of(bright(OBJECT), {15: OBJECT[15]}, skip=skip, prior=lambda i: OBJECT[i])
    assert all(s.index < 15 for s in fill(stack))


def test_the_model_is_told_how_well_planes_are_known(toy: ToyModel) -> None:
    longer = np.repeat(OBJECT, 2, 0)
    anchors = {30: longer[30], 34: longer[34]}
    fill(stack_of(bright(longer), anchors, mask_anchors=frozenset({30})))
    assert {p.reliability for planes in toy.stacks for p in planes} == {
        0.0,
        EARLIER,
        CLICKED,
        GIVEN,
    }
    for planes in toy.stacks:
        assert all((p.mask is None) == (p.reliability == 0) for p in planes)


def test_prompts_and_earlier_answers_are_told(toy: ToyModel) -> None:
    click = PlanePrompts(strokes=(Stroke(np.array([[30.0, 35.0]])),))
    stack = stack_of(
        bright(OBJECT),
        {15: OBJECT[15]},
        prompts=lambda i: click if i == 15 else PlanePrompts(),
        prior=lambda i: OBJECT[i] if i == 17 else None,
    )
    fill(stack)
    (planes,) = toy.stacks[:1]
    assert [len(p.strokes) for p in planes].count(1) == 1
    assert [p.prior is not None for p in planes].count(True) == 1


def test_the_distance_of_planes_is_told_in_views(toy: ToyModel) -> None:
    for step in (1.0, 2.0):
        stack = stack_of(bright(OBJECT), {15: OBJECT[15]}, step=step)
        next(NetworkPropagator(ToyBackend()).fill(stack))
    near, far = toy.gaps
    assert (near > 0).all()
    np.testing.assert_allclose(far, 2 * near[: len(far)], rtol=1e-5)


@pytest.mark.parametrize(
    ("step", "between"), [(0.5, 1.5 / 1.375), (1, 1 / 1.375), (2.5, 2.5 / 1.375)]
)
def test_edges_are_refined_at_the_distance_of_the_planes(
    toy: ToyModel, monkeypatch: pytest.MonkeyPatch, step: float, between: float
) -> None:
    """In pixels of the crop: 64 for 2 x 44 of the plane, that is 1.375 each."""
    spacings = []
    solve = sliding_window.solve_random_walker

    def record(pixels, labels, spacing):
        spacings.append(spacing)
        return solve(pixels, labels, spacing)

    monkeypatch.setattr(sliding_window, "solve_random_walker", record)
    volume = np.zeros(SHAPE, bool)
    volume[:, 20:41, 13:57] = True
    stack = stack_of(bright(volume), {12: volume[12]}, step=step)
    next(NetworkPropagator(ToyBackend()).fill(stack))
    assert spacings[0] == pytest.approx((between, 1.0, 1.0))


def test_a_step_in_brightness_between_slices_counts_by_their_distance() -> None:
    """The same difference is a weaker edge between slices that are far apart."""
    mask = np.zeros((9, 13), np.float32)
    mask[2:7, 5:] = 1.0
    knowledge = [PlaneKnowledge(mask=mask, reliability=GIVEN), PlaneKnowledge()]
    images = np.full((2, 9, 13, 3), 0.5, np.float32)
    images[1] += 0.1
    answers = np.full((2, 9, 13), 0.5, np.float32)
    answers[:, :, :2] = 0.0
    near, far = (
        sliding_window._to_edges(answers, images, knowledge, step)[1] for step in (0.5, 4.0)
    )
    assert near[4, 8] < 0.5 < far[4, 8]


def test_it_stays_inside_a_3d_box(toy: ToyModel) -> None:
    corners = np.array([[20.0, 20.0], [20.0, 45.0], [40.0, 45.0], [40.0, 20.0]])
    box = PlanePrompts(regions=(Region(corners, box=True),))
    steps = fill(stack_of(bright(OBJECT), {15: OBJECT[15]}, prompts=lambda i: box))
    for step in steps:
        assert not step.mask[:20].any()
        assert not step.mask[41:].any()


def test_empty_anchors_end_the_object(toy: ToyModel) -> None:
    empty = np.zeros(SHAPE[1:], bool)
    steps = fill(stack_of(bright(OBJECT), {15: OBJECT[15], 20: empty}))
    assert all(s.index < 20 for s in steps)


def test_an_anchor_is_needed(toy: ToyModel) -> None:
    with pytest.raises(ValueError, match="no plane has a prompt"):
        fill(stack_of(bright(OBJECT), {}))


def test_the_shipped_network_follows_a_body() -> None:
    rng = np.random.default_rng(0)
    noisy = np.clip(bright(OBJECT, 170, 60) + rng.normal(0, 12, SHAPE), 0, 255).astype(np.uint8)
    assert dice(filled(stack_of(noisy, {15: OBJECT[15]})), OBJECT) > 0.85


def leaked_anchor(**more) -> Stack:
    """A stack whose clicked plane has a leak to the lower right, and clicks on and beside it."""
    leak = OBJECT[12].copy()
    leak[40:58, 40:68] = True
    clicks = PlanePrompts(
        strokes=(
            Stroke(np.array([[30.0, 35.0]])),
            Stroke(np.array([[5.0, 4.0]])),
            Stroke(np.array([[30.0, 40.0]]), positive=False),
        )
    )
    return stack_of(
        bright(OBJECT),
        {12: leak},
        mask_anchors=frozenset(),
        prompts=lambda i: clicks if i == 12 else PlanePrompts(),
        **more,
    )


def test_a_clicked_plane_is_predicted_with_the_planes_around_it(toy: ToyModel) -> None:
    (revised,) = (s for s in fill(leaked_anchor(revisable=frozenset({12}))) if s.index == 12)
    assert dice(revised.mask, OBJECT[12]) > 0.95
    assert revised.mask[5, 4], "a positive click holds against the network"
    assert not revised.mask[30, 40], "and a negative one"
    assert next(p for p in toy.stacks[0] if p.strokes).reliability == CLICKED, (
        "its mask is evidence"
    )


def test_a_plane_that_may_not_be_revised_stays(toy: ToyModel) -> None:
    assert 12 not in {s.index for s in fill(leaked_anchor())}


def test_an_anchor_is_not_revised_to_nothing(toy: ToyModel) -> None:
    dark = stack_of(
        np.zeros(SHAPE, np.uint8),
        {12: OBJECT[12]},
        mask_anchors=frozenset(),
        revisable=frozenset({12}),
    )
    assert 12 not in {s.index for s in fill(dark)}
