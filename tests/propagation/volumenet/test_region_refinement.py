"""Refinement in packed tissue: what is answered anew, and what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.data.volume import Volume
from napari_promptseg.instances.faces import Faces
from napari_promptseg.instances.region_graph import RegionGraph
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.propagation.volumenet.packed_tissue import TissueBlock
from napari_promptseg.propagation.volumenet.region_refinement import refine_in_tissue
from napari_promptseg.propagation.volumenet.state import InferenceState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.data.geometry import Bounds

SHAPE = (20, 30, 40)
TRUNK = np.zeros(SHAPE, np.bool_)
TRUNK[:, 5:15, 4:12] = True
BRANCH = np.zeros(SHAPE, np.bool_)
BRANCH[9:16, 5:15, 12:36] = True
OTHER = np.zeros(SHAPE, np.bool_)
OTHER[:, 15:26, 4:36] = True
OBJECT = TRUNK | BRANCH
VOLUME = Volume(np.zeros(SHAPE, np.uint8), "zyx")


class MadeTissue:
    """A reader whose tissue is a trunk with a branch, beside another object."""

    def __init__(self, parting: float = 0.05, inside: float = 0.98, packed: bool = True) -> None:
        self.packed, self.looks = packed, list[Any]()
        self.pieces = TRUNK * np.int32(1) + BRANCH * np.int32(2) + OTHER * np.int32(3)
        self.inside = np.where(self.pieces > 0, np.float32(inside), np.float32(0))
        self.parting = {frozenset((1, 2)): parting}

    def knows(self, frame: Any, bounds: Bounds) -> bool:
        return False

    def is_packed(self, image: Any, centre: tuple[int, int]) -> bool:
        return self.packed

    def read(self, frame: Any, bounds: Bounds, latest: PlanePrediction | None) -> Iterator[Any]:
        self.looks.append(bounds)
        if latest is not None:
            yield latest
        window = tuple(slice(*b) for b in bounds)
        pieces, inside = self.pieces[window], self.inside[window]
        faces = Faces.of(pieces, np.zeros_like(inside), inside)
        pairs = zip(faces.smaller.tolist(), faces.larger.tolist(), strict=True)
        parting = np.array([self.parting.get(frozenset(pair), 0.95) for pair in pairs])
        return TissueBlock(frame, bounds, RegionGraph(pieces, inside, faces, parting))


def state_of(
    anchors: dict[int, np.ndarray], predictions: np.ndarray | None = None, **more: Any
) -> InferenceState:
    settings = {"start": 0, "stop": SHAPE[0]} | more
    stack = Stack(
        read=lambda index: VOLUME.plane(Plane((index, None, None))), anchors=anchors, **settings
    )
    state = InferenceState(stack, None, (1.0, 1.0))  # type: ignore[arg-type]
    for index in stack.open if predictions is not None else ():
        state.record(index, predictions[index], 0.5)
    return state


def refined(
    state: InferenceState, tissue: Any, latest: PlanePrediction | None = None
) -> dict[int, np.ndarray]:
    anchors = {index: state.masks[index] for index in state.stack.anchors}
    steps = refine_in_tissue(state, anchors, tissue, latest)
    return {step.index: step.mask for step in steps}


def test_a_branch_that_was_not_followed_is_added() -> None:
    masks = refined(state_of({4: TRUNK[4]}, TRUNK), MadeTissue())
    assert set(masks) == set(range(20)) - {4}
    for index, mask in masks.items():
        np.testing.assert_array_equal(mask, OBJECT[index])


def test_a_branch_behind_a_face_that_parts_is_none() -> None:
    masks = refined(state_of({4: TRUNK[4]}, TRUNK), MadeTissue(parting=0.95))
    for index, mask in masks.items():
        np.testing.assert_array_equal(mask, TRUNK[index])


def test_what_had_leaked_is_emptied() -> None:
    leaked = OBJECT.copy()
    leaked[17:] |= OTHER[17:]
    masks = refined(state_of({4: TRUNK[4]}, leaked), MadeTissue())
    np.testing.assert_array_equal(masks[18], OBJECT[18])


def click(row: float, column: float, positive: bool) -> PlanePrompts:
    return PlanePrompts(strokes=(Stroke(np.array([[row, column]]), positive),))


def test_a_click_decides_against_the_faces() -> None:
    prompts = {4: click(9, 8, True), 12: click(9, 30, False)}
    state = state_of(
        {4: TRUNK[4], 12: TRUNK[12]}, TRUNK, prompts=lambda i: prompts.get(i, PlanePrompts())
    )
    masks = refined(state, MadeTissue())
    np.testing.assert_array_equal(masks[11], TRUNK[11])
    assert 12 not in masks, "a mask that cannot be revised stays"


def test_a_click_in_a_piece_that_its_mask_divides_is_for_its_part() -> None:
    part = TRUNK[12].copy()
    part[8:10, 28:31] = True
    prompts = {12: click(9, 29, True)}
    state = state_of(
        {4: TRUNK[4], 12: part}, TRUNK, prompts=lambda i: prompts.get(i, PlanePrompts())
    )
    masks = refined(state, MadeTissue(parting=0.95))
    np.testing.assert_array_equal(masks[11], TRUNK[11])


def test_a_revisable_anchor_is_answered_and_its_clicks_hold() -> None:
    strokes = (Stroke(np.array([[9.0, 8.0]])), Stroke(np.array([[10.0, 20.0]]), positive=False))
    state = state_of(
        {11: TRUNK[11]},
        TRUNK,
        revisable=frozenset({11}),
        prompts=lambda i: PlanePrompts(strokes=strokes[:1] if i == 11 else ()),
    )
    np.testing.assert_array_equal(refined(state, MadeTissue(parting=0.0))[11], TRUNK[11])
    leaked = OBJECT[11] | OTHER[11]
    state = state_of(
        {11: leaked, 4: TRUNK[4], 5: TRUNK[5], 6: TRUNK[6], 7: TRUNK[7]},
        TRUNK,
        revisable=frozenset({11}),
        prompts=lambda i: PlanePrompts(strokes=strokes if i == 11 else ()),
    )
    revised = refined(state, MadeTissue())[11]
    assert revised[9, 8]
    assert not revised[10, 20]


def test_what_disagrees_with_known_masks_is_not_taken() -> None:
    tiny = np.zeros(SHAPE[1:], np.bool_)
    tiny[6:9, 5:7] = True
    assert refined(state_of({4: tiny}, TRUNK), MadeTissue()) == {}


@pytest.mark.parametrize("tissue", [MadeTissue(inside=0.8), MadeTissue(packed=False)])
def test_unclear_or_open_tissue_is_left_to_the_network(tissue: MadeTissue) -> None:
    assert refined(state_of({4: TRUNK[4]}, TRUNK), tissue) == {}


def test_planes_that_are_up_to_date_and_outside_of_the_range_are_left() -> None:
    state = state_of({4: TRUNK[4]}, TRUNK, start=3, stop=15, skip=frozenset(range(10, 13)))
    assert set(refined(state, MadeTissue())) == {3, *range(5, 10), 13, 14}


def test_planes_come_from_the_origin_outward() -> None:
    state = state_of({4: TRUNK[4]}, TRUNK, origin=12)
    anchors = {4: state.masks[4]}
    steps = refine_in_tissue(state, anchors, MadeTissue(), None)  # type: ignore[arg-type]
    order = [step.index for step in steps]
    assert order[:3] == [12, 11, 13]


def test_the_latest_prediction_is_repeated_while_tissue_is_looked_at() -> None:
    state = state_of({4: TRUNK[4]}, TRUNK)
    latest = PlanePrediction(7, TRUNK[7], 0.6)
    steps = refine_in_tissue(state, {4: state.masks[4]}, MadeTissue(), latest)  # type: ignore[arg-type]
    assert next(steps) is latest


def test_images_of_unknown_origin_and_empty_anchors_are_left() -> None:
    tissue = MadeTissue()
    assert refined(state_of({4: np.zeros(SHAPE[1:], np.bool_)}), tissue) == {}
    assert tissue.looks == []


def test_a_block_grows_with_the_object_up_to_its_largest_side() -> None:
    body = np.zeros((400, 30, 40), np.bool_)
    body[4:380, 3:27, 4:36] = True
    tissue = MadeTissue()
    tissue.pieces, tissue.inside = body.astype(np.int32), body.astype(np.float32)
    volume = Volume(np.zeros(body.shape, np.uint8), "zyx")
    stack = Stack(
        read=lambda index: volume.plane(Plane((index, None, None))),
        anchors={200: body[200]},
        start=0,
        stop=400,
    )
    state = InferenceState(stack, None, (1.0, 1.0))  # type: ignore[arg-type]
    for index in range(190, 211):
        state.record(index, body[index], 0.5)
    masks = refined(state, tissue)
    assert [bounds[0] for bounds in tissue.looks] == [(136, 264), (104, 296)]
    assert set(masks) == set(range(104, 296)) - {200}
