"""Commands for many prompts that mark an object each: start, progress, cancel."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from psygnal import Signal, SignalGroup

from napari_promptseg.data.prompts import check_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.prompts import PromptCommands
    from napari_promptseg._napari.worker.propagation import PropagationCommands
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.data.prompts import Prompt

_PAUSE: Final = 0.05
"""Least time between two reports of the progress, in seconds."""


class EachEvents(SignalGroup):
    """Signals of `EachCommands`, on the main thread."""

    running = Signal(bool)
    """Work on many prompts begins or ends."""
    progress = Signal(int, int)
    """Steps that are done, and all of them."""


class EachCommands:
    """Makes an object of each of many prompts.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    propagation : PropagationCommands
        Stopped before.
    prompts : PromptCommands
        Collects prompts while the mode is on.
    """

    def __init__(
        self, proxy: SessionProxy, propagation: PropagationCommands, prompts: PromptCommands
    ) -> None:
        self._proxy, self._propagation, self._prompts = proxy, propagation, prompts
        self._job: Job | None = None
        self.events = EachEvents()
        self.mode = False
        """True if collected prompts mark an object each."""
        self.through = False
        """True if objects of collected prompts go through the volume or series."""
        self.naming: Callable[[], tuple[str, str]] = lambda: ("", "")
        """Returns name and class of the objects."""
        self.axis: Callable[[], str | None] = lambda: None
        """Returns the axis to go along through a series."""
        proxy.reset.connect(self._reset)

    @property
    def running(self) -> bool:
        """True if work on many prompts runs or is queued."""
        return self._job is not None

    def set_mode(self, on: bool) -> None:
        """Collect prompts that mark an object each from now on, or no more."""
        self.mode = on
        if on:
            self._prompts.collect(True)
            self._prompts.apart = self._segment_collected
            text = "Each prompt is a new object: click on all of them, then Segment"
            self._proxy.events.status.emit(text)
        else:
            waiting = [*self._prompts.collected]
            self._prompts.drop(waiting)
            self._prompts.apart = None
            self._prompts.collect(False)
            note = f"; {len(waiting)} prompts that waited are dropped" if waiting else ""
            self._proxy.events.status.emit(f"Prompts belong to one object again{note}")
            self._proxy.emit_snapshot()

    def _segment_collected(self, prompts: list[Prompt]) -> None:
        def settle() -> None:
            for prompt in prompts:
                self._proxy.pending.remove(prompt)

        if not any(getattr(prompt, "positive", True) for prompt in prompts):
            settle()
            self._proxy.emit_snapshot()
            self._proxy.events.status.emit("No object: all prompts are negative")
            return
        self._run(prompts, settle)

    def segment(self, prompts: Sequence[Prompt]) -> None:
        """Make an object of each positive prompt.

        Raises
        ------
        ValueError
            If one is not valid in the volume.
        """
        names, shape = self._proxy.volume.names, self._proxy.volume.shape
        self._run([check_prompt(prompt, names, shape) for prompt in prompts], lambda: None)

    def _run(self, prompts: Sequence[Prompt], settle: Callable[[], None]) -> None:
        self._propagation.cancel()
        through, axis, (name, class_name) = self.through, self.axis(), self.naming()

        def work(session: AnySession, job: Job) -> list[int | None]:
            last = 0.0

            def report(done: int, total: int) -> None:
                nonlocal last
                if done == total or monotonic() - last > _PAUSE:
                    last = monotonic()
                    self._proxy.deliver(partial(self._report, job, done, total))

            return session.segment_each(
                prompts,
                propagate=through,
                axis=axis if through else None,
                name=name,
                class_name=class_name,
                report=report,
                is_cancelled=job.stop_event.is_set,
            )

        def end(job: Job) -> None:
            settle()
            self._end(job)

        def then(ids: list[int | None]) -> None:
            count = len(ids) - ids.count(None)
            text = f"{count} object{'s' * (count != 1)} of {len(ids)} prompts; undo takes all back"
            self._proxy.events.status.emit(text if count else "No object at any of the prompts")

        self._job = self._proxy.run(work, then, settle=end)
        self.events.running.emit(True)
        self._proxy.emit_snapshot()
        self._proxy.events.status.emit("Segmenting; cancel keeps what is done")

    def _report(self, job: Job, done: int, total: int) -> None:
        if self._job is job:
            self.events.progress.emit(done, total)

    def set_neighbors(self, on: bool) -> None:
        """Let objects keep clear of committed ones from now on, or no more; a step of undo."""

        def work(session: AnySession, _: Job) -> None:
            session.neighbors = on

        clear = "keeps clear of committed objects" if on else "may run into committed objects"
        self._propagation.cancel()
        self._proxy.run(work, self._proxy.say(f"The next answer {clear}"))

    def cancel(self) -> None:
        """Stop; the objects that are done are kept."""
        if self._job is not None:
            self._job.stop_event.set()

    def _end(self, job: Job) -> None:
        if self._job is job:
            self._job = None
            self.events.running.emit(False)

    def _reset(self) -> None:
        if self._job is not None:
            self._end(self._job)
