"""Job queue: one long-lived thread that runs the work of all sessions in order."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from napari_promptseg.data.requirements import MissingPackageError

Deliver = Callable[[Callable[[], None]], None]
"""Runs a call on the main thread."""
_EXIT_TIMEOUT: Final = 60.0
"""Seconds from the start of a job for which the interpreter waits at its exit."""
_LAST_SECONDS: Final = 2.0
"""Seconds that a job gets at the exit when it has run for longer than that."""
_log = logging.getLogger(__name__)
_job_starts: WeakKeyDictionary[threading.Thread, float] = WeakKeyDictionary()
"""Start times of the present job of each thread."""


@atexit.register
def _join_threads() -> None:
    """Let running jobs end: native code that loads a model aborts a finalizing interpreter.

    A job that hangs does not keep the process from its end.
    """
    now = monotonic()
    for thread, start_time in list(_job_starts.items()):
        thread.join(max(start_time + _EXIT_TIMEOUT - now, _LAST_SECONDS))


@dataclass(eq=False, slots=True)
class Job:
    """Work for the worker thread.

    Parameters
    ----------
    work : callable
        Run on the worker, with the job.
    on_result : callable
        Delivered with what `work` returned.
    on_error : callable
        Delivered with the exception that `work` raised.
    owner : object
        On whose behalf; see `JobQueue.drop`.
    key : hashable, optional
        Jobs of one owner and key that wait one after the other become one.
    items : list
        Arguments of the job; those of merged jobs are gathered in the first.
    idle : bool
        Whether it runs only when nothing else waits; a newer idle job of its owner and key
        takes its place.
    loads_model : bool
        Whether it may take long without being stuck.
    stop_event : Event
        Set when `work` should end early.
    """

    work: Callable[[Job], Any]
    on_result: Callable[[Any], None]
    on_error: Callable[[Exception], None]
    owner: object = None
    key: Hashable = None
    items: list[Any] = field(default_factory=list)
    idle: bool = False
    loads_model: bool = False
    stop_event: threading.Event = field(default_factory=threading.Event)


class JobQueue:
    """Runs jobs one after the other on a thread of its own.

    The thread starts with the first job and lives until `close`; a later job starts a new
    one. Models keep caches by thread, so one thread for all is also the fastest.

    Parameters
    ----------
    deliver : callable
        Brings results to the main thread.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._queue: deque[Job] = deque()
        self._idle: deque[Job] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running: Job | None = None
        self._began: float | None = None
        self._undelivered = 0
        self._closings = 0

    @property
    def busy(self) -> bool:
        """True if a job runs or waits, or its result waits for delivery."""
        waiting = bool(self._queue or self._idle)
        return waiting or self._running is not None or self._undelivered > 0

    def submit(self, job: Job) -> None:
        """Add a job to the queue."""
        with self._changed:
            if job.idle:
                others = (other for other in self._idle if not _same(other, job))
                self._idle = deque([*others, job])
            else:
                self._queue.append(job)
            if self._thread is None:
                self._start_thread()
            self._changed.notify()

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name="promptseg", daemon=True)
        _job_starts[self._thread] = monotonic()
        self._thread.start()

    def drop(self, owner: object) -> None:
        """Forget the jobs of an owner, and ask the running one to end early if it is of it."""
        with self._changed:
            self._queue = deque(job for job in self._queue if job.owner is not owner)
            self._idle = deque(job for job in self._idle if job.owner is not owner)
            if self._running is not None and self._running.owner is owner:
                self._running.stop_event.set()

    @property
    def stuck_for(self) -> float:
        """Seconds for which the running job has run; 0 if none runs, or a model is loaded."""
        start_time = self._began
        return 0.0 if start_time is None or self.loads_model else monotonic() - start_time

    @property
    def loads_model(self) -> bool:
        """True if the running job loads a model."""
        job = self._running
        return job is not None and job.loads_model

    def abandon(self) -> bool:
        """Abandon the running job; its result is ignored, and queued jobs run on a new thread.

        Returns
        -------
        bool
            Whether a job was running.
        """
        with self._changed:
            if self._running is None:
                return False
            self._running.stop_event.set()
            self._running, self._began = None, None
            if self._thread is not None:
                _job_starts.pop(self._thread, None)  # it may never end
            self._start_thread()
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
            Whether the thread has ended; otherwise it ends after its job, whose result is ignored.
        """
        with self._changed:
            thread, self._thread = self._thread, None
            self._closings += 1
            self._undelivered = 0
            self._queue.clear()
            self._idle.clear()
            if self._running is not None:
                self._running.stop_event.set()
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
            _job_starts[threading.current_thread()] = self._began
            return job

    def _run(self) -> None:
        while (job := self._take()) is not None:
            try:
                call = partial(job.on_result, job.work(job))
            except BaseException as error:  # SystemExit, a panic: the thread goes on
                # Imports of a job that is abandoned at the exit of the interpreter fail.
                abandoned = self._thread is not threading.current_thread()
                expected = abandoned or is_user_error(error)
                _log.log(
                    logging.DEBUG if expected else logging.ERROR, "a job failed", exc_info=error
                )
                call = partial(job.on_error, _as_exception(error))
            with self._changed:
                is_current = self._thread is threading.current_thread()
                if is_current or self._running is job:
                    self._running, self._began = None, None
                self._undelivered += is_current
                closings = self._closings
            if is_current:
                self._deliver(partial(self._hand_over, call, closings))

    def _hand_over(self, call: Callable[[], None], closings: int) -> None:
        if closings != self._closings:
            return  # closed in between
        try:
            call()
        finally:
            with self._changed:
                self._undelivered -= 1


def is_user_error(error: BaseException) -> bool:
    """Return True if the message of an error is meant for the user; other errors are bugs."""
    return isinstance(
        error, ValueError | OSError | MemoryError | RuntimeError | MissingPackageError
    ) and not isinstance(error, UnicodeError | NotImplementedError | RecursionError)


def _as_exception(error: BaseException) -> Exception:
    """Return an error that callbacks can handle: `SystemExit` and panics end no program here."""
    if isinstance(error, Exception):
        return error
    failure = RuntimeError(f"the work was ended by {type(error).__name__}: {error}".rstrip(": "))
    failure.__cause__ = error
    return failure


def _same(one: Job, other: Job) -> bool:
    return (one.owner, one.key) == (other.owner, other.key)
