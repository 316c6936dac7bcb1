"""Journal of a session: an append-only log that has each step on disk before the call returns."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import weakref
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from napari_promptseg.data.atomic_file import PRIVATE, private_opener, replacing
from napari_promptseg.session.persistence import checksums, origin
from napari_promptseg.session.persistence.arrays import ARRAYS, Arrays, write_array
from napari_promptseg.session.persistence.checksums import CHECKSUMS, DigestWriter, digest_of
from napari_promptseg.session.persistence.containers import (
    Folder,
    check_part,
    open_part,
    read_header,
)
from napari_promptseg.session.persistence.folders import CLAIMS, claims_folder, journals_folder
from napari_promptseg.session.persistence.header import HEADER, Header
from napari_promptseg.session.persistence.origin import ORIGIN
from napari_promptseg.session.persistence.records import (
    HISTORY,
    Line,
    Part,
    Record,
    encode_record,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FileClaim", "Journal", "Kept", "has_journals", "journals_folder", "list_kept"]
_LOCK: Final = "lock"
_FILES: Final = (HEADER, HISTORY, CHECKSUMS, ORIGIN, *ARRAYS, _LOCK)
_DAMAGED: Final = f"{HISTORY}.damaged-"
_SLACK: Final = 64
"""Unreachable records, beside as many as are reachable, from which on it is compacted."""
_log = logging.getLogger(__name__)


class Journal:
    """Appends every step to a folder, and has it on disk before the call returns.

    One session at a time writes, in whatever process; the journal of a process that ended is
    free again. Files and a new folder are readable for their owner alone.

    Parameters
    ----------
    folder : Path
        Made if it is not there.

    Raises
    ------
    BlockingIOError
        If another session writes to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._is_own_folder = (
            not folder.is_dir()
            or not any(folder.iterdir())
            or Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(journals_folder()))
        )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in _FILES:
            check_part(self.folder / name)
        self._records = 0
        self._release = weakref.finalize(self, hold(self.folder / _LOCK, "journal").release)
        _journals[os.path.realpath(folder)] = self
        history = self.folder / HISTORY
        self._end = history.stat().st_size if history.exists() else 0
        self._confirmed = self._end

    def close(self) -> None:
        """Let other sessions write; nothing is appended afterwards."""
        self._release()

    def discard(self) -> None:
        """Delete it, once it is closed; of a folder with other files, its own files alone."""
        if self._is_own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for path in (*map(self.folder.joinpath, _FILES), *self.folder.glob(f"{_DAMAGED}*")):
            path.unlink(missing_ok=True)

    @property
    def is_open(self) -> bool:
        """True if a session writes to it."""
        return self._release.alive

    def begin(self, header: Header, arrays: Arrays) -> None:
        """Start an empty journal; a failure, as on a full disk, leaves none.

        Raises
        ------
        FileExistsError
            If the folder holds a journal already.
        """
        check_vacant(self.folder)
        digests: dict[str, str] = {}
        for name, array in arrays.items():
            if array is not None:
                with replacing(self.folder / name, PRIVATE) as file:
                    writer = DigestWriter(file)
                    write_array(writer, array)
                digests[name] = writer.digest
        self._replace(HISTORY, b"")
        content = header.model_dump_json().encode()
        self._replace(ORIGIN, origin.sign(content))
        digests[HEADER] = digest_of(content)
        self._replace(CHECKSUMS, checksums.encode(digests))
        # The header comes last and whole: without one there is no journal.
        self._replace(HEADER, content)

    def resume(self, records: Sequence[Record]) -> None:
        """Hold these records and no others, such as those that a recovery found whole."""
        history = self.folder / HISTORY
        try:
            self._replace(HISTORY, b"".join(map(encode_record, records)))
        finally:
            self._end = self._confirmed = history.stat().st_size if history.exists() else 0
        self._records = len(records)

    def keep_damaged(self) -> Path:
        """Copy the history to a name of its own, and return that."""
        number = 1
        while (copy := self.folder / f"{_DAMAGED}{number}").exists():
            number += 1
        with (self.folder / HISTORY).open("rb") as source, replacing(copy, PRIVATE) as target:
            shutil.copyfileobj(source, target)
        return copy

    def append(self, record: Line) -> None:
        """Write a record through to the disk; a failure leaves the records before it whole.

        It counts as soon as the session has done the step and calls `confirm`.
        """
        line = encode_record(record)
        with open(self.folder / HISTORY, "ab", buffering=0, opener=private_opener) as file:
            self._cut(file)
            try:
                if file.write(line) != len(line):
                    raise OSError(f"no room for {len(line)} bytes in {str(self.folder)!r}")
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(self._end)
                raise
            self._end += len(line)
        if not isinstance(record, Part):
            self._records += 1

    @property
    def position(self) -> int:
        """Bytes of what the session has done, for `rewind`."""
        return self._confirmed

    def confirm(self) -> None:
        """Note that the session has done what was appended."""
        self._confirmed = self._end

    def rewind(self, position: int | None = None) -> None:
        """Drop what the session has not done: a step that failed, parts of a propagation.

        Where the disk refuses even that, it is dropped before the next record is written.
        """
        if position is not None:
            self._confirmed = position
        self._end = self._confirmed
        try:
            with open(self.folder / HISTORY, "ab", buffering=0, opener=private_opener) as file:
                self._cut(file)
        except OSError:
            _log.warning("the journal in %s cannot be cut now", self.folder, exc_info=True)

    def _cut(self, file: IO[bytes]) -> None:
        """Cut the file after the last record that counts."""
        size = file.seek(0, os.SEEK_END)
        if size < self._end:
            raise OSError(f"the journal in {str(self.folder)!r} was cut by another program")
        if size > self._end:
            file.truncate(self._end)

    def is_wasteful(self, reachable: int) -> bool:
        """Tell whether undo and redo reach less than about half of the records."""
        return self._records > 2 * reachable + _SLACK

    def _replace(self, name: str, content: bytes) -> None:
        with replacing(self.folder / name, PRIVATE) as file:
            file.write(content)


