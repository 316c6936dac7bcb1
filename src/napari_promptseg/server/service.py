"""Service behind the endpoints: accounts, the shared model and the thread that works on it."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from napari_promptseg.models.registry import create_backend
from napari_promptseg.remote.calls import AddPrompts, Propagate
from napari_promptseg.remote.private_file import private_folder
from napari_promptseg.remote.protocol import PlaneDone, Reply, State, Value
from napari_promptseg.server.accounts import Account, Hosted
from napari_promptseg.server.audit import Audit
from napari_promptseg.server.auth import Tokens
from napari_promptseg.server.fair_queue import FairQueue
from napari_promptseg.server.faults import fault
from napari_promptseg.server.quotas import Quotas, RateLimit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from napari_promptseg.models.base import Backend
    from napari_promptseg.session.propagation_handle import PropagationHandle

T = TypeVar("T")
_TURN: Final = 0.1
"""Seconds of a long call, until others have their turn."""
_SLOW: Final = 0.5
"""Seconds of one piece of work, after which other users go on with a model of their own."""
_MAX_OWN_MODELS: Final = 2
"""Models, beside the shared one, of users whose work takes long."""
_log = logging.getLogger(__name__)


class Service:
    """Accounts, model and work queue of a server.

    Parameters
    ----------
    folder : Path
        Of tokens, images, sessions and the audit log; made for its owner alone.
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
        private_folder(folder)
        self.tokens = Tokens(folder / "tokens.json")
        self.audit = Audit(folder / "audit.jsonl")
        self.rate = RateLimit(self.quotas.requests)
        self.queue = FairQueue()
        self._make = partial(create_backend, backend, device=device)
        self._model: Backend | None = None
        self._own_models: dict[str, Backend] = {}
        self._spare: Backend | None = None
        self._can_make_spare = True
        self._loads = False
        self._accounts: dict[str, Account] = {}

    def account(self, user: str) -> Account:
        """Return images and sessions of a user; on the thread of the queue."""
        if user not in self._accounts:
            folder = self.folder / "users" / user
            self._accounts[user] = Account(folder, self.quotas, partial(self._backend, user))
        return self._accounts[user]

    def _backend(self, user: str) -> Backend:
        """Return the model that a user works with: the shared one, or one of their own."""
        if user in self._own_models:
            return self._own_models[user]
        if self._model is None:
            self._loads = True
            try:
                self._model = self._make()
            finally:
                self._loads = False
        return self._model

    async def run(self, user: str, work: Callable[[Account], T]) -> T:
        """Do something for a user when it is their turn."""
        future = self.queue.submit(user, lambda: work(self.account(user)))
        result: T = await asyncio.wrap_future(future)
        return result

    async def _work(self, user: str, session: str, work: Callable[[Hosted], T]) -> T:
        """Do something with a session, which is marked as the one that hangs if it does."""

        def marked(account: Account) -> T:
            hosted = account.get(session)
            with hosted.working():
                return work(hosted)

        return await self.run(user, marked)

    async def call(
        self,
        user: str,
        session: str,
        number: int,
        call: Any,
        cancelled: asyncio.Event,
        client: object,
    ) -> AsyncIterator[Reply]:
        """Do a call of a client; yield one reply, of a propagation several.

        Parameters
        ----------
        user, session : str
            Whose session.
        number : int
            Of the request.
        call : Message
            See `napari_promptseg.remote.calls`.
        cancelled : asyncio.Event
            Set when the client cancels it.
        client : object
            The conversation; each gets all changes since its own last reply.
        """
        try:
            if isinstance(call, Propagate):
                async for reply in self._propagate(user, session, number, call, cancelled, client):
                    yield reply
            elif isinstance(call, AddPrompts):
                yield await self._add(user, session, number, call, cancelled, client)
            else:
                yield await self._work(
                    user,
                    session,
                    lambda hosted: _reply(hosted, number, client, hosted.do(call)),
                )
        except Exception as error:
            yield Reply(id=number, fault=fault(error))

    async def _add(
        self,
        user: str,
        session: str,
        number: int,
        call: AddPrompts,
        cancelled: asyncio.Event,
        client: object,
    ) -> Reply:
        """Answer prompts plane by plane, so that others have their turn between two planes."""
        adding = await self._work(user, session, lambda hosted: hosted.adding(call.prompts))

        def turn(hosted: Hosted) -> bool:
            return _advance(adding)

        try:
            while await self._work(user, session, turn):
                if cancelled.is_set():
                    break
        finally:
            adding.close() if not _is_running(adding) else None
        return await self._work(user, session, lambda hosted: _reply(hosted, number, client, None))

    async def _propagate(
        self,
        user: str,
        session: str,
        number: int,
        call: Propagate,
        cancelled: asyncio.Event,
        client: object,
    ) -> AsyncIterator[Reply]:
        def begin(hosted: Hosted) -> PropagationHandle:
            hosted.require_space()
            return hosted.session.propagate(call.start, call.stop, call.axis, call.near)

        propagation = await self._work(user, session, begin)
        last = False

        def turn(hosted: Hosted) -> Reply:
            hosted.require_space()
            return _planes(hosted, number, propagation, cancelled.is_set(), client)

        try:
            while not last:
                reply = await self._work(user, session, turn)
                last = reply.last
                yield reply
        finally:
            if not last:  # the client is gone, or the disk is full
                self.queue.submit(user, propagation.cancel)

    def leave(self, user: str, session: str, client: object) -> None:
        """Forget a client of a session, whose connection is over."""

        def forget(account: Account) -> None:
            account.get(session).forget(client)

        try:
            future = self.queue.submit(user, lambda: forget(self.account(user)))
        except RuntimeError:  # the server is shutting down
            return
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def spill(self, every: float = 30.0) -> None:
        """Send idle sessions to disk, for ever."""
        while True:
            await asyncio.sleep(every)
            limit = monotonic() - self.quotas.idle_seconds
            for user in list(self._accounts):
                await self.run(user, partial(_spill, limit=limit))

    async def watch(self, every: float = 0.05) -> None:
        """Let others overtake slow work, and give up work that hangs, for ever.

        A session whose work is given up goes on from its journal.
        """
        while True:
            await asyncio.sleep(every)
            if not self._loads and len(self.queue.slow_users) < _MAX_OWN_MODELS:
                await self._overtake()
            self.queue.abandon(self.quotas.work_seconds, self._renew)

    async def _overtake(self) -> None:
        """Let the users who wait for slow work go on, once there is a model for them."""
        is_blocked = self.queue.is_blocked(_SLOW)
        lacks_model = self._spare is None and not set(self._own_models) - self.queue.slow_users
        if lacks_model and (is_blocked or self._expects_slow_work()):
            try:
                self._spare = await asyncio.to_thread(self._make)
            except Exception:
                _log.exception("there is no second model")
                self._can_make_spare = False
                return
        if is_blocked:
            self.queue.overtake(_SLOW, self._separate)

    def _expects_slow_work(self) -> bool:
        """Return whether to make a second model in advance: nobody waits for it then."""
        return self._can_make_spare and self._model is not None and len(self._accounts) > 1

    def _separate(self, user: str) -> None:
        """Leave the shared model to a user whose work takes long; the others get another one.

        That is one of a user whose work took long before, if there is any, or the spare one.
        """
        if user in self._own_models or self._model is None:
            return
        former = next(iter(set(self._own_models) - self.queue.slow_users), None)
        if former is None:
            shared, self._spare = self._spare, None
        else:
            shared = self._own_models.pop(former)
        self._own_models[user], self._model = self._model, shared
        for other in set(self._accounts) - set(self._own_models) - {former}:
            account = self._accounts[other]
            account.planes.close()
            for hosted in account:
                hosted.use(self._backend(other))

    def _drop_model(self, user: str) -> None:
        """Let what a user has in memory come back from disk, with the model of then."""
        account = self._accounts.get(user)
        if account is None:
            return
        account.planes.close()
        for hosted in account:
            if hosted.is_working:
                hosted.abandon()
            else:
                hosted.spill()

    def _renew(self, user: str) -> None:
        """Go on without the model of a user that hangs: sessions come back with a new one."""
        if self._own_models.pop(user, None) is not None:
            self._drop_model(user)
            return
        self._model = None
        for other in set(self._accounts) - set(self._own_models):
            self._drop_model(other)

    def close(self) -> None:
        """Leave all sessions to their journals, and end."""
        self.queue.close()
        for account in self._accounts.values():
            _spill(account, limit=float("inf"))
        for model in (self._model, self._spare, *self._own_models.values()):
            if model is not None:
                model.close()
        self.audit.close()


