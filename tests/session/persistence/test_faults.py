"""Faults at every point: full disks, interrupts, flipped bits and cuts, a sample of them each.

``PROMPTSEG_FAULTS=100000 pytest tests/session/persistence/test_faults.py`` takes all of them.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from failing_disk import failing_disk
from helpers import Snapshot, ToyBackend, make_scene
from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.session.persistence import checksums, header, origin, records
from napari_promptseg.session.propagation import writer
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAULTS = int(os.environ.get("PROMPTSEG_FAULTS", "24"))
PACKAGE = str(Path(records.__file__).parents[2])


def sample(count: int, offset: int = 0) -> range:
    """Return numbers below a count, all over it, and no more than `FAULTS` of them."""
    step = max(1, count // FAULTS)
    return range(min(offset, step - 1), count, step | 1 if step > 1 else 1)


def begun(folder: Path | None = None, labels: bool = False) -> Session:
    scene = make_scene("zyx")
    first = np.zeros(scene.data.shape, np.uint8)
    first[1:3, 2:5, 20:26] = 3
    session = Session(scene.data, ToyBackend(), journal=folder, labels=first if labels else None)
    session.add_point((4, 11, 14))
    session.commit("first")
    session.add_point((6, 10, 13))
    return session


def steps(session: Session) -> list[Callable[[], object]]:
    """Return calls of every kind."""
    return [
        lambda: session.add_point((3, 11, 14)),
        lambda: session.propagate(2, 6).run(),
        session.undo,
        session.redo,
        lambda: session.commit("second", overwrite=True),
        lambda: session.paint(((0, 1), (0, 3), (0, 4)), np.ones((1, 3, 4), int)),
        lambda: session.reopen(1),
        session.discard,
    ]


def assert_same(session: Session, expected: Session) -> None:
    assert not Snapshot.of(session).differences(Snapshot.of(expected))
    assert session.history == expected.history


def recovered_copy(folder: Path) -> Session:
    """Recover as after a kill, from a copy: the journal itself is still written to."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    session = Session.recover(copy, backend=ToyBackend())
    session.end_journal()
    return session


# A disk that is full from the n-th call on, or for one call


@pytest.fixture(autouse=True)
def parts_at_once(monkeypatch) -> None:
    monkeypatch.setattr(writer, "_SAVE_EVERY", 0.0)


def test_journal_and_memory_agree_whichever_call_fails(tmp_path: Path) -> None:
    with failing_disk(tmp_path) as disk:
        for step in steps(begun(tmp_path / "whole")):
            step()
    for number in sample(disk.calls):
        folder = tmp_path / f"{number}"
        failures = 0
        with failing_disk(tmp_path, number) as disk:
            try:
                session = begun(folder)
            except OSError:
                continue
            for step in steps(session):
                try:
                    step()
                except OSError:
                    failures += 1
                except ValueError:  # a step that needed the one that failed
                    assert failures
        assert failures <= 1
        assert_same(recovered_copy(folder), session)
        session.end_journal()


def test_a_saved_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    session, path = begun(), tmp_path / "a.promptseg"
    session.save(path)
    before, old = path.read_bytes(), Snapshot.of(session)
    session.commit("second")
    with failing_disk(tmp_path) as disk:
        session.save(tmp_path / "b.promptseg")
    for number in sample(disk.calls):
        with failing_disk(tmp_path, number), pytest.raises(OSError, match="No space left"):
            session.save(path)
        names = {p.name for p in tmp_path.iterdir()}
        assert names == {"a.promptseg", "b.promptseg"}, number
        if path.read_bytes() != before:  # only the entry of the folder was not confirmed
            assert_same(Session.load(path, backend=ToyBackend()), session)
            path.write_bytes(before)
    session.close()
    assert not Snapshot.of(Session.load(path, backend=ToyBackend())).differences(old)


def test_a_recovery_that_fails_can_be_repeated(tmp_path: Path) -> None:
    session = begun(tmp_path / "journal")
    session.end_journal()
    history = tmp_path / "journal" / records.HISTORY
    lines = history.read_bytes()
    history.write_bytes(lines.replace(b"8", b"9", 1))  # damaged, so that it is copied as well
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shutil.copytree(tmp_path / "journal", tmp_path / "whole")
        with failing_disk(tmp_path) as disk:
            expected = Session.recover(tmp_path / "whole", backend=ToyBackend())
        for number in sample(disk.calls):
            folder = tmp_path / f"{number}"
            shutil.copytree(tmp_path / "journal", folder)
            with failing_disk(tmp_path, number), suppress(OSError):
                Session.recover(folder, backend=ToyBackend())
            again = Session.recover(folder, backend=ToyBackend())
            assert_same(again, expected)
            again.end_journal()


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "tif", "csv", "json"])
def test_an_export_is_the_old_or_the_new_file(tmp_path: Path, suffix: str) -> None:
    session, path = begun(), tmp_path / f"labels.{suffix}"
    session.export(tmp_path / f"whole.{suffix}")
    path.write_bytes(b"of the user")
    with failing_disk(tmp_path) as disk:
        session.export(tmp_path / f"whole.{suffix}", overwrite=True)
    for number in sample(disk.calls):
        with failing_disk(tmp_path, number), pytest.raises(OSError, match="No space left"):
            session.export(path, overwrite=True)
        assert {p.name for p in tmp_path.iterdir()} == {path.name, f"whole.{suffix}"}, number
        if path.read_bytes() != b"of the user":
            assert number > disk.calls - 3  # only the entry of the folder was not confirmed
            path.write_bytes(b"of the user")


