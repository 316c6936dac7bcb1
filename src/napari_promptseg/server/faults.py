"""Errors as clients see them: without paths, and without anything of the inside of the server."""

from __future__ import annotations

import logging
import os
import re
from typing import Final

from napari_promptseg.remote.protocol import KINDS, Fault

_MAX_CHARACTERS: Final = 1000
_QUOTED_PATH: Final = re.compile(r"(?<=['\"])(?:[A-Za-z]:)?[/\\][^'\"]*[/\\]")
_PATH: Final = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s'\"/\\]+[/\\])+")
"""The folders of an absolute path; the name at its end stays."""
_log = logging.getLogger(__name__)


def fault(error: Exception) -> Fault:
    """Return an error for a client, and log it with its traceback where it is none of theirs."""
    kind = next((k for k in type(error).__mro__ if k.__name__ in KINDS), None)
    if kind is None:
        _log.error("a call failed", exc_info=error)
        return Fault(kind="RuntimeError", message="the server failed; its log says more")
    if not isinstance(error, ValueError | FileNotFoundError):
        _log.warning("a call failed", exc_info=error)
    if isinstance(error, OSError) and error.errno is not None:
        return Fault(kind=kind.__name__, message=os.strerror(error.errno))
    message = _PATH.sub("", _QUOTED_PATH.sub("", str(error)))
    return Fault(kind=kind.__name__, message=message[:_MAX_CHARACTERS])
