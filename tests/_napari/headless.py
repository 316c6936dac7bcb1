"""The session worker without Qt: the test delivers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import gui_backends

from napari_promptseg._napari.worker.job_queue import JobQueue
from napari_promptseg._napari.worker.session_controller import SessionController
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from helpers import Scene

SECONDS = 5.0


class Mailbox:
    """Runs what is delivered when the test asks for it."""

    def __init__(self) -> None:
        self.calls: list = []
        self._arrived = threading.Condition()

    def __call__(self, call) -> None:
        with self._arrived:
            self.calls.append(call)
            self._arrived.notify()

    def open(self, count: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.calls) >= count, SECONDS)
            calls, self.calls = self.calls[:count], self.calls[count:]
        for call in calls:
            call()


class HeadlessSession:
    """A controller whose events are kept, and the mailbox between it and the worker."""

    def __init__(self, scene: Scene, backend=None) -> None:
        self.mail = Mailbox()
        self.worker = JobQueue(self.mail)
        session = Session(scene.data, backend or gui_backends.Toy(), axes=scene.axes)
        self.controller = SessionController(session, self.worker, self.mail)
        self.said: list[str] = []
        self.failed: list[str] = []
        self.boxes: list = []
        self.progress: list = []
        self.controller.events.status.connect(self._status)
        self.controller.events.failed.connect(self._failed)
        self.controller.events.mask.connect(self._mask)
        self.controller.events.progress.connect(self._progress)

    def _status(self, text):
        self.said.append(text)

    def _failed(self, error):
        self.failed.append(str(error))

    def _mask(self, boxes):
        self.boxes += boxes

    def _progress(self, done, total):
        self.progress.append((done, total))

    def wait(self) -> None:
        while self.worker.busy:
            self.mail.open(1)
