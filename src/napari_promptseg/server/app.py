"""The endpoints. Every one of them asks who it is, and looks only at what is theirs."""

# Annotations are evaluated: the framework reads those of the endpoints.
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, HTTPException, Path, WebSocket, WebSocketDisconnect
from fastapi import Request as Asked
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from napari_promptseg.remote.protocol import (
    CHUNK,
    CreateSession,
    ImageOffer,
    ImageState,
    ModelInfo,
    PlaneOffer,
    PlaneQuestion,
    Reply,
    Request,
    SessionInfo,
    Whole,
)
from napari_promptseg.server.predict_api import LARGEST
from napari_promptseg.server.service import Service, fault

_LARGEST_PART: Final = CHUNK + CHUNK // 8
"""Bytes of a compressed part; zlib never makes more of it."""
Key = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
_REFUSED: Final = 4401
_STATUS: Final = {
    "ValueError": 422,
    "FileNotFoundError": 404,
    "MemoryError": 507,
    "OSError": 507,
    "RuntimeError": 500,
    "ImportError": 500,
}


def make_app(service: Service) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    service : Service
        What it serves; closed with it.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        spilling = asyncio.create_task(service.spill())
        try:
            yield
        finally:
            spilling.cancel()
            with suppress(asyncio.CancelledError):
                await spilling
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="promptseg", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )

    def known(asked: Asked) -> str:
        """Return who asks; refuse strangers, and those who ask too often."""
        user = _user(service, asked.headers.get("authorization", ""))
        address = _address(asked)
        if user is None:
            service.audit.write("refused", None, address, path=asked.url.path)
            raise HTTPException(401, "a valid token is needed", {"WWW-Authenticate": "Bearer"})
        wait = service.rate.take(user)
        if wait:
            raise HTTPException(429, "too many requests", {"Retry-After": f"{wait:.2f}"})
        if asked.method != "GET":
            service.audit.write(asked.method, user, address, path=asked.url.path)
        return user

    User = Annotated[str, Depends(known)]

    @app.exception_handler(Exception)
    async def failed(_: Asked, error: Exception) -> JSONResponse:
        told = fault(error)
        return JSONResponse(told.model_dump(), _STATUS[told.kind])

    for kind in (ValueError, OSError, MemoryError, RuntimeError):
        app.add_exception_handler(kind, failed)

    @app.post("/api/images")
    async def offer(user: User, image: ImageOffer) -> ImageState:
        return await service.run(user, lambda a: a.images.offer(image, a.used))

    @app.get("/api/images/{key}")
    async def image_state(user: User, key: str) -> ImageState:
        return await service.run(user, lambda a: a.images.state(key))

    @app.put("/api/images/{key}/{part}")
    async def put(user: User, key: str, part: int, asked: Asked) -> Response:
        data = await _body(asked, _LARGEST_PART)
        await service.run(user, lambda a: a.images.put(key, part, data))
        return Response(status_code=204)

    @app.get("/api/model")
    async def model(user: User) -> ModelInfo:
        return await service.run(user, lambda a: a.planes.info())

    @app.put("/api/planes/{key}")
    async def put_plane(user: User, key: Key, asked: Asked) -> Response:
        plane = PlaneOffer.model_validate_json(await _body(asked, 2 * LARGEST))
        await service.run(user, lambda a: a.planes.put(key, plane))
        return Response(status_code=204)

    @app.post("/api/planes/{key}")
    async def answer(user: User, key: Key, question: PlaneQuestion) -> Response:
        found = await service.run(user, lambda a: a.planes.answer(key, question))
        return Response(found.model_dump_json(), media_type="application/json")

    @app.get("/api/sessions")
    async def sessions(user: User) -> list[SessionInfo]:
        return await service.run(user, lambda a: [hosted.info for hosted in a])

    @app.post("/api/sessions")
    async def begin(user: User, wish: CreateSession) -> SessionInfo:
        return await service.run(user, lambda a: a.open(wish.image, wish.name).info)

    @app.get("/api/sessions/{session}")
    async def whole(user: User, session: str) -> Response:
        found: Whole = await service.run(user, lambda a: a.get(session).whole())
        return Response(found.model_dump_json(), media_type="application/json")

    @app.delete("/api/sessions/{session}")
    async def delete(user: User, session: str) -> Response:
        await service.run(user, lambda a: a.delete(session))
        return Response(status_code=204)

    @app.websocket("/api/sessions/{session}")
    async def work(socket: WebSocket, session: str) -> None:
        user = _user(service, socket.headers.get("authorization", ""))
        address = _address(socket)
        if user is None or not _same_origin(socket):
            service.audit.write("refused", user, address, path=socket.url.path)
            await socket.close(_REFUSED)
            return
        try:
            await service.run(user, lambda a: a.get(session))
        except FileNotFoundError:
            await socket.close(_REFUSED)
            return
        await socket.accept()
        service.audit.write("work", user, address, path=socket.url.path)
        await _Conversation(service, socket, user, session).hold()

    return app


class _Conversation:
    """What one client says on one socket: calls one after the other, and cancels between."""

    def __init__(self, service: Service, socket: WebSocket, user: str, session: str) -> None:
        self._service, self._socket = service, socket
        self._user, self._session = user, session
        self._calls: asyncio.Queue[Request] = asyncio.Queue(100)
        self._stopped: dict[int, asyncio.Event] = {}

    async def hold(self) -> None:
        """Answer until the client leaves."""
        answering = asyncio.create_task(self._answer())
        try:
            while True:
                await self._hear(await self._socket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering

    async def _hear(self, text: str) -> None:
        try:
            request = Request.model_validate_json(text)
        except ValidationError as error:
            told = fault(ValueError(f"no request: {error.error_count()} faults"))
            await self._say(Reply(id=0, fault=told))
            return
        if request.call is None:
            if request.id in self._stopped:
                self._stopped[request.id].set()
            return
        while wait := self._service.rate.take(self._user):
            await asyncio.sleep(wait)
        self._stopped[request.id] = asyncio.Event()
        await self._calls.put(request)

    async def _answer(self) -> None:
        while True:
            request = await self._calls.get()
            stopped = self._stopped[request.id]
            replies = self._service.call(
                self._user, self._session, request.id, request.call, stopped
            )
            async for reply in replies:
                await self._say(reply)
            del self._stopped[request.id]

    async def _say(self, reply: Reply) -> None:
        await self._socket.send_text(reply.model_dump_json())


def _user(service: Service, header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return service.tokens.user(token) if scheme.lower() == "bearer" and token else None


def _address(asked: Any) -> str:
    return asked.client.host if asked.client else ""


def _same_origin(socket: WebSocket) -> bool:
    """Whether a browser, if it is one, shows a page of this server: others must not talk to it."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


async def _body(asked: Asked, most: int) -> bytes:
    """Read the body of a request, and no more than is allowed."""
    parts, size = [], 0
    async for part in asked.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, f"a part has {most} bytes at most")
        parts.append(part)
    return b"".join(parts)
