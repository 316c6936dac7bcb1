"""Commands for precomputing embeddings, one plane a job so that clicks come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.session.precompute import Prepared


class PrecomputeCommands:
    """Starts and pauses the embedding of all planes.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    """

    def __init__(self, proxy: SessionProxy) -> None:
        self._proxy = proxy
        self._planes: Iterator[Prepared] | None = None

    def prepare(self, position: Sequence[float] | None = None) -> None:
        """Embed all planes, from the one in view outward; go on where it was paused."""
        near = (
            None if position is None or len(self._proxy.volume.shape) < 3 else self._along(position)
        )

        def work(session: AnySession, _: Job) -> Iterator[Prepared]:
            return session.prepare(near=near)

        def then(planes: Iterator[Prepared]) -> None:
            self._planes = planes
            self._next_plane()

        self._proxy.events.embedding.emit(True)
        self._proxy.run(work, then)

    def pause_preparing(self) -> None:
        """Stop after the plane that is embedded now; what is done is kept."""
        self._planes = None
        self._proxy.events.embedding.emit(False)

    def _along(self, position: Sequence[float]) -> int:
        return min(max(round(position[0]), 0), self._proxy.volume.shape[0] - 1)

    def _next_plane(self) -> None:
        planes = self._planes
        if planes is None:
            return

        def work(_: AnySession, __: Job) -> Prepared | Exception | None:
            try:
                return next(planes, None)
            except Exception as error:  # whatever a model raises ends the preparation alone
                return error

        def then(progress: Prepared | Exception | None) -> None:
            if isinstance(progress, Exception):
                self.pause_preparing()
                self._proxy.events.failed.emit(progress)
                return
            if progress is None:
                self.pause_preparing()
                self._proxy.events.status.emit("All planes are ready")
                return
            self._proxy.events.embedded.emit(progress.done, progress.total)
            self._next_plane()

        self._proxy.run(work, then)
