"""Jobs behind the clicks: on a thread of their own, they let prompts go first for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_promptseg._napari.native_libraries import prepare_for_torch
from napari_promptseg._napari.worker.job_queue import Job, JobQueue
from napari_promptseg._napari.worker.main_thread import call_on_main_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE: Final = 2.0
"""Seconds that a job waits for others at each step, at most."""


class PatientJobs:
    """Runs jobs one after the other.

    Parameters
    ----------
    others : callable
        Whether work goes on that comes first.
    on_error : callable
        Called on the main thread with what a job raised.
    """

    def __init__(self, others: Callable[[], bool], on_error: Callable[[Exception], None]) -> None:
        self._others, self._on_error = others, on_error
        self._queue = JobQueue(call_on_main_thread)

    @property
    def busy(self) -> bool:
        """True if a job runs or waits, or its result waits for delivery."""
        return self._queue.busy

    def run(self, work: Callable[[Job], Any], then: Callable[[Any], None]) -> Job:
        """Run `work` with its job on the thread, then `then` with its result on the main one."""

        def start(job: Job) -> Any:
            prepare_for_torch()
            return work(job)

        job = Job(start, then, self._on_error, self)
        self._queue.submit(job)
        return job

    def is_cancelled(self, job: Job) -> bool:
        """Let others go first for a while; return whether the job is to end early."""
        seconds = 0.0
        while self._others() and seconds < _PATIENCE and not job.stop_event.wait(0.02):
            seconds += 0.02
        return job.stop_event.is_set()

    def drop(self) -> None:
        """Forget jobs that wait, and ask the running one to end early."""
        self._queue.drop(self)

    def close(self) -> None:
        """Drop all jobs and end the thread."""
        self._queue.close()
