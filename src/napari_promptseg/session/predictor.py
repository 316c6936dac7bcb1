"""The model side of a session: planes in, masks out, on one backend."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.backends.base import Backend
from napari_promptseg.backends.encoding import refused
from napari_promptseg.backends.registry import create_backend, list_backends
from napari_promptseg.core.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.core.volume import PlaneImage
from napari_promptseg.refine.zoom import ZoomIn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.core.geometry import Plane
    from napari_promptseg.core.volume import Volume

_KEPT_PLANES: Final = 4


class Predictor:
    """Loads a backend when it is first needed, and keeps the last planes embedded.

    Parameters
    ----------
    volume : Volume
        What is segmented.
    backend : str or Backend
        A registered name, which is wrapped in a zoom-in, or a backend taken as it is.
    device : str
        "auto", "cpu", "cuda" or "mps"; for a name only.

    Raises
    ------
    ValueError
        If no backend has that name.
    TypeError
        If the object is not a backend.
    """

    def __init__(self, volume: Volume, backend: str | Backend, device: str = "auto") -> None:
        if isinstance(backend, str):
            known = list_backends()
            if backend not in known:
                raise ValueError(f"unknown backend {backend!r}; valid backends: {sorted(known)}")
        elif not isinstance(backend, Backend):
            raise TypeError(f"backend must be a name or a Backend, got {type(backend).__name__}")
        self._volume, self._device = volume, device
        self._name = backend if isinstance(backend, str) else backend.name
        self._given = None if isinstance(backend, str) else backend
        self._backend = self._given
        self._embedded: OrderedDict[Plane, tuple[PlaneImage, Any]] = OrderedDict()

    @property
    def name(self) -> str:
        """Name of the backend."""
        return self._name

    @property
    def identity(self) -> str | None:
        """Identity of the backend, None before it is loaded."""
        return None if self._backend is None else self._backend.identity

    @property
    def backend(self) -> Backend:
        """The backend, loaded if it was not."""
        if self._backend is None:
            loaded = self._given or ZoomIn(create_backend(self._name, device=self._device))
            self._backend = loaded
        return self._backend

    def predict(
        self, plane: Plane, prompts: PlanePrompts, prior: NDArray[np.bool_] | None
    ) -> NDArray[np.bool_]:
        """Return the (H, W) mask of a plane.

        Raises
        ------
        ValueError
            If the backend does not understand one of the prompts.
        """
        backend = self.backend
        self._check(prompts)
        if plane not in self._embedded:
            image = self._volume.plane(plane)
            self._embedded[plane] = (image, backend.embed(image))
            if len(self._embedded) > _KEPT_PLANES:
                self._embedded.popitem(last=False)
        self._embedded.move_to_end(plane)
        image, embedding = self._embedded[plane]
        prediction = backend.predict(embedding, prompts, prior)
        return (prediction.paste(image.shape) > 0.5) & ~refused(prompts, image.shape)

    def _check(self, prompts: PlanePrompts) -> None:
        given = {"point" if len(s.path) == 1 else "scribble" for s in prompts.strokes}
        given |= {"box" if r.box else "lasso" for r in prompts.regions}
        given |= {"text"} if prompts.text else set()
        unknown = given - self.backend.capabilities.prompts
        if unknown:
            raise ValueError(
                f"backend {self.name!r} does not understand {sorted(unknown)}; "
                f"valid prompts: {sorted(self.backend.capabilities.prompts)}"
            )

    def look_at(self, volume: Volume) -> None:
        """Go on with the same image under another intensity window."""
        self._volume = volume
        self._embedded.clear()

    def warm_up(self) -> None:
        """Load the backend, find the intensity window and answer one click on a blank plane."""
        window = self._volume.intensity_window
        blank = PlaneImage(np.zeros((64, 64), np.float32), window)
        click = PlanePrompts(strokes=(Stroke(np.array([[32.0, 32.0]])),))
        if "point" in self.backend.capabilities.prompts:
            self.backend.predict(self.backend.embed(blank), click)

    def close(self) -> None:
        """Free the planes, and the backend unless it was given; a later prompt loads it again."""
        self._embedded.clear()
        if self._backend is not None and self._given is None:
            self._backend.close()
        self._backend = None
