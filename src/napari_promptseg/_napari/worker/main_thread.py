"""Calls on the main thread: from another thread, or in the next turn of the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from superqt.utils import ensure_main_thread

if TYPE_CHECKING:
    from collections.abc import Callable


def call_on_main_thread(call: Callable[[], None]) -> None:
    """Run a call in the event loop of the application; from any thread, in order."""
    _run(call)


@ensure_main_thread
def _run(call: Callable[[], None]) -> None:
    call()


def call_later(call: Callable[[], None], milliseconds: int = 0) -> None:
    """Run a call in the next turn of the event loop, or after a time; from the main thread."""
    QTimer.singleShot(milliseconds, call)
