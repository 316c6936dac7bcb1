"""Undo, redo and what listeners hear."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Scene, Snapshot, ToyBackend, make_scene
from napari_promptseg.data.geometry import box_slices
from napari_promptseg.session.history import Change, ImagePatch
from napari_promptseg.session.session import Session
from napari_promptseg.session.store import Store

BOX = ((0, 2), (0, 3), (0, 4))

STEPS = {
    "point": lambda s: s.add_point((4, 1, 1)),
    "negative point": lambda s: s.add_point((4, 11, 14), positive=False),
    "box": lambda s: s.add_box((5, 5, 6), (5, 18, 22)),
    "3D box": lambda s: s.add_box((2, 5, 6), (7, 18, 22)),
    "scribble": lambda s: s.add_scribble([(4, 1, 1), (4, 2, 9)]),
    "lasso": lambda s: s.add_lasso([(4, 1, 1), (4, 2, 9), (4, 9, 1)], positive=False),
    "plane mask": lambda s: s.add_mask(np.ones((24, 28)), index=3),
    "empty plane mask": lambda s: s.add_mask(np.zeros((24, 28)), index=4),
    "full mask": lambda s: s.add_mask(np.ones((9, 24, 28))),
    "text": lambda s: s.add_text("ellipse"),
    "sagittal point": lambda s: s.add_point((4, 11, 14), axis="x"),
    "removed prompt": lambda s: s.remove_prompt(0),
    "propagation": lambda s: s.propagate().run(),
    "a part of a propagation": lambda s: (next(p := s.propagate()), p.cancel()),
    "commit": lambda s: s.commit("name"),
    "overwriting commit": lambda s: s.commit(overwrite=True),
    "discard": lambda s: s.discard(),
    "delete": lambda s: s.delete(1),
    "rename": lambda s: s.rename(1, "name"),
    "relabel": lambda s: s.relabel(1, 9),
    "paint": lambda s: s.paint(BOX, np.full((2, 3, 4), 5)),
    "erase": lambda s: s.paint(((0, 9), (0, 24), (0, 28)), np.zeros((9, 24, 28), int)),
}


@pytest.fixture
def session() -> Session:
    """With one committed object and one in work."""
    scene = make_scene("zyx")
    session = Session(scene.data, ToyBackend())
    session.add_mask(np.ones((24, 28)), index=8)
    session.commit()
    session.add_point((4, 11, 14))
    return session


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_every_step_can_be_undone_and_redone(session: Session, step) -> None:
    before, count = Snapshot.of(session), len(session.history)
    step(session)
    after = Snapshot.of(session)
    assert before.differences(after), "the step did something"
    assert len(session.history) == count + 1
    for _ in range(2):
        assert session.undo()
        assert not before.differences(Snapshot.of(session))
        assert session.can_redo
        assert session.redo()
        assert not after.differences(Snapshot.of(session))
        assert not session.can_redo


def test_all_steps_together_can_be_undone_to_the_beginning_and_redone(session: Session) -> None:
    snapshots = []
    for name in ("point", "propagation", "commit", "paint", "rename", "text", "delete", "discard"):
        snapshots.append((Snapshot.of(session), len(session.history)))
        STEPS[name](session)
    end = Snapshot.of(session)
    for snapshot, count in reversed(snapshots):
        while len(session.history) > count:
            assert session.undo()
        assert not snapshot.differences(Snapshot.of(session))
    while session.undo():
        pass
    assert not session.mask.any()
    assert not session.labels.any()
    assert (session.prompts, dict(session.objects)) == ((), {})
    while session.redo():
        pass
    assert not end.differences(Snapshot.of(session))


def test_undo_works_in_all_axes(scene: Scene) -> None:
    session = Session(scene.data, ToyBackend(), axes=scene.axes)
    session.add_point(scene.centre)
    after = Snapshot.of(session)
    assert session.undo()
    assert not session.mask.any()
    assert session.redo()
    assert Snapshot.of(session) == after


def test_a_new_step_ends_what_could_be_redone(session: Session) -> None:
    session.undo()
    assert session.can_redo
    session.add_point((4, 1, 1))
    assert not session.can_redo
    assert session.redo() is False


def test_a_step_that_changes_no_pixel_is_still_a_step(session: Session) -> None:
    before = Snapshot.of(session)
    session.add_point((4, 11, 14))
    assert len(session.prompts) == 2
    session.undo()
    assert Snapshot.of(session) == before


def test_history_holds_boxes_not_volumes() -> None:
    session = Session(np.zeros((64, 256, 256), np.uint8), ToyBackend())
    session.add_point((20, 100, 100))
    (change,) = session._state.store.history.done
    (patch,) = change.patches
    assert patch.box == ((20, 21), (99, 102), (99, 102))
    assert len(patch.old) + len(patch.new) < 100


@pytest.mark.parametrize("dtype", [np.bool_, np.uint16])
def test_a_patch_knows_both_sides(dtype: type, rng: np.random.Generator) -> None:
    target = rng.integers(0, 2, (5, 7, 9)).astype(dtype)
    box = ((1, 4), (2, 7), (0, 5))
    old = target[box_slices(box)].copy()
    new = rng.integers(0, 2, old.shape).astype(dtype)
    patch = ImagePatch.between("mask", box, target[box_slices(box)], new)
    before = target.copy()
    patch.write(target, "new")
    np.testing.assert_array_equal(target[box_slices(box)], new)
    patch.write(target, "old")
    np.testing.assert_array_equal(target, before)
    assert patch.values("old").dtype == dtype


def test_patches_of_one_change_that_overlap_are_undone_in_reverse() -> None:
    store = Store((4, 4))
    ones, twos = np.ones((4, 4), np.uint16), np.full((2, 2), 2, np.uint16)
    first = ImagePatch.between("labels", ((0, 4), (0, 4)), store.labels, ones)
    second = ImagePatch.between("labels", ((1, 3), (1, 3)), ones[1:3, 1:3], twos)
    store.do(Change("paint", (store.draft, store.draft), {}, (first, second)))
    assert store.labels.sum() == 12 + 8
    store.undo()
    assert not store.labels.any()
    store.redo()
    assert store.labels.sum() == 12 + 8


# Events


class Listener:
    """Keeps what a session tells, and the mask and labels as told by boxes alone."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.mask, self.labels = session.mask.copy(), session.labels.copy()
        self.heard: list[str] = []
        session.events.mask.connect(self._mask)
        session.events.labels.connect(self._labels)
        for name in ("draft", "objects", "history"):
            getattr(session.events, name).connect(lambda name=name: self.heard.append(name))

    def _mask(self, box) -> None:
        self.heard.append("mask")
        self.mask[box_slices(box)] = self.session._state.store.mask[box_slices(box)]

    def _labels(self, box) -> None:
        self.heard.append("labels")
        self.labels[box_slices(box)] = self.session._state.store.labels[box_slices(box)]


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_listener_that_copies_the_boxes_it_hears_of_is_up_to_date(session, step) -> None:
    listener = Listener(session)
    for act in (step, Session.undo, Session.redo):
        before = Snapshot.of(session)
        listener.heard.clear()
        act(session)
        np.testing.assert_array_equal(listener.mask, session.mask)
        np.testing.assert_array_equal(listener.labels, session.labels)
        differences = before.differences(Snapshot.of(session))
        assert {"mask", "labels", "objects"} & set(differences) <= set(listener.heard)
        assert ("draft" in listener.heard) >= ("prompts" in differences)
        assert listener.heard[-1] == "history"
        assert listener.heard.count("history") == 1


