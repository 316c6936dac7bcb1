"""Sessions of users: in memory while they are used, on disk always."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_promptseg.data.geometry import Bounds, box_union, boxes_meet
from napari_promptseg.remote.protocol import (
    AddPrompts,
    ArrayName,
    Changed,
    Choose,
    Commit,
    OfLabel,
    Plain,
    RemovePrompt,
    Rename,
    SessionInfo,
    State,
    Whole,
)
from napari_promptseg.server.predict_api import Planes
from napari_promptseg.server.uploads import Uploads
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.options import Refinement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.base import Backend
    from napari_promptseg.server.quotas import Quotas

_INFO, _JOURNAL = "info.json", "journal"


@dataclass
class Hosted:
    """One session; only the engine touches it.

    Parameters
    ----------
    info : SessionInfo
        What is known without opening it.
    folder : Path
        Of its journal.
    opened : callable
        Returns the session, recovered from the journal where there is one.
    """

    info: SessionInfo
    folder: Path
    opened: Callable[[], Session]
    used: float = field(default_factory=time.monotonic)
    _session: Session | None = None
    _dirty: list[tuple[ArrayName, Bounds]] = field(default_factory=list)

    @property
    def session(self) -> Session:
        """The session, in memory from now on."""
        self.used = time.monotonic()
        if self._session is None:
            self._session = self.opened()
            self._session.events.mask.connect(lambda box: self._dirty.append(("mask", box)))
            self._session.events.labels.connect(lambda box: self._dirty.append(("labels", box)))
        return self._session

    @property
    def in_memory(self) -> bool:
        """Whether it takes memory."""
        return self._session is not None

    def spill(self) -> None:
        """Leave it to its journal; the next use brings it back."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
            session.end_journal()

    def do(self, call: Any) -> int | bool | None:
        """Do what a client asks for, but for propagation.

        Raises
        ------
        ValueError
            As the session does.
        """
        session = self.session
        match call:
            case AddPrompts():
                session.add_prompts(call.prompts)
            case RemovePrompt():
                session.remove_prompt(call.number)
            case Choose():
                return session.choose(call.number)
            case Commit():
                return session.commit(call.name, call.overwrite)
            case Plain(do="discard"):
                session.discard()
            case Plain(do="undo"):
                return session.undo()
            case Plain(do="redo"):
                return session.redo()
            case OfLabel(do="reopen"):
                session.reopen(call.label)
            case OfLabel():
                session.delete(call.label)
            case Rename():
                session.rename(call.label, call.name)
            case _:
                raise ValueError(f"unknown call {call!r}")
        return None

    def changes(self) -> tuple[Changed, ...]:
        """Return what changed since the last time, packed."""
        dirty, self._dirty = self._dirty, []
        session = self.session
        arrays = {"mask": session.mask, "labels": session.labels}
        boxes: dict[ArrayName, list[Bounds]] = {"mask": [], "labels": []}
        for name, box in dirty:
            boxes[name] = _merged(boxes[name], box)
        return tuple(
            Changed.of(name, arrays[name], box) for name, found in boxes.items() for box in found
        )

    def whole(self) -> Whole:
        """Return all of it: objects, and every box that holds something."""
        session, self._dirty = self.session, []
        boxes: list[tuple[ArrayName, Bounds]] = [
            ("labels", stored.box) for stored in session.objects.values()
        ]
        if session.draft.extent is not None:
            boxes.append(("mask", session.draft.extent))
        arrays = {"mask": session.mask, "labels": session.labels}
        changes = tuple(Changed.of(name, arrays[name], box) for name, box in boxes)
        return Whole(info=self.info, state=State.of(session), changes=changes)


def _merged(boxes: list[Bounds], box: Bounds) -> list[Bounds]:
    """Add a box; those that meet become one."""
    apart = [other for other in boxes if not boxes_meet(other, box)]
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
        for info in sorted((folder / "sessions").glob(f"*/{_INFO}")):
            found = SessionInfo.model_validate(json.loads(info.read_text(encoding="utf-8")))
            self._sessions[found.id] = self._hosted(found)

    def __iter__(self) -> Iterator[Hosted]:
        """Go through the sessions."""
        yield from list(self._sessions.values())

    @property
    def used(self) -> int:
        """Bytes on disk."""
        files = (p for p in self._folder.rglob("*") if p.is_file())
        return sum(file.stat().st_size for file in files)

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
        folder.mkdir(parents=True)
        (folder / _INFO).write_text(info.model_dump_json(), encoding="utf-8")
        self._sessions[info.id] = self._hosted(info)
        return self._sessions[info.id]

    def _hosted(self, info: SessionInfo) -> Hosted:
        journal = self._folder / "sessions" / info.id / _JOURNAL

        def opened() -> Session:
            volume, backend = self.images.open(info.image), self._backend()
            if (journal / "header.json").exists():
                session = Session.recover(journal, volume, backend)
            else:
                session = Session(volume, backend)
                session.keep_journal(journal, image=False)
            session.refinement = Refinement()
            return session

        return Hosted(info, journal.parent, opened)

    def get(self, session: str) -> Hosted:
        """Return a session.

        Raises
        ------
        FileNotFoundError
            If the user has no such session.
        """
        if session not in self._sessions:
            raise FileNotFoundError(f"no session {session!r}")
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
        if not any(other.info.image == hosted.info.image for other in self):
            self.images.discard(hosted.info.image)
