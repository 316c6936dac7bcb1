"""A propagation in progress: iterate it for results plane by plane, or let it run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_promptseg.data.geometry import Bounds, Plane

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class PlaneResult:
    """One plane that propagation has written.

    Parameters
    ----------
    plane : Plane
        Which one.
    confidence : float
        How sure the propagator is of it, in [0, 1].
    box : Bounds or None
        The part of the mask that changed, None if none did.
    empty : bool
        Whether the object is not there.
    done, total : int
        Planes done, and planes in the range at most.
    again : bool
        Whether this propagation had answered the plane before.
    """

    plane: Plane
    confidence: float
    box: Bounds | None
    empty: bool
    done: int
    total: int
    again: bool = False


class PropagationHandle(Iterator[PlaneResult]):
    """Iterator over the planes of a propagation.

    Nothing runs before the first plane is asked for. A propagation that nobody iterates
    runs to its end when its session is next used, so ``session.propagate()`` alone works
    too. Leaving the loop, or `cancel`, keeps what is done; it is one step of undo.

    Parameters
    ----------
    steps : iterator of PlaneResult
        Does the work.
    finish : callable
        Called once, at the end or when cancelled.
    save : callable
        Has the finished planes on disk, where there is a journal.
    """

    def __init__(
        self,
        steps: Iterator[PlaneResult],
        finish: Callable[[], None],
        save: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps, self._finish, self.save = steps, finish, save
        self.started = False
        self.finished = False

    def __iter__(self) -> PropagationHandle:
        return self

    def __next__(self) -> PlaneResult:
        if self.finished:
            raise StopIteration
        self.started = True
        try:
            return next(self._steps)
        except BaseException:  # the end, an error or an interrupt: what is done is kept
            self.cancel()
            raise

    def run(self) -> None:
        """Run to the end."""
        for _ in self:
            pass

    def cancel(self) -> None:
        """Stop here and keep what is done."""
        if not self.finished:
            try:
                self.finished = True
                self._finish()
            except KeyboardInterrupt:
                self._finish()  # where the interrupt came before it was recorded
                raise

    def __enter__(self) -> PropagationHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()
