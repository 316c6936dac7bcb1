"""Training on committed objects, in a separate process."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject, QProcess, Signal  # type: ignore[attr-defined]

from napari_promptseg.models.adapters import class_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_STEP: Final = re.compile(r"step (\d+)/(\d+)")


def runs_folder() -> Path:
    """Return the folder of runs that were begun from the dock."""
    from platformdirs import user_data_path

    return user_data_path("napari-promptseg", appauthor=False) / "runs"


def new_run(name: str) -> Path:
    """Return a folder for a run that is not there yet."""
    return runs_folder() / f"{class_key(name)}-{time.strftime('%Y%m%d-%H%M%S')}"


class TrainingProcess(QObject):
    """One run of `promptseg train` in a process, so that napari stays as fast as it is.

    Parameters
    ----------
    parent : QObject, optional
        Owner.
    """

    progressed = Signal(int, int)
    """Steps that are done, and all of them."""
    ended = Signal(bool, str)
    """True if it ended well, and its last words."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._output: list[str] = []
        self._stopping = False

    @property
    def running(self) -> bool:
        """True if a run goes on."""
        return self._process is not None

    def start(self, arguments: Sequence[str]) -> None:
        """Begin with the arguments of the command.

        Raises
        ------
        RuntimeError
            If another run goes on.
        """
        if self._process is not None:
            raise RuntimeError("another training goes on: stop it first")
        process = self._process = QProcess(self)
        self._output, self._stopping = [], False
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._failed)
        process.start(sys.executable, ["-m", "napari_promptseg.cli", "train", *arguments])

    def stop(self) -> None:
        """Ask the run to end, with a checkpoint; what was best so far is kept."""
        if self._process is not None:
            self._stopping = True
            self._process.terminate()

    def close(self, milliseconds: int = 3000) -> None:
        """End the run, at once if it does not end by itself."""
        process, self._process = self._process, None
        if process is not None:
            process.readyReadStandardOutput.disconnect()
            process.finished.disconnect()
            process.errorOccurred.disconnect()
            process.terminate()
            if not process.waitForFinished(milliseconds):
                process.kill()
                process.waitForFinished(milliseconds)

    def _read(self) -> None:
        if self._process is None:
            return
        text = bytes(self._process.readAllStandardOutput().data()).decode(errors="replace")
        self._output += [line for line in text.splitlines() if line.strip()]
        for line in text.splitlines():
            if progress := _STEP.match(line):
                self.progressed.emit(int(progress[1]), int(progress[2]))

    def _failed(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(False, "the training could not be started")

    def _finished(self, code: int, _: Any = None) -> None:
        self._read()
        if self._stopping:
            self._end(False, "stopped")
            return
        lines = [line for line in self._output if not _STEP.match(line)]
        verdict = next((line for line in reversed(lines) if "NoC@85" in line), "")
        self._end(code == 0, verdict or (lines[-1] if lines else f"it ended with {code}"))

    def _end(self, well: bool, words: str) -> None:
        self._process = None
        self.ended.emit(well, words)
