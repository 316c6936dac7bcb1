"""Commit, reopen, delete, rename, relabel and paint."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Snapshot, ToyBackend, make_scene
from napari_promptseg.session.session import Session
from napari_promptseg.session.store import LARGEST_LABEL

FIRST, SECOND = ((slice(None), slice(2, 8), slice(a, a + 6)) for a in (2, 14))


@pytest.fixture
def session() -> Session:
    return Session(np.zeros((3, 12, 24), np.uint8), ToyBackend())


def draw(session: Session, part: tuple[slice, ...]) -> np.ndarray:
    """Make a part of the volume the active object."""
    mask = np.zeros(session.mask.shape, bool)
    mask[part] = True
    session.add_mask(mask)
    return mask


def commit(session: Session, part: tuple[slice, ...], **options) -> int:
    draw(session, part)
    return session.commit(**options)


def test_commit_moves_the_mask_into_the_labels(session: Session) -> None:
    mask = draw(session, FIRST)
    prompts = session.prompts
    label = session.commit("left kidney")
    assert label == 1
    assert isinstance(label, int)
    np.testing.assert_array_equal(session.labels, mask * label)
    assert not session.mask.any()
    assert session.prompts == ()
    item = session.objects[label]
    assert (item.label, item.name, item.prompts) == (1, "left kidney", prompts)
    assert item.box == ((0, 3), (2, 8), (2, 8))


@pytest.mark.parametrize("axes", ["yx", "tyx", "tzyx", "tzyxc"])
def test_commit_works_in_all_axes(axes: str) -> None:
    scene = make_scene(axes)
    session = Session(scene.data, ToyBackend(), axes=axes)
    session.add_point(scene.centre)
    mask = session.mask.copy()
    label = session.commit()
    np.testing.assert_array_equal(session.labels == label, mask)


def test_ids_count_up(session: Session) -> None:
    assert [commit(session, FIRST), commit(session, SECOND)] == [1, 2]
    assert list(session.objects) == [1, 2]


def test_nothing_cannot_be_committed(session: Session) -> None:
    with pytest.raises(ValueError, match="nothing to commit"):
        session.commit()


def test_others_keep_their_pixels(session: Session) -> None:
    first = commit(session, FIRST)
    before = session.labels.copy()
    second = commit(session, (slice(None), slice(4, 10), slice(4, 12)))
    np.testing.assert_array_equal(session.labels[before > 0], before[before > 0])
    assert (session.labels == second).sum() == 3 * (6 * 8 - 4 * 4)
    assert set(session.objects) == {first, second}


def test_a_fully_taken_mask_is_refused_and_stays_in_work(session: Session) -> None:
    commit(session, FIRST)
    mask = draw(session, FIRST)
    with pytest.raises(ValueError, match=rf"all {mask.sum()} pixels.*overwrite=True"):
        session.commit()
    np.testing.assert_array_equal(session.mask, mask)


def test_overwrite_takes_pixels_of_others(session: Session) -> None:
    first = commit(session, FIRST)
    part = (slice(None), slice(4, 10), slice(4, 12))
    second = commit(session, part, overwrite=True)
    assert (session.labels[part] == second).all()
    assert (session.labels == first).sum() == 3 * (36 - 16)


def test_an_object_that_loses_all_its_pixels_is_gone_until_undo(session: Session) -> None:
    first = commit(session, FIRST, name="old")
    draw(session, FIRST)
    before = Snapshot.of(session)
    second = session.commit(overwrite=True)
    assert set(session.objects) == {second}
    assert first not in np.unique(session.labels)
    session.undo()
    assert Snapshot.of(session) == before
    assert session.objects[first].name == "old"


def test_a_reopened_object_comes_back_with_prompts_name_and_id(session: Session) -> None:
    mask = draw(session, FIRST)
    prompts = session.prompts
    label = session.commit("tumour")
    commit(session, SECOND)
    session.reopen(label)
    np.testing.assert_array_equal(session.mask, mask)
    assert session.prompts == prompts
    assert label not in session.objects
    assert label not in np.unique(session.labels)
    session.add_mask(np.ones((12, 24)), index=1)
    assert session.commit() == label
    assert session.objects[label].name == "tumour"
    assert (session.labels == 2).any(), "the other object was not overwritten"


def test_an_object_in_work_is_committed_before_another_is_reopened(session: Session) -> None:
    first = commit(session, FIRST)
    second_mask = draw(session, SECOND)
    session.reopen(first)
    np.testing.assert_array_equal(session.labels == 2, second_mask)
    np.testing.assert_array_equal(np.unique(np.nonzero(session.mask)[2]), np.arange(2, 8))


def test_undo_of_reopen_leaves_the_object_in_the_labels(session: Session) -> None:
    label = commit(session, FIRST)
    before = Snapshot.of(session)
    session.reopen(label)
    session.undo()
    assert Snapshot.of(session) == before


def test_an_id_in_work_is_not_given_to_another_object(session: Session) -> None:
    label = commit(session, FIRST)
    other = commit(session, SECOND)
    session.reopen(other)
    with pytest.raises(ValueError, match=f"label {other} is taken"):
        session.relabel(label, other)
    session.discard()
    session.relabel(label, other)
    assert set(session.objects) == {other}


def test_delete_frees_the_pixels(session: Session) -> None:
    first, second = commit(session, FIRST), commit(session, SECOND)
    session.delete(first)
    assert set(np.unique(session.labels)) == {0, second}
    assert set(session.objects) == {second}


def test_rename_and_relabel(session: Session) -> None:
    label = commit(session, FIRST)
    session.rename(label, "nucleus")
    session.relabel(label, 40)
    assert session.objects[40].name == "nucleus"
    assert session.objects[40].label == 40
    assert set(np.unique(session.labels)) == {0, 40}
    assert commit(session, SECOND) == 41


@pytest.mark.parametrize("kind", [np.uint16, np.int64, int])
def test_ids_may_come_from_an_array(kind: type, tmp_path) -> None:
    """Ids read from the labels are numpy integers; a journal must be able to write them."""
    session = Session(np.zeros((3, 12, 24), np.uint8), ToyBackend(), journal=tmp_path / "journal")
    commit(session, FIRST)
    session.rename(kind(1), "a")
    session.relabel(kind(1), kind(5))
    session.reopen(kind(5))
    session.commit()
    session.delete(kind(5))
    session.undo()
    assert all(type(label) is int for label in session.objects)
    again = Session.recover(tmp_path / "journal", backend=ToyBackend())
    assert Snapshot.of(again) == Snapshot.of(session)


def test_the_largest_id_is_the_last(session: Session) -> None:
    commit(session, FIRST)
    session.relabel(1, LARGEST_LABEL)
    assert session.labels.max() == LARGEST_LABEL
    draw(session, SECOND)
    with pytest.raises(ValueError, match=str(LARGEST_LABEL)):
        session.commit()


def test_discard_drops_the_object_and_nothing_else(session: Session) -> None:
    label = commit(session, FIRST)
    draw(session, SECOND)
    before = Snapshot.of(session)
    session.discard()
    assert not session.mask.any()
    assert session.prompts == ()
    assert (session.labels == label).any()
    session.undo()
    assert Snapshot.of(session) == before


def test_discarding_nothing_is_no_step(session: Session) -> None:
    session.discard()
    assert session.history == ()


# Painting


BOX = ((0, 1), (0, 4), (0, 4))


def test_painting_makes_grows_and_ends_objects(session: Session) -> None:
    session.paint(BOX, np.full((1, 4, 4), 7))
    assert set(session.objects) == {7}
    session.paint(((1, 2), (0, 4), (0, 4)), np.full((1, 4, 4), 7, np.uint8))
    assert (session.labels == 7).sum() == 32
    session.paint(BOX, np.zeros((1, 4, 4), int))
    assert set(session.objects) == {7}
    before = Snapshot.of(session)
    session.paint(((1, 2), (0, 4), (0, 4)), np.full((1, 4, 4), 9))
    assert set(session.objects) == {9}
    session.undo()
    assert Snapshot.of(session) == before


def test_painted_objects_can_be_reopened_whole(session: Session) -> None:
    session.paint(BOX, np.full((1, 4, 4), 7))
    session.paint(((2, 3), (8, 12), (20, 24)), np.full((1, 4, 4), 7))
    session.reopen(7)
    assert session.mask.sum() == 32
    assert not session.labels.any()


def test_painting_takes_numpy_boxes_and_lists(tmp_path) -> None:
    session = Session(np.zeros((3, 12, 24), np.uint8), ToyBackend(), journal=tmp_path / "journal")
    box = tuple(map(tuple, np.array(BOX)))
    session.paint(box, [[[3] * 4] * 4])  # type: ignore[arg-type]
    again = Session.recover(tmp_path / "journal", backend=ToyBackend())
    assert Snapshot.of(again) == Snapshot.of(session)
    assert all(type(n) is int for pair in session.objects[3].box for n in pair)


def test_what_is_painted_with_the_id_in_work_belongs_to_it(session: Session) -> None:
    label = commit(session, FIRST)
    session.reopen(label)
    session.paint(((0, 1), (8, 12), (20, 24)), np.full((1, 4, 4), label))
    before = Snapshot.of(session)
    assert session.commit() == label
    assert (session.labels == label).sum() == 3 * 36 + 16
    session.reopen(label)
    assert session.mask.sum() == 3 * 36 + 16, "its box holds both parts"
    session.undo()
    session.undo()
    assert Snapshot.of(session) == before


# Labels that are there already


def test_given_labels_are_objects(tmp_path) -> None:
    labels = np.zeros((3, 12, 24), np.int32)
    labels[FIRST], labels[SECOND] = 3, 300
    session = Session(np.zeros(labels.shape, np.uint8), ToyBackend(), labels=labels)
    np.testing.assert_array_equal(session.labels, labels)
    assert set(session.objects) == {3, 300}
    assert not session.can_undo
    assert commit(session, (slice(None), slice(9, 12), slice(0, 3))) == 301
    session.reopen(3)
    np.testing.assert_array_equal(session.mask, labels == 3)
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    assert Snapshot.of(again) == Snapshot.of(session)
    while again.undo():
        pass
    np.testing.assert_array_equal(again.labels, labels)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.zeros((3, 12)), r"\(3, 12\).*\(3, 12, 24\)"),
        (np.zeros((3, 12, 24)), "float64"),
        (np.full((3, 12, 24), -1), "-1"),
        (np.full((3, 12, 24), 70_000), "70000"),
    ],
    ids=["shape", "type", "negative", "too high"],
)
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Session(np.zeros((3, 12, 24), np.uint8), ToyBackend(), labels=labels)
