"""A disk that fails at the n-th call which writes to it, for tests of what is left behind."""

from __future__ import annotations

import builtins
import errno
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CALLS = ("fsync", "replace", "rename", "mkdir", "link", "open")
_NEVER = 10**9


class FailingDisk:
    """Counts calls that write below a folder, and lets one of them fail for want of room.

    A write that fails has written half of its bytes, as on a full disk. Reading, closing,
    cutting and deleting always work.

    Parameters
    ----------
    folder : Path
        Where files fail.
    number : int
        Of the call that fails, from 0; none when not given.
    """

    def __init__(self, folder: Path, number: int = _NEVER) -> None:
        self.folder, self.number, self.calls = os.path.realpath(folder), number, 0

    def _count(self) -> bool:
        self.calls += 1
        return self.calls - 1 == self.number

    def check(self) -> None:
        """Count a call, and fail if it is the one."""
        if self._count():
            raise OSError(errno.ENOSPC, "No space left on device")

    def has(self, path: Any) -> bool:
        """Return True for a path below the folder."""
        return os.path.realpath(os.fspath(path)).startswith(self.folder)

    def write(self, file: Any, data: Any) -> Any:
        """Write to a file, or half of it; to write nothing needs no room."""
        if len(data) and self._count():
            file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return file.write(data)


class _File:
    """A file that writes through a disk."""

    def __init__(self, file: Any, disk: FailingDisk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> Any:
        return self._disk.write(self._file, data)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Any:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def failing_disk(folder: Path, number: int = _NEVER) -> Iterator[FailingDisk]:
    """Let the n-th call below a folder fail within the block."""
    disk, patch = FailingDisk(folder, number), pytest.MonkeyPatch()
    real_open = io.open

    def opening(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        by_path = isinstance(file, str | bytes | os.PathLike)
        if set(mode).isdisjoint("wax+") or (by_path and not disk.has(file)):
            return real_open(file, mode, *arguments, **options)
        if by_path:
            disk.check()
        return _File(real_open(file, mode, *arguments, **options), disk)

    def counted(name: str) -> Any:
        real = getattr(os, name)

        def call(first: Any, *arguments: Any, **options: Any) -> Any:
            writes = name != "open" or (arguments and arguments[0] & (os.O_WRONLY | os.O_RDWR))
            if writes and (isinstance(first, int) or disk.has(first)):
                disk.check()
            return real(first, *arguments, **options)

        return call

    for module in (io, builtins):
        patch.setattr(module, "open", opening)
    for name in _CALLS:
        patch.setattr(os, name, counted(name))
    try:
        yield disk
    finally:
        patch.undo()
