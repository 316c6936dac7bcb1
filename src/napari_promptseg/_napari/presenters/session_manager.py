"""Images under annotation: one session each, all worked on by one thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from psygnal import Signal, SignalGroup
from qtpy.QtCore import QTimer

from napari_promptseg._napari.layers.axes import LayerAxes, axes_choices, guess_layer_axes
from napari_promptseg._napari.layers.layer_sync import LayerSync
from napari_promptseg._napari.layers.transforms import level_zero, world_affine
from napari_promptseg._napari.widgets.channel_picker import remembered
from napari_promptseg._napari.worker.job_queue import Job, JobQueue
from napari_promptseg._napari.worker.session_controller import SessionController, load_session
from napari_promptseg.data.volume import Volume
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.options import Refinement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image, Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_promptseg.data.intensity_window import Window

_PARKED: WeakKeyDictionary[Image, tuple[Session, LayerAxes, dict[str, Layer]]] = WeakKeyDictionary()
"""Sessions of images whose dock was closed: opened again, it goes on where it was."""


PATIENCE: Final = 10.0
"""Seconds for one piece of work, after which the user is told that it may be stuck."""


class SessionManagerEvents(SignalGroup):
    """What a desk tells the dock."""

    chosen = Signal(object)
    """Another binding is in use, or None is."""
    failed = Signal(Exception)
    """Something went wrong outside of any session."""
    stuck = Signal(float)
    """The worker has been at one thing for so many seconds."""


class SessionManager:
    """Keeps one binding an image, so that nothing is lost when another one is chosen.

    Its `refinement` holds the wrappers that are wished for, whatever the image and model.

    Parameters
    ----------
    viewer : Viewer
        Where the images are.
    later : callable
        Runs a call on the thread of the front end; from any thread.
    """

    def __init__(self, viewer: Viewer, later: Callable[[Callable[[], None]], None]) -> None:
        self.events = SessionManagerEvents()
        self.current: LayerSync | None = None
        self.refinement = Refinement()
        self._viewer, self._later = viewer, later
        self._worker = JobQueue(later)
        self._bindings: dict[Image, LayerSync] = {}
        viewer.layers.events.removed.connect(self._removed)
        self._watch = QTimer()
        self._watch.setInterval(1000)
        self._watch.timeout.connect(self._look_for_stuck)
        self._watch.start()

    def _look_for_stuck(self) -> None:
        seconds = self._worker.stuck_for
        busy = self.current is not None and self.current.controller.propagating
        if seconds >= PATIENCE and not busy:
            self.events.stuck.emit(seconds)

    def give_up(self) -> bool:
        """Leave behind what does not answer; return whether anything was so."""
        if self.current is None or self._worker.stuck_for < PATIENCE:
            return False
        return self.current.controller.give_up()

    @property
    def busy(self) -> bool:
        """Whether anything that was asked for is not done and shown yet."""
        return self._worker.busy

    def choose(
        self, image: Image | None, window: Window | str | None, backend: str, device: str
    ) -> None:
        """Put an image on the desk, with a session of its own.

        Raises
        ------
        ValueError
            If it cannot be annotated.
        """
        if image is None:
            self._use(None)
            return
        if image not in self._bindings:
            self._bindings[image] = self._bind(image, window, backend, device)
        self._use(self._bindings[image])

    def _use(self, binding: LayerSync | None) -> None:
        if binding is self.current:
            return
        if self.current is not None:
            self.current.controller.rest()
        self.current = binding
        if binding is not None:
            binding.controller.warm_up(self.refinement)
        self.events.chosen.emit(binding)

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
        session: Session,
        layers: dict[str, Layer] | None = None,
    ) -> LayerSync:
        controller = SessionController(session, self._worker, self._later)
        return LayerSync(self._viewer, image, layout, controller, self._later, layers)

    def set_axes(self, axes: str, window: Window | str | None, backend: str, device: str) -> None:
        """Take the axes of the present image for others; its session begins anew.

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
        for layer in before.close().values():
            self._viewer.layers.remove(layer)
        self._bindings[image] = self._start(image, layout, session)
        self._use(self._bindings[image])

    def set_model(self, backend: str, device: str) -> None:
        """Use another model for the present image."""
        if self.current is not None:
            self.current.controller.set_backend(backend, device, self.refinement)

    def refine(self, part: str, on: bool) -> None:
        """Switch a wrapper on or off, for all images and models that can have it."""
        self.refinement = replace(self.refinement, **{part: on})
        if self.current is not None:
            self.current.controller.refine(self.refinement)

    def load(self, path: Path) -> None:
        """Go on with a saved session: on the present image if it is the same, else on its own."""
        volume = None if self.current is None else self.current.controller.volume

        def done(answer: tuple[Session, bool]) -> None:
            session, same = answer
            self.adopt(session, path.stem, same)

        self._worker.submit(
            Job(lambda _: load_session(path, volume), done, self.events.failed.emit)
        )

    def run(self, job: Job) -> None:
        """Do something that is about no session yet."""
        self._worker.submit(job)

    def adopt(self, session: Session, name: str, same: bool) -> None:
        """Go on with a session that was read: on the present image, or on its own."""
        self.refinement = session.refinement or Refinement()
        if same and self.current is not None:
            self.current.controller.replace_session(session)
            self.current.controller.warm_up(self.refinement)
        else:
            self._open(session, name)

    def _open(self, session: Session, name: str) -> None:
        """Add the image of a loaded session as a layer."""
        from napari.layers import Image

        from napari_promptseg._napari.reader import image_layer

        data, attributes, _ = image_layer(session.volume, name)
        image = Image(data, **attributes)
        layout = LayerAxes(attributes["metadata"]["promptseg"]["axes"], image.rgb)
        self._viewer.add_layer(image)
        self._bindings[image] = self._start(image, layout, session)
        self._use(self._bindings[image])

    def _removed(self, event: Event) -> None:
        image: Any = event.value
        binding = self._bindings.pop(image, None)
        if binding is None:
            return
        session, keeper = binding.controller.close(), binding.controller.keeper

        def end(_: Job) -> None:
            session.close()
            keeper.finish(session)

        self._worker.submit(Job(end, lambda _: None, self.events.failed.emit))
        kept = {"labels"} | ({"object"} if binding.controller.shown.has_object else set())
        for role, layer in binding.close().items():
            if role not in kept:
                self._viewer.layers.remove(layer)
        if binding is self.current:
            self.current = None
            self.events.chosen.emit(None)

    def close(self) -> None:
        """Stop all work and let go of all layers; sessions wait for the next dock."""
        self._watch.stop()
        self._worker.close()
        self._viewer.layers.events.removed.disconnect(self._removed)
        for image, binding in self._bindings.items():
            session = binding.controller.close()
            layers = binding.close()
            if binding.controller.keeper.is_safe(session):
                binding.controller.keeper.finish(session)
            _PARKED[image] = session, binding.layout, layers
        self._bindings.clear()
        self.current = None


