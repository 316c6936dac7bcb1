"""One thread that does all work of models, fairly: users take turns, whatever they ask for."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class FairQueue:
    """Runs work in turns: one piece of each user that waits, then the next of each.

    Long work, such as a propagation, is submitted in pieces, so that a click of another user
    waits for one piece at most.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = (
            OrderedDict()
        )
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, user: str, work: Callable[[], Any]) -> Future[Any]:
        """Queue work of a user.

        Raises
        ------
        RuntimeError
            If the engine is closed.
        """
        future: Future[Any] = Future()
        with self._changed:
            if not self._open:
                raise RuntimeError("the server is shutting down")
            self._waiting.setdefault(user, deque()).append((future, work))
            self._changed.notify()
        return future

    def close(self) -> None:
        """End after the present piece of work; what waits is cancelled."""
        with self._changed:
            self._open = False
            for queue in self._waiting.values():
                for future, _ in queue:
                    future.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _take(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            while self._open and not self._waiting:
                self._changed.wait()
            if not self._open:
                return None
            user, queue = self._waiting.popitem(last=False)
            taken = queue.popleft()
            if queue:
                self._waiting[user] = queue  # to the end of the row
            return taken

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            future, work = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
