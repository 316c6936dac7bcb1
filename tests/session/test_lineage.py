"""Divisions, ends and links of objects over time; undone, saved and never left dangling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import Snapshot, ToyBackend
from napari_promptseg.io import ctc
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path


def series(axes: str = "tyx", **options) -> Session:
    sizes = {"t": 8, "z": 2, "y": 6, "x": 12}
    return Session(np.zeros([sizes[a] for a in axes], np.uint8), ToyBackend(), axes=axes, **options)


def add(session: Session, times: range | list[int], column: int, name: str = "") -> int:
    """Commit an object with a prompt at each time point."""
    mask = np.zeros(session.mask.shape, bool)
    mask[list(times), ..., 2:4, column : column + 2] = True
    session.add_mask(mask)
    return session.commit(name)


def times_of(session: Session, label: int) -> list[int]:
    labels = session.labels
    return np.flatnonzero((labels == label).any(axis=tuple(range(1, labels.ndim)))).tolist()


def parents(session: Session) -> dict[int, int | None]:
    return {label: item.parent for label, item in session.objects.items()}


@pytest.mark.parametrize("axes", ["tyx", "tzyx"])
def test_daughters_that_begin_later_are_linked(axes: str) -> None:
    session = series(axes)
    mother = add(session, range(3), 0)
    daughters = add(session, range(3, 6), 3), add(session, range(4, 8), 6)
    labels = session.labels.copy()
    assert session.divide(mother, daughters) == daughters
    assert parents(session) == {1: None, 2: 1, 3: 1}
    np.testing.assert_array_equal(session.labels, labels)
    assert session.history[-1] == "divide"


@pytest.mark.parametrize("axes", ["tyx", "tzyx"])
def test_a_mother_that_goes_on_becomes_a_daughter(axes: str) -> None:
    session = series(axes)
    mother = add(session, range(6), 0, "cell")
    other = add(session, range(4, 8), 6)
    before = Snapshot.of(session)
    assert session.divide(mother, [other], t=4) == (2, 3)
    assert [times_of(session, label) for label in (1, 2, 3)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [4, 5],
    ]
    assert parents(session) == {1: None, 2: 1, 3: 1}
    late = session.objects[3]
    assert late.name == "cell"
    assert {prompt.index[0] for prompt in late.prompts} == {4, 5}
    assert {prompt.index[0] for prompt in session.objects[1].prompts} == {0, 1, 2, 3}
    after = Snapshot.of(session)
    assert session.undo()
    assert Snapshot.of(session) == before
    assert session.redo()
    assert Snapshot.of(session) == after


def test_a_cut_alone_makes_one_daughter_that_takes_over_those_there_are() -> None:
    session = series()
    mother = add(session, range(5), 0)
    add(session, range(5, 8), 4)
    session.divide(mother, [2])
    assert session.divide(mother, t=3) == (3,)
    assert parents(session) == {1: None, 2: 3, 3: 1}


def test_the_time_of_a_division_may_be_after_the_end_of_the_parent() -> None:
    session = series()
    add(session, range(3), 0)
    add(session, range(5, 6), 4)
    assert session.divide(1, [2], t=4) == (2,)
    assert list(session.objects) == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parent": 9, "daughters": [1]}, "no object 9"),
        ({"parent": 1, "daughters": [9]}, "no object 9"),
        ({"parent": 1, "daughters": [1]}, "cannot be its own daughter"),
        ({"parent": 1}, "nothing to divide object 1 into: pass daughters, or a time point t"),
        ({"parent": 1, "t": 7}, "nothing to divide object 1 into"),
        ({"parent": 1, "daughters": [2]}, r"begins at time point 3, before its parent.*ends at 4"),
        ({"parent": 1, "daughters": [2], "t": 4}, r"before its parent 1 ends at 3; t=3 makes"),
        ({"parent": 3, "daughters": [2], "t": 6}, "begins at time point 6: nothing of it"),
        ({"parent": 1, "daughters": [2], "t": 8}, "time point 8 is outside; valid: 0 to 7"),
        ({"parent": 1, "daughters": [2], "t": 2.5}, "time point 2.5 is no integer"),
        ({"parent": 1, "daughters": [4]}, "object 4 is a daughter of 2; unlink it first"),
    ],
)
def test_divisions_that_cannot_be(arguments: dict, message: str) -> None:
    session = series()
    for column, times in enumerate([range(5), range(3, 6), range(6, 8), range(7, 8)]):
        add(session, times, 3 * column)
    session.divide(2, [4])
    before = Snapshot.of(session)
    with pytest.raises(ValueError, match=message):
        session.divide(**arguments)
    assert Snapshot.of(session) == before


def test_without_time_nothing_divides_or_ends() -> None:
    session = Session(np.zeros((8, 6, 12), np.uint8), ToyBackend())
    add(session, range(3), 0)
    add(session, range(5, 6), 4)
    for act in (lambda: session.divide(1, [2]), lambda: session.end_track(1, 1), session.tracks):
        with pytest.raises(ValueError, match="'zyx'"):
            act()


def test_an_object_ends_where_the_user_says() -> None:
    session = series()
    label = add(session, range(1, 6), 0)
    before = Snapshot.of(session)
    session.end_track(label, 3)
    assert times_of(session, label) == [1, 2, 3]
    assert {prompt.index[0] for prompt in session.objects[label].prompts} == {1, 2, 3}
    with pytest.raises(ValueError, match="ends at time point 3 already, t is 5"):
        session.end_track(label, 5)
    with pytest.raises(ValueError, match="begins at time point 1: nothing of it would be left"):
        session.end_track(label, 0)
    assert session.undo()
    assert Snapshot.of(session) == before


def test_unlink() -> None:
    session = series()
    add(session, range(3), 0)
    add(session, range(5, 6), 4)
    session.divide(1, [2])
    session.unlink(2)
    assert parents(session) == {1: None, 2: None}
    with pytest.raises(ValueError, match="object 2 has no parent"):
        session.unlink(2)
    assert session.undo()
    assert parents(session) == {1: None, 2: 1}


def family() -> Session:
    """Object 1 with its daughters 2 and 3."""
    session = series()
    for column, times in enumerate([range(3), range(4, 6), range(4, 8)]):
        add(session, times, 4 * column)
    session.divide(1, [2, 3])
    return session


def take_over(session: Session) -> None:
    """Another object takes all pixels of the parent."""
    mask = np.zeros(session.mask.shape, bool)
    mask[:3, :, :4] = True
    session.add_mask(mask)
    session.commit(overwrite=True)


def paint_over(session: Session) -> None:
    session.paint(((0, 8), (0, 6), (0, 4)), np.zeros((8, 6, 4), np.uint16))


def reopen_and_discard(session: Session) -> None:
    session.reopen(1)
    session.discard()


@pytest.mark.parametrize("act", [lambda s: s.delete(1), take_over, paint_over, reopen_and_discard])
def test_daughters_of_a_parent_that_goes_have_none(act) -> None:
    session = family()
    steps = len(session.history)
    act(session)
    assert 1 not in session.objects
    assert [session.objects[label].parent for label in (2, 3)] == [None, None]
    while len(session.history) > steps:
        session.undo()
    assert parents(session) == {1: None, 2: 1, 3: 1}


def test_a_parent_in_work_stays_the_parent() -> None:
    session = family()
    session.reopen(1)
    assert parents(session) == {2: 1, 3: 1}
    session.relabel(2, 9)
    session.commit()
    assert parents(session) == {1: None, 9: 1, 3: 1}


def test_a_daughter_in_work_keeps_its_parent_as_long_as_it_is_there() -> None:
    session = family()
    session.reopen(2)
    session.relabel(1, 7)
    assert session.draft.parent == 7
    session.commit()
    assert parents(session) == {2: 7, 3: 7, 7: None}
    session.reopen(2)
    session.delete(7)
    session.commit()
    assert parents(session) == {2: None, 3: None}


def test_a_new_id_of_a_parent_is_followed() -> None:
    session = family()
    session.relabel(1, 20)
    assert parents(session) == {2: 20, 3: 20, 20: None}
    session.undo()
    assert parents(session) == {1: None, 2: 1, 3: 1}


def test_links_are_saved_and_journalled(tmp_path: Path) -> None:
    session = series(journal=tmp_path / "journal")
    add(session, range(6), 0)
    add(session, range(4, 8), 6)
    session.divide(1, [2], t=4)
    session.end_track(2, 6)
    session.save(tmp_path / "a.promptseg")
    recovered = Session.recover(tmp_path / "journal", backend=ToyBackend())
    for again in (recovered, Session.load(tmp_path / "a.promptseg", backend=ToyBackend())):
        assert Snapshot.of(again) == Snapshot.of(session)
        again.undo()
        again.undo()
        assert parents(again) == {1: None, 2: None}


def test_tracks_and_their_file(tmp_path: Path) -> None:
    session = family()
    data, graph = session.tracks()
    assert data[:, :2].astype(int).tolist() == [
        *([1, t] for t in range(3)),
        *([2, t] for t in (4, 5)),
        *([3, t] for t in range(4, 8)),
    ]
    np.testing.assert_array_equal(data[0, 2:], [2.5, 0.5])
    assert graph == {2: [1], 3: [1]}
    session.export(tmp_path / "01_RES")
    labels, links = ctc.read(tmp_path / "01_RES")
    np.testing.assert_array_equal(labels, session.labels)
    assert links == {2: 1, 3: 1}
    session.reopen(1)
    with pytest.raises(ValueError, match="object 2 has parent 1, which has no pixel"):
        session.export(tmp_path / "02_RES")
