"""Session on a server, used like a local one; needs no torch."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from websockets.exceptions import ConnectionClosed

from napari_promptseg.data.geometry import Plane, plane_by_index
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
    KINDS,
    TYPES,
    AddPrompts,
    Choose,
    Commit,
    OfLabel,
    Plain,
    Propagate,
    RemovePrompt,
    Rename,
    Reply,
    Request,
    State,
    Whole,
)
from napari_promptseg.session.events import SessionEvents
from napari_promptseg.session.propagation_handle import PlaneResult, PropagationHandle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from websockets.sync.client import ClientConnection

    from napari_promptseg.remote.connection import Server
    from napari_promptseg.session.session_state import PlaneIndex
    from napari_promptseg.session.state import StoredObject


class RemoteSession:
    """The part of `Session` that prompts, propagates, commits and undoes, on a server.

    `mask` and `labels` are copies here: changed boxes come back with every answer.
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
        self._stack = ExitStack()
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
        return {stored_object.label: stored_object for stored_object in self._state.objects}

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

    def choose(self, number: int | None = None, index: PlaneIndex = None) -> int:
        """See `Session.choose`."""
        if index is not None and not isinstance(index, Plane):
            index = plane_by_index(self.volume.names, self.volume.shape, index)
        entries = None if index is None else index.index
        return int(self._call(Choose(number=number, index=entries)) or 0)

    def commit(
        self, name: str | None = None, overwrite: bool = False, class_name: str | None = None
    ) -> int:
        """See `Session.commit`."""
        call = Commit(name=name, overwrite=overwrite, class_name=class_name)
        return int(self._call(call) or 0)

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
        near: int | Sequence[int] | None = None,
    ) -> PropagationHandle:
        """See `Session.propagate`; leaving the loop, or `cancel`, keeps the finished planes."""
        self._finish()
        number = next(self._numbers)
        place = near if near is None or isinstance(near, int) else tuple(near)
        call = Propagate(start=start, stop=stop, axis=axis, near=place)
        finished = [False]

        def steps() -> Iterator[PlaneResult]:
            self._send(Request(id=number, call=call))
            while not finished[0]:
                finished[0] = True  # also after an error
                reply = self._receive(number)
                finished[0] = reply.last
                yield from self._results(reply)

        def finish() -> None:
            if propagation.started and not finished[0]:
                self._send(Request(id=number))
                while not finished[0]:
                    finished[0] = self._receive(number).last

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
        self._stack.close()

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
        self._socket = self._stack.enter_context(self._server.connect(self.id))
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
