"""Commands that read and write files of a session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg.session.persistence.containers import Archive, read_header
from napari_promptseg.session.persistence.image_source import read_volume
from napari_promptseg.session.session import Session
from napari_promptseg.session.state import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.persistence.containers import Container
    from napari_promptseg.session.persistence.header import Header
    from napari_promptseg.session.state import Color

_LABEL_IMAGES: Final = (".nii", ".nii.gz", ".nrrd", ".tif", ".tiff", ".zarr", ".dcm", ".npy")
"""Suffixes of exports that hold all objects, so that no work is lost without the session."""
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

        def work(session: AnySession, _: Job) -> None:
            session.save(path, versions=_VERSIONS)
            autosave.saved(session)

        self._proxy.run(work, self._proxy.say(f"Saved {Path(path).name}"))

    def export(self, path: str | Path, colors: Mapping[int, Color]) -> None:
        """Write the labels to a file, over one that is there, in the colors that are shown."""
        path, autosave = Path(path), self._proxy.autosave

        def work(session: AnySession, _: Job) -> bool:
            session.export(path, overwrite=True, colors=colors)
            complete = session.draft == Draft()
            if complete and path.name.lower().endswith(_LABEL_IMAGES):
                autosave.saved(session)
            return complete

        def then(complete: bool) -> None:
            text = f"Exported {path.name}"
            if not complete:
                commit = key_name("commit")
                text += f" without the active object: commit it with {commit} and export again"
            self._proxy.events.status.emit(text)

        self._proxy.run(work, then)

    def add_labels(self, path: str | Path) -> None:
        """Add the labels of a file as objects."""
        self._add_labels(path, Path(path).name)

    def add_label_array(self, labels: NDArray[np.integer[Any]], name: str) -> None:
        """Add the labels of an array of the shape of the volume as objects."""
        self._add_labels(labels, name)

    def _add_labels(self, labels: Any, name: str) -> None:
        def then(ids: dict[int, int]) -> None:
            text = f"{len(ids)} object{'s' if len(ids) != 1 else ''} from {name}"
            new_ids = {old: new for old, new in ids.items() if old != new}
            if new_ids:
                old, new = next(iter(new_ids.items()))
                text += f"; {len(new_ids)} renumbered, such as {old} to {new}"
            self._proxy.events.status.emit(text)

        self._proxy.run(lambda session, _: session.add_labels(labels), then)


def load_session(path: str | Path, volume: Volume | None = None) -> tuple[Session, bool | None]:
    """Read a saved session, on the image in view if it was made on that one.

    Returns
    -------
    (Session, bool or None)
        The session, and whether it is on the given image. None: it is, but its own image is
        not there to compare.

    Raises
    ------
    FileNotFoundError
        If the file, or the image it refers to, is not there.
    ValueError
        If the file is no saved session.
    """
    path = Path(path)
    same: bool | None = False
    if volume is not None and path.is_file():
        container = Archive(path)
        same = is_same_image(container, read_header(container), volume)
    if same is not False:
        return Session.load(path, volume=volume), same
    try:
        return Session.load(path), False
    except FileNotFoundError as error:
        if not path.is_file():
            raise
        raise FileNotFoundError(
            f"the image of {path.name} is not there any more: open it in napari, then load again"
        ) from error


def is_same_image(container: Container, header: Header, volume: Volume) -> bool | None:
    """Compare the image of a stored session with a volume, by source or by pixels.

    Returns
    -------
    bool or None
        None if shape and axes agree, but the image of the session is not there any more.
    """
    if tuple(volume.data.shape) != header.shape or volume.axes != header.axes:
        return False
    if header.source is not None and header.source == volume.source:
        return True
    if header.pixels is not None:
        return header.pixels == volume.fingerprint()
    try:
        own = read_volume(container, header)
    except (FileNotFoundError, PermissionError):
        return None
    return own.fingerprint() == replace(volume, channels=own.channels).fingerprint()
