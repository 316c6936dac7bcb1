"""Confidences of propagated planes, and the choice of the plane to look at next."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg.data.geometry import Plane
from napari_promptseg.propagation.base import PlanePrediction, Stack
from napari_promptseg.session import predictor
from napari_promptseg.session.session import Session

SHAPE = (9, 24, 28)
BALL = ellipsoid(SHAPE, (4, 11, 14), (3.6, 6, 8))


def plane(index: int) -> Plane:
    return Plane((index, None, None))


class Doubting:
    """Answers each open plane with the truth, the less sure the farther from an anchor."""

    name = "doubting"

    def fill(self, stack: Stack):
        axis = 0 if next(iter(stack.anchors.values())).shape == SHAPE[1:] else 1
        for index in stack.open:
            truth = BALL.take(index, axis)
            if truth.any():
                far = min(abs(index - anchor) for anchor in stack.anchors)
                yield PlanePrediction(index, truth, 1 - far / 8 - index / 64)


@pytest.fixture(autouse=True)
def doubting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "create_propagator", lambda name, backend: Doubting())


@pytest.fixture
def session() -> Session:
    session = Session(bright(BALL), ToyBackend())
    session.add_point((4, 11, 14))
    return session


def expected(*anchors: int) -> dict[Plane, float]:
    sure = dict.fromkeys(map(plane, anchors), 1.0)
    for index in np.flatnonzero(BALL.any((1, 2))).tolist():
        far = min(abs(index - anchor) for anchor in anchors)
        sure.setdefault(plane(index), 1 - far / 8 - index / 64)
    return sure


def test_prompted_planes_are_sure_and_others_as_propagation_says(session: Session) -> None:
    assert session.confidences == {plane(4): 1.0}
    session.propagate()
    assert session.confidences == expected(4), "what nobody iterates is done first"
    session.add_point((6, 11, 14))
    assert session.confidences == {**expected(4), plane(6): 1.0}
    session.propagate().run()
    assert session.confidences == expected(4, 6)


def test_they_come_plane_by_plane_with_an_event(session: Session) -> None:
    counts = []
    session.events.confidences.connect(lambda: counts.append(len(session.confidences)))
    propagation = session.propagate()
    for count in (2, 3):
        result = next(propagation)
        assert session.confidences[result.plane] == result.confidence
        assert counts[-1] == len(session.confidences) == count
    propagation.cancel()
    assert len(session.confidences) == 3
    session.undo()
    assert counts[-1] == 1


def test_a_plane_where_the_object_is_no_more_has_none(session: Session) -> None:
    session.propagate().run()
    session.add_mask(np.zeros(SHAPE[1:]), index=6)
    session.remove_prompt(1)
    assert plane(6) not in session.confidences


class Ending:
    """Says of planes beyond the object that they are empty: surely, or not."""

    name = "ending"

    def fill(self, stack: Stack):
        empty = np.zeros(SHAPE[1:], bool)
        yield PlanePrediction(5, BALL[5], 0.7)
        yield PlanePrediction(6, empty, 0.4)
        yield PlanePrediction(7, empty, 0.9)


def test_empty_planes_are_told_where_they_are_doubtful(session: Session, monkeypatch) -> None:
    monkeypatch.setattr(predictor, "create_propagator", lambda name, backend: Ending())
    results = [(r.plane, r.confidence, r.empty) for r in session.propagate()]
    assert results == [(plane(5), 0.7, False), (plane(6), 0.4, True), (plane(7), 0.9, True)]
    assert session.confidences == pytest.approx(
        {plane(4): 1.0, plane(5): 0.7, plane(6): 0.4}, abs=1e-3
    )


def test_commit_takes_them_along(session: Session) -> None:
    session.propagate().run()
    label = session.commit()
    assert session.confidences == {}
    session.reopen(label)
    assert session.confidences == expected(4)
    session.discard()
    session.undo()
    assert session.confidences == expected(4)


def test_they_are_saved_and_journalled(tmp_path) -> None:
    session = Session(bright(BALL), ToyBackend(), journal=tmp_path / "journal")
    session.add_point((4, 11, 14))
    session.propagate().run()
    session.save(tmp_path / "saved")
    for again in (
        Session.load(tmp_path / "saved", backend=ToyBackend()),
        Session.recover(tmp_path / "journal", backend=ToyBackend()),
    ):
        assert again.confidences == expected(4)
        assert again.undo()
        assert again.confidences == {plane(4): 1.0}


# Review


def test_review_goes_from_the_worst_plane_on(session: Session) -> None:
    assert session.worst_plane() is None
    session.propagate().run()
    worst = [session.worst_plane() for _ in range(7)]
    assert worst == [plane(i) for i in (7, 1, 6, 2, 5, 3)] + [None]
    assert session.worst_plane() == plane(7), "and begins again"


def test_a_corrected_plane_is_reviewed_and_one_answered_anew_comes_again(session: Session) -> None:
    session.propagate().run()
    assert [session.worst_plane(), session.worst_plane()] == [plane(7), plane(1)]
    session.add_point((6, 11, 14))
    assert session.worst_plane() == plane(2)
    session.propagate().run()
    assert session.worst_plane() == plane(7), "answered anew"
    assert session.worst_plane() == plane(5)


def test_review_begins_anew_with_another_object(session: Session) -> None:
    session.propagate().run()
    session.worst_plane()
    session.commit()
    session.add_point((4, 11, 14))
    session.propagate().run()
    assert session.worst_plane() == plane(7)


def test_review_of_one_orientation(session: Session) -> None:
    session.propagate().run()
    assert session.worst_plane("y") is None
    assert session.worst_plane("z") == plane(7)


# Whatever happens


calls = st.one_of(
    st.tuples(st.just("click"), st.integers(1, 7)),
    st.tuples(st.just("empty"), st.integers(1, 7)),
    st.tuples(st.just("across"), st.integers(6, 16)),
    st.tuples(st.just("remove"), st.integers(0, 3)),
    st.tuples(st.just("part"), st.integers(0, 4)),
    st.tuples(st.just("propagate"), st.integers(0, 1)),
    st.tuples(st.just("commit"), st.just(0)),
    st.tuples(st.just("reopen"), st.just(1)),
)


def call(session: Session, name: str, number: int) -> None:
    try:
        match name:
            case "click":
                session.add_point((number, 11, 14))
            case "empty":
                session.add_mask(np.zeros(SHAPE[1:]), index=number)
            case "across":
                session.add_point((4, number, 14), axis="y")
            case "remove":
                session.remove_prompt(number)
            case "part":
                propagation = session.propagate()
                for _, _ in zip(range(number), propagation, strict=False):
                    pass
                propagation.cancel()
            case "propagate":
                session.propagate(axis="y" if number else None).run()
            case "commit":
                session.commit()
            case "reopen":
                session.reopen(number)
    except ValueError:
        pass  # nothing there to do it with


@settings(max_examples=25)
@given(st.lists(calls, max_size=10))
def test_history_and_disk_bring_back_exactly_what_was_known(steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        session = Session(bright(BALL), ToyBackend(), journal=Path(folder) / "journal")
        states = {0: dict(session.confidences)}
        for name, number in steps:
            call(session, name, number)
            states[len(session.history)] = dict(session.confidences)
            fixed = session.draft.anchors("zyx")
            assert {p for p, sure in session.confidences.items() if sure == 1} == set(fixed)
        record = session.draft.propagated
        again = Session.recover(Path(folder) / "journal", backend=ToyBackend())
        assert again.confidences == session.confidences
        assert again.draft.propagated == record
        while session.undo():
            step_count = len(session.history)
            if step_count in states:  # reopening makes two steps where an object was in work
                assert session.confidences == states[step_count]
        while session.redo():
            pass
        assert session.draft.propagated == record
