"""Saved sessions and journals: what comes back, and what happens when a disk or process fails."""

from __future__ import annotations

import inspect
import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import RecordingArray, Scene, Snapshot, ToyBackend, make_scene
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import Volume
from napari_promptseg.session.persistence import arrays, containers, header, records
from napari_promptseg.session.session import Session
from napari_promptseg.session.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def work(session: Session) -> list[Snapshot]:
    """Do a bit of everything on the zyx scene; the states after every step, the first included."""
    steps = [
        lambda: session.add_point((4, 11, 14)),
        lambda: session.propagate(2, 7).run(),
        lambda: session.commit("ellipse"),
        lambda: session.add_box((5, 1, 1), (5, 4, 9)),
        lambda: session.add_mask(np.eye(24, 28), index=1),
        lambda: session.add_scribble([(3, 1, 1), (3, 9, 3)], positive=False, width=2.5),
        lambda: session.add_lasso([(3, 1, 1), (3, 9, 3), (3, 1, 9.5)]),
        lambda: session.add_text("µ-tubule ✓", index=6),
        lambda: session.undo(),
        lambda: session.undo(),
        lambda: session.redo(),
        lambda: session.commit(),
        lambda: session.paint(((0, 1), (0, 2), (0, 2)), np.full((1, 2, 2), 60_000)),
        lambda: session.relabel(1, 12),
        lambda: session.reopen(12),
        lambda: session.undo(),
        lambda: session.delete(2),
        lambda: session.undo(),
    ]
    states = [Snapshot.of(session)]
    for step in steps:
        step()
        states.append(Snapshot.of(session))
    return states


def assert_same(session: Session, expected: Session) -> None:
    assert not Snapshot.of(session).differences(Snapshot.of(expected))
    assert session.history == expected.history
    assert (session.can_undo, session.can_redo) == (expected.can_undo, expected.can_redo)
    assert session.volume.axes == expected.volume.axes
    assert session.volume.spacing == expected.volume.spacing
    np.testing.assert_array_equal(session.volume.affine, expected.volume.affine)


def rewind(session: Session) -> list[Snapshot]:
    """All states from now to the beginning, then from the last undone one."""
    states = [Snapshot.of(session)]
    while session.undo():
        states.append(Snapshot.of(session))
    while session.redo():
        states.append(Snapshot.of(session))
    return states


# Saving


def test_several_undone_steps_can_be_redone_after_loading(tmp_path: Path) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    work(session)
    for _ in range(4):
        session.undo()
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    assert_same(again, session)
    while session.redo():
        assert again.redo()
        assert_same(again, session)
    assert not again.can_redo


def test_everything_comes_back(tmp_path: Path) -> None:
    scene = make_scene("zyx")
    session = Session(scene.data, ToyBackend(), spacing=(3.0, 0.5, 0.7))
    work(session)
    session.save(tmp_path / "a.promptseg")
    again = Session.load(tmp_path / "a.promptseg", backend=ToyBackend())
    assert_same(again, session)
    np.testing.assert_array_equal(again.volume.data, scene.data)
    for first, second in zip(rewind(again), rewind(session), strict=True):
        assert not first.differences(second)


def test_sessions_of_all_axes_come_back(scene: Scene, tmp_path: Path) -> None:
    session = Session(scene.data, ToyBackend(), axes=scene.axes)
    session.add_point(scene.centre)
    session.commit()
    session.add_text("thing")
    session.save(tmp_path / "saved")
    assert_same(Session.load(tmp_path / "saved", backend=ToyBackend()), session)


def test_the_geometry_and_the_window_come_back(tmp_path: Path) -> None:
    affine = np.diag([-0.3, -0.4, 2.0, 1.0])
    affine[:3, 3] = (1.5, -2.25, 1e-7)
    data = np.zeros((3, 8, 9, 4), np.int16)
    volume = Volume(
        data, "zyxc", (2.0, 0.4, 0.3), "mm", affine, Window(-160.5, 240.25), channels=(3, 1)
    )
    Session(volume, ToyBackend()).save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", backend=ToyBackend()).volume
    assert (again.axes, again.spacing, again.units) == ("zyxc", (2.0, 0.4, 0.3), "mm")
    assert (again.window, again.channels) == (volume.window, (3, 1))
    np.testing.assert_array_equal(again.affine, affine)
    assert again.data.dtype == np.int16


