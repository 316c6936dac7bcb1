"""Ctrl+C as a request to end in good order; the second one ends at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType


class Interrupt:
    """Turns the first Ctrl+C within a ``with`` block into a flag."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._former: Any = None

    def is_set(self) -> bool:
        """Return whether the user has pressed Ctrl+C."""
        return self._event.is_set()

    def _handle(self, number: int, frame: Any) -> None:
        self._event.set()
        signal.signal(signal.SIGINT, self._former)

    def __enter__(self) -> Interrupt:
        self._former = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._former)
