"""Commands for propagation: start, cancel, and pause while a correction is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from napari_promptseg._napari.worker.requests import PropagationRequest
from napari_promptseg.data.prompts import prompt_plane
from napari_promptseg.session.propagation.sweeps import choose_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.session.propagation_handle import PlaneResult

Direction = Literal["both", "forward", "backward"]


class PropagationCommands:
    """Starts, stops and resumes the propagation of the active object.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    """

    def __init__(self, proxy: SessionProxy) -> None:
        self._proxy = proxy
        self._job: Job | None = None
        self._request: PropagationRequest | None = None
        self._paused_request: PropagationRequest | None = None
        self._is_refining = False
        proxy.reset.connect(self._reset)
        proxy.events.planes.connect(self._emit_progress)

    @property
    def running(self) -> bool:
        """True if a propagation runs or is queued."""
        return self._job is not None

    def propagate(
        self,
        direction: Direction = "both",
        position: Sequence[float] | None = None,
        first: int | None = None,
        last: int | None = None,
        axis: str | None = None,
    ) -> None:
        """Carry the object through the volume, or a part of it.

        Parameters
        ----------
        direction : {"both", "forward", "backward"}
            From the plane in view onward or back, or both ways.
        position : sequence of float, optional
            Where the view is: results come from there outward. Needed for one direction.
        first, last : int, optional
            Planes to begin and end with.
        axis : str, optional
            Axis to go along; see `Session.propagate`.
        """
        if self.running:
            return
        planes = self._prompted()
        if not planes:
            self._proxy.events.status.emit("Nothing to propagate yet: click on an object first")
            return
        if all(entry is None for entry in planes[0].index):
            self._proxy.events.status.emit("A single image has nothing to propagate through")
            return
        try:
            sweep_axis = choose_axis(self._proxy.volume.names, planes, axis)
        except ValueError as error:
            self._proxy.events.status.emit(f"Not propagated: {error}")
            return
        if first is not None and last is not None:
            first, last = min(first, last), max(first, last)
        start, stop = first, None if last is None else last + 1
        if direction != "both" and position is not None:
            along = self._proxy.volume.names.index(sweep_axis[-1])
            here = self._pixel(position, along)
            if here == (self._proxy.volume.shape[along] - 1 if direction == "forward" else 0):
                self._proxy.events.status.emit("This is the last plane in that direction")
                return
            start, stop = (here, None) if direction == "forward" else (None, here + 1)
        self._begin(PropagationRequest(start, stop, sweep_axis, self._near(sweep_axis, position)))

    def _prompted(self) -> list[Plane]:
        return [
            prompt_plane(prompt, self._proxy.volume.names)
            for prompt in self._proxy.snapshot.prompts
        ]

    def _pixel(self, position: Sequence[float], axis: int) -> int:
        return min(max(round(position[axis]), 0), self._proxy.volume.shape[axis] - 1)

    def _near(self, axis: str, position: Sequence[float] | None) -> tuple[int, ...] | None:
        """Position in view along the axes that the planes of the propagation cut."""
        if position is None:
            return None
        along = self._proxy.volume.names.index(axis[0])
        index = next(p.index for p in self._prompted() if p.index[along] is not None)
        return tuple(self._pixel(position, i) for i, entry in enumerate(index) if entry is not None)

    def _begin(self, request: PropagationRequest) -> None:
        self._paused_request = None

        def work(session: AnySession, job: Job) -> tuple[int, bool]:
            planes: set[Plane] = set()
            if job.stop_event.is_set():
                return 0, True
            propagation = session.propagate(request.start, request.stop, request.axis, request.near)
            for result in propagation:
                planes.add(result.plane)
                self._proxy.note_result(result)
                if job.stop_event.is_set():
                    propagation.cancel()
            return len(planes), job.stop_event.is_set()

        def then(answer: tuple[int, bool]) -> None:
            planes, is_stopped = answer
            if planes == 0 and not is_stopped:
                self._proxy.events.status.emit("All planes of this range are up to date")
            elif self._paused_request is None:  # else it is about to go on
                verb = "Stopped after" if is_stopped else "Propagated"
                self._proxy.events.status.emit(f"{verb} {planes} plane{'s' * (planes != 1)}")

        self._request, self._is_refining = request, False
        self._job = self._proxy.run(work, then, settle=self._end)
        self._proxy.events.running.emit(True)
        self._proxy.events.status.emit("Propagating; cancel keeps what is done")

    def set_propagator(self, name: str) -> None:
        """Propagate in another way from now on."""

        def work(session: AnySession, _: Job) -> None:
            session.propagator = name

        self.cancel()
        self._proxy.run(work, self._proxy.say("The next propagation goes this way"))

    def cancel(self) -> None:
        """Stop the propagation that runs; what is done is kept.

        The worker ends the step it is at, but for the user it is over.
        """
        self._paused_request = None
        if self._job is not None:
            self._job.stop_event.set()
            self._end(self._job)

    def _end(self, job: Job) -> None:
        """Report the end once, also if the job was cancelled or another one runs by now."""
        if self._job is job:
            self._job = None
            self._proxy.events.running.emit(False)

    def _reset(self) -> None:
        self._paused_request = None
        if self._job is not None:
            self._end(self._job)

    def _emit_progress(self, results: Sequence[PlaneResult]) -> None:
        if not self.running:
            return
        if results[-1].again and not self._is_refining:
            self._is_refining = True
            self._proxy.events.status.emit("First answer done; looking closer")
        self._proxy.events.progress.emit(results[-1].done, results[-1].total)

    def forget_pause(self) -> None:
        """Do not resume a paused propagation: its object is finished."""
        self._paused_request = None

    def pause(self) -> None:
        """Stop the propagation that runs, and go on with it after the correction that follows."""
        request = self._request if self.running else self._paused_request
        self.cancel()
        self._paused_request = request

    def resume(self, plane: Plane) -> bool:
        """Go on with a propagation that was stopped, from where the correction is.

        Returns
        -------
        bool
            Whether there is one, and no other correction waits.
        """
        request = self._paused_request
        if request is None or self._proxy.pending:
            return False
        position = [0.0 if entry is None else float(entry) for entry in plane.index]
        self._begin(replace(request, near=self._near(request.axis, position)))
        return True
