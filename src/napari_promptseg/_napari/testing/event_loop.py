"""Turns of the event loop: how long each keeps the window from reacting."""

from __future__ import annotations

from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QAbstractEventDispatcher, QObject, Qt, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK: Final = 0.005


class Watchdog(QObject):
    """Measures the longest turn of the event loop of its thread.

    Parameters
    ----------
    on_turn : callable, optional
        Called with the CPU seconds of each turn.

    Attributes
    ----------
    longest : float
        Seconds on the clock for which the loop ran nothing else.
    longest_cpu : float
        Seconds that the processor spent on the thread of the loop in one turn; other threads and
        programs do not lengthen them.
    """

    def __init__(self, on_turn: Callable[[float], None] | None = None) -> None:
        super().__init__()
        self.longest = self.longest_cpu = 0.0
        self._on_turn = on_turn
        self._last, self._last_cpu = 0.0, 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(1000 * _TICK))
        self._timer.timeout.connect(self._tick)
        self._dispatcher = QAbstractEventDispatcher.instance()

    def __enter__(self) -> Watchdog:
        self.longest = self.longest_cpu = 0.0
        self._last, self._last_cpu = perf_counter(), thread_time()
        self._timer.start()
        assert self._dispatcher is not None
        self._dispatcher.awake.connect(self._turn)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._dispatcher is not None
        self._dispatcher.awake.disconnect(self._turn)
        self._timer.stop()
        self._tick()  # a turn that outlasts the measurement
        self._turn()

    def _tick(self) -> None:
        now = perf_counter()
        self.longest = max(self.longest, now - self._last - _TICK)
        self._last = now

    def _turn(self) -> None:
        """Note the time since the loop was awake before."""
        now = thread_time()
        seconds, self._last_cpu = now - self._last_cpu, now
        self.longest_cpu = max(self.longest_cpu, seconds)
        if self._on_turn is not None:
            self._on_turn(seconds)
