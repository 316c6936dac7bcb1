"""Journal of a session: an append-only log that has each step on disk before the call returns."""

from __future__ import annotations

import os
import shutil
import weakref
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from napari_promptseg.session.persistence.arrays import Arrays, write_array
from napari_promptseg.session.persistence.containers import Folder, read_header
from napari_promptseg.session.persistence.header import HEADER, Header
from napari_promptseg.session.persistence.records import HISTORY, Line, Record, encode_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

FOLDER_VARIABLE: Final = "PROMPTSEG_JOURNALS"
"""Environment variable that names another folder for the journals of the dock."""
_LOCK: Final = "lock"
_CLAIMS: Final = "claims"
"""Folder of locks of saved sessions."""
_SLACK: Final = 64
"""Records that nobody can reach any more, beside as many as are reached: then it is compacted."""


class Journal:
    """Appends every step to a folder, and has it on disk before the call returns.

    One process at a time writes; what another one left is free again, however it ended.

    Parameters
    ----------
    folder : Path
        Made if it is not there.

    Raises
    ------
    BlockingIOError
        If another process writes to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._written = 0
        self._release = weakref.finalize(self, hold(self.folder / _LOCK, "journal").release)

    def close(self) -> None:
        """Let other processes write; nothing is appended afterwards."""
        self._release()

    def begin(self, header: Header, arrays: Arrays) -> None:
        """Start an empty journal.

        Raises
        ------
        FileExistsError
            If the folder holds a journal already.
        """
        if (self.folder / HEADER).exists():
            raise FileExistsError(
                f"{str(self.folder)!r} holds a journal already: recover it with "
                "Session.recover, or choose another folder"
            )
        for name, array in arrays.items():
            if array is not None:
                with (self.folder / name).open("wb") as file:
                    write_array(file, array)
                    _flush(file)
        (self.folder / HISTORY).touch()
        # The header comes last and whole: without one there is no journal.
        self._replace(HEADER, header.model_dump_json().encode())

    def resume(self, records: Sequence[Record]) -> None:
        """Hold these records and no others, such as those that a recovery found whole."""
        self._replace(HISTORY, b"".join(map(encode_record, records)))
        self._written = len(records)

    def append(self, record: Line) -> None:
        """Write a record through to the disk; a failure leaves the records before it whole."""
        line = encode_record(record)
        with (self.folder / HISTORY).open("ab", buffering=0) as file:
            whole = file.tell()
            try:
                if file.write(line) != len(line):
                    raise OSError(f"no room for {len(line)} bytes in {str(self.folder)!r}")
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(whole)
                raise
        self._written += 1

    def is_wasteful(self, reached: int) -> bool:
        """Tell whether most of what is written cannot be reached by undo and redo any more."""
        return self._written > 2 * reached + _SLACK

    def _replace(self, name: str, content: bytes) -> None:
        """Write a file so that a power cut at any moment leaves the old or the new one."""
        partial = self.folder / (name + ".partial")
        try:
            with partial.open("wb") as file:
                file.write(content)
                _flush(file)
            partial.replace(self.folder / name)
        finally:
            partial.unlink(missing_ok=True)


def _lock(file: Path) -> FileLock:
    """Return the lock of a file; there is one of each in a process."""
    return FileLock(file, timeout=0, thread_local=False, is_singleton=True)


def hold(file: Path, what: str) -> FileLock:
    """Lock a file for this process until `release`.

    Parameters
    ----------
    file : Path
        Of the lock; it stays when the lock is released.
    what : str
        What it guards, for the message.

    Raises
    ------
    BlockingIOError
        If another process has it.
    """
    lock = _lock(file)
    try:
        lock.acquire()
    except Timeout:
        raise BlockingIOError(
            f"this {what} is open in another window or process: close it there first"
        ) from None
    return lock


class FileClaim:
    """The right of this process to write one file, until it is garbage or the process ends.

    Parameters
    ----------
    path : Path
        The file. Its lock lies with the journals: none is left beside it.

    Where no lock can be written, such as a home without write access, everybody has it.

    Raises
    ------
    BlockingIOError
        If another process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        locks = journals_folder() / _CLAIMS
        name = blake2b(str(path).encode(), digest_size=16).hexdigest()
        try:
            locks.mkdir(parents=True, exist_ok=True)
            lock = hold(locks / name, f"file {path.name}")
        except BlockingIOError:
            raise
        except OSError:
            return
        weakref.finalize(self, lock.release)


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class Kept:
    """A journal that nobody writes to: what a process left when it ended.

    Parameters
    ----------
    folder : Path
        Of the journal, for `Session.recover`.
    header : Header
        What it was opened on.
    when : datetime
        Of the last step, in local time.
    steps : int
        Records in it.
    """

    folder: Path
    header: Header
    when: datetime
    steps: int

    @property
    def title(self) -> str:
        """What it is about, for people."""
        source = self.header.source
        shape = " x ".join(map(str, self.header.shape))
        return Path(source).name if source else f"an image of {shape}"

    def discard(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder)


def journals_folder() -> Path:
    """Return the folder of the journals of the dock; it need not exist."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    from platformdirs import user_state_path

    return user_state_path("napari-promptseg", appauthor=False) / "journals"


def has_journals() -> bool:
    """Tell whether there may be a journal in the folder of the dock; quick."""
    root = journals_folder()
    return root.is_dir() and any(path.name != _CLAIMS for path in root.iterdir())


def list_kept(root: Path | None = None) -> list[Kept]:
    """Return the journals in a folder that nobody writes to, the latest first.

    What is damaged beyond its last steps, or empty, is left out and left there.
    """
    root = root or journals_folder()
    found = []
    for folder in root.iterdir() if root.is_dir() else ():
        history = folder / HISTORY
        try:
            if _lock(folder / _LOCK).is_locked:  # by this process
                continue
            hold(folder / _LOCK, "journal").release()
            header = read_header(Folder(folder))
            with history.open("rb") as lines:
                steps = sum(1 for _ in lines)
            changed = datetime.fromtimestamp(history.stat().st_mtime).astimezone()
        except (OSError, ValueError):
            continue
        if steps:
            found.append(Kept(folder, header, changed, steps))
    return sorted(found, key=lambda kept: kept.when, reverse=True)
