"""Commands for the model and for the pixels that it sees."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities, refine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.propagation import PropagationCommands
    from napari_promptseg._napari.worker.requests import Geometry
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.data.intensity_window import Window
    from napari_promptseg.data.volume import ArrayLike, Volume
    from napari_promptseg.wrappers.options import Refinement


class ModelCommands:
    """Backend, device, wrappers, intensity window and channels.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    propagation : PropagationCommands
        Stopped by whatever changes the object.
    """

    def __init__(self, proxy: SessionProxy, propagation: PropagationCommands) -> None:
        self._proxy, self._propagation = proxy, propagation

    def set_backend(self, backend: str, device: str, requested: Refinement) -> None:
        """Use another model, loaded at once, with the requested wrappers."""

        def work(session: AnySession, _: Job) -> tuple[ModelCapabilities, list[str]]:
            session.set_backend(backend, device)
            return self._load(session, requested)

        self._proxy.events.status.emit(f"Loading the model {backend} …")
        self._proxy.run(work, self._ready, loads_model=True)

    def warm_up(self, requested: Refinement) -> None:
        """Load the model with its wrappers, so that the first click is answered quickly."""
        self._proxy.events.status.emit(f"Loading the model {self._proxy.snapshot.backend} …")
        self._proxy.run(
            lambda session, _: self._load(session, requested), self._ready, loads_model=True
        )

    @staticmethod
    def _load(session: AnySession, requested: Refinement) -> tuple[ModelCapabilities, list[str]]:
        capabilities = refine(session, requested)
        session.warm_up()
        if "torch" not in sys.modules:  # the backend needs none: nor does the list
            return capabilities, []
        from napari_promptseg.models.device import available_devices

        return capabilities, available_devices()

    def _ready(self, model: tuple[ModelCapabilities, list[str]]) -> None:
        capabilities, devices = model
        self._proxy.events.capabilities.emit(capabilities)
        if devices:
            self._proxy.events.devices.emit(devices)
        self._proxy.events.status.emit("Ready: click on an object")

    def free(self) -> None:
        """Unload the model; the next prompt loads it again."""
        self._propagation.cancel()
        self._proxy.run(lambda session, _: session.free(), self._proxy.say("Unloaded the model"))

    def refine(self, requested: Refinement) -> None:
        """Put other wrappers around the model; the active object stays as it is."""

        def then(capabilities: ModelCapabilities) -> None:
            self._proxy.events.capabilities.emit(capabilities)
            self._proxy.events.status.emit("The next prompt is answered so")

        self._proxy.run(lambda session, _: refine(session, requested), then)

    def set_window(self, window: Window | str | None) -> None:
        """Look at the image through another intensity window."""
        self._proxy.run(lambda session, _: session.set_window(window))

    def set_data(self, data: ArrayLike) -> None:
        """Let the model see other pixels of the same shape; objects stay as they are."""

        def work(session: AnySession, _: Job) -> Volume:
            session.set_volume(replace(session.volume, data=data, levels=(), window=None))
            return session.volume

        self._propagation.cancel()
        self._proxy.run(work, self._adopt_volume("The image has new pixels: the model sees them"))

    def set_geometry(self, geometry: Geometry) -> None:
        """Use another spacing, unit and affine for sizes, propagation and export."""

        def work(session: AnySession, _: Job) -> Volume:
            volume = session.volume
            session.set_volume(
                replace(
                    volume,
                    spacing=geometry.spacing,
                    units=geometry.units,
                    affine=geometry.affine,
                )
            )
            return session.volume

        self._proxy.run(work, self._adopt_volume("The image was moved: sizes and exports follow"))

    def _adopt_volume(self, text: str) -> Callable[[Volume], None]:
        def adopt(volume: Volume) -> None:
            self._proxy.volume = volume
            self._proxy.events.status.emit(text)

        return adopt

    def set_channels(self, channels: Sequence[int]) -> None:
        """Look at other channels of the image."""
        names = ", ".join(map(str, channels))
        self._proxy.run(
            lambda session, _: session.set_channels(channels),
            self._proxy.say(f"The model sees channel{'s' if len(channels) > 1 else ''} {names}"),
        )
