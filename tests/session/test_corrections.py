"""After a correction only what it can change is answered anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import ScriptedBackend, Snapshot, ToyBackend, bright, ellipsoid
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.session import predictor
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPE = (30, 24, 28)
TUBE = np.repeat(ellipsoid(SHAPE[1:], (11, 14), (6, 8))[None], SHAPE[0], 0)
EMPTY = np.zeros(SHAPE[1:], bool)


def carried(image, prompts, prior):
    """The prior, so that each plane shows which anchor it came from; a click is a square."""
    answer = np.zeros(image.shape) if prior is None else prior.astype(float)
    for stroke in prompts.strokes:
        row, column = stroke.path[0].astype(int)
        answer[row - 2 : row + 3, column - 2 : column + 3] = stroke.positive
    return answer


def square(side: int) -> np.ndarray:
    mask = EMPTY.copy()
    mask[10 : 10 + side, 10 : 10 + side] = True
    return mask


@pytest.fixture
def session() -> Session:
    """Anchors at 5, 12 and 20, propagated."""
    session = Session(bright(TUBE), ScriptedBackend(carried))
    for index, side in ((5, 6), (12, 7), (20, 6)):
        session.add_mask(square(side), index=index)
    session.propagate().run()
    return session


def answered(session: Session, **options) -> set[int]:
    """Planes that a propagation answers."""
    return {result.plane.index[0] for result in session.propagate(**options)}


def test_without_a_change_nothing_is_answered_and_nothing_is_a_step(session: Session) -> None:
    steps = session.history
    propagation = session.propagate()
    assert list(propagation) == []
    assert session.history == steps


CORRECTIONS: dict[str, tuple[Callable[[Session], None], set[int]]] = {
    "between": (lambda s: s.add_mask(square(5), index=8), {6, 7, *range(9, 12)}),
    "beyond the last": (lambda s: s.add_mask(square(5), index=25), {*range(21, 30)} - {25}),
    "an anchor itself": (lambda s: s.add_point((12, 5, 5)), {*range(6, 20)} - {12}),
    "an anchor that keeps its mask": (lambda s: s.add_point((5, 12, 12)), {*range(12)} - {5}),
    "removed": (lambda s: s.remove_prompt(1), set(range(6, 20))),
    "a 3D box": (lambda s: s.add_box((3, 2, 2), (22, 22, 22)), set(range(30)) - {5, 12, 20}),
    "across": (lambda s: s.add_mask(TUBE[:, 11], index=11, axis="y"), set(range(30)) - {5, 12, 20}),
    "another window": (lambda s: s.set_window(Window(0, 99)), set(range(30)) - {5, 12, 20}),
    "another model": (lambda s: s.set_backend(ToyBackend()), set(range(30)) - {5, 12, 20}),
    "another way": (lambda s: setattr(s, "propagator", "copy"), set(range(30)) - {5, 12, 20}),
}


@pytest.mark.parametrize(("correct", "planes"), CORRECTIONS.values(), ids=CORRECTIONS)
def test_only_what_the_correction_can_change_is_answered(session, correct, planes) -> None:
    correct(session)
    before = session.mask.copy()
    assert answered(session) <= planes
    changed_planes = set(np.flatnonzero((session.mask != before).any((1, 2))))
    assert changed_planes <= planes
    assert answered(session) == set()


def test_those_planes_come_from_the_new_anchor_and_others_stay(session: Session) -> None:
    before = session.mask.copy()
    session.add_mask(square(4), index=8)
    assert answered(session) == {6, 7, 9, 10, 11}
    np.testing.assert_array_equal(session.mask[7], square(4))
    others = [*range(6), *range(12, 30)]
    np.testing.assert_array_equal(session.mask[others], before[others])


def test_a_prompt_that_came_and_went_leaves_a_plane_to_be_answered(session: Session) -> None:
    session.add_mask(square(4), index=8)
    session.remove_prompt(3)
    assert not session.mask[8].any()
    assert answered(session) == set(range(6, 12))
    assert session.mask[8].any()


def test_undo_brings_back_what_was_known(session: Session) -> None:
    session.add_mask(square(4), index=8)
    session.undo()
    assert answered(session) == set()
    session.redo()
    session.propagate().run()
    session.undo()
    assert answered(session) == {6, 7, 9, 10, 11}
    assert answered(session) == set()
    session.undo()
    session.undo()
    session.undo()
    assert answered(session) == set(range(30)) - {5, 12, 20}, "as before the first"


def test_who_asks_for_a_range_gets_all_of_it(session: Session) -> None:
    assert answered(session, start=6, stop=15) == {*range(6, 15)} - {12}
    assert answered(session, stop=30) == set(range(30)) - {5, 12, 20}
    assert answered(session) == set()


def test_a_part_of_what_is_between_two_anchors_is_not_all_of_it(session: Session) -> None:
    session.add_mask(square(4), index=8)
    assert answered(session, start=10, stop=14) == {10, 11, 13}
    assert answered(session) == {6, 7, 9, 10, 11}


def test_what_was_cancelled_is_answered_the_next_time(session: Session) -> None:
    session.add_mask(square(4), index=8)
    propagation = session.propagate(near=11)
    next(propagation)
    propagation.cancel()
    assert answered(session) == {6, 7, 9, 10, 11}


def test_another_axis_knows_nothing_of_it(session: Session) -> None:
    session.add_mask(TUBE[:, 11], index=11, axis="y")
    session.propagate(axis="y").run()
    assert answered(session) == set(range(30)) - {5, 12, 20}


def test_a_reopened_object_remembers(session: Session) -> None:
    session.reopen(session.commit())
    assert answered(session) == set()
    session.add_mask(square(4), index=8)
    assert answered(session) == {6, 7, 9, 10, 11}


def test_a_saved_session_remembers(session: Session, tmp_path) -> None:
    session.add_mask(square(4), index=8)
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", backend=ScriptedBackend(carried))
    assert answered(again) == {6, 7, 9, 10, 11}
    session.propagate().run()
    assert Snapshot.of(again) == Snapshot.of(session)


# Where it begins


def test_results_come_from_where_the_user_looks(session: Session) -> None:
    for index in (8, 16, 25):
        session.add_mask(square(4), index=index)
    order = [result.plane.index[0] for result in session.propagate(near=17)]
    assert order[:3] == [17, 18, 19]
    assert set(order) == set(range(6, 30)) - {8, 12, 16, 20, 25}


@pytest.mark.parametrize("near", [-1, 30, (3, 4)], ids=str)
def test_where_nothing_is_cannot_be_near(session: Session, near) -> None:
    with pytest.raises(ValueError, match=r"near .*; valid: 0 to 29 along z"):
        session.propagate(near=near)


# Planes of other orientations


def test_results_agree_with_all_prompted_planes() -> None:
    ball = ellipsoid(SHAPE, (15, 11, 14), (12, 8, 10))
    session = Session(bright(ball), ToyBackend())
    sagittal, coronal = ball[:, :, 14].copy(), ball[:, 11].copy()
    sagittal[22:] = False
    coronal[22:] = False
    session.add_mask(ball[15], index=15)
    session.add_mask(sagittal, index=14, axis="x")
    session.add_mask(coronal, index=11, axis="y")
    before = session.mask.copy()
    session.propagate().run()
    np.testing.assert_array_equal(session.mask[15], before[15])
    np.testing.assert_array_equal(session.mask[:, :, 14], sagittal)
    np.testing.assert_array_equal(session.mask[:, 11], coronal)


def test_backends_see_the_lines_where_other_planes_cross() -> None:
    prompts_by_plane = {}

    def answer(image, prompts, prior):
        prompts_by_plane[image.values[0, 0]] = prompts
        return prior

    data = bright(TUBE)
    data[:, 0, 0] = np.arange(30)
    session = Session(data, ScriptedBackend(answer))
    session.add_mask(TUBE[15], index=15)
    coronal = TUBE[:, 11].copy()
    coronal[20:] = False
    session.add_mask(coronal, index=11, axis="y")
    session.propagate(axis="z").run()
    inside = [s for s in prompts_by_plane[17].strokes if s.positive]
    assert [s.path.tolist() for s in inside] == [[[11, 8], [11, 20]]]
    outside = [s for s in prompts_by_plane[17].strokes if not s.positive]
    assert len(outside) == 2
    assert not any(s.positive for s in prompts_by_plane[22].strokes)


def test_a_backend_that_knows_no_scribbles_sees_clicks_on_these_lines() -> None:
    toy = ToyBackend()
    toy.capabilities = replace(toy.capabilities, prompts=frozenset({"point"}))
    session = Session(bright(TUBE), toy)
    session.add_point((15, 11, 14))
    session.add_mask(TUBE[:, 11], index=11, axis="y")
    session.propagate(axis="z").run()
    strokes = [stroke for prompts in toy.seen[1:] for stroke in prompts.strokes]
    assert strokes
    assert all(len(stroke.path) == 1 for stroke in strokes)


def test_a_plane_across_is_enough_to_begin_with() -> None:
    session = Session(bright(TUBE), ToyBackend())
    session.add_point((15, 11, 14), axis="x")
    session.add_point((15, 11, 13), axis="y")
    session.propagate().run()
    assert session.mask[15].sum() > 0.8 * TUBE[15].sum()
    with pytest.raises(ValueError, match="no prompted plane lies across axis 'z'"):
        session.propagate(axis="z")


# Videos


def test_an_object_may_vanish_and_come_back() -> None:
    frames = [TUBE[0], EMPTY, EMPTY, TUBE[0], TUBE[0]]
    session = Session(bright(np.array(frames)), ToyBackend(), axes="tyx", propagator="copy")
    session.add_mask(TUBE[0], index=0)
    session.add_mask(EMPTY, index=2)
    session.add_mask(TUBE[0], index=3)
    session.propagate().run()
    assert session.mask.any((1, 2)).tolist()[2:] == [False, True, True]


class Bursting:
    """Answers the planes after the anchor with the anchor, but one with all of the plane."""

    name = "bursting"

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        (origin,) = stack.anchors
        for index in range(origin + 1, origin + 4):
            mask = stack.anchors[origin]
            yield PlanePrediction(index, np.ones_like(mask) if index == origin + 2 else mask, 0.9)


def test_an_answer_that_fills_the_frame_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "create_propagator", lambda name, backend: Bursting())
    session = Session(bright(TUBE), ToyBackend(), axes="tyx")
    session.add_mask(TUBE[5], index=5)
    results = [(r.plane.index[0], r.confidence) for r in session.propagate()]
    assert results == [(6, 0.9), (7, 0.0), (8, 0.9)]
    assert np.flatnonzero(session.mask.any((1, 2))).tolist() == [5, 6, 8]
    assert session.worst_plane() == Plane((7, None, None))


# Anchors that a propagator predicts once more


class Growing:
    """Predicts every plane as its anchor grown by a row, and revises the anchors likewise."""

    name = "growing"

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        for index in (*sorted(stack.anchors), *stack.open):
            anchor = min(stack.anchors, key=lambda a: abs(a - index))
            yield PlanePrediction(index, stack.anchors[anchor] | grown(square(6)), 0.9)


def grown(mask: np.ndarray) -> np.ndarray:
    return mask | np.roll(mask, 1, 0)


@pytest.fixture
def revised(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A click at 4 and a drawn mask at 20, propagated by `Growing`."""
    monkeypatch.setattr(predictor, "create_propagator", lambda name, backend: Growing())
    session = Session(bright(TUBE), ScriptedBackend(carried))
    session.add_point((4, 12, 12))
    session.add_mask(square(6), index=20)
    session.propagate().run()
    return session


