"""Embedding ahead of time on the worker, a plane at a time, so that clicks come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.worker.session_proxy import SessionProxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg.session.precompute import Prepared
    from napari_promptseg.session.session import Session


class PrecomputeCommands(SessionProxy):
    """What the user does with embeddings; parameters: see `SessionProxy`."""

    _preparation: Iterator[Prepared] | None = None

    def prepare(self, position: Sequence[float] | None = None) -> None:
        """Embed all planes, from the one in view outward; go on where it was paused."""
        near = None if position is None or len(self.volume.shape) < 3 else self._along(position)

        def work(session: Session, _: Job) -> Iterator[Prepared]:
            return session.prepare(near=near)

        def then(preparation: Iterator[Prepared]) -> None:
            self._preparation = preparation
            self._next_plane()

        self.events.preparing.emit(True)
        self._do(work, then)

    def pause_preparing(self) -> None:
        """Stop after the plane that is embedded now; what is done is kept."""
        self._preparation = None
        self.events.preparing.emit(False)

    def _along(self, position: Sequence[float]) -> int:
        return min(max(round(position[0]), 0), self.volume.shape[0] - 1)

    def _next_plane(self) -> None:
        preparation = self._preparation
        if preparation is None:
            return

        def work(_: Session, __: Job) -> Prepared | Exception | None:
            try:
                return next(preparation, None)
            except Exception as error:  # whatever a model raises ends the preparation alone
                return error

        def then(prepared: Prepared | Exception | None) -> None:
            if isinstance(prepared, Exception):
                self.pause_preparing()
                self.events.failed.emit(prepared)
                return
            if prepared is None:
                self.pause_preparing()
                self.events.status.emit("All planes are ready")
                return
            self.events.prepared.emit(prepared.done, prepared.total)
            self._next_plane()

        self._do(work, then)
