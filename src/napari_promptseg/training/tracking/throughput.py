"""Mean loss and speed over some steps, and the time that is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Throughput:
    """Steps that are reported together.

    Parameters
    ----------
    crops : int
        Crops a step.
    clock : callable
        Returns seconds.
    """

    def __init__(self, crops: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._crops, self._clock = crops, clock
        self.restart()

    def restart(self) -> None:
        """Forget the steps so far."""
        self._total, self._steps, self._began = 0.0, 0, self._clock()

    def add(self, loss: float) -> None:
        """Count a step."""
        self._total += loss
        self._steps += 1

    def take(self) -> dict[str, float]:
        """Return mean loss and crops a second, and restart.

        Raises
        ------
        ValueError
            If there was no step.
        """
        if self._steps == 0:
            raise ValueError("no step was done since the last report")
        seconds = max(self._clock() - self._began, 1e-9)
        figures = {
            "loss": self._total / self._steps,
            "crops_per_second": self._crops * self._steps / seconds,
        }
        self.restart()
        return figures


def duration(seconds: float) -> str:
    """Write a duration in its two largest units, such as "3 h 20 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