def _volume(image: Image, layout: LayerAxes, window: Window | str | None) -> Volume:
    """Make the volume of an image layer; its pixels are neither read nor copied."""
    known = image.metadata.get("promptseg", {})
    spatial = [d for d, name in enumerate(layout.dims) if name != "c"]
    smaller = image.data[1:] if image.multiscale else ()
    return Volume(
        layout.volume_data(level_zero(image)),
        axes=layout.volume_axes,
        spacing=[abs(float(image.scale[d])) for d in spatial],
        units=known.get("units", str(image.units[-1])),
        affine=known.get("affine", world_affine(image, layout)),
        window=window,
        channels=known.get("channels") or _remembered(image, layout),
        source=known.get("source"),
        levels=[layout.volume_data(level) for level in smaller],
    )


def _remembered(image: Image, layout: LayerAxes) -> tuple[int, ...] | None:
    """Return the channels that the user chose for images with as many of them."""
    if "c" not in layout.axes or layout.rgb:
        return None
    return remembered(level_zero(image).shape[layout.axes.index("c")])


def layer_axes(binding: LayerSync) -> tuple[tuple[str, ...], str]:
    """Return the axes that the image of a binding can have, and those it has."""
    layout = binding.layout
    return axes_choices(len(layout.dims), layout.rgb), layout.axes
