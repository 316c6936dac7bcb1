"""Atomic replacement of files and folders."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from napari_promptseg.data.atomic_file import sync_folder
from napari_promptseg.data.exchange import exchange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def atomic_target(path: Path, suffix: str = "", *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path whose file or folder replaces the target on success.

    The temporary name is unpredictable and lies in the folder of the target, so that the
    replacement is one rename. Content is on disk before the rename, and the rename before the
    context ends. After an error the target is unchanged and the temporary content is removed.

    Parameters
    ----------
    path : Path
        Target, in a folder that exists. An existing file keeps its permissions.
    suffix : str
        End of the temporary name, for libraries that choose a format by it.
    overwrite : bool
        Whether to replace an existing target.

    Raises
    ------
    FileExistsError
        If something is at the path, before or after writing, and `overwrite` is false.
    """
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
