"""Journals: one writer, compaction, propagations that a kill cut, and what is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import Snapshot, ToyBackend, make_scene
from napari_promptseg.data.volume import Volume
from napari_promptseg.session.persistence import arrays, header, records
from napari_promptseg.session.persistence.journal import Journal, hold, list_kept
from napari_promptseg.session.propagation import writer
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def begun(folder: Path) -> Session:
    session = Session(make_scene("zyx").data, ToyBackend(), journal=folder)
    session.add_point((4, 11, 14))
    return session


def recovered(folder: Path) -> Session:
    """Recover a journal that nobody writes to."""
    return Session.recover(folder, backend=ToyBackend())


def assert_same(session: Session, expected: Session) -> None:
    assert not Snapshot.of(session).differences(Snapshot.of(expected))
    assert session.history == expected.history


# One writer


_HOLDER = """
import sys
from pathlib import Path
from napari_promptseg.session.persistence.journal import hold
lock = hold(Path(sys.argv[1]), "journal")
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def other_process(folder: Path):
    """Another process that has the lock of the folder."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    yield process
    process.kill()
    process.wait()


def test_another_process_is_told_who_has_it(folder: Path, other_process) -> None:
    with pytest.raises(BlockingIOError, match="open in another window or process"):
        begun(folder)
    assert not (folder / header.HEADER).exists()
    other_process.kill()
    other_process.wait()
    session = begun(folder)  # however the other one ended
    assert_same(recovered_copy(folder), session)


def test_a_journal_in_use_is_not_offered(tmp_path: Path, other_process, folder: Path) -> None:
    session = begun(tmp_path / "mine")
    assert list_kept(tmp_path) == []  # it is written to by this process, and by the other one
    session.end_journal()
    assert [journal.folder for journal in list_kept(tmp_path)] == [tmp_path / "mine"]
    begun(tmp_path / "again").end_journal(discard=True)
    other_process.communicate("\n", timeout=30)
    (journal,) = list_kept(tmp_path)
    assert journal.steps == 1
    assert journal.title == "an image of 9 x 24 x 28"
    journal.discard()
    assert list_kept(tmp_path) == []


def test_what_is_no_journal_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / header.HEADER).write_text("{")
    Session(make_scene("yx").data, ToyBackend(), journal=tmp_path / "no steps").end_journal()
    assert list_kept(tmp_path) == []
    assert list_kept(tmp_path / "nothing") == []


# What is written


def test_what_nobody_can_reach_is_left_out(folder: Path) -> None:
    session = begun(folder)
    for _ in range(100):
        session.add_point((4, 11, 15))
        session.undo()
    history = folder / records.HISTORY
    assert len(history.read_bytes().splitlines()) < 100
    assert_same(recovered_copy(folder), session)
    session.add_point((4, 12, 14))
    assert_same(recovered_copy(folder), session)


def test_a_full_disk_at_compaction_loses_nothing(folder: Path, monkeypatch) -> None:
    session = begun(folder)

    def fail(self, steps):
        raise OSError("disk full")

    monkeypatch.setattr(Journal, "resume", fail)
    for _ in range(80):
        session.add_point((4, 11, 15))
        session.undo()
    monkeypatch.undo()
    assert_same(recovered_copy(folder), session)


def test_a_propagation_under_way_is_on_disk(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(writer, "_SAVE_EVERY", 0.0)
    session = begun(folder)
    done = []
    propagation = session.propagate()
    for result in propagation:
        done.append(result.plane)
        again = recovered_copy(folder)
        planes = [z for z in range(9) if again.mask[z].any()]
        assert planes == [z for z in range(9) if session.mask[z].any()]
        assert again.history[-1] == "propagate"
        assert again.undo()
        assert again.mask.any((1, 2)).sum() == 1
        if len(done) == 4:
            break
    propagation.cancel()
    assert_same(recovered_copy(folder), session)
    assert recovered_copy(folder).history == ("add point", "propagate")


def recovered_copy(folder: Path) -> Session:
    """Recover as after a kill, from a copy: the journal itself is still written to."""
    copy = folder.with_name(f"copy-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, copy)
    return recovered(copy)


def test_a_session_can_be_journalled_later(tmp_path: Path, folder: Path) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    session.add_point((4, 11, 14))
    session.commit("first")
    session.add_point((7, 1, 1))
    session.undo()
    session.keep_journal(folder)
    assert session.journal == folder
    session.redo()
    assert_same(recovered_copy(folder), session)
    session.end_journal(discard=True)
    assert session.journal is None
    assert not folder.exists()
    session.add_point((8, 1, 1))


def test_a_discarded_journal_takes_no_file_of_the_user_along(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("precious")
    session = begun(folder)
    session.end_journal(discard=True)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    begun(folder)


@pytest.mark.parametrize("seconds", [-(2**33), 2**33, 2**34 - 1])
def test_a_journal_of_a_wrong_clock_is_offered(tmp_path: Path, seconds: int) -> None:
    begun(tmp_path / "journal").end_journal()
    os.utime(tmp_path / "journal" / records.HISTORY, (seconds, seconds))
    (journal,) = list_kept(tmp_path)
    assert journal.steps == 1


def test_an_image_may_stay_outside(folder: Path) -> None:
    data = make_scene("zyx").data
    session = Session(data, ToyBackend())
    session.add_point((4, 11, 14))
    session.keep_journal(folder, image=False)
    session.end_journal()
    assert not (folder / arrays.IMAGE).exists()
    assert list_kept(folder.parent)[0].header.pixels == Volume(data).fingerprint()
    with pytest.raises(FileNotFoundError, match="pass volume="):
        recovered(folder)
    assert_same(Session.recover(folder, data, ToyBackend()), session)


def test_the_fingerprint_tells_images_apart() -> None:
    data = make_scene("zyx").data
    same, other = Volume(data.copy()), data.copy()
    other[4, 3, 3] += 1
    assert same.fingerprint() == Volume(data).fingerprint()
    assert Volume(other).fingerprint() != same.fingerprint()
    assert Volume(data.astype(np.uint16)).fingerprint() != same.fingerprint()


def test_nothing_begins_where_nothing_can_be_written(tmp_path: Path, monkeypatch) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    session.add_point((4, 11, 14))

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        session.keep_journal(tmp_path / "full")
    assert session.journal is None
    session.add_point((5, 11, 14))


def test_a_lock_is_for_one_session_of_a_process(tmp_path: Path) -> None:
    first = hold(tmp_path / "lock", "file")
    with pytest.raises(BlockingIOError, match="file is open in another window or process"):
        hold(tmp_path / "lock", "file")
    first.release()
    assert hold(tmp_path / "lock", "file").is_locked


# Saved files


def test_former_versions_stay_beside_a_saved_session(tmp_path: Path) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    for column in range(14, 19):
        session.add_point((4, 11, column))
        session.save(tmp_path / "a.promptseg", versions=2)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.1.promptseg", "a.2.promptseg", "a.promptseg"]
    counts = [len(Session.load(tmp_path / n, backend=ToyBackend()).prompts) for n in names]
    assert counts == [4, 3, 5]


_SAVER = """
import sys
import numpy as np
from napari_promptseg import Session
Session(np.zeros((8, 8), np.uint8), "grabcut").save(sys.argv[1])
"""


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    session = Session(make_scene("zyx").data, ToyBackend())
    session.save(tmp_path / "saved")
    before = (tmp_path / "saved").read_bytes()
    command = [sys.executable, "-c", _SAVER, str(tmp_path / "saved")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "open in another window or process" in result.stderr
    assert (tmp_path / "saved").read_bytes() == before
    session.save(tmp_path / "other")  # lets go of the first one
    subprocess.run(command, check=True)
    with pytest.raises(FileExistsError):
        Session(make_scene("zyx").data, ToyBackend(), journal=begun(tmp_path / "j").journal)


def test_a_home_without_write_access_has_no_locks(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROMPTSEG_JOURNALS", str(tmp_path / "file"))
    Session(make_scene("zyx").data, ToyBackend()).save(tmp_path / "saved")
    assert (tmp_path / "saved").exists()