def _advance(steps: Iterator[Any]) -> bool:
    """Do a turn of a call; return whether there is more to do."""
    start_time = monotonic()
    return any(monotonic() - start_time > _TURN for _ in steps)


def _is_running(steps: Any) -> bool:
    """Return True if another thread, given up, is still inside of a generator."""
    return bool(steps.gi_running)


def _reply(hosted: Hosted, number: int, client: object, value: Value) -> Reply:
    return Reply.model_construct(
        id=number,
        last=True,
        value=value,
        changes=hosted.changes(client),
        state=State.of(hosted.session),
        planes=(),
        fault=None,
    )


def _planes(
    hosted: Hosted, number: int, propagation: PropagationHandle, cancelled: bool, client: object
) -> Reply:
    """Propagate for a turn; the planes are on disk before the client hears of them."""
    start_time, planes = monotonic(), []
    if cancelled:
        propagation.cancel()
    for result in propagation:
        planes.append(PlaneDone.of(result))
        if monotonic() - start_time > _TURN:
            break
    last = propagation.finished
    if not last:
        propagation.save()
    return Reply.model_construct(
        id=number,
        last=last,
        value=None,
        changes=hosted.changes(client),
        state=State.of(hosted.session) if last else None,
        planes=tuple(planes),
        fault=None,
    )


def _spill(account: Account, limit: float) -> None:
    for hosted in account:
        if hosted.in_memory and hosted.last_use < limit:
            hosted.spill()
