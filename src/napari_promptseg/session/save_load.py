"""Saving, loading, journalling and recovering a session."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_promptseg.propagation.registry import split_spec
from napari_promptseg.session.persistence.arrays import (
    IMAGE,
    LABELS,
    Arrays,
    embedded_image,
    read_array,
    read_volume,
)
from napari_promptseg.session.persistence.containers import (
    Archive,
    Folder,
    corrupt_file_errors,
    read_header,
    write_archive,
)
from napari_promptseg.session.persistence.header import Header
from napari_promptseg.session.persistence.journal import FileClaim, Journal
from napari_promptseg.session.persistence.records import HISTORY, from_history, read_records
from napari_promptseg.session.session_state import SessionState

if TYPE_CHECKING:
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Backend
    from napari_promptseg.session.persistence.containers import Container
    from napari_promptseg.session.persistence.records import Record


def save(state: SessionState, path: str | Path, versions: int = 0) -> None:
    """Write everything to one file: prompts, masks, labels, history, model identity.

    An image that was not read from a file is stored with it. A propagation that is
    running ends here, as before any other step: the planes that it has written are saved.

    Parameters
    ----------
    path : path
        The file; its former content is replaced once all of the new one is written.
    versions : int
        Former files that stay beside it: "a.promptseg" becomes "a.1.promptseg", and so on.

    Raises
    ------
    BlockingIOError
        If another window or process has saved this file and is still open.
    OSError
        If it cannot be written; the former file stays.
    """
    state.interrupt()
    path = Path(path)
    claim = _claim(state, path)
    steps = from_history(state.store.history)
    write_archive(path, _header(state), _arrays(state), steps, versions)
    state.claim = claim


def _claim(state: SessionState, path: Path) -> FileClaim:
    """Take the right to write a file, unless the session has it already."""
    if state.claim is not None and state.claim.path == path.absolute():
        return state.claim
    return FileClaim(path.absolute())


def load(
    path: str | Path, volume: Volume | Any = None, backend: str | Backend | None = None
) -> SessionState:
    """Return the state in a saved file; see `Session.load`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no saved session at {str(path)!r}")
    return _restore(Archive(path), volume, backend)[0]


def recover(
    folder: str | Path, volume: Volume | Any = None, backend: str | Backend | None = None
) -> SessionState:
    """Return the state of a journal; see `Session.recover`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no journal at {str(folder)!r}")
    state, records = _restore(Folder(folder), volume, backend)
    journal = Journal(folder)
    journal.resume(records)
    state.store.journal = journal
    return state


def _restore(
    container: Container, volume: Any, backend: str | Backend | None
) -> tuple[SessionState, list[Record]]:
    with corrupt_file_errors(container.path):
        header = read_header(container)
        image = read_volume(container, header, volume)
        labels = read_array(container, LABELS)
        with container.open(HISTORY) as lines:
            records = list(read_records(lines))
    propagator = split_spec(header.backend)[1]
    state = SessionState.create(image, backend or header.backend, propagator=propagator)
    if labels is not None:
        state.store.take_labels(labels)
    for record in records:
        state.store.replay(record)
    return state, records


def keep_journal(state: SessionState, folder: str | Path, image: bool = True) -> None:
    """Have all steps on disk from now on, earlier ones included.

    Parameters
    ----------
    folder : path
        A new or empty one.
    image : bool
        Whether an image that was not read from a file is stored with it; without that,
        `recover` needs the image.

    Raises
    ------
    FileExistsError
        If the folder holds a journal already.
    BlockingIOError
        If another process writes to it.
    OSError
        If it cannot be written to; the session goes on without.
    """
    state.interrupt()
    journal = Journal(Path(folder))
    header = _header(state, None if image else state.volume.fingerprint())
    journal.begin(header, _arrays(state, image))
    journal.resume(from_history(state.store.history))
    state.store.journal = journal


def end_journal(state: SessionState, discard: bool = False) -> None:
    """Write no journal any more; other processes may recover from it, unless discarded."""
    journal, state.store.journal = state.store.journal, None
    if journal is not None:
        journal.close()
        if discard:
            shutil.rmtree(journal.folder, ignore_errors=True)


def rebuild_from_history(state: SessionState) -> SessionState:
    """Return an equal state that shares nothing with this one, which is given up.

    For a session whose thread is stuck in a model: whatever that does later fails, and
    changes nothing. The journal goes on with the new one.
    """
    state.store.retired = True
    fresh = state.fresh()
    for record in from_history(state.store.history):
        fresh.store.replay(record)
    fresh.store.journal, state.store.journal = state.store.journal, None
    fresh.claim = state.claim
    return fresh


def _header(state: SessionState, pixels: str | None = None) -> Header:
    predictor = state.predictor
    return Header.describe(state.volume, predictor.spec, predictor.identity, pixels)


def _arrays(state: SessionState, image: bool = True) -> Arrays:
    embedded = embedded_image(state.volume) if image else None
    return {IMAGE: embedded, LABELS: state.store.initial_labels}
