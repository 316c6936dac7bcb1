"""Session proxy: runs work on a session on the worker and emits the results on the main thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from psygnal import Signal

from napari_promptseg._napari.native_libraries import prepare_for_torch
from napari_promptseg._napari.worker.autosave import Autosave
from napari_promptseg._napari.worker.job_queue import Job
from napari_promptseg._napari.worker.snapshot import SessionControllerEvents, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Deliver, JobQueue
    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.session.propagation_handle import PlaneResult

T = TypeVar("T")


class SessionProxy:
    """Main-thread side of a session that only the worker touches.

    Parameters
    ----------
    session : AnySession
        From now on only the worker changes it.
    worker : JobQueue
        Runs the work.
    deliver : callable
        Runs a call on the main thread.

    Attributes
    ----------
    pending : list of Prompt
        Prompts without an answer yet.
    removing : list of Prompt
        Prompts whose removal is queued.
    """

    reset = Signal()
    """All queued work was dropped."""

    def __init__(self, session: AnySession, worker: JobQueue, deliver: Deliver) -> None:
        self.events = SessionControllerEvents()
        self.pending: list[Prompt] = []
        self.removing: list[Prompt] = []
        self.autosave = Autosave()
        self._worker, self._deliver = worker, deliver
        self._lock = threading.Lock()
        self._dirty: dict[str, list[Bounds]] = {"mask": [], "labels": []}
        self._results: list[PlaneResult] = []
        self._flush_queued = False
        self._queries: dict[str, Job] = {}
        self._adopt(session)

    # State

    def _adopt(self, session: AnySession) -> None:
        """Begin with a session that nothing works on yet."""
        self.session, self.volume = session, session.volume
        # Read here once: later a property of the session could run a propagation.
        self.mask, self.labels = session.mask, session.labels
        self._state = Snapshot.of(session)
        session.events.mask.connect(self._mask_changed)
        session.events.labels.connect(self._labels_changed)
        session.events.notice.connect(self._emit_notice)

    @property
    def snapshot(self) -> Snapshot:
        """The state to show: with pending prompts, without those that are being removed."""
        prompts = [*self._state.prompts, *self.pending]
        for prompt in self.removing:
            if prompt in prompts:
                prompts.remove(prompt)
        return replace(
            self._state,
            prompts=tuple(prompts),
            has_object=self._state.has_object or bool(prompts),
        )

    def emit_snapshot(self) -> None:
        """Show pending prompts and removals before the worker has answered."""
        self.events.snapshot.emit(self.snapshot)

    def replace_session(self, session: AnySession) -> None:
        """Go on with another session; results of the present one are dropped."""
        self._worker.drop(self.session)
        self._detach()
        former, autosave = self.session, self.autosave

        def end(_: Job) -> None:
            autosave.finish(former)
            if former.server is not None:
                former.close()

        self._worker.submit(Job(end, lambda _: None, self.events.failed.emit))
        self.autosave = Autosave()
        self._drop_work()
        self._adopt(session)
        self.events.replaced.emit()
        self.emit_snapshot()

    def give_up(self) -> bool:
        """Abandon a job that does not end, and go on from the last finished step.

        The session is rebuilt from its history: later effects of the abandoned job are ignored.

        Returns
        -------
        bool
            Whether there was such a job.
        """
        if not self._worker.abandon():
            return False
        stuck, autosave = self.session, self.autosave
        self._worker.drop(stuck)
        self._detach()
        self._drop_work()
        self._adopt(stuck.rebuild_from_history())
        self.autosave = autosave
        self.events.replaced.emit()
        self.emit_snapshot()
        return True

    def _drop_work(self) -> None:
        self.pending.clear()
        self.removing.clear()
        self._queries.clear()
        self.reset.emit()

    def close(self) -> AnySession:
        """Stop all work on the session and release it; finished changes are still shown."""
        self._worker.drop(self.session)
        self._detach()
        self._flush()
        return self.session

    def _detach(self) -> None:
        self.session.events.mask.disconnect(self._mask_changed)
        self.session.events.labels.disconnect(self._labels_changed)
        self.session.events.notice.disconnect(self._emit_notice)

    # From the worker to the main thread

    def _mask_changed(self, box: Bounds) -> None:
        self.note_change("mask", box)

    def _labels_changed(self, box: Bounds) -> None:
        self.note_change("labels", box)

    def _emit_notice(self, text: str) -> None:
        self._deliver(partial(self.events.notice.emit, text))

    def deliver(self, call: Callable[[], None]) -> None:
        """Run a call on the main thread."""
        self._deliver(call)

    def note_change(self, array: str, box: Bounds) -> None:
        """Queue a changed box of "mask" or "labels"; one delivery takes all queued boxes."""
        with self._lock:
            self._dirty[array].append(box)
        self._queue_flush()

    def note_result(self, result: PlaneResult) -> None:
        """Queue the result of one propagated plane."""
        with self._lock:
            self._results.append(result)
        self._queue_flush()

    def _queue_flush(self) -> None:
        with self._lock:
            if self._flush_queued:
                return
            self._flush_queued = True
        self._deliver(self._flush)

    def _flush(self) -> None:
        with self._lock:
            dirty, self._dirty = self._dirty, {"mask": [], "labels": []}
            results, self._results = self._results, []
            self._flush_queued = False
        if dirty["mask"]:
            self.events.mask.emit(dirty["mask"])
        if dirty["labels"]:
            self.events.labels.emit(dirty["labels"])
        if results:
            self.events.planes.emit(results)

    # From the main thread to the worker

    def run(
        self,
        work: Callable[[AnySession, Job], T],
        then: Callable[[T], None] | None = None,
        *,
        key: Any = None,
        items: Sequence[Any] = (),
        settle: Callable[[Job], None] | None = None,
        loads_model: bool = False,
    ) -> Job:
        """Queue work on the session.

        Parameters
        ----------
        work : callable
            Run on the worker.
        then : callable, optional
            Run on the main thread with the result of `work`, after the views have changed.
        key, items, loads_model
            See `Job`.
        settle : callable, optional
            Run on the main thread before the views change, also after a failure.
        """
        session = self.session

        def run(job: Job) -> tuple[T, Snapshot]:
            prepare_for_torch()
            result = work(session, job)
            return result, Snapshot.of(session)

        def finish(state: Snapshot | None) -> None:
            if settle is not None:
                settle(job)
            if state is not None:
                self._state = state
            self._flush()
            self.emit_snapshot()
            self._save(session)

        def on_result(answer: tuple[T, Snapshot]) -> None:
            if session is self.session:
                finish(answer[1])
                if then is not None:
                    then(answer[0])
                self.events.settled.emit()

        def on_error(error: Exception) -> None:
            if session is self.session:
                finish(None)
                self.events.failed.emit(error)
                self.events.settled.emit()

        self._queries.clear()
        job = Job(run, on_result, on_error, session, key, list(items), loads_model=loads_model)
        self._worker.submit(job)
        return job

    def run_apart(self, work: Callable[[], object], then: Callable[[], None]) -> None:
        """Queue work that is not on the session, done whatever becomes of it.

        Parameters
        ----------
        work : callable
            Run on the worker.
        then : callable
            Run on the main thread afterwards, also after a failure.
        """
        self._worker.submit(Job(lambda _: work(), lambda _: then(), lambda _: then()))

    def _save(self, session: AnySession) -> None:
        """Autosave after the answer is shown: the first step writes most."""
        autosave = self.autosave
        if autosave.is_due(session):
            self._worker.submit(
                Job(lambda _: autosave.save(session), lambda _: None, self.events.failed.emit)
            )

    def ask(
        self, question: str, work: Callable[[AnySession], T], then: Callable[[T], None]
    ) -> None:
        """Query the session as soon as no other work waits; nothing may change in it.

        The answer is dropped when the same question is asked again, or other work is queued:
        it would describe an earlier state.

        Parameters
        ----------
        question : str
            Its name.
        work : callable
            Run on the worker.
        then : callable
            Run on the main thread with the result of `work`.
        """
        session = self.session

        def run(_: Job) -> T:
            prepare_for_torch()
            return work(session)

        def on_result(answer: T) -> None:
            if self._queries.get(question) is job:
                then(answer)

        def on_error(error: Exception) -> None:
            if self._queries.get(question) is job:
                self.events.failed.emit(error)

        job = self._queries[question] = Job(run, on_result, on_error, session, question, idle=True)
        self._worker.submit(job)

    def say(self, text: str) -> Callable[[object], None]:
        """Return a callback that shows a status text, whatever the result."""
        return lambda _: self.events.status.emit(text)
