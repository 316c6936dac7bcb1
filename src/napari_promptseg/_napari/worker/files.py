"""Commands that read and write files of a session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_promptseg.session.persistence import records
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.state import Colour

_VERSIONS: Final = 3
"""Former versions of a saved session that stay beside it."""


class FileCommands:
    """Save the session, export its labels, add labels of a file.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    """

    def __init__(self, proxy: SessionProxy) -> None:
        self._proxy = proxy

    def save(self, path: str | Path) -> None:
        """Write the session to a file."""
        autosave = self._proxy.autosave

        def work(session: Session, _: Job) -> None:
            session.save(path, versions=_VERSIONS)
            autosave.saved(session)

        self._proxy.run(work, self._proxy.say(f"Saved {Path(path).name}"))

    def export(self, path: str | Path, colours: Mapping[int, Colour]) -> None:
        """Write the labels to a file, over one that is there, in the colours that are shown."""
        self._proxy.run(
            lambda session, _: session.export(path, overwrite=True, colours=colours),
            self._proxy.say(f"Exported {Path(path).name}"),
        )

    def add_labels(self, path: str | Path) -> None:
        """Take the labels of a file as objects."""

        def then(ids: dict[int, int]) -> None:
            count = f"{len(ids)} object{'s' if len(ids) != 1 else ''}"
            self._proxy.events.status.emit(f"{count} from {Path(path).name}")

        self._proxy.run(lambda session, _: session.add_labels(path), then)


def load_session(path: str | Path, volume: Volume | None = None) -> tuple[Session, bool]:
    """Read a saved session, on the image in view if it was made on that one.

    Returns
    -------
    (Session, bool)
        The session, and whether it is on the given image.

    Raises
    ------
    FileNotFoundError
        If the file, or the image it refers to, is not there.
    ValueError
        If the file is no saved session.
    """
    path = Path(path)
    if volume is not None and path.is_file():
        header = records.read_header(records.Archive(path))
        if tuple(volume.data.shape) == header.shape and volume.axes == header.axes:
            return Session.load(path, volume=volume), True
    return Session.load(path), False