def test_a_click_tells_the_box_that_changed_and_no_more(session: Session) -> None:
    boxes: list = []
    session.events.mask.connect(boxes.append)
    session.add_point((4, 1, 1))
    assert boxes == [((4, 5), (0, 3), (0, 3))]


def test_propagation_tells_plane_by_plane(session: Session) -> None:
    boxes: list = []
    session.events.mask.connect(boxes.append)
    for count, result in enumerate(session.propagate(), 1):
        assert len(boxes) == count
        assert boxes[-1] == result.box


def test_listeners_see_the_finished_state(session: Session) -> None:
    states = []
    session.events.labels.connect(
        lambda box: states.append((session.prompts, set(session.objects)))
    )
    session.commit()
    assert states == [((), {1, 2})]


def test_a_listener_that_fails_harms_nothing_but_itself(session: Session) -> None:
    before = Snapshot.of(session)

    def fail(box: object) -> None:
        raise RuntimeError("no canvas")

    session.events.mask.connect(fail)
    with pytest.raises(Exception, match="no canvas"):
        session.commit()
    session.events.mask.disconnect(fail)
    assert set(session.objects) == {1, 2}
    assert session.history[-1] == "commit"
    session.undo()
    assert Snapshot.of(session) == before


def test_a_wrong_call_tells_nothing(session: Session) -> None:
    listener = Listener(session)
    with pytest.raises(ValueError, match="outside"):
        session.add_point((99, 1, 1))
    assert listener.heard == []
