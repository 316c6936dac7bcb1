"""Tracks corrected from a time point on: linked, cut and swapped, and undone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import Snapshot, ToyBackend
from napari_promptseg.measure.tracks import find_tracks, label_frames
from napari_promptseg.session.session import Session

LANES = {1: range(0, 6), 2: range(2, 8), 3: range(7, 9), 4: range(7, 9)}


def series() -> Session:
    """Four objects side by side over nine time points; 2 divides into 3 and 4."""
    labels = np.zeros((9, 12, 30), np.uint16)
    for label, times in LANES.items():
        labels[list(times), 2 + label : 6 + label, 6 * label - 4 : 6 * label] = label
    labels[7, :, 8:12] = 0
    session = Session(np.zeros(labels.shape, np.uint8), ToyBackend(), axes="tyx", labels=labels)
    session.divide(2, [3, 4])
    session.rename(1, "one")
    session.rename(2, "two")
    return session


def times(session: Session) -> dict[int, list[int]]:
    return label_frames(session.labels)


def parents(session: Session) -> dict[int, int]:
    return {label: one.parent for label, one in session.objects.items() if one.parent}


def check(session: Session) -> None:
    """Check that boxes hold their objects, and that lineage is one that can be written."""
    frames = times(session)
    assert sorted(frames) == sorted(session.objects)
    for label, one in session.objects.items():
        where = np.argwhere(session.labels == label)
        assert all((where >= [a for a, _ in one.box]).all(0))
        assert all((where < [b for _, b in one.box]).all(0))
    find_tracks(frames, parents(session))


def test_an_object_goes_on_as_another_one_and_its_own_rest_stands_alone() -> None:
    session = series()
    before = Snapshot.of(session)
    session.link(1, 2, t=4)
    assert times(session) == {
        1: [0, 1, 2, 3, 4, 5, 6],
        2: [2, 3],
        3: [7, 8],
        4: [7, 8],
        5: [4, 5],
    }
    assert parents(session) == {3: 1, 4: 1}
    assert [session.objects[label].name for label in (1, 2, 5)] == ["one", "two", "one"]
    check(session)
    assert session.history[-1] == "link"
    session.undo()
    assert Snapshot.of(session) == before


def test_without_a_time_point_the_whole_second_one_is_taken() -> None:
    session = series()
    session.end_track(1, 1)
    session.link(1, 2)
    assert times(session)[1] == [0, 1, 2, 3, 4, 5, 6]
    assert 2 not in session.objects
    assert parents(session) == {3: 1, 4: 1}
    check(session)


def test_a_division_that_was_none_becomes_one_object_again() -> None:
    session = series()
    session.link(2, 3)
    assert times(session)[2] == [2, 3, 4, 5, 6, 7, 8]
    assert parents(session) == {}  # 4 begins while 2 goes on
    check(session)


def test_prompts_go_with_their_time_points() -> None:
    session = series()
    for label, column in ((5, 0), (6, 26)):
        mask = np.zeros(session.mask.shape, bool)
        mask[1:7, 8:11, column : column + 3] = True
        session.add_mask(mask)
        assert session.commit() == label
    session.link(5, 6, t=3)
    assert {p.index[0] for p in session.objects[5].prompts} == {1, 2, 3, 4, 5, 6}
    assert {p.index[0] for p in session.objects[6].prompts} == {1, 2}
    assert {p.index[0] for p in session.objects[7].prompts} == {3, 4, 5, 6}
    session.reopen(5)
    assert session.mask[2, 9, 1]
    assert session.mask[3, 9, 27]
    assert not session.mask[3, 9, 1]


def test_a_cut_makes_an_object_that_comes_from_no_other() -> None:
    session = series()
    assert session.unlink(2, t=4) == 5
    assert times(session)[2] == [2, 3]
    assert times(session)[5] == [4, 5, 6]
    assert parents(session) == {3: 5, 4: 5}
    assert session.objects[5].name == "two"
    check(session)
    assert session.unlink(3) == 3
    assert parents(session) == {4: 5}


def test_two_objects_change_places_and_their_daughters_with_them() -> None:
    session = series()
    labels = session.labels.copy()
    session.swap_tracks(1, 2, 4)
    expected = labels.copy()
    expected[4:][labels[4:] == 1] = 2
    expected[4:][labels[4:] == 2] = 1
    np.testing.assert_array_equal(session.labels, expected)
    assert parents(session) == {3: 1, 4: 1}
    assert [session.objects[label].name for label in (1, 2)] == ["one", "two"]
    check(session)
    session.swap_tracks(2, 1, 4)
    np.testing.assert_array_equal(session.labels, labels)
    assert parents(session) == {3: 2, 4: 2}


def test_where_one_has_ended_the_other_one_goes_on_as_it() -> None:
    session = series()
    session.swap_tracks(1, 2, 6)
    assert times(session)[1] == [0, 1, 2, 3, 4, 5, 6]
    assert times(session)[2] == [2, 3, 4, 5]
    assert parents(session) == {3: 1, 4: 1}
    check(session)


def test_a_daughter_that_becomes_its_parent_leaves_the_other_one_alone() -> None:
    session = series()
    session.swap_tracks(2, 3, 7)  # object 2 ends before: it goes on as its daughter 3 did
    assert 3 not in session.objects
    assert parents(session) == {}
    check(session)
    assert session.undo()
    assert parents(session) == {3: 2, 4: 2}


@given(st.data())
def test_any_correction_can_be_undone_and_leaves_a_lineage(data: st.DataObject) -> None:
    session = series()
    states = [Snapshot.of(session)]
    pixels = session.labels > 0
    for _ in range(data.draw(st.integers(1, 4))):
        ids = sorted(session.objects)
        one, other = data.draw(st.permutations(ids))[:2]
        t = data.draw(st.integers(0, 8))
        step = data.draw(st.sampled_from(("link", "swap", "cut", "unlink", "divide")))
        try:
            if step == "link":
                session.link(one, other, t)
            elif step == "swap":
                session.swap_tracks(one, other, t)
            elif step == "divide":
                session.divide(one, [other], t)
            else:
                session.unlink(one, t if step == "cut" else None)
        except ValueError:
            assert Snapshot.of(session) == states[-1]
            continue
        check(session)
        np.testing.assert_array_equal(session.labels > 0, pixels)
        states.append(Snapshot.of(session))
    for state in states[-2::-1]:
        assert session.undo()
        assert Snapshot.of(session) == state


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("link", (1, 1), "twice"),
        ("link", (2, 1, 2), "begins at or after time point 2"),
        ("link", (1, 2, 7), "nothing from time point 7"),
        ("link", (1, 2, 9), "valid: 0 to 8"),
        ("link", (1, 77), "no object 77"),
        ("unlink", (1,), "no parent"),
        ("unlink", (2, 2), "begins at time point 2"),
        ("unlink", (2, 7), "nothing from time point 7"),
        ("swap_tracks", (1, 2, 0), "nothing before time point 0"),
        ("swap_tracks", (1, 2, 8), "nothing from time point 8"),
    ],
)
def test_what_cannot_be_is_refused(method: str, arguments: tuple, message: str) -> None:
    session = series()
    before = Snapshot.of(session)
    with pytest.raises(ValueError, match=message):
        getattr(session, method)(*arguments)
    assert Snapshot.of(session) == before


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("link", (1, 2, 4)),
        ("link", (2, 1, 4)),
        ("unlink", (1, 3)),
        ("swap_tracks", (2, 1, 4)),
        ("divide", (1, (), 3)),
        ("end_track", (1, 3)),
    ],
)
def test_locked_objects_keep_their_pixels(method: str, arguments: tuple) -> None:
    session = series()
    session.set_attributes(1, locked=True)
    with pytest.raises(ValueError, match="object 1 is locked"):
        getattr(session, method)(*arguments)


def test_a_cut_keeps_class_color_and_view() -> None:
    session = series()
    session.set_classes({"cell": (1, 2, 3)})
    session.set_attributes(1, class_name="cell", color=(7, 8, 9), hidden=True)
    session.divide(1, (), 3)
    session.end_track(1, 1)
    for label in (1, 5):
        one = session.objects[label]
        assert (one.class_name, one.color, one.hidden) == ("cell", (7, 8, 9), True)
