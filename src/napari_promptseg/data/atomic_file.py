"""Atomic file replacement: a crash at any moment leaves the old or the new file, never a part."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE: Final = 0o600
"""Mode of files for their owner alone."""
_UNSUPPORTED: Final = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def private_opener(path: str, flags: int) -> int:
    """Open a file so that a new one is for its owner alone; for `open(opener=...)`."""
    return os.open(path, flags, PRIVATE)


def sync_folder(folder: Path) -> None:
    """Have new and renamed entries of a folder on disk, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path` when the block ends without an error.

    A symbolic link stays one: its target is replaced. The mode of a former file is kept.
    The new file has an unpredictable name until then, and is on disk before it is renamed.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    mode : int
        Of a file that is not there yet; the umask applies.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | _binary(), mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with suppress(FileNotFoundError):
                os.chmod(partial, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
        sync_folder(target.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _binary() -> int:
    flag: Any = getattr(os, "O_BINARY", 0)
    return int(flag)
