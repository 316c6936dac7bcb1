"""Recovery of unsaved work: offers the journals that earlier windows left."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Signal as QtSignal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFrame, QLabel, QMessageBox, QVBoxLayout

from napari_promptseg._napari.widgets.sections import push_button, side_by_side
from napari_promptseg._napari.worker.files import is_same_image
from napari_promptseg._napari.worker.job_queue import Job
from napari_promptseg.session.persistence.containers import Folder
from napari_promptseg.session.persistence.journal import Kept, has_journals, list_kept
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg._napari.presenters.status import StatusPresenter
    from napari_promptseg.data.volume import Volume


class RecoveryBar(QFrame):
    """Offer to recover one journal; hidden if there is none."""

    recovered = QtSignal()
    discarded = QtSignal()
    skipped = QtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.recover = push_button("Recover", "Go on with it", self.recovered.emit)
        self.discard = push_button("Discard", "Delete it for good", self._ask)
        self.skip = push_button("Later", "Ask about all of them again next time", self.skipped.emit)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        column.addWidget(self.text)
        column.addLayout(side_by_side(self.recover, self.discard, self.skip))
        self.setObjectName("recovery")
        self.setStyleSheet("#recovery { border: 1px solid #c98a00; border-radius: 3px; }")
        self.show_kept(None, 0)

    def show_kept(self, journal: Kept | None, more: int) -> None:
        """Offer a journal; more of them wait behind it."""
        self.setVisible(journal is not None)
        if journal is not None:
            others = f"; {more} more wait" if more else ""
            steps = f"{journal.steps} step{'s' * (journal.steps != 1)}"
            self.text.setText(
                f"Not saved: work on {journal.title}, {_when(journal.when)}, {steps}{others}"
            )

    def _ask(self) -> None:
        question = QMessageBox.question(self, "PromptSeg", "Delete this work for good?")
        if question == QMessageBox.StandardButton.Yes:
            self.discarded.emit()


class _Offer(NamedTuple):
    """A journal, and whether it was made on the image in use."""

    journal: Kept
    here: bool


class Recovery:
    """Finds journals without a running writer, offers them, and recovers them.

    Parameters
    ----------
    bar : RecoveryBar
        Where they are offered.
    sessions : SessionManager
        Where recovered sessions go.
    status : StatusPresenter
        Shows messages and errors.
    """

    def __init__(self, bar: RecoveryBar, sessions: SessionManager, status: StatusPresenter) -> None:
        self._bar, self._sessions, self._status = bar, sessions, status
        self._offers: list[_Offer] = []
        self._skipped: set[str] = set()
        bar.recovered.connect(self.recover)
        bar.discarded.connect(self.discard)
        bar.skipped.connect(self.skip)

    def look(self) -> None:
        """Look for journals; those of the image in use come first."""
        if not has_journals():  # nothing for the worker to do
            self._offer([])
            return
        volume = (
            None if self._sessions.current is None else self._sessions.current.controller.volume
        )

        def work() -> list[_Offer]:
            offers = [_Offer(journal, is_of(journal, volume)) for journal in list_kept()]
            return sorted(offers, key=lambda offer: not offer.here)  # stable: the latest first

        self._run(work, self._offer)

    def _offer(self, offers: list[_Offer]) -> None:
        self._offers = [o for o in offers if o.journal.folder.name not in self._skipped]
        first = self._offers[0].journal if self._offers else None
        self._bar.show_kept(first, len(self._offers) - 1)

    def _take(self) -> Kept | None:
        """Take the one that is offered, and offer the next."""
        offer = self._offers.pop(0) if self._offers else None
        self._offer(self._offers)
        return None if offer is None else offer.journal

    def recover(self) -> None:
        """Bring back what is offered: on the image in use if it is the same."""
        if not self._offers:
            return
        current, offer = self._sessions.current, self._offers[0]
        journal, here = offer.journal, offer.here and current is not None
        if current is not None and here and current.controller.snapshot.can_undo:
            self._status.show("Save what is in work here first, then recover")
            return
        self._take()
        volume = current.controller.volume if current is not None and here else None

        def on_result(session: Session) -> None:
            self._sessions.adopt(session, journal.title, here)
            count = len(session.objects)
            objects = f"{count} object{'s' * (count != 1)}"
            self._sessions.say_when_ready(f"Recovered {objects} of {journal.title}")

        def on_error(error: Exception) -> None:
            self._offer([offer, *self._offers])
            if isinstance(error, FileNotFoundError):
                error = FileNotFoundError(f"open {journal.title} first, then recover")
            self._status.show_error(error)

        self._run(lambda: Session.recover(journal.folder, volume=volume), on_result, on_error)

    def discard(self) -> None:
        """Delete what is offered."""
        journal = self._take()
        if journal is not None:
            self._run(journal.discard, lambda _: self._status.show("Discarded"))

    def skip(self) -> None:
        """Ask about all that is left in another window."""
        self._skipped |= {offer.journal.folder.name for offer in self._offers}
        self._offer([])

    def _run(
        self,
        work: Callable[[], object],
        on_result: Callable[..., None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._sessions.run(Job(lambda _: work(), on_result, on_error or self._status.show_error))


def is_of(journal: Kept, volume: Volume | None) -> bool:
    """Return True if a journal was made on an image."""
    if volume is None:
        return False
    return is_same_image(Folder(journal.folder), journal.header, volume) is True


def _when(time: datetime) -> str:
    today = datetime.now().astimezone().date()
    days = (today - time.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"{time:%d %B}")
    return f"{day} {time:%H:%M}"
