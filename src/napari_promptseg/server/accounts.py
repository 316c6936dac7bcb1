"""Accounts of users: images and sessions, always on disk, in memory while they are used."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.data.geometry import Bounds, Plane, box_slices, box_union, boxes_meet
from napari_promptseg.data.memmap import slabs
from napari_promptseg.remote.calls import ProposeEach, ReplacePrompt, SegmentEach, Step
from napari_promptseg.remote.private_file import write_private_file
from napari_promptseg.remote.protocol import ArrayName, Changed, SessionInfo, State, Value, Whole
from napari_promptseg.server.limits import check_work
from napari_promptseg.server.predict_api import Planes
from napari_promptseg.server.uploads import Uploads
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.options import Refinement

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.models.base import Backend
    from napari_promptseg.remote.method_call import MethodCall
    from napari_promptseg.server.quotas import Quotas

_INFO, _JOURNAL = "info.json", "journal"
_MAX_BOXES: Final = 64
"""Changed boxes that are kept apart for a client."""
_MEASURE_SECONDS: Final = 2.0
"""Between two measurements of the disk that a user fills."""
_log = logging.getLogger(__name__)


@dataclass
class Hosted:
    """One session of a user; used on the thread of the queue alone.

    Parameters
    ----------
    info : SessionInfo
        Known without opening it.
    folder : Path
        Of its journal.
    open_session : callable
        Returns the session, recovered from the journal where there is one.
    require_space : callable
        Raises `OSError` if the disk quota of the user is used up.
    """

    info: SessionInfo
    folder: Path
    open_session: Callable[[], Session]
    require_space: Callable[[], None]
    last_use: float = field(default_factory=time.monotonic)
    is_working: bool = False
    _session: Session | None = None
    _dirty: dict[int, dict[ArrayName, list[Bounds]]] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        """The session, in memory from now on."""
        self.last_use = time.monotonic()
        if self._session is None:
            self._session = self.open_session()
            self._session.events.mask.connect(lambda box: self._note("mask", box))
            self._session.events.labels.connect(lambda box: self._note("labels", box))
        return self._session

    @property
    def in_memory(self) -> bool:
        """True if it takes memory."""
        return self._session is not None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark it as the session that hangs if the block does not end."""
        self.is_working = True
        try:
            yield
        finally:
            self.is_working = False

    def spill(self) -> None:
        """Leave it to its journal; the next use brings it back."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
            session.end_journal()

    def use(self, backend: Backend) -> None:
        """Go on with another model, if it is in memory; a propagation under way ends here."""
        if self._session is not None:
            self._session.set_backend(backend, refinement=Refinement())

    def abandon(self) -> None:
        """Give up a session that hangs in a model, but not its journal."""
        session, self._session, self.is_working = self._session, None, False
        if session is not None:
            session.give_up()

    def adding(self, prompts: Sequence[Prompt]) -> Generator[Plane, None, None]:
        """Add prompts plane by plane; see `Session.adding`.

        Raises
        ------
        ValueError
            If they ask for too much work.
        OSError
            If the disk quota is used up.
        """
        self.require_space()
        session = self.session
        check_work(prompts, len(session.prompts), session.volume.shape)
        return session.adding(prompts)

    def do(self, call: MethodCall) -> Value:
        """Do a call of a client, other than prompts and propagation.

        Raises
        ------
        ValueError
            As the session does, and if a prompt asks for too much work.
        OSError
            If the disk quota is used up.
        """
        session = self.session
        if not isinstance(call, Step):
            self.require_space()
        if isinstance(call, ReplacePrompt):
            check_work([call.prompt], len(session.prompts), session.volume.shape)
        if isinstance(call, SegmentEach | ProposeEach):
            check_work(call.prompts, 0, session.volume.shape)
        return call.perform(session)

    def _note(self, name: ArrayName, box: Bounds) -> None:
        for boxes in self._dirty.values():
            boxes[name] = _merged(boxes[name], box)

    def forget(self, client: object) -> None:
        """Collect no changes for a client any more."""
        self._dirty.pop(id(client), None)

    def changes(self, client: object) -> tuple[Changed, ...]:
        """Return all changes since the last reply to a client, packed.

        A new client fetches all of the session when it connects, just before its first call;
        to be sure, its first reply has everything.
        """
        boxes = self._dirty.get(id(client))
        arrays = self._arrays()
        if boxes is None:
            changes = self._content()
        else:
            changes = tuple(
                Changed.of(name, arrays[name], part)
                for name, changed_boxes in boxes.items()
                for box in changed_boxes
                for part in slabs(box)
            )
        self._dirty[id(client)] = {"mask": [], "labels": []}
        return changes

    def _arrays(self) -> dict[ArrayName, Any]:
        return {"mask": self.session.mask, "labels": self.session.labels}

    def _content(self) -> tuple[Changed, ...]:
        """Return every pixel of the session, but for parts without any."""
        session, arrays = self.session, self._arrays()
        extent = session.draft.extent
        boxes: dict[ArrayName, list[Bounds]] = {
            "labels": [stored_object.box for stored_object in session.objects.values()],
            "mask": [] if extent is None else [extent],
        }
        return tuple(
            Changed.of(name, arrays[name], part)
            for name, content in boxes.items()
            for box in content
            for part in slabs(box)
            if arrays[name][box_slices(part)].any()
        )

    def whole(self) -> Whole:
        """Return all of it: objects, and every box that holds a pixel."""
        changes = self._content()
        return Whole(info=self.info, state=State.of(self.session), changes=changes)


def _merged(boxes: list[Bounds], box: Bounds) -> list[Bounds]:
    """Add a box; those that meet become one, and too many become one as well."""
    apart = [other for other in boxes if not boxes_meet(other, box)]
    if len(apart) >= _MAX_BOXES:
        return [box_union([box, *boxes])]
    return [*apart, box_union([box, *(o for o in boxes if boxes_meet(o, box))])]


class Account:
    """Images and sessions of one user.

    Parameters
    ----------
    folder : Path
        Of the user.
    quotas : Quotas
        Limits.
    backend : callable
        Returns the model that all sessions share.
    """

    def __init__(self, folder: Path, quotas: Quotas, backend: Callable[[], Backend]) -> None:
        self._folder, self._quotas, self._backend = folder, quotas, backend
        self.images = Uploads(folder / "images", quotas)
        self.planes = Planes(backend)
        self._sessions: dict[str, Hosted] = {}
        self._measured, self._measured_at = 0, float("-inf")
        for info in sorted((folder / "sessions").glob(f"*/{_INFO}")):
            try:
                session = SessionInfo.model_validate_json(info.read_bytes())
            except (OSError, ValueError):  # the other sessions of the user are still there
                _log.exception("%s cannot be read", info)
                continue
            self._sessions[session.id] = self._hosted(session)

    def __iter__(self) -> Iterator[Hosted]:
        """Go through the sessions."""
        yield from list(self._sessions.values())

    def used(self) -> int:
        """Return the bytes on disk, journals included."""
        total = 0
        for path in self._folder.rglob("*"):
            with suppress(FileNotFoundError):  # replaced meanwhile
                total += path.stat().st_size if path.is_file() else 0
        return total

    def require_space(self) -> None:
        """Refuse to write more than the user may.

        Raises
        ------
        OSError
            If the disk quota is used up. Undo and the deletion of sessions always work.
        """
        if time.monotonic() - self._measured_at > _MEASURE_SECONDS:
            self._measured, self._measured_at = self.used(), time.monotonic()
        if self._measured > self._quotas.disk_bytes:
            raise OSError(
                f"{self._measured} bytes are in use of {self._quotas.disk_bytes}: "
                "delete a session or an image first"
            )

    def open(self, image: str, name: str) -> Hosted:
        """Begin a session on an image.

        Raises
        ------
        FileNotFoundError
            If the image is not there.
        ValueError
            If parts of it are missing, or the user has too many sessions.
        """
        if len(self._sessions) >= self._quotas.sessions:
            raise ValueError(f"{self._quotas.sessions} sessions are open: delete one first")
        volume = self.images.open(image)
        info = SessionInfo(
            id=secrets.token_hex(8),
            name=name,
            image=image,
            backend=self._backend().name,
            shape=volume.shape,
            changed=time.time(),
        )
        folder = self._folder / "sessions" / info.id
        try:
            write_private_file(folder / _INFO, info.model_dump_json().encode())
        except BaseException:  # such as a full disk
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._sessions[info.id] = self._hosted(info)
        return self._sessions[info.id]

    def _hosted(self, info: SessionInfo) -> Hosted:
        journal = self._folder / "sessions" / info.id / _JOURNAL

        def open_session() -> Session:
            volume, backend = self.images.open(info.image), self._backend()
            if (journal / "header.json").exists():
                session = Session.recover(journal, volume, backend)
            else:
                session = Session(volume, backend)
                session.keep_journal(journal, image=False)
            session.refinement = Refinement()
            return session

        return Hosted(info, journal.parent, open_session, self.require_space)

    def get(self, session: str) -> Hosted:
        """Return a session.

        Raises
        ------
        FileNotFoundError
            If the user has no such session.
        """
        if session not in self._sessions:
            raise FileNotFoundError(f"no session {session[:40]!r}")
        return self._sessions[session]

    def delete(self, session: str) -> None:
        """Delete a session; its image stays while another session is on it.

        Raises
        ------
        FileNotFoundError
            If the user has no such session.
        """
        hosted = self.get(session)
        hosted.spill()
        del self._sessions[session]
        shutil.rmtree(hosted.folder)
        self._measured_at = float("-inf")
        if not any(other.info.image == hosted.info.image for other in self):
            self.images.discard(hosted.info.image)
