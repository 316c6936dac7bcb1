"""Saving, loading, journalling and recovering a session."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_promptseg.propagation.registry import split_spec
from napari_promptseg.session.damage import bridge
from napari_promptseg.session.persistence.arrays import (
    IMAGE,
    LABELS,
    Arrays,
    embedded_image,
    read_array,
)
from napari_promptseg.session.persistence.containers import (
    Archive,
    Folder,
    corrupt_file_errors,
    read_header,
    write_archive,
)
from napari_promptseg.session.persistence.header import HEADER, Header
from napari_promptseg.session.persistence.image_source import read_volume
from napari_promptseg.session.persistence.journal import (
    FileClaim,
    Journal,
    check_vacant,
    is_written_here,
)
from napari_promptseg.session.persistence.records import (
    HISTORY,
    Damage,
    Done,
    from_history,
    max_line_bytes,
    read_records,
    salvage_records,
)
from napari_promptseg.session.session_state import SessionState
from napari_promptseg.session.validation import check_change

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Backend
    from napari_promptseg.session.persistence.containers import Container
    from napari_promptseg.session.persistence.records import Record

_log = logging.getLogger(__name__)


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
    if state.claim is not None and state.claim.path == Path(os.path.realpath(path)):
        return state.claim
    return FileClaim(path.absolute())


def load(
    path: str | Path,
    volume: Volume | Any = None,
    backend: str | Backend | None = None,
    open_source: bool = False,
) -> SessionState:
    """Return the state in a saved file; see `Session.load`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no saved session at {str(path)!r}")
    archive = Archive(path)
    state = _begin(archive, volume, backend, open_source)
    with corrupt_file_errors(path), archive.open(HISTORY) as file:
        for record in read_records(file, max_line_bytes(state.volume.shape)):
            state.store.replay(record)
    return state


def recover(
    folder: str | Path,
    volume: Volume | Any = None,
    backend: str | Backend | None = None,
    open_source: bool = False,
) -> SessionState:
    """Return the state of a journal; see `Session.recover`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no journal at {str(folder)!r}")
    container = Folder(folder)
    if not (folder / HEADER).exists():
        with corrupt_file_errors(folder):
            read_header(container)
    if is_written_here(folder):
        state = _read_journal(container, volume, backend, open_source).state
        _warn(
            f"a session of this process writes to the journal in {str(folder)!r}; the recovered "
            "one has the same state, and no journal"
        )
        return state
    journal = Journal(folder)  # from here on nobody else writes
    try:
        content = _read_journal(container, volume, backend, open_source)
        if container.damaged:
            _warn(
                f"{sorted(container.damaged)} of the journal in {str(folder)!r} changed since they "
                "were written: check the geometry, the image and the first labels of the session"
            )
        if content.damaged_lines or content.gaps:
            copy = journal.keep_damaged()
            places = (
                f"is damaged at lines {content.damaged_lines}"
                if content.damaged_lines
                else f"lacks steps before records {content.gaps}"
            )
            _warn(
                f"the journal in {str(folder)!r} {places}: these steps are lost, those before and "
                f"after them are there; the file is kept as {copy.name!r}"
            )
        journal.resume(content.records)
    except BaseException:
        journal.close()
        raise
    content.state.store.journal = journal
    return content.state


def _warn(message: str) -> None:
    _log.warning(message)
    warnings.warn(message, UserWarning, stacklevel=4)


class _JournalContent(NamedTuple):
    """State and whole records of a journal, and where others are lost.

    `gaps` are the numbers of records that did not begin from the state before them.
    """

    state: SessionState
    records: list[Record]
    damaged_lines: list[int]
    gaps: list[int]


def _read_journal(
    container: Container, volume: Any, backend: str | Backend | None, open_source: bool
) -> _JournalContent:
    """Return what is in a journal."""
    state = _begin(container, volume, backend, open_source)
    limit = max_line_bytes(state.volume.shape)
    with corrupt_file_errors(container.path), container.open(HISTORY) as file:
        return _replay(state, list(salvage_records(file, limit)))


def _replay(state: SessionState, records: list[Record | Damage]) -> _JournalContent:
    """Do the steps of a journal again.

    After damage, undo and redo cannot be done before the next finished change, which tells
    the state that it began from. Where that is not the state of the step before, whole lines
    are missing.
    """
    damaged_lines: list[int] = []
    gaps: list[int] = []
    uncertain = False
    for number, record in enumerate(records, 1):
        if isinstance(record, Damage):
            damaged_lines.append(record.line)
            uncertain = True
        elif isinstance(record, Done):
            if not uncertain and not state.store.continues(record.change):
                gaps.append(number)
                uncertain = True
            if uncertain:
                check_change(record.change, state.volume.shape)
                bridge(state.store, record.change)
                uncertain = False
            state.store.replay(record)
        elif not uncertain:
            state.store.replay(record)
    whole = [record for record in records if not isinstance(record, Damage)]
    if damaged_lines or gaps:
        whole = from_history(state.store.history)
    return _JournalContent(state, whole, damaged_lines, gaps)


def read_labels(container: Container, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return the labels that a session began with, None if there are none."""
    if LABELS not in container.names():
        return None
    with container.open(LABELS) as file:
        return read_array(file, shape)


def _begin(
    container: Container, volume: Any, backend: str | Backend | None, open_source: bool
) -> SessionState:
    """Return the state before the first step."""
    with corrupt_file_errors(container.path):
        header = read_header(container)
        image = read_volume(container, header, volume, open_source)
        labels = read_labels(container, image.shape)
    propagator = split_spec(header.backend)[1]
    state = SessionState.create(image, backend or header.backend, propagator=propagator)
    state.store.neighbors = state.store.initial_neighbors = header.neighbors
    if labels is not None:
        state.store.take_labels(labels)
    return state


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
    check_vacant(Path(folder))
    journal = Journal(Path(folder))
    try:
        header = _header(state, None if image else state.volume.fingerprint())
        journal.begin(header, _arrays(state, image))
        journal.resume(from_history(state.store.history))
    except BaseException:
        journal.close()
        raise
    state.store.journal = journal


def end_journal(state: SessionState, discard: bool = False) -> None:
    """Write no journal any more; other processes may recover from it, unless discarded."""
    journal, state.store.journal = state.store.journal, None
    if journal is not None:
        journal.close()
        if discard:
            journal.discard()


def give_up(state: SessionState) -> None:
    """Give a session up whose thread is stuck in a model, but not its journal.

    Whatever the thread does later fails, and changes nothing.
    """
    state.store.retired = True
    journal, state.store.journal = state.store.journal, None
    if journal is not None:
        journal.rewind()
        journal.close()


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
    predictor, neighbors = state.predictor, state.store.initial_neighbors
    return Header.describe(state.volume, predictor.spec, predictor.identity, pixels, neighbors)


def _arrays(state: SessionState, image: bool = True) -> Arrays:
    pixels = embedded_image(state.volume) if image else None
    return {IMAGE: pixels, LABELS: state.store.initial_labels}
