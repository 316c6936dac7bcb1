"""A session on a server, used like one that is here. Needs no torch."""

from __future__ import annotations

import ssl
import zlib
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.memmap import paged_zeros, read_only
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    check_prompt,
)
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.protocol import (
    CHUNK,
    KINDS,
    TYPES,
    AddPrompts,
    Choose,
    Commit,
    CreateSession,
    ImageOffer,
    ImageState,
    OfLabel,
    Plain,
    Propagate,
    RemovePrompt,
    Rename,
    Reply,
    Request,
    SessionInfo,
    State,
    Whole,
)
from napari_promptseg.session.propagation_handle import PlaneResult, PropagationHandle
from napari_promptseg.session.store import SessionEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from websockets.sync.client import ClientConnection

    from napari_promptseg.session.state import StoredObject

_SECONDS: Final = 60.0
_LARGEST: Final = 2**30
_REFUSED: Final = (401, 403)


class Server:
    """A connection to a server, for one user.

    Parameters
    ----------
    url : str
        Such as "https://gpu.example.org:8765".
    token : str
        From `promptseg token add`.
    certificate : Path, optional
        Of the authority that signed the certificate of the server; those of the system when
        not given.

    Raises
    ------
    ValueError
        If the token would go over the network unencrypted.
    """

    def __init__(self, url: str, token: str, certificate: Path | None = None) -> None:
        self.url = httpx.URL(url)
        if self.url.scheme != "https" and self.url.host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"{url!r} would carry the token unencrypted: use https")
        self._token, self._certificate = token, certificate
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_SECONDS,
            verify=True if certificate is None else str(certificate),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; sessions stay on the server."""
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request.

        Raises
        ------
        PermissionError
            If the token is not valid.
        OSError
            If the server cannot be reached.
        ValueError, FileNotFoundError, MemoryError, RuntimeError
            As the server says.
        """
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise OSError(f"{self.url} cannot be reached: {error}") from error
        if answer.status_code in _REFUSED:
            raise PermissionError(f"{self.url} does not accept the token")
        if answer.is_error:
            try:
                told = answer.json()
            except ValueError:
                told = {}
            kind = KINDS.get(str(told.get("kind")), ValueError)
            raise kind(str(told.get("message") or told.get("detail") or answer.text)[:1000])
        return answer

    def sessions(self) -> list[SessionInfo]:
        """Return the sessions of the user."""
        return [SessionInfo.model_validate(s) for s in self.ask("GET", "/api/sessions").json()]

    def delete(self, session: str) -> None:
        """Delete a session, and its image if no other session is on it."""
        self.ask("DELETE", f"/api/sessions/{session}")

    def send_image(
        self, volume: Volume, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> str:
        """Send an image; what is there already, such as after an interruption, is not sent again.

        Parameters
        ----------
        volume : Volume
            Lazy ones are read part by part.
        progress : callable
            Called with the parts that are there and all parts.

        Returns
        -------
        str
            Key of the image.
        """
        offer = _offer(volume)
        state = ImageState.model_validate(
            self.ask("POST", "/api/images", json=offer.model_dump(mode="json")).json()
        )
        for done, (part, raw) in enumerate(_parts(volume, offer, state.missing)):
            progress(offer.parts - len(state.missing) + done, offer.parts)
            self.ask("PUT", f"/api/images/{offer.key}/{part}", content=zlib.compress(raw, 1))
        progress(offer.parts, offer.parts)
        return offer.key

    def open(self, volume: Volume | NDArray[Any], name: str = "", axes: str = "") -> RemoteSession:
        """Send an image, if it is not there, and begin a session on it."""
        volume = volume if isinstance(volume, Volume) else Volume(volume, axes)
        wish = CreateSession(image=self.send_image(volume), name=name)
        info = self.ask("POST", "/api/sessions", json=wish.model_dump(mode="json")).json()
        return self.resume(SessionInfo.model_validate(info).id, volume)

    def resume(self, session: str, volume: Volume | None = None) -> RemoteSession:
        """Go on with a session, such as after the client or the server was started again."""
        return RemoteSession(self, session, volume)

    @contextmanager
    def connect(self, session: str) -> Iterator[ClientConnection]:
        """Hold a socket to a session.

        Raises
        ------
        PermissionError
            If the user has no such session.
        OSError
            If the server cannot be reached.
        """
        url = self.url.copy_with(scheme="wss" if self.url.scheme == "https" else "ws")
        context = None
        if url.scheme == "wss":
            context = ssl.create_default_context(cafile=self._certificate)
        with ExitStack() as held:
            try:
                socket = held.enter_context(
                    connect(
                        f"{str(url).rstrip('/')}/api/sessions/{session}",
                        additional_headers={"Authorization": f"Bearer {self._token}"},
                        max_size=_LARGEST,
                        ssl=context,
                        compression=None,
                        open_timeout=_SECONDS,
                    )
                )
            except InvalidStatus as error:
                said = f"{self.url} has no session {session!r} for this token"
                raise PermissionError(said) from error
            except (OSError, ConnectionClosed) as error:
                raise OSError(f"{self.url} cannot be reached: {error}") from error
            yield socket


class RemoteSession:
    """The part of `Session` that prompts, propagates, commits and undoes, on a server.

    `mask` and `labels` are here, and kept alike: changed boxes come back with every answer.
    A connection that breaks is made again with the next call.

    Parameters
    ----------
    server : Server
        Where it is.
    session : str
        Its id.
    volume : Volume, optional
        The image, for the geometry of prompts; without it there is only its shape.
    """

    def __init__(self, server: Server, session: str, volume: Volume | None = None) -> None:
        self.id, self._server = session, server
        self.events = SessionEvents()
        self._held = ExitStack()
        self._socket: ClientConnection | None = None
        self._numbers = count(1)
        self._propagation: PropagationHandle | None = None
        whole = self._whole()
        shape = whole.info.shape
        self.volume = volume or Volume(np.broadcast_to(np.uint8(0), shape))
        self._arrays: dict[str, NDArray[Any]] = {
            name: paged_zeros(shape, kind.type) for name, kind in TYPES.items()
        }
        self._take(whole)

    def _whole(self) -> Whole:
        answer = self._server.ask("GET", f"/api/sessions/{self.id}")
        return Whole.model_validate_json(answer.content)

    def _take(self, whole: Whole) -> None:
        for array in self._arrays.values():
            array[...] = 0
        self._state = whole.state
        for change in whole.changes:
            change.write(self._arrays[change.array])

    def refresh(self) -> None:
        """Fetch all of it again, such as after another window has worked on it."""
        self._take(self._whole())
        everything = tuple((0, n) for n in self._arrays["mask"].shape)
        self.events.mask.emit(everything)
        self.events.labels.emit(everything)

    # State

    @property
    def mask(self) -> NDArray[np.bool_]:
        """See `Session.mask`."""
        mask: NDArray[np.bool_] = read_only(self._arrays["mask"])
        return mask

    @property
    def labels(self) -> NDArray[np.uint16]:
        """See `Session.labels`."""
        labels: NDArray[np.uint16] = read_only(self._arrays["labels"])
        return labels

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """See `Session.prompts`."""
        return self._state.prompts

    @property
    def objects(self) -> Mapping[int, StoredObject]:
        """See `Session.objects`."""
        return {stored.label: stored for stored in self._state.objects}

    @property
    def history(self) -> tuple[str, ...]:
        """See `Session.history`."""
        return self._state.history

    @property
    def can_undo(self) -> bool:
        """See `Session.can_undo`."""
        return self._state.can_undo

    @property
    def can_redo(self) -> bool:
        """See `Session.can_redo`."""
        return self._state.can_redo

    # Calls

    def add_point(
        self, position: Sequence[float], positive: bool = True, axis: str | None = None
    ) -> None:
        """See `Session.add_point`."""
        self.add_prompts([PointPrompt(tuple(map(float, position)), positive, axis)])

    def add_box(
        self,
        low: Sequence[float],
        high: Sequence[float],
        positive: bool = True,
        axis: str | None = None,
    ) -> None:
        """See `Session.add_box`."""
        self.add_prompts(
            [BoxPrompt(tuple(map(float, low)), tuple(map(float, high)), positive, axis)]
        )

    def add_scribble(
        self,
        path: Sequence[Sequence[float]],
        positive: bool = True,
        width: float = 3.0,
        axis: str | None = None,
    ) -> None:
        """See `Session.add_scribble`."""
        vertices = tuple(tuple(map(float, position)) for position in path)
        self.add_prompts([ScribblePrompt(vertices, positive, width, axis)])

    def add_lasso(
        self, path: Sequence[Sequence[float]], positive: bool = True, axis: str | None = None
    ) -> None:
        """See `Session.add_lasso`."""
        vertices = tuple(tuple(map(float, position)) for position in path)
        self.add_prompts([LassoPrompt(vertices, positive, axis)])

    def add(self, prompt: Prompt) -> None:
        """See `Session.add`."""
        self.add_prompts([prompt])

    def add_prompts(self, prompts: Sequence[Prompt]) -> None:
        """See `Session.add_prompts`."""
        volume = self.volume
        checked = tuple(check_prompt(prompt, volume.names, volume.shape) for prompt in prompts)
        self._call(AddPrompts(prompts=checked))

    def remove_prompt(self, number: int) -> None:
        """See `Session.remove_prompt`."""
        self._call(RemovePrompt(number=number))

    def choose(self, number: int | None = None) -> int:
        """See `Session.choose`."""
        return int(self._call(Choose(number=number)) or 0)

    def commit(self, name: str | None = None, overwrite: bool = False) -> int:
        """See `Session.commit`."""
        return int(self._call(Commit(name=name, overwrite=overwrite)) or 0)

    def discard(self) -> None:
        """See `Session.discard`."""
        self._call(Plain(do="discard"))

    def undo(self) -> bool:
        """See `Session.undo`."""
        return bool(self._call(Plain(do="undo")))

    def redo(self) -> bool:
        """See `Session.redo`."""
        return bool(self._call(Plain(do="redo")))

    def reopen(self, label: int) -> None:
        """See `Session.reopen`."""
        self._call(OfLabel(do="reopen", label=label))

    def delete(self, label: int) -> None:
        """See `Session.delete`."""
        self._call(OfLabel(do="delete", label=label))

    def rename(self, label: int, name: str) -> None:
        """See `Session.rename`."""
        self._call(Rename(label=label, name=name))

    def propagate(
        self,
        start: int | None = None,
        stop: int | None = None,
        axis: str | None = None,
        near: int | tuple[int, ...] | None = None,
    ) -> PropagationHandle:
        """See `Session.propagate`; leaving the loop, or `cancel`, keeps what is done."""
        self._finish()
        number = next(self._numbers)
        call = Propagate(start=start, stop=stop, axis=axis, near=near)
        over = [False]

        def steps() -> Iterator[PlaneResult]:
            self._send(Request(id=number, call=call))
            while not over[0]:
                over[0] = True  # also after an error
                reply = self._receive(number)
                over[0] = reply.last
                yield from self._results(reply)

        def finish() -> None:
            if propagation.started and not over[0]:
                self._send(Request(id=number))
                while not over[0]:
                    over[0] = self._receive(number).last

        propagation = self._propagation = PropagationHandle(steps(), finish)
        return propagation

    @staticmethod
    def _results(reply: Reply) -> Iterator[PlaneResult]:
        for plane in reply.planes:
            yield PlaneResult(
                Plane(plane.index),
                plane.confidence,
                plane.box,
                plane.empty,
                plane.done,
                plane.total,
            )

    def close(self) -> None:
        """Leave the session to the server, which keeps it."""
        self._finish()
        self._let_go()

    def _let_go(self) -> None:
        self._socket = None
        self._held.close()

    # Inside

    def _finish(self) -> None:
        """Before anything else: end a propagation, or run one that nobody iterated."""
        propagation, self._propagation = self._propagation, None
        if propagation is None:
            return
        if not propagation.started:
            propagation.run()
        else:
            propagation.cancel()

    def _call(self, call: Any) -> int | bool | None:
        self._finish()
        number = next(self._numbers)
        self._send(Request(id=number, call=call))
        return self._receive(number).value

    def _send(self, request: Request) -> None:
        """Send a request; after a break, everything is fetched again first."""
        text = request.model_dump_json()
        if self._socket is not None:
            try:
                self._socket.send(text)
            except ConnectionClosed:
                self._let_go()
            else:
                return
        self._socket = self._held.enter_context(self._server.connect(self.id))
        self.refresh()
        self._socket.send(text)

    def _receive(self, number: int) -> Reply:
        """Wait for a reply, and take over what it changed."""
        assert self._socket is not None
        while True:
            try:
                reply = Reply.model_validate_json(self._socket.recv())
            except ConnectionClosed as error:
                self._let_go()
                raise OSError(
                    f"the connection to {self._server.url} broke; what the server has done is "
                    "there with the next call"
                ) from error
            if reply.id == number:
                break
        self._apply(reply)
        if reply.fault is not None:
            raise KINDS.get(reply.fault.kind, RuntimeError)(reply.fault.message)
        return reply

    def _apply(self, reply: Reply) -> None:
        for change in reply.changes:
            change.write(self._arrays[change.array])
        before, self._state = self._state, reply.state or self._state
        for change in reply.changes:
            (self.events.mask if change.array == "mask" else self.events.labels).emit(change.box)
        if reply.state is not None:
            self._tell(before)

    def _tell(self, before: State) -> None:
        now, events = self._state, self.events
        if now.objects != before.objects:
            events.objects.emit()
        if (now.prompts, now.label, now.name) != (before.prompts, before.label, before.name):
            events.draft.emit()
        if now.history != before.history or now.can_redo != before.can_redo:
            events.history.emit()


def _offer(volume: Volume) -> ImageOffer:
    window = volume.intensity_window
    assert volume.spacing is not None
    return ImageOffer(
        key=volume.fingerprint(),
        shape=tuple(int(n) for n in volume.data.shape),
        dtype=np.dtype(volume.data.dtype).newbyteorder("<").str,
        axes=volume.axes,
        spacing=tuple(volume.spacing),
        units=volume.units,
        window=(window.low, window.high) if isinstance(window, Window) else None,
        channels=None if volume.channels is None else tuple(volume.channels),
    )


def _parts(
    volume: Volume, offer: ImageOffer, missing: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Read the missing parts of an image, one entry of the first axis at a time."""
    row = offer.bytes // offer.shape[0]
    kept: tuple[int, bytes] = (-1, b"")
    for part in missing:
        start, stop = part * CHUNK, min((part + 1) * CHUNK, offer.bytes)
        raw = b""
        for index in range(start // row, -(-stop // row)):
            if kept[0] != index:
                kept = index, np.asarray(volume.data[index]).astype(offer.dtype).tobytes()
            raw += kept[1][max(start - index * row, 0) : stop - index * row]
        yield part, raw