def test_work_can_go_on_after_loading(tmp_path: Path) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    session.add_point((4, 11, 14))
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    for one in (session, again):
        one.propagate().run()
        one.commit()
    assert_same(again, session)


def test_a_named_backend_is_remembered_with_its_identity(tmp_path: Path) -> None:
    session = Session(make_scene("yx").data, "grabcut")
    session.add_box((4, 5), (18, 23))
    session.save(tmp_path / "saved")
    assert Session.load(tmp_path / "saved").backend == "grabcut"
    saved_header = containers.read_header(containers.Archive(tmp_path / "saved"))
    assert (saved_header.backend, saved_header.model) == ("grabcut", "grabcut")


def test_a_propagation_under_way_is_saved_as_far_as_it_is(tmp_path: Path) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    session.add_point((4, 11, 14))
    for _ in session.propagate():
        break
    assert session.mask.any((1, 2)).sum() == 2
    session.save(tmp_path / "saved")
    assert_same(Session.load(tmp_path / "saved", backend=ToyBackend()), session)


def test_a_propagation_that_nobody_iterated_is_saved_done(tmp_path: Path) -> None:
    scene = make_scene("zyx")
    session = Session(scene.data, ToyBackend())
    session.add_point((4, 11, 14))
    session.propagate()
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    np.testing.assert_array_equal(again.mask, scene.truth)


def test_saving_replaces_the_old_file_only_when_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    session.add_point((4, 11, 14))
    session.save(tmp_path / "saved")
    before = Snapshot.of(session)
    session.add_point((4, 1, 1))

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(containers, "write_array", fail)
    with pytest.raises(OSError, match="disk full"):
        session.save(tmp_path / "saved")
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    assert not before.differences(Snapshot.of(again))
    session.save(tmp_path / "saved")
    assert_same(Session.load(tmp_path / "saved", backend=ToyBackend()), session)


def test_an_image_with_a_file_is_referred_to(tmp_path: Path) -> None:
    scene = make_scene("zyx")
    source = tmp_path / "image.npy"
    np.save(source, scene.data)
    volume = Volume(scene.data, source=str(source))
    Session(volume, ToyBackend()).save(tmp_path / "saved")
    with zipfile.ZipFile(tmp_path / "saved") as archive:
        assert "image.npy" not in archive.namelist()
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    np.testing.assert_array_equal(again.volume.data[...], scene.data)
    source.unlink()
    with pytest.raises(FileNotFoundError, match=r"image\.npy.*pass volume="):
        Session.load(tmp_path / "saved", backend=ToyBackend())
    session = Session.load(tmp_path / "saved", volume=scene.data, backend=ToyBackend())
    assert session.volume.shape == scene.truth.shape


def test_an_image_named_from_its_folder_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "image.npy", make_scene("zyx").data)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    session = Session("image.npy", ToyBackend(), journal="journal")
    session.add_point((4, 11, 14))
    session.save("saved")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert_same(Session.load(tmp_path / "saved", backend=ToyBackend()), session)
    session.add_point((5, 11, 14))
    assert_same(recovered(tmp_path / "journal"), session)


