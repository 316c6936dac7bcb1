"""Channel to one session on a server: calls and their replies over a WebSocket."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed

from napari_promptseg.data.geometry import Plane
from napari_promptseg.remote.calls import Request
from napari_promptseg.remote.protocol import KINDS, Reply
from napari_promptseg.session.propagation_handle import PlaneResult, PropagationHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from websockets.sync.client import ClientConnection

    from napari_promptseg.remote.calls import Propagate


class Channel:
    """Sends one call after the other and waits for the replies.

    A connection that breaks is made again with the next call.

    Parameters
    ----------
    connect : callable
        Returns a context with a socket.
    refresh : callable
        Called after each connection: others may have changed the session meanwhile.
    apply : callable
        Called with each reply.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[ClientConnection]],
        refresh: Callable[[], None],
        apply: Callable[[Reply], None],
    ) -> None:
        self._connect, self._refresh, self._apply = connect, refresh, apply
        self._stack = ExitStack()
        self._socket: ClientConnection | None = None
        self._numbers = count(1)
        self._propagation: PropagationHandle | None = None

    def call(self, call: Any) -> Any:
        """Let the server do a call; return what it returns, or raise what it raises."""
        self.finish()
        number = next(self._numbers)
        self._send(Request(id=number, call=call))
        return self._receive(number).value

    def propagate(self, call: Propagate) -> PropagationHandle:
        """Return a propagation on the server; it begins when it is iterated."""
        self.finish()
        number = next(self._numbers)
        finished = [False]

        def steps() -> Iterator[PlaneResult]:
            self._send(Request(id=number, call=call))
            while not finished[0]:
                finished[0] = True  # also after an error
                reply = self._receive(number)
                finished[0] = reply.last
                yield from _results(reply)

        def finish() -> None:
            if propagation.started and not finished[0]:
                self._send(Request(id=number))
                while not finished[0]:
                    finished[0] = self._receive(number).last

        propagation = self._propagation = PropagationHandle(steps(), finish)
        return propagation

    def finish(self) -> None:
        """Before anything else: end a propagation, or run one that nobody iterated."""
        propagation, self._propagation = self._propagation, None
        if propagation is None:
            return
        if not propagation.started:
            propagation.run()
        else:
            propagation.cancel()

    def close(self) -> None:
        """End the propagation and the connection."""
        self.finish()
        self._disconnect()

    def _disconnect(self) -> None:
        self._socket = None
        self._stack.close()

    def _send(self, request: Request) -> None:
        """Send a request; after a break, everything is fetched again first."""
        text = request.model_dump_json()
        if self._socket is not None:
            try:
                self._socket.send(text)
            except ConnectionClosed:
                self._disconnect()
            else:
                return
        self._socket = self._stack.enter_context(self._connect())
        self._refresh()
        self._socket.send(text)

    def _receive(self, number: int) -> Reply:
        """Wait for a reply, and take over what it changed."""
        assert self._socket is not None
        while True:
            try:
                reply = Reply.model_validate_json(self._socket.recv())
            except ConnectionClosed as error:
                self._disconnect()
                raise OSError(
                    "the connection to the server broke; what it has done is there with the "
                    "next call"
                ) from error
            if reply.id == number:
                break
        self._apply(reply)
        if reply.fault is not None:
            raise KINDS.get(reply.fault.kind, RuntimeError)(reply.fault.message)
        return reply


def _results(reply: Reply) -> Iterator[PlaneResult]:
    for plane in reply.planes:
        yield PlaneResult(
            Plane(plane.index),
            plane.confidence,
            plane.box,
            plane.empty,
            plane.done,
            plane.total,
            plane.again,
        )
