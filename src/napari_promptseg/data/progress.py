"""Reports of the progress of long work, and its cancellation; the defaults do nothing."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int], None]
"""Called with the number of steps that are done, and of all."""


def no_report(done: int, total: int) -> None:
    """Report nothing."""


def never() -> bool:
    """Return False: nobody cancels."""
    return False
