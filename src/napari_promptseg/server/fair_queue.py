"""Fair queue: one thread does the work of all models, and users take turns on it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

_CLOSE_SECONDS: Final = 10.0
_MAX_WAITING: Final = 200
"""Pieces of work of one user."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Work:
    """A piece of work of a user."""

    user: str
    call: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    start_time: float = 0.0


class FairQueue:
    """Runs work in turns: one piece of each user that waits, then the next of each.

    Long work, such as a propagation, is submitted in pieces, so that a click of another user
    waits for one piece at most. Work that hangs can be given up: another thread goes on.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[_Work]] = OrderedDict()
        self._changed = threading.Condition()
        self._open = True
        self._current: _Work | None = None
        self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, user: str, work: Callable[[], Any]) -> Future[Any]:
        """Queue work of a user.

        Raises
        ------
        RuntimeError
            If the queue is closed, or too much work of the user waits.
        """
        piece = _Work(user, work)
        with self._changed:
            if not self._open:
                raise RuntimeError("the server is shutting down")
            queue = self._waiting.setdefault(user, deque())
            if len(queue) >= _MAX_WAITING:
                raise RuntimeError(f"{len(queue)} requests wait already")
            queue.append(piece)
            self._changed.notify()
        return piece.future

    def abandon(self, seconds: float) -> str | None:
        """Give up work that has run for longer than so many seconds, and go on without it.

        Returns
        -------
        str or None
            The user whose work it was; None if none runs for that long.
        """
        with self._changed:
            work = self._current
            if work is None or monotonic() - work.start_time < seconds:
                return None
            self._current = None
            self._start()
        _log.error("work of %r was given up after %.0f s", work.user, monotonic() - work.start_time)
        with suppress(InvalidStateError):
            work.future.set_exception(
                RuntimeError(f"the model gave no answer within {seconds:.0f} s")
            )
        return work.user

    def close(self) -> None:
        """End after the present piece of work; waiting pieces are cancelled."""
        with self._changed:
            self._open = False
            for queue in self._waiting.values():
                for work in queue:
                    work.future.cancel()
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(_CLOSE_SECONDS)

    def _take(self) -> _Work | None:
        with self._changed:
            while self._open and not self._waiting and self._is_mine():
                self._changed.wait()
            if not self._open or not self._is_mine():
                return None
            user, queue = self._waiting.popitem(last=False)
            work = queue.popleft()
            if queue:
                self._waiting[user] = queue  # to the end of the row
            work.start_time = monotonic()
            self._current = work
            return work

    def _is_mine(self) -> bool:
        """Return True if this thread is the one in use, and was not given up."""
        return self._thread is threading.current_thread()

    def _run(self) -> None:
        while (work := self._take()) is not None:
            if work.future.set_running_or_notify_cancel():
                try:
                    result = work.call()
                except BaseException as error:  # a panic of a model must not end the thread
                    with suppress(InvalidStateError):
                        work.future.set_exception(error)
                else:
                    with suppress(InvalidStateError):
                        work.future.set_result(result)
            with self._changed:
                if self._current is work:
                    self._current = None
