"""Who did what and when: one JSON line each, in files that do not grow for ever."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_BYTES: Final = 16 * 2**20
_FILES: Final = 5


class Audit:
    """Writes down what was asked for; never what an image or a token holds.

    Parameters
    ----------
    file : Path
        The log; four older ones stay beside it.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._handler = RotatingFileHandler(
            file, maxBytes=_BYTES, backupCount=_FILES - 1, encoding="utf-8"
        )

    def write(self, action: str, user: str | None, address: str, **details: Any) -> None:
        """Add a line."""
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "action": action,
            "user": user,
            "address": address,
            **details,
        }
        line = json.dumps(entry)
        self._handler.emit(logging.makeLogRecord({"msg": line, "levelno": logging.INFO}))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()