@pytest.mark.parametrize(
    "other",
    [np.zeros((9, 24, 29), np.uint8), np.zeros((9, 24, 28), np.int16)],
    ids=["shape", "type"],
)
def test_another_image_is_refused(tmp_path: Path, other: np.ndarray) -> None:
    Session(make_scene("zyx").data, ToyBackend()).save(tmp_path / "saved")
    with pytest.raises(ValueError, match=r"\(9, 24, 28\)"):
        Session.load(tmp_path / "saved", volume=other, backend=ToyBackend())


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        Session.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="nothing"):
        Session.recover(tmp_path / "nothing")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"header\.json.*readme\.txt"):
        Session.load(tmp_path / "other.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="no session"):
        Session.recover(tmp_path / "folder")


def test_a_session_of_a_later_format_is_refused(tmp_path: Path) -> None:
    session = Session(make_scene("yx").data, ToyBackend(), journal=tmp_path / "journal")
    session.add_point((11, 14))
    session.end_journal()
    header_file = tmp_path / "journal" / header.HEADER
    header_file.write_text(header_file.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(ValueError, match="format"):
        Session.recover(tmp_path / "journal", backend=ToyBackend())


# The journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def journalled(folder: Path) -> Session:
    return Session(make_scene("zyx").data, ToyBackend(), journal=folder)


def recovered(folder: Path) -> Session:
    """Recover as after a kill, from a copy: the journal itself may still be written to."""
    copy = folder.with_name(f"copy-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, copy)
    return Session.recover(copy, backend=ToyBackend())


def test_every_step_is_on_disk_before_the_call_returns(folder: Path, tmp_path: Path) -> None:
    session = journalled(folder)
    history = folder / records.HISTORY
    sizes = [history.stat().st_size]
    work(session)
    assert_same(recovered(folder), session)
    session.add_point((7, 1, 1))
    sizes.append(history.stat().st_size)
    assert sizes[-1] > sizes[0]
    assert_same(recovered(folder), session)


def test_a_recovered_session_goes_on_with_its_journal(folder: Path) -> None:
    work(journalled(folder))
    second = recovered(folder)
    assert second.journal is not None
    second.add_point((7, 2, 2))
    second.undo()
    third = recovered(second.journal)
    assert_same(third, second)
    third.redo()
    assert third.mask[7, 2, 2]


def test_given_labels_are_in_the_journal(folder: Path) -> None:
    labels = np.zeros((9, 24, 28), np.uint8)
    labels[0] = 5
    session = Session(make_scene("zyx").data, ToyBackend(), labels=labels, journal=folder)
    session.delete(5)
    session.undo()
    again = recovered(folder)
    assert_same(again, session)
    np.testing.assert_array_equal(again.labels, labels)


def test_a_journal_is_not_overwritten(folder: Path) -> None:
    session = journalled(folder)
    session.add_point((4, 11, 14))
    with pytest.raises(FileExistsError, match=r"journal.*Session\.recover"):
        journalled(folder)
    assert_same(recovered(folder), session)


def test_a_cut_journal_loses_its_last_records_and_nothing_else(folder: Path) -> None:
    states = work(journalled(folder))
    history = folder / records.HISTORY
    whole = history.read_bytes()
    ends = [0, *(i + 1 for i, byte in enumerate(whole) if byte == ord("\n"))]
    assert len(ends) == len(states)
    rng = np.random.default_rng(11)
    cuts = {*rng.integers(0, len(whole), 20).tolist(), 0, len(whole), len(whole) - 1, ends[3]}
    for cut in sorted(cuts):
        history.write_bytes(whole[:cut])
        count = sum(end <= cut for end in ends) - 1
        session = recovered(folder)
        assert not states[count].differences(Snapshot.of(session)), f"cut at byte {cut}"
        assert session.journal is not None
        rest = (session.journal / records.HISTORY).read_bytes()
        assert rest == whole[: ends[count]], "the rest was dropped"


def test_whole_records_on_both_sides_of_the_damage_are_there(folder: Path) -> None:
    """Done before and after a flipped bit: all of it comes back, and the loss is said."""
    session = journalled(folder)
    for plane in range(6):
        session.add_point((plane + 1, 11, 14))
        session.commit(f"object {plane}")
    history = folder / records.HISTORY
    whole = history.read_bytes()
    ends = [0, *(i + 1 for i, byte in enumerate(whole) if byte == ord("\n"))]
    names = {label: item.name for label, item in session.objects.items()}
    rng = np.random.default_rng(12)
    for position in [3, *rng.integers(0, len(whole), 12).tolist(), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(0, 7))
        history.write_bytes(damaged)
        with pytest.warns(UserWarning, match="is damaged at lines"):
            again = recovered(folder)
        line = sum(end <= position for end in ends) - 1
        assert again.journal is not None
        copies = [p for p in again.journal.iterdir() if "damaged" in p.name]
        assert [p.read_bytes() for p in copies] == [bytes(damaged)]
        lost_labels = {line // 2 + 1} if line % 2 and position != ends[line + 1] - 1 else set()
        found_names = {label: item.name for label, item in again.objects.items()}
        assert found_names == {k: v for k, v in names.items() if k not in lost_labels}, position
        for label in found_names:
            np.testing.assert_array_equal(again.labels == label, session.labels == label)
        while again.undo():
            pass
        assert not again.labels.any()
        assert not again.mask.any()


def test_work_goes_on_after_a_cut(folder: Path) -> None:
    work(journalled(folder))
    history = folder / records.HISTORY
    history.write_bytes(history.read_bytes()[:-7])
    session = recovered(folder)
    assert session.journal is not None
    session.add_point((7, 2, 2))
    assert_same(recovered(session.journal), session)


@pytest.mark.parametrize(
    "data",
    [
        np.arange(7 * 5 * 6, dtype=np.uint16).reshape(7, 5, 6),
        np.arange(24, dtype=np.float64).reshape(4, 6),
        np.arange(24, dtype=">i2").reshape(2, 3, 4),
        np.eye(5, dtype=bool),
        np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    ],
    ids=["uint16", "float64", "big endian", "bool", "fortran order"],
)
def test_a_lazy_image_is_stored_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: np.ndarray
) -> None:
    monkeypatch.setattr(arrays, "_PART", 2 * data[0].nbytes)
    lazy = RecordingArray(data)
    Session(lazy, ToyBackend(), journal=tmp_path / "journal")
    assert max(lazy.reads) <= 2 * data[0].size
    assert sum(lazy.reads) == data.size
    np.testing.assert_array_equal(np.load(tmp_path / "journal" / "image.npy"), data)
    Session(lazy, ToyBackend()).save(tmp_path / "saved")
    for again in (
        recovered(tmp_path / "journal"),
        Session.load(tmp_path / "saved", backend=ToyBackend()),
    ):
        assert again.volume.data.dtype == data.dtype
        np.testing.assert_array_equal(again.volume.data, data)


@pytest.mark.parametrize("step", ["add", "undo", "propagate", "commit"])
def test_a_step_that_cannot_be_journalled_is_not_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    session = journalled(folder)
    session.add_point((4, 11, 14))
    before, names = Snapshot.of(session), session.history
    size = (folder / records.HISTORY).stat().st_size

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        {
            "add": lambda: session.add_point((4, 1, 1)),
            "undo": session.undo,
            "propagate": lambda: session.propagate().run(),
            "commit": session.commit,
        }[step]()
    monkeypatch.undo()
    assert not before.differences(Snapshot.of(session))
    assert session.history == names
    assert (folder / records.HISTORY).stat().st_size == size
    session.add_point((5, 11, 14))
    assert_same(recovered(folder), session)


def test_a_lazy_image_with_a_file_is_not_read_to_be_journalled(tmp_path: Path) -> None:
    source = tmp_path / "image.npy"
    np.save(source, make_scene("zyx").data)
    data = RecordingArray(make_scene("zyx").data)
    session = Session(Volume(data, source=str(source)), ToyBackend(), journal=tmp_path / "journal")
    session.add_point((4, 11, 14))
    assert data.reads == [24 * 28]
    assert_same(recovered(tmp_path / "journal"), session)


def test_a_bug_of_the_package_is_not_reported_as_damage(tmp_path: Path, monkeypatch) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    session.add_point((4, 11, 14))
    session.save(tmp_path / "saved")

    def bug(self: Store, record: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'box'")

    monkeypatch.setattr(Store, "replay", bug)
    with pytest.raises(AttributeError, match="no attribute 'box'"):
        Session.load(tmp_path / "saved", backend=ToyBackend())


def test_methods_have_the_documentation_and_the_signature_of_their_functions() -> None:
    assert "overwrite : bool" in (Session.commit.__doc__ or "")
    session = Session(make_scene("yx").data, ToyBackend())
    assert list(inspect.signature(session.measure).parameters) == ["label", "t"]
