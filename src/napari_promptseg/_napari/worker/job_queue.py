"""One long-lived thread that does all work of sessions, in the order it was asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

Deliver = Callable[[Callable[[], None]], None]
"""Runs a call on the thread of the front end, later."""


@dataclass(eq=False, slots=True)
class Job:
    """Something to do on the worker.

    Parameters
    ----------
    work : callable
        Run on the worker, with the job.
    done : callable
        Delivered with what `work` returned.
    failed : callable
        Delivered with the exception that `work` raised.
    owner : object
        On whose behalf; see `JobQueue.drop`.
    key : hashable, optional
        Jobs of one owner and key that wait one after the other become one.
    items : list
        What the job is about; those of merged jobs are gathered in the first.
    idle : bool
        Whether it runs only when nothing else waits; a newer idle job of its owner and key
        takes its place.
    stopped : Event
        Set when `work` should end early.
    """

    work: Callable[[Job], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    owner: object = None
    key: Hashable = None
    items: list[Any] = field(default_factory=list)
    idle: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)


class JobQueue:
    """Runs jobs one after the other on a thread of its own.

    The thread starts with the first job and lives until `close`; a later job starts a new
    one. Models keep caches by thread, so one thread for all is also the fastest.

    Parameters
    ----------
    deliver : callable
        Brings results to the thread of the front end.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._queue: deque[Job] = deque()
        self._idle: deque[Job] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running: Job | None = None
        self._began: float | None = None
        self._unheard = 0

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits, or its result waits for delivery."""
        waiting = bool(self._queue or self._idle)
        return waiting or self._running is not None or self._unheard > 0

    def submit(self, job: Job) -> None:
        """Add a job to the queue."""
        with self._changed:
            if job.idle:
                kept = (other for other in self._idle if not _same(other, job))
                self._idle = deque([*kept, job])
            else:
                self._queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="promptseg", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, owner: object) -> None:
        """Forget the jobs of an owner, and ask the running one to end early if it is of it."""
        with self._changed:
            self._queue = deque(job for job in self._queue if job.owner is not owner)
            self._idle = deque(job for job in self._idle if job.owner is not owner)
            if self._running is not None and self._running.owner is owner:
                self._running.stopped.set()

    @property
    def stuck_for(self) -> float:
        """Seconds for which the running job has run; 0 if none runs."""
        began = self._began
        return 0.0 if began is None else monotonic() - began

    def abandon(self) -> bool:
        """Leave the running job to itself, unheard; what waits is done by a new thread.

        Returns
        -------
        bool
            Whether a job was running.
        """
        with self._changed:
            if self._running is None:
                return False
            self._running.stopped.set()
            self._running, self._began = None, None
            self._thread = threading.Thread(target=self._run, name="promptseg", daemon=True)
            self._thread.start()
            return True

    def close(self, timeout: float = 2.0) -> bool:
        """Forget all jobs and end the thread.

        Parameters
        ----------
        timeout : float
            Seconds to wait for the running job.

        Returns
        -------
        bool
            Whether the thread has ended; otherwise it ends after its job, unheard.
        """
        with self._changed:
            thread, self._thread = self._thread, None
            self._queue.clear()
            self._idle.clear()
            if self._running is not None:
                self._running.stopped.set()
            self._changed.notify_all()
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _take(self) -> Job | None:
        """Wait for a job; merge those that follow and have its key. None: the thread ends."""
        with self._changed:
            while not (self._queue or self._idle) and self._thread is threading.current_thread():
                self._changed.wait()
            if self._thread is not threading.current_thread():
                return None
            job = (self._queue or self._idle).popleft()
            while (
                job.key is not None and not job.idle and self._queue and _same(self._queue[0], job)
            ):
                job.items += self._queue.popleft().items
            self._running, self._began = job, monotonic()
            return job

    def _run(self) -> None:
        while (job := self._take()) is not None:
            try:
                call = partial(job.done, job.work(job))
            except Exception as error:
                call = partial(job.failed, error)
            with self._changed:
                heard = self._thread is threading.current_thread()
                if heard or self._running is job:
                    self._running, self._began = None, None
                self._unheard += heard
            if heard:
                self._deliver(partial(self._hand_over, call))

    def _hand_over(self, call: Callable[[], None]) -> None:
        try:
            call()
        finally:
            with self._changed:
                self._unheard -= 1


def _same(one: Job, other: Job) -> bool:
    return (one.owner, one.key) == (other.owner, other.key)
