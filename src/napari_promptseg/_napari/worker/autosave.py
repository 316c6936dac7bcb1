"""Autosave: journal and periodic label backups."""

from __future__ import annotations

from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import numpy as np

from napari_promptseg.session.persistence.journal import journals_folder

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg._napari.worker.any_session import AnySession

_EMBED_LIMIT: Final = 64 * 2**20
"""Bytes of an image without a file that are kept with the journal; larger ones are not."""
_COPY_LIMIT: Final = 512 * 2**20
"""Bytes of the largest labels that are copied."""
_COPY_INTERVAL: Final = 60.0
"""Seconds between two copies of the labels, at least."""
_VERSIONS: Final = 3


class Autosave:
    """Journal of a session from its first step on, and copies of its labels.

    All of it runs on the worker.

    Parameters
    ----------
    folder : Path, optional
        Where journals go; that of the user when not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._saved: tuple[str, ...] | None = None
        self._copied: tuple[int, ...] | None = None
        self._copied_at = -_COPY_INTERVAL
        self._over = False

    def is_due(self, session: AnySession) -> bool:
        """Return True if `save` has something to do; quick, from any thread."""
        here = session.server is None  # a server keeps the journals of its sessions
        return here and (self._lacks_journal(session) or self._lacks_copy(session))

    def _lacks_journal(self, session: AnySession) -> bool:
        return session.journal is None and bool(session.history) and not self._over

    def _lacks_copy(self, session: AnySession) -> bool:
        state = tuple(session.objects)
        due = monotonic() - self._copied_at >= _COPY_INTERVAL
        return due and bool(state) and state != self._copied and session.journal is not None

    def save(self, session: AnySession) -> None:
        """Begin the journal or copy the labels, on the worker; later steps follow by themselves.

        Raises
        ------
        OSError
            Once, if nothing can be written; the session goes on without a journal.
        """
        if self._lacks_journal(session):
            root = self._folder or journals_folder()
            folder = root / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{uuid4().hex[:6]}"
            try:
                session.keep_journal(folder, image=_is_small(session.volume.data))
            except OSError as error:
                self._over = True
                raise OSError(
                    f"no journal is written, so a crash would lose the session: {error}"
                ) from error
        if self._lacks_copy(session) and session.labels.nbytes <= _COPY_LIMIT:
            self._copy_labels(session)

    def saved(self, session: AnySession) -> None:
        """Note that all of a session is in a file that the user chose."""
        self._saved = session.history

    def is_safe(self, session: AnySession) -> bool:
        """Return True if nothing would be lost without the journal."""
        is_stored = session.server is not None or self._saved == session.history
        return is_stored or not session.history

    def finish(self, session: AnySession) -> None:
        """End the journal: it stays, to be offered again, unless nothing would be lost."""
        self._over = True
        session.end_journal(discard=self.is_safe(session))

    def _copy_labels(self, session: AnySession) -> None:
        """Write committed objects where any program can read them."""
        assert session.journal is not None
        self._copied, self._copied_at = tuple(session.objects), monotonic()
        target = session.journal / "labels.tif"
        for number in range(_VERSIONS, 0, -1):
            older = session.journal / f"labels.{number}.tif"
            newer = session.journal / f"labels.{number - 1}.tif" if number > 1 else target
            if newer.exists():
                newer.replace(older)
        session.export(target)


def _is_small(data: Any) -> bool:
    """Return True if an image is in memory, and quickly written."""
    return isinstance(data, np.ndarray) and data.nbytes <= _EMBED_LIMIT
