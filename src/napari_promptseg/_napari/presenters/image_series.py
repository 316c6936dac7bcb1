"""Presenter of an image series: opens, saves and leaves its images one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_promptseg._napari.layers.layer_sync import LayerSync
from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.reader import image_layer
from napari_promptseg._napari.worker.image_series import open_session, rank_images, save_beside
from napari_promptseg._napari.worker.job_queue import Job
from napari_promptseg._napari.worker.main_thread import draw_later
from napari_promptseg.session.image_series import ImageSeries
from napari_promptseg.session.state import Classes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg._napari.presenters.status import StatusPresenter
    from napari_promptseg._napari.reader import LayerData
    from napari_promptseg._napari.widgets.image import ImageSection
    from napari_promptseg._napari.widgets.image_series import ImageSeriesBar
    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.session.session import Session


@dataclass(slots=True)
class _Place:
    """Place of the user in a series.

    Parameters
    ----------
    series : ImageSeries
        The series.
    layer_sync : LayerSync or None
        Its image in work, None until the first one is open.
    stays_open : bool
        Whether the user said that the image needs more work: Next leaves it so.
    classes : mapping of str to (int, int, int)
        Classes of the image as they were seen last.
    """

    series: ImageSeries
    layer_sync: LayerSync | None = None
    stays_open: bool = False
    classes: Classes = field(default_factory=dict)


class ImageSeriesPresenter:
    """Goes through the images of a folder; sessions and labels are saved beside them.

    Parameters
    ----------
    bar : ImageSeriesBar
        Its buttons.
    images : ImageSection
        Its model is used for images without a session.
    sessions : SessionManager
        Opens the sessions.
    status : StatusPresenter
        Shows messages and errors.
    confirm : callable
        Asks a yes-or-no question.
    commit : callable
        Commits the active object as the button does.
    """

    def __init__(
        self,
        bar: ImageSeriesBar,
        images: ImageSection,
        sessions: SessionManager,
        status: StatusPresenter,
        confirm: Callable[[str], bool],
        commit: Callable[[], None],
    ) -> None:
        self._bar, self._images, self._sessions, self._status = bar, images, sessions, status
        self._confirm, self._commit = confirm, commit
        self._connections = Connections()
        self._place: _Place | None = None
        self._layer_sync: LayerSync | None = None
        self._moving = False
        bar.stepped.connect(self.step)
        bar.done.connect(self._set_done)
        bar.ranked.connect(self._rank)
        bar.closed.connect(self.close)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        if layer_sync is not None:
            self._connections.connect(layer_sync.controller.events.snapshot, self._take_classes)

    def _take_classes(self, state: Snapshot) -> None:
        """Remember classes that were edited for the images that follow."""
        place = self._place
        if place is None or self._layer_sync is not place.layer_sync:
            return
        if [*state.classes.items()] != [*place.classes.items()]:
            place.classes = place.series.classes = dict(state.classes)

    def ask_folder(self) -> None:
        """Ask for a folder, and open its images as a series."""
        folder = QFileDialog.getExistingDirectory(self._bar, "Folder of images")
        if folder:
            self.open(Path(folder))

    def open(self, folder: Path) -> None:
        """Open the images of a folder as a series, where it was left."""
        self._status.show(f"Looking for images in {folder.name} …")

        def then(series: ImageSeries) -> None:
            self._leave(partial(self._begin, series))

        self._run(partial(ImageSeries.open, folder), then)

    def _begin(self, series: ImageSeries) -> None:
        self._place = _Place(series, None if self._place is None else self._place.layer_sync)
        self._open_image(series, series.begin())

    def step(self, by: int) -> None:
        """Save the image, then go to the next one or the one before."""
        place = self._place
        if place is None:
            self._status.show("Open a folder of images first: Folder…")
            return
        if self._moving:
            return
        series = place.series

        def go() -> None:
            name = series.step(series.current, by, self._bar.skip_done.isChecked())
            if name is None:
                open_count = len(series.names) - len(series.done)
                text = (
                    "All images are done"
                    if not open_count
                    else f"No more images; {open_count} not done"
                )
                self._status.show(f"{text}. All is saved in {series.folder.name}")
            else:
                self._open_image(series, name)

        self._save(place, go, done=by > 0 and not place.stays_open)

    def close(self) -> None:
        """Save the image, and leave the series; the image stays."""

        def end() -> None:
            if self._place is not None:
                folder = self._place.series.folder.name
                self._status.show(f"Left the series in {folder}; all is saved")
            self._place = None
            self._bar.hide()

        self._leave(end)

    def _leave(self, then: Callable[[], None]) -> None:
        if self._place is None:
            then()
        else:
            self._save(self._place, then)

    def _save(self, place: _Place, then: Callable[[], None], done: bool = False) -> None:
        """Write session and labels beside the image, if there is something to write.

        Parameters
        ----------
        place : _Place
            Which image.
        then : callable
            Called when all is on disk.
        done : bool
            Whether the image needs no more work if it has objects.
        """
        series, own = place.series, place.layer_sync
        if own is None or own is not self._sessions.current:
            then()
            return
        controller = own.controller
        if controller.snapshot.has_object and self._confirm(
            "The active object is not committed: it would not be in the labels. Commit it first?"
        ):
            self._commit()
        name, colors = series.current, own.colors()
        autosave = controller.autosave

        def work(session: AnySession, _: Job) -> bool:
            has_objects = save_beside(session, series, name, colors)
            autosave.saved(session)
            return has_objects

        def saved(has_objects: bool) -> None:
            if has_objects and done:
                series.done.add(name)
            self._run(series.save, lambda _: then())

        self._moving = True
        controller.proxy.run(work, saved, settle=self._stop_moving)

    def _open_image(self, series: ImageSeries, name: str) -> None:
        self._status.show(f"Opening {name} …")
        self._moving = True
        model, refinement = self._images.model, self._sessions.refinement

        def work() -> tuple[Session, LayerData]:
            session = open_session(series, name, *model, refinement)
            return session, image_layer(session.volume, name)

        self._run(work, partial(self._show_image, name))

    def _show_image(self, name: str, parts: tuple[Session, LayerData]) -> None:
        session, layer = parts
        place = self._place
        self._moving = False
        if place is None:
            session.close()
            return
        place.series.current = name
        place.stays_open, place.classes = False, session.classes
        draw_later(partial(self._sessions.show_session, session, layer, place.layer_sync))
        place.layer_sync = self._sessions.current
        self._show_place()
        self._sessions.say_when_ready(f"{name}: {len(session.objects)} objects")

    def _show_place(self) -> None:
        if self._place is not None:
            series = self._place.series
            number = series.names.index(series.current) + 1
            is_done = series.current in series.done
            self._bar.show_place(
                series.current, number, len(series.names), len(series.done), is_done
            )

    def _set_done(self, done: bool) -> None:
        place = self._place
        if place is not None:
            names = place.series.done
            (names.add if done else names.discard)(place.series.current)
            place.stays_open = not done
            self._show_place()
            self._run(place.series.save, lambda _: None)

    def _rank(self) -> None:
        """Put the images that are not done into the order in which they help most."""
        if self._place is None:
            return
        series = self._place.series
        self._status.show("Comparing the images that are not done …")

        def then(answer: tuple[list[str], list[str]]) -> None:
            ranked, unreadable = answer
            if not ranked:
                text = "Nothing to rank: all other images are done"
            else:
                done = [name for name in series.names if name in series.done]
                series.reorder([*done, series.current, *ranked])
                self._show_place()
                self._run(series.save, lambda _: None)
                count = f"{len(ranked)} image{'s' * (len(ranked) > 1)}"
                text = f"Ranked {count}: those unlike the ones before come first"
            if unreadable:
                text += f". Not read, and last: {', '.join(unreadable)}"
            self._status.show(text)

        self._run(partial(rank_images, series), then)

    def _run(self, work: Callable[[], object], then: Callable[..., None]) -> None:
        self._sessions.run(Job(lambda _: work(), then, self._fail))

    def _fail(self, error: Exception) -> None:
        self._moving = False
        self._status.show_error(error)

    def _stop_moving(self, _: Job) -> None:
        self._moving = False
