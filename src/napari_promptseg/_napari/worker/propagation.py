"""Propagation on the worker: it can be stopped, and it makes way for corrections."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from napari_promptseg._napari.worker.requests import PropagationRequest
from napari_promptseg._napari.worker.session_proxy import SessionProxy
from napari_promptseg.data.prompts import prompt_plane
from napari_promptseg.session.propagation.sweeps import choose_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.session.session import Session

Direction = Literal["both", "forward", "backward"]


class PropagationCommands(SessionProxy):
    """What the user does with propagation; parameters: see `SessionProxy`."""

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
        if self.propagating:
            return
        planes = self._prompted()
        if not planes:
            self.events.status.emit("Nothing to propagate yet: click on an object first")
            return
        if all(entry is None for entry in planes[0].index):
            self.events.status.emit("A single image has nothing to propagate through")
            return
        try:
            chosen = choose_axis(self.volume.names, planes, axis)
        except ValueError as error:
            self.events.status.emit(f"Not propagated: {error}")
            return
        start, stop = first, None if last is None else last + 1
        if direction != "both" and position is not None:
            along = self.volume.names.index(chosen[-1])
            here = self._pixel(position, along)
            start, stop = (here, None) if direction == "forward" else (None, here + 1)
        self._begin(PropagationRequest(start, stop, chosen, self._near(chosen, position)))

    def _prompted(self) -> list[Plane]:
        return [prompt_plane(prompt, self.volume.names) for prompt in self.shown.prompts]

    def _pixel(self, position: Sequence[float], axis: int) -> int:
        return min(max(round(position[axis]), 0), self.volume.shape[axis] - 1)

    def _near(self, axis: str, position: Sequence[float] | None) -> tuple[int, ...] | None:
        """Where the user looks, along the axes that the planes of the propagation cut."""
        if position is None:
            return None
        along = self.volume.names.index(axis[0])
        index = next(p.index for p in self._prompted() if p.index[along] is not None)
        return tuple(self._pixel(position, i) for i, entry in enumerate(index) if entry is not None)

    def _begin(self, wish: PropagationRequest) -> None:
        self._resuming = None

        def work(session: Session, job: Job) -> tuple[int, float, bool]:
            began, planes = perf_counter(), 0
            if job.stopped.is_set():
                return 0, 0.0, True
            propagation = session.propagate(wish.start, wish.stop, wish.axis, wish.near)
            for result in propagation:
                planes += 1
                self._tell(result)
                if job.stopped.is_set():
                    propagation.cancel()
            return planes, perf_counter() - began, job.stopped.is_set()

        def then(answer: tuple[int, float, bool]) -> None:
            planes, seconds, stopped = answer
            speed = f"{planes / max(seconds, 1e-3):.0f} a second"
            if planes == 0 and not stopped:
                self.events.status.emit("Nothing has changed since the last propagation")
            elif self._resuming is None:  # else it is about to go on
                done = "Stopped after" if stopped else "Propagated"
                self.events.status.emit(f"{done} {planes} planes, {speed}")

        self._wish = wish
        self._propagation = self._do(work, then, settle=self._end_propagation)
        self.events.running.emit(True)
        self.events.status.emit("Propagating; cancel keeps what is done")

    def set_propagator(self, name: str) -> None:
        """Propagate in another way from now on."""

        def work(session: Session, _: Job) -> None:
            session.propagator = name

        self.cancel()
        self._do(work, self._say("The next propagation goes this way"))

    def cancel(self) -> None:
        """Stop the propagation that runs; what is done is kept.

        The worker ends the step it is at, but for the user it is over.
        """
        self._resuming = None
        if self._propagation is not None:
            self._propagation.stopped.set()
            self._end_propagation(self._propagation)

    def pause(self) -> None:
        """Stop the propagation that runs, and go on with it after the correction that follows."""
        wish = self._wish if self.propagating else self._resuming
        self.cancel()
        self._resuming = wish

    def resume(self, plane: Plane) -> bool:
        """Go on with a propagation that was stopped, from where the correction is.

        Returns
        -------
        bool
            Whether there is one, and no other correction waits.
        """
        wish = self._resuming
        if wish is None or self._waiting:
            return False
        position = [0.0 if entry is None else float(entry) for entry in plane.index]
        self._begin(replace(wish, near=self._near(wish.axis, position)))
        return True
