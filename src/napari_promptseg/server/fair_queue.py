"""Fair queue: one thread does the work of all models, and users share its time."""

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
_MIN_CHARGE: Final = 0.05
"""Seconds that the shortest piece of work counts for."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Work:
    """A piece of work of a user."""

    user: str
    call: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    start_time: float = 0.0


class FairQueue:
    """Runs the work of the user next who has had the least time (start-time fair queueing [1]_).

    Short pieces count alike, so that users take turns; after a long one, the others come first
    for as long. Long work, such as a propagation, is submitted in pieces. A piece that takes
    very long can be overtaken: another thread does the work of the other users meanwhile. One
    that hangs can be given up.

    References
    ----------
    .. [1] P. Goyal, H. M. Vin, H. Cheng: Start-time Fair Queueing, SIGCOMM 1996.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[_Work]] = OrderedDict()
        self._changed = threading.Condition()
        self._open = True
        self._current: _Work | None = None
        self._slow: dict[str, _Work] = {}
        self._usage: dict[str, float] = {}
        """Seconds of each user; who comes back after a pause has not saved any up."""
        self._virtual_time = 0.0
        self._start()

    def _start(self, first: Callable[[], None] = lambda: None) -> None:
        self._thread = threading.Thread(target=self._run, args=(first,), name="engine", daemon=True)
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
            if not queue:
                self._usage[user] = max(self._usage.get(user, 0.0), self._virtual_time)
            queue.append(piece)
            self._changed.notify()
        return piece.future

    @property
    def slow_users(self) -> set[str]:
        """Users whose work was overtaken and still runs."""
        with self._changed:
            return set(self._slow)

    def is_blocked(self, seconds: float) -> bool:
        """Tell whether others wait for work that has run for longer than so many seconds."""
        with self._changed:
            work = self._current
            return (
                work is not None
                and monotonic() - work.start_time >= seconds
                and any(user != work.user for user in self._ready_users())
            )

    def overtake(self, seconds: float, first: Callable[[str], None]) -> str | None:
        """Go on with other users beside work that has run for longer than so many seconds.

        Parameters
        ----------
        seconds : float
            Of the present piece of work.
        first : callable
            Called with the user of it on the new thread, before the work of others, such as
            to give them another model.

        Returns
        -------
        str or None
            The user; None if no piece runs for that long.
        """
        with self._changed:
            work = self._current
            if work is None or monotonic() - work.start_time < seconds:
                return None
            self._slow[work.user], self._current = work, None
            self._start(lambda: first(work.user))
        _log.warning("work of %r takes longer than %.0f s: others go on", work.user, seconds)
        return work.user

    def abandon(self, seconds: float, first: Callable[[str], None]) -> str | None:
        """Give up work that has run for longer than so many seconds, and go on without it.

        Parameters
        ----------
        seconds : float
            Of a piece of work.
        first : callable
            Called with the user of it before any other work of that user.

        Returns
        -------
        str or None
            The user whose work it was; None if none runs for that long.
        """
        with self._changed:
            works = [*self._slow.values(), *([] if self._current is None else [self._current])]
            work = min(works, key=lambda work: work.start_time, default=None)
            if work is None or monotonic() - work.start_time < seconds:
                return None
            user = work.user
            self._waiting.setdefault(user, deque()).appendleft(_Work(user, lambda: first(user)))
            if self._slow.pop(user, None) is None:
                self._current = None
                self._start()
            self._changed.notify_all()
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
            while self._open and self._is_mine() and not self._ready_users():
                self._changed.wait()
            if not self._open or not self._is_mine():
                return None
            user = min(self._ready_users(), key=self._usage.__getitem__)
            queue = self._waiting.pop(user)
            work = queue.popleft()
            if queue:
                self._waiting[user] = queue  # behind those who had as much time
            self._virtual_time = self._usage[user]
            work.start_time = monotonic()
            self._current = work
            return work

    def _ready_users(self) -> list[str]:
        """Return users who wait and whose last piece of work is not still running."""
        return [user for user in self._waiting if user not in self._slow]

    def _is_mine(self) -> bool:
        """Return True if this thread is the one in use, and was not given up."""
        return self._thread is threading.current_thread()

    def _run(self, first: Callable[[], None]) -> None:
        try:
            first()
        except Exception:
            _log.exception("the others go on with the same model")
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
                self._usage[work.user] += max(monotonic() - work.start_time, _MIN_CHARGE)
                if self._current is work:
                    self._current = None
                if self._slow.get(work.user) is work:
                    del self._slow[work.user]
                    self._changed.notify_all()
