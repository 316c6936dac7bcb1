"""Fair queue: one thread does the work of all users in turns, and slow users get their own."""

from __future__ import annotations

import logging
import math
import os
import sys
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
_APART_SECONDS: Final = 60.0
"""Seconds after their last slow piece of work until a user comes back to the others."""
_NICENESS: Final = 10
"""Of the threads of slow users."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Work:
    """A piece of work of a user."""

    user: str
    call: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    start_time: float = 0.0


@dataclass(slots=True, eq=False)
class _Lane:
    """A thread and what it works on: for one user, or for all who have no lane of their own."""

    thread: threading.Thread | None = None
    user: str | None = None
    work: _Work | None = None
    apart_until: float = math.inf
    is_retired: bool = False


def _give_way(thread: threading.Thread | None) -> None:
    """Let a thread have what the others leave of the processor, where threads have priorities."""
    if sys.platform == "linux" and thread is not None and thread.native_id is not None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread.native_id, _NICENESS)


class FairQueue:
    """Runs the work of the user next who has had the least time (start-time fair queueing [1]_).

    Short pieces count alike, so that users take turns; after a long one, the others come first
    for as long. Long work, such as a propagation, is submitted in pieces. A piece that takes
    very long can be overtaken: another thread does the work of the other users from then on,
    and its user stays on a thread of their own for a while, of a lower priority, so that no further
    long piece makes the others wait. One that hangs can be given up.

    Parameters
    ----------
    apart_seconds : float
        How long a user whose work was overtaken stays on a thread of their own after the last
        piece that was long.

    References
    ----------
    .. [1] P. Goyal, H. M. Vin, H. Cheng: Start-time Fair Queueing, SIGCOMM 1996.
    """

    def __init__(self, apart_seconds: float = _APART_SECONDS) -> None:
        self._apart_seconds = apart_seconds
        self._waiting: OrderedDict[str, deque[_Work]] = OrderedDict()
        self._changed = threading.Condition()
        self._open = True
        self._own: dict[str, _Lane] = {}
        self._slow_seconds = math.inf
        self._usage: dict[str, float] = {}
        """Seconds of each user; who comes back after a pause has not saved any up."""
        self._virtual_time = 0.0
        self._common = self._start()

    def _start(self, first: Callable[[], None] = lambda: None) -> _Lane:
        lane = _Lane()
        lane.thread = threading.Thread(
            target=self._run, args=(lane, first), name="engine", daemon=True
        )
        lane.thread.start()
        return lane

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
            self._changed.notify_all()
        return piece.future

    @property
    def slow_users(self) -> set[str]:
        """Users whose work was overtaken, and who are on a thread of their own."""
        with self._changed:
            return set(self._own)

    def is_blocked(self, seconds: float) -> bool:
        """Tell whether others wait for work that has run for longer than so many seconds."""
        with self._changed:
            work = self._common.work
            return (
                work is not None
                and monotonic() - work.start_time >= seconds
                and any(user != work.user for user in self._ready_users(self._common))
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
            lane, work = self._common, self._common.work
            if work is None or monotonic() - work.start_time < seconds:
                return None
            lane.user, self._own[work.user] = work.user, lane
            self._slow_seconds = seconds
            _give_way(lane.thread)
            self._common = self._start(lambda: first(work.user))
        _log.warning("work of %r takes longer than %.1f s: others go on", work.user, seconds)
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
            lanes = [*self._own.values(), self._common]
            busy = [(lane.work, lane) for lane in lanes if lane.work is not None]
            if not busy:
                return None
            work, lane = min(busy, key=lambda pair: pair[0].start_time)
            if monotonic() - work.start_time < seconds:
                return None
            user = work.user
            self._waiting.setdefault(user, deque()).appendleft(_Work(user, lambda: first(user)))
            lane.is_retired = True
            if self._own.pop(user, None) is None:
                self._common = self._start()
            self._changed.notify_all()
        _log.error("work of %r was given up after %.0f s", work.user, monotonic() - work.start_time)
        with suppress(InvalidStateError):
            work.future.set_exception(
                RuntimeError(f"the model gave no answer within {seconds:.0f} s")
            )
        return work.user

    def close(self) -> None:
        """End after the present pieces of work; waiting ones are cancelled."""
        end_time = monotonic() + _CLOSE_SECONDS
        with self._changed:
            lanes = [self._common, *self._own.values()]
            self._open = False
            for queue in self._waiting.values():
                for work in queue:
                    work.future.cancel()
            self._waiting.clear()
            self._changed.notify_all()
        for lane in lanes:
            if lane.thread is not None:
                lane.thread.join(max(end_time - monotonic(), 0.0))

    def _take(self, lane: _Lane) -> _Work | None:
        """Wait for the next piece of work of a lane; None once it has ended."""
        with self._changed:
            while True:
                if not self._open or lane.is_retired:
                    return None
                if lane.user is not None and monotonic() >= lane.apart_until:
                    del self._own[lane.user]
                    self._changed.notify_all()
                    return None
                if ready := self._ready_users(lane):
                    break
                pause = lane.apart_until - monotonic()
                self._changed.wait(None if math.isinf(pause) else pause)
            user = min(ready, key=self._usage.__getitem__)
            queue = self._waiting.pop(user)
            work = queue.popleft()
            if queue:
                self._waiting[user] = queue  # behind those who had as much time
            if lane.user is None:
                self._virtual_time = self._usage[user]
            work.start_time = monotonic()
            lane.work = work
            return work

    def _ready_users(self, lane: _Lane) -> list[str]:
        """Return the users of a lane who wait."""
        if lane.user is not None:
            return [lane.user] if lane.user in self._waiting else []
        return [user for user in self._waiting if user not in self._own]

    def _run(self, lane: _Lane, first: Callable[[], None]) -> None:
        try:
            first()
        except Exception:
            _log.exception("the others go on with the same model")
        while (work := self._take(lane)) is not None:
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
                self._account(lane, work)

    def _account(self, lane: _Lane, work: _Work) -> None:
        """Charge a user for a piece of work that is over; a lane of their own costs nobody."""
        seconds = monotonic() - work.start_time
        lane.work = None
        if lane.user is None:
            self._usage[work.user] += max(seconds, _MIN_CHARGE)
        elif seconds >= self._slow_seconds or math.isinf(lane.apart_until):
            lane.apart_until = monotonic() + self._apart_seconds
