"""Conversation on one WebSocket: calls in their order, cancels between them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fastapi import WebSocketDisconnect
from pydantic import ValidationError

from napari_promptseg.remote.calls import Request
from napari_promptseg.remote.protocol import Reply
from napari_promptseg.server.faults import fault
from napari_promptseg.server.gate import REFUSED
from napari_promptseg.server.limits import MAX_VALUES, message_cost

if TYPE_CHECKING:
    from fastapi import WebSocket

    from napari_promptseg.server.service import Service

_WAITING_CALLS: Final = 8
_TOKEN_SECONDS: Final = 1.0
"""Between two checks of the token of an idle socket."""


class Conversation:
    """Answers the calls of one client, as long as its token is valid.

    Parameters
    ----------
    service : Service
        Does the calls.
    socket : WebSocket
        Accepted.
    session : str
        Id of the session.
    """

    def __init__(self, service: Service, socket: WebSocket, session: str) -> None:
        self._service, self._socket, self._session = service, socket, session
        self._user: str = socket.state.user
        self._token: str = socket.state.token
        self._calls: asyncio.Queue[Request] = asyncio.Queue(_WAITING_CALLS)
        self._cancelled: dict[int, asyncio.Event] = {}

    async def run(self) -> None:
        """Answer until the client leaves, or its token is revoked or expires."""
        tasks = [asyncio.create_task(work()) for work in (self._listen, self._answer, self._watch)]
        try:
            finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
        except WebSocketDisconnect:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._service.leave(self._user, self._session, self)
            with suppress(RuntimeError, WebSocketDisconnect):  # closed already
                await self._socket.close(REFUSED)

    def _is_valid(self) -> bool:
        return self._service.tokens.user(self._token) == self._user

    async def _watch(self) -> None:
        """End when the token is not valid any more."""
        while self._is_valid():
            await asyncio.sleep(_TOKEN_SECONDS)

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            if not self._is_valid():
                return
            await self._receive(text)

    async def _receive(self, text: str) -> None:
        values = text.count(",")
        self._service.rate.charge(self._user, message_cost(len(text), values))
        if values > MAX_VALUES:
            await self._slow_down()
            await self._refuse(0, f"a message may have {MAX_VALUES} values")
            return
        try:
            request = Request.model_validate_json(text)
        except ValidationError as error:
            await self._slow_down()
            await self._refuse(0, f"no request: {error.error_count()} faults")
            return
        cancelled = self._cancelled.get(request.id)
        if request.call is None:
            if cancelled is not None:
                cancelled.set()
            return
        if cancelled is not None:
            await self._refuse(request.id, f"request {request.id} is not answered yet")
            return
        await self._slow_down()
        self._cancelled[request.id] = asyncio.Event()
        await self._calls.put(request)

    async def _slow_down(self) -> None:
        """Wait for the turn of a user who asks too often."""
        while wait := self._service.rate.take(self._user):
            await asyncio.sleep(wait)

    async def _refuse(self, number: int, message: str) -> None:
        await self._send(Reply(id=number, fault=fault(ValueError(message))))

    async def _answer(self) -> None:
        while True:
            request = await self._calls.get()
            replies = self._service.call(
                self._user,
                self._session,
                request.id,
                request.call,
                self._cancelled[request.id],
                self,
            )
            async for reply in replies:
                if reply.last:
                    del self._cancelled[request.id]
                await self._send(reply)
                if not self._is_valid():
                    return

    async def _send(self, reply: Reply) -> None:
        await self._socket.send_text(reply.model_dump_json(by_alias=True))
