"""A real server on a loopback port, with a toy model."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from helpers import ToyBackend
from napari_promptseg.remote.connection import Server
from napari_promptseg.server.quotas import Quotas
from napari_promptseg.server.run import make_config
from napari_promptseg.server.service import Service

if TYPE_CHECKING:
    from pathlib import Path


class Toy(ToyBackend):
    """See `ToyBackend`."""

    def close(self) -> None:
        pass


class Place:
    """A server that can be stopped and started again on one folder."""

    def __init__(self, folder: Path, **quotas) -> None:
        self.folder, self.quotas = folder, Quotas(**{"requests": 1e6, **quotas})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.service = Service(self.folder, quotas=self.quotas)
        self.service._make = Toy
        config = make_config(
            self.service, port=self.port, log_level="error", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        ready = threading.Event()
        while not self._server.started:
            ready.wait(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def token(self, user: str = "ada") -> str:
        return self.service.tokens.add(user)

    def client(self, user: str = "ada") -> Server:
        return Server(self.url, self.token(user))
