"""Classes, and class, color, view and lock of committed objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = {"liver": (200, 80, 10), "tumor": (10, 220, 40)}


@pytest.fixture
def session() -> Session:
    session = Session(np.zeros((3, 12, 24), np.uint8), ToyBackend())
    session.set_classes(CLASSES)
    for start in (2, 9, 16):
        commit(session, (slice(0, 2), slice(1, 7), slice(start, start + 5)))
    return session


def commit(session: Session, part: tuple[slice, ...], **options) -> int:
    mask = np.zeros(session.mask.shape, bool)
    mask[part] = True
    session.add_mask(mask)
    return session.commit(**options)


def test_an_object_gets_its_class_when_it_is_committed(session: Session) -> None:
    label = commit(session, (slice(1, 3), slice(8, 11), slice(3, 9)), class_name="tumor")
    assert session.objects[label].class_name == "tumor"
    session.reopen(label)
    assert session.draft.class_name == "tumor"
    assert session.commit() == label
    assert session.objects[label].class_name == "tumor"


def test_an_unknown_class_is_refused_and_the_object_stays_in_work(session: Session) -> None:
    with pytest.raises(ValueError, match=r"no class 'kidney'; valid: \['liver', 'tumor'\]"):
        commit(session, (slice(1, 3), slice(8, 11), slice(3, 9)), class_name="kidney")
    assert session.mask.any()


def test_classes_are_renamed_and_removed_with_their_objects(session: Session) -> None:
    session.set_attributes([1, 2], class_name="liver")
    session.set_attributes(3, class_name="tumor")
    session.set_classes({"lesion": (1, 2, 3)}, new_names={"tumor": "lesion"})
    assert [one.class_name for one in session.objects.values()] == ["", "", "lesion"]
    session.undo()
    assert session.classes == CLASSES
    assert [one.class_name for one in session.objects.values()] == ["liver", "liver", "tumor"]


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        ({"": (1, 2, 3)}, "not be empty"),
        ({"gut": (1, 2, 256)}, "0 to 255"),
        ({"gut": (1, 2)}, "0 to 255"),
    ],
)
def test_invalid_classes_are_refused(session: Session, classes, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        session.set_classes(classes)
    assert session.classes == CLASSES


def test_attributes_of_several_objects_are_one_step(session: Session) -> None:
    steps = len(session.history)
    session.set_attributes([1, 3], hidden=True)
    session.set_attributes([1, 2], color=(9, 8, 7))
    assert session.history[steps:] == ("hide", "color")
    assert [one.hidden for one in session.objects.values()] == [True, False, True]
    session.undo()
    session.undo()
    assert not any(one.hidden or one.color for one in session.objects.values())


def test_nothing_to_change_is_no_step(session: Session) -> None:
    steps = session.history
    session.set_attributes([1, 2], hidden=False)
    session.set_classes(CLASSES)
    assert session.history == steps


def test_a_locked_object_keeps_its_pixels(session: Session) -> None:
    session.set_attributes(2, locked=True)
    before = session.labels.copy()
    for change in (
        lambda: session.delete([1, 2]),
        lambda: session.merge([1, 2]),
        lambda: session.reopen(2),
        lambda: session.relabel(2, 9),
    ):
        with pytest.raises(ValueError, match="object 2 is locked"):
            change()
    session.paint(((0, 1), (0, 12), (0, 24)), np.full((1, 12, 24), 7))
    commit(session, (slice(1, 2), slice(0, 12), slice(0, 24)), overwrite=True)
    np.testing.assert_array_equal(session.labels == 2, before == 2)
    assert (session.labels[:2] != 0).all()
    with pytest.raises(ValueError, match="locked"):
        session.paint(((0, 1), (2, 3), (10, 11)), np.full((1, 1, 1), 1))


def test_an_object_inside_of_a_locked_one_is_refused(session: Session) -> None:
    session.set_attributes(2, locked=True)
    with pytest.raises(ValueError, match="18 pixels belong to locked objects"):
        commit(session, (slice(0, 2), slice(2, 5), slice(10, 13)), overwrite=True)


def test_several_objects_are_deleted_in_one_step(session: Session) -> None:
    diagonal = np.zeros((1, 12, 24), np.uint16)
    diagonal[0, range(12), range(12)] = 4  # its box meets those of others
    session.paint(((2, 3), (0, 12), (0, 24)), diagonal)
    before = session.labels.copy()
    session.delete([1, 4, 2])
    np.testing.assert_array_equal(session.labels, np.where(before == 3, 3, 0))
    assert [*session.objects] == [3]
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    assert sorted(session.objects) == [1, 2, 3, 4]


def test_merged_objects_are_the_first_of_them(session: Session) -> None:
    session.rename(3, "lobe")
    session.set_attributes(3, class_name="liver")
    before = session.labels.copy()
    assert session.merge([3, 1]) == 3
    np.testing.assert_array_equal(session.labels, np.where(before == 1, 3, before))
    merged = session.objects[3]
    assert (merged.name, merged.class_name) == ("lobe", "liver")
    assert merged.box == ((0, 2), (1, 7), (2, 21))
    assert len(merged.prompts) == 4
    assert [*session.objects] == [2, 3]
    session.undo()
    np.testing.assert_array_equal(session.labels, before)


def test_one_object_cannot_be_merged(session: Session) -> None:
    with pytest.raises(ValueError, match=r"two objects or more are needed to merge, got \[2\]"):
        session.merge([2, 2])


def test_daughters_of_merged_objects_come_from_the_result() -> None:
    session = Session(np.zeros((4, 12, 24), np.uint8), ToyBackend(), axes="tyx")
    for time, start in ((0, 2), (0, 9), (2, 9), (2, 16)):
        commit(session, (slice(time, time + 2), slice(1, 7), slice(start, start + 5)))
    session.divide(2, [3, 4])
    session.merge([1, 2])
    assert [one.parent for one in session.objects.values()] == [None, 1, 1]


def test_everything_is_saved_and_journalled(session: Session, tmp_path: Path) -> None:
    session.keep_journal(tmp_path / "journal")
    session.set_attributes(1, class_name="tumor", hidden=True, locked=True, color=(1, 2, 3))
    session.save(tmp_path / "a.promptseg")
    loaded = Session.load(tmp_path / "a.promptseg", backend=ToyBackend())
    assert loaded.classes == session.classes
    assert dict(loaded.objects) == dict(session.objects)
    session.give_up()
    recovered = Session.recover(tmp_path / "journal", backend=ToyBackend())
    assert recovered.classes == session.classes
    assert dict(recovered.objects) == dict(session.objects)


def test_exports_have_the_color_of_the_class_and_its_name(session: Session, tmp_path: Path) -> None:
    session.set_attributes([1, 2], class_name="tumor")
    session.set_attributes(2, color=(0, 0, 255))
    session.rename(2, "left")
    session.export(tmp_path / "labels.seg.nrrd")
    header = (tmp_path / "labels.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()
    assert "Segment0_Name:=tumor" in header
    assert "Segment1_Name:=left" in header
    assert "Segment1_Color:=0 0 1" in header
