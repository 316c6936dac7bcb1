"""HTTP and WebSocket endpoints; each reads only the data of the user whom the gate let in."""

# Annotations are evaluated: the framework reads those of the endpoints.
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Path, Request, WebSocket
from fastapi.responses import JSONResponse, Response, StreamingResponse

from napari_promptseg.remote.protocol import (
    CreateSession,
    ImageOffer,
    ImageState,
    ModelInfo,
    PlaneOffer,
    PlaneQuestion,
    SessionInfo,
    Whole,
)
from napari_promptseg.server.conversation import Conversation
from napari_promptseg.server.faults import fault
from napari_promptseg.server.gate import REFUSED, Gate
from napari_promptseg.server.predict_api import answer_pieces
from napari_promptseg.server.service import Service

Key = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
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
        Closed with the application.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work()) for work in (service.spill, service.watch)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="promptseg", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.add_middleware(Gate, service=service)

    def authenticated(request: Request) -> str:
        return str(request.state.user)

    User = Annotated[str, Depends(authenticated)]

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        answer = fault(error)
        return JSONResponse(answer.model_dump(), _STATUS[answer.kind])

    for kind in (ValueError, OSError, MemoryError, RuntimeError):
        app.add_exception_handler(kind, failed)

    @app.post("/api/images")
    async def offer(user: User, image: ImageOffer) -> ImageState:
        return await service.run(user, lambda a: a.images.offer(image, a.used()))

    @app.get("/api/images/{key}")
    async def image_state(user: User, key: Key) -> ImageState:
        return await service.run(user, lambda a: a.images.state(key))

    @app.put("/api/images/{key}/{part}")
    async def put(user: User, key: Key, part: int, request: Request) -> Response:
        data = await request.body()
        await service.run(user, lambda a: a.images.put(key, part, data))
        return Response(status_code=204)

    @app.get("/api/model")
    async def model(user: User) -> ModelInfo:
        return await service.run(user, lambda a: a.planes.info())

    @app.put("/api/planes/{key}")
    async def put_plane(user: User, key: Key, request: Request) -> Response:
        plane = PlaneOffer.model_validate_json(await request.body())
        await service.run(user, lambda a: a.planes.put(key, plane))
        return Response(status_code=204)

    @app.post("/api/planes/{key}")
    async def answer(user: User, key: Key, question: PlaneQuestion) -> Response:
        reply = await service.run(user, lambda a: a.planes.answer(key, question))
        return StreamingResponse(answer_pieces(reply), media_type="application/json")

    @app.get("/api/sessions")
    async def sessions(user: User) -> list[SessionInfo]:
        return await service.run(user, lambda a: [hosted.info for hosted in a])

    @app.post("/api/sessions")
    async def begin(user: User, request: CreateSession) -> SessionInfo:
        return await service.run(user, lambda a: a.open(request.image, request.name).info)

    @app.get("/api/sessions/{session}")
    async def whole(user: User, session: SessionId) -> Response:
        state: Whole = await service.run(user, lambda a: a.get(session).whole())
        return Response(state.model_dump_json(by_alias=True), media_type="application/json")

    @app.delete("/api/sessions/{session}")
    async def delete(user: User, session: SessionId) -> Response:
        await service.run(user, lambda a: a.delete(session))
        return Response(status_code=204)

    @app.websocket("/api/sessions/{session}")
    async def work(socket: WebSocket, session: str) -> None:
        try:
            await service.run(socket.state.user, lambda a: a.get(session))
        except FileNotFoundError:
            with suppress(OSError):  # the client has left
                await socket.close(REFUSED)
            return
        try:
            await socket.accept()
        except OSError:  # the client left before the end of the handshake
            return
        await Conversation(service, socket, session).run()

    return app