_journals: weakref.WeakValueDictionary[str, Journal] = weakref.WeakValueDictionary()
"""Journals that sessions of this process have opened, by their real path."""


def is_written_here(folder: Path) -> bool:
    """Tell whether a session of this process writes to a journal."""
    key = os.path.realpath(folder)
    if key in _journals:
        gc.collect()  # a session that nobody refers to any more does not write
    journal = _journals.get(key)
    return journal is not None and journal.is_open


def check_vacant(folder: Path) -> None:
    """Refuse a folder that holds a journal, whoever writes to it.

    Raises
    ------
    FileExistsError
        If it does.
    """
    if (folder / HEADER).exists():
        raise FileExistsError(
            f"{str(folder)!r} holds a journal already: recover it with "
            "Session.recover, or choose another folder"
        )


def hold(file: Path, subject: str) -> FileLock:
    """Lock a file until `release`, against other processes and other sessions of this one.

    Parameters
    ----------
    file : Path
        Of the lock; it stays when the lock is released.
    subject : str
        What it guards, for the message.

    Raises
    ------
    BlockingIOError
        If it is locked.
    """
    path = Path(os.path.realpath(file.parent)) / file.name
    check_part(path)
    if path.exists() and path.stat().st_size:  # locking empties it, also under another name
        raise PermissionError(f"{str(path)!r} is no lock: it has content")
    lock = FileLock(path, timeout=0, thread_local=False)
    for collect in (True, False):
        try:
            lock.acquire()
        except Timeout:
            if collect:
                gc.collect()  # a session that nobody refers to any more may still hold it
                continue
            raise BlockingIOError(
                f"this {subject} is open in another window or process: close it there first"
            ) from None
        break
    return lock


class FileClaim:
    """The right of one session to write one file, until it is garbage or the process ends.

    Where no lock can be written, such as a home without write access, everybody has it.

    Parameters
    ----------
    path : Path
        The file; links are followed. Its lock lies with the journals: none is left beside it.

    Raises
    ------
    BlockingIOError
        If another session has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self._release: weakref.finalize[[], FileClaim] | None = None
        locks = claims_folder()
        name = blake2b(str(self.path).encode(), digest_size=16).hexdigest()
        try:
            locks.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = hold(locks / name, f"file {path.name}")
        except BlockingIOError:
            raise
        except OSError:
            _log.info("no lock can be written to %s", locks, exc_info=True)
            return
        self._release = weakref.finalize(self, lock.release)

    def release(self) -> None:
        """Let others write the file."""
        if self._release is not None:
            self._release()


@dataclass(frozen=True, slots=True)
class Kept:
    """A journal that nobody writes to, left by a process that ended.

    Parameters
    ----------
    folder : Path
        Of the journal, for `Session.recover`.
    header : Header
        Image and model of the session.
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
        """Name of the image, for people."""
        source = self.header.source
        shape = " x ".join(map(str, self.header.shape))
        return Path(source).name if source else f"an image of {shape}"

    def discard(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder)


def has_journals() -> bool:
    """Tell whether there may be a journal in the folder of the dock; quick."""
    root = journals_folder()
    return root.is_dir() and any(path.name != CLAIMS for path in root.iterdir())


def list_kept(root: Path | None = None) -> list[Kept]:
    """Return the journals in a folder that nobody writes to, the latest first.

    What is damaged beyond its last steps, or empty, is left out and left there.
    """
    root = root or journals_folder()
    journals = []
    for folder in root.iterdir() if root.is_dir() else ():
        history = folder / HISTORY
        try:
            hold(folder / _LOCK, "journal").release()
            header = read_header(Folder(folder))
            with open_part(history) as lines:
                steps = sum(1 for _ in lines)
            modified = _local_time(history.stat().st_mtime)
        except (OSError, ValueError):
            continue
        if steps:
            journals.append(Kept(folder, header, modified, steps))
    return sorted(journals, key=lambda journal: journal.when, reverse=True)


def _local_time(seconds: float) -> datetime:
    """Return a time for people; the present one where a clock was far off."""
    try:
        return datetime.fromtimestamp(seconds).astimezone()
    except (OSError, ValueError, OverflowError):
        return datetime.now().astimezone()
