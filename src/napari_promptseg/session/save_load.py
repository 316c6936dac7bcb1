"""A session in files: saved, loaded, journalled and recovered."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from napari_promptseg.propagation.registry import split_spec
from napari_promptseg.session.persistence import records
from napari_promptseg.session.persistence.journal import Claim, Journal
from napari_promptseg.session.verify import Replayed, replay

if TYPE_CHECKING:
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Backend
    from napari_promptseg.session.predictor import Predictor
    from napari_promptseg.session.session import Session
    from napari_promptseg.session.store import Store


class Files:
    """The part of a `Session` that is about files."""

    volume: Volume
    _store: Store
    _predictor: Predictor
    _claim: Claim | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            volume: Volume,
            backend: str | Backend = ...,
            *,
            device: str = ...,
            propagator: str = ...,
        ) -> None: ...
        def _interrupt(self) -> None: ...

    def save(self, path: str | Path, versions: int = 0) -> None:
        """Write everything to one file: prompts, masks, labels, history, model identity.

        An image that was not read from a file is stored with it. A propagation that is
        under way ends here, as before any other step: what it has done is saved.

        Parameters
        ----------
        path : path
            The file; what it held before is replaced once all of it is written.
        versions : int
            Former files that stay beside it: "a.promptseg" becomes "a.1.promptseg", and so on.

        Raises
        ------
        BlockingIOError
            If another window or process has saved this file and is still open.
        OSError
            If it cannot be written; what was there before stays.
        """
        self._interrupt()
        path = Path(path)
        claim = self._claimed(path)
        steps = records.from_history(self._store.history)
        records.write_archive(path, self._header(), self._arrays(), steps, versions)
        self._claim = claim

    def _claimed(self, path: Path) -> Claim:
        """Take the right to write a file, unless the session has it already."""
        if self._claim is not None and self._claim.path == path.absolute():
            return self._claim
        return Claim(path.absolute())

    @classmethod
    def load(
        cls, path: str | Path, volume: Volume | Any = None, backend: str | Backend | None = None
    ) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path
            The file.
        volume : Volume or array-like, optional
            The image, if its file has moved.
        backend : str or Backend, optional
            Another backend than the saved one.

        Raises
        ------
        FileNotFoundError
            If the file, or the image it refers to, is not there.
        ValueError
            If the file is no saved session, or the image is another one.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no saved session at {str(path)!r}")
        return cls._restore(records.Archive(path), volume, backend)[0]

    @classmethod
    def recover(
        cls, folder: str | Path, volume: Volume | Any = None, backend: str | Backend | None = None
    ) -> Self:
        """Bring back what a process with this journal had done, and go on with the journal.

        A last record that was cut or damaged is dropped. Parameters and errors are those
        of `load`.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"no journal at {str(folder)!r}")
        session, done = cls._restore(records.Folder(folder), volume, backend)
        journal = Journal(folder)
        journal.resume(done)
        session._store.journal = journal
        return session

    @classmethod
    def _restore(
        cls, container: records.Container, volume: Any, backend: str | Backend | None
    ) -> tuple[Self, list[records.Record]]:
        with records.corrupt_file_errors(container.path):
            header = records.read_header(container)
            image = records.read_volume(container, header, volume)
        propagator = split_spec(header.backend)[1]
        session = cls(image, backend or header.backend, propagator=propagator)
        with records.corrupt_file_errors(container.path):
            given = records.read_array(container, records.LABELS)
            if given is not None:
                session._store.take_labels(given)
            with container.open(records.HISTORY) as lines:
                done = list(records.read_records(lines))
            for record in done:
                session._store.replay(record)
        return session, done

    @property
    def journal(self) -> Path | None:
        """Folder of the journal, None without one."""
        return None if self._store.journal is None else self._store.journal.folder

    def keep_journal(self, folder: str | Path, image: bool = True) -> None:
        """Have all steps on disk from now on, those that are done among them.

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
        self._interrupt()
        journal = Journal(Path(folder))
        arrays = self._arrays(image)
        journal.begin(self._header(None if image else self.volume.fingerprint()), arrays)
        journal.resume(records.from_history(self._store.history))
        self._store.journal = journal

    def end_journal(self, discard: bool = False) -> None:
        """Write no journal any more; other processes may recover from it, unless discarded."""
        journal, self._store.journal = self._store.journal, None
        if journal is not None:
            journal.close()
            if discard:
                shutil.rmtree(journal.folder, ignore_errors=True)

    def rebuild_from_history(self) -> Self:
        """Return a session in the same state that shares nothing with this one, which is over.

        For a session whose thread is stuck in a model: whatever that does later fails, and
        changes nothing. The journal goes on with the new one.
        """
        self._store.retired = True
        again = self._fresh()
        for record in records.from_history(self._store.history):
            again._store.replay(record)
        again._store.journal, self._store.journal = self._store.journal, None
        again._claim = self._claim
        return again

    def verify(self) -> Replayed:
        """Answer all prompts of the history anew, and compare bit by bit.

        The same model on the same device answers alike; of another one, see `Replayed`.
        """
        self._interrupt()
        return replay(cast("Session", self), cast("Session", self._fresh()))

    def _fresh(self) -> Self:
        """Return a session without any step, on the same image with the same model."""
        predictor = self._predictor
        fresh = type(self)(self.volume, predictor.source, device=predictor.device)
        fresh._predictor.refinement = predictor.refinement
        fresh._predictor.propagator = predictor.propagator
        if self._store.given_labels is not None:
            fresh._store.take_labels(self._store.given_labels)
        return fresh

    def _header(self, pixels: str | None = None) -> records.Header:
        return records.Header.describe(
            self.volume, self._predictor.spec, self._predictor.identity, pixels
        )

    def _arrays(self, image: bool = True) -> records.Arrays:
        embedded = records.embedded_image(self.volume) if image else None
        return {records.IMAGE: embedded, records.LABELS: self._store.given_labels}
