"""Exchange of two folders in one step, where the system has such a call."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HERE: Final = -100  # AT_FDCWD of Linux: paths are as of the working folder
_EXCHANGE: Final = 2  # RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS


def exchange(one: Path, other: Path) -> bool:
    """Give each of two existing files or folders of a file system the name of the other.

    Returns
    -------
    bool
        False if the system or the file system cannot do it; nothing has changed then.
    """
    call = _system_call()
    return call is not None and call(os.fsencode(one), os.fsencode(other)) == 0


@cache
def _system_call() -> Callable[[bytes, bytes], int] | None:
    try:
        library: Any = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            rename = library.renameat2
            return lambda one, other: int(rename(_HERE, one, _HERE, other, _EXCHANGE))
        rename = library.renamex_np
        return lambda one, other: int(rename(one, other, _EXCHANGE))
    # Windows has no such library, older systems no such function.
    except (AttributeError, OSError, TypeError):
        return None
