"""An offer at the top of the dock: work that an earlier window left without saving it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from psygnal import Signal, SignalGroup
from qtpy.QtCore import Signal as QtSignal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFrame, QLabel, QMessageBox, QVBoxLayout

from napari_promptseg._napari.widgets.sections import push_button, side_by_side
from napari_promptseg._napari.worker.job_queue import Job
from napari_promptseg.session.persistence.journal import Kept, has_journals, list_kept
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg.data.volume import Volume


class RecoveryBar(QFrame):
    """One line about one journal, with what can be done about it; hidden if there is none."""

    recovered = QtSignal()
    discarded = QtSignal()
    skipped = QtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.recover = push_button("Recover", "Go on with it", self.recovered.emit)
        self.discard = push_button("Discard", "Delete it for good", self._ask)
        self.skip = push_button("Later", "Ask again next time", self.skipped.emit)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        column.addWidget(self.text)
        column.addLayout(side_by_side(self.recover, self.discard, self.skip))
        self.setObjectName("recovery")
        self.setStyleSheet("#recovery { border: 1px solid #c98a00; border-radius: 3px; }")
        self.show_kept(None, 0)

    def show_kept(self, kept: Kept | None, more: int) -> None:
        """Offer a journal; more of them wait behind it."""
        self.setVisible(kept is not None)
        if kept is not None:
            others = f"; {more} more wait" if more else ""
            steps = f"{kept.steps} step{'s' * (kept.steps != 1)}"
            self.text.setText(
                f"Not saved: work on {kept.title}, {_when(kept.when)}, {steps}{others}"
            )

    def _ask(self) -> None:
        question = QMessageBox.question(self, "PromptSeg", "Delete this work for good?")
        if question == QMessageBox.StandardButton.Yes:
            self.discarded.emit()


class _Offer(NamedTuple):
    """A journal, and whether it was made on the image in use."""

    kept: Kept
    here: bool


class RecoveryEvents(SignalGroup):
    """What recovery tells the dock."""

    status = Signal(str)
    """Something to tell the user."""
    failed = Signal(Exception)
    """Something went wrong; nothing was lost."""


class Recovery:
    """Finds journals that nobody writes to, offers them, and brings them back.

    Parameters
    ----------
    bar : RecoveryBar
        Where they are offered.
    desk : SessionManager
        Where recovered sessions go.
    """

    def __init__(self, bar: RecoveryBar, desk: SessionManager) -> None:
        self.events = RecoveryEvents()
        self._bar, self._desk = bar, desk
        self._offered: list[_Offer] = []
        self._skipped: set[str] = set()
        bar.recovered.connect(self.recover)
        bar.discarded.connect(self.discard)
        bar.skipped.connect(self.skip)

    def look(self) -> None:
        """Look for journals; those of the image in use come first."""
        if not has_journals():  # nothing for the worker to do
            self._offer([])
            return
        volume = None if self._desk.current is None else self._desk.current.controller.volume

        def work() -> list[_Offer]:
            found = [_Offer(kept, is_of(kept, volume)) for kept in list_kept()]
            return sorted(found, key=lambda offer: not offer.here)  # stable: the latest first

        self._run(work, self._offer)

    def _offer(self, found: list[_Offer]) -> None:
        self._offered = [o for o in found if o.kept.folder.name not in self._skipped]
        first = self._offered[0].kept if self._offered else None
        self._bar.show_kept(first, len(self._offered) - 1)

    def _take(self) -> Kept | None:
        """Take the one that is offered, and offer the next."""
        offer = self._offered.pop(0) if self._offered else None
        self._offer(self._offered)
        return None if offer is None else offer.kept

    def recover(self) -> None:
        """Bring back what is offered: on the image in use if it is the same."""
        if not self._offered:
            return
        current, offer = self._desk.current, self._offered[0]
        kept, here = offer.kept, offer.here and current is not None
        if current is not None and here and current.controller.shown.can_undo:
            self.events.status.emit("Save what is in work here first, then recover")
            return
        self._take()
        volume = current.controller.volume if current is not None and here else None

        def done(session: Session) -> None:
            self._desk.adopt(session, kept.title, here)
            count = len(session.objects)
            objects = f"{count} object{'s' * (count != 1)}"
            self.events.status.emit(f"Recovered {objects} of {kept.title}")

        def failed(error: Exception) -> None:
            self._offer([offer, *self._offered])
            if isinstance(error, FileNotFoundError):
                error = FileNotFoundError(f"open {kept.title} first, then recover")
            self.events.failed.emit(error)

        self._run(lambda: Session.recover(kept.folder, volume=volume), done, failed)

    def discard(self) -> None:
        """Delete what is offered."""
        kept = self._take()
        if kept is not None:
            self._run(kept.discard, lambda _: self.events.status.emit("Discarded"))

    def skip(self) -> None:
        """Ask again in another window."""
        kept = self._take()
        if kept is not None:
            self._skipped.add(kept.folder.name)

    def _run(
        self,
        work: Callable[[], object],
        done: Callable[..., None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        self._desk.run(Job(lambda _: work(), done, failed or self.events.failed.emit))


def is_of(kept: Kept, volume: Volume | None) -> bool:
    """Whether a journal was made on an image."""
    if volume is None or tuple(volume.data.shape) != kept.header.shape:
        return False
    if kept.header.source is not None:
        return kept.header.source == volume.source
    return kept.header.pixels in (None, volume.fingerprint())


def _when(time: datetime) -> str:
    today = datetime.now().astimezone().date()
    days = (today - time.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"{time:%d %B}")
    return f"{day} {time:%H:%M}"
