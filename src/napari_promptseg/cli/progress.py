"""Progress of a benchmark: one live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from types import TracebackType

    from napari_promptseg.evaluation.benchmark import Done


class Progress:
    """Progress on stderr, results on stdout.

    Parameters
    ----------
    total : int
        Pieces of work.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._total, self._done, self._objects = total, 0, 0
        self._began = time.monotonic()
        self._bar = Bar(
            "{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, done: Done) -> None:
        """Report a case that is finished."""
        self._done += 1
        self._objects += len(done.runs)
        where = f"{done.work.set_name}  {done.work.backend}  {self._objects} objects"
        self._bar.update(self._task, advance=1, description=where)
        if self._bar.disable:
            seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
            typer.echo(f"{self._done}/{self._total}  {where}  {seconds:.0f} s left", err=True)

    def print(self, text: str) -> None:
        """Write a line of results, above the live line."""
        if self._bar.disable:
            typer.echo(text)
        else:
            self._bar.stop()
            typer.echo(text)
            self._bar.start()
