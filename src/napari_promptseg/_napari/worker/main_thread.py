"""Calls on the main thread: from another thread, or in the next turn of the event loop."""

from __future__ import annotations

from math import inf
from time import thread_time
from typing import TYPE_CHECKING, Final

from qtpy.compat import isalive
from qtpy.QtCore import QAbstractEventDispatcher, QTimer
from qtpy.QtWidgets import QApplication, QMainWindow
from superqt.utils import ensure_main_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_QUIET_SECONDS: Final = 0.01
"""CPU time of a turn of the event loop that has done little so far."""


def call_on_main_thread(call: Callable[[], None]) -> None:
    """Run a call in the event loop of the application; from any thread, in order."""
    _run(call)


@ensure_main_thread
def _run(call: Callable[[], None]) -> None:
    call()


def call_later(call: Callable[[], None]) -> None:
    """Run a call in the next turn of the event loop; from the main thread."""
    QTimer.singleShot(0, call)


def draw_later(call: Callable[[], None]) -> None:
    """Run a call, and draw what it changed in the next turn of the event loop."""
    windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
    widgets = [window.centralWidget() for window in windows]
    centres = [w for w in widgets if w is not None and w.updatesEnabled()]
    for centre in centres:
        centre.setUpdatesEnabled(False)

    def draw() -> None:
        for centre in centres:
            if isalive(centre):  # type: ignore[no-untyped-call]
                centre.setUpdatesEnabled(True)

    call_later(draw)
    call()


def call_in_quiet_turn(call: Callable[[], None], milliseconds: int = 0) -> None:
    """Run a call after a time, in a turn of the event loop in which little else is done.

    Two things that each take long, such as adding a layer and drawing it, then keep the window
    waiting one after the other and not at once.
    """
    dispatcher = QAbstractEventDispatcher.instance()
    turn_start = -inf  # unknown until the next turn begins

    def begin_turn() -> None:
        nonlocal turn_start
        turn_start = thread_time()

    def attempt() -> None:
        if dispatcher is not None:
            if thread_time() - turn_start > _QUIET_SECONDS:
                QTimer.singleShot(0, attempt)
                return
            dispatcher.awake.disconnect(begin_turn)
        draw_later(call)

    if dispatcher is not None:
        dispatcher.awake.connect(begin_turn)
    QTimer.singleShot(milliseconds, attempt)