def test_a_clicked_plane_may_be_revised_and_a_drawn_one_stays(revised: Session) -> None:
    assert revised.mask[4, 16, 12], "row 16 belongs to the answer with the planes around"
    np.testing.assert_array_equal(revised.mask[20], square(6))
    assert {r.plane.index[0] for r in revised.propagate()} == set(), "it is done once"


def test_revised_planes_are_part_of_the_step_of_their_propagation(revised: Session) -> None:
    after = revised.mask.copy()
    revised.undo()
    assert not revised.mask[4, 16, 12]
    assert revised.mask[4].sum() == 25
    revised.redo()
    np.testing.assert_array_equal(revised.mask, after)


def test_a_plane_is_revised_again_after_another_click(revised: Session) -> None:
    revised.add_point((4, 3, 3))
    assert {r.plane.index[0] for r in revised.propagate()} == set(range(20))
    assert {r.plane.index[0] for r in revised.propagate(start=0, stop=9)} == {*range(9)} - {4}


@pytest.mark.parametrize(
    "fix",
    [
        lambda s: s.add_lasso([(7, 9, 9), (7, 9, 15), (7, 15, 15), (7, 15, 9)]),
        lambda s: s.add_mask(square(5), index=7),
    ],
    ids=["lasso", "mask"],
)
def test_what_was_outlined_is_not_revised(revised: Session, fix) -> None:
    fix(revised)
    before = revised.mask[7].copy()
    revised.propagate().run()
    np.testing.assert_array_equal(revised.mask[7], before)