# Interrupts


class Interrupt:
    """Raises `KeyboardInterrupt` once, before the n-th line of the package's sessions."""

    def __init__(self, number: int) -> None:
        self.number, self.lines = number, 0

    def __enter__(self) -> Interrupt:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame, event, argument):
        folder = frame.f_code.co_filename
        inside = folder.startswith((f"{PACKAGE}/session/", f"{PACKAGE}/data/atomic_file"))
        return self._count if inside else None

    def _count(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines - 1 == self.number:
                raise KeyboardInterrupt
        return self._count


def test_an_interrupt_at_any_line_leaves_journal_and_memory_alike(tmp_path: Path) -> None:
    counting = begun(tmp_path / "whole")
    with Interrupt(-1) as interrupt:
        for step in steps(counting):
            step()
    for number in sample(interrupt.lines, offset=7):
        folder = tmp_path / f"{number}"
        session = begun(folder)
        interrupted = False
        with Interrupt(number):
            for step in steps(session):
                try:
                    step()
                except KeyboardInterrupt:
                    interrupted = True
                    break
        assert interrupted, number
        session._state.interrupt()
        expected = Snapshot.of(session)
        again = recovered_copy(folder)
        assert not Snapshot.of(again).differences(expected), number
        assert again.history == session.history, number
        session.end_journal()
        shutil.rmtree(folder)


# Flipped bits and cuts


def flips(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Return a content with one flipped bit, for bits all over it."""
    for number in sample(8 * len(content), offset=5):
        damaged = bytearray(content)
        damaged[number // 8] ^= 1 << number % 8
        yield number, bytes(damaged)


@pytest.mark.filterwarnings("ignore:the journal in")
@pytest.mark.filterwarnings("ignore:.* of the journal in")
def test_no_flipped_bit_of_a_journal_is_read_in_silence(tmp_path: Path) -> None:
    session = begun(tmp_path / "journal", labels=True)
    session.end_journal()
    parts = [p for p in (tmp_path / "journal").iterdir() if p.name not in ("lock", origin.ORIGIN)]
    assert len(parts) == 5
    for part in parts:
        content = part.read_bytes()
        for number, damaged in flips(content):
            part.write_bytes(damaged)
            folder = tmp_path / "flipped"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(tmp_path / "journal", folder)
            with warnings.catch_warnings(record=True) as messages:
                warnings.simplefilter("always")
                try:
                    again = Session.recover(folder, backend=ToyBackend())
                except ValueError:
                    assert part.name != records.HISTORY, number
                    continue
                again.end_journal()
            assert messages, (part.name, number)
        part.write_bytes(content)
    assert_same(Session.recover(tmp_path / "journal", backend=ToyBackend()), session)


def test_a_journal_cut_at_any_byte_has_all_whole_records(tmp_path: Path) -> None:
    session = begun(tmp_path / "journal")
    whole = (tmp_path / "journal" / records.HISTORY).read_bytes()
    names = session.history
    session.end_journal()
    for length in sample(len(whole) + 1, offset=1):
        (tmp_path / "journal" / records.HISTORY).write_bytes(whole[:length])
        again = Session.recover(tmp_path / "journal", backend=ToyBackend())
        assert again.history == names[: whole[:length].count(b"\n")], length
        again.add_point((2, 9, 12))
        again.end_journal()


def test_a_saved_session_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    begun().save(tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    for length in sample(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(CorruptFileError):
            Session.load(tmp_path / "cut", backend=ToyBackend())


def test_lines_that_are_gone_are_missed(tmp_path: Path) -> None:
    session = begun(tmp_path / "journal")
    session.commit("second")
    session.undo()
    session.add_point((2, 9, 12))
    session.end_journal()
    history = tmp_path / "journal" / records.HISTORY
    lines = history.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    for number in range(5):  # the last one is like a step that was never made
        shutil.copytree(tmp_path / "journal", tmp_path / f"{number}")
        rest = b"".join(lines[:number] + lines[number + 1 :])
        (tmp_path / f"{number}" / records.HISTORY).write_bytes(rest)
        with pytest.warns(UserWarning, match="lacks steps before records"):
            again = Session.recover(tmp_path / f"{number}", backend=ToyBackend())
        assert again.prompts == session.prompts
        again.end_journal()
        assert_same(Session.recover(tmp_path / f"{number}", backend=ToyBackend()), again)


def test_journals_of_before_have_no_checksums(tmp_path: Path) -> None:
    session = begun(tmp_path / "journal", labels=True)
    session.end_journal()
    (tmp_path / "journal" / checksums.CHECKSUMS).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(Session.recover(tmp_path / "journal", backend=ToyBackend()), session)
    assert (tmp_path / "journal" / header.HEADER).exists()
