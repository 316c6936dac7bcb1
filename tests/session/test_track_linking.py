"""Committed objects become tracks in one step; what was made by hand stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import Snapshot, ToyBackend
from linking.moving_cells import dividing, draw, mapping, same_partition, shuffled
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path


def series(labels: np.ndarray, **options) -> Session:
    image = np.zeros(labels.shape, np.uint8)
    return Session(image, ToyBackend(), axes="tyx", labels=labels, **options)


def single_frames(labels: np.ndarray) -> np.ndarray:
    """Give each object of each time point a label of its own."""
    result = np.zeros_like(labels)
    for t, frame in enumerate(labels):
        for label in np.unique(frame[frame > 0]):
            result[t][frame == label] = result.max() + 3
    return result


def parents(session: Session) -> dict[int, int]:
    return {label: one.parent for label, one in session.objects.items() if one.parent}


def test_objects_of_each_time_point_become_tracks_in_one_step() -> None:
    truth, mothers = dividing()
    session = series(single_frames(truth))
    before = Snapshot.of(session)
    report = session.link_tracks()
    assert same_partition(truth, session.labels)
    ids = mapping(truth, session.labels)
    assert parents(session) == {ids[child]: ids[mother] for child, mother in mothers.items()}
    assert sorted(session.objects) == sorted(ids.values()) == list(report.labels)
    assert report.notes == ()
    (division,) = report.of_kind("division")
    assert (division.t, division.labels[0]) == (3, ids[1])
    assert set(division.labels[1:]) == {ids[3], ids[4]}
    assert session.labels[division.position] in division.labels[1:]
    assert len(report.links) == 1 + len(report.of_kind("next")) == 1 + 2 + 5 + 2 + 2
    confidences = [link.confidence for link in report.links]
    assert confidences == sorted(confidences)
    for label, one in session.objects.items():
        where = np.argwhere(session.labels == label)
        assert one.box == tuple(zip(where.min(0), where.max(0) + 1, strict=True))
    after = Snapshot.of(session)
    assert session.history == ("link tracks",)
    assert session.undo()
    assert Snapshot.of(session) == before
    assert session.redo()
    assert Snapshot.of(session) == after


def test_a_track_has_the_id_that_most_of_it_had() -> None:
    truth, _ = dividing()
    labels = np.where((truth == 2) & (np.arange(6) == 0)[:, None, None], 90, truth)
    session = series(labels.astype(np.uint16))
    session.link_tracks()
    np.testing.assert_array_equal(session.labels, truth)


@given(seed=st.integers(0, 2**16))
def test_undo_brings_everything_back(seed: int) -> None:
    truth, _ = dividing()
    labels = shuffled(truth, seed)
    session = series(labels)
    session.link_tracks(relink=True)
    assert same_partition(truth, session.labels)
    session.undo()
    np.testing.assert_array_equal(session.labels, labels)
    assert parents(session) == {}


def test_ids_that_mean_nothing_are_forgotten_when_asked_and_named_when_not() -> None:
    truth, _ = dividing()
    swapped = truth.copy()
    for t in (1, 3, 5):  # ids 1, 2 and 3, 2 change places in every second time point
        ids = np.unique(truth[t])[1:]
        swapped[t] = np.select([truth[t] == i for i in ids], np.roll(ids, 1), 0)
    session = series(swapped)
    with pytest.warns(UserWarning, match="jump by more than .* relink=True"):
        report = session.link_tracks()
    assert "3 of 4 objects" in report.notes[0] or "4 of 4 objects" in report.notes[0]
    session = series(swapped)
    assert session.link_tracks(relink=True).notes == ()
    assert same_partition(truth, session.labels)


def test_a_drift_of_all_objects_is_no_jump() -> None:
    cells = {1: (14, 20, 5), 2: (30, 40, 6), 3: (12, 62, 4)}
    labels = draw({n: dict.fromkeys(range(6), place) for n, place in cells.items()}, (6, 90, 190))
    for t in range(6):
        labels[t] = np.roll(labels[t], (0, 18 * t), (0, 1))
    assert not series(labels).link_tracks().jumps


def test_a_second_time_nothing_changes() -> None:
    truth, _ = dividing()
    session = series(single_frames(truth))
    session.link_tracks()
    first = Snapshot.of(session)
    report = session.link_tracks()
    assert report.links == ()
    assert Snapshot.of(session) == first
    assert session.history == ("link tracks",)


def test_what_was_made_by_hand_stays_together() -> None:
    truth, _ = dividing()
    session = series(np.where(truth == 2, 0, single_frames(truth)).astype(np.uint16))
    session.add_mask(truth == 2)
    cell = session.commit("mine")
    session.set_attributes(cell, color=(9, 8, 7))
    before = session.objects[cell]
    session.link_tracks(relink=True)
    assert session.objects[cell] == before
    np.testing.assert_array_equal(session.labels == cell, truth == 2)


def test_prompts_names_and_colors_of_the_parts_are_those_of_the_track() -> None:
    truth, _ = dividing()
    session = series(np.zeros_like(truth))
    for times in (range(2), range(2, 6)):
        session.add_mask((truth == 2) & np.isin(np.arange(6), times)[:, None, None])
        session.commit("" if times.start == 0 else "cell")
    session.set_attributes(2, color=(1, 2, 3))
    prompts = session.objects[1].prompts + session.objects[2].prompts
    session.link_tracks()
    (one,) = session.objects.values()
    assert (one.label, one.name, one.color, one.prompts) == (2, "cell", (1, 2, 3), prompts)


@pytest.mark.parametrize("attribute", ["name", "class"])
def test_different_names_or_classes_are_not_the_same_object(attribute: str) -> None:
    labels = single_frames(draw({1: {t: (20, 30 + t, 6) for t in range(6)}}))
    session = series(labels)
    session.set_classes({"a": (1, 2, 3), "b": (4, 5, 6)})
    for number, label in enumerate(sorted(session.objects)):
        text = "a" if number < 2 else "" if number < 4 else "b"
        if attribute == "name":
            session.rename(label, text)
        else:
            session.set_attributes(label, class_name=text)
    session.link_tracks()
    assert len(session.objects) == 2
    assert {one.name or one.class_name for one in session.objects.values()} == {"a", "b"}


def test_locked_objects_are_left_alone_and_named() -> None:
    truth, _ = dividing()
    session = series(single_frames(truth))
    locked = int(session.labels[2, 34, 68])
    session.set_attributes(locked, locked=True)
    before = session.objects[locked]
    with pytest.warns(UserWarning, match="1 locked object left"):
        report = session.link_tracks()
    assert session.objects[locked] == before
    assert np.unique(np.argwhere(session.labels == locked)[:, 0]).tolist() == [2]
    assert locked not in report.labels


def test_divisions_that_are_there_stay_and_get_no_third_daughter() -> None:
    truth, mothers = dividing()
    session = series(truth)
    session.divide(1, [3])
    report = session.link_tracks()
    assert parents(session) == {3: 1}
    assert report.links == ()
    session.unlink(3)
    session.link_tracks()
    assert session.objects.keys() == {1, 2, 3, 4}
    assert mothers.items() >= parents(session).items()


def test_the_active_object_keeps_its_parent_and_its_id() -> None:
    truth, _ = dividing()
    session = series(np.where(truth == 1, single_frames(truth) + 100, truth).astype(np.uint16))
    mother = int(session.labels[2, 16, 26])
    session.divide(mother, [3])
    session.reopen(3)
    session.link_tracks(divisions=False)
    assert session.draft.label == 3
    assert session.draft.parent == int(session.labels[0, 14, 22])
    assert 3 not in session.objects


def test_it_can_be_cancelled_and_tells_how_far_it_is() -> None:
    truth, _ = dividing()
    session = series(single_frames(truth))
    before = Snapshot.of(session)
    steps: list[tuple[int, int]] = []
    session_steps = session.link_tracks(
        progress=lambda *step: steps.append(step), is_cancelled=lambda: len(steps) == 2
    )
    assert steps == [(1, 5), (2, 5)]
    assert session_steps.notes == ("cancelled: nothing has changed",)
    assert Snapshot.of(session) == before


def test_it_needs_time() -> None:
    session = Session(np.zeros((4, 5, 6)), ToyBackend(), axes="zyx")
    with pytest.raises(ValueError, match="time axis, these are 'zyx'"):
        session.link_tracks()


def test_linked_tracks_are_saved_and_journalled(tmp_path: Path) -> None:
    truth, _ = dividing()
    session = series(single_frames(truth), journal=tmp_path / "journal")
    session.link_tracks()
    session.save(tmp_path / "a.promptseg")
    loaded = Session.load(tmp_path / "a.promptseg", session.volume, ToyBackend())
    assert replace(Snapshot.of(loaded)) == Snapshot.of(session)
    assert loaded.undo()
    assert loaded.link_tracks().labels == tuple(sorted(session.objects))
