"""The link between the front end and a session that only the worker touches."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from napari_promptseg._napari.native_libraries import prepare_for_torch
from napari_promptseg._napari.worker.autosave import Autosave
from napari_promptseg._napari.worker.job_queue import Job
from napari_promptseg._napari.worker.snapshot import SessionControllerEvents, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_promptseg._napari.worker.job_queue import Deliver, JobQueue
    from napari_promptseg._napari.worker.requests import PropagationRequest
    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.session.propagation_handle import PlaneResult
    from napari_promptseg.session.session import Session

T = TypeVar("T")


class SessionProxy:
    """Sends work on a session to the worker, and brings what came of it to the front end.

    Parameters
    ----------
    session : Session
        What is worked on; from now on only the worker touches it.
    worker : JobQueue
        Does the work.
    deliver : callable
        Runs a call on the thread of the front end.
    """

    def __init__(self, session: Session, worker: JobQueue, deliver: Deliver) -> None:
        self.events = SessionControllerEvents()
        self._worker, self._deliver = worker, deliver
        self._lock = threading.Lock()
        self._dirty: dict[str, list[Bounds]] = {"mask": [], "labels": []}
        self._results: list[PlaneResult] = []
        self._posted = False
        self._waiting: list[Prompt] = []
        self._removing: list[Prompt] = []
        self._propagation: Job | None = None
        self._wish: PropagationRequest | None = None
        self._resuming: PropagationRequest | None = None
        self._asked: dict[str, Job] = {}
        self.keeper = Autosave()
        self._adopt(session)

    # State

    def _adopt(self, session: Session) -> None:
        """Begin with a session that nothing works on yet."""
        self.session, self.volume = session, session.volume
        # Read here once: later a property of the session could run a propagation.
        self.mask, self.labels = session.mask, session.labels
        self._state = Snapshot.of(session)
        session.events.mask.connect(self._mask_changed)
        session.events.labels.connect(self._labels_changed)
        session.events.notice.connect(self._noticed)

    @property
    def shown(self) -> Snapshot:
        """The state to show: with prompts that wait, without those that are being removed."""
        prompts = [*self._state.prompts, *self._waiting]
        for prompt in self._removing:
            if prompt in prompts:
                prompts.remove(prompt)
        return replace(
            self._state,
            prompts=tuple(prompts),
            has_object=self._state.has_object or bool(prompts),
        )

    @property
    def propagating(self) -> bool:
        """Whether a propagation runs or waits."""
        return self._propagation is not None

    def replace_session(self, session: Session) -> None:
        """Go on with another session; results of the present one are dropped."""
        self._worker.drop(self.session)
        self._detach()
        former, keeper = self.session, self.keeper
        self._worker.submit(
            Job(lambda _: keeper.finish(former), lambda _: None, self.events.failed.emit)
        )
        self.keeper = Autosave()
        self._forget_work()
        self._adopt(session)
        self.events.replaced.emit()
        self.events.shown.emit(self.shown)

    def give_up(self) -> bool:
        """Leave work that does not end to itself, and go on from the last step that was done.

        The session is made anew from its history: what the work may do later reaches nobody.

        Returns
        -------
        bool
            Whether there was such work.
        """
        if not self._worker.abandon():
            return False
        stuck, keeper = self.session, self.keeper
        self._worker.drop(stuck)
        self._detach()
        self._forget_work()
        self._adopt(stuck.rebuild_from_history())
        self.keeper = keeper
        self.events.replaced.emit()
        self.events.shown.emit(self.shown)
        return True

    def _forget_work(self) -> None:
        """Wait no more for what was asked for."""
        self._waiting.clear()
        self._removing.clear()
        self._asked.clear()
        self._resuming = None
        if self._propagation is not None:
            self._end_propagation(self._propagation)

    def close(self) -> Session:
        """Stop all work on the session and let go of it; the views get what is done."""
        self._worker.drop(self.session)
        self._detach()
        self._flush()
        return self.session

    def rest(self) -> None:
        """Free the model; the next prompt loads it again."""
        self._do(lambda session, _: session.close())

    def _end_propagation(self, job: Job) -> None:
        """Tell that a propagation is over, unless it was told before and another one runs."""
        if self._propagation is job:
            self._propagation = None
            self.events.running.emit(False)

    def _detach(self) -> None:
        self.session.events.mask.disconnect(self._mask_changed)
        self.session.events.labels.disconnect(self._labels_changed)
        self.session.events.notice.disconnect(self._noticed)

    # From the worker to the front end

    def _mask_changed(self, box: Bounds) -> None:
        self._note("mask", box)

    def _labels_changed(self, box: Bounds) -> None:
        self._note("labels", box)

    def _noticed(self, text: str) -> None:
        self._deliver(partial(self.events.notice.emit, text))

    def _note(self, array: str, box: Bounds) -> None:
        """Keep a changed box; one delivery at a time takes all that came together."""
        with self._lock:
            self._dirty[array].append(box)
        self._post()

    def _tell(self, result: PlaneResult) -> None:
        """Keep what propagation did, for the front end."""
        with self._lock:
            self._results.append(result)
        self._post()

    def _post(self) -> None:
        with self._lock:
            if self._posted:
                return
            self._posted = True
        self._deliver(self._flush)

    def _flush(self) -> None:
        with self._lock:
            dirty, self._dirty = self._dirty, {"mask": [], "labels": []}
            results, self._results = self._results, []
            self._posted = False
        if dirty["mask"]:
            self.events.mask.emit(dirty["mask"])
        if dirty["labels"]:
            self.events.labels.emit(dirty["labels"])
        if results:
            self.events.planes.emit(results)
            if self.propagating:
                self.events.progress.emit(results[-1].done, results[-1].total)

    # From the front end to the worker

    def _do(
        self,
        work: Callable[[Session, Job], T],
        then: Callable[[T], None] | None = None,
        *,
        key: Any = None,
        items: Sequence[Any] = (),
        settle: Callable[[Job], None] | None = None,
    ) -> Job:
        """Queue work on the session.

        Parameters
        ----------
        work : callable
            Run on the worker.
        then : callable, optional
            Run on the front end with what `work` returned, after the views have changed.
        key, items
            See `Job`.
        settle : callable, optional
            Run on the front end before the views change, also after a failure.
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
            self.events.shown.emit(self.shown)
            self._keep(session)

        def done(answer: tuple[T, Snapshot]) -> None:
            if session is self.session:
                finish(answer[1])
                if then is not None:
                    then(answer[0])
                self.events.settled.emit()

        def failed(error: Exception) -> None:
            if session is self.session:
                finish(None)
                self.events.failed.emit(error)
                self.events.settled.emit()

        self._asked.clear()
        job = Job(run, done, failed, session, key, list(items))
        self._worker.submit(job)
        return job

    def _keep(self, session: Session) -> None:
        """Have on disk what was done, after it was shown: the first step writes most."""
        keeper = self.keeper
        if keeper.is_due(session):
            self._worker.submit(
                Job(lambda _: keeper.save(session), lambda _: None, self.events.failed.emit)
            )

    def ask(self, question: str, work: Callable[[Session], T], then: Callable[[T], None]) -> None:
        """Ask the session something that changes nothing, as soon as no other work waits.

        The answer is dropped when the same question is asked anew, or other work comes:
        it would be about a state that is gone.

        Parameters
        ----------
        question : str
            Its name.
        work : callable
            Run on the worker.
        then : callable
            Run on the front end with what `work` returned.
        """
        session = self.session

        def run(_: Job) -> T:
            prepare_for_torch()
            return work(session)

        def done(answer: T) -> None:
            if self._asked.get(question) is job:
                then(answer)

        def failed(error: Exception) -> None:
            if self._asked.get(question) is job:
                self.events.failed.emit(error)

        job = self._asked[question] = Job(run, done, failed, session, question, idle=True)
        self._worker.submit(job)

    def _say(self, text: str) -> Callable[[object], None]:
        return lambda _: self.events.status.emit(text)
