"""Audit log: one JSON line a request with user, action and address, in files of bounded size."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import IO, TYPE_CHECKING, Any, Final

from napari_promptseg.data.atomic_file import private_opener
from napari_promptseg.remote.private_file import private_folder

if TYPE_CHECKING:
    from pathlib import Path

_BYTES: Final = 16 * 2**20
_FILES: Final = 5
_MAX_CHARACTERS: Final = 200
"""Of a path in a line."""


class _PrivateHandler(RotatingFileHandler):
    """A rotating log that its owner alone can read."""

    def _open(self) -> IO[str]:  # type: ignore[override]
        return open(self.baseFilename, self.mode, encoding="utf-8", opener=private_opener)


class Audit:
    """Writes down requests; never the content of an image or a token.

    Requests of strangers have a file of their own, so that they cannot push out the lines of
    users. Addresses are those of the connections: no header is believed.

    Parameters
    ----------
    file : Path
        The log of users; four older ones stay beside it.
    """

    def __init__(self, file: Path) -> None:
        private_folder(file.parent)
        self._users = _PrivateHandler(str(file), maxBytes=_BYTES, backupCount=_FILES - 1)
        strangers = file.with_name(f"{file.stem}-refused{file.suffix}")
        self._strangers = _PrivateHandler(str(strangers), maxBytes=_BYTES, backupCount=1)

    def write(self, action: str, user: str, address: str, path: str) -> None:
        """Add a line of a user."""
        _add(self._users, action=action, user=user, address=address, path=path)

    def refuse(self, address: str, path: str) -> None:
        """Add a line of a stranger."""
        _add(self._strangers, action="refused", user=None, address=address, path=path)

    def close(self) -> None:
        """Close the files."""
        self._users.close()
        self._strangers.close()


def _add(handler: logging.Handler, path: str, **fields: Any) -> None:
    entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
    line = json.dumps({**entry, "path": path[:_MAX_CHARACTERS]})
    handler.handle(logging.makeLogRecord({"msg": line, "levelno": logging.INFO}))
