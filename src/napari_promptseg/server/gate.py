"""Gate of the server: authentication, rate and size limits before a byte of a body is read."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fastapi import HTTPException

from napari_promptseg.remote.protocol import CHUNK
from napari_promptseg.server.limits import MAX_VALUES, message_cost
from napari_promptseg.server.predict_api import MAX_PLANE_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from napari_promptseg.server.service import Service

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH: Final = "/healthz"
"""Path that says "ok" to anybody, for containers and load balancers; it reaches no endpoint."""
REFUSED: Final = 4401
"""Code with which a WebSocket is closed to a client without a valid token."""
MAX_PART_BYTES: Final = CHUNK + CHUNK // 8
"""Compressed part of an image; zlib never makes more of it."""
MAX_BODY_BYTES: Final = 2**16
"""Body of most requests."""
MAX_QUESTION_BYTES: Final = 16 * 2**20
"""Prompts of a plane, with its mask so far."""
_BODY_SECONDS: Final = 30.0
"""Within which the next piece of a body must come."""
_REFUSAL_SECONDS: Final = 0.5
"""For which an answer "too many requests" is held back: who repeats at once costs little then."""
_HELD_REFUSALS: Final = 16
"""Answers of one user that are held back at a time."""
_BODIES: Final = 2
"""Bodies of one user that are read at a time."""


class Gate:
    """ASGI middleware in front of all endpoints; none of them is reached without a valid token.

    `HEALTH` is answered by the gate itself.

    An endpoint finds the user in ``scope["state"]``.

    Parameters
    ----------
    app : ASGI application
        The endpoints.
    service : Service
        Has tokens, limits and the audit log.
    """

    def __init__(self, app: App, service: Service) -> None:
        self._app, self._service = app, service
        self._bodies: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_BODIES)
        )
        self._sockets: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._held_refusals: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET" and scope["path"] == HEALTH:
            await _answer(send, 200, "ok")
            return
        service, address = self._service, _address(scope)
        token = bearer_token(scope)
        user = service.tokens.user(token)
        if user is None:
            service.audit.refuse(address, scope["path"])
            await _answer(send, 401, "a valid token is needed", {"WWW-Authenticate": "Bearer"})
            return
        wait = service.rate.take(user)
        if not wait and self._requests[user] >= 2 * service.quotas.sockets:
            wait = 1.0
        if wait:
            await self._refuse_hasty(user, wait, send)
            return
        method, path = scope["method"], scope["path"]
        limit = _body_limit(method, path)
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > limit:
            await _answer(send, 413, f"a body may have {limit} bytes here")
            return
        if method != "GET":
            service.audit.write(method, user, address, path=path)
        _set_state(scope, user, token)
        self._requests[user] += 1
        try:
            if method == "GET":
                await self._app(scope, receive, send)
                return
            async with self._bodies[user]:
                charge = partial(service.rate.charge, user)
                await self._app(scope, _bounded(receive, limit, charge), send)
        finally:
            self._requests[user] -= 1

    async def _refuse_hasty(self, user: str, wait: float, send: Send) -> None:
        """Send away a user who asks too often, but not at once."""
        if self._held_refusals[user] < _HELD_REFUSALS:
            self._held_refusals[user] += 1
            try:
                await asyncio.sleep(min(wait, _REFUSAL_SECONDS))
            finally:
                self._held_refusals[user] -= 1
        await _answer(send, 429, "too many requests", {"Retry-After": f"{wait:.2f}"})

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        service, token = self._service, bearer_token(scope)
        user = service.tokens.user(token)
        if user is None or not _same_origin(scope):
            service.audit.refuse(_address(scope), scope["path"])
            await receive()
            await send({"type": "websocket.close", "code": REFUSED})
            return
        if self._sockets[user] >= service.quotas.sockets:
            await receive()
            await send({"type": "websocket.close", "code": 1013})
            return
        service.audit.write("work", user, _address(scope), path=scope["path"])
        _set_state(scope, user, token)
        self._sockets[user] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._sockets[user] -= 1


def bearer_token(scope: Scope) -> str:
    """Return the token of a request, empty without one."""
    scheme, _, token = _header(scope, b"authorization").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _set_state(scope: Scope, user: str, token: str) -> None:
    scope["state"] = {**scope.get("state", {}), "user": user, "token": token}


def _header(scope: Scope, name: bytes) -> str:
    return next((v.decode("latin-1") for k, v in scope["headers"] if k == name), "")


def _address(scope: Scope) -> str:
    """Return the address of the connection; no header is believed."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _same_origin(scope: Scope) -> bool:
    """Return True if a browser, if it is one, shows a page of this server; no other may connect."""
    origin = _header(scope, b"origin")
    return not origin or urlsplit(origin).netloc == _header(scope, b"host")


def _body_limit(method: str, path: str) -> int:
    if path.startswith("/api/planes/"):
        return 2 * MAX_PLANE_BYTES if method == "PUT" else MAX_QUESTION_BYTES
    if path.startswith("/api/images/"):
        return MAX_PART_BYTES
    return MAX_BODY_BYTES


def _bounded(receive: Receive, limit: int, charge: Callable[[float], None]) -> Receive:
    """Return a `receive` that refuses bodies that are too long or do not come.

    Their bytes and values are charged as requests; values, which take time to parse, are bounded.
    """
    size, values, complete = 0, 0, False

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal size, values, complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), _BODY_SECONDS)
        except TimeoutError as error:
            raise HTTPException(408, "the body did not come") from error
        body = message.get("body", b"")
        commas = body.count(b",")
        charge(message_cost(len(body), commas))
        size, values = size + len(body), values + commas
        if size > limit:
            raise HTTPException(413, f"a body may have {limit} bytes here")
        if values > MAX_VALUES:
            raise HTTPException(413, f"a body may have {MAX_VALUES} values")
        complete = not message.get("more_body", False)
        return message

    return bounded


async def _answer(
    send: Send, status: int, detail: str, headers: dict[str, str] | None = None
) -> None:
    """Answer without reading the body, and close the connection."""
    fields = {"Content-Type": "application/json", "Connection": "close", **(headers or {})}
    encoded = [(k.lower().encode(), v.encode()) for k, v in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    body = json.dumps({"detail": detail}).encode()
    await send({"type": "http.response.body", "body": body})
