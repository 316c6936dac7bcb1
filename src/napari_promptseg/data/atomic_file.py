"""Atomic replacement of files and folders: a crash leaves the old or the new one, never a part."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import uuid4

from napari_promptseg.data.exchange import exchange

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
def atomic_target(path: Path, suffix: str = "", *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path whose file or folder replaces the target on success.

    The temporary name is unpredictable and lies in the folder of the target, so that the
    replacement is one rename. Content is on disk before the rename, and the rename before the
    context ends. After an error the target is unchanged and the temporary content is removed.

    Parameters
    ----------
    path : Path
        Target, in a folder that exists. An existing file keeps its permissions; of a symbolic
        link, the target is replaced.
    suffix : str
        End of the temporary name, for libraries that choose a format by it.
    overwrite : bool
        Whether to replace an existing target.

    Raises
    ------
    FileExistsError
        If something is at the path, before or after writing, and `overwrite` is false.
    """
    path = Path(os.path.realpath(path))
    _check_free(path, overwrite)
    temporary = path.with_name(f".partial-{uuid4().hex}{suffix}")
    try:
        yield temporary
        _flush(temporary)
        _check_free(path, overwrite)
        _replace(temporary, path)
        sync_folder(path.parent)
    finally:
        _remove(temporary)


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path` when the block ends without an error.

    See `atomic_target`. Nobody may read the new file who may not read the former one.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    mode : int
        Of a file that is not there yet; the umask applies.

    Raises
    ------
    IsADirectoryError
        If it is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with atomic_target(path, overwrite=True) as temporary:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _binary(), mode)
        with os.fdopen(descriptor, "w+b") as file:
            with suppress(FileNotFoundError):
                shutil.copymode(path, temporary)
            yield file


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece; see `replacing`."""
    with replacing(path) as file:
        file.write(content)


def _check_free(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")


def _flush(path: Path) -> None:
    """Write cached content to disk; of a folder, which may hold many files, in one call."""
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    elif hasattr(os, "sync"):
        os.sync()


def _replace(temporary: Path, path: Path) -> None:
    if path.is_file() and temporary.is_file():
        shutil.copymode(path, temporary)
    if not path.is_dir():
        os.replace(temporary, path)
        return
    if exchange(temporary, path):
        _remove(temporary)
        return
    # Without an exchange in one step, the old folder is removed after the rename.
    old = path.with_name(f".old-{uuid4().hex}")
    os.rename(path, old)
    try:
        os.rename(temporary, path)
    except OSError:
        os.rename(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _binary() -> int:
    flag: Any = getattr(os, "O_BINARY", 0)
    return int(flag)
