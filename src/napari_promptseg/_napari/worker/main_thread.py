"""The way from other threads to the thread of the GUI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Callable


class MainThreadRelay(QObject):
    """Runs calls in the event loop of the thread that made it, in the order they came."""

    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._open = True
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def __call__(self, call: Callable[[], None]) -> None:
        """Run a call later; from any thread."""
        if self._open:
            self._posted.emit(call)

    def _run(self, call: Callable[[], None]) -> None:
        if self._open:
            call()

    def close(self) -> None:
        """Run no more calls, not even those that wait."""
        self._open = False
