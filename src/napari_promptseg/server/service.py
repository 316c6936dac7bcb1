"""All that a server holds: users, their sessions, the model and the thread that works on it."""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from napari_promptseg.models.registry import create_backend
from napari_promptseg.remote.protocol import KINDS, Fault, PlaneDone, Propagate, Reply, State
from napari_promptseg.server.accounts import Account, Hosted
from napari_promptseg.server.audit import Audit
from napari_promptseg.server.auth import Tokens
from napari_promptseg.server.fair_queue import FairQueue
from napari_promptseg.server.quotas import Quotas, RateLimit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from napari_promptseg.models.base import Backend
    from napari_promptseg.session.propagation_handle import PropagationHandle

T = TypeVar("T")
_TURN: Final = 0.1
"""Seconds of a propagation, until others have their turn."""


class Service:
    """What the endpoints call.

    Parameters
    ----------
    folder : Path
        Of tokens, images, sessions and the audit log.
    backend : str
        A registered name, for all sessions.
    device : str
        "auto", "cpu", "cuda" or "mps".
    quotas : Quotas
        Of each user.
    """

    def __init__(
        self,
        folder: Path,
        backend: str = "clicknet",
        device: str = "auto",
        quotas: Quotas | None = None,
    ) -> None:
        self.folder, self.quotas = folder, quotas or Quotas()
        self.tokens = Tokens(folder / "tokens.json")
        self.audit = Audit(folder / "audit.jsonl")
        self.rate = RateLimit(self.quotas.requests)
        self.engine = FairQueue()
        self._make = partial(create_backend, backend, device=device)
        self._model: Backend | None = None
        self._accounts: dict[str, Account] = {}

    def account(self, user: str) -> Account:
        """Return images and sessions of a user; on the engine."""
        if user not in self._accounts:
            folder = self.folder / "users" / user
            self._accounts[user] = Account(folder, self.quotas, self._backend)
        return self._accounts[user]

    def _backend(self) -> Backend:
        if self._model is None:
            self._model = self._make()
        return self._model

    async def run(self, user: str, work: Callable[[Account], T]) -> T:
        """Do something for a user when it is their turn."""
        future = self.engine.submit(user, lambda: work(self.account(user)))
        result: T = await asyncio.wrap_future(future)
        return result

    async def call(
        self, user: str, session: str, number: int, call: Any, stopped: asyncio.Event
    ) -> AsyncIterator[Reply]:
        """Do what a client asks for; yield one reply, of a propagation several."""
        try:
            if isinstance(call, Propagate):
                async for reply in self._propagate(user, session, number, call, stopped):
                    yield reply
            else:
                yield await self.run(
                    user, lambda account: _done(account.get(session), number, call)
                )
        except Exception as error:
            yield Reply(id=number, fault=fault(error))

    async def _propagate(
        self, user: str, session: str, number: int, call: Propagate, stopped: asyncio.Event
    ) -> AsyncIterator[Reply]:
        def begin(account: Account) -> PropagationHandle:
            hosted = account.get(session)
            return hosted.session.propagate(call.start, call.stop, call.axis, call.near)

        propagation = await self.run(user, begin)
        last = False
        try:
            while not last:

                def turn(account: Account) -> Reply:
                    return _planes(account.get(session), number, propagation, stopped.is_set())

                reply = await self.run(user, turn)
                last = reply.last
                yield reply
        finally:
            if not last:  # the client is gone
                self.engine.submit(user, propagation.cancel)

    async def spill(self, every: float = 30.0) -> None:
        """Send idle sessions to disk, for ever."""
        while True:
            await asyncio.sleep(every)
            limit = monotonic() - self.quotas.idle_seconds
            for user in list(self._accounts):
                await self.run(user, partial(_spill, limit=limit))

    def close(self) -> None:
        """Leave all sessions to their journals, and end."""
        self.engine.close()
        for account in self._accounts.values():
            _spill(account, limit=float("inf"))
        if self._model is not None:
            self._model.close()
        self.audit.close()


def fault(error: Exception) -> Fault:
    """Return what a client is told of an error: nothing of the inside of the server."""
    kind = next((k for k in type(error).__mro__ if k.__name__ in KINDS), None)
    if kind is None:
        return Fault(kind="RuntimeError", message="the server failed; its log says more")
    return Fault(kind=kind.__name__, message=str(error)[:1000])


def _done(hosted: Hosted, number: int, call: Any) -> Reply:
    value = hosted.do(call)
    return Reply.model_construct(
        id=number,
        last=True,
        value=value,
        changes=hosted.changes(),
        state=State.of(hosted.session),
        planes=(),
        fault=None,
    )


def _planes(hosted: Hosted, number: int, propagation: PropagationHandle, stopped: bool) -> Reply:
    """Propagate for a turn."""
    began, done = monotonic(), []
    if stopped:
        propagation.cancel()
    for result in propagation:
        done.append(PlaneDone.of(result))
        if monotonic() - began > _TURN:
            break
    last = propagation.finished
    return Reply.model_construct(
        id=number,
        last=last,
        value=None,
        changes=hosted.changes(),
        state=State.of(hosted.session) if last else None,
        planes=tuple(done),
        fault=None,
    )


def _spill(account: Account, limit: float) -> None:
    for hosted in account:
        if hosted.in_memory and hosted.used < limit:
            hosted.spill()
