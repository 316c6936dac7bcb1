"""Session manager: one session an image, all on one worker thread."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from psygnal import Signal, SignalGroup
from qtpy.QtCore import QTimer

from napari_promptseg._napari.layers.axes import LayerAxes, axes_choices, guess_layer_axes
from napari_promptseg._napari.layers.layer_sync import LayerSync
from napari_promptseg._napari.layers.removal import remove_layers
from napari_promptseg._napari.layers.replacement import can_show, replace_image
from napari_promptseg._napari.layers.transforms import level_zero, volume_geometry
from napari_promptseg._napari.reader import LayerData, image_layer
from napari_promptseg._napari.widgets.channel_picker import remembered
from napari_promptseg._napari.worker.files import load_session
from napari_promptseg._napari.worker.job_queue import Job, JobQueue
from napari_promptseg._napari.worker.main_thread import (
    call_in_quiet_turn,
    call_later,
    call_on_main_thread,
)
from napari_promptseg._napari.worker.session_controller import SessionController
from napari_promptseg.data.volume import Volume
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.options import Refinement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image, Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg.data.intensity_window import Window

_PARKED: WeakKeyDictionary[Image, tuple[AnySession, LayerAxes, dict[str, Layer]]] = (
    WeakKeyDictionary()
)
"""Sessions of images whose dock was closed, for the next dock."""

_WATCH_INTERVAL_MS: Final = 250
_PAUSE_MS: Final = 30
"""Before an image is removed: time in which its successor is drawn."""
PATIENCE: Final = 10.0
"""Seconds after which a job is reported as possibly stuck."""


class SessionManagerEvents(SignalGroup):
    """Signals of a session manager."""

    current = Signal(object)
    """Another image is in use: its `LayerSync`, or None."""
    failed = Signal(Exception)
    """An error outside of any session."""
    status = Signal(str)
    """A message for the user."""
    stuck = Signal(float)
    """The worker has been at one job for so many seconds."""
    busy = Signal(bool)
    """The worker has been at work for a moment, or is idle again."""


class SessionManager:
    """Keeps one session an image, so that nothing is lost when another one is chosen.

    Its `refinement` holds the requested wrappers, whatever the image and model.

    Parameters
    ----------
    viewer : Viewer
        Where the images are.
    confirm : callable
        Asks a yes-or-no question.
    """

    def __init__(self, viewer: Viewer, confirm: Callable[[str], bool]) -> None:
        self.events = SessionManagerEvents()
        self.current: LayerSync | None = None
        self.refinement = Refinement()
        self._viewer, self._confirm = viewer, confirm
        self._worker = JobQueue(call_on_main_thread)
        self._layer_syncs: dict[Image, LayerSync] = {}
        self._leaving: LayerSync | None = None
        self._was_busy = self._reported_busy = False
        viewer.layers.events.removed.connect(self._removed)
        self._watch = QTimer()
        self._watch.setInterval(_WATCH_INTERVAL_MS)
        self._watch.timeout.connect(self._watch_worker)
        self._watch.start()

    def _watch_worker(self) -> None:
        """Report a busy worker at its second tick in a row, and a job that may be stuck."""
        busy = self._worker.busy
        report, self._was_busy = busy and self._was_busy, busy
        if report != self._reported_busy:
            self._reported_busy = report
            self.events.busy.emit(report)
        seconds = self._worker.stuck_for
        propagating = self.current is not None and self.current.controller.propagation.running
        if seconds and seconds >= PATIENCE and not propagating:
            self.events.stuck.emit(seconds)

    def give_up(self) -> bool:
        """Abandon a job that does not answer; return whether there was one."""
        if self.current is None or self._worker.stuck_for < PATIENCE:
            return False
        return self.current.controller.give_up()

    @property
    def busy(self) -> bool:
        """True if a job runs or waits, or its result or layers are not shown yet."""
        incomplete = self.current is not None and self.current.incomplete
        return self._worker.busy or incomplete or self._leaving is not None

    def choose(
        self, image: Image | None, window: Window | str | None, backend: str, device: str
    ) -> None:
        """Use an image, in a session of its own.

        Raises
        ------
        ValueError
            If it cannot be annotated.
        """
        if image is None:
            self._use(None)
            return
        if image not in self._layer_syncs:
            self._layer_syncs[image] = self._bind(image, window, backend, device)
        self._use(self._layer_syncs[image])

    def _use(self, layer_sync: LayerSync | None) -> None:
        if layer_sync is self.current:
            return
        if self.current is not None:
            self.current.controller.rest()
        self.current = layer_sync
        self.events.current.emit(layer_sync)
        if layer_sync is not None:
            layer_sync.controller.model.warm_up(self.refinement)

    def _bind(
        self, image: Image, window: Window | str | None, backend: str, device: str
    ) -> LayerSync:
        if image in _PARKED:
            session, layout, layers = _PARKED.pop(image)
            return self._start(image, layout, session, layers)
        data = level_zero(image)
        labels = tuple(str(label) for label in image.axis_labels)
        axes = guess_layer_axes(data.shape, image.rgb, labels, image.metadata.get("promptseg", {}))
        layout = LayerAxes(axes, image.rgb)
        session = Session(_volume(image, layout, window), backend, device=device)
        return self._start(image, layout, session)

    def _start(
        self,
        image: Image,
        layout: LayerAxes,
        session: AnySession,
        layers: dict[str, Layer] | None = None,
    ) -> LayerSync:
        controller = SessionController(session, self._worker, call_on_main_thread)
        return LayerSync(self._viewer, image, layout, controller, call_later, layers)

    def set_axes(self, axes: str, window: Window | str | None, backend: str, device: str) -> None:
        """Give the image in use other axes, in a new session.

        Raises
        ------
        ValueError
            If the image cannot have them.
        """
        before = self.current
        if before is None:
            return
        image = before.image
        layout = LayerAxes(axes, image.rgb)
        session = Session(_volume(image, layout, window), backend, device=device)
        before.controller.close()
        remove_layers(self._viewer, before.close().values())
        self._layer_syncs[image] = self._start(image, layout, session)
        self._use(self._layer_syncs[image])

    def set_model(self, backend: str, device: str) -> None:
        """Use another model for the present image."""
        if self.current is not None:
            self.current.controller.model.set_backend(backend, device, self.refinement)

    def refine(self, part: str, on: bool) -> None:
        """Switch a wrapper on or off, for all images and models that can have it."""
        self.refinement = replace(self.refinement, **{part: on})
        if self.current is not None:
            self.current.controller.model.refine(self.refinement)

    def load(self, path: Path) -> None:
        """Load a saved session: on the image in use if it was made on it, else on its own."""
        volume = None if self.current is None else self.current.controller.volume

        def on_result(answer: tuple[Session, bool | None]) -> None:
            session, same = answer
            self.adopt(session, path.stem, same)

        self._worker.submit(
            Job(lambda _: load_session(path, volume), on_result, self.events.failed.emit)
        )

    def run(self, job: Job) -> None:
        """Queue a job that belongs to no session yet."""
        self._worker.submit(job)

    def adopt(self, session: AnySession, name: str, same: bool | None) -> None:
        """Go on with a session that was read from disk.

        Parameters
        ----------
        session : AnySession
            The session.
        name : str
            Name of its image layer, if it gets one.
        same : bool or None
            Whether it was made on the image in use; None: the user has to say so.
        """
        current = self.current
        if current is None or same is False:
            text = None
            if current is not None:
                text = f"{name} is of another image, which was opened; {current.image.name} is kept"
            self._open_session(session, name, text)
            return
        image = current.image.name
        question = f"The image of {name} is not there any more. Was it made on {image}?"
        replaces = f"Work on {image} that is not saved will be replaced by {name}. Go on?"
        controller = current.controller
        if (same is None and not self._confirm(question)) or (
            not controller.autosave.is_safe(controller.session) and not self._confirm(replaces)
        ):
            session.close()
            self.events.status.emit(f"Not loaded: {name}")
            return
        self.refinement = session.refinement or Refinement()
        controller.replace_session(session)
        controller.model.warm_up(self.refinement)

    def say_when_ready(self, text: str) -> None:
        """Show a message after the model is loaded, which has messages of its own."""
        if self.current is None:
            self.events.status.emit(text)
        else:
            proxy = self.current.controller.proxy
            proxy.run(lambda *_: None, proxy.say(text))

    def _open_session(self, session: AnySession, name: str, text: str | None) -> None:
        """Show the image of a session as a layer, then a message."""

        def show(layer: LayerData) -> None:
            self.show_session(session, layer)
            if text is not None:
                self.say_when_ready(text)

        work = partial(image_layer, session.volume, name)  # reads the image for its window
        self._worker.submit(Job(lambda _: work(), show, self.events.failed.emit))

    def show_session(
        self, session: AnySession, layer: LayerData, former: LayerSync | None = None
    ) -> None:
        """Add the image of a session as a layer, and use it.

        Parameters
        ----------
        session : AnySession
            The session.
        layer : tuple
            Its image as data, attributes and type of a layer; see `image_layer`.
        former : LayerSync, optional
            An image whose place it takes: in the same layers where they fit, which is ten times
            as fast as new ones.
        """
        from napari.layers import Image

        data, attributes, _ = layer
        layout = LayerAxes(attributes["metadata"]["promptseg"]["axes"], attributes["rgb"])
        self.refinement = session.refinement or Refinement()
        if former is not None and self._layer_syncs.get(former.image) is not former:
            former = None  # its image was removed
        if former is not None and can_show(former.image, data, attributes):
            self._replace(former, session, layout, layer)
        else:
            image = Image(data, **attributes)
            _PARKED[image] = session, layout, {}
            self._viewer.add_layer(image)  # it may be chosen by this already
            self.choose(image, None, session.backend, "auto")
            if former is not None:  # in a turn of its own: each takes napari 100 ms
                self._leaving = former
                call_in_quiet_turn(self._remove_leaving, _PAUSE_MS)
        self._viewer.reset_view()

    def _replace(
        self, former: LayerSync, session: AnySession, layout: LayerAxes, layer: LayerData
    ) -> None:
        """Show another image in the layers of one, and go on with its session."""
        image, others = former.image, self._layers_beside(former)
        layers = self._end(former)
        remove_layers(self._viewer, [other for other in others if other not in layers.values()])
        replace_image(image, *layer[:2])
        for role, side in layers.items():
            side.name = f"{image.name} {role}"
        layer_sync = self._layer_syncs[image] = self._start(image, layout, session, layers)
        remove_layers(self._viewer, [side for side in layers.values() if not layer_sync.owns(side)])
        if self.current is former:
            self.current = None
        self._use(layer_sync)

    def _remove_leaving(self) -> None:
        """Remove an image with all layers beside it; its session is over."""
        leaving, self._leaving = self._leaving, None
        if leaving is not None:
            remove_layers(self._viewer, [leaving.image, *self._layers_beside(leaving)])
            self._viewer.reset_view()

    def _layers_beside(self, layer_sync: LayerSync) -> list[Layer]:
        """Return all layers that were made for an image."""
        image = layer_sync.image.unique_id
        results = [
            layer
            for layer in self._viewer.layers
            if layer.metadata.get("promptseg", {}).get("image") == image
        ]
        return [*layer_sync.layers.values(), *layer_sync.overlays, *results]

    def _end(self, layer_sync: LayerSync) -> dict[str, Layer]:
        """End the session of an image; return the layers beside it."""
        del self._layer_syncs[layer_sync.image]
        session, autosave = layer_sync.controller.close(), layer_sync.controller.autosave

        def end(_: Job) -> None:
            session.close()
            autosave.finish(session)

        self._worker.submit(Job(end, lambda _: None, self.events.failed.emit))
        return layer_sync.close()

    def _removed(self, event: Event) -> None:
        image: Any = event.value
        layer_sync = self._layer_syncs.get(image)
        if layer_sync is None:
            return
        remaining_roles = {"labels"} | (
            {"object"} if layer_sync.controller.snapshot.has_object else set()
        )
        layers = [
            layer for role, layer in self._end(layer_sync).items() if role not in remaining_roles
        ]
        # Not inside of the event of the list: napari may remove further layers itself.
        call_later(lambda: remove_layers(self._viewer, layers))
        if layer_sync is self.current:
            self.current = None
            self.events.current.emit(None)

    def close(self) -> None:
        """Stop all work and release all layers; sessions are parked for the next dock."""
        if not self._watch.isActive():
            return
        self._watch.stop()
        self._leaving = None
        self._worker.close()
        self._viewer.layers.events.removed.disconnect(self._removed)
        for image, layer_sync in self._layer_syncs.items():
            session = layer_sync.controller.close()
            layers = layer_sync.close()
            if layer_sync.controller.autosave.is_safe(session):
                layer_sync.controller.autosave.finish(session)
            _PARKED[image] = session, layer_sync.layout, layers
        self._layer_syncs.clear()
        self.current = None


def _volume(image: Image, layout: LayerAxes, window: Window | str | None) -> Volume:
    """Make the volume of an image layer; its pixels are neither read nor copied."""
    info, geometry = image.metadata.get("promptseg", {}), volume_geometry(image, layout)
    smaller = image.data[1:] if image.multiscale else ()
    return Volume(
        layout.volume_data(level_zero(image)),
        axes=layout.volume_axes,
        spacing=geometry.spacing,
        units=geometry.units,
        affine=geometry.affine,
        window=window,
        channels=info.get("channels") or _remembered(image, layout),
        source=info.get("source"),
        levels=[layout.volume_data(level) for level in smaller],
        provenance=info.get("provenance"),
        notes=info.get("notes", ()),
    )


def _remembered(image: Image, layout: LayerAxes) -> tuple[int, ...] | None:
    """Return the channels that the user chose for images with as many of them."""
    if "c" not in layout.axes or layout.rgb:
        return None
    return remembered(level_zero(image).shape[layout.axes.index("c")])


def layer_axes(layer_sync: LayerSync) -> tuple[tuple[str, ...], str]:
    """Return the axes that the image of a layer sync can have, and those it has."""
    layout = layer_sync.layout
    return axes_choices(len(layout.dims), layout.rgb), layout.axes
