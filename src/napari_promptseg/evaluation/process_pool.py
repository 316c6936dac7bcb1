"""A benchmark in several processes, each with models of its own.

Little is imported here before a worker begins: it must first say that it computes on one
thread, and that an interrupt is not for it.

An executor of `concurrent.futures` neither tells which work a dead process had, nor ends a process
in the middle of its work, which may take minutes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext

    from napari_promptseg.evaluation.case import Work
    from napari_promptseg.evaluation.options import Options, Run


class _Worker:
    """One process, and what it is doing."""

    def __init__(self, context: SpawnContext, options: Options, device: str) -> None:
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, options, device), daemon=True, name="promptseg evaluate"
        )
        self._process.start()
        theirs.close()  # so that the pipe ends when the worker does

    def give(self, work: Work) -> None:
        """Send the next piece of work.

        Raises
        ------
        RuntimeError
            If the process has died.
        """
        try:
            self.connection.send(work)
        except OSError:
            raise RuntimeError(self._obituary(work)) from None

    def take(self, work: Work) -> list[Run]:
        """Return what was measured.

        Raises
        ------
        RuntimeError
            If the process has died.
        Exception
            Whatever ended the measurement.
        """
        try:
            answer: list[Run] | Exception = self.connection.recv()
        except (EOFError, OSError):
            raise RuntimeError(self._obituary(work)) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _obituary(self, work: Work) -> str:
        self._process.join()
        code = self._process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return (
            f"a process died ({how}) with {work.backend} on {work.set_name}/{work.case.name}; "
            "if memory ran out, take fewer jobs"
        )

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self._process.terminate()
        self._process.join()


def run_parallel(
    work: Sequence[Work], options: Options, device: str, jobs: int
) -> Iterator[tuple[Work, list[Run]]]:
    """Measure in several processes.

    Parameters
    ----------
    work : sequence of Work
        Handed out in this order.
    options : Options
        What is measured.
    device : str
        Of every process.
    jobs : int
        Processes; each computes on one thread.

    Yields
    ------
    (Work, list of Run)
        As they are finished, in any order.

    Raises
    ------
    RuntimeError
        If a process dies.
    """
    context = multiprocessing.get_context("spawn")
    workers = [_Worker(context, options, device) for _ in range(min(jobs, len(work)))]
    waiting = list(reversed(work))
    busy: dict[Any, tuple[_Worker, Work]] = {}
    try:
        for worker in workers:
            busy[worker.connection] = worker, waiting.pop()
            worker.give(busy[worker.connection][1])
        while busy:
            for ready in connection.wait(list(busy)):
                worker, piece = busy.pop(ready)
                runs = worker.take(piece)
                if waiting:  # it goes on while the caller looks at the result
                    following = waiting.pop()
                    worker.give(following)
                    busy[ready] = worker, following
                yield piece, runs
    finally:
        for worker in workers:
            worker.stop()


def _serve(pipe: Connection, options: Options, device: str) -> None:
    """Measure what comes through a pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2

    from napari_promptseg.evaluation.case import Backends, measure_case

    cv2.setNumThreads(1)
    backends = Backends(device)
    while True:
        try:
            work: Work = pipe.recv()
        except EOFError:
            return
        try:
            backend, propagator = backends.load(work.backend)
            pipe.send(list(measure_case(work.case, backend, options, propagator)))
        except Exception as error:
            pipe.send(error)
